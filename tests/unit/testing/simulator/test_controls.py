"""The controls of the simulator: what they accept, and what a caller of Azure sees of them."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm.errors import BUSY_ERRORS

STORAGE = "2025-08-01"
WEB = "2025-03-01"


def test_flattened_output_is_not_a_resource(sim: ArmSimulator, account: str) -> None:
    """``az storage account show`` prints settings at the top level: taken as they are they would all be lost."""
    flattened = {"id": account, "location": "westeurope", "minimumTlsVersion": "TLS1_0", "resourceGroup": "rg"}
    with pytest.raises(InvalidInputError, match="az resource show"):
        sim.resources.add(flattened)


def test_groups_and_subscriptions_are_added_by_their_body(sim: ArmSimulator) -> None:
    """As a GET of Azure shows them, with what is above them."""
    subscription = "/subscriptions/55555555-5555-4555-8555-555555555555"
    assert sim.resources.add({"id": f"{subscription}/resourceGroups/made", "location": "northeurope"})
    assert subscription in sim.scopes
    other = subscription.replace("5", "7")
    assert sim.resources.add({"id": other, "displayName": "Seven"}) == other


def test_without_roles_the_score_is_forbidden(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Like everything else in the subscription."""
    sim.access.revoke(scope)
    for path in ("secureScores", "secureScores/ascScore", "secureScoreControls"):
        response = call("GET", f"{scope}/providers/Microsoft.Security/{path}?api-version=2020-01-01")
        assert response.status_code == 403


def test_a_missing_group_has_no_assessments_to_list(call: Any, word: Any, scope: str) -> None:
    """An empty list would read as "nothing to do"."""
    path = f"{scope}/resourceGroups/missing/providers/Microsoft.Security/assessments?api-version=2025-05-04"
    assert word(call("GET", path)) == "ResourceGroupNotFound"


@pytest.mark.parametrize("error", sorted(BUSY_ERRORS))
def test_a_busy_resource_refuses_one_write(sim: ArmSimulator, call: Any, account: str, error: str) -> None:
    """In each of the ways in which providers say so; reads go on."""
    sim.faults.busy(account, error)
    assert call("GET", f"{account}?api-version={STORAGE}").status_code == 200
    assert call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}}).status_code in (409, 412, 429)
    assert call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}}).status_code == 200


def test_an_unknown_busy_error_is_refused(sim: ArmSimulator) -> None:
    """It would never happen."""
    with pytest.raises(InvalidInputError, match="ServerBusy"):
        sim.faults.busy("x", "Whatever")


@pytest.mark.parametrize("status", [202, 203, 204, 206])
def test_a_write_can_be_answered_with_another_status(sim: ArmSimulator, call: Any, account: str, status: int) -> None:
    """The write takes effect all the same."""
    sim.faults.change_status("PATCH", account, status)
    response = call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {"c": "3"}})
    assert response.status_code == status
    assert bool(response.content) is (status != 204)
    assert sim.resources.get(account)["tags"] == {"c": "3"}


def test_an_update_keeps_what_azure_keeps(sim: ArmSimulator, call: Any, account: str) -> None:
    """A PUT that leaves a member out changes nothing where the provider was seen to keep it."""
    sim.resources.edit(account, lambda body: body["properties"].update(allowBlobPublicAccess=True, accessTier="Cool"))
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}
    assert call("PUT", f"{account}?api-version={STORAGE}", json=body).status_code == 200
    kept = sim.resources.get(account)["properties"]
    assert (kept["allowBlobPublicAccess"], kept["accessTier"]) == (True, "Cool")
    assert kept["networkAcls"]["ipRules"] == [{"value": "192.0.2.1", "action": "Allow"}]


def test_what_azure_never_shows_is_accepted_and_not_shown(sim: ArmSimulator, call: Any, scope: str) -> None:
    """Passwords, and how something was created."""
    server = f"{scope}/resourceGroups/rg/providers/Microsoft.DBforMySQL/flexibleServers/my"
    sim.resources.add_resource_group(scope, "rg")
    properties = {"administratorLogin": "admin1", "administratorLoginPassword": "x", "createMode": "Default"}
    body = {"location": "westeurope", "properties": properties}
    version = "2024-12-30"
    assert call("PUT", f"{server}?api-version={version}", json=body).status_code == 202
    sim.clock.advance(600)
    shown = sim.resources.get(server)["properties"]
    assert shown["administratorLogin"] == "admin1"
    assert not {"administratorLoginPassword", "createMode"} & set(shown)


def test_the_configuration_of_a_site_is_answered_as_the_site(call: Any, site: str) -> None:
    """The application settings, which take any name, are answered as themselves."""
    path = f"{site}/config/web?api-version={WEB}"
    changed = call("PATCH", path, json={"properties": {"minTlsVersion": "1.2"}}).json()
    assert (changed["id"], changed["type"]) == (site, "Microsoft.Web/sites")
    assert changed["properties"]["minTlsVersion"] == "1.2"
    settings = {"properties": {"ANY_NAME": "value"}}
    written = call("PUT", f"{site}/config/appsettings?api-version={WEB}", json=settings).json()
    assert written["name"] == "appsettings"
    assert written["properties"] == settings["properties"]


