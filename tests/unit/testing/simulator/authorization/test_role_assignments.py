"""Role assignments with data actions, as a caller lists them."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
ROLES = f"{SUB}/providers/Microsoft.Authorization"
HOLDER = "aaaaaaaa-0000-4000-8000-000000000001"


def test_a_data_role_is_listed_and_defined(sim: ArmSimulator, call: Any) -> None:
    """The assignment names the definition, which has the data actions; an unknown definition is a 404."""
    sim.access.assign_data_role(HOLDER, SUB, "Microsoft.KeyVault/vaults/secrets/*")
    _, found = call.get(f"{ROLES}/roleAssignments", "2022-04-01", filter="atScope()")["value"]
    assert found["properties"]["principalId"] == HOLDER
    definition = call.get(found["properties"]["roleDefinitionId"], "2022-04-01")
    assert definition["properties"]["permissions"][0]["dataActions"] == ["Microsoft.KeyVault/vaults/secrets/*"]
    missing = call("GET", f"{ROLES}/roleDefinitions/other", params={"api-version": "2022-04-01"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "RoleDefinitionDoesNotExist")


READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
OWN_ROLE = "11111111-2222-4333-8444-555555555555"
OWN_ASSIGNMENT = "11111111-2222-4333-8444-666666666666"
PERSON = "aaaaaaaa-0000-4000-8000-0000000000bb"
GROUP = f"{SUB}/resourceGroups/box"


@pytest.fixture
def send(sim: ArmSimulator, call: Any) -> Any:
    """Sends a request to Microsoft.Authorization; returns the status and the body, or the code of the error."""
    sim.resources.add_resource_group(SUB, "box")

    def sent(method: str, path: str, properties: Any = None, text: str | None = None) -> tuple[int, Any]:
        options = {} if properties is None else {"json": {"properties": properties}}
        params = {"api-version": "2022-04-01"} | ({} if text is None else {"$filter": text})
        response = call(method, path, params=params, **options)
        answer = response.json() if response.content else None
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 else answer

    return sent


def role(**changes: Any) -> dict[str, Any]:
    """The properties of a custom role that reads and restarts."""
    permissions = [{"actions": ["*/read", "Microsoft.Web/sites/restart/action"]}]
    return {"roleName": "Restarter", "permissions": permissions, "assignableScopes": [SUB], **changes}


def assignment(**changes: Any) -> dict[str, Any]:
    """The properties of an assignment of Reader."""
    return {"roleDefinitionId": f"{ROLES}/roleDefinitions/{READER}", "principalId": PERSON, **changes}


def test_a_role_is_defined_assigned_listed_and_removed(send: Any) -> None:
    """Built-in and custom roles are found by name and type; an assignment by scope and principal."""
    assert send("PUT", f"{ROLES}/roleDefinitions/{OWN_ROLE}", role())[0] == 201
    for text, names in (
        ("roleName eq 'reader'", ["Reader"]),
        ("type eq 'CustomRole'", ["Restarter"]),
        ("type eq 'CustomRole' and atScopeAndBelow()", ["Restarter"]),
    ):
        listed = send("GET", f"{ROLES}/roleDefinitions", text=text)[1]["value"]
        assert [one["properties"]["roleName"] for one in listed] == names
    assert (
        send("GET", "/providers/Microsoft.Authorization/roleDefinitions", text="type eq 'CustomRole'")[1]["value"] == []
    )
    own = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments"
    made = assignment(roleDefinitionId=f"{ROLES}/roleDefinitions/{OWN_ROLE}", principalType="ServicePrincipal")
    assert [send("PUT", f"{own}/{OWN_ASSIGNMENT}", made)[0] for _ in range(2)] == [201, 200]
    assert send("GET", f"{own}/{OWN_ASSIGNMENT}")[1]["properties"]["principalType"] == "ServicePrincipal"
    for path, text, count in (
        (own, f"principalId eq '{PERSON}'", 1),
        (own, f"atScope() and assignedTo('{HOLDER}')", 1),
        (f"{ROLES}/roleAssignments", None, 2),
        (f"{ROLES}/roleAssignments", "atScope()", 1),
    ):
        assert len(send("GET", path, text=text)[1]["value"]) == count
    assert send("DELETE", f"{ROLES}/roleDefinitions/{OWN_ROLE}") == (400, "RoleDefinitionHasAssignments")
    assert [send("DELETE", f"{own}/{OWN_ASSIGNMENT}")[0] for _ in range(2)] == [200, 204]
    assert [send("DELETE", f"{ROLES}/roleDefinitions/{OWN_ROLE}")[0] for _ in range(2)] == [200, 204]
    assert send("GET", f"{ROLES}/roleEligibilitySchedules")[1] == {"value": []}
    assert send("GET", f"{ROLES}/roleDefinitions/{READER}")[1]["properties"]["roleName"] == "Reader"


def test_a_role_assigned_to_the_caller_decides_what_it_may_do(sim: ArmSimulator, send: Any) -> None:
    """The caller gains the actions of its new role, also when the role is changed, and loses them with the assignment."""
    own = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{OWN_ASSIGNMENT}"
    definition = f"{ROLES}/roleDefinitions/{OWN_ROLE}"
    send("PUT", definition, role(permissions=[{"actions": ["Microsoft.Authorization/roleAssignments/*"]}]))
    send("PUT", own, assignment(roleDefinitionId=definition, principalId=sim.access.caller))
    send("PUT", own.replace("666", "777"), assignment())
    send("PUT", definition, role(permissions=[{"actions": ["Microsoft.Authorization/*"]}]))
    sim.access.revoke(SUB)
    assert send("GET", f"{GROUP}/providers/Microsoft.Authorization/permissions")[1]["value"][0]["actions"] == [
        "Microsoft.Authorization/*"
    ]
    assert send("GET", f"{ROLES}/roleDefinitions") == (403, "AuthorizationFailed")
    assert send("DELETE", own)[0] == 200
    assert send("DELETE", own) == (403, "AuthorizationFailed")


@pytest.mark.parametrize(
    ("kind", "name", "properties", "code"),
    [
        ("roleDefinitions", "name", role(), "InvalidRequestContent"),
        ("roleDefinitions", READER, role(), "InvalidRequestContent"),
        ("roleDefinitions", OWN_ROLE, role(roleName="Reader"), "RoleDefinitionWithSameNameExists"),
        ("roleDefinitions", OWN_ROLE, role(roleName=""), "InvalidRequestContent"),
        ("roleDefinitions", OWN_ROLE, role(assignableScopes=[]), "InvalidRequestContent"),
        ("roleDefinitions", OWN_ROLE, role(permissions=[]), "InvalidRequestContent"),
        ("roleDefinitions", OWN_ROLE, role(permissions=[{"actions": "*"}]), "InvalidRequestContent"),
        ("roleAssignments", "name", assignment(), "InvalidRoleAssignmentId"),
        ("roleAssignments", OWN_ASSIGNMENT, assignment(principalId="me"), "InvalidRequestContent"),
        ("roleAssignments", OWN_ASSIGNMENT, assignment(roleDefinitionId=None), "InvalidRequestContent"),
        ("roleAssignments", OWN_ASSIGNMENT, assignment(principalType="Robot"), "InvalidRequestContent"),
        ("roleAssignments", OWN_ASSIGNMENT, assignment(roleDefinitionId="/x/y"), "RoleDefinitionDoesNotExist"),
        ("roleAssignments", OWN_ASSIGNMENT, assignment(), "RoleAssignmentExists"),
        ("roleAssignments", READER, assignment(principalId=HOLDER), "RoleAssignmentUpdateNotPermitted"),
        (
            "roleAssignments",
            OWN_ASSIGNMENT,
            assignment(roleDefinitionId=f"/x/{OWN_ROLE[:-1]}6"),
            "InvalidRequestContent",
        ),
        ("roleAssignments", f"{OWN_ASSIGNMENT[:-1]}0", None, "RoleAssignmentNotFound"),
    ],
)
def test_invalid_roles_and_assignments_are_refused(send: Any, kind: str, name: str, properties: Any, code: str) -> None:
    """Each refusal has Azure's reason."""
    send("PUT", f"{ROLES}/roleAssignments/{READER}", assignment())
    send("PUT", f"{ROLES}/roleDefinitions/{OWN_ROLE[:-1]}6", role(roleName="Other", assignableScopes=[GROUP]))
    status, refused = send("GET" if properties is None else "PUT", f"{ROLES}/{kind}/{name}", properties)
    assert (400 <= status < 500, refused) == (True, code)
    assert send("DELETE", f"{ROLES}/roleDefinitions/{READER}") == (400, "InvalidRequestContent")
    assert send("GET", f"{ROLES}/roleAssignments", text="principalId gt 'a'") == (400, "InvalidFilterInQueryString")


