"""Token counts where no model counts them (protocol choice 34): estimates, always whole numbers.

Audio: one token for each begun 100 ms that was heard, one for each begun 50 ms that was spoken, as the service counts.
Text: one for each begun four characters, which is near to what its tokenizers make of English.
"""

from __future__ import annotations

from voicebridge.audio.samples import INTERNAL_RATE_HZ

_HEARD_SAMPLES_PER_TOKEN = INTERNAL_RATE_HZ // 10
SPOKEN_SAMPLES_PER_TOKEN = INTERNAL_RATE_HZ // 20
CHARACTERS_PER_TOKEN = 4


def text_tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def heard_tokens(samples: int) -> int:
    return -(-samples // _HEARD_SAMPLES_PER_TOKEN)


def spoken_tokens(samples: int) -> int:
    return -(-samples // SPOKEN_SAMPLES_PER_TOKEN)
