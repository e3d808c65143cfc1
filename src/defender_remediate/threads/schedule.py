"""Which of many tasks is advanced next. Knows neither threads nor a clock.

Tasks belong to lanes, such as the subscriptions of a run. A task that waits is in one queue, ordered by the time at which it
goes on; it comes before tasks that have not begun. Those begin lane by lane in turn. A lane in which some tasks wait for the
rate limit begins no other: it would only wait behind them.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Generator, Hashable, Iterable
from contextvars import Context
from typing import Generic, TypeVar, Union

import attrs

from defender_remediate.pauses import Pause

_T = TypeVar("_T")

_WAIT_FOR_LIMIT = 4
_MOST_BEGUN = 2_000


@attrs.define(eq=False)
class Task(Generic[_T]):
    """Something that is done bit by bit.

    Attributes:
        lane: Tasks of one lane wait for the same rate limit.
        items: Yields what the task produces, and a pause whenever it has to wait.
        context: The context variables of the task, which may be advanced by one thread after the other.
    """

    lane: Hashable
    items: Generator[Union[_T, Pause], None, None]
    context: Context = attrs.field(factory=Context)


class Schedule(Generic[_T]):
    """The tasks of a run that have not ended."""

    def __init__(self, tasks: Iterable[Task[_T]]) -> None:
        self._new: dict[Hashable, deque[Task[_T]]] = {}
        for task in tasks:
            self._new.setdefault(task.lane, deque()).append(task)
        self._turns = deque(self._new)
        self._waiting: list[tuple[float, int, Pause, Task[_T]]] = []
        self._for_limit: Counter[Hashable] = Counter()
        self._begun = self._number = 0

    def take(self, now: float) -> Task[_T] | None:
        """The task to advance next; None if all of them wait or are being advanced."""
        if self._waiting and self._waiting[0][0] <= now:
            _, _, pause, task = heapq.heappop(self._waiting)
            self._for_limit[task.lane] -= pause.is_for_limit
            return task
        for _ in range(len(self._turns) if self._begun < _MOST_BEGUN else 0):
            lane = self._turns[0]
            self._turns.rotate(-1)
            if self._for_limit[lane] < _WAIT_FOR_LIMIT:
                task = self._new[lane].popleft()
                if not self._new[lane]:
                    self._turns.remove(lane)
                self._begun += 1
                return task
        return None

    def has_next(self, now: float) -> bool:
        """Whether ``take`` would give a task."""
        if self._waiting and self._waiting[0][0] <= now:
            return True
        may_begin = self._begun < _MOST_BEGUN
        return may_begin and any(self._for_limit[lane] < _WAIT_FOR_LIMIT for lane in self._turns)

    def park(self, task: Task[_T], pause: Pause, now: float) -> None:
        """Let a task that was taken wait."""
        self._number += 1
        self._for_limit[task.lane] += pause.is_for_limit
        heapq.heappush(self._waiting, (now + pause.seconds, self._number, pause, task))

    def end(self) -> None:
        """Note that a task that was taken has ended."""
        self._begun -= 1

    @property
    def next_time(self) -> float | None:
        """When the next task that waits goes on; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def is_over(self) -> bool:
        """Whether every task has ended."""
        return not (self._begun or self._turns)

    def drop(self) -> list[Task[_T]]:
        """Give up what is not being advanced at this moment; returns the tasks that had begun."""
        waiting = [task for _, _, _, task in self._waiting]
        self._begun -= len(waiting)
        self._waiting.clear()
        self._turns.clear()
        return waiting
