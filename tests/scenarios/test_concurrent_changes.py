"""What others, and Azure itself, change while a plan is applied: seen, refused or kept, and never overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate import MemoryJournal, Outcome, RemediationClient, RemediationResult
from defender_remediate.models.waves import Waves
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
AUTHORISED_RANGES = "1a2b5b4c-f80d-46e7-ac81-b51a9fb363de"
WAIVE = {"private_endpoint": "it is not in use yet"}


class MeddlingTransport:
    """The simulator behind a wire on which someone else acts right before the n-th request of a run."""

    def __init__(self, sim: ArmSimulator, at: int, act: Callable[[], object]) -> None:
        self.sim, self.at, self.act = sim, at, act
        self.armed = False
        self.count = 0
        self.was_a_write = False
        self.has_written = False

    def send(self, request: Any, **options: Any) -> Any:
        if self.armed:
            self.count += 1
            self.has_written = self.has_written or (self.count < self.at and request.method != "GET")
            if self.count == self.at:
                self.was_a_write = request.method != "GET"
                self.act()
        return self.sim.send(request, **options)

    def sleep(self, duration: float) -> None:
        self.sim.sleep(duration)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> MeddlingTransport:
        return self

    def __exit__(self, *args: object) -> None: ...


def meddled(
    key: str, member: str, theirs: Any, *, parameters: dict[str, Any] | None = None
) -> list[tuple[RemediationResult, Any, bool]]:
    """For a change by someone else before each request up to the write: the result, the member, and whether it was the write."""
    found = []
    for at in range(1, 20):
        sim = ArmSimulator.demo()
        wire = MeddlingTransport(sim, at, lambda: None)
        with connect_to(sim, wire) as client:
            plan = client.plan([key], parameters=parameters, waive=WAIVE).limit(1)
            target = plan.steps[0].target_id

            def act(sim: ArmSimulator = sim, target: str = target) -> None:
                sim.resources.edit(target, lambda body: body["properties"].update({member: theirs}))

            wire.act, wire.armed = act, True
            (result,) = (one for one in client.apply(plan, approve=plan.digest) if one.step_id)
        if wire.count < at or wire.has_written:
            # The request has left: what happens from here on is between Azure and someone else.
            break
        found.append((result, sim.resources.get(target)["properties"].get(member), wire.was_a_write))
    assert found[-1][2], "the last moment is right before the request"
    return found


def connect_to(sim: ArmSimulator, wire: Any, **options: Any) -> RemediationClient:
    how: dict[str, Any] = {"journal": MemoryJournal(), "workers": 1, **options}
    return RemediationClient(sim.credential, sim.scopes, transport=wire, clock=sim.clock, **how)


def test_a_patch_never_overwrites_what_someone_else_changes() -> None:
    """At no moment: it carries only what the step changes."""
    for result, now, _ in meddled(SECURE_TRANSFER, "minimumTlsVersion", "TLS1_3"):
        assert now == "TLS1_3"
        assert result.outcome is Outcome.APPLIED


def test_a_put_overwrites_nothing_that_was_changed_before_its_last_read() -> None:
    """Without an etag only the moment between the last read and the request is left, which is as short as a request."""
    found = meddled(AUTHORISED_RANGES, "dnsPrefix", "theirs", parameters={"authorized_ip_ranges": ["203.0.113.0/24"]})
    for result, now, was_a_write in found:
        assert now == "theirs" or was_a_write, result
        if result.outcome is Outcome.SKIPPED:
            assert result.error is not None
            assert result.error.code == "Drifted"
    assert [result.outcome for result, _, _ in found].count(Outcome.SKIPPED) >= 1


def test_a_rollback_names_the_etag_of_its_last_read() -> None:
    """Azure refuses it when someone else changed the target after that read, and the next read shows the change."""
    sim = ArmSimulator.demo()
    theirs = {"authorizedIPRanges": ["198.51.100.0/24"]}
    with connect_to(sim, sim) as client:
        plan = client.plan([AUTHORISED_RANGES], parameters={"authorized_ip_ranges": ["203.0.113.0/24"]}, waive=WAIVE)
        run = client.apply(plan, approve=plan.digest)
        undo = client.plan_rollback(run.run_id)
        target = undo.steps[0].target_id
        original = sim.send

        def send(request: Any, **options: Any) -> Any:
            if request.method == "PUT":
                sim.resources.edit(target, lambda body: body["properties"].update(apiServerAccessProfile=theirs))
            return original(request, **options)

        wire = MeddlingTransport(sim, 0, lambda: None)
        wire.send = send  # type: ignore[method-assign]
        with connect_to(sim, wire, journal=client.journal) as other:
            (result,) = other.apply(undo, approve=undo.digest)
    assert sim.resources.get(target)["properties"]["apiServerAccessProfile"] == theirs
    assert result.outcome is Outcome.SKIPPED


def test_nothing_waits_between_the_last_read_and_the_request(sim: ArmSimulator) -> None:
    """A pause that Azure asked for is over before the target is read: what changes in it is seen."""
    with connect_to(sim, sim) as client:
        plan = client.plan([AUTHORISED_RANGES], parameters={"authorized_ip_ranges": ["203.0.113.0/24"]}, waive=WAIVE)
        target = plan.steps[0].target_id
        original = sim.clock.sleep

        def sleep(seconds: float) -> None:
            if seconds > 0.5:
                sim.resources.edit(target, lambda body: body["properties"].update(dnsPrefix="theirs"))
            original(seconds)

        sim.faults.drain(target)
        sim.faults.fail("PUT", status=429, code="SubscriptionRequestsThrottled", headers={"Retry-After": "30"})
        sim.clock.sleep = sleep  # type: ignore[method-assign]
        result = client.apply(plan, approve=plan.digest).results[0]
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.SKIPPED, "Drifted")
    assert sim.resources.get(target)["properties"]["dnsPrefix"] == "theirs"


READ_ONLY = {
    SECURE_TRANSFER: [
        ("properties", "statusOfPrimary", ["available", "unavailable"]),
        ("properties", "primaryEndpoints", [{"blob": "https://a/"}, {"blob": "https://b/"}]),
        ("properties", "lastGeoFailoverTime", ["2026-01-01T00:00:00Z"]),
        ("properties", "keyCreationTime", [{"key1": "2026-01-01T00:00:00Z"}]),
        (None, "systemData", [{"lastModifiedAt": "2026-01-01T00:00:00Z"}]),
        (None, "etag", ['"1"', '"2"']),
    ],
    AUTHORISED_RANGES: [
        ("properties", "currentKubernetesVersion", ["1.30.1", "1.30.2"]),
        ("properties", "maxAgentPools", [100, 101]),
        (None, "systemData", [{"lastModifiedAt": "2026-01-01T00:00:00Z"}]),
        (None, "etag", ['"1"', '"2"']),
    ],
}


@pytest.mark.exhaustive
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_moves_by_itself_is_no_drift_and_a_dependency_is(data: st.DataObject) -> None:
    """Members that no request can set may move at any time; a change of what the step depends on stops it."""
    key = data.draw(st.sampled_from(sorted(READ_ONLY)))
    moves = data.draw(st.lists(st.sampled_from(READ_ONLY[key]), unique_by=lambda move: move[1]))
    values = [data.draw(st.sampled_from(move[2])) for move in moves]
    is_changed = data.draw(st.booleans())
    sim = ArmSimulator.demo()
    with connect_to(sim, sim) as client:
        parameters = {"authorized_ip_ranges": ["203.0.113.0/24"]} if key == AUTHORISED_RANGES else None
        plan = client.plan([key], parameters=parameters, waive=WAIVE).limit(1)
        step = plan.steps[0]

        def move(body: dict[str, Any]) -> None:
            for (where, name, _), value in zip(moves, values, strict=True):
                (body if where is None else body[where])[name] = value
            if is_changed and key == SECURE_TRANSFER:
                body["properties"]["supportsHttpsTrafficOnly"] = None
            elif is_changed:
                body["properties"]["dnsPrefix"] = "theirs"

        sim.resources.edit(step.target_id, move)
        result = client.apply(plan, approve=plan.digest).results[0]
    assert result.outcome is (Outcome.SKIPPED if is_changed else Outcome.APPLIED), result


@pytest.mark.exhaustive
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_drift_is_the_same_in_waves_and_after_an_interruption(data: st.DataObject) -> None:
    """Before every request Azure moves what only Azure sets; someone changes one account that is not written yet."""
    sim = ArmSimulator.demo()
    journal = MemoryJournal()
    stop = data.draw(st.integers(0, 40), label="the request at which the run is interrupted; 0 for none")
    wave_size = data.draw(st.sampled_from([None, 1, 3]))
    moves = READ_ONLY[SECURE_TRANSFER]
    shift = data.draw(st.integers(0, 3))
    wire = MeddlingTransport(sim, 0, lambda: None)
    original = sim.send

    def send(request: Any, **options: Any) -> Any:
        if wire.armed:
            wire.count += 1
            if wire.count == stop:
                wire.armed = False
                raise KeyboardInterrupt
            where, name, values = moves[(wire.count + shift) % len(moves)]
            value = values[wire.count % len(values)]
            for step in plan.steps:
                sim.resources.edit(
                    step.target_id, lambda body: (body if where is None else body[where]).update({name: value})
                )
        return original(request, **options)

    wire.send = send  # type: ignore[method-assign]
    with connect_to(sim, wire, journal=journal) as client:
        plan = client.plan([SECURE_TRANSFER])
        victim = plan.steps[-1]
        how = data.draw(st.sampled_from([None, "kind", "supportsHttpsTrafficOnly", "isNfsV3Enabled"]))
        if how == "kind":
            sim.resources.edit(victim.target_id, lambda body: body.update(kind="FileStorage"))
        elif how is not None:
            theirs = None if how == "supportsHttpsTrafficOnly" else True
            sim.resources.edit(victim.target_id, lambda body: body["properties"].update({how: theirs}))
        waves = None if wave_size is None else Waves(canary=wave_size, pause=60)
        wire.armed = True
        try:
            report = client.apply(plan, approve=plan.digest, waves=waves)
        except KeyboardInterrupt:
            runs = [*journal.list_runs()]
            wire.armed = True
            # Before the first record nothing was sent, and there is nothing to resume.
            report = client.resume(runs[0]) if runs else client.apply(plan, approve=plan.digest, waves=waves)
        outcomes = {result.step_id: result.outcome for result in report if result.step_id}
    expected = {step.id: Outcome.APPLIED for step in plan.steps}
    if how is not None:
        expected[victim.id] = Outcome.SKIPPED
    assert outcomes == expected


@pytest.fixture
def account(accounts: list[str]) -> str:
    """One storage account that takes plain HTTP."""
    return accounts[0]


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("provisioningState", "Updating"),
        ("provisioningState", "ResolvingDNS"),
        ("provisioningState", "UpdatingManagedIdentity"),
        ("provisioningState", "Accepted"),
        ("state", "Transitioning"),
        ("status", "Activating"),
        ("clusterState", "Upgrading"),
        ("provisioningState", "Created"),
    ],
)
def test_a_target_in_motion_is_waited_for_before_the_first_request(
    sim: ArmSimulator, client: RemediationClient, account: str, where: str, word: str
) -> None:
    """Wherever its type says so; nothing is sent into another operation."""
    plan = client.plan([SECURE_TRANSFER], resources=[account])
    sim.resources.edit(account, lambda body: body["properties"].update({where: word}))
    original = sim.clock.sleep
    began = sim.clock.monotonic()

    def sleep(seconds: float) -> None:
        original(seconds)
        if sim.clock.monotonic() - began >= 45:
            sim.resources.edit(account, lambda body: body["properties"].update({where: "Succeeded"}))

    sim.clock.sleep = sleep  # type: ignore[method-assign]
    result = client.apply(plan, approve=plan.digest).results[0]
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 1)
    assert sim.clock.monotonic() - began >= 45


@pytest.mark.parametrize(
    ("where", "word"),
    [("provisioningState", "Quiescent"), ("state", "Running"), ("status", "Warning"), ("state", "Ready")],
)
def test_a_state_that_lasts_is_final(
    sim: ArmSimulator, client: RemediationClient, account: str, where: str, word: str
) -> None:
    """Types have words of their own: one that is not known is watched for a while, and stops nothing."""
    plan = client.plan([SECURE_TRANSFER], resources=[account])
    sim.resources.edit(account, lambda body: body["properties"].update({where: word}))
    result = client.apply(plan, approve=plan.digest).results[0]
    assert (result.outcome, result.attempts) == (Outcome.APPLIED, 1)


def test_a_target_that_stays_in_motion_is_given_up(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], account: str
) -> None:
    """After the time that one operation may take; nothing was sent."""
    client = connect(operation_timeout=600)
    plan = client.plan([SECURE_TRANSFER], resources=[account])
    sim.resources.edit(account, lambda body: body["properties"].update(provisioningState="Updating"))
    result = client.apply(plan, approve=plan.digest).results[0]
    assert result.error is not None
    assert (result.outcome, result.error.code, result.attempts) == (Outcome.FAILED, "StillChanging", 0)
    assert not sim.writes


@pytest.mark.parametrize(
    ("code", "state", "outcome"),
    [
        ("Conflict", "Updating", Outcome.APPLIED),
        ("OperationNotAllowed", "Updating", Outcome.APPLIED),
        ("Conflict", "Succeeded", Outcome.FAILED),
        ("QuotaExceeded", "Updating", Outcome.FAILED),
        ("Conflict", None, Outcome.FAILED),
    ],
)
def test_a_conflict_that_says_nothing_in_english_is_decided_by_the_state_of_the_target(
    sim: ArmSimulator, account: str, code: str, state: str | None, outcome: Outcome
) -> None:
    """Messages come in the language of a proxy or a service; a state that cannot be read decides nothing."""
    wire = MeddlingTransport(sim, 0, lambda: None)
    original = sim.send
    slept = sim.clock.sleep

    def shown(word: str) -> None:
        sim.resources.edit(account, lambda body: body["properties"].update(provisioningState=word))

    def send(request: Any, **options: Any) -> Any:
        if request.method == "PATCH" and not wire.count:
            wire.count += 1
            sim.faults.fail("PATCH", status=409, code=code, message="Ein anderer Vorgang wird bereits ausgeführt.")
            if state is None:
                sim.faults.fail("GET", "storageAccounts", status=403, code="AuthorizationFailed")
            else:
                shown(state)
        return original(request, **options)

    def sleep(seconds: float) -> None:
        slept(seconds)
        shown("Succeeded")

    wire.send = send  # type: ignore[method-assign]
    with connect_to(sim, wire) as client:
        plan = client.plan([SECURE_TRANSFER], resources=[account])
        sim.clock.sleep = sleep  # type: ignore[method-assign]
        result = client.apply(plan, approve=plan.digest).results[0]
    assert result.outcome is outcome, result


def test_a_rollback_overwrites_nothing_where_the_type_compares_etags() -> None:
    """Not even what someone else changes between its last read and its request."""
    sim = ArmSimulator.demo()
    with connect_to(sim, sim) as client:
        parameters = {"authorized_ip_ranges": ["203.0.113.0/24"]}
        plan = client.plan([AUTHORISED_RANGES], parameters=parameters, waive=WAIVE).limit(1)
        target = plan.steps[0].target_id
        report = client.apply(plan, approve=plan.digest)
        undo = client.plan_rollback(report.run_id, waive=WAIVE)

    class Meddling(MeddlingTransport):
        def send(self, request: Any, **options: Any) -> Any:
            if request.method == "PUT":
                sim.resources.edit(target, lambda body: body["properties"].update(dnsPrefix="theirs"))
            return sim.send(request, **options)

    with connect_to(sim, Meddling(sim, 0, lambda: None), journal=client.journal) as client:
        (back,) = client.apply(undo, approve=undo.digest).results
    assert back.error is not None
    assert (back.outcome, back.error.code) == (Outcome.SKIPPED, "Drifted")
    assert sim.resources.get(target)["properties"]["dnsPrefix"] == "theirs"
