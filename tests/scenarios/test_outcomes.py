"""Whatever Azure does, the outcome that is reported is the outcome in effect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, Outcome, RemediationClient, RemediationPlan, RemediationResult
from defender_remediate.hooks import StepStarted
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.fixture
def plan(client: RemediationClient, accounts: list[str]) -> RemediationPlan:
    """A plan for one storage account."""
    return client.plan([SECURE_TRANSFER], resources=accounts[:1])


@pytest.fixture
def apply(client: RemediationClient, plan: RemediationPlan) -> Callable[[], RemediationResult]:
    """Applies the plan and gives the only result."""
    return lambda: client.apply(plan, approve=plan.digest).results[0]


@pytest.fixture
def in_effect(sim: ArmSimulator, plan: RemediationPlan) -> Callable[[], bool]:
    """Whether the account takes encrypted connections only."""
    return lambda: sim.resources.get(plan.steps[0].target_id)["properties"]["supportsHttpsTrafficOnly"] is True


FAULTS: list[tuple[str, dict[str, Any], Outcome, int]] = [
    ("429 once with Retry-After", {"status": 429, "code": "SubscriptionRequestsThrottled", "headers": {"Retry-After": "7"}}, Outcome.APPLIED, 2),
    ("429 once without Retry-After", {"status": 429, "code": "TooManyRequests"}, Outcome.APPLIED, 2),
    ("429 for ever", {"status": 429, "code": "TooManyRequests", "times": None}, Outcome.FAILED, 8),
    ("429 for an hour", {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "3600"}}, Outcome.FAILED, 1),
    ("a lock on the resource by another operation", {"status": 429, "code": "RetryableErrorDueToAnotherOperation", "headers": {"Retry-After": "3"}}, Outcome.APPLIED, 2),
    ("busy", {"status": 409, "code": "StorageAccountOperationInProgress"}, Outcome.APPLIED, 2),
    ("conflict", {"status": 409, "code": "Conflict"}, Outcome.FAILED, 1),
    ("409 with a Retry-After that must not be obeyed", {"status": 409, "code": "Conflict", "headers": {"Retry-After": "1"}}, Outcome.FAILED, 1),
    ("503 before the effect", {"status": 503, "code": "ServiceUnavailable"}, Outcome.APPLIED, 2),
    ("503 after the effect", {"status": 503, "code": "ServiceUnavailable", "when": "after"}, Outcome.APPLIED, 1),
    ("504 after the effect", {"status": 504, "code": "GatewayTimeout", "when": "after"}, Outcome.APPLIED, 1),
    ("500 for ever", {"status": 500, "code": "InternalServerError", "times": None}, Outcome.FAILED, 8),
    ("no connection", {}, Outcome.APPLIED, 2),
    ("no connection for ever", {"times": None}, Outcome.FAILED, 8),
    ("cut before the effect is not known to be before", {"when": "after"}, Outcome.APPLIED, 1),
    ("401 once", {"status": 401, "code": "ExpiredAuthenticationToken"}, Outcome.APPLIED, 2),
    ("401 for ever", {"status": 401, "code": "InvalidAuthenticationTokenTenant", "times": None}, Outcome.FAILED, 2),
    ("a role that is not effective yet", {"status": 403, "code": "AuthorizationFailed", "times": 3}, Outcome.APPLIED, 4),
    ("a role that never becomes effective", {"status": 403, "code": "AuthorizationFailed", "times": None}, Outcome.BLOCKED, 8),
    ("403 with a code that no role assignment changes", {"status": 403, "code": "Forbidden"}, Outcome.BLOCKED, 1),
    ("a deny policy", {"status": 403, "code": "RequestDisallowedByPolicy"}, Outcome.BLOCKED, 1),
    ("a lock", {"status": 409, "code": "ScopeLocked"}, Outcome.BLOCKED, 1),
    ("a disabled subscription", {"status": 409, "code": "ReadOnlyDisabledSubscription"}, Outcome.BLOCKED, 1),
    ("an unregistered provider", {"status": 409, "code": "MissingSubscriptionRegistration"}, Outcome.BLOCKED, 1),
    ("412 although nothing that matters has changed", {"status": 412, "code": "PreconditionFailed"}, Outcome.APPLIED, 2),
    ("412 for ever", {"status": 412, "code": "PreconditionFailed", "times": None}, Outcome.FAILED, 8),
    ("400", {"status": 400, "code": "InvalidRequestContent"}, Outcome.FAILED, 1),
    ("404 in between", {"status": 404, "code": "ResourceNotFound"}, Outcome.FAILED, 1),
    ("HTML from a gateway", {"status": 502, "body": "<html>Bad Gateway</html>"}, Outcome.APPLIED, 2),
    ("a truncated answer after the effect", {"status": 200, "body": '{"id": "/sub', "when": "after"}, Outcome.APPLIED, 1),
    ("bytes that are no text, after the effect", {"status": 200, "body": b"\xff\xfe\x00", "when": "after"}, Outcome.APPLIED, 1),
    ("an array in place of the resource, after the effect", {"status": 200, "body": [], "when": "after"}, Outcome.APPLIED, 1),
    ("an array in place of the resource, without effect", {"status": 200, "body": []}, Outcome.APPLIED, 2),
    ("success without effect", {"status": 200, "body": {"properties": {}}, "times": None}, Outcome.FAILED, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "outcome", "attempts"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
def test_a_fault_of_the_write(
    sim: ArmSimulator,
    apply: Callable[[], RemediationResult],
    in_effect: Callable[[], bool],
    fault: dict[str, Any],
    outcome: Outcome,
    attempts: int,
) -> None:
    """Never a false success, never a lost failure, and no more writes than needed."""
    sim.faults.fail("PATCH", **fault)
    result = apply()
    assert result.outcome is outcome, result
    assert result.attempts == attempts
    assert in_effect() is (outcome is Outcome.APPLIED)
    assert (result.error is None) is (outcome is Outcome.APPLIED)


def test_a_cut_that_cannot_be_settled_stays_in_doubt(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], in_effect: Callable[[], bool]
) -> None:
    """If the target cannot be read after an interrupted write, the outcome is unknown, and the report says so."""
    sim.faults.fail("PATCH", when="after")
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", times=None, skip=1)
    result = apply()
    assert result.outcome is Outcome.IN_DOUBT
    assert in_effect()
    assert result.error is not None
    assert "could not be read either" in result.error.hint


@pytest.mark.parametrize("answer", [{"status": 404, "body": "<html>Not Found</html>"}, {"status": 204}])
def test_an_answer_that_proves_nothing_leaves_it_open(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], in_effect: Callable[[], bool], answer: dict[str, Any]
) -> None:
    """A page of a gateway, or a success without a body, is no word of Azure's that the target is gone."""
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", times=None, skip=1, **answer)
    result = apply()
    assert (result.outcome, in_effect()) == (Outcome.IN_DOUBT, True)


