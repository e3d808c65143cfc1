"""A plan is divided by subscription and applied by several workers, and nothing else about it changes."""

from __future__ import annotations

import json
import pickle
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Guards,
    MemoryJournal,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    SkippedResource,
    Waves,
)
from defender_remediate.errors import (
    GuardError,
    InvalidInputError,
    JournalLockedError,
    JournalLockLostError,
    PlanAlteredError,
    PlanNotApprovedError,
    RunExistsError,
    ShardError,
    ShardsUnfinishedError,
    UnknownRunError,
)
from defender_remediate.hooks import RemediationEvent, StepFinished, StepStarted
from defender_remediate.journal import BlobJournal, MemoryStorage, RunOpened, StepEnded, replay
from defender_remediate.journal.past_outcomes import past_outcomes
from defender_remediate.models import CreatedResource, PlanShard, WaveFinished
from defender_remediate.models.shard import run_id_of, shard_run_id
from defender_remediate.reports import to_html, to_markdown
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SUBSCRIPTIONS = tuple(f"/subscriptions/{number}1111111-1111-4111-8111-111111111111" for number in range(1, 4))


@attrs.define
class Tenant:
    """Three subscriptions with storage accounts, two of them in need of a change in each, and one journal for all processes."""

    sim: ArmSimulator
    storage: MemoryStorage = attrs.field(factory=MemoryStorage)
    made: list[RemediationClient] = attrs.field(factory=list)

    def connect(self, **options: Any) -> RemediationClient:
        """A client, as a factory makes it in a worker."""
        options = {"guards": Guards(max_changes=6), "journal": MemoryJournal(self.storage), "workers": 2, **options}
        client = RemediationClient(
            self.sim.credential, SUBSCRIPTIONS, transport=self.sim, clock=self.sim.clock, **options
        )
        self.made.append(client)
        return client


@pytest.fixture
def tenant() -> Tenant:
    """A new tenant."""
    sim = ArmSimulator()
    for place in range(9):
        group = f"{SUBSCRIPTIONS[place % 3]}/resourceGroups/rg-{place % 2}"
        properties = {"supportsHttpsTrafficOnly": place >= 6}
        body = {
            "location": "westeurope",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": properties,
        }
        sim.resources.add({**body, "id": f"{group}/providers/Microsoft.Storage/storageAccounts/st{place}"})
    return Tenant(sim)


@pytest.fixture
def client(tenant: Tenant) -> RemediationClient:
    """The client of the process that divides and merges."""
    return tenant.connect()


@pytest.fixture
def plan(client: RemediationClient) -> RemediationPlan:
    """Six changes and three skips, two and one in each subscription."""
    everything = [found.resource_id for found in client.list_assessments(SECURE_TRANSFER)]
    return client.plan([SECURE_TRANSFER], resources=everything)


@attrs.define
class Workers(Executor):
    """An executor of this process that passes on what was pickled, as one over several machines does.

    Attributes:
        die_after: With which task it dies; that task is executed, and its answer is lost.
        tasks: What was sent.
    """

    die_after: int = 10**9
    answer: Callable[[str], str] = str
    tasks: list[tuple[Callable[[str], str], str]] = attrs.field(factory=list)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if len(self.tasks) >= self.die_after:
            raise BrokenExecutor("a worker died abruptly")
        self.tasks.append((fn, *args))
        future: Future[Any] = Future()
        try:
            result = self.answer(fn(*args))
            if len(self.tasks) == self.die_after:
                raise BrokenExecutor("a worker died abruptly")
            future.set_result(pickle.loads(pickle.dumps(result)))
        except Exception as error:  # noqa: BLE001 - as an executor keeps it
            future.set_exception(pickle.loads(pickle.dumps(error)))
        return future


def told(report: RemediationReport) -> list[Any]:
    """What a report says, without times and ids of requests."""
    bare = {"started": None, "finished": None, "request_id": None}
    return [report.plan.digest, *(attrs.evolve(each, **bare) for each in report)]


def writes(tenant: Tenant) -> Counter[str]:
    """How often each resource was written to."""
    return Counter(request.path for request in tenant.sim.writes)


def rehashed(shard: RemediationPlan, /, **changes: Any) -> RemediationPlan:
    """An edited shard as one who edits its file makes it: with a digest that fits."""
    document = json.loads(attrs.evolve(shard, **changes).to_json())
    return RemediationPlan.from_json(json.dumps(document))


