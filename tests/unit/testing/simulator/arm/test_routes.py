"""Resources over the wire: each verb, as each type allows it."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

STORAGE = "2025-08-01"
JSON = {"Content-Type": "application/json"}
WEB = "2025-03-01"
_VERSIONS = {
    "/subscriptions/five/resourceGroups": "2025-04-01",
    "/subscriptions/55555555-5555-4555-8555-555555555555": "2022-12-01",
    "{sub}/providers/Microsoft.Security/assessmentMetadata/x": "2025-05-04",
}


def test_a_patch_really_changes_the_resource(sim: ArmSimulator, call: Any, account: str) -> None:
    """And only what it names."""
    before = sim.resources.get(account)
    response = call(
        "PATCH", f"{account}?api-version={STORAGE}", json={"properties": {"supportsHttpsTrafficOnly": True}}
    )
    assert response.status_code == 200
    after = sim.resources.get(account)
    assert response.json() == after == call.get(account, STORAGE)
    assert after["properties"].pop("supportsHttpsTrafficOnly") is True
    assert before["properties"].pop("supportsHttpsTrafficOnly") is False
    assert after == before


def test_routing_ignores_case_and_the_answer_has_the_case_of_the_resource(call: Any, account: str) -> None:
    """Ids compare without regard to case."""
    assert call.get(account.upper(), STORAGE)["id"] == account


@pytest.mark.parametrize(
    ("version", "status", "name"),
    [
        ("", 400, "MissingApiVersionParameter"),
        ("?api-version=1999-01-01", 400, "NoRegisteredProviderFound"),
        ("?api-version=latest", 400, "InvalidApiVersionParameter"),
    ],
)
def test_each_type_has_its_api_versions(
    call: Any, word: Any, account: str, version: str, status: int, name: str
) -> None:
    """A missing, an odd and an unknown one are three errors; the last names those that would do."""
    response = call("GET", account + version)
    assert (response.status_code, word(response)) == (status, name)
    if name == "NoRegisteredProviderFound":
        assert STORAGE in response.text()


def test_a_cloud_may_lack_a_version(sim: ArmSimulator, call: Any, word: Any, account: str) -> None:
    """A retired version is refused like one that never was."""
    sim.resources.retire_api_versions("Microsoft.Storage/storageAccounts", STORAGE)
    assert word(call("GET", f"{account}?api-version={STORAGE}")) == "NoRegisteredProviderFound"
    call.get(account, "2023-05-01")


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/somewhere", 404, "UnknownRoute"),
        ("POST", "{account}", 405, "MethodNotAllowed"),
        ("PUT", "{group}/providers/Microsoft.Storage/storageAccounts", 405, "MethodNotAllowed"),
        ("DELETE", "{sub}/providers/Microsoft.Security/assessmentMetadata/x", 404, "NotFound"),
        ("GET", "{group}/providers/Contoso.Nothing/things/x", 404, "InvalidResourceNamespace"),
        ("GET", "{group}/providers/Microsoft.Storage/things/x", 404, "InvalidResourceType"),
        ("GET", "{group}/providers/Microsoft.Storage/storageAccounts/gone", 404, "ResourceNotFound"),
        ("PATCH", "{group}/providers/Microsoft.Storage/storageAccounts/gone", 404, "ResourceNotFound"),
        (
            "GET",
            "{sub}/resourceGroups/gone/providers/Microsoft.Storage/storageAccounts/x",
            404,
            "ResourceGroupNotFound",
        ),
        ("GET", "/subscriptions/55555555-5555-4555-8555-555555555555", 404, "SubscriptionNotFound"),
        ("GET", "/subscriptions/five/resourceGroups", 400, "InvalidSubscriptionId"),
        (
            "GET",
            "{group}/providers/Microsoft.Storage/storageAccounts/gone/blobServices/default",
            404,
            "ParentResourceNotFound",
        ),
        ("GET", "{account}/blobServices/second", 404, "ResourceNotFound"),
        ("PUT", "{account}/blobServices/second", 404, "ResourceNotFound"),
        ("PATCH", "{account}/blobServices/default", 405, "MethodNotAllowed"),
    ],
)
def test_what_is_not_there_says_so(
    call: Any, word: Any, account: str, scope: str, method: str, path: str, status: int, name: str
) -> None:
    """A route, a type, a group, a subscription, a parent and a resource are missing in six different ways."""
    version = _VERSIONS.get(path, STORAGE)
    path = path.format(account=account, group=f"{scope}/resourceGroups/rg", sub=scope)
    response = call(method, f"{path}?api-version={version}", json={} if method != "GET" else None)
    assert (response.status_code, word(response)) == (status, name)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"properties": "\xff"}'])
def test_a_body_that_is_no_json_object_is_refused(call: Any, word: Any, account: str, content: bytes) -> None:
    """Whatever it is instead."""
    response = call("PATCH", f"{account}?api-version={STORAGE}", content=content, headers=JSON)
    assert (response.status_code, word(response)) == (400, "InvalidRequestContent")


def test_put_creates_and_then_replaces(sim: ArmSimulator, call: Any, account: str) -> None:
    """202 with an operation at first, 200 after; the provider's defaults fill what is left out."""
    other = account.replace("stfour", "stnew")
    body = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    first = call("PUT", f"{other}?api-version={STORAGE}", json=body)
    assert first.status_code == 202
    sim.clock.advance(60)
    assert call("GET", first.headers["Location"]).json()["properties"]["provisioningState"] == "Succeeded"
    second = call("PUT", f"{other}?api-version={STORAGE}", json={**body, "properties": {"accessTier": "Cool"}})
    assert second.status_code == 200
    assert sim.resources.get(other)["properties"]["accessTier"] == "Cool"
    assert sim.resources.get(f"{other}/blobServices/default")["properties"]


