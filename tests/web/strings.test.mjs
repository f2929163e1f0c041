import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { STRINGS, languageOf, t, useLanguage } from "../../web/strings.js";
import { REASONS } from "../../web/realtime-error.js";
import { PHASES, STAGES } from "../../web/turns.js";

const WEB = new URL("../../web/", import.meta.url);
const read = (name) => readFileSync(new URL(name, WEB), "utf8");
const blanks = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("every word is there in every language, with the same blanks", () => {
  for (const [language, strings] of Object.entries(STRINGS)) {
    assert.deepEqual(Object.keys(strings).sort(), Object.keys(STRINGS.en).sort(), language);
    for (const [key, text] of Object.entries(strings)) {
      assert.ok(text.trim(), key);
      assert.deepEqual(blanks(text), blanks(STRINGS.en[key]), `${language}: ${key}`);
    }
  }
});

test("every word that the page and its modules ask for is there", () => {
  const asked = [...read("index.html").matchAll(/data-t(?:-label|-placeholder)?="(\w+)"/g)].map(([, key]) => key);
  for (const file of readdirSync(WEB).filter((name) => name.endsWith(".js"))) {
    asked.push(...[...read(file).matchAll(/\bt\("(\w+)"/g)].map(([, key]) => key));
  }
  assert.ok(asked.length > 100);
  for (const key of asked) assert.ok(key in STRINGS.en, key);
});

test("everything that can go wrong has a sentence, and one that says what to do", () => {
  for (const reason of [...REASONS, "key_needed", "microphone_ended"].filter((one) => one !== "hung_up")) {
    assert.ok(STRINGS.en[reason] && STRINGS.en[`${reason}Do`], reason);
  }
});

test("phases and stages have names", () => {
  for (const phase of PHASES) assert.ok(STRINGS.en[`phase${phase}`] && STRINGS.en[`hint${phase}`], phase);
  for (const stage of STAGES) assert.ok(STRINGS.en[`stage${stage}`], stage);
});

test("the language is the first of the browser's that there are words in", () => {
  assert.equal(languageOf(["fr-FR", "zh-CN", "en"]), "zh");
  assert.equal(languageOf(["zh-Hant-TW"]), "zh");
  assert.equal(languageOf(["fr"]), "en");
  assert.equal(languageOf([]), "en");
});

test("blanks are filled", () => {
  assert.equal(t("cutAt", { s: 2.5 }), "cut at 2.5 s");
  useLanguage("zh");
  assert.equal(t("cutAt", { s: 2.5 }), "在 2.5 秒处被打断");
  useLanguage("en");
});
