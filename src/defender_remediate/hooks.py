"""Progress and notification: what is called while a run goes on.

A hook is any callable that takes one :data:`~defender_remediate.models.events.RemediationEvent`. It cannot change a
run: what it returns is ignored, and when it raises, the run goes on and the report carries a warning.
"""

from __future__ import annotations

import logging
import sys
from typing import Protocol, TextIO

from defender_remediate.models.events import RemediationEvent, RunFinished, StepFinished

__all__ = ["RemediationHook", "log_progress", "print_progress"]


class RemediationHook(Protocol):
    """What is told of a run, one event at a time, in the order in which things happened."""

    def __call__(self, event: RemediationEvent, /) -> None:
        """Take note of one event."""


def log_progress(logger: logging.Logger | None = None) -> RemediationHook:
    """A hook that logs one line per event: INFO, and WARNING for a step that did not end well.

    No line holds a value of a resource: only ids, outcomes and what Azure said about an error.

    Args:
        logger: Where to; the logger ``defender_remediate`` when left out.
    """
    log = logger or logging.getLogger("defender_remediate")

    def hook(event: RemediationEvent, /) -> None:
        log.log(_level(event), "%s", event)

    return hook


def print_progress(stream: TextIO | None = None) -> RemediationHook:
    """A hook that writes one line per finished step, such as ``[3/20] ...: applied``.

    Args:
        stream: Where to; what ``sys.stderr`` is at that time when left out, so that piped output stays clean.
    """

    def hook(event: RemediationEvent, /) -> None:
        if isinstance(event, StepFinished):
            target = stream or sys.stderr
            target.write(f"{event}\n")
            target.flush()

    return hook


def _level(event: RemediationEvent) -> int:
    ended_badly = (isinstance(event, StepFinished) and not event.result.outcome.succeeded) or (
        isinstance(event, RunFinished) and bool(event.report.failures)
    )
    return logging.WARNING if ended_badly else logging.INFO
