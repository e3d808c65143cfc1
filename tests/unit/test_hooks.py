from __future__ import annotations

import io
import logging

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.hooks import (
    PhaseProgressed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    log_progress,
    print_progress,
)
from defender_remediate.models.result import StepError

TITLE = "Secure transfer to storage accounts should be enabled"


@pytest.fixture
def tell(make_plan, make_step, make_result, make_report):
    """Tell a hook of a whole run with one good and one bad step."""
    bad = make_result(outcome="failed", health=None, error=StepError(code="Conflict", message="line\nbreak"))

    def _tell(hook):
        hook(RunStarted(run_id="run-1", correlation_id="c-1", plan=make_plan()))
        hook(StepStarted(run_id="run-1", step=make_step()))
        hook(StepFinished(run_id="run-1", step=make_step(), result=make_result(), done=1, total=2))
        hook(StepFinished(run_id="run-1", step=make_step(), result=bad, done=2, total=2))
        hook(RunFinished(report=make_report(results=(bad,))))
        hook(RunFinished(report=make_report()))

    return _tell


def test_every_event_is_one_line_of_the_log(tell, make_step, caplog):
    """What went well is INFO, what needs attention is WARNING, under the library's own logger."""
    target = make_step().target_id
    with caplog.at_level(logging.INFO, logger="defender_remediate"):
        tell(log_progress())
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("defender_remediate", "INFO", "run run-1: 1 step, correlation id c-1"),
        ("defender_remediate", "INFO", f"{target}: {TITLE}: started"),
        ("defender_remediate", "INFO", f"[1/2] {target}: {TITLE}: applied (Defender for Cloud: healthy)"),
        ("defender_remediate", "WARNING", f"[2/2] {target}: {TITLE}: failed (Conflict: line break)"),
        ("defender_remediate", "WARNING", "run run-1: finished, 0 of 1 step succeeded"),
        ("defender_remediate", "INFO", "run run-1: finished, 1 of 1 step succeeded"),
    ]


def test_a_phase_is_one_line_and_its_progress_is_for_debugging(caplog):
    """A plan of thousands of targets does not fill the log."""
    hook = log_progress()
    with caplog.at_level(logging.DEBUG, logger="defender_remediate"):
        hook(PhaseProgressed(phase="reading_targets", total=2))
        hook(PhaseProgressed(phase="reading_targets", done=1, total=2))
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG"]


def test_the_log_goes_where_it_is_sent(tell, caplog):
    """A logger of the caller's own takes the place of the library's."""
    with caplog.at_level(logging.INFO, logger="mine"):
        tell(log_progress(logging.getLogger("mine")))
    assert {record.name for record in caplog.records} == {"mine"}


def test_what_is_no_logger_is_refused():
    """At once, and not at the first event in the middle of a run."""
    with pytest.raises(InvalidInputError, match="logger must be a"):
        log_progress("mine")


def test_finished_steps_are_written_to_a_stream(tell, make_step):
    """One line per finished step and nothing else."""
    stream = io.StringIO()
    tell(print_progress(stream))
    target = make_step().target_id
    assert stream.getvalue().splitlines() == [
        f"[1/2] {target}: {TITLE}: applied (Defender for Cloud: healthy)",
        f"[2/2] {target}: {TITLE}: failed (Conflict: line break)",
    ]


def test_progress_goes_to_standard_error(tell, capsys):
    """Output that is piped on stays clean."""
    hook = print_progress()
    tell(hook)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
