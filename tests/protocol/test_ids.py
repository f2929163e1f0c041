from __future__ import annotations

import re

import pytest

from voicebridge.protocol.ids import IdFactory


@pytest.mark.parametrize("prefix", ["sess", "event", "item", "resp", "conv", "call"])
def test_an_id_says_what_it_names(prefix: str) -> None:
    assert re.fullmatch(prefix + "_[A-Za-z0-9]{21}", IdFactory().new(prefix))


def test_ids_do_not_repeat() -> None:
    ids = IdFactory()
    assert len({ids.new("event") for _ in range(10_000)}) == 10_000
    assert IdFactory().new("item") != IdFactory().new("item")


def test_a_seed_makes_them_again() -> None:
    one, other = IdFactory(seed=5), IdFactory(seed=5)
    assert [one.new("item") for _ in range(5)] == [other.new("item") for _ in range(5)]
