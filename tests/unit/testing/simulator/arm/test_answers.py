"""What providers answer beyond the form of their operations: defaults, what is always there, and what actions return."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from defender_remediate.casing import fold
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm import published

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
PROVIDERS = f"{SUB}/resourceGroups/box/providers"
ACCOUNT = f"{PROVIDERS}/Microsoft.Storage/storageAccounts/boxaccount"
SERVER = f"{PROVIDERS}/Microsoft.Sql/servers/boxserver"
PARTNER = f"{PROVIDERS}/Microsoft.Sql/servers/boxpartner"
SITE = f"{PROVIDERS}/Microsoft.Web/sites/boxsite"
PLAN = f"{PROVIDERS}/Microsoft.Web/serverfarms/boxplan"
VAULT = f"{PROVIDERS}/Microsoft.KeyVault/vaults/boxvault"
HSM = f"{PROVIDERS}/Microsoft.KeyVault/managedHSMs/boxhsm"
FOLDER = resources.files("defender_remediate.testing.simulator") / "data" / "answers"


@pytest.fixture(autouse=True)
def box(sim: ArmSimulator) -> None:
    """A resource of each provider."""
    for resource_id in (ACCOUNT, SERVER, PARTNER, PLAN, VAULT, HSM):
        sim.resources.add({"id": resource_id, "location": "westeurope", "properties": {}})
    sim.resources.add({"id": SITE, "location": "westeurope", "properties": {"serverFarmId": PLAN}})


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns its status and the body of the answer."""

    def sent(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        reply = call(method, path, params={"api-version": "2026-02-01"}, **({} if body is None else {"json": body}))
        return reply.status_code, reply.json() if reply.content else None

    return sent


def test_each_fact_is_about_an_operation_that_is_published() -> None:
    """A misspelled type or action would never be found."""
    unknown = []
    for entry in FOLDER.iterdir():
        namespace = entry.name.removesuffix(".json")
        operations = list(published.operations_of(namespace))
        types = {fold(one.type_name) for one in operations}
        actions = {fold(one.action_name) for one in operations if one.method in ("POST", "GET")}
        content = json.loads(entry.read_text(encoding="utf-8"))
        unknown += [name for name in content["types"] if fold(f"{namespace}/{name}") not in types]
        unknown += [name for name in content["actions"] if fold(f"{namespace}/{name}") not in actions]
    assert unknown == []


def test_what_exists_without_being_created_is_shown_listed_and_changed(send: Any) -> None:
    """It has the values of a new resource until someone writes it; a PATCH keeps the rest of them."""
    policy = f"{SERVER}/connectionPolicies/default"
    assert send("GET", policy)[1]["properties"] == {"connectionType": "Default"}
    assert send("PUT", policy, {"properties": {"connectionType": "Proxy"}})[0] < 300
    assert [one["properties"] for one in send("GET", f"{SERVER}/connectionPolicies")[1]["value"]] == [
        {"connectionType": "Proxy"}
    ]
    advisor = f"{SERVER}/advisors/CreateIndex"
    assert send("PATCH", advisor, {"properties": {"autoExecuteStatus": "Enabled"}})[0] == 200
    changed = send("GET", advisor)[1]["properties"]
    assert (changed["autoExecuteStatus"], changed["advisorStatus"]) == ("Enabled", "GA")
    (binding,) = send("GET", f"{SITE}/hostNameBindings")[1]["value"]
    assert binding["name"] == "boxsite.azurewebsites.net"
    assert send("GET", f"{SITE}/hostNameBindings/boxsite.azurewebsites.net")[0] == 200
    assert send("GET", f"{SERVER}/advisors/Nothing")[0] == 404


def test_a_new_resource_has_what_its_provider_adds_and_keeps_what_was_computed(send: Any) -> None:
    """Times and keys stay the same in a later write; etags change."""
    key = f"{VAULT}/keys/one"
    made = send("PUT", key, {"properties": {"kty": "EC"}})[1]["properties"]
    assert (made["kty"], made["keyUri"]) == ("EC", "https://boxvault.vault.azure.net/keys/one")
    assert isinstance(made["attributes"]["created"], int)
    assert send("PUT", key, {"properties": {"kty": "EC"}})[1]["properties"] == made
    container = f"{ACCOUNT}/blobServices/default/containers/one"
    first = send("PUT", container, {"properties": {}})[1]
    assert (first["properties"]["leaseState"], first["properties"]["legalHold"]["tags"]) == ("Available", [])
    assert send("PATCH", container, {"properties": {"metadata": {"a": "b"}}})[1]["etag"] != first["etag"]


def test_a_managed_resource_has_a_provisioning_state_only_where_its_provider_shows_one(send: Any) -> None:
    """Dictionaries, such as the storage accounts of an app, have no member that the caller did not write."""
    mounts = {"one": {"type": "AzureFiles", "accountName": "a"}}
    assert send("PUT", f"{SITE}/config/azurestorageaccounts", {"properties": mounts})[1]["properties"] == mounts
    shown = send("POST", f"{SITE}/config/azurestorageaccounts/list", {})[1]
    assert (shown["name"], shown["properties"]) == ("azurestorageaccounts", mounts)
    rule = f"{SERVER}/outboundFirewallRules/one.example.com"
    assert send("PUT", rule)[1]["properties"]["provisioningState"] == "Ready"


def test_an_action_answers_with_what_it_is_known_to_return_and_changes_its_resource(send: Any) -> None:
    """A pause shows the paused database, a backup is in the list of backups, a token has the request's services."""
    database = f"{SERVER}/databases/one"
    send("PUT", database, {"location": "westeurope", "properties": {}})
    assert send("POST", f"{database}/pause")[1]["properties"]["status"] == "Paused"
    assert send("POST", f"{database}/resume")[1]["properties"]["status"] == "Online"
    assert send("POST", f"{SITE}/backup", {"properties": {"storageAccountUrl": "https://a"}})[1]["name"] == "1"
    assert "&ss=&" in send("POST", f"{ACCOUNT}/ListAccountSas", {})[1]["accountSasToken"]
    assert [one["name"] for one in send("GET", f"{SITE}/backups")[1]["value"]] == ["1"]
    token = send("POST", f"{ACCOUNT}/ListAccountSas", {"signedServices": "b"})[1]["accountSasToken"]
    assert "&ss=b&" in token
    restore = send("POST", f"{ACCOUNT}/restoreBlobRanges", {"blobRanges": []})[1]
    assert restore["parameters"] == {"blobRanges": []}
    user = f"{ACCOUNT}/localUsers/one"
    send("PUT", user, {"properties": {}})
    passwords = {send("POST", f"{user}/regeneratePassword")[1]["sshPassword"] for _ in range(2)}
    assert len(passwords) == 2
    assert send("POST", f"{SITE}/discoverbackup", {"properties": {"blobName": "b"}})[1]["properties"]["blobName"] == "b"
    send("PUT", f"{SITE}/config/backup", {"properties": {"storageAccountUrl": "https://a"}})
    assert send("POST", f"{SITE}/config/backup/list")[1]["properties"]["storageAccountUrl"] == "https://a"
    settings = send("POST", f"{SITE}/config/pushsettings/list")[1]
    assert settings["properties"] == {"isPushEnabled": False}
    assert send("GET", f"{SITE}/phplogging")[1]["id"] == f"{SITE}/phplogging"
    assert send("GET", f"{SUB}/providers/Microsoft.Web/skus")[1]["skus"]
    stacks = send("GET", "/providers/Microsoft.Web/availableStacks")[1]["value"]
    assert {one["name"] for one in stacks} >= {"python", "node"}
    assert send("POST", f"{SUB}/providers/Microsoft.Sql/locations/westeurope/deletedServers/none/recover")[0] == 404
    scan = f"{database}/vulnerabilityAssessments/default/scans/one"
    assert send("POST", f"{scan}/initiateScan")[0] in (200, 202)
    assert send("GET", scan)[1]["properties"]["state"] == "Passed"


def test_an_immutability_policy_is_locked_extended_and_removed(send: Any) -> None:
    """The answer to a removal shows the policy that is gone."""
    container = f"{ACCOUNT}/blobServices/default/containers/one"
    send("PUT", container, {"properties": {}})
    policy = f"{container}/immutabilityPolicies/default"
    send("PUT", policy, {"properties": {"immutabilityPeriodSinceCreationInDays": 3}})
    assert send("POST", f"{policy}/lock")[1]["properties"]["state"] == "Locked"
    longer = {"properties": {"immutabilityPeriodSinceCreationInDays": 9}}
    assert send("POST", f"{policy}/extend", longer)[1]["properties"]["immutabilityPeriodSinceCreationInDays"] == 9
    assert send("DELETE", policy)[1]["name"] == "default"


def test_tags_of_a_legal_hold_are_set_and_cleared(send: Any) -> None:
    """The container shows them."""
    container = f"{ACCOUNT}/blobServices/default/containers/one"
    send("PUT", container, {"properties": {}})
    assert send("POST", f"{container}/setLegalHold", {"tags": ["a", "b"]})[1] == {
        "hasLegalHold": True,
        "tags": ["a", "b"],
    }
    assert send("GET", container)[1]["properties"]["hasLegalHold"] is True
    assert send("POST", f"{container}/clearLegalHold", {"tags": ["a", "b"]})[1]["hasLegalHold"] is False
    assert send("POST", f"{container}/setLegalHold", {"tags": []})[0] == 400


def test_deleted_shares_and_accounts_are_found_again(send: Any, sim: ArmSimulator) -> None:
    """A share is restored; an account is listed for two weeks."""
    share = f"{ACCOUNT}/fileServices/default/shares/one"
    send("PUT", share, {"properties": {"shareQuota": 7}})
    send("DELETE", share)
    assert send("POST", f"{share}/restore", {"deletedShareName": "none"})[0] == 404
    assert send("POST", f"{share}/restore", {"deletedShareName": "one"})[0] == 200
    assert send("GET", share)[1]["properties"]["shareQuota"] == 7
    policy = {"properties": {"sourceAccount": "a", "destinationAccount": "b", "rules": [{"sourceContainer": "c"}]}}
    made = send("PUT", f"{ACCOUNT}/objectReplicationPolicies/default", policy)[1]
    assert (made["properties"]["policyId"], bool(made["properties"]["rules"][0]["ruleId"])) == (made["name"], True)
    assert send("PUT", f"{ACCOUNT}/objectReplicationPolicies/{made['name']}", policy)[1]["name"] == made["name"]
    assert send("PUT", f"{ACCOUNT}/objectReplicationPolicies/default", {"properties": {}})[0] == 400
    send("DELETE", ACCOUNT)
    storage = f"{SUB}/providers/Microsoft.Storage"
    assert [one["name"] for one in send("GET", f"{storage}/deletedAccounts")[1]["value"]] == ["boxaccount"]
    assert send("GET", f"{storage}/locations/westeurope/deletedAccounts/boxaccount")[0] == 200
    assert send("GET", f"{storage}/locations/northeurope/deletedAccounts/boxaccount")[0] == 404
    sim.clock.advance(15 * 86_400)
    assert send("GET", f"{storage}/deletedAccounts")[1]["value"] == []


def test_what_storage_shows_on_request(sim: ArmSimulator, send: Any, call: Any) -> None:
    """``$expand`` adds the replication of an account, the use of a share, and deleted shares while they can be restored."""
    version = "2023-01-01"
    spread = f"{ACCOUNT}two"
    body = {"location": "westeurope", "sku": {"name": "Standard_GRS"}, "kind": "StorageV2", "properties": {}}
    send("PUT", spread, body)
    shown = call.get(spread, version, expand="geoReplicationStats")["properties"]["geoReplicationStats"]
    assert (shown["status"], shown["postFailoverRedundancy"]) == ("Live", "Standard_LRS")
    assert "geoReplicationStats" not in call.get(ACCOUNT, version, expand="geoReplicationStats")["properties"]
    shares = f"{ACCOUNT}/fileServices/default/shares"
    for name in ("one", "two"):
        send("PUT", f"{shares}/{name}", {"properties": {"shareQuota": 7}})
    assert call.get(f"{shares}/one", version, expand="stats")["properties"]["shareUsageBytes"] == 0
    send("DELETE", f"{shares}/two")
    assert [one["name"] for one in call.get(shares, version)["value"]] == ["one"]
    _, gone = call.get(shares, version, expand="deleted")["value"]
    assert (gone["name"], gone["properties"]["deleted"], gone["properties"]["remainingRetentionDays"]) == (
        "two",
        True,
        7,
    )
    sim.clock.advance(8 * 86_400)
    assert len(call.get(shares, version, expand="deleted")["value"]) == 1
    keeping = {"properties": {"shareDeleteRetentionPolicy": {"enabled": False}}}
    send("PUT", f"{ACCOUNT}/fileServices/default", keeping)
    send("DELETE", f"{shares}/one")
    assert call.get(shares, version, expand="deleted")["value"] == []


def test_members_that_their_provider_computes(send: Any, sim: ArmSimulator) -> None:
    """A saved query has a kind and a time, and the operator of a plan an identity."""
    query = f"{SUB}/resourceGroups/box/providers/Microsoft.ResourceGraph/queries/one"
    made = send("PUT", query, {"location": "global", "properties": {"query": "resources"}})[1]["properties"]
    assert (made["resultKind"], bool(made["timeModified"])) == ("basic", True)
    operator = f"{SUB}/providers/Microsoft.Security/pricings/CloudPosture/securityOperators/one"
    assert send("PUT", operator, {})[1]["identity"]["principalId"]


def test_keys_have_one_version_and_deleted_modules_are_listed(send: Any) -> None:
    """Over the management API; a managed HSM is deleted as a vault is."""
    for owner in (VAULT, HSM):
        made = send("PUT", f"{owner}/keys/one", {"properties": {}})[1]["properties"]
        (version,) = send("GET", f"{owner}/keys/one/versions")[1]["value"]
        assert made["keyUriWithVersion"].endswith(f"/{version['name']}")
        assert send("GET", f"{owner}/keys/one/versions/{version['name']}")[1] == version
        assert send("GET", f"{owner}/keys/one/versions/0")[0] == 404
    send("DELETE", HSM)
    place = f"{SUB}/providers/Microsoft.KeyVault/locations/westeurope/deletedManagedHSMs/boxhsm"
    assert send("GET", place)[1]["properties"]["mhsmId"] == HSM
    assert send("POST", f"{place}/purge")[0] == 202
    assert send("GET", place)[0] == 404


def test_a_database_is_renamed_dropped_and_listed_by_its_pool(send: Any, sim: ArmSimulator) -> None:
    """Its children follow it; a dropped one can be restored for a week."""
    pool = f"{SERVER}/elasticPools/pool"
    send("PUT", pool, {"location": "westeurope", "properties": {}})
    old, new = f"{SERVER}/databases/old", f"{SERVER}/databases/new"
    send("PUT", old, {"location": "westeurope", "properties": {"elasticPoolId": pool}})
    assert send("POST", f"{old}/move", {"id": f"{PARTNER}/databases/new"})[0] == 400
    assert send("POST", f"{old}/move", {"id": old})[0] == 409
    assert send("POST", f"{old}/move", {"id": new})[0] == 200
    assert (send("GET", old)[0], send("GET", new)[0]) == (404, 200)
    assert [one["name"] for one in send("GET", f"{pool}/databases")[1]["value"]] == ["new"]
    send("DELETE", new)
    dropped = send("GET", f"{SERVER}/restorableDroppedDatabases")[1]["value"]
    assert [one["properties"]["databaseName"] for one in dropped] == ["new"]
    sim.clock.advance(8 * 86_400)
    assert send("GET", f"{SERVER}/restorableDroppedDatabases")[1]["value"] == []


def test_rules_are_replaced_and_aliases_acquired(send: Any) -> None:
    """All rules of a server at once; an alias belongs to one server."""
    send("PUT", f"{SERVER}/firewallRules/one", {"properties": {"startIpAddress": "1.1.1.1", "endIpAddress": "1.1.1.1"}})
    rules = {"values": [{"name": "two", "properties": {"startIpAddress": "2.2.2.2", "endIpAddress": "2.2.2.2"}}]}
    assert send("PUT", f"{SERVER}/firewallRules", rules)[1]["name"] == "two"
    assert [one["name"] for one in send("GET", f"{SERVER}/firewallRules")[1]["value"]] == ["two"]
    assert send("PUT", f"{SERVER}/firewallRules", {"values": [{}]})[0] == 400
    send("PUT", f"{SERVER}/dnsAliases/shop")
    acquire = f"{PARTNER}/dnsAliases/shop/acquire"
    assert send("POST", acquire, {"oldServerDnsAliasId": f"{SERVER}/dnsAliases/none"})[0] == 400
    assert send("POST", acquire, {"oldServerDnsAliasId": f"{SERVER}/dnsAliases/shop"})[1]["name"] == "shop"
    assert send("GET", f"{SERVER}/dnsAliases/shop")[0] == 404


def test_both_servers_show_a_failover_group_and_a_failover_changes_their_roles(send: Any) -> None:
    """Until the primary one deletes it."""
    first, second = f"{SERVER}/failoverGroups/group", f"{PARTNER}/failoverGroups/group"
    database = f"{SERVER}/databases/one"
    body = {"partnerServers": [{"id": PARTNER}, {"id": f"{PARTNER}gone"}], "databases": [database]}
    assert send("PUT", first, {"properties": body})[1]["properties"]["replicationRole"] == "Primary"
    there = send("GET", second)[1]["properties"]
    assert (there["replicationRole"], there["partnerServers"][0]["id"]) == ("Secondary", SERVER)
    assert f"{PARTNER}/databases/one" in there["databases"]
    assert send("POST", f"{second}/failover")[1]["properties"]["replicationRole"] == "Primary"
    assert send("GET", first)[1]["properties"]["replicationRole"] == "Secondary"
    assert send("POST", f"{second}/failover")[1]["properties"]["replicationRole"] == "Primary"
    send("DELETE", second)
    assert send("GET", first)[0] == 404


def test_a_swap_exchanges_settings_but_those_of_the_slot(send: Any) -> None:
    """Between the app and a slot, in both directions."""
    slot = f"{SITE}/slots/stage"
    assert send("PUT", slot, {"location": "westeurope", "properties": {}})[1]["name"] == "boxsite/stage"
    send("PUT", f"{SITE}/config/appsettings", {"properties": {"a": "app", "stays": "1"}})
    send("PUT", f"{slot}/config/appsettings", {"properties": {"a": "slot", "stays": "2"}})
    send("PUT", f"{SITE}/config/slotConfigNames", {"properties": {"appSettingNames": ["stays"]}})
    assert send("POST", f"{SITE}/slotsswap", {"targetSlot": "stage"})[0] in (200, 202)
    assert send("POST", f"{SITE}/config/appsettings/list", {})[1]["properties"] == {"a": "slot", "stays": "1"}
    assert send("POST", f"{slot}/slotsswap", {"targetSlot": "production"})[0] in (200, 202)
    assert send("POST", f"{SITE}/config/appsettings/list", {})[1]["properties"] == {"a": "app", "stays": "1"}
    assert send("POST", f"{SITE}/slotsswap", {"targetSlot": "production"})[0] == 400
    assert send("POST", f"{SITE}/slotsswap", {})[0] == 400
    assert send("POST", f"{SITE}/slotsswap", {"targetSlot": "none"})[0] == 404


def test_an_app_shows_the_names_of_its_bindings_and_a_plan_its_apps(send: Any) -> None:
    """A deleted app is listed, by region too."""
    binding = f"{SITE}/hostNameBindings/www.example.com"
    send("PUT", binding, {"properties": {"siteName": "boxsite", "sslState": "SniEnabled"}})
    shown = send("GET", SITE)[1]["properties"]
    assert "www.example.com" in shown["hostNames"]
    assert shown["hostNameSslStates"][-1]["sslState"] == "SniEnabled"
    send("DELETE", binding)
    assert "www.example.com" not in send("GET", SITE)[1]["properties"]["hostNames"]
    assert [one["name"] for one in send("GET", f"{PLAN}/sites")[1]["value"]] == ["boxsite"]
    send("DELETE", SITE)
    web = f"{SUB}/providers/Microsoft.Web"
    (deleted,) = send("GET", f"{web}/deletedSites")[1]["value"]
    assert deleted["properties"]["deletedSiteName"] == "boxsite"
    assert send("GET", f"{web}/locations/West Europe/deletedSites")[1]["value"] == [deleted]
    assert send("GET", f"{web}/locations/northeurope/deletedSites")[1]["value"] == []


def test_the_oldest_version_of_encryption_has_a_status(call: Any, send: Any) -> None:
    """Clients of 2014-04-01 write and read ``status``, and take no answer of an operation that is under way."""
    database = f"{SERVER}/databases/one"
    send("PUT", database, {"location": "westeurope", "properties": {}})
    old = {"api-version": "2014-04-01"}
    place = f"{database}/transparentDataEncryption"
    written = call("PUT", f"{place}/current", params=old, json={"properties": {"status": "Enabled"}})
    assert (written.status_code, written.json()["properties"]) == (200, {"status": "Enabled"})
    assert call("GET", f"{place}/current", params=old).json()["properties"] == {"status": "Enabled"}
    assert [one["properties"] for one in call("GET", place, params=old).json()["value"]] == [{"status": "Enabled"}]
    assert call("GET", f"{place}/current/operationResults", params=old).json()["value"] == []
    assert send("GET", f"{place}/current")[1]["properties"]["state"] == "Enabled"
    assert send("PUT", f"{place}/current", {"properties": {"state": "Disabled"}})[0] == 202


def test_a_binding_of_an_app_that_is_gone_changes_nothing(sim: ArmSimulator, send: Any) -> None:
    """The app goes first, and its bindings after it."""
    send("PUT", f"{SITE}/hostNameBindings/www.example.com", {"properties": {}})
    sim.resources.remove(SITE)
    assert send("GET", SITE)[0] == 404


def test_what_clients_ask_of_the_tenant_is_answered(send: Any, sim: ArmSimulator) -> None:
    """The operations of Resource Manager, the operations of a deployment by its id, a subscription of a group, and limits."""
    assert send("GET", "/providers/Microsoft.Resources/operations")[1]["value"]
    group = "/providers/Microsoft.Management/managementGroups/box"
    send("PUT", group, {"properties": {}})
    member = f"{group}/subscriptions/{SUB.rpartition('/')[2]}"
    assert send("GET", member)[0] == 404
    send("PUT", member)
    assert send("GET", member)[1]["properties"]["state"] == "Enabled"
    metrics = send("GET", f"{SUB}/providers/Microsoft.Authorization/roleAssignmentsUsageMetrics")[1]
    assert (
        metrics["roleAssignmentsLimit"] - metrics["roleAssignmentsCurrentCount"]
        == (metrics["roleAssignmentsRemainingCount"])
    )
    storage = {"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-05-01", "name": "boxdeployed"}
    storage |= {"location": "West Europe", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [storage]}
    deployment = f"{PROVIDERS}/Microsoft.Resources/deployments/one"
    send("PUT", deployment, {"properties": {"mode": "Incremental", "template": template}})
    sim.clock.advance(60)
    assert send("GET", deployment)[1]["properties"]["providers"] == [
        {
            "namespace": "Microsoft.Storage",
            "resourceTypes": [{"resourceType": "storageAccounts", "locations": ["westeurope"]}],
        }
    ]
    (step, *_) = send("GET", f"{deployment}/operations")[1]["value"]
    assert send("GET", f"{deployment}/operations/{step['operationId']}")[1]["operationId"] == step["operationId"]


def test_elevated_access_takes_no_right_away(send: Any) -> None:
    """An unlimited caller can still create management groups."""
    elevate = "/providers/Microsoft.Authorization/elevateAccess"
    group = "/providers/Microsoft.Management/managementGroups/box"
    assert send("POST", elevate)[0] == 200
    assert send("PUT", group, {"properties": {}})[0] < 300


def test_the_plan_of_one_account_is_deleted_and_that_of_a_subscription_is_not(send: Any, sim: ArmSimulator) -> None:
    """The account then follows its subscription again."""
    plan = "providers/Microsoft.Security/pricings/StorageAccounts"
    body = {"properties": {"pricingTier": "Standard", "subPlan": "DefenderForStorageV2"}}
    assert send("PUT", f"{ACCOUNT}/{plan}", body)[0] < 300
    assert send("DELETE", f"{ACCOUNT}/{plan}")[0] in (200, 204)
    assert send("DELETE", f"{SUB}/{plan}")[0] == 405


def test_the_default_rules_of_a_security_group_are_children_too(send: Any) -> None:
    """They are those that the group shows."""
    group = f"{PROVIDERS}/Microsoft.Network/networkSecurityGroups/boxgroup"
    send("PUT", group, {"location": "westeurope", "properties": {}})
    rules = send("GET", f"{group}/defaultSecurityRules")[1]["value"]
    assert rules == send("GET", group)[1]["properties"]["defaultSecurityRules"]
    assert send("GET", f"{group}/defaultSecurityRules/{rules[0]['name']}")[1] == rules[0]
    assert send("GET", f"{group}/defaultSecurityRules/none")[0] == 404
