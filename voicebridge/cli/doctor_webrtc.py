"""`voicebridge doctor webrtc`: whether browsers can reach this server with sound, and what to change where not."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voicebridge.audio import libopus
from voicebridge.cli import places, runfile, webrtc_probe
from voicebridge.cli.findings import Finding
from voicebridge.cli.options import Target, find_target, load_settings
from voicebridge.cli.terminal import CommandError, own_command
from voicebridge.cli.webrtc_probe import Asking, Refused, Remote
from voicebridge.config import Settings, WebRtcSettings, is_loopback
from voicebridge.errors import ConfigError
from voicebridge.ice_servers import IceServers
from voicebridge.transports.webrtc import addresses, mux
from voicebridge.transports.webrtc.addresses import IceCandidate

_ONE_PORT = "webrtc.udp_port_min = 50000, and in a container publish it: -p 50000:50000/udp"
_ADVERTISE = "set webrtc.advertised_addresses to the address by which clients reach this machine"


def examine(arguments: argparse.Namespace, env: Mapping[str, str]) -> Iterator[Finding]:
    """The settings on this machine, then a running server: the one of `--url`, else this user's."""
    yield libopus_found()
    try:
        settings = load_settings(arguments, env).settings
    except ConfigError as error:
        yield Finding("problem", "configuration", error.message, "correct it; the rest is checked with defaults")
        settings = Settings()
    target: Target | None = None
    if arguments.url or runfile.latest(places.run_directory(env)):
        try:
            target = find_target(arguments, env)
        except CommandError as error:
            yield Finding("problem", "running server", error.message)
    if target is None or _is_here(target):
        yield from own_network(settings, is_running=target is not None, contained=in_container(env))
    yield page(settings, target)
    now = datetime.now(UTC).timestamp()
    yield from asyncio.run(_collected(target, IceServers(settings.webrtc).for_client(now, "doctor")))


def libopus_found() -> Finding:
    """The codec of nearly every call."""
    version = libopus.library_version()
    if version is None:
        again = "pip install --force-reinstall av"
        return Finding("note", "codec", "libopus not found; PyAV's slower codec is used, losses sound worse", again)
    return Finding("ok", "codec", version)


def own_network(settings: Settings, *, is_running: bool, contained: bool) -> Iterator[Finding]:
    """What a server with these settings would bind and offer on this machine."""
    webrtc = settings.webrtc
    if not webrtc.enabled:
        yield Finding("note", "WebRTC", "off", "webrtc.enabled = true")
        return
    try:
        hosts = addresses.local_addresses(webrtc.interfaces)
        advertised = asyncio.run(addresses.resolve(webrtc.advertised_addresses))
    except ConfigError as error:
        yield Finding("problem", "addresses", error.message)
        return
    yield udp_port(hosts, webrtc, is_running=is_running)
    port = webrtc.udp_port_min or 9  # any will do here
    offered = addresses.candidates(hosts, port, advertised, advertise_local=webrtc.advertise_local)
    yield reachable_from(offered, settings, contained=contained)
    if not webrtc.udp_port_min and (webrtc.advertised_addresses or _is_cut_off(settings, contained=contained)):
        why = "another at each start: a container or a router cannot let it through"
        yield Finding("problem", "UDP port", why, _ONE_PORT)


def udp_port(hosts: list[str], webrtc: WebRtcSettings, *, is_running: bool) -> Finding:
    """Whether media could be received."""
    lowest, highest = webrtc.udp_ports
    which = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
    try:
        bound = mux.bind(hosts, webrtc.udp_ports)
    except ConfigError as error:
        if is_running:
            return Finding("ok", "UDP port", f"{which} is in use, as it should be while the server runs")
        return Finding("problem", "UDP port", error.message)
    for one in bound:
        one.close()
    there = ", ".join(hosts)
    return Finding("ok", "UDP port", f"{which} can be bound on {there}" if highest else f"any, on {there}")


