/**
 * Every event of a call in both directions: bounded, filtered, exported. Audio is noted, not kept, and a run of audio
 * events is one entry.
 */

const AUDIO_MEMBERS = { "input_audio_buffer.append": "audio", "response.output_audio.delta": "delta" };

/**
 * @typedef {object} Logged
 * @property {number} number from 1 @property {number} at ms @property {"sent" | "received"} direction
 * @property {string} type @property {number} count events in this entry @property {object} event the last of them
 */

export class EventLog {
  /** @type {Logged[]} oldest first */
  entries = [];
  /** @type {Logged[]} those that pass the filter, oldest first */
  shown = [];
  dropped = 0;
  /** How often each type was seen. @type {Map<string, number>} */
  types = new Map();
  #kept;
  #count = 0;
  #filter = { text: "", direction: "", type: "" };

  /** @param {number} kept entries; beyond it the oldest go */
  constructor(kept = 10000) {
    this.#kept = kept;
  }

  /** @returns {Logged} the entry that was made or has grown */
  add(direction, event, at) {
    const { type } = event;
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    const last = this.entries.at(-1);
    if (type in AUDIO_MEMBERS && last?.type === type && last.direction === direction) {
      last.count += 1;
      last.bytes += bytesOf(event);
      last.event = withoutAudio(event, last);
      return last;
    }
    const entry = { number: ++this.#count, at, direction, type, count: 1, bytes: bytesOf(event), event };
    entry.event = withoutAudio(event, entry);
    this.entries.push(entry);
    if (this.#passes(entry)) this.shown.push(entry);
    if (this.entries.length > this.#kept) this.#shorten();
    return entry;
  }

  /** Show only what contains `text` (in its JSON), goes in `direction` and has this type; empty: any. */
  filter({ text = "", direction = "", type = "" }) {
    this.#filter = { text: text.trim().toLowerCase(), direction, type };
    this.shown = this.entries.filter((entry) => this.#passes(entry));
  }

  clear() {
    this.entries = [];
    this.shown = [];
    this.types.clear();
    this.dropped = 0;
  }

  /** One JSON object a line: `{at, direction, count?, event}`, `at` in milliseconds. */
  toJsonLines(entries = this.entries) {
    const line = ({ at, direction, count, event }) =>
      JSON.stringify({ at: Math.round(at * 10) / 10, direction, ...(count > 1 && { count }), event });
    return entries.map((entry) => `${line(entry)}\n`).join("");
  }

  /** A tenth at once: taking one from the front of a long array each time would not be free. */
  #shorten() {
    const gone = this.entries.splice(0, Math.ceil(this.#kept / 10));
    this.dropped += gone.length;
    const first = this.entries[0].number;
    const stays = this.shown.findIndex((entry) => entry.number >= first);
    this.shown.splice(0, stays < 0 ? this.shown.length : stays);
  }

  #passes(entry) {
    const { text, direction, type } = this.#filter;
    if ((direction && entry.direction !== direction) || (type && entry.type !== type)) return false;
    return !text || entry.type.includes(text) || JSON.stringify(entry.event).toLowerCase().includes(text);
  }
}

function bytesOf(event) {
  const audio = event[AUDIO_MEMBERS[event.type]];
  return typeof audio === "string" ? Math.floor((audio.length * 3) / 4) : 0;
}

function withoutAudio(event, { bytes }) {
  const member = AUDIO_MEMBERS[event.type];
  return member ? { ...event, [member]: `(${bytes} bytes of audio)` } : withoutLongAudio(event);
}

/** Items carry audio too, when they are retrieved. */
function withoutLongAudio(event) {
  const content = event.item?.content;
  if (!content?.some((part) => part.audio)) return event;
  const noted = (audio) => `(${Math.floor((audio.length * 3) / 4)} bytes of audio)`;
  const short = (part) => (part.audio ? { ...part, audio: noted(part.audio) } : part);
  return { ...event, item: { ...event.item, content: content.map(short) } };
}

/** What an event is about, in a few words. @param {object} event @returns {string} */
export function summaryOf(event) {
  const { error, item, response, session } = event;
  if (error) return [error.code, error.message].filter(Boolean).join(": ");
  if (session) return Object.keys(session).length < 8 ? JSON.stringify(session) : (session.model ?? session.type ?? "");
  if (response?.status_details?.reason) return `${response.status}: ${response.status_details.reason}`;
  if (response?.status) return response.status;
  if (event.audio_end_ms !== undefined) return `${event.audio_end_ms} ms`;
  if (event.audio_start_ms !== undefined) return `${event.audio_start_ms} ms`;
  const text = event.delta ?? event.transcript ?? event.text ?? event.arguments ?? event.audio;
  if (typeof text === "string") return text;
  if (item) return [item.role ?? item.type, item.name, textIn(item)].filter(Boolean).join(" · ");
  return "";
}

const textIn = (item) =>
  item.output ?? item.arguments ?? item.content?.map((part) => part.text ?? part.transcript ?? "").join(" ").trim();
