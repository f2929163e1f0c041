"""Every setting of voicebridge: one frozen model per section, parsed once, handed out by section.

`voicebridge.example.toml` beside this file lists each key with its default and what it does; a test keeps both in
step. Where values come from (file, environment, flags) is the business of `voicebridge.config_sources`.
Rules that join several keys raise `ConfigError` naming the key to change.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

from voicebridge.errors import ConfigError

KEY_HASH = re.compile(r"sha256\$[0-9a-f]{64}")
MIB = 1024 * 1024

DEFAULT_INSTRUCTIONS = "You are a helpful, friendly voice assistant. Talk naturally, as in a spoken conversation."


def hash_key(key: str) -> str:
    """The form in which an API key is stored: `sha256$` and 64 hexadecimal digits.

    A plain fast hash is right here: keys are long random strings, and a slow hash would let anyone who sends wrong
    keys occupy the processor.
    """
    return "sha256$" + hashlib.sha256(key.encode()).hexdigest()


def fingerprint(key_hash: str) -> str:
    """Twelve hexadecimal digits that tell keys apart in logs and tokens and give nothing away."""
    return key_hash.removeprefix("sha256$")[:12]


def _split(value: Any) -> Any:
    """Lists may be written `a, b` where only text can be given (environment, flags)."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _hash_keys(value: Any) -> Any:
    keys = _split(value)
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        return keys
    return tuple(key if KEY_HASH.fullmatch(key) else hash_key(key) for key in keys)


def _parse_table(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value or "{}")
        except ValueError as error:
            raise ValueError('write it as a JSON object, for example {"my-model": "gpt-realtime"}') from error
    return value


def _unset(value: Any) -> Any:
    return None if value == "" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Rates = Annotated[tuple[Literal[8000, 16000, 44100, 48000], ...], BeforeValidator(_split)]
KeyHashes = Annotated[tuple[str, ...], BeforeValidator(_hash_keys)]
Aliases = Annotated[dict[str, str], BeforeValidator(_parse_table)]
OptionalPath = Annotated[Path | None, BeforeValidator(_unset)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_unset)]
Port = Annotated[int, Field(ge=0, le=65535)]
OptionalPort = Annotated[Port | None, BeforeValidator(_unset)]
OptionalText = Annotated[str | None, BeforeValidator(_unset)]
TtlS = Annotated[int, Field(ge=10, le=7200)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_bytes="utf8")


class ServerSettings(Section):
    host: str = "127.0.0.1"
    port: Port = 8765
    api_keys: KeyHashes = ()
    query_api_key: bool = False
    token_secret: OptionalSecret = None
    cors_allow_origins: Names = ("*",)
    tls_self_signed: bool = False
    tls_certificate: OptionalPath = None
    tls_key: OptionalPath = None
    tls_port: OptionalPort = None
    drain_s: NonNegativeFloat = 10.0
    beta_enabled: bool = True
    ws_auth_http_401: bool = False
    ws_ping_interval_s: PositiveFloat = 20.0
    ws_ping_timeout_s: PositiveFloat = 20.0
    ws_compression: bool = False
    metrics_require_key: bool = False
    console_requires_key: bool = False

    @model_validator(mode="after")
    def _joint_rules(self) -> ServerSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_certificate"
            raise ConfigError(
                f"server.{missing} is missing: a certificate and its key are set together",
                param=f"server.{missing}",
            )
        if self.tls_self_signed and self.tls_certificate is not None:
            raise ConfigError(
                "server.tls_self_signed and server.tls_certificate exclude each other; remove one of them",
                param="server.tls_self_signed",
            )
        if self.token_secret is not None and len(self.token_secret.get_secret_value()) < 32:
            raise ConfigError(
                "server.token_secret needs at least 32 characters; `openssl rand -hex 32` makes a good one",
                param="server.token_secret",
            )
        if not is_loopback(self.host) and not self.api_keys:
            raise ConfigError(
                f"server.host = {self.host!r} can be reached from other machines, and no API key is configured. "
                "Set VOICEBRIDGE_API_KEY, pass --api-key, or list a key under server.api_keys; "
                "or keep server.host = '127.0.0.1'",
                param="server.api_keys",
            )
        return self

    @property
    def tls_enabled(self) -> bool:
        return self.tls_self_signed or self.tls_certificate is not None

    @property
    def effective_tls_port(self) -> int:
        """Where TLS listens when it is on: `tls_port`, else the port after the plain one (0 stays 0)."""
        if self.tls_port is not None:
            return self.tls_port
        return self.port + 1 if self.port else 0


