"""Expressions of templates that name resources of the same template, and functions that only templates have."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

VERSION = "2021-04-01"
ACCOUNT = {
    "type": "Microsoft.Storage/storageAccounts",
    "apiVersion": "2023-05-01",
    "name": "shopdata",
    "location": "westeurope",
    "sku": {"name": "Standard_LRS"},
    "kind": "StorageV2",
    "properties": {},
}


def template(*resources: Any, **more: Any) -> dict[str, Any]:
    """A template with the usual frame."""
    listed: Any = list(resources)
    return {"$schema": "s", "contentVersion": "1.0.0.0", "resources": listed, **more}


def output(expression: Any, kind: str = "string") -> dict[str, Any]:
    """The outputs of a template with one value."""
    return {"o": {"type": kind, "value": expression}}


def deployed(content: dict[str, Any], parameters: Any = None) -> Any:
    """The value of the output of a deployment, or its error."""
    sim = ArmSimulator()
    group = f"{sim.resources.add_subscription()}/resourceGroups/rg"
    sim.resources.add({"id": group, "location": "westeurope"})
    body = {"properties": {"mode": "Incremental", "template": content, "parameters": parameters or {}}}
    url = f"{sim.endpoint}{group}/providers/Microsoft.Resources/deployments/fix?api-version={VERSION}"
    with sim.open_session() as session:
        answer = session.put(url, json=body).json()
        if "error" in answer:
            return answer["error"]["code"]
        sim.clock.advance(600)
        properties = session.get(url).json()["properties"]
    return properties["outputs"]["o"]["value"] if "outputs" in properties else properties["error"]


def nested(**more: Any) -> dict[str, Any]:
    """A nested deployment that deploys the account and has an output."""
    inner = template(ACCOUNT, outputs=output("[reference('shopdata').minimumTlsVersion]"))
    properties = {"mode": "Incremental", "template": inner, **more}
    return {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": VERSION,
        "name": "inner",
        "properties": properties,
    }


_OUTER = {"expressionEvaluationOptions": {"scope": "outer"}}
_INNER = {"expressionEvaluationOptions": {"scope": "inner"}}
_SYMBOLIC = {"languageVersion": "2.0", "outputs": output("[reference('account').minimumTlsVersion]")}
_TLS = "TLS1_0"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (template(ACCOUNT, outputs=output("[reference('shopdata').minimumTlsVersion]")), _TLS),
        (template(ACCOUNT, outputs=output("[string(length(listKeys('shopdata', '2023-05-01').keys))]")), "2"),
        ({**template(**_SYMBOLIC), "resources": {"account": ACCOUNT}}, _TLS),
        (template(nested(**_INNER), outputs=output("[reference('inner').outputs.o.value]")), _TLS),
        (
            template(
                nested(**_INNER),
                outputs=output("[reference(resourceId('Microsoft.Resources/deployments', 'inner')).outputs.o.value]"),
            ),
            _TLS,
        ),
        (
            template(
                ACCOUNT,
                {**nested(**_OUTER), "properties": {"mode": "Incremental", "template": template(), **_OUTER}},
                outputs=output("[reference('inner').provisioningState]"),
            ),
            "Succeeded",
        ),
    ],
)
def test_a_template_names_its_own_resources(content: dict[str, Any], value: str) -> None:
    """By name, symbol, or as a nested deployment: that is how most templates refer to what they deploy."""
    assert deployed(content) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[filter(createArray(1, 2), lambda('x', greater(lambdaVariables('x'), 1)))]", [2]),
        ("[map(createArray(2, 3), lambda('y', mul(lambdaVariables('y'), 2)))]", [4, 6]),
        ("[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]", [1, 2, 3]),
        ("[reduce(createArray(1, 2), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))]", 3),
        ("[toObject(createArray('a'), lambda('x', lambdaVariables('x')))]", {"a": "a"}),
        ("[toObject(createArray('a'), lambda('x', 'k'), lambda('x', 1))]", {"k": 1}),
        ("[groupBy(createArray('ab', 'ac'), lambda('x', take(lambdaVariables('x'), 1)))]", {"a": ["ab", "ac"]}),
        ("[mapValues(createObject('a', 1), lambda('x', add(lambdaVariables('x'), 1)))]", {"a": 2}),
        ("[shallowMerge(createArray(createObject('a', 1), createObject('a', 2)))]", {"a": 2}),
        ("[flatten(createArray(createArray(1), createArray(2)))]", [1, 2]),
        ("[objectKeys(createObject('b', 1, 'A', 2))]", ["A", "b"]),
        ("[cidrSubnet('10.0.0.0/16', 24, 2)]", "10.0.2.0/24"),
        ("[cidrHost('10.0.2.0/24', 0)]", "10.0.2.1"),
        ("[environment().suffixes.storage]", "core.windows.net"),
        ("[length(tenant().tenantId)]", 36),
        ("[managementGroupResourceId('mg', 'Microsoft.A/b', 'c')]",
         "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.A/b/c"),
        ("[tryGet(createObject(), 'a')]", None),
        ("[c.twice('a')]", "aa"),
    ],
)  # fmt: skip
def test_functions_of_templates(expression: str, value: Any) -> None:
    """Lambdas, functions of the template, networks and the cloud."""
    twice = {
        "parameters": [{"name": "n", "type": "string"}],
        "output": {"value": "[concat(parameters('n'), parameters('n'))]"},
    }
    functions = [{"namespace": "c", "members": {"twice": twice}}]
    assert deployed(template(outputs=output(expression, "any"), functions=functions)) == value


@pytest.mark.parametrize(
    "content",
    [
        template(variables={"a": "[variables('b')]", "b": "[variables('a')]"}, outputs=output("[variables('a')]")),
        template(outputs=output("text", "int")),
        template(outputs=output("[lambda()]")),
        template(outputs=output("[lambdaVariables('x')]")),
        template(outputs=output("[c.unknown()]")),
        template(
            outputs=output("[c.none('a')]"),
            functions=[{"namespace": "c", "members": {"none": {"output": {"value": 1}}}}],
        ),
        template(outputs=output("[cidrSubnet('10.0.0.0/24', 16, 0)]")),
        template({**ACCOUNT, "condition": "yes"}),
        template(parameters={"p": {"type": "int", "maxValue": 3, "defaultValue": 4}}),
        template(parameters={"p": {"$ref": "#/definitions/none"}}),
    ],
)
def test_a_wrong_template_is_refused_and_never_crashes(content: dict[str, Any]) -> None:
    """Also where a value refers to itself."""
    assert deployed(content) == "InvalidTemplate"


def test_parameters_may_be_null_or_of_a_defined_type() -> None:
    """As Bicep writes optional parameters and user-defined types."""
    content = template(
        parameters={"n": {"type": "string", "nullable": True}, "t": {"$ref": "#/definitions/short"}},
        definitions={"short": {"type": "string", "maxLength": 3}},
        outputs={"o": {"type": "string", "nullable": True, "value": "[coalesce(parameters('n'), parameters('t'))]"}},
    )
    assert deployed(content, {"t": {"value": "abc"}}) == "abc"
    assert deployed(content, {"t": {"value": "abcd"}}) == "InvalidTemplate"
    assert deployed(content, {"n": {"value": None}, "t": "abc"}) == "InvalidTemplate"
