"""Expressions of ARM templates."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate.arm_template import TemplateError, TemplateScope, evaluate

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
        ({"[parameters('name')]": ("[parameters('name')]", 5)}, {"x": ["x", 5]}),
        ("[Parameters( 'name' )]", "x"),
    ],
)
def test_expressions(text: Any, value: Any) -> None:
    """Every known function returns what Azure returns; only the branch of an ``if`` that counts is evaluated."""
    assert evaluate(text, SCOPE) == value


def test_unique_strings_depend_on_their_arguments_only() -> None:
    """UniqueString has thirteen characters, and guid the form of a GUID."""
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
def test_an_expression_that_cannot_be_evaluated_is_an_error(text: str) -> None:
    """A malformed expression, or one that only Azure can evaluate, is never guessed."""
    with pytest.raises(TemplateError):
        evaluate(text, SCOPE)


def test_a_deployment_to_a_subscription_has_no_resource_group() -> None:
    """resourceGroup() is an error there."""
    with pytest.raises(TemplateError):
        evaluate("[resourceGroup().name]", TemplateScope(subscription_id="44444444-4444-4444-8444-444444444444"))


@pytest.mark.parametrize("text", ["[environment().name]", "[reference('x').y]", "[listKeys('x', '1').keys[0]]"])
def test_what_only_azure_knows_is_never_guessed(text: str) -> None:
    """Unless someone answers for the resources; then an expression that nothing answers can be kept as it is written."""
    with pytest.raises(TemplateError, match="outside Azure"):
        evaluate(text, SCOPE)
    keeps = attrs.evolve(SCOPE, keeps_unresolved=True)
    if "environment" not in text:
        assert evaluate(text, keeps) == text
    answers = attrs.evolve(SCOPE, read=lambda name, arguments: {"y": name, "keys": [arguments]})
    assert evaluate("[reference('x').y]", answers) == "reference"
    assert evaluate("[listKeys('x', '1').keys[0]]", answers) == ["x", "1"]


def test_a_scope_has_the_id_of_what_is_deployed_to() -> None:
    """A resource group, a subscription, or the id that is given for a management group and the tenant."""
    top = "/providers/Microsoft.Management/managementGroups/top"
    subscription = attrs.evolve(SCOPE, resource_group=None)
    based = [attrs.evolve(subscription, base=base) for base in (top, "")]
    assert [scope.id for scope in (SCOPE, subscription, *based)] == [GROUP, SUB, top, ""]
