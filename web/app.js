/**
 * The console: one page around one RealtimeCall. This module wires; what it wires lies beside it.
 *
 * For tests that drive the page, these ids are stable (accessible names are in strings.js):
 *   #connect #hang-up #mute #interrupt #end-turn    buttons; those that do not apply are hidden
 *   #transport-webrtc #transport-websocket          radio buttons
 *   #microphone (select; value "none": no microphone), #test-microphone, #level, #key (in #key-row), #theme, #language
 *   #connection[data-state]                         idle connecting connected unstable reconnecting closed
 *   #phase[data-phase]                              off listening hearing thinking speaking interrupted
 *   #problem[data-reason] (hidden without one), #problem-what, #problem-do, #problem-said
 *   #conversation li[data-item]                     .entry.user .entry.assistant .entry.call .entry.break; in them .text,
 *                                                   .text .later (not heard yet), .text .unheard (cut off), .meta .cut
 *   #text #send #attach #image-file                 the composer
 *   #tab-events … #tab-functions, #panel-…          tabs (on a phone also #tab-talk)
 *   #events .event[id=event-N], #filter-text #filter-direction #filter-type #copy-all #save-log #clear-log #copy-event
 *   #event-detail #detail-type #detail-json
 *   #latency tbody tr[data-turn], #latency-figures;  #stats [data-stat=roundTrip|jitter|lossIn|concealed|…] dd
 *   #save-stereo #save-mixed                        the recording
 *   #session-form: #session-voice #session-instructions #session-detection … (session- and a name of
 *                                                   session-settings.js), #update-session #reset-session #session-status
 *   #functions #offer-get_weather #offer-get_time …, #auto-answer, #add-function
 * `globalThis.voicebridge` has what cannot be seen: {call, log, turns, transcript, recording}.
 */

import { Composer } from "./composer.js";
import { ConversationView } from "./conversation-view.js";
import { byId, clock, save, setText } from "./dom.js";
import { EventLog } from "./event-log.js";
import { EventView } from "./event-view.js";
import { proposedAnswer } from "./functions.js";
import { FunctionsView } from "./functions-view.js";
import { Keys } from "./keys.js";
import { LatencyView } from "./latency-view.js";
import { hideProblem, showProblem, toast, translateProblem } from "./notices.js";
import { PageSettings } from "./page-settings.js";
import { RealtimeCall, RealtimeError } from "./realtime.js";
import { Recording } from "./recording.js";
import { Scope } from "./scope.js";
import { SessionView } from "./session-view.js";
import { listenForShortcuts, showShortcuts } from "./shortcuts.js";
import { Microphones, Sound } from "./sound.js";
import { FRAME_MS } from "./sound-tap.js";
import { StatsView } from "./stats-view.js";
import { t, translate, useLanguage } from "./strings.js";
import { Tabs } from "./tabs.js";
import { Transcript } from "./transcript.js";
import { Turns, latencyOf } from "./turns.js";

const AUDIBLE = 0.008; // of full scale: an answer has begun
const HARMLESS = new Set(["response_cancel_not_active"]); // it had just ended by itself
const LISTED_MS = 100; // between drawings of lists

const settings = new PageSettings();
const keys = new Keys();
const log = new EventLog();
const state = {
  call: null,
  turns: new Turns(),
  transcript: new Transcript(),
  recording: new Recording(),
  start: performance.now(),
  connectedAt: 0,
  attempt: 0,
  update: null, // event_id of a session.update that was not answered yet
  calls: new Map(), // call_id → response: functions whose result is awaited
  dirty: true,
  listedAt: 0,
};

const scope = new Scope(byId("scope"));
const sound = new Sound(scope, { begun: () => requestAnimationFrame(frame), heard });
const microphones = new Microphones(settings.microphone);
const tabs = new Tabs(settings, () => {
  events.changed();
  events.update();
  latency.update(state.turns.turns);
  stats.show();
});
const conversation = new ConversationView(byId("conversation"), { answer: answerCall, latency: () => tabs.open("latency") });
const composer = new Composer({ send: sendMessage, room: () => state.call?.maxEventBytes ?? 65536 });
const events = new EventView(log, () => state.start, toast);
const latency = new LatencyView();
const stats = new StatsView();
const session = new SessionView(byId("session-form"), settings.session, {
  update: (update) => sent({ type: "session.update", session: update }),
  changed: () => {
    settings.store();
    functions.update(session.tools);
  },
});
const functions = new FunctionsView(settings.answers, { offer: offerFunctions, changed: () => settings.store() });

/* The call */

const live = () => state.call !== null && state.call.state !== "closed";
const talking = () => live() && Boolean(state.call.session);
const transport = () => document.querySelector("input[name=transport]:checked").value;

