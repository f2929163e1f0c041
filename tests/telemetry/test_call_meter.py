from __future__ import annotations

import json

import numpy as np
import pytest

from voicebridge.audio.listener import Heard
from voicebridge.audio.samples import EMPTY, ms_to_samples
from voicebridge.audio.vad import VAD_WINDOW
from voicebridge.core.engine_io import EngineDone, SpeechDelta
from voicebridge.core.io import EndCall, FromEngine, Input, Output, StartResponse
from voicebridge.core.session import LocalSession, SessionLimits
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import SessionDefaults, new_session
from voicebridge.telemetry.call_meter import CallMeter
from voicebridge.telemetry.metrics import Metrics
from voicebridge.wire.realtime import RealtimeCodec


class Watched:
    """A session and its meter, driven by hand."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.meter = CallMeter(self.metrics, "ga", "websocket", "sess_1")
        ids, defaults = IdFactory(1), SessionDefaults()
        session = new_session("realtime", defaults, session_id="sess_1", expires_at=0)
        self._session = LocalSession(session, ids, defaults, SessionLimits(), 0.0)
        self._codec = RealtimeCodec(Dialect.GA)
        self.meter.opened(0.0)
        self.meter.fed(None, self._session.start(), 0.0)

    def feed(self, given: Input, now: float = 0.0) -> list[Output]:
        outputs = self._session.feed(given, now)
        self.meter.fed(given, outputs, now)
        return outputs

    def say(self, now: float = 0.0, /, **event: object) -> list[Output]:
        return self.feed(self._codec.decode(json.dumps(event)), now)

    def detect(self, kind: str | None) -> None:
        detection = None if kind is None else {"type": kind}
        self.say(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})

    def hear(self, probability: float, windows: int, now: float = 0.0) -> list[Output]:
        samples = np.zeros(VAD_WINDOW, np.int16)
        return [output for _ in range(windows) for output in self.feed(Heard(samples, (probability,)), now)]

    def answer(self, outputs: list[Output], first_sound: float, done: float) -> None:
        (response_id,) = [output.ask.response_id for output in outputs if isinstance(output, StartResponse)]
        self.feed(FromEngine(response_id, SpeechDelta("Hi.", np.zeros(ms_to_samples(100), np.int16))), first_sound)
        self.feed(FromEngine(response_id, EngineDone()), done)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"voicebridge_{name}", labels) or 0.0


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_a_detected_turn_is_counted_for_the_detector_in_force(kind: str) -> None:
    call = Watched()
    call.detect(kind)
    call.hear(0.99, 20)
    call.hear(0.0, 200)
    assert call.value("turns_total", kind=kind) == 1
    assert sum(call.value("turns_total", kind=other) for other in ("server_vad", "semantic_vad", "manual")) == 1


def test_a_commit_by_hand_is_one_turn_even_where_it_cuts_a_detected_one_short() -> None:
    call = Watched()
    call.hear(0.99, 20)
    call.say(type="input_audio_buffer.commit")
    assert call.value("turns_total", kind="manual") == 1
    assert call.value("turns_total", kind="server_vad") == 0


def test_a_commit_that_is_refused_is_no_turn() -> None:
    call = Watched()
    call.say(type="input_audio_buffer.commit")
    assert call.value("turns_total", kind="manual") == 0
    assert call.value("errors_total", type="invalid_request_error", code="input_audio_buffer_commit_empty") == 1


def test_every_turn_committed_by_hand_has_its_time_to_first_sound() -> None:
    call = Watched()
    call.detect(None)
    for turn in range(2):
        began = 10.0 * turn
        call.hear(0.0, 10, began)
        call.say(began + 1, type="input_audio_buffer.commit")
        call.answer(call.say(began + 2, type="response.create"), began + 3, began + 4)
    assert call.value("latency_seconds_count", stage="speech_to_first_audio") == 2
    assert call.value("latency_seconds_sum", stage="speech_to_first_audio") == 4
    assert call.value("latency_seconds_sum", stage="response_total") == 4


def test_sound_is_counted_in_seconds_both_ways() -> None:
    call = Watched()
    call.feed(Heard(np.zeros(12_000, np.int16), ()))
    call.feed(Heard(EMPTY, ()))
    call.answer(call.say(type="response.create"), 1, 2)
    assert call.value("audio_seconds_total", direction="in") == 0.5
    assert call.value("audio_seconds_total", direction="out") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (EndCall(1000, "client gone"), "client"),
        (EndCall(1001, "invalid_request_error.session_expired"), "expired"),
        (EndCall(1001, "server_error.shutting_down"), "drained"),
        (EndCall(1011, "server_error.internal_error"), "error"),
        (EndCall(1013, "server_error.slow_consumer"), "slow_consumer"),
        (EndCall(1000, "hung up"), "hung_up"),
        (EndCall(1001, "webrtc.path_lost"), "path_lost"),
        (EndCall(4999, ""), "other"),
    ],
)
def test_a_session_is_active_until_it_ends_and_its_end_has_a_reason(end: EndCall, reason: str) -> None:
    call = Watched()
    assert call.value("sessions_active", dialect="ga", transport="websocket") == 1
    call.meter.ended(end, 12.5)
    assert call.value("sessions_active", dialect="ga", transport="websocket") == 0
    assert call.value("sessions_ended_total", reason=reason) == 1
    assert call.value("session_seconds_sum") == 12.5