def test_names_inside_arrays_that_a_resource_shows_are_known(sim: ArmSimulator, call: Any, scope: str) -> None:
    """A PUT that echoes an array is not refused for a member of its items; a new name is."""
    plan = f"{scope}/providers/Microsoft.Security/pricings/StorageAccounts"
    version = "2024-01-01"
    extension = {"name": "OnUploadMalwareScanning", "isEnabled": "True", "somethingNew": {"code": "x"}}
    sim.resources.edit(plan, lambda body: body["properties"].update(extensions=[extension]))
    body = {"properties": {"pricingTier": "Standard", "extensions": [extension]}}
    assert call("PUT", f"{plan}?api-version={version}", json=body).status_code == 200
    extension["unheard"] = True
    assert call("PUT", f"{plan}?api-version={version}", json=body).status_code == 400


def test_an_etag_without_evidence_protects_nothing(call: Any, scope: str, sim: ArmSimulator) -> None:
    """The type shows an etag, and If-Match with another one is not refused; an IoT hub refuses it."""
    groups = f"{scope}/resourceGroups/rg/providers"
    for name, refused in (("Microsoft.Kusto/clusters/k", False), ("Microsoft.Devices/IotHubs/h", True)):
        added = sim.resources.add({"id": f"{groups}/{name}", "location": "westeurope", "properties": {}})
        assert sim.resources.get(added)["etag"]
        path = f"{added}?api-version=" + ("2023-06-30" if refused else "2025-02-14")
        response = call("PATCH", path, json={"tags": {}}, headers={"If-Match": "other"})
        assert (response.status_code == 412) is refused


def test_a_group_is_added_to_a_subscription_that_exists(sim: ArmSimulator, scope: str) -> None:
    """The subscription stays as it is."""
    assert sim.resources.add({"id": f"{scope}/resourceGroups/another"}) == f"{scope}/resourceGroups/another"
    assert sim.scopes == (scope,)


@pytest.mark.parametrize("later", [0.0, 3600.0])
def test_an_exemption_does_not_keep_the_assessments_of_what_was_deleted(
    sim: ArmSimulator, call: Any, account: str, scope: str, later: float
) -> None:
    """They vanish at once when the exemption is known at once."""
    sim.resources.remove(account)
    sim.clock.advance(later)
    sim.access.exempt(scope, already_assessed=True)
    listed = call.get(f"{scope}/providers/Microsoft.Security/assessments", "2025-05-04")["value"]
    assert not [item for item in listed if item["id"].startswith(account)]


def test_an_update_replaces_what_it_sends(sim: ArmSimulator, call: Any, account: str) -> None:
    """A member that Azure keeps when it is absent is replaced when it is there, whatever its form."""
    sim.resources.edit(account, lambda body: body["properties"].update(encryption={"keySource": "Microsoft.Storage"}))
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    for value in ({"defaultAction": "Allow"}, {"defaultAction": "Deny"}):
        sent = {**body, "properties": {"networkAcls": value, "encryption": {}, "accessTier": "Cool"}}
        assert call("PUT", f"{account}?api-version={STORAGE}", json=sent).status_code == 200
    kept = call.get(account, STORAGE)["properties"]
    assert (kept["networkAcls"]["defaultAction"], kept["accessTier"]) == ("Deny", "Cool")


def test_what_a_control_changes_is_seen_by_a_query_that_was_answered_before(sim: ArmSimulator, scope: str) -> None:
    """Results are kept until the tenant changes: each control that changes it has to say so."""

    def rows(query: str) -> list[Any]:
        url = f"{sim.endpoint}/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
        with sim.open_session() as session:
            answer: list[Any] = session.post(url, json={"query": query}).json()["data"]
        return answer

    roles, state = "authorizationresources", "resourcecontainers | where properties.state == 'Warned'"
    before, warned = len(rows(roles)), len(rows(state))
    sim.access.assign_data_role("11111111-1111-4111-8111-111111111199", scope, "Microsoft.KeyVault/vaults/secrets/*")
    sim.resources.set_subscription_state(scope, "Warned")
    assert (len(rows(roles)), len(rows(state))) == (before + 1, warned + 1)
    changes = sim._service.tenant.lock
    for change in (
        lambda: sim.access.lock(scope),
        lambda: sim.access.unlock(scope),
        lambda: sim.resources.unregister_provider(scope, "Microsoft.Web"),
        lambda: sim.resources.register_provider(scope, "Microsoft.Web"),
        lambda: sim.resources.unregister_feature(scope, "Microsoft.Compute/EncryptionAtHost"),
        lambda: sim.resources.retire_api_versions("Microsoft.Web/sites", WEB),
        lambda: sim.faults.fail_extension("StorageAccounts", "OnUploadMalwareScanning"),
        lambda: sim.faults.slow("Microsoft.Web/sites"),
    ):
        known = changes.changes
        change()
        assert changes.changes > known
