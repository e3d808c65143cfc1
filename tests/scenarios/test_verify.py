"""Whether it is resolved."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from defender_remediate import RemediationClient, RemediationReport, RemediationResult
from defender_remediate.errors import InvalidInputError
from defender_remediate.models import Cause, Diagnosis, Health, Verification
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
HTTPS_ONLY = "1b351b29-41ca-6df5-946c-c190a56be5fe"
REMOTE_DEBUGGING = "64b8637e-4e1d-76a9-0fc9-c1e487a97ed8"
OTHER = "aaaaaaaa-1111-2222-3333-444444444444"
HOUR, DAY = 3600, 86400


@pytest.fixture
def report(client: RemediationClient, accounts: list[str]) -> RemediationReport:
    """A run that fixed two accounts."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:2])
    return client.apply(plan, approve=plan.digest)


def first(report: RemediationReport) -> RemediationResult:
    """The result that the tests tamper with."""
    return report.results[0]


def why(report: RemediationReport) -> Diagnosis:
    """Its diagnosis, which is there."""
    diagnosis = first(report).diagnosis
    assert diagnosis is not None
    return diagnosis


def unmoved(sim: ArmSimulator, report: RemediationReport, **facts: Any) -> None:
    """Let Defender say Unhealthy of the first resource from now on, whatever becomes of it."""
    sim.defender.add_assessment(first(report).keys[0], first(report).resource_id, **facts)


def test_defender_lags_behind_the_resource(client: RemediationClient, report: RemediationReport) -> None:
    """Right after the change the resource is compliant, and Defender has not assessed it again."""
    looked = client.verify(report)
    assert {(result.compliant, result.health) for result in looked} == {(True, Health.UNHEALTHY)}
    assert {result.verified for result in looked} == {Verification.COMPLIANT}
    finished = first(report).finished
    assert finished is not None
    assert (why(looked).cause, why(looked).recheck_at) == (Cause.NOT_ENOUGH_TIME, finished + timedelta(minutes=30))


