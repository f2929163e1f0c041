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
 * `globalThis.voicebridge` has what a test cannot see: {call, log, turns, transcript, recording}.
 */

import { ConversationView } from "./conversation-view.js";
import { byId, clock, element, save, setText } from "./dom.js";
import { EventLog } from "./event-log.js";
import { EventView } from "./event-view.js";
import { proposedAnswer } from "./functions.js";
import { FunctionsView } from "./functions-view.js";
import { smallImage } from "./image.js";
import { Keys } from "./keys.js";
import { LatencyView } from "./latency-view.js";
import { PageSettings } from "./page-settings.js";
import { RealtimeCall, RealtimeError, openMicrophone } from "./realtime.js";
import { Recording } from "./recording.js";
import { Scope } from "./scope.js";
import { SessionView } from "./session-view.js";
import { listenForShortcuts, showShortcuts } from "./shortcuts.js";
import { FRAME_MS, SoundTap } from "./sound-tap.js";
import { StatsView } from "./stats-view.js";
import { t, translate, useLanguage } from "./strings.js";
import { Transcript } from "./transcript.js";
import { Turns, latencyOf } from "./turns.js";

const AUDIBLE = 0.008; // of full scale: an answer has begun
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
  context: null,
  tap: null,
  preview: null,
  level: 0,
  update: null, // event_id of a session.update that was not answered yet
  calls: new Map(), // call_id → response: functions whose result is awaited
  attached: null,
  dirty: true,
  listedAt: 0,
};

const scope = new Scope(byId("scope"));
const conversation = new ConversationView(byId("conversation"), { answer: answerCall, latency: () => openTab("latency") });
const events = new EventView(log, () => state.start, toast);
const latency = new LatencyView();
const stats = new StatsView();
const session = new SessionView(byId("session-form"), settings.session, {
  update: (update) => (state.update = state.call?.send({ type: "session.update", session: update })),
  changed: () => {
    settings.store();
    functions.update(session.tools);
  },
});
const functions = new FunctionsView(settings.answers, { offer: offerFunctions, changed: () => settings.store() });

/* The call */

const live = () => state.call && state.call.state !== "closed";
const transport = () => document.querySelector("input[name=transport]:checked").value;
const microphone = () => byId("microphone").value;

async function connect() {
  if (live()) return;
  hideProblem();
  if (!keys.given && (await keys.needed())) return showProblem("key_needed");
  stopPreview();
  clearCall();
  const device = microphone();
  const constraints = device && device !== "none" ? { deviceId: { exact: device } } : {};
  startSound();
  const call = new RealtimeCall({
    transport: transport(),
    model: session.wanted.model || undefined,
    microphone: device === "none" ? false : constraints,
    token: () => keys.token(),
    configure: (fresh) => session.updateFor(fresh),
    context: state.context ?? undefined,
  });
  state.call = call;
  call.addEventListener("event", ({ detail }) => took(call, detail));
  call.addEventListener("state", ({ detail }) => changed(detail));
  call.addEventListener("playback", ({ detail }) => played(detail));
  call.addEventListener("track", ({ detail }) => state.tap?.listen(detail.side, detail.stream));
  call.addEventListener("microphone", () => showProblem("microphone_ended"));
  call.addEventListener("closed", ({ detail }) => closed(detail));
  try {
    await call.connect();
    listMicrophones(); // their names are known now
  } catch {
    // `closed` has told
  }
}

function clearCall() {
  state.turns = new Turns();
  state.transcript = new Transcript();
  state.recording = new Recording();
  state.start = performance.now();
  state.calls.clear();
  state.update = null;
  log.clear();
  log.filter({ text: byId("filter-text").value, direction: byId("filter-direction").value, type: byId("filter-type").value });
  conversation.reset();
  stats.clear();
  scope.clear();
}

function changed({ state: now, attempt, again }) {
  if (now === "connected" && again !== undefined) {
    state.turns.connected(true);
    if (again) {
      state.transcript.broken(performance.now());
      state.calls.clear();
    } else state.connectedAt = performance.now();
    if (state.call.session) state.turns.event("received", { type: "session.created", session: state.call.session }, 0);
  } else if (now === "reconnecting" || now === "closed") {
    state.turns.connected(false);
    session.session(null);
  }
  state.attempt = attempt;
  state.dirty = true;
  show();
}

