"""Threads."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from defender_remediate.arm.clock import SystemClock
from defender_remediate.pauses import Pause
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.threads import Task, every, in_parallel, on_executor, run_side_by_side, waiting
from defender_remediate.threads.schedule import Schedule

Items = Generator[int | Pause, None, None]


def side_by_side(tasks: list[Items], *, workers: int) -> Generator[int, None, None]:
    """Tasks of one lane, on virtual time."""
    return run_side_by_side([Task(0, items) for items in tasks], workers=workers, clock=VirtualClock())


def nothing() -> Items:
    """A task that produces nothing."""
    yield from ()


@pytest.mark.parametrize("workers", [1, 4])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    """However long each takes."""
    assert in_parallel(lambda n: n * n, list(range(20)), workers=workers) == [n * n for n in range(20)]


def test_items_are_worked_on_at_once() -> None:
    """Each waits for the other: in one thread this would never end."""
    barrier = threading.Barrier(2, timeout=10)
    assert in_parallel(lambda n: n + 0 * barrier.wait(), [1, 2], workers=2) == [1, 2]


def test_the_first_exception_ends_it() -> None:
    """What has not begun is dropped."""
    begun: list[int] = []

    def fail(n: int) -> None:
        begun.append(n)
        raise LookupError(n)

    with pytest.raises(LookupError):
        in_parallel(fail, list(range(1000)), workers=2)
    assert len(begun) < 1000


def test_another_task_is_advanced_while_one_blocks_its_thread() -> None:
    """Many more tasks than workers are under way when they wait on their threads, and no more than the workers run."""
    lock, everyone = threading.Lock(), threading.Barrier(8, timeout=10)
    running = most = 0

    def task(number: int) -> Items:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        yield number
        with lock:
            running -= 1
        with waiting():
            everyone.wait()
        with lock:
            running += 1
            most = max(most, running)
        yield number
        with lock:
            running -= 1

    assert sorted(side_by_side([task(number) for number in range(8)], workers=2)) == sorted([*range(8)] * 2)
    assert most <= 2


def test_a_task_that_waits_has_no_thread() -> None:
    """A thousand tasks wait at the same time, and no more threads than workers exist."""
    begun, most, threads = 0, 0, set[str]()

    def task(number: int) -> Items:
        nonlocal begun, most
        begun += 1
        yield Pause(30.0)
        most = max(most, begun)
        threads.add(threading.current_thread().name)
        yield number

    assert sorted(side_by_side([task(number) for number in range(1000)], workers=3)) == list(range(1000))
    assert most == 1000
    assert len(threads) <= 3


def test_what_waits_goes_on_in_the_order_of_its_time() -> None:
    """Whatever the order in which it began to wait, and before what has not begun."""
    schedule = Schedule([Task(0, nothing()) for _ in range(5)])
    begun = [schedule.take(0.0) for _ in range(4)]
    for number, task in enumerate(begun):
        assert task is not None
        schedule.park(task, Pause(5.0 - number), 0.0)
    assert schedule.next_time == 2.0
    assert [schedule.take(10.0) for _ in range(4)] == begun[::-1]
    assert schedule.take(10.0) not in begun
    assert schedule.take(10.0) is None
    assert not schedule.is_over


def test_a_lane_whose_limit_is_waited_for_begins_no_other_task() -> None:
    """The tasks of another lane begin meanwhile; when one of the waiting ones goes on, another one may wait."""
    schedule = Schedule([Task(number % 2, nothing()) for number in range(200)])
    lanes = []
    while (task := schedule.take(0.0)) is not None:
        lanes.append(task.lane)
        schedule.park(task, Pause(60.0, is_for_limit=task.lane == 1), 0.0)
    assert (lanes.count(0), lanes.count(1)) == (100, 4)
    assert not schedule.has_next(59.0)
    assert schedule.has_next(60.0)
    while (task := schedule.take(60.0)) is not None:
        lanes.append(task.lane)
        schedule.end()
    assert (lanes.count(0), lanes.count(1)) == (200, 104)
    assert schedule.is_over


def test_one_worker_ends_one_task_before_the_next_one() -> None:
    """Also where they wait."""
    order: list[str] = []

    def task(number: int) -> Items:
        order.append(f"begin {number}")
        yield Pause(1.0)
        with waiting():
            yield number
        order.append(f"end {number}")

    assert list(side_by_side([task(0), task(1)], workers=1)) == [0, 1]
    assert order == ["begin 0", "end 0", "begin 1", "end 1"]


def test_a_task_that_waits_ends_when_another_one_fails() -> None:
    """What fails while others wait is raised, those are waited for or closed, and no other task begins."""
    begun, closed, failed = [], [], threading.Event()

    def waits(number: int) -> Items:
        begun.append(number)
        with waiting():
            assert failed.wait(10)
            time.sleep(0.005)  # the thread that failed says so meanwhile
        yield number

    def pauses(number: int) -> Items:
        begun.append(number)
        try:
            yield Pause(1000.0)
        finally:
            closed.append(number)

    def fails() -> Items:
        failed.set()
        raise LookupError
        yield 0

    with pytest.raises(LookupError):
        list(side_by_side([pauses(0), waits(1), waits(2), fails(), *map(waits, range(3, 300))], workers=2))
    assert len(begun) < 200
    assert closed == [0] * begun.count(0)


def test_a_caller_that_stops_leaves_what_waits() -> None:
    """Nothing waits out its pause, and each task that had begun is closed."""
    closed: list[int] = []

    def task(number: int) -> Items:
        try:
            yield number
            yield Pause(0.2)
            yield Pause(1000.0)
        finally:
            closed.append(number)

    running = run_side_by_side([Task(0, task(number)) for number in range(3)], workers=2, clock=SystemClock())
    began = time.monotonic()
    next(running)
    running.close()
    assert closed
    assert time.monotonic() - began < 100


@pytest.mark.parametrize("workers", [1, 2])
def test_a_clock_that_fails_ends_it(workers: int) -> None:
    """Its error is raised on the thread of the caller."""

    class Broken(VirtualClock):
        def sleep(self, seconds: float) -> None:
            raise LookupError(seconds)

    def task() -> Items:
        yield Pause(1.0)

    with pytest.raises(LookupError):
        list(run_side_by_side([Task(0, task()), Task(0, task())], workers=workers, clock=Broken()))


def test_without_tasks_there_is_nothing() -> None:
    """A run in which every step has a result."""
    assert list(side_by_side([], workers=4)) == []


def test_outside_of_tasks_waiting_is_nothing_special() -> None:
    """Reads of a listing wait as well."""
    with waiting():
        pass


def _never(_item: int, _error: BaseException) -> bool:
    return False


def test_an_executor_gets_a_limited_number_of_calls_and_each_has_an_outcome() -> None:
    """Also one that fails, one that is tried again, and those that no executor took."""
    lock, pending, most = threading.Lock(), 0, 0
    tried: list[int] = []

    def call(n: int) -> int:
        nonlocal pending, most
        with lock:
            pending += 1
            most = max(most, pending)
            tried.append(n)
        if n == 3 or tried.count(n) == 1:
            with lock:
                pending -= 1
            raise LookupError(n)
        with lock:
            pending -= 1
        return n * n

    with ThreadPoolExecutor(8) as executor:
        found = list(on_executor(executor, call, range(6), most=2, again=lambda n, _: tried.count(n) < 2))
    assert sorted(n for n, outcome in found if outcome is None) == list(range(6))
    assert {n: outcome for n, outcome in found if isinstance(outcome, int)} == {0: 0, 1: 1, 2: 4, 4: 16, 5: 25}
    assert [str(outcome) for _, outcome in found if isinstance(outcome, LookupError)] == ["3"]
    assert most <= 2
    refused = list(on_executor(executor, call, [1], most=2, again=_never))
    assert [type(outcome) for _, outcome in refused] == [type(None), RuntimeError]


def test_a_run_with_one_worker_that_waits_ends_when_it_is_stopped() -> None:
    """Ctrl-C does not wait for the end of a pause of minutes; on a clock of the caller's it waits as long as that clock."""
    began = time.monotonic()
    for clock in (SystemClock(), VirtualClock()):
        running = run_side_by_side([Task(0, _waits_long())], workers=1, clock=clock)
        assert next(running) == 1
        running.close()
    assert time.monotonic() - began < 100


