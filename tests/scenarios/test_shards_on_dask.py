"""Shards on real worker processes: of a Dask cluster and of a process pool, some of which are killed in the middle.

The simulated Azure is served over HTTP, so that it outlives the workers. ``DEFENDER_REMEDIATE_KILLS=50`` kills so many.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from defender_remediate import (
    FileJournal,
    Guards,
    MemoryJournal,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
)
from defender_remediate.journal import Phase, replay, verify
from defender_remediate.models.shard import run_id_of, shard_run_id
from defender_remediate.testing import ArmSimulator

pytestmark = pytest.mark.exhaustive

KILLS = int(os.environ.get("DEFENDER_REMEDIATE_KILLS", "1"))
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SUBSCRIPTIONS = tuple(f"/subscriptions/{number}1111111-1111-4111-8111-111111111111" for number in range(1, 5))
STEPS = 40
LONGEST = 240

# The coordinator and its workers: a process of its own, because Dask's threads outlive its cluster for a while.
PROGRAM = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context

from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from defender_remediate import FileJournal, Guards, RemediationClient, RemediationPlan
from defender_remediate.errors import ShardsUnfinishedError


class Credential:
    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **options):
        return AccessToken(self.token, 2**40)


class SlowPolicy(SansIOHTTPPolicy):
    # Makes a run long enough to be killed in.

    def on_request(self, request):
        time.sleep(0.02)


def make_client(endpoint, scope, folder):
    with open(folder + "/workers", "a") as file:
        file.write(f"{os.getpid()}\\n")
    with open(folder + "/token") as file:
        credential = Credential(file.read())
    runs = FileJournal(folder + "/runs")
    return RemediationClient(
        credential,
        scope,
        endpoint=endpoint,
        journal=runs,
        workers=2,
        guards=Guards(max_changes=100),
        per_call_policies=[SlowPolicy()],
    )


def main(verb, kind, endpoint, folder, run_id):
    with open(folder + "/plan.json", "rb") as file:
        plan = RemediationPlan.from_json(file.read())
    factory = partial(make_client, endpoint, plan.scope, folder)
    with ExitStack() as stack:
        client = stack.enter_context(factory())
        if kind == "dask":
            import dask
            from dask.distributed import Client, LocalCluster

            dask.config.set({"distributed.scheduler.allowed-failures": 20})
            cluster = stack.enter_context(
                LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
            )
            executor = stack.enter_context(Client(cluster)).get_executor()
        else:
            executor = stack.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        print("ready", flush=True)
        try:
            if verb == "apply":
                report = client.apply(plan, approve=plan.digest, executor=executor, make_client=factory)
            else:
                report = client.resume(run_id, executor=executor, make_client=factory)
        except ShardsUnfinishedError as error:
            print("unfinished", error.numbers, type(error.__cause__).__name__, flush=True)
        else:
            with open(folder + "/report.json", "w") as file:
                file.write(report.to_json())
            print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def tenant(**options: Any) -> ArmSimulator:
    """Four subscriptions with ten storage accounts each, which accept plain HTTP."""
    sim = ArmSimulator(**options)
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    for place in range(STEPS):
        group = f"{SUBSCRIPTIONS[place % len(SUBSCRIPTIONS)]}/resourceGroups/rg-{place % 3}"
        account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{place:03}"
        sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": False}})
    return sim


def connect(sim: ArmSimulator, journal: Any, **options: Any) -> RemediationClient:
    """A client of this process."""
    guards = Guards(max_changes=100)
    return RemediationClient(sim.credential, SUBSCRIPTIONS, clock=sim.clock, journal=journal, guards=guards, **options)


def told(report: RemediationReport) -> list[Any]:
    """What a report says, without times, ids of requests and numbers of attempts."""
    bare: dict[str, Any] = {"started": None, "finished": None, "request_id": None, "attempts": 0}
    return [report.plan.digest, *(attrs.evolve(each, **bare) for each in report)]


def alone(plan: RemediationPlan, endpoint: str) -> RemediationReport:
    """The report of the same plan in one process, on a tenant of its own."""
    sim = tenant(endpoint=endpoint)
    with connect(sim, MemoryJournal(), endpoint=endpoint, transport=sim) as client:
        return client.apply(plan, approve=plan.digest)


@attrs.define
class Place:
    """A served tenant and the folder that all processes share."""

    sim: ArmSimulator
    endpoint: str
    folder: Path
    plan: RemediationPlan

    @property
    def journal(self) -> FileJournal:
        return FileJournal(self.folder / "runs")

    def start(self, verb: str, kind: str) -> subprocess.Popen[bytes]:
        """Start a coordinator with its workers in a process group of their own; returns when it begins."""
        (self.folder / "workers").write_bytes(b"")
        arguments = [verb, kind, self.endpoint, str(self.folder), run_id_of(self.plan.digest)]
        command = [sys.executable, str(self.folder / "program.py"), *arguments]
        with (self.folder / "errors").open("wb") as errors:
            coordinator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        assert coordinator.stdout is not None
        assert coordinator.stdout.readline() == b"ready\n", (self.folder / "errors").read_text()
        return coordinator

    def wait_for_writes(self, count: int, coordinator: subprocess.Popen[bytes]) -> None:
        """Wait until the workers have made so many changes, or have ended."""
        pause = threading.Event()
        while len(self.sim.writes) < count and coordinator.poll() is None:
            pause.wait(0.001)

    def kill_a_worker(self, coordinator: subprocess.Popen[bytes], chance: random.Random) -> bool:
        """Kill a process that executes a shard, and none that the coordinator is not the parent of."""
        lines = (self.folder / "workers").read_text().split()
        workers = {int(line) for line in lines} - {coordinator.pid}
        for pid in chance.sample(sorted(workers), len(workers)):
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == coordinator.pid:
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    def end(self, coordinator: subprocess.Popen[bytes]) -> str:
        """What a coordinator says at its end."""
        said, _ = coordinator.communicate(timeout=LONGEST)
        assert coordinator.returncode == 0, (self.folder / "errors").read_text()
        return said.decode().strip()

    def settled(self) -> set[str]:
        """The paths of the writes that are known to have been accepted, by the journals of all shards."""
        found: set[str] = set()
        known = set(self.journal.list_runs())
        for number in range(1, len(SUBSCRIPTIONS) + 1):
            if (run_id := shard_run_id(self.plan.digest, number)) in known:
                steps = replay(self.journal.read(run_id)).steps.values()
                found |= {state.step.request.path.casefold() for state in steps if state.phase >= Phase.ACCEPTED}
        return found

    def check(self, report: RemediationReport, kills: int) -> None:
        """Everything as in one process, nothing sent again without need, and a journal from which it can be rolled back."""
        assert told(report) == told(RemediationReport.from_json(alone(self.plan, self.endpoint).to_json()))
        sent = Counter(request.path for request in self.sim.requests if request.method == "PATCH")
        # Two workers of a process may each have had a request under way when it was killed.
        assert sum(sent.values()) <= STEPS + 2 * 3 * kills
        assert max(sent.values()) <= 1 + kills
        for run_id in self.journal.list_runs():
            with (self.journal.directory / f"{run_id}.jsonl").open("rb") as file:
                assert not verify(file).torn
            assert replay(self.journal.read(run_id)).ended
        with connect(self.sim, self.journal, endpoint=self.endpoint) as client:
            undo = client.plan_rollback(report.run_id)
            back = client.apply(undo, approve=undo.digest)
        assert back.count("rolled_back") == STEPS


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A planned tenant, served over HTTP."""
    sim = tenant()
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "token").write_text(sim.credential.get_token("x").token, encoding="utf-8")
    with sim.serve() as server, connect(sim, MemoryJournal(), endpoint=server.endpoint) as client:
        plan = client.plan([SECURE_TRANSFER])
        (tmp_path / "plan.json").write_text(plan.to_json(), encoding="utf-8")
        yield Place(sim, server.endpoint, tmp_path, plan)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this platform")