function closed({ reason, message }) {
  stopSound();
  stats.clear();
  byId("mute").setAttribute("aria-pressed", "false");
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
  if (direction === "sent") {
    if (event.type === "session.update") state.update = event.event_id;
    return;
  }
  if (event.type === "session.created") session.session(event.session);
  else if (event.type === "session.updated") {
    session.session(event.session, new Date().toLocaleTimeString(document.documentElement.lang));
    functions.update(session.tools);
    queueMicrotask(show); // the call knows its session by then
  } else if (event.type === "error" && event.error.event_id && event.error.event_id === state.update) {
    session.refused(event.error.message);
  } else if (event.type === "response.done") queueMicrotask(() => called(call, event.response));
}

function played(detail) {
  const at = performance.now();
  state.turns.playback(detail, at);
  state.transcript.playback(detail, at);
  if (detail.kind !== "progress") state.dirty = true;
}

/* Functions */

function called(call, response) {
  if (response.status !== "completed" || call !== state.call || !call.session) return;
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
  if (!response || !sent({ type: "conversation.item.create", item: { type: "function_call_output", call_id: callId, output } })) return;
  state.calls.delete(callId);
  if (![...state.calls.values()].includes(response)) sent({ type: "response.create" });
  state.dirty = true;
}

function offerFunctions(tools) {
  session.set("tools", tools.length ? JSON.stringify(tools, null, 2) : "");
  functions.update(tools);
  if (state.call?.session) sent({ type: "session.update", session: { type: "realtime", tools } });
}

/* What the user does */

function sent(event) {
  try {
    return state.call.send(event);
  } catch (error) {
    if (!(error instanceof RealtimeError)) throw error;
    showProblem(error.reason, error.message);
    return null;
  }
}

async function sendMessage(event) {
  event.preventDefault();
  const text = byId("text").value.trim();
  if (!state.call?.session || (!text && !state.attached)) return;
  const content = [];
  if (state.attached) content.push({ type: "input_image", image_url: state.attached });
  if (text) content.push({ type: "input_text", text });
  if (["speaking", "thinking"].includes(state.turns.phase(performance.now()))) await state.call.interrupt();
  if (!sent({ type: "conversation.item.create", item: { type: "message", role: "user", content } })) return;
  sent({ type: "response.create" });
  byId("text").value = "";
  attach(null);
}

function endTurn() {
  sent({ type: "input_audio_buffer.commit" });
  sent({ type: "response.create" });
}

function mute() {
  if (!live()) return;
  state.call.mute(!state.call.muted);
  show();
}

async function attachFile([file]) {
  if (!file) return;
  const room = (state.call?.maxEventBytes ?? 65536) - 2048;
  try {
    attach(await smallImage(file, room));
  } catch (error) {
    toast(error instanceof RangeError ? t("imageTooBig", { kb: Math.floor(room / 1024) }) : t("imageUnreadable"));
  }
  byId("image-file").value = "";
}

function attach(url) {
  state.attached = url;
  byId("attached").hidden = !url;
  if (url) byId("attached-image").src = url;
  setText(byId("attached-size"), url ? `${Math.ceil(url.length / 1024)} kB` : "");
}

/* Sound: the picture, the level, the recording */

function startSound() {
  if (!globalThis.AudioWorkletNode || !isSecureContext || state.context) return;
  state.context = new AudioContext({ latencyHint: "interactive" });
  state.context.resume();
  state.tap = new SoundTap(state.context, heard);
  requestAnimationFrame(frame);
}

function stopSound() {
  state.tap?.close();
  state.context?.close();
  state.tap = state.context = null;
  state.level = byId("level").value = 0;
}

function heard(you, it) {
  const at = performance.now();
  const peaks = scope.add(you, it, at);
  state.level = Math.max(peaks.you, 0.8 * state.level);
  if (!live()) return;
  if (peaks.it > AUDIBLE) state.turns.audible(at - FRAME_MS);
  if (state.connectedAt) state.recording.add(you, it);
}

async function preview() {
  if (live()) return;
  if (state.preview) return stopPreview();
  hideProblem();
  try {
    const device = microphone();
    state.preview = await openMicrophone(device && device !== "none" ? { deviceId: { exact: device } } : {});
    startSound();
    await state.tap.listen("local", state.preview);
    listMicrophones();
  } catch (error) {
    showProblem(error.reason ?? "refused", error.message);
  }
  show();
}

