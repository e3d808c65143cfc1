"""Reading many targets with the list of their type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from defender_remediate import Guards, RemediationClient
from defender_remediate.testing import ArmSimulator, seeded_client
from defender_remediate.testing.simulator.transport.exchange import Reply
from defender_remediate.testing.simulator.transport.response import SimulatedResponse

KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SUBSCRIPTION = "/subscriptions/11111111-1111-4111-8111-111111111111"
OTHER = "/subscriptions/22222222-2222-4222-8222-222222222222"
LIST = "/providers/microsoft.storage/storageaccounts"
ACLS = {
    "networkAcls": {
        "defaultAction": "Allow",
        "ipRules": [{"value": "10.0.0.1", "action": "Allow"}],
        "resourceAccessRules": ["x"],
    }
}
Tamper = Callable[[dict[str, Any]], None]


class Tampering(ArmSimulator):
    """A tenant whose lists of storage accounts do not show what a GET shows."""

    tamper: Tamper | None = None

    def send(self, request: Any, **options: Any) -> Any:
        answer = super().send(request, **options)
        if self.tamper and request.url.partition("?")[0].lower().endswith(LIST):
            page = answer.json()
            for item in page["value"]:
                self.tamper(item)
            return SimulatedResponse(request, Reply.json(page))
        return answer


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant without resources, whose lists have pages of four."""
    return ArmSimulator(page_size=4)


def add_accounts(sim: ArmSimulator, number: int, *, subscription: str = SUBSCRIPTION, group: str = "rg") -> list[str]:
    """Add storage accounts that accept plain HTTP."""
    found = []
    for place in range(number):
        name = f"{group.replace('-', '')}{place:04}"
        account = f"{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{name}"
        body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        sim.resources.add({**body, "id": account, "properties": {"supportsHttpsTrafficOnly": False, **ACLS}})
        found.append(account)
    return found


