"""From the protocol's names of audio formats to the audio package's."""

from __future__ import annotations

from voicebridge.audio.codec import decode
from voicebridge.audio.encoding import PCMA, PCMU, AudioEncoding
from voicebridge.audio.samples import Samples
from voicebridge.protocol.formats import AudioFormat, Pcm, Pcmu


def audio_encoding(audio_format: AudioFormat, pcm_channels: int = 1) -> AudioEncoding:
    """How the format's bytes are laid out. `pcm_channels`: 2 where clients append stereo PCM."""
    if isinstance(audio_format, Pcm):
        return AudioEncoding("pcm16", audio_format.rate, pcm_channels)
    return PCMU if isinstance(audio_format, Pcmu) else PCMA


def decoded(data: bytes, audio_format: AudioFormat) -> Samples:
    """A whole recording, at 24 kHz mono."""
    return decode(data, audio_encoding(audio_format))
