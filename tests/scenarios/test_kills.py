"""SIGKILL at any instant of a real process; another process resumes its run from any store of journals.

``DEFENDER_REMEDIATE_KILLS=500`` kills so many for each store.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobLeaseClient

from defender_remediate import (
    FileJournal,
    Guards,
    MemoryJournal,
    Outcome,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
)
from defender_remediate.journal import BlobJournal, ChainedJournal, Phase, RunState, SqliteJournal, replay, verify
from defender_remediate.testing import ArmSimulator

pytestmark = pytest.mark.exhaustive

KILLS = int(os.environ.get("DEFENDER_REMEDIATE_KILLS", "2"))
KEYS = {
    "PATCH": "1c5de8e1-f68d-6a17-e0d2-ec259c42768c",
    "long-running PATCH": "35b25be2-d08a-e340-45ed-f08a95d804fc",
    "PUT of a child": "56d42cec-3359-c1a2-f3f2-fea2232edc64",
    "long-running PUT": "651967bf-044e-4bde-8376-3e08e0600105",
    "template": "88bbc99c-e5af-ddd7-6105-6150b2bfa519",
}
# A second of the child is so many seconds of the simulated Azure, or each kill would take minutes.
PACE = 2000
VERBS = ("apply", "rollback")
LONGEST = 60

CHILD = f"""
import sys, time
from datetime import datetime, timezone
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from defender_remediate import Guards, RemediationClient, RemediationPlan
from defender_remediate.journal import BlobJournal, FileJournal, SqliteJournal

verb, endpoint, token, directory, what, store, *place = sys.argv[1:]


class Credential:
    def get_token(self, *scopes, **options):
        return AccessToken(token, 2**40)


class Clock:
    def now(self):
        return datetime.now(timezone.utc)

    def monotonic(self):
        return time.monotonic() * {PACE}

    def sleep(self, seconds):
        time.sleep(seconds / {PACE})


if store == "blob":
    url, account, key = place
    journal = BlobJournal(url, AzureNamedKeyCredential(account, key))
else:
    journal = (FileJournal if store == "file" else SqliteJournal)(*place)
with open(directory + "/plan.json", "rb") as file:
    plan = RemediationPlan.from_json(file.read())
with RemediationClient(
    Credential(), plan.scope, endpoint=endpoint, journal=journal, workers=3, clock=Clock(),
    guards=Guards(max_changes=50),
) as client:
    client.catalog
    print("ready", flush=True)
    if verb == "resume":
        client.resume(what)
    else:
        client.apply(plan, approve=plan.digest)
"""


def tenant() -> ArmSimulator:
    """The demo tenant, with a long-running PATCH and a PUT that has to be looked at."""
    sim = ArmSimulator.demo()
    sim.faults.slow("Microsoft.Cache/redis", form="azure-async", seconds=40, retry_after=5)
    sim.faults.slow("Microsoft.Web/sites/basicPublishingCredentialsPolicies", form="body", seconds=12)
    return sim


def connect(sim: ArmSimulator, journal: Any, *, endpoint: str | None = None) -> RemediationClient:
    """A client of this process; over HTTP when there is an endpoint."""
    wire: Any = {"endpoint": endpoint} if endpoint else {"transport": sim}
    guards = Guards(max_changes=50)
    return RemediationClient(sim.credential, sim.scopes, journal=journal, clock=sim.clock, guards=guards, **wire)


def planned(sim: ArmSimulator, client: RemediationClient) -> RemediationPlan:
    """Two steps of each kind; one of the templates and of the rest where there is only one."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan(list(KEYS.values()), parameters={"workspace_id": workspace})
    kept = [step for key in KEYS.values() for step in [step for step in plan.steps if key in step.keys][:2]]
    return plan.only(resources=[step.target_id for step in kept])


def in_effect(sim: ArmSimulator, plan: RemediationPlan) -> dict[str, Any]:
    """Every target, and what templates made below their resources; without what moves by itself."""
    scopes = {step.resource_id if step.executor == "template" else step.target_id for step in plan.steps}
    ids = {each for scope in scopes for each in sim.resources.list_ids(scope=scope)}
    return {
        each: {name: value for name, value in sim.resources.get(each).items() if name.lower() != "etag"} for each in ids
    }


def told(report: RemediationReport) -> list[Any]:
    """What a report says, without times, ids of requests and numbers of attempts."""
    return [(each.step_id, each.resource_id, each.outcome, each.before, each.after, each.error) for each in report]


@cache
def undisturbed(verb: str) -> tuple[list[Any], dict[str, Any], int, int]:
    """The results of a run that is not killed, its final state, and how many requests and records it needs."""
    sim, journal = tenant(), MemoryJournal()
    with connect(sim, journal) as client:
        plan = planned(sim, client)
        before = len(sim.requests)
        report = client.apply(plan, approve=plan.digest)
        if verb == "rollback":
            undo = client.plan_rollback(report.run_id)
            before = len(sim.requests)
            report = client.apply(undo, approve=undo.digest)
    report.raise_for_failures()
    assert report.count(Outcome.APPLIED if verb == "apply" else Outcome.ROLLED_BACK) == len(report.plan.steps) > 7
    return told(report), in_effect(sim, plan), len(sim.requests) - before, len(journal.read(report.run_id))


