"""Long lists, long runs and large tenants: what is read is what one request needs."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
KEY = "00000000-0000-4000-8000-000000000001"
CONTROL = "Apply system updates"
READ = "Microsoft.Storage/storageAccounts/read"


def account(name: str, group: str = "g", **properties: Any) -> dict[str, Any]:
    place = f"{SUB}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}"
    sku = {"name": "Standard_LRS"}
    return {"id": place, "location": "westeurope", "sku": sku, "kind": "StorageV2", "properties": properties}


def pages(call: Any, path: str, version: str) -> list[list[str]]:
    """The names on each page of a list."""
    found = []
    link = f"{path}?api-version={version}"
    while link:
        body = call("GET", link).json()
        found.append([item["name"] for item in body["value"]])
        link = body.get("nextLink")
    return found


def test_pages_leave_out_what_the_caller_may_not_see_and_end_with_the_last_one_that_it_sees(connect: Any) -> None:
    """A page is cut before it is rendered: nothing is lost or repeated, and no empty page follows the last item."""
    sim = ArmSimulator(page_size=2)
    sim.resources.add_subscription(SUB.rpartition("/")[2])
    added = [sim.resources.add(account(f"account{number}")) for number in range(7)]
    for hidden in (added[0], added[3], added[5], added[6]):
        sim.access.deny(READ, hidden)
    path = f"{SUB}/providers/Microsoft.Storage/storageAccounts"
    assert pages(connect(sim), path, "2025-08-01") == [["account1", "account2"], ["account4"]]


def test_assessments_are_listed_at_each_scope_and_counted_as_they_change(connect: Any) -> None:
    """The index of assessments and the counts of the score follow additions, changes, removals and Defender's plans."""
    sim = ArmSimulator(page_size=3, assessment_lag=60.0)
    sim.resources.add_subscription(SUB.rpartition("/")[2])
    sim.defender.add_recommendation(
        {"displayName": "Checked", "severity": "High"},
        key=KEY,
        resource_type="Microsoft.Storage/storageAccounts",
        rule={"path": "properties.allowBlobPublicAccess", "equals": False},
        controls=(CONTROL,),
    )
    for number in range(600):  # more than are counted at once
        sim.resources.add(account(f"account{number}", f"g{number % 300}", allowBlobPublicAccess=number >= 2))
    call = connect(sim)
    assessments = "providers/Microsoft.Security/assessments"

    def score() -> tuple[int, int]:
        controls = call.get(f"{SUB}/providers/Microsoft.Security/secureScoreControls", "2020-01-01")["value"]
        shown = {one["properties"]["displayName"]: one["properties"] for one in controls}
        found = shown.get(CONTROL, {"healthyResourceCount": 0, "unhealthyResourceCount": 0})
        return found["healthyResourceCount"], found["unhealthyResourceCount"]

    in_group = pages(call, f"{SUB}/resourceGroups/g7/{assessments}", "2021-06-01")
    assert sum(page.count(KEY) for page in in_group) == 2
    on_one = pages(call, f"{account('account9', 'g9')['id']}/{assessments}", "2021-06-01")
    assert sum(page.count(KEY) for page in on_one) == 1
    assert score() == (2, 598)
    sim.resources.edit(
        account("account9", "g9")["id"], lambda body: body["properties"].update(allowBlobPublicAccess=False)
    )
    assert score() == (2, 598)
    sim.clock.sleep(61)
    assert score() == (3, 597)
    sim.resources.remove(account("account10", "g10")["id"])
    sim.clock.sleep(61)
    assert score() == (3, 596)
    plan = f"{SUB}/providers/Microsoft.Security/pricings/FoundationalCspm"
    sim.resources.edit(plan, lambda body: body["properties"].update(pricingTier="Free"))
    assert score() == (0, 0)
    sim.resources.edit(plan, lambda body: body["properties"].update(pricingTier="Standard"))
    assert score() == (3, 596)
    sim.defender.forget_assessments(SUB)
    assert score() == (0, 0)


def test_the_list_of_requests_forgets_the_oldest_and_says_how_many(connect: Any) -> None:
    """A long run does not fill the memory with its requests."""
    sim = ArmSimulator(kept_requests=20)
    sim.resources.add_subscription(SUB.rpartition("/")[2])
    call = connect(sim)
    for number in range(25):
        call.get(SUB, "2022-12-01", marker=str(number))
    assert (len(sim.requests), sim.requests.forgotten) == (19, 6)
    assert "marker=24" in sim.requests[-1].url
    with pytest.raises(InvalidInputError, match="kept_requests"):
        ArmSimulator(kept_requests=0)


def test_resources_are_found_at_any_scope_also_in_the_middle_of_an_id(sim: ArmSimulator) -> None:
    """The index of resources answers for subscriptions, groups, resources and parts of an id alike."""
    vault = f"{SUB}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
    sim.resources.add({"id": vault, "location": "westeurope", "properties": {}})
    kept = sim.resources.add(account("one"))
    kinds = {"Microsoft.Storage/storageAccounts": (kept,), "Microsoft.KeyVault/vaults": (vault,)}
    for kind, expected in kinds.items():
        for scope in ("/", SUB, f"{SUB}/resourcegroups/G", f"{SUB}/resourceGroups/g/providers"):
            assert sim.resources.list_ids(kind, scope) == expected
    assert sim.resources.list_ids("Microsoft.Storage/storageAccounts", kept) == (kept,)
    assert sim.resources.list_ids(scope=f"{SUB}/resourceGroups/other") == ()
    sim.resources.remove(kept)
    assert sim.resources.list_ids("Microsoft.Storage/storageAccounts") == ()
