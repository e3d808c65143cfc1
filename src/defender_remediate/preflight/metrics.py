"""The daily metrics of Azure Monitor: the parts of a query, and what its answer says of each resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timezone
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.ids import id_key
from defender_remediate.models.live_use import Aggregation, LiveUse

METRIC_VERSIONS = ("2023-10-01", "2018-01-01")
"""The api-versions of metrics, the newest first."""


@attrs.frozen(kw_only=True)
class Series:
    """The daily figures of one metric.

    Attributes:
        value: The value of the dimension; None for a metric without dimension.
        days: The figure of each day that has one. A day without a figure is missing, and does not count as zero.
    """

    metric: str
    value: str | None = None
    days: Mapping[date, float] = attrs.field(factory=dict, repr=False)


@attrs.frozen
class SeriesByResource:
    """Takes an answer about metrics apart, by the key of the resource. Equal for equal questions, so that each is asked once."""

    use: LiveUse

    @classmethod
    def of(cls, use: LiveUse) -> SeriesByResource:
        """Without what is not in the question."""
        return cls(LiveUse(metrics=use.metrics, aggregation=use.aggregation, dimension=use.dimension))

    def __call__(self, body: Any) -> Mapping[str, tuple[Series, ...]]:
        """The series of each resource; in the answer about one resource its key is that of an empty id.

        Raises:
            MalformedResponseError: It is not an answer about metrics, or Azure could not read one of them.
        """
        found: dict[str, list[Series]] = {}
        for resource, one in _series(body, self.use):
            found.setdefault(id_key(resource), []).append(one)
        return {resource: tuple(series) for resource, series in found.items()}


def timespan(first: date, now: datetime) -> str:
    """From the beginning of a day until now, to the minute."""
    start = datetime.combine(first, time(), tzinfo=timezone.utc)
    return f"{wire.utc_text(start)}/{wire.utc_text(now.replace(second=0, microsecond=0))}"


def metrics_query(metrics: Iterable[str], aggregation: Aggregation, span: str) -> dict[str, str]:
    """The parameters of a request for a figure of each day."""
    return {
        "metricnames": ",".join(metrics),
        "timespan": span,
        "interval": "P1D",
        "aggregation": aggregation.value.capitalize(),
        "AutoAdjustTimegrain": "true",
    }


def days_with_data(series: Iterable[Series]) -> frozenset[date]:
    """The days on which any of the series has a figure."""
    return frozenset(day for one in series for day in one.days)


def _series(body: Any, use: LiveUse) -> Iterator[tuple[str, Series]]:
    """The series of an answer, each with the id of its resource; empty ids in the answer about one resource.

    Raises:
        MalformedResponseError: It is not an answer about metrics, or Azure could not read one of them.
    """
    metrics = wire.pick(body, "value")
    if not isinstance(metrics, list):
        raise MalformedResponseError("the response about metrics has no array 'value'")
    known = {fold(wire.text(wire.pick(metric, "name"), "value")) for metric in metrics}
    lacking = [name for name in use.metrics if fold(name) not in known]
    if lacking:
        raise MalformedResponseError(f"the response about metrics has no metric {lacking[0]}")
    for metric in metrics:
        code = wire.text(metric, "errorCode")
        listed = wire.pick(metric, "timeseries")
        if fold(code) not in ("", "success"):
            raise MalformedResponseError(f"Azure Monitor could not read the metric: {code}")
        if listed is not None and not isinstance(listed, list):
            raise MalformedResponseError("a metric in the response has no array 'timeseries'")
        for series in listed or []:
            about = {
                fold(wire.text(wire.pick(one, "name"), "value")): wire.text(one, "value")
                for one in wire.pick(series, "metadatavalues") or ()
            }
            yield (
                about.get("microsoft.resourceid", ""),
                Series(
                    metric=wire.text(wire.pick(metric, "name"), "value"),
                    value=about.get(fold(use.dimension)) if use.dimension else None,
                    days=_by_day(wire.pick(series, "data"), use.aggregation),
                ),
            )


def _by_day(data: Any, aggregation: Aggregation) -> dict[date, float]:
    """The figure of each day; a point without a number has none. Points of less than a day are put together."""
    found: dict[date, float] = {}
    for point in data if isinstance(data, list) else ():
        at, figure = wire.timestamp(point, "timeStamp"), wire.pick(point, aggregation.value)
        if at is None or isinstance(figure, bool) or not isinstance(figure, (int, float)):
            continue
        day = at.date()
        if day not in found:
            found[day] = float(figure)
        else:
            found[day] = found[day] + figure if aggregation.is_sum else max(found[day], float(figure))
    return found
