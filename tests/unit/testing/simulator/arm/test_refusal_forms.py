"""Refusals have the form of the provider that makes them, as recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.types import published_since, shipped_types

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
GROUP = f"{SUB}/resourceGroups/box"
NETWORK, DNS = "Microsoft.Network/virtualNetworks", "Microsoft.Network/dnsZones"
APIM, COSMOS = "Microsoft.ApiManagement/service", "Microsoft.DocumentDB/databaseAccounts"
PRIVATE = "Microsoft.Network/privateDnsZones"
CONFIGURATION = "Microsoft.AppConfiguration/configurationStores"


@pytest.fixture
def box(call: Any, sim: ArmSimulator) -> str:
    """A resource group with one resource of each provider below."""
    sim.resources.add_resource_group(SUB, "box")
    for zones in (DNS, PRIVATE):
        body = {"location": "global", "properties": {}}
        call("PUT", f"{GROUP}/providers/{zones}/one?api-version=2020-06-01", json=body)
    for kind in (NETWORK, APIM, COSMOS, CONFIGURATION, "Microsoft.ContainerService/managedClusters"):
        sim.resources.add({"id": f"{GROUP}/providers/{kind}/one", "location": "westeurope", "properties": {}})
    return GROUP


def names(value: Any, path: str = "") -> set[str]:
    """The dotted names of all members."""
    if isinstance(value, list):
        return {name for inner in value for name in names(inner, f"{path}[].")}
    if not isinstance(value, dict):
        return set()
    return {found for key, inner in value.items() for found in ({path + key} | names(inner, f"{path}{key}."))}


@pytest.mark.parametrize(
    ("path", "version", "code", "more"),
    [
        (f"{NETWORK}/none", "2024-05-01", "ResourceNotFound", set()),
        (f"{NETWORK}/one/subnets/none", "2024-05-01", "NotFound", {"error.details"}),
        (f"{DNS}/one/A/none", "2018-05-01", "NotFound", None),
        (f"{DNS}/one/A/none", "2016-04-01", "NotFound", None),
        (f"{PRIVATE}/one/A/none", "2020-06-01", "NotFound", None),
        (f"{PRIVATE}/one/virtualNetworkLinks/none", "2020-06-01", "ResourceNotFound", set()),
        (f"{COSMOS}/one/sqlDatabases/none", "2024-11-15", "NotFound", None),
        (f"{APIM}/one/apis/none", "2022-08-01", "ResourceNotFound", {"error.details"}),
        (
            f"{CONFIGURATION}/one/replicas/none",
            "2024-05-01",
            "EntityNotFound",
            {"error.additionalInfo"}
            | {f"error.additionalInfo.[].{name}" for name in ("type", "info", "info.activityId")},
        ),
        ("Microsoft.Maps/accounts/none", "2023-06-01", "ResourceNotFound", set()),
    ],
)
def test_what_does_not_exist_is_refused_as_its_provider_does(
    call: Any, word: Any, box: str, path: str, version: str, code: str, more: set[str] | None
) -> None:
    """Bare or in an ``error``, with the members that the provider adds; also for a type that only Azure has."""
    response = call("GET", f"{box}/providers/{path}?api-version={version}")
    bare = {"code", "message"}
    expected = bare if more is None else {"error", "error.code", "error.message", *more}
    assert (response.status_code, word(response), names(response.json())) == (404, code, expected)


def test_a_provider_refuses_a_write_in_its_form(call: Any, box: str) -> None:
    """Network says that it cannot parse the request, and what is wrong only in the details."""
    body = {"location": "westeurope", "properties": {"addressSpace": 5}}
    error = call("PUT", f"{box}/providers/{NETWORK}/two?api-version=2024-05-01", json=body).json()["error"]
    assert (error["code"], error["details"][0]["code"]) == ("InvalidRequestFormat", "InvalidJson")


def test_azure_resource_manager_refuses_in_its_own_form(call: Any, word: Any, box: str) -> None:
    """What never reaches a provider has the common form, also where the provider has another one."""
    for path in (f"{SUB}/resourceGroups/none", f"{SUB}/resourceGroups/none/providers/{COSMOS}/one"):
        response = call("GET", f"{path}?api-version=2021-04-01")
        assert word(response) == "ResourceGroupNotFound"
        assert names(response.json()) == {"error", "error.code", "error.message"}


def test_versions_are_taken_from_the_oldest_published_one_on(call: Any, word: Any, box: str) -> None:
    """A type that appeared in 2016 takes 2016, and nothing older."""
    path = f"{box}/providers/{DNS}/one"
    assert call("GET", f"{path}?api-version=2016-04-01").status_code == 200
    assert word(call("GET", f"{path}?api-version=2014-01-01")) == "NoRegisteredProviderFound"
    assert published_since("Contoso.Unknown/things") is None


def test_the_facts_name_types_of_azure() -> None:
    """A misspelt type in the facts would never be found."""
    known = {one.namespace.casefold() for one in shipped_types().values()}
    known |= {name.casefold() for name in facts("published")}
    tables = facts("refusals")
    unknown = {
        key for table in tables.values() for key in table if key.split("/")[0].split("#")[0].casefold() not in known
    }
    assert not unknown


@pytest.mark.parametrize(
    ("kind", "properties", "user", "code"),
    [
        ("networkInterfaces", {"virtualMachine": {"id": "/vm"}}, None, "NicInUse"),
        (
            "ddosProtectionPlans",
            {"virtualNetworks": [{"id": "/network"}]},
            None,
            "InUseDdosProtectionPlanCannotBeDeleted",
        ),
        (
            "networkSecurityGroups",
            {},
            {"networkSecurityGroup": {"id": "{id}"}},
            "InUseNetworkSecurityGroupCannotBeDeleted",
        ),
        (
            "publicIPAddresses",
            {},
            {"ipConfigurations": [{"properties": {"publicIPAddress": {"id": "{id}"}}}]},
            "PublicIPAddressCannotBeDeleted",
        ),
        (
            "virtualNetworks",
            {},
            {"ipConfigurations": [{"properties": {"subnet": {"id": "{id}/subnets/a"}}}]},
            "InUseSubnetCannotBeDeleted",
        ),
        ("networkSecurityGroups", {}, {"networkSecurityGroup": {"id": "/another"}}, None),
        ("networkSecurityGroups", {}, {"networkSecurityGroup": "{id}"}, None),
        (
            "publicIPAddresses",
            {},
            {"ipConfigurations": [{"properties": {"publicIPAddress": {"id": "/another"}}}]},
            None,
        ),
        ("networkSecurityGroups", {}, None, None),
    ],
)
def test_what_is_in_use_is_not_deleted(
    call: Any, word: Any, sim: ArmSimulator, kind: str, properties: Any, user: Any, code: str | None
) -> None:
    """Whether the resource shows its user, or the user names the resource; without a user it goes."""
    used = f"{GROUP}/providers/Microsoft.Network/{kind}/used"
    sim.resources.add({"id": used, "location": "westeurope", "properties": properties}, api_versions=("2024-05-01",))
    if user is not None:
        named = json.loads(json.dumps(user).replace("{id}", used))
        interface = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/user"
        sim.resources.add({"id": interface, "location": "westeurope", "properties": named})
    response = call("DELETE", f"{used}?api-version=2024-05-01")
    assert word(response) == code if code else response.status_code in (200, 202, 204)


def test_an_action_that_needs_a_state_is_refused(call: Any, word: Any, box: str) -> None:
    """No account migrates here, so that there is no migration to abort; what it is called does not matter."""
    path = f"{box}/providers/Microsoft.Storage/storageAccounts/account/abortHnsOnMigration?api-version=2023-05-01"
    call(
        "PUT",
        path.replace("/abortHnsOnMigration", ""),
        json={"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"},
    )
    response = call("POST", path)
    assert (response.status_code, word(response)) == (400, "HnsMigrationNotFound")


def test_a_number_is_the_code_of_a_hub(call: Any, box: str) -> None:
    """IoT hubs refuse with numbers, which the body repeats as the status."""
    hub = {"location": "westeurope", "sku": {"name": "S1", "capacity": 1}, "properties": {"minTlsVersion": "2.5"}}
    path = f"{box}/providers/Microsoft.Devices/IotHubs/hubone?api-version=2023-06-30"
    body = call("PUT", path, json=hub).json()
    assert (body["code"], body["httpStatusCode"]) == (400089, 400)
    hub["properties"] = {"publicNetworkAccess": "Perhaps"}
    assert call("PUT", path, json=hub).json()["code"] == 400000
