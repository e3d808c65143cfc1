"""The place of a recommendation in the ranking."""

from __future__ import annotations

import attrs

from defender_remediate.display import one_line
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value


@notebook
@attrs.frozen(kw_only=True)
class Priority(Value):
    """The place of a recommendation in the ranking, and the reasons for it, most important first.

    Attributes:
        points: Points that fixing it alone adds to the secure score.
        shared_points: More points that it adds when the other recommendations of the same controls are fixed too.
        reasons: Short sentences, in the order in which they decided.
    """

    points: float = 0.0
    shared_points: float = 0.0
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return one_line("; ".join(self.reasons))
