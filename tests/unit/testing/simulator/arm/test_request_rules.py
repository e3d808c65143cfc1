"""Mistakes in a request that only several members, the URL or the resource itself show, and values with a form."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm.string_forms import FORMS

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
GROUP = f"{SUB}/resourceGroups/box"
VERSIONS = {"Microsoft.Sql": "2023-08-01", "Microsoft.Compute": "2024-03-01", "Microsoft.KeyVault": "2023-07-01"}
NETWORK = "Microsoft.Network/virtualNetworks"
RULE = "Microsoft.Network/networkSecurityGroups/one/securityRules/two"
SERVER = "Microsoft.Sql/servers/one"
TENANT = "99999999-0000-4000-8000-000000000000"
ACCOUNT = {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
BASIC_RULE = {"access": "Allow", "direction": "Inbound", "protocol": "Tcp", "priority": 100}


@pytest.fixture
def put(call: Any, sim: ArmSimulator) -> Any:
    """Puts properties, or a whole body; returns the code of the refusal, or None."""
    sim.resources.add_resource_group(SUB, "box")
    for kind, properties in (
        (NETWORK, {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}),
        ("Microsoft.Network/networkSecurityGroups", {}),
        ("Microsoft.Sql/servers", {"administratorLogin": "someone"}),
        ("Microsoft.Storage/storageAccounts", {"minimumTlsVersion": "TLS1_2"}),
        ("Microsoft.Compute/proximityPlacementGroups", {"proximityPlacementGroupType": "Standard"}),
    ):
        place = f"{GROUP}/providers/{kind}/{'boxaccount' if 'Storage' in kind else 'one'}"
        sim.resources.add(
            {"id": place, "location": "westeurope", "properties": properties}, api_versions=("2020-01-01",)
        )

    def sent(path: str, properties: Any, version: str | None = None, **more: Any) -> str | None:
        body = {"location": "westeurope", **more, "properties": properties}
        used = version or VERSIONS.get(path.split("/")[0], "2024-05-01")
        response = call("PUT", f"{GROUP}/providers/{path}?api-version={used}", json=body)
        if response.status_code < 400:
            return None
        answer = response.json()
        error = answer.get("error", answer)
        return str(error["details"][0]["code"] if error["code"] == "InvalidRequestFormat" else error["code"])

    return sent


@pytest.mark.parametrize(
    ("path", "properties", "code"),
    [
        (f"{NETWORK}/two", {"addressSpace": {"addressPrefixes": ["10.10.10.10"]}}, "InvalidAddressPrefixFormat"),
        (f"{NETWORK}/two", {"dhcpOptions": {"dnsServers": ["0"]}}, "NetcfgInvalidDnsServer"),
        (f"{NETWORK}/one/subnets/two", {"addressPrefix": "nonsense"}, "InvalidAddressPrefixFormat"),
        (RULE, {**BASIC_RULE, "priority": 4097}, "SecurityRuleInvalidPriority"),
        (RULE, {**BASIC_RULE, "description": "x" * 141}, "SecurityRuleDescriptionTooLong"),
        (RULE, {**BASIC_RULE, "destinationPortRange": "66600"}, "SecurityRuleInvalidPortRange"),
        (RULE, {**BASIC_RULE, "sourceAddressPrefixes": ["10.0.0.0/42"]}, "SecurityRuleInvalidAddressPrefix"),
        (RULE, {**BASIC_RULE, "sourceAddressPrefix": "VirtualNetwork", "sourcePortRange": "*"}, None),
        ("Microsoft.Network/publicIPAddresses/one", {"idleTimeoutInMinutes": 31}, "PublicIPIdleTimeoutIsOutOfRange"),
        (
            "Microsoft.Network/publicIPAddresses/one",
            {"dnsSettings": {"domainNameLabel": "a_b"}},
            "InvalidDomainNameLabel",
        ),
        (f"{SERVER}/firewallRules/one", {"startIpAddress": "::1", "endIpAddress": "::2"}, "FirewallRuleNotIPv4Address"),
        ("Microsoft.Compute/availabilitySets/one", {"platformFaultDomainCount": 0}, "InvalidParameter"),
    ],
)
def test_values_with_a_form_of_their_own(put: Any, path: str, properties: Any, code: str | None) -> None:
    """Each provider has a code for addresses, ports, priorities and lengths that it does not take."""
    assert put(path, properties) == code


@pytest.mark.parametrize(
    ("path", "properties", "more", "code"),
    [
        (
            f"{NETWORK}/two",
            {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                "subnets": [{"name": "a", "properties": {"addressPrefix": "10.1.0.0/24"}}],
            },
            {},
            "NetcfgInvalidSubnet",
        ),
        (f"{NETWORK}/one/subnets/two", {"addressPrefix": "10.1.0.0/24"}, {}, "NetcfgInvalidSubnet"),
        (f"{NETWORK}/one/subnets/two", {"addressPrefix": "10.0.1.0/24"}, {}, None),
        (f"{NETWORK}/two", {"subnets": [{"name": "a", "properties": {"addressPrefix": "10.1.0.0/24"}}]}, {}, None),
        (
            f"{NETWORK}/two",
            {"encryption": {"enabled": True}},
            {},
            "MustSpecifyBothEncryptionIntentAndEnforcementPolicy",
        ),
        (
            "Microsoft.Network/publicIPAddresses/one",
            {},
            {"sku": {"name": "Basic", "tier": "Global"}},
            "GlobalPublicIPAddressNotSupportedForBasicPublicIpAddress",
        ),
        (
            "Microsoft.Network/loadBalancers/one",
            {"probes": [{"name": "p", "properties": {"protocol": "Tcp", "port": 80, "requestPath": "/"}}]},
            {},
            "ProbeRequestPathIsNotNull",
        ),
        (
            f"{SERVER}/firewallRules/one",
            {"startIpAddress": "10.0.0.9", "endIpAddress": "10.0.0.10"},
            {},
            None,
        ),
        (
            f"{SERVER}/firewallRules/one",
            {"startIpAddress": "10.0.0.10", "endIpAddress": "10.0.0.9"},
            {},
            "InvalidServerFirewallRuleResourceParameters",
        ),
        (SERVER, {"administratorLogin": "another"}, {}, "InvalidParameterValue"),
        (
            "Microsoft.Storage/storageAccounts/boxaccount",
            {"isHnsEnabled": True},
            ACCOUNT,
            "AccountPropertyCannotBeUpdated",
        ),
        ("Microsoft.Storage/storageAccounts/boxaccount", {"isHnsEnabled": False}, ACCOUNT, None),
        (
            "Microsoft.Compute/proximityPlacementGroups/one",
            {"proximityPlacementGroupType": "Ultra"},
            {},
            "PropertyChangeNotAllowed",
        ),
        (
            f"{NETWORK}/two",
            {},
            {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"mine": {}}}},
            "LinkedInvalidPropertyId",
        ),
        ("Microsoft.Network/publicIPAddresses/one", [], {}, "InvalidJson"),
        (
            f"{NETWORK}/two",
            {},
            {"identity": {"type": "None", "userAssignedIdentities": {f"{GROUP}/providers/A/b/c": {}}}},
            None,
        ),
        (
            "Microsoft.Network/loadBalancers/one",
            {"probes": [{"name": "p", "properties": {"protocol": "Http", "port": 80, "requestPath": "/"}}]},
            {},
            None,
        ),
        (
            "Microsoft.App/containerApps/one",
            {"configuration": {"secrets": [{"name": "a"}], "registries": [{"server": "s", "passwordSecretRef": "b"}]}},
            {},
            "ContainerAppRegistriesPasswordSecretRefNotFound",
        ),
        (
            "Microsoft.App/containerApps/one",
            {"configuration": {"secrets": [{"name": "a"}], "registries": [{"server": "s", "passwordSecretRef": "a"}]}},
            {},
            None,
        ),
        (
            "Microsoft.Devices/IotHubs/hubone",
            {"eventHubEndpoints": {"events": {"retentionTimeInDays": 1, "partitionCount": 4}}},
            {"sku": {"name": "F1", "capacity": 1}},
            "400016",
        ),
        (
            "Microsoft.Devices/IotHubs/hubone",
            {"eventHubEndpoints": {"events": {"retentionTimeInDays": 1, "partitionCount": 2}}},
            {"sku": {"name": "F1", "capacity": 1}},
            None,
        ),
        (
            "Microsoft.Devices/IotHubs/hubone",
            {"routing": {"enrichments": [{"key": "a", "value": "b", "endpointNames": ["events", "none"]}]}},
            {"sku": {"name": "S1", "capacity": 1}},
            "400131",
        ),
        (
            "Microsoft.Devices/IotHubs/hubone",
            {
                "routing": {
                    "endpoints": {"eventHubs": [{"name": "mine", "connectionString": "one"}]},
                    "enrichments": [{"key": "a", "value": "b", "endpointNames": ["events", "mine"]}],
                }
            },
            {"sku": {"name": "S1", "capacity": 1}},
            None,
        ),
        (
            "Microsoft.Search/searchServices/searchone",
            {},
            {"sku": {"name": "free"}, "identity": {"type": "SystemAssigned"}},
            "BadRequest",
        ),
        (
            "Microsoft.AppConfiguration/configurationStores/storeone",
            {"dataPlaneProxy": {"privateLinkDelegation": "Enabled"}},
            {"sku": {"name": "standard"}},
            "InvalidProperty",
        ),
        (
            "Microsoft.Search/searchServices/searchone",
            {},
            {"sku": {"name": "basic"}, "identity": {"type": "SystemAssigned"}},
            None,
        ),
        (
            "Microsoft.AppConfiguration/configurationStores/storeone",
            {"dataPlaneProxy": {"privateLinkDelegation": "Enabled", "authenticationMode": "Pass-through"}},
            {"sku": {"name": "standard"}},
            None,
        ),
        ("Microsoft.Network/dnsZones/no spaces (please)", {}, {}, "BadRequest"),
        (
            "Microsoft.Network/networkSecurityGroups/two",
            {"securityRules": [{"name": "a", "properties": BASIC_RULE}, {"name": "b", "properties": BASIC_RULE}]},
            {},
            "SecurityRuleConflict",
        ),
        (
            f"{SERVER}/providers/Microsoft.Insights/diagnosticSettings/one",
            {"logs": [{"categoryGroup": "audit", "enabled": True}]},
            {},
            "BadRequest",
        ),
    ],
)
def test_members_that_do_not_go_together(put: Any, path: str, properties: Any, more: Any, code: str | None) -> None:
    """A rule over several members, over the URL, or over what cannot change."""
    assert put(path, properties, **more) == code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (f"{GROUP}/providers/{SERVER}/firewallRules/one", None),
        (
            "/subscriptions/other/resourceGroups/box/providers/Microsoft.Sql/servers/one",
            "MismatchingSubscriptionWithUrl",
        ),
        (f"{SUB}/resourceGroups/other/providers/{SERVER}", "MismatchingResourceGroupNameWithUrl"),
        (f"{GROUP}/providers/Microsoft.Sql/servers/other", "MismatchingServerNameWithUrl"),
        (f"{GROUP}/providers/{SERVER}/firewallRules/other", "InvalidResourceId"),
    ],
)
def test_an_id_in_a_body_is_that_of_the_url(put: Any, sent: str, code: str | None) -> None:
    """Azure SQL says which part of it differs."""
    properties = {"startIpAddress": "10.0.0.1", "endIpAddress": "10.0.0.1"}
    assert put(f"{SERVER}/firewallRules/one", properties, id=sent) == code


def test_a_vault_takes_no_private_range(sim: ArmSimulator, put: Any) -> None:
    """It did with the oldest api-version, as recorded."""
    sku = {"family": "A", "name": "standard"}
    acls = {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.0/24"}]}
    properties = {"tenantId": TENANT, "sku": sku, "accessPolicies": [], "networkAcls": acls}
    assert put("Microsoft.KeyVault/vaults/boxvault", properties) == "BadRequest"
    assert put("Microsoft.KeyVault/vaults/boxvault", properties, "2018-02-14") is None
    sim.clock.advance(60)
    assert put("Microsoft.KeyVault/vaults/boxvault", properties) is None  # what is there was taken before
    properties["accessPolicies"] = [{"tenantId": TENANT, "objectId": TENANT, "permissions": {"keys": ["fly"]}}]
    assert put("Microsoft.KeyVault/vaults/boxvault", properties) == "InvalidRequestPropertyValue"


def test_a_server_without_an_administrator_is_not_created(sim: ArmSimulator, put: Any, call: Any) -> None:
    """Azure accepts the request, and its operation fails; where no operation runs, it is refused."""
    assert put("Microsoft.Sql/servers/two", {"version": "12.0"}) is None
    sim.clock.advance(3600)
    two = f"{GROUP}/providers/Microsoft.Sql/servers/two?api-version=2023-08-01"
    assert call("GET", two).status_code == 404
    sim.faults.slow("Microsoft.Sql/servers", seconds=0)
    assert put("Microsoft.Sql/servers/three", {"version": "12.0"}) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("address", ["10.0.0.1", "::1"], ["10.0.0.257", "", "10.0.0.1/8"]),
        ("IPv4 address", ["0.0.0.0"], ["::1", "x"]),
        ("prefix", ["10.0.0.0/8", "10.0.0.1/8", "fd00::/8"], ["10.0.0.0", "10.0.0.0/33", "x/8"]),
        ("network", ["10.0.0.0/8", "Internet"], ["10.11.12.13/8", "10.0.0.0/99"]),
        ("rule prefix", ["*", "Internet", "10.0.0.1", "10.0.0.0/8"], ["10.0.0.0/42", "10.0.0"]),
        ("port range", ["*", "0", "65535", "1-2"], ["65536", "2-1", "a", "1-2-3", ""]),
        ("public", ["203.0.113.1", "203.0.113.0/24"], ["10.0.0.0/8", "192.168.1.1", "x", "::1"]),
        ("storage rule", ["203.0.113.0/30", "203.0.113.1"], ["203.0.113.0/31", "172.16.0.1"]),
        ("mail addresses", ["", "a@b.c", "a@b.c;d@e.f", "a@b.c, d@e.f"], ["a", "a@b", "a@b.c;", "a@b.c d@e.f"]),
    ],
)
def test_forms_of_strings(form: str, good: list[str], bad: list[str]) -> None:
    """What a provider takes, and what it does not."""
    assert [text for text in good if not FORMS[form](text)] == []
    assert [text for text in bad if FORMS[form](text)] == []
