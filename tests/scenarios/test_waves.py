"""A few first, then more, and a stop when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defender_remediate import Guards, MemoryJournal, Outcome, RemediationClient
from defender_remediate.errors import GuardError
from defender_remediate.journal import replay
from defender_remediate.models.waves import WaveFinished, Waves
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client whose runs are kept in memory."""
    return connect(journal=MemoryJournal(), workers=1)


def test_waves_follow_one_another(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """The canary first, a pause after each, a gate between them."""
    asked: list[tuple[int, int, int, int]] = []

    def gate(wave: WaveFinished) -> bool:
        asked.append((wave.number, wave.waves, len(wave.results), wave.remaining))
        return True

    plan = client.plan([SECURE_TRANSFER])
    before = sim.clock.monotonic()
    report = client.apply(plan, approve=plan.digest, waves=Waves(canary=1, growth=2, pause=600, gate=gate))
    assert report.count("applied") == len(accounts) == 7
    assert asked == [(1, 3, 1, 6), (2, 3, 2, 4)]
    assert sim.clock.monotonic() - before >= 1800


def test_a_failed_canary_stops_the_run_and_the_rest_is_not_attempted(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """The report names the steps that were not attempted and why; a resume executes them."""
    plan = client.plan([SECURE_TRANSFER])
    sim.access.lock(plan.steps[0].resource_id)
    report = client.apply(plan, approve=plan.digest, waves=Waves())
    assert report.count("blocked") == 1
    left = [result for result in report if result.error and result.error.code == "NotAttempted"]
    assert len(left) == len(plan.steps) - 1
    assert "1 of 1 steps failed" in str(left[0].error)
    assert not sim.writes
    sim.access.unlock(plan.steps[0].resource_id)
    resumed = client.resume(report.run_id)
    assert (resumed.count("blocked"), resumed.count("applied")) == (1, len(plan.steps) - 1)


def test_a_share_of_failures_is_borne(sim: ArmSimulator, client: RemediationClient) -> None:
    """One in seven may fail where two in five may not."""
    plan = client.plan([SECURE_TRANSFER])
    sim.access.lock(plan.steps[3].resource_id)
    waves = Waves(canary=2, growth=2, max_failures=7, max_failure_share=0.4)
    report = client.apply(plan, approve=plan.digest, waves=waves)
    assert (report.count("blocked"), report.count("applied")) == (1, len(plan.steps) - 1)


@pytest.mark.parametrize("answer", [False, None, "yes"])
def test_a_gate_that_does_not_say_true_stops(sim: ArmSimulator, client: RemediationClient, answer: object) -> None:
    """Only True is a yes."""
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest, waves=Waves(gate=lambda _: answer))  # type: ignore[arg-type,return-value]
    assert report.count("applied") == 1 == len(sim.writes)
    assert "the gate said no" in str(report.results[-1].error)


def test_a_gate_that_fails_stops_and_is_not_forgotten(sim: ArmSimulator, client: RemediationClient) -> None:
    """Its exception is in the warnings, without the secrets in it."""

    def gate(wave: WaveFinished) -> bool:
        raise LookupError("no approver; password=planted-S3CR3T")

    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest, waves=Waves(gate=gate))
    assert report.count("applied") == 1
    assert report.warnings == ("the gate failed after wave 1: LookupError: no approver; password=(hidden)",)


