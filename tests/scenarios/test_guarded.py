"""Guards that read Azure: the share of resources that change, the current tags, and the limits of a resume."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest

from defender_remediate import Guards, MaintenanceWindow, MemoryJournal, RemediationClient, RemediationPlan, Waves
from defender_remediate.errors import GuardError, InvalidInputError
from defender_remediate.journal import replay
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_ACCESS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
FTP_BASIC_AUTH = "56d42cec-3359-c1a2-f3f2-fea2232edc64"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
ACCOUNTS = "microsoft.storage/storageaccounts"
STOP = Waves(gate=lambda _: False)


def judged(client: RemediationClient, *keys: str) -> int:
    """How many resources these recommendations judge, counted the long way."""
    found = (one for key in keys for one in client.list_assessments(key) if one.status in ("Healthy", "Unhealthy"))
    return len({one.resource_id.casefold() for one in found})


@pytest.mark.parametrize("source", ["rest", "graph"])
@pytest.mark.parametrize("keys", [(SECURE_TRANSFER,), (SECURE_TRANSFER, PUBLIC_ACCESS)])
def test_a_plan_counts_what_it_is_a_share_of(
    connect: Callable[..., RemediationClient], source: str, keys: tuple[str, ...]
) -> None:
    """Healthy and unhealthy, each resource once; the rest of the plan is the same as without counting."""
    client = connect(guards=Guards(max_share=0.5), source=source)
    plan = client.plan(keys)
    assert plan.assessed == {ACCOUNTS: judged(client, *keys)}
    plain = connect(source=source).plan(keys)
    assert plain.assessed == {}
    assert (plan.steps, plan.skipped) == (plain.steps, plain.skipped)
    assert plan.digest != plain.digest


def test_a_share_of_a_type_is_not_gone_beyond(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Neither by all nor by named resources; a part of the plan may go, and so may all with a waiver."""
    client = connect(journal=MemoryJournal(), guards=Guards(max_share=0.4))
    plan = client.plan([SECURE_TRANSFER])
    most = int(0.4 * plan.assessed[ACCOUNTS])
    assert len(plan.steps) > most > 1
    with pytest.raises(GuardError, match="the guard max_share allows 40%") as caught:
        client.apply(plan, approve=plan.digest)
    assert caught.value.guard == "max_share"
    with pytest.raises(GuardError, match="max_share"):
        client.fix(SECURE_TRANSFER, resources=accounts)
    assert not sim.writes
    part = plan.limit(most)
    assert client.apply(part, approve=part.digest).count("applied") == most
    rest = client.plan([SECURE_TRANSFER])
    waived = client.apply(rest, approve=rest.digest, waive={"max_share": "CHG-3"})
    assert waived.count("applied") == len(rest.steps)