def _waits_long() -> Items:
    yield 1
    yield Pause(600.0)


def test_every_task_that_waits_is_closed() -> None:
    """Also after one that raises when it is closed."""
    closed: list[int] = []

    def task(number: int) -> Items:
        try:
            yield number
            yield Pause(10.0**6)
        finally:
            closed.append(number)
            raise LookupError(number)

    running = side_by_side([task(number) for number in range(3)], workers=3)
    assert sorted(next(running) for _ in range(3)) == [0, 1, 2]
    with pytest.raises(LookupError):
        running.close()
    assert sorted(closed) == [0, 1, 2]


def test_a_run_goes_on_with_the_threads_that_the_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may have no more of them; only a run that gets none fails."""
    start, given = threading.Thread.start, [2]

    def start_some(thread: threading.Thread) -> None:
        if not given[0]:
            raise RuntimeError("can't start new thread")
        given[0] -= 1
        start(thread)

    def task(number: int) -> Items:
        yield number
        yield Pause(1.0)
        yield number

    monkeypatch.setattr(threading.Thread, "start", start_some)
    assert sorted(side_by_side([task(number) for number in range(9)], workers=8)) == sorted([*range(9)] * 2)
    with pytest.raises(RuntimeError, match="can't start"):
        next(side_by_side([nothing(), nothing()], workers=2))


class _Interrupted(threading.Condition):
    """A condition that is interrupted by Ctrl-C, which comes on the main thread, when the run takes its lock."""

    def __enter__(self) -> bool:
        is_own = sys._getframe(1).f_globals["__name__"] == run_side_by_side.__module__
        if is_own and threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return super().__enter__()


def test_the_main_thread_takes_the_lock_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition takes it in several: interrupted in between, it would stay taken, and the run would never end."""
    monkeypatch.setattr(threading, "Condition", _Interrupted)
    assert list(side_by_side([nothing()], workers=2)) == []
    running = side_by_side([_waits_long()], workers=2)
    assert next(running) == 1
    running.close()


