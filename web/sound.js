/** The sound of a call, or of a microphone that is being tried, for eyes: level and picture. And which microphone. */

import { byId, element } from "./dom.js";
import { openMicrophone } from "./realtime.js";
import { SoundTap } from "./sound-tap.js";
import { t } from "./strings.js";

const NONE = "none";

export class Sound {
  #scope;
  #on;
  #tap = null;
  #preview = null;
  /** @type {AudioContext | null} while there is sound */
  context = null;
  /** Of the microphone, 0 to 1, falling slowly. */
  level = 0;

  /**
   * @param {import("./scope.js").Scope} scope
   * @param {{begun: () => void, heard: (you: Int16Array, it: Int16Array, peaks: object, at: number) => void}} on
   */
  constructor(scope, on) {
    this.#scope = scope;
    this.#on = on;
  }

  /** Whether a microphone is being tried. */
  get trying() {
    return this.#preview !== null;
  }

  /** In a click: browsers start sound only then. */
  start() {
    if (!globalThis.AudioWorkletNode || !isSecureContext || this.context) return;
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.context.resume();
    this.#tap = new SoundTap(this.context, (you, it) => this.#heard(you, it));
    this.#on.begun();
  }

  stop() {
    for (const track of this.#preview?.getTracks() ?? []) track.stop();
    this.#tap?.close();
    this.context?.close();
    this.#preview = this.#tap = this.context = null;
    this.level = byId("level").value = 0;
  }

  /** @param {"local" | "remote"} side @param {MediaStream} stream */
  listen(side, stream) {
    return this.#tap?.listen(side, stream);
  }

  /** Listen to the microphone alone. Throws a RealtimeError. @param {MediaTrackConstraints} constraints */
  async try(constraints) {
    this.#preview = await openMicrophone(constraints);
    this.start();
    await this.listen("local", this.#preview);
  }

  #heard(you, it) {
    const at = performance.now();
    const peaks = this.#scope.add(you, it, at);
    this.level = Math.max(peaks.you, 0.8 * this.level);
    this.#on.heard(you, it, peaks, at);
  }
}

/** The choice of a microphone. */
export class Microphones {
  #choice = byId("microphone");
  #kept;

  /** @param {string} kept the device chosen before */
  constructor(kept) {
    this.#kept = kept;
    navigator.mediaDevices?.addEventListener("devicechange", () => this.list());
  }

  get chosen() {
    return this.#choice.value;
  }

  /** Whether one is wanted at all. */
  get wanted() {
    return this.chosen !== NONE;
  }

  /** For getUserMedia. @returns {MediaTrackConstraints} */
  get constraints() {
    return this.chosen && this.wanted ? { deviceId: { exact: this.chosen } } : {};
  }

  /** Offer what there is. Browsers name microphones only after one was allowed. */
  async list() {
    const kept = this.chosen || this.#kept;
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const known = devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "default");
    const named = known.map(({ deviceId, label }, n) => [deviceId, label || t("microphoneNumber", { n: n + 1 })]);
    const options = [["", t("defaultMicrophone")], ...named, [NONE, t("withoutMicrophone")]];
    this.#choice.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    this.#choice.value = options.some(([value]) => value === kept) ? kept : "";
  }
}
