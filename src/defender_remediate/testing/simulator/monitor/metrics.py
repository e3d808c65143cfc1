"""The two operations that list metrics: of a resource, and of all resources of a type in a region."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.metric_state import MetricDefinition
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Insights/metrics"
_RETENTION = 93
_AGGREGATIONS = frozenset({"total", "count", "maximum", "minimum", "average"})
_RESOURCE = "microsoft.resourceid"
_CLAUSE = re.compile(r"([\w.]+)\s+eq\s+'([^']*)'\Z", re.IGNORECASE)
_DAY = timedelta(days=1)
_INTERVALS: Mapping[str, timedelta] = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT6H": timedelta(hours=6),
    "PT12H": timedelta(hours=12),
    "P1D": _DAY,
    "FULL": _DAY,
}
# Figures are those of whole days. A shorter interval shows them at this hour, so that the sum over a day is the same.
_HOUR_OF_USE = 12
_DEFAULT_TOP = 10


@attrs.frozen(kw_only=True)
class _Question:
    """The parameters of a listing."""

    metrics: tuple[str, ...]
    moments: tuple[datetime, ...]
    aggregations: tuple[str, ...]
    wanted: Mapping[str, str]
    top: int
    timespan: str
    interval: str


def list_metrics(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the metrics of one resource."""
    target = "/" + "/".join(ids.segments(captured["resource"]))
    tenant.access.check_read(f"{_TYPE}/read", target)
    found = tenant.store.find(target)
    if found is None:
        path = ids.path_of(target)
        kind, group = (path.type, path.group) if path else ("", ids.group_of(target))
        raise refusal("ResourceNotFound", type=kind, name=ids.segments(target)[-1], group=group)
    return _answer(tenant, _question(tenant, call), found.type.name, [found], about_one=True)


