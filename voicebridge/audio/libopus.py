"""libopus through ctypes, at 24 kHz mono: no resampler, no frame objects, no threads.

The PyAV wheel carries the library, so it costs no dependency. Compared with PyAV's own codec contexts, which want
48 kHz, frames and packets, it halves the cost of a call; it also gives concealment, in-band error correction and
settings that change while a call runs, which they do not.

`PyDLL` keeps the interpreter's lock: for calls of 20 to 100 µs that is cheaper than giving it up.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import weakref
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from voicebridge.audio.opus_packet import LONGEST, UndecodablePacket
from voicebridge.audio.samples import INTERNAL_RATE_HZ, Samples
from voicebridge.errors import EngineError

LOW_DELAY: Final = 2051  # OPUS_APPLICATION_RESTRICTED_LOWDELAY
VOIP: Final = 2048  # OPUS_APPLICATION_VOIP

CONCEALMENT_STEP: Final = INTERNAL_RATE_HZ // 400
"""libopus conceals whole multiples of 2.5 ms."""

_OLDEST = (1, 3)
_MAX_PAYLOAD = 1275  # bytes; RFC 6716 section 3.4
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS = 4002, 4010, 4012, 4014
_RESET = 4028
_FILE_NAME = re.compile(r"(lib)?opus(-\w+)*(\.\d+)*\.(so[.\d]*|dylib|dll)")


class _Library:
    """The functions that are used, with their types. Raises OSError or AttributeError where it is not libopus."""

    def __init__(self, path: str) -> None:
        library = ctypes.PyDLL(path)
        pointer, number, count = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32
        self.version = library.opus_get_version_string
        self.version.argtypes, self.version.restype = [], ctypes.c_char_p
        self.encoder_create = library.opus_encoder_create
        self.encoder_create.argtypes, self.encoder_create.restype = [count, number, number, pointer], pointer
        self.encoder_destroy = library.opus_encoder_destroy
        self.encoder_destroy.argtypes, self.encoder_destroy.restype = [pointer], None
        # Takes more arguments than are declared: the declared ones are what the C prototype names.
        self.encoder_ctl = library.opus_encoder_ctl
        self.encoder_ctl.argtypes, self.encoder_ctl.restype = [pointer, number], number
        self.encode = library.opus_encode
        self.encode.argtypes, self.encode.restype = [pointer, pointer, number, pointer, count], count
        self.decoder_create = library.opus_decoder_create
        self.decoder_create.argtypes, self.decoder_create.restype = [count, number, pointer], pointer
        self.decoder_destroy = library.opus_decoder_destroy
        self.decoder_destroy.argtypes, self.decoder_destroy.restype = [pointer], None
        self.decode = library.opus_decode
        self.decode.argtypes = [pointer, ctypes.c_char_p, count, pointer, number, number]
        self.decode.restype = number
        # Since 1.5; it is only asked in order to count.
        self.packet_has_lbrr = getattr(library, "opus_packet_has_lbrr", None)
        if self.packet_has_lbrr is not None:
            self.packet_has_lbrr.argtypes, self.packet_has_lbrr.restype = [ctypes.c_char_p, count], number


def _candidates() -> list[str]:
    """Where wheels of PyAV keep it on Linux and Windows (`av.libs`) and macOS (`av/.dylibs`), then the system's."""
    found: list[str] = []
    spec = find_spec("av")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for place in (Path(folder).parent / "av.libs", Path(folder) / ".dylibs"):
            if place.is_dir():
                found += sorted(str(path) for path in place.iterdir() if _FILE_NAME.fullmatch(path.name))
    return found


def _usable(path: str) -> _Library | None:
    try:
        library = _Library(path)
    except (OSError, AttributeError):
        return None
    version = re.match(rb"libopus (\d+)\.(\d+)", library.version() or b"")
    return library if version and (int(version[1]), int(version[2])) >= _OLDEST else None


@lru_cache(maxsize=1)
def _library() -> _Library | None:
    for path in _candidates():
        if library := _usable(path):
            return library
    system = ctypes.util.find_library("opus")
    return _usable(system) if system else None


def library_version() -> str | None:
    """As libopus says it, "libopus 1.6.1"; None where none is usable."""
    library = _library()
    return library.version().decode("ascii", "replace") if library else None


