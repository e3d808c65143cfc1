"""Role assignments with data actions, as a caller lists them."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
ROLES = f"{SUB}/providers/Microsoft.Authorization"
HOLDER = "aaaaaaaa-0000-4000-8000-000000000001"


def test_a_data_role_is_listed_and_defined(sim: ArmSimulator, call: Any) -> None:
    """The assignment names the definition, which has the data actions; an unknown definition is a 404."""
    sim.access.assign_data_role(HOLDER, SUB, "Microsoft.KeyVault/vaults/secrets/*")
    (found,) = call.get(f"{ROLES}/roleAssignments", "2022-04-01", filter="atScope()")["value"]
    assert found["properties"]["principalId"] == HOLDER
    definition = call.get(found["properties"]["roleDefinitionId"], "2022-04-01")
    assert definition["properties"]["permissions"][0]["dataActions"] == ["Microsoft.KeyVault/vaults/secrets/*"]
    missing = call("GET", f"{ROLES}/roleDefinitions/other", params={"api-version": "2022-04-01"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "RoleDefinitionDoesNotExist")
