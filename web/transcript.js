/**
 * From the events of a call to what was said, in order, with how far each answer was heard.
 * Knows no clock and no page: instants come as arguments, in milliseconds.
 */

const KEPT_ENTRIES = 500;
const BYTES_PER_MS = 48; // of PCM16 at 24 kHz
const LETTERS_PER_S = 15;
const IDEOGRAPHS_PER_S = 4.5;
const IDEOGRAPH = /[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]/;

/**
 * @typedef {object} Entry
 * @property {string} id of the item, or one of ours
 * @property {"user" | "assistant" | "system" | "call" | "break"} kind a `break` is where a new session began
 * @property {number} at when it began
 * @property {string} text @property {boolean} final whether `text` will change no more
 * @property {boolean} failed recognition failed
 * @property {string[]} images data URLs
 * @property {string} status of the item
 * @property {string | null} responseId
 * @property {boolean} spoken whether it has sound
 * @property {boolean} cut its sound was cut off; what follows `heardText` was never heard
 * @property {number | null} heardMs
 * @property {string} name @property {string} callId @property {string | null} output of a call
 */

export class Transcript {
  /** @type {Entry[]} in the order of the conversation */
  entries = [];
  #byId = new Map();
  #sound = new Map(); // item → {anchors: [[characters, ms]], ms, complete}
  #playing = new Map(); // response → since when
  #pace = 1; // of this voice, against the assumed one: learnt from answers that were heard to their end

  /** A new session after a lost one: nothing before it is remembered there. */
  broken(at) {
    this.#forgetUncommitted();
    for (const entry of this.entries) entry.final = true;
    this.#playing.clear();
    if (this.entries.at(-1)?.kind !== "break") this.#add({ id: `break-${at}`, kind: "break", at, final: true });
  }

  /** @param {"sent" | "received"} direction @param {object} event @param {number} at */
  event(direction, event, at) {
    if (direction === "sent") return;
    const entry = this.#byId.get(event.item_id);
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#forgetUncommitted();
        return void this.#add({ id: event.item_id, kind: "user", at, status: "hearing" });
      case "input_audio_buffer.committed":
        return void (entry && (entry.status = "completed"));
      case "input_audio_buffer.cleared":
        return this.#forgetUncommitted();
      case "conversation.item.added":
      case "conversation.item.done":
      case "response.output_item.added":
      case "response.output_item.done":
        return this.#item(event, at);
      case "response.done":
        return this.#ended(event.response);
      case "conversation.item.deleted":
        return this.#remove(event.item_id);
      case "conversation.item.truncated":
        return void (entry && this.#heardOnly(entry, event.audio_end_ms));
      case "conversation.item.input_audio_transcription.delta":
        return void (entry && (entry.text += event.delta ?? ""));
      case "conversation.item.input_audio_transcription.completed":
        return void (entry && Object.assign(entry, { text: event.transcript, final: true }));
      case "conversation.item.input_audio_transcription.failed":
        return void (entry && Object.assign(entry, { failed: true, final: true }));
      default:
        if (entry && event.type?.startsWith("response.")) this.#said(entry, event);
    }
  }

  /** What happened to the sound of an answer (`playback` of realtime.js). */
  playback({ kind, responseId, itemId, ms }, at) {
    if (kind === "started" && !this.#playing.has(responseId)) this.#playing.set(responseId, at);
    for (const entry of this.entries) {
      if (itemId ? entry.id !== itemId : entry.responseId !== responseId || !entry.spoken) continue;
      if (kind === "stopped") this.#heardAll(entry, itemId ? null : at - this.#playing.get(responseId));
      else if (kind === "cut") this.#heardOnly(entry, ms ?? entry.heardMs ?? 0);
      else entry.heardMs = ms ?? 0;
    }
    if (kind === "stopped" || kind === "cut") this.#playing.delete(responseId);
  }

  /** Let estimated positions advance (where only beginning and end of playback are told). */
  advance(now) {
    for (const [responseId, since] of this.#playing) {
      for (const entry of this.entries) {
        const exact = this.#sound.get(entry.id)?.ms > 0;
        if (entry.responseId === responseId && entry.spoken && !entry.cut && !exact) entry.heardMs = now - since;
      }
    }
  }

  /** How many characters of an entry were heard; all of it, if it has no sound. @param {Entry} entry */
  heardCharacters(entry) {
    const length = entry.text.length;
    if (!entry.spoken || entry.heardMs === null) return entry.spoken ? 0 : length;
    if (entry.heardMs === Infinity) return length;
    const sound = this.#sound.get(entry.id);
    const guess = sound?.ms ? interpolated(sound, entry.heardMs, length) : this.#guessed(entry.text, entry.heardMs);
    return wordEnd(entry.text, guess);
  }

  #guessed(text, ms) {
    return text ? Math.min(1, (ms * this.#pace) / spokenMs(text)) * text.length : 0;
  }

  #item(event, at) {
    const { item } = event;
    const kinds = { function_call: "call", message: item.role };
    if (item.type === "function_call_output") return this.#answered(item);
    if (!kinds[item.type]) return;
    const known = this.#byId.get(item.id);
    const entry = known ?? this.#add({ id: item.id, kind: kinds[item.type], at }, event.previous_item_id);
    entry.status = item.status ?? entry.status;
    entry.responseId = event.response_id ?? entry.responseId;
    if (item.type === "function_call") {
      Object.assign(entry, { name: item.name, callId: item.call_id, text: item.arguments || entry.text });
    }
    for (const part of item.content ?? []) this.#part(entry, part);
    if (item.role !== "user" && event.type.endsWith(".done")) entry.final = true;
  }

  #part(entry, part) {
    if (part.type === "input_image") {
      if (!entry.images.includes(part.image_url)) entry.images.push(part.image_url);
      return;
    }
    const text = part.text ?? part.transcript;
    if (part.type === "output_audio" || part.type === "audio") entry.spoken = true;
    if (text && !entry.cut && text.length >= entry.text.length) entry.text = text;
    if (part.type === "input_text") entry.final = true;
  }

