"""Waiting without a thread: a generator yields a pause each time it has to wait, and the caller that runs it waits."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

import attrs

_T = TypeVar("_T")


@attrs.frozen
class Pause:
    """A generator has to wait.

    Attributes:
        seconds: How long.
        is_for_limit: Whether it waits for a rate limit. Others of the same subscription would wait for it too.
    """

    seconds: float
    is_for_limit: bool = attrs.field(default=False, kw_only=True)


Waits = Generator[Pause, None, _T]
"""A generator that yields its pauses and returns a result."""


def wait_out(waits: Waits[_T], sleep: Callable[[float], None]) -> _T:
    """Run a generator on this thread: wait as long as each of its pauses says, and return its result.

    What ``sleep`` raises closes the generator and is raised.
    """
    with closing(waits):
        while True:
            try:
                pause = next(waits)
            except StopIteration as ended:
                result: _T = ended.value
                return result
            sleep(pause.seconds)
