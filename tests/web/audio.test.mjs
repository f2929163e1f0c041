import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresOf } from "../../web/audio-stats.js";
import { EXAMPLES, proposedAnswer } from "../../web/functions.js";
import { Recording } from "../../web/recording.js";

const report = (at, received, lost, concealed) =>
  new Map([
    ["in", { id: "in", type: "inbound-rtp", kind: "audio", timestamp: at, bytesReceived: received * 100, packetsReceived: received, packetsLost: lost, jitter: 0.004, concealedSamples: concealed + 500, silentConcealedSamples: 500, totalSamplesReceived: received * 960, jitterBufferDelay: received * 960 * 0.04, jitterBufferEmittedCount: received * 960, codecId: "c" }],
    ["out", { id: "out", type: "outbound-rtp", kind: "audio", timestamp: at, bytesSent: received * 50, packetsSent: received }],
    ["theirs", { id: "theirs", type: "remote-inbound-rtp", kind: "audio", fractionLost: 0.02, roundTripTime: 0.5 }],
    ["p1", { id: "p1", type: "candidate-pair", nominated: false, state: "succeeded", currentRoundTripTime: 9 }],
    ["p2", { id: "p2", type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.012, localCandidateId: "l", remoteCandidateId: "r" }],
    ["l", { id: "l", type: "local-candidate", candidateType: "prflx", protocol: "udp" }],
    ["r", { id: "r", type: "remote-candidate", candidateType: "host", protocol: "udp" }],
    ["c", { id: "c", type: "codec", mimeType: "audio/opus", clockRate: 48000 }],
  ]);
const close = (value, expected) => assert.ok(Math.abs(value - expected) < 1e-6 * Math.max(1, expected), `${value}, not ${expected}`);

test("loss, concealment and rates are those since the last look", () => {
  const first = figuresOf(report(1000, 100, 50, 9600));
  assert.deepEqual([first.lossIn, first.concealed, first.kbitIn, first.bufferMs], [null, null, null, null]);
  close(first.roundTripMs, 12);
  close(first.jitterMs, 4);
  close(first.lossOut, 0.02);
  assert.equal(first.codec, "opus 48 kHz");
  assert.equal(first.path, "prflx udp → host udp");
  const next = figuresOf(report(2000, 148, 52, 9600 + 4608), first.totals);
  close(next.lossIn, 0.04);
  close(next.concealed, 0.1);
  close(next.kbitIn, 38.4);
  close(next.kbitOut, 19.2);
  close(next.bufferMs, 40);
});

test("a report in which nothing has come yet has no figures, and no nonsense", () => {
  const { totals, codec, path, ...figures } = figuresOf(new Map());
  assert.deepEqual([...new Set(Object.values(figures))], [null]);
  assert.deepEqual([codec, path], ["", ""]);
  assert.equal(figuresOf(report(1000, 1, 0, 0), totals).lossIn, null);
});

test("a WebSocket has a buffer and rates", () => {
  const at = (timestamp, bytes) => new Map([["websocket", { type: "websocket", timestamp, bytesReceived: bytes, bytesSent: bytes, samplesWaiting: 4800 }]]);
  const first = figuresOf(at(0, 0));
  const next = figuresOf(at(500, 4000), first.totals);
  assert.deepEqual([next.kbitIn, next.bufferMs, next.lossIn], [64, 200, null]);
});

async function wav(recording, channels) {
  const view = new DataView(await recording.toWav(channels).arrayBuffer());
  const samples = Array.from({ length: (view.byteLength - 44) / 2 }, (_, n) => view.getInt16(44 + 2 * n, true));
  return { channels: view.getUint16(22, true), rate: view.getUint32(24, true), bytes: view.getUint32(40, true), samples };
}

test("the recording has one side on the left and the other on the right, or both in the middle", async () => {
  const recording = new Recording();
  recording.add(Int16Array.of(1, 2), Int16Array.of(10, 20));
  recording.add(Int16Array.of(30000), Int16Array.of(30000));
  assert.deepEqual(await wav(recording, "stereo"), { channels: 2, rate: 24000, bytes: 12, samples: [1, 10, 2, 20, 30000, 30000] });
  assert.deepEqual(await wav(recording, "mixed"), { channels: 1, rate: 24000, bytes: 6, samples: [11, 22, 32767] });
});

test("a recording keeps its last twenty minutes", () => {
  const recording = new Recording();
  const minute = new Int16Array(24000 * 60);
  for (let n = 0; n < 22; n++) recording.add(minute, minute);
  assert.equal(recording.seconds, 1200);
  assert.equal(recording.dropped, 2 * minute.length);
});

const NOW = new Date(Date.UTC(2026, 10, 21, 12, 0));

test("examples answer with what they were asked for", () => {
  const answer = (name, text, written = {}) => JSON.parse(proposedAnswer({ name, text }, written, NOW));
  assert.equal(answer("get_weather", '{"city":"Oslo"}').city, "Oslo");
  assert.match(answer("get_time", '{"time_zone":"Asia/Shanghai"}').time, /21 November 2026.*20:00/);
  assert.ok(answer("get_time", '{"time_zone":"Middle Earth"}').time);
  assert.deepEqual(answer("set_timer", '{"minutes":3}'), { ok: true, rings_in_minutes: 3 });
  assert.ok(answer("get_weather", "{").error);
  assert.deepEqual(answer("mine", "{}"), { ok: true });
  assert.deepEqual(answer("get_weather", "{}", { get_weather: '{"t": 1}' }), { t: 1 });
});

test("every example is a definition that servers take", () => {
  for (const { definition } of EXAMPLES) {
    assert.equal(definition.type, "function");
    assert.match(definition.name, /^[a-z_]+$/);
    assert.equal(definition.parameters.type, "object");
  }
});
