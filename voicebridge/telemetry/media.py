"""What is counted of media: packets, loss, concealment, jitter. Of a call's at its end, of calls that run as gauges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_JITTER_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
_ROUND_TRIP_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
_LOSS_BUCKETS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class MediaCounts:
    """One WebRTC call so far.

    `packets` by what became of them; at least `received` and `lost` (the client's, on their way to us). `concealed_s`
    is sound that was made up for them. `reported_loss` (0 to 1) is what the client told of ours.
    """

    packets: Mapping[str, int]
    concealed_s: float = 0.0
    jitter_s: float = 0.0
    round_trip_s: float | None = None
    reported_loss: float = 0.0

    @property
    def loss(self) -> float:
        """The share of the client's packets that never came."""
        lost = self.packets.get("lost", 0)
        return lost / total if (total := lost + self.packets.get("received", 0)) else 0.0


class MediaMetrics:
    """Part of `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._packets = Counter("voicebridge_webrtc_packets", "RTP packets of calls that have ended.", ["what"],
                                registry=registry)  # fmt: skip
        self._concealed_s = Counter("voicebridge_webrtc_concealed_seconds", "Sound made up for lost packets.",
                                    registry=registry)  # fmt: skip
        self._jitter = Histogram("voicebridge_webrtc_jitter_seconds", "Jitter of the client's packets, by call.",
                                 buckets=_JITTER_BUCKETS, registry=registry)  # fmt: skip
        self._round_trip = Histogram("voicebridge_webrtc_round_trip_seconds", "Round trip, by call.",
                                     buckets=_ROUND_TRIP_BUCKETS, registry=registry)  # fmt: skip
        self._loss = Histogram("voicebridge_webrtc_loss_ratio", "Share of packets lost, by call.", ["direction"],
                               buckets=_LOSS_BUCKETS, registry=registry)  # fmt: skip

    def ended(self, counts: MediaCounts) -> None:
        """A call is over. One that never connected is no measure of a path."""
        for what, count in counts.packets.items():
            self._packets.labels(what).inc(count)
        if not counts.packets.get("received"):
            return
        self._concealed_s.inc(counts.concealed_s)
        self._jitter.observe(counts.jitter_s)
        self._loss.labels("in").observe(counts.loss)
        if counts.round_trip_s is not None:
            self._round_trip.observe(counts.round_trip_s)
            self._loss.labels("out").observe(counts.reported_loss)

    def watch(self, live: Callable[[], Iterable[MediaCounts]], process: Callable[[], Mapping[str, int]]) -> None:
        """Show calls that run, as their mean, and the counts of what all calls of the process share."""
        shown: dict[str, tuple[str, Callable[[MediaCounts], float | None]]] = {
            "jitter_seconds": ("Jitter", lambda counts: counts.jitter_s),
            "round_trip_seconds": ("Round trip", lambda counts: counts.round_trip_s),
            "loss_ratio": ("Share of packets lost", lambda counts: counts.loss),
        }
        for name, (what, value) in shown.items():
            gauge = Gauge(f"voicebridge_webrtc_live_{name}", f"{what}, mean of the calls that run.",
                          registry=self._registry)  # fmt: skip
            gauge.set_function(_Mean(live, value))
        self._registry.register(_ProcessCounts(process))


@dataclass(frozen=True, slots=True)
class _Mean:
    live: Callable[[], Iterable[MediaCounts]]
    value: Callable[[MediaCounts], float | None]

    def __call__(self) -> float:
        values = [value for counts in self.live() if (value := self.value(counts)) is not None]
        return fmean(values) if values else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _ProcessCounts(Collector):
    counts: Callable[[], Mapping[str, int]]
    _name: str = field(default="voicebridge_webrtc_process")

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, "Datagrams and ticks of all calls.", labels=["what"])
        for what, count in self.counts().items():
            family.add_metric([what], count)
        yield family