def test_a_shard_is_a_plan_with_the_digest_of_the_whole(plan):
    """It can be stored, printed and joined again, and says what approving it approves."""
    shards = plan.shards(by="subscription")
    assert [len(shard) for shard in shards] == [2, 2, 2]
    assert {shard.digest for shard in shards} == {plan.digest}
    assert [RemediationPlan.from_json(shard.to_json()) for shard in shards] == list(shards)
    assert RemediationPlan.from_shards(reversed(shards)) == plan
    assert sum(len(shard.skipped) for shard in shards) == len(plan.skipped)
    for words in (str(shards[1]), shards[1].details(), to_markdown(shards[1]), to_html(shards[1])):
        flat = " ".join(words.replace("\\", "").split())
        assert "2 of 3, for subscription 21111111" in flat
        assert "the digest is that of the whole plan with 6 changes, and approves all of them" in flat
    assert "score:" not in str(shards[0])
    assert str(shards[1]).startswith("Shard of a plan: 2 changes, 1 skipped")
    assert repr(shards[1]).startswith("RemediationPlan(shard 2 of 3, 2 changes")
    assert shards[1].to_dict()["shard"]["number"] == 2
    root = SkippedResource(
        resource_id="/providers/Microsoft.Management/managementGroups/root", keys=(), reason="no_fix"
    )
    wider = attrs.evolve(plan, skipped=(root, *plan.skipped))
    assert wider.shards()[0].skipped[0] == root
    assert RemediationPlan.from_shards(wider.shards()) == wider


def with_own_summary(shard: PlanShard, /, **changes: Any) -> PlanShard:
    """What a shard says of itself, edited."""
    own = attrs.evolve(shard.shards[shard.number - 1], **changes)
    return attrs.evolve(shard, shards=(*shard.shards[: shard.number - 1], own, *shard.shards[shard.number :]))


def test_an_edited_shard_is_not_approved(client, tenant, plan):
    """Not with the stored digest, not with one that fits, and not by taking a step out of it."""
    shard, other = plan.shards()[:2]
    assert shard.shard is not None
    assert other.shard is not None
    text = shard.to_json().replace('"supportsHttpsTrafficOnly": true', '"supportsHttpsTrafficOnly": false')
    with pytest.raises(PlanAlteredError):
        RemediationPlan.from_json(text)
    step = attrs.evolve(shard.steps[0], titles=("Something else",))
    summary = attrs.evolve(other.shard.shards[1], steps=1)
    edits: list[dict[str, Any]] = [
        {"steps": (step, *shard.steps[1:])},
        {"steps": shard.steps[:1]},
        {"steps": ()},
        {"scope": SUBSCRIPTIONS[:1]},
        {"shard": other.shard},
        {"shard": attrs.evolve(shard.shard, positions=(1, 0))},
        {"shard": attrs.evolve(shard.shard, shards=(shard.shard.shards[0], summary, shard.shard.shards[2]))},
        {"shard": attrs.evolve(shard.shard, score_digest="0" * 64), "score": None},
        {"shard": None},
        # What is stored of the shard itself: the guards count by it.
        *(
            {"shard": with_own_summary(shard.shard, **edit)}
            for edit in ({"steps": -9}, {"resources": {}}, {"digest": ""})
        ),
    ]
    approved = [edit for edit in edits if rehashed(shard, **edit).digest == plan.digest]
    assert not approved
    smaller = shard.limit(1)
    assert smaller.shard is None
    assert smaller.digest != plan.digest
    with pytest.raises(PlanNotApprovedError):
        client.apply(rehashed(shard, **edits[0]), approve=plan.digest)
    with pytest.raises(InvalidInputError, match="number must be from 1 to 3, got 4"):
        attrs.evolve(shard.shard, number=4)
    assert not tenant.sim.writes


def test_what_is_not_one_plan_is_refused(client, tenant, plan):
    """A missing shard, one that was passed twice, one of another plan, and what is no shard."""
    first, second, third = plan.shards()
    tenant.sim.clock.advance(1)
    foreign = client.plan([SECURE_TRANSFER]).shards()[2]
    cases: list[tuple[list[Any], type[Exception], str]] = [
        ([first, third], ShardError, "shard 2 of 3 is missing"),
        ([first, second, third, first], ShardError, "shard 1 of 3 was passed twice"),
        ([first, second, foreign], ShardError, "shard 3 is of the plan with the digest"),
        ([first, plan], ShardError, "is not a shard"),
        ([plan], ShardError, "is not a shard"),
        ([], InvalidInputError, "shards is empty"),
        ([first, "second"], InvalidInputError, "must be a list of RemediationPlan"),
        ([attrs.evolve(first, skipped=first.skipped[:0]), second, third], ShardError, "places"),
    ]
    for shards, kind, message in cases:
        with pytest.raises(kind, match=message):
            client.apply(shards, approve=plan.digest)
    moved = [
        attrs.evolve(one, shard=attrs.evolve(one.shard, skipped_positions=(7,) * len(one.skipped)))
        for one in plan.shards()
    ]
    with pytest.raises(ShardError, match="not those of one plan"):
        RemediationPlan.from_shards(moved)
    # What was divided in another way than shards() does it has another digest as a whole.
    turned = tuple(reversed(first.shard.shards))
    other_way = [
        attrs.evolve(one, score=None, shard=attrs.evolve(one.shard, number=4 - one.shard.number, shards=turned))
        for one in plan.shards()
    ]
    assert len({one.digest for one in other_way}) == 1
    with pytest.raises(ShardError, match="together they have another digest"):
        RemediationPlan.from_shards(other_way)
    assert not tenant.sim.requests[-1].changed
    assert not tenant.storage.contents


