"""Azure Policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.policy import (
    BENCHMARK,
    Assignment,
    content,
    could_refuse,
    judge,
    members,
)
from defender_remediate.preflight.subject import Subject

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
DEFINITION = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyDefinitions/tls"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/"
EXAMPLES = Path(__file__).parents[5] / "shared" / "data" / "examples"


def assignment(**properties: Any) -> Assignment:
    """One of a single policy at a subscription, as Azure lists it."""
    return Assignment.from_rest(
        {
            "id": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a",
            "properties": {"policyDefinitionId": DEFINITION, "enforcementMode": "Default", **properties},
        }
    )


def definition(effect: Any, /, **parameters: Any) -> dict[str, Any]:
    return {"properties": {"policyRule": {"if": {}, "then": {"effect": effect}}, "parameters": parameters}}


@pytest.mark.parametrize(
    ("properties", "holds"),
    [
        ({}, True),
        ({"scope": GROUP.upper()}, True),
        ({"scope": f"{GROUP}2"}, False),
        ({"scope": "/providers/Microsoft.Management/managementGroups/m"}, True),
        ({"notScopes": [GROUP]}, False),
        ({"notScopes": [f"{GROUP}2"]}, True),
        ({"notScopes": ["/providers/Microsoft.Management/managementGroups/sandbox"]}, True),
        ({"enforcementMode": "DoNotEnforce"}, False),
        ({"enforcementMode": None}, True),
    ],
)
def test_where_an_assignment_holds(properties: dict[str, Any], holds: bool) -> None:
    """At its scope and below, where it is not left out, and when it is enforced.

    What management group a place is in no id says: one that is left out may be another one.
    """
    assert assignment(**properties).holds_at(ACCOUNT) is holds


@pytest.mark.parametrize(
    ("effect", "refuses"),
    [
        ("Deny", True),
        ("deny", True),
        ("audit", False),
        ("AuditIfNotExists", False),
        ("DeployIfNotExists", False),
        ("disabled", False),
        ("denyAction", False),
        ("modify", True),
        ("append", True),
        ("novelty", True),
        ("", True),
        (None, True),
        ("[concat('de','ny')]", True),
    ],
)
def test_what_a_literal_effect_could_do(effect: Any, refuses: bool) -> None:
    """What is not known could refuse: then Azure is asked."""
    assert could_refuse(assignment(), definition(effect)) is refuses


def test_an_effect_by_parameter_is_looked_up() -> None:
    """The assignment's value, else the default of the definition, whatever the case of the name."""
    named = definition("[parameters('effect')]", effect={"defaultValue": "Audit"})
    assert not could_refuse(assignment(), named)
    assert could_refuse(assignment(parameters={"Effect": {"value": "Deny"}}), named)
    assert not could_refuse(assignment(parameters={"effect": {"value": "Disabled"}}), named)
    assert could_refuse(assignment(), definition("[ parameters( 'effect' ) ]"))
    assert could_refuse(assignment(), None)


def test_an_override_counts_more_than_the_definition() -> None:
    """It sets the effect from outside."""
    overriding = assignment(overrides=[{"kind": "policyEffect", "value": "deny"}])
    assert could_refuse(overriding, definition("audit"))
    assert not could_refuse(assignment(overrides=[{"value": "Audit"}]), definition("audit"))


def test_the_benchmark_audits_unless_it_is_told_to_deny() -> None:
    """Any other initiative could hold anything."""
    assert not could_refuse(assignment(policyDefinitionId=f"{SET}{BENCHMARK.upper()}"), None)
    told = assignment(
        policyDefinitionId=f"{SET}{BENCHMARK}", parameters={"x": {"value": "Deny"}, "y": {"value": ["a"]}}
    )
    assert could_refuse(told, None)
    assert could_refuse(assignment(policyDefinitionId=f"{SET}own"), None)


def test_what_an_assignment_is_made_of() -> None:
    """A single policy has no reference; an initiative has one for each."""
    assert members(assignment(), None) == (("", "tls"),)
    own = assignment(policyDefinitionId=f"{SET}own")
    parts = [{"policyDefinitionReferenceId": "r", "policyDefinitionId": "/x/policyDefinitions/P"}]
    assert members(own, {"properties": {"policyDefinitions": parts}}) == (("r", "P"),)
    with pytest.raises(MalformedResponseError, match="policyDefinitions"):
        members(own, {"properties": {}})


def test_the_content_is_the_resource_as_it_will_be(make_subject: Callable[..., Subject]) -> None:
    """Without its name, so that a thousand alike are asked about once, and without what moves by itself."""
    after = {
        "id": ACCOUNT,
        "name": "shopdata",
        "type": "x",
        "etag": "e",
        "location": "westeurope",
        "properties": {"a": 1},
    }
    assert content(make_subject({}, after)) == {
        "type": "Microsoft.Storage/storageAccounts",
        "location": "westeurope",
        "properties": {"a": 1},
    }


def evaluated(result: str = "NonCompliant", effect: Any = "Deny") -> dict[str, Any]:
    item = {
        "policyInfo": {"policyDefinitionId": "/d", "policyAssignmentId": "/a"},
        "evaluationResult": result,
        "effectDetails": {"policyEffect": effect},
    }
    return {"contentEvaluationResult": {"policyEvaluations": [item]}}


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (evaluated(), [CheckStatus.BLOCKED]),
        (evaluated(effect=None), [CheckStatus.BLOCKED]),
        (evaluated(effect="Audit"), []),
        (evaluated("Compliant"), []),
        (evaluated(effect="Modify"), [CheckStatus.WARNING]),
        (evaluated("Error"), [CheckStatus.UNCHECKED]),
        (evaluated(""), [CheckStatus.UNCHECKED]),
        ({"contentEvaluationResult": {"policyEvaluations": None}}, []),
        ({"fieldRestrictions": []}, []),
    ],
)
def test_what_is_said_of_the_content(
    make_subject: Callable[..., Subject], answer: dict[str, Any], verdicts: list[CheckStatus]
) -> None:
    """Denied blocks, audited does not matter, and what was not evaluated is not passed."""
    assert [found.status for found in judge(answer, make_subject({}, {"properties": {"a": 1}}))] == verdicts


