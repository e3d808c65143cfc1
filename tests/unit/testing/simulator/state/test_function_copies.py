"""Copies of functions: what a snapshot relies on for operations under way."""

from __future__ import annotations

from collections.abc import Callable

from defender_remediate.testing.simulator.state.function_copies import copied_function


def counter() -> tuple[Callable[[int], list[int]], list[int]]:
    """Two functions that share a list and call each other, and the list."""
    seen: list[int] = []

    def down(number: int) -> list[int]:
        seen.append(number)
        return again(number - 1) if number else seen

    def again(number: int) -> list[int]:
        return down(number)

    return down, seen


def test_functions_that_call_each_other_share_the_copy_of_what_they_change() -> None:
    """The copy changes copies only, and each function is copied once."""
    down, seen = counter()
    copy = copied_function(down, {})
    assert copy(2) == [2, 1, 0]
    assert seen == []
    assert down(1) == [1, 0]
    assert copy(0) == [2, 1, 0, 0]