function stopPreview() {
  if (!state.preview) return;
  for (const track of state.preview.getTracks()) track.stop();
  state.preview = null;
  stopSound();
  scope.clear();
  scope.draw(performance.now(), []);
  show();
}

async function listMicrophones() {
  const choice = byId("microphone");
  const kept = choice.value || settings.microphone;
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const known = devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "default");
  const named = known.map(({ deviceId, label }, n) => [deviceId, label || t("microphoneNumber", { n: n + 1 })]);
  const options = [["", t("defaultMicrophone")], ...named, ["none", t("withoutMicrophone")]];
  choice.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  choice.value = options.some(([value]) => value === kept) ? kept : "";
}

async function changeMicrophone() {
  settings.microphone = microphone();
  settings.store();
  if (state.preview) {
    stopPreview();
    if (microphone() !== "none") preview();
  } else if (state.call?.session && microphone() !== "none") {
    try {
      await state.call.useMicrophone(microphone() ? { deviceId: { exact: microphone() } } : {});
      hideProblem();
    } catch (error) {
      showProblem(error.reason, error.message);
    }
  }
}

/* Showing */

function frame(now) {
  if (!state.context) return show();
  scope.draw(now, spans(now));
  byId("level").value = Math.sqrt(state.level);
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
  return state.turns.turns.slice(-8).flatMap((turn) => {
    const waits = !("playing" in turn.marks) && turn === state.turns.turns.at(-1) && state.turns.phase(now) === "thinking";
    const to = turn.marks.playing ?? (waits ? now : null);
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
  if (state.call?.session) setText(byId("clock"), clock(now - state.connectedAt));
  return phase;
}

function hint(phase) {
  const { call } = state;
  if (call?.state === "connecting") return t("hintconnecting");
  if (call?.state === "reconnecting") return t("hintreconnecting", { n: state.attempt });
  const manual = call?.session?.audio?.input?.turn_detection === null;
  if (phase === "thinking" && state.calls.size) return t("hintwaitsForFunction");
  if (state.calls.size && phase === "listening") return t("hintwaitsForFunction");
  if (phase === "listening") {
    if (microphone() === "none") return t("hintlisteningTyping");
    if (call?.muted) return t("hintlisteningMuted");
    if (manual) return t("hintmanual");
  }
  const interrupts = call?.session?.audio?.input?.turn_detection?.interrupt_response;
  if (phase === "speaking" && (!interrupts || microphone() === "none")) return t("hintspeakingManual");
  return t(`hint${phase}`);
}

/** Everything that follows from the state of the call. */
function show() {
  const now = state.call?.state ?? "idle";
  const there = Boolean(live());
  const talking = there && Boolean(state.call.session);
  byId("connection").dataset.state = now;
  setText(byId("connection-text"), t(now, { transport: state.call ? transportName() : "" }));
  byId("clock").hidden = !talking;
  document.body.toggleAttribute("data-live", there);
  const connecting = now === "connecting";
  const focus = document.activeElement;
  byId("connect").hidden = there && !connecting;
  byId("connect").disabled = connecting; // it keeps its place: a second click must not hit what comes after it
  setText(byId("connect"), t(connecting ? "stateconnecting" : "connect"));
  setText(byId("hang-up"), t(connecting ? "cancel" : "hangUp"));
  for (const id of ["mute", "interrupt"]) byId(id).hidden = !talking;
  byId("hang-up").hidden = !there;
  byId("mute").hidden = !talking || microphone() === "none";
  byId("end-turn").hidden = !talking || state.call.session.audio?.input?.turn_detection !== null || byId("mute").hidden;
  byId("mute").setAttribute("aria-pressed", String(Boolean(there && state.call.muted)));
  setText(byId("mute"), t(there && state.call.muted ? "unmute" : "mute"));
  for (const id of ["text", "send", "attach"]) byId(id).disabled = !talking;
  document.querySelector(".segments").disabled = there;
  byId("test-microphone").hidden = there || microphone() === "none";
  byId("test-microphone").setAttribute("aria-pressed", String(Boolean(state.preview)));
  const lost = focus !== document.body && !focus.offsetParent && !focus.closest("dialog");
  if (lost) byId(!talking ? "connect" : byId("mute").hidden ? "text" : "mute").focus();
  showPhase(performance.now());
  showLists();
  events.update();
}

const transportName = () => (transport() === "webrtc" ? "WebRTC" : "WebSocket");

function showProblem(reason, said = "") {
  const where = { port: location.port || "8765", host: location.hostname };
  setText(byId("problem-what"), t(reason));
  setText(byId("problem-do"), t(`${reason}Do`, where));
  setText(byId("problem-said"), said === reason ? "" : said);
  const box = byId("problem");
  box.dataset.reason = reason;
  box.hidden = false;
  if (reason === "key_needed" || reason === "wrong_key") {
    byId("key-row").hidden = false;
    byId("key").focus();
  }
}

function hideProblem() {
  byId("problem").hidden = true;
  delete byId("problem").dataset.reason;
}

let toastEnds = 0;
function toast(text) {
  const shown = byId("toast");
  setText(shown, text);
  shown.classList.add("shown");
  clearTimeout(toastEnds);
  toastEnds = setTimeout(() => shown.classList.remove("shown"), 2400);
}

function openTab(name) {
  document.body.dataset.tab = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (tab.dataset.tab !== "talk") byId(`panel-${tab.dataset.tab}`).hidden = !chosen;
  }
  if (name !== "talk") settings.tab = name;
  settings.store();
  events.changed();
  events.update();
  latency.update(state.turns.turns);
  stats.show();
}

/** On a wide page the conversation is always there, and one of the others beside it. */
function fitTabs() {
  if (narrow.matches) openTab("talk");
  else openTab(settings.tab);
}
const narrow = matchMedia("(max-width: 860px)");

function speak(language) {
  useLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  translate(document);
  showTheme();
  session.build();
  functions.build();
  conversation.reset();
  latency.reset();
  events.reset();
  stats.show();
  listMicrophones();
  show();
}

function showTheme() {
  const { theme } = settings;
  document.documentElement.dataset.theme = theme;
  byId("theme").title = t(`theme${theme}`);
  scope.recolour();
  scope.draw(performance.now(), []);
}

function saveRecording(channels) {
  save(state.recording.toWav(channels), `voicebridge-${stamp()}.wav`);
}

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "-");