def test_a_refusal_names_the_policy(make_subject: Callable[..., Subject]) -> None:
    """The assignment first: that is what can be exempted from."""
    assert judge(evaluated(), make_subject({}, {"a": 1})) == (
        CheckResult(
            check=CheckName.POLICY,
            status=CheckStatus.BLOCKED,
            message="a deny policy refuses the resource as it would be",
            evidence=("/a", "/d"),
            advice="change the policy or its parameters, or have the resource exempted from it",
        ),
    )


TLS = "Microsoft.Storage/storageAccounts/minimumTlsVersion"


def restricted(field: str, **restriction: Any) -> dict[str, Any]:
    return {"fieldRestrictions": [{"field": field, "restrictions": [{"policyEffect": "Deny", **restriction}]}]}


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (restricted(TLS, result="Deny", values=["TLS1_3", "tls1_2"], reason="no"), [CheckStatus.BLOCKED]),
        (restricted(TLS, result="Deny"), [CheckStatus.BLOCKED]),
        (restricted(TLS, result="Deny", values=["TLS1_0"]), []),
        (restricted(TLS, result="Deny", policyEffect="Audit"), []),
        (restricted(TLS, result="Audit", policyEffect="Audit"), []),
        (restricted(TLS, result="Removed", policyEffect="Modify"), [CheckStatus.WARNING]),
        (
            restricted("Microsoft.Storage/storageAccounts/networkAcls.defaultAction", result="Deny"),
            [CheckStatus.BLOCKED],
        ),
        (
            restricted("Microsoft.Storage/storageAccounts/networkAcls.ipRules[*].value", result="Deny"),
            [CheckStatus.BLOCKED],
        ),
        (
            restricted("Microsoft.Storage/storageAccounts/networkAcls.ipRules[*].value", result="Deny", values=["x"]),
            [],
        ),
        (restricted("Microsoft.Storage/storageAccounts/allowBlobPublicAccess", result="Deny"), []),
        (restricted("Microsoft.Web/sites/minimumTlsVersion", result="Deny"), []),
        (restricted("location", result="Deny", values=["westeurope"]), []),
        (restricted("tags.owner", result="Required"), [CheckStatus.BLOCKED]),
        (restricted("tags.owner", result="Required", policyEffect="Modify"), []),
        (restricted("tags.team", result="Required"), []),
        (restricted("tags.team", result="Required", values=["Red"]), []),
        (restricted("tags.team", result="Required", values=["blue"]), [CheckStatus.BLOCKED]),
        (restricted(TLS, result="Required"), []),
        (restricted("tags.owner"), []),
        ({"fieldRestrictions": [{"field": "tags.owner", "restrictions": None}]}, []),
    ],
)
def test_what_is_said_of_fields(
    make_subject: Callable[..., Subject], answer: dict[str, Any], verdicts: list[CheckStatus]
) -> None:
    """Of those that the step sets; of the others only what a deny policy cannot do without."""
    before = {"location": "westeurope", "tags": {"team": "red"}, "properties": {}}
    after = {**before, "properties": {"minimumTlsVersion": "TLS1_2", "networkAcls": {"defaultAction": "Deny"}}}
    assert [found.status for found in judge(answer, make_subject(before, after))] == verdicts


def test_the_reason_is_evidence(make_subject: Callable[..., Subject]) -> None:
    """As Azure words it; equal findings come once."""
    answer = restricted(
        "tags.owner", result="Required", reason="tags.owner is required", policy={"policyAssignmentId": "/a"}
    )
    answer["fieldRestrictions"] *= 2
    (found,) = judge(answer, make_subject({}, {"a": 1}))
    assert found.evidence == ("/a", "tags.owner is required")


@pytest.mark.parametrize(
    "broken",
    [
        None,
        {},
        [],
        {"fieldRestrictions": {}},
        {"contentEvaluationResult": {"policyEvaluations": "x"}},
    ],
)
def test_a_broken_answer_is_no_consent(make_subject: Callable[..., Subject], broken: Any) -> None:
    """Nothing was evaluated then."""
    with pytest.raises(MalformedResponseError):
        judge(broken, make_subject({}, {"a": 1}))


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the official examples are not here")
def test_the_official_example_is_understood(make_subject: Callable[..., Subject]) -> None:
    """Content that is denied, and tags that are required."""
    path = EXAMPLES / "Microsoft.PolicyInsights__2023-03-01__PolicyRestrictions_CheckAtSubscriptionScope.json"
    answer = json.loads(path.read_text(encoding="utf-8"))["responses"]["200"]["body"]
    found = judge(
        answer,
        make_subject(
            {}, {"location": "westeurope"}, target_id=f"{GROUP}/providers/Microsoft.Compute/virtualMachines/v"
        ),
    )
    assert {(one.status, one.message) for one in found} == {
        (CheckStatus.BLOCKED, "a deny policy refuses the resource as it would be"),
        (CheckStatus.BLOCKED, "a deny policy requires tags.newtag"),
        (CheckStatus.BLOCKED, "a deny policy requires tags.environment"),
    }
