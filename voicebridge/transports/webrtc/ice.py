"""ICE-lite without sockets: connectivity checks are answered, and each call learns where its client is.

RFC 8445 sections 2.5, 6.1.1, 7.3 and 8.1.1; STUN and its short-term credentials RFC 8489. The client is always a full
agent in the controlling role and finds the way; we send no checks of our own, so its candidates need not be known:
offers without any, with mDNS names or with trickled ones are all the same.
"""

from __future__ import annotations

import logging
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from aioice import stun

from voicebridge.errors import CapacityReached

_log = logging.getLogger(__name__)

Address: TypeAlias = tuple[Any, ...]
"""As the socket module writes it: (host, port), and two more numbers for IPv6."""

Path: TypeAlias = tuple[int, Address]
"""One of our sockets, by its number, and an address that sends to it."""

MAX_AGENTS = 10_000
MAX_PATHS = 32
"""Addresses that one call may come from: the client's interfaces times ours, twice over."""

MAX_REMEMBERED_CHECKS = 128
STALE_S = 7.0
"""A client that is alive checks its path at least every 6 s (RFC 7675 section 5.1)."""

_COOKIE = struct.pack("!I", stun.COOKIE)
_HEADER = stun.HEADER_LENGTH
_ROLE_CONFLICT = (487, "Role Conflict")


@dataclass(slots=True)
class IceCounters:
    """What came and what became of it, in datagrams, since the start."""

    checks: int = 0  # authenticated and answered
    role_conflicts: int = 0  # authenticated, from somebody who wants us to lead
    replayed: int = 0  # authenticated, but already seen from elsewhere: not answered
    contested: int = 0  # authenticated, from an address that another call is using: not answered
    unauthenticated: int = 0  # checks for no call of ours, or not signed with its password: not answered
    not_checks: int = 0  # STUN that is no binding request
    malformed: int = 0  # looks like STUN and is not
    unrouted: int = 0  # from an address that no call has authenticated
    unsent: int = 0  # to a client whose address is not known (yet)
    send_failed: int = 0  # that the network would not take
    failed: int = 0  # that a call raised on


@dataclass(frozen=True, slots=True, eq=False)
class _Credentials:
    ufrag: str
    password: str
    agent: IceAgent


class IceAgent:
    """One call's end of ICE. Made by `IceLite.agent`."""

    def __init__(self, ice: IceLite, received: Callable[[bytes], None], now: float) -> None:
        self._ice = ice
        self.received: Callable[[bytes], None] = received
        self.on_connected: Callable[[], None] | None = None
        """Called once, when the first address of the client is known."""
        self.last_check_at = now
        """When the client was last heard of, in the loop's seconds; at first when the agent was made."""
        self.failed = False
        self._credentials = [ice.register(self)]
        self._selected: Path | None = None
        self._paths: dict[Path, float] = {}
        self._seen: dict[bytes, Path] = {}
        self._closed = False

    @property
    def ufrag(self) -> str:
        return self._credentials[-1].ufrag

    @property
    def password(self) -> str:
        return self._credentials[-1].password

    @property
    def connected(self) -> bool:
        """Is there an address to send to?"""
        return self._selected is not None

    @property
    def remote(self) -> tuple[str, int] | None:
        """Where we send to."""
        return None if self._selected is None else (self._selected[1][0], self._selected[1][1])

    def restart(self) -> None:
        """New credentials. The old ones and the path stay until the client has chosen a path with the new ones.

        A call that is closed gets none: nobody would ever take them back.
        """
        if self._closed:
            return
        for unused in self._credentials[1:]:
            self._ice.unregister(unused)
        self._credentials[1:] = [self._ice.register(self)]

    def send(self, data: bytes) -> None:
        """To the client; counted and dropped while its address is not known."""
        if self._selected is None:
            self._ice.counters.unsent += 1
        else:
            self._ice.transmit(data, self._selected)

    def close(self) -> None:
        """Forget the call: its checks are not answered any more, its addresses belong to nobody."""
        self._closed = True
        for credentials in self._credentials:
            self._ice.unregister(credentials)
        for path in self._paths:
            self._ice.routes.pop(path, None)
        self._paths.clear()
        self._selected = None
        self.on_connected = None

    def is_replay(self, transaction: bytes, path: Path) -> bool:
        """Does a check that came one way come again another way?

        Somebody who overheard it could otherwise have the call's media sent anywhere. Clients repeat a check, but with
        the same transaction only on the same path.
        """
        if self._seen.setdefault(transaction, path) != path:
            return True
        if len(self._seen) > MAX_REMEMBERED_CHECKS:
            del self._seen[next(iter(self._seen))]
        return False

    def checked(self, path: Path, credentials: _Credentials, now: float, *, nominated: bool) -> None:
        """The client has authenticated itself on `path`."""
        first = not self._paths
        self.last_check_at = now
        self._paths.pop(path, None)
        self._paths[path] = now
        if nominated:
            self._use(credentials)
            self._selected = path
        elif self._selected is None or now - self._paths[self._selected] > STALE_S:
            # Until it has chosen, any path will do. Later one that it uses while the chosen one is silent: behind a NAT
            # the address may change without the client knowing.
            self._selected = path
        if len(self._paths) > MAX_PATHS:
            oldest = next(known for known in self._paths if known != self._selected)
            del self._paths[oldest], self._ice.routes[oldest]
        if first and self.on_connected is not None:
            told, self.on_connected = self.on_connected, None
            told()

    def uses(self, path: Path, now: float) -> bool:
        """Has the client checked it lately? Then nobody takes it away: forging an address would cut a call off."""
        checked_at = self._paths.get(path)
        return checked_at is not None and now - checked_at < STALE_S

    def lose(self, path: Path) -> None:
        """The address now belongs to another call, so nothing of this one may go there."""
        del self._paths[path]
        if self._selected == path:
            self._selected = None

    def _use(self, credentials: _Credentials) -> None:
        while self._credentials[0] is not credentials:
            self._ice.unregister(self._credentials.pop(0))


