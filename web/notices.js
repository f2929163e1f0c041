/** What goes wrong, in a sentence that says what to do; and short confirmations. */

import { byId, setText } from "./dom.js";
import { t } from "./strings.js";

const TOAST_MS = 2400;
let toastEnds = 0;

/** @param {string} reason one of the REASONS of realtime.js, or of ours @param {string} [said] by the server or browser */
export function showProblem(reason, said = "") {
  const box = byId("problem");
  box.dataset.reason = reason;
  box.hidden = false;
  setText(byId("problem-said"), said === reason ? "" : said);
  translateProblem();
  if (reason === "key_needed" || reason === "wrong_key") {
    byId("key-row").hidden = false;
    byId("key").focus();
  }
}

/** Our words about what went wrong, if anything did, in the present language. */
export function translateProblem() {
  const { reason } = byId("problem").dataset;
  if (!reason) return;
  setText(byId("problem-what"), t(reason));
  setText(byId("problem-do"), t(`${reason}Do`, { port: location.port || "8765", host: location.hostname }));
}

export function hideProblem() {
  byId("problem").hidden = true;
  delete byId("problem").dataset.reason;
}

/** @param {string} text shown for a moment */
export function toast(text) {
  const shown = byId("toast");
  setText(shown, text);
  shown.classList.add("shown");
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => shown.classList.remove("shown"), TOAST_MS);
}
