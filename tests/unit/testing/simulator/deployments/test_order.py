"""Copy loops, the graph of a template, and deployments at every scope."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.arm_template import TemplateError, TemplateScope
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.deployments.template import described, opened, outputs
from defender_remediate.testing.simulator.state.store import TENANT_ID

SUB = "44444444-4444-4444-8444-444444444444"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
VAULT = {"type": "Microsoft.KeyVault/vaults", "apiVersion": "2025-05-01", "location": "westeurope"}
VERSION = "2025-04-01"


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with these resources."""
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def names(content: dict[str, Any]) -> list[str]:
    """The names of the resources in their order."""
    scope = opened(content, {}, TemplateScope(subscription_id=SUB, resource_group="rg"))
    return [one.id.rpartition("/")[2] for one in described(content, scope)]


def test_a_loop_makes_resources_members_variables_and_outputs() -> None:
    """Each turn has its index, by the name of its loop where loops are nested."""
    loop = {
        **VAULT,
        "name": "[concat('kv', copyIndex(), '-', copyIndex('all', 5))]",
        "copy": {"name": "all", "count": 2},
        "properties": {"copy": [{"name": "rules", "count": 2, "input": "[copyIndex('all', copyIndex('rules'))]"}]},
    }
    content = template(
        loop,
        variables={"copy": [{"name": "squares", "count": 3, "input": "[mul(copyIndex(), copyIndex())]"}]},
        outputs={
            "all": {"type": "array", "copy": {"count": 2, "input": "[copyIndex(1)]"}},
            "squares": {"type": "array", "value": "[variables('squares')]"},
            "never": {"type": "string", "condition": "[false()]", "value": "[fail()]"},
        },
    )
    scope = opened(content, {}, TemplateScope(subscription_id=SUB, resource_group="rg"))
    found = list(described(content, scope))
    assert [(one.id.rpartition("/")[2], one.body["properties"]["rules"]) for one in found] == [
        ("kv0-5", [0, 1]),
        ("kv1-6", [1, 2]),
    ]
    assert {name: one["value"] for name, one in outputs(content, scope).items()} == {
        "all": [1, 2],
        "squares": [0, 1, 4],
    }


@pytest.mark.parametrize(
    ("depends_on", "expected"),
    [
        (["b"], ["b", "a"]),
        (["Microsoft.KeyVault/vaults/b"], ["b", "a"]),
        (["[resourceId('Microsoft.KeyVault/vaults', 'b')]"], ["b", "a"]),
        ([], ["a", "b"]),
    ],
)
def test_a_resource_waits_for_what_it_depends_on(depends_on: list[str], expected: list[str]) -> None:
    """Named by its name, its type and name, or its id."""
    assert names(template({**VAULT, "name": "a", "dependsOn": depends_on}, {**VAULT, "name": "b"})) == expected


def test_loops_symbols_nested_and_skipped_resources_can_be_waited_for() -> None:
    """A loop by its name, a resource by its symbol, a nested deployment with all that it contains, and what is not deployed."""
    loop = {**VAULT, "name": "[concat('kv', copyIndex())]", "copy": {"name": "loop", "count": 2}}
    nested = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2025-04-01",
        "name": "inner",
        "properties": {"mode": "Incremental", "template": template({**VAULT, "name": "within"})},
    }
    skipped = {**VAULT, "name": "never", "condition": False}
    last = {**VAULT, "name": "last", "dependsOn": ["loop", "inner", "never"]}
    assert names(template(last, loop, nested, skipped)) == ["kv0", "kv1", "within", "last"]
    known = {**VAULT, "name": "known", "existing": True}
    symbols = {"one": {**VAULT, "name": "a", "dependsOn": ["two"]}, "two": {**VAULT, "name": "b"}, "three": known}
    assert names({**template(), "resources": symbols}) == ["b", "a"]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ([{**VAULT, "name": "a", "dependsOn": ["none"]}], "is not defined"),
        ([{**VAULT, "name": "a"}, {**VAULT, "name": "A"}], "multiple times"),
        ([{**VAULT, "name": "a", "dependsOn": ["b"]}, {**VAULT, "name": "b", "dependsOn": ["a"]}], "Circular"),
        ([{**VAULT, "name": "a", "copy": {"name": "x"}}], "needs 'name' and 'count'"),
        ([{**VAULT, "name": "a", "copy": {"name": "x", "count": "many"}}], "copy count"),
        ([{**VAULT, "name": "[concat('a', copyIndex())]"}], "copyIndex"),
        ([{**VAULT, "name": "a", "properties": {"copy": [{"name": "x"}]}}], "needs 'name', 'count' and 'input'"),
    ],
)
def test_a_graph_that_azure_refuses(resources: list[Any], problem: str) -> None:
    """Missing, circular and repeated resources, and loops that are not whole."""
    with pytest.raises(TemplateError, match=problem):
        names(template(*resources))