def test_the_caller_owns_its_subscription_by_an_assignment(send: Any) -> None:
    """It is listed, shown and can be deleted, after which the caller has no rights."""
    (owner,) = send("GET", f"{ROLES}/roleAssignments", text=f"principalId eq '{HOLDER}'")[1]["value"]
    assert send("GET", owner["id"])[1] == owner
    assert send("GET", owner["properties"]["roleDefinitionId"])[1]["properties"]["roleName"] == "Owner"
    assert send("DELETE", owner["id"])[0] == 200
    assert send("GET", f"{ROLES}/roleAssignments") == (403, "AuthorizationFailed")


def test_an_assignment_says_who_made_it_and_when(sim: ArmSimulator, send: Any) -> None:
    """A change of its description moves the time of the update only."""
    path = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{OWN_ASSIGNMENT}"
    sent = {"roleDefinitionId": f"{ROLES}/roleDefinitions/{READER}", "principalId": PERSON}
    made = send("PUT", path, sent)[1]["properties"]
    sim.clock.advance(60)
    changed = send("PUT", path, {**sent, "description": "x"})[1]["properties"]
    assert (made["createdOn"], made["createdBy"]) == (changed["createdOn"], changed["createdBy"])
    assert made["updatedOn"] < changed["updatedOn"]
