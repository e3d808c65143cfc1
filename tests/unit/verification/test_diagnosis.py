"""Why a recommendation is not healthy, from what was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.diagnosis import Cause, Diagnosis
from defender_remediate.models.plan import SkippedResource, SkipReason
from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.models.result import Health, Outcome, RemediationResult, StepError
from defender_remediate.verification.diagnosis import Diagnoser, Judgement, worst
from defender_remediate.verification.facts import DefenderStatus, ReadBack, VerificationContext, VerifiedStep

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
SITE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Web/sites/shop"
KEY = "aaaaaaaa-1111-2222-3333-444444444444"
POLICY = "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9"


def hours(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def make_case(after: float = 1, outcome: str = "applied", why: StepError | None = None, **changes: Any) -> VerifiedStep:
    result = RemediationResult(step_id="s", resource_id=SITE, keys=(KEY,), outcome=outcome, error=why)
    facts = {"read_back": ReadBack.COMPLIANT, "target_id": f"{SITE}/config/web", **changes}
    return VerifiedStep(result=result, since=NOON, now=hours(after), **facts)


def make_assessment(status: str = "Unhealthy", **changes: Any) -> Assessment:
    facts = {"key": KEY, "resource_id": SITE, "display_name": "TLS", "changed": hours(-24), **changes}
    return Assessment(id=f"{SITE}/x/{facts['key']}", status=AssessmentStatus(status), **facts)


def said(status: str = "Unhealthy", **changes: Any) -> DefenderStatus:
    return DefenderStatus(key=KEY, assessment=make_assessment(status, **changes))


def known(*others: Assessment, **changes: Any) -> VerificationContext:
    about = RecommendationMetadata(key=KEY, **changes)
    return VerificationContext(about={KEY: about}, others=others)


def found(
    case: VerifiedStep, answer: DefenderStatus, facts: VerificationContext | None = None
) -> tuple[Health, Diagnosis]:
    judgement = Diagnoser(case, answer, facts or VerificationContext()).judge()
    assert judgement.diagnosis is not None
    return judgement.health, judgement.diagnosis


def test_healthy_and_compliant_needs_no_diagnosis() -> None:
    """Nothing is explained that is as it should be."""
    assert Diagnoser(make_case(), said("Healthy"), VerificationContext()).judge() == Judgement(health=Health.HEALTHY)


@pytest.mark.parametrize(
    ("after", "facts", "cause", "again"),
    [
        (0.4, VerificationContext(), Cause.NOT_ENOUGH_TIME, 0.5),
        (0.6, VerificationContext(), Cause.STALE, 24),
        (11, known(policy_definition_id="/x/y"), Cause.NOT_ENOUGH_TIME, 12),
        (13, known(policy_definition_id="/x/y"), Cause.STALE, 24),
        (25, VerificationContext(), Cause.STALE, 48),
        (0.1, known(preview=True), Cause.PREVIEW, 24),
        (25, known(preview=True), Cause.PREVIEW, 48),
    ],
)
def test_until_defender_had_its_time_waiting_is_all(
    after: float, facts: VerificationContext, cause: Cause, again: float
) -> None:
    """The diagnosis says when to re-check at the latest."""
    health, diagnosis = found(make_case(after), said(), facts)
    assert (health, diagnosis.cause, diagnosis.recheck_at) == (Health.UNHEALTHY, cause, hours(again))
    assert diagnosis.evidence == ("TLS: Unhealthy", "Defender for Cloud reports this since 2026-11-22 12:00 UTC")


def test_one_that_is_late_says_so() -> None:
    """After a day the message is another one than after an hour."""
    early, late = (found(make_case(after), said())[1].message for after in (1, 25))
    assert "has not assessed it again" in early
    assert "should have assessed it again by now" in late


def test_what_could_not_be_read_is_evidence() -> None:
    """Without metadata the general interval is assumed, and the reader is told."""
    facts = VerificationContext(unread=("the metadata could not be read",))
    assert "the metadata could not be read" in found(make_case(), said(), facts)[1].evidence


@pytest.mark.parametrize(
    ("after", "changed", "told"),
    [(2, hours(0.5), "assessed it again"), (48, hours(-24), "twice the time"), (48, None, "twice the time")],
)
def test_what_nothing_explains_is_not_our_property(after: float, changed: datetime | None, told: str) -> None:
    """Defender assessed it again, or had more than enough time; its message is quoted."""
    answer = said(changed=changed, cause="Weak", description="TLS 1.0 is on")
    health, diagnosis = found(make_case(after), answer)
    assert (health, diagnosis.cause, diagnosis.recheck_at) == (Health.UNHEALTHY, Cause.NOT_OUR_PROPERTY, None)
    assert told in diagnosis.message
    assert "TLS: Unhealthy, cause Weak: TLS 1.0 is on" in diagnosis.evidence


def test_a_word_from_right_after_the_write_may_rest_on_an_older_look() -> None:
    """Defender's status changed, but sooner than a new assessment usually takes."""
    assert found(make_case(2), said(changed=hours(0.4)))[1].cause is Cause.STALE