async function connect() {
  if (live()) return;
  hideProblem();
  if (!keys.given && (await keys.needed())) return showProblem("key_needed");
  sound.stop();
  clearCall();
  sound.start();
  const call = new RealtimeCall({
    transport: transport(),
    model: session.wanted.model || undefined,
    microphone: microphones.wanted && microphones.constraints,
    token: () => keys.token(),
    configure: (fresh) => session.updateFor(fresh),
    context: sound.context ?? undefined,
  });
  state.call = call;
  call.addEventListener("event", ({ detail }) => took(call, detail));
  call.addEventListener("state", ({ detail }) => changed(detail));
  call.addEventListener("playback", ({ detail }) => played(detail));
  call.addEventListener("track", ({ detail }) => sound.listen(detail.side, detail.stream));
  call.addEventListener("microphone", () => showProblem("microphone_ended"));
  call.addEventListener("closed", ({ detail }) => closed(detail));
  await call.connect().catch(() => {}); // `closed` has told why
  if (talking()) microphones.list();
}

function clearCall() {
  state.turns = new Turns();
  state.transcript = new Transcript();
  state.recording = new Recording();
  state.start = performance.now();
  state.connectedAt = 0;
  state.calls.clear();
  state.update = null;
  events.clear();
  conversation.reset();
  stats.clear();
  scope.clear();
}

function changed({ state: now, attempt = 0, again }) {
  if (now === "connected" && again !== undefined) {
    state.turns.connected(true);
    state.connectedAt ||= performance.now();
    if (again) {
      state.transcript.broken(performance.now());
      state.calls.clear();
    }
  } else if (now === "reconnecting" || now === "closed") {
    state.turns.connected(false);
    session.session(null);
  }
  state.attempt = attempt;
  state.dirty = true;
  show();
}

function closed({ reason, message }) {
  sound.stop();
  stats.clear();
  if (reason !== "hung_up") showProblem(reason, message);
  show();
}

function took(call, { direction, event }) {
  const at = performance.now();
  log.add(direction, event, at);
  events.changed();
  state.turns.event(direction, event, at);
  state.transcript.event(direction, event, at);
  state.dirty = true;
  if (direction === "received") answered(call, event);
  else if (event.type === "session.update") state.update = event.event_id;
}

function answered(call, event) {
  if (event.type === "session.created") session.session(event.session);
  else if (event.type === "session.updated") {
    session.session(event.session, new Date().toLocaleTimeString(document.documentElement.lang));
    functions.update(session.tools);
    queueMicrotask(show); // the call knows its session by then
  } else if (event.type === "error") {
    if (event.error.event_id && event.error.event_id === state.update) session.refused(event.error.message);
    else if (!HARMLESS.has(event.error.code)) showProblem("refused", event.error.message);
  } else if (event.type === "response.done") queueMicrotask(() => called(call, event.response));
}

function played(detail) {
  const at = performance.now();
  state.turns.playback(detail, at);
  state.transcript.playback(detail, at);
  if (detail.kind !== "progress") state.dirty = true;
}

function heard(you, it, peaks, at) {
  if (!state.connectedAt || !live()) return;
  if (peaks.it > AUDIBLE) state.turns.audible(at - FRAME_MS);
  state.recording.add(you, it);
}

/* Functions */

function called(call, response) {
  if (response.status !== "completed" || call !== state.call || !talking()) return;
  const calls = (response.output ?? []).filter(({ type }) => type === "function_call");
  for (const item of calls) state.calls.set(item.call_id, response.id);
  if (!byId("auto-answer").checked) return;
  for (const item of calls) {
    const entry = { name: item.name, text: item.arguments, callId: item.call_id };
    answerCall(entry, proposedAnswer(entry, settings.answers, new Date()));
  }
}

/** The model goes on when all calls of its response have their results. */
function answerCall({ callId }, output) {
  const response = state.calls.get(callId);
  const item = { type: "function_call_output", call_id: callId, output };
  if (!response || !sent({ type: "conversation.item.create", item })) return;
  state.calls.delete(callId);
  if (![...state.calls.values()].includes(response)) sent({ type: "response.create" });
  state.dirty = true;
}

function offerFunctions(tools) {
  session.set("tools", tools.length ? JSON.stringify(tools, null, 2) : "");
  functions.update(tools);
  if (talking()) sent({ type: "session.update", session: { type: "realtime", tools } });
}

/* What the user does */

/** The id of the event; null if it could not be sent. */
function sent(event) {
  try {
    return state.call.send(event);
  } catch (error) {
    if (!(error instanceof RealtimeError)) throw error;
    showProblem(error.reason, error.message);
    return null;
  }
}

