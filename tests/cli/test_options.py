from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from voicebridge.cli import runfile
from voicebridge.cli.options import (
    add_server_arguments,
    add_settings_arguments,
    find_target,
    load_settings,
)
from voicebridge.cli.terminal import CommandError
from voicebridge.config import hash_key
from voicebridge.errors import ConfigError

RUNNING = runfile.RunningServer(
    url="http://127.0.0.1:9000/v1",
    tls_url="https://localhost:9001/v1",
    pid=os.getpid(),
    port=9000,
    api_key="sk-run",
    certificate="/c.pem",
)


def server_arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_server_arguments(parser)
    return parser.parse_args(argv)


def settings_arguments(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_settings_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_flags_win_and_are_named_as_origin() -> None:
    loaded = load_settings(
        settings_arguments("--port", "0", "--api-key", "k", "--set", "engine.stt=base", "--tls-self-signed"),
        {"VOICEBRIDGE_SERVER__PORT": "1", "VOICEBRIDGE_API_KEY": "other"},
    )
    assert loaded.settings.server.port == 0
    assert loaded.settings.server.api_keys == (hash_key("k"),)
    assert loaded.settings.server.tls_self_signed is True
    assert loaded.settings.engine.stt == "base"
    assert loaded.origins["server.api_keys"] == "--api-key"
    assert loaded.origins["engine.stt"] == "--set engine.stt"
    assert load_settings(settings_arguments(), {}).settings.server.tls_self_signed is False


@pytest.mark.parametrize("wrong", ["engine.sst=base", "engin.stt=base", "stt=base", "="])
def test_a_misspelt_setting_is_a_mistake(wrong: str) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        load_settings(settings_arguments("--set", wrong), {})


def test_a_running_server_needs_neither_address_nor_key(env: dict[str, str], tmp_path: Path) -> None:
    with runfile.published(tmp_path / "voicebridge", RUNNING):
        target = find_target(server_arguments(), env)
        assert (target.http_url, target.key) == ("http://127.0.0.1:9000/v1", "sk-run")
        assert (target.ws_url, target.origin) == ("ws://127.0.0.1:9000/v1", "http://127.0.0.1:9000")
        over_tls = find_target(server_arguments("--url", "wss://localhost:9001"), env)
        assert (over_tls.http_url, over_tls.key) == ("https://localhost:9001/v1", "sk-run")
        assert str(over_tls.certificate) == "/c.pem"


def test_the_key_of_the_running_server_is_not_sent_elsewhere(env: dict[str, str], tmp_path: Path) -> None:
    with (
        runfile.published(tmp_path / "voicebridge", RUNNING),
        pytest.raises(CommandError, match="an API key is needed for"),
    ):
        find_target(server_arguments("--url", "http://example.org/v1"), env)


def test_of_several_running_servers_the_named_one_gives_its_key(env: dict[str, str], tmp_path: Path) -> None:
    directory = tmp_path / "voicebridge"
    newer = runfile.RunningServer(url="http://127.0.0.1:9100/v1", pid=os.getpid(), port=9100, api_key="sk-newer")
    with runfile.published(directory, RUNNING), runfile.published(directory, newer):
        os.utime(directory / "server-9000.json", (1, 1))
        target = find_target(server_arguments("--url", RUNNING.url), env)
        assert (target.http_url, target.key) == (RUNNING.url, "sk-run")
        assert find_target(server_arguments(), env).key == "sk-newer"


def test_without_a_server_the_next_thing_to_type_is_told(env: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="serve"):
        find_target(server_arguments(), env)


def test_keys_come_from_the_flag_or_the_environment(env: dict[str, str]) -> None:
    env["VOICEBRIDGE_API_KEY"] = "first, second"
    assert find_target(server_arguments(), env).key == "first"
    assert find_target(server_arguments("--key", "mine"), env).key == "mine"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://h:1/v1/realtime?model=x", "http://h:1/v1"),
        ("wss://h/v1/realtime", "https://h/v1"),
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("h:1", "http://h:1/v1"),
        ("https://h/openai/v1/", "https://h/openai/v1"),
    ],
)
def test_addresses_may_be_pasted_in_any_form(env: dict[str, str], url: str, base: str) -> None:
    assert find_target(server_arguments("--url", url, "--key", "k"), env).http_url == base


@pytest.mark.parametrize("url", ["ftp://h/", "http://", "://x"])
def test_what_is_no_address_is_refused(env: dict[str, str], url: str) -> None:
    with pytest.raises(CommandError, match="is no address"):
        find_target(server_arguments("--url", url, "--key", "k"), env)
