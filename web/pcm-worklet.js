/**
 * Sound in and out of an AudioContext of any rate, as 16-bit PCM of another (24 kHz): the audio thread's half of
 * realtime.js on a WebSocket. Loaded with `audioWorklet.addModule()`; where there is no worklet it only exports.
 *
 * `pcm-capture`  one input → posts Int16Array, `frame` samples each.
 * `pcm-player`   one output ← `{key, samples: Int16Array}`, `{key, end: true}`, `{clear: true}`; keys play one after
 *                another; posts `{started: key}`, `{progress: key, samples, waiting}`, `{drained: key, samples}`,
 *                `{cleared: [[key, samples]]}`, and `{dry: n}` when sound had run out in the middle of a key.
 */

const ZERO_CROSSINGS = 12;
const PASS = 0.93; // of the lower Nyquist frequency: what is above fades into the stop band

/** Streaming conversion of the sample rate by a windowed sinc, in polyphase form: exact for any two whole rates. */
export class Resampler {
  #up;
  #down;
  #half;
  #phases = [];
  #history;
  #kept;
  #phase = 0; // position of the next output sample: #kept-relative, in 1/up of an input sample
  #out = new Float32Array(512);

  /** @param {number} from Hz @param {number} to Hz */
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.#up = to / divisor;
    this.#down = from / divisor;
    this.#half = Math.ceil(ZERO_CROSSINGS * Math.max(1, from / to));
    const cutoff = PASS * Math.min(1, to / from);
    for (let phase = 0; phase < this.#up; phase++) {
      this.#phases.push(kernel(this.#half, phase / this.#up, cutoff));
    }
    this.#history = new Float32Array(4 * this.#half + 1024);
    this.#kept = this.#half - 1; // silence before the first sample
  }

  /**
   * The output that has become certain; it lags by `ZERO_CROSSINGS` samples of the lower rate.
   * @param {Float32Array} input @returns {Float32Array} valid until the next call
   */
  push(input) {
    const length = this.#kept + input.length;
    if (length > this.#history.length) {
      const larger = new Float32Array(2 * length);
      larger.set(this.#history.subarray(0, this.#kept));
      this.#history = larger;
    }
    this.#history.set(input, this.#kept);
    const ready = Math.max(0, Math.ceil(((length - 2 * this.#half + 1) * this.#up - this.#phase) / this.#down));
    if (ready > this.#out.length) this.#out = new Float32Array(2 * ready);
    for (let n = 0; n < ready; n++, this.#phase += this.#down) {
      const start = Math.floor(this.#phase / this.#up);
      const taps = this.#phases[this.#phase % this.#up];
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k] * this.#history[start + k];
      this.#out[n] = sum;
    }
    const used = Math.min(length, Math.floor(this.#phase / this.#up));
    this.#history.copyWithin(0, used, length);
    this.#kept = length - used;
    this.#phase -= used * this.#up;
    return this.#out.subarray(0, ready);
  }
}

function kernel(half, fraction, cutoff) {
  const taps = new Float32Array(2 * half);
  let sum = 0;
  for (let k = 0; k < taps.length; k++) {
    const x = k - half + 1 - fraction;
    const window = Math.abs(x) < half ? 0.5 + 0.5 * Math.cos((Math.PI * x) / half) : 0;
    taps[k] = window * (x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x));
    sum += taps[k];
  }
  return taps.map((tap) => tap / sum);
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

/** Collects samples (-1 to 1) into Int16Arrays of one size. */
export class Framer {
  #frame;
  #filled = 0;

  /** @param {number} size samples @param {(frame: Int16Array) => void} emit */
  constructor(size, emit) {
    this.size = size;
    this.emit = emit;
    this.#frame = new Int16Array(size);
  }

  /** @param {Float32Array} samples */
  push(samples) {
    for (const sample of samples) {
      this.#frame[this.#filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.#filled === this.size) {
        this.emit(this.#frame);
        this.#frame = new Int16Array(this.size);
        this.#filled = 0;
      }
    }
  }
}

const FADE_S = 0.005;
const AHEAD_S = 0.06; // collected before a key starts, and again after sound ran out

/** What is to be played, piece by piece, with the position of what was. All lengths in samples of the source. */
export class PlayQueue {
  #parts = []; // {key, chunks: [Int16Array], offset, waiting, played, ended, started}
  #flowing = false;
  #clearing = false;
  #gain = 0;
  #resampler;
  #ready = new Float32Array(0);
  #at = 0;
  #fresh = () => new Resampler(this.rate, this.outRate);

  /** @param {number} rate of the source, Hz @param {number} outRate Hz @param {(message: object) => void} post */
  constructor(rate, outRate, post) {
    this.rate = rate;
    this.outRate = outRate;
    this.post = post;
    this.dry = 0;
    this.#resampler = this.#fresh();
  }

  /** Samples that wait. */
  get waiting() {
    return this.#parts.reduce((sum, part) => sum + part.waiting, 0);
  }

  add({ key, samples, end, clear }) {
    if (clear) {
      this.#clearing = true;
      if (!this.#flowing) this.#cleared();
      return;
    }
    let part = this.#parts.find((one) => one.key === key);
    if (!part) {
      if (end) return;
      part = { key, chunks: [], offset: 0, waiting: 0, played: 0, ended: false, started: false, stalled: false };
      this.#parts.push(part);
    }
    if (samples) {
      if (part.stalled) this.post({ dry: ++this.dry });
      part.stalled = false;
      part.chunks.push(samples);
      part.waiting += samples.length;
    }
    if (end) part.ended = true;
  }

  /** Fill `output` (Float32Array at `outRate`). */
  pull(output) {
    this.#begin();
    const step = 1 / (FADE_S * this.outRate);
    for (let i = 0; i < output.length; i++) {
      if (!this.#flowing) {
        output[i] = 0;
        continue;
      }
      const [part] = this.#parts;
      const left = part.waiting / this.rate + (this.#ready.length - this.#at) / this.outRate;
      const ebbing = this.#clearing || (!part.ended && left < FADE_S);
      this.#gain = ebbing ? Math.max(0, this.#gain - step) : Math.min(1, this.#gain + step);
      output[i] = this.#next() * this.#gain;
      if (this.#clearing && this.#gain === 0) this.#cleared();
      else if (part.waiting === 0 && this.#at === this.#ready.length) this.#ranOut(part);
    }
  }

  #begin() {
    const [part] = this.#parts;
    if (this.#flowing || !part) return;
    if (part.waiting === 0 && part.ended) return this.#ranOut(part);
    if (part.waiting < AHEAD_S * this.rate && !part.ended) return;
    this.#flowing = true;
    if (!part.started) this.post({ started: part.key });
    part.started = true;
  }

  #next() {
    while (this.#at === this.#ready.length) {
      const [part] = this.#parts;
      const [chunk] = part.chunks;
      if (!chunk) return 0;
      const piece = Float32Array.from(chunk.subarray(part.offset, part.offset + 64), (sample) => sample / 32768);
      part.offset += piece.length;
      part.waiting -= piece.length;
      part.played += piece.length;
      if (part.offset === chunk.length) {
        part.chunks.shift();
        part.offset = 0;
      }
      this.#ready = this.#resampler.push(piece);
      this.#at = 0;
    }
    return this.#ready[this.#at++];
  }

  #ranOut(part) {
    this.#flowing = false;
    part.stalled = !part.ended;
    if (part.ended) {
      this.#parts.shift();
      this.post({ drained: part.key, samples: part.played });
      this.#begin(); // gapless: the next one goes on in the same sample
    }
    if (!this.#flowing) this.#gain = 0;
  }

  #cleared() {
    this.post({ cleared: this.#parts.map((part) => [part.key, part.played]) });
    this.#parts = [];
    this.#ready = new Float32Array(0);
    this.#at = 0;
    this.#resampler = this.#fresh();
    this.#flowing = this.#clearing = false;
    this.#gain = 0;
  }

  /** Say how far the playing part has come. */
  report() {
    const [part] = this.#parts;
    if (part?.started) this.post({ progress: part.key, samples: part.played, waiting: this.waiting });
  }
}

if (globalThis.registerProcessor) {
  registerProcessor(
    "pcm-capture",
    class extends AudioWorkletProcessor {
      constructor({ processorOptions: { rate, frame } }) {
        super();
        const resampler = new Resampler(sampleRate, rate);
        const framer = new Framer(frame, (samples) => this.port.postMessage(samples, [samples.buffer]));
        this.take = (input) => framer.push(resampler.push(input));
        this.port.onmessage = () => (this.take = null);
      }

      process([[input]]) {
        if (input) this.take?.(input);
        return this.take !== null;
      }
    },
  );

  registerProcessor(
    "pcm-player",
    class extends AudioWorkletProcessor {
      constructor({ processorOptions: { rate } }) {
        super();
        this.queue = new PlayQueue(rate, sampleRate, (message) => this.port.postMessage(message));
        this.quanta = 0;
        this.port.onmessage = ({ data }) => (data === "stop" ? (this.queue = null) : this.queue?.add(data));
      }

      process(_inputs, [[output]]) {
        this.queue?.pull(output);
        if (++this.quanta % 16 === 0) this.queue?.report();
        return this.queue !== null;
      }
    },
  );
}