def test_a_target_that_is_gone_after_the_write_says_so(
    sim: ArmSimulator, apply: Callable[[], RemediationResult]
) -> None:
    """The error says that the target does not exist any more."""
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", times=None, skip=1, status=404, code="ResourceNotFound")
    result = apply()
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert "does not exist any more" in result.error.message


def test_a_cut_and_a_third_partys_change_stay_in_doubt(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan
) -> None:
    """A target that is neither as before nor as planned is not written again."""
    target = plan.steps[0].target_id
    sim.faults.fail("PATCH", status=503, code="ServiceUnavailable")
    original = sim.clock.sleep

    def somebody_acts(seconds: float) -> None:
        sim.resources.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=None))
        sim.clock.sleep = original  # type: ignore[method-assign]
        original(seconds)

    sim.clock.sleep = somebody_acts  # type: ignore[method-assign]
    result = apply()
    assert result.outcome is Outcome.IN_DOUBT
    assert result.attempts == 1


def test_a_target_that_moved_is_skipped_as_drifted(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan
) -> None:
    """What was previewed is what is executed, or nothing is."""
    sim.resources.edit(plan.steps[0].target_id, lambda body: body["properties"].update(supportsHttpsTrafficOnly=None))
    result = apply()
    assert result.outcome is Outcome.SKIPPED
    assert result.error is not None
    assert result.error.code == "Drifted"
    assert not sim.writes[0:]