@contextmanager
def passing_time(sim: ArmSimulator) -> Iterator[None]:
    """Let the simulated Azure's clock run at the child's pace."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(0.001):
            sim.clock.advance(0.001 * PACE)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kill(arguments: list[str], has_come: Callable[[], bool], delay: float) -> bool:
    """Run a child until something has come, and a little longer; whether it had to be killed."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    with child.stdout, child.stderr:
        assert child.stdout.readline() == b"ready\n", child.stderr.read().decode()
        pause = threading.Event()
        while child.poll() is None and not has_come():
            pause.wait(0.0002)
        pause.wait(delay)
        child.send_signal(signal.SIGKILL)
        ended = child.wait(timeout=LONGEST)
        assert ended in (0, -signal.SIGKILL), child.stderr.read().decode()
    return ended != 0


def count_records(journal: ChainedJournal, known: set[str]) -> int:
    """How many records the newest run has."""
    new = [run_id for run_id in journal.list_runs() if run_id not in known]
    return len(list(journal.read_lines(new[0]))) if new else 0


@attrs.frozen
class Store:
    """A journal, how another process opens it, and how its lock ends when a process is dead."""

    journal: ChainedJournal
    arguments: tuple[str, ...]
    unlock: Callable[[], None] = lambda: None


@pytest.fixture(params=["file", "sqlite", "blob"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each store that survives a process."""
    if request.param == "file":
        return Store(FileJournal(tmp_path / "runs"), ("file", str(tmp_path / "runs")))
    if request.param == "sqlite":
        return Store(SqliteJournal(tmp_path / "runs.db"), ("sqlite", str(tmp_path / "runs.db")))
    container = request.getfixturevalue("storage_container")

    def unlock() -> None:
        # Nothing is waited for: as an operator does who knows that the process is dead.
        for blob in container.client.list_blobs():
            with suppress(HttpResponseError):
                BlobLeaseClient(container.client.get_blob_client(blob.name)).break_lease(0)

    journal = BlobJournal(container.url, container.credential)
    return Store(journal, ("blob", container.url, container.account, container.key), unlock)


@attrs.define(kw_only=True)
class Murder:
    """One kill of one child, and what was known at that moment."""

    sim: ArmSimulator
    store: Store
    directory: Path
    chance: random.Random
    sizes: tuple[int, int]
    kills: int = 0

    def commit(self, verb: str, endpoint: str, run_id: str, known: set[str]) -> None:
        requests, records = self.sizes
        start = len(self.sim.requests)
        # Counted in requests for what is under way in Azure; counted in records for what is under way on the disk.
        if self.chance.random() < 0.5:
            wanted = self.chance.randint(0, requests)
            has_come = lambda: len(self.sim.requests) - start >= wanted  # noqa: E731
        else:
            begun = 0 if verb != "resume" else count_records(self.store.journal, known)
            wanted = begun + self.chance.randint(0, max(1, records - begun))
            has_come = lambda: count_records(self.store.journal, known) >= wanted  # noqa: E731
        token = self.sim.credential.get_token("x").token
        arguments = [verb, endpoint, token, str(self.directory), run_id, *self.store.arguments]
        with passing_time(self.sim):
            self.kills += kill(arguments, has_come, self.chance.uniform(0.0, 0.004))
        self.store.unlock()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this platform")
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_process_that_is_killed_is_resumed_by_another(tmp_path: Path, store: Store, seed: int) -> None:
    """Everything as planned, told as if nothing had happened, and nothing sent again that is known to be done."""
    chance, verb = random.Random(seed), VERBS[seed % len(VERBS)]
    expected, bodies, requests, records = undisturbed(verb)
    sim, journal = tenant(), store.journal
    with sim.serve() as server, connect(sim, journal, endpoint=server.endpoint) as client:
        plan = planned(sim, client)
        if verb == "rollback":
            done = client.apply(plan, approve=plan.digest)
            plan = client.plan_rollback(done.run_id)
        (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
        earlier = set(journal.list_runs())
        start = len(sim.requests)
        murder = Murder(sim=sim, store=store, directory=tmp_path, chance=chance, sizes=(requests, records))
        murder.commit("apply", server.endpoint, "", earlier)
        runs = [run for run in journal.list_runs() if run not in earlier]
        if not runs:
            assert all(request.method == "GET" for request in sim.requests[start:])
            return
        run_id = runs[0]
        if chance.random() < 0.3:
            # The process that resumes is killed as well.
            settled = _settled(journal, run_id)
            marked = len(sim.requests)
            murder.commit("resume", server.endpoint, run_id, earlier)
            _check_nothing_again(sim, settled, marked)
        settled = _settled(journal, run_id)
        marked = len(sim.requests)
        report = client.resume(run_id)
    _check_nothing_again(sim, settled, marked)
    assert told(report) == expected
    assert in_effect(sim, plan) == {each: bodies[each] for each in in_effect(sim, plan)}
    assert set(in_effect(sim, plan)) <= set(bodies)
    sent = Counter(request.path for request in sim.requests[start:] if request.method != "GET")
    assert max(sent.values(), default=0) <= 1 + murder.kills
    assert not verify(journal.read_lines(run_id)).torn
    assert _state(journal, run_id).unfinished == ()


def _state(journal: ChainedJournal, run_id: str) -> RunState:
    return replay(journal.read(run_id))


def _settled(journal: ChainedJournal, run_id: str) -> set[str]:
    """The paths of the writes that are known to have been accepted."""
    steps = _state(journal, run_id).steps.values()
    return {state.step.request.path.casefold() for state in steps if state.phase >= Phase.ACCEPTED}


def _check_nothing_again(sim: ArmSimulator, settled: set[str], marked: int) -> None:
    again = [request for request in sim.requests[marked:] if request.method != "GET"]
    assert not {request.path.casefold() for request in again} & settled
