"""The machine's own time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from defender_remediate.arm.clock import SystemClock


def test_the_system_clock_is_the_machines() -> None:
    """Aware, in UTC, and never backwards; a negative wait returns at once."""
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(-5)
    clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001
    assert abs(clock.now() - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert clock.now().tzinfo is timezone.utc
