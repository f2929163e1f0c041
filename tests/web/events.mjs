// Short names for the events that several tests tell their stories with.

const R4 = (response, item) => ({ response_id: response, item_id: item, output_index: 0, content_index: 0 });

export const session = (detection = { type: "server_vad", silence_duration_ms: 500, create_response: true, interrupt_response: true }) => ({
  type: "session.created",
  session: { type: "realtime", audio: { input: { turn_detection: detection } } },
});
export const began = (item) => ({ type: "input_audio_buffer.speech_started", item_id: item, audio_start_ms: 0 });
export const ended = (item) => ({ type: "input_audio_buffer.speech_stopped", item_id: item, audio_end_ms: 0 });
export const committed = (item, previous = null) => ({ type: "input_audio_buffer.committed", item_id: item, previous_item_id: previous });
export const spokenItem = (item, previous) => ({
  type: "conversation.item.added", previous_item_id: previous,
  item: { id: item, type: "message", role: "user", status: "completed", content: [{ type: "input_audio", transcript: null }] },
});
export const typedItem = (item, text, previous) => ({
  type: "conversation.item.added", previous_item_id: previous,
  item: { id: item, type: "message", role: "user", status: "completed", content: [{ type: "input_text", text }] },
});
export const recognised = (item, transcript) => ({
  type: "conversation.item.input_audio_transcription.completed", item_id: item, content_index: 0, transcript,
});
export const created = (response) => ({ type: "response.created", response: { id: response, status: "in_progress" } });
export const answerItem = (response, item, previous) => [
  { type: "response.output_item.added", response_id: response, output_index: 0, item: { id: item, type: "message", role: "assistant", status: "in_progress", content: [] } },
  { type: "conversation.item.added", previous_item_id: previous, item: { id: item, type: "message", role: "assistant", status: "in_progress", content: [] } },
  { type: "response.content_part.added", ...R4(response, item), part: { type: "audio", transcript: "" } },
];
export const words = (response, item, delta) => ({ type: "response.output_audio_transcript.delta", ...R4(response, item), delta });
export const sound = (response, item, ms) => ({ type: "response.output_audio.delta", ...R4(response, item), delta: "A".repeat((ms * 48 * 4) / 3) });
export const soundEnds = (response, item, transcript) => [
  { type: "response.output_audio.done", ...R4(response, item) },
  { type: "response.output_audio_transcript.done", ...R4(response, item), transcript },
];
export const done = (response, status = "completed") => ({ type: "response.done", response: { id: response, status, output: [] } });
export const playback = (kind, responseId, itemId, ms) => ({ playback: { kind, responseId, itemId, ms } });

/** Feed a story: `[instant, event or "sent" event…]`; objects with `playback` go there. */
export function tell(listener, ...steps) {
  for (const [at, ...events] of steps) {
    for (const event of events.flat()) {
      if (event.playback) listener.playback(event.playback, at);
      else if (event.sent) listener.event("sent", event.sent, at);
      else listener.event("received", event, at);
    }
  }
}
