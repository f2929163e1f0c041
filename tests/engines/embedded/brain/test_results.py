from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.engines.embedded.brain.functions.results import speak_result, speak_results
from voicebridge.engines.embedded.brain.types import Turn


@pytest.mark.parametrize(
    ("output", "spoken"),
    [
        (
            '{"temperature": 18, "unit": "celsius", "condition": "sunny"}',
            "The temperature is eighteen degrees Celsius and the condition is sunny.",
        ),
        ('{"location": "Paris", "wind_speed_kmh": 12}', "In Paris, the wind speed is twelve kilometers per hour."),
        ('{"price": 1, "currency": "USD"}', "The price is one dollar."),
        ("Your table is booked.", "Your table is booked."),
        ('{"ok": true, "message": "The light is off now"}', "The light is off now."),
        ('["milk", "eggs", "bread"]', "Milk, eggs and bread."),
        (
            '[{"name": "Luigi", "rating": 4.5}, {"name": "Da Toni"}]',
            "There are two results. Luigi: the rating is four point five. Da Toni.",
        ),
        ('{"results": []}', "Nothing was found."),
        ('{"is_open": true, "has_parking": false}', "It is open and it does not have parking."),
        ('{"date": "2026-11-24"}', "The date is Tuesday, November 24th, 2026."),
        ("ok", "That is done."),
        ("", "That is done."),
        ("true", "That is done."),
        ('{"success": true}', "That is done."),
        ('{"error": {"message": "timeout"}}', "That did not work: timeout."),
        ('{"success": false, "message": "No such room"}', "That did not work: No such room."),
        ("42", "The answer is forty-two."),
    ],
)
def test_results_become_sentences(output: str, spoken: str) -> None:
    assert speak_result(output) == spoken


def test_several_results_name_what_they_are_for() -> None:
    calls = [Turn("call", '{"city": "Paris"}', "w", "1"), Turn("call", '{"city": "Rome"}', "w", "2")]
    results = [Turn("result", '{"temp_c": 9}', "", "1"), Turn("result", '{"temp_c": 16}', "", "2")]
    assert speak_results(calls, results) == (
        "For Paris: The temperature is nine degrees Celsius. For Rome: The temperature is sixteen degrees Celsius."
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_spoken_without_markup(value: object) -> None:
    spoken = speak_result(json.dumps(value))
    assert spoken
    assert not set("{}[]*#`") & set(spoken) or set("{}[]*#`") & set(json.dumps(value, ensure_ascii=False))
