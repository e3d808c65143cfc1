"""Plans and applies very many changes on the simulator, in one process and on the workers of a Dask cluster, on virtual time.

Prints the time, the CPU time and the memory of each part, and fails unless both reports are the same.

    python benchmarks/shards.py --resources 100000 --subscriptions 200 --workers 2
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import attrs
from azure.core.pipeline.transport import HttpTransport

from defender_remediate import FileJournal, Guards, RemediationClient, RemediationPlan, RemediationReport
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
GUARDS = Guards(max_changes=1_000_000)


def subscription(number: int) -> str:
    """The id of one of the subscriptions."""
    return f"/subscriptions/{number:08}-1111-4111-8111-111111111111"


def tenant(numbers: range, each: int) -> ArmSimulator:
    """A tenant with so many storage accounts in each of its subscriptions, all of which accept plain HTTP."""
    sim = ArmSimulator(page_size=1000)
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    for number in numbers:
        for place in range(each):
            group = f"{subscription(number)}/resourceGroups/rg-{place % 20}"
            account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{number:04}{place:05}"
            sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": False}})
    return sim


@lru_cache(maxsize=1)
def part_of_tenant(number: int, each: int) -> ArmSimulator:
    """What a worker needs of the tenant: the subscription of its shard."""
    return tenant(range(number, number + 1), each)


class PartOfTenant(HttpTransport):  # type: ignore[type-arg]
    """A transport of a worker: makes the simulated subscription that a request is for."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.sim: ArmSimulator | None = None

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Answers a request."""
        number = int(request.url.partition("/subscriptions/")[2][:8])
        self.sim = part_of_tenant(number, self.each)
        return self.sim.send(request, **kwargs)

    def sleep(self, duration: float) -> None:
        """Lets virtual time pass."""
        self.of_clock().sleep(duration)

    def of_clock(self) -> Any:
        """The clock of the subscription that was used last."""
        return (self.sim or EMPTY).clock

    def open(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""

    def __exit__(self, *args: object) -> None:
        """Does nothing."""


EMPTY = ArmSimulator()


@attrs.frozen
class PartClock:
    """The clock of the subscription that a worker works on."""

    part: PartOfTenant

    def now(self) -> Any:
        """The virtual time."""
        return self.part.of_clock().now()

    def monotonic(self) -> float:
        """Virtual seconds."""
        return float(self.part.of_clock().monotonic())

    def sleep(self, seconds: float) -> None:
        """Lets virtual time pass."""
        self.part.of_clock().sleep(seconds)


def make_client(scopes: tuple[str, ...], each: int, runs: str) -> RemediationClient:
    """The client of a worker."""
    part = PartOfTenant(each)
    return RemediationClient(
        EMPTY.credential,
        scopes,
        transport=part,
        clock=PartClock(part),
        guards=GUARDS,
        journal=FileJournal(runs),
        workers=4,
    )


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Prints what a part took."""
    started, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    took, used = time.perf_counter() - started, time.process_time() - cpu
    print(f"  {what:<44} {took:8.1f} s  {used:8.1f} s CPU here  {peak:6} MiB at most so far", flush=True)


def told(report: RemediationReport) -> list[Any]:
    """What a report says, without times and ids of requests."""
    bare: dict[str, Any] = {"started": None, "finished": None, "request_id": None}
    return [report.plan.digest, *(attrs.evolve(each, **bare) for each in report)]


def on_cluster(
    plan: RemediationPlan, client: RemediationClient, each: int, workers: int, runs: str
) -> RemediationReport:
    """Apply the plan on a Dask cluster of worker processes on this machine."""
    import dask
    from dask.distributed import Client, LocalCluster

    # What a worker simulates is lost with it, so one that is late must not be replaced.
    dask.config.set({"distributed.scheduler.worker-ttl": None})
    factory = partial(make_client, plan.scope, each, runs)
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    # Dask has no annotations for these two.
    with LocalCluster(**options) as cluster, Client(cluster) as connected:  # type: ignore[no-untyped-call]
        connected.run(sys.path.insert, 0, str(Path(__file__).parent))
        return client.apply(plan, approve=plan.digest, executor=connected.get_executor(), make_client=factory)


def main() -> None:
    """Plan, apply here, apply on the cluster, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=2000)
    parser.add_argument("--subscriptions", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    each = options.resources // options.subscriptions
    print(
        f"{options.resources} storage accounts in {options.subscriptions} subscriptions, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        with measured("make the tenant"):
            sim = tenant(range(1, options.subscriptions + 1), each)
        connected: dict[str, Any] = {"transport": sim, "clock": sim.clock, "guards": GUARDS}
        with RemediationClient(sim.credential, sim.scopes, journal=FileJournal(f"{folder}/a"), **connected) as client:
            with measured("plan"):
                plan = client.plan([SECURE_TRANSFER])
            with measured("digest"):
                print(f"  {len(plan)} steps, digest {plan.digest}")
            runs = f"{folder}/b"
            with RemediationClient(sim.credential, sim.scopes, journal=FileJournal(runs), **connected) as other:
                with measured(f"apply on {options.workers} Dask workers"):
                    divided = on_cluster(plan, other, each, options.workers, runs)
                print(f"  {divided.summary}; journal of the run: {_size(runs, divided.run_id):.1f} MB")
            began = sim.clock.monotonic()
            with measured("apply in this process"):
                report = client.apply(plan, approve=plan.digest)
            virtual = sim.clock.monotonic() - began
            print(f"  {report.summary}; {virtual:.0f} virtual s, {plan.estimate().seconds:.0f} s by the limits")
        same = told(RemediationReport.from_json(report.to_json())) == told(
            RemediationReport.from_json(divided.to_json())
        )
        print(f"  the same report: {same}")
        if not same:
            sys.exit(1)


def _size(runs: str, run_id: str) -> float:
    return Path(runs, f"{run_id}.jsonl").stat().st_size / 1e6


if __name__ == "__main__":
    # Workers import the factory by its name.
    sys.path.insert(0, str(Path(__file__).parent))
    import shards

    shards.main()
