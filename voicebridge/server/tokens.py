"""Ephemeral keys (`ek_…`): signed and self-contained, so that minting and checking them needs no storage.

A key is `ek_` and, in base64 for URLs without padding, a MAC (HMAC-SHA256, 32 bytes) followed by the compressed JSON
of the grant. Its content can be read by whoever holds it, like that of any bearer token; it cannot be changed.
Every process that has the same secret accepts it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from voicebridge.errors import InvalidEvent, TooLarge, Unauthorized

PREFIX = "ek_"
MIN_TTL_S = 10
MAX_TTL_S = 7200
MAX_TOKEN_CHARS = 16_384
"""Keys travel in a header: longer ones are cut or refused by proxies."""
MAX_GRANT_BYTES = 256 * 1024

_MAC_BYTES = 32

Kind = Literal["realtime", "transcription"]
MintedIn = Literal["beta", "ga"]


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What an ephemeral key allows: to open sessions of one kind, starting from `session`, until `expires_at`.

    `session` is the session configuration of the mint request in the dialect `minted_in`; instants are Unix seconds;
    `issuer` is the fingerprint of the API key that asked for it. Single-use keys open one connection.
    """

    kind: Kind
    token_id: str
    issued_at: int
    expires_at: int
    minted_in: MintedIn
    single_use: bool
    session: Mapping[str, Any]
    issuer: str


def new_grant(
    *,
    kind: Kind,
    minted_in: MintedIn,
    session: Mapping[str, Any],
    ttl_s: int,
    single_use: bool,
    issuer: str,
    now_wall: float,
) -> TokenGrant:
    """A grant with a fresh random id, valid from now for `ttl_s` (10 to 7200) seconds.

    Raises `InvalidEvent` for another `ttl_s`; whoever knows the request's dialect puts the dotted path on it.
    """
    check_ttl(ttl_s)
    issued_at = int(now_wall)
    return TokenGrant(
        kind=kind,
        token_id=secrets.token_hex(12),
        issued_at=issued_at,
        expires_at=issued_at + ttl_s,
        minted_in=minted_in,
        single_use=single_use,
        session=session,
        issuer=issuer,
    )


def check_ttl(ttl_s: int, *, param: str = "expires_after.seconds") -> None:
    """Raise `InvalidEvent` unless 10 <= `ttl_s` <= 7200."""
    if ttl_s < MIN_TTL_S:
        raise InvalidEvent(
            f"Invalid '{param}': expected a value >= {MIN_TTL_S}, but got {ttl_s} instead.",
            code="integer_below_min_value",
            param=param,
        )
    if ttl_s > MAX_TTL_S:
        raise InvalidEvent(
            f"Invalid '{param}': expected a value <= {MAX_TTL_S}, but got {ttl_s} instead.",
            code="integer_above_max_value",
            param=param,
        )


class TokenSigner:
    """Mints and verifies ephemeral keys with one secret (any non-empty text; 32 random characters or more)."""

    __slots__ = ("_key",)

    def __init__(self, secret: str) -> None:
        # A key of its own, so that the same secret used elsewhere yields nothing here.
        self._key = hashlib.sha256(b"voicebridge ephemeral key 1\0" + secret.encode()).digest()

    def mint(self, grant: TokenGrant, now_wall: float) -> str:
        """The key for `grant`. Raises `InvalidEvent` for a lifetime out of range, `TooLarge` for a long session."""
        check_ttl(grant.expires_at - int(now_wall))
        text = json.dumps(asdict(grant), separators=(",", ":"), ensure_ascii=False).encode()
        body = zlib.compress(text, 9)
        token = PREFIX + _encode(self._mac(body) + body)
        if len(token) > MAX_TOKEN_CHARS or len(text) > MAX_GRANT_BYTES:
            raise TooLarge(
                "The session configuration is too long to be bound to a client secret. "
                "Send the longest parts with session.update instead.",
                code="session_too_large",
                param="session",
            )
        return token

    def verify(self, token: str, now_wall: float | None) -> TokenGrant:
        """The grant in `token`. Raises `Unauthorized`: `invalid_api_key`, or `ephemeral_key_expired`.

        Without a time, expired ones are fine too.
        """
        grant = self._open(token)
        if grant is None:
            raise Unauthorized("Incorrect ephemeral key provided.", code="invalid_api_key")
        if now_wall is not None and now_wall >= grant.expires_at:
            raise Unauthorized(
                "This ephemeral key has expired. Ask your server for a new one.", code="ephemeral_key_expired"
            )
        return grant

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()

    def _open(self, token: str) -> TokenGrant | None:
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_CHARS:
            return None
        raw = _decode(token[len(PREFIX) :])
        if raw is None:
            return None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        # From here on the bytes are ours.
        text = zlib.decompressobj().decompress(body, MAX_GRANT_BYTES)
        return TokenGrant(**json.loads(text))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    """Bytes of unpadded base64; None for anything that is not exactly what `_encode` writes."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if _encode(raw) == text else None
