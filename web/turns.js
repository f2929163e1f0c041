/**
 * From the events of a call to its turns: what is going on now, and where the time of each answer went.
 * Knows no clock and no page: instants come as arguments, in milliseconds.
 */

/** What is going on, as a person in the conversation would put it. */
export const PHASES = ["off", "listening", "hearing", "thinking", "speaking", "interrupted"];

/** The stages of an answer, each ending with the mark of that name. */
export const STAGES = ["committed", "created", "text", "audio", "playing"];

const SHOWN_INTERRUPTED_MS = 1200;
const PATIENCE_MS = 15000; // for a response that nobody said would not come
const KEPT_TURNS = 200;

/**
 * @typedef {object} Turn
 * @property {number} number from 1
 * @property {"speech" | "manual" | "text" | "tool" | "request" | "server"} kind what asked for the answer
 * @property {number} start the instant its latency counts from: the end of speech was noticed, or the request was sent
 * @property {number} silence milliseconds of silence that the turn detector had waited before `start`
 * @property {Record<string, number>} marks instants by stage, and `done`
 * @property {string[]} calls functions that were called
 * @property {string | null} itemId @property {string | null} responseId @property {string} status of the response
 * @property {boolean} cut its sound was cut off
 */

export class Turns {
  /** @type {Turn[]} oldest first */
  turns = [];
  #count = 0;
  #connected = false;
  #session = null;
  #hearing = false;
  #awaiting = null; // {at, eventId}: a response should come
  #making = new Set();
  #unheard = new Map(); // response → when it was done: its sound should come
  #writing = new Set();
  #sounding = new Set();
  #interruptedAt = -Infinity;
  #committedAt = 0;
  #asks = "request";

