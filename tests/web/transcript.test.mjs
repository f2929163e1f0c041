import assert from "node:assert/strict";
import { test } from "node:test";
import { Transcript } from "../../web/transcript.js";
import { answerItem, began, committed, created, done, playback, recognised, sound, soundEnds, spokenItem, tell, typedItem, words } from "./events.mjs";

const heard = (transcript, id) => {
  const entry = transcript.entries.find((one) => one.id === id);
  return entry.text.slice(0, transcript.heardCharacters(entry));
};
const order = (transcript) => transcript.entries.map(({ id }) => id);

const onSocket = [
  [0, created("r1"), answerItem("r1", "a1", null)],
  [10, words("r1", "a1", "One"), sound("r1", "a1", 400)],
  [20, words("r1", "a1", " two"), sound("r1", "a1", 600)],
  [30, words("r1", "a1", " three"), sound("r1", "a1", 1000)],
  [40, ...soundEnds("r1", "a1", "One two three"), done("r1")],
];

test("words that are recognised late still stand before their answer", () => {
  const transcript = new Transcript();
  tell(
    transcript,
    [0, began("u1")],
    [10, committed("u1"), spokenItem("u1", null)],
    [20, created("r1"), answerItem("r1", "a1", "u1"), words("r1", "a1", "Hi")],
    [30, recognised("u1", "hello")],
  );
  assert.deepEqual(transcript.entries.map(({ kind, text, final }) => [kind, text, final]), [["user", "hello", true], ["assistant", "Hi", false]]);
});

test("an item goes where the server says", () => {
  const transcript = new Transcript();
  tell(transcript, [0, typedItem("u1", "one", null), typedItem("u3", "three", "u1"), typedItem("u2", "two", "u1")]);
  assert.deepEqual(order(transcript), ["u1", "u2", "u3"]);
  tell(transcript, [1, { type: "conversation.item.deleted", item_id: "u1" }]);
  assert.deepEqual(order(transcript), ["u2", "u3"]);
});

test("speech that came to nothing is forgotten", () => {
  const transcript = new Transcript();
  tell(transcript, [0, began("u1")], [10, began("u2")]);
  assert.deepEqual(order(transcript), ["u2"]);
  tell(transcript, [20, { type: "input_audio_buffer.cleared" }]);
  assert.deepEqual(order(transcript), []);
});

test("words are marked as heard when their sound is", () => {
  const transcript = new Transcript();
  tell(transcript, ...onSocket);
  assert.equal(heard(transcript, "a1"), "");
  tell(transcript, [50, playback("started", "r1", "a1", 0), playback("progress", "r1", "a1", 390)]);
  assert.equal(heard(transcript, "a1"), "One");
  tell(transcript, [60, playback("progress", "r1", "a1", 990)]);
  assert.equal(heard(transcript, "a1"), "One two");
  tell(transcript, [70, playback("progress", "r1", "a1", 1500)]);
  assert.equal(heard(transcript, "a1"), "One two three", "the word that is being said is shown as said");
  tell(transcript, [70, playback("stopped", "r1", "a1", 2000)]);
  assert.equal(heard(transcript, "a1"), "One two three");
});

test("an answer that was cut keeps its words, and knows which were heard", () => {
  const transcript = new Transcript();
  tell(transcript, ...onSocket, [50, playback("progress", "r1", "a1", 700), playback("cut", "r1", "a1", 700)]);
  tell(transcript, [60, { type: "conversation.item.truncated", item_id: "a1", content_index: 0, audio_end_ms: 700 }]);
  assert.equal(heard(transcript, "a1"), "One two");
  const [entry] = transcript.entries;
  assert.ok(entry.cut);
  assert.equal(entry.heardMs, 700);
  assert.equal(entry.text, "One two three");
});

test("what was heard to its end is not cut afterwards", () => {
  const transcript = new Transcript();
  tell(transcript, ...onSocket, [50, playback("stopped", "r1", "a1", 2000)]);
  tell(transcript, [60, { type: "conversation.item.truncated", item_id: "a1", content_index: 0, audio_end_ms: 2000 }]);
  assert.ok(!transcript.entries[0].cut);
});

test("where only beginning and end are told, the position is reckoned", () => {
  const transcript = new Transcript();
  const text = "This sentence has exactly sixty letters, so it takes 4 seconds";
  tell(
    transcript,
    [0, created("r1"), answerItem("r1", "a1", null), words("r1", "a1", text), done("r1")],
    [1000, playback("started", "r1")],
  );
  transcript.advance(3000);
  const half = heard(transcript, "a1").length;
  assert.ok(half > 25 && half < 45, `${half} letters`);
  tell(transcript, [3100, playback("cut", "r1")], [3101, { type: "conversation.item.truncated", item_id: "a1", content_index: 0, audio_end_ms: 1000 }]);
  assert.ok(heard(transcript, "a1").length < 25, "the server's word counts");
});

