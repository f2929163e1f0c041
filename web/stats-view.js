/** How the call sounds, in figures, each with its last minute. */

import { figuresOf } from "./audio-stats.js";
import { byId, element, setText } from "./dom.js";
import { sparkline } from "./scope.js";
import { t } from "./strings.js";

const KEPT = 60;
const percent = (value) => `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const kilobits = (value) => `${Math.round(value)} kbit/s`;

/** name → [value, as text, bad from]; a value of null is left out. */
const TILES = {
  roundTrip: [(figures) => figures.roundTripMs, milliseconds, 300],
  jitter: [(figures) => figures.jitterMs, milliseconds, 50],
  lossIn: [(figures) => figures.lossIn, percent, 0.03],
  lossOut: [(figures) => figures.lossOut, percent, 0.03],
  concealed: [(figures) => figures.concealed, percent, 0.03],
  buffer: [(figures) => figures.bufferMs, milliseconds, Infinity],
  in: [(figures) => figures.kbitIn, kilobits, Infinity],
  out: [(figures) => figures.kbitOut, kilobits, Infinity],
  underruns: [(figures) => figures.totals.underruns ?? null, String, 1],
  dropped: [(figures) => figures.totals.framesDropped ?? null, String, 1],
  codec: [(figures) => figures.codec || null, String, null],
  path: [(figures) => figures.path || null, String, null],
};

export class StatsView {
  #totals = null;
  #history = new Map();
  #figures = null;

  /** A new call: nothing of the last one counts. */
  clear() {
    this.#totals = this.#figures = null;
    this.#history.clear();
    this.show();
  }

  /** Once a second. @param {Map<string, object>} report */
  take(report) {
    this.#figures = figuresOf(report, this.#totals);
    this.#totals = this.#figures.totals;
    for (const [name, [valueOf]] of Object.entries(TILES)) {
      const history = this.#history.get(name) ?? Array(KEPT).fill(null);
      const value = valueOf(this.#figures);
      history.push(typeof value === "number" ? value : null);
      this.#history.set(name, history.slice(-KEPT));
    }
    this.show();
  }

  show() {
    const list = byId("stats");
    if (!list.offsetParent) return;
    if (!this.#figures) return void list.replaceChildren(element("div", {}, element("dd.words", {}, t("noStats"))));
    const tiles = Object.keys(TILES).map((name) => this.#tile(name)).filter(Boolean);
    list.replaceChildren(...tiles.map(({ tile }) => tile));
    for (const { canvas, values } of tiles) if (canvas) sparkline(canvas, values, getComputedStyle(canvas).color);
  }

  #tile(name) {
    const [valueOf, text, badFrom] = TILES[name];
    const value = valueOf(this.#figures);
    const values = this.#history.get(name);
    if (value === null && !values.some((one) => one !== null)) return null;
    const shown = element(badFrom === null ? "dd.words" : "dd");
    setText(shown, value === null ? "–" : text(value));
    const tile = element("div", { "data-stat": name }, element("dt", {}, t(`stat${name}`)), shown);
    if (badFrom === null) return { tile };
    if (value >= badFrom) tile.classList.add("bad");
    const canvas = element("canvas", { "aria-hidden": "true" });
    tile.append(canvas);
    return { tile, canvas, values };
  }
}
