/** What was said, with the part of each answer that was heard, and calls to be answered. */

import { clock, element } from "./dom.js";
import { t } from "./strings.js";

export class ConversationView {
  #list;
  #shown = new Map(); // entry id → {item, look}
  #on;
  #announcer = element("p.hidden", { role: "status" });

  /**
   * @param {HTMLElement} list
   * @param {{answer: (entry: object, result: string) => void, latency: (turn: object) => void}} on
   */
  constructor(list, on) {
    this.#list = list;
    this.#on = on;
    list.setAttribute("aria-live", "off"); // it changes with every word; finished ones are announced
    list.after(this.#announcer);
  }

  /** Build everything anew: the language has changed. */
  reset() {
    this.#shown.clear();
    this.#list.replaceChildren();
  }

  /**
   * @param {import("./transcript.js").Transcript} transcript
   * @param {object} about
   * @param {number} about.start instant from which times count
   * @param {(responseId: string | null) => {turn: object, ms: number} | null} about.latencyOf
   * @param {boolean} about.recognises whether the user's words are written down
   * @param {(entry: object) => string | null} about.proposal for a call that waits for its result, else null
   */
  update(transcript, about) {
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 60;
    const gone = new Set(this.#shown.keys());
    let place = this.#list.firstElementChild;
    for (const entry of transcript.entries) {
      gone.delete(entry.id);
      const item = this.#entry(entry, transcript, about);
      if (item === place) place = place.nextElementSibling;
      else this.#list.insertBefore(item, place);
    }
    for (const id of gone) {
      this.#shown.get(id).item.remove();
      this.#shown.delete(id);
    }
    this.#welcome(transcript.entries.length === 0);
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #welcome(empty) {
    const there = this.#list.querySelector(".welcome");
    if (!empty) return there?.remove();
    if (!there) this.#list.append(element("li.welcome", {}, element("strong", {}, t("emptyTitle")), t("emptyText")));
  }

  #entry(entry, transcript, about) {
    const heard = transcript.heardCharacters(entry);
    const latency = entry.kind === "assistant" || entry.kind === "call" ? about.latencyOf(entry.responseId) : null;
    const proposal = entry.kind === "call" ? about.proposal(entry) : null;
    const look = JSON.stringify([
      entry.text, entry.status, entry.final, entry.failed, entry.cut, entry.cut && entry.heardMs, entry.output,
      entry.images.length, heard, latency?.ms, proposal !== null, about.recognises,
    ]);
    const known = this.#shown.get(entry.id);
    if (known?.look === look) return known.item;
    const item = known?.item ?? element(`li.entry.${entry.kind}`, { "data-item": entry.id });
    item.replaceChildren(...this.#content(entry, { ...about, heard, latency, proposal }));
    this.#shown.set(entry.id, { item, look });
    if (entry.final && entry.kind === "assistant" && !entry.spoken && entry.text) this.#announcer.textContent = entry.text;
    return item;
  }

  #content(entry, about) {
    if (entry.kind === "break") return [t("newSession")];
    const name = { user: t("you"), assistant: t("it"), call: t("called"), system: "system" }[entry.kind];
    const who = element("p.who", {}, name, element("span.when", {}, clock(entry.at - about.start)));
    const body = element("div", {}, ...(entry.kind === "call" ? this.#call(entry, about) : this.#said(entry, about)));
    const meta = element("p.meta", {}, ...this.#meta(entry, about));
    body.append(meta);
    return [who, body];
  }

  #said(entry, { heard, recognises }) {
    const pictures = entry.images.map((url) => element("img", { src: url, alt: "" }));
    const text = element("p.text");
    const rest = entry.text.slice(heard);
    text.append(entry.text.slice(0, heard));
    if (rest) text.append(element(`span.${entry.cut ? "unheard" : "later"}`, {}, rest));
    if (!entry.text && !pictures.length) text.append(element("span.waiting", {}, waiting(entry, recognises)));
    return entry.text || !pictures.length ? [...pictures, text] : pictures;
  }

  #meta(entry, { latency }) {
    const parts = [];
    if (entry.cut) {
      const words = entry.heardMs ? t("cutAt", { s: (entry.heardMs / 1000).toFixed(1) }) : t("cutUnheard");
      parts.push(element("span.cut", {}, words));
    }
    if (latency && entry.kind === "assistant") {
      const chip = element("button", { type: "button", title: t("latencyChip") }, `${Math.round(latency.ms)} ms`);
      chip.addEventListener("click", () => this.#on.latency(latency.turn));
      parts.push(chip);
    }
    return parts;
  }

  #call(entry, { proposal }) {
    const box = element("div.callbox", {}, element("code", {}, element("b", {}, entry.name), `(${entry.text})`));
    if (entry.output !== null) {
      box.append(element("p.result", {}, `${t("answered")} `, element("code", {}, entry.output)));
    } else if (proposal !== null) {
      const label = t("yourAnswer");
      const result = element("textarea", { value: proposal, "aria-label": label, title: label, spellcheck: false });
      const send = element("button.primary", { type: "button" }, t("answerCall"));
      send.addEventListener("click", () => this.#on.answer(entry, result.value));
      box.append(result, send);
    }
    return [box];
  }
}

function waiting(entry, recognises) {
  if (entry.failed) return t("notRecognised");
  if (entry.kind !== "user") return "…";
  if (entry.status === "hearing") return t("hearing");
  return recognises ? t("recognising") : t("noTranscription");
}
