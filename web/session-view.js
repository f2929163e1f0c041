/** The session as a form. What the user changed is kept, and wins over what the server says. */

import { element, setText } from "./dom.js";
import { toolsIn, updateFor, valuesOf } from "./session-settings.js";
import { t } from "./strings.js";

const VOICES = ["alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"];
const TRANSCRIBERS = ["gpt-4o-mini-transcribe", "gpt-4o-transcribe", "gpt-realtime-whisper", "whisper-1"];
const DETECTIONS = ["server_vad", "semantic_vad", "none"];

/** Without a server's word: what a fresh session usually has. */
const PRESUMED = { ...valuesOf({}), voice: "alloy", detection: "server_vad", model: "gpt-realtime" };

const byServer = (values) => values.detection === "server_vad";
const FORM = [
  { group: null, fields: [
    { name: "model", hint: "modelHint" },
    { name: "voice", kind: "list", options: VOICES, hint: "voiceHint" },
    { name: "instructions", kind: "text", wide: true },
  ] },
  { group: "turnDetection", fields: [
    { name: "detection", kind: "choice", options: DETECTIONS, words: "detection" },
    { name: "threshold", kind: "range", min: 0, max: 1, step: 0.05, when: byServer },
    { name: "silence", kind: "number", min: 0, step: 50, when: byServer },
    { name: "prefix", kind: "number", min: 0, step: 50, when: byServer },
    { name: "idle", label: "idle_", kind: "number", min: 5000, max: 30000, step: 500, empty: null, hint: "idleHint", when: byServer },
    { name: "eagerness", kind: "choice", options: ["auto", "low", "medium", "high"], when: (values) => values.detection === "semantic_vad" },
    { name: "answers", label: "answersItself", kind: "check", when: (values) => values.detection !== "none" },
    { name: "interrupts", kind: "check", when: (values) => values.detection !== "none" },
  ] },
  { group: "recognition", fields: [
    { name: "transcription", kind: "list", options: TRANSCRIBERS, hint: "transcriptionHint" },
    { name: "language", label: "spokenLanguage", hint: "languageHint" },
  ] },
  { group: "answersGroup", fields: [
    { name: "modality", kind: "choice", options: ["audio", "text"], words: "modality" },
    { name: "speed", kind: "range", min: 0.25, max: 1.5, step: 0.05 },
    { name: "maxTokens", hint: "maxTokensHint" },
    { name: "toolChoice", kind: "list", options: ["auto", "none", "required"] },
    { name: "tools", kind: "code", wide: true },
  ] },
];
const FIELDS = FORM.flatMap(({ fields }) => fields);

export class SessionView {
  #form;
  #on;
  #changes;
  #session = null;
  #status = element("span.status", { id: "session-status", role: "status" });
  #preview = element("pre", { id: "session-update", hidden: true });
  #apply = element("button.primary", { id: "update-session", type: "submit" });
  #reset = element("button", { id: "reset-session", type: "button" });
  #problem = "";