/** @param {object[]} content @returns {Promise<boolean>} whether it went */
async function sendMessage(content) {
  if (!talking()) return false;
  if (["speaking", "thinking"].includes(state.turns.phase(performance.now()))) await state.call.interrupt();
  if (!sent({ type: "conversation.item.create", item: { type: "message", role: "user", content } })) return false;
  sent({ type: "response.create" });
  return true;
}

function endTurn() {
  if (byId("end-turn").hidden) return;
  sent({ type: "input_audio_buffer.commit" });
  sent({ type: "response.create" });
}

function mute() {
  if (!live()) return;
  state.call.mute(!state.call.muted);
  show();
}

async function tryMicrophone() {
  if (live()) return;
  const again = !sound.trying;
  sound.stop();
  scope.clear();
  hideProblem();
  try {
    if (again) await sound.try(microphones.constraints);
    microphones.list();
  } catch (error) {
    showProblem(error.reason, error.message);
  }
  show();
}

async function changeMicrophone() {
  settings.microphone = microphones.chosen;
  settings.store();
  if (sound.trying) {
    await tryMicrophone(); // off, and on again with the other one
    if (microphones.wanted) await tryMicrophone();
  } else if (talking() && microphones.wanted) {
    hideProblem();
    await state.call.useMicrophone(microphones.constraints).catch((error) => showProblem(error.reason, error.message));
  }
  show();
}

/* Showing */

function frame(now) {
  scope.draw(now, spans(now));
  if (!sound.context) return show();
  byId("level").value = Math.sqrt(sound.level);
  state.transcript.advance(now);
  const speaking = showPhase(now) === "speaking";
  if (now - state.listedAt > LISTED_MS && (state.dirty || speaking)) {
    state.listedAt = now;
    state.dirty = false;
    showLists();
  }
  events.update();
  requestAnimationFrame(frame);
}

/** The time from the end of each turn to its sound. */
function spans(now) {
  const last = state.turns.turns.at(-1);
  return state.turns.turns.slice(-8).flatMap((turn) => {
    const waiting = turn === last && !("playing" in turn.marks) && state.turns.phase(now) === "thinking";
    const to = turn.marks.playing ?? (waiting ? now : null);
    return to === null ? [] : [{ from: turn.start, to, label: `${Math.round(to - turn.start)} ms` }];
  });
}

function showLists() {
  const byResponse = new Map(state.turns.turns.map((turn) => [turn.responseId, turn]));
  conversation.update(state.transcript, {
    start: state.start,
    recognises: Boolean(state.call?.session?.audio?.input?.transcription),
    latencyOf: (responseId) => {
      const turn = responseId && byResponse.get(responseId);
      return turn && "playing" in turn.marks ? { turn, ms: latencyOf(turn) } : null;
    },
    proposal: (entry) => (state.calls.has(entry.callId) ? proposedAnswer(entry, settings.answers, new Date()) : null),
  });
  latency.update(state.turns.turns);
  setText(byId("events-count"), log.entries.length ? String(log.entries.length) : "");
  showRecording();
}

function showRecording() {
  const { seconds, dropped } = state.recording;
  const length = seconds ? t("recordingLength", { time: clock(1000 * seconds) }) : t("recordingNone");
  setText(byId("recording-length"), dropped ? `${length} ${t("recordingFull")}` : length);
  byId("save-stereo").disabled = byId("save-mixed").disabled = !seconds;
}

function showPhase(now) {
  const phase = state.turns.phase(now);
  const between = { connecting: "stateconnecting", reconnecting: "statereconnecting" }[state.call?.state];
  const shown = byId("phase");
  if (shown.dataset.phase !== phase) shown.dataset.phase = phase;
  setText(shown, t(between ?? `phase${phase}`));
  setText(byId("hint"), hint(phase));
  document.title = live() ? `${shown.textContent} · voicebridge` : "voicebridge";
  if (talking()) setText(byId("clock"), clock(now - state.connectedAt));
  return phase;
}

function hint(phase) {
  const { call } = state;
  if (call?.state === "connecting") return t("hintconnecting");
  if (call?.state === "reconnecting") return t("hintreconnecting", { n: state.attempt });
  const turns = call?.session?.audio?.input?.turn_detection;
  if (state.calls.size && ["thinking", "listening"].includes(phase)) return t("hintwaitsForFunction");
  if (phase === "listening") {
    if (!microphones.wanted) return t("hintlisteningTyping");
    if (call?.muted) return t("hintlisteningMuted");
    if (turns === null) return t("hintmanual");
  }
  if (phase === "speaking" && (!turns?.interrupt_response || !microphones.wanted)) return t("hintspeakingManual");
  return t(`hint${phase}`);
}

