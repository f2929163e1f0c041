from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.errors import MalformedEvent
from voicebridge.protocol.json_text import MAX_DEPTH, check_depth, json_object

WRITABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), WRITABLE), st.booleans())
def test_every_object_that_json_can_write_is_read(value: dict[str, Any], ascii_only: bool) -> None:
    assert json_object(json.dumps(value, ensure_ascii=ascii_only)) == value


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"a": NaN}', '{"a": 1e400}', r'{"a": "\ud800"}', r'{"\udfff": 1}']
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        json_object(text)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [1, inner]])
def test_depth_is_counted_in_objects_and_arrays(wrap: Any) -> None:
    value: Any = wrap(5)
    for _ in range(MAX_DEPTH - 1):
        value = wrap(value)
    check_depth(value)
    with pytest.raises(MalformedEvent):
        check_depth(wrap(value))
