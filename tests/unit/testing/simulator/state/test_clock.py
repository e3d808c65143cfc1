"""Virtual time."""

from __future__ import annotations

import threading

from defender_remediate.testing import STARTS_AT, VirtualClock


def test_time_begins_at_a_fixed_instant_and_stands_still() -> None:
    """Two clocks agree, and none of them moves by itself."""
    clock = VirtualClock()
    assert clock.now() == STARTS_AT == VirtualClock().now()
    assert clock.monotonic() == 0.0


def test_sleeping_moves_the_clock_and_never_back() -> None:
    """A sleep ends at its moment; a moment that has passed changes nothing."""
    clock = VirtualClock()
    clock.sleep(5)
    clock.sleep_until(2)
    clock.advance(1.5)
    assert clock.monotonic() == 6.5
    assert (clock.now() - STARTS_AT).total_seconds() == 6.5


def test_sleepers_in_parallel_do_not_add_up() -> None:
    """Deadlines are taken when the sleep begins: the clock goes to the latest of them."""
    clock = VirtualClock()
    deadlines = [clock.monotonic() + 10 for _ in range(8)]
    threads = [threading.Thread(target=clock.sleep_until, args=(deadline,)) for deadline in deadlines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 10
