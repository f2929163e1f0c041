"""Input transcription (S10, S11)."""

from __future__ import annotations

from core.scenario import (
    TURN,
    Scenario,
    texts,
)
from voicebridge.core.engine_io import (
    TokenLogprob,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
)


def test_s10_a_failed_transcription_is_told_by_its_own_event() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    s.turn()
    assert s.transcribe(TranscriptDelta("um"), TranscriptFailed("audio_unintelligible", "No words.")) == (
        "transcription.delta transcription.failed"
    )
    failed = s.last("transcription.failed")
    assert failed["error"]["code"] == "audio_unintelligible"
    assert s.transcribe(TranscriptDone("late")) == ""


def test_s10_transcriptions_may_end_out_of_turn_and_fill_their_items() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1", "language": "de", "prompt": "Zahlen"}}})
    s.turn()
    s.turn()
    assert [(u.model, u.language, u.prompt) for u in s.utterances] == [("whisper-1", "de", "Zahlen")] * 2
    s.transcribe(TranscriptDone("two"), utterance=1)
    s.transcribe(TranscriptDone("one"), utterance=0)
    first, second = (utterance.item_id for utterance in s.utterances)
    assert [event["item_id"] for event in s.all("transcription.completed")] == [second, first]
    s.send({"type": "conversation.item.retrieve", "item_id": first})
    assert s.last("item.retrieved")["item"]["content"][0]["transcript"] == "one"
    s.send({"type": "response.cancel"})
    s.ask()
    assert texts(s.asks[-1]) == ["user: one", "user: two"]


def test_logprobs_are_sent_when_included() -> None:
    s = Scenario(
        audio={"input": {"transcription": {"model": "whisper-1"}}}, include=["item.input_audio_transcription.logprobs"]
    )
    s.turn()
    tokens = (TokenLogprob("hé", -0.5),)
    s.transcribe(TranscriptDelta("hé", tokens), TranscriptDone("hé", tokens))
    expected = [{"token": "hé", "logprob": -0.5, "bytes": [104, 195, 169]}]
    assert s.last("transcription.delta")["logprobs"] == s.last("transcription.completed")["logprobs"] == expected


def test_a_deleted_item_still_gets_the_end_of_its_transcription() -> None:
    s = Scenario(audio={"input": {"transcription": {"model": "whisper-1"}}})
    s.turn()
    s.send({"type": "conversation.item.delete", "item_id": s.utterances[0].item_id})
    assert s.transcribe(TranscriptDone("gone")) == "transcription.completed"


def test_s11_a_transcription_session_never_responds() -> None:
    s = Scenario("transcription", audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert s.turn() == TURN
    assert s.transcribe(TranscriptDelta("a"), TranscriptDone("a")) == "transcription.delta transcription.completed"
    assert s.ask() == "error"
    assert s.error["code"] == "invalid_value"
    assert s.asks == []
