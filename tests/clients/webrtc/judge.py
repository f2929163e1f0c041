"""What must hold for the events of a call whose sound is on a media track, on top of what holds for all."""

from __future__ import annotations

from clients.strict import Breach, Dialect, Event, Recorder

MESSAGE_LIMIT = 65_536
"""Bytes that a peer takes in one data channel message when its description says nothing else (RFC 8841)."""


class MediaRecorder(Recorder):
    """Judges S14: each spoken response is `started` once, then either `stopped` or `cleared`, never both."""

    def __init__(self, dialect: Dialect, *, sideband: bool = False) -> None:
        super().__init__(dialect)
        self._limit = 1 << 62 if sideband else MESSAGE_LIMIT
        self._spoken: set[str] = set()
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._done: set[str] = set()
        self.joined_late = sideband
        """Whether responses may have begun before this party heard of them."""

    def take(self, raw: str | bytes) -> Event:
        size = len(raw.encode() if isinstance(raw, str) else raw)
        if size > self._limit:
            raise Breach(f"a message of {size} bytes on a data channel")
        event = super().take(raw)
        try:
            self._playout(event)
        except Breach as breach:
            raise Breach(f"{breach}\nafter {self.types()[-20:]}") from None
        return event

    @property
    def playing(self) -> set[str]:
        """Responses that were started and have neither stopped nor been cleared."""
        return self._begun - self._ended

    def _playout(self, event: Event) -> None:
        kind, response = event["type"], event.get("response_id", "")
        if kind in {"response.output_audio.delta", "response.audio.delta"}:
            raise Breach("audio in an event, though there is a track")
        if kind == "response.content_part.added" and event["part"]["type"] == "audio":
            self._spoken.add(response)
        elif kind == "response.done":
            self._done.add(event["response"]["id"])
        elif kind == "output_audio_buffer.started":
            if response in self._begun:
                raise Breach(f"{response} is started twice")
            if response not in self._spoken and not self.joined_late:
                raise Breach(f"{response} is started before its first spoken part was added")
            self._begun.add(response)
        elif kind in {"output_audio_buffer.stopped", "output_audio_buffer.cleared"}:
            if response in self._ended or (response not in self._begun and not self.joined_late):
                raise Breach(f"{response} ends twice, or before it began")
            if kind.endswith("stopped") and response not in self._done and not self.joined_late:
                raise Breach(f"{response} is stopped before response.done")
            self._ended.add(response)
