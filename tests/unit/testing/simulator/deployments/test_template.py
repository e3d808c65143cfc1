"""Templates and their expressions."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing.simulator.deployments.expressions import Scope, TemplateError, evaluate
from defender_remediate.testing.simulator.deployments.template import described, opened, outputs

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
OTHER = "55555555-5555-4555-8555-555555555555"
GROUP = f"{SUB}/resourceGroups/rg"
SCOPE = Scope(
    base=GROUP,
    location="westeurope",
    deployment="fix",
    parameters={"Name": "x", "list": [1, {"a": "b"}], "off": False},
    variables={"twice": "[concat(parameters('name'), parameters('name'))]"},
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[escaped]", "[escaped]"),
        ("[parameters('NAME')]", "x"),
        ("[variables('TWICE')]", "xx"),
        ("[parameters('list')[1].A]", "b"),
        ("[parameters('list')[0]]", 1),
        ("[concat('a''b', 1, true())]", "a'b1True"),
        ("[concat(createArray(1), createArray(2))]", [1, 2]),
        ("[format('{1}-{0}-{0}', 'a', 2)]", "2-a-a"),
        ("[resourceId('Microsoft.A/b', 'c')]", f"{GROUP}/providers/Microsoft.A/b/c"),
        ("[resourceId('Microsoft.A/b/d', 'c', 'e')]", f"{GROUP}/providers/Microsoft.A/b/c/d/e"),
        ("[resourceId('other', 'Microsoft.A/b', 'c')]", f"{SUB}/resourceGroups/other/providers/Microsoft.A/b/c"),
        (f"[resourceId('{OTHER}', 'Microsoft.A/b', 'c')]", f"/subscriptions/{OTHER}/providers/Microsoft.A/b/c"),
        (
            f"[resourceId('{OTHER}', 'g', 'Microsoft.A/b', 'c')]",
            f"/subscriptions/{OTHER}/resourceGroups/g/providers/Microsoft.A/b/c",
        ),
        ("[subscriptionResourceId('Microsoft.A/b', 'c')]", f"{SUB}/providers/Microsoft.A/b/c"),
        (
            f"[subscriptionResourceId('{OTHER}', 'Microsoft.A/b', 'c')]",
            f"/subscriptions/{OTHER}/providers/Microsoft.A/b/c",
        ),
        ("[extensionResourceId('/s', 'Microsoft.A/b', 'c')]", "/s/providers/Microsoft.A/b/c"),
        ("[subscription().subscriptionId]", SUB.rpartition("/")[2]),
        ("[subscription().id]", SUB),
        ("[concat(resourceGroup().name, resourceGroup().location)]", "rgwesteurope"),
        ("[deployment().name]", "fix"),
        ("[toLower(toUpper('aB'))]", "ab"),
        ("[if(equals(parameters('off'), false()), 'yes', reference('x'))]", "yes"),
        ("[if(parameters('off'), reference('x'), 'no')]", "no"),
        ("[and(true(), not(false()), or(false(), true()))]", True),
        ("[equals(1, '1')]", False),
        ("[empty(createArray())]", True),
        ("[string(int('-3'))]", "-3"),
        ("[length(split('a,b', ','))]", 2),
        ("[contains('Abc', 'B')]", True),
        ("[contains(createArray('a'), 'A')]", False),
        ("[first(take(createArray(3, 4), 1))]", 3),
        ("[last('abc')]", "c"),
        ("[replace(substring('abcd', 1, 2), 'b', 'x')]", "xc"),
        ("[coalesce(null(), 'x')]", "x"),
        ("[union(createObject('a', 1), createObject('b', 2))]", {"a": 1, "b": 2}),
        ("[union(createArray(1), createArray(1, 2))]", [1, 2]),
        ({"[parameters('name')]": ["[parameters('name')]", 5]}, {"x": ["x", 5]}),
    ],
)
def test_expressions(text: Any, value: Any) -> None:
    """Each function that is simulated; only the branch of an ``if`` that counts is worked out."""
    assert evaluate(text, SCOPE) == value


def test_unique_texts_are_unique_and_repeatable() -> None:
    """Thirteen characters; a GUID."""
    one, two = (evaluate(f"[uniqueString(resourceGroup().id, '{word}')]", SCOPE) for word in "ab")
    assert len(one) == 13
    assert one != two
    assert one == evaluate("[uniqueString(resourceGroup().id, 'a')]", SCOPE)
    assert len(evaluate("[guid('a')]", SCOPE)) == 36


@pytest.mark.parametrize(
    "text",
    [
        "[reference('x')]",
        "[listKeys('x', 'y')]",
        "[nonsense()]",
        "[parameters('none')]",
        "[variables('none')]",
        "[parameters('list')[9]]",
        "[parameters('name').x]",
        "[if(true(), 1)]",
        "[concat('a']",
        "[concat('a') 'b']",
        "[concat]",
        "[,]",
        "[]",
        "[a # b]",
        "[format('{3}', 'a')]",
        "[length(5)]",
        "[int('x')]",
        "[resourceId('Microsoft.A/b')]",
        "[resourceId('Microsoft.A/b', '')]",
        "[parameters('list')['x'.y]]",
        "[parameters('list')[0)]",
        "[resourceGroup().tags]",
    ],
)
def test_what_cannot_be_worked_out_is_loud(text: str) -> None:
    """Never a guess."""
    with pytest.raises(TemplateError):
        evaluate(text, SCOPE)


def test_a_subscription_has_no_group() -> None:
    """Nor does its deployment."""
    with pytest.raises(TemplateError):
        evaluate("[resourceGroup().name]", Scope(base=SUB))


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with the usual frame."""
    return {"$schema": "s", "contentVersion": "1.0.0.0", "resources": list(resources), **more}


def found(content: dict[str, Any], given: Any = None, base: str = GROUP) -> list[Any]:
    """What a template describes."""
    scope = opened(content, given or {}, Scope(base=base, location="westeurope"))
    return list(described(content, scope))


def test_children_extensions_conditions_and_symbolic_names() -> None:
    """Each becomes a resource with its own id, or none."""
    parent = {
        "type": "Microsoft.KeyVault/vaults",
        "apiVersion": "2025-05-01",
        "name": "kv",
        "dependsOn": ["whatever"],
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
        opened(template(), {"stranger": {"value": 1}}, SCOPE)
