"""Asks a server, and the STUN and TURN servers it names, what a browser would ask of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import httpx
from aioice import Candidate, stun, turn

from voicebridge.cli.options import Target
from voicebridge.transports.webrtc.addresses import split_port

PATIENCE_S = 5.0
_RETRANSMISSIONS = 2
"""After 0.5 and 1.5 s; after 3.5 s nobody is there."""

HostPort: TypeAlias = tuple[str, int]


class Refused(Exception):
    """The server, or one of its relays, did not do it; `code` is an HTTP status or one of STUN, 0 for silence."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Remote:
    """The server's end of a call, as its answer says."""

    ufrag: str
    password: str
    candidates: tuple[HostPort, ...]


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """One URL of a STUN or TURN server."""

    scheme: str
    host: str
    port: int
    transport: str

    @property
    def encrypted(self) -> bool:
        return self.scheme.endswith("s")


def relay_address(url: str) -> RelayAddress:
    """Of `stun:host:port`, `turns:[address]:port?transport=tcp` and the like (RFC 7064, RFC 7065)."""
    scheme, _, rest = url.partition(":")
    place, _, transport = rest.partition("?transport=")
    host, port = split_port(place)
    encrypted = scheme.endswith("s")
    return RelayAddress(
        scheme, host, port or (5349 if encrypted else 3478), transport or ("tcp" if encrypted else "udp")
    )


@asynccontextmanager
async def server(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """Requests to the server, authorised; proxies from the environment are not asked."""
    async with httpx.AsyncClient(
        base_url=target.http_url,
        headers={"authorization": f"Bearer {target.key}"},
        verify=target.ssl_context() or True,
        trust_env=False,
        timeout=10,
    ) as http:
        yield http


@asynccontextmanager
async def opened_call(http: httpx.AsyncClient) -> AsyncIterator[Remote]:
    """Open a call as a browser does, and hang up at the end. Raises `Refused`."""
    try:
        response = await http.post("/realtime/calls", content=_offer(), headers={"content-type": "application/sdp"})
    except httpx.HTTPError as error:
        raise Refused(str(error) or type(error).__name__) from error
    if response.status_code != 201:
        raise Refused(_message(response), response.status_code)
    try:
        yield read_answer(response.text)
    finally:
        call_id = response.headers.get("location", "").rpartition("/")[2]
        with contextlib.suppress(httpx.HTTPError):
            await http.delete(f"/realtime/calls/{call_id}")


async def ice_servers(http: httpx.AsyncClient) -> list[dict[str, Any]] | None:
    """What the server tells clients to use; None where it does not say."""
    try:
        response = await http.get("/realtime/ice_servers")
        return cast("list[dict[str, Any]]", response.json()["ice_servers"]) if response.status_code == 200 else None
    except (httpx.HTTPError, ValueError, LookupError):
        return None


def read_answer(sdp: str) -> Remote:
    """Raises `Refused` where it holds no credentials for ICE."""
    ufrag = re.search(r"^a=ice-ufrag:(\S+)", sdp, re.MULTILINE)
    password = re.search(r"^a=ice-pwd:(\S+)", sdp, re.MULTILINE)
    if ufrag is None or password is None:
        raise Refused("its answer has no ICE credentials")
    return Remote(ufrag[1], password[1], tuple(dict.fromkeys(_candidates(sdp))))


def _candidates(sdp: str) -> Iterator[HostPort]:
    for line in re.findall(r"^a=candidate:(.*?)\r?$", sdp, re.MULTILINE):
        with contextlib.suppress(ValueError):
            candidate = Candidate.from_sdp(line)
            if candidate.transport.lower() == "udp":
                yield candidate.host, candidate.port


class Asking(asyncio.DatagramProtocol):
    """Sends STUN requests and awaits their answers, directly or through a relay."""

    def __init__(self) -> None:
        self._transactions: dict[bytes, stun.Transaction] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self.closed.set()

    def datagram_received(self, data: bytes, addr: HostPort) -> None:
        with contextlib.suppress(ValueError, LookupError):
            message = stun.parse_message(data)
            self._transactions[message.transaction_id].response_received(message, addr)

    def send_stun(self, message: stun.Message, addr: HostPort) -> None:
        if self._transport is not None:
            self._transport.sendto(bytes(message), addr)

    async def ask(self, request: stun.Message, whom: HostPort, key: bytes | None = None) -> tuple[stun.Message, float]:
        """The answer and how long it took, in seconds. Raises `Refused`."""
        transaction = stun.Transaction(request, whom, self, _RETRANSMISSIONS, integrity_key=key)
        self._transactions[request.transaction_id] = transaction
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            answer, _ = await transaction.run()
        except stun.TransactionFailed as failed:
            raise Refused(str(failed), failed.response.error_code or 0) from failed
        except stun.TransactionTimeout as silence:
            raise Refused("no answer") from silence
        finally:
            del self._transactions[request.transaction_id]
        return answer, clock() - began

    async def reflected(self, whom: HostPort) -> float:
        """Ask a STUN server for our address; the round trip in seconds. Raises `Refused`."""
        _, took = await self.ask(stun.Message(stun.Method.BINDING, stun.Class.REQUEST), whom)
        return took

    async def check(self, remote: Remote, candidate: HostPort) -> float:
        """Connect to a candidate as ICE does; the round trip in seconds. Raises `Refused`."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{remote.ufrag}:{secrets.token_hex(4)}"
        request.attributes |= {"PRIORITY": 1, "ICE-CONTROLLING": secrets.randbits(64), "USE-CANDIDATE": None}
        key = remote.password.encode()
        request.add_message_integrity(key)
        _, took = await self.ask(request, candidate, key)
        return took


async def resolved(relay: RelayAddress) -> HostPort:
    """The first of its addresses. Raises `Refused`."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(relay.host, relay.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise Refused(str(error)) from error
    return str(infos[0][4][0]), relay.port


@asynccontextmanager
async def from_here(host: str) -> AsyncIterator[Asking]:
    """A socket of the family that `host` needs."""
    anywhere = ("::", 0) if ":" in host else ("0.0.0.0", 0)  # noqa: S104  it sends first, and hears answers only
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(Asking, local_addr=anywhere)
    try:
        yield asking
    finally:
        transport.close()


@asynccontextmanager
async def through_relay(relay: RelayAddress, username: str, password: str) -> AsyncIterator[Asking]:
    """An allocation on a TURN server. Raises `Refused`."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            transport, asking = await turn.create_turn_endpoint(
                Asking, (relay.host, relay.port), username, password,
                ssl=True if relay.encrypted else None, transport=relay.transport,
            )  # fmt: skip
    except stun.TransactionFailed as failed:
        raise Refused(str(failed), failed.response.error_code or 0) from failed
    except TimeoutError as silence:
        raise Refused("no answer") from silence
    except (OSError, stun.TransactionError) as error:
        raise Refused(str(error)) from error
    try:
        yield asking
    finally:
        transport.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asking.closed.wait(), PATIENCE_S)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"HTTP {response.status_code}"


def _offer() -> str:
    """Audio and a data channel, no candidates: what browsers post. Media never flows: nobody has this certificate."""
    transport = (
        f"a=ice-ufrag:{secrets.token_hex(4)}", f"a=ice-pwd:{secrets.token_hex(16)}", "a=setup:actpass",
        "a=fingerprint:sha-256 " + ":".join(f"{octet:02X}" for octet in secrets.token_bytes(32)),
    )  # fmt: skip
    lines = (
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv", "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2", *transport,
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sctp-port:5000",
        *transport,
    )  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines)
