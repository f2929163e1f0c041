/** Both sides of a call as they sounded, for a WAV file: 16 bit, you on the left and the answers on the right. */

export const RATE = 24000;
const KEPT_S = 20 * 60;

export class Recording {
  #you = [];
  #it = [];
  #length = 0;
  /** Samples that went because the recording had become too long. */
  dropped = 0;

  /** @param {Int16Array} you @param {Int16Array} it of the same length, heard at the same time */
  add(you, it) {
    this.#you.push(you);
    this.#it.push(it);
    this.#length += you.length;
    if (this.#length <= KEPT_S * RATE) return;
    this.#it.shift();
    const gone = this.#you.shift().length;
    this.#length -= gone;
    this.dropped += gone;
  }

  get seconds() {
    return this.#length / RATE;
  }

  /** @param {"stereo" | "mixed"} channels @returns {Blob} audio/wav */
  toWav(channels) {
    const pieces = this.#you.map((you, n) => (channels === "stereo" ? interleaved : mixed)(you, this.#it[n]));
    return new Blob([wavHeader(channels === "stereo" ? 2 : 1, this.#length), ...pieces], { type: "audio/wav" });
  }
}

function interleaved(left, right) {
  const both = new Int16Array(2 * left.length);
  for (let n = 0; n < left.length; n++) {
    both[2 * n] = left[n];
    both[2 * n + 1] = right[n];
  }
  return both;
}

function mixed(left, right) {
  return left.map((sample, n) => Math.max(-32768, Math.min(32767, sample + right[n])));
}

function wavHeader(channels, frames) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  const bytes = 2 * channels * frames;
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, channels, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * channels * RATE, true);
  view.setUint16(32, 2 * channels, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view.buffer;
}
