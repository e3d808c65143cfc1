"""Refusals have the form of the provider that makes them, as recorded."""

from __future__ import annotations

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
