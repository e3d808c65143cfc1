"""How a fix says which metric shows whether anyone still uses what it closes."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


class Aggregation(StrEnum):
    """How Azure Monitor aggregates a metric over a day."""

    TOTAL = "total"
    COUNT = "count"
    MAXIMUM = "maximum"
    AVERAGE = "average"

    @property
    def is_sum(self) -> bool:
        """Whether days can be added up."""
        return self in (Aggregation.TOTAL, Aggregation.COUNT)


@notebook
@attrs.frozen(kw_only=True)
class LiveUse(Value):
    """How to see whether anyone still uses what a fix closes.

    Attributes:
        metrics: The metrics of Azure Monitor that count the use; empty if there are none.
        none: Why no metric tells; None if there are metrics.
        aggregation: How they are aggregated over a day.
        dimension: The dimension that tells the use that the fix cuts off from other use; None if no dimension does: then
            the metrics show that the resource is used, and not whether the fix would cut that use off.
        values: The values of the dimension that stand for use that the fix cuts off.
        keeps: The values that stand for use that goes on; any other value stands for use that the fix cuts off.
        below: The child resources that have the metrics, such as ``databases``; None if the resource itself has them.
        proof: A metric that the resource has whether it is used or not. It proves that metrics arrive where no use means no
            data. None if the metrics themselves have data every day.
        note: What the figures include or leave out.
        logs: The resource logs that tell more.
    """

    metrics: tuple[str, ...] = ()
    none: str | None = optional_text()
    aggregation: Aggregation = attrs.field(default=Aggregation.TOTAL, converter=Aggregation)
    dimension: str | None = optional_text()
    values: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    below: str | None = optional_text()
    proof: str | None = optional_text()
    note: str | None = optional_text()
    logs: str | None = optional_text()

    def cuts_off(self, value: str | None) -> bool:
        """Whether use with this value of the dimension is cut off; use without a value may be."""
        if self.dimension is None or value is None:
            return True
        folded = fold(value)
        if self.values:
            return folded in {fold(one) for one in self.values}
        return folded not in {fold(one) for one in self.keeps}
