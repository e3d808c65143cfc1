"""What published templates do: each kind of expression, child and parameter that Azure takes and the simulator once refused."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

GROUP = "/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/box"
SUBSCRIPTION = GROUP.rpartition("/resourceGroups")[0]
ACCOUNT: dict[str, Any] = {
    "type": "Microsoft.Storage/storageAccounts",
    "apiVersion": "2023-05-01",
    "name": "boxdata",
    "location": "westeurope",
    "sku": {"name": "Standard_LRS"},
}
VAULT = "Microsoft.RecoveryServices/vaults"


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with the usual frame."""
    return {"$schema": "s", "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def deployed(
    content: dict[str, Any], parameters: Any = None, scope: str = GROUP, **body: Any
) -> tuple[ArmSimulator, dict[str, Any]]:
    """The tenant and what the deployment shows in the end, or how it was refused."""
    sim = ArmSimulator()
    sim.resources.add_subscription(SUBSCRIPTION.rpartition("/")[2])
    sim.resources.add({"id": GROUP, "location": "westeurope"})
    properties = {"mode": "Incremental", "template": content, "parameters": parameters or {}}
    url = f"{sim.endpoint}{scope}/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01"
    with sim.open_session() as session:
        answer = session.put(url, json={"properties": properties, **body}).json()
        if "error" in answer:
            return sim, {"error": answer["error"]}
        sim.clock.advance(600)
        shown: dict[str, Any] = session.get(url).json()["properties"]
    return sim, shown


def value(expression: str, **parts: Any) -> Any:
    """The value of an expression in a template; the error instead if there is one."""
    content = template(
        *parts.pop("resources", ()), outputs={"o": {"type": "object", "value": {"it": expression}}}, **parts
    )
    shown = deployed(content)[1]
    return shown["error"] if "error" in shown else shown["outputs"]["o"]["value"]["it"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[resourceId('Microsoft.Network/publicIPAddresses/', 'ip')]", f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip"),
        ("[last(split(resourceId('Microsoft.Compute/hostGroups', 1), '/'))]", "1"),
        ("[length(subscription().tenantId)]", 36),
        ("[concat(resourceGroup().properties.provisioningState, resourceGroup().type)]", "SucceededMicrosoft.Resources/resourceGroups"),
        ("[resourceGroup().tags]", {}),
        ("[length(deployer().objectId)]", 36),
        ("[split('a,b;c', createArray(',', ';'))]", ["a", "b", "c"]),
        ("[json('{''a'': .5}'.a)]", None),
        ("[json('.25')]", 0.25),
        ("[json('-.25')]", -0.25),
        ("[json('[{a: ''b''}]')[0].a]", "b"),
        ("[base64ToJson(base64('{''a'': 1}')).a]", 1),
        ("[pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 2, 1)]", ["2", "3"]),
        ("[environment().suffixes.azureFrontDoorEndpointSuffix]", "azurefd.net"),
        ("[and(false(), equals(parameters('none'), 1))]", False),
        ("[or(true(), equals(parameters('none'), 1))]", True),
        ("[coalesce('a', parameters('none'))]", "a"),
    ],
)  # fmt: skip
def test_what_expressions_show(expression: str, expected: Any) -> None:
    """Scopes have the members that Azure shows, functions take what its parsers take, and only what decides is looked at."""
    found = value(expression)
    assert found == expected or (expected is None and found["code"] == "InvalidTemplate")


def test_functions_that_cannot_be_answered_are_refused() -> None:
    """More zones than there are, and a member that no group has, are errors of the template."""
    assert value("[pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 4)]")["code"] == "InvalidTemplate"
    assert value("[resourceGroup().colour]")["code"] == "InvalidTemplate"