class IceLite:
    """All calls behind one set of sockets: who a datagram is for, and the answers to checks.

    `transmit(data, path)` sends a datagram; it never raises.
    """

    def __init__(self, transmit: Callable[[bytes, Path], None]) -> None:
        self.transmit = transmit
        self.counters = IceCounters()
        self.routes: dict[Path, IceAgent] = {}
        self._credentials: dict[str, _Credentials] = {}

    def agent(self, received: Callable[[bytes], None], now: float) -> IceAgent:
        """A new call; `received` gets everything but STUN from its addresses. Raises `CapacityReached`."""
        if len(self._credentials) >= MAX_AGENTS:
            raise CapacityReached("Too many WebRTC calls; try again later.")
        return IceAgent(self, received, now)

    def register(self, agent: IceAgent) -> _Credentials:
        # 64 and 128 random bits; RFC 8445 section 5.3 asks for 24 and 128. No two calls may share a name.
        while (ufrag := secrets.token_hex(8)) in self._credentials:
            pass
        made = self._credentials[ufrag] = _Credentials(ufrag, secrets.token_hex(16), agent)
        return made

    def unregister(self, credentials: _Credentials) -> None:
        self._credentials.pop(credentials.ufrag, None)

    def datagram(self, data: bytes, path: Path, now: float) -> None:
        """Answer it, hand it to its call, or count it. Never raises."""
        # RFC 7983: STUN begins with 0 to 3, DTLS with 20 to 63, RTP and RTCP with 128 to 191.
        if len(data) >= _HEADER and data[0] < 4 and data[4:8] == _COOKIE:
            self._check(data, path, now)
            return
        agent = self.routes.get(path)
        if agent is None:
            self.counters.unrouted += 1
            return
        try:
            agent.received(data)
        except Exception:  # noqa: BLE001  whatever it is, it is logged and stays with that call
            self._failed(agent)

    def _check(self, data: bytes, path: Path, now: float) -> None:
        try:
            request = stun.parse_message(data)
        except (ValueError, struct.error):
            self.counters.malformed += 1
            return
        if (request.message_method, request.message_class) != (stun.Method.BINDING, stun.Class.REQUEST):
            self.counters.not_checks += 1
            return
        # RFC 8489 section 9.1.3 would have these answered with an error. Silence tells a stranger nothing, and sends
        # nothing to an address that he may have made up; a client repeats its check anyway.
        credentials = self._credentials.get(request.attributes.get("USERNAME", "").partition(":")[0])
        if credentials is None or not request.check_message_integrity(credentials.password.encode()):
            self.counters.unauthenticated += 1
            return
        agent = credentials.agent
        if agent.is_replay(request.transaction_id, path):
            self.counters.replayed += 1
            return
        if "ICE-CONTROLLED" in request.attributes:
            self.counters.role_conflicts += 1
            self._answer(request, stun.Class.ERROR, {"ERROR-CODE": _ROLE_CONFLICT}, credentials, path)
            return
        owner = self.routes.get(path)
        if owner is not None and owner is not agent:
            if owner.uses(path, now):
                self.counters.contested += 1
                return
            owner.lose(path)
        self.counters.checks += 1
        self._answer(request, stun.Class.RESPONSE, {"XOR-MAPPED-ADDRESS": path[1][:2]}, credentials, path)
        self.routes[path] = agent
        try:
            agent.checked(path, credentials, now, nominated="USE-CANDIDATE" in request.attributes)
        except Exception:  # noqa: BLE001  as above
            self._failed(agent)

    def _answer(
        self,
        request: stun.Message,
        message_class: stun.Class,
        attributes: dict[str, Any],
        credentials: _Credentials,
        path: Path,
    ) -> None:
        response = stun.Message(stun.Method.BINDING, message_class, request.transaction_id, attributes)
        response.add_message_integrity(credentials.password.encode())
        self.transmit(bytes(response), path)

    def _failed(self, agent: IceAgent) -> None:
        """One call's mistake is not to cost the others their datagrams, nor to fill the log."""
        self.counters.failed += 1
        if not agent.failed:
            agent.failed = True
            _log.exception("a call failed on a datagram")
