"""What planning and applying take beside what Azure's published limits alone impose.

Runs on the simulator in this process, on its virtual clock: requests and virtual seconds do not depend on the machine. The CPU time
includes that of the simulator.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from defender_remediate import Guards, MemoryJournal, RemediationClient
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SIZES = (25, 300, 1000)
SUBSCRIPTIONS = tuple(f"/subscriptions/{number}1111111-1111-4111-8111-111111111111" for number in range(1, 6))


def accounts(number: int, subscriptions: tuple[str, ...]) -> ArmSimulator:
    """A tenant with storage accounts that accept plain HTTP, spread over subscriptions."""
    sim = ArmSimulator(page_size=1000)
    for place in range(number):
        subscription = subscriptions[place % len(subscriptions)]
        account = (
            f"{subscription}/resourceGroups/rg-{place % 20}/providers/Microsoft.Storage/storageAccounts/st{place:05}"
        )
        body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": False}})
    return sim


def client_of(sim: ArmSimulator) -> RemediationClient:
    """A client that may change everything."""
    guards = Guards(max_changes=100_000)
    return RemediationClient(
        sim.credential, sim.scopes, transport=sim, clock=sim.clock, guards=guards, journal=MemoryJournal()
    )


def measure(number: int, subscriptions: tuple[str, ...]) -> None:
    """Plan, estimate and apply so many changes, and print a line for each."""
    sim = accounts(number, subscriptions)
    with client_of(sim) as client:
        started = time.process_time()
        plan = client.plan([SECURE_TRANSFER])
        planned = time.process_time() - started
        print(
            f"  plan  {number:>5} in {len(subscriptions)}: {len(sim.requests) / number:6.3f} requests a step"
            f"   {1000 * planned / number:6.2f} ms CPU a step"
        )
    # A client that has not sent anything yet, when all buckets are full.
    sim.clock.advance(3600)
    sim.requests.clear()
    with client_of(sim) as client:
        floor = plan.estimate().seconds
        began, started = sim.clock.monotonic(), time.process_time()
        report = client.apply(plan, approve=plan.digest)
        taken, used = sim.clock.monotonic() - began, time.process_time() - started
    outcomes = Counter(str(result.outcome) for result in report)
    ratio = f"{taken / floor:5.3f}" if floor else "  -  "
    print(
        f"  apply {number:>5} in {len(subscriptions)}: {len(sim.requests) / number:6.3f} requests a step"
        f"   {1000 * used / number:6.2f} ms CPU a step"
        f"   {taken:7.1f} s of {floor:6.1f} s by the limits, ratio {ratio}   {dict(outcomes)}"
    )


def measure_in_trouble(name: str, number: int, floor: float, make_trouble: Callable[[ArmSimulator], None]) -> None:
    """Apply so many changes while something happens in Azure, and print a line.

    Args:
        name: What happens.
        number: The changes.
        floor: The virtual seconds that it takes at least.
        make_trouble: Sets up the simulator, after planning.
    """
    sim = accounts(number, SUBSCRIPTIONS[:1])
    with client_of(sim) as client:
        plan = client.plan([SECURE_TRANSFER])
    sim.clock.advance(3600)
    sim.requests.clear()
    make_trouble(sim)
    with client_of(sim) as client:
        began = sim.clock.monotonic()
        report = client.apply(plan, approve=plan.digest)
        taken = sim.clock.monotonic() - began
    methods = Counter(request.method for request in sim.requests)
    refused = sum(request.status == 429 for request in sim.requests)
    outcomes = Counter(str(result.outcome) for result in report)
    print(
        f"  {name:<22} {number:>5}: {methods['GET'] / number:6.3f} reads and {methods['PATCH'] / number:6.3f} writes a step"
        f"   {taken:7.1f} s of {floor:6.1f} s, ratio {taken / floor:5.3f}, {refused} refused   {dict(outcomes)}"
    )


def be_slow(sim: ArmSimulator) -> None:
    """Every write begins an operation, and no answer says when to ask for it."""
    sim.faults.slow("Microsoft.Storage/storageAccounts", seconds=20, retry_after=None)


def fail_some(sim: ArmSimulator) -> None:
    """Every thirtieth write or so fails, with or without an effect."""
    for number in range(10):
        sim.faults.fail("PATCH", status=503, skip=30 * number)
        sim.faults.fail("PATCH", when="after", skip=30 * number + 15)


def main() -> None:
    """Measure runs of several sizes, in one subscription and in five, and in trouble."""
    print("plan and apply on the simulator, virtual time")
    for number in SIZES:
        measure(number, SUBSCRIPTIONS[:1])
    measure(SIZES[-1], SUBSCRIPTIONS)
    print("apply in trouble, virtual time")
    measure_in_trouble("operations of 20 s", 200, 20.0, be_slow)
    measure_in_trouble("limits enforced", 1000, 80.0, lambda sim: sim.faults.throttle())
    measure_in_trouble("6 % of writes fail", 300, 10.0, fail_some)


if __name__ == "__main__":
    main()
