/** The timeline: of thousands of events only the rows in sight exist. */

import { byId, clock, element, setText } from "./dom.js";
import { summaryOf } from "./event-log.js";
import { t } from "./strings.js";

const ROW = 24;
const AROUND = 6; // rows beyond the edges

export class EventView {
  #log;
  #start;
  #list = byId("events");
  #space = byId("events-space");
  #rows = [];
  #selected = null;
  #following = true;
  #dirty = true;
  #typesShown = 0;
  #toast;

  /**
   * @param {import("./event-log.js").EventLog} log
   * @param {() => number} start instant from which times count
   * @param {(text: string) => void} toast
   */
  constructor(log, start, toast) {
    this.#log = log;
    this.#start = start;
    this.#toast = toast;
    this.#list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", ({ target }) => this.#clicked(target.closest(".event")));
    new ResizeObserver(() => this.#render()).observe(this.#list);
    for (const id of ["filter-text", "filter-direction", "filter-type"]) {
      byId(id).addEventListener("input", () => this.#filtered());
    }
    byId("follow").addEventListener("click", () => this.#follow());
    byId("copy-all").addEventListener("click", () => this.#copyShown());
    byId("copy-event").addEventListener("click", () => this.#copySelected());
    byId("close-event").addEventListener("click", () => this.#close());
    byId("clear-log").addEventListener("click", () => this.clear());
  }

  /** Forget all events; the filter stays. */
  clear() {
    this.#log.clear();
    this.#selected = null;
    byId("event-detail").hidden = true;
    this.#filtered();
  }

  /** An event was added. */
  changed() {
    this.#dirty = true;
  }

  /** Draw, if anything has changed and anybody sees it. */
  update() {
    if (!this.#dirty || !this.#list.offsetParent) return;
    this.#dirty = false;
    this.#offerTypes();
    this.#render();
  }

  /** The language has changed. */
  reset() {
    byId("copy-all").title = t("copyShownTitle");
    if (!byId("event-detail").hidden) this.#detail(this.#selected);
    this.#dirty = true;
  }

  #render() {
    const { shown, entries, dropped } = this.#log;
    this.#space.style.height = `${shown.length * ROW}px`;
    if (this.#following) this.#list.scrollTop = shown.length * ROW;
    const first = Math.max(0, Math.floor(this.#list.scrollTop / ROW) - AROUND);
    const count = Math.ceil(this.#list.clientHeight / ROW) + 2 * AROUND;
    const visible = shown.slice(first, first + count);
    while (this.#rows.length < visible.length) {
      this.#rows.push(row());
      this.#space.append(this.#rows.at(-1));
    }
    for (const unused of this.#rows.splice(visible.length)) unused.remove();
    visible.forEach((entry, n) => this.#fill(this.#rows[n], entry, (first + n) * ROW));
    const empty = byId("events-empty");
    empty.hidden = shown.length > 0;
    setText(empty, t(entries.length ? "nothingMatches" : "noEvents"));
    byId("follow").hidden = this.#following || !shown.length;
    this.#list.title = dropped ? t("droppedEvents", { n: dropped }) : "";
    const at = this.#selected ? `event-${this.#selected.number}` : "";
    this.#list.setAttribute("aria-activedescendant", at);
  }

  #fill(target, entry, top) {
    target.style.top = `${top}px`;
    target.entry = entry;
    target.id = `event-${entry.number}`;
    target.className = `event ${entry.direction}${entry.type === "error" ? " error" : ""}`;
    target.setAttribute("aria-selected", String(entry === this.#selected));
    const [at, way, type, about] = target.children;
    setText(at, clock(entry.at - this.#start(), true));
    setText(way, entry.direction === "sent" ? "↑" : "↓");
    way.setAttribute("aria-label", t(entry.direction));
    setText(type, entry.count > 1 ? `${entry.type} ×${entry.count}` : entry.type);
    setText(about, summaryOf(entry.event).slice(0, 200));
  }

  #offerTypes() {
    const { types } = this.#log;
    if (types.size === this.#typesShown) return;
    this.#typesShown = types.size;
    const choice = byId("filter-type");
    const [any] = choice.options;
    const kept = choice.value;
    const options = [...types.keys()].sort().map((type) => element("option", { value: type }, type));
    choice.replaceChildren(any, ...options);
    choice.value = types.has(kept) ? kept : "";
  }

  #filtered() {
    this.#log.filter({
      text: byId("filter-text").value,
      direction: byId("filter-direction").value,
      type: byId("filter-type").value,
    });
    this.#following = true;
    this.#render();
  }

  #scrolled() {
    const end = this.#space.offsetHeight - this.#list.clientHeight;
    this.#following = this.#list.scrollTop >= end - ROW;
    this.#render();
  }

  #follow() {
    this.#following = true;
    this.#render();
  }

  #clicked(target) {
    if (target) this.#select(target.entry, true);
  }

  #select(entry, open) {
    this.#selected = entry;
    const detail = byId("event-detail");
    if (open) detail.hidden = false;
    if (!detail.hidden) this.#detail(entry);
    const top = this.#log.shown.indexOf(entry) * ROW;
    const { scrollTop, clientHeight } = this.#list;
    if (top < scrollTop) this.#list.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.#list.scrollTop = top + ROW - clientHeight;
    if (open) this.#following = false;
    this.#render();
  }

  #detail(entry) {
    setText(byId("detail-type"), entry.type);
    const count = entry.count > 1 ? ` · ×${entry.count}` : "";
    setText(byId("detail-at"), `${t(entry.direction)} · ${clock(entry.at - this.#start(), true)}${count}`);
    byId("detail-json").replaceChildren(...coloured(JSON.stringify(entry.event, null, 2)));
    byId("detail-json").scrollTop = 0;
  }

  #close() {
    byId("event-detail").hidden = true;
    this.#selected = null;
    this.#render();
    this.#list.focus();
  }

  #key(event) {
    const { shown } = this.#log;
    const at = shown.indexOf(this.#selected);
    const page = Math.max(1, Math.floor(this.#list.clientHeight / ROW) - 1);
    const from = at < 0 ? shown.length : at;
    const moves = { ArrowDown: from + 1, ArrowUp: from - 1, PageDown: from + page, PageUp: from - page, Home: 0, End: Infinity };
    if (event.key in moves && shown.length) {
      this.#select(shown[Math.max(0, Math.min(shown.length - 1, moves[event.key]))], false);
    } else if (event.key === "Enter" && this.#selected) this.#select(this.#selected, true);
    else if (event.key === "Escape" && !byId("event-detail").hidden) this.#close();
    else if (event.key === "y") this.#copySelected();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async #copySelected() {
    if (!this.#selected) return;
    this.#toast(t((await copied(JSON.stringify(this.#selected.event, null, 2))) ? "copied" : "notCopied"));
  }

  async #copyShown() {
    const { shown } = this.#log;
    const done = await copied(this.#log.toJsonLines(shown));
    this.#toast(done ? t("copiedMany", { n: shown.length }) : t("notCopied"));
  }

}

function row() {
  const cells = ["at", "way", "type", "about"].map((name) => element(`span.${name}`));
  return element("div.event", { role: "option" }, ...cells);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON text with its keys and strings marked. */
function* coloured(json) {
  let at = 0;
  for (const found of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?/g)) {
    yield json.slice(at, found.index);
    yield element(`span.${found[2] ? "key" : "string"}`, {}, found[1]);
    at = found.index + found[1].length;
  }
  yield json.slice(at);
}