@pytest.mark.parametrize("base", ["", "/providers/Microsoft.Management/managementGroups/top"])
def test_deployments_above_subscriptions(sim: ArmSimulator, call: Any, base: str) -> None:
    """To a management group or the tenant, by the caller, who is unrestricted; each has its own history."""
    path = f"{base}/providers/Microsoft.Resources/deployments"
    body = {"location": "westeurope", "properties": {"mode": "Incremental", "template": template()}}

    def send(method: str, tail: str, content: Any = None) -> Any:
        return call(
            method, path + tail, params={"api-version": VERSION}, **({} if content is None else {"json": content})
        )

    answer = send("PUT", "/one", body)
    assert answer.status_code == 201
    sim.clock.advance(60)
    assert send("GET", "/one").json()["properties"]["provisioningState"] == "Succeeded"
    assert [one["name"] for one in send("GET", "").json()["value"]] == ["one"]
    assert send("GET", "/one/operations").json()["value"] == []
    assert send("POST", "/one/whatIf", body).status_code == 202
    if base:
        assert call("GET", f"{path.replace('top', 'none')}", params={"api-version": VERSION}).status_code == 404


def test_the_hash_of_a_template_ignores_its_order(call: Any) -> None:
    """It is that which a deployment of the template shows."""
    path = "/providers/Microsoft.Resources/calculateTemplateHash"
    content = template()
    shuffled = dict(reversed(content.items()))
    hashes = {
        call("POST", path, params={"api-version": VERSION}, json=one).json()["templateHash"]
        for one in (content, shuffled)
    }
    assert len(hashes) == 1


def test_what_an_expression_reads_comes_first() -> None:
    """By name, by symbol or by an id without an api-version, literal or computed; a name that two resources have says nothing."""
    by_name = {
        **VAULT,
        "name": "a",
        "properties": {"x": "[reference('b').x]", "y": 1},
        "tags": {"z": "[listKeys('c', '1')]"},
    }
    by_id = {
        **VAULT,
        "name": "b",
        "properties": {"x": ["[reference(resourceId('Microsoft.KeyVault/vaults', 'd')).x]", "[reference(1, 2, 3)]"]},
    }
    computed = {**VAULT, "name": "c", "properties": {"x": "[reference(concat('', 'd')).x]"}}
    assert names(template(by_name, by_id, computed, {**VAULT, "name": "d"})) == ["d", "b", "c", "a"]
    versioned = {**VAULT, "name": "a", "properties": {"x": "[reference('b', '2025-05-01').x]"}}
    assert names(template(versioned, {**VAULT, "name": "b"})) == ["a", "b"]
    child = {"type": "Microsoft.KeyVault/vaults/secrets", "apiVersion": "2025-05-01", "name": "b/b", "dependsOn": ["a"]}
    ambiguous = {**VAULT, "name": "a", "properties": {"x": "[reference('b').x]"}}
    assert names(template(ambiguous, {**VAULT, "name": "b"}, child)) == ["a", "b", "b"]
    around = {**VAULT, "name": "a", "properties": {"x": "[reference('b').x]"}}
    circle = {**VAULT, "name": "b", "properties": {"x": "[reference('a').x]"}}
    with pytest.raises(TemplateError, match="Circular dependency"):
        names(template(around, circle))


def nested(scope: str, inside: dict[str, Any]) -> dict[str, Any]:
    """A nested deployment named n1."""
    options = {"scope": scope}
    return {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": VERSION,
        "name": "n1",
        "properties": {"mode": "Incremental", "template": inside, "expressionEvaluationOptions": options},
    }


def test_a_nested_deployment_comes_after_what_it_reads_and_before_its_readers() -> None:
    """In an outer scope its expressions read the template around it; in an inner scope they read their own."""
    last = {**VAULT, "name": "last", "properties": {"x": "[reference('n1').outputs.x.value]"}}
    inside = template({**VAULT, "name": "in", "properties": {"x": "[reference('kv').x]"}})
    assert names(template(last, nested("outer", inside), {**VAULT, "name": "kv"})) == ["kv", "in", "last"]
    assert names(template(last, nested("inner", inside), {**VAULT, "name": "kv"})) == ["in", "last", "kv"]


def history(call: Any, group: str, name: str) -> tuple[str, list[str]]:
    """The state of a deployment of a group, and what its operations are about."""
    listed = call.get(f"{group}/deployments/{name}/operations", VERSION)["value"]
    targets = [one["properties"].get("targetResource", {"resourceName": "outputs"})["resourceName"] for one in listed]
    shown = call.get(f"{group}/providers/Microsoft.Resources/deployments/{name}", VERSION)
    return str(shown["properties"]["provisioningState"]), sorted(targets)


