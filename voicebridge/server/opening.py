"""From a handshake or a posted offer to the session it asks for: dialect, kind, model (protocol 1.6, 1.9, 1.13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import HTTPConnection

from voicebridge.errors import ClientError, InvalidEvent
from voicebridge.protocol.client_events import parse_session
from voicebridge.protocol.dialect import Dialect, in_beta_words, upgraded_session, upgraded_transcription_session
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.session_config import Session, SessionDefaults, new_session, updated
from voicebridge.protocol.session_input import RealtimeSessionPatch, SessionPatch
from voicebridge.protocol.validation import Strictness
from voicebridge.server.auth import BETA_SUBPROTOCOL, Ephemeral, Identity
from voicebridge.server.tokens import TokenGrant

FIRST_PREVIEW = "2024-10-01-preview"

Kind = Literal["realtime", "transcription"]


@dataclass(frozen=True, slots=True)
class OpeningRules:
    """What the server allows: `allowed_models` empty means any; `max_session_s` sets `expires_at`."""

    defaults: SessionDefaults
    strictness: Strictness
    allowed_models: tuple[str, ...]
    beta_enabled: bool
    max_session_s: float


# --- the dialect --------------------------------------------------------------------------------------------------


def dialect_of(connection: HTTPConnection, identity: Identity) -> Dialect:
    """The connection's own markers decide, then its path, then what its key was minted in (protocol 1.13)."""
    if asks_for_beta(connection):
        return Dialect.BETA
    path = connection.url.path
    if path == "/openai/realtime":  # Azure's preview interface
        first = connection.query_params.get("api-version") == FIRST_PREVIEW
        return Dialect.BETA_2024_10 if first else Dialect.BETA
    if connection.scope["type"] == "http":
        return Dialect.BETA if path.endswith("/realtime") else Dialect.GA
    if isinstance(identity, Ephemeral) and identity.grant.minted_in == "beta":
        return Dialect.BETA
    return Dialect.GA


def asks_for_beta(connection: HTTPConnection) -> bool:
    """Does it say so itself, in a header or a subprotocol?"""
    marked = "realtime=v1" in connection.headers.get("openai-beta", "").replace(" ", "")
    return marked or BETA_SUBPROTOCOL in connection.scope.get("subprotocols", ())


def check_beta(dialect: Dialect, rules: OpeningRules) -> None:
    """Raises what the service has said since the beta was switched off, where configuration wants that too."""
    if dialect.is_beta and not rules.beta_enabled:
        raise InvalidEvent(
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
            code="beta_api_shape_disabled",
        )


# --- the session --------------------------------------------------------------------------------------------------


def session_of_socket(
    connection: HTTPConnection, identity: Identity, rules: OpeningRules, ids: IdFactory, now_wall: float
) -> Session:
    """The session that a WebSocket begins with. Raises InvalidEvent `missing_model` or `invalid_model`."""
    grant = identity.grant if isinstance(identity, Ephemeral) else None
    transcribing = connection.query_params.get("intent") == "transcription"
    model = _model_asked_for(connection)
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
    elif transcribing and model is not None and not connection.query_params.get("deployment"):
        raise _invalid_model("A transcription session takes no model here: it is set in audio.input.transcription.")
    elif not transcribing and model is None:
        raise InvalidEvent("You must provide a model parameter: ?model=NAME.", code="missing_model", param="model")
    return _begun("transcription" if transcribing else "realtime", model, [_bound(grant, rules)], rules, ids, now_wall)


def session_of_post(
    connection: HTTPConnection,
    identity: Identity,
    sent: dict[str, Any] | None,
    rules: OpeningRules,
    ids: IdFactory,
    now_wall: float,
) -> Session:
    """The session of a posted offer, where `sent` came with it: defaults < the key's < `?model=` < `sent` (1.6).

    Raises InvalidEvent `invalid_model`, or what is wrong in `sent` with a param under `session`.
    """
    grant = identity.grant if isinstance(identity, Ephemeral) else None
    kind: Kind = "transcription" if connection.query_params.get("intent") == "transcription" else "realtime"
    kind = grant.kind if grant is not None else kind
    patch = _parsed(sent, kind, rules, beta=dialect_of(connection, identity).is_beta)
    if patch is not None and grant is not None and patch.type != grant.kind:
        raise InvalidEvent(
            f"This ephemeral key opens sessions of type '{grant.kind}', not '{patch.type}'.",
            code="invalid_value",
            param="session.type",
        )
    kind = patch.type if patch is not None else kind
    model: str | None = None
    if kind == "realtime":
        chosen = patch.model if isinstance(patch, RealtimeSessionPatch) else None
        bound = grant.session.get("model") if grant is not None else None
        model = chosen or _model_asked_for(connection) or bound or rules.defaults.model
    return _begun(kind, model, [_bound(grant, rules), patch], rules, ids, now_wall)


def _parsed(sent: dict[str, Any] | None, kind: Kind, rules: OpeningRules, *, beta: bool) -> SessionPatch | None:
    """In the beta dialect a session has no type; one that has is in GA's words wherever it is sent (choice 51)."""
    if sent is None:
        return None
    if not beta or "type" in sent:
        return parse_session(sent, rules.strictness)
    try:
        upgrade = upgraded_session if kind == "realtime" else upgraded_transcription_session
        return parse_session(upgrade(sent), rules.strictness, beta=True)
    except InvalidEvent as error:
        error.message, error.param = in_beta_words(error.message, error.param)
        raise


def _bound(grant: TokenGrant | None, rules: OpeningRules) -> SessionPatch | None:
    """What the key brings, without the model: that has been chosen."""
    if grant is None:
        return None
    settings = {name: value for name, value in grant.session.items() if name != "model"}
    return parse_session(settings, rules.strictness, beta=grant.minted_in == "beta")


def _begun(
    kind: Kind,
    model: str | None,
    patches: list[SessionPatch | None],
    rules: OpeningRules,
    ids: IdFactory,
    now_wall: float,
) -> Session:
    if kind == "realtime" and rules.allowed_models and model not in rules.allowed_models:
        served = ", ".join(rules.allowed_models)
        raise _invalid_model(f"Model '{str(model)[:100]}' is not served here. Try one of: {served}.")
    session = new_session(
        kind,
        rules.defaults,
        session_id=ids.new("sess"),
        expires_at=int(now_wall + rules.max_session_s),
        model=model,
    )
    for patch in patches:
        if patch is not None:
            session = updated(session, patch, rules.defaults)
    return session


def _model_asked_for(connection: HTTPConnection) -> str | None:
    """Azure's clients say `deployment`."""
    return connection.query_params.get("model") or connection.query_params.get("deployment") or None


def close_of(error: ClientError) -> tuple[int, str]:
    """The close code and reason of a refused connection: `type` and, where there is one, `.code` (protocol 6.3)."""
    return error.ws_close_code, error.type + (f".{error.code}" if error.code else "")


def _invalid_model(message: str) -> InvalidEvent:
    return InvalidEvent(message, code="invalid_model", param="model")