def test_what_depends_on_another_subscription_is_not_divided(plan):
    """Such steps could be sent in the wrong order, or under one limit from two places."""
    step, other = plan.steps[0], plan.steps[-1]
    created = CreatedResource(resource_id=f"{step.resource_id}/queueServices/new", api_version="2023-05-01")
    uses = attrs.evolve(other.request, body={"properties": {"n": 1, "to": [created.resource_id]}})
    cases = [
        (
            [attrs.evolve(step, resource_id="/providers/Microsoft.Management/managementGroups/root")],
            "in no subscription",
        ),
        ([attrs.evolve(step, target_id=other.target_id)], "in another subscription"),
        ([attrs.evolve(other, creates=(created,))], "in another subscription"),
        ([attrs.evolve(step, creates=(created,)), attrs.evolve(other, request=uses)], "another subscription creates"),
        ([], "no steps"),
    ]
    for steps, message in cases:
        with pytest.raises(ShardError, match=message):
            attrs.evolve(plan, steps=tuple(steps)).shards()
    with pytest.raises(ShardError, match="shard 1 of a plan already"):
        plan.shards()[0].shards()
    with pytest.raises(InvalidInputError, match="subscription"):
        plan.shards(by="resource_group")
    own = attrs.evolve(step, creates=(created,), request=attrs.evolve(step.request, body={"to": [created.resource_id]}))
    assert len(attrs.evolve(plan, steps=(own, other)).shards()) == 2


@pytest.mark.parametrize("passes_shards", [False, True])
def test_the_report_is_that_of_one_process(tenant, client, plan, passes_shards):
    """Same digest, same order, same results; the merged run is rolled back like any other, also by workers."""
    expected = told(RemediationReport.from_json(_applied_alone(plan).to_json()))
    heard: list[RemediationEvent] = []
    client = tenant.connect(hooks=[heard.append])
    with ThreadPoolExecutor(2) as executor:
        report = client.apply(
            list(plan.shards()) if passes_shards else plan,
            approve=plan.digest,
            executor=executor,
            make_client=tenant.connect,
        )
        assert told(RemediationReport.from_json(report.to_json())) == expected
        undo = client.plan_rollback(report)
        back = client.apply(undo, approve=undo.digest, executor=executor, make_client=tenant.connect)
    assert set(writes(tenant).values()) == {2}
    assert back.count("rolled_back") == 6
    assert back.plan.rolls_back == report.run_id
    finished = [event for event in heard if isinstance(event, StepFinished)]
    assert [event.done for event in finished[:6]] == [1, 2, 3, 4, 5, 6]
    assert len([event for event in heard if isinstance(event, StepStarted)]) == 12
    assert told(client.resume(report)) == told(report)
    assert {each.correlation_id for each in _opened(tenant)} == {report.correlation_id, back.correlation_id}
    # A step is one attempt, whether one reads of it in the journal of its shard or in that of the run.
    since = report.started - timedelta(days=1)
    assert len(past_outcomes(client.journal, client.journal.list_runs(), since=since)) == 12


def _applied_alone(plan: RemediationPlan) -> RemediationReport:
    """The report of the same plan in one process, on the same tenant."""
    sim = ArmSimulator()
    for step in plan.steps:
        body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        sim.resources.add({**body, "id": step.resource_id, "properties": {"supportsHttpsTrafficOnly": False}})
    sim.clock.advance((plan.created_at - sim.clock.now()).total_seconds())
    with Tenant(sim).connect() as client:
        return client.apply(plan, approve=plan.digest)


def _opened(tenant: Tenant) -> list[RunOpened]:
    journal = MemoryJournal(tenant.storage)
    first = [journal.read(run_id)[0] for run_id in journal.list_runs()]
    return [record for record in first if isinstance(record, RunOpened)]


