"""The caller's roles and deny assignments: what the permissions API says is what happens."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.authorization.roles import any_matches

STORAGE = "2025-08-01"
WRITE = "Microsoft.Storage/storageAccounts/write"
TOP = "/providers/Microsoft.Management/managementGroups/top"
GRAPH = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"


@pytest.fixture
def neighbour(sim: ArmSimulator, account: str) -> str:
    """Another storage account of the same group."""
    return sim.resources.add({**sim.resources.get(account), "id": account[:-4] + "five"})


@pytest.fixture
def write(call: Any) -> Any:
    """The status and Azure's word for a PATCH or DELETE of a storage account."""

    def send(resource: str, method: str = "PATCH") -> tuple[int, str]:
        body = {"properties": {"supportsHttpsTrafficOnly": True}}
        response = call(method, f"{resource}?api-version={STORAGE}", json=body)
        return response.status_code, "" if response.status_code < 400 else response.json()["error"]["code"]

    return send


def permissions(call: Any, scope: str) -> list[Any]:
    """The caller's entries at a scope."""
    found: list[Any] = call.get(f"{scope}/providers/Microsoft.Authorization/permissions", "2022-04-01")["value"]
    return found


def says(call: Any, scope: str, action: str) -> bool:
    """What a client concludes from the entries: some entry has the action, and none of its own notActions takes it."""
    return any(
        any_matches(entry["actions"], action) and not any_matches(entry["notActions"], action)
        for entry in permissions(call, scope)
    )