def reachable_from(offered: tuple[IceCandidate, ...], settings: Settings, *, contained: bool) -> Finding:
    """From where clients can reach the candidates, judging by the addresses alone."""
    outward = [one.host for one in offered if not ipaddress.ip_address(one.host).is_loopback]
    shown = ", ".join(outward)
    if not outward:
        remedy = "" if is_loopback(settings.server.host) else "webrtc.interfaces: add the one that clients come by"
        return Finding("note", "candidates", "loopback only: pages on this machine", remedy)
    if settings.webrtc.advertised_addresses or any(ipaddress.ip_address(host).is_global for host in outward):
        return Finding("ok", "candidates", shown)
    if contained:
        text = f"{shown}: inside this container only, unless it uses the host's network"
        cut_off = _is_cut_off(settings, contained=contained)
        return Finding("problem" if cut_off else "note", "candidates", text, _ADVERTISE)
    if is_loopback(settings.server.host):
        return Finding("ok", "candidates", f"{shown}: this machine and its network")
    return Finding("note", "candidates", f"{shown}: private, not reachable through NAT", _ADVERTISE)


def _is_cut_off(settings: Settings, *, contained: bool) -> bool:
    """In a container, and meant to be reached from outside of it."""
    return contained and not is_loopback(settings.server.host)


def page(settings: Settings, target: Target | None) -> Finding:
    """Whether a page from the server may use a microphone: browsers want a secure context."""
    url = urlsplit(target.origin) if target else None
    host = url.hostname or "" if url else settings.server.host
    if is_loopback(host):
        return Finding("ok", "page", "from this machine itself: browsers give it the microphone")
    if url.scheme == "https" if url else settings.server.tls_enabled:
        return Finding("ok", "page", "over https: browsers give it the microphone")
    text = f"http://{host} is no secure context: browsers give its pages no microphone"
    return Finding("note", "page", text, "https: --tls-self-signed, your own certificate, or a proxy with one")


def in_container(env: Mapping[str, str], root: Path = Path("/")) -> bool:
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return "KUBERNETES_SERVICE_HOST" in env or any(mark.exists() for mark in marks)


def _is_here(target: Target) -> bool:
    """Does the URL lead to this machine, so that this machine's settings are likely the server's?"""
    host = urlsplit(target.origin).hostname or ""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(is_loopback(one) for one in found) or bool(found & set(addresses.local_addresses()))


async def _collected(target: Target | None, servers: list[dict[str, Any]]) -> list[Finding]:
    if target is None:
        nobody = Finding("note", "running server", "none", f"{own_command()} serve, or name one with --url")
        return [nobody, *[finding async for finding in relays(servers, None)]]
    return [finding async for finding in running_server(target, servers)]


async def running_server(target: Target, servers: list[dict[str, Any]]) -> AsyncIterator[Finding]:
    """Opens a call there, and tries each way to it. `servers`: STUN and TURN, where it does not name them itself."""
    async with webrtc_probe.server(target) as http:
        servers = await webrtc_probe.ice_servers(http) or servers
        try:
            async with webrtc_probe.opened_call(http) as remote:
                yield Finding("ok", "running server", f"{target.origin} answers an offer")
                async for finding in ways(remote, here=_is_here(target)):
                    yield finding
                async for finding in relays(servers, remote):
                    yield finding
                return
        except Refused as refused:
            yield _refused(target, refused)
        async for finding in relays(servers, None):
            yield finding


def _refused(target: Target, refused: Refused) -> Finding:
    remedies = {
        0: f"{own_command()} serve, or correct --url",
        401: "pass the server's API key with --key",
        404: "webrtc.enabled = true there, or correct --url",
        503: "try again when it is ready",
    }
    return Finding("problem", "running server", f"{target.origin}: {refused}", remedies.get(refused.code, ""))