@pytest.mark.parametrize("seed", range(KILLS))
def test_dask_gives_the_shard_of_a_killed_worker_to_another(place: Place, seed: int) -> None:
    """It goes on from the journal of the shard; the caller does not notice, and gets the report of one process."""
    chance, kills = random.Random(seed), 0
    coordinator = place.start("apply", "dask")
    for count in sorted(chance.sample(range(1, STEPS // 2), 2)):
        place.wait_for_writes(count, coordinator)
        kills += place.kill_a_worker(coordinator, chance)
    assert place.end(coordinator) == "ended"
    assert kills
    place.check(RemediationReport.from_json((place.folder / "report.json").read_text("utf-8")), kills)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this platform")
@pytest.mark.parametrize("kind", ["pool", "dask"])
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_run_is_resumed_from_its_journals_alone(place: Place, kind: str, seed: int) -> None:
    """After a broken process pool, and after the coordinator was killed with all its workers."""
    chance = random.Random(seed)
    coordinator = place.start("apply", kind)
    place.wait_for_writes(chance.randrange(1, STEPS // 2), coordinator)
    if kind == "pool":
        assert place.kill_a_worker(coordinator, chance)
        assert place.end(coordinator).startswith("unfinished")
    else:
        os.killpg(coordinator.pid, signal.SIGKILL)
        coordinator.communicate(timeout=LONGEST)
    settled, marked = place.settled(), len(place.sim.requests)
    assert place.end(place.start("resume", kind)) == "ended"
    again = {request.path.casefold() for request in place.sim.requests[marked:] if request.method == "PATCH"}
    assert not again & settled
    place.check(RemediationReport.from_json((place.folder / "report.json").read_text("utf-8")), kills=1)