  /**
   * @param {HTMLFormElement} form @param {Record<string, unknown>} changes what the user changed, by field
   * @param {{update: (session: object) => void, changed: (changes: object) => void}} on
   */
  constructor(form, changes, on) {
    this.#form = form;
    this.#changes = changes;
    this.#on = on;
    form.noValidate = true; // the server says what is wrong, and better
    form.addEventListener("input", ({ target }) => this.#edited(target));
    form.addEventListener("submit", (event) => this.#submitted(event));
    this.#reset.addEventListener("click", () => this.#forget());
    this.build();
  }

  /** The form, anew. */
  build() {
    const groups = FORM.map(({ group, fields }) => {
      const legend = group ? [element("legend", {}, t(group))] : [];
      return element("fieldset", {}, ...legend, ...fields.map(control));
    });
    setText(this.#apply, t("apply"));
    setText(this.#reset, t("reset"));
    const bar = element("div.apply", {}, this.#apply, this.#reset, this.#status, this.#preview);
    this.#form.replaceChildren(...groups, bar);
    this.#fill();
  }

  /** The values that are wanted. @returns {object} */
  get wanted() {
    const known = this.#session ? { ...valuesOf(this.#session), model: this.#session.model ?? "" } : PRESUMED;
    return { ...known, ...this.#changes };
  }

  /** Functions that are offered. @returns {object[]} */
  get tools() {
    try {
      return toolsIn(this.wanted.tools);
    } catch {
      return [];
    }
  }

  /** Change one field as if the user had. */
  set(name, value) {
    this.#changes[name] = value;
    this.#on.changed(this.#changes);
    this.#fill();
  }

  /** What to send to a fresh session. @param {object} session @returns {object | null} */
  updateFor(session) {
    this.#session = session;
    const update = this.#problem ? null : updateFor(session, this.wanted);
    if (update) setText(this.#status, t("updating"));
    return update;
  }

  /** The server described the session; null: there is none. `at`: as a time of day, when it answered an update. */
  session(session, at = null) {
    this.#session = session;
    this.#fill();
    if (at && session) this.#say(t("updated", { time: at }));
  }

  /** An update was refused. */
  refused(why) {
    this.#say(t("updateRefused", { why }), true);
  }

  #say(text, bad = false) {
    setText(this.#status, text);
    this.#status.classList.toggle("bad", bad);
  }

  #edited(target) {
    const field = FIELDS.find(({ name }) => name === target.name);
    if (!field) return;
    const value = read(field, target);
    this.#problem = "";
    if (Number.isNaN(value)) this.#problem = t("numberWrong", { field: t(field.label ?? field.name) });
    else this.#changes[field.name] = value;
    this.#on.changed(this.#changes);
    this.#fill(target);
  }

  #forget() {
    for (const name of Object.keys(this.#changes)) delete this.#changes[name];
    this.#on.changed(this.#changes);
    this.#problem = "";
    this.#fill();
  }

  #submitted(event) {
    event.preventDefault();
    const update = this.#session && !this.#problem && updateFor(this.#session, this.wanted);
    if (!update) return;
    this.#say(t("updating"));
    this.#on.update(update);
  }

  /** Show the wanted values, except in the control that is being edited. */
  #fill(editing = null) {
    const { wanted } = this;
    for (const field of FIELDS) {
      const input = this.#form.elements[field.name];
      if (input !== editing) write(field, input, wanted[field.name]);
      const frame = input.closest(".field, .check");
      frame.hidden = field.when ? !field.when(wanted) : false;
      frame.classList.toggle("changed", field.name in this.#changes);
      const shown = frame.querySelector("output");
      if (shown) setText(shown, String(wanted[field.name]));
    }
    this.#judge(wanted);
  }

  #judge(wanted) {
    let update = null;
    try {
      toolsIn(wanted.tools);
      update = this.#session ? updateFor(this.#session, wanted) : null;
      if (this.#problem) this.#say(this.#problem, true);
      else if (!this.#session) this.#say(Object.keys(this.#changes).length ? t("applyLater") : "");
      else this.#say(update ? t("sendsThis") : t("nothingToSend"));
    } catch (error) {
      this.#say(t("toolsWrong", { why: error.message }), true);
    }
    this.#preview.hidden = !update || Boolean(this.#problem);
    setText(this.#preview, update ? JSON.stringify(update, null, 1).replace(/\n\s*/g, " ") : "");
    this.#apply.disabled = !update || Boolean(this.#problem);
  }
}

function control(field) {
  const { name, kind = "line", label = name, hint, options, words } = field;
  const about = hint ? [element("span.about", {}, t(hint))] : [];
  if (kind === "check") {
    return element("label.check", {}, element("input", { type: "checkbox", name, id: `session-${name}` }), " ", t(label));
  }
  const input = {
    line: () => element("input", { name }),
    number: () => element("input", { name, type: "number", min: field.min, max: field.max ?? "", step: field.step }),
    range: () => element("input", { name, type: "range", min: field.min, max: field.max, step: field.step }),
    text: () => element("textarea", { name, rows: 4 }),
    code: () => element("textarea.code", { name, rows: 7, spellcheck: false }),
    list: () => element("input", { name, list: `${name}-options` }),
    choice: () => element("select", { name }, ...options.map((value) => element("option", { value }, words ? t(words + value) : value))),
  }[kind]();
  input.id = `session-${name}`;
  const shown = kind === "range" ? element("span.range", {}, input, element("output", { htmlFor: input.id })) : input;
  const choices = kind === "list" ? [element("datalist", { id: `${name}-options` }, ...options.map((value) => element("option", { value })))] : [];
  return element(`label.field${field.wide ? ".wide" : ""}`, {}, element("span.name", {}, t(label)), shown, ...choices, ...about);
}

function read({ kind, name, empty }, input) {
  if (kind === "check") return input.checked;
  if (kind === "range") return Number(input.value);
  if (kind === "number") return input.value === "" ? (empty === undefined ? NaN : empty) : Number(input.value);
  if (name === "maxTokens") return input.value.trim() === "inf" ? "inf" : Number(input.value || NaN);
  return kind === "text" || kind === "code" ? input.value : input.value.trim();
}

function write({ kind }, input, value) {
  if (kind === "check") input.checked = value;
  else input.value = value ?? "";
}
