from __future__ import annotations

from pathlib import Path

from voicebridge.telemetry.metrics import Metrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def lines(metrics: Metrics) -> list[str]:
    body, content_type = metrics.exposition()
    assert content_type.startswith("text/plain")
    return body.decode().splitlines()


def test_a_session_is_counted_while_it_lasts_and_after() -> None:
    metrics = Metrics()
    metrics.session_opened("ga", "websocket")
    metrics.session_opened("ga", "websocket")
    metrics.session_ended("ga", "websocket", "client", 12.5)
    text = lines(metrics)
    assert 'voicebridge_sessions_active{dialect="ga",transport="websocket"} 1.0' in text
    assert 'voicebridge_sessions_total{dialect="ga",transport="websocket"} 2.0' in text
    assert 'voicebridge_sessions_ended_total{reason="client"} 1.0' in text
    assert "voicebridge_session_seconds_sum 12.5" in text


def test_a_worker_is_in_one_state_at_a_time() -> None:
    metrics = Metrics()
    metrics.worker("0", "loading")
    metrics.worker("0", "restarting")
    metrics.worker("0", "ready")
    text = lines(metrics)
    states = [line for line in text if line.startswith("voicebridge_worker_state{") and line.endswith(" 1.0")]
    assert states == ['voicebridge_worker_state{state="ready",worker="0"} 1.0']
    assert 'voicebridge_worker_restarts_total{worker="0"} 1.0' in text


def test_everything_that_is_reported_shows() -> None:
    metrics = Metrics()
    metrics.token_minted("beta")
    metrics.token_used("used")
    metrics.turn("server_vad")
    metrics.response_done("cancelled", "turn_detected")
    metrics.response_done("completed")
    metrics.transcription("completed")
    metrics.latency("speech_to_first_audio", 0.3)
    metrics.audio("in", 0.02)
    metrics.event("out", "response.done")
    metrics.wire_bytes("in", "websocket", 100)
    metrics.dropped("audio_frames", 3)
    metrics.error("invalid_request_error", None)
    text = "\n".join(lines(metrics))
    for expected in (
        'tokens_minted_total{dialect="beta"} 1.0',
        'tokens_used_total{outcome="used"} 1.0',
        'turns_total{kind="server_vad"} 1.0',
        'responses_total{reason="turn_detected",status="cancelled"} 1.0',
        'responses_total{reason="none",status="completed"} 1.0',
        'transcriptions_total{status="completed"} 1.0',
        'latency_seconds_bucket{le="0.3",stage="speech_to_first_audio"} 1.0',
        'audio_seconds_total{direction="in"} 0.02',
        'events_total{direction="out",type="response.done"} 1.0',
        'bytes_total{direction="in",transport="websocket"} 100.0',
        'drops_total{what="audio_frames"} 3.0',
        'errors_total{code="none",type="invalid_request_error"} 1.0',
    ):
        assert "voicebridge_" + expected in text


def test_labels_from_outside_stay_few() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.error("invalid_request_error", f"code-{number}")
    metrics.error("invalid_request_error", "x" * 10_000)
    series = [line for line in lines(metrics) if line.startswith("voicebridge_errors_total{")]
    assert len(series) == 201
    assert 'voicebridge_errors_total{code="other",type="invalid_request_error"} 801.0' in series


def test_two_processes_worth_of_metrics_live_side_by_side() -> None:
    one, two = Metrics(), Metrics()
    one.turn("manual")
    assert 'voicebridge_turns_total{kind="manual"} 1.0' in lines(one)
    assert 'voicebridge_turns_total{kind="manual"} 1.0' not in lines(two)


def test_who_joins_a_call_is_counted_and_ends_no_session() -> None:
    metrics = Metrics()
    with metrics.sideband("ga"):
        assert 'voicebridge_sessions_active{dialect="ga",transport="sideband"} 1.0' in lines(metrics)
    text = lines(metrics)
    assert 'voicebridge_sessions_active{dialect="ga",transport="sideband"} 0.0' in text
    assert 'voicebridge_sessions_total{dialect="ga",transport="sideband"} 1.0' in text
    assert "voicebridge_session_seconds_count 0.0" in text


def test_every_metric_is_in_the_operators_guide() -> None:
    document = DOCUMENT.read_text()
    metrics = Metrics()
    metrics.media.watch(list, dict)
    families = [family for family in metrics.registry.collect() if family.name.startswith("voicebridge_")]
    for family in families:
        name = family.name.removeprefix("voicebridge_") + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in document
