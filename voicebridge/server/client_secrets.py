"""Minting ephemeral keys: H1 and H2 in the beta dialect, H3 in GA (protocol 1.3 to 1.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from voicebridge.config import TokensSettings
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.dialect import (
    downgraded_session,
    downgraded_transcription_session,
    in_beta_words,
    upgraded_session,
    upgraded_transcription_session,
)
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.model import ClientModel
from voicebridge.protocol.session_config import RealtimeSession, Session, SessionDefaults, new_session, updated
from voicebridge.protocol.session_input import RealtimeSessionPatch
from voicebridge.protocol.validation import Strictness, validated
from voicebridge.server.auth import Authenticator
from voicebridge.server.problems import read_json
from voicebridge.server.tokens import Kind, MintedIn, TokenSigner, check_ttl, new_grant
from voicebridge.telemetry.metrics import Metrics


class ExpiresAfter(ClientModel):
    anchor: Literal["created_at"] = "created_at"
    seconds: int | None = None


class GaRequest(ClientModel):
    """H3. `single_use` is ours: a secret that opens one connection only (choice 4)."""

    expires_after: ExpiresAfter | None = None
    session: dict[str, Any] | None = None
    single_use: bool | None = None


class BetaSecret(ClientModel):
    """H1 says `expires_after`, H2 `expires_at`; both are taken in both."""

    expires_after: ExpiresAfter | None = None
    expires_at: ExpiresAfter | None = None


class BetaRequest(ClientModel):
    client_secret: BetaSecret | None = Field(default=None)


_GA: TypeAdapter[GaRequest] = TypeAdapter(GaRequest)
_BETA: TypeAdapter[BetaRequest] = TypeAdapter(BetaRequest)


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """Mints keys that carry the session they open."""

    authenticator: Authenticator
    signer: TokenSigner
    ids: IdFactory
    defaults: SessionDefaults
    strictness: Strictness
    settings: TokensSettings
    metrics: Metrics
    wall: Callable[[], float]
    max_body_bytes: int
    beta_enabled: bool

    def routes(self, prefix: str) -> list[Route]:
        return [
            Route(f"{prefix}/realtime/client_secrets", self.mint_ga, methods=["POST"]),
            Route(f"{prefix}/realtime/sessions", self.mint_beta, methods=["POST"]),
            Route(f"{prefix}/realtime/transcription_sessions", self.mint_beta_transcription, methods=["POST"]),
        ]

    async def mint_ga(self, request: Request) -> Response:
        """H3."""
        issuer = self.authenticator.require_standard(request).fingerprint
        body: GaRequest = validated(_GA, await read_json(request, max_bytes=self.max_body_bytes), "", self.strictness)
        patch = {"type": "realtime"} if body.session is None else body.session
        session = self._session(patch)
        seconds = body.expires_after.seconds if body.expires_after else None
        value, expires_at = self._mint(
            "ga",
            session.type,
            patch,
            ttl_s=self.settings.ga_ttl_s if seconds is None else seconds,
            ttl_param="expires_after.seconds",
            single_use=self.settings.ga_single_use if body.single_use is None else body.single_use,
            issuer=issuer,
        )
        return JSONResponse({"value": value, "expires_at": expires_at, "session": session.model_dump(mode="json")})

    async def mint_beta(self, request: Request) -> Response:
        """H1."""
        return await self._beta(request, "realtime")

    async def mint_beta_transcription(self, request: Request) -> Response:
        """H2."""
        return await self._beta(request, "transcription")

    async def _beta(self, request: Request, kind: Kind) -> Response:
        if not self.beta_enabled:
            raise InvalidEvent(
                "The beta interface is switched off on this server (server.beta_enabled). "
                "Use POST /v1/realtime/client_secrets.",
                code="beta_api_shape_disabled",
            )
        issuer = self.authenticator.require_standard(request).fingerprint
        body = await read_json(request, max_bytes=self.max_body_bytes)
        try:
            secret = {"client_secret": body["client_secret"]} if body.get("client_secret") is not None else {}
            wanted: BetaRequest = validated(_BETA, secret, "", self.strictness)
            upgrade = upgraded_session if kind == "realtime" else upgraded_transcription_session
            patch = upgrade(body)
            session = self._session(patch, beta=True)
        except InvalidEvent as error:
            error.message, error.param = _flat(*in_beta_words(error.message, error.param))
            raise
        name, seconds = _lifetime(wanted.client_secret)
        value, expires_at = self._mint(
            "beta",
            kind,
            patch,
            ttl_s=self.settings.beta_ttl_s if seconds is None else seconds,
            ttl_param=f"client_secret.{name}.seconds",
            single_use=self.settings.beta_single_use,
            issuer=issuer,
        )
        return JSONResponse(_beta_session(session) | {"client_secret": {"value": value, "expires_at": expires_at}})

    def _session(self, patch: dict[str, Any], *, beta: bool = False) -> Session:
        """The session that the key will open; `expires_at` is 0 while none is open."""
        parsed = parse_session(patch, self.strictness, beta=beta)
        model = parsed.model if isinstance(parsed, RealtimeSessionPatch) else None
        fresh = new_session(parsed.type, self.defaults, session_id=self.ids.new("sess"), expires_at=0, model=model)
        return updated(fresh, parsed, self.defaults)

    def _mint(
        self,
        dialect: MintedIn,
        kind: Kind,
        patch: dict[str, Any],
        *,
        ttl_s: int,
        ttl_param: str,
        single_use: bool,
        issuer: str,
    ) -> tuple[str, int]:
        check_ttl(ttl_s, param=ttl_param)
        now = self.wall()
        grant = new_grant(
            kind=kind,
            minted_in=dialect,
            session=patch,
            ttl_s=ttl_s,
            single_use=single_use,
            issuer=issuer,
            now_wall=now,
        )
        value = self.signer.mint(grant, now)
        self.metrics.token_minted(dialect)
        return value, grant.expires_at


def _beta_session(session: Session) -> dict[str, Any]:
    body = session.model_dump(mode="json")
    if isinstance(session, RealtimeSession):
        return downgraded_session(body | {"temperature": session.temperature})
    return downgraded_transcription_session(body)


def _lifetime(secret: BetaSecret | None) -> tuple[str, int | None]:
    """What the caller calls the member, and the seconds in it."""
    if secret is not None and secret.expires_after is None and secret.expires_at is not None:
        return "expires_at", secret.expires_at.seconds
    return "expires_after", secret.expires_after.seconds if secret and secret.expires_after else None


def _flat(message: str, param: str | None) -> tuple[str, str | None]:
    """REST bodies of the beta dialect are the session itself: there is no `session.` before its members."""
    if param is None or not param.startswith("session."):
        return message, param
    return message.replace(f"'{param}'", f"'{param.removeprefix('session.')}'"), param.removeprefix("session.")
