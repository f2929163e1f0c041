from __future__ import annotations

from voicebridge.core.idle_time import IdleTime
from voicebridge.protocol.session_config import SemanticVad, ServerVad

VAD = ServerVad(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500, idle_timeout_ms=6_000)


def test_silence_counts_from_the_end_of_playback() -> None:
    idle = IdleTime(100.0)
    idle.spoke(24_000, 101.0)
    idle.spoke(48_000, 101.1)
    idle.begin(101.2)
    assert idle.deadline(VAD) == 101.0 + 3.0 + 6.0


def test_where_playback_has_ended_before_it_counts_from_now() -> None:
    idle = IdleTime(100.0)
    idle.spoke(24_000, 101.0)
    idle.begin(110.0)
    assert idle.deadline(VAD) == 116.0


def test_a_cut_ends_the_playback() -> None:
    idle = IdleTime(100.0)
    idle.spoke(240_000, 101.0)
    idle.hushed(102.0)
    idle.hushed(105.0)
    idle.begin(102.0)
    assert idle.deadline(VAD) == 108.0


def test_nothing_is_due_before_an_answer_after_speech_or_without_the_setting() -> None:
    idle = IdleTime(100.0)
    assert idle.deadline(VAD) is None
    idle.begin(100.0)
    assert idle.deadline(None) is None
    assert idle.deadline(SemanticVad()) is None
    assert idle.deadline(VAD.model_copy(update={"idle_timeout_ms": None})) is None
    assert idle.deadline(VAD) == 106.0
    idle.end()
    assert idle.deadline(VAD) is None