class SessionSettings(Section):
    model: str = "gpt-realtime"
    allowed_models: Names = ()
    model_aliases: Aliases = Field(default_factory=dict)
    transcription_model: str = "gpt-4o-mini-transcribe"
    instructions: str = DEFAULT_INSTRUCTIONS
    voice: str = "alloy"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=100, le=10_000)] = 500
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] = "inf"
    max_session_s: PositiveFloat = 3600.0
    strict_unknown: Literal["off", "warn", "error"] = "warn"
    allow_pcm_rates: Rates = ()
    pcm_channels: Literal[1, 2] = 1
    rate_limits_event: bool = True
    queue_second_response: bool = False
    lenient_dialect: bool = False

    @model_validator(mode="before")
    @classmethod
    def _numbers_from_text(cls, values: Any) -> Any:
        """Enumerations of numbers do not convert text by themselves; the environment has only text."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if isinstance(values.get("pcm_channels"), str) and values["pcm_channels"].isdigit():
            values["pcm_channels"] = int(values["pcm_channels"])
        if isinstance(rates := values.get("allow_pcm_rates"), str):
            values["allow_pcm_rates"] = tuple(int(rate) if rate.isdigit() else rate for rate in _split(rates))
        return values


class LimitsSettings(Section):
    max_sessions: PositiveInt = 100
    max_sessions_per_key: NonNegativeInt = 0
    max_message_bytes: PositiveInt = 21 * MIB
    max_append_bytes: PositiveInt = 15 * MIB
    max_buffered_audio_s: PositiveFloat = 900.0
    max_events_per_s: PositiveFloat = 1000.0
    max_events_burst: PositiveInt = 10_000
    max_items: PositiveInt = 2000
    max_conversation_characters: PositiveInt = 64 * MIB
    max_concurrent_responses: PositiveInt = 8
    max_body_bytes: PositiveInt = MIB
    outbound_queue_bytes: PositiveInt = 8 * MIB
    inbox_size: PositiveInt = 1024

    @model_validator(mode="after")
    def _joint_rules(self) -> LimitsSettings:
        needed = (self.max_append_bytes + 2) // 3 * 4 + 1024
        if self.max_message_bytes < needed:
            raise ConfigError(
                f"limits.max_message_bytes = {self.max_message_bytes} cannot carry an append of "
                f"limits.max_append_bytes = {self.max_append_bytes} in base64; write at least {needed}",
                param="limits.max_message_bytes",
            )
        return self


class EngineSettings(Section):
    kind: Literal["embedded", "scripted"] = "embedded"
    workers: PositiveInt = 1
    stt: Literal["tiny", "base", "whisper"] = "tiny"
    tts: Literal["auto", "hibari", "pico"] = "auto"
    cache_dir: str = "~/.cache/voicebridge"


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"
    transcripts: bool = False


class TokensSettings(Section):
    beta_ttl_s: TtlS = 60
    ga_ttl_s: TtlS = 600
    beta_single_use: bool = True
    ga_single_use: bool = False


class WebRtcSettings(Section):
    enabled: bool = True
    udp_port_min: Port = 0
    udp_port_max: Port = 0
    interfaces: Names = ()
    advertised_addresses: Names = ()
    advertise_local: bool = False
    stun_urls: Names = ()
    turn_urls: Names = ()
    turn_username: OptionalText = None
    turn_password: OptionalSecret = None
    turn_secret: OptionalSecret = None
    turn_ttl_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = 7200
    connect_timeout_s: PositiveFloat = 30.0
    disconnect_timeout_s: PositiveFloat = 30.0
    sideband_grace_s: NonNegativeFloat = 30.0
    max_queued_audio_s: PositiveFloat = 600.0

    @model_validator(mode="after")
    def _joint_rules(self) -> WebRtcSettings:
        if self.udp_port_max and not 0 < self.udp_port_min <= self.udp_port_max:
            raise ConfigError(
                f"webrtc.udp_port_min = {self.udp_port_min} and udp_port_max = {self.udp_port_max} are no range; "
                "write the lower port as udp_port_min, or both as 0 for any port",
                param="webrtc.udp_port_min",
            )
        _check_each("webrtc.interfaces", self.interfaces, _is_interface, "the name of one, such as eth0, or 10.0.0.0/8")
        _check_each("webrtc.advertised_addresses", self.advertised_addresses, _is_advertisable,
                    "an address or name by which clients reach this server, such as 203.0.113.7, "
                    "with :PORT where the port is another one outside")  # fmt: skip
        _check_each("webrtc.stun_urls", self.stun_urls, _STUN_URL.fullmatch, "such as stun:stun.example.org:3478")
        _check_each("webrtc.turn_urls", self.turn_urls, _TURN_URL.fullmatch,
                    "such as turn:turn.example.org:3478?transport=udp")  # fmt: skip
        self._check_turn_credentials()
        return self

    def _check_turn_credentials(self) -> None:
        fixed = self.turn_username is not None or self.turn_password is not None
        if fixed and self.turn_secret is not None:
            raise ConfigError(
                "webrtc.turn_secret and webrtc.turn_username with turn_password exclude each other; remove one of them",
                param="webrtc.turn_secret",
            )
        if fixed and (self.turn_username is None or self.turn_password is None):
            missing = "turn_username" if self.turn_username is None else "turn_password"
            raise ConfigError(
                f"webrtc.{missing} is missing: the name and the password are set together", param=f"webrtc.{missing}"
            )
        if self.turn_urls and not fixed and self.turn_secret is None:
            raise ConfigError(
                "webrtc.turn_urls needs credentials: set webrtc.turn_secret (coturn: static-auth-secret), "
                "or webrtc.turn_username and webrtc.turn_password",
                param="webrtc.turn_urls",
            )
        if not self.turn_urls and (fixed or self.turn_secret is not None):
            key = "turn_username" if fixed else "turn_secret"
            raise ConfigError(
                f"webrtc.{key} is set and webrtc.turn_urls is empty; name the TURN server, or remove the credentials",
                param="webrtc.turn_urls",
            )

    @property
    def udp_ports(self) -> tuple[int, int]:
        """The lowest and the highest UDP port for media; (0, 0) is any."""
        return self.udp_port_min, self.udp_port_max or self.udp_port_min


_URL_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?"
_STUN_URL = re.compile(rf"stuns?:{_URL_HOST}")
_TURN_URL = re.compile(rf"turns?:{_URL_HOST}(\?transport=(udp|tcp))?")
_ADVERTISED = re.compile(rf"{_URL_HOST}|(?P<ipv6>[0-9A-Fa-f:.]+)")


def _check_each(key: str, entries: Names, is_right: Callable[[str], object], instead: str) -> None:
    for entry in entries:
        if not is_right(entry):
            raise ConfigError(f"{key} cannot hold {entry!r}; write {instead}", param=key)


def _is_interface(entry: str) -> bool:
    """A name, an address or a network (CIDR)."""
    if not re.search(r"[/:]|^[0-9.]+$", entry):
        return True
    try:
        ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


def _is_advertisable(entry: str) -> bool:
    """`host`, `host:port`, an IPv6 address, or `[IPv6 address]:port`; nothing that no client could send to."""
    match = _ADVERTISED.fullmatch(entry)
    if match is None or not 0 < int((match[2] or ":1")[1:]) <= 65535:
        return False
    host = (match["ipv6"] or match[1]).strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return match["ipv6"] is None and not re.fullmatch(r"[0-9.]+", host)
    return not (address.is_unspecified or address.is_multicast or address.is_link_local)


class Settings(Section):
    """All of it. Components receive their own section or plain values, never this."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    session: SessionSettings = Field(default_factory=SessionSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    tokens: TokensSettings = Field(default_factory=TokensSettings)
    webrtc: WebRtcSettings = Field(default_factory=WebRtcSettings)

    def with_api_key(self, key: str) -> Settings:
        """These settings, also accepting `key` (plain, kept as its hash)."""
        server = self.server.model_copy(update={"api_keys": (*self.server.api_keys, hash_key(key))})
        return self.model_copy(update={"server": server})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`. Names other than localhost count as public."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def sections() -> dict[str, type[Section]]:
    """Section name → its model, in the order of the example file."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
