"""The Fix button: from the finding to the proof."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

import pytest

from defender_remediate import Guards, Outcome, RemediationClient, RemediationPlan, RemediationReport, SkipReason
from defender_remediate.arm.session import READ_LIKE_POSTS
from defender_remediate.errors import GuardError, PlanError, PlanNotApprovedError, RemediationFailedError
from defender_remediate.hooks import (
    PhaseProgressed,
    PlanningFinished,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    VerificationFinished,
)
from defender_remediate.models import Health
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_ACCESS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
PURGE_PROTECTION = "4ed62ae4-5072-f9e7-8d94-51c76c48159a"


def test_the_button_fixes_and_proves(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Plan, apply and verify in one call; the resources changed, and nothing else did."""
    before = {resource: sim.resources.get(resource) for resource in sim.resources.list_ids()}
    report = client.fix(SECURE_TRANSFER, resources=accounts, timeout=3600)
    report.raise_for_failures()
    assert report.count("applied") == len(accounts) > 3
    assert all(result.compliant and result.health is Health.HEALTHY for result in report)
    for resource in sim.resources.list_ids():
        expected = before[resource]
        if resource in accounts:
            expected["properties"]["supportsHttpsTrafficOnly"] = True
        assert sim.resources.get(resource) == expected


def test_each_write_is_one_patch_of_what_differs(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Least change, on the wire."""
    client.fix(SECURE_TRANSFER, resources=accounts)
    assert {request.path for request in sim.writes} == set(accounts)
    assert {request.method for request in sim.writes} == {"PATCH"}
    assert {request.body for request in sim.writes} == {b'{"properties": {"supportsHttpsTrafficOnly": true}}'}


def test_all_writes_of_a_run_carry_one_correlation_id(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The activity log finds the run again by it, and two runs apart."""
    one = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    two = client.fix(SECURE_TRANSFER, resources=accounts[2:3])
    sim.clock.sleep(900)
    events = list(client.activity.list_events(correlation_id=one.correlation_id))
    assert sorted(event.resource_id for event in events) == sorted(accounts[:2])
    assert {event.status for event in events} == {"Succeeded"}
    assert one.correlation_id != two.correlation_id


def test_planning_only_reads(sim: ArmSimulator, client: RemediationClient) -> None:
    """Everything up to apply is read-only; the POSTs among it are those that are listed by name."""
    client.get_secure_score()
    list(client.list_controls())
    assert list(client.list_recommendations())
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan(parameters={"workspace_id": workspace, "allowed_origins": ["https://shop.contoso.example"]})
    assert str(plan)
    assert {step.executor for step in plan.steps} == {"patch", "put", "template"}
    verbs = {request.method for request in sim.requests}
    assert verbs == {"GET", "POST"}
    assert sim.writes == []
    posts = {request.path for request in sim.requests if request.method == "POST"}
    assert all(any(re.fullmatch(pattern, path, re.IGNORECASE) for pattern in READ_LIKE_POSTS) for path in posts)


def test_everything_that_can_be_fixed_is_fixed_and_stays_fixed(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """PATCH, PUT and templates together; afterwards there is nothing left to plan."""
    client = connect(guards=Guards(max_changes=200, allow_irreversible=[PURGE_PROTECTION]))
    parameters = {
        "workspace_id": sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0],
        "allowed_origins": ["https://shop.contoso.example"],
        "authorized_ip_ranges": ["203.0.113.0/24"],
        "emails": "security@contoso.example",
    }
    plan = client.plan(parameters=parameters, waive={"private_endpoint": "this tenant is not in use"})
    report = client.verify(client.apply(plan, approve=plan.digest), timeout=2 * 86400)
    report.raise_for_failures()
    assert report.count("applied") == len(plan.steps) > 25
    assert {result.health for result in report if result.step_id} == {Health.HEALTHY}
    again = client.plan(parameters=parameters)
    assert again.steps == ()
    assert client.get_secure_score().current > 0


def test_two_fixes_of_one_resource_become_one_request(sim: ArmSimulator, client: RemediationClient) -> None:
    """One PATCH carries both, and the result names both recommendations."""
    one = {found.resource_id for found in client.list_assessments(SECURE_TRANSFER, status="Unhealthy")}
    other = {found.resource_id for found in client.list_assessments(PUBLIC_ACCESS, status="Unhealthy")}
    shared = min(one & other)
    plan = client.plan([SECURE_TRANSFER, PUBLIC_ACCESS], resources=[shared])
    assert len(plan.steps) == 1
    report = client.apply(plan, approve=plan.digest)
    assert len(sim.writes) == 1
    assert json.loads(sim.writes[0].body) == {
        "properties": {"supportsHttpsTrafficOnly": True, "allowBlobPublicAccess": False}
    }
    assert set(report.results[0].keys) == {SECURE_TRANSFER, PUBLIC_ACCESS}


def test_a_plan_travels_as_json_and_is_bound_to_its_digest(
    sim: ArmSimulator, client: RemediationClient, connect: Callable[..., RemediationClient]
) -> None:
    """One process plans, another one applies; any edit in between is refused before a request."""
    text = client.plan([SECURE_TRANSFER]).to_json()
    plan = RemediationPlan.from_json(text)
    sent = len(sim.requests)
    with pytest.raises(PlanNotApprovedError):
        connect().apply(plan, approve="0" * 64)
    with pytest.raises(PlanNotApprovedError):
        connect().apply(plan.limit(1), approve=plan.digest)
    with pytest.raises(PlanError, match="another scope"):
        connect(sim.scopes[0]).apply(plan, approve=plan.digest)
    assert len(sim.requests) == sent
    report = connect().apply(plan, approve=plan.digest)
    assert RemediationReport.from_json(report.to_json()) == report
    assert report.count(Outcome.APPLIED) == len(plan.steps)


def test_more_changes_than_the_guard_allows_are_not_begun(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The guard counts before the first write; a limited plan passes."""
    client = connect(guards=Guards(max_changes=2))
    plan = client.plan([SECURE_TRANSFER])
    with pytest.raises(GuardError, match="max_changes allows 2"):
        client.apply(plan, approve=plan.digest)
    assert not sim.writes
    limited = plan.limit(2)
    report = client.apply(limited, approve=limited.digest)
    assert report.count("applied") == 2
    assert report.count("skipped") == len(plan.steps) - 2


def test_the_irreversible_needs_its_own_consent(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """Without consent it is not planned; with consent the step says that it cannot be undone."""
    assert {skip.reason for skip in connect().plan([PURGE_PROTECTION]).skipped} == {SkipReason.CONSENT_MISSING}
    client = connect(guards=Guards(allow_irreversible=[PURGE_PROTECTION]))
    plan = client.plan([PURGE_PROTECTION])
    assert plan.steps
    assert {(step.reversibility, step.undo_request) for step in plan.steps} == {("none", None)}
    with pytest.raises(GuardError, match="cannot be undone"):
        connect().apply(plan, approve=plan.digest)
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == len(plan.steps)
    assert all(sim.resources.get(step.resource_id)["properties"]["enablePurgeProtection"] for step in plan.steps)


def test_hooks_hear_everything_on_the_callers_thread(
    connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Each step begins and ends once, and a hook that fails stops nothing and is not forgotten."""
    heard: list[object] = []
    threads: set[int] = set()

    def hook(event: object) -> None:
        heard.append(event)
        threads.add(threading.get_ident())
        if isinstance(event, (RunStarted, StepFinished)):
            raise RuntimeError("no screen")

    report = connect(hooks=[hook]).fix(SECURE_TRANSFER, resources=accounts)
    kinds = [type(event) for event in heard]
    assert (kinds[0], kinds[-1]) == (PhaseProgressed, VerificationFinished)
    assert [kind for kind in dict.fromkeys(kinds) if kind not in (PhaseProgressed, StepStarted, StepFinished)] == [
        PlanningFinished,
        RunStarted,
        RunFinished,
        VerificationFinished,
    ]
    assert kinds.count(StepStarted) == kinds.count(StepFinished) == len(accounts)
    finished = [event for event in heard if isinstance(event, StepFinished)]
    assert [event.done for event in finished] == list(range(1, len(accounts) + 1))
    assert {event.total for event in finished} == {len(accounts)}
    assert threads == {threading.get_ident()}
    times = 1 + len(accounts)
    assert report.warnings == (f"a hook failed at RunStarted: RuntimeError: no screen (failed {times} times)",)


def test_raise_for_failures_names_the_first(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """A partial success is no success for a caller who asks for one, also when a check before the change stopped it."""
    sim.access.lock(accounts[0])
    report = client.fix(SECURE_TRANSFER, resources=accounts)
    assert report.count("blocked") == 1
    assert report.count("applied") == len(accounts) - 1
    with pytest.raises(
        RemediationFailedError, match=f"0 of {len(accounts) - 1} steps did not succeed, and checks kept 1 resource"
    ):
        report.raise_for_failures()