def test_delete_takes_the_children_along(sim: ArmSimulator, call: Any, account: str) -> None:
    """200 when it was there, 204 when it was not."""
    assert call("DELETE", f"{account}?api-version={STORAGE}").status_code == 200
    assert sim.resources.list_ids("Microsoft.Storage/storageAccounts/blobServices") == ()
    assert call("DELETE", f"{account}?api-version={STORAGE}").status_code == 204
    with pytest.raises(KeyError):
        sim.resources.get(account)


def test_head_says_whether_it_is_there_unless_the_provider_has_no_head(call: Any, account: str, vault: str) -> None:
    """Some providers answer 404 to every HEAD."""
    assert call("HEAD", f"{account}?api-version={STORAGE}").status_code == 204
    assert call("HEAD", f"{account}x?api-version={STORAGE}").status_code == 404
    assert call("HEAD", f"{vault}?api-version=2025-05-01").status_code == 404


def test_a_collection_lists_what_is_at_its_scope(call: Any, account: str, site: str, scope: str) -> None:
    """Of a group, of a subscription, of a parent."""
    for path in (f"{scope}/resourceGroups/rg", scope):
        listed = call.get(f"{path}/providers/Microsoft.Storage/storageAccounts", STORAGE)["value"]
        assert [found["id"] for found in listed] == [account]
    policies = call.get(f"{site}/basicPublishingCredentialsPolicies", WEB)["value"]
    assert [found["name"] for found in policies] == ["ftp", "scm"]


def test_the_configuration_of_a_site_is_not_on_the_site(sim: ArmSimulator, call: Any, site: str) -> None:
    """Reading the site shows null for a setting; writing it there reaches the configuration all the same."""
    assert call.get(site, WEB)["properties"]["siteConfig"] == {"minTlsVersion": None}
    assert call.get(f"{site}/config/web", WEB)["properties"]["minTlsVersion"] == "1.0"
    body = {"properties": {"siteConfig": {"ftpsState": "Disabled"}, "httpsOnly": True}}
    assert call("PATCH", f"{site}?api-version={WEB}", json=body).status_code == 200
    assert sim.resources.get(f"{site}/config/web")["properties"]["ftpsState"] == "Disabled"
    assert sim.resources.get(f"{site}/config/web")["properties"]["minTlsVersion"] == "1.0"
    call("PATCH", f"{site}/config/web?api-version={WEB}", json={"properties": {"minTlsVersion": "1.2"}})
    assert sim.resources.get(f"{site}/config/web")["properties"]["minTlsVersion"] == "1.2"
    sim.resources.remove(f"{site}/config/web")
    assert call("PATCH", f"{site}?api-version={WEB}", json=body).status_code == 200


