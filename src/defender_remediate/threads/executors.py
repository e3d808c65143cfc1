"""Calls on an executor of the caller's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any, TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
_END: Any = object()


def on_executor(
    executor: Executor | None,
    function: Callable[[_T], _R],
    items: Iterable[_T],
    *,
    most: int,
    again: Callable[[_T, BaseException], bool],
) -> Generator[tuple[_T, _R | BaseException | None], None, None]:
    """Call a function on an executor of the caller's. Yields each item with None before it is submitted, and again with its outcome.

    The outcome is what the function returned or raised, or what the executor raised; nothing is raised for an item. It is a
    TypeError if the executor gives no future of its own for the item, or one whose result is None. When the caller closes the
    generator, calls that have not begun are cancelled; those that have are not waited for.

    Args:
        executor: Any executor; None to call the function here, one item after the other.
        function: What is called.
        items: What it is called with.
        most: How many calls are submitted at once.
        again: Whether an item is submitted once more after an error.
    """
    coming, retried = iter(items), deque[_T]()
    pending: dict[Future[_R], _T] = {}
    try:
        while True:
            while len(pending) < most:
                if retried:
                    item = retried.popleft()
                elif (item := next(coming, _END)) is not _END:
                    yield item, None
                else:
                    break
                try:
                    future = _called_here(function, item) if executor is None else executor.submit(function, item)
                except Exception as error:  # noqa: BLE001 - an executor that is dead or shut down
                    yield item, error
                    continue
                if isinstance(future, Future) and future not in pending:
                    pending[future] = item
                else:
                    yield item, TypeError(f"the executor gave no new Future, but {type(future).__name__}")
            if not pending:
                return
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                item = pending.pop(future)
                failed = CancelledError() if future.cancelled() else future.exception()
                if failed is not None and again(item, failed):
                    retried.append(item)
                else:
                    outcome = future.result() if failed is None else failed
                    yield item, TypeError("the executor gave None as a result") if outcome is None else outcome
    finally:
        for future in pending:
            future.cancel()


def _called_here(function: Callable[[_T], _R], item: _T) -> Future[_R]:
    future: Future[_R] = Future()
    try:
        future.set_result(function(item))
    except Exception as error:  # noqa: BLE001 - as an executor keeps it
        future.set_exception(error)
    return future