@pytest.mark.parametrize(
    ("status", "azure", "cause", "quoted"),
    [
        ("NotApplicable", "exempt", Cause.EXEMPT, "exempt"),
        ("NotApplicable", "OffByPolicy", Cause.OFF_BY_POLICY, "switched off"),
        ("NotApplicable", "UnsupportedPricingPlan", Cause.NOT_APPLICABLE, "(UnsupportedPricingPlan)"),
        ("NotApplicable", "", Cause.NOT_APPLICABLE, "(no cause given)"),
        ("Snoozed", "", Cause.UNREADABLE, "does not know"),
    ],
)
def test_what_defender_does_not_judge_is_told_with_its_cause(
    status: str, azure: str, cause: Cause, quoted: str
) -> None:
    """Exempt and off by policy hide inside NotApplicable."""
    health, diagnosis = found(make_case(), said(status, cause=azure))
    assert (health, diagnosis.cause) == (None, cause)
    assert quoted in diagnosis.message


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(DefenderStatus(key=KEY), Cause.NOT_ASSESSED), (DefenderStatus(key=KEY, error="Forbidden: no"), Cause.UNREADABLE)],
)
def test_no_answer_is_a_diagnosis(answer: DefenderStatus, cause: Cause) -> None:
    """Azure's error is the evidence; no assessment is no error."""
    health, diagnosis = found(make_case(), answer)
    assert (health, diagnosis.cause) == (None, cause)
    assert diagnosis.evidence == tuple(filter(None, (answer.error,)))


@pytest.mark.parametrize("status", ["Unhealthy", "Healthy"])
def test_a_target_that_cannot_be_read_is_unreadable(status: str) -> None:
    """Even when Defender reports Healthy, the state of the resource is unknown."""
    case = make_case(read_back=ReadBack.UNREADABLE, error="AuthorizationFailed: no, password=hunter2")
    health, diagnosis = found(case, said(status))
    assert (str(health), diagnosis.cause) == (status.lower(), Cause.UNREADABLE)
    assert diagnosis.evidence[-1] == "AuthorizationFailed: no, password=(hidden)"


@pytest.mark.parametrize(
    ("answer", "again"),
    [(said(), hours(25)), (DefenderStatus(key=KEY), None), (DefenderStatus(key=KEY, error="x"), None)],
)
def test_a_resource_that_is_gone_is_deleted(answer: DefenderStatus, again: datetime | None) -> None:
    """Its assessment lingers, or not; a second look is due only where it does."""
    diagnosis = found(make_case(read_back=ReadBack.GONE), answer)[1]
    assert (diagnosis.cause, diagnosis.recheck_at) == (Cause.DELETED, again)


@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.ALREADY_COMPLIANT])
@pytest.mark.parametrize("status", ["Unhealthy", "Healthy", "NotApplicable"])
def test_what_was_put_back_is_reverted(outcome: Outcome, status: str) -> None:
    """Whatever Defender says: it lags behind that change, too."""
    diagnosis = found(make_case(outcome=outcome, read_back=ReadBack.NOT_COMPLIANT), said(status))[1]
    assert diagnosis.cause is Cause.REVERTED
    assert "activity" in diagnosis.advice


@pytest.mark.parametrize(
    ("error", "advice"),
    [(None, "plan it again"), (StepError(code="ScopeLocked", message="m", hint="unlock"), "unlock")],
)
def test_what_was_not_fixed_says_so(error: StepError | None, advice: str) -> None:
    """With the error of the step."""
    case = make_case(outcome="blocked", why=error, read_back=ReadBack.NOT_COMPLIANT)
    health, diagnosis = found(case, said())
    assert (health, diagnosis.cause, diagnosis.advice) == (Health.UNHEALTHY, Cause.NOT_FIXED, advice)
    assert diagnosis.message.endswith("blocked")
    assert (str(error) in diagnosis.evidence) is (error is not None)