def vault(name: str, **properties: Any) -> dict[str, Any]:
    """A key vault of a template."""
    usual = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    return {**VAULT, "name": name, "properties": {**usual, **properties}}


@pytest.mark.parametrize(("outer", "inner"), [("inner", "inner"), ("outer", "outer"), ("inner", "outer")])
def test_each_nested_deployment_has_its_own_history(
    sim: ArmSimulator, call: Any, account: str, group: str, outer: str, inner: str
) -> None:
    """With the operations of its template; the deployment around it has one operation for all of it."""
    deepest = {**nested(inner, template(vault("kv-deep"))), "name": "n2"}
    middle = nested(outer, template(vault("kv-mid"), deepest, outputs={"x": {"type": "int", "value": 7}}))
    body = {"properties": {"mode": "Incremental", "template": template(vault("kv-top"), middle)}}
    path = f"{group}/providers/Microsoft.Resources/deployments/d1?api-version={VERSION}"
    assert call("PUT", path, json=body).status_code == 201
    sim.clock.advance(600)
    assert history(call, group, "d1") == ("Succeeded", ["kv-top", "n1"])
    assert history(call, group, "n1") == ("Succeeded", ["kv-mid", "n2"])
    assert history(call, group, "n2") == ("Succeeded", ["kv-deep"])
    shown = call.get(f"{group}/providers/Microsoft.Resources/deployments/n1", VERSION)["properties"]
    assert shown["outputs"] == {"x": {"type": "Int", "value": 7}}
    assert {one["id"].rpartition("/")[2] for one in shown["outputResources"]} == {"kv-mid", "kv-deep"}


@pytest.mark.parametrize("value", ["[reference('gone').x]", "[listKeys('st1', '2025-08-01').keys]", None])
def test_a_nested_deployment_that_fails_fails_the_one_around_it(
    sim: ArmSimulator, call: Any, account: str, group: str, value: str | None
) -> None:
    """By a resource, or by an output that reads what is not there or may not be read; its entry says why."""
    sim.access.deny("Microsoft.Storage/storageAccounts/listKeys/action", account)
    storage = {
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2025-08-01",
        "name": "stfour",
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
    }
    read = (value or "1").replace("st1", "stfour")
    inside = template(storage, outputs={"x": {"type": "array", "value": read}})
    if value is None:
        inside = template(vault("kv-one", surprise=1))
    body = {"properties": {"mode": "Incremental", "template": template(nested("inner", inside))}}
    path = f"{group}/providers/Microsoft.Resources/deployments/d1?api-version={VERSION}"
    assert call("PUT", path, json=body).status_code == 201
    sim.clock.advance(600)
    assert history(call, group, "n1")[0] == history(call, group, "d1")[0] == "Failed"
    error = call.get(f"{group}/providers/Microsoft.Resources/deployments/n1", VERSION)["properties"]["error"]
    assert error["code"] in ("InvalidTemplate", "AuthorizationFailed", "DeploymentFailed")


def test_a_module_takes_the_outputs_of_another(sim: ArmSimulator, call: Any, account: str, group: str) -> None:
    """As Bicep compiles modules: in inner scopes, with parameters that read other deployments, also through a second level."""
    taking = {"p": {"type": "string"}}
    given = {
        "p": {"value": "[reference(resourceId('Microsoft.Resources/deployments', 'm1'), '2022-09-01').outputs.x.value]"}
    }
    tagged = {**vault("kv-two"), "tags": {"x": "[parameters('p')]"}}
    passed_on = nested("inner", template(tagged, parameters=taking))
    passed_on["properties"]["parameters"] = {"p": {"value": "[parameters('p')]"}}
    second = {**nested("inner", template(passed_on, parameters=taking)), "name": "m2"}
    second["properties"]["parameters"] = given
    second["dependsOn"] = ["m1"]
    outputs_of = {"x": {"type": "string", "value": "[resourceGroup().name]"}}
    first = {**nested("inner", template(vault("kv-one"), outputs=outputs_of)), "name": "m1"}
    body = {"properties": {"mode": "Incremental", "template": template(second, first)}}
    path = f"{group}/providers/Microsoft.Resources/deployments/d1?api-version={VERSION}"
    reply = call("PUT", path, json=body)
    assert reply.status_code == 201, reply.text()
    sim.clock.advance(600)
    assert history(call, group, "d1") == ("Succeeded", ["m1", "m2"])
    assert call.get(f"{group}/providers/Microsoft.KeyVault/vaults/kv-two", "2025-05-01")["tags"] == {"x": "rg"}
    named = {
        **nested("inner", template(vault("[parameters('p')]"), parameters=taking)),
        "name": "m3",
        "dependsOn": ["m1"],
    }
    named["properties"]["parameters"] = given
    body = {"properties": {"mode": "Incremental", "template": template(named, first)}}
    assert call("PUT", path, json=body).status_code == 400
