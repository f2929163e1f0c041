/**
 * The session as a flat set of form values, and the smallest `session.update` that makes one into the other.
 *
 * @typedef {object} Values
 * @property {string} voice @property {string} instructions
 * @property {"audio" | "text"} modality @property {number} speed
 * @property {"server_vad" | "semantic_vad" | "none"} detection
 * @property {number} threshold
 * @property {number} prefix ms @property {number} silence ms @property {number | null} idle ms
 * @property {string} eagerness @property {boolean} answers create_response @property {boolean} interrupts
 * @property {string} transcription model, empty: none @property {string} language
 * @property {number | "inf"} maxTokens @property {string} tools JSON @property {string} toolChoice
 */

const SERVER_VAD = { threshold: 0.5, prefix: 300, silence: 500, idle: null };

/** @param {object} session as the server describes it @returns {Values} */
export function valuesOf(session) {
  const { input = {}, output = {} } = session.audio ?? {};
  const turns = input.turn_detection;
  const choice = session.tool_choice;
  return {
    voice: output.voice?.id ?? output.voice ?? "",
    instructions: session.instructions ?? "",
    modality: session.output_modalities?.[0] ?? "audio",
    speed: output.speed ?? 1,
    detection: turns ? turns.type : "none",
    threshold: turns?.threshold ?? SERVER_VAD.threshold,
    prefix: turns?.prefix_padding_ms ?? SERVER_VAD.prefix,
    silence: turns?.silence_duration_ms ?? SERVER_VAD.silence,
    idle: turns?.idle_timeout_ms ?? SERVER_VAD.idle,
    eagerness: turns?.eagerness ?? "auto",
    answers: turns?.create_response ?? true,
    interrupts: turns?.interrupt_response ?? true,
    transcription: input.transcription?.model ?? "",
    language: input.transcription?.language ?? "",
    maxTokens: session.max_output_tokens ?? "inf",
    tools: session.tools?.length ? JSON.stringify(session.tools, null, 2) : "",
    toolChoice: typeof choice === "string" ? choice : (choice?.name ?? "auto"),
  };
}

/** The `session` of a session.update with the wanted values, whole. Throws a SyntaxError for tools that are no JSON. */
function sessionWith(values) {
  return {
    instructions: values.instructions,
    output_modalities: [values.modality],
    max_output_tokens: values.maxTokens,
    tools: toolsIn(values.tools),
    tool_choice: choiceOf(values.toolChoice),
    audio: {
      input: { turn_detection: detectionOf(values), transcription: transcriptionOf(values) },
      output: { voice: values.voice, speed: values.speed },
    },
  };
}

function detectionOf(values) {
  if (values.detection === "none") return null;
  const both = { type: values.detection, create_response: values.answers, interrupt_response: values.interrupts };
  if (values.detection === "semantic_vad") return { ...both, eagerness: values.eagerness };
  const { threshold, prefix, silence, idle } = values;
  const levels = { threshold, prefix_padding_ms: prefix, silence_duration_ms: silence };
  return { ...both, ...levels, ...(idle === null ? {} : { idle_timeout_ms: idle }) };
}

function transcriptionOf({ transcription, language }) {
  return transcription ? { model: transcription, ...(language && { language }) } : null;
}

function choiceOf(name) {
  return ["auto", "none", "required"].includes(name) ? name : { type: "function", name };
}

/** The function definitions in a text. Throws a SyntaxError. @returns {object[]} */
export function toolsIn(text) {
  const tools = text.trim() ? JSON.parse(text) : [];
  if (!Array.isArray(tools) || tools.some((tool) => typeof tool?.name !== "string")) {
    throw new SyntaxError("[{\"type\": \"function\", \"name\": …}, …]");
  }
  return tools;
}

/**
 * What to send so that the session has the wanted values: only what differs. Null: nothing.
 * @param {object} session the present one @param {Values} wanted @returns {object | null} with `type`
 */
export function updateFor(session, wanted) {
  const now = sessionWith(valuesOf(session));
  const changed = difference(now, sessionWith(wanted), 3);
  return changed && { type: "realtime", ...changed };
}

/** Members of `wanted` that `now` does not have so; objects are entered to `depth`, what is deeper is taken whole. */
function difference(now, wanted, depth) {
  const changed = {};
  for (const [name, value] of Object.entries(wanted)) {
    if (JSON.stringify(value) === JSON.stringify(now?.[name])) continue;
    const enter = depth > 1 && value && typeof value === "object" && !Array.isArray(value) && name !== "tool_choice";
    const inner = enter && !["turn_detection", "transcription"].includes(name);
    changed[name] = inner ? difference(now?.[name], value, depth - 1) : value;
  }
  return Object.keys(changed).length ? changed : null;
}
