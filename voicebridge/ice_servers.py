"""The STUN and TURN servers that clients are told to use, with credentials that end soon."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from voicebridge.config import WebRtcSettings


class IceServers:
    """None unless configured: nobody else's server learns who calls here."""

    def __init__(self, settings: WebRtcSettings) -> None:
        self._settings = settings

    def for_client(self, now: float, name: str = "") -> list[dict[str, Any]]:
        """For `new RTCPeerConnection({iceServers})`: objects with `urls` and, for TURN, `username` and `credential`.

        `now` is Unix time in seconds; `name` tells clients apart in the TURN server's log.
        """
        servers: list[dict[str, Any]] = []
        if self._settings.stun_urls:
            servers.append({"urls": list(self._settings.stun_urls)})
        if self._settings.turn_urls:
            username, credential = self._credentials(now, name)
            servers.append({"urls": list(self._settings.turn_urls), "username": username, "credential": credential})
        return servers

    def link_headers(self, now: float, name: str = "") -> list[str]:
        """The same as values of `Link` headers (RFC 9725 section 4.6), one for each URL."""
        return [
            f'<{url}>; rel="ice-server"' + _credential_parameters(server)
            for server in self.for_client(now, name)
            for url in server["urls"]
        ]

    def _credentials(self, now: float, name: str) -> tuple[str, str]:
        secret = self._settings.turn_secret
        if secret is None:
            password = self._settings.turn_password
            return self._settings.turn_username or "", password.get_secret_value() if password else ""
        # draft-uberti-behave-turn-rest-00 section 2.2; coturn's use-auth-secret
        expires = int(now) + self._settings.turn_ttl_s
        username = f"{expires}:{name}" if name else str(expires)
        digest = hmac.digest(secret.get_secret_value().encode(), username.encode(), hashlib.sha1)
        return username, base64.b64encode(digest).decode()


def _credential_parameters(server: dict[str, Any]) -> str:
    if "username" not in server:
        return ""
    username, credential = _quoted(server["username"]), _quoted(server["credential"])
    return f'; username={username}; credential={credential}; credential-type="password"'


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