def test_the_caller_owns_every_subscription(call: Any, account: str, group: str, scope: str) -> None:
    """One entry at subscription, group and resource; the double slash of the documented path is no matter."""
    owner = {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
    for place in (scope, group, account, account.replace("/storageAccounts", "//storageAccounts")):
        assert permissions(call, place) == [owner]


@pytest.mark.parametrize("place", ["/subscriptions/99999999-9999-4999-8999-999999999999", "{scope}/resourceGroups/no"])
def test_a_scope_that_is_not_there_is_not_found(call: Any, scope: str, place: str) -> None:
    """Neither has permissions."""
    path = place.format(scope=scope) + "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    assert call("GET", path).status_code == 404


def test_the_token_says_whose_it_is(sim: ArmSimulator) -> None:
    """As an access token of Azure does, to those who look."""
    _, claims, _ = sim.credential.get_token("x").token.split(".")
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"] == sim.access.caller


def test_roles_add_up_and_not_actions_take_from_their_own_role_only(
    sim: ArmSimulator, call: Any, write: Any, account: str, group: str, scope: str
) -> None:
    """A second role gives what the first leaves out."""
    sim.access.revoke(scope)
    assert permissions(call, account) == []
    assert write(account) == (403, "AuthorizationFailed")
    sim.access.grant(("*",), scope, not_actions=("Microsoft.Storage/*/write",))
    assert write(account) == (403, "AuthorizationFailed")
    assert not says(call, account, WRITE)
    sim.access.grant((WRITE.upper(),), group, not_actions=("Microsoft.Storage/*/delete",), data_actions=("x/read",))
    assert write(account) == (200, "")
    assert says(call, account, WRITE)
    assert not says(call, scope, WRITE)
    assert permissions(call, group)[1]["dataActions"] == ["x/read"]
    assert write(account, "DELETE") == (200, "")


def test_a_condition_is_shown_and_taken_for_true(sim: ArmSimulator, call: Any, write: Any, account: str) -> None:
    """The library has to see it; the simulator cannot evaluate it."""
    sim.access.revoke(sim.scopes[0])
    sim.access.grant((WRITE,), account, condition="@Resource[x] StringEquals 'y'")
    (entry,) = permissions(call, account)
    assert (entry["condition"], entry["conditionVersion"]) == ("@Resource[x] StringEquals 'y'", "2.0")
    assert write(account) == (200, "")


def test_a_role_of_a_management_group_is_inherited(
    sim: ArmSimulator, call: Any, write: Any, account: str, scope: str
) -> None:
    """By the subscriptions in it, and by no others."""
    elsewhere = sim.resources.add_subscription(name="Elsewhere")
    sim.access.revoke(scope)
    sim.access.revoke(elsewhere)
    sim.access.grant(("*",), TOP.upper())
    assert write(account) == (200, "")
    assert permissions(call, elsewhere) == []


def test_what_is_denied_somewhere_is_not_held_above_it(
    sim: ArmSimulator, call: Any, account: str, neighbour: str, group: str, write: Any
) -> None:
    """A permission at a scope applies to all scopes below, so the group does not have it, and the neighboring account does."""
    sim.access.deny(WRITE, account)
    assert [says(call, place, WRITE) for place in (group, account, neighbour)] == [False, False, True]
    assert [write(place)[0] for place in (account, neighbour)] == [403, 200]
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200


def test_a_role_granted_after_a_denial_has_the_action(
    sim: ArmSimulator, call: Any, write: Any, account: str, scope: str
) -> None:
    """A denial is about the roles that are there; a subscription that comes later comes with it."""
    later = "/subscriptions/77777777-7777-4777-8777-777777777777"
    sim.access.deny(WRITE, scope)
    sim.access.deny(WRITE, later)
    sim.access.grant((WRITE,), account)
    assert says(call, account, WRITE)
    assert write(account) == (200, "")
    sim.resources.add_subscription(later.rpartition("/")[2])
    assert not says(call, later, WRITE)


def test_lists_leave_out_what_may_not_be_read(
    sim: ArmSimulator, call: Any, word: Any, account: str, neighbour: str, group: str
) -> None:
    """In REST and Resource Graph; who may read nothing is refused."""
    query = {"query": "resources | project id", "subscriptions": [sim.scopes[0].rpartition("/")[2]]}
    assert len(call("POST", GRAPH, json=query).json()["data"]) == 2
    sim.access.deny("*/read", account)
    path = f"{group}/providers/Microsoft.Storage/storageAccounts"
    assert [item["id"] for item in call.get(path, STORAGE)["value"]] == [neighbour]
    assert [row["id"] for row in call("POST", GRAPH, json=query).json()["data"]] == [neighbour]
    sim.access.deny("*/read", sim.scopes[0])
    assert word(call("GET", f"{path}?api-version={STORAGE}")) == "AuthorizationFailed"
    assert call("POST", GRAPH, json=query).json()["data"] == []


def test_roles_of_one_group_show_that_group(
    sim: ArmSimulator, call: Any, account: str, group: str, scope: str, site: str
) -> None:
    """The list at the subscription has what the caller may read, and nothing else."""
    sim.resources.add({**sim.resources.get(account), "id": account.replace("/rg/", "/other/")})
    sim.access.revoke(scope)
    sim.access.grant(("*/read",), group)
    found = call.get(f"{scope}/providers/Microsoft.Storage/storageAccounts", STORAGE)["value"]
    assert [item["id"] for item in found] == [account]


def test_above_subscriptions_anybody_may_ask(sim: ArmSimulator, call: Any) -> None:
    """Unless it is denied there."""
    path = f"{TOP}/providers/Microsoft.Authorization/policyAssignments?api-version=2023-04-01"
    sim.access.revoke(sim.scopes[0])
    assert call("GET", path).json() == {"value": []}
    sim.access.deny("*/read", TOP)
    assert call("GET", path).status_code == 403


def test_a_revocation_of_nothing_is_refused(sim: ArmSimulator, account: str) -> None:
    """The role is assigned at the subscription, not at the account."""
    with pytest.raises(ValueError, match="no role that is assigned at"):
        sim.access.revoke(account)


@pytest.mark.parametrize(("actions", "place"), [("*", "/subscriptions/x"), (("*",), "subscriptions/x")])
def test_a_grant_that_cannot_be_meant_is_refused(sim: ArmSimulator, actions: Any, place: str) -> None:
    """One text would be taken for its letters; a subscription is a GUID."""
    with pytest.raises(ValueError, match=r"a list of strings|not a scope"):
        sim.access.grant(actions, place)


def deny_assignments(call: Any, scope: str, text: str = "") -> list[str]:
    """The names of what a list shows."""
    query = {"filter": text} if text else {}
    found = call.get(f"{scope}/providers/Microsoft.Authorization/denyAssignments", "2022-04-01", **query)["value"]
    return [item["properties"]["denyAssignmentName"] for item in found]


def test_a_deny_assignment_beats_every_role(
    sim: ArmSimulator, call: Any, write: Any, account: str, group: str, scope: str
) -> None:
    """The permissions API does not know of it; the error names it, and the list shows it as Azure does."""
    made = sim.access.add_deny_assignment(
        ("*",), group, not_actions=("*/read",), exclude_principals=("x",), name="managed"
    )
    assert write(account) == write(account, "DELETE") == (403, "DenyAssignmentAuthorizationFailed")
    assert says(call, account, WRITE)
    message = call("PATCH", f"{account}?api-version={STORAGE}", json={}).json()["error"]["message"]
    assert f"'{WRITE}'" in message
    assert f"with name 'managed' and Id '{made.rpartition('/')[2].replace('-', '')}' at scope '{group}'" in message
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200
    (shown,) = call.get(f"{scope}/providers/Microsoft.Authorization/denyAssignments", "2022-04-01")["value"]
    assert shown == {
        "id": made,
        "name": made.rpartition("/")[2],
        "type": "Microsoft.Authorization/denyAssignments",
        "properties": {
            "denyAssignmentName": "managed",
            "description": "",
            "permissions": [{"actions": ["*"], "notActions": ["*/read"], "dataActions": [], "notDataActions": []}],
            "scope": group,
            "doNotApplyToChildScopes": False,
            "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
            "excludePrincipals": [{"id": "x", "type": "ServicePrincipal"}],
            "isSystemProtected": True,
        },
    }


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, True),
        ({"principals": ("someone-else",)}, False),
        ({"principals": ("{caller}",)}, True),
        ({"exclude_principals": ("{caller}",)}, False),
        ({"apply_to_children": False}, False),
        ({"not_actions": ("Microsoft.Storage/*",)}, False),
    ],
)
def test_whom_and_what_a_deny_assignment_concerns(
    sim: ArmSimulator, write: Any, account: str, scope: str, options: dict[str, Any], refused: bool
) -> None:
    """Principals, exclusions, child scopes and notActions."""
    filled = {k: tuple(x.format(caller=sim.access.caller) for x in v) if v else v for k, v in options.items()}
    sim.access.add_deny_assignment(("Microsoft.*",), scope, **filled)
    assert write(account)[0] == (403 if refused else 200)


