"""The calls of this process that can be reached by their id, each by whom it belongs to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from voicebridge.audio.samples import samples_to_seconds
from voicebridge.core.io import EndCall
from voicebridge.errors import NotFound
from voicebridge.protocol.dialect import Dialect
from voicebridge.runtime.call import Call
from voicebridge.runtime.calls import Calls
from voicebridge.server.auth import Ephemeral, Identity
from voicebridge.state import State
from voicebridge.telemetry.media import MediaCounts
from voicebridge.transports.webrtc.port import WebRtcPort

HUNG_UP = EndCall(1000, "hung up")


@dataclass(frozen=True, slots=True)
class OpenCall:
    """What is known of a call beside its session."""

    port: WebRtcPort
    dialect: Dialect
    opened_by: Identity

    def belongs_to(self, caller: Identity) -> bool:
        """An API key reaches the calls opened with it and with its ephemeral keys; one of those only its own calls."""
        if isinstance(caller, Ephemeral):
            return isinstance(self.opened_by, Ephemeral) and caller.grant.token_id == self.opened_by.grant.token_id
        return caller.fingerprint == self.opened_by.fingerprint


def media_counts(port: WebRtcPort) -> MediaCounts:
    stats = port.stats()
    received = stats.received
    return MediaCounts(
        packets={
            "received": received.received,
            "lost": received.lost,
            "late": received.late,
            "duplicated": received.duplicated,
            "recovered": received.recovered,
            "malformed": received.malformed,
            "sent": stats.sent_packets,
        },
        concealed_s=samples_to_seconds(received.concealed),
        jitter_s=received.jitter_s,
        round_trip_s=stats.round_trip_s,
        reported_loss=stats.reported_loss,
    )


class OpenCalls:
    """`process` names this process among those that share `state`."""

    def __init__(self, calls: Calls, state: State, process: str) -> None:
        self._calls = calls
        self._state = state
        self._process = process
        self._open: dict[str, OpenCall] = {}

    @asynccontextmanager
    async def held(self, call_id: str, opened: OpenCall, ttl_s: float) -> AsyncIterator[None]:
        """Keep what is known of a call, for `ttl_s` seconds at the most as far as other processes see."""
        await self._state.hold_call(call_id, self._process, ttl_s)
        self._open[call_id] = opened
        try:
            yield
        finally:
            del self._open[call_id]
            await self._state.release_call(call_id, self._process)

    def media(self) -> Iterable[MediaCounts]:
        """How the sound of each call fares."""
        return [media_counts(opened.port) for opened in self._open.values()]

    def of(self, call_id: str, caller: Identity) -> tuple[Call, OpenCall]:
        """The call, if it runs and is the caller's. Raises NotFound (`call_id_not_found`) for any other alike."""
        call, opened = self._calls.find(call_id), self._open.get(call_id)
        if call is None or opened is None or not opened.belongs_to(caller):
            raise NotFound(
                f"No session found for call_id '{call_id[:100]}'.", code="call_id_not_found", param="call_id"
            )
        return call, opened