def test_a_key_vault_answers_201_to_a_patch_and_keeps_its_protection(call: Any, word: Any, vault: str) -> None:
    """Purge protection is a one-way street."""
    path = f"{vault}?api-version=2025-05-01"
    assert call("PATCH", path, json={"properties": {"enablePurgeProtection": True}}).status_code == 201
    response = call("PATCH", path, json={"properties": {"enablePurgeProtection": False}})
    assert (response.status_code, word(response)) == (400, "BadRequest")


def test_an_etag_is_heeded_where_the_type_has_one(call: Any, word: Any, cluster: str, account: str) -> None:
    """If-Match must match, ``*`` always does, and If-None-Match keeps what is there."""
    path = f"{cluster}?api-version=2025-10-01"
    response = call("GET", path)
    etag = response.headers["ETag"]
    assert response.json()["eTag"] == etag

    def patch(value: str) -> Any:
        return call("PATCH", path, json={"tags": {"a": value}}, headers={"If-Match": etag if value == "1" else "*"})

    assert patch("1").status_code == 200
    assert word(patch("1")) == "PreconditionFailed"
    assert patch("2").status_code == 200
    for target, header in ((path, "If-None-Match"), (path.replace("aks-four", "aks-new"), "If-Match")):
        refused = call("PUT", target, json={"location": "westeurope"}, headers={header: "*"})
        assert (refused.status_code, word(refused)) == (412, "PreconditionFailed")
    ignored = call("PATCH", f"{account}?api-version={STORAGE}", json={"tags": {}}, headers={"If-Match": "old"})
    assert ignored.status_code == 200


def test_diagnostic_settings_live_on_other_resources(sim: ArmSimulator, call: Any, vault: str) -> None:
    """They are put, listed and echoed in the provider's own casing."""
    base = f"{vault}/providers/Microsoft.Insights/diagnosticSettings"
    body = {"properties": {"workspaceId": "/w", "logs": [{"categoryGroup": "audit", "enabled": True}]}}
    version = "2021-05-01-preview"
    assert call("PUT", f"{base}/audit?api-version={version}", json=body).status_code == 200
    listed = call.get(base, version)["value"]
    assert [found["name"] for found in listed] == ["audit"]
    assert listed[0]["id"].startswith(vault.lower())
    assert listed[0]["location"] is None
    assert "/resourcegroups/" in listed[0]["id"]
    assert call("DELETE", f"{base}/audit?api-version={version}").status_code == 200


def test_a_plan_may_be_switched_on_while_its_extension_is_not(sim: ArmSimulator, call: Any, scope: str) -> None:
    """The answer is 200, and the failure is inside."""
    sim.faults.fail_extension("StorageAccounts", "OnUploadMalwareScanning")
    path = f"{scope}/providers/Microsoft.Security/pricings"
    listed = call.get(path, "2024-01-01")["value"]
    assert [plan["name"] for plan in listed if plan["properties"]["pricingTier"] != "Free"] == ["FoundationalCspm"]
    extensions = [
        {"name": name, "isEnabled": flag}
        for name, flag in (
            ("OnUploadMalwareScanning", "True"),
            ("SensitiveDataDiscovery", "True"),
            ("sensitivedatadiscovery", "False"),
        )
    ]
    body = {"properties": {"pricingTier": "Standard", "subPlan": "DefenderForStorageV2", "extensions": extensions}}
    response = call("PUT", f"{path}/storageaccounts?api-version=2024-01-01", json=body)
    assert response.status_code == 200
    shown = response.json()["properties"]
    assert [item.get("operationStatus", {}).get("code") for item in shown["extensions"]] == [
        "Failed",
        "Succeeded",
        None,
    ]
    assert shown["enablementTime"]
    assert shown["resourcesCoverageStatus"] == "FullyCovered"
    free = call("PUT", f"{path}/StorageAccounts?api-version=2024-01-01", json={"properties": {"pricingTier": "Free"}})
    assert "enablementTime" not in free.json()["properties"]
    assert call("DELETE", f"{path}/StorageAccounts?api-version=2024-01-01").status_code == 405


