"""How an executor is asked to wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from defender_remediate.executors import FollowingExecutor, PatchExecutor, Pause, TemplateExecutor
from defender_remediate.executors.protocol import followed
from defender_remediate.pauses import wait_out


class Waits(PatchExecutor):
    """Overrides how it waits, as before."""

    def wait(self, context: Any, /) -> Any:
        return "waited"


class Follows(Waits):
    """Further down, it says how it waits without a thread."""

    def follow(self, context: Any, /) -> Any:
        yield Pause(5.0)
        return "followed"


class WaitsAgain(Follows):
    """And overrides it once more."""

    def wait(self, context: Any, /) -> Any:
        return "waited again"


@pytest.mark.parametrize(
    ("executor", "answer", "slept"),
    [
        (Waits(), "waited", []),
        (Follows(), "followed", [5.0]),
        (WaitsAgain(), "waited again", []),
        (SimpleNamespace(wait=lambda context: "any object"), "any object", []),
    ],
    ids=["wait", "follow", "wait again", "object"],
)
def test_the_method_of_the_most_special_class_counts(executor: Any, answer: str, slept: list[float]) -> None:
    """A class that overrides wait alone is not passed over because a class above it can follow."""
    pauses: list[float] = []
    assert wait_out(followed(executor, SimpleNamespace()), pauses.append) == answer  # type: ignore[arg-type]
    assert pauses == slept


@pytest.mark.parametrize("executor", [PatchExecutor(), TemplateExecutor()], ids=["patch", "template"])
def test_the_bundled_executors_need_no_thread_to_wait(executor: Any) -> None:
    """They follow, and can be waited for as well."""
    assert isinstance(executor, FollowingExecutor)


@pytest.mark.parametrize("given", [None, 5.0, Pause(-1.0), Pause(float("nan")), Pause(float("inf")), Pause("1")])  # type: ignore[arg-type]
def test_what_is_no_pause_is_refused_where_it_is_yielded(given: Any) -> None:
    """It would be taken for a result of the run, or never end; the generator is closed."""
    closed = []

    class Odd(PatchExecutor):
        def follow(self, context: Any, /) -> Any:
            try:
                yield given
            finally:
                closed.append(True)

    with pytest.raises(TypeError, match="follow must yield pauses"):
        wait_out(followed(Odd(), SimpleNamespace()), lambda seconds: None)  # type: ignore[arg-type]
    assert closed
