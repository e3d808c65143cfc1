"""What App Service answers about apps, slots and their settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

Send = Callable[..., tuple[int, Any]]
NEW = "2023-12-01"
APP = "Microsoft.Web/sites/shop"
PLACE = {"location": "westeurope"}


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with a resource group and a plan."""
    made = ArmSimulator()
    group = f"{made.resources.add_subscription()}/resourceGroups/rg"
    plan = {"location": "westeurope", "sku": {"name": "P1v3", "tier": "PremiumV3"}, "properties": {}}
    made.resources.add({**plan, "id": f"{group}/providers/Microsoft.Web/serverfarms/plan"})
    return made


@pytest.fixture
def send(sim: ArmSimulator) -> Send:
    """Sends a request below the group; returns the status and the body."""

    def call(method: str, path: str, body: Any = None, version: str = NEW) -> tuple[int, Any]:
        with sim.open_session() as session:
            url = f"{sim.endpoint}{sim.scopes[0]}/resourceGroups/rg/providers/{path}?api-version={version}"
            answer = session.request(method, url, json=body)
            return answer.status_code, answer.json() if answer.content else None

    return call


def created(send: Send, path: str = APP, version: str = NEW, **properties: Any) -> Any:
    """The answer to a PUT of a new app."""
    status, body = send("PUT", path, {**PLACE, "properties": properties}, version)
    assert status == 200
    return body


def test_an_app_shows_its_whole_contract(send: Send) -> None:
    """Also what nothing is set in, as null; and so its elements, its settings, and what its plan says."""
    plan = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Web/serverfarms/none"
    body = created(send, serverFarmId=plan, siteConfig={"minTlsVersion": "1.3", "alwaysOn": False})
    properties = body["properties"]
    assert len(properties) > 100
    assert (properties["cloningInfo"], properties["defaultHostName"]) == (None, "shop.azurewebsites.net")
    assert properties["hostNameSslStates"][1]["name"] == "shop.scm.azurewebsites.net"
    assert properties["hostNameSslStates"][1]["thumbprint"] is None
    config = send("GET", APP)[1]["properties"]["siteConfig"]
    assert (config["minTlsVersion"], config["alwaysOn"], "siteAuthSettings" in config) == (None, False, False)


def test_an_app_takes_over_the_tier_of_its_plan(send: Send, sim: ArmSimulator) -> None:
    """Without a plan it is a free one."""
    plan = sim.resources.list_ids("Microsoft.Web/serverfarms")[0]
    assert created(send, serverFarmId=plan)["properties"]["sku"] == "PremiumV3"
    assert created(send, "Microsoft.Web/sites/other")["properties"]["sku"] == "Free"


def test_an_api_version_shows_what_it_knows(send: Send) -> None:
    """An old one shows tags without any, and no settings."""
    old = created(send, "Microsoft.Web/sites/old", "2018-02-01")
    assert (old["tags"], old["properties"]["siteConfig"]) == ({}, None)
    assert not {"ipMode", "clientCertMode"} & set(old["properties"])
    older = created(send, "Microsoft.Web/sites/older", "2016-08-01")["properties"]
    assert (older["siteProperties"]["properties"], "httpsOnly" in older) == ([], False)
    assert "virtualIPv6" not in old["properties"]["hostNameSslStates"][0]
    web = send("GET", "Microsoft.Web/sites/old/config/web", version="2018-11-01")[1]["properties"]
    assert "reservedInstanceCount" in web
    assert "sitePort" not in web
    assert "sitePort" in send("GET", "Microsoft.Web/sites/old/config/web")[1]["properties"]


def test_the_answer_to_a_put_shows_more_than_a_get(send: Send) -> None:
    """The access rules and the routing are null in a GET of the app."""
    put = created(send)["properties"]
    got = send("GET", APP)[1]["properties"]
    assert put["siteConfig"]["ipSecurityRestrictions"][0]["name"] == "Allow all"
    assert put["outboundVnetRouting"]["allTraffic"] is False
    assert got["siteConfig"]["ipSecurityRestrictions"] is None
    assert got["outboundVnetRouting"] is None


