/** Listens to both sides of a call on one clock: for the picture, the recording, and the instant an answer is heard. */

/** Milliseconds in one frame. */
export const FRAME_MS = 20;

export class SoundTap {
  #context;
  #node = null;
  #sources = { local: null, remote: null };
  #ready;

  /**
   * @param {AudioContext} context stays yours
   * @param {(you: Int16Array, it: Int16Array) => void} heard each 20 ms, 480 samples at 24 kHz of each side
   */
  constructor(context, heard) {
    this.#context = context;
    this.#ready = this.#prepare(heard);
  }

  async #prepare(heard) {
    try {
      await this.#context.audioWorklet.addModule(new URL("./tap-worklet.js", import.meta.url));
    } catch {
      return; // the context was closed meanwhile, or the server is gone: there is nothing to listen to
    }
    if (this.#context.state === "closed") return;
    this.#node = new AudioWorkletNode(this.#context, "sound-tap", {
      numberOfInputs: 2,
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.#node.port.onmessage = ({ data }) => heard(data.you, data.it);
  }

  /** @param {"local" | "remote"} side @param {MediaStream | null} stream */
  async listen(side, stream) {
    await this.#ready;
    this.#sources[side]?.disconnect();
    this.#sources[side] = null;
    if (!stream || !this.#node) return;
    this.#sources[side] = this.#context.createMediaStreamSource(stream);
    this.#sources[side].connect(this.#node, 0, side === "local" ? 0 : 1);
  }

  close() {
    this.#sources.local?.disconnect();
    this.#sources.remote?.disconnect();
    if (this.#node) this.#node.port.onmessage = null;
    this.#node?.port.postMessage("stop");
    this.#node = null;
  }
}
