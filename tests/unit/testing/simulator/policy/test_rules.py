"""The language of policy rules, one case for each kind; Azure's own cases of its engine are where these kinds come from."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing.simulator.policy.expressions import parse
from defender_remediate.testing.simulator.policy.fields import EACH, alias_path, changed, path_of, written
from defender_remediate.testing.simulator.policy.rules import EvaluatedResource, check_condition, holds
from defender_remediate.testing.simulator.policy.values import MISSING, EvaluationError, RuleError

BODY: dict[str, Any] = {
    "name": "Prod-07",
    "tags": {"Cost.Center": "it", "env": ""},
    "null": None,
    "number": 5,
    "text": "5",
    "half": 2.5,
    "whole": 5.0,
    "on": True,
    "ports": [80, 443],
    "empty": [],
    "rules": [
        {"name": "a", "access": "Allow", "to": [{"port": 22}, {"port": 80}]},
        {"name": "b", "access": "Deny", "to": []},
    ],
    "city": "straße",
}
SUBJECT = EvaluatedResource(
    body=BODY,
    parameters={"list": ["a", "b"], "one": "a", "nothing": None},
    words={"utcnow": "2026-03-02T09:00:00Z", "resourcegroup": {"name": "rg", "tags": {"env": "x"}}},
)
CONDITIONS: dict[str, list[tuple[Any, str, Any, bool]]] = {
    "equals": [
        ("name", "equals", "prod-07", True),
        ("number", "equals", "5", True),
        ("text", "equals", 5, True),
        ("on", "equals", "TRUE", True),
        ("on", "equals", "yes", False),
        ("on", "equals", 1, False),
        ("null", "equals", "", True),
        ("absent", "equals", "", False),
        ("absent", "equals", None, True),
        ("absent", "notEquals", "x", True),
        ("tags['Cost.Center']", "equals", "IT", True),
        ("tags.cost.center", "equals", "it", True),
        ("tags[env]", "equals", "", True),
        ("city", "equals", "STRASSE", True),
        ("name", "equals", "[field('absent')]", False),
    ],
    "order": [
        ("number", "greater", 4, True),
        ("text", "less", 6, True),
        ("number", "lessOrEquals", "5", True),
        ("name", "greaterOrEquals", "PROD-07", True),
        ("name", "greater", 1, False),
        ("on", "greater", 1, False),
        ("absent", "less", 1, False),
        ("ports", "less", 1, False),
    ],
    "strings": [
        ("name", "like", "prod*", True),
        ("name", "like", "*d-0?", True),
        ("name", "notLike", "x*", True),
        ("ports", "like", "*", False),
        ("on", "like", "TR*", True),
        ("whole", "like", "5", True),
        ("name", "match", "Prod-##", True),
        ("name", "match", "prod-##", False),
        ("name", "matchInsensitively", "????-0.", True),
        ("name", "notMatch", "Prod", True),
        ("name", "notMatchInsensitively", "prod-##", False),
        ("ports", "match", "#", False),
        ("name", "contains", "OD", True),
        ("number", "contains", "5", True),
        ("number", "contains", 5, False),
        ("ports", "contains", 443, True),
        ("tags", "contains", "ENV", True),
        ("absent", "contains", "x", False),
        ("absent", "notContains", "x", True),
    ],
    "membership": [
        ("name", "in", ["x", "PROD-07"], True),
        ("absent", "in", [None], True),
        ("null", "in", ["", None], False),
        ("null", "notIn", ["x"], True),
        ("name", "in", "prod-07", True),
        ("tags", "containsKey", "ENV", True),
        ("tags", "notContainsKey", "owner", True),
        ("absent", "exists", "false", True),
        ("null", "exists", True, False),
        ("empty", "exists", True, True),
    ],
    "arrays": [
        ("ports[*]", "greater", 79, True),
        ("ports[*]", "greater", 80, False),
        ("empty[*]", "equals", "x", True),
        ("absent[*]", "notEquals", "x", False),
        ("rules[*].access", "in", ["Allow", "Deny"], True),
        ("rules[*].to[*].port", "less", 81, True),
        ("rules[0].name", "equals", "a", True),
        ("rules[9].name", "exists", False, True),
    ],
}
VALUES: list[tuple[Any, Any]] = [
    ("[concat(field('name'), '-', parameters('one'))]", "Prod-07-a"),
    ("[[literal]", "[literal]"),
    ("[length(field('rules[*].to[*].port'))]", 2),
    ("[field('absent[*]')]", []),
    ("[resourceGroup().tags['ENV']]", "x"),
    ("[parameters('list')[1]]", "b"),
    ("[parameters('list')[9]]", MISSING),
    ("[concat(parameters('list'), createArray('c'))]", ["a", "b", "c"]),
    ("[addDays(utcNow(), -2)]", "2026-02-28T09:00:00Z"),
    ("[dateTimeAdd('2026-03-02 09:00:00.25', '-P1DT1H', 'yyyy-MM-dd HH:mm:ss.ff K')]", "2026-03-01 08:00:00.25 Z"),
    ("[dateTimeAdd('2026-03-02', 'P1D', 'u')]", "2026-03-03 00:00:00Z"),
    ("[dateTimeAdd('2026-03-02T09:00:00+02:00', 'PT1S', 'o')]", "2026-03-02T09:00:01.0000000+02:00"),
    ("[dateTimeAdd('2026-03-02T09:00:00.5', 'PT1S')]", "2026-03-02T09:00:01.5Z"),
    ("[dateTimeAdd('2026-03-02', 'PT1S', '''at'' dd')]", "at 02"),
    ("[dateTimeFromEpoch(60)]", "1970-01-01T00:01:00Z"),
    ("[dateTimeToEpoch('1970-01-01T00:01:00Z')]", 60),
    ("[if(equals(field('number'), 5), 'yes', substring('', 0, 9))]", "yes"),
    ("[ipRangeContains('10.0.0.0/8', '10.1.2.3')]", True),
    ("[ipRangeContains('10.0.0.1-10.0.0.9', '10.0.0.10')]", False),
    ("[ipRangeContains('x', '10.0.0.10')]", False),
    ("[coalesce(field('absent'), 'default')]", "default"),
    ("[empty(field('absent'))]", True),
    ("[split('a,b;c', createArray(',', ';'))]", ["a", "b", "c"]),
    ("[split('ab', '')]", ["ab"]),
    ("[toLower(trim(' A '))]", "a"),
    (
        "[format('{0,4}|{1:N1}|{2:x4}|{3:D3}|{4:P0}|{{{5}}}', 'a', 1234.5, 255, 7, 0.5, true)]",
        "   a|1,234.5|00ff|007|50 %|{True}",
    ),
    ("[format('{0:F}', 1)]", "1.00"),
    ("[string(createObject('a', 1.0, 'b', null))]", '{"a":1.0,"b":null}'),
    ("[string(2.0)]", "2"),
    ("[base64ToString(base64('x'))]", "x"),
    ("[base64ToJson('eyJhIjoxfQ==').a]", 1),
    ("[dataUriToString(dataUri('x'))]", "x"),
    ("[uriComponentToString(uriComponent('a b'))]", "a b"),
    ("[uri('https://a.b', 'c')]", "https://a.b/c"),
    (
        "[union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2)))]",
        {"a": {"x": 1, "y": 2}},
    ),
    ("[union(parameters('list'), createArray('b', 'c'))]", ["a", "b", "c"]),
    ("[intersection(parameters('list'), createArray('b', 'c'))]", ["b"]),
    ("[intersection(createObject('a', 1, 'b', 2), createObject('a', 1, 'b', 3))]", {"a": 1}),
    ("[first('')]", ""),
    ("[last(field('empty'))]", None),
    ("[last(parameters('list'))]", "b"),
    ("[min(parameters('list'))]", "a"),
    ("[max(1, 2)]", 2),
    ("[mod(-7, 2)]", -1),
    ("[div(-7, 2)]", -3),
    ("[sub(1, -1)]", 2),
    ("[sub(3, -int('2'))]", 5),
    ("[mul(add(1, 1), 2)]", 4),
    ("[range(1, 2)]", [1, 2]),
    ("[indexOf(parameters('list'), 'b')]", 1),
    ("[lastIndexOf(parameters('list'), 'z')]", -1),
    ("[lastIndexOf('abA', 'a')]", 2),
    ("[items(createObject('b', 2, 'a', 1))[0].key]", "a"),
    ("[tryGet(createObject('a', createArray(1)), 'A', 0)]", 1),
    ("[tryGet('x', 'y')]", None),
    ("[tryGet(createObject('a', 1), 'b')]", None),
    ("[indexFromEnd(parameters('list'), 1)]", "b"),
    ("[tryIndexFromEnd(parameters('list'), 9)]", None),
    ("[join(createArray(1, true), '-')]", "1-true"),
    ("[padLeft(7, 3, '0')]", "007"),
    ("[skip('abc', 1)]", "bc"),
    ("[take(parameters('list'), 1)]", ["a"]),
    ("[bool('1')]", True),
    ("[bool(2)]", True),
    ("[int('3.9')]", 3),
    ("[float('1.5')]", 1.5),
    ("[and(true, not(false), or(false, true))]", True),
    ("[contains(createObject('A', 1), 'a')]", True),
    ("[equals(createArray(1), createArray(1))]", True),
    ("[replace('aXa', 'X', '-')]", "a-a"),
    ("[substring('abc', 1)]", "bc"),
    ("[startsWith('ABC', 'ab')]", True),
    ("[greater(2, 1)]", True),
    ("[json('[1]')[0]]", 1),
    ("[array('x')]", ["x"]),
    ("[null()]", None),
    ("[toUpper(field('absent'))]", MISSING),
    ("[current()]", MISSING),
    ("[current('absent')]", MISSING),
]
FAILING = [
    "int('x')",
    "int(true)",
    "bool('x')",
    "float('x')",
    "substring('abc', 2, 5)",
    "range(0, 10001)",
    "format('{0')",
    "format('{0,9999999}', 1)",
    "format('{0:Z}', 1)",
    "indexFromEnd(createArray(), 1)",
    "dataUriToString('x')",
    "addDays('soon', 1)",
    "dateTimeAdd('2026-03-02', 'P')",
    "dateTimeAdd('2026-03-02', 'P1D', 'q')",
    "div(1, 0)",
    "createObject('a')",
]


def test_conditions_hold_as_in_azure() -> None:
    """One table for each group of operators."""
    cases = [(group, *case) for group, listed in CONDITIONS.items() for case in listed]
    wrong = [
        (group, field, operator, value)
        for group, field, operator, value, wanted in cases
        if holds({"field": field, operator: value}, SUBJECT) is not wanted
    ]
    assert wrong == []


def test_expressions_have_the_values_of_azure() -> None:
    """One case for each function, and for each way to write an expression."""
    wrong = []
    for text, wanted in VALUES:
        found = SUBJECT.body if text is None else _value(text)
        if found != wanted or type(found) is not type(wanted):
            wrong.append((text, found))
    assert wrong == []


def _value(text: str) -> Any:
    from defender_remediate.testing.simulator.policy.expressions import evaluate

    return evaluate(text, SUBJECT)


def test_a_function_that_cannot_take_its_arguments_fails() -> None:
    """Azure refuses the request then."""
    passed = []
    for text in FAILING:
        try:
            parse(text)(SUBJECT)
        except EvaluationError:
            continue
        passed.append(text)
    assert passed == []


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ({"count": {"field": "ports[*]"}, "equals": 2}, True),
        ({"count": {"field": "absent[*]"}, "equals": 0}, True),
        ({"count": {"field": "rules[*]", "where": {"field": "rules[*].access", "equals": "allow"}}, "equals": 1}, True),
        (
            {
                "count": {
                    "field": "rules[*]",
                    "where": {
                        "count": {"field": "rules[*].to[*]", "where": {"field": "rules[*].to[*].port", "equals": 22}},
                        "greater": 0,
                    },
                },
                "equals": 1,
            },
            True,
        ),
        (
            {
                "count": {
                    "value": "[parameters('list')]",
                    "name": "wanted",
                    "where": {
                        "count": {
                            "field": "rules[*]",
                            "where": {"field": "rules[*].name", "equals": "[current('wanted')]"},
                        },
                        "equals": 0,
                    },
                },
                "equals": 0,
            },
            True,
        ),
        (
            {
                "count": {"field": "rules[*]", "where": {"value": "[current('rules[*].name')]", "equals": "a"}},
                "equals": 1,
            },
            True,
        ),
        ({"count": {"value": [1, 2], "where": {"value": "[current()]", "greater": 1}}, "equals": 1}, True),
        ({"count": {"value": "[parameters('nothing')]"}, "equals": 0}, True),
        ({"count": {"value": "x"}, "equals": 1}, True),
        ({"value": "[field('absent')]", "notEquals": "x"}, False),
        ({"value": "[field('absent')]", "exists": False}, True),
        ({"field": "[parameters('list')]", "equals": "x"}, False),
        ({"not": {"anyOf": [{"field": "on", "equals": False}, {"field": "ports[*]", "equals": 80}]}}, True),
    ],
)
def test_counts_and_values(condition: Any, wanted: bool) -> None:
    """Fields in a count mean the element that is counted; what is missing is no value."""
    check_condition(condition)
    assert holds(condition, SUBJECT) is wanted


@pytest.mark.parametrize(
    ("kind", "field", "path"),
    [
        (
            "Microsoft.Storage/storageAccounts",
            "microsoft.storage/storageaccounts/minimumTlsVersion",
            "properties.minimumTlsVersion",
        ),
        ("Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/sku.name", "sku.name"),
        ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults/enableRbac", None),
        ("Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/blobServices/x", None),
        (
            "Microsoft.Network/networkSecurityGroups",
            "Microsoft.Network/networkSecurityGroups/securityRules[*].access",
            "properties.securityRules[*].properties.access",
        ),
        (
            "Microsoft.Compute/virtualMachines",
            "Microsoft.Compute/imagePublisher",
            "properties.storageProfile.imageReference.publisher",
        ),
        (
            "Microsoft.Storage/storageAccounts/blobServices",
            "Microsoft.Storage/storageAccounts/blobServices/default.cors",
            "properties.cors",
        ),
        ("Microsoft.Any/things", "identity.type", "identity.type"),
    ],
)
def test_an_alias_points_where_azure_says(kind: str, field: str, path: str | None) -> None:
    """Through the properties of children, and by the list of irregular aliases; an alias of another type points nowhere."""
    found = alias_path(kind, field)
    assert (None if found is None else written(found)) == path


def test_paths_are_read_and_changed() -> None:
    """Names with any character, indices and all elements; what is missing is made, and removed with its empty owner."""
    assert path_of("a['b''c'][0].d[*]") == ("a", "b'c", 0, "d", EACH)
    assert written(("a", 0, EACH, "b")) == "a[0][*].b"
    assert changed({}, ("a", "b"), lambda _: 1) == {"a": {"b": 1}}
    assert changed({"a": {"B": 1}}, ("a", "b"), lambda _: MISSING) == {"a": {}}
    assert changed({}, ("a", "b"), lambda _: MISSING) == {}
    assert changed({"a": [1, 2]}, ("a", 1), lambda _: 3) == {"a": [1, 3]}
    assert changed({"a": [1, 2]}, ("a", EACH), lambda held: MISSING if held == 1 else held) == {"a": [2]}
    assert changed({"a": 1}, ("a", EACH), lambda _: 3) == {"a": 1}
    with pytest.raises(RuleError, match="is not a condition"):
        check_condition([])
    assert repr(MISSING) == "MISSING"
