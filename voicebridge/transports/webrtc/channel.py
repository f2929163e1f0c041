"""The events channel: SCTP over DTLS by aiortc, driven straight from the datagrams (RFC 8831, RFC 8832).

aiortc's coroutines await only our own transport, which never waits; so they run to their end when they are called, and
messages keep their order without a task between them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, cast

from aiortc import RTCDataChannel
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities

from voicebridge.transports.webrtc.association import Association
from voicebridge.transports.webrtc.dtls import DtlsSession

_log = logging.getLogger(__name__)

FIRST_RTO_S = 1.0
"""How long a lost first message of the association costs (RFC 9260 section 16; aiortc begins with 3 s)."""


class EventChannel:
    """The first data channel that the client opens carries the events, whatever its label; others are read too.

    `message` gets what comes, text or bytes; `opened` and `closed` are called once for each channel of events.
    """

    def __init__(
        self,
        dtls: DtlsSession,
        *,
        opened: Callable[[], None],
        message: Callable[[str | bytes], None],
        closed: Callable[[], None],
    ) -> None:
        self._transport = _DtlsForSctp(dtls)
        # aiortc wants its own class of transport but uses only what _DtlsForSctp has
        self._sctp = Association(cast("RTCDtlsTransport", self._transport))
        self._sctp._rto = FIRST_RTO_S  # noqa: SLF001
        self._sctp.on("datachannel", self._on_channel)
        self._events: RTCDataChannel | None = None
        self._opened = opened
        self._message = message
        self._closed = closed
        self._failure: Exception | None = None
        self.malformed = 0
        self.oversized = 0

    @property
    def is_open(self) -> bool:
        """Not any more from the moment in which the client closes it; `closed` is told when that is confirmed."""
        return self._events is not None and self._events.readyState == "open"

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to take earlier ones."""
        if self._events is None:
            return 0
        return self._events.bufferedAmount + sum(len(one.user_data) for one in self._sctp._outbound_queue)  # noqa: SLF001

    @property
    def unacknowledged(self) -> bool:
        """Is there anything the peer has not confirmed?"""
        return self.unsent > 0 or bool(self._sctp._sent_queue)  # noqa: SLF001

    def start(self, port: int, max_message: int) -> None:
        """DTLS is connected. The answer gives our port as the same as the client's."""
        self._sctp._local_port = port  # noqa: SLF001
        _drive(self._sctp.start(RTCSctpCapabilities(maxMessageSize=max_message), port))

    def receive(self, data: bytes) -> None:
        """A packet of the association. aiortc asserts and indexes on what a peer sends: such a packet is dropped.

        Raises what those raise who are told of messages and channels.
        """
        receiver = self._transport.receiver
        if receiver is None:
            return
        try:
            _drive(receiver._handle_data(data))  # noqa: SLF001
        except Exception:  # noqa: BLE001 - see above
            self.malformed += 1
            _log.debug("a malformed SCTP packet was dropped", exc_info=True)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def send(self, text: str) -> None:
        """Queue a message; dropped when no channel is open. One over the peer's limit is counted in `oversized`."""
        if self._events is None or not self.is_open:
            return
        try:
            self._events.send(text)
        except ValueError:
            self.oversized += 1
            _log.exception("an event is bigger than its client takes, and was lost")

    def close(self) -> None:
        self._sctp.remove_all_listeners()
        if self._events is not None:
            self._events.remove_all_listeners()
            self._events = None
        _drive(self._sctp.stop())

    def _on_channel(self, channel: RTCDataChannel) -> None:
        channel.on("message", lambda message: self._tell(self._message, message))
        if not self.is_open:
            self._events = channel
            channel.on("close", lambda: self._on_close(channel))
            self._tell(self._opened)

    def _on_close(self, channel: RTCDataChannel) -> None:
        if channel is self._events:  # else another one has taken its place
            self._events = None
            self._tell(self._closed)

    def _tell(self, told: Callable[..., None], *what: str | bytes) -> None:
        """Kept apart from what aiortc raises: our mistakes are not the peer's."""
        try:
            told(*what)
        except Exception as error:  # noqa: BLE001 - raised again in `receive`
            self._failure = error


class _DtlsForSctp:
    """What RTCSctpTransport uses of a DTLS transport."""

    def __init__(self, dtls: DtlsSession) -> None:
        self._dtls = dtls
        self.receiver: Any = None

    @property
    def state(self) -> str:
        return self._dtls.state

    @property
    def _role(self) -> str:
        return self._dtls.role

    def _register_data_receiver(self, receiver: object) -> None:
        self.receiver = receiver

    def _unregister_data_receiver(self, receiver: object) -> None:
        if self.receiver is receiver:
            self.receiver = None

    async def _send_data(self, data: bytes) -> None:
        self._dtls.send(data)


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("aiortc's SCTP awaited something other than its transport")
