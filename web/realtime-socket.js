/** WebSocket: audio as base64 inside events, captured and played by pcm-worklet.js. Used by realtime.js. */

import { RealtimeError, ofCloseCode } from "./realtime-error.js";

const RATE = 24000;
const FRAME = 480; // 20 ms
const MAX_UNSENT_BYTES = 1 << 20; // 16 s of audio; beyond it audio is dropped, and counted
const KEPT_CUT = 64;

export class SocketTransport {
  #context = null;
  #prepared = null;
  #player = null;
  #capture = null;
  #source = null;
  #socket = null;
  #taking = false;
  #cleared = null;
  #dead = new Set();
  #counts = { bytesSent: 0, bytesReceived: 0, samplesReceived: 0, samplesWaiting: 0, underruns: 0, framesDropped: 0 };
  maxBytes = 16 << 20;
  silent = "server_gone"; // what it means when nothing comes

  constructor(options, on) {
    this.options = options;
    this.on = on;
  }

  async open(token, stream, signal) {
    await (this.#prepared ??= this.#prepare());
    signal.throwIfAborted();
    await this.replace(stream);
    const query = this.options.model ? `?model=${encodeURIComponent(this.options.model)}` : "";
    const url = `${this.options.url.replace(/^http/, "ws")}/realtime${query}`;
    const socket = (this.#socket = new WebSocket(url, ["realtime", `openai-insecure-api-key.${token}`]));
    socket.onmessage = ({ data }) => {
      this.#counts.bytesReceived += data.length;
      this.on.message(data);
    };
    socket.onclose = ({ code, reason }) => this.on.lost(ofCloseCode(code, reason));
  }

  async #prepare() {
    if (!globalThis.isSecureContext) throw new RealtimeError("insecure_context");
    if (!globalThis.AudioWorkletNode) throw new RealtimeError("unsupported");
    const context = (this.#context = this.options.context ?? new AudioContext({ latencyHint: "interactive" }));
    context.resume();
    await context.audioWorklet.addModule(new URL("./pcm-worklet.js", import.meta.url));
    if (this.#context !== context) throw new RealtimeError("hung_up");
    this.#player = new AudioWorkletNode(context, "pcm-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
      processorOptions: { rate: RATE },
    });
    this.#player.port.onmessage = ({ data }) => this.#played(data);
    const heard = context.createMediaStreamDestination();
    this.#player.connect(context.destination);
    this.#player.connect(heard);
    this.on.track(heard.stream);
    this.#capture = new AudioWorkletNode(context, "pcm-capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { rate: RATE, frame: FRAME },
    });
    this.#capture.port.onmessage = ({ data }) => this.#append(data);
  }

  async replace(stream) {
    this.#source?.disconnect();
    this.#source = stream && this.#context.createMediaStreamSource(stream);
    this.#source?.connect(this.#capture);
  }

  start() {
    this.#taking = true;
  }

  #append(samples) {
    if (!this.#taking || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) this.#counts.framesDropped += 1;
    else this.on.append(toBase64(samples));
  }

  send(text) {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new RealtimeError("server_gone"); // it is just closing
    this.#socket.send(text);
    this.#counts.bytesSent += text.length;
  }

  /** Sound that comes in goes to the player; what was cut is not wanted any more. */
  took(event) {
    const speaks = event.type === "response.output_audio.delta";
    if (!speaks && event.type !== "response.output_audio.done") return;
    const key = JSON.stringify([event.response_id, event.item_id, event.content_index]);
    if (this.#dead.has(key)) return;
    if (!speaks) return this.#player.port.postMessage({ key, end: true });
    const samples = fromBase64(event.delta);
    this.#counts.samplesReceived += samples.length;
    this.#player.port.postMessage({ key, samples }, [samples.buffer]);
  }

  /** Silence now. What was cut, and how much of it was heard. @returns {Promise<{itemId, contentIndex, ms}[]>} */
  cut() {
    if (!this.#player || this.#cleared) return Promise.resolve([]); // whoever asked first is told
    this.#player.port.postMessage({ clear: true });
    return new Promise((resolve) => (this.#cleared = resolve));
  }

  #played(message) {
    const [[kind, value]] = Object.entries(message);
    if (kind === "dry") this.#counts.underruns = value;
    else if (kind === "cleared") this.#wasCut(value);
    else {
      const [responseId, itemId] = JSON.parse(value);
      const what = { started: "started", progress: "progress", drained: "stopped" }[kind];
      this.#counts.samplesWaiting = message.waiting ?? 0;
      this.on.playback({ kind: what, responseId, itemId, ms: milliseconds(message.samples) });
    }
  }

  #wasCut(parts) {
    const cuts = parts.map(([key, samples]) => {
      this.#dead.add(key);
      if (this.#dead.size > KEPT_CUT) this.#dead.delete(this.#dead.values().next().value);
      const [responseId, itemId, contentIndex] = JSON.parse(key);
      const ms = milliseconds(samples);
      this.on.playback({ kind: "cut", responseId, itemId, ms });
      return { itemId, contentIndex, ms };
    });
    this.#cleared?.(cuts);
    this.#cleared = null;
  }

  async stats() {
    const { bufferedAmount = 0 } = this.#socket ?? {};
    const outputLatency = this.#context?.outputLatency ?? 0;
    const now = { type: "websocket", timestamp: performance.now(), bufferedAmount, outputLatency };
    return new Map([["websocket", { ...now, ...this.#counts }]]);
  }

  drop() {
    this.#taking = false;
    if (this.#socket) this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket?.close(1000);
    this.#socket = null;
    this.#player?.port.postMessage({ clear: true });
  }

  close() {
    this.drop();
    this.#capture?.port.postMessage("stop");
    this.#player?.port.postMessage("stop");
    for (const node of [this.#source, this.#capture, this.#player]) node?.disconnect();
    if (this.#context && this.#context !== this.options.context) this.#context.close();
    this.#context = this.#prepared = this.#source = this.#capture = this.#player = null;
  }
}

const milliseconds = (samples = 0) => Math.floor((samples * 1000) / RATE);

function toBase64(samples) {
  return btoa(String.fromCharCode(...new Uint8Array(samples.buffer)));
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}