def test_a_resource_of_an_unknown_type_can_be_brought_along(sim: ArmSimulator, call: Any, scope: str) -> None:
    """With its api-versions; then it takes any property."""
    thing = f"{scope}/resourceGroups/new/providers/Contoso.Things/things/one"
    with pytest.raises(ValueError, match="api_versions"):
        sim.resources.add({"id": thing})
    with pytest.raises(ValueError, match="id of a resource"):
        sim.resources.add({"id": f"{scope}/resourceGroups/new/providers/Contoso.Things/things"})
    sim.resources.add({"id": thing, "location": "westeurope", "properties": {"a": 1}}, ("2024-01-01",))
    assert call("PATCH", f"{thing}?api-version=2024-01-01", json={"properties": {"b": 2}}).status_code == 200
    assert sim.resources.get(thing)["properties"]["b"] == 2
    elsewhere = thing.replace("44444444-4444-4444-8444-444444444444", "66666666-6666-4666-8666-666666666666")
    sim.resources.add({"id": elsewhere, "properties": {}})
    assert len(sim.scopes) == 2
    tenant = sim.resources.add({"id": "/providers/Contoso.Things/things/all", "properties": {}})
    assert call.get(tenant, "2024-01-01")["name"] == "all"


def test_what_others_do_is_real_and_is_logged_under_their_name(
    sim: ArmSimulator, call: Any, account: str, scope: str
) -> None:
    """A third party changes and deletes past every check."""
    sim.access.lock(scope)
    sim.resources.edit(account, lambda body: body["tags"].update(c="3"))
    assert sim.resources.get(account)["tags"]["c"] == "3"
    sim.resources.remove(account)
    for missing in (lambda: sim.resources.remove(account), lambda: sim.resources.edit(account, lambda body: None)):
        with pytest.raises(KeyError):
            missing()
    sim.clock.advance(60)
    events = call.get(
        f"{scope}/providers/Microsoft.Insights/eventtypes/management/values",
        "2015-04-01",
        filter="eventTimestamp ge '2026-03-01T00:00:00Z' and eventTimestamp le '2026-03-03T00:00:00Z'",
    )["value"]
    assert {event["caller"] for event in events} == {"another.user@contoso.example"}
    assert sim.writes == []


def test_locations_are_always_there(call: Any, scope: str, account: str) -> None:
    """A location of a provider is not created: resources in it can be created at once."""
    assert account
    path = (
        f"{scope}/resourceGroups/rg/providers/Microsoft.Security/locations/westeurope/jitNetworkAccessPolicies/default"
    )
    machines = {"kind": "Basic", "properties": {"virtualMachines": []}}
    assert call("PUT", f"{path}?api-version=2020-01-01", json=machines).status_code in (200, 201)


def test_a_version_between_and_after_the_known_ones_is_served(call: Any, word: Any, account: str) -> None:
    """Clients ask for newer versions than any list knows; one of the far future is a mistake."""
    for version in ("2024-06-01", "2024-06-01-preview", "2026-09-01"):
        assert call.get(account, version)["id"] == account
    assert word(call("GET", f"{account}?api-version=2031-01-01")) == "NoRegisteredProviderFound"


@pytest.mark.parametrize("option", ["$top=banana", "$top=-1", "$top=0", "$skiptoken=banana", "$skiptoken=-1"])
def test_a_paging_option_that_is_no_number_is_refused(call: Any, word: Any, sim: ArmSimulator, option: str) -> None:
    """As an answer, not as an error of the simulator."""
    response = call("GET", f"{sim.scopes[0]}/resources?api-version=2021-04-01&{option}")
    assert (response.status_code, word(response)) == (400, "InvalidQueryOption")


def test_a_plan_has_the_extensions_that_azure_lists(call: Any, word: Any, scope: str) -> None:
    """Neither an invented one nor that of another plan can be enabled."""
    path = f"{scope}/providers/Microsoft.Security/pricings/StorageAccounts?api-version=2024-01-01"
    for name in ("Fancy", "ContainerSensor"):
        properties = {"pricingTier": "Standard", "extensions": [{"name": name, "isEnabled": "True"}]}
        assert word(call("PUT", path, json={"properties": properties})) == "BadRequest"


def test_contact_mail_is_checked(call: Any, scope: str) -> None:
    """Addresses stand with semicolons between them."""
    path = f"{scope}/providers/Microsoft.Security/securityContacts/default?api-version=2023-12-01-preview"
    for emails, status in (("me@contoso.example;you@contoso.example", 200), ("me at contoso", 400)):
        assert call("PUT", path, json={"properties": {"emails": emails, "isEnabled": True}}).status_code == status