test("the pace of a voice is learnt from answers that were heard to their end", () => {
  const transcript = new Transcript();
  const text = "x".repeat(10) + " " + "y".repeat(139);
  for (const n of [1, 2, 3, 4, 5, 6]) {
    tell(
      transcript,
      [n * 10000, created(`r${n}`), answerItem(`r${n}`, `a${n}`, null), words(`r${n}`, `a${n}`, text), done(`r${n}`)],
      [n * 10000, playback("started", `r${n}`)],
      [n * 10000 + 5000, playback("stopped", `r${n}`)],
    );
  }
  const spaced = Array(30).fill("word").join(" ");
  tell(transcript, [90000, created("r9"), answerItem("r9", "a9", null), words("r9", "a9", spaced)], [90000, playback("started", "r9")]);
  transcript.advance(92500);
  const letters = heard(transcript, "a9").length;
  assert.ok(letters > 62, `${letters}: twice as fast as assumed`);
});

test("Chinese is cut between characters", () => {
  const transcript = new Transcript();
  const text = "今天天气很好我们去公园";
  tell(transcript, [0, created("r1"), answerItem("r1", "a1", null), words("r1", "a1", text)], [0, playback("started", "r1")]);
  transcript.advance(1000);
  assert.ok([4, 5].includes(heard(transcript, "a1").length));
});

test("an answer that was never heard is cut at its beginning", () => {
  const transcript = new Transcript();
  tell(transcript, [0, created("r1"), answerItem("r1", "a1", null), words("r1", "a1", "Hello")], [10, done("r1", "cancelled")]);
  assert.equal(heard(transcript, "a1"), "");
  assert.ok(transcript.entries[0].cut);
});

test("what is written needs no hearing", () => {
  const transcript = new Transcript();
  tell(transcript, [0, typedItem("u1", "question", null)]);
  assert.equal(heard(transcript, "u1"), "question");
  const part = { response_id: "r1", item_id: "a1", output_index: 0, content_index: 0 };
  tell(transcript, [1, created("r1"), answerItem("r1", "a1", "u1").slice(0, 2), { type: "response.output_text.delta", ...part, delta: "answer" }]);
  assert.equal(heard(transcript, "a1"), "answer");
});

test("a call is shown with its arguments, and with its result", () => {
  const transcript = new Transcript();
  const item = { id: "f1", type: "function_call", name: "get_weather", call_id: "c1", arguments: "", status: "in_progress" };
  tell(
    transcript,
    [0, created("r1"), { type: "response.output_item.added", response_id: "r1", item }],
    [1, { type: "response.function_call_arguments.delta", response_id: "r1", item_id: "f1", delta: '{"city":' }],
    [2, { type: "response.function_call_arguments.done", response_id: "r1", item_id: "f1", arguments: '{"city":"Oslo"}' }],
    [3, { type: "response.output_item.done", response_id: "r1", item: { ...item, arguments: '{"city":"Oslo"}', status: "completed" } }],
    [4, { type: "conversation.item.added", previous_item_id: "f1", item: { id: "o1", type: "function_call_output", call_id: "c1", output: '{"c":3}' } }],
  );
  const [entry, ...others] = transcript.entries;
  assert.deepEqual([entry.kind, entry.name, entry.callId, entry.text, entry.status, entry.output], ["call", "get_weather", "c1", '{"city":"Oslo"}', "completed", '{"c":3}']);
  assert.deepEqual(others, []);
});

test("pictures belong to what was said with them", () => {
  const transcript = new Transcript();
  const item = { id: "u1", type: "message", role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,AA" }, { type: "input_text", text: "what is it?" }] };
  for (const type of ["conversation.item.added", "conversation.item.done"]) tell(transcript, [0, { type, previous_item_id: null, item }]);
  assert.deepEqual([transcript.entries[0].text, transcript.entries[0].images], ["what is it?", ["data:image/png;base64,AA"]]);
});

test("a new session is told from the one before", () => {
  const transcript = new Transcript();
  tell(transcript, [0, typedItem("u1", "before", null), began("never finished")]);
  transcript.broken(10);
  transcript.broken(11);
  tell(transcript, [20, typedItem("u2", "after", null)]);
  assert.deepEqual(transcript.entries.map(({ kind }) => kind), ["user", "break", "user"]);
});

test("only so much is kept", () => {
  const transcript = new Transcript();
  for (let n = 0; n < 600; n++) tell(transcript, [n, typedItem(`u${n}`, "x", n ? `u${n - 1}` : null)]);
  assert.equal(transcript.entries.length, 500);
});
