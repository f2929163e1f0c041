from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from voicebridge.config import hash_key
from voicebridge.config_sources import load
from voicebridge.errors import ConfigError

Writer: TypeAlias = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def write(text: str) -> Path:
        path = tmp_path / "vb.toml"
        path.write_text(text)
        return path

    return write


def test_defaults_need_no_source() -> None:
    loaded = load()
    assert loaded.settings.server.port == 8765
    assert set(loaded.origins.values()) == {"default"}


def test_later_sources_win_and_each_value_knows_its_origin(write: Writer) -> None:
    path = write('[server]\nhost = "127.0.0.2"\nport = 1\n\n[session]\n# why\nvoice = "ash"\n')
    loaded = load(
        path=path,
        env={"VOICEBRIDGE_SERVER__PORT": "2", "VOICEBRIDGE_LOG__LEVEL": "debug"},
        flags={"server.port": ("--port", 3), "server.host": ("--host", None)},
    )
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("127.0.0.2", 3)
    assert loaded.origins["server.host"] == f"{path}:2"
    assert loaded.origins["server.port"] == "--port"
    assert loaded.origins["session.voice"] == f"{path}:7"
    assert loaded.origins["log.level"] == "VOICEBRIDGE_LOG__LEVEL"
    assert loaded.origins["engine.kind"] == "default"


def test_the_environment_may_name_the_file(write: Writer) -> None:
    path = write("[server]\nport = 4\n")
    assert load(env={"VOICEBRIDGE_CONFIG": str(path)}).settings.server.port == 4


def test_text_values_become_what_the_key_needs() -> None:
    settings = load(
        env={
            "VOICEBRIDGE_SERVER__CORS_ALLOW_ORIGINS": "https://a.example, https://b.example",
            "VOICEBRIDGE_SERVER__TLS_PORT": "",
            "VOICEBRIDGE_SERVER__TLS_SELF_SIGNED": "true",
            "VOICEBRIDGE_SESSION__ALLOW_PCM_RATES": "8000,16000",
            "VOICEBRIDGE_SESSION__PCM_CHANNELS": "2",
            "VOICEBRIDGE_SESSION__MAX_OUTPUT_TOKENS": "500",
            "VOICEBRIDGE_SESSION__MODEL_ALIASES": '{"a": "b"}',
        }
    ).settings
    assert settings.server.cors_allow_origins == ("https://a.example", "https://b.example")
    assert settings.server.tls_port is None
    assert settings.server.tls_self_signed is True
    assert settings.session.allow_pcm_rates == (8000, 16000)
    assert settings.session.pcm_channels == 2
    assert settings.session.max_output_tokens == 500
    assert settings.session.model_aliases == {"a": "b"}


def test_keys_from_the_environment_are_hashed_at_once() -> None:
    loaded = load(env={"VOICEBRIDGE_API_KEY": "first-key, second-key"})
    assert loaded.settings.server.api_keys == (hash_key("first-key"), hash_key("second-key"))
    shown = "\n".join(" ".join(line) for line in loaded.describe())
    assert "first-key" not in shown
    assert "VOICEBRIDGE_API_KEY" in shown


def test_secrets_are_masked_when_shown() -> None:
    secret = "s" * 40
    shown = "\n".join(value for _, value, _ in load(env={"VOICEBRIDGE_SERVER__TOKEN_SECRET": secret}).describe())
    assert secret not in shown
    assert '"********"' in shown


def test_a_plain_key_in_a_file_is_refused_with_the_hash_to_write(write: Writer) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path=write('[server]\napi_keys = ["plain-key"]\n'))
    assert hash_key("plain-key") in caught.value.message
    assert '"plain-key"' not in caught.value.message
    assert ":2:" in caught.value.message
    assert load(path=write(f'[server]\napi_keys = ["{hash_key("plain-key")}"]\n')).settings.server.api_keys


@pytest.mark.parametrize(
    ("text", "param", "says"),
    [
        ("[server]\n\nprot = 1\n", "server.prot", "vb.toml:3: there is no setting server.prot; did you mean port?"),
        ("[sever]\nport = 1\n", "sever", "vb.toml:1: there is no section [sever]; did you mean server?"),
        ("port = 1\n", "port", "vb.toml:1: there is no section [port]"),
        ("server = 1\n", "server", "server is a section"),
        ("[server]\nport = 70000\n", "server.port", "vb.toml:2: server.port cannot be 70000"),
        ('[engine]\nstt = "huge"\n', "engine.stt", "it should be 'tiny', 'base' or 'whisper'"),
        ('[server]\nhost = "0.0.0.0"\n', "server.api_keys", "no API key is configured"),
        ("[tokens]\nga_ttl_s = 5\n", "tokens.ga_ttl_s", "greater than or equal to 10"),
        ("[limits]\nmax_message_bytes = 10\n", "limits.max_message_bytes", "vb.toml:2: limits.max_message_bytes = 10"),
        ("[server\n", "--config", "is not valid TOML"),
    ],
)
def test_mistakes_name_the_key_and_the_line_and_what_to_write(write: Writer, text: str, param: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path=write(text))
    assert caught.value.param == param
    assert says in caught.value.message


def test_multi_line_strings_do_not_confuse_the_line_numbers(write: Writer) -> None:
    path = write('[session]\ninstructions = """\n[server]\nvoice = 3\n"""\nvoice = "ash"\n')
    assert load(path=path).origins["session.voice"] == f"{path}:6"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        load(path=tmp_path / "none.toml")


def test_unknown_variables_with_a_section_are_mistakes_and_others_are_not_ours() -> None:
    with pytest.raises(ConfigError, match="did you mean port"):
        load(env={"VOICEBRIDGE_SERVER__PROT": "1"})
    with pytest.raises(ConfigError, match="there is no section 'sever'"):
        load(env={"VOICEBRIDGE_SEVER__PORT": "1"})
    load(env={"VOICEBRIDGE_PORT": "tcp://10.0.0.1:8765", "PATH": "/bin"})


def test_wrong_secrets_do_not_appear_in_messages() -> None:
    with pytest.raises(ConfigError) as caught:
        load(env={"VOICEBRIDGE_SERVER__TOKEN_SECRET": "tiny-secret"})
    assert "tiny-secret" not in caught.value.message


def test_every_key_is_described_once() -> None:
    described = [dotted for dotted, _, _ in load().describe()]
    assert len(described) == len(set(described))
    assert "session.voice" in described


def test_turn_credentials_do_not_appear_in_messages() -> None:
    env = {"VOICEBRIDGE_WEBRTC__TURN_URLS": "turn:h", "VOICEBRIDGE_WEBRTC__TURN_SECRET": "tiny-secret"}
    shown = " ".join(value for _, value, _ in load(env=env).describe())
    assert "tiny-secret" not in shown
    with pytest.raises(ConfigError) as caught:
        load(env={**env, "VOICEBRIDGE_WEBRTC__TURN_URLS": ""})
    assert caught.value.param == "webrtc.turn_urls"
    assert "tiny-secret" not in caught.value.message
