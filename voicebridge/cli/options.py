"""Options that several commands share: settings by flags, and which server to talk to with which key."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voicebridge import config_sources
from voicebridge.cli import places, runfile
from voicebridge.cli.terminal import CommandError, own_command
from voicebridge.config_sources import ENV_API_KEY, Loaded

DEFAULT_URL = "http://127.0.0.1:8765/v1"


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="settings in TOML (or VOICEBRIDGE_CONFIG)")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", help="port for http and ws (8765); 0 picks a free one")
    parser.add_argument("--api-key", metavar="KEY", help=f"the key that clients must send (or {ENV_API_KEY})")
    parser.add_argument(
        "--tls-self-signed", action="store_true", default=None, help="also listen with TLS on localhost"
    )
    parser.add_argument("--tls-port", metavar="PORT", help="port for https and wss (the one after --port)")
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="any other setting, e.g. engine.stt=base",
    )


def load_settings(arguments: argparse.Namespace, env: Mapping[str, str]) -> Loaded:
    """Settings from every source. Raises `ConfigError`."""
    flags: dict[str, tuple[str, Any]] = {
        "server.host": ("--host", arguments.host),
        "server.port": ("--port", arguments.port),
        "server.api_keys": ("--api-key", arguments.api_key),
        "server.tls_self_signed": ("--tls-self-signed", arguments.tls_self_signed),
        "server.tls_port": ("--tls-port", arguments.tls_port),
    }
    for assignment in arguments.set:
        dotted, _, value = assignment.partition("=")
        config_sources.check_key(dotted, f"--set {assignment}")
        flags[dotted] = (f"--set {dotted}", value)
    return config_sources.load(path=arguments.config, env=env, flags=flags)


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the server's base URL (the running server, else {DEFAULT_URL})")
    parser.add_argument("--key", help=f"API key (or {ENV_API_KEY}; the running server's, if it made one)")


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to. `http_url` ends in `/v1` or the like, without a slash."""

    http_url: str
    key: str
    certificate: Path | None

    @property
    def ws_url(self) -> str:
        """The same for WebSockets."""
        return "ws" + self.http_url.removeprefix("http")

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for plain connections; trusts the certificate that the running server made for itself."""
        if not self.http_url.startswith("https"):
            return None
        context = ssl.create_default_context()
        if self.certificate is not None:
            context.load_verify_locations(self.certificate)
        return context

    @property
    def origin(self) -> str:
        parts = urlsplit(self.http_url)
        return f"{parts.scheme}://{parts.netloc}"


def find_target(arguments: argparse.Namespace, env: Mapping[str, str]) -> Target:
    """The server that flags, environment or a run file name. Raises `CommandError` where a key is missing."""
    running = runfile.running(places.run_directory(env))
    url = _base_url(arguments.url) if arguments.url else (running[0].url if running else DEFAULT_URL)
    ours = next((server for server in running if _same_origin(url, server)), None)
    key = arguments.key or (ours and ours.api_key) or env.get(ENV_API_KEY, "").split(",")[0].strip()
    if not key and not running and not arguments.url:
        raise CommandError(f"no server is running. Start one in another terminal: {own_command()} serve")
    if not key:
        raise CommandError(
            f"an API key is needed for {url}: pass --key, or set {ENV_API_KEY} to the one the server was started with"
        )
    return Target(url, key, Path(ours.certificate) if ours and ours.certificate else None)


def not_running(target: Target) -> CommandError:
    return CommandError(f"no server answers at {target.origin}. Start one in another terminal: {own_command()} serve")


def _same_origin(url: str, running: runfile.RunningServer) -> bool:
    names = {"localhost": "127.0.0.1"}
    mine = urlsplit(url)
    for known in filter(None, (running.url, running.tls_url)):
        other = urlsplit(known)
        if (names.get(mine.hostname or "", mine.hostname), mine.port) == (
            names.get(other.hostname or "", other.hostname),
            other.port,
        ):
            return True
    return False


def _base_url(url: str) -> str:
    """`ws` or `http`, with or without `/v1/realtime`: people paste what they have."""
    if "//" not in url:
        url = "http://" + url
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(f"--url {url} is no address of a server; write it like {DEFAULT_URL}")
    path = parts.path.rstrip("/").removesuffix("/realtime") or "/v1"
    return urlunsplit((scheme, parts.netloc, path, "", ""))