def test_what_is_sent_can_be_pickled_and_has_no_secret(tenant, client, plan):
    """A worker gets a function and JSON, and makes its credential itself."""
    workers = Workers()
    client.apply(plan, approve=plan.digest, executor=workers, make_client=tenant.connect, waive={"window": "why"})
    assert len(workers.tasks) == 3
    for _, task in workers.tasks:
        assert type(task) is str
        assert tenant.sim.credential.get_token("x").token not in task
        assert json.loads(task)["waive"] == {"window": "why"}
    assert all("window: why" in opened.waivers for opened in _opened(tenant))


def test_a_plan_with_a_secret_stays_in_this_process(tenant, client, plan):
    """In a step, or elsewhere in the plan: it would be in the memory of another machine."""
    step = attrs.evolve(plan.steps[0], cost="AccountKey=aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=;")
    cases = [
        (attrs.evolve(plan, steps=(step, *plan.steps[1:])), f"step {step.id}"),
        (attrs.evolve(plan, tenants=(*plan.tenants, "password=hunter2hunter2")), "outside its steps"),
    ]
    for changed, message in cases:
        with pytest.raises(ShardError, match=message):
            client.apply(changed, approve=changed.digest, executor=Workers(), make_client=tenant.connect)
    assert not tenant.sim.writes
    assert not tenant.storage.contents


def test_waves_hold_for_the_whole_plan(tenant, client, plan):
    """The canary is one step of all, and one failure stops all shards; a resume executes the rest."""
    asked: list[int] = []
    tenant.sim.access.lock(plan.steps[1].resource_id)

    def gate(wave: WaveFinished) -> bool:
        asked.append(len(wave.results))
        return True

    workers = Workers()
    report = client.apply(
        plan,
        approve=plan.digest,
        waves=Waves(canary=1, growth=2, pause=60, gate=gate),
        executor=workers,
        make_client=tenant.connect,
    )
    assert asked == [1]
    assert [result.outcome.value for result in report][:4] == ["applied", "blocked", "applied", "skipped"]
    assert len(workers.tasks) == 3
    tenant.sim.access.unlock(plan.steps[1].resource_id)
    report = client.resume(report, waves=Waves(max_failures=1), executor=workers, make_client=tenant.connect)
    assert (report.count("applied"), report.count("blocked")) == (5, 1)
    assert set(writes(tenant).values()) == {1}
    assert all(replay(client.journal.read(opened.run_id)).ended for opened in _opened(tenant))


def test_guards_count_all_shards(tenant, client, plan):
    """Dividing a plan must not get it past a limit, wherever a shard is applied."""
    shard = plan.shards()[0]
    shared = tenant.connect(guards=Guards(max_share=0.5)).plan([SECURE_TRANSFER])
    cases = [
        (shard, Guards(max_changes=5), "the shards of the plan have 6 changes"),
        (shared.shards()[0], Guards(max_share=0.5), "changes 6 of 9"),
    ]
    for given, guards, message in cases:
        with pytest.raises(GuardError, match=message):
            tenant.connect(guards=guards).apply(given, approve=given.digest)
    executor = Workers()
    with pytest.raises(GuardError):
        tenant.connect(guards=Guards(max_changes=5)).apply(
            plan, approve=plan.digest, executor=executor, make_client=tenant.connect
        )
    assert not executor.tasks
    for arguments in ({"waves": Waves()}, {"executor": executor, "make_client": tenant.connect}):
        with pytest.raises(ShardError, match="this is shard 1 of 3"):
            client.apply(shard, approve=plan.digest, **arguments)
    assert not tenant.sim.writes


def test_a_run_goes_on_where_its_executor_died(tenant, client, plan):
    """The answer of one shard is lost and another shard never began: nothing is sent twice, and nothing is missing."""
    with pytest.raises(ShardsUnfinishedError, match="2 of 3 shards have not ended; shard 2: BrokenExecutor") as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(die_after=2), make_client=tenant.connect)
    assert caught.value.numbers == (2, 3)
    assert len(tenant.sim.writes) == 4
    with tenant.connect() as other:
        report = other.resume(caught.value.run_id, executor=Workers(), make_client=tenant.connect)
    assert report.count("applied") == 6
    assert set(writes(tenant).values()) == {1}
    with pytest.raises(RunExistsError) as exists:
        client.apply(plan, approve=plan.digest, executor=Workers(), make_client=tenant.connect)
    assert exists.value.run_id == report.run_id