@pytest.mark.parametrize(
    ("reason", "key", "message", "advice"),
    [
        (SkipReason.NO_FIX, bundled_guidance()[0].key, "does not fix it", bundled_guidance()[0].action),
        (SkipReason.NO_FIX, KEY, "has no fix", "manual remediation steps"),
        (SkipReason.PARAMETER_MISSING, KEY, "parameter missing", "with the parameter"),
        (SkipReason.NOT_SELECTED, KEY, "not selected", "plan it again"),
    ],
)
def test_a_skipped_resource_gets_an_advice_that_can_help(
    reason: SkipReason, key: str, message: str, advice: str
) -> None:
    """Planning again does not help where there is no fix: then the guidance of the catalog does."""
    skip = SkippedResource(resource_id=SITE, keys=(key,), reason=reason, message="password=hunter2")
    case = make_case(outcome="skipped", read_back=ReadBack.NOT_READ, target_id=None, skip=skip)
    status = DefenderStatus(key=key, assessment=make_assessment(key=key))
    health, diagnosis = found(case, status)
    assert (health, diagnosis.cause) == (Health.UNHEALTHY, Cause.NOT_FIXED)
    assert message in diagnosis.message
    assert advice in str(diagnosis.advice)
    assert "hunter2" not in str(diagnosis.evidence)


def test_a_rollback_leads_to_unhealthy() -> None:
    """There is nothing to wait for and nothing to fix."""
    case = make_case(outcome="rolled_back", rolls_back=True)
    health, diagnosis = found(case, said())
    assert (health, diagnosis.cause) == (Health.UNHEALTHY, Cause.ROLLED_BACK)
    moved = attrs.evolve(case, read_back=ReadBack.NOT_COMPLIANT)
    assert found(moved, said())[1].cause is Cause.ROLLED_BACK
    stuck = make_case(outcome="failed", rolls_back=True)
    assert found(stuck, said())[1].cause is Cause.NOT_FIXED


def test_what_the_plan_found_compliant_is_waited_for() -> None:
    """It was not read again; that Defender found it unhealthy later is another matter."""
    case = make_case(outcome="already_compliant", read_back=ReadBack.NOT_READ, target_id=None)
    assert found(case, said())[0] is Health.UNHEALTHY
    assert found(case, said(changed=None))[0] is Health.UNHEALTHY
    health, diagnosis = found(case, said(changed=hours(0.1)))
    assert (health, diagnosis.cause) == (Health.UNHEALTHY, Cause.NOT_FIXED)
    assert "after it was planned" in diagnosis.message


def test_an_assessment_of_another_resource_is_named() -> None:
    """A fix of the site does not change its slot, however long one waits."""
    slot = f"{SITE}/slots/staging"
    health, diagnosis = found(make_case(0), said(resource_id=slot))
    assert (health, diagnosis.cause) == (Health.UNHEALTHY, Cause.SLOT_OR_CHILD_RESOURCE)
    assert diagnosis.evidence[0] == f"it assesses {slot}"
    by_target = make_case(0, target_id=slot)
    assert found(by_target, said(resource_id=slot.upper()))[1].cause is Cause.NOT_ENOUGH_TIME


def test_slots_that_are_unhealthy_themselves_are_named() -> None:
    """Of the same recommendation, below the resource, and five of them at most."""
    slots = [make_assessment(resource_id=f"{SITE.upper()}/slots/{n}") for n in range(7)]
    others = (make_assessment(), make_assessment(resource_id=f"{SITE}2"), make_assessment(key="b", resource_id=SITE))
    answer = said(changed=hours(1))
    _, diagnosis = found(make_case(2), answer, known(*others, *slots))
    assert diagnosis.cause is Cause.SLOT_OR_CHILD_RESOURCE
    assert diagnosis.evidence[:6] == (*(f"unhealthy: {slot.resource_id}" for slot in slots[:5]), "and 2 more")
    assert found(make_case(2), answer, known(make_assessment()))[1].cause is Cause.NOT_OUR_PROPERTY


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("CustomPolicy", "custom"),
        ("Custom", "custom"),
        ("CustomerManaged", "reported"),
        ("VerifiedPartner", "reported"),
    ],
)
def test_a_custom_initiative_judges_by_its_own_rule(kind: str, told: str) -> None:
    """And what others report is not Defender's word."""
    facts = known(assessment_type=kind, policy_definition_id="")
    _, diagnosis = found(make_case(2), said(changed=hours(1)), facts)
    assert diagnosis.cause is Cause.ANOTHER_INITIATIVE
    assert told in diagnosis.message
    assert diagnosis.evidence[0] == f"assessment type {kind}"


