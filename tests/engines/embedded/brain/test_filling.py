from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from engines.embedded.brain.conversation import NOW
from engines.embedded.brain.evaluation_set import (
    ALARM,
    FLIGHTS,
    HEATING,
    LIGHT,
    MESSAGE,
    MONEY,
    MUSIC,
    ORDER,
    REMINDER,
    SHOPPING,
    STOCK,
    TABLE,
    TIMER,
    TRANSLATE,
    WEATHER,
)
from voicebridge.core.engine_io import FunctionTool
from voicebridge.engines.embedded.brain.functions.filling import fill
from voicebridge.engines.embedded.brain.functions.schema import read_function

CASES: list[tuple[FunctionTool, str, list[dict[str, Any]]]] = [
    (WEATHER, "What's the weather in Paris?", [{"location": "Paris"}]),
    (WEATHER, "whats the weather like in new york today", [{"location": "New York"}]),
    (WEATHER, "weather in Paris and in Rome", [{"location": "Paris"}, {"location": "Rome"}]),
    (WEATHER, "How is the weather in Paris, France?", [{"location": "Paris, France"}]),
    (WEATHER, "How warm is it in Berlin in celsius?", [{"location": "Berlin", "unit": "celsius"}]),
    (LIGHT, "Turn off the kitchen light", [{"room": "kitchen", "state": "off"}]),
    (LIGHT, "Switch on the light in the living room, please", [{"room": "living_room", "state": "on"}]),
    (TIMER, "Set a timer for ten minutes", [{"duration_seconds": 600}]),
    (TIMER, "timer for 1 hour and 30 minutes", [{"duration_seconds": 5400}]),
    (TIMER, "set a timer for two and a half minutes", [{"duration_seconds": 150}]),
    (TIMER, "set a timer for half an hour", [{"duration_seconds": 1800}]),
    (ALARM, "Wake me up at seven tomorrow morning", [{"time": "07:00", "date": "2026-11-22"}]),
    (ALARM, "Set an alarm for half past eight", [{"time": "08:30"}]),
    (
        MESSAGE,
        "Send a message to Anna saying I will be late at seven",
        [{"recipient": "Anna", "message": "I will be late at seven"}],
    ),
    (MESSAGE, "Text Bob that dinner is ready", [{"recipient": "Bob", "message": "dinner is ready"}]),
    (TABLE, "Book a table for four at 7 pm tomorrow", [{"party_size": 4, "time": "19:00", "date": "2026-11-22"}]),
    (TABLE, "Reserve a table for two at eight tonight", [{"party_size": 2, "time": "20:00", "date": "2026-11-21"}]),
    (MUSIC, "Play Yesterday by the Beatles", [{"song": "Yesterday", "artist": "the Beatles"}]),
    (SHOPPING, "Add milk, eggs and bread to my shopping list", [{"items": ["milk", "eggs", "bread"]}]),
    (TRANSLATE, "How do you say thank you in Spanish?", [{"text": "thank you", "target_language": "Spanish"}]),
    (MONEY, "Convert 100 dollars to euros", [{"amount": 100, "from_currency": "USD", "to_currency": "EUR"}]),
    (
        FLIGHTS,
        "Find a flight from Berlin to London on Friday",
        [{"origin": "Berlin", "destination": "London", "date": "2026-11-27"}],
    ),
    (FLIGHTS, "I need flights to Rome", [{"destination": "Rome"}]),
    (
        REMINDER,
        "Remind me to water the plants tomorrow at 5 pm",
        [{"text": "water the plants", "when": "2026-11-22T17:00:00+01:00"}],
    ),
    (REMINDER, "Remind me in 20 minutes to call mom", [{"text": "call mom", "when": "2026-11-21T15:25:00+01:00"}]),
    (ORDER, "Where is my order AB-9921?", [{"order_number": "AB-9921"}]),
    (HEATING, "Set the temperature to 21.5 degrees", [{"temperature": 21.5}]),
    (STOCK, "What's the price of AAPL?", [{"symbol": "AAPL"}]),
]


@pytest.mark.parametrize(("tool", "words", "calls"), CASES, ids=[case[1] for case in CASES])
def test_arguments_are_taken_from_the_words(tool: FunctionTool, words: str, calls: list[dict[str, Any]]) -> None:
    assert fill(read_function(tool), words, datetime.fromisoformat(NOW)).calls() == calls


def test_required_arguments_that_are_not_named_are_missing() -> None:
    assert [slot.name for slot in fill(read_function(FLIGHTS), "I need flights to Rome", None).missing] == ["origin"]


def test_nested_objects_and_defaults() -> None:
    tool = FunctionTool(
        "ship_parcel",
        "Ship a parcel",
        {
            "type": "object",
            "required": ["address", "speed"],
            "properties": {
                "address": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                    "required": ["city"],
                },
                "speed": {"type": "string", "enum": ["standard", "express"], "default": "standard"},
                "insured": {"type": "boolean"},
            },
        },
    )
    filled = fill(read_function(tool), "Ship a parcel to Oslo, insured", None)
    assert filled.calls() == [{"address": {"city": "Oslo"}, "insured": True, "speed": "standard"}]
