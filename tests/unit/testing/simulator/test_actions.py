"""Operations that are no resources: keys, names, settings, access policies, and lists of what is not simulated."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
PROVIDERS = f"{SUB}/resourceGroups/box/providers"
ACCOUNT = f"{PROVIDERS}/Microsoft.Storage/storageAccounts/boxaccount"
VAULT = f"{PROVIDERS}/Microsoft.KeyVault/vaults/boxvault"
APP = f"{PROVIDERS}/Microsoft.Web/sites/boxapp"
SECURITY = f"{SUB}/providers/Microsoft.Security"
PERSON = "aaaaaaaa-0000-4000-8000-0000000000aa"
VERSIONS = {
    "Microsoft.Storage": "2023-05-01",
    "Microsoft.KeyVault": "2023-07-01",
    "Microsoft.Web": "2024-04-01",
    "Microsoft.Security": "2024-01-01",
}


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the status and the body, or the code of the error."""

    def sent(method: str, path: str, body: Any = None, version: str | None = None) -> tuple[int, Any]:
        known = next(found for namespace, found in VERSIONS.items() if namespace in path)
        options = {} if body is None else {"json": body}
        response = call(method, path, params={"api-version": version or known}, **options)
        answer = response.json() if response.content else None
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 and answer else answer

    return sent


@pytest.fixture(autouse=True)
def resources(sim: ArmSimulator) -> None:
    """An account, a vault and an app."""
    sim.resources.add({"id": ACCOUNT, "location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"})
    sim.resources.add({"id": VAULT, "location": "westeurope", "properties": {"accessPolicies": []}})
    sim.resources.add({"id": APP, "location": "westeurope", "properties": {"state": "Running"}})


def test_keys_are_two_and_change_when_regenerated(sim: ArmSimulator, send: Any) -> None:
    """A key is stable until it is regenerated; a read-only lock stops the listing as in Azure."""
    first = send("POST", f"{ACCOUNT}/listKeys")[1]["keys"]
    assert send("POST", f"{ACCOUNT}/listKeys")[1]["keys"] == first
    second = send("POST", f"{ACCOUNT}/regenerateKey", {"keyName": "key2"})[1]["keys"]
    assert (second[0] == first[0], second[1] == first[1]) == (True, False)
    sim.access.lock(ACCOUNT)
    assert send("POST", f"{ACCOUNT}/listKeys") == (409, "ScopeLocked")


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("Microsoft.Storage/storageAccounts", "BOXACCOUNT", "AccountNameInvalid"),
        ("Microsoft.Storage/storageAccounts", "boxaccount", "AlreadyExists"),
        ("Microsoft.Storage/storageAccounts", "free1", None),
        ("Microsoft.KeyVault/vaults", "BoxVault", "AlreadyExists"),
        ("Microsoft.KeyVault/vaults", "free", None),
    ],
)
def test_names_are_checked(send: Any, kind: str, name: str, reason: str | None) -> None:
    """A name that is taken or malformed is not available, and the answer says why."""
    path = f"{SUB}/providers/{kind.partition('/')[0]}/checkNameAvailability"
    answer = send("POST", path, {"name": name, "type": kind})[1]
    assert (answer["nameAvailable"], answer.get("reason")) == (reason is None, reason)


def test_skus_quotas_and_deleted_accounts_are_listed(send: Any) -> None:
    """The quota of a region counts its accounts."""
    storage = f"{SUB}/providers/Microsoft.Storage"
    assert [
        send("GET", f"{storage}/locations/{place}/usages")[1]["value"][0]["currentValue"]
        for place in ("westeurope", "x")
    ] == [1, 0]
    assert "Standard_LRS" in [one["name"] for one in send("GET", f"{storage}/skus")[1]["value"]]
    assert send("GET", f"{storage}/deletedAccounts")[1]["value"] == []


def test_settings_of_an_app_are_listed_as_written(send: Any) -> None:
    """Settings are written by PUT, which answers 200, and shown by POST; an app without any shows the defaults."""
    assert send("POST", f"{APP}/config/appsettings/list")[1]["properties"] == {}
    assert send("PUT", f"{APP}/config/appsettings", {"properties": {"A": "1"}})[0] == 200
    assert send("POST", f"{APP}/config/appsettings/list")[1]["properties"] == {"A": "1"}
    shown = send("GET", f"{APP}/config/authsettingsV2/list")[1]
    assert (shown["name"], shown["properties"]["platform"]["enabled"]) == ("authsettingsV2", False)


def test_an_app_stops_restarts_and_starts(send: Any) -> None:
    """Stopping and starting change its state; restarting does not."""
    states = []
    for verb in ("restart", "stop", "restart", "start"):
        assert send("POST", f"{APP}/{verb}")[0] == 200
        states.append(send("GET", APP)[1]["properties"]["state"])
    assert states == ["Running", "Stopped", "Stopped", "Running"]