def test_a_run_is_resumed_without_an_executor(tenant, client, plan):
    """One process continues the shards, from their journals alone."""

    def stop(event: RemediationEvent) -> None:
        if isinstance(event, StepFinished):
            raise KeyboardInterrupt

    executor = Workers()
    with pytest.raises(KeyboardInterrupt):
        tenant.connect(hooks=[stop]).apply(plan, approve=plan.digest, executor=executor, make_client=tenant.connect)
    begun = len(tenant.sim.writes)
    report = client.resume(_opened(tenant)[-1].run_id)
    assert report.count("applied") == 6
    assert begun == 6
    assert set(writes(tenant).values()) == {1}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _: '{"kind": "ShardAnswer", "version": 1, "records": [], "unrecorded": [], "warnings": []}', "results"),
        (lambda _: '{"kind": "ShardAnswer", "version": 1, "records": [1], "unrecorded": [], "warnings": []}', "object"),
        (lambda text: text.replace('"applied"', '"done"'), "done"),
        (lambda _: "{}", "not of a ShardAnswer"),
        (lambda _: None, "TypeError: the executor gave None"),
        (lambda _: 5, "5"),
    ],
)
def test_a_broken_answer_is_no_result(tenant, client, plan, answer, message):
    """What a worker answers is not trusted; a resume reads the journals instead."""
    with pytest.raises(ShardsUnfinishedError, match=message) as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(answer=answer), make_client=tenant.connect)
    assert client.resume(caught.value.run_id).count("applied") == 6
    assert set(writes(tenant).values()) == {1}


def test_what_a_worker_could_not_record_is_in_the_report(tenant, client, plan):
    """Neither a full disk of a worker nor that of the run costs a result."""

    class Full(MemoryJournal):
        def hold(self, run_id: str, /, *, new: bool) -> Any:
            sink = super().hold(run_id, new=new)
            return _FullSink(sink)

    class _FullSink:
        def __init__(self, sink: Any) -> None:
            self.sink = sink

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sink, name)

        def write(self, line: bytes) -> None:
            if b'"StepEnded"' in line:
                raise OSError("no space left")
            self.sink.write(line)

    make_full = partial(tenant.connect, journal=Full(tenant.storage), workers=1)
    full = make_full()
    with pytest.raises(ShardsUnfinishedError):
        full.apply(plan, approve=plan.digest, executor=Workers(die_after=0), make_client=tenant.connect)
    run_id = _opened(tenant)[-1].run_id
    # First the workers have no room, so that the journal of the run has more than theirs.
    report = client.resume(run_id, executor=Workers(), make_client=make_full)
    assert report.count("applied") == 3
    assert report.count("failed") == 3
    assert any("journal could not be written" in warning for warning in report.warnings)
    assert replay(client.journal.read(run_id)).ended
    # Then the run itself has none.
    again = attrs.evolve(plan, created_at=plan.created_at - timedelta(seconds=1))
    report = full.apply(again, approve=again.digest, executor=Workers(), make_client=tenant.connect)
    assert (report.count("already_compliant"), report.count("applied")) == (6, 3)
    assert any("journal could not be written" in warning for warning in report.warnings)
    assert told(client.resume(report)) == told(report)


def test_a_run_whose_lock_is_lost_stops(tenant, client, plan):
    """Another process may continue it by now: its error is not turned into a warning."""

    class Lost(MemoryJournal):
        def hold(self, run_id: str, /, *, new: bool) -> Any:
            return _LosingSink(super().hold(run_id, new=new))

    class _LosingSink:
        def __init__(self, sink: Any) -> None:
            self.sink = sink

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sink, name)

        def write(self, line: bytes) -> None:
            if b'"StepIntended"' in line:
                raise JournalLockLostError("the lease has ended")
            self.sink.write(line)

    with pytest.raises(JournalLockLostError):
        tenant.connect(journal=Lost(tenant.storage)).apply(
            plan, approve=plan.digest, executor=Workers(), make_client=tenant.connect
        )
    assert client.resume(_opened(tenant)[-1].run_id).count("applied") == 6
    assert set(writes(tenant).values()) == {1}


