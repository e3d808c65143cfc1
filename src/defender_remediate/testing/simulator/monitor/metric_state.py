"""The metrics of Azure Monitor: what each type has, and the figures of each day.

``data/metrics.json`` says which metrics a type has. A metric with ``"idle": false`` has no data without use, as Azure
documents it for storage. That the others are zero then is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.facts import facts


@attrs.frozen(kw_only=True)
class MetricDefinition:
    """A metric of a resource type.

    Attributes:
        dimensions: What its figures can be told apart by.
        idle: Whether it has data, zeros, on days without use.
        constant: The figure of every day; None for a metric of use.
    """

    name: str
    dimensions: tuple[str, ...] = ()
    idle: bool = True
    constant: float | None = None


@attrs.frozen(kw_only=True)
class Figure:
    """What a metric shows for one day."""

    day: date
    value: float
    dimensions: Mapping[str, str] = attrs.field(factory=dict)


class MetricRecords:
    """The metrics of a tenant's resources.

    Attributes:
        figures: By resource and metric, both folded.
        gaps: The days without any data, by resource and metric; None instead of a metric stands for all of them.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, MetricDefinition]] = {}
        for kind, metrics in facts("metrics").items():
            for name, about in metrics.items():
                self.define(
                    kind, MetricDefinition(name=name, **{**about, "dimensions": tuple(about.get("dimensions", ()))})
                )
        self.figures: dict[tuple[str, str], list[Figure]] = {}
        self.gaps: dict[tuple[str, str | None], set[date]] = {}

    def define(self, resource_type: str, metric: MetricDefinition) -> None:
        """Adds a metric to a type."""
        self.definitions.setdefault(fold(resource_type), {})[fold(metric.name)] = metric

    def definition(self, resource_type: str, name: str) -> MetricDefinition:
        """Returns a metric of a type.

        Raises:
            ArmError: 400 when the type has no such metric.
        """
        known = self.definitions.get(fold(resource_type), {})
        if fold(name) not in known:
            valid = ",".join(metric.name for metric in known.values())
            raise refusal("UnknownMetric", type=resource_type, metric=name, valid=valid)
        return known[fold(name)]

    def series(
        self, resource_id: str, metric: MetricDefinition, by: Sequence[str], days: Sequence[date]
    ) -> list[tuple[dict[str, str], dict[date, float]]]:
        """Returns the figures by the values of some dimensions; a day without data is not among them."""
        key = ids.key(resource_id)
        gone = self.gaps.get((key, None), set()) | self.gaps.get((key, fold(metric.name)), set())
        kept = [day for day in days if day not in gone]
        if metric.constant is not None:
            return [({}, dict.fromkeys(kept, metric.constant))] if kept else []
        found: dict[tuple[str, ...], dict[date, float]] = {}
        # With a dimension, only values that occurred have a series.
        if metric.idle and not by and kept:
            found[()] = dict.fromkeys(kept, 0.0)
        for figure in self.figures.get((key, fold(metric.name)), ()):
            if figure.day in kept:
                own = {fold(name): value for name, value in figure.dimensions.items()}
                values = found.setdefault(tuple(own.get(fold(name), "") for name in by), {})
                values[figure.day] = values.get(figure.day, 0.0) + figure.value
        return [(dict(zip(by, values, strict=True)), figures) for values, figures in found.items()]
