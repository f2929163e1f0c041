"""The API's voice names as changes of the one voice that ships: pitch, size of the mouth, melody, pace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """Factors on the shipped voice (an American woman, about 190 Hz).

    `pitch`: of the fundamental; `formant`: of the resonances, below 1 for a longer throat; `melody`: of the distance
    of the pitch from its mean, below 1 for a calmer voice; `pace`: of the speed.
    """

    pitch: float = 1.0
    formant: float = 1.0
    melody: float = 1.0
    pace: float = 1.0


DEFAULT_VOICE = "alloy"

VOICES: dict[str, Voice] = {
    "alloy": Voice(),
    "ash": Voice(pitch=0.78, formant=0.94),
    "ballad": Voice(pitch=0.68, formant=0.90, melody=1.25, pace=0.94),
    "cedar": Voice(pitch=0.52, formant=0.84),
    "coral": Voice(pitch=1.15, formant=1.06, melody=1.1),
    "echo": Voice(pitch=0.60, formant=0.86),
    "fable": Voice(pitch=0.86, formant=0.90, melody=1.2),
    "marin": Voice(pitch=1.06, formant=0.97, melody=1.2, pace=1.04),
    "nova": Voice(pitch=1.20, formant=1.02, pace=1.06),
    "onyx": Voice(pitch=0.52, formant=0.82, melody=0.8, pace=0.95),
    "sage": Voice(pitch=0.90, formant=1.03, melody=0.7, pace=0.96),
    "shimmer": Voice(pitch=1.28, formant=1.12),
    "verse": Voice(pitch=0.72, formant=0.96, melody=1.15, pace=1.06),
}


def voice_named(name: str) -> Voice:
    """The voice of that name in any case; an unknown one speaks as `DEFAULT_VOICE`."""
    return VOICES.get(name.lower(), VOICES[DEFAULT_VOICE])
