"""The work queue in virtual time: order, delays, urgency, and one worker for each key."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isheep.kube.queue import WorkQueue

from .virtual_time import monotonic, run_in_virtual_time

SHORT = st.integers(0, 12).map(lambda quarters: quarters / 4)


async def taken(queue: WorkQueue, seconds: float = 1000.0) -> str | None:
    """Return the key that can be taken within some seconds, or None."""
    try:
        return await asyncio.wait_for(queue.take(), seconds)
    except TimeoutError:
        return None


def test_keys_are_taken_in_the_order_in_which_they_are_due() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        queue.wake("late", 5)
        queue.wake("now")
        queue.wake("soon", 2)
        queue.wake("also now")
        found = [(await queue.take(), monotonic()) for _ in range(4)]
        assert found == [("now", 0), ("also now", 0), ("soon", 2), ("late", 5)]

    run_in_virtual_time(work())


@pytest.mark.parametrize(
    ("delays", "due"),
    [((5, 2), 2), ((2, 5), 2), ((0, 5), 0), ((5, 0), 0), ((3, 3), 3), ((-7, 4), 0), ((9, 4, 6), 4)],
)
def test_the_earliest_time_wins(delays: tuple[float, ...], due: float) -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        for delay in delays:
            queue.wake("a", delay)
        assert await queue.take() == "a"
        assert monotonic() == due
        queue.done("a")
        # The take has cleared the other times.
        assert await taken(queue) is None

    run_in_virtual_time(work())


def test_a_worker_for_urgent_keys_takes_no_other_keys() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        queue.wake("new")
        queue.wake("ended", 3, urgent=True)
        queue.wake("new, then ended")
        queue.wake("new, then ended", urgent=True)
        found = [await queue.take(only_urgent=True) for _ in range(2)]
        assert (found, monotonic()) == (["new, then ended", "ended"], 3)
        idle = asyncio.create_task(queue.take(only_urgent=True))
        await asyncio.sleep(1)
        assert not idle.done()
        assert await queue.take() == "new"
        # A waiting worker gets a key that becomes urgent.
        queue.done("new")
        queue.wake("new", urgent=True)
        assert await idle == "new"

    run_in_virtual_time(work())


def test_urgent_keys_are_taken_before_other_keys_that_are_due() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        for number in range(3):
            queue.wake(f"new {number}")
        queue.wake("an hour later", 3600, urgent=True)
        queue.wake("ended", urgent=True)
        queue.wake("new 2", urgent=True)
        queue.wake("new 2")
        found = [await queue.take() for _ in range(4)]
        assert found == ["ended", "new 2", "new 0", "new 1"]
        # A key that was urgent is an ordinary key after the take.
        queue.done("new 2")
        queue.done("new 1")
        queue.wake("new 1")
        queue.wake("new 2")
        queue.wake("ended just now", urgent=True)
        assert await queue.take() == "ended just now"
        assert {await queue.take(), await queue.take()} == {"new 1", "new 2"}
        assert (await taken(queue, 4000), monotonic()) == ("an hour later", 3600)

    run_in_virtual_time(work())


def test_a_waiting_worker_takes_a_key_that_becomes_due_earlier() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        queue.wake("a", 100)
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(1)
        queue.wake("b", 3)
        assert (await waiting, monotonic()) == ("b", 4)

    run_in_virtual_time(work())


@pytest.mark.parametrize(("delay", "due"), [(0, 10), (5, 10), (20, 21)])
def test_a_key_that_is_woken_during_its_work_is_due_again_afterwards(
    delay: float, due: float
) -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        queue.wake("a")
        assert await queue.take() == "a"
        await asyncio.sleep(1)
        queue.wake("a", delay)
        assert await taken(queue, 9) is None
        assert queue.waiting() == 0
        queue.done("a")
        assert (await taken(queue), monotonic()) == ("a", due)

    run_in_virtual_time(work())


def test_a_key_that_is_not_woken_during_its_work_is_not_due_again() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        queue.wake("a")
        queue.done(await queue.take())
        assert await taken(queue) is None

    run_in_virtual_time(work())


def test_waiting_keys_are_due_and_not_taken() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        for key, delay in (("a", 0), ("b", 0), ("c", 5)):
            queue.wake(key, delay)
        assert queue.waiting() == 2
        assert await queue.take() == "a"
        assert queue.waiting() == 1
        await asyncio.sleep(5)
        assert queue.waiting() == 2
        queue.wake("a")
        assert queue.waiting() == 2
        queue.done("a")
        assert queue.waiting() == 3

    run_in_virtual_time(work())


def test_a_cancelled_worker_takes_no_key() -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)
        waiting = [asyncio.create_task(queue.take()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.wake("a")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await taken(queue) == "a"

    run_in_virtual_time(work())


@pytest.mark.parametrize("cycles", range(5))
def test_cancelled_workers_end(cycles: int) -> None:
    async def work() -> None:
        queue = WorkQueue(monotonic)

        async def worker() -> None:
            while True:
                queue.done(await queue.take())

        tasks = [asyncio.create_task(worker()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.wake("a")
        for _ in range(cycles):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=10)
        for task in left:
            task.cancel()
        assert not left

    run_in_virtual_time(work())


@settings(max_examples=60, deadline=None)
@given(
    workers=st.integers(1, 4),
    wakes=st.lists(st.tuples(SHORT, st.sampled_from("abc"), SHORT), min_size=1, max_size=25),
    passes=st.lists(st.tuples(SHORT, st.none() | SHORT), min_size=1, max_size=8),
)
def test_each_woken_key_is_taken_by_one_worker_at_a_time(
    workers: int,
    wakes: list[tuple[float, str, float]],
    passes: list[tuple[float, float | None]],
) -> None:
    """Run workers over random wake-ups.

    Args:
        workers: The number of workers.
        wakes: The pause before each wake-up, its key and its delay.
        passes: The duration of each pass, and the delay with which it wakes its own key, if any.
    """
    begun: dict[str, list[float]] = defaultdict(list)
    ended: dict[str, list[float]] = defaultdict(list)
    # For each key the time of each wake-up and the time at which the key was due.
    due: dict[str, list[tuple[float, float]]] = defaultdict(list)

    async def work() -> None:
        queue = WorkQueue(monotonic)
        busy: set[str] = set()
        plans = iter(passes * 4)

        def wake(key: str, delay: float) -> None:
            due[key].append((monotonic(), monotonic() + delay))
            queue.wake(key, delay)

        async def worker() -> None:
            while True:
                key = await queue.take()
                assert key not in busy
                busy.add(key)
                begun[key].append(monotonic())
                seconds, again = next(plans, (0.0, None))
                await asyncio.sleep(seconds)
                if again is not None:
                    wake(key, again)
                busy.discard(key)
                ended[key].append(monotonic())
                queue.done(key)

        async def waker() -> None:
            for pause, key, delay in wakes:
                await asyncio.sleep(pause)
                wake(key, delay)

        tasks = [asyncio.create_task(worker()) for _ in range(workers)]
        await waker()
        # This time is longer than the sum of all passes and all delays.
        await asyncio.sleep(1000)
        for task in tasks:
            assert not task.done()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_in_virtual_time(work())
    for key, times in due.items():
        for woken, time in times:
            # A pass begins after the wake-up, and when the key is due if a worker is free.
            later = [b for b in begun[key] if b >= woken]
            assert later, f"{key} was woken at {woken} and not taken"
            if workers >= 3:
                running = [e for b, e in zip(begun[key], ended[key], strict=True) if b < time <= e]
                assert min(later) <= max([time, *running])
        # Each pass has its own wake-up.
        assert len(begun[key]) <= len(times)
        for begin in begun[key]:
            assert any(time <= begin for woken, time in times)