def test_a_worker_that_cannot_begin_is_told(tenant, client, plan):
    """The error of the worker is in the text; the other shards are applied, and a resume with a working factory does the rest."""
    made: list[int] = []

    def elsewhere() -> RemediationClient:
        made.append(1)
        if len(made) > 1:
            return tenant.connect()
        return RemediationClient(tenant.sim.credential, SUBSCRIPTIONS[0], transport=tenant.sim, clock=tenant.sim.clock)

    with pytest.raises(ShardsUnfinishedError, match="created for another scope") as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(), make_client=elsewhere)
    assert caught.value.numbers == (1,)
    with pytest.raises(ShardsUnfinishedError, match="must be a RemediationClient"):
        client.resume(caught.value.run_id, executor=Workers(), make_client=lambda: "client")
    with pytest.raises(ShardsUnfinishedError, match=r"_UnpicklableError: no credential, AccountKey=") as secretive:
        client.resume(caught.value.run_id, executor=Workers(), make_client=_without_credential)
    # Neither is the secret in the chain of errors, nor has the caller's error to be pickled.
    assert "aGVsbG8gd29ybGQ" not in "".join(traceback.format_exception(secretive.value))
    report = client.resume(caught.value.run_id, executor=Workers(), make_client=tenant.connect)
    assert report.count("applied") == 6
    assert client.resume(report.run_id, executor=Workers(), make_client=tenant.connect).count("applied") == 6


def test_each_shard_has_a_client_of_its_own(tenant, client, plan):
    """A client is closed when its shard has ended: shared with another shard or the caller, it would be closed in their midst."""
    shared = tenant.connect()
    with pytest.raises(ShardsUnfinishedError, match="a client that is used already") as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(), make_client=lambda: shared)
    assert caught.value.numbers == (2, 3)
    with pytest.raises(ShardsUnfinishedError, match="a client that is used already"):
        client.resume(caught.value.run_id, executor=Workers(), make_client=lambda: client)
    assert client.resume(caught.value.run_id).count("applied") == 6


