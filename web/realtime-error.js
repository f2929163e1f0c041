/** Why a call could not begin or has ended. */
export const REASONS = [
  "hung_up",
  "insecure_context", // the page came by plain http from another machine: no microphone, no worklets
  "permission_denied",
  "no_microphone",
  "microphone_busy", // another program has it
  "wrong_key",
  "forbidden",
  "server_full",
  "server_gone",
  "no_media_path", // the server answers, but no packets come through
  "not_served", // this server has no such transport
  "refused", // the message says why
  "expired",
  "unsupported", // by this browser
  "too_big", // an event, for this transport
];

export class RealtimeError extends Error {
  /** @param {string} reason one of REASONS @param {string} [message] what the server or the browser said */
  constructor(reason, message = "") {
    super(message || reason);
    this.reason = reason;
  }
}

/** Any error as a RealtimeError. */
export function understood(error) {
  if (error instanceof RealtimeError) return error;
  const unreachable = error instanceof TypeError && /fetch|network|load failed/i.test(error.message);
  return new RealtimeError(unreachable ? "server_gone" : "refused", error.message);
}

const OF_STATUS = {
  401: "wrong_key",
  403: "forbidden",
  404: "not_served",
  405: "not_served",
  429: "server_full",
  503: "server_full",
};

const OF_CLOSE_CODE = {
  1000: "hung_up",
  1007: "refused",
  1008: "refused",
  1009: "refused",
  1013: "server_full",
  3000: "wrong_key",
  4000: "refused",
};

/** What a failed request says. @param {Response} answer */
export async function refusal(answer) {
  const { error } = await answer.json().catch(() => ({}));
  const reason = OF_STATUS[answer.status] ?? (answer.status >= 502 ? "server_gone" : "refused");
  return new RealtimeError(reason, error?.message ?? `${answer.status} ${answer.statusText}`);
}

/** What the close code of a WebSocket means. */
export function ofCloseCode(code, message) {
  return new RealtimeError(OF_CLOSE_CODE[code] ?? "server_gone", message);
}
