"""``sim.metrics``: who uses a resource, as the metrics of Azure Monitor show it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.monitor.metric_state import Figure, MetricDefinition
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import did_you_mean, instance, string, strings

_KEPT = 93


class MetricControls:
    """Adds and removes figures. At first no one uses anything, and every metric arrives."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add_use(
        self,
        resource_id: str,
        metric: str,
        figure: float,
        *,
        days_ago: int = 1,
        dimensions: Mapping[str, str] | None = None,
    ) -> None:
        """Adds the figure of one day to a metric.

        Args:
            resource_id: The resource.
            metric: One that the type has.
            figure: What the metric shows for the day; figures of equal dimensions are added up.
            days_ago: The day; 0 is today, and 93 the first one that Azure keeps.
            dimensions: The values of the dimensions, such as ``{"Authentication": "AccountKey"}``.

        Raises:
            InvalidInputError: The resource does not exist (also a KeyError), its type has no such metric, the metric has
                no such dimension, the figure is negative, or Azure keeps no data of that day.
        """
        arguments.count("days_ago", days_ago, most=_KEPT)
        arguments.amount("figure", figure)
        named = dict(arguments.mapping("dimensions", dimensions or {}))
        with self._tenant.lock:
            definition = self._definition(resource_id, metric)
            unknown = sorted({fold(name) for name in named} - {fold(n) for n in definition.dimensions})
            if unknown:
                raise InvalidInputError(
                    f"the metric {quoted(metric)} has no dimension {quoted(unknown[0])}",
                    hint=did_you_mean(unknown[0], definition.dimensions),
                )
            day = self._tenant.clock.now().date() - timedelta(days=days_ago)
            added = Figure(day=day, value=figure, dimensions=named)
            self._tenant.metrics.figures.setdefault((ids.key(resource_id), fold(metric)), []).append(added)

    def lose(self, resource_id: str, metric: str | None = None, *, days: int = _KEPT) -> None:
        """Removes all data of a resource's metrics, as when they do not arrive in Azure Monitor.

        Args:
            resource_id: The resource.
            metric: The only metric to remove; None for all.
            days: How many of the last days have no data, and today.

        Raises:
            InvalidInputError: The resource does not exist (also a KeyError), its type has no such metric, or Azure keeps
                no data of so many days.
        """
        arguments.count("days", days, most=_KEPT)
        with self._tenant.lock:
            if metric is None:
                self._found(resource_id)
            else:
                self._definition(resource_id, metric)
            today = self._tenant.clock.now().date()
            key = (ids.key(resource_id), None if metric is None else fold(metric))
            gone = {today - timedelta(days=past) for past in range(days + 1)}
            self._tenant.metrics.gaps.setdefault(key, set()).update(gone)

    def define(
        self, resource_type: str, metric: str, *, dimensions: tuple[str, ...] = (), has_data_when_idle: bool = True
    ) -> None:
        """Adds a metric to a resource type.

        Args:
            resource_type: Such as ``Microsoft.Storage/storageAccounts``.
            metric: The name of the metric.
            dimensions: What its figures can be told apart by.
            has_data_when_idle: Whether it shows zero on days without use; else it has no data then.

        Raises:
            InvalidInputError: The simulator does not know the type, the name is empty, or the dimensions are a string.
        """
        definition = MetricDefinition(
            name=arguments.text("metric", metric),
            dimensions=strings("dimensions", dimensions),
            idle=instance("has_data_when_idle", has_data_when_idle, bool),
        )
        with self._tenant.lock:
            self._tenant.metrics.define(lookup.resource_type(self._tenant, resource_type).name, definition)

    def _found(self, resource_id: str) -> str:
        return lookup.resource(self._tenant, resource_id).type.name

    def _definition(self, resource_id: str, metric: str) -> MetricDefinition:
        kind = self._found(resource_id)
        known = self._tenant.metrics.definitions.get(fold(kind), {})
        if fold(string("metric", metric)) not in known:
            names = [one.name for one in known.values()]
            raise InvalidInputError(
                f"{kind} has no metric {quoted(metric)}: it has {', '.join(names) or 'none'}",
                hint=did_you_mean(metric, names) if names else "sim.metrics.define adds a metric to a type",
            )
        return known[fold(metric)]
