from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebridge.errors import CapacityReached
from voicebridge.state import InMemoryState, State


class Wall:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def state(wall: Wall) -> State:
    return InMemoryState(wall)


async def test_one_of_many_claims_succeeds(state: State) -> None:
    assert sum(await asyncio.gather(*(state.claim_once("t", 1060) for _ in range(100)))) == 1


async def test_claims_are_independent_and_forgotten_at_their_end(state: State, wall: Wall) -> None:
    assert await state.claim_once("a", 1060)
    assert await state.claim_once("b", 1060)
    wall.now = 1059.9
    assert not await state.claim_once("a", 1060)
    wall.now = 1060.0
    assert not await state.claim_once("a", 1060), "an end in the past cannot be claimed"
    assert await state.claim_once("a", 1100)


async def test_calls_have_one_holder(state: State, wall: Wall) -> None:
    assert await state.hold_call("c", "one", 10)
    assert not await state.hold_call("c", "two", 10)
    assert await state.holder_of("c") == "one"
    wall.now += 8
    assert await state.hold_call("c", "one", 10), "holding again renews"
    wall.now += 8
    assert await state.holder_of("c") == "one"
    wall.now += 2
    assert await state.holder_of("c") is None
    assert await state.hold_call("c", "two", 10)


async def test_only_the_holder_releases(state: State) -> None:
    await state.hold_call("c", "one", 10)
    await state.release_call("c", "two")
    assert await state.holder_of("c") == "one"
    await state.release_call("c", "one")
    assert await state.holder_of("c") is None
    await state.release_call("c", "one")


async def test_groups_have_limits(state: State) -> None:
    entered = await asyncio.gather(*(state.enter("g", str(i), limit=3, ttl_s=60) for i in range(10)))
    assert sum(entered) == 3
    assert await state.enter("g", "0", limit=3, ttl_s=60), "who is in may enter again"
    await state.leave("g", "0")
    await state.leave("g", "nobody")
    assert await state.count("g") == 2
    assert await state.enter("g", "new", limit=3, ttl_s=60)
    assert await state.enter("elsewhere", "new", limit=3, ttl_s=60)


async def test_a_limit_of_nought_is_no_limit(state: State) -> None:
    assert all([await state.enter("g", str(i), limit=0, ttl_s=60) for i in range(100)])


async def test_members_that_a_crash_left_behind_expire(state: State, wall: Wall) -> None:
    assert await state.enter("g", "lost", limit=1, ttl_s=60)
    wall.now += 60
    assert await state.count("g") == 0
    assert await state.enter("g", "next", limit=1, ttl_s=60)


async def test_usage_adds_up(state: State) -> None:
    await state.add_usage("k", {"input_tokens": 3, "output_tokens": 1})
    await state.add_usage("k", {"input_tokens": 4})
    assert await state.usage("k") == {"input_tokens": 7, "output_tokens": 1}
    assert await state.usage("other") == {}


async def test_memory_is_bounded(wall: Wall) -> None:
    state = InMemoryState(wall, bound=3)
    for name in "abc":
        await state.claim_once(name, 1060)
        await state.enter(name, "m", limit=0, ttl_s=60)
        await state.add_usage(name, {"n": 1})
    with pytest.raises(CapacityReached):
        await state.claim_once("d", 1060)
    with pytest.raises(CapacityReached):
        await state.enter("d", "m", limit=0, ttl_s=60)
    with pytest.raises(CapacityReached):
        await state.add_usage("d", {"n": 1})
    wall.now = 1060
    assert await state.claim_once("d", 1100)
    assert await state.enter("d", "m", limit=0, ttl_s=60)


async def test_renewing_for_ever_keeps_nothing_behind(wall: Wall) -> None:
    state = InMemoryState(wall, bound=4)
    for _ in range(1000):
        wall.now += 1
        assert await state.hold_call("c", "one", 3600)
    assert len(state._calls._ends) <= 2 * 4 + 64


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "leave", "wait"])), max_size=40))
async def test_counts_follow_a_simple_model(steps: list[tuple[str, str]]) -> None:
    wall = Wall()
    state = InMemoryState(wall)
    inside: dict[str, float] = {}
    for member, step in steps:
        if step == "wait":
            wall.now += 4
        inside = {name: until for name, until in inside.items() if until > wall.now}
        if step == "enter":
            allowed = member in inside or len(inside) < 2
            assert await state.enter("g", member, limit=2, ttl_s=10) is allowed
            if allowed:
                inside[member] = wall.now + 10
        elif step == "leave":
            await state.leave("g", member)
            inside.pop(member, None)
        assert await state.count("g") == len(inside)
