"""Ordinary calls of the management clients, one for each kind that once failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

VAULT: dict[str, Any] = {
    "location": "westeurope",
    "properties": {"tenantId": "99999999-0000-4000-8000-000000000000", "sku": {"family": "A", "name": "standard"}},
}
Send = Callable[..., tuple[int, Any]]


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with a resource group, a storage account, a vault and an app."""
    made = ArmSimulator()
    group = f"{made.resources.add_subscription()}/resourceGroups/rg"
    made.resources.add({"id": group, "location": "westeurope"})
    for name in ("Storage/storageAccounts/shopdata", "KeyVault/vaults/shop-kv", "Web/serverfarms/plan"):
        made.resources.add({"id": f"{group}/providers/Microsoft.{name}", "location": "westeurope", "properties": {}})
    return made


@pytest.fixture
def send(sim: ArmSimulator) -> Send:
    """Sends a request below the group, or anywhere; returns the status and the body."""
    group = f"{sim.scopes[0]}/resourceGroups/rg/providers"

    def call(method: str, path: str, version: str, body: Any = None) -> tuple[int, Any]:
        with sim.open_session() as session:
            place = path if path.startswith("/") else f"{group}/{path}"
            answer = session.request(method, f"{sim.endpoint}{place}?api-version={version}", json=body)
            sim.clock.advance(60)
            return answer.status_code, answer.json() if answer.content else None

    return call


def test_a_child_may_be_created_without_a_body(send: Send) -> None:
    """The storage client creates tables so; a resource with a region needs a body."""
    account = "Microsoft.Storage/storageAccounts/shopdata"
    assert send("PUT", f"{account}/tableServices/default/tables/orders", "2023-05-01")[0] < 300
    assert send("PUT", "Microsoft.Storage/storageAccounts/other", "2023-05-01")[0] == 400


def test_the_value_of_a_secret_is_never_shown(send: Send) -> None:
    """Resource Manager takes it and keeps it to itself."""
    secret = "Microsoft.KeyVault/vaults/shop-kv/secrets/s"
    body = {"properties": {"value": "hidden", "contentType": "text"}}
    assert "hidden" not in str(send("PUT", secret, "2023-07-01", body))
    shown = send("GET", secret, "2023-07-01")[1]["properties"]
    assert ("value" in shown, shown["contentType"], shown["attributes"]["enabled"]) == (False, "text", True)


def test_purge_protection_cannot_be_switched_off_even_at_the_start(send: Send) -> None:
    """Azure takes true or nothing."""
    vault = "Microsoft.KeyVault/vaults/other-kv"
    refused = {**VAULT, "properties": {**VAULT["properties"], "enablePurgeProtection": False}}
    assert send("PUT", vault, "2023-07-01", refused)[0] == 400
    assert send("PUT", vault, "2023-07-01", VAULT)[0] == 200


@pytest.mark.parametrize("app", ["Microsoft.Web/sites/shop", "Microsoft.Web/sites/shop/slots/stage"])
def test_the_site_configuration_of_a_new_app_is_where_it_is_read(send: Send, app: str) -> None:
    """Templates and clients state settings in the app; scanners read them from its configuration."""
    config = {
        "ftpsState": "Disabled",
        "appSettings": [{"name": "A", "value": "1"}],
        "connectionStrings": [{"name": "db", "connectionString": "x", "type": "SQLAzure"}],
    }
    send("PUT", "Microsoft.Web/sites/shop", "2023-12-01", {"location": "westeurope", "properties": {}})
    send("PUT", app, "2023-12-01", {"location": "westeurope", "properties": {"siteConfig": config}})
    assert send("GET", f"{app}/config/web", "2023-12-01")[1]["properties"]["ftpsState"] == "Disabled"
    assert send("POST", f"{app}/config/appsettings/list", "2023-12-01")[1]["properties"] == {"A": "1"}
    found = send("POST", f"{app}/config/connectionstrings/list", "2023-12-01")[1]["properties"]
    assert found == {"db": {"value": "x", "type": "SQLAzure"}}


def test_a_lock_keeps_its_owners(send: Send) -> None:
    """Applications that manage a lock are named in it."""
    lock = "Microsoft.Authorization/locks/l"
    properties = {"level": "CanNotDelete", "owners": [{"applicationId": "a"}]}
    assert send("PUT", lock, "2016-09-01", {"properties": properties})[1]["properties"] == properties
    assert send("PUT", lock, "2016-09-01", {"properties": {**properties, "owners": "a"}})[0] == 400


def test_a_management_group_is_renamed_and_the_types_of_a_provider_are_listed(sim: ArmSimulator, send: Send) -> None:
    """Both have operations of their own."""
    group = "/providers/Microsoft.Management/managementGroups/mg"
    send("PUT", group, "2021-04-01", {"properties": {"displayName": "one"}})
    assert send("PATCH", group, "2021-04-01", {"displayName": "two"})[1]["properties"]["displayName"] == "two"
    assert send("PATCH", group, "2021-04-01", {"parentGroupId": f"{group}-other"})[0] >= 400
    types = send("GET", f"{sim.scopes[0]}/providers/Microsoft.Sql/resourceTypes", "2021-04-01")[1]["value"]
    assert "servers" in [one["resourceType"] for one in types]


@pytest.mark.parametrize(
    ("path", "system", "runtime"),
    [
        ("webAppStacks", "linux", "PYTHON|3.12"),
        ("locations/westeurope/webAppStacks", "linux", "NODE|22-lts"),
        ("functionAppStacks", "windows", "~22"),
    ],
)
def test_the_runtimes_that_clients_look_up_are_there(sim: ArmSimulator, path: str, system: str, runtime: str) -> None:
    """The Azure CLI refuses to create an app with a runtime that the list does not have."""
    with sim.open_session() as session:
        url = f"{sim.endpoint}/providers/Microsoft.Web/{path}?api-version=2023-12-01&stackOsType={system.title()}"
        found = session.get(url).json()["value"]
    settings = [
        minor["stackSettings"]
        for stack in found
        for major in stack["properties"]["majorVersions"]
        for minor in major["minorVersions"]
    ]
    assert {f"{system}RuntimeSettings"} >= {name for one in settings for name in one}
    assert runtime in [one[f"{system}RuntimeSettings"]["runtimeVersion"] for one in settings if one]


def test_the_sizes_of_databases_that_clients_look_up_are_there(sim: ArmSimulator, send: Send) -> None:
    """The Azure CLI turns an edition, a family and a capacity into a size by this list."""
    path = f"{sim.scopes[0]}/providers/Microsoft.Sql/locations/westeurope/capabilities"
    (version,) = send("GET", path, "2021-11-01")[1]["supportedServerVersions"]
    editions = {one["name"]: one for one in version["supportedEditions"]}
    sizes = [one["name"] for one in editions["GeneralPurpose"]["supportedServiceLevelObjectives"]]
    assert {"GP_Gen5_2", "GP_S_Gen5_1"} <= set(sizes)
    pools = {one["name"]: one for one in version["supportedElasticPoolEditions"]}
    assert pools["Standard"]["supportedElasticPoolPerformanceLevels"][0]["sku"]["capacity"] == 50
