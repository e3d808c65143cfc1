"""Management groups, and the entities that a client may read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.store import TENANT_ID

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the status and the body, or the code of the error."""

    def sent(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        options = {} if body is None else {"json": body}
        response = call(method, path, params={"api-version": "2020-05-01"}, **options)
        answer = response.json() if response.content else None
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 else answer

    return sent


def test_management_groups_and_entities_are_read(sim: ArmSimulator, call: Any) -> None:
    """A client finds the groups, their subscriptions and the parent of each, as far as it may read them."""
    root = "/providers/Microsoft.Management"
    lone = sim.resources.add_subscription()
    assert [one["name"] for one in call.get(f"{root}/managementGroups", "2020-05-01")["value"]] == ["top"]
    group = call.get(f"{root}/managementGroups/TOP", "2020-05-01", expand="children")["properties"]
    assert [one["id"] for one in group["children"]] == [SUB]
    assert "children" not in call.get(f"{root}/managementGroups/top", "2020-05-01")["properties"]
    assert (
        call.get(f"{root}/managementGroups/top/subscriptions", "2020-05-01")["value"][0]["properties"]["displayName"]
        == "Four"
    )
    entities = call("POST", f"{root}/getEntities", params={"api-version": "2020-05-01"}).json()["value"]
    parents = {one["id"]: one["properties"]["parent"]["id"].rpartition("/")[2] for one in entities}
    assert (parents[SUB], parents[f"{root}/managementGroups/top"] == parents[lone]) == ("top", True)
    for path, status in (("none", 404), ("top?$expand=all", 400)):
        place, _, rest = path.partition("?$expand=")
        params = {"api-version": "2020-05-01"} | ({"$expand": rest} if rest else {})
        assert call("GET", f"{root}/managementGroups/{place}", params=params).status_code == status
    sim.access.deny("Microsoft.Management/managementGroups/read", f"{root}/managementGroups/top")
    sim.access.deny("Microsoft.Resources/subscriptions/read", lone)
    entities = call("POST", f"{root}/getEntities", params={"api-version": "2020-05-01"}).json()["value"]
    assert [one["id"] for one in entities] == [SUB]


def test_management_groups_are_created_filled_and_deleted(sim: ArmSimulator, send: Any) -> None:
    """A subscription is in one group at a time; a group with subscriptions stays, and so does a foreign subscription."""
    root = "/providers/Microsoft.Management/managementGroups"
    member = f"{root}/own/subscriptions/{SUB.rpartition('/')[2]}"
    assert send("PUT", f"{root}/own", {"properties": {"displayName": "Own"}})[1]["properties"]["displayName"] == "Own"
    assert send("PUT", f"{root}/own", {})[1]["properties"]["displayName"] == "Own"
    assert send("PUT", member)[1]["properties"]["parent"]["id"] == f"{root}/own"
    assert send("GET", f"{root}/top/subscriptions")[1]["value"] == []
    assert send("DELETE", f"{root}/own") == (400, "BadRequest")
    assert [send("DELETE", member)[0] for _ in range(2)] == [200, 204]
    sim.access.deny("Microsoft.Authorization/roleAssignments/write", SUB)
    assert send("PUT", member) == (403, "AuthorizationFailed")
    assert send("DELETE", f"{root}/own")[0] == 204
    sim.access.deny("Microsoft.Management/managementGroups/write", f"{root}/own")
    assert send("PUT", f"{root}/own", {}) == (403, "AuthorizationFailed")


def test_groups_below_groups_are_one_tree_everywhere(
    sim: ArmSimulator, call: Any, send: Any, account: str, scope: str
) -> None:
    """Reads, entities, descendants, rights, policies, assessments and Resource Graph see what is below at any level."""
    root = "/providers/Microsoft.Management/managementGroups"
    sim.management_groups.add("mid", parent="TOP", title="Middle", subscriptions=(scope,))
    sim.management_groups.add("low", parent="mid")
    recursive = call.get(f"{root}/top", "2020-05-01", expand="children", recurse="true")["properties"]["children"]
    (mid,) = recursive
    assert (mid["displayName"], [one["name"] for one in mid["children"]]) == ("Middle", ["low", scope.split("/")[-1]])
    (flat,) = call.get(f"{root}/top", "2020-05-01", expand="children")["properties"]["children"]
    assert "children" not in flat
    details = call.get(f"{root}/low", "2020-05-01", expand="ancestors")["properties"]["details"]
    assert details["managementGroupAncestors"] == ["mid", "top", TENANT_ID]
    path = call.get(f"{root}/mid", "2020-05-01", expand="path")["properties"]["details"]["path"]
    assert [one["name"] for one in path] == [TENANT_ID, "top", "mid"]
    lone = sim.resources.add_subscription("55555555-5555-4555-8555-555555555555")
    tenant = call.get(f"{root}/{TENANT_ID}", "2020-05-01", expand="children", recurse="true")["properties"]
    assert [one["id"] for one in tenant["children"]] == [f"{root}/top", lone]
    assert "parent" not in tenant["details"]
    found = {one["id"]: one["properties"] for one in call.get(f"{root}/top/descendants", "2020-05-01")["value"]}
    assert {key: one["parent"]["id"].rpartition("/")[2] for key, one in found.items()} == {
        f"{root}/mid": "top",
        f"{root}/low": "mid",
        scope: "mid",
    }
    entities = call("POST", "/providers/Microsoft.Management/getEntities?api-version=2020-05-01").json()["value"]
    chains = {one["id"]: one["properties"]["parentNameChain"] for one in entities}
    assert chains[scope] == [TENANT_ID, "top", "mid"]
    assert chains[lone] == [TENANT_ID]
    counts = {one["name"]: one["properties"]["numberOfDescendants"] for one in entities}
    assert (counts["top"], counts["low"]) == (3, 0)
    listed = call.get(f"{root}/top/providers/Microsoft.Security/assessments", "2021-06-01")["value"]
    assert any(one["id"].startswith(account) for one in listed)
    query = {"query": "resources | project id", "managementGroups": ["top"]}
    rows = call("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", json=query).json()[
        "data"
    ]
    assert rows == [{"id": account}]
    query = {
        "query": "resourcecontainers | where type endswith 'managementgroups' and name == 'low' | project properties"
    }
    (row,) = call("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", json=query).json()[
        "data"
    ]
    chain = row["properties"]["details"]["managementGroupAncestorsChain"]
    assert [one["name"] for one in chain] == ["mid", "top", TENANT_ID]
    sim.policies.assign_policy(f"{root}/top", resource_type="Microsoft.Storage/storageAccounts")
    assert call("PATCH", f"{account}?api-version=2025-08-01", json={"tags": {"a": "b"}}).status_code == 403
    covers = sim._service.tenant.store.covers
    assert covers(f"{root}/{TENANT_ID}", account)
    assert covers(f"{root}/top", f"{root}/low")
    assert covers(f"{root}/{TENANT_ID}", f"{root}/low")
    assert not covers(f"{root}/low", f"{root}/mid")
    assert not covers(f"{root}/none", account)


def test_groups_move_within_the_tree(sim: ArmSimulator, send: Any) -> None:
    """Below another group and back; not below themselves, not too deep, and none is deleted while something is below it."""
    root = "/providers/Microsoft.Management/managementGroups"

    def put(name: str, parent: str | None = None) -> int:
        details = {} if parent is None else {"details": {"parent": {"id": f"{root}/{parent}"}}}
        return int(send("PUT", f"{root}/{name}", {"properties": details})[0])

    names = ["top", *(f"level{number}" for number in range(2, 7))]
    assert [put(name, above) for above, name in pairwise(names)] == [200] * 5
    assert [put("level7", "level6"), put("top", "level3"), put("x", "none")] == [400, 400, 404]
    assert put("level2") == 200
    assert send("DELETE", f"{root}/level2")[0] == 400
    assert send("PATCH", f"{root}/level6", {"parentGroupId": f"{root}/{TENANT_ID}"})[0] == 200
    assert [put("level6", "level5"), put("level6", "top")] == [200, 200]
    assert send("PATCH", f"{root}/level6", {"parentGroupId": "/"})[0] == 404
    assert send("DELETE", f"{root}/level6")[0] == 204
    for wrong in ({"name": "a/b"}, {"name": "a", "parent": "none"}, {"name": "top", "parent": "level3"}):
        with pytest.raises(InvalidInputError):
            sim.management_groups.add(**wrong)