def test_a_put_keeps_what_it_leaves_out(send: Send) -> None:
    """Of the app, its tags among it, and of the web configuration; application settings are replaced."""
    send("PUT", APP, {**PLACE, "tags": {"a": "b"}, "properties": {"httpsOnly": True}})
    body = send("PUT", APP, {**PLACE, "properties": {"clientCertEnabled": True}})[1]
    assert (body["tags"], body["properties"]["tags"]) == ({"a": "b"}, {"a": "b"})
    assert (body["properties"]["httpsOnly"], body["properties"]["clientCertEnabled"]) == (True, True)
    send("PUT", f"{APP}/config/web", {"properties": {"ftpsState": "Disabled"}})
    assert (
        send("PUT", f"{APP}/config/web", {"properties": {"minTlsVersion": "1.3"}})[1]["properties"]["ftpsState"]
        == "Disabled"
    )
    send("PUT", f"{APP}/config/appsettings", {"properties": {"A": "1"}})
    assert send("PUT", f"{APP}/config/appsettings", {"properties": {"B": "2"}})[1]["properties"] == {"B": "2"}


def test_a_null_is_the_value_of_a_new_app(send: Send) -> None:
    """A write never takes a member away."""
    created(send, clientAffinityEnabled=False)
    assert send("PATCH", APP, {"properties": {"clientAffinityEnabled": None}})[1]["properties"]["clientAffinityEnabled"]


def test_the_settings_of_an_app_are_the_same_in_each_place(send: Send) -> None:
    """The app shows a few settings of config/web, whichever of the two is written; secrets are shown in neither."""
    created(send)
    send("PATCH", f"{APP}/config/web", {"properties": {"alwaysOn": False, "http20Enabled": True}})
    shown = send("GET", APP)[1]["properties"]["siteConfig"]
    assert (shown["alwaysOn"], shown["http20Enabled"]) == (False, True)
    send("PATCH", APP, {"properties": {"siteConfig": {"alwaysOn": True, "minTlsVersion": None}}})
    web = send("GET", f"{APP}/config/web")[1]["properties"]
    assert (web["alwaysOn"], web["minTlsVersion"]) == (True, "1.2")
    settings = {"appSettings": [{"name": "KEY", "value": "hidden"}]}
    assert "hidden" not in str(send("PATCH", f"{APP}/config/web", {"properties": settings}))
    assert send("POST", f"{APP}/config/appsettings/list")[1]["properties"] == {"KEY": "hidden"}


def test_settings_without_an_app_or_a_place_are_taken(send: Send, sim: ArmSimulator) -> None:
    """A recording may have only some of the resources, and without a location."""
    group = f"{sim.scopes[0]}/resourceGroups/rg/providers"
    sim.resources.add({"id": f"{group}/Microsoft.Web/sites/lone/config/web", "properties": {"alwaysOn": True}})
    sim.resources.add({"id": f"{group}/{APP}", "properties": {"siteConfig": {"appSettings": []}}})
    answer = {"runtimeADUserPassword": None, "alwaysOn": True}
    sim.resources.add({"id": f"{group}/Microsoft.Web/sites/lone", "properties": {"siteConfig": None}})
    sim.resources.add({"id": f"{group}/Microsoft.Web/sites/lone/config/web", "properties": answer})
    assert send("GET", "Microsoft.Web/sites/lone/config/web")[1]["properties"] == answer
    assert "location" not in send("GET", f"{APP}/config/web")[1]
    assert send("POST", f"{APP}/config/appsettings/list")[1]["properties"] == {}


def test_the_last_access_rule_is_for_everyone(send: Send) -> None:
    """With a caller's own rules it denies; the default action decides where it is set."""
    created(send)
    rule = {"ipAddress": "198.51.100.0/24", "action": "Allow", "priority": 100, "name": "office"}

    def rules(**properties: Any) -> list[Any]:
        body = send("PATCH", f"{APP}/config/web", {"properties": properties})[1]
        return [one["name"] for one in body["properties"]["ipSecurityRestrictions"]]

    assert rules(ipSecurityRestrictions=[rule]) == ["office", "Deny all"]
    assert rules(http20Enabled=True) == ["office", "Deny all"]
    assert rules(ipSecurityRestrictions=[], ipSecurityRestrictionsDefaultAction="Deny") == ["Deny all"]
    assert rules(ipSecurityRestrictions=[rule], ipSecurityRestrictionsDefaultAction="Allow") == ["office", "Allow all"]