def test_defender_is_asked_until_it_has_looked(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """At growing intervals, and no longer than needed."""
    before, sent = sim.clock.monotonic(), len(sim.requests)
    looked = client.verify(report, timeout=86400)
    assert {(result.health, result.verified) for result in looked} == {
        (Health.HEALTHY, Verification.CONFIRMED_BY_DEFENDER)
    }
    assert not any(result.diagnosis for result in looked)
    assert sim.clock.monotonic() - before < 3600
    assert len(sim.requests) - sent < 30


def test_waiting_ends_with_the_timeout(sim: ArmSimulator, client: RemediationClient, report: RemediationReport) -> None:
    """What is still pending then is reported as pending."""
    before = sim.clock.monotonic()
    looked = client.verify(report, timeout=45)
    assert {result.health for result in looked} == {Health.UNHEALTHY}
    assert sim.clock.monotonic() - before == pytest.approx(45, abs=5)


def test_a_change_that_was_undone_is_unhealthy(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The resource says so at once, before Defender notices."""
    target = report.results[0].resource_id
    sim.resources.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=False))
    looked = {result.resource_id: result for result in client.verify(report)}
    assert looked[target].compliant is False
    assert looked[target].health is Health.UNHEALTHY
    assert looked[target].verified is Verification.READ_BACK
    diagnosis = looked[target].diagnosis
    assert diagnosis is not None
    assert diagnosis.cause is Cause.REVERTED


def test_what_cannot_be_read_is_unknown(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """A failing look is no verdict."""
    sim.faults.fail("GET", times=None, status=403, code="AuthorizationFailed")
    looked = client.verify(report)
    assert {(result.compliant, result.health) for result in looked} == {(None, None)}
    assert why(looked).cause is Cause.UNREADABLE
    assert sum("AuthorizationFailed" in line for line in why(looked).evidence) == 2


@pytest.mark.parametrize("answer", [{"status": 202}, {"status": 204}, {"status": 203, "body": []}, {"status": 404}])
def test_an_answer_that_says_nothing_is_no_verdict(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, answer: dict[str, Any]
) -> None:
    """A success without a resource in it is no reverted change, and a 404 without a code no deleted resource."""
    sim.faults.fail("GET", r"storageAccounts/[^/]+[?]", times=None, **answer)
    looked = client.verify(report)
    assert {result.compliant for result in looked} == {None}
    assert why(looked).cause is Cause.UNREADABLE


def test_an_exemption_is_no_health(sim: ArmSimulator, client: RemediationClient, report: RemediationReport) -> None:
    """NotApplicable is neither healthy nor unhealthy."""
    target = report.results[0].resource_id
    sim.defender.add_assessment(SECURE_TRANSFER, target, code="NotApplicable", cause="Exempt")
    looked = {result.resource_id: result for result in client.verify(report)}
    assert looked[target].health is None
    diagnosis = looked[target].diagnosis
    assert diagnosis is not None
    assert diagnosis.cause is Cause.EXEMPT


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_is_a_number_of_seconds(client: RemediationClient, report: RemediationReport, timeout: float) -> None:
    """Refused before any request."""
    with pytest.raises(InvalidInputError):
        client.verify(report, timeout=timeout)


def test_a_skipped_resource_keeps_its_word(
    connect: Callable[..., RemediationClient], client: RemediationClient
) -> None:
    """The health of skipped resources is read too, but not the resources themselves."""
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    report = client.verify(client.apply(plan, approve=plan.digest))
    left = [result for result in report if not result.step_id]
    assert {(result.compliant, result.health) for result in left} == {(None, Health.UNHEALTHY)}
    assert {result.diagnosis.cause for result in left if result.diagnosis} == {Cause.NOT_FIXED}


@pytest.mark.parametrize("through_json", [False, True])
def test_a_word_that_does_not_change_is_stale_for_two_days(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, *, through_json: bool
) -> None:
    """A report that was stored is judged like one that was kept: by the time of the write."""
    unmoved(sim, report)
    report = RemediationReport.from_json(report.to_json()) if through_json else report
    finished = first(report).finished
    assert finished is not None
    sim.clock.advance(HOUR)
    looked = client.verify(report)
    assert (first(looked).health, why(looked).cause) == (Health.UNHEALTHY, Cause.STALE)
    assert why(looked).recheck_at == finished + timedelta(days=1)
    sim.clock.advance(DAY)
    assert why(client.verify(report)).recheck_at == finished + timedelta(days=2)
    sim.clock.advance(DAY)
    assert why(client.verify(looked)).cause is Cause.NOT_OUR_PROPERTY


@pytest.mark.parametrize("timeout", [7 * DAY, math.inf])
def test_waiting_ends_when_waiting_tells_nothing_new(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, timeout: float
) -> None:
    """However long the timeout: two days, some thirty questions, and a diagnosis."""
    unmoved(sim, report)
    before, sent = sim.clock.monotonic(), len(sim.requests)
    looked = client.verify(report, timeout=timeout)
    assert (first(looked).health, why(looked).cause) == (Health.UNHEALTHY, Cause.NOT_OUR_PROPERTY)
    assert sim.clock.monotonic() - before < 2 * DAY + HOUR
    assert len(sim.requests) - sent < 60


def test_what_is_put_back_while_waiting_is_noticed(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The target is read again before anything is concluded."""
    unmoved(sim, report)
    target = first(report).resource_id

    def put_back() -> None:
        sim.resources.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=False))

    looked = connect_and_interrupt(sim, report, at=4 * HOUR, act=put_back)
    assert (first(looked).compliant, why(looked).cause) == (False, Cause.REVERTED)