def test_defaults_of_parameters() -> None:
    """A default may refer to later parameters, to the time and to a new id; a null stands for it; items of a list are allowed each."""
    content = template(
        parameters={
            "whole": {"type": "string", "defaultValue": "[concat(parameters('first'), parameters('last'))]"},
            "first": {"type": "string", "defaultValue": "a"},
            "last": {"type": "string"},
            "when": {"type": "string", "defaultValue": "[dateTimeAdd(utcNow(), 'P1D', 'yyyy')]"},
            "id": {"type": "string", "defaultValue": "[newGuid()]"},
            "rights": {"type": "array", "allowedValues": ["Listen", "Send", "Manage"]},
        },
        outputs={"o": {"type": "array", "value": "[createArray(parameters('whole'), length(parameters('id')))]"}},
    )
    given = {"last": {"value": "b"}, "first": {"value": None}, "rights": {"value": ["Listen", "Send"]}}
    shown = deployed(content, given)[1]
    assert shown["outputs"]["o"]["value"] == ["ab", 36]
    assert deployed(content, {**given, "rights": {"value": ["Read"]}})[1]["error"]["code"] == "InvalidTemplate"
    content["parameters"]["first"]["defaultValue"] = "[parameters('whole')]"
    assert deployed(content, {"last": {"value": "b"}, "rights": {"value": []}})[1]["error"]["code"] == "InvalidTemplate"


def test_a_group_that_the_template_creates() -> None:
    """What a nested deployment reads of its group waits for it; a deployment to a subscription has a location."""
    inner = template(
        {**ACCOUNT, "location": "[parameters('location')]", "name": "[concat('box', length(resourceGroup().name))]"},
        parameters={"location": {"type": "string", "defaultValue": "[resourceGroup().location]"}},
    )
    nested = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2021-04-01",
        "name": "inner",
        "resourceGroup": "made",
        "dependsOn": ["made"],
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": {"scope": "inner"},
            "template": inner,
        },
    }
    group = {
        "type": "Microsoft.Resources/resourceGroups",
        "apiVersion": "2021-04-01",
        "name": "made",
        "location": "[deployment().location]",
    }
    sim, shown = deployed(template(group, nested), scope=SUBSCRIPTION, location="northeurope")
    assert shown["provisioningState"] == "Succeeded", shown
    made = f"{SUBSCRIPTION}/resourceGroups/made/providers/Microsoft.Storage/storageAccounts/box4"
    assert sim.resources.get(made)["location"] == "northeurope"