def test_a_target_that_was_fixed_meanwhile_is_already_compliant(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan
) -> None:
    """Someone made the change in the meantime, so nothing is sent."""
    sim.resources.edit(plan.steps[0].target_id, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    result = apply()
    assert result.outcome is Outcome.ALREADY_COMPLIANT
    assert result.attempts == 0


def test_a_target_that_was_deleted_meanwhile_is_skipped(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan
) -> None:
    """A resource that is gone has moved."""
    sim.resources.remove(plan.steps[0].target_id)
    assert apply().outcome is Outcome.SKIPPED


def test_a_target_that_cannot_be_read_is_not_written(sim: ArmSimulator, apply: Callable[[], RemediationResult]) -> None:
    """Without the state before there is no change; refused by a permission it is blocked."""
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=500, code="InternalServerError", times=None)
    result = apply()
    assert (result.outcome, result.attempts) == (Outcome.FAILED, 0)
    sim.faults.clear()
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=403, code="AuthorizationFailed", times=None)
    assert apply().outcome is Outcome.BLOCKED


def test_success_that_cannot_be_read_back_is_in_doubt(
    sim: ArmSimulator, apply: Callable[[], RemediationResult]
) -> None:
    """Azure's word alone is no proof."""
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=500, code="InternalServerError", times=None, skip=1)
    result = apply()
    assert result.outcome is Outcome.IN_DOUBT
    assert result.error is not None


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 403, "code": "AuthorizationFailed"},
        {"status": 404},
        {"status": 409, "code": "Conflict"},
        {"status": 202},
        {"status": 203, "body": []},
        {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "200"}},
    ],
)
def test_one_read_that_fails_after_a_success_leaves_nothing_in_doubt(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], fault: dict[str, Any]
) -> None:
    """What the next read can prove is proven by it, also when Azure puts it off."""
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", skip=1, **fault)
    assert apply().outcome is Outcome.APPLIED


@pytest.mark.parametrize("form", ["azure-async", "location", "body", "bare"])
@pytest.mark.parametrize(
    ("ends", "outcome"), [("Succeeded", Outcome.APPLIED), ("Failed", Outcome.FAILED), ("Canceled", Outcome.FAILED)]
)
def test_a_long_running_write_ends_as_it_ended(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], form: str, ends: str, outcome: Outcome
) -> None:
    """In every form that Azure has for it; Failed under HTTP 200 is a failure."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form=form, seconds=45, ends=ends)
    result = apply()
    assert result.outcome is outcome, result
    assert result.attempts == 1


def test_a_first_answer_that_says_failed_is_a_failure(
    sim: ArmSimulator, apply: Callable[[], RemediationResult]
) -> None:
    """200 with provisioningState Failed is not a success."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form="body", ends="Failed", at_once=True)
    assert apply().outcome is Outcome.FAILED


def test_an_operation_that_takes_too_long_is_in_doubt_and_not_sent_again(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], plan: RemediationPlan
) -> None:
    """It goes on in Azure: a second write would be sent into the first."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form="azure-async", seconds=7200)
    result = connect(operation_timeout=600).apply(plan, approve=plan.digest).results[0]
    assert result.outcome is Outcome.IN_DOUBT
    assert result.attempts == 1
    assert result.error is not None
    assert result.error.code == "OperationTimeout"


def test_a_status_that_cannot_be_read_does_not_fail_the_operation(
    sim: ArmSimulator, apply: Callable[[], RemediationResult]
) -> None:
    """A 500 while asking says nothing about the answer."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", form="azure-async", seconds=45)
    sim.faults.fail("GET", "operation", status=500, code="InternalServerError", times=2)
    assert apply().outcome is Outcome.APPLIED


def test_an_expired_token_is_renewed_once(sim: ArmSimulator, apply: Callable[[], RemediationResult]) -> None:
    """A token that expires between plan and apply is no failure."""
    sim.faults.expire_tokens()
    assert apply().outcome is Outcome.APPLIED