/* Wiring */

const onClick = {
  connect,
  "hang-up": () => state.call?.hangUp(),
  mute,
  interrupt: () => state.call?.interrupt(),
  "end-turn": endTurn,
  "test-microphone": preview,
  "problem-close": hideProblem,
  attach: () => byId("image-file").click(),
  detach: () => attach(null),
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

byId("composer").addEventListener("submit", sendMessage);
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) sendMessage(event);
});
byId("image-file").addEventListener("change", ({ target }) => attachFile(target.files));
byId("microphone").addEventListener("change", () => (changeMicrophone(), show()));
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
const tabs = [...document.querySelectorAll("[role=tab]")];
for (const tab of tabs) {
  tab.addEventListener("click", () => openTab(tab.dataset.tab));
  tab.addEventListener("keydown", ({ key }) => {
    const shown = tabs.filter((one) => one.offsetParent);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
    openTab(next.dataset.tab);
    next.focus();
  });
}
listenForShortcuts({
  c: () => (live() ? state.call.hangUp() : connect()),
  m: mute,
  x: () => state.call?.session && state.call.interrupt(),
  s: () => !byId("end-turn").hidden && endTurn(),
  t: () => {
    if (narrow.matches) openTab("talk");
    byId("text").focus();
  },
  "/": () => {
    openTab("events");
    byId("filter-text").focus();
  },
  "?": showShortcuts,
  tab: (n) => tabs.filter((one) => one.offsetParent)[n]?.click(),
});

setInterval(async () => {
  if (state.call?.session && live()) stats.take(await state.call.getStats());
}, 1000);
narrow.addEventListener("change", fitTabs);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
navigator.mediaDevices?.addEventListener("devicechange", listMicrophones);
addEventListener("pagehide", () => state.call?.hangUp());

byId("language").value = settings.language;
byId(`transport-${settings.transport}`).checked = true;
byId("auto-answer").checked = settings.autoAnswer;
byId("key").value = keys.given;
functions.update(session.tools);
speak(settings.language);
fitTabs();
keys.needed().then((needed) => (byId("key-row").hidden = !needed && !keys.given));
globalThis.voicebridge = { log, get call() { return state.call; }, get turns() { return state.turns; }, get transcript() { return state.transcript; }, get recording() { return state.recording; } }; // prettier-ignore
