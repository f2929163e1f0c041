/** Single keys, where nothing is being typed, and the list of them. */

import { byId, element } from "./dom.js";
import { t } from "./strings.js";

const LISTED = [
  [["c"], "keyConnect"],
  [["m"], "keyMute"],
  [["x"], "keyInterrupt"],
  [["s"], "keyEndTurn"],
  [["t"], "keyType"],
  [["/"], "keyFilter"],
  [["1", "–", "6"], "keyTabs"],
  [["↑", "↓"], "keyEvents"],
  [["?"], "keyHelp"],
];

/** @param {Record<string, (n?: number) => void>} act by key; `tab` for digits, from 0 */
export function listenForShortcuts(act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog")) {
      if (event.key === "Escape") event.target.blur?.();
      return;
    }
    const digit = /^[1-6]$/.test(event.key) ? Number(event.key) - 1 : -1;
    const chosen = digit >= 0 ? () => act.tab(digit) : act[event.key.length === 1 ? event.key.toLowerCase() : ""];
    if (!chosen) return;
    event.preventDefault();
    chosen();
  });
}

/** Open the list. */
export function showShortcuts() {
  const rows = LISTED.flatMap(([keys, text]) => [
    element("dt", {}, ...keys.flatMap((key) => (key === "–" ? [" – "] : [element("kbd", {}, key), " "]))),
    element("dd", {}, t(text)),
  ]);
  byId("shortcuts").replaceChildren(...rows);
  byId("help-dialog").showModal();
}
