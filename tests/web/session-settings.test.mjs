import assert from "node:assert/strict";
import { test } from "node:test";
import { toolsIn, updateFor, valuesOf } from "../../web/session-settings.js";

const SESSION = {
  type: "realtime", object: "realtime.session", id: "sess_1", model: "gpt-realtime", output_modalities: ["audio"],
  instructions: "Be kind.", tools: [], tool_choice: "auto", max_output_tokens: "inf", tracing: null, truncation: "auto",
  audio: {
    input: {
      format: { type: "audio/pcm", rate: 24000 }, transcription: null, noise_reduction: null,
      turn_detection: {
        type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500, idle_timeout_ms: null,
        create_response: true, interrupt_response: true,
      },
    },
    output: { format: { type: "audio/pcm", rate: 24000 }, voice: "alloy", speed: 1 },
  },
};
const wanting = (changes) => updateFor(SESSION, { ...valuesOf(SESSION), ...changes });

test("nothing is sent when nothing differs", () => {
  assert.equal(wanting({}), null);
});

test("only what differs is sent", () => {
  assert.deepEqual(wanting({ voice: "marin" }), { type: "realtime", audio: { output: { voice: "marin" } } });
  assert.deepEqual(wanting({ instructions: "", speed: 1.2 }), { type: "realtime", instructions: "", audio: { output: { speed: 1.2 } } });
  assert.deepEqual(wanting({ modality: "text" }), { type: "realtime", output_modalities: ["text"] });
});

test("turn detection is replaced as a whole: members that are left out would fall back to their defaults", () => {
  assert.deepEqual(wanting({ threshold: 0.7 }).audio.input, {
    turn_detection: { type: "server_vad", create_response: true, interrupt_response: true, threshold: 0.7, prefix_padding_ms: 300, silence_duration_ms: 500 },
  });
  assert.deepEqual(wanting({ idle: 6000 }).audio.input.turn_detection.idle_timeout_ms, 6000);
  assert.deepEqual(wanting({ detection: "semantic_vad", eagerness: "high" }).audio.input.turn_detection, {
    type: "semantic_vad", create_response: true, interrupt_response: true, eagerness: "high",
  });
  assert.deepEqual(wanting({ detection: "none" }).audio.input, { turn_detection: null });
});

test("turns that are ended by hand stay so", () => {
  const manual = structuredClone(SESSION);
  manual.audio.input.turn_detection = null;
  assert.equal(valuesOf(manual).detection, "none");
  assert.equal(updateFor(manual, valuesOf(manual)), null);
});

test("transcription is switched on with a model, and off with none", () => {
  assert.deepEqual(wanting({ transcription: "whisper-1", language: "en" }).audio.input, { transcription: { model: "whisper-1", language: "en" } });
  const on = structuredClone(SESSION);
  on.audio.input.transcription = { model: "whisper-1", language: null, prompt: null };
  assert.equal(updateFor(on, valuesOf(on)), null);
  assert.deepEqual(updateFor(on, { ...valuesOf(on), transcription: "" }).audio.input, { transcription: null });
});

test("a function may be forced by its name", () => {
  const tools = [{ type: "function", name: "get_time", parameters: {} }];
  assert.deepEqual(wanting({ tools: JSON.stringify(tools), toolChoice: "get_time" }), {
    type: "realtime", tools, tool_choice: { type: "function", name: "get_time" },
  });
});

test("tools must be a list of named definitions", () => {
  assert.deepEqual(toolsIn("  "), []);
  for (const text of ["{}", "[1]", "[{}]", "[{", '{"name":"x"}']) assert.throws(() => toolsIn(text), SyntaxError, text);
});

test("a session for transcription has values too", () => {
  assert.equal(valuesOf({ type: "transcription", audio: { input: {} } }).detection, "none");
});
