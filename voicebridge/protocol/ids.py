"""Identifiers, as the service makes them: a prefix and 21 characters (protocol section 0.2). They are not secrets."""

from __future__ import annotations

import random
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 21


class IdFactory:
    """Makes `sess_…`, `event_…`, `item_…`, `resp_…`, `conv_…`, `call_…` ids. A seed makes them reproducible."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - identifiers, not secrets

    def new(self, prefix: str) -> str:
        return prefix + "_" + "".join(self._random.choices(_ALPHABET, k=_LENGTH))