def test_a_plan_made_without_the_guard_cannot_be_checked(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The plan is refused unless it has a single change, and so is its rollback."""
    journal = MemoryJournal()
    free, careful = connect(journal=journal), connect(journal=journal, guards=Guards(max_share=1.0))
    plan = free.plan([SECURE_TRANSFER])
    with pytest.raises(GuardError, match="cannot be checked"):
        careful.apply(plan, approve=plan.digest)
    one = plan.limit(1)
    assert careful.apply(one, approve=one.digest).count("applied") == 1
    rest = free.plan([SECURE_TRANSFER])
    report = free.apply(rest, approve=rest.digest)
    with pytest.raises(GuardError, match="cannot be checked"):
        careful.rollback(report.run_id)
    assert careful.rollback(report.run_id, waive={"max_share": "it broke"}).count("rolled_back") == len(rest.steps)


def tagged(sim: ArmSimulator, resource_id: str) -> None:
    sim.resources.edit(resource_id, lambda body: body["tags"].update(freeze="quarter end"))


def test_a_tag_since_planning_keeps_hands_off(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """It is looked for on the fresh read; without the guard the resource has only moved."""
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    plan = careful.plan([SECURE_TRANSFER], resources=accounts[:2])
    tagged(sim, accounts[0])
    report = careful.apply(plan, approve=plan.digest)
    ended = {result.resource_id: result for result in report}
    assert ended[accounts[1]].outcome == "applied"
    error = ended[accounts[0]].error
    assert error is not None
    assert (ended[accounts[0]].outcome, error.code) == ("skipped", "Protected")
    assert "its tag freeze=quarter end is protected" in error.message
    assert [write.path for write in sim.writes] == [accounts[1]]


def test_what_is_compliant_by_now_is_so_also_with_a_tag(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """There is nothing left to keep hands off."""
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    plan = careful.plan([SECURE_TRANSFER], resources=accounts[:1])
    tagged(sim, accounts[0])
    sim.resources.edit(accounts[0], lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    assert careful.apply(plan, approve=plan.digest).count("already_compliant") == 1


@pytest.mark.parametrize("key", [FTP_BASIC_AUTH, KEY_VAULT_LOGS], ids=["child", "extension"])
def test_a_tag_is_looked_for_on_the_resource_when_the_target_has_none(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], key: str
) -> None:
    """A child and an extension have no tags of their own; also a plan made without the guard is kept off."""
    parameters = {"workspace_id": sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]}
    plan = connect().plan([key], parameters=parameters if key == KEY_VAULT_LOGS else None)
    first = plan.steps[0].resource_id
    tagged(sim, first)
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze=*"]))
    report = careful.apply(plan, approve=plan.digest)
    assert report.count("applied") == len(plan.steps) - 1
    assert {result.resource_id for result in report if result.outcome == "skipped" and result.step_id} == {first}
    assert not any(write.path.casefold().startswith(first.casefold()) for write in sim.writes)


@pytest.mark.parametrize(("status", "outcome"), [(403, "blocked"), (400, "failed")])
def test_tags_that_cannot_be_read_are_no_permission(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], status: int, outcome: str
) -> None:
    """A check that could not be made counts as failed; nothing was sent."""
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    plan = careful.plan([FTP_BASIC_AUTH]).limit(1)
    name = plan.steps[0].resource_id.rpartition("/")[2]
    sim.faults.fail("GET", f"sites/{name}[?]", status=status, code="AuthorizationFailed", times=None)
    report = careful.apply(plan, approve=plan.digest)
    assert report.count(outcome) == 1
    assert not sim.writes


def test_a_tag_that_no_version_can_read_is_no_permission(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The provider may offer none of the resource's type any more."""
    parameters = {"workspace_id": sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]}
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    plan = careful.plan([KEY_VAULT_LOGS], parameters=parameters).limit(2)
    sim.faults.fail("GET", "providers/Microsoft.KeyVault[?]", status=200, body={"resourceTypes": []}, times=None)
    # The client that planned remembers the api-versions.
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    report = careful.apply(plan, approve=plan.digest)
    assert report.count("failed") == 2
    assert "offers no api-version" in str(report.results[0].error)
    assert not sim.writes


