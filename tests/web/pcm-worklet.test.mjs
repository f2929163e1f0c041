import assert from "node:assert/strict";
import { test } from "node:test";
import { Framer, PlayQueue, Resampler } from "../../web/pcm-worklet.js";

const sine = (hz, rate, seconds, amplitude = 0.5) =>
  Float32Array.from({ length: rate * seconds }, (_, n) => amplitude * Math.sin((2 * Math.PI * hz * n) / rate));

function resampled(input, from, to, piece) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let at = 0; at < input.length; at += piece) out.push(...resampler.push(input.subarray(at, at + piece)));
  return Float32Array.from(out);
}

function level(samples, hz, rate) {
  const middle = samples.subarray(rate / 10, samples.length - rate / 10);
  let re = 0, im = 0;
  middle.forEach((sample, n) => {
    re += sample * Math.cos((2 * Math.PI * hz * n) / rate);
    im += sample * Math.sin((2 * Math.PI * hz * n) / rate);
  });
  return (2 * Math.hypot(re, im)) / middle.length;
}

for (const [from, to] of [[48000, 24000], [44100, 24000], [16000, 24000], [96000, 24000], [24000, 48000], [24000, 44100]]) {
  test(`a tone keeps its pitch and level from ${from} to ${to} Hz`, () => {
    const out = resampled(sine(1000, from, 1), from, to, 128);
    assert.ok(Math.abs(out.length - to) <= 40, `${out.length} samples`);
    assert.ok(Math.abs(level(out, 1000, to) - 0.5) < 0.005);
  });
}

test("what the lower rate cannot carry does not come back as another tone", () => {
  const out = resampled(sine(15000, 48000, 1), 48000, 24000, 128);
  assert.ok(level(out, 9000, 24000) < 0.5 / 1000);
});

test("the size of the pieces makes no difference", () => {
  const input = sine(700, 44100, 0.3);
  assert.deepEqual(resampled(input, 44100, 24000, 128), resampled(input, 44100, 24000, 1999));
});

test("frames have one size, and loud sound is limited", () => {
  const frames = [];
  const framer = new Framer(4, (frame) => frames.push([...frame]));
  framer.push(Float32Array.of(0, 0.5, 2));
  framer.push(Float32Array.of(-2, 0.25));
  assert.deepEqual(frames, [[0, 16384, 32767, -32768]]);
});

function player(outRate = 24000) {
  const posted = [];
  const queue = new PlayQueue(24000, outRate, (message) => posted.push(message));
  const pull = (seconds) => {
    const out = new Float32Array(Math.round(seconds * outRate));
    for (let at = 0; at < out.length; at += 128) queue.pull(out.subarray(at, at + 128));
    return out;
  };
  return { queue, posted, pull };
}

/** What was posted, without its numbers of samples. */
const told = (posted) => posted.map((message) => Object.entries(message)[0].join(" "));

const speech = (seconds) => Int16Array.from(sine(440, 24000, seconds), (sample) => sample * 32768);
const biggestStep = (samples) => samples.reduce((most, sample, n) => Math.max(most, Math.abs(sample - (samples[n - 1] ?? 0))), 0);

test("a part is played whole, and said to be when it is", () => {
  const { queue, posted, pull } = player(48000);
  queue.add({ key: "a", samples: speech(0.5) });
  queue.add({ key: "a", end: true });
  const out = pull(0.6);
  assert.deepEqual(told(posted), ["started a", "drained a"]);
  assert.ok(Math.abs(level(out.subarray(0, 24000), 440, 48000) - 0.5) < 0.01);
  assert.equal(queue.waiting, 0);
});

test("nothing starts before enough is there to go on", () => {
  const { queue, posted, pull } = player();
  queue.add({ key: "a", samples: speech(0.03) });
  assert.equal(biggestStep(pull(0.1)), 0);
  queue.add({ key: "a", samples: speech(0.03) });
  pull(0.02);
  assert.deepEqual(told(posted), ["started a"]);
});

test("one part follows another without a gap", () => {
  const { queue, posted, pull } = player();
  const whole = speech(0.4);
  queue.add({ key: "a", samples: whole.subarray(0, 4800) });
  queue.add({ key: "a", end: true });
  queue.add({ key: "b", samples: whole.subarray(4800) });
  queue.add({ key: "b", end: true });
  const out = pull(0.5);
  assert.deepEqual(told(posted), ["started a", "drained a", "started b", "drained b"]);
  assert.ok(biggestStep(out.subarray(0, 9500)) < 0.06);
});

test("a cut fades out, forgets the rest and says what was heard", () => {
  const { queue, posted, pull } = player();
  queue.add({ key: "a", samples: speech(2) });
  queue.add({ key: "b", samples: speech(1) });
  pull(0.5);
  queue.add({ clear: true });
  const out = pull(0.2);
  const { cleared } = posted.at(-1);
  assert.deepEqual(cleared.map(([key]) => key), ["a", "b"]);
  assert.ok(Math.abs(cleared[0][1] - 12000) < 24000 * 0.01, `${cleared[0][1]} samples`);
  assert.equal(cleared[1][1], 0);
  assert.ok(biggestStep(out) < 0.06);
  assert.ok(out.subarray(24000 * 0.01).every((sample) => sample === 0));
  assert.equal(queue.waiting, 0);
});

test("a cut while nothing sounds is answered at once", () => {
  const { queue, posted } = player();
  queue.add({ key: "a", samples: speech(0.01) });
  queue.add({ clear: true });
  assert.deepEqual(posted, [{ cleared: [["a", 0]] }]);
});

test("sound that runs out fades, is counted, and goes on when there is enough again", () => {
  const { queue, posted, pull } = player();
  queue.add({ key: "a", samples: speech(0.2) });
  const out = pull(0.4);
  assert.ok(biggestStep(out) < 0.06, "no click");
  queue.add({ key: "a", samples: speech(0.2) });
  queue.add({ key: "a", end: true });
  pull(0.3);
  assert.deepEqual(told(posted), ["started a", "dry 1", "drained a"]);
});

test("an end that comes late is no shortage", () => {
  const { queue, posted, pull } = player();
  queue.add({ key: "a", samples: speech(0.2) });
  pull(0.4);
  queue.add({ key: "a", end: true });
  pull(0.01);
  assert.deepEqual(told(posted), ["started a", "drained a"]);
});

test("how far the playing part has come is told", () => {
  const { queue, posted, pull } = player();
  queue.report();
  queue.add({ key: "a", samples: speech(1) });
  queue.report();
  pull(0.25);
  queue.report();
  const { progress, samples } = posted.at(-1);
  assert.equal(progress, "a");
  assert.ok(Math.abs(samples - 6000) < 200, `${samples} samples`);
});
