import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog, summaryOf } from "../../web/event-log.js";

const append = (bytes) => ({ type: "input_audio_buffer.append", audio: "A".repeat((bytes * 4) / 3) });

test("a run of audio is one entry without the audio", () => {
  const log = new EventLog();
  log.add("sent", append(960), 1);
  log.add("sent", append(960), 2);
  log.add("received", { type: "session.updated", session: {} }, 3);
  log.add("sent", append(960), 4);
  assert.deepEqual(log.entries.map(({ type, count, event }) => [type, count, event.audio]), [
    ["input_audio_buffer.append", 2, "(1920 bytes of audio)"],
    ["session.updated", 1, undefined],
    ["input_audio_buffer.append", 1, "(960 bytes of audio)"],
  ]);
  assert.equal(log.types.get("input_audio_buffer.append"), 3);
});

test("audio inside items is not kept either, and the event itself stays as it was", () => {
  const log = new EventLog();
  const event = { type: "conversation.item.retrieved", item: { content: [{ type: "input_audio", audio: "AAAA" }, { type: "input_text", text: "x" }] } };
  log.add("received", event, 1);
  assert.deepEqual(log.entries[0].event.item.content, [{ type: "input_audio", audio: "(3 bytes of audio)" }, { type: "input_text", text: "x" }]);
  assert.equal(event.item.content[0].audio, "AAAA");
});

test("what comes while a filter is on is filtered as what came before", () => {
  const log = new EventLog();
  const types = () => log.shown.map(({ event }) => event.n);
  const add = (direction, type, n) => log.add(direction, { type, n, text: n % 2 ? "Odd" : "even" }, n);
  add("sent", "response.create", 1);
  add("received", "response.created", 2);
  log.filter({ direction: "received" });
  add("received", "response.done", 3);
  add("sent", "response.cancel", 4);
  assert.deepEqual(types(), [2, 3]);
  log.filter({ text: " odd " });
  add("sent", "response.create", 5);
  assert.deepEqual(types(), [1, 3, 5]);
  log.filter({ type: "response.create", text: "odd" });
  assert.deepEqual(types(), [1, 5]);
  log.filter({ text: "response.d" });
  assert.deepEqual(types(), [3]);
  log.filter({});
  assert.deepEqual(types(), [1, 2, 3, 4, 5]);
});

test("the oldest go when there are too many, from what is shown too", () => {
  const log = new EventLog(100);
  log.filter({ direction: "sent" });
  for (let n = 1; n <= 250; n++) log.add(n % 2 ? "sent" : "received", { type: "x", n }, n);
  assert.ok(log.entries.length <= 100);
  assert.equal(log.entries.at(-1).event.n, 250);
  assert.equal(log.dropped, 250 - log.entries.length);
  assert.equal(log.shown[0].number, log.entries.find(({ direction }) => direction === "sent").number);
  log.clear();
  log.add("sent", { type: "x", n: 1 }, 1);
  assert.equal(log.entries[0].number, 251);
});

test("the log is a line for each entry, and every line is JSON", () => {
  const log = new EventLog();
  log.add("sent", { type: "response.create", text: "a\nb" }, 1.23456);
  log.add("sent", append(3), 2);
  log.add("sent", append(3), 3);
  const lines = log.toJsonLines().trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    { at: 1.2, direction: "sent", event: { type: "response.create", text: "a\nb" } },
    { at: 2, direction: "sent", count: 2, event: { type: "input_audio_buffer.append", audio: "(6 bytes of audio)" } },
  ]);
});

test("an event is summed up by what matters in it", () => {
  const cases = [
    [{ type: "error", error: { code: "invalid_value", message: "no" } }, "invalid_value: no"],
    [{ type: "error", error: { code: null, message: "no" } }, "no"],
    [{ type: "response.done", response: { status: "cancelled", status_details: { reason: "turn_detected" } } }, "cancelled: turn_detected"],
    [{ type: "response.output_text.delta", delta: "Hi" }, "Hi"],
    [{ type: "conversation.item.truncated", item_id: "a", audio_end_ms: 120 }, "120 ms"],
    [{ type: "conversation.item.added", item: { type: "message", role: "user", content: [{ text: "Hello" }] } }, "user · Hello"],
    [{ type: "conversation.item.create", item: { type: "function_call_output", output: "{}" } }, "function_call_output · {}"],
    [{ type: "session.update", session: { type: "realtime" } }, '{"type":"realtime"}'],
    [{ type: "input_audio_buffer.commit" }, ""],
  ];
  for (const [event, summary] of cases) assert.equal(summaryOf(event), summary);
});
