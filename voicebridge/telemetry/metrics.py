"""What is counted, as one small object that the driver and the server call; Prometheus is behind it.

Labels are bounded: a label that takes its values from outside keeps the first few hundred and calls the rest
`other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from voicebridge.telemetry.media import MediaMetrics

Stage: TypeAlias = Literal[
    "committed_to_transcript",
    "response_to_first_text",
    "response_to_first_audio",
    "speech_to_first_audio",
    "response_total",
]
"""A span of a turn. `speech_…` starts when the end of speech was decided."""

WorkerState: TypeAlias = Literal["starting", "loading", "ready", "restarting", "failed", "stopped"]
WORKER_STATES: tuple[WorkerState, ...] = ("starting", "loading", "ready", "restarting", "failed", "stopped")

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_SESSION_BUCKETS = (1, 5, 15, 60, 180, 300, 600, 1200, 1800, 3600, 7200)
_MAX_LABEL_VALUES = 200


class _Names:
    """Keeps a label's values few and short."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, value: str | None) -> str:
        if not value:
            return "none"
        if value in self._known:
            return value
        if len(self._known) >= _MAX_LABEL_VALUES or len(value) > 80:
            return "other"
        self._known.add(value)
        return value


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._codes = _Names()
        self._event_types = _Names()
        self._reasons = _Names()
        self._sessions()
        self._conversation()
        self._traffic()
        self.media = MediaMetrics(self.registry)

    def _sessions(self) -> None:
        by = ["dialect", "transport"]
        self._active = Gauge("voicebridge_sessions_active", "Sessions now.", by, registry=self.registry)
        self._opened = Counter("voicebridge_sessions", "Sessions opened.", by, registry=self.registry)
        self._ended = Counter("voicebridge_sessions_ended", "Sessions ended.", ["reason"], registry=self.registry)
        self._session_s = Histogram(
            "voicebridge_session_seconds", "How long sessions last.", buckets=_SESSION_BUCKETS, registry=self.registry
        )
        self._minted = Counter("voicebridge_tokens_minted", "Ephemeral keys.", ["dialect"], registry=self.registry)
        self._used = Counter("voicebridge_tokens_used", "Ephemeral keys used.", ["outcome"], registry=self.registry)
        self._workers = Gauge("voicebridge_worker_state", "1 for each worker's state.", ["worker", "state"],
                              registry=self.registry)  # fmt: skip
        self._restarts = Counter("voicebridge_worker_restarts", "Workers restarted.", ["worker"],
                                 registry=self.registry)  # fmt: skip

    def _conversation(self) -> None:
        self._turns = Counter("voicebridge_turns", "User turns committed.", ["kind"], registry=self.registry)
        self._responses = Counter("voicebridge_responses", "Responses.", ["status", "reason"], registry=self.registry)
        self._transcripts = Counter("voicebridge_transcriptions", "Input transcriptions.", ["status"],
                                    registry=self.registry)  # fmt: skip
        self._latency = Histogram("voicebridge_latency_seconds", "Spans of a turn.", ["stage"],
                                  buckets=_LATENCY_BUCKETS, registry=self.registry)  # fmt: skip
        audio_s = Counter("voicebridge_audio_seconds", "Audio.", ["direction"], registry=self.registry)
        # Looked up once: it is counted for each piece of sound.
        self._audio_s = {direction: audio_s.labels(direction) for direction in ("in", "out")}

    def _traffic(self) -> None:
        self._events = Counter("voicebridge_events", "Protocol events.", ["direction", "type"], registry=self.registry)
        self._bytes = Counter("voicebridge_bytes", "Bytes of messages.", ["direction", "transport"],
                              registry=self.registry)  # fmt: skip
        self._drops = Counter("voicebridge_drops", "What was thrown away.", ["what"], registry=self.registry)
        self._tasks = Gauge("voicebridge_tasks", "Tasks of the event loop.", registry=self.registry)
        self._errors = Counter("voicebridge_errors", "Errors.", ["type", "code"], registry=self.registry)

    # --- sessions ---------------------------------------------------------------------------------------------------

    def session_opened(self, dialect: str, transport: str) -> None:
        self._active.labels(dialect, transport).inc()
        self._opened.labels(dialect, transport).inc()

    def session_ended(self, dialect: str, transport: str, reason: str, seconds: float) -> None:
        """`reason` is a word such as `client`, `expired`, `error`, `slow_consumer`, `drained`."""
        self._active.labels(dialect, transport).dec()
        self._ended.labels(self._reasons(reason)).inc()
        self._session_s.observe(seconds)

    @contextmanager
    def sideband(self, dialect: str) -> Iterator[None]:
        """Somebody has joined a call. No session of its own: it ends none, and lasts as long as it likes."""
        self._active.labels(dialect, "sideband").inc()
        self._opened.labels(dialect, "sideband").inc()
        try:
            yield
        finally:
            self._active.labels(dialect, "sideband").dec()

    def token_minted(self, dialect: str) -> None:
        self._minted.labels(dialect).inc()

    def token_used(self, outcome: Literal["accepted", "used"]) -> None:
        self._used.labels(outcome).inc()

    def worker(self, name: str, state: WorkerState) -> None:
        for other in WORKER_STATES:
            self._workers.labels(name, other).set(1 if other == state else 0)
        if state == "restarting":
            self._restarts.labels(name).inc()

    # --- the conversation -------------------------------------------------------------------------------------------

    def turn(self, kind: Literal["server_vad", "semantic_vad", "manual"]) -> None:
        self._turns.labels(kind).inc()

    def response_done(self, status: str, reason: str | None = None) -> None:
        self._responses.labels(status, self._reasons(reason)).inc()

    def transcription(self, status: Literal["completed", "failed"]) -> None:
        self._transcripts.labels(status).inc()

    def latency(self, stage: Stage, seconds: float) -> None:
        self._latency.labels(stage).observe(seconds)

    def audio(self, direction: Literal["in", "out"], seconds: float) -> None:
        self._audio_s[direction].inc(seconds)

    # --- traffic ----------------------------------------------------------------------------------------------------

    def event(self, direction: Literal["in", "out"], event_type: str) -> None:
        self._events.labels(direction, self._event_types(event_type)).inc()

    def wire_bytes(self, direction: Literal["in", "out"], transport: str, count: int) -> None:
        self._bytes.labels(direction, transport).inc(count)

    def dropped(self, what: str, count: int = 1) -> None:
        """`what` is a word such as `outbound_events`."""
        self._drops.labels(self._reasons(what)).inc(count)

    def error(self, error_type: str, code: str | None) -> None:
        self._errors.labels(error_type, self._codes(code)).inc()

    def watch_tasks(self, count: Callable[[], int]) -> None:
        """Show how many tasks the event loop has: it must return to where it was when calls end."""
        self._tasks.set_function(count)

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
