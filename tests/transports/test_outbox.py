from __future__ import annotations

import asyncio

from voicebridge.transports.outbox import Outbox


async def test_frames_come_out_in_order_and_then_the_end() -> None:
    outbox = Outbox(100)
    for frame in ("a", "b", "c"):
        outbox.put(frame)
    outbox.close()
    assert [await outbox.get() for _ in range(5)] == ["a", "b", "c", None, None]
    assert outbox.dropped == 0


async def test_get_waits_for_a_frame() -> None:
    outbox = Outbox(100)
    async with asyncio.TaskGroup() as tasks:
        got = tasks.create_task(outbox.get())
        await asyncio.sleep(0)
        assert not got.done()
        outbox.put("late")
    assert got.result() == "late"


async def test_get_waits_for_the_end() -> None:
    outbox = Outbox(100)
    async with asyncio.TaskGroup() as tasks:
        got = tasks.create_task(outbox.get())
        await asyncio.sleep(0)
        outbox.close()
    assert got.result() is None


async def test_one_frame_too_many_ends_it_and_everything_not_taken_is_counted() -> None:
    outbox = Outbox(5)
    outbox.put("123")
    outbox.put("45")
    assert not outbox.overflowed
    outbox.put("6")
    outbox.put("7")
    assert outbox.overflowed
    assert outbox.dropped == 2
    assert await outbox.get() is None


async def test_an_overflow_wakes_whoever_waits() -> None:
    outbox = Outbox(1)
    async with asyncio.TaskGroup() as tasks:
        got = tasks.create_task(outbox.get())
        await asyncio.sleep(0)
        outbox.put("too long")
    assert got.result() is None


async def test_room_is_given_back_by_what_was_taken() -> None:
    outbox = Outbox(3)
    for _ in range(10):
        outbox.put("abc")
        assert outbox.queued_bytes == 3
        assert await outbox.get() == "abc"
    assert outbox.queued_bytes == 0
    assert not outbox.overflowed


async def test_after_the_end_nothing_is_taken() -> None:
    outbox = Outbox(10)
    outbox.close()
    outbox.put("late")
    assert await outbox.get() is None
    assert outbox.dropped == 1
