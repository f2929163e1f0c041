"""Who is calling: finds the key in a request or WebSocket handshake and decides what it is.

Standard keys may do everything. Ephemeral keys may open sessions, end those, and nothing else.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import HTTPConnection

from voicebridge.config import fingerprint, hash_key
from voicebridge.errors import Forbidden, Unauthorized
from voicebridge.server.tokens import PREFIX, TokenGrant, TokenSigner
from voicebridge.state import State

KEY_SUBPROTOCOL = "openai-insecure-api-key."
REALTIME_SUBPROTOCOL = "realtime"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
QUERY_NAMES = ("api_key", "api-key")


@dataclass(frozen=True, slots=True)
class StandardKey:
    """A configured API key, known by its fingerprint."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """A valid ephemeral key."""

    grant: TokenGrant

    @property
    def fingerprint(self) -> str:
        """That of the API key which asked for it."""
        return self.grant.issuer


Identity: TypeAlias = StandardKey | Ephemeral


def new_run_key() -> str:
    """A ready-made API key for one run of the server."""
    return "sk-voicebridge-" + secrets.token_urlsafe(24)


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """The subprotocol to answer with: `realtime` where offered; never one that carries a key.

    Browsers fail the handshake when they offered some and none comes back, so the beta marker is confirmed when it
    is all there is.
    """
    return next((name for name in (REALTIME_SUBPROTOCOL, BETA_SUBPROTOCOL) if name in offered), None)


def credential(connection: HTTPConnection, *, allow_query: bool = False) -> str | None:
    """The key that came with a request, or None.

    Looked for in `Authorization: Bearer`, `api-key`, the WebSocket subprotocol `openai-insecure-api-key.<key>` and,
    if allowed, the query; the first one found counts.
    """
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if key := connection.headers.get("api-key", "").strip():
        return key
    for offered in connection.scope.get("subprotocols", ()):
        if offered.startswith(KEY_SUBPROTOCOL) and len(offered) > len(KEY_SUBPROTOCOL):
            return str(offered[len(KEY_SUBPROTOCOL) :])
    if allow_query:
        return next((found for name in QUERY_NAMES if (found := connection.query_params.get(name))), None)
    return None


class Authenticator:
    """Decides who a caller is. `key_hashes` in the form of `voicebridge.config.hash_key`; `wall` gives Unix seconds."""

    __slots__ = ("_allow_query", "_fingerprints", "_hashes", "_signer", "_wall")

    def __init__(
        self,
        key_hashes: Iterable[str],
        signer: TokenSigner,
        wall: Callable[[], float],
        *,
        allow_query: bool = False,
    ) -> None:
        self._hashes = tuple(key_hashes)
        self._fingerprints = frozenset(fingerprint(key_hash) for key_hash in self._hashes)
        self._signer = signer
        self._wall = wall
        self._allow_query = allow_query

    def identify(self, connection: HTTPConnection, *, expired_too: bool = False) -> Identity:
        """Who is calling. Raises `Unauthorized`: without a code where no key came, else with the reason.

        `expired_too`: an ephemeral key still says who holds it, for what was begun while it was valid.
        """
        key = credential(connection, allow_query=self._allow_query)
        if key is None:
            raise Unauthorized(
                "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY', "
                "or from a browser as the WebSocket subprotocol 'openai-insecure-api-key.YOUR_KEY'."
            )
        return self.identify_key(key, expired_too=expired_too)

    def identify_key(self, key: str, *, expired_too: bool = False) -> Identity:
        """Who holds `key`. Raises `Unauthorized`."""
        standard = self._standard(key)
        if standard is not None:
            return standard
        if not key.startswith(PREFIX):
            raise Unauthorized(f"Incorrect API key provided: {_masked(key)}.", code="invalid_api_key")
        grant = self._signer.verify(key, None if expired_too else self._wall())
        if grant.issuer not in self._fingerprints:
            raise Unauthorized("The API key that asked for this ephemeral key is no longer valid.",
                               code="invalid_api_key")  # fmt: skip
        return Ephemeral(grant)

    def require_standard(self, connection: HTTPConnection) -> StandardKey:
        """The caller of anything but opening a session. Raises `Unauthorized` or `Forbidden`."""
        identity = self.identify(connection)
        if isinstance(identity, Ephemeral):
            raise Forbidden(
                "An ephemeral key can open sessions only. Use a standard API key here.", code="ephemeral_key_forbidden"
            )
        return identity

    def _standard(self, key: str) -> StandardKey | None:
        """Compares with every configured key, always all of them, each in constant time."""
        presented = hash_key(key)
        found = None
        for key_hash in self._hashes:
            if hmac.compare_digest(presented, key_hash):
                found = StandardKey(fingerprint(key_hash))
        return found


async def claim(identity: Identity, state: State) -> None:
    """Use up a single-use key when it opens its session. Raises `Unauthorized` (`ephemeral_key_used`) the second time.

    Exactly one of any number of simultaneous attempts succeeds.
    """
    if not isinstance(identity, Ephemeral) or not identity.grant.single_use:
        return
    if not await state.claim_once(identity.grant.token_id, identity.grant.expires_at):
        raise Unauthorized(
            "This ephemeral key was already used; it opens one connection only. Ask your server for a new one.",
            code="ephemeral_key_used",
        )


def _masked(key: str) -> str:
    """Enough to recognise one's own key, too little to use it."""
    return f"{key[:3]}***{key[-4:]}" if len(key) >= 16 else "***"
