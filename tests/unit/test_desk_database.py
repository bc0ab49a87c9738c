"""The thread that works on the desk's database: every job is done, in its order, and everybody hears of their own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.desk.database import Worker


@pytest.fixture
def worker() -> Worker:
    return Worker("test")


async def test_jobs_are_done_in_order_in_one_thread(worker: Worker) -> None:
    done: list[int] = []
    threads = set()

    def job(number: int) -> int:
        threads.add(threading.get_ident())
        done.append(number)
        return number * 2

    results = await asyncio.gather(*(worker.run(lambda n=n: job(n)) for n in range(300)))  # type: ignore[misc]
    assert results == [n * 2 for n in range(300)]
    assert done == list(range(300))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    worker.close()


async def test_what_breaks_breaks_for_its_caller_alone(worker: Worker) -> None:
    def broken() -> None:
        raise ValueError("no")

    one, two, three = await asyncio.gather(
        worker.run(lambda: 1), worker.run(broken), worker.run(lambda: 3), return_exceptions=True
    )
    assert (one, three) == (1, 3)
    assert isinstance(two, ValueError)
    worker.close()


async def test_a_caller_that_goes_leaves_the_job_to_be_done(worker: Worker) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(30)
        done.set()

    asking = asyncio.create_task(worker.run(slow))
    after = asyncio.create_task(worker.run(lambda: "after"))
    await asyncio.to_thread(begun.wait, 30)
    asking.cancel()
    go_on.set()
    assert await after == "after"
    assert done.is_set()
    worker.close()


async def test_a_slow_job_does_not_hold_back_what_was_done_before_it(worker: Worker) -> None:
    go_on = threading.Event()
    first = asyncio.create_task(worker.run(lambda: "first"))
    assert await asyncio.wait_for(first, 30) == "first"
    slow = asyncio.create_task(worker.run(lambda: go_on.wait(30)))
    await asyncio.sleep(0)
    go_on.set()
    assert await slow is True
    worker.close()


def test_at_the_end_what_waits_is_done_though_nobody_listens(worker: Worker) -> None:
    done: list[int] = []

    async def leave() -> None:
        for number in range(20):
            asking = asyncio.ensure_future(worker.run(lambda n=number: done.append(n)))  # type: ignore[misc]
            await asyncio.sleep(0)
            asking.cancel()

    asyncio.run(leave())
    worker.close()
    assert done == list(range(20))
