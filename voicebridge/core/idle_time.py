"""How long nobody has spoken since our last answer was heard to its end (protocol S13)."""

from __future__ import annotations

from voicebridge.audio.samples import samples_to_seconds
from voicebridge.protocol.session_config import ServerVad, TurnDetection


class IdleTime:
    """Instants are the session's `now`. Playback is reckoned: what was sent plays at once, one piece after another."""

    def __init__(self, now: float) -> None:
        self._spoken_until = now
        self._since: float | None = None

    def spoke(self, samples: int, now: float) -> None:
        """So much speech was sent."""
        self._spoken_until = max(self._spoken_until, now) + samples_to_seconds(samples)

    def hushed(self, now: float) -> None:
        """Playback stopped, whatever was sent."""
        self._spoken_until = min(self._spoken_until, now)

    def begin(self, now: float) -> None:
        """An answer is made: silence counts from the end of its playback."""
        self._since = max(now, self._spoken_until)

    def end(self) -> None:
        """Somebody speaks, or an answer is being made."""
        self._since = None

    def deadline(self, detection: TurnDetection | None) -> float | None:
        """When the silence is too long by the settings that hold now."""
        if self._since is None or not isinstance(detection, ServerVad) or detection.idle_timeout_ms is None:
            return None
        return self._since + detection.idle_timeout_ms / 1000
