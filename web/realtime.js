/**
 * A voice call from a web page to a server that speaks the OpenAI Realtime API (GA), by WebRTC or WebSocket.
 * Needs nothing but this file and those beside it that it names: realtime-peer.js, realtime-socket.js, pcm-worklet.js,
 * realtime-error.js.
 *
 *     import { RealtimeCall } from "https://voice.example/realtime.js";
 *     const call = new RealtimeCall({ url: "https://voice.example/v1", token: async () => "ek_…" });
 *     call.addEventListener("event", ({ detail }) => console.log(detail.direction, detail.event));
 *     await call.connect();                       // in a click: browsers start sound and microphone only then
 *     call.send({ type: "response.create" });
 *     call.hangUp();
 *
 * Events (all CustomEvent, what is listed is in `detail`):
 *   event     {direction: "sent" | "received", event}  every protocol event; treat it as read-only
 *   state     {state, attempt?, reason?, again?}  idle → connecting → connected ⇄ unstable → reconnecting → closed;
 *             `again`: this is a new session after a lost one, which remembers nothing
 *   track     {side: "local" | "remote", stream}  the MediaStream of the microphone, and of the answers
 *   playback  {kind: "started" | "progress" | "stopped" | "cut", responseId, itemId?, ms?}
 *             what is heard; `itemId` and `ms` (heard so far) on a WebSocket only
 *   microphone {kind: "ended"}  it was unplugged or its permission withdrawn; the call goes on
 *   closed    {reason, message}  once; `reason` is one of REASONS
 *
 * On a WebSocket this side owns playback: when you speak into an answer it is cut here at once, and the server is told
 * with conversation.item.truncate what of it was heard. On WebRTC the server does both.
 */

import { RealtimeError, understood } from "./realtime-error.js";
import { PeerTransport } from "./realtime-peer.js";
import { SocketTransport } from "./realtime-socket.js";

export { REASONS, RealtimeError } from "./realtime-error.js";

const OPENS_WITHIN_MS = 20000; // with packets lost, setting up takes up to seven seconds
const ATTEMPTS = 20; // to reach a server that has gone: three minutes
const LASTING = new Set(["wrong_key", "forbidden", "not_served", "refused", "expired", "unsupported", "hung_up"]);

export class RealtimeCall extends EventTarget {
  #options;
  #stop = new AbortController();
  #transport;
  #stream = null;
  #own = false;
  #greeted = null;
  #muted = false;
  #session = null;
  #active = new Set();
  #lastError = null;
  #sent = 0;
  state = "idle";