/** Everything that follows from the state of the call. */
function show() {
  const now = state.call?.state ?? "idle";
  const [there, ready, connecting] = [live(), talking(), now === "connecting"];
  const focus = document.activeElement;
  const { chosen, wanted } = microphones;
  byId("connection").dataset.state = now;
  setText(byId("connection-text"), t(now, { transport: transport() === "webrtc" ? "WebRTC" : "WebSocket" }));
  document.body.toggleAttribute("data-live", there);
  byId("clock").hidden = !ready;
  byId("connect").hidden = there && !connecting;
  // It keeps its place, so that a second click does not hit what comes after it, and the focus: disabled, it would lose that.
  byId("connect").setAttribute("aria-disabled", String(connecting));
  setText(byId("connect"), t(connecting ? "stateconnecting" : "connect"));
  byId("hang-up").hidden = !there;
  setText(byId("hang-up"), t(connecting ? "cancel" : "hangUp"));
  byId("interrupt").hidden = !ready;
  byId("mute").hidden = !ready || !wanted;
  byId("mute").setAttribute("aria-pressed", String(there && state.call.muted));
  setText(byId("mute"), t(there && state.call.muted ? "unmute" : "mute"));
  byId("end-turn").hidden = !ready || !wanted || state.call.session.audio?.input?.turn_detection !== null;
  document.querySelector(".segments").disabled = there;
  byId("test-microphone").hidden = there || chosen === "none";
  byId("test-microphone").setAttribute("aria-pressed", String(sound.trying));
  composer.enable(ready);
  const lost = focus !== document.body && !focus.offsetParent && !focus.closest("dialog");
  if (lost) byId(!ready ? "connect" : wanted ? "mute" : "text").focus();
  showPhase(performance.now());
  showLists();
  events.update();
}

function speak(language) {
  useLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  translate(document);
  translateProblem();
  showTheme();
  session.build();
  functions.build();
  conversation.reset();
  latency.reset();
  events.reset();
  stats.show();
  microphones.list();
  show();
}

function showTheme() {
  const { theme } = settings;
  document.documentElement.dataset.theme = theme;
  byId("theme").title = t(`theme${theme}`);
  scope.recolour();
  scope.draw(performance.now(), []);
}

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "-");
const saveRecording = (channels) => save(state.recording.toWav(channels), `voicebridge-${stamp()}.wav`);

/* Wiring */

const onClick = {
  connect,
  "hang-up": () => state.call?.hangUp(),
  mute,
  interrupt: () => state.call?.interrupt(),
  "end-turn": endTurn,
  "test-microphone": tryMicrophone,
  "problem-close": hideProblem,
  help: showShortcuts,
  "save-stereo": () => saveRecording("stereo"),
  "save-mixed": () => saveRecording("mixed"),
  "save-log": () => save(new Blob([log.toJsonLines()], { type: "application/jsonl" }), `voicebridge-${stamp()}.jsonl`),
  theme: () => {
    settings.theme = { auto: "light", light: "dark", dark: "auto" }[settings.theme];
    settings.store();
    showTheme();
    toast(t(`theme${settings.theme}`));
  },
};
for (const [id, act] of Object.entries(onClick)) byId(id).addEventListener("click", () => act());

byId("microphone").addEventListener("change", changeMicrophone);
byId("key").addEventListener("input", ({ target }) => (keys.given = target.value.trim()));
byId("key").addEventListener("keydown", ({ key }) => key === "Enter" && connect());
byId("auto-answer").addEventListener("change", ({ target }) => {
  settings.autoAnswer = target.checked;
  settings.store();
});
byId("language").addEventListener("change", ({ target }) => {
  settings.language = target.value;
  settings.store();
  speak(target.value);
});
for (const radio of document.querySelectorAll("input[name=transport]")) {
  radio.addEventListener("change", () => {
    settings.transport = radio.value;
    settings.store();
  });
}
listenForShortcuts({
  c: () => (live() ? state.call.hangUp() : connect()),
  m: mute,
  x: () => talking() && state.call.interrupt(),
  s: endTurn,
  t: () => {
    tabs.talk();
    byId("text").focus();
  },
  "/": () => {
    tabs.open("events");
    byId("filter-text").focus();
  },
  "?": showShortcuts,
  tab: (n) => tabs.openNumber(n),
});

setInterval(async () => {
  if (talking()) stats.take(await state.call.getStats());
}, 1000);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
addEventListener("pagehide", () => state.call?.hangUp());

byId("language").value = settings.language;
byId(`transport-${settings.transport}`).checked = true;
byId("auto-answer").checked = settings.autoAnswer;
byId("key").value = keys.given;
functions.update(session.tools);
speak(settings.language);
tabs.fit();
keys.needed().then((needed) => (byId("key-row").hidden = !needed && !keys.given));
globalThis.voicebridge = Object.assign(state, { log });
