"""Get an ephemeral key (ek_...) for a browser or another client that must not have the API key."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

import httpx

from voicebridge.cli.options import Target, add_server_arguments, find_target, not_running
from voicebridge.cli.terminal import CommandError, Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_server_arguments(parser)
    parser.add_argument("--ttl", type=int, metavar="SECONDS", help="how long the key is valid (10 to 7200)")
    parser.add_argument("--session", metavar="JSON", help="session configuration bound to the key")
    parser.add_argument("--dialect", choices=("ga", "beta"), default="ga", help="beta keys open one connection only")
    parser.add_argument("--json", action="store_true", help="print the whole answer")


def run(arguments: argparse.Namespace, terminal: Terminal, env: Mapping[str, str]) -> int:
    session = _session(arguments.session)
    target = find_target(arguments, env)
    answer = _request(target, arguments.dialect, arguments.ttl, session)
    secret = answer if arguments.dialect == "ga" else answer["client_secret"]
    terminal.line(json.dumps(answer, indent=2, ensure_ascii=False) if arguments.json else secret["value"])
    return 0


def _session(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        session = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--session is not JSON: {error}") from error
    if not isinstance(session, dict):
        raise CommandError('--session is a JSON object, for example \'{"type": "realtime", "instructions": "…"}\'')
    return session


def _request(target: Target, dialect: str, ttl_s: int | None, session: dict[str, Any]) -> dict[str, Any]:
    expiry = {"expires_after": {"anchor": "created_at", "seconds": ttl_s}} if ttl_s is not None else {}
    if dialect == "ga":
        path, body = "client_secrets", {**expiry, **({"session": {"type": "realtime", **session}} if session else {})}
    else:
        path, body = "sessions", {**session, **({"client_secret": expiry} if expiry else {})}
    try:
        with httpx.Client(verify=target.ssl_context() or True, timeout=10, trust_env=False) as http:
            answer = http.post(
                f"{target.http_url}/realtime/{path}", json=body, headers={"Authorization": f"Bearer {target.key}"}
            )
    except httpx.ConnectError as error:
        raise not_running(target) from error
    except httpx.HTTPError as error:
        raise CommandError(f"{target.origin}: {error}") from error
    if answer.is_error:
        raise CommandError(_refusal(answer))
    found: dict[str, Any] = answer.json()
    return found


def _refusal(answer: httpx.Response) -> str:
    try:
        return f"the server refused ({answer.status_code}): {answer.json()['error']['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the server answered {answer.status_code}"
