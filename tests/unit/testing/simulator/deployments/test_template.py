"""Templates: the resources and outputs that they describe."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.arm_template import TemplateError, TemplateScope
from defender_remediate.testing.simulator.deployments.template import described, opened, outputs

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
OTHER = "55555555-5555-4555-8555-555555555555"
GROUP = f"{SUB}/resourceGroups/rg"
SCOPE = TemplateScope(
    subscription_id="44444444-4444-4444-8444-444444444444",
    resource_group="rg",
    location="westeurope",
    deployment="fix",
    parameters={"Name": "x", "list": [1, {"a": "b"}], "off": False},
    variables={"twice": "[concat(parameters('name'), parameters('name'))]"},
)


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with the usual frame."""
    return {"$schema": "s", "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def found(content: dict[str, Any], given: Any = None, base: str = GROUP) -> list[Any]:
    """What a template describes."""
    scope = opened(
        content,
        given or {},
        TemplateScope(
            subscription_id=SUB.rpartition("/")[2], resource_group=None if base == SUB else "rg", location="westeurope"
        ),
    )
    return list(described(content, scope))


def test_children_extensions_conditions_and_symbolic_names() -> None:
    """Each becomes a resource with its own id, or none."""
    parent = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2025-05-01",
        "name": "kv",
        "dependsOn": [],
        "resources": [{"type": "secrets", "apiVersion": "2025-05-01", "name": "s"}],
    }
    old = {
        "type": "Microsoft.KeyVault/vaults/providers/diagnosticSettings",
        "apiVersion": "1",
        "name": "kv/Microsoft.Insights/audit",
    }
    scoped = {"type": "Microsoft.Insights/diagnosticSettings", "apiVersion": "1", "name": "audit", "scope": f"{SUB}/x"}
    never = {"type": "Microsoft.A/b", "apiVersion": "1", "name": "n", "condition": "[false()]"}
    ids = [item.id for item in found(template(parent, old, scoped, never))]
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv"
    assert ids == [
        vault,
        f"{vault}/secrets/s",
        f"{vault}/providers/Microsoft.Insights/diagnosticSettings/audit",
        f"{SUB}/x/providers/Microsoft.Insights/diagnosticSettings/audit",
    ]
    named = {**template(), "resources": {"vault": {**parent, "resources": []}}}
    assert [item.type for item in found(named)] == ["Microsoft.KeyVault/vaults"]


def test_nested_deployments() -> None:
    """Inner ones have their own parameters, outer ones see those outside; both may go to another group."""
    inner = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2024-07-01",
        "name": "inner",
        "resourceGroup": "[parameters('group')]",
        "properties": {
            "expressionEvaluationOptions": {"scope": "Inner"},
            "parameters": {"n": {"value": "[parameters('group')]"}},
            "template": template(
                {"type": "Microsoft.A/b", "apiVersion": "1", "name": "[parameters('n')]"},
                parameters={"n": {"type": "string"}},
            ),
        },
    }
    outer = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2024-07-01",
        "name": "outer",
        "subscriptionId": OTHER,
        "properties": {
            "template": template({"type": "Microsoft.A/b", "apiVersion": "1", "name": "[parameters('group')]"})
        },
    }
    content = template(inner, outer, parameters={"group": {"type": "string"}})
    assert [item.id for item in found(content, {"group": {"value": "g"}}, SUB)] == [
        f"{SUB}/resourceGroups/g/providers/Microsoft.A/b/g",
        f"/subscriptions/{OTHER}/providers/Microsoft.A/b/g",
    ]
    with pytest.raises(TemplateError):
        found(template({**outer, "properties": {}}))


def test_a_member_that_no_resource_has() -> None:
    """It is named, as Azure does, so that a typing error is found."""
    with pytest.raises(TemplateError, match="could not find member 'propertys'"):
        found(template({"type": "Microsoft.A/b", "apiVersion": "1", "name": "x", "propertys": {}}))


@pytest.mark.parametrize(
    ("rules", "given", "value"),
    [
        ({"type": "string"}, {"value": "a"}, "a"),
        ({"type": "secureString"}, {"value": "a"}, "a"),
        ({"type": "Int", "defaultValue": 5}, None, 5),
        ({"type": "bool", "defaultValue": "[true()]"}, None, True),
        ({"type": "array"}, {"value": [1]}, [1]),
        ({"type": "object"}, {"value": {}}, {}),
        ({"type": "string", "allowedValues": ["a"], "minLength": 1, "maxLength": 1}, {"value": "a"}, "a"),
    ],
)
def test_parameters(rules: Any, given: Any, value: Any) -> None:
    """Given or by default, of their type and within their limits; the case of a name does not matter."""
    content = template(parameters={"P": rules}, outputs={"o": {"value": "[parameters('p')]"}})
    scope = opened(content, {"p": given} if given else {}, SCOPE)
    assert outputs(content, scope)["o"]["value"] == value


@pytest.mark.parametrize(
    ("rules", "given"),
    [
        ({"type": "string"}, None),
        ({"type": "string"}, {"value": 1}),
        ({"type": "int"}, {"value": True}),
        ({"type": "strange"}, {"value": "a"}),
        ({"type": "string"}, {"reference": {}}),
        ({"type": "string", "allowedValues": ["b"]}, {"value": "a"}),
        ({"type": "string", "minLength": 2}, {"value": "a"}),
        ({"type": "array", "maxLength": 1}, {"value": [1, 2]}),
    ],
)
def test_wrong_parameters(rules: Any, given: Any) -> None:
    """Missing, of another type, out of the limits, or a reference to a secret."""
    with pytest.raises(TemplateError):
        opened(template(parameters={"p": rules}), {"p": given} if given else {}, SCOPE)


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"resources": []},
        template(odd=1),
        template({"type": "Microsoft.A/b", "name": "n"}),
        template({"type": "Microsoft.A/b", "name": "n", "apiVersion": "1", "copy": {}}),
        template({"type": "Microsoft.A/b/c", "name": "n", "apiVersion": "1"}),
        template({"type": "Microsoft.A", "name": "", "apiVersion": "1"}),
        template(
            {
                "type": "Microsoft.A/b",
                "name": "n",
                "apiVersion": "1",
                "resources": [{"type": "c", "name": "", "apiVersion": "1"}],
            }
        ),
    ],
)
def test_what_is_no_template(content: Any) -> None:
    """Refused, with a reason."""
    with pytest.raises(TemplateError):
        found(content)
    with pytest.raises(TemplateError):
        opened(template(), {"unknown": {"value": 1}}, SCOPE)
