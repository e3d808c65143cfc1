"""What Azure Resource Manager answers by itself."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

RM = "2025-04-01"


def test_subscriptions_and_groups(call: Any, account: str, scope: str) -> None:
    """Listed and got, with tenant and state."""
    listed = call.get("/subscriptions", "2022-12-01")["value"]
    assert [(found["id"], found["state"], found["displayName"]) for found in listed] == [(scope, "Enabled", "Four")]
    assert call.get(scope, "2022-12-01")["tenantId"]
    assert [group["name"] for group in call.get(f"{scope}/resourceGroups", RM)["value"]] == ["rg"]
    assert call.get(f"{scope}/resourcegroups/RG", RM)["location"] == "westeurope"
    assert call("HEAD", f"{scope}/resourceGroups/rg?api-version={RM}").status_code == 204
    assert call("HEAD", f"{scope}/resourceGroups/no?api-version={RM}").status_code == 404
    assert call("GET", f"{scope}/resourceGroups/no?api-version={RM}").status_code == 404


def test_resources_are_listed_without_properties_and_by_type(
    call: Any, word: Any, account: str, site: str, scope: str
) -> None:
    """Children are not in the list; one filter is understood; pages follow ``$top``."""
    listed = call.get(f"{scope}/resources", RM)["value"]
    assert [found["id"] for found in listed] == [account, site]
    assert "properties" not in listed[0]
    assert listed[0]["sku"]
    filtered = call.get(f"{scope}/resourceGroups/rg/resources", RM, filter="resourceType eq 'microsoft.web/Sites'")
    assert [found["id"] for found in filtered["value"]] == [site]
    assert word(call("GET", f"{scope}/resources?api-version={RM}&$filter=kind eq 'x'")) == "InvalidFilterInQueryString"
    first = call.get(f"{scope}/resources", RM, top="1")
    second = call("GET", first["nextLink"]).json()
    assert [first["value"][0]["id"], second["value"][0]["id"]] == [account, site]
    assert "nextLink" not in second


@pytest.mark.parametrize("prefix", ["", "{scope}"])
def test_providers_name_their_types_and_versions(call: Any, word: Any, scope: str, prefix: str) -> None:
    """For a subscription with the state of the registration."""
    base = prefix.format(scope=scope)
    listed = call.get(f"{base}/providers", RM)["value"]
    assert {"Microsoft.Storage", "Microsoft.Web"} <= {found["namespace"] for found in listed}
    storage = call.get(f"{base}/providers/MICROSOFT.storage", RM)
    types = {found["resourceType"]: found["apiVersions"] for found in storage["resourceTypes"]}
    assert types["storageAccounts"] == sorted(types["storageAccounts"], reverse=True)
    assert storage.get("registrationState") == ("Registered" if base else None)
    assert word(call("GET", f"{base}/providers/Contoso.Nothing?api-version={RM}")) == "InvalidResourceNamespace"


def test_a_management_group_has_its_subscriptions(sim: ArmSimulator, call: Any, word: Any, scope: str) -> None:
    """Whatever the case of its name."""
    sim.resources.add_subscription(name="Five", management_group="TOP")
    path = "/providers/Microsoft.Management/managementGroups/{}/descendants"
    found = call.get(path.format("Top"), "2023-04-01")["value"]
    assert [item["id"] for item in found] == list(sim.scopes)
    assert found[0]["properties"]["parent"]["id"].endswith("/top")
    assert word(call("GET", path.format("none") + "?api-version=2023-04-01")) == "NotFound"


def test_locks_are_listed_as_azure_does(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """Inherited ones always, those below only without ``atScope()``."""
    sim.access.lock(scope, "CanNotDelete", "above")
    sim.access.lock(account, "ReadOnly", "below")
    path = f"{scope}/resourceGroups/rg/providers/Microsoft.Authorization/locks"
    assert [lock["name"] for lock in call.get(path, "2020-05-01")["value"]] == ["above", "below"]
    at_scope = call.get(path, "2020-05-01", filter="atScope()")["value"]
    assert [(lock["name"], lock["properties"]["level"]) for lock in at_scope] == [("above", "CanNotDelete")]


def test_a_subscription_lists_the_regions_where_resources_can_be(call: Any, scope: str) -> None:
    """A client that chooses a region from the list can create a group in each of them."""
    listed = call.get(f"{scope}/locations", "2022-12-01")["value"]
    assert {"westeurope", "eastus", "uksouth", "japaneast"} < {one["name"] for one in listed}
    for number, region in enumerate(listed):
        assert region["regionalDisplayName"] == f"({region['metadata']['geographyGroup']}) {region['displayName']}"
        path = f"{scope}/resourceGroups/in-{number}?api-version=2022-09-01"
        assert call("PUT", path, json={"location": region["displayName"]}).status_code == 201