def test_children_conditions_and_loops() -> None:
    """Children have whole types too; what a condition leaves out may be named again, have no place, or be a loop without turns."""
    child = {
        "type": "Microsoft.Storage/storageAccounts/blobServices",
        "apiVersion": "2023-05-01",
        "name": "default",
        "properties": {},
    }
    lock = {
        "type": "providers/locks",
        "apiVersion": "2020-05-01",
        "name": "Microsoft.Authorization/keep",
        "properties": {"level": "CanNotDelete"},
    }
    other = {
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "apiVersion": "2023-01-31",
        "name": "other",
        "location": "westeurope",
        "dependsOn": ["twice", "none"],
    }
    never = {**ACCOUNT, "condition": False}
    placeless = {**ACCOUNT, "condition": False, "name": "[split(null(), '/')[2]]"}
    loop = {**ACCOUNT, "name": "[concat('box', copyIndex())]", "copy": {"name": "none", "count": 0}}
    account = {**ACCOUNT, "id": "x", "scale": None, "resources": [child, lock, other]}
    twice = {"name": "twice", "count": 1}
    content = template(account, never, placeless, loop, {**ACCOUNT, "name": "second", "copy": twice})
    sim, shown = deployed(content)
    assert shown["provisioningState"] == "Succeeded", shown
    place = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/boxdata"
    assert sim.resources.get(place)["kind"] == "StorageV2"
    assert sim.resources.get(f"{place}/providers/Microsoft.Authorization/locks/keep")
    assert sim.resources.get(f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other")
    missing = {**ACCOUNT, "name": "[split(null(), '/')[2]]"}
    assert deployed(template(missing))[1]["error"]["code"] == "InvalidTemplate"


def test_types_that_are_answered_by_form_are_deployed() -> None:
    """A template deploys whatever a direct PUT creates, with the settings of an app that have no fixed names."""
    zone = {
        "type": "Microsoft.Network/privateDnsZones",
        "apiVersion": "2020-06-01",
        "name": "example.com",
        "location": "global",
        "tags": {f"hidden-link:{GROUP}/providers/Microsoft.Web/sites/a": "Resource"},
    }
    plan = {
        "type": "Microsoft.Web/serverfarms",
        "apiVersion": "2022-09-01",
        "name": "plan",
        "location": "westeurope",
        "sku": {"name": "S1"},
    }
    app = {
        "type": "Microsoft.Web/sites",
        "apiVersion": "2022-09-01",
        "name": "boxapp",
        "location": "westeurope",
        "dependsOn": ["plan"],
        "properties": {"serverFarmId": "[resourceId('Microsoft.Web/serverfarms', 'plan')]"},
        "resources": [
            {"type": "config", "apiVersion": "2022-09-01", "name": "appsettings", "properties": {"COLOUR": "red"}}
        ],
    }
    app["resources"][0]["dependsOn"] = ["boxapp"]  # type: ignore[index]
    sim, shown = deployed(template(zone, plan, app))
    assert shown["provisioningState"] == "Succeeded", shown
    assert sim.resources.get(f"{GROUP}/providers/Microsoft.Network/privateDnsZones/example.com")
    old = {**zone, "apiVersion": "1999-01-01"}
    assert deployed(template(old))[1]["error"]["code"] == "NoRegisteredProviderFound"


def test_list_functions_answer_as_their_operations() -> None:
    """A template gets the keys that a client gets, under the names of the provider; a missing resource is still an error."""
    redis = {
        "type": "Microsoft.Cache/redis",
        "apiVersion": "2023-08-01",
        "name": "boxcache",
        "location": "westeurope",
        "properties": {"sku": {"name": "Basic", "family": "C", "capacity": 0}},
    }
    place = "resourceId('Microsoft.Cache/redis', 'boxcache')"
    keys = f"[listKeys({place}, '2023-08-01')]"
    assert {"primaryKey", "secondaryKey"} <= set(value(keys, resources=[redis]))
    assert value(keys)["code"] == "InvalidTemplate"
    assert value("[listKeys('gone', '2023-08-01')]", resources=[redis])["code"] == "InvalidTemplate"
    assert value(keys.replace("2023", "1999"), resources=[redis])["code"] == "NoRegisteredProviderFound"


def test_list_functions_that_cannot_be_answered() -> None:
    """Without the right to list keys, or without an api-version, there is no answer."""
    place = f"{GROUP}/providers/Microsoft.Cache/redis/boxcache"
    assert value("[listKeys(resourceId('Microsoft.Cache/redis', 'boxcache'))]")["code"] == "InvalidTemplate"
    sim = ArmSimulator()
    sim.resources.add_subscription(SUBSCRIPTION.rpartition("/")[2])
    sim.resources.add({"id": GROUP, "location": "westeurope"})
    sim.resources.add({"id": place, "location": "westeurope", "properties": {}})
    sim.access.deny("Microsoft.Cache/redis/listKeys/action", place)
    content = template(outputs={"o": {"type": "object", "value": f"[listKeys('{place}', '2023-08-01')]"}})
    body = {"properties": {"mode": "Incremental", "template": content}}
    url = f"{sim.endpoint}{GROUP}/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01"
    with sim.open_session() as session:
        session.put(url, json=body)
        sim.clock.advance(600)
        assert session.get(url).json()["properties"]["provisioningState"] == "Failed"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (
            {
                "type": "Microsoft.Security/pricings",
                "apiVersion": "2024-01-01",
                "name": "VirtualMachines",
                "properties": {"pricingTier": "Standard", "subPlan": "DefenderForStorageV2"},
            },
            "BadRequest",
        ),
        (
            {
                "type": "Microsoft.Sql/servers",
                "apiVersion": "2021-11-01",
                "name": "box-sql",
                "location": "westeurope",
                "properties": {"version": "12.0"},
            },
            "InvalidParameterValue",
        ),
        (
            {
                **ACCOUNT,
                "kind": "StorageV2",
                "properties": {"networkAcls": {"ipRules": [{"value": "10.0.0.1"}], "defaultAction": "Deny"}},
            },
            "InvalidValuesForRequestParameters",
        ),
    ],
    ids=["plan", "server without administrator", "private address"],
)
def test_a_template_is_refused_what_a_request_is_refused(resource: dict[str, Any], code: str) -> None:
    """The rules of a provider hold for a resource of a template as for a PUT of it."""
    scope = SUBSCRIPTION if resource["type"] == "Microsoft.Security/pricings" else GROUP
    more = {"location": "westeurope"} if scope == SUBSCRIPTION else {}
    shown = deployed(template(resource), scope=scope, **more)[1]
    assert [detail["code"] for detail in shown["error"]["details"]] == [code]