def test_an_executor_that_breaks_its_contract_stops_nothing(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Its step is in doubt with what it raised, unless the target shows the change."""
    from defender_remediate.executors import PatchExecutor, StepContext, Submission

    class Broken(PatchExecutor):
        def submit(self, context: StepContext, /) -> Submission:
            raise RuntimeError("oops")

    client = connect(executors={"patch": Broken()})
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    assert report.count("in_doubt") == 2
    assert "RuntimeError: oops" in str(report.results[0].error)
    assert not sim.writes


def test_what_nobody_thought_of_is_a_result_too(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """An error that is not ours ends its own step only."""
    plan = connect().plan([SECURE_TRANSFER], resources=accounts[:2])
    jitters = iter([0.5])
    sim.faults.fail("PATCH", status=409, code="AnotherOperationInProgress", times=2)
    report = connect(jitter=lambda: next(jitters), workers=1).apply(plan, approve=plan.digest)
    assert [str(result.outcome) for result in report] == ["in_doubt", "applied"]
    assert "StopIteration" in str(report.results[0].error)


def test_an_executor_that_breaks_while_it_waits_is_settled_by_looking(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """The write had gone out: the target tells."""
    from defender_remediate.executors import PatchExecutor, StepContext

    class Broken(PatchExecutor):
        def wait(self, context: StepContext, /) -> Any:
            raise RuntimeError("oops")

    report = connect(executors={"patch": Broken()}).fix(SECURE_TRANSFER, resources=accounts[:2])
    assert report.count("applied") == 2
    assert [result.attempts for result in report] == [1, 1]


def _while_it_sleeps(sim: ArmSimulator, act: Callable[[], object]) -> None:
    """Edits the target in the last pause before the write is sent again."""
    original = sim.clock.sleep

    def sleep(seconds: float) -> None:
        original(seconds)
        if seconds == 7:
            sim.clock.sleep = original  # type: ignore[method-assign]
            act()

    sim.clock.sleep = sleep  # type: ignore[method-assign]


def test_what_somebody_changed_while_a_put_had_to_wait_is_not_overwritten(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The body of a PUT is the target as it was read: after a pause it has to be read again."""
    waive = {"private_endpoint": "it is not in use yet"}
    fix = Catalog.bundled().get("45d313c3-3fca-5040-035f-d61928366d31")
    assert fix is not None
    client = connect(catalog=Catalog.bundled().with_fixes(attrs.evolve(fix, kind="put", send_whole=())))
    plan = client.plan(["45d313c3-3fca-5040-035f-d61928366d31"], waive=waive).limit(1)
    target = plan.steps[0].target_id
    sim.faults.fail("PUT", status=429, code="SubscriptionRequestsThrottled", headers={"Retry-After": "7"})
    _while_it_sleeps(sim, lambda: sim.resources.edit(target, lambda body: body["tags"].update(owner="them")))
    result = client.apply(plan, approve=plan.digest).results[0]
    assert sim.resources.get(target)["tags"]["owner"] == "them"
    assert (result.outcome, result.attempts) == (Outcome.SKIPPED, 1)
    assert result.error is not None
    assert result.error.code == "Drifted"


@pytest.mark.parametrize(
    ("status", "outcome"), [(429, Outcome.ALREADY_COMPLIANT), (503, Outcome.APPLIED)], ids=["refused", "unknown"]
)
def test_a_target_that_became_compliant_in_a_pause_is_not_written_again(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], plan: RemediationPlan, status: int, outcome: Outcome
) -> None:
    """After a refusal someone else made the change; after a 503 it may be a delayed effect of this write."""
    sim.faults.fail("PATCH", status=status, headers={"Retry-After": "7"})
    target = plan.steps[0].target_id
    _while_it_sleeps(
        sim, lambda: sim.resources.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    )
    result = apply()
    assert (result.outcome, result.attempts) == (outcome, 1)


@pytest.mark.parametrize(("status", "outcome"), [(429, Outcome.FAILED), (503, Outcome.IN_DOUBT)])
def test_a_target_that_cannot_be_read_after_a_pause_is_not_written_again(
    sim: ArmSimulator, apply: Callable[[], RemediationResult], status: int, outcome: Outcome
) -> None:
    """The error that came first is the one that is told."""
    sim.faults.fail("PATCH", status=status, headers={"Retry-After": "7"})
    _while_it_sleeps(
        sim,
        lambda: sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=403, code="AuthorizationFailed", times=None),
    )
    result = apply()
    assert (result.outcome, result.attempts) == (outcome, 1)
    assert result.error is not None
    assert result.error.status == status
    assert "could not be read either" in result.error.hint


def test_no_step_goes_on_when_a_run_is_interrupted(connect: Callable[..., RemediationClient]) -> None:
    """Ctrl-C waits for what is under way: a step that outlived its journal would not be in it."""

    def interrupt(event: object) -> None:
        if isinstance(event, StepStarted):
            raise KeyboardInterrupt

    client = connect(hooks=[interrupt])
    plan = client.plan([SECURE_TRANSFER])
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        client.apply(plan, approve=plan.digest)
    assert set(threading.enumerate()) <= before
