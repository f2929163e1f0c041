from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from voicebridge import config
from voicebridge.config import (
    LimitsSettings,
    ServerSettings,
    SessionSettings,
    Settings,
    WebRtcSettings,
    hash_key,
    is_loopback,
)
from voicebridge.errors import ConfigError

EXAMPLE = Path(config.__file__).with_name("voicebridge.example.toml")


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_example_lists_every_key_with_its_default() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    text = EXAMPLE.read_text()
    assert list(document) == list(config.sections())
    for name, section in config.sections().items():
        defaults = section()
        for key in section.model_fields:
            default = getattr(defaults, key)
            if default is None:
                assert key not in document[name]
                assert re.search(rf"^# {key} = ", text, re.MULTILINE), f"{name}.{key} is not shown"
            else:
                assert document[name][key] == plain(default), f"{name}.{key}"


def test_the_example_lists_no_key_that_does_not_exist() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    for name, table in document.items():
        assert set(table) <= set(config.sections()[name].model_fields)
    known = {key for section in config.sections().values() for key in section.model_fields}
    commented_out = re.findall(r"^# (\w+) = ", EXAMPLE.read_text(), re.MULTILINE)
    assert set(commented_out) <= known


def test_every_key_of_the_example_stands_under_a_comment() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\w+ = ", line):
            above = lines[number - 1]
            # Two keys may share one comment, but no key stands alone.
            assert above.startswith("#") or re.match(r"\w+ = ", above), line


def test_the_example_is_a_valid_configuration() -> None:
    assert Settings.model_validate(tomllib.loads(EXAMPLE.read_text())) == Settings()


def test_settings_cannot_be_changed_after_start() -> None:
    with pytest.raises(ValidationError):
        Settings().server.port = 1  # type: ignore[misc]


def test_plain_keys_are_kept_as_hashes_only() -> None:
    server = ServerSettings(api_keys=("my-key", hash_key("other")))
    assert server.api_keys == (hash_key("my-key"), hash_key("other"))
    assert "my-key" not in repr(server)


def test_a_public_address_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="VOICEBRIDGE_API_KEY") as caught:
        Settings(server=ServerSettings(host="0.0.0.0"))  # noqa: S104  what is being tested
    assert caught.value.param == "server.api_keys"
    assert Settings(server=ServerSettings(host="0.0.0.0", api_keys=("k",))).server.host == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("example.org", False), ("", False),  # noqa: S104
    ],
)  # fmt: skip
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_certificate_and_key_come_together() -> None:
    with pytest.raises(ConfigError, match=r"server\.tls_key is missing"):
        ServerSettings(tls_certificate=Path("a.pem"))
    with pytest.raises(ConfigError, match=r"server\.tls_certificate is missing"):
        ServerSettings(tls_key=Path("a.pem"))
    with pytest.raises(ConfigError, match="exclude each other"):
        ServerSettings(tls_certificate=Path("a.pem"), tls_key=Path("b.pem"), tls_self_signed=True)


def test_the_tls_port_follows_the_plain_one() -> None:
    assert ServerSettings(port=9000).effective_tls_port == 9001
    assert ServerSettings(port=0).effective_tls_port == 0
    assert ServerSettings(port=9000, tls_port=443).effective_tls_port == 443


def test_short_token_secrets_are_refused() -> None:
    with pytest.raises(ConfigError, match="32 characters") as caught:
        ServerSettings(token_secret=SecretStr("short-and-secret"))
    assert "short-and-secret" not in str(caught.value)


def test_a_message_must_be_able_to_carry_the_longest_append() -> None:
    with pytest.raises(ConfigError, match="write at least 20972544"):
        LimitsSettings(max_message_bytes=16 * config.MIB)


def test_a_key_can_be_added_for_a_run() -> None:
    settings = Settings().with_api_key("for-this-run")
    assert settings.server.api_keys == (hash_key("for-this-run"),)
    assert Settings().server.api_keys == ()