def test_what_somebody_puts_back_while_the_wave_is_watched_counts_as_failed(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """A policy or a pipeline that undoes the change shows in the pause."""
    plan = client.plan([SECURE_TRANSFER])
    canary = plan.steps[0].resource_id
    original = sim.clock.sleep

    def meanwhile(seconds: float) -> None:
        if seconds == 600:
            sim.resources.edit(canary, lambda body: body["properties"].update(supportsHttpsTrafficOnly=False))
        original(seconds)

    sim.clock.sleep = meanwhile  # type: ignore[method-assign]
    report = client.apply(plan, approve=plan.digest, waves=Waves(pause=600))
    assert report.results[0].outcome is Outcome.FAILED
    assert report.results[0].error is not None
    assert report.results[0].error.code == "Reverted"
    assert len(sim.writes) == 1
    state = replay(client.journal.read(report.run_id))
    told = state.steps[plan.steps[0].id].result
    assert told is not None
    assert (told.outcome, told.error) == (Outcome.FAILED, report.results[0].error)
    resumed = client.resume(report.run_id)
    assert resumed.results[0].outcome is Outcome.FAILED
    assert client.plan_rollback(report.run_id, steps=[plan.steps[0].id]).steps == ()


def test_a_wave_that_cannot_be_looked_at_again_is_in_doubt(sim: ArmSimulator, client: RemediationClient) -> None:
    """And the run stops."""
    plan = client.plan([SECURE_TRANSFER])
    name = plan.steps[0].resource_id.rpartition("/")[2]
    sim.faults.fail("GET", f"{name}[?]", status=403, code="AuthorizationFailed", times=None, skip=2)
    report = client.apply(plan, approve=plan.digest, waves=Waves())
    assert report.results[0].outcome is Outcome.IN_DOUBT
    assert len(sim.writes) == 1
    kept = replay(client.journal.read(report.run_id)).steps[plan.steps[0].id].result
    assert kept is not None
    assert kept.outcome is Outcome.IN_DOUBT


def test_guards_are_waived_one_by_one_with_a_reason(connect: Callable[..., RemediationClient]) -> None:
    """The reason is in the journal."""
    journal = MemoryJournal()
    client = connect(journal=journal, guards=Guards(max_changes=2, allowed_impacts=("none",)))
    plan = client.plan([SECURE_TRANSFER])
    with pytest.raises(GuardError, match="has the impact connectivity"):
        client.apply(plan, approve=plan.digest, waive={"max_changes": "CHG-1"})
    report = client.apply(plan, approve=plan.digest, waive={"max_changes": "CHG-1", "allowed_impacts": "CHG-1"})
    opened = journal.read(report.run_id)[0]
    assert opened.waivers == ("max_changes: CHG-1", "allowed_impacts: CHG-1")  # type: ignore[union-attr]


def test_protected_resources_are_not_planned(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """By group, name or tag; a plan made without the guard is refused by a client with it."""
    free = connect(journal=MemoryJournal()).plan([SECURE_TRANSFER])
    by_name = connect(journal=MemoryJournal(), guards=Guards(protected_names=["*dev*"]))
    assert {skip.reason for skip in by_name.plan([SECURE_TRANSFER]).skipped} == {"protected"}
    with pytest.raises(GuardError, match="is protected"):
        by_name.apply(free, approve=free.digest)
    tags = connect(journal=MemoryJournal(), guards=Guards(protected_tags=["env=prod"]))
    plan = tags.plan([SECURE_TRANSFER])
    protected = {skip.resource_id for skip in plan.skipped if skip.reason == "protected"}
    assert protected == {account for account in accounts if sim.resources.get(account)["tags"].get("env") == "prod"}
    assert protected


def test_one_read_that_fails_after_the_pause_leaves_nothing_in_doubt(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """What the next read can prove is proven by it."""
    plan = client.plan([SECURE_TRANSFER]).limit(3)
    original = sim.clock.sleep

    def meanwhile(seconds: float) -> None:
        if seconds == 60:
            sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=403, code="AuthorizationFailed")
        original(seconds)

    sim.clock.sleep = meanwhile  # type: ignore[method-assign]
    report = client.apply(plan, approve=plan.digest, waves=Waves(pause=60))
    assert {result.outcome for result in report if result.step_id} == {Outcome.APPLIED}


def test_a_wave_that_holds_is_written_down_once(client: RemediationClient) -> None:
    """A second look that shows the same is no news."""
    plan = client.plan([SECURE_TRANSFER]).limit(3)
    report = client.apply(plan, approve=plan.digest, waves=Waves(pause=60))
    kinds = [type(record).__name__ for record in client.journal.read(report.run_id)]
    assert (kinds.count("StepEnded"), kinds.count("StepReviewed")) == (3, 0)