def test_access_policies_are_joined_replaced_and_removed(send: Any) -> None:
    """Adding joins the permissions of a principal and keeps the others; removing goes by principal."""

    def policy(person: str, *secrets: str) -> dict[str, Any]:
        return {"tenantId": PERSON, "objectId": person, "permissions": {"secrets": list(secrets)}}

    def change(word: str, *policies: Any) -> Any:
        answer = send("PUT", f"{VAULT}/accessPolicies/{word}", {"properties": {"accessPolicies": list(policies)}})[1]
        return {one["objectId"]: one["permissions"]["secrets"] for one in answer["properties"]["accessPolicies"]}

    other = PERSON[:-1] + "b"
    assert change("replace", policy(PERSON, "get")) == {PERSON: ["get"]}
    assert change("add", policy(PERSON.upper(), "get", "list"), policy(other)) == {PERSON: ["get", "list"], other: []}
    assert change("remove", policy(PERSON)) == {other: []}
    assert len(send("GET", VAULT)[1]["properties"]["accessPolicies"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", f"{ACCOUNT}x/listKeys", None, "ResourceNotFound"),
        ("POST", f"{ACCOUNT}/regenerateKey", {"keyName": "key3"}, "InvalidRequestContent"),
        ("POST", f"{SUB}/providers/Microsoft.Storage/checkNameAvailability", {"name": "a"}, "InvalidRequestContent"),
        ("POST", f"{APP}/config/web/list", None, "UnknownRoute"),
        ("GET", f"{APP}/config/appsettings/list", None, "MethodNotAllowed"),
        ("POST", f"{APP}/dance", None, "UnknownRoute"),
        ("PUT", f"{VAULT}/accessPolicies/some", {}, "InvalidRequestContent"),
        ("PUT", f"{VAULT}/accessPolicies/add", {}, "InvalidRequestContent"),
        (
            "PUT",
            f"{VAULT}/accessPolicies/add",
            {"properties": {"accessPolicies": [{"objectId": PERSON, "extra": 1}]}},
            "InvalidRequestContent",
        ),
    ],
)
def test_invalid_actions_are_refused(send: Any, method: str, path: str, body: Any, code: str) -> None:
    """What Azure would refuse, or the simulator lacks, has no effect and says why."""
    assert send(method, path, body)[1] == code


def test_what_defender_shows_and_is_not_simulated_is_an_empty_list_for_those_who_may_read(
    sim: ArmSimulator, send: Any
) -> None:
    """An empty list is no way round a missing right or a provider that is not registered."""
    alerts = f"{SECURITY}/alerts"
    assert send("GET", alerts, version="2022-01-01") == (200, {"value": []})
    everywhere = f"{ACCOUNT}{SECURITY.removeprefix(SUB)}/assessments/x/subAssessments"
    assert send("GET", everywhere, version="2019-01-01-preview") == (200, {"value": []})
    policy = f"{PROVIDERS}/Microsoft.Security/locations/westeurope/jitNetworkAccessPolicies/one"
    assert send("PUT", policy, {"properties": {"virtualMachines": []}}, "2020-01-01")[0] == 200
    listed = [
        send("GET", f"{place}/jitNetworkAccessPolicies", version="2020-01-01")[1]["value"][0]["name"]
        for place in (SECURITY, f"{PROVIDERS}/Microsoft.Security")
    ]
    assert listed == ["one", "one"]
    rules = "/providers/Microsoft.Management/managementGroups/top/providers/Microsoft.Security/governanceRules"
    assert send("GET", rules, version="2022-01-01-preview") == (200, {"value": []})
    sim.access.deny("Microsoft.Security/alerts/read", SUB)
    assert send("GET", alerts, version="2022-01-01") == (403, "AuthorizationFailed")
    sim.resources.unregister_provider(SUB, "Microsoft.Security")
    assert send("GET", alerts, version="2022-01-01")[0] == 404


def test_a_deleted_vault_is_listed_until_it_is_purged_or_its_retention_ends(sim: ArmSimulator, send: Any) -> None:
    """A vault is soft-deleted: it is shown with its dates, can be purged without protection, and goes by itself later."""
    vaults = f"{SUB}/providers/Microsoft.KeyVault"
    other = f"{VAULT}2"
    sim.resources.add({"id": other, "location": "westeurope", "properties": {"enablePurgeProtection": True}})
    assert send("GET", f"{vaults}/deletedVaults")[1]["value"] == []
    assert [send("DELETE", one)[0] for one in (VAULT, other)] == [200, 200]
    assert [one["properties"]["vaultId"] for one in send("GET", f"{vaults}/deletedVaults")[1]["value"]] == [
        VAULT,
        other,
    ]
    place = f"{vaults}/locations/WestEurope/deletedVaults"
    shown = send("GET", f"{place}/BOXVAULT2")[1]["properties"]
    assert (shown["purgeProtectionEnabled"], shown["scheduledPurgeDate"] > shown["deletionDate"]) == (True, True)
    assert send("POST", f"{place}/boxvault2/purge")[0] == 409
    assert [send("POST", f"{place}/boxvault/purge")[0] for _ in range(2)] == [200, 404]
    sim.clock.advance(91 * 86400)
    assert send("GET", f"{vaults}/deletedVaults")[1]["value"] == []


def test_a_new_app_has_a_host_a_kind_and_what_its_plan_gives_it(send: Any) -> None:
    """Clients read the kind and the SKU of an app that they created without them; the publishing profile is XML."""
    plan = f"{PROVIDERS}/Microsoft.Web/serverfarms/plan"
    send(
        "PUT",
        plan,
        {"location": "westeurope", "sku": {"name": "B1", "tier": "Basic"}, "properties": {"reserved": True}},
    )
    app = f"{PROVIDERS}/Microsoft.Web/sites/newapp"
    made = send("PUT", app, {"location": "westeurope", "properties": {"serverFarmId": plan}})[1]
    shown = made["properties"]
    assert made["kind"] == "app,linux"
    assert (shown["sku"], shown["defaultHostName"], shown["resourceGroup"]) == (
        "Basic",
        "newapp.azurewebsites.net",
        "box",
    )
    slot = send("PUT", f"{app}/slots/stage", {"location": "westeurope", "kind": "app", "properties": {}})[1]
    assert slot["properties"]["defaultHostName"] == "newapp-stage.azurewebsites.net"


def test_the_publishing_profile_is_xml(call: Any) -> None:
    """It names the app and how to publish to it."""
    answer = call("POST", f"{APP}/publishxml", params={"api-version": VERSIONS["Microsoft.Web"]}, json={})
    assert 'publishMethod="FTP"' in answer.text()
