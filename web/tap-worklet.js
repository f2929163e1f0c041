/** `sound-tap`: two inputs → posts `{you, it}`, Int16Array of 20 ms each at 24 kHz, cut from the same instants. */

import { Framer, Resampler } from "./pcm-worklet.js";

const RATE = 24000;
const SILENCE = new Float32Array(128);

registerProcessor(
  "sound-tap",
  class extends AudioWorkletProcessor {
    constructor() {
      super();
      let you = null;
      const resamplers = [new Resampler(sampleRate, RATE), new Resampler(sampleRate, RATE)];
      const framers = [
        new Framer(RATE / 50, (frame) => (you = frame)),
        new Framer(RATE / 50, (it) => this.port.postMessage({ you, it }, [you.buffer, it.buffer])),
      ];
      this.take = (samples, side) => framers[side].push(resamplers[side].push(samples));
      this.port.onmessage = () => (this.take = null);
    }

    process(inputs) {
      this.take?.(inputs[0][0] ?? SILENCE, 0);
      this.take?.(inputs[1][0] ?? SILENCE, 1);
      return this.take !== null;
    }
  },
);
