"""A plan and progress in a terminal, in colour and without."""

from __future__ import annotations

import io
import re
import sys
from datetime import timedelta

import pytest

from defender_remediate.errors import InvalidInputError, MissingExtraError
from defender_remediate.hooks import (
    PhaseProgressed,
    PlanningFinished,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from defender_remediate.models.plan import SkippedResource
from defender_remediate.models.result import StepError
from defender_remediate.progress import Pace
from defender_remediate.reports import print_plan, show_progress


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


def without_colour(text: str) -> str:
    """The text that a terminal shows."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def terminal(monkeypatch):
    """A terminal with colours, whatever the machine says."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_plan_is_coloured_in_a_terminal_only(make_plan, terminal, capsys):
    """The text is the same everywhere; a name from outside cannot add a colour or markup of its own."""
    skip = SkippedResource(resource_id="/x", keys=("[red]k[/red]\x1b[31m",), reason="no_fix")
    plan = make_plan(skipped=(skip,))
    print_plan(plan, terminal)
    assert "\x1b[" in terminal.getvalue()
    assert without_colour(terminal.getvalue()) == f"{plan}\n"
    stream = io.StringIO()
    print_plan(plan, stream)
    assert stream.getvalue() == f"{plan}\n"
    print_plan(plan)
    assert capsys.readouterr().out == f"{plan}\n"
    with pytest.raises(InvalidInputError):
        print_plan([])


@pytest.fixture
def tell(make_plan, make_step, make_result, make_report):
    """Tell a hook of planning and of a run with one step that failed."""
    bad = make_result(outcome="failed", health=None, error=StepError(code="Conflict", message="[red]x\x1b[31m"))

    def _tell(hook):
        hook(PhaseProgressed(phase="reading_assessments"))
        hook(PhaseProgressed(phase="reading_targets", total=2))
        hook(PhaseProgressed(phase="reading_targets", done=2, total=2))
        hook(PlanningFinished(plan=make_plan()))
        hook(RunStarted(run_id="run-1", correlation_id="c-1", plan=make_plan()))
        hook(StepStarted(run_id="run-1", step=make_step()))
        hook(StepFinished(run_id="run-1", step=make_step(), result=make_result(), done=1, total=2))
        hook(StepFinished(run_id="run-1", step=make_step(), result=bad, done=2, total=2))
        hook(RunFinished(report=make_report(results=(bad,))))

    return _tell


def test_a_progress_bar_ends_with_what_happened(tell, terminal, capsys):
    """Failures are named in full, without markup or control characters of their own; a file gets no bar."""
    tell(show_progress(terminal))
    shown = without_colour(terminal.getvalue())
    assert "planned 1 change, 1 skipped" in shown
    assert "applying" in shown
    assert "failed (Conflict: [red]x\\x1b[31m)" in shown
    tell(show_progress())
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines[0] == "planned 1 change, 1 skipped"
    assert lines[-1] == "run run-1: finished, 0 of 1 step succeeded"
    assert sum("failed (Conflict" in line for line in lines) == 1


def test_a_bar_that_was_interrupted_can_be_closed(terminal):
    """The cursor is shown again."""
    hook = show_progress(terminal)
    hook(PhaseProgressed(phase="checking"))
    assert "\x1b[?25l" in terminal.getvalue()
    hook.close()
    hook.close()
    assert terminal.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in terminal.getvalue()


def test_without_rich_the_error_names_the_extra(monkeypatch):
    """The bar is optional."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[reports\]"):
        show_progress()


def test_the_end_follows_from_the_rate(make_plan):
    """Unknown before anything is done, or while no time has passed."""
    now = make_plan().created_at
    pace = Pace(now, 10)
    assert pace.at(0, now + timedelta(seconds=5)) == (None, None)
    assert pace.at(3, now) == (None, None)
    later = now + timedelta(seconds=5)
    assert pace.at(5, later) == (1.0, later + timedelta(seconds=5))
