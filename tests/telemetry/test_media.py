from __future__ import annotations

from voicebridge.telemetry.media import MediaCounts
from voicebridge.telemetry.metrics import Metrics


def lines(metrics: Metrics) -> list[str]:
    return metrics.exposition()[0].decode().splitlines()


def test_the_packets_of_calls_add_up_as_they_end() -> None:
    metrics = Metrics()
    for _ in range(2):
        counts = MediaCounts({"received": 95, "lost": 5, "sent": 100}, concealed_s=0.1, jitter_s=0.004)
        metrics.media.ended(counts)
    text = lines(metrics)
    assert 'voicebridge_webrtc_packets_total{what="received"} 190.0' in text
    assert 'voicebridge_webrtc_packets_total{what="sent"} 200.0' in text
    assert "voicebridge_webrtc_concealed_seconds_total 0.2" in text
    assert 'voicebridge_webrtc_jitter_seconds_bucket{le="0.005"} 2.0' in text
    assert 'voicebridge_webrtc_loss_ratio_sum{direction="in"} 0.1' in text
    assert "voicebridge_webrtc_round_trip_seconds_count 0.0" in text, "nobody reported"


def test_a_call_that_never_connected_says_nothing_of_any_path() -> None:
    metrics = Metrics()
    metrics.media.ended(MediaCounts({"received": 0, "lost": 0, "sent": 7}))
    text = lines(metrics)
    assert 'voicebridge_webrtc_packets_total{what="sent"} 7.0' in text
    assert "voicebridge_webrtc_jitter_seconds_count 0.0" in text


def test_what_the_client_reports_is_the_other_direction() -> None:
    metrics = Metrics()
    metrics.media.ended(MediaCounts({"received": 1}, round_trip_s=0.05, reported_loss=0.25))
    text = lines(metrics)
    assert 'voicebridge_webrtc_loss_ratio_sum{direction="out"} 0.25' in text
    assert "voicebridge_webrtc_round_trip_seconds_sum 0.05" in text


def test_calls_that_run_show_their_mean() -> None:
    metrics = Metrics()
    running: list[MediaCounts] = []
    metrics.media.watch(lambda: running, lambda: {"checks": 3})
    assert "voicebridge_webrtc_live_jitter_seconds 0.0" in lines(metrics)
    running += [
        MediaCounts({"received": 90, "lost": 10}, jitter_s=0.01),
        MediaCounts({"received": 100}, jitter_s=0.03, round_trip_s=0.1),
    ]
    text = lines(metrics)
    assert "voicebridge_webrtc_live_jitter_seconds 0.02" in text
    assert "voicebridge_webrtc_live_round_trip_seconds 0.1" in text, "of those who know it"
    assert "voicebridge_webrtc_live_loss_ratio 0.05" in text
    assert 'voicebridge_webrtc_process_total{what="checks"} 3.0' in text
