"""How far a change was proven, and why it is not healthy."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate.models.diagnosis import Cause, Diagnosis, Verification, moment
from defender_remediate.models.result import RemediationReport, StepError
from defender_remediate.reports import to_csv, to_html, to_markdown

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
STALE = Diagnosis(
    cause="stale",
    message="Defender has not assessed it again",
    evidence=("Secure transfer: Unhealthy", "<b>since</b> 2026"),
    advice="wait",
    recheck_at=NOON,
)


@pytest.mark.parametrize(
    ("diagnosis", "text"),
    [
        (STALE, "stale: Defender has not assessed it again\n-> wait; verify again after 2026-11-23 12:00 UTC"),
        (Diagnosis(cause="exempt", message="m"), "exempt: m"),
        (Diagnosis(cause="exempt", message="m", advice="a"), "exempt: m\n-> a"),
        (
            Diagnosis(cause="stale", message="m", recheck_at=NOON),
            "stale: m\n-> verify again after 2026-11-23 12:00 UTC",
        ),
    ],
)
def test_a_diagnosis_prints_in_two_lines_at_most(diagnosis: Diagnosis, text: str) -> None:
    """The cause, then what to do and when."""
    assert str(diagnosis) == text


def test_a_time_for_people_is_never_too_early() -> None:
    """A re-check at the printed minute is not too early."""
    assert moment(NOON) == "2026-11-23 12:00 UTC"
    assert moment(NOON + timedelta(microseconds=1)) == "2026-11-23 12:01 UTC"
    assert moment(NOON.astimezone(timezone(timedelta(hours=2)))) == "2026-11-23 12:00 UTC"


def test_a_diagnosis_looks_like_a_table_in_a_notebook() -> None:
    """With its evidence, and nothing in it is markup."""
    shown = STALE._repr_html_()  # type: ignore[attr-defined]
    assert "Secure transfer: Unhealthy, &lt;b&gt;since" in shown


def test_a_diagnosis_survives_json_and_pickle(make_report: Callable[..., Any], make_result: Callable[..., Any]) -> None:
    """A stored report is explained as the one that was written."""
    report = make_report(results=(make_result(diagnosis=STALE), make_result(diagnosis=None)))
    assert RemediationReport.from_json(report.to_json()) == report
    assert pickle.loads(pickle.dumps(report)) == report


def test_three_causes_end_by_themselves() -> None:
    """All other causes need an action by a person."""
    assert {cause for cause in Cause if cause.ends_by_itself} == {Cause.NOT_ENOUGH_TIME, Cause.STALE, Cause.PREVIEW}


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"compliant": None, "after": None, "health": None}, Verification.NOT_VERIFIED),
        ({"compliant": None, "after": None, "health": "healthy"}, Verification.NOT_VERIFIED),
        ({"compliant": None}, Verification.READ_BACK),
        ({"compliant": False, "after": None}, Verification.READ_BACK),
        ({"compliant": False, "health": "healthy"}, Verification.READ_BACK),
        ({"compliant": True, "health": None}, Verification.COMPLIANT),
        ({"compliant": True, "health": "unhealthy"}, Verification.COMPLIANT),
        ({"compliant": True, "health": "healthy"}, Verification.CONFIRMED_BY_DEFENDER),
        ({"compliant": True, "health": "healthy", "outcome": "rolled_back"}, Verification.COMPLIANT),
    ],
)
def test_each_stage_stands_on_those_before(
    make_result: Callable[..., Any], changes: dict[str, Any], stage: Verification
) -> None:
    """Defender's Healthy alone proves nothing of a resource that was not read, or is not compliant."""
    assert make_result(**changes).verified is stage


def test_a_report_prints_its_diagnoses(make_report: Callable[..., Any], make_result: Callable[..., Any]) -> None:
    """Under the outcome, once for all resources that share it; what was not fixed has said why in its error."""
    not_fixed = Diagnosis(cause="not_fixed", message="no")
    report = make_report(
        results=(
            make_result(diagnosis=STALE),
            make_result(step_id="step-8", keys=("k",), diagnosis=STALE, resource_id="/b"),
            make_result(
                step_id="step-9",
                keys=("k",),
                diagnosis=not_fixed,
                resource_id="/c",
                outcome="skipped",
                health="unhealthy",
            ),
        )
    )
    assert str(report).splitlines()[2:] == [
        "",
        "! 1 skipped (Defender for Cloud: unhealthy)",
        "    [k]",
        "      /c",
        "",
        "+ 2 applied (Defender for Cloud: healthy)",
        "    stale: Defender has not assessed it again",
        "    -> wait; verify again after 2026-11-23 12:00 UTC",
        "    Secure transfer to storage accounts should be enabled",
        f"      {report.results[0].resource_id.split('/')[4]}: {report.results[0].resource_id.split('/')[-1]}",
        "    [k]",
        "      /b",
    ]


def test_a_report_for_people_has_the_diagnosis(
    make_report: Callable[..., Any], make_result: Callable[..., Any]
) -> None:
    """Markdown and HTML with the evidence, as text; a spreadsheet in two columns."""
    report = make_report(results=(make_result(diagnosis=STALE), make_result(resource_id="/b")))
    assert "| stale: Defender has not assessed it again<br>" in to_markdown(report)
    assert "Secure transfer: Unhealthy<br>&lt;b&gt;since" in to_markdown(report)
    assert "&lt;b&gt;since" in to_html(report).replace("<wbr>", "")
    head, one, other = csv.reader(io.StringIO(to_csv(report)))
    first, second = dict(zip(head, one, strict=True)), dict(zip(head, other, strict=True))
    assert first["diagnosis"] == "stale: Defender has not assessed it again"
    assert first["recheck_at"] == "2026-11-23T12:00:00+00:00"
    assert (second["diagnosis"], second["recheck_at"]) == ("", "")


def test_of_what_was_not_fixed_a_report_shows_the_advice_only(
    make_report: Callable[..., Any], make_result: Callable[..., Any]
) -> None:
    """The outcome says why; what can be done instead is new, unless the error has said it."""
    why = Diagnosis(cause="not_fixed", message="it has no fix", advice="follow the manual steps", evidence=("seen",))
    skipped = make_result(step_id=None, keys=("k",), resource_id="/c", outcome="skipped", health=None, diagnosis=why)
    lines = str(make_report(results=(skipped,))).splitlines()
    assert lines[2:] == ["", "- 1 skipped", "    -> follow the manual steps", "    [k]", "      /c"]
    shown = to_markdown(make_report(results=(skipped,)))
    assert "-&gt; follow the manual steps" in shown
    assert "it has no fix" not in shown
    error = StepError(code="X", message="m", hint="follow the manual steps")
    told = str(make_report(results=(attrs.evolve(skipped, error=error),)))
    assert told.count("follow the manual steps") == 1
