"""When to ask how long-running operations are doing: early, and no more often than needed.

The first operations of a kind are asked early, and then at growing intervals up to Azure's ``Retry-After``. The
others of that kind are asked once as much time has passed as those took. Hundreds of operations side by side so need
little more than one question each.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque

FIRST_QUESTION = 2.0
"""Seconds before the first question about an operation of a kind that is not known yet."""
FIRST_IF_ASKED = 5.0
"""The same if Azure asks to wait, unless it asks for less."""
LONGEST = 30.0
"""Seconds between two questions at most, if Azure says nothing."""
SHORTEST = 0.5
"""Azure may say ``Retry-After: 0``; asking without a pause would only use up the rate limit for reads."""
_GROWTH = 1.5
_UNKNOWN = 10.0
_PATIENCE = 3
_PROBES = 4
_ANOTHER_PROBE = 256
_MARGIN = 1.1
_REMEMBERED = 8


class OperationPace:
    """What is known of how long operations take. Shared by all threads of a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[str, int] = defaultdict(int)
        self._durations: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))

    def begin(self, kind: str, now: float) -> WatchedOperation:
        """Begin to watch an operation.

        Args:
            kind: Equal for operations that take about the same time.
            now: When the operation began.
        """
        with self._lock:
            self._begun[kind] += 1
            number = self._begun[kind]
        is_probe = number <= _PROBES or number % _ANOTHER_PROBE == 0
        return WatchedOperation(self, kind, now, is_probe=is_probe)

    def usual(self, kind: str) -> float | None:
        """How many seconds nearly all operations of a kind take; None if that is not known yet."""
        with self._lock:
            known = self._durations[kind]
            return _MARGIN * max(known) if len(known) >= _PROBES else None

    def ended(self, kind: str, seconds: float) -> None:
        """Remember how long an operation took."""
        with self._lock:
            self._durations[kind].append(seconds)


class WatchedOperation:
    """One operation. Lives in one thread.

    Args:
        pace: What is known of other operations.
        kind: Equal for operations that take about the same time.
        began: On the clock of the session.
        is_probe: Whether it is asked early, to find out how long its kind takes.
    """

    def __init__(self, pace: OperationPace, kind: str, began: float, *, is_probe: bool) -> None:
        self._pace = pace
        self._kind = kind
        self._began = began
        self._is_probe = is_probe
        self._asked = 0

    def seconds_until_question(self, since: float, now: float, asked: float | None) -> float:
        """Seconds from now until the next question; what is learned from other operations meanwhile changes it.

        Args:
            since: When the last question was answered, or when the operation began.
            now: The present.
            asked: Azure's ``Retry-After``.
        """
        longest = LONGEST if asked is None else max(SHORTEST, asked)
        first = FIRST_QUESTION if asked is None else FIRST_IF_ASKED
        if self._is_probe:
            interval = min(longest, first * _GROWTH ** min(self._asked, 16))
        elif not self._asked:
            usual = self._pace.usual(self._kind)
            guess = min(_UNKNOWN, _PATIENCE * longest) if usual is None else usual
            interval = max(min(first, longest), guess)
        else:
            interval = min(longest, max(FIRST_QUESTION, (since - self._began) / 4))
        return max(0.0, since + interval - now)

    @property
    def may_change(self) -> bool:
        """Whether the time of the next question depends on what other operations show."""
        return not (self._is_probe or self._asked)

    def ask(self) -> None:
        """Note that a question is asked."""
        self._asked += 1

    def end(self, now: float) -> None:
        """Note that the operation has ended."""
        if self._is_probe:
            self._pace.ended(self._kind, now - self._began)
