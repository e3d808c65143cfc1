"""Eligible and time-bound roles, and what Microsoft.Authorization tells in general."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
AUTH = "providers/Microsoft.Authorization"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
OTHER = "b24988ac-6180-42a0-ab88-20f7382dd24c"
PRINCIPAL = "33333333-3333-4333-8333-333333333333"
VERSION = "2020-10-01"


def request(request_type: str = "AdminAssign", **properties: Any) -> dict[str, Any]:
    """The body of a request for the role Reader."""
    role = f"{SUB}/{AUTH}/roleDefinitions/{READER}"
    return {
        "properties": {"principalId": PRINCIPAL, "roleDefinitionId": role, "requestType": request_type, **properties}
    }


def put(call: Any, kind: str, number: int, body: Any) -> Any:
    """Sends a request with a number as its name."""
    name = f"{number:08d}-0000-4000-8000-000000000000"
    return call("PUT", f"{SUB}/{AUTH}/{kind}ScheduleRequests/{name}?api-version={VERSION}", json=body)


def names(call: Any, what: str, text: str = "") -> list[str]:
    """The principals in a list."""
    options = {"filter": text} if text else {}
    listed = call.get(f"{SUB}/{AUTH}/{what}", VERSION, **options)["value"]
    return [one["properties"]["principalId"] for one in listed]


@pytest.mark.parametrize("kind", ["roleAssignment", "roleEligibility"])
def test_a_role_for_a_time_ends(sim: ArmSimulator, call: Any, kind: str) -> None:
    """Only an assignment gives the role; both are shown until they end."""
    expiration = {"type": "AfterDuration", "duration": "PT8H"}
    assert put(call, kind, 1, request(scheduleInfo={"expiration": expiration})).status_code == 201
    later = {"type": "AfterDateTime", "endDateTime": "2027-01-01T00:00:00Z"}
    assert put(call, kind, 2, request("AdminUpdate", scheduleInfo={"expiration": later})).status_code == 201
    assert put(call, kind, 2, request()).status_code == 409
    for what in ("Schedules", "ScheduleInstances"):
        assert names(call, f"{kind}{what}", f"principalId eq '{PRINCIPAL}' and atScope()") == [PRINCIPAL] * 2
    listed = call.get(f"{SUB}/{AUTH}/roleAssignments", "2022-04-01", filter=f"principalId eq '{PRINCIPAL}'")["value"]
    assert len(listed) == (2 if kind == "roleAssignment" else 0)
    sim.clock.advance(9 * 3600)
    assert names(call, f"{kind}Schedules", f"assignedTo('{PRINCIPAL}')") == [PRINCIPAL]
    assert names(call, f"{kind}Schedules", "asTarget()") == []
    assert names(call, f"{kind}Schedules", "asRequestor()") == [PRINCIPAL]
    reader = f"roleDefinitionId eq '{SUB}/{AUTH}/roleDefinitions/{READER}'"
    assert names(call, f"{kind}Schedules", reader) == [PRINCIPAL]
    assert len(names(call, f"{kind}ScheduleRequests")) == 2
    assert put(call, kind, 3, request("AdminRemove")).status_code == 201
    assert names(call, f"{kind}Schedules") == []
    assert put(call, kind, 4, request("AdminRemove")).status_code == 400
    listed = call.get(f"{SUB}/{AUTH}/roleAssignments", "2022-04-01", filter=f"principalId eq '{PRINCIPAL}'")["value"]
    assert listed == []


def test_requests_are_checked_shown_and_canceled(call: Any) -> None:
    """What Azure refuses, and what it shows of a request."""
    for wrong in (
        {"principalId": "x"},
        {"requestType": "Take"},
        {"roleDefinitionId": "x"},
        {"scheduleInfo": {"expiration": {"type": "Never"}}},
    ):
        assert put(call, "roleAssignment", 1, request(**{"request_type": "AdminAssign"} | {})).status_code in (201, 409)
        body = request()
        body["properties"].update(wrong)
        assert put(call, "roleAssignment", 9, body).status_code in (400, 404)
    path = f"{SUB}/{AUTH}/roleEligibilityScheduleRequests/00000001-0000-4000-8000-000000000000"
    validated = call("POST", f"{path}/validate?api-version={VERSION}", json=request())
    assert validated.json()["properties"]["status"] == "Provisioned"
    assert call("GET", f"{path}?api-version={VERSION}").status_code == 404
    put(call, "roleEligibility", 1, request(condition="@Resource[x] StringEquals 'y'"))
    assert call.get(path, VERSION)["properties"]["condition"]
    assert call("POST", f"{path}/cancel?api-version={VERSION}").status_code == 200
    assert call.get(path, VERSION)["properties"]["status"] == "Canceled"
    response = call("GET", f"{SUB}/{AUTH}/roleEligibilitySchedules", params={"api-version": VERSION, "$filter": "x()"})
    assert response.status_code == 400


def test_a_role_for_a_time_can_be_taken_away_before_its_end(sim: ArmSimulator, call: Any) -> None:
    """Only what the request names is removed, and its end changes nothing any more; a request is found by its name."""
    assigned = f"{SUB}/{AUTH}/roleAssignments"
    body = {"properties": {"principalId": PRINCIPAL, "roleDefinitionId": f"{SUB}/{AUTH}/roleDefinitions/{OTHER}"}}
    lasting = f"{assigned}/55555555-5555-4555-8555-555555555555?api-version=2022-04-01"
    assert call("PUT", lasting, json=body).status_code == 201
    for number, hours in ((1, 8), (2, 9)):
        expiration = {"type": "AfterDuration", "duration": f"PT{hours}H"}
        sent = request("AdminAssign" if number == 1 else "AdminUpdate", scheduleInfo={"expiration": expiration})
        assert put(call, "roleAssignment", number, sent).status_code == 201
    path = f"{SUB}/{AUTH}/roleAssignmentScheduleRequests/00000002-0000-4000-8000-000000000000"
    assert call.get(path, VERSION)["id"] == path
    assert put(call, "roleAssignment", 3, request("AdminRemove")).status_code == 201
    left = [OTHER]
    for _ in range(2):
        listed = call.get(assigned, "2022-04-01", filter=f"principalId eq '{PRINCIPAL}'")["value"]
        assert [one["properties"]["roleDefinitionId"].rpartition("/")[2] for one in listed] == left
        sim.clock.advance(10 * 3600)


def test_rules_for_activation_are_changed_one_by_one(call: Any) -> None:
    """The rules that are sent replace those with their ids, at that scope only; the assignment of the policy shows them."""
    path = f"{SUB}/{AUTH}/roleManagementPolicies"
    policy = call.get(path, VERSION)["value"][0]
    before = policy["properties"]["rules"]
    rule = {**before[0], "isExpirationRequired": True, "maximumDuration": "P90D"}

    def patch(target: str, rules: Any) -> Any:
        return call("PATCH", f"{target}?api-version={VERSION}", json={"properties": {"rules": rules}})

    assert patch(policy["id"], [rule]).json()["properties"]["rules"] == [rule, *before[1:]]
    assert call.get(policy["id"], VERSION)["properties"]["isOrganizationDefault"] is False
    assigned = call.get(f"{SUB}/{AUTH}/roleManagementPolicyAssignments", VERSION)["value"]
    assert [one["properties"]["effectiveRules"][0] for one in assigned].count(rule) == 1
    assert [patch(policy["id"], [{}]).status_code, patch(f"{policy['id']}x", [rule]).status_code] == [400, 404]


def test_rules_for_activation_are_shown(sim: ArmSimulator, call: Any) -> None:
    """The same for each role, and where a role can be activated."""
    sim.resources.add_resource_group(SUB, "box")
    for kind in ("roleManagementPolicies", "roleManagementPolicyAssignments"):
        listed = call.get(f"{SUB}/{AUTH}/{kind}", VERSION)["value"]
        assert call.get(listed[0]["id"], VERSION) == listed[0]
        assert call("GET", f"{listed[0]['id']}x?api-version={VERSION}").status_code == 404
    below = call.get(f"{SUB}/{AUTH}/eligibleChildResources", VERSION)["value"]
    assert {one["type"] for one in below} == {"resourcegroup"}
    assert call.get(f"{SUB}/resourceGroups/box/{AUTH}/eligibleChildResources", VERSION)["value"] == []
    top = call.get(f"/providers/Microsoft.Management/managementGroups/top/{AUTH}/eligibleChildResources", VERSION)[
        "value"
    ]
    assert "subscription" in {one["type"] for one in top}


def test_general_answers(sim: ArmSimulator, call: Any) -> None:
    """Operations of providers, classic administrators, elevated access and one deny assignment."""
    listed = call.get(f"/{AUTH}/providerOperations", "2022-04-01")["value"]
    assert "Microsoft.Storage" in [one["name"] for one in listed]
    found = call.get(f"/{AUTH}/providerOperations/microsoft.storage", "2022-04-01")["resourceTypes"]
    assert "Microsoft.Storage/storageAccounts/write" in [o["name"] for one in found for o in one["operations"]]
    assert call("GET", f"/{AUTH}/providerOperations/Microsoft.None?api-version=2022-04-01").status_code == 404
    assert call.get(f"{SUB}/{AUTH}/classicAdministrators", "2015-07-01")["value"] == []
    denied = sim.access.add_deny_assignment(("Microsoft.Web/*",), SUB)
    assert call.get(denied, "2022-04-01")["id"] == denied
    assert call("GET", f"{denied}x?api-version=2022-04-01").status_code == 404
    sim.access.revoke(SUB)
    path = f"{SUB}/{AUTH}/roleAssignments/55555555-5555-4555-8555-555555555555?api-version=2022-04-01"
    body = {"properties": {"principalId": PRINCIPAL, "roleDefinitionId": f"{SUB}/{AUTH}/roleDefinitions/{READER}"}}
    assert call("PUT", path, json=body).status_code == 403
    assert call("POST", f"/{AUTH}/elevateAccess?api-version=2015-07-01").status_code == 200
    assert call("PUT", path, json=body).status_code == 201


def test_data_modes_and_tokens(call: Any) -> None:
    """Policies of data modes are known and not evaluated; no policy needs an external evaluation."""
    listed = call.get(f"/{AUTH}/dataPolicyManifests", "2020-09-01")["value"]
    assert call.get(listed[0]["id"], "2020-09-01") == listed[0]
    assert call("GET", f"{listed[0]['id']}x?api-version=2020-09-01").status_code == 404
    path = f"{SUB}/{AUTH}/acquirePolicyToken?api-version=2025-03-01"
    operation = {"uri": "https://management.azure.com/x", "httpMethod": "PUT"}
    assert call("POST", path, json={"operation": operation}).json()["result"] == "Succeeded"
    assert call("POST", path, json={"operation": {}}).status_code == 400


def test_a_member_has_the_roles_of_its_group(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Also for deny assignments, and in the list of what is assigned to the member."""
    group = "22222222-2222-4222-8222-222222222222"
    path = f"{SUB}/{AUTH}/roleAssignments/55555555-5555-4555-8555-555555555555?api-version=2022-04-01"
    body = {"properties": {"principalId": group, "roleDefinitionId": f"{SUB}/{AUTH}/roleDefinitions/{READER}"}}
    call("PUT", path, json=body)
    sim.access.revoke(scope)
    assert call("GET", path).status_code == 403
    sim.access.add_member(group, sim.access.caller)
    assert call("GET", path).status_code == 200
    found = call.get(f"{SUB}/{AUTH}/roleAssignments", "2022-04-01", filter=f"assignedTo('{sim.access.caller}')")
    assert group in [one["properties"]["principalId"] for one in found["value"]]
    sim.access.add_deny_assignment(("*/read",), SUB, principals=(group,))
    assert call("GET", path).status_code == 403
