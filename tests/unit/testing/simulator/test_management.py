"""Management groups, and the entities that a client may read."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

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
    nested = {"properties": {"details": {"parent": {"id": f"{root}/own"}}}}
    assert send("PUT", f"{root}/below", nested) == (501, "NotSimulated")
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
