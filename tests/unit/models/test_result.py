from __future__ import annotations

import pickle

import pytest

from defender_remediate.errors import InvalidInputError, RemediationFailedError
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult, StepError

ERROR = StepError(code="ScopeLocked", message="the scope is locked", status=409, hint="remove the lock")


def test_a_report_survives_json_and_pickle(make_report, make_result):
    """A report read back is the report that was written, with its plan and its errors."""
    report = make_report(
        results=(make_result(), make_result(step_id="", outcome="skipped", error=ERROR, before=None, compliant=None)),
        warnings=("a hook raised",),
    )
    assert RemediationReport.from_json(report.to_json()) == report
    assert pickle.loads(pickle.dumps(report)) == report


def test_a_plan_is_no_report(make_plan):
    """Mixing the two up is told apart by name."""
    with pytest.raises(InvalidInputError, match="not of a RemediationReport"):
        RemediationReport.from_json(make_plan().to_json())


@pytest.mark.parametrize("outcome", Outcome)
def test_only_three_outcomes_leave_nothing_to_do(outcome, make_report, make_result):
    """Applied, already compliant and rolled back are good; every other planned step is a failure."""
    good = {Outcome.APPLIED, Outcome.ALREADY_COMPLIANT, Outcome.ROLLED_BACK}
    report = make_report(results=(make_result(outcome=outcome),))
    assert outcome.succeeded == (outcome in good)
    assert bool(report.failures) == (outcome not in good)
    assert report.count(outcome) == report.count(outcome.value) == 1
    assert sum(report.count(other) for other in Outcome) == 1


def test_a_resource_that_the_plan_left_out_is_no_failure(make_report, make_result):
    """A resource that was not to be changed cannot fail."""
    report = make_report(results=(make_result(step_id="", outcome="skipped"),))
    assert report.failures == ()
    report.raise_for_failures()


def test_failures_raise_when_asked(make_report, make_result):
    """The exception counts the failures and names the first."""
    report = make_report(results=(make_result(outcome="blocked", error=ERROR, health=None),))
    with pytest.raises(RemediationFailedError) as caught:
        report.raise_for_failures()
    assert str(caught.value).startswith("1 of 1 step did not succeed; the first: /subscriptions/")
    assert "ScopeLocked: the scope is locked; remove the lock" in str(caught.value)


def test_a_report_is_a_sequence_of_results(make_report, make_result):
    """It is iterated and counted, and leads back to the planned step."""
    left_out = make_result(step_id="", outcome="skipped")
    report = make_report(results=(make_result(), left_out))
    assert list(report) == list(report.results)
    assert len(report) == 2
    assert report.step(report.results[0]) is report.plan.steps[0]
    assert report.step(left_out) is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"health": None}, "applied"),
        ({}, "applied (Defender for Cloud: healthy)"),
        (
            {"outcome": "failed", "error": StepError(code="X", message="y")},
            "failed (X: y; Defender for Cloud: healthy)",
        ),
    ],
)
def test_a_result_prints_on_one_line(make_result, changes, text):
    """Resource, outcome, error, and Defender's assessment."""
    result = make_result(**changes)
    assert str(result) == f"{result.resource_id} [{result.keys[0]}]: {text}"


def test_what_is_not_known_is_unknown():
    """A skipped resource has no health, no compliance and no attempts."""
    result = RemediationResult(resource_id="/x", keys=(), outcome="skipped")
    assert (result.health, result.compliant, result.attempts) == (None, None, 0)


def test_no_repr_shows_a_secret(make_result):
    """A result that is logged gives away no value that its path calls a secret."""
    before, after = {"properties.adminPassword": "planted-1"}, {"properties.adminPassword": "planted-2"}
    assert "planted" not in repr(make_result(before=before, after=after))


@pytest.mark.parametrize("wrong", ["succeeded", None, 5, "x" * 5000])
def test_an_outcome_that_does_not_exist_is_a_typed_error(make_report, wrong):
    """The message names every outcome."""
    with pytest.raises(InvalidInputError, match="applied, already_compliant") as caught:
        make_report().count(wrong)
    assert len(str(caught.value)) < 300


def test_a_result_that_only_waits_for_defender_is_pending(make_result):
    """Unhealthy with a cause that ends by itself: nothing is left to do but to verify again."""
    waiting = make_result(health="unhealthy", diagnosis=Diagnosis(cause="stale", message="m"))
    assert waiting.is_pending
    assert "Defender for Cloud: not assessed again yet" in str(waiting)
    assert not make_result(health="unhealthy", diagnosis=Diagnosis(cause="reverted", message="m")).is_pending
    assert not make_result(health="unhealthy").is_pending
    assert not make_result(health="healthy").is_pending