def _loaded() -> _Library:
    library = _library()
    if library is None:
        raise EngineError("libopus was not found, neither in the package av nor in the system")
    return library


class LibopusEncoder:
    """One stream: `LOW_DELAY` or `VOIP`, `bitrate` in bits per second, `complexity` 0 to 10. Raises EngineError."""

    def __init__(self, application: int, *, bitrate: int, complexity: int, loss: float = 0.0) -> None:
        """`loss` (0 to 1) above 0 adds in-band error correction for that much of it; VOIP only."""
        self._library = _loaded()
        error = ctypes.c_int()
        self._state = self._library.encoder_create(INTERNAL_RATE_HZ, 1, application, ctypes.byref(error))
        if not self._state:
            raise EngineError(f"libopus made no encoder: error {error.value}")
        weakref.finalize(self, self._library.encoder_destroy, self._state)
        # Buffers of our own: what callers hand over is copied, so its layout and lifetime do not matter.
        self._pcm = np.zeros(LONGEST, np.int16)
        self._pcm_at = self._pcm.ctypes.data
        self._payload = ctypes.create_string_buffer(_MAX_PAYLOAD)
        self._payload_at = ctypes.addressof(self._payload)
        self._control(_SET_BITRATE, bitrate)
        self._control(_SET_COMPLEXITY, complexity)
        self.expect_loss(loss)

    def encode(self, samples: Samples) -> bytes:
        """One packet of 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms."""
        count = len(samples)
        if count > LONGEST:
            raise ValueError(f"no Opus packet holds {count} samples")
        self._pcm[:count] = samples
        length = self._library.encode(self._state, self._pcm_at, count, self._payload_at, _MAX_PAYLOAD)
        if length <= 0:
            raise EngineError(f"libopus did not encode {count} samples: error {length}")
        return self._payload.raw[:length]

    def reset(self) -> None:
        """As newly made, with the same settings."""
        self._control(_RESET)

    def expect_loss(self, loss: float) -> None:
        self._control(_SET_FEC, int(loss > 0))
        self._control(_SET_LOSS, min(round(loss * 100), 100))

    def _control(self, request: int, *value: int) -> None:
        error = self._library.encoder_ctl(self._state, request, *map(ctypes.c_int, value))
        if error:
            raise EngineError(f"libopus refused setting {request}: error {error}")


class LibopusDecoder:
    """One stream, mono or stereo in (libopus itself mixes down), any frame size. Raises EngineError when not made."""

    def __init__(self) -> None:
        self._library = _loaded()
        error = ctypes.c_int()
        self._state = self._library.decoder_create(INTERNAL_RATE_HZ, 1, ctypes.byref(error))
        if not self._state:
            raise EngineError(f"libopus made no decoder: error {error.value}")
        weakref.finalize(self, self._library.decoder_destroy, self._state)
        self._pcm = np.zeros(LONGEST, np.int16)
        self._pcm_at = self._pcm.ctypes.data

    def decode(self, payload: bytes) -> Samples:
        """Raises UndecodablePacket; the stream goes on."""
        if not payload:
            raise UndecodablePacket("an empty Opus packet")  # to libopus it would mean one that was lost
        return self._decoded(payload, LONGEST, corrected=False)

    def conceal(self, samples: int) -> Samples:
        """What might have been in a lost packet of up to `LONGEST` samples, a multiple of `CONCEALMENT_STEP`."""
        return self._decoded(None, samples, corrected=False)

    def recover(self, next_payload: bytes, samples: int) -> Samples:
        """The same, the end of it from the error correction in the packet after the gap, where that has any.

        Raises UndecodablePacket.
        """
        return self._decoded(next_payload, samples, corrected=True)

    def corrects(self, payload: bytes) -> bool:
        """Does this packet carry the sound of the one before it?"""
        has_lbrr = self._library.packet_has_lbrr
        return has_lbrr is not None and has_lbrr(payload, len(payload)) > 0

    def _decoded(self, payload: bytes | None, samples: int, *, corrected: bool) -> Samples:
        if not 0 < samples <= LONGEST:
            raise ValueError(f"no Opus packet holds {samples} samples")
        length = len(payload) if payload is not None else 0
        count = self._library.decode(self._state, payload, length, self._pcm_at, samples, corrected)
        if count <= 0:
            raise UndecodablePacket(f"not an Opus packet: error {count}")
        return self._pcm[:count].copy()
