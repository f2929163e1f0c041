import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns, latencyOf, quantile, stagesOf } from "../../web/turns.js";
import { answerItem, began, committed, created, done, ended, playback, session, sound, soundEnds, spokenItem, tell, words } from "./events.mjs";

function call(detection) {
  const turns = new Turns();
  turns.connected(true);
  tell(turns, [0, session(detection)]);
  return turns;
}

const question = [
  [1000, began("u1")],
  [2000, ended("u1")],
  [2004, committed("u1"), spokenItem("u1", null)],
];
const answer = [
  [2010, created("r1"), ...answerItem("r1", "a1", "u1")],
  [2130, words("r1", "a1", "Hello")],
  [2150, sound("r1", "a1", 500)],
  [2190, playback("started", "r1", "a1", 0)],
];

test("the phase is what a person in the conversation would say it is", () => {
  const turns = new Turns();
  assert.equal(turns.phase(0), "off");
  turns.connected(true);
  tell(turns, [0, session()]);
  const phases = [turns.phase(500)];
  for (const step of [...question, ...answer]) {
    tell(turns, step);
    phases.push(turns.phase(step[0]));
  }
  assert.deepEqual(phases, ["listening", "hearing", "thinking", "thinking", "thinking", "thinking", "thinking", "speaking"]);
  tell(turns, [2300, soundEnds("r1", "a1", "Hello"), done("r1")]);
  assert.equal(turns.phase(2300), "speaking", "the sound goes on after the response is made");
  tell(turns, [2700, playback("stopped", "r1", "a1")]);
  assert.equal(turns.phase(2700), "listening");
  turns.connected(false);
  assert.equal(turns.phase(2800), "off");
});

test("a response that is made before its sound begins is still awaited, but not for ever", () => {
  const turns = call();
  tell(turns, ...question, ...answer.slice(0, 3), [2160, done("r1")]);
  assert.equal(turns.phase(2170), "thinking");
  assert.equal(turns.phase(9000), "listening");
});

test("speaking into an answer interrupts it, shown for a moment", () => {
  const turns = call();
  tell(turns, ...question, ...answer, [2400, began("u2"), playback("cut", "r1", "a1", 200), done("r1", "cancelled")]);
  assert.equal(turns.phase(2401), "interrupted");
  assert.equal(turns.phase(4000), "hearing");
  assert.ok(turns.turns[0].cut);
  assert.equal(turns.turns[0].status, "cancelled");
});

test("speech that may not interrupt does not look as if it had", () => {
  const turns = call({ type: "server_vad", interrupt_response: false });
  tell(turns, ...question, ...answer, [2400, began("u2")]);
  assert.equal(turns.phase(2401), "hearing");
});

test("the time of an answer is split into its stages, which add up", () => {
  const turns = call();
  tell(turns, ...question, ...answer);
  turns.audible(2230);
  const [turn] = turns.turns;
  assert.deepEqual(stagesOf(turn), [
    { name: "committed", ms: 4 },
    { name: "created", ms: 6 },
    { name: "text", ms: 120 },
    { name: "audio", ms: 20 },
    { name: "playing", ms: 80 },
  ]);
  assert.equal(latencyOf(turn), 230);
  assert.equal(turn.silence, 500);
  assert.equal(turn.kind, "speech");
});

test("marks that come in another order make no negative stage", () => {
  const turns = call();
  tell(turns, ...question, [2010, created("r1")], [2050, playback("started", "r1")]);
  turns.audible(2060);
  tell(turns, [2100, words("r1", "a1", "late")]);
  assert.deepEqual(stagesOf(turns.turns[0]).map(({ ms }) => ms), [4, 6, 90, 0, 0]);
});

test("sound that is ahead of the word of it is no shorter for that", () => {
  const turns = call();
  tell(turns, ...question, [2010, created("r1")], [2100, playback("started", "r1")]);
  turns.audible(2090);
  assert.equal(latencyOf(turns.turns[0]), 100);
  assert.equal(turns.turns[0].marks.playing, 2100);
});