def test_a_new_object_in_the_settings_is_whole(send: Send) -> None:
    """Also where its elements are new."""
    created(send)
    change = {"cors": {"allowedOrigins": ["https://a.example"]}, "virtualApplications": [{"virtualPath": "/api"}]}
    body = send("PATCH", f"{APP}/config/web", {"properties": change})[1]["properties"]
    assert body["cors"] == {"allowedOrigins": ["https://a.example"], "supportCredentials": False}
    assert body["virtualApplications"][0]["virtualDirectories"] is None


def test_settings_have_the_location_of_their_app(send: Send) -> None:
    """And never a kind."""
    created(send)
    body = send("PUT", f"{APP}/config/appsettings", {"kind": "app", "properties": {"A": "1"}})[1]
    assert (body["location"], "kind" in body) == ("westeurope", False)
    assert send("PUT", f"{APP}/config/slotConfigNames", {"properties": {"appSettingNames": ["A"]}})[1][
        "properties"
    ] == {
        "appSettingNames": ["A"],
        "connectionStringNames": [],
        "azureStorageConfigNames": [],
    }


def test_a_slot_is_named_after_its_app(send: Send) -> None:
    """In its host names and in its properties; its settings have the type of those of an app."""
    created(send)
    body = created(send, f"{APP}/slots/test")
    assert (body["name"], body["properties"]["name"]) == ("shop/test", "shop(test)")
    assert body["properties"]["hostNames"] == ["shop-test.azurewebsites.net"]
    settings = send("PUT", f"{APP}/slots/test/config/appsettings", {"properties": {"A": "1"}})[1]
    assert settings["type"] == "Microsoft.Web/sites/config"


def test_an_app_on_container_apps_and_a_clone_take_their_time(send: Send) -> None:
    """The answer is 202 without a body."""
    for name, properties in (
        ("containers", {"managedEnvironmentId": "/subscriptions/s/managedEnvironments/m"}),
        ("clone", {"cloningInfo": {"sourceWebAppId": "/subscriptions/s/sites/shop"}}),
    ):
        status, body = send("PUT", f"Microsoft.Web/sites/{name}", {**PLACE, "properties": properties})
        assert (status, body) == (202, None)


def test_app_service_refuses_in_a_form_of_its_own(send: Send) -> None:
    """What Resource Manager refuses has the usual form."""
    assert send("PUT", "Microsoft.Web/sites/a", {**PLACE, "properties": {}})[1]["Code"] == "BadRequest"
    assert send("GET", "Microsoft.Web/sites/none")[1]["error"]["code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("size", "tier", "kind", "most"),
    [
        ("B1", "Basic", "app", 3),
        ("P1v3", "PremiumV3", "app", 20),
        ("Y1", "Dynamic", "functionapp", 0),
        ("EP1", "ElasticPremium", "elastic", 20),
        ("U1", "Standard", "app", 10),
    ],
)
def test_a_plan_is_what_its_size_says(send: Send, size: str, tier: str, kind: str, most: int) -> None:
    """Its tier, its kind and the number of its instances."""
    body = send("PUT", "Microsoft.Web/serverfarms/new", {**PLACE, "sku": {"name": size}, "properties": {}})[1]
    assert (body["sku"]["tier"], body["kind"], body["properties"]["maximumNumberOfWorkers"]) == (tier, kind, most)
    assert body["properties"]["computeMode"] == ("Dynamic" if tier == "Dynamic" else "Dedicated")
    assert send("PATCH", "Microsoft.Web/serverfarms/new", {"tags": {"a": "b"}})[1]["properties"]["tags"] == {"a": "b"}
    for sent, shown in ((tier.upper(), tier), ("Other", "Other")):
        sku = {"name": size, "tier": sent}
        plan = send("PUT", "Microsoft.Web/serverfarms/new", {**PLACE, "sku": sku, "properties": {}})[1]
        assert plan["sku"]["tier"] == shown


