"""From a WebSocket handshake to the session it asks for: its dialect, its kind, its model (protocol 1.9, 1.13)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.websockets import WebSocket

from voicebridge.errors import ClientError, InvalidEvent
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.dialect import Dialect
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import Session, SessionDefaults, new_session, updated
from voicebridge.protocol.validation import Strictness
from voicebridge.server.auth import BETA_SUBPROTOCOL, Ephemeral, Identity

FIRST_PREVIEW = "2024-10-01-preview"


@dataclass(frozen=True, slots=True)
class OpeningRules:
    """What the server allows: `allowed_models` empty means any; `max_session_s` sets `expires_at`."""

    defaults: SessionDefaults
    strictness: Strictness
    allowed_models: tuple[str, ...]
    beta_enabled: bool
    max_session_s: float


def dialect_of(websocket: WebSocket, identity: Identity) -> Dialect:
    """The connection's own markers decide, then its path, then what its key was minted in (protocol 1.13)."""
    marked = "realtime=v1" in websocket.headers.get("openai-beta", "").replace(" ", "")
    if marked or BETA_SUBPROTOCOL in websocket.scope.get("subprotocols", ()):
        return Dialect.BETA
    if websocket.url.path == "/openai/realtime":  # Azure's preview interface
        first = websocket.query_params.get("api-version") == FIRST_PREVIEW
        return Dialect.BETA_2024_10 if first else Dialect.BETA
    if isinstance(identity, Ephemeral) and identity.grant.minted_in == "beta":
        return Dialect.BETA
    return Dialect.GA


def check_beta(dialect: Dialect, rules: OpeningRules) -> None:
    """Raises what the service has said since the beta was switched off, where configuration wants that too."""
    if dialect.is_beta and not rules.beta_enabled:
        raise InvalidEvent(
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
            code="beta_api_shape_disabled",
        )


def session_of(
    websocket: WebSocket, identity: Identity, rules: OpeningRules, ids: IdFactory, now_wall: float
) -> Session:
    """The session to begin with. Raises InvalidEvent `missing_model` or `invalid_model`."""
    grant = identity.grant if isinstance(identity, Ephemeral) else None
    transcribing = websocket.query_params.get("intent") == "transcription"
    model = websocket.query_params.get("model") or websocket.query_params.get("deployment")
    if grant is not None:
        bound = grant.session.get("model")
        if transcribing and grant.kind != "transcription":
            raise _invalid_model("This ephemeral key opens conversations, not transcription sessions.")
        if model is not None and grant.kind == "transcription":
            raise _invalid_model("This ephemeral key opens transcription sessions, which take no model here.")
        if model is not None and bound is not None and model != bound:
            raise _invalid_model(f"This ephemeral key is for the model '{bound}', not '{model[:100]}'.")
        transcribing = grant.kind == "transcription"
        model = model or bound or (None if transcribing else rules.defaults.model)
    elif transcribing and model is not None and not websocket.query_params.get("deployment"):
        raise _invalid_model("A transcription session takes no model here: it is set in audio.input.transcription.")
    elif not transcribing and model is None:
        raise InvalidEvent("You must provide a model parameter: ?model=NAME.", code="missing_model", param="model")
    if not transcribing and rules.allowed_models and model not in rules.allowed_models:
        served = ", ".join(rules.allowed_models)
        raise _invalid_model(f"Model '{str(model)[:100]}' is not served here. Try one of: {served}.")
    fresh = new_session(
        "transcription" if transcribing else "realtime",
        rules.defaults,
        session_id=ids.new("sess"),
        expires_at=int(now_wall + rules.max_session_s),
        model=model,
    )
    if grant is None:
        return fresh
    bound_settings = {name: value for name, value in grant.session.items() if name != "model"}
    patch = parse_session(bound_settings, rules.strictness, beta=grant.minted_in == "beta")
    return updated(fresh, patch, rules.defaults)


def close_of(error: ClientError) -> tuple[int, str]:
    """The close code and reason of a refused connection: `type` and, where there is one, `.code` (protocol 6.3)."""
    return error.ws_close_code, error.type + (f".{error.code}" if error.code else "")


def _invalid_model(message: str) -> InvalidEvent:
    return InvalidEvent(message, code="invalid_model", param="model")