def test_declared_rates_are_those_that_the_audio_path_knows() -> None:
    assert SessionSettings(allow_pcm_rates=(8000, 48000)).allow_pcm_rates == (8000, 48000)
    with pytest.raises(ValidationError):
        SessionSettings.model_validate({"allow_pcm_rates": [11025]})


@given(st.text(min_size=1))
def test_hashes_of_keys_have_one_form(key: str) -> None:
    assert config.KEY_HASH.fullmatch(hash_key(key))
    assert hash_key(key) != key
    assert len(config.fingerprint(hash_key(key))) == 12


def test_one_port_is_a_range_of_one() -> None:
    assert WebRtcSettings().udp_ports == (0, 0)
    assert WebRtcSettings(udp_port_min=50000).udp_ports == (50000, 50000)
    assert WebRtcSettings(udp_port_min=50000, udp_port_max=50010).udp_ports == (50000, 50010)


@pytest.mark.parametrize(
    ("values", "param", "says"),
    [
        ({"udp_port_min": 2, "udp_port_max": 1}, "webrtc.udp_port_min", "are no range"),
        ({"udp_port_max": 1}, "webrtc.udp_port_min", "write the lower port as udp_port_min"),
        ({"interfaces": ["10.0.0.0/33"]}, "webrtc.interfaces", "10.0.0.0/8"),
        ({"advertised_addresses": ["https://a.example"]}, "webrtc.advertised_addresses", "such as 203.0.113.7"),
        ({"advertised_addresses": ["0.0.0.0"]}, "webrtc.advertised_addresses", "cannot hold '0.0.0.0'"),  # noqa: S104
        ({"advertised_addresses": ["fe80::1"]}, "webrtc.advertised_addresses", "cannot hold"),
        ({"advertised_addresses": ["300.1.2.3"]}, "webrtc.advertised_addresses", "cannot hold"),
        ({"advertised_addresses": ["203.0.113.7:70000"]}, "webrtc.advertised_addresses", "cannot hold"),
        ({"stun_urls": ["stun.example.org"]}, "webrtc.stun_urls", "such as stun:stun.example.org:3478"),
        ({"turn_urls": ["turn:h?transport=sctp"], "turn_secret": "s"}, "webrtc.turn_urls", "?transport=udp"),
        ({"turn_urls": ["turn:h"]}, "webrtc.turn_urls", "needs credentials"),
        ({"turn_urls": ["turn:h"], "turn_username": "u"}, "webrtc.turn_password", "is missing"),
        ({"turn_urls": ["turn:h"], "turn_password": "hush"}, "webrtc.turn_username", "is missing"),
        ({"turn_urls": ["turn:h"], "turn_username": "u", "turn_password": "hush", "turn_secret": "hush"},
         "webrtc.turn_secret", "exclude each other"),
        ({"turn_secret": "hush"}, "webrtc.turn_urls", "name the TURN server"),
    ],
)  # fmt: skip
def test_webrtc_settings_that_cannot_work_say_what_to_write(values: dict[str, Any], param: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WebRtcSettings.model_validate(values)
    assert caught.value.param == param
    assert says in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    "address", ["203.0.113.7", "203.0.113.7:40000", "voice.example.org", "voice.example.org:1", "2001:db8::7",
                "[2001:db8::7]:40000", "127.0.0.1"],
)  # fmt: skip
def test_addresses_and_names_can_be_advertised_with_a_port_or_without(address: str) -> None:
    assert WebRtcSettings(advertised_addresses=(address,)).advertised_addresses == (address,)


def test_interfaces_are_names_addresses_or_networks() -> None:
    given = ("eth0", "br-1a2b", "192.0.2.2", "10.0.0.0/8", "fd00::/8")
    assert WebRtcSettings(interfaces=given).interfaces == given


def test_turn_secrets_are_not_shown() -> None:
    shown = repr(WebRtcSettings(turn_urls=("turn:h",), turn_secret=SecretStr("hush-hush")))
    assert "hush-hush" not in shown
