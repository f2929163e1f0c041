"""Which responses run, wait, are refused and are cancelled (S8, S12)."""

from __future__ import annotations

import pytest

from core.scenario import (
    CLOSE_AUDIO,
    DONE,
    PIECE,
    Scenario,
    speech,
    texts,
)
from voicebridge.core.engine_io import (
    EngineDone,
    TextDelta,
)
from voicebridge.core.responding import ResponseRules
from voicebridge.core.session import SessionLimits


def test_s8_cancel_closes_what_is_open() -> None:
    s = Scenario()
    s.ask()
    s.make(speech("Hello", 200))
    assert s.send({"type": "response.cancel"}) == f"{CLOSE_AUDIO} {DONE}"
    assert s.response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert s.response["output"][0]["status"] == "incomplete"
    assert s.make(speech(" you", 200), EngineDone()) == ""


def test_s8_cancel_before_anything_was_made() -> None:
    s = Scenario()
    s.ask()
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == DONE


@pytest.mark.parametrize("response_id", [None, "resp_unknown"])
def test_cancelling_nothing_is_an_error(response_id: str | None) -> None:
    s = Scenario()
    assert s.send({"type": "response.cancel", "response_id": response_id, "event_id": "c1"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("response_cancel_not_active", "c1")


def test_cancelling_a_finished_response_is_an_error() -> None:
    s = Scenario()
    s.ask()
    s.make(EngineDone())
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == "error"


def test_s12_a_response_aside_leaves_no_trace_and_may_overlap() -> None:
    s = Scenario()
    s.write("main")
    s.ask()
    s.make(speech("a", 100))
    assert s.ask(conversation="none", metadata={"topic": "x"}, output_modalities=["text"]) == "response.created"
    created = s.last("response.created")["response"]
    assert (created["conversation_id"], created["metadata"]) == (None, {"topic": "x"})
    assert s.make(TextDelta("aside"), response=1) == "output_item.added part.added text.delta"
    assert s.make(speech(" b", 100), response=0) == PIECE
    assert s.make(EngineDone(), response=1) == f"text.done part.done output_item.done {DONE}"
    assert s.response["metadata"] == {"topic": "x"}
    assert s.make(EngineDone(), response=0) == f"{CLOSE_AUDIO} {DONE}"
    s.ask()
    assert texts(s.asks[-1]) == ["user: main", "assistant: a b"]


def test_s12_only_its_id_cancels_a_response_aside() -> None:
    s = Scenario()
    s.ask(conversation="none")
    assert s.send({"type": "response.cancel"}) == "error"
    assert s.send({"type": "response.cancel", "response_id": s.asks[0].response_id}) == DONE


def test_there_are_only_so_many_responses_aside() -> None:
    s = Scenario(limits=SessionLimits(responses=ResponseRules(2, queue_second=False, rate_limits=())))
    s.ask(conversation="none")
    s.ask(conversation="none")
    assert s.ask(conversation="none") == "error"
    assert s.error["code"] == "rate_limit_exceeded"
    s.make(EngineDone(), response=0)
    assert s.ask(conversation="none") == "response.created"


def test_a_second_response_is_refused_while_one_is_active() -> None:
    s = Scenario()
    s.turn()
    assert s.send({"type": "response.create", "event_id": "r2"}) == "error"
    assert (s.error["code"], s.error["event_id"]) == ("conversation_already_has_active_response", "r2")
    assert "response.create" in s.error["message"]
    assert s.asks[0].response_id in s.error["message"]


def queueing() -> Scenario:
    return Scenario(limits=SessionLimits(responses=ResponseRules(2, queue_second=True, rate_limits=())))


def test_a_second_response_waits_where_that_is_configured() -> None:
    s = queueing()
    s.ask(metadata={"n": "1"})
    assert s.ask(metadata={"n": "2"}) == ""
    assert s.ask(metadata={"n": "3"}) == ""
    assert s.ask(metadata={"n": "4"}) == "error"
    assert s.make(EngineDone()).endswith("response.done response.created")
    assert s.make(EngineDone()).endswith("response.done response.created")
    assert [event["response"]["metadata"]["n"] for event in s.all("response.created")] == ["1", "2", "3"]


def test_a_response_that_cannot_begin_when_its_turn_comes_is_an_error_that_cites_its_event() -> None:
    s = queueing()
    s.write("hello")
    item_id = s.last("item.added")["item"]["id"]
    s.ask()
    reference = {"input": [{"type": "item_reference", "id": item_id}]}
    s.send({"type": "response.create", "event_id": "second", "response": reference})
    assert s.ask(metadata={"n": "third"}) == ""
    s.send({"type": "conversation.item.delete", "item_id": item_id})
    assert s.make(EngineDone()).endswith("response.done error response.created")
    assert s.error["event_id"] == "second"
    assert s.response["status"] == "completed"
