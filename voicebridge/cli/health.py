"""Tell by the exit status whether this user's running server is ready: for container platforms and scripts."""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from voicebridge.cli import places, runfile
from voicebridge.cli.terminal import CommandError, Terminal

TIMEOUT_S = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:  # noqa: ARG001  as above
    """0 when it takes and answers calls, 1 otherwise. Light, as it is asked every few seconds."""
    running = runfile.latest(places.run_directory(env))
    if running is None:
        raise CommandError("no server is running")
    state, ready = _ask(running.url)
    terminal.line(state)
    return 0 if ready else 1


def _ask(url: str) -> tuple[str, bool]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
    if place.scheme == "https":
        # Our own process wrote the address down. Its certificate need not name it.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CommandError(f"{url} does not answer: {error}") from error
    finally:
        connection.close()
    return f"{said['state']} {said.get('detail', '')}".strip(), answer.status == 200