  /**
   * @param {object} options
   * @param {() => Promise<string> | string} options.token gives a key (`ek_…`) each time a connection is made
   * @param {string} [options.url] base URL, by default `/v1` of the page's own server
   * @param {string} [options.model]
   * @param {"webrtc" | "websocket"} [options.transport]
   * @param {MediaTrackConstraints | MediaStream | false} [options.microphone] false: none; a stream stays yours
   * @param {(session: object) => object | null} [options.configure] the `session` of a session.update to begin with
   * @param {AudioContext} [options.context] for WebSocket sound; stays yours
   * @param {boolean} [options.reconnect] when the server goes away: try again, with a new session
   */
  constructor(options) {
    super();
    const url = new URL(options.url ?? "/v1", globalThis.location?.href).href.replace(/\/$/, "");
    this.#options = { transport: "webrtc", microphone: {}, reconnect: true, ...options, url };
    const Transport = this.#options.transport === "websocket" ? SocketTransport : PeerTransport;
    this.#transport = new Transport(this.#options, {
      message: (text) => this.#receive(text),
      lost: (error) => this.#lost(error),
      stable: (stable) => this.#steady(stable),
      append: (audio) => this.#pass({ type: "input_audio_buffer.append", audio }),
      track: (stream) => this.#emit("track", { side: "remote", stream }),
      playback: (detail) => this.#emit("playback", detail),
    });
  }

  /** Whether the microphone is silenced. */
  get muted() {
    return this.#muted;
  }

  /** The session as the server last described it, or null. */
  get session() {
    return this.#session;
  }

  /** Bytes that one event may have. */
  get maxEventBytes() {
    return this.#transport.maxBytes;
  }

  /** Resolves when the session is there. Rejects with a RealtimeError; the call is over then. */
  async connect() {
    this.#become("connecting");
    try {
      if (this.#options.microphone !== false) await this.#useStream(this.#options.microphone);
      await this.#open(false);
    } catch (error) {
      const reason = this.#stop.signal.aborted ? new RealtimeError("hung_up") : understood(error);
      this.#finish(reason);
      throw reason;
    }
  }

  /** Send a client event. Returns its `event_id`, which an `error` event names. Throws a RealtimeError if it cannot. */
  send(event) {
    const complete = { event_id: `event_${++this.#sent}`, ...event };
    this.#pass(complete);
    return complete.event_id;
  }

  /** Stop the answer: what of it is being made, and what is being heard. */
  async interrupt() {
    if (this.#active.size) this.send({ type: "response.cancel" });
    if (this.#options.transport === "webrtc") this.send({ type: "output_audio_buffer.clear" });
    await this.#cut();
  }

  /** @param {boolean} muted send silence instead of the microphone */
  mute(muted) {
    this.#muted = muted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Change the microphone. @param {MediaTrackConstraints | MediaStream} microphone */
  async useMicrophone(microphone) {
    await this.#useStream(microphone);
    await this.#transport.replace(this.#stream);
  }

  /** RTCStatsReport, or on a WebSocket a Map with one entry of type "websocket". */
  getStats() {
    return this.#transport.stats();
  }

  /** End the call. Microphone, sound and connection are released. */
  hangUp() {
    this.#finish(new RealtimeError("hung_up"));
  }

  async #useStream(microphone) {
    const given = globalThis.MediaStream && microphone instanceof MediaStream;
    const stream = given ? microphone : await openMicrophone(microphone);
    if (this.#stop.signal.aborted) return stopped(given ? null : stream);
    if (this.#own) stopped(this.#stream);
    this.#stream = stream;
    this.#own = !given;
    this.mute(this.#muted);
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => this.#emit("microphone", { kind: "ended" }), { signal: this.#stop.signal });
    this.#emit("track", { side: "local", stream });
  }

  async #open(again) {
    const { signal } = this.#stop;
    this.#session = this.#lastError = null;
    this.#active.clear();
    const greeted = new Promise((resolve, reject) => (this.#greeted = { resolve, reject }));
    greeted.catch(() => {}); // it may fail while the transport is still opening
    const patience = setTimeout(() => this.#greeted.reject(new RealtimeError(this.#transport.silent)), OPENS_WITHIN_MS);
    try {
      const token = await this.#options.token();
      signal.throwIfAborted();
      await Promise.all([this.#transport.open(token, this.#stream, signal), greeted]);
    } catch (error) {
      this.#transport.drop();
      throw error;
    } finally {
      clearTimeout(patience);
      this.#greeted = null;
    }
    this.#become("connected", { again });
    this.#transport.start();
    const session = this.#options.configure?.(this.#session);
    if (session) this.send({ type: "session.update", session });
  }

  #pass(event) {
    if (!this.#connected) throw new RealtimeError("server_gone", "There is no connection now.");
    const text = JSON.stringify(event);
    if (3 * text.length > this.maxEventBytes && new TextEncoder().encode(text).length > this.maxEventBytes) {
      throw new RealtimeError("too_big", `An event may have ${this.maxEventBytes} bytes here.`);
    }
    this.#transport.send(text);
    this.#emit("event", { direction: "sent", event });
  }

  #receive(text) {
    const event = JSON.parse(text);
    this.#emit("event", { direction: "received", event });
    if (event.type === "session.created" || event.type === "session.updated") this.#session = event.session;
    if (event.type === "session.created") this.#greeted?.resolve();
    else if (event.type === "error") this.#lastError = event.error;
    else if (event.type === "response.created") this.#active.add(event.response.id);
    else if (event.type === "response.done") this.#active.delete(event.response.id);
    else if (event.type === "input_audio_buffer.speech_started" && this.#interruptible()) this.#cut();
    this.#transport.took(event);
  }

  get #connected() {
    return this.state === "connected" || this.state === "unstable";
  }

  #interruptible() {
    return this.#session?.audio?.input?.turn_detection?.interrupt_response !== false;
  }

  async #cut() {
    for (const { itemId, contentIndex, ms } of await this.#transport.cut()) {
      if (!this.#connected) return;
      this.send({ type: "conversation.item.truncate", item_id: itemId, content_index: contentIndex, audio_end_ms: ms });
    }
  }

  #lost(error) {
    const said = this.#lastError;
    if (said?.code === "session_expired") error = new RealtimeError("expired", said.message);
    else if (said && error.reason !== "server_gone") error.message = said.message;
    if (this.#greeted) this.#greeted.reject(error); // whoever opens it takes care
    else if (this.#connected) this.#reconnect(error);
  }

  async #reconnect(cause) {
    this.#transport.drop();
    for (let attempt = 1, error = cause; ; attempt++) {
      if (!this.#options.reconnect || attempt > ATTEMPTS || LASTING.has(error.reason)) return this.#finish(error);
      this.#become("reconnecting", { attempt, reason: error.reason });
      await pause(Math.min(10000, 250 * 2 ** attempt) * (0.75 + Math.random() / 2), this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        return await this.#open(true);
      } catch (failure) {
        if (this.#stop.signal.aborted) return;
        error = understood(failure);
      }
    }
  }

  #steady(stable) {
    if (this.#connected) this.#become(stable ? "connected" : "unstable");
  }

  #finish(error) {
    if (this.state === "closed") return;
    this.#stop.abort();
    this.#greeted?.reject(error);
    this.#transport.close();
    if (this.#own) stopped(this.#stream);
    this.#stream = null;
    this.#become("closed");
    this.#emit("closed", { reason: error.reason, message: error.message });
  }

  #become(state, more = {}) {
    if (this.state === "closed" || (this.state === state && !more.attempt)) return;
    this.state = state;
    this.#emit("state", { state, ...more });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The microphone. Throws a RealtimeError that says what is wrong. @param {MediaTrackConstraints} constraints */
export async function openMicrophone(constraints = {}) {
  if (!navigator.mediaDevices) throw new RealtimeError("insecure_context");
  const named = {
    NotAllowedError: "permission_denied",
    SecurityError: "permission_denied",
    NotReadableError: "microphone_busy",
  };
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...constraints };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new RealtimeError(named[error.name] ?? "no_microphone", error.message);
  }
}

/** @returns {null} */
function stopped(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  return null;
}

/** Wait, unless `signal` ends it. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
