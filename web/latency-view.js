/** Where the time of each answer went. */

import { byId, element } from "./dom.js";
import { t } from "./strings.js";
import { STAGES, latencyOf, quantile, stagesOf } from "./turns.js";

const ROWS = 60;

export class LatencyView {
  #body = byId("latency").tBodies[0];
  #look = "";

  /** @param {import("./turns.js").Turn[]} turns */
  update(turns) {
    if (!this.#body.offsetParent && this.#body.children.length) return;
    const shown = turns.filter((turn) => latencyOf(turn) !== null && turn.responseId).slice(-ROWS).reverse();
    const look = JSON.stringify([shown.length, shown.slice(0, 3)]);
    if (look === this.#look) return;
    this.#look = look;
    this.#figures(turns);
    byId("latency-legend").replaceChildren(...STAGES.map((name) => element(`li.stage-${name}`, {}, t(`stage${name}`))));
    const most = Math.max(...shown.map(latencyOf), 1);
    this.#body.replaceChildren(...shown.map((turn) => row(turn, most)));
    byId("latency").hidden = byId("latency-legend").hidden = shown.length === 0;
    byId("latency-empty").hidden = shown.length > 0;
  }

  /** The language has changed. */
  reset() {
    this.#look = "";
    this.#body.replaceChildren();
  }

  /** Answers that were heard, and asked for by speech or in writing: the others are no measure of a conversation. */
  #figures(turns) {
    const heard = turns.filter((turn) => "playing" in turn.marks && turn.kind !== "server").map(latencyOf);
    const figures = [
      ["median", quantile(heard, 0.5)],
      ["p95", quantile(heard, 0.95)],
      ["best", quantile(heard, 0)],
    ].filter(([, value]) => value !== null);
    const shown = figures.map(([name, value]) => figure(t(name), Math.round(value), "ms"));
    if (heard.length) shown.push(figure(t("answers"), heard.length, ""));
    byId("latency-figures").replaceChildren(...shown);
  }
}

function figure(name, value, unit) {
  const shown = element("dd", {}, `${value} `, element("small", {}, unit));
  return element("div", {}, element("dt", {}, name), shown);
}

/** Of an answer that is still being made, or was cut off before it sounded, there is no total. */
function totalOf(turn) {
  if (!("playing" in turn.marks) && turn.status !== "completed") return turn.status === "in_progress" ? "…" : "–";
  return `${Math.round(latencyOf(turn))} ms`;
}

function row(turn, most) {
  const stages = stagesOf(turn);
  const notes = [element("span.note", {}, t(`kind${turn.kind}`))];
  if (turn.calls.length) notes.push(element("span.note", {}, t("turnCalls", { names: turn.calls.join(", ") })));
  if (turn.silence) notes.push(element("span.note", {}, t("silenceBefore", { ms: turn.silence })));
  if (turn.cut || turn.status === "cancelled") notes.push(element("span.note.cut", {}, t("turnCut")));
  const bars = element("div.bars", { "aria-hidden": "true" });
  for (const { name, ms } of stages) {
    const bar = element(`i.stage-${name}`, { title: `${t(`stage${name}`)}: ${Math.round(ms)} ms` });
    bar.style.width = `${(100 * ms) / most}%`;
    if (ms > 0) bars.append(bar);
  }
  const parts = stages.map(({ name, ms }) => element("span", {}, `${t(`stage${name}`)} ${Math.round(ms)}`));
  return element(
    "tr",
    { "data-turn": turn.number },
    element("td", {}, `#${turn.number}`, ...notes),
    element("td", {}, bars, element("div.parts", {}, ...parts)),
    element("td", {}, totalOf(turn)),
  );
}
