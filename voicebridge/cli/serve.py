"""Run the server."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from voicebridge import __version__
from voicebridge.cli import listening, places, runfile
from voicebridge.cli.listening import Listeners
from voicebridge.cli.options import add_settings_arguments, load_settings
from voicebridge.cli.terminal import Terminal, own_command
from voicebridge.config import ServerSettings, Settings
from voicebridge.errors import ConfigError
from voicebridge.server import tls
from voicebridge.server.app import check_network, create_app
from voicebridge.server.auth import new_run_key
from voicebridge.server.ops import Readiness
from voicebridge.telemetry import logs

add_arguments = add_settings_arguments


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:
    settings, run_key = _with_a_key(load_settings(arguments, env).settings)
    settings, certificate = _with_a_certificate(settings, env)
    logs.configure(settings.log, secrets=[run_key] if run_key else [])
    asyncio.run(check_network(settings))
    listeners = listening.bind(settings.server)
    app = create_app(settings)
    server = listening.Server(app, settings, listeners)
    public = _running(settings.server, listeners, run_key, certificate)
    _banner(terminal, public, certificate)
    announced = runfile.published(places.run_directory(env), public)
    try:
        with announced, asyncio.Runner(loop_factory=server.loop_factory()) as runner:
            runner.run(_serve(server, terminal))
    except BaseException:
        # However uvicorn says that the application did not start: the reason is what helps.
        problem: ConfigError | None = app.state.problem()
        if problem is not None:
            raise problem from None
        raise
    terminal.line("stopped")
    return 0 if server.started else 1


def _with_a_key(settings: Settings) -> tuple[Settings, str | None]:
    """Keys are always required; where none is configured, one is made for this run."""
    if settings.server.api_keys:
        return settings, None
    key = new_run_key()
    return settings.with_api_key(key), key


def _with_a_certificate(settings: Settings, env: Mapping[str, str]) -> tuple[Settings, tls.Certificate | None]:
    if not settings.server.tls_self_signed:
        return settings, None
    names = tls.own_names()
    if settings.server.host not in {*names, "0.0.0.0", "::"}:  # noqa: S104  compared with, not bound to
        names = (*names, settings.server.host)
    made = tls.ensure_certificate(places.data_directory(env) / "tls", names, datetime.now(UTC))
    files = {"tls_certificate": made.certificate, "tls_key": made.key, "tls_self_signed": False}
    return settings.model_copy(update={"server": settings.server.model_copy(update=files)}), made


def _running(
    server: ServerSettings, listeners: Listeners, run_key: str | None, certificate: tls.Certificate | None
) -> runfile.RunningServer:
    plain, secure = listeners.plain_port, listeners.tls_port
    # A certificate names localhost; clients on this machine reach a wildcard address by it too.
    host = _reachable(server.host)
    secure_url = f"https://{'localhost' if certificate else host}:{secure}/v1" if secure else None
    plain_url = f"http://{host}:{plain}/v1" if plain else None
    return runfile.RunningServer(
        url=plain_url or secure_url or "",
        tls_url=secure_url,
        pid=os.getpid(),
        port=plain or secure or 0,
        api_key=run_key,
        certificate=str(certificate.certificate) if certificate else None,
    )


def _reachable(host: str) -> str:
    wildcard = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104  translated, not bound to
    return wildcard.get(host, f"[{host}]" if ":" in host and not host.startswith("[") else host)


def _banner(terminal: Terminal, server: runfile.RunningServer, certificate: tls.Certificate | None) -> None:
    terminal.line(f"{terminal.bold('voicebridge')} {__version__}\n")
    terminal.line(f"  console  {terminal.bold(server.url.removesuffix('v1'))}   (talk to it in a browser)")
    terminal.line(f"  address  {terminal.bold(server.url)}   (WebSocket: ws{server.url.removeprefix('http')}/realtime)")
    if server.tls_url and server.tls_url != server.url:
        terminal.line(f"  TLS      {terminal.bold(server.tls_url)}")
    if certificate is not None:
        verb = "made" if certificate.created else "kept"
        terminal.line(terminal.dim(f"           certificate {verb} in {certificate.certificate}; to trust it:"))
        for who, what in tls.how_to_trust(Path(certificate.certificate)):
            terminal.line(terminal.dim(f"           {who:7} {what}"))
    if server.api_key:
        terminal.line(f"  API key  {terminal.bold(server.api_key)}   {terminal.dim('(made for this run)')}")
    else:
        terminal.line("  API key  as configured")
    terminal.line(f"\n  or, in another terminal:  {terminal.bold(own_command() + ' call hello.wav')}\n")


async def _serve(server: listening.Server, terminal: Terminal) -> None:
    async with asyncio.TaskGroup() as tasks:
        progress = tasks.create_task(_show_progress(server, terminal))
        await server.serve()
        progress.cancel()


async def _show_progress(server: listening.Server, terminal: Terminal) -> None:
    """Loading, piece by piece, until the server is ready; then what became of it is in the log and on /readyz."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    shown = ""
    # All that uvicorn offers is this flag.
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    while True:
        now = server.readiness()
        if now.state in {"ready", "failed"}:
            break
        text = _progress_line(now)
        terminal.status("  " + text)
        if not terminal.interactive and text != shown:
            terminal.line("  " + text)
        shown = text
        await asyncio.sleep(0.1)
    if now.ready:
        terminal.line(f"  {terminal.green('ready')} after {loop.time() - begun:.1f} s; Ctrl+C stops\n")
    else:
        terminal.line(f"  {terminal.red('not ready')}: {now.detail}. `{own_command()} doctor` says more")


def _progress_line(now: Readiness) -> str:
    share = f" {now.progress:.0%}" if now.progress is not None else ""
    return f"{now.state}{share}{': ' + now.detail if now.detail else ''}"