@pytest.fixture
def connect() -> Iterator[Callable[..., RemediationClient]]:
    """Makes clients that allow many changes."""
    made: list[RemediationClient] = []

    def make(sim: ArmSimulator, **options: Any) -> RemediationClient:
        guards = Guards(max_changes=1000)
        made.append(seeded_client(sim.credential, sim.scopes, transport=sim, clock=sim.clock, guards=guards, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def requests(sim: ArmSimulator) -> tuple[int, int]:
    """How many lists of storage accounts, and how many storage accounts, were read."""
    paths = [request.path.lower() for request in sim.requests if request.method == "GET"]
    accounts = [path for path in paths if f"{LIST}/" in path and "/providers/" not in path.partition(f"{LIST}/")[2]]
    return sum(path.endswith(LIST) for path in paths), len(accounts)


def test_many_targets_are_read_with_the_list_of_their_type(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Planning makes a request per page and two per shape, not one per target, and the plan can be applied."""
    add_accounts(sim, 10)
    client = connect(sim)
    plan = client.plan([KEY])
    assert len(plan) == 10
    assert requests(sim) == (3, 2)
    report = client.apply(plan, approve=plan.digest)
    assert {str(result.outcome) for result in report} == {"applied"}


def test_few_targets_are_read_one_by_one(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """A list is not read for as many targets as the list and its proof would cost."""
    add_accounts(sim, 5)
    assert len(connect(sim).plan([KEY])) == 5
    assert requests(sim) == (0, 5)


def test_a_plan_from_a_list_is_the_plan_from_gets(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a plan says of a target does not depend on how the target was read."""
    add_accounts(sim, 8)
    listed = connect(sim).plan([KEY])
    monkeypatch.setattr("defender_remediate.planning.listings.FEW", 100)
    assert connect(sim).plan([KEY]).steps == listed.steps


@pytest.mark.parametrize(
    "tamper",
    [
        lambda item: item["properties"].pop("supportsHttpsTrafficOnly"),
        lambda item: item["properties"].update(supportsHttpsTrafficOnly=True),
        lambda item: item.pop("kind"),
        lambda item: item.update(etag="x"),
        lambda item: item.pop("properties"),
        lambda item: item.pop("id"),
        lambda item: item.update(id=7),
    ],
    ids=["left_out", "another_value", "less_of_the_rest", "etag", "no_properties", "no_id", "strange_id"],
)
def test_a_list_that_shows_something_else_than_a_get_is_not_used(
    tamper: Tamper, connect: Callable[..., RemediationClient]
) -> None:
    """A target is read with a GET when the list of its type is not shown to be whole."""
    sim = Tampering(page_size=4)
    sim.tamper = tamper
    add_accounts(sim, 8)
    plan = connect(sim).plan([KEY])
    assert len(plan) == 8
    assert requests(sim)[1] == 8


def test_what_cannot_be_listed_is_read_one_by_one(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """An error of a list is no error of the plan."""
    add_accounts(sim, 8)
    sim.faults.fail("GET", f"{SUBSCRIPTION}/resourceGroups/rg{LIST}[?]", status=400, times=100)
    assert len(connect(sim).plan([KEY])) == 8
    assert requests(sim)[1] == 8


def test_who_may_only_read_groups_lists_those(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """A list of the subscription that is forbidden is replaced by those of the groups with more than a few targets."""
    add_accounts(sim, 8, group="rg-a")
    add_accounts(sim, 2, group="rg-b")
    sim.faults.fail("GET", f"{SUBSCRIPTION}{LIST}[?]", status=403, times=100)
    assert len(connect(sim).plan([KEY])) == 10
    lists, accounts = requests(sim)
    assert (lists, accounts) == (3, 4)


def test_subscriptions_have_a_list_each(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """Targets of several subscriptions are read with one list each."""
    add_accounts(sim, 6, subscription=SUBSCRIPTION)
    add_accounts(sim, 7, subscription=OTHER, group="rg-b")
    assert len(connect(sim).plan([KEY])) == 13
    assert requests(sim) == (4, 4)


def test_a_list_is_left_when_all_targets_are_found(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Pages that hold no target of the plan are not read once all targets are found, and no more pages than GETs are."""
    accounts = add_accounts(sim, 60)
    assert len(connect(sim).plan([KEY], resources=accounts[:6])) == 6
    assert requests(sim) == (2, 2)
    sim.requests.clear()
    assert len(connect(sim).plan([KEY], resources=[*accounts[:5], accounts[-1]])) == 6
    assert requests(sim) == (6, 3)


def test_a_target_that_disappears_is_not_found(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """A target that is in no list is read with a GET, which says that it does not exist."""
    accounts = add_accounts(sim, 8)
    assessments = list(connect(sim).list_assessments(KEY))
    sim.resources.remove(accounts[3])
    plan = connect(sim).plan(assessments)
    assert len(plan) == 7
    assert [str(skip.reason) for skip in plan.skipped] == ["not_found"]


def test_a_sample_that_cannot_be_read_proves_nothing(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Without its proof a list is not used."""
    accounts = add_accounts(sim, 8)
    sim.faults.fail("GET", f"{accounts[0]}[?]", status=400, times=1)
    assert len(connect(sim).plan([KEY])) == 8
    assert requests(sim)[1] == 9


def test_a_member_that_a_list_leaves_out_of_one_resource_is_found_missing(
    connect: Callable[..., RemediationClient],
) -> None:
    """A member at any level that one item lacks makes a shape of its own, so that nothing is wrongly called compliant."""
    sim = Tampering(page_size=4)
    firewall = "45d313c3-3fca-5040-035f-d61928366d31"
    rule = {"value": "203.0.113.0/24"}
    for number in range(12):
        account = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/acc{number:04}"
        acls = {"defaultAction": "Allow", "bypass": "AzureServices", "ipRules": [rule], "virtualNetworkRules": []}
        body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
        sim.resources.add({**body, "id": account, "properties": {"networkAcls": acls}})
    whole = connect(sim).plan([firewall])

    def leave_out(item: dict[str, Any]) -> None:
        if item["id"].endswith("7"):
            del item["properties"]["networkAcls"]["ipRules"]

    sim.tamper = leave_out
    assert connect(sim).plan([firewall]).steps == whole.steps


def test_a_list_that_spells_members_in_another_way_is_not_used(
    connect: Callable[..., RemediationClient],
) -> None:
    """What is sent has the spelling of the resource, not the one of a list."""
    tampering = Tampering(page_size=4)
    add_accounts(tampering, 8)
    tampering.tamper = lambda item: item.update(Properties=item.pop("properties"))
    client = connect(tampering)
    plan = client.plan([KEY])
    assert {str(result.outcome) for result in client.apply(plan, approve=plan.digest)} == {"applied"}