test("where the server plays, its word for it counts as the first sound", () => {
  const turns = call();
  tell(turns, ...question, [2010, created("r1"), answerItem("r1", "a1", "u1")], [2100, playback("started", "r1")]);
  assert.equal(turns.turns[0].marks.audio, 2100);
  assert.equal(turns.phase(2100), "speaking");
});

test("a typed question, a function's result and a bare request are turns of their own", () => {
  const turns = call();
  const create = { sent: { type: "response.create", event_id: "e" } };
  tell(
    turns,
    [100, { sent: { type: "conversation.item.create", item: { type: "message" } } }, create],
    [110, created("r1")],
    [200, { type: "response.output_item.added", response_id: "r1", item: { type: "function_call", name: "get_time" } }],
    [210, done("r1")],
    [300, { sent: { type: "conversation.item.create", item: { type: "function_call_output" } } }, create],
    [310, created("r2")],
    [320, done("r2")],
    [400, create],
    [410, created("r3")],
  );
  assert.deepEqual(turns.turns.map(({ kind, start, responseId }) => [kind, start, responseId]), [
    ["text", 100, "r1"],
    ["tool", 300, "r2"],
    ["request", 400, "r3"],
  ]);
  assert.deepEqual(turns.turns[0].calls, ["get_time"]);
  assert.equal(latencyOf(turns.turns[0]), 100);
});

test("a request that is refused is awaited no longer", () => {
  const turns = call();
  tell(turns, [100, { sent: { type: "response.create", event_id: "e7" } }]);
  assert.equal(turns.phase(101), "thinking");
  tell(turns, [105, { type: "error", error: { event_id: "other" } }]);
  assert.equal(turns.phase(106), "thinking");
  tell(turns, [110, { type: "error", error: { event_id: "e7", code: "conversation_already_has_active_response" } }]);
  assert.equal(turns.phase(111), "listening");
  tell(turns, [200, created("r1")]);
  assert.equal(turns.turns.at(-1).kind, "server");
});

test("a turn ended by hand counts from the button", () => {
  const turns = call(null);
  tell(
    turns,
    [100, { sent: { type: "input_audio_buffer.commit" } }, { sent: { type: "response.create", event_id: "e" } }],
    [120, committed("u1")],
    [130, created("r1")],
  );
  const answered = turns.turns.filter(({ responseId }) => responseId);
  assert.equal(answered.length, 1);
  assert.equal(answered[0].start, 100);
});

test("where no response is made by itself, silence goes back to listening", () => {
  const turns = call({ type: "server_vad", create_response: false });
  tell(turns, ...question);
  assert.equal(turns.phase(2010), "listening");
  assert.deepEqual(turns.turns, []);
});

test("an answer in writing is spoken as long as it comes", () => {
  const turns = call();
  tell(turns, [0, { sent: { type: "response.create", event_id: "e" } }], [10, created("r1")], [20, { type: "response.output_text.delta", response_id: "r1", delta: "a" }]);
  assert.equal(turns.phase(21), "speaking");
  tell(turns, [30, done("r1")]);
  assert.equal(turns.phase(31), "listening");
});

test("what a session left unanswered when it went is not answered by the next one", () => {
  const turns = call();
  tell(turns, [0, { sent: { type: "response.create", event_id: "e" } }]);
  turns.connected(false);
  turns.connected(true);
  tell(turns, [30_000, { sent: { type: "response.create", event_id: "f" } }], [30_010, created("r1")]);
  assert.equal(turns.turns.at(0).status, "failed");
  assert.equal(turns.turns.at(-1).responseId, "r1");
  assert.equal(turns.turns.at(-1).start, 30_000);
});

test("only so many turns are kept", () => {
  const turns = call();
  for (let n = 0; n < 300; n++) tell(turns, [n, created(`r${n}`), done(`r${n}`)]);
  assert.equal(turns.turns.length, 200);
  assert.equal(turns.turns.at(-1).number, 300);
});

test("quantiles are interpolated", () => {
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([1, 2], 0.5), 1.5);
});
