"""Which answers sound, on calls whose playback is ours (protocol 3.9, S7, S8, S12, S14).

An answer is made in one machine and heard in another: the first ends with `response.done`, the second with exactly one
`output_audio_buffer.stopped` or `cleared`. What of it had gone out by then is all that anybody heard.
"""

from __future__ import annotations

from collections.abc import Collection

from voicebridge.core.io import (
    ClearPlayout,
    Emit,
    Output,
    PlayoutCleared,
    PlayoutDrained,
    PlayoutStarted,
    Speech,
    SpeechEnded,
)
from voicebridge.core.item_requests import ItemRequests
from voicebridge.protocol.client_events import ResponseParams
from voicebridge.protocol.ids import IdFactory
from voicebridge.protocol.server_events import (
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    ResponseDone,
)


class Playback:
    """Follows responses from their first sound to the last. Where playback is not ours, nothing ever sounds."""

    def __init__(self, requests: ItemRequests, ids: IdFactory, *, ours: bool) -> None:
        self.ours = ours
        self._requests = requests
        self._ids = ids
        self._started: dict[str, bool] = {}  # the responses that sound or are about to; has it been said?
        self._unfinished: set[str] = set()  # the responses that have spoken and may go on

    @property
    def sounding(self) -> Collection[str]:
        """The responses whose sound has not all gone out."""
        return self._started.keys()

    def follow(self, outputs: list[Output]) -> list[Output]:
        """Learn from the session's outputs what sounds; says where the speech of a response has ended."""
        if not self.ours:
            return outputs
        followed: list[Output] = []
        for output in outputs:
            followed.append(output)
            match output:
                case Speech(response_id=response_id, samples=samples) if len(samples):
                    self._started.setdefault(response_id, False)
                    self._unfinished.add(response_id)
                case Emit(ResponseDone(response=response)) if response.id in self._unfinished:
                    self._unfinished.remove(response.id)
                    followed.append(SpeechEnded(response.id))
        return followed

    def clear(self) -> list[Output]:
        """Nothing of what sounds now shall be heard any more."""
        return [ClearPlayout()] if self._started else []

    def take(self, report: PlayoutStarted | PlayoutDrained | PlayoutCleared) -> list[Output]:
        """What clients are told of it. Reports of responses that do not sound are ignored."""
        response_id = report.response_id
        if response_id not in self._started:
            return []
        match report:
            case PlayoutStarted():
                self._started[response_id] = True
                return [Emit(OutputAudioBufferStarted(event_id=self._ids.new("event"), response_id=response_id))]
            case PlayoutDrained():
                if not self._started.pop(response_id):
                    return []
                return [Emit(OutputAudioBufferStopped(event_id=self._ids.new("event"), response_id=response_id))]
            case PlayoutCleared(played=played):
                outputs: list[Output] = []
                if self._started.pop(response_id):
                    cleared = OutputAudioBufferCleared(event_id=self._ids.new("event"), response_id=response_id)
                    outputs.append(Emit(cleared))
                for part in played:
                    outputs += self._requests.cut(part)
                return outputs

    def aside(self, params: ResponseParams, *, making: bool) -> ResponseParams:
        """Answers out of band are written while another one sounds or is made: nobody can listen to two (S12)."""
        if not self.ours or params.conversation != "none" or not (making or self._started):
            return params
        return params.model_copy(update={"output_modalities": ["text"]})