@pytest.mark.parametrize(
    ("other", "policies", "cause"),
    [
        ({"display_name": "tls"}, (POLICY, ""), Cause.ANOTHER_INITIATIVE),
        ({"display_name": "Other"}, (POLICY, POLICY.upper()), Cause.ANOTHER_INITIATIVE),
        ({"display_name": "Other"}, (POLICY, "/another"), Cause.NOT_OUR_PROPERTY),
        ({"display_name": "Other"}, ("", ""), Cause.NOT_OUR_PROPERTY),
        ({"display_name": "TLS", "resource_id": f"{SITE}2"}, (POLICY, POLICY), Cause.NOT_OUR_PROPERTY),
    ],
)
def test_another_recommendation_for_the_same_is_named(
    other: dict[str, Any], policies: tuple[str, str], cause: Cause
) -> None:
    """The same policy definition or the same name, on the same resource."""
    facts = known(make_assessment(key="b", **other), policy_definition_id=policies[0], assessment_type="BuiltIn")
    theirs = RecommendationMetadata(key="b", policy_definition_id=policies[1])
    facts = attrs.evolve(facts, about={**facts.about, "b": theirs})
    _, diagnosis = found(make_case(20), said(changed=hours(19)), facts)
    assert diagnosis.cause is cause


def test_names_are_compared_only_where_there_are_names() -> None:
    """Two recommendations without a name are not the same."""
    answer = said(changed=hours(1), display_name="")
    facts = known(make_assessment(key="b", display_name=""))
    assert found(make_case(2), answer, facts)[1].cause is Cause.NOT_OUR_PROPERTY


def test_the_worst_word_decides() -> None:
    """Unhealthy before pending before unknown before healthy; a diagnosis before none; nothing is unknown."""
    why = Diagnosis(cause="deleted", message="m")
    healthy, explained = Judgement(health=Health.HEALTHY), Judgement(health=Health.HEALTHY, diagnosis=why)
    waits = Diagnosis(cause="stale", message="m")
    pending, unhealthy = Judgement(health=Health.UNHEALTHY, diagnosis=waits), Judgement(health=Health.UNHEALTHY)
    assert worst([healthy, explained]) == explained
    assert worst([healthy, unhealthy, pending]) == unhealthy
    assert worst([Judgement(), healthy]).health is None
    assert worst([]) == Judgement()


ANSWERS: st.SearchStrategy[DefenderStatus] = st.one_of(
    st.just(DefenderStatus(key=KEY)),
    st.just(DefenderStatus(key=KEY, error="x")),
    st.builds(
        said,
        st.sampled_from(["Healthy", "Unhealthy", "NotApplicable", "Odd"]),
        cause=st.sampled_from(["", "Exempt", "OffByPolicy"]),
        changed=st.none() | st.floats(-48, 96).map(hours),
        resource_id=st.sampled_from([SITE, f"{SITE}/slots/a"]),
    ),
)
CASES = st.builds(
    make_case,
    st.floats(0, 96),
    st.sampled_from([outcome.value for outcome in Outcome]),
    read_back=st.sampled_from(list(ReadBack)),
    rolls_back=st.booleans(),
)
MAKE_KNOWN: Callable[..., VerificationContext] = known
FACTS = st.builds(MAKE_KNOWN, preview=st.booleans(), assessment_type=st.sampled_from(["BuiltIn", "Custom"])) | st.just(
    VerificationContext()
)


@given(case=CASES, answer=ANSWERS, facts=FACTS)
def test_everything_that_is_not_healthy_is_explained(
    case: VerifiedStep, answer: DefenderStatus, facts: VerificationContext
) -> None:
    """Whatever was read; and what waits says until when, and nothing else does Defender's waiting."""
    judgement = Diagnoser(case, answer, facts).judge()
    diagnosis = judgement.diagnosis
    assert judgement.health is Health.HEALTHY or diagnosis is not None
    waits = diagnosis is not None and diagnosis.cause.ends_by_itself
    assert judgement.is_pending is (waits and judgement.health is Health.UNHEALTHY)
    again = diagnosis.recheck_at if diagnosis else None
    assert not waits or (again is not None and again > case.now)


@given(case=CASES, answer=ANSWERS, facts=FACTS)
def test_waiting_ends(case: VerifiedStep, answer: DefenderStatus, facts: VerificationContext) -> None:
    """Two days after the resource became compliant nothing is pending any more."""
    late = attrs.evolve(case, now=hours(48))
    assert not Diagnoser(late, answer, facts).judge().is_pending