async def ways(remote: Remote, *, here: bool) -> AsyncIterator[Finding]:
    """An ICE check to each candidate of the server; those on its loopback only from its own machine."""
    tried = [(host, port) for host, port in remote.candidates if here or not is_loopback(host)]
    results = await asyncio.gather(*(_try(remote, candidate) for candidate in tried))
    connected = any(isinstance(result, float) for result in results)
    for (host, port), result in zip(tried, results, strict=True):
        where = f"{host} UDP {port}"
        if isinstance(result, float):
            yield Finding("ok", "path", f"{where}: connected in {result * 1000:.1f} ms")
        elif connected:
            yield Finding("note", "path", f"{where}: {result} (from here; others may reach it)")
        else:
            remedy = f"open UDP port {port} in firewalls, publish it (-p {port}:{port}/udp), or {_ADVERTISE}"
            yield Finding("problem", "path", f"{where}: {result}", remedy)
    if not tried:
        yield Finding("problem", "path", "the server offers no address that could be reached from here", _ADVERTISE)


async def _try(remote: Remote, candidate: tuple[str, int]) -> float | Refused:
    try:
        async with webrtc_probe.from_here(candidate[0]) as asking:
            return await asking.check(remote, candidate)
    except Refused as refused:
        return refused
    except OSError as error:  # no IPv6 here, for one
        return Refused(str(error))


async def relays(servers: list[dict[str, Any]], remote: Remote | None) -> AsyncIterator[Finding]:
    """Each STUN and TURN server with the credentials that clients would get; with `remote`, a call through it."""
    urls = [(url, server) for server in servers for url in server["urls"]]
    if not urls:
        yield Finding("ok", "TURN", "none configured; networks that let no UDP out need one: webrtc.turn_urls")
    for url, server in urls:
        try:
            if url.startswith("stun"):
                yield await _stun(url)
            else:
                yield await _turn(url, server["username"], server["credential"], remote)
        except Refused as refused:
            yield Finding("problem", url.partition(":")[0].upper(), f"{url}: {refused}", _relay_remedy(refused))


async def _stun(url: str) -> Finding:
    relay = webrtc_probe.relay_address(url)
    if relay.encrypted:
        return Finding("note", "STUN", f"{url}: not tried, as only browsers speak STUN over TLS")
    server = await webrtc_probe.resolved(relay)
    async with webrtc_probe.from_here(server[0]) as asking:
        took = await asking.reflected(server)
    return Finding("ok", "STUN", f"{url}: answers in {took * 1000:.1f} ms")


async def _turn(url: str, username: str, password: str, remote: Remote | None) -> Finding:
    clock = asyncio.get_running_loop().time
    began = clock()
    async with webrtc_probe.through_relay(webrtc_probe.relay_address(url), username, password) as asking:
        text = f"{url}: relays, allocated in {(clock() - began) * 1000:.1f} ms"
        if remote is None:
            return Finding("ok", "TURN", text)
        results = await asyncio.gather(*(_check(asking, remote, one) for one in remote.candidates))
    reached = [(took, host) for took, (host, _) in zip(results, remote.candidates, strict=True) if took is not None]
    if reached:
        took, host = min(reached)
        return Finding("ok", "TURN", f"{text}; reaches the server at {host} in {took * 1000:.1f} ms")
    remedy = "let the TURN server reach the server's UDP port; coturn: denied-peer-ip, allow-loopback-peers"
    return Finding("problem", "TURN", f"{text}, but it does not reach the server", remedy)


async def _check(asking: Asking, remote: Remote, candidate: tuple[str, int]) -> float | None:
    try:
        return await asking.check(remote, candidate)
    except Refused:
        return None


def _relay_remedy(refused: Refused) -> str:
    if refused.code in {401, 403, 441}:
        return "webrtc.turn_secret must be coturn's static-auth-secret (with use-auth-secret), and both clocks right"
    if refused.code == 0:
        return "is it running, and does the firewall let its port through?"
    return ""
