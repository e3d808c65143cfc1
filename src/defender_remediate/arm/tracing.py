"""Spans and metrics of OpenTelemetry, if it is installed and azure-core's tracing is on: ``settings.tracing_enabled``.

What a tracer, a meter or an exporter raises is logged at DEBUG and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import Any, TypeVar

import attrs
from azure.core.pipeline.policies import DistributedTracingPolicy
from azure.core.settings import settings

from defender_remediate._version import __version__
from defender_remediate.redaction import redact_text

_T = TypeVar("_T")
_LOGGER = logging.getLogger("defender_remediate.arm")
_NAME = "defender_remediate"
# Shorter waits are those for a lock of this process.
_SHORTEST_WAIT = 0.01


class SpanPolicy(DistributedTracingPolicy[Any, Any]):
    """azure-core's span for each request. A span that cannot be ended does not fail the request, which was answered."""

    def end_span(self, *arguments: Any, **options: Any) -> None:
        """End the span of a request."""
        _quietly(lambda: super(SpanPolicy, self).end_span(*arguments, **options))


@contextmanager
def span(
    name: str, *, parent: Mapping[str, str] | None = None, **attributes: str | int
) -> Iterator[dict[str, str | int]]:
    """Trace the body of a ``with`` statement as a span; requests in it are its children.

    Args:
        name: The name of the span.
        parent: The ``trace_context`` of the parent, for a body that runs in another thread.
        attributes: What is known at the beginning.

    Yields:
        A dictionary for the attributes that are known at the end.
    """
    late: dict[str, str | int] = {}
    opened = _quietly(lambda: _open(name, parent, attributes)) if _is_on() else None
    with ExitStack() as ending:
        if opened is not None:
            ending.callback(_quietly, lambda: opened.close(late))
        yield late


def trace_context() -> Mapping[str, str]:
    """What identifies the current span, to be the parent of others; empty if there is none."""
    return (_quietly(lambda: _tracer().get_trace_context()) if _is_on() else None) or {}


def count_step(outcome: str) -> None:
    """Count a step by its outcome."""
    if _is_on():
        _quietly(lambda: _instruments()[0].add(1, {"outcome": outcome}))


def record_wait(seconds: float) -> None:
    """Record how long a request waited for a limit of Azure."""
    if seconds >= _SHORTEST_WAIT and _is_on():
        _quietly(lambda: _instruments()[1].record(seconds))


@attrs.frozen
class _OpenSpan:
    span: Any
    scope: AbstractContextManager[Any]

    def close(self, late: Mapping[str, str | int]) -> None:
        try:
            self.span.set_attributes(_named(late))
        finally:
            self.scope.__exit__(None, None, None)


def _open(name: str, parent: Mapping[str, str] | None, attributes: Mapping[str, str | int]) -> _OpenSpan:
    scope = _tracer().start_as_current_span(
        f"{_NAME}.{name}", attributes=_named(attributes), context=dict(parent) if parent else None
    )
    return _OpenSpan(scope.__enter__(), scope)


def _named(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    # The name of a resource may be anything.
    return {
        f"{_NAME}.{name}": redact_text(value) if isinstance(value, str) else value for name, value in attributes.items()
    }


def _is_on() -> bool:
    return bool(_quietly(settings.tracing_enabled))


def _tracer() -> Any:
    # Loads OpenTelemetry.
    from azure.core.instrumentation import get_tracer

    return get_tracer(library_name=_NAME, library_version=__version__)


@cache
def _instruments() -> tuple[Any, Any]:
    """The counter of steps and the histogram of waits."""
    from opentelemetry import metrics

    meter = metrics.get_meter(_NAME, __version__)
    steps = meter.create_counter(f"{_NAME}.steps", description="Steps by outcome")
    return steps, meter.create_histogram(f"{_NAME}.limit_wait", unit="s", description="Waits for limits of Azure")


def _quietly(act: Callable[[], _T]) -> _T | None:
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - someone else's code must not fail a run
        _LOGGER.debug("tracing failed: %s", type(error).__name__)
        return None