def test_one_that_is_not_inherited_holds_at_its_scope(sim: ArmSimulator, write: Any, account: str) -> None:
    """Right there it does."""
    sim.access.add_deny_assignment((WRITE,), account, apply_to_children=False)
    assert write(account) == (403, "DenyAssignmentAuthorizationFailed")


def test_a_deny_assignment_can_forbid_reads(sim: ArmSimulator, call: Any, word: Any, account: str, group: str) -> None:
    """Of a resource, and of what a list shows."""
    sim.access.add_deny_assignment(("*/read",), account)
    assert word(call("GET", f"{account}?api-version={STORAGE}")) == "DenyAssignmentAuthorizationFailed"
    assert call.get(f"{group}/providers/Microsoft.Storage/storageAccounts", STORAGE)["value"] == []


def test_deny_assignments_are_listed_as_azure_does(
    sim: ArmSimulator, call: Any, word: Any, account: str, group: str, scope: str
) -> None:
    """Inherited ones always, those below without ``atScope()``; by name, and by a principal that is named."""
    sim.access.add_deny_assignment(("*/delete",), TOP, name="top")
    sim.access.add_deny_assignment(("*/delete",), scope, name="above", principals=("P",))
    sim.access.add_deny_assignment(("*/delete",), account, name="below", apply_to_children=False)
    assert deny_assignments(call, scope) == deny_assignments(call, group) == ["top", "above", "below"]
    assert deny_assignments(call, group, "atScope()") == ["top", "above"]
    assert deny_assignments(call, account, "atScope()") == ["top", "above", "below"]
    assert deny_assignments(call, TOP) == ["top"]
    assert deny_assignments(call, scope, "atExactScope()") == ["above"]
    assert deny_assignments(call, scope, "principalId eq 'p'") == ["above"]
    assert deny_assignments(call, scope, "denyAssignmentName eq 'BELOW'") == ["below"]
    path = f"{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01"
    assert word(call("GET", f"{path}&$filter=somethingElse()")) == "InvalidFilterInQueryString"
    assert word(call("GET", f"{path}&$filter=name eq 'x'")) == "InvalidFilterInQueryString"


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("locks", "2020-05-01"),
        ("denyAssignments", "2022-04-01"),
        ("policyAssignments", "2023-04-01"),
        ("policyExemptions", "2022-07-01-preview"),
    ],
)
def test_who_may_not_look_is_refused_and_faults_strike(
    sim: ArmSimulator, call: Any, word: Any, scope: str, kind: str, version: str
) -> None:
    """Each list needs its own right; 5xx and cut connections hit it like any other request."""
    path = f"{scope}/providers/Microsoft.Authorization/{kind}?api-version={version}"
    sim.faults.fail("GET", f"Microsoft.Authorization/{kind}", status=503, code="ServiceUnavailable")
    assert call("GET", path).status_code == 503
    sim.faults.fail("GET", f"Microsoft.Authorization/{kind}")
    with pytest.raises(Exception, match="connection"):
        call("GET", path)
    assert call("GET", path).status_code == 200
    sim.access.deny(f"Microsoft.Authorization/{kind}/read", scope)
    response = call("GET", path)
    assert (response.status_code, word(response)) == (403, "AuthorizationFailed")
    collection = "/providers/Microsoft.Management/managementGroups"
    assert call("GET", path.replace(scope, collection)).status_code == 400
    missing = f"{collection}/none"
    assert call("GET", path.replace(scope, missing)).status_code == 404
