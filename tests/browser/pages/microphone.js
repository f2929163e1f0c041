// 100 ms of the microphone at a time, as PCM16.
registerProcessor('microphone', class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(2400);
    this.filled = 0;
  }

  process([[input]]) {
    for (const sample of input ?? []) {
      this.samples[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === this.samples.length) {
        this.port.postMessage(this.samples.buffer.slice(0));
        this.filled = 0;
      }
    }
    return true;
  }
});