def connect_and_interrupt(
    sim: ArmSimulator, report: RemediationReport, *, at: float, act: Callable[[], None]
) -> RemediationReport:
    """Verify for a day on a clock that lets something happen on the way."""
    coming = [act]

    class Clock:
        now, monotonic = sim.clock.now, sim.clock.monotonic

        def sleep(self, seconds: float) -> None:
            sim.clock.sleep(seconds)
            if sim.clock.monotonic() > at and coming:
                coming.pop()()

    with RemediationClient(sim.credential, sim.scopes, transport=sim, clock=Clock()) as client:
        return client.verify(report, timeout=DAY)


def test_a_look_that_takes_long_skips_what_it_missed(
    sim: ArmSimulator, report: RemediationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments that passed while Azure was answering are not made up for."""
    unmoved(sim, report)
    send = sim.send

    def slow(request: Any, **options: Any) -> Any:
        sim.clock.advance(600)
        return send(request, **options)

    monkeypatch.setattr(sim, "send", slow)
    sent = len(sim.requests)
    with RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock, workers=1) as client:
        client.verify(report, timeout=HOUR)
    assert len(sim.requests) - sent < 10


@pytest.mark.parametrize(
    ("cause", "expected"),
    [("OffByPolicy", Cause.OFF_BY_POLICY), ("UnsupportedPricingPlan", Cause.NOT_APPLICABLE)],
)
def test_not_applicable_has_its_cause(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, cause: str, expected: Cause
) -> None:
    """There is nothing to wait for."""
    unmoved(sim, report, code="NotApplicable", cause=cause)
    before = sim.clock.monotonic()
    looked = client.verify(report, timeout=60)
    assert (first(looked).health, why(looked).cause) == (None, expected)
    assert sim.clock.monotonic() - before <= 61


def test_a_deleted_resource_is_still_listed(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """First the resource goes, then its assessment."""
    sim.resources.remove(first(report).resource_id)
    looked = client.verify(report)
    assert (first(looked).compliant, why(looked).cause) == (False, Cause.DELETED)
    assert why(looked).recheck_at is not None
    sim.clock.advance(DAY)
    looked = client.verify(report)
    assert (first(looked).health, why(looked).cause) == (None, Cause.DELETED)
    assert why(looked).recheck_at is None


def test_a_target_below_its_resource_is_told_apart(sim: ArmSimulator, client: RemediationClient) -> None:
    """The configuration of a site: gone with the site is deleted, gone alone is not."""
    plan = client.plan([REMOTE_DEBUGGING]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    assert plan.steps[0].target_id != plan.steps[0].resource_id
    sim.faults.fail("GET", "/config/web", status=404, code="ResourceNotFound")
    assert why(client.verify(report)).cause is Cause.REVERTED
    sim.faults.fail("GET", "/config/web", status=404, code="ParentResourceNotFound")
    assert why(client.verify(report)).cause is Cause.DELETED


def test_a_404_about_the_version_says_nothing_of_the_resource(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The resource may well exist."""
    sim.faults.fail("GET", "storageAccounts/[^/]+(\\?|$)", times=None, status=404, code="InvalidResourceType")
    looked = client.verify(report)
    assert (first(looked).compliant, why(looked).cause) == (None, Cause.UNREADABLE)


def test_what_defender_does_not_assess_is_told(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """A 404 on the assessment is neither healthy nor an error; an unregistered provider is an error."""
    sim.faults.fail("GET", "/assessments/", times=None, status=404, code="NotFound")
    assert why(client.verify(report)).cause is Cause.NOT_ASSESSED
    sim.faults.clear()
    for scope in sim.scopes:
        sim.resources.unregister_provider(scope, "Microsoft.Security")
    looked = client.verify(report)
    assert (first(looked).compliant, why(looked).cause) == (True, Cause.UNREADABLE)
    assert "Subscription Not Registered" in " ".join(why(looked).evidence)


def test_defender_that_looked_again_and_disagrees_is_quoted(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Something that the fix does not write; one listing looks for another explanation."""
    sim.clock.advance(2 * HOUR)
    unmoved(sim, report, cause="Blob", description="a container still takes HTTP")
    sent = len(sim.requests)
    looked = client.verify(report)
    assert (first(looked).health, first(looked).verified) == (Health.UNHEALTHY, Verification.COMPLIANT)
    assert why(looked).cause is Cause.NOT_OUR_PROPERTY
    assert any("cause Blob: a container still takes HTTP" in line for line in why(looked).evidence)
    listings = [found for found in sim.requests[sent:] if found.path.endswith("Microsoft.Security/assessments")]
    assert len(listings) == len(sim.scopes)
    assert "not our property" in str(looked)


def test_a_listing_that_fails_is_told_with_the_diagnosis(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """What could not be looked at is evidence, and no exception."""
    sim.clock.advance(2 * HOUR)
    unmoved(sim, report)
    sim.faults.fail("GET", r"Microsoft\.Security/assessments\?", times=None, status=403, code="AuthorizationFailed")
    sim.faults.fail("GET", "assessmentMetadata", times=None, status=403, code="AuthorizationFailed")
    looked = client.verify(report)
    assert why(looked).cause is Cause.NOT_OUR_PROPERTY
    assert sum("AuthorizationFailed" in line for line in why(looked).evidence) == 2


def test_a_slot_is_unhealthy_by_itself(sim: ArmSimulator, client: RemediationClient) -> None:
    """The site was fixed; what is below it was not."""
    plan = client.plan([HTTPS_ONLY]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    sim.clock.advance(13 * HOUR)
    unmoved(sim, report)
    slot = f"{first(report).resource_id}/slots/staging"
    sim.defender.add_assessment(HTTPS_ONLY, slot)
    looked = client.verify(report)
    assert (why(looked).cause, why(looked).evidence[0]) == (Cause.SLOT_OR_CHILD_RESOURCE, f"unhealthy: {slot}")


def test_an_assessment_of_something_else_is_told(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """Its own details name a child, whatever its id says."""
    child = f"{first(report).resource_id}/blobServices/default"
    unmoved(sim, report, details={"source": "Azure", "id": child})
    looked = client.verify(report)
    assert (first(looked).health, why(looked).cause) == (Health.UNHEALTHY, Cause.SLOT_OR_CHILD_RESOURCE)


@pytest.mark.parametrize(
    "metadata",
    [
        {"displayName": "Secure transfer to storage accounts should be enabled"},
        {
            "displayName": "Ours",
            "policyDefinitionId": (
                "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9"
            ),
        },
    ],
)
def test_another_initiative_may_judge_the_same(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport, metadata: dict[str, str]
) -> None:
    """By the same name, or by the same policy definition."""
    rule = {"path": "properties.nothing", "equals": 1}
    sim.clock.advance(2 * HOUR)
    unmoved(sim, report)
    sim.defender.add_recommendation(
        {"severity": "High", "assessmentType": "CustomPolicy", **metadata},
        key=OTHER,
        resource_type="Microsoft.Storage/storageAccounts",
        rule=rule,
        subscriptions=sim.scopes,
    )
    looked = client.verify(report)
    assert why(looked).cause is Cause.ANOTHER_INITIATIVE
    assert OTHER in why(looked).evidence[0]


def custom(sim: ArmSimulator, **metadata: Any) -> None:
    """A recommendation of one's own, by the policy that secure transfer has: so it has its fix."""
    policy = "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9"
    sim.defender.add_recommendation(
        {"displayName": "Ours", "severity": "High", "policyDefinitionId": policy, **metadata},
        key=OTHER,
        resource_type="Microsoft.Storage/storageAccounts",
        rule={"path": "properties.nothing", "equals": 1},
    )


@pytest.mark.parametrize(
    ("metadata", "after", "cause"),
    [
        ({"assessmentType": "CustomPolicy"}, 3 * DAY, Cause.ANOTHER_INITIATIVE),
        ({"assessmentType": "BuiltIn", "preview": True}, 0, Cause.PREVIEW),
    ],
)
def test_what_kind_of_recommendation_it_is_matters(
    sim: ArmSimulator, client: RemediationClient, metadata: dict[str, Any], after: float, cause: Cause
) -> None:
    """A custom one judges by its own rule, one in preview counts for nothing and may be late."""
    custom(sim, **metadata)
    plan = client.plan([OTHER]).limit(1)
    report = client.apply(plan, approve=plan.digest)
    sim.clock.advance(after)
    assert why(client.verify(report)).cause is cause


def test_a_rollback_leads_to_unhealthy(client: RemediationClient, report: RemediationReport) -> None:
    """After a rollback, verify does not wait for Defender to report Healthy."""
    looked = client.verify(client.rollback(report.run_id), timeout=DAY)
    assert {(result.compliant, result.health) for result in looked} == {(True, Health.UNHEALTHY)}
    assert why(looked).cause is Cause.ROLLED_BACK


def test_what_someone_else_fixed_is_compliant(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A step that was blocked, and a resource that is right all the same: the wait begins now."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    sim.access.lock(accounts[0])
    report = client.apply(plan, approve=plan.digest)
    sim.access.unlock(accounts[0])
    sim.resources.edit(accounts[0], lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    looked = client.verify(report)
    assert (first(looked).compliant, first(looked).health, why(looked).cause) == (
        True,
        Health.UNHEALTHY,
        Cause.NOT_ENOUGH_TIME,
    )


def many(sim: ArmSimulator, accounts: list[str], count: int) -> list[str]:
    """So many storage accounts that take plain HTTP."""
    like = sim.resources.get(accounts[0])
    return [
        sim.resources.add({**like, "id": f"{accounts[0]}x{n}", "name": f"{like['name']}x{n}"}) for n in range(count)
    ]


@pytest.mark.parametrize("outside", [0, 2])
def test_many_are_asked_about_in_one_listing(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    client: RemediationClient,
    accounts: list[str],
    outside: int,
) -> None:
    """Each of the four rounds; what the listing does not have is asked about by itself."""
    resources, others = many(sim, accounts, 21), accounts[len(accounts) - outside :]
    plan = client.plan([SECURE_TRANSFER], resources=[*resources, *others])
    report = client.apply(plan, approve=plan.digest)
    group = resources[0].partition("/providers/")[0]
    narrow = connect(group)
    for account in others:
        assert not account.casefold().startswith(f"{group}/".casefold())
    sent = len(sim.requests)
    looked = narrow.verify(report, timeout=HOUR)
    assert {result.health for result in looked} == {Health.HEALTHY}
    asked = [found for found in sim.requests[sent:] if "/Microsoft.Security/assessments" in found.path]
    listed = [found for found in asked if found.path.endswith("/assessments")]
    assert len([found for found in listed if "skiptoken" not in found.url]) == 4
    assert len(asked) - len(listed) == 4 * outside


def test_many_that_cannot_be_listed_are_unreadable(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """One error for all of them, and no request for each."""
    sites = sim.resources.list_ids("Microsoft.Web/sites")
    plan = client.plan([SECURE_TRANSFER, HTTPS_ONLY], resources=[*many(sim, accounts, 25), *sites])
    sim.faults.fail("GET", r"Microsoft\.Security/assessments\?", times=None, status=403, code="AuthorizationFailed")
    report = client.apply(plan.limit(22), approve=plan.limit(22).digest)
    looked = client.verify(report)
    assert {result.diagnosis.cause for result in looked if result.diagnosis} == {Cause.UNREADABLE}


def test_the_metadata_of_many_recommendations_is_listed(sim: ArmSimulator, client: RemediationClient) -> None:
    """Beyond a handful, one listing costs less than a request each."""
    plan = client.plan()
    report = client.apply(plan.limit(25), approve=plan.limit(25).digest)
    assert len({key for result in report if result.step_id for key in result.keys}) > 5
    sent = len(sim.requests)
    client.verify(report)
    asked = [found.path.rpartition("/")[2] for found in sim.requests[sent:] if "assessmentMetadata" in found.path]
    assert set(asked) == {"assessmentMetadata"}
