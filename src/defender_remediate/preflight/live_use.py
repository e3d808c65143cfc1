"""Whether anyone used what a step closes in the last 30 days, as the metrics of Azure Monitor show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta, timezone
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, MalformedResponseError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import name_of, subscription_of, type_of
from defender_remediate.models.ids import id_key
from defender_remediate.models.live_use import Aggregation, LiveUse
from defender_remediate.preflight.metrics import (
    METRIC_VERSIONS,
    Series,
    SeriesByResource,
    days_with_data,
    metrics_query,
    timespan,
)
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject
from defender_remediate.preflight.unreadable import unreadable

_DAYS = 30
# The newest day of a capacity metric arrives up to a day late.
_LATE = 2
_DATABASES = {"microsoft.sql/servers/databases": ("2023-08-01", "2021-11-01")}
# Azure does not document that it has metrics: its use counts, and it proves nothing.
_UNDOCUMENTED = frozenset({"master"})
# Without it Azure returns ten series and does not say that there are more.
_TOP = 1000
_TOP_OF_BATCH = 10_000
# For fewer resources the request for all of a region is not worth it.
_BATCH = 4
_SHOWN = 6
_CREATED = ("createdAt", "creationTime", "creationDate", "createTime", "timeCreated")


@attrs.frozen(kw_only=True)
class Figures:
    """What was read about one way of use of one step.

    Attributes:
        used: The series that show use which the change cuts off, or may.
        since: The first day that has to have data.
        missing: The number of days without data.
    """

    used: tuple[Series, ...] = ()
    since: date
    missing: int = 0


Found = tuple["Figures | DefenderRemediateError", ...]


class LiveUseCheck:
    """Finds out whether a step would cut off someone: use in the last 30 days blocks it.

    Each fix names its metric in the catalog. No use is said to be none only where metrics arrived on every day, because for
    many metrics no use means no data. The resources of a type and region are read with one request, which is trusted for
    what it shows; those that it does not show to be in use are read one by one.
    """

    name = "live_use"
    permissions = ("Microsoft.Insights/metrics/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[Found]:
        """The figures for each metric that the fixes of a step name, in their order."""
        today = reader.now().astimezone(timezone.utc).date()
        first = today - timedelta(days=_DAYS)
        span = timespan(first, reader.now())
        batches = _Batches(reader, span, subjects)

        def figures(subject: Subject, use: LiveUse) -> Figures | DefenderRemediateError:
            since = max(first, _created(subject) or first)
            expected = frozenset(since + timedelta(days=past) for past in range((today - since).days - _LATE + 1))
            known: frozenset[date] | None = None
            used: list[Series] = [*_used(batches.shown(subject, use), use)]
            try:
                for resource in () if used else _measured(reader, subject, use):
                    if name_of(resource).rpartition("/")[2] in _UNDOCUMENTED:
                        used += _used_if_readable(reader, resource, use, span)
                        continue
                    own = _read(reader, resource, use.metrics, use, span)
                    used += _used(own, use)
                    days = days_with_data(own)
                    if use.proof and not days >= expected and not used:
                        days |= batches.proven(subject, use) or _proof(reader, resource, use.proof, span)
                    # Each of several has to have data: any of them may be the one in use.
                    known = days if known is None else known & days
            except DefenderRemediateError as error:
                # What was read before has shown use already.
                return Figures(used=tuple(used), since=since) if used else error
            missing = len(expected - known) if known else max(len(expected), 1)
            return Figures(used=tuple(used), since=since, missing=missing)

        return reader.for_each(
            subjects, lambda subject: tuple(figures(subject, use) for use in subject.live_uses if use.metrics)
        )

    def judge(self, subject: Subject, facts: StepFacts[Found]) -> Iterator[CheckResult]:
        """What the figures of one step mean."""
        measured = [use for use in subject.live_uses if use.metrics]
        for use, figures in zip(measured, facts[subject], strict=True):
            if isinstance(figures, DefenderRemediateError):
                # A cloud without metrics cannot show that no one uses the resource either.
                failed = unreadable(self.name, figures)
                yield attrs.evolve(failed, status=CheckStatus.UNCHECKED, advice=_advice(use))
            else:
                yield self._of_figures(use, figures)

    def _of_figures(self, use: LiveUse, figures: Figures) -> CheckResult:
        subject = "what the change closes" if use.dimension else "the resource"
        note = (use.note,) if use.note else ()
        if figures.used:
            message = f"{subject} was used in the last {_DAYS} days"
            if use.dimension is None:
                message += "; the metric does not tell whether the change would cut that use off"
            return CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=message,
                evidence=(*_told(figures.used, use), *note),
                advice=_advice(use),
            )
        names = _names(use)
        if figures.missing:
            return CheckResult(
                check=self.name,
                status=CheckStatus.UNCHECKED,
                message=f"whether {subject} is used could not be checked: the metrics have no data for some days",
                evidence=(f"no data on {figures.missing} of the days since {figures.since}: {names}", *note),
                advice=_advice(use),
            )
        return CheckResult(
            check=self.name,
            status=CheckStatus.PASSED,
            message=f"no use of {subject} was recorded in the last {_DAYS} days",
            evidence=(f"0 since {figures.since}: {names}", *note),
        )


class _Batches:
    """What one request for all resources of a type in a region shows. A batch that cannot be read shows nothing."""

    def __init__(self, reader: CheckReader, span: str, subjects: Sequence[Subject]) -> None:
        self._reader = reader
        self._span = span
        self._sizes: dict[tuple[str, ...], int] = {}
        for subject in subjects:
            for use in subject.live_uses:
                if use.metrics and not use.below:
                    place = _place(subject, use)
                    self._sizes[place] = self._sizes.get(place, 0) + 1

    def shown(self, subject: Subject, use: LiveUse) -> tuple[Series, ...]:
        """The figures of a resource in the batch; none if there are too few resources for one."""
        found = self._read(subject, use, use.metrics, use)
        return found.get(id_key(subject.step.resource_id), ())

    def proven(self, subject: Subject, use: LiveUse) -> frozenset[date]:
        """The days on which the metric that proves the arrival of data had any."""
        plain = LiveUse(metrics=(use.proof or "",), aggregation=Aggregation.AVERAGE)
        found = self._read(subject, use, plain.metrics, plain).get(id_key(subject.step.resource_id), ())
        return days_with_data(found)

    def _read(
        self, subject: Subject, sized: LiveUse, metrics: tuple[str, ...], use: LiveUse
    ) -> Mapping[str, tuple[Series, ...]]:
        region, kind, *_ = _place(subject, sized)
        if self._sizes.get(_place(subject, sized), 0) < _BATCH or not region:
            return {}
        filters = ["Microsoft.ResourceId eq '*'", *([f"{use.dimension} eq '*'"] if use.dimension else [])]
        params = {
            **metrics_query(metrics, use.aggregation, self._span),
            "region": region,
            "metricnamespace": kind,
            "$filter": " and ".join(filters),
            "top": str(_TOP_OF_BATCH),
        }
        path = f"/subscriptions/{subscription_of(subject.step.resource_id)}/providers/Microsoft.Insights/metrics"
        try:
            # An answer shows thousands of resources: it is taken apart once, and not for each of them.
            return self._reader.get(path, api_versions=METRIC_VERSIONS, params=params, parse=SeriesByResource.of(use))
        except DefenderRemediateError:
            # Not every metric can be read for many resources, and not every caller may read the whole subscription.
            return {}


def _place(subject: Subject, use: LiveUse) -> tuple[str, ...]:
    """What the resources of one request share."""
    region = fold(wire.text(subject.resource or subject.before, "location")).replace(" ", "")
    resource = subject.step.resource_id
    return region, fold(type_of(resource)), subscription_of(resource), *use.metrics, use.dimension or ""


def _measured(reader: CheckReader, subject: Subject, use: LiveUse) -> tuple[str, ...]:
    """The resources whose metrics count the use."""
    resource = subject.step.resource_id
    if not use.below:
        return (resource,)
    path = f"{resource}/{use.below}"
    versions = _DATABASES.get(fold(type_of(path)), (subject.step.api_version,))
    listed: tuple[Any, ...] = reader.list(path, api_versions=versions)
    own = [wire.text(item, "id") for item in listed]
    if all(name_of(one).rpartition("/")[2] in _UNDOCUMENTED for one in own):
        raise MalformedResponseError(f"{type_of(resource)} has no {use.below} whose metrics could be read")
    return tuple(sorted(own, key=fold))


def _used_if_readable(reader: CheckReader, resource: str, use: LiveUse, span: str) -> tuple[Series, ...]:
    try:
        return _used(_read(reader, resource, use.metrics, use, span), use)
    except DefenderRemediateError:
        return ()


def _read(reader: CheckReader, resource: str, metrics: tuple[str, ...], use: LiveUse, span: str) -> list[Series]:
    params = metrics_query(metrics, use.aggregation, span)
    if use.dimension:
        params.update({"$filter": f"{use.dimension} eq '*'", "top": str(_TOP)})
    path = f"{resource}/providers/Microsoft.Insights/metrics"
    read = reader.get(path, api_versions=METRIC_VERSIONS, params=params, parse=SeriesByResource.of(use))
    found = [one for series in read.values() for one in series]
    if use.dimension and len(found) >= _TOP and not _used(found, use):
        raise MalformedResponseError(f"Azure Monitor returned {len(found)} series and may have left others out")
    return found


def _proof(reader: CheckReader, resource: str, metric: str, span: str) -> frozenset[date]:
    """The days on which a metric that needs no use has data."""
    plain = LiveUse(metrics=(metric,), aggregation=Aggregation.AVERAGE)
    return days_with_data(_read(reader, resource, plain.metrics, plain, span))


def _used(series: Iterable[Series], use: LiveUse) -> tuple[Series, ...]:
    """The series that show use which the change cuts off, or may."""
    return tuple(one for one in series if use.cuts_off(one.value) and any(figure > 0 for figure in one.days.values()))


def _told(used: tuple[Series, ...], use: LiveUse) -> Iterator[str]:
    """The figures, a line for each metric and value of the dimension."""
    groups: dict[tuple[str, str | None], list[Series]] = {}
    for one in used:
        groups.setdefault((one.metric, one.value), []).append(one)
    lines = []
    for (metric, value), members in groups.items():
        figures = [figure for one in members for figure in one.days.values()]
        amount = f"{sum(figures):,.0f}" if use.aggregation.is_sum else f"up to {max(figures):,.6g}"
        last = max(day for one in members for day, figure in one.days.items() if figure > 0)
        about = f" with {use.dimension} {value}" if value is not None else ""
        lines.append(f"{amount} in the last {_DAYS} days, last on {last}: {metric}{about}")
    lines.sort()
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"and {len(lines) - _SHOWN} more"


def _names(use: LiveUse) -> str:
    about = ""
    if use.dimension and use.values:
        about = f" with {use.dimension} {', '.join(use.values)}"
    elif use.dimension:
        about = f" with {use.dimension} other than {', '.join(use.keeps)}"
    return f"{', '.join(use.metrics)}{about}"


def _created(subject: Subject) -> date | None:
    """The first day on which a resource can have data; None if its body does not say when it was created."""
    body = subject.resource or subject.before
    for holder in (wire.pick(body, "systemData"), wire.pick(body, "properties"), body):
        at = wire.timestamp(holder, *_CREATED)
        if at is not None:
            return at.date() + timedelta(days=1)
    return None


def _advice(use: LiveUse) -> str:
    ask = f"find the callers in the logs ({use.logs})" if use.logs else "find the callers"
    return f'{ask} and move them first; or pass waive={{"live_use": "reason"}}'