class _Odd(Executor):
    """An executor that gives the same thing for every call."""

    def __init__(self, given: object) -> None:
        self.given = given

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.given


def test_what_an_odd_executor_gives_is_an_error_of_the_item() -> None:
    """No future, the future of another call, or no result: each item has its outcome, and none is waited for forever."""
    shared: Future[object] = Future()
    shared.set_result(None)
    for given in (None, 5, shared):
        found = list(on_executor(_Odd(given), str, [1, 2], most=2, again=_never))
        assert sorted((n, type(outcome)) for n, outcome in found if outcome is not None) == [
            (1, TypeError),
            (2, TypeError),
        ]


def test_without_an_executor_the_calls_are_made_here() -> None:
    """One after the other, with the same outcomes."""
    found = list(on_executor(None, lambda n: 1 // n, [1, 0], most=9, again=_never))
    assert [n for n, _ in found] == [1, 0, 1, 0] or [n for n, _ in found] == [1, 0, 0, 1]
    assert {n: type(outcome) for n, outcome in found} == {1: int, 0: ZeroDivisionError}


def test_a_caller_that_stops_cancels_what_has_not_begun() -> None:
    """What runs is not waited for: it may take hours on another machine."""
    begun: list[int] = []
    release = threading.Event()

    def call(n: int) -> None:
        begun.append(n)
        release.wait(10)

    with ThreadPoolExecutor(1) as executor:
        calls = on_executor(executor, call, range(5), most=5, again=_never)
        for _ in range(5):
            next(calls)
        calls.close()
        release.set()
    assert len(begun) <= 1


def test_a_repeated_call_ends_when_it_is_told() -> None:
    """It is made again and again, not before its pause, and no longer once the end was asked for."""
    calls: SimpleQueue[int] = SimpleQueue()
    stop = every(0.001, lambda queue: queue.put(1), calls)
    for _ in range(3):
        calls.get(timeout=10)
    stop()
    made = calls.qsize()
    time.sleep(0.01)
    assert calls.qsize() == made
    stop()


def test_a_repeated_call_ends_with_what_it_is_for() -> None:
    """A lease is not renewed for a journal that was dropped."""
    called, calls = threading.Event(), SimpleQueue[int]()
    others = set(threading.enumerate())
    every(0.001, lambda _queue: called.set(), calls)
    assert called.wait(10)
    (thread,) = set(threading.enumerate()) - others
    del calls
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
