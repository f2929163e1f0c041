/** The words of the page, in the language of its user. */

import { ENGLISH } from "./words-en.js";
import { CHINESE } from "./words-zh.js";

/** By the first part of the language's tag. */
export const STRINGS = { en: ENGLISH, zh: CHINESE };

let language = "en";

/** The language of the browser, as far as there are words in it. @param {readonly string[]} wanted */
export function languageOf(wanted) {
  const first = wanted.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => tag in STRINGS);
  return first ?? "en";
}

/** @param {"en" | "zh"} chosen */
export function useLanguage(chosen) {
  language = chosen;
}

/** @param {string} key @param {Record<string, unknown>} [values] @returns {string} */
export function t(key, values = {}) {
  const text = STRINGS[language][key] ?? STRINGS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Put words where the page asks for them: `data-t`, `data-t-label`, `data-t-placeholder`. @param {ParentNode} root */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
    if (/^(BUTTON|SELECT|CANVAS)$/.test(element.tagName)) element.title = t(element.dataset.tLabel);
  }
  for (const element of root.querySelectorAll("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
}