class _UnpicklableError(Exception):
    """As many SDKs have them: what reads it back cannot make it."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


def _without_credential() -> RemediationClient:
    raise _UnpicklableError("no credential, AccountKey=aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=;", code=1)


def test_wrong_executors_are_refused(tenant, client, plan):
    """Before anything is recorded, with a hint at what was meant."""

    class Dask:
        def get_executor(self) -> Any:
            raise NotImplementedError

    cases: list[tuple[dict[str, Any], str]] = [
        ({"executor": Dask(), "make_client": tenant.connect}, "get_executor"),
        ({"executor": 4, "make_client": tenant.connect}, "executor must be"),
        ({"make_client": tenant.connect}, "executor must be"),
        ({"executor": Workers()}, "make_client must be a function"),
        ({"executor": Workers(), "make_client": client}, "make_client must be a function"),
        ({"executor": Workers(), "make_client": tenant.connect, "headers": {"a": "b"}}, "not passed to workers"),
    ]
    for arguments, message in cases:
        with pytest.raises(InvalidInputError, match=message):
            client.apply(plan, approve=plan.digest, **arguments)
    assert not tenant.storage.contents
    report = client.apply(plan, approve=plan.digest)
    with pytest.raises(ShardError, match="was not divided"):
        client.resume(report, executor=Workers(), make_client=tenant.connect)
    empty = plan.limit(0)
    with pytest.raises(ShardError, match="no steps"):
        client.apply(empty, approve=empty.digest, executor=Workers(), make_client=tenant.connect)


def test_shards_are_applied_one_by_one_and_merged(tenant, client, plan):
    """As jobs do that know nothing of one another, in any order, each with a journal of its own."""
    first, second, third = plan.shards()
    places = [MemoryStorage(), MemoryStorage(), tenant.storage]
    reports = []
    for shard, place in zip((third, first), places, strict=False):
        with tenant.connect(journal=MemoryJournal(place)) as job:
            reports.append(job.apply(shard, approve=plan.digest))
            with pytest.raises(RunExistsError, match="already exists") as twice:
                job.apply(shard, approve=plan.digest)
            assert job.resume(twice.value.run_id).count("applied") == 2
    assert [report.count("applied") for report in reports] == [2, 2]
    journals = [MemoryJournal(place) for place in places]
    with pytest.raises(ShardError, match=r"shard 2 of the plan with the digest .* is missing"):
        client.merge_shards(plan, journals=journals)
    reports.append(client.apply(second, approve=plan.digest))
    merged = client.merge_shards(plan.shards(), journals=journals)
    assert [result.step_id for result in merged if result.step_id] == [step.id for step in plan.steps]
    assert merged.count("applied") == 6
    assert {report.correlation_id for report in reports} == {merged.correlation_id}
    assert told(client.merge_shards(plan, journals=journals)) == told(merged)
    assert set(writes(tenant).values()) == {1}
    assert len(client.plan_rollback(merged)) == 6
    with pytest.raises(ShardError, match="this is shard 1 of a plan"):
        client.merge_shards(first)
    with pytest.raises(ShardError, match=r"shard 1 of the plan .* is missing"):
        client.merge_shards(plan)


def test_shards_share_a_container_of_blobs(tenant, client, plan, storage_container):
    """Each worker has a lease on the journal of its shard; a run that was interrupted continues, and nothing is sent twice."""

    def connect() -> RemediationClient:
        return tenant.connect(journal=BlobJournal(storage_container.url, storage_container.credential))

    with connect() as whole:
        dying = Workers(die_after=1)
        with pytest.raises(ShardsUnfinishedError) as caught:
            whole.apply(plan, approve=plan.digest, executor=dying, make_client=connect)
        assert sum(writes(tenant).values()) == 2
        with ThreadPoolExecutor(2) as pool:
            report = whole.resume(caught.value.run_id, executor=pool, make_client=connect)
        assert report.count("applied") == 6
        assert set(writes(tenant).values()) == {1}
        assert told(whole.merge_shards(plan)) == told(report)


def test_a_shard_that_was_applied_twice_is_not_merged(tenant, client, plan):
    """Which of two histories counts is not guessed; an older copy of one journal is no second history."""
    whole, other = MemoryStorage(), MemoryStorage()
    for shard in plan.shards():
        with tenant.connect(journal=MemoryJournal(whole)) as job:
            job.apply(shard, approve=plan.digest)
    first = plan.shards()[0]
    run_id = shard_run_id(plan.digest, 1)
    everything = MemoryJournal(whole)
    tenant.sim.clock.advance(1)
    with tenant.connect(journal=MemoryJournal(other)) as job:
        job.apply(first, approve=plan.digest)
    with pytest.raises(ShardError, match=r"shard 1 of the plan .* has two different histories"):
        client.merge_shards(plan, journals=[everything, MemoryJournal(other)])
    older_copy = MemoryStorage()
    text = bytes(whole.contents[run_id])
    older_copy.contents[run_id] = bytearray(text[: text.index(b"\n") + 1])
    for journals in ([everything, MemoryJournal(older_copy)], [MemoryJournal(older_copy), everything]):
        assert client.merge_shards(plan, journals=journals).count("applied") == 6


def test_an_unfinished_or_foreign_shard_is_not_merged(tenant, client, plan):
    """A result that is not there yet is not made up, and the journal of another plan does not count."""
    for shard in plan.shards():
        client.apply(shard, approve=plan.digest)
    contents = tenant.storage.contents
    last = contents[shard_run_id(plan.digest, 3)]
    whole = bytes(last)
    del last[whole.rindex(b"\n", 0, -1) + 1 :]
    with pytest.raises(ShardError, match="has not ended"):
        client.merge_shards(plan)
    other = attrs.evolve(plan, created_at=plan.created_at - timedelta(seconds=1))
    client.apply(other.shards()[0], approve=other.digest)
    records = client.journal.read(shard_run_id(other.digest, 1))
    with pytest.raises(ShardError, match="that of another plan"):
        client.merge_shards(plan, journals=[_Holding(records=records)])
    for wrong in (client.journal, ["runs"], [None], "runs"):
        with pytest.raises(InvalidInputError, match="journals must be a list of Journal values"):
            client.merge_shards(plan, journals=wrong)


def test_a_merge_sends_nothing_for_a_result_that_is_missing(tenant, client, plan):
    """A journal that ends without the result of a step does not say what became of it."""
    shard = attrs.evolve(plan, steps=plan.steps[:1]).shards()[0]
    client.apply(shard, approve=shard.digest)
    opened, *others = client.journal.read(shard_run_id(shard.digest, 1))
    before = len(tenant.sim.requests)
    kept = tuple(record for record in others if not isinstance(record, StepEnded))
    other = tenant.connect(journal=MemoryJournal())
    with pytest.raises(ShardError, match=f"no result of step {plan.steps[0].id}"):
        other.merge_shards([shard], journals=[_Holding(records=(opened, *kept))])
    assert len(tenant.sim.requests) == before
    assert not list(other.journal.list_runs())


@attrs.frozen
class _Holding(MemoryJournal):
    """A journal that has the same records for every run."""

    records: Any = attrs.field(kw_only=True)

    def read(self, run_id: str, /) -> Any:
        return self.records


def test_a_worker_that_died_in_its_first_record_is_replaced(tenant, client, plan):
    """Half a first record says that nothing was sent: the shard begins again."""
    torn = tenant.storage.contents
    for number in (1, 2):
        torn[shard_run_id(plan.digest, number)] = bytearray(b'{"n":1,"version":1,"record":"RunOpe')
    report = client.apply(plan, approve=plan.digest, executor=Workers(), make_client=tenant.connect)
    assert report.count("applied") == 6
    assert told(client.resume(report)) == told(report)


def test_a_locked_shard_is_waited_for(tenant, client, plan):
    """A dead worker may have left a lease; a live one keeps the shard, and nothing is sent beside it."""
    lock = client.journal.create(shard_run_id(plan.digest, 1))
    before = tenant.sim.clock.monotonic()
    with pytest.raises(ShardsUnfinishedError) as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(), make_client=tenant.connect)
    assert isinstance(caught.value.__cause__, JournalLockedError)
    assert caught.value.numbers == (1,)
    assert tenant.sim.clock.monotonic() - before > 120
    assert len(tenant.sim.writes) == 4
    lock.close()
    report = client.resume(caught.value.run_id, executor=Workers(), make_client=tenant.connect)
    assert report.count("applied") == 6
    assert set(writes(tenant).values()) == {1}


def test_locked_shards_are_waited_for_together(tenant, client, plan):
    """A cluster that was restarted leaves the leases of all its workers: their pauses do not add up."""
    locks = [client.journal.create(shard_run_id(plan.digest, number)) for number in (1, 2, 3)]
    before = tenant.sim.clock.monotonic()
    with pytest.raises(ShardsUnfinishedError) as caught:
        client.apply(plan, approve=plan.digest, executor=Workers(), make_client=tenant.connect)
    assert caught.value.numbers == (1, 2, 3)
    assert 120 < tenant.sim.clock.monotonic() - before < 240
    for lock in locks:
        lock.close()
    assert client.resume(caught.value.run_id).count("applied") == 6


class _Killed(BaseException):
    """The end of a process."""


@attrs.define
class _Life:
    """How many lines the processes write until one of them is killed, and whether it is killed in the middle of a line."""

    lines: int
    is_torn: bool
    is_over: bool = False


@attrs.define
class _MortalSink:
    sink: Any
    life: _Life

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sink, name)

    def write(self, line: bytes) -> None:
        if self.life.lines == 0 and not self.life.is_over:
            self.life.is_over = True
            if self.life.is_torn:
                self.sink.write(line[: len(line) // 2])
            raise _Killed
        self.life.lines -= 1
        self.sink.write(line)


@attrs.frozen
class _MortalJournal(MemoryJournal):
    life: _Life = attrs.field(kw_only=True)

    def hold(self, run_id: str, /, *, new: bool) -> Any:
        return _MortalSink(super().hold(run_id, new=new), self.life)


class _MortalWorkers(Workers):
    """Workers, one of which may be killed; then the executor is broken."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        try:
            return super().submit(fn, *args, **kwargs)
        except _Killed:
            self.die_after = 0
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("a worker died abruptly"))
            return future


