/** From getStats() to the figures that say how a call sounds. */

/**
 * @typedef {object} Figures null: not known (yet)
 * @property {number | null} roundTripMs
 * @property {number | null} jitterMs how unevenly packets come in
 * @property {number | null} lossIn share (0 to 1) of the packets since the last figures that did not come
 * @property {number | null} lossOut the same of ours, as the server reports it
 * @property {number | null} concealed share of what was played since then that had to be made up
 * @property {number | null} bufferMs what waits to be played
 * @property {number | null} kbitIn @property {number | null} kbitOut
 * @property {number | null} level of our microphone, 0 to 1
 * @property {string} codec @property {string} path how packets go
 * @property {object} totals to compare the next with, and to show
 */

/**
 * @param {Map<string, object>} report RTCStatsReport, or that of a WebSocket
 * @param {object} [before] `totals` of the last figures
 * @returns {Figures}
 */
export function figuresOf(report, before = null) {
  const all = [...report.values()];
  const socket = all.find(({ type }) => type === "websocket");
  return socket ? ofSocket(socket, before) : ofPeer(all, before);
}

function ofPeer(all, before) {
  const of = (type) => all.find((one) => one.type === type && (one.kind ?? "audio") === "audio") ?? {};
  const [into, out, theirs] = [of("inbound-rtp"), of("outbound-rtp"), of("remote-inbound-rtp")];
  const inUse = ({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded";
  const pair = all.find(inUse) ?? {};
  const byId = (id) => all.find((one) => one.id === id) ?? {};
  const totals = {
    at: into.timestamp ?? out.timestamp ?? 0,
    bytesIn: into.bytesReceived,
    bytesOut: out.bytesSent,
    packetsIn: into.packetsReceived,
    packetsOut: out.packetsSent,
    lostIn: into.packetsLost,
    lostOut: theirs.packetsLost,
    concealedSamples: into.concealedSamples - into.silentConcealedSamples,
    samples: into.totalSamplesReceived,
    delay: into.jitterBufferDelay,
    emitted: into.jitterBufferEmittedCount,
  };
  const since = sinceOf(totals, before);
  const codec = byId(into.codecId ?? out.codecId);
  return {
    roundTripMs: known(pair.currentRoundTripTime ?? theirs.roundTripTime, 1000),
    jitterMs: known(into.jitter, 1000),
    lossIn: share(since("lostIn"), since("lostIn") + since("packetsIn")),
    lossOut: known(theirs.fractionLost),
    concealed: share(since("concealedSamples"), since("samples")),
    bufferMs: known(share(since("delay"), since("emitted"), Infinity), 1000),
    kbitIn: rate(since("bytesIn"), since("at")),
    kbitOut: rate(since("bytesOut"), since("at")),
    level: known(of("media-source").audioLevel),
    codec: codec.mimeType ? `${codec.mimeType.replace("audio/", "")} ${codec.clockRate / 1000} kHz` : "",
    path: [byId(pair.localCandidateId), byId(pair.remoteCandidateId)]
      .map(({ candidateType, protocol }) => [candidateType, protocol].filter(Boolean).join(" "))
      .filter(Boolean)
      .join(" → "),
    totals,
  };
}

function ofSocket(socket, before) {
  const totals = { at: socket.timestamp, bytesIn: socket.bytesReceived, bytesOut: socket.bytesSent, ...socket };
  const since = sinceOf(totals, before);
  return {
    roundTripMs: null,
    jitterMs: null,
    lossIn: null,
    lossOut: null,
    concealed: null,
    bufferMs: socket.samplesWaiting / 24,
    kbitIn: rate(since("bytesIn"), since("at")),
    kbitOut: rate(since("bytesOut"), since("at")),
    level: null,
    codec: "PCM 24 kHz",
    path: "TCP",
    totals,
  };
}

const sinceOf = (totals, before) => (name) => totals[name] - (before?.[name] ?? NaN);
const known = (value, factor = 1) => (Number.isFinite(value) ? value * factor : null);
const share = (part, whole, most = 1) => (whole > 0 && part >= 0 ? Math.min(most, part / whole) : null);
const rate = (bytes, ms) => (ms > 0 ? (8 * bytes) / ms : null);
