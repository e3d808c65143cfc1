"""Mistakes that Azure refuses: values, names, regions, tags and query options, by kind; and what it takes all the same."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm.member_rules import check_names
from defender_remediate.testing.simulator.arm.strictness import check_values, checked_tags
from defender_remediate.testing.simulator.state.types import shipped_types

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
GROUP = f"{SUB}/resourceGroups/box"
STORAGE = "Microsoft.Storage/storageAccounts"
VAULTS = "Microsoft.KeyVault/vaults"
TENANT = "99999999-0000-4000-8000-000000000000"
GOOD: dict[str, Any] = {
    STORAGE: {"location": "West Europe", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}},
    VAULTS: {
        "location": "westeurope",
        "properties": {"tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []},
    },
}


@pytest.fixture
def put(call: Any, sim: ArmSimulator) -> Any:
    """Puts a good body with other members; returns the status and the code."""
    sim.resources.add_resource_group(SUB, "box")

    def sent(kind: str = STORAGE, name: str = "boxaccount", place: str = GROUP, **members: Any) -> tuple[int, Any]:
        body = {**GOOD[kind], **members}
        if "properties" in members:
            body["properties"] = {**GOOD[kind]["properties"], **members["properties"]}
        response = call("PUT", f"{place}/providers/{kind}/{name}?api-version=2023-07-01", json=body)
        sim.clock.advance(60)
        answer = response.json() if response.content else {}
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 else None

    return sent


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"minimumTlsVersion": "TLS9"}, "InvalidRequestPropertyValue"),
        ({"minimumTlsVersion": ["TLS1_2"]}, "InvalidRequestContent"),
        ({"minimumTlsVersion": {}}, "InvalidRequestContent"),
        ({"supportsHttpsTrafficOnly": "banana"}, "InvalidRequestContent"),
        ({"supportsHttpsTrafficOnly": 1}, "InvalidRequestContent"),
        ({"networkAcls": "Deny"}, "InvalidRequestContent"),
        ({"networkAcls": {"defaultAction": "Perhaps"}}, "InvalidRequestPropertyValue"),
        ({"networkAcls": {"ipRules": {"value": "10.0.0.1"}}}, "InvalidRequestContent"),
        ({"encryption": {"services": {"blob": {"keyType": "Perhaps"}}}}, "InvalidRequestPropertyValue"),
        ({"customDomain": {"name": {"a": 1}}}, "InvalidRequestContent"),
        ({"supportsHttpsTrafficOnly": "True"}, None),
        ({"minimumTlsVersion": "tls1_2"}, None),
        ({"minimumTlsVersion": None}, None),
        ({"networkAcls": {"bypass": "Logging, Metrics", "defaultAction": "Allow"}}, None),
    ],
)
def test_values_are_checked(put: Any, properties: Any, code: str | None) -> None:
    """Types and words, at any depth; case does not matter, and strings that say a boolean are one."""
    assert put(properties=properties)[1] == code


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"sku": {"name": "Gold_LRS"}}, "InvalidRequestPropertyValue"),
        ({"kind": "StorageV9"}, "InvalidRequestPropertyValue"),
        ({"identity": {"type": "Robot"}}, "InvalidRequestPropertyValue"),
        ({"location": "mars"}, "LocationNotAvailableForResourceType"),
        ({"sku": None}, "InvalidRequestContent"),
        ({"name": "Box_account"}, "AccountNameInvalid"),
        ({"name": "a" * 25}, "AccountNameInvalid"),
        ({"tags": {f"t{number}": "" for number in range(51)}}, "InvalidTagContent"),
        ({"tags": {"a": "v" * 257}}, "InvalidTagContent"),
        ({"tags": {"a/b": "v"}}, "InvalidTagContent"),
        ({"tags": {"a": {}}}, "InvalidRequestContent"),
        ({"kind": VAULTS, "properties": {"tenantId": None}}, "InvalidRequestContent"),
        ({"kind": VAULTS, "properties": {"softDeleteRetentionInDays": 3}}, "InvalidRequestPropertyValue"),
        ({"kind": VAULTS, "properties": {"softDeleteRetentionInDays": "few"}}, "InvalidRequestContent"),
        ({"kind": VAULTS, "name": "1vault"}, "VaultNameNotValid"),
    ],
)
def test_resources_are_checked(call: Any, put: Any, members: Any, code: str | None) -> None:
    """Skus, kinds, identities, regions, names, tags and what a new resource needs."""
    if members.get("kind") not in (None, VAULTS):
        body = {**GOOD[STORAGE], **members}
        response = call("PUT", f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01", json=body)
        assert response.json()["error"]["code"] == code
        return
    assert put(**members)[1] == code


def test_names_are_unique_in_azure(put: Any, sim: ArmSimulator) -> None:
    """In other groups as well, and for a vault until its retention ends, unless it is recovered or purged."""
    sim.resources.add_resource_group(SUB, "other")
    other = f"{SUB}/resourceGroups/other"
    assert put()[0] == 202
    assert put()[0] == 200
    assert put(name="BOXACCOUNT".lower(), place=other) == (409, "StorageAccountAlreadyTaken")
    assert put(VAULTS, "boxvault")[0] < 300
    assert put(VAULTS, "BoxVault", other) == (409, "VaultAlreadyExists")
    sim.resources.remove(f"{GROUP}/providers/{VAULTS}/boxvault")
    assert put(VAULTS, "boxvault") == (409, "ConflictError")
    assert put(VAULTS, "newvault")[0] < 300
    assert put(VAULTS, "boxvault", properties={"createMode": "recover", "sku": None})[0] < 300
    sim.resources.remove(f"{GROUP}/providers/{VAULTS}/boxvault")
    sim.clock.advance(91 * 86400)
    assert put(VAULTS, "boxvault")[0] < 300


def test_an_expression_is_no_wrong_value() -> None:
    """A template has it where only the deployment knows the value, and what-if leaves it as it is."""
    check_values(shipped_types()[STORAGE.lower()], {"properties": {"minimumTlsVersion": "[reference('a').b]"}}, {})


def test_what_a_resource_has_is_taken_again(put: Any, sim: ArmSimulator, call: Any) -> None:
    """A value that is not in the list was accepted once; so a body that was read can be sent, with additions."""
    rule = {"name": "old", "properties": {"access": "Perhaps", "priority": 100}}
    group = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg"
    sim.resources.add({"id": group, "location": "mars", "properties": {"securityRules": [rule]}})
    body = call.get(group, "2023-09-01")
    more = {"name": "new", "properties": {"access": "Allow", "priority": 200}}
    for rules, status in (([rule], 200), ([more, rule], 200), ([{**rule, "name": "other"}], 400)):
        body["properties"]["securityRules"] = rules
        assert call("PUT", f"{group}?api-version=2023-09-01", json=body).status_code == status
        sim.clock.advance(60)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01&$expand=banana", 400),
        (f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01&$expand=geoReplicationStats", 200),
        (f"{GROUP}/providers/{VAULTS}/boxvault?api-version=2023-07-01&$expand=banana", 200),
    ],
)
def test_expansions_are_checked(call: Any, put: Any, path: str, status: int) -> None:
    """For the types whose expansions are known."""
    put()
    put(VAULTS, "boxvault")
    assert call("GET", path).status_code == status


@pytest.mark.parametrize(
    ("plan", "properties", "status"),
    [
        ("VirtualMachines", {"pricingTier": "Gold"}, 400),
        ("VirtualMachines", {"pricingTier": "Standard", "subPlan": "DefenderForStorageV2"}, 400),
        ("Containers", {"pricingTier": "Standard", "subPlan": "P1"}, 400),
        ("VirtualMachines", {}, 400),
        ("VirtualMachines", {"pricingTier": "Standard", "subPlan": "p1"}, 200),
    ],
)
def test_plans_are_checked(call: Any, plan: str, properties: Any, status: int) -> None:
    """Tiers, and sub-plans of other plans."""
    path = f"{SUB}/providers/Microsoft.Security/pricings/{plan}?api-version=2024-01-01"
    assert call("PUT", path, json={"properties": properties}).status_code == status


def test_a_group_is_in_a_region(call: Any) -> None:
    """As a resource is."""
    response = call("PUT", f"{SUB}/resourceGroups/new?api-version=2021-04-01", json={"location": "mars"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "LocationNotAvailableForResourceGroup")


@pytest.mark.parametrize(
    ("tags", "outcome"),
    [
        ({"Azure-owner": "me"}, "InvalidTagContent"),
        ({"microsoftTeam": "a"}, "InvalidTagContent"),
        ({"windows": "a"}, "InvalidTagContent"),
        ({"my azure": "a"}, {"my azure": "a"}),
        ({"Owner": "me", "OWNER": "you"}, {"Owner": "you"}),
    ],
)
def test_tag_names_are_reserved_or_one(put: Any, call: Any, tags: Any, outcome: Any) -> None:
    """Azure reserves three prefixes; names that differ only in case are one tag."""
    code = put(tags=tags)[1]
    if code is None:
        path = f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01"
        assert call("GET", path).json()["tags"] == outcome
        assert call("PATCH", path, json={"tags": {"A": "1", "a": "2"}}).json()["tags"] == {"A": "2"}
    else:
        assert code == outcome


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"networkAcls": {"bypass": "None"}}, "InvalidRequestContent"),
        (
            {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.0/8"}]}},
            "InvalidValuesForRequestParameters",
        ),
        (
            {"networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [{"action": "Allow"}]}},
            "InvalidRequestContent",
        ),
        ({"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.0/24"}]}}, None),
    ],
)
def test_objects_have_what_they_need(put: Any, call: Any, properties: Any, code: str | None) -> None:
    """A PUT sends whole objects; a PATCH may send a part of one that is there."""
    assert put(properties=properties)[1] == code
    if code is None:
        path = f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01"
        assert call("PATCH", path, json={"properties": {"networkAcls": {"bypass": "None"}}}).status_code == 200


def test_keys_are_listed_with_known_options_only(put: Any, call: Any) -> None:
    """A storage account has Kerberos keys besides."""
    put()
    path = f"{GROUP}/providers/{STORAGE}/boxaccount/listKeys?api-version=2023-07-01"
    assert call("POST", f"{path}&$expand=kerb").status_code == 200
    assert call("POST", f"{path}&$expand=all").status_code == 400


def test_a_wrong_verb_is_told_the_right_ones(call: Any, put: Any) -> None:
    """With 405 and the header Allow; a path that nothing answers stays unknown."""
    put()
    version = "?api-version=2023-07-01"
    account = f"{GROUP}/providers/{STORAGE}/boxaccount"
    found = call("POST", f"{account}{version}")
    assert (found.status_code, found.headers["Allow"]) == (405, "DELETE, GET, HEAD, PATCH, PUT")
    assert call("DELETE", f"{GROUP}/providers/{STORAGE}{version}").headers["Allow"] == "GET"
    assert call("GET", f"{account}/listKeys{version}").headers["Allow"] == "POST"
    assert call("PUT", f"{account}/blobServices{version}").status_code == 405
    assert call("POST", f"/somewhere{version}").status_code == 404


def test_a_body_says_what_it_is(call: Any, put: Any) -> None:
    """Azure does not guess: a body without a content type is refused."""
    put()
    path = f"{GROUP}/providers/{STORAGE}/boxaccount?api-version=2023-07-01"
    refused = call("PATCH", path, content=b'{"tags": {}}')
    assert (refused.status_code, refused.json()["error"]["message"][:33]) == (415, "The content media type '<null>' i")


@pytest.mark.parametrize(
    ("kind", "name", "body", "good"),
    [
        ("Microsoft.Security/settings", "MCAS", {"kind": "DataExportSettings", "properties": {"enabled": True}}, True),
        (
            "Microsoft.Security/settings",
            "Fancy",
            {"kind": "DataExportSettings", "properties": {"enabled": True}},
            False,
        ),
        ("Microsoft.Batch/batchAccounts", "Has-Capitals", {"location": "westeurope", "properties": {}}, False),
        ("Microsoft.Batch/batchAccounts", "lowercase", {"location": "westeurope", "properties": {}}, True),
    ],
)
def test_published_names(call: Any, put: Any, kind: str, name: str, body: Any, good: bool) -> None:
    """A closed list of names, or a length and a form."""
    put()
    place = SUB if kind == "Microsoft.Security/settings" else GROUP
    version = "2022-05-01" if place is SUB else "2024-02-01"
    response = call("PUT", f"{place}/providers/{kind}/{name}?api-version={version}", json=body)
    assert response.status_code < 300 if good else response.status_code == 400


def test_a_type_with_one_name_takes_no_other(sim: ArmSimulator, call: Any) -> None:
    """The published model lists the names of some types, and a server has one directory administrator."""
    server = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/servers/one"
    sim.resources.add({"id": server, "location": "westeurope", "properties": {}})
    properties = {"administratorType": "ActiveDirectory", "login": "a", "sid": TENANT, "tenantId": TENANT}
    for name, good in (("activeDirectory", True), ("second", False)):
        path = f"{server}/administrators/{name}?api-version=2017-12-01"
        assert (call("PUT", path, json={"properties": properties}).status_code < 300) is good


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (STORAGE, {"sku": {"name": "Standard_LRS"}}),
        (STORAGE, {**GOOD[STORAGE], "properties": {"accessTier": ""}}),
        ("Microsoft.ApiManagement/service", {"properties": {"virtualNetworkConfiguration": {"subnetResourceId": ""}}}),
        (STORAGE, {**GOOD[STORAGE], "tags": {"hidden-link:/subscriptions/x": "Resource"}}),
        (VAULTS, {"properties": {"networkAcls": {"virtualNetworkRules": [{"id": f"{GROUP}/x", "action": "Allow"}]}}}),
        ("Microsoft.Network/networkSecurityGroups/securityRules", {"properties": {"sourcePortRange": "", "sourcePortRanges": ["80"]}}),
        ("Microsoft.Compute/virtualMachineScaleSets/extensions", {"properties": {"settings": {"commandToExecute": "ls"}}}),
        ("Microsoft.App/containerApps", {"kind": "containerapps"}),
        ("Microsoft.ContainerRegistry/registries", {"properties": {"networkRuleSet": {"ipRules": []}}}),
    ],
)  # fmt: skip
def test_what_published_examples_leave_empty_or_name_their_own_way_is_taken(kind: str, body: dict[str, Any]) -> None:
    """An empty word or string, a hidden tag, free settings and members that a provider ignores or defaults are no mistakes."""
    resource_type = shipped_types()[kind.lower()]
    check_names(resource_type, body, {})
    check_values(resource_type, body, {}, whole=True)
    checked_tags(body.get("tags", {}))


def test_a_storage_account_without_a_kind_is_a_general_one(sim: ArmSimulator, call: Any) -> None:
    """Most published templates of virtual machines leave it out."""
    sim.resources.add_resource_group(SUB, "box")
    url = f"{GROUP}/providers/{STORAGE}/plain?api-version=2023-05-01"
    assert call("PUT", url, json={"location": "westeurope", "sku": {"name": "Standard_LRS"}}).status_code < 300
    sim.clock.advance(60)
    assert call("GET", url).json()["kind"] == "StorageV2"


def test_a_general_account_has_the_endpoint_of_data_lake(sim: ArmSimulator, call: Any) -> None:
    """Synapse workspaces and others are created with it."""
    sim.resources.add_resource_group(SUB, "box")
    url = f"{GROUP}/providers/{STORAGE}/lake?api-version=2023-05-01"
    call("PUT", url, json=GOOD[STORAGE])
    sim.clock.advance(60)
    assert call("GET", url).json()["properties"]["primaryEndpoints"]["dfs"] == "https://lake.dfs.core.windows.net/"
