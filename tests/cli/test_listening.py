from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from voicebridge.cli import listening
from voicebridge.cli.terminal import CommandError
from voicebridge.config import ServerSettings, Settings
from voicebridge.errors import ConfigError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield int(bound.getsockname()[1])


def close(listeners: listening.Listeners) -> None:
    for bound in (listeners.plain, listeners.tls):
        if bound is not None:
            bound.close()


def test_plain_only_by_default() -> None:
    listeners = listening.bind(ServerSettings(port=0))
    assert listeners.plain_port
    assert listeners.tls_port is None
    close(listeners)


def test_tls_has_a_port_of_its_own() -> None:
    listeners = listening.bind(ServerSettings(port=0, tls_self_signed=True))
    assert listeners.plain_port
    assert listeners.tls_port
    assert listeners.plain_port != listeners.tls_port
    close(listeners)


def test_the_same_port_means_tls_only(taken: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listeners = listening.bind(ServerSettings(port=port, tls_port=port, tls_self_signed=True))
    assert (listeners.plain_port, listeners.tls_port) == (None, port)
    close(listeners)


def test_ipv6_is_an_address_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    listeners = listening.bind(ServerSettings(host="::1", port=0))
    assert listeners.plain_port
    close(listeners)


@pytest.mark.parametrize(
    ("host", "says"),
    [("192.0.2.1", "is not an address of this machine"), ("no.such.host.invalid", "is not an address")],
)
def test_addresses_of_others_are_refused(host: str, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        listening.bind(ServerSettings(host=host, port=0, api_keys=("k",)))


def test_a_taken_port_is_named_with_another_to_try(taken: int) -> None:
    with pytest.raises(CommandError, match=rf"port {taken} is already in use.*--port {taken + 10}"):
        listening.bind(ServerSettings(port=taken))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("rubbish")
    server = ServerSettings(port=0, tls_certificate=tmp_path / "c.pem", tls_key=tmp_path / "c.pem")
    listeners = listening.bind(server)
    with pytest.raises(ConfigError, match=r"c\.pem"):
        listening.Server(Starlette(), Settings(server=server), listeners)
    close(listeners)