  #answered(item) {
    const call = this.entries.findLast((one) => one.kind === "call" && one.callId === item.call_id);
    if (call) call.output = item.output;
  }

  #said(entry, event) {
    const name = event.type.replace("response.", "");
    if (name === "content_part.added" && event.part?.type === "audio") entry.spoken = true;
    else if (name === "output_audio_transcript.delta") {
      entry.spoken = true;
      const sound = this.#soundOf(entry.id);
      if (sound.anchors.at(-1)?.[1] !== sound.ms) sound.anchors.push([entry.text.length, sound.ms]);
      entry.text += event.delta;
    } else if (name === "output_text.delta") entry.text += event.delta;
    else if (name === "function_call_arguments.delta") entry.text += event.delta;
    else if (name === "output_audio_transcript.done" || name === "output_text.done") {
      entry.text = event.transcript ?? event.text ?? entry.text;
    } else if (name === "function_call_arguments.done") entry.text = event.arguments;
    else if (name === "output_audio.delta") this.#soundOf(entry.id).ms += (event.delta.length * 3) / 4 / BYTES_PER_MS;
    else if (name === "output_audio.done") this.#soundOf(entry.id).complete = true;
  }

  /** What was made of a response that ended early, and never began to sound, was not heard. */
  #ended({ id, status }) {
    for (const entry of this.entries) {
      if (entry.responseId !== id) continue;
      entry.final = true;
      if (status !== "completed" && entry.spoken && entry.heardMs === null) this.#heardOnly(entry, 0);
    }
  }

  #heardAll(entry, ms) {
    if (entry.cut) return;
    entry.heardMs = Infinity;
    const expected = spokenMs(entry.text);
    if (ms > 500 && expected) this.#pace = 0.7 * this.#pace + 0.3 * (expected / ms);
  }

  #heardOnly(entry, ms) {
    if (!entry.spoken || entry.heardMs === Infinity) return;
    entry.heardMs = ms;
    entry.cut = true;
  }

  #soundOf(id) {
    if (!this.#sound.has(id)) this.#sound.set(id, { anchors: [], ms: 0, complete: false });
    return this.#sound.get(id);
  }

  #forgetUncommitted() {
    for (const entry of this.entries.filter((one) => one.status === "hearing")) this.#remove(entry.id);
  }

  #add(more, previous) {
    const entry = {
      text: "", final: false, failed: false, images: [], status: "", responseId: null, spoken: false, cut: false,
      heardMs: null, name: "", callId: "", output: null, ...more,
    };
    const after = previous === "root" ? -1 : this.entries.findIndex((one) => one.id === previous);
    if (after >= 0) this.entries.splice(after + 1, 0, entry);
    else this.entries.push(entry);
    this.#byId.set(entry.id, entry);
    if (this.entries.length > KEPT_ENTRIES) this.#remove(this.entries[0].id);
    return entry;
  }

  #remove(id) {
    const at = this.entries.findIndex((one) => one.id === id);
    if (at >= 0) this.entries.splice(at, 1);
    this.#byId.delete(id);
    this.#sound.delete(id);
  }
}

/** The position in the text at `ms`, between the points where text and sound are known to meet. */
function interpolated({ anchors, ms: total, complete }, ms, length) {
  const points = [...anchors];
  if (complete) points.push([length, total]);
  const next = points.findIndex(([, at]) => at > ms);
  if (next === 0) return 0;
  const [fromCharacter, from] = points[next < 0 ? points.length - 1 : next - 1];
  if (next < 0 && (complete || total <= from)) return length;
  const [toCharacter, to] = next < 0 ? [length, total] : points[next];
  return fromCharacter + ((toCharacter - fromCharacter) * (ms - from)) / (to - from);
}

/** How long it takes to say this, roughly. */
function spokenMs(text) {
  const ideographs = [...text].filter((letter) => IDEOGRAPH.test(letter)).length;
  return 1000 * (ideographs / IDEOGRAPHS_PER_S + (text.length - ideographs) / LETTERS_PER_S);
}

/** The end of the word that `position` is in or behind; ideographs are words. */
function wordEnd(text, position) {
  let at = Math.max(0, Math.min(text.length, Math.round(position)));
  if (at === 0) return 0;
  while (at < text.length && /[\p{L}\p{N}'’]/u.test(text[at]) && !IDEOGRAPH.test(text[at])) at += 1;
  return at;
}
