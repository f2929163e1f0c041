from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from voicebridge.config import WebRtcSettings
from voicebridge.ice_servers import IceServers

NOW = 1_790_000_000.9
URLS = ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org"]


def servers(**values: Any) -> IceServers:
    return IceServers(WebRtcSettings.model_validate(values))


def test_without_settings_there_are_none() -> None:
    assert servers().for_client(NOW, "someone") == []
    assert servers().link_headers(NOW, "someone") == []


def test_stun_servers_need_no_credentials() -> None:
    given = servers(stun_urls=["stun:a.example", "stun:b.example:3479"])
    assert given.for_client(NOW) == [{"urls": ["stun:a.example", "stun:b.example:3479"]}]
    assert given.link_headers(NOW) == [
        '<stun:a.example>; rel="ice-server"',
        '<stun:b.example:3479>; rel="ice-server"',
    ]


def test_fixed_credentials_are_handed_out_as_they_are() -> None:
    given = servers(turn_urls=URLS, turn_username="us er", turn_password='pass"word\\')
    assert given.for_client(NOW) == [{"urls": URLS, "username": "us er", "credential": 'pass"word\\'}]
    assert given.link_headers(NOW)[1] == (
        '<turns:turn.example.org>; rel="ice-server"; username="us er"; credential="pass\\"word\\\\"; '
        'credential-type="password"'
    )


@pytest.mark.parametrize(("name", "username"), [("rtc_1", "1790003600:rtc_1"), ("", "1790003600")])
def test_a_shared_secret_makes_credentials_that_end(name: str, username: str) -> None:
    (server,) = servers(turn_urls=URLS, turn_secret="north", turn_ttl_s=3600).for_client(NOW, name)
    signed = base64.b64encode(hmac.new(b"north", username.encode(), hashlib.sha1).digest()).decode()
    assert server == {"urls": URLS, "username": username, "credential": signed}


def test_stun_and_turn_stand_beside_each_other() -> None:
    given = servers(stun_urls=["stun:a.example"], turn_urls=URLS, turn_secret="north")
    assert ["credential" in server for server in given.for_client(NOW)] == [False, True]
    assert len(given.link_headers(NOW)) == 3
