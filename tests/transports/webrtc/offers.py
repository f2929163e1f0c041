"""Offers as real clients make them."""

from __future__ import annotations

from pathlib import Path

OFFERS = Path(__file__).parents[2] / "data" / "offers"


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


CHROMIUM = offer("chromium")
"""createOffer().sdp with a microphone and a data channel, before gathering."""

CHROMIUM_VIDEO_CANDIDATES = offer("chromium_video_candidates")
"""max-bundle, with a video transceiver between audio and data, after gathering."""


def without(sdp: str, *beginnings: str) -> str:
    """The offer without the lines that begin so."""
    return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith(beginnings))


def with_audio_formats(sdp: str, formats: str) -> str:
    """The offer with other payload types in its audio line."""
    return "".join(
        " ".join(line.split(" ")[:3]) + f" {formats}\r\n" if line.startswith("m=audio") else line
        for line in sdp.splitlines(keepends=True)
    )
