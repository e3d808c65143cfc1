"""What planning costs beside only reading what it has to read: the assessments and the resources, a page after the other.

Runs on the simulator in this process. The CPU time of both includes that of the simulator, so the ratio of the library alone is
higher. That the time of a step stays the same for larger plans shows that planning is linear.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from azure.core import PipelineClient
from azure.core.rest import HttpRequest

from defender_remediate import Guards, MemoryJournal, RemediationClient
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SIZES = (500, 1000, 2000)
RUNS = 3
SUBSCRIPTIONS = tuple(f"/subscriptions/{number}1111111-1111-4111-8111-111111111111" for number in range(1, 5))
LISTS = {"Microsoft.Security/assessments": "2021-06-01", "Microsoft.Storage/storageAccounts": "2023-05-01"}


def accounts(number: int) -> ArmSimulator:
    """A tenant with so many storage accounts, of which every second one accepts plain HTTP."""
    sim = ArmSimulator(page_size=1000)
    for place in range(number):
        subscription = SUBSCRIPTIONS[place % len(SUBSCRIPTIONS)]
        account = (
            f"{subscription}/resourceGroups/rg-{place % 40}/providers/Microsoft.Storage/storageAccounts/st{place:05}"
        )
        body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": place // 4 % 2 == 0}})
    return sim


def read_only(sim: ArmSimulator) -> None:
    """The floor: list the assessments and the accounts of each subscription, and decode them."""
    token = sim.credential.get_token("https://management.azure.com/.default").token
    client: Any = PipelineClient("https://management.azure.com", transport=sim, policies=[])
    with client:
        for subscription in SUBSCRIPTIONS:
            for collection, version in LISTS.items():
                url = f"https://management.azure.com{subscription}/providers/{collection}?api-version={version}"
                while url:
                    request = HttpRequest("GET", url, headers={"Authorization": f"Bearer {token}"})
                    url = client.send_request(request).json().get("nextLink")


def plan(sim: ArmSimulator) -> int:
    """Plan the fix of every account that needs it; the number of steps."""
    with RemediationClient(
        sim.credential,
        sim.scopes,
        transport=sim,
        clock=sim.clock,
        guards=Guards(max_changes=100_000),
        journal=MemoryJournal(),
    ) as client:
        return len(client.plan([SECURE_TRANSFER]).steps)


def measure(number: int) -> None:
    """Print a line for this number of accounts."""
    floors, plans, steps, requests = [], [], 0, (0, 0)
    for _ in range(RUNS):
        sim = accounts(number)
        started = time.process_time()
        read_only(sim)
        floors.append(time.process_time() - started)
        floor_requests = len(sim.requests)
        sim.requests.clear()
        started = time.process_time()
        steps = plan(sim)
        plans.append(time.process_time() - started)
        requests = (len(sim.requests), floor_requests)
    taken, floor = statistics.median(plans), statistics.median(floors)
    print(
        f"  {number:>5} accounts, {steps:>5} steps   requests {requests[0]:>3} of {requests[1]:>3}   "
        f"CPU {taken / floor:5.2f} of the floor   {1000 * taken / steps:5.2f} ms a step"
    )


def main() -> None:
    """Measure plans of several sizes."""
    print("planning beside only reading, on the simulator")
    for number in SIZES:
        measure(number)


if __name__ == "__main__":
    main()