  /** A connection is there (a new session), or gone. */
  connected(connected) {
    this.#connected = connected;
    this.#hearing = false;
    this.#awaiting = null;
    const open = this.#unanswered(); // nobody will answer it: its session is gone
    if (open) open.status = "failed";
    for (const set of [this.#making, this.#unheard, this.#writing, this.#sounding]) set.clear();
  }

  /** @returns {string} one of PHASES */
  phase(now) {
    if (!this.#connected) return "off";
    if (now < this.#interruptedAt + SHOWN_INTERRUPTED_MS) return "interrupted";
    if (this.#hearing) return "hearing";
    if (this.#sounding.size || this.#writing.size) return "speaking";
    for (const [id, doneAt] of this.#unheard) if (now > doneAt + PATIENCE_MS / 5) this.#unheard.delete(id);
    if (this.#awaiting && now > this.#awaiting.at + PATIENCE_MS) this.#awaiting = null;
    return this.#awaiting || this.#making.size || this.#unheard.size ? "thinking" : "listening";
  }

  /** @param {"sent" | "received"} direction @param {object} event @param {number} at */
  event(direction, event, at) {
    if (direction === "sent") this.#sent(event, at);
    else this.#received(event, at);
  }

  /** What happened to the sound of a response (`playback` of realtime.js). */
  playback({ kind, responseId }, at) {
    this.#unheard.delete(responseId);
    const turn = this.#of(responseId);
    if (kind === "started") {
      this.#sounding.add(responseId);
      this.#mark(turn, "audio", at);
    } else if (kind === "stopped") this.#sounding.delete(responseId);
    else if (kind === "cut") {
      if (this.#sounding.delete(responseId)) this.#interruptedAt = at;
      if (turn) turn.cut = true;
    }
  }

  /** Sound of an answer was measured where it comes out. */
  audible(at) {
    for (const id of this.#sounding) {
      const turn = this.#of(id);
      this.#mark(turn, "playing", Math.max(at, turn?.marks.audio ?? at)); // a sound may be ahead of word of it
    }
  }

  #sent(event, at) {
    if (event.type === "conversation.item.create") {
      this.#asks = event.item?.type === "function_call_output" ? "tool" : "text";
    } else if (event.type === "input_audio_buffer.commit") this.#committedAt = at;
    else if (event.type === "response.create") {
      this.#awaiting = { at, eventId: event.event_id };
      const open = this.#unanswered();
      if (!open) this.#begin(this.#asks, at);
      this.#asks = "request";
    } else if (event.type === "response.cancel" && this.#speaks) this.#interruptedAt = at;
  }

  get #speaks() {
    return this.#sounding.size > 0 || this.#writing.size > 0;
  }

  #received(event, at) {
    const short = event.type?.replace("input_audio_buffer.", "");
    if (event.type === "session.created" || event.type === "session.updated") this.#session = event.session;
    else if (short === "speech_started") {
      this.#hearing = true;
      if (this.#speaks && this.#detection?.interrupt_response !== false) this.#interruptedAt = at;
    } else if (short === "speech_stopped") this.#stopped(event, at);
    else if (short === "committed") this.#committed(event, at);
    else if (short === "cleared") this.#hearing = this.#awaiting = null;
    else if (event.type === "error" && event.error?.event_id && event.error.event_id === this.#awaiting?.eventId) {
      this.#awaiting = null;
      const open = this.#unanswered();
      if (open) open.status = "failed";
    } else if (event.type?.startsWith("response.")) this.#response(event, at);
  }

  get #detection() {
    return this.#session?.audio?.input?.turn_detection;
  }

  #stopped(event, at) {
    this.#hearing = false;
    if (this.#session?.type === "transcription" || this.#detection?.create_response === false) return;
    this.#awaiting = { at, eventId: null };
    const turn = this.#begin("speech", at, event.item_id);
    if (this.#detection?.type === "server_vad") turn.silence = this.#detection.silence_duration_ms ?? 0;
  }

  #committed(event, at) {
    this.#hearing = false;
    let turn = this.turns.findLast((one) => one.itemId === event.item_id);
    const byHand = this.#detection === null && this.#committedAt;
    if (!turn && byHand) turn = this.#begin("manual", this.#committedAt, event.item_id);
    this.#committedAt = 0;
    this.#mark(turn, "committed", at);
  }

  #response(event, at) {
    const id = event.response_id ?? event.response?.id;
    if (event.type === "response.created") this.#created(event.response, at);
    else if (event.type === "response.done") this.#done(event.response, at);
    const turn = this.#of(id);
    if (event.type === "response.output_item.added" && event.item?.type === "function_call") {
      turn?.calls.push(event.item.name);
      this.#mark(turn, "text", at);
    } else if (event.type === "response.output_audio_transcript.delta") this.#mark(turn, "text", at);
    else if (event.type === "response.content_part.added" && event.part?.type === "audio") {
      if (!this.#sounding.has(id)) this.#unheard.set(id, Infinity);
    } else if (event.type === "response.output_text.delta") {
      this.#mark(turn, "text", at);
      this.#writing.add(id);
    } else if (event.type === "response.output_audio.delta") this.#mark(turn, "audio", at);
  }

  #created(response, at) {
    this.#awaiting = null;
    this.#making.add(response.id);
    const turn = this.#unanswered() ?? this.#begin("server", at);
    turn.responseId = response.id;
    turn.status = "in_progress";
    this.#mark(turn, "created", at);
  }

  #done(response, at) {
    this.#making.delete(response.id);
    this.#writing.delete(response.id);
    if (this.#unheard.has(response.id)) {
      if (response.status === "completed") this.#unheard.set(response.id, at);
      else this.#unheard.delete(response.id);
    }
    const turn = this.#of(response.id);
    this.#mark(turn, "done", at);
    if (turn) turn.status = response.status;
  }

  /** The turn that an answer, when it begins, belongs to. */
  #unanswered() {
    const last = this.turns.at(-1);
    return last && !last.responseId && last.status === "" ? last : null;
  }

  #of(responseId) {
    return responseId ? this.turns.findLast((turn) => turn.responseId === responseId) : undefined;
  }

  #begin(kind, start, itemId = null) {
    const turn = { number: ++this.#count, kind, start, silence: 0, marks: {}, calls: [], itemId };
    Object.assign(turn, { responseId: null, status: "", cut: false });
    this.turns.push(turn);
    if (this.turns.length > KEPT_TURNS) this.turns.shift();
    return turn;
  }

  #mark(turn, name, at) {
    if (turn && !(name in turn.marks)) turn.marks[name] = at;
  }
}

/**
 * How long each stage took, in order; stages that did not happen are left out.
 * @param {Turn} turn @returns {{name: string, ms: number}[]}
 */
export function stagesOf(turn) {
  const stages = [];
  let before = turn.start;
  for (const name of STAGES) {
    if (!(name in turn.marks)) continue;
    stages.push({ name, ms: Math.max(0, turn.marks[name] - before) });
    before = Math.max(before, turn.marks[name]);
  }
  return stages;
}

/** Milliseconds from the start of a turn to the last stage that happened; null before the first. @param {Turn} turn */
export function latencyOf(turn) {
  const stages = stagesOf(turn);
  return stages.length ? stages.reduce((sum, stage) => sum + stage.ms, 0) : null;
}

/** The value below which the share `q` (0 to 1) of `values` lies, by interpolation; null without values. */
export function quantile(values, q) {
  if (!values.length) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
}