def list_of_subscription(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the metrics of the resources of a type in a region of a subscription."""
    subscription = tenant.store.subscription(captured["subscription"])
    scope = f"/subscriptions/{subscription.id}"
    tenant.access.check_read(f"{_TYPE}/read", scope)
    region, kind = call.query.get("region", ""), call.query.get("metricnamespace", "")
    if not region or not kind:
        raise refusal("MetricsRequest", problem=f"Missing required {'region' if kind else 'metricnamespace'} params")
    resources = [
        one
        for one in tenant.store.resources(scope)
        if fold(one.type.name) == fold(kind)
        and fold(str(one.body.get("location", ""))).replace(" ", "") == fold(region)
        and tenant.access.may_look(f"{_TYPE}/read", one.id)
    ]
    return _answer(tenant, _question(tenant, call), kind, resources, about_one=False)


def _question(tenant: Tenant, call: Call) -> _Question:
    query = {fold(name): value for name, value in call.query.items()}
    metrics = tuple(name.strip() for name in query.get("metricnames", "").split(",") if name.strip())
    aggregations = tuple(fold(name.strip()) for name in query.get("aggregation", "average").split(","))
    interval = query.get("interval", "PT1M").upper()
    if not metrics:
        raise refusal("MetricsRequest", problem="metricnames is missing")
    if interval not in _INTERVALS:
        raise refusal("MetricsRequest", problem=f"the interval {interval} is not valid: use {', '.join(_INTERVALS)}")
    unknown = sorted(set(aggregations) - _AGGREGATIONS)
    if unknown:
        raise refusal("MetricsRequest", problem=f"Detected invalid aggregation input {unknown[0]}")
    now = tenant.clock.now()
    last_hour = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}"
    timespan = query.get("timespan") or last_hour
    wanted: dict[str, str] = {}
    for clause in filter(None, re.split(r"\s+and\s+", query.get("$filter", "").strip(), flags=re.IGNORECASE)):
        match = _CLAUSE.match(clause)
        if match is None:
            raise refusal("MetricsRequest", problem=f"Invalid filter clause {clause}")
        wanted[match[1]] = match[2]
    return _Question(
        metrics=metrics,
        moments=_moments(tenant, timespan, _INTERVALS[interval]),
        aggregations=aggregations,
        wanted=wanted,
        top=int(query.get("top") or _DEFAULT_TOP),
        timespan=timespan,
        interval=interval,
    )


def _moment(text: str) -> datetime:
    """A time; one without a time zone is in UTC. Of its fraction six digits count."""
    whole = re.sub(r"\.(\d{1,6})\d*", lambda found: f".{found[1].ljust(6, '0')}", text.replace("Z", "+00:00"))
    moment = datetime.fromisoformat(whole)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def _moments(tenant: Tenant, timespan: str, step: timedelta) -> tuple[datetime, ...]:
    """When the points of a time span begin; the first one contains its start."""
    try:
        # The Azure CLI encodes it twice.
        start, end = (_moment(part) for part in unquote(timespan).split("/"))
    except ValueError:
        raise refusal("MetricsRequest", problem=f"Invalid timespan {timespan}") from None
    now = tenant.clock.now()
    if (now - start).days > _RETENTION:
        raise refusal("MetricsRequest", problem=f"Query startTime: {start} is out of the Max metrics retention period")
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + (start - midnight) // step * step
    # A day that has begun has a point; of shorter intervals the one that begins with the end has none.
    last = min(end, now) if step == _DAY else max(min(end, now) - timedelta(microseconds=1), first)
    return tuple(first + past * step for past in range((last - first) // step + 1))


def _answer(tenant: Tenant, question: _Question, kind: str, resources: Sequence[Resource], *, about_one: bool) -> Reply:
    by = [name for name in question.wanted if fold(name) != _RESOURCE]
    value = []
    for name in question.metrics:
        metric = tenant.metrics.definition(kind, name)
        known = {fold(one) for one in metric.dimensions}
        for dimension in by:
            if fold(dimension) not in known:
                raise refusal(
                    "MetricDimension", metric=metric.name, dimension=dimension, valid=",".join(metric.dimensions)
                )
        series = [*_series(tenant, question, metric, resources, by, about_one=about_one)]
        if question.wanted:
            series = series[: question.top]
        scope = resources[0].id if about_one else ""
        value.append(
            {
                "id": f"{scope}/providers/{_TYPE}/{metric.name}",
                "type": _TYPE,
                "name": {"value": metric.name, "localizedValue": metric.name},
                "unit": "Count",
                "timeseries": series,
                "errorCode": "Success",
            }
        )
    region = str(resources[0].body.get("location", "")) if resources else ""
    return Reply.json(
        {
            "cost": 0,
            "timespan": question.timespan,
            "interval": question.interval,
            "value": value,
            "namespace": kind,
            "resourceregion": region,
        }
    )


def _series(
    tenant: Tenant,
    question: _Question,
    metric: MetricDefinition,
    resources: Sequence[Resource],
    by: Sequence[str],
    *,
    about_one: bool,
) -> Iterator[dict[str, Any]]:
    step = _INTERVALS[question.interval]
    days = tuple(dict.fromkeys(moment.date() for moment in question.moments))
    for resource in resources:
        for values, figures in tenant.metrics.series(resource.id, metric, by, days):
            if any(
                question.wanted[name] != "*" and fold(question.wanted[name]) != fold(value)
                for name, value in values.items()
            ):
                continue
            about = dict(values) if about_one else {_RESOURCE: resource.id, **values}
            yield {
                "metadatavalues": [
                    {"name": {"value": fold(name), "localizedValue": fold(name)}, "value": value}
                    for name, value in about.items()
                ],
                "data": [_point(question.aggregations, moment, step, figures) for moment in question.moments],
            }


def _point(
    aggregations: Sequence[str], moment: datetime, step: timedelta, figures: Mapping[date, float]
) -> dict[str, Any]:
    """A point. One without data has no figure."""
    shown: dict[str, Any] = {"timeStamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    day = moment.date()
    use = datetime(day.year, day.month, day.day, _HOUR_OF_USE, tzinfo=timezone.utc)
    if day in figures:
        figure = figures[day] if step == _DAY or moment <= use < moment + step else 0
        shown |= dict.fromkeys(aggregations, figure)
    return shown


ROUTES = (
    Route(
        methods=("GET",),
        pattern="/subscriptions/{subscription}/providers/Microsoft.Insights/metrics",
        type=_TYPE,
        handler=list_of_subscription,
    ),
    Route(
        methods=("GET",),
        pattern="/{resource*}/providers/Microsoft.Insights/metrics",
        type=_TYPE,
        handler=list_metrics,
    ),
)
