"""The session's settings as they stand, and what they mean for hearing and answering."""

from __future__ import annotations

from voicebridge.core.io import Listen
from voicebridge.errors import InvalidEvent
from voicebridge.protocol.formats import AudioFormat
from voicebridge.protocol.session_config import RealtimeSession, Session, SessionDefaults, TurnDetection, updated
from voicebridge.protocol.session_input import SessionPatch


class Settings:
    """Changed by `session.update`, all at once or not at all."""

    def __init__(self, session: Session, defaults: SessionDefaults) -> None:
        self.session = session
        self._defaults = defaults

    def update(self, patch: SessionPatch, *, voice_locked: bool) -> bool:
        """Apply it, or raise ClientError. Returns whether there is something new to `listen` for."""
        before = self.session.audio.input
        self.session = updated(self.session, patch, self._defaults, voice_locked=voice_locked)
        now = self.session.audio.input
        return before.format != now.format or before.turn_detection != now.turn_detection

    def listen(self) -> Listen:
        return Listen(self.session.audio.input.format, detect=self.detection is not None)

    @property
    def detection(self) -> TurnDetection | None:
        return self.session.audio.input.turn_detection

    @property
    def answering(self) -> bool:
        """Does the end of a turn ask for a response?"""
        detection = self.detection
        return detection is not None and detection.create_response

    @property
    def interrupting(self) -> bool:
        """Does the speaker's voice stop ours?"""
        detection = self.detection
        return detection is not None and detection.interrupt_response

    @property
    def transcript_logprobs(self) -> bool:
        return "item.input_audio_transcription.logprobs" in (self.session.include or ())

    @property
    def heard_format(self) -> AudioFormat:
        return self.session.audio.input.format

    @property
    def spoken_format(self) -> AudioFormat:
        return self.session.audio.output.format if isinstance(self.session, RealtimeSession) else self.heard_format

    def conversing(self) -> RealtimeSession:
        """The session, where it may respond; else InvalidEvent."""
        if not isinstance(self.session, RealtimeSession):
            raise InvalidEvent(
                "'response.create' is not possible in a transcription session: it never responds.",
                code="invalid_value",
                param="type",
            )
        return self.session
