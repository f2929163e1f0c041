"""Audio formats of a session: 16-bit PCM at 24 kHz, or G.711 at 8 kHz (protocol 5.1)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from voicebridge.protocol.model import BY_TYPE, ClientModel, branch


class Pcm(ClientModel):
    """Little-endian signed 16-bit. Rates other than 24 kHz only where the configuration allows them."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: int = 24_000


class Pcmu(ClientModel):
    """G.711 µ-law, 8 kHz."""

    type: Literal["audio/pcmu"] = "audio/pcmu"


class Pcma(ClientModel):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"] = "audio/pcma"


AudioFormat: TypeAlias = Annotated[
    Annotated[Pcm, branch("audio/pcm")] | Annotated[Pcmu, branch("audio/pcmu")] | Annotated[Pcma, branch("audio/pcma")],
    BY_TYPE,
]

PCM_24K = Pcm(type="audio/pcm", rate=24_000)
