"""A progress bar in the terminal, drawn with rich."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from defender_remediate.errors import MissingExtraError
from defender_remediate.hooks import (
    PhaseProgressed,
    PlanningFinished,
    RemediationEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    VerificationFinished,
)
from defender_remediate.validation import stream as text_stream

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressBar:
    """A hook that shows one bar for each phase and run, and a line for each step that did not succeed.

    The bar ends with the plan, the run or the verification. After an exception in between, ``close`` gives the terminal back.

    Args:
        stream: Where it is written.

    Raises:
        MissingExtraError: The extra ``reports`` is not installed.
    """

    def __init__(self, stream: TextIO) -> None:
        try:
            import rich.console
            import rich.progress
        except ImportError as error:
            raise MissingExtraError("a progress bar needs the package rich", extra="reports") from error
        self._rich = rich.progress
        self._console = rich.console.Console(file=stream, highlight=False)
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: RemediationEvent, /) -> None:
        """Receive one event."""
        if isinstance(event, PhaseProgressed):
            self._show(event.phase.label, event.done, event.total)
        elif isinstance(event, RunStarted):
            self._show("applying", 0, len(event.plan.steps))
        elif isinstance(event, StepFinished):
            self._show("applying", event.done, event.total)
            if not event.result.outcome.succeeded:
                # Names and messages come from outside: no markup is read in them.
                self._console.print(str(event), style="red", markup=False, soft_wrap=True)
        elif isinstance(event, (PlanningFinished, RunFinished, VerificationFinished)):
            self.close()
            self._console.print(str(event), markup=False, soft_wrap=True)

    def close(self) -> None:
        """Stop drawing."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._tasks = None, {}

    def _show(self, name: str, done: int, total: int | None) -> None:
        if self._progress is None:
            columns = (
                self._rich.TextColumn("{task.description}"),
                self._rich.BarColumn(),
                self._rich.MofNCompleteColumn(),
                self._rich.TimeRemainingColumn(),
            )
            self._progress = self._rich.Progress(*columns, console=self._console, transient=True)
            self._progress.start()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)


def show_progress(stream: TextIO | None = None) -> ProgressBar:
    """A hook that shows a progress bar in the terminal: the phase, what failed, and the time that is left.

    Args:
        stream: The stream to write to; ``sys.stderr`` by default. If it is not a terminal, only what failed and how it
            ended is written.

    Raises:
        MissingExtraError: The extra ``reports`` is not installed.
    """
    return ProgressBar(text_stream(stream, sys.stderr))