def test_a_linux_plan_has_the_kind_linux(send: Send) -> None:
    """A plan without a size is taken too."""
    body = {**PLACE, "sku": {"name": "S1"}, "properties": {"reserved": True}}
    assert send("PUT", "Microsoft.Web/serverfarms/new", body)[1]["kind"] == "linux"
    assert (
        send("PUT", "Microsoft.Web/serverfarms/other", {**PLACE, "properties": {}})[1]["properties"]["status"]
        == "Ready"
    )


def test_what_is_below_an_app_is_whole_too(send: Send) -> None:
    """Its logs, host names and source control; and a certificate, whose secret is not shown."""
    created(send)
    logs = {"properties": {"httpLogs": {"fileSystem": {"enabled": True}}}}
    assert send("GET", f"{APP}/config/logs")[1]["properties"]["detailedErrorMessages"] == {"enabled": False}
    assert send("PUT", f"{APP}/config/logs", logs)[1]["properties"]["httpLogs"] == {
        "fileSystem": {"enabled": True, "retentionInMb": 35, "retentionInDays": None},
        "azureBlobStorage": {"sasUrl": None, "retentionInDays": None, "enabled": False},
    }
    binding = send("PUT", f"{APP}/hostNameBindings/www.contoso.example", {"properties": {}})[1]
    assert binding["properties"] == {"siteName": "shop", "domainId": None, "hostNameType": "Verified"}
    source = send("PUT", f"{APP}/sourcecontrols/web", {"properties": {"repoUrl": "https://git.example/shop"}})[1]
    assert (source["properties"]["branch"], source["location"]) == ("master", "westeurope")
    certificate = {**PLACE, "properties": {"pfxBlob": "hidden", "password": "hidden"}}
    shown = send("PUT", "Microsoft.Web/certificates/contoso", certificate)[1]
    assert (shown["properties"]["pfxBlob"], shown["properties"]["keyVaultSecretStatus"]) == (None, "Initialized")


def test_the_routing_rules_are_those_of_the_experiments(send: Send) -> None:
    """Each of them whole; clearing the experiments clears them."""
    created(send)
    rule = {"actionHostName": "shop-test.azurewebsites.net", "reroutePercentage": 15.0, "name": "test"}
    change = {"properties": {"experiments": {"rampUpRules": [rule]}}}
    body = send("PATCH", f"{APP}/config/web", change)[1]["properties"]
    assert body["routingRules"] == body["experiments"]["rampUpRules"]
    assert body["routingRules"][0]["changeStep"] is None
    change = {"properties": {"experiments": {"rampUpRules": []}}}
    assert send("PATCH", f"{APP}/config/web", change)[1]["properties"]["routingRules"] == []


@pytest.mark.parametrize(
    "properties",
    [
        {"siteConfig": "x", "hostNameSslStates": [1, None], "siteProperties": 1, "cloningInfo": 1},
        {"siteConfig": {"ipSecurityRestrictions": [1], "appSettings": [1, {}], "connectionStrings": {"a": 1}}},
        {"siteConfig": {"experiments": {"rampUpRules": 1}, "cors": [1], "virtualApplications": {}}, "serverFarmId": 1},
    ],
)
def test_odd_values_are_answered(send: Send, properties: Any) -> None:
    """Whatever a client sends is taken or refused, at creation, in an update and in the settings."""
    answers = [
        send("PUT", APP, {**PLACE, "properties": properties}, version)
        for version in ("2016-08-01", NEW)
        for _ in range(2)
    ]
    answers.append(send("PATCH", f"{APP}/config/web", {"properties": properties["siteConfig"]}))
    assert {status for status, _ in answers} <= {200, 202, 400, 404, 409}


def test_an_app_of_a_list_export_is_like_a_new_one(sim: ArmSimulator, send: Send, tmp_path: Path) -> None:
    """The list of the resources of a group does not show properties."""
    path = tmp_path / "resources.json"
    app = {"id": f"{sim.scopes[0]}/resourceGroups/rg/providers/{APP}", "name": "shop", "type": "Microsoft.Web/sites"}
    path.write_text(json.dumps([{**app, **PLACE}]), encoding="utf-8")
    sim.add_export(path)
    assert send("GET", APP)[1]["properties"]["httpsOnly"] is False