@pytest.mark.exhaustive
def test_a_process_may_be_killed_at_any_line_of_any_journal():
    """Of a shard or of the run, before or in the middle of the line: each change is made once, and the report is whole."""
    expected: list[Any] | None = None
    for lines in range(100):
        for is_torn in (False, True):
            tenant = Tenant(_small_tenant())
            life = _Life(lines, is_torn)
            journal = _MortalJournal(tenant.storage, life=life)
            with tenant.connect(journal=journal, workers=1) as client:
                plan = client.plan([SECURE_TRANSFER])
                arguments = {
                    "executor": _MortalWorkers(),
                    "make_client": partial(tenant.connect, journal=journal, workers=1),
                }
                with suppress(_Killed, ShardsUnfinishedError):
                    client.apply(plan, approve=plan.digest, **arguments)
            if not life.is_over:
                assert lines > 30
                return
            # The locks of dead processes are gone, and what they wrote is there.
            tenant.storage = MemoryStorage(contents=tenant.storage.contents)
            with tenant.connect() as other:
                arguments = {"executor": Workers(), "make_client": tenant.connect}
                try:
                    report = other.resume(run_id_of(plan.digest), **arguments)
                except UnknownRunError:
                    report = other.apply(plan, approve=plan.digest, **arguments)
            found = [attrs.evolve(each, attempts=0) if attrs.has(type(each)) else each for each in told(report)]
            expected = expected or found
            assert found == expected, (lines, is_torn)
            assert list(writes(tenant).values()) == [1] * 6, (lines, is_torn)
    pytest.fail("no run ended before so many lines")


def _small_tenant() -> ArmSimulator:
    sim = ArmSimulator()
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    for place in range(6):
        account = f"{SUBSCRIPTIONS[place % 3]}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st{place}"
        sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": False}})
    return sim
