/** What the page remembers of its user's choices. Never a key. */

import { languageOf } from "./strings.js";

const PLACE = "voicebridge.console";
const CHOICES = { language: ["en", "zh"], theme: ["auto", "light", "dark"], transport: ["webrtc", "websocket"] };
const KEPT = ["language", "theme", "transport", "microphone", "tab", "autoAnswer", "session", "answers"];

export class PageSettings {
  language = languageOf(navigator.languages ?? []);
  theme = "auto";
  transport = "webrtc";
  microphone = "";
  tab = "events";
  autoAnswer = true;
  /** Changes to the session, by field of session-settings.js. Words are written down unless one does not want it. */
  session = { transcription: "gpt-4o-mini-transcribe" };
  /** Results of functions, by name. */
  answers = {};

  constructor() {
    const kept = read();
    for (const name of KEPT) {
      if (typeof kept[name] === typeof this[name] && (CHOICES[name]?.includes(kept[name]) ?? true)) this[name] = kept[name];
    }
    if (!["events", "latency", "audio", "session", "functions"].includes(this.tab)) this.tab = "events";
  }

  store() {
    try {
      localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(KEPT.map((name) => [name, this[name]]))));
    } catch {
      // storage is full or forbidden: the page works without
    }
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(PLACE)) ?? {};
  } catch {
    return {};
  }
}