def test_a_tag_that_comes_between_two_attempts_keeps_hands_off(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Also on a child, whose own body has not moved."""
    careful = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["freeze"]))
    plan = careful.plan([FTP_BASIC_AUTH]).limit(1)
    target = plan.steps[0].request.path.rpartition("/")[2]
    sim.faults.fail("PUT", target, status=429, code="TooManyRequests", headers={"Retry-After": "99"})
    original = sim.clock.sleep

    def meanwhile(seconds: float) -> None:
        if seconds == 99:
            tagged(sim, plan.steps[0].resource_id)
        original(seconds)

    sim.clock.sleep = meanwhile  # type: ignore[method-assign]
    report = careful.apply(plan, approve=plan.digest)
    assert report.results[0].error is not None
    assert (report.results[0].outcome, report.results[0].error.code) == ("skipped", "Protected")
    assert report.results[0].attempts == 1
    assert not sim.writes


def stopped(connect: Callable[..., RemediationClient], **options: Any) -> tuple[MemoryJournal, RemediationPlan, str]:
    """A run that a gate stopped after its first step."""
    journal = MemoryJournal()
    client = connect(journal=journal, workers=1, **options)
    plan = client.plan([SECURE_TRANSFER]).limit(4)
    report = client.apply(plan, approve=plan.digest, waves=STOP, waive={"allowed_impacts": "CHG-1"})
    assert report.count("applied") == 1
    return journal, plan, report.run_id


def test_a_resume_counts_what_is_left(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """What is done is done; nothing was sent when the rest is too much."""
    journal, plan, run_id = stopped(connect)
    writes = len(sim.writes)
    with pytest.raises(GuardError, match="3 changes, the guard max_changes allows 2"):
        connect(journal=journal, guards=Guards(max_changes=2)).resume(run_id)
    assert len(sim.writes) == writes
    resumed = connect(journal=journal, guards=Guards(max_changes=3)).resume(run_id)
    assert resumed.count("applied") == len(plan.steps)


def test_a_resume_keeps_to_the_guards_of_who_resumes(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """A resume skips targets that are protected by now and does not run outside the window. The age of the plan does not count."""
    journal, plan, run_id = stopped(connect)
    name = plan.steps[3].resource_id.rpartition("/")[2]
    hour = sim.clock.now().hour
    closed = MaintenanceWindow(start=time((hour + 2) % 24), end=time((hour + 3) % 24))
    writes, records = len(sim.writes), journal.read(run_id)
    for guards, which in (
        (Guards(protected_names=[name]), "protected"),
        (Guards(window=closed), "window"),
    ):
        with pytest.raises(GuardError) as caught:
            connect(journal=journal, guards=guards).resume(run_id)
        assert caught.value.guard == which
    assert (len(sim.writes), journal.read(run_id)) == (writes, records)
    done = plan.steps[0].resource_id.rpartition("/")[2]
    sim.clock.sleep(48 * 3600)
    old = Guards(max_plan_age=timedelta(seconds=1), protected_names=[done], allowed_impacts=["restart"])
    assert connect(journal=journal, guards=old).resume(run_id).count("applied") == len(plan.steps)


def test_a_waiver_of_a_run_holds_until_its_end(connect: Callable[..., RemediationClient]) -> None:
    """Those that it began with, and those that a resume added; each is in the journal with its reason."""
    journal, plan, run_id = stopped(connect, guards=Guards(allowed_impacts=["restart"]))
    careful = connect(journal=journal, workers=1, guards=Guards(allowed_impacts=["restart"], max_changes=1))
    with pytest.raises(GuardError, match="max_changes"):
        careful.resume(run_id, waves=STOP)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        careful.resume(run_id, waive={"max_changes": ""})
    careful.resume(run_id, waves=STOP, waive={"max_changes": "CHG-2"})
    assert replay(journal.read(run_id)).waivers == ("allowed_impacts: CHG-1", "max_changes: CHG-2")
    assert careful.resume(run_id).count("applied") == len(plan.steps)
    over = careful.resume(run_id, waive={"window": "not needed"})
    assert over.count("applied") == len(plan.steps)
    assert replay(journal.read(run_id)).waivers == ("allowed_impacts: CHG-1", "max_changes: CHG-2")


def test_a_resume_looks_for_tags_as_well(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """Resources that were tagged while the run was stopped are skipped; the others are changed."""
    journal, plan, run_id = stopped(connect)
    tagged(sim, plan.steps[2].resource_id)
    resumed = connect(journal=journal, guards=Guards(protected_tags=["freeze"])).resume(run_id)
    assert resumed.count("applied") == 3
    error = resumed.results[2].error
    assert error is not None
    assert error.code == "Protected"
