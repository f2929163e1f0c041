/** Tabs. On a wide page the conversation is always there, and one of the others beside it. */

import { byId } from "./dom.js";

export class Tabs {
  #tabs = [...document.querySelectorAll("[role=tab]")];
  #narrow = matchMedia("(max-width: 860px)");
  #settings;
  #opened;

  /** @param {{tab: string, store: () => void}} settings @param {() => void} opened something else is to be seen now */
  constructor(settings, opened) {
    this.#settings = settings;
    this.#opened = opened;
    for (const tab of this.#tabs) {
      tab.addEventListener("click", () => this.open(tab.dataset.tab));
      tab.addEventListener("keydown", ({ key }) => this.#step(tab, { ArrowRight: 1, ArrowLeft: -1 }[key]));
    }
    this.#narrow.addEventListener("change", () => this.fit());
  }

  fit() {
    this.open(this.#narrow.matches ? "talk" : this.#settings.tab);
  }

  /** Make the conversation visible. */
  talk() {
    if (this.#narrow.matches) this.open("talk");
  }

  open(name) {
    document.body.dataset.tab = name;
    for (const tab of this.#tabs) {
      const chosen = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (tab.dataset.tab !== "talk") byId(`panel-${tab.dataset.tab}`).hidden = !chosen;
    }
    if (name !== "talk") this.#settings.tab = name;
    this.#settings.store();
    this.#opened();
  }

  /** The tab at a place, from 0. */
  openNumber(n) {
    this.#visible[n]?.click();
  }

  get #visible() {
    return this.#tabs.filter((tab) => tab.offsetParent);
  }

  #step(tab, step) {
    if (!step) return;
    const tabs = this.#visible;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    this.open(next.dataset.tab);
    next.focus();
  }
}
