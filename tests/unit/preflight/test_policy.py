"""Azure Policy: what is asked, when, and what the answer means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.policy import PolicyCheck
from defender_remediate.preflight.policy_assignments import BENCHMARK

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
DEFINITION = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyDefinitions/tls"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/"
Judge = Callable[[Subject, Any], tuple[CheckResult, ...]]


def assignment(**properties: Any) -> dict[str, Any]:
    """One of a single policy at a subscription, as Azure lists it."""
    return {
        "id": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a",
        "properties": {"policyDefinitionId": DEFINITION, "enforcementMode": "Default", **properties},
    }


def definition(effect: Any, /, **parameters: Any) -> dict[str, Any]:
    return {"properties": {"policyRule": {"if": {}, "then": {"effect": effect}}, "parameters": parameters}}


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Judge:
    """What the check makes of an answer of Azure's."""

    def run(subject: Subject, answer: Any) -> tuple[CheckResult, ...]:
        answers = {
            "/policyAssignments": [assignment()],
            "/policyDefinitions/tls": definition("deny"),
            "/policyExemptions": [],
            "/checkPolicyRestrictions": answer,
        }
        return check_one(PolicyCheck(), subject, answers)

    return run


@pytest.fixture
def asks(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: Callable[..., Subject]
) -> Callable[..., bool]:
    """Whether Azure is asked, for an assignment and the definition of its policy."""

    def run(assigned: dict[str, Any], defined: Any = None) -> bool:
        answers = {
            "/policyAssignments": [assigned],
            "/policyExemptions": [],
            "/checkPolicyRestrictions": {"contentEvaluationResult": {"policyEvaluations": [{}]}},
        }
        if defined is not None:
            answers["/policyDefinitions/tls"] = defined
        found = check_one(PolicyCheck(), make_subject({}, {"properties": {"a": 1}}), answers)
        return [result.message for result in found] == ["a deny policy could not be evaluated (no result)"]

    return run


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
def test_where_an_assignment_holds(asks: Callable[..., bool], properties: dict[str, Any], holds: bool) -> None:
    """At its scope and below, unless it is excluded, and when it is enforced; an id does not tell its management group."""
    assert asks(assignment(**properties), definition("deny")) is holds


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
def test_what_a_literal_effect_could_do(asks: Callable[..., bool], effect: Any, refuses: bool) -> None:
    """What is not known could refuse: then Azure is asked."""
    assert asks(assignment(), definition(effect)) is refuses


def test_an_effect_by_parameter_is_looked_up(asks: Callable[..., bool]) -> None:
    """The assignment's value, else the default of the definition, whatever the case of the name."""
    named = definition("[parameters('effect')]", effect={"defaultValue": "Audit"})
    assert not asks(assignment(), named)
    assert asks(assignment(parameters={"Effect": {"value": "Deny"}}), named)
    assert not asks(assignment(parameters={"effect": {"value": "Disabled"}}), named)
    assert asks(assignment(), definition("[ parameters( 'effect' ) ]"))
    assert asks(assignment())


def test_an_override_counts_more_than_the_definition(asks: Callable[..., bool]) -> None:
    """It sets the effect from outside."""
    overriding = assignment(overrides=[{"kind": "policyEffect", "value": "deny"}])
    assert asks(overriding, definition("audit"))
    assert not asks(assignment(overrides=[{"value": "Audit"}]), definition("audit"))


def test_the_benchmark_audits_unless_it_is_told_to_deny(asks: Callable[..., bool]) -> None:
    """Any other initiative could hold anything."""
    assert not asks(assignment(policyDefinitionId=f"{SET}{BENCHMARK.upper()}"))
    told = assignment(
        policyDefinitionId=f"{SET}{BENCHMARK}", parameters={"x": {"value": "Deny"}, "y": {"value": ["a"]}}
    )
    assert asks(told)
    assert asks(assignment(policyDefinitionId=f"{SET}own"))


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
    judge: Judge, make_subject: Callable[..., Subject], answer: dict[str, Any], verdicts: list[CheckStatus]
) -> None:
    """Denied blocks, audited does not matter, and what was not evaluated does not pass."""
    assert [found.status for found in judge(make_subject({}, {"properties": {"a": 1}}), answer)] == verdicts


def test_a_refusal_names_the_policy(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """The assignment first: that is what can be exempted from."""
    assert judge(make_subject({}, {"a": 1}), evaluated()) == (
        CheckResult(
            check="policy",
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
    judge: Judge, make_subject: Callable[..., Subject], answer: dict[str, Any], verdicts: list[CheckStatus]
) -> None:
    """Of those that the step sets; of the others only what a deny policy cannot do without."""
    before = {"location": "westeurope", "tags": {"team": "red"}, "properties": {}}
    after = {**before, "properties": {"minimumTlsVersion": "TLS1_2", "networkAcls": {"defaultAction": "Deny"}}}
    assert [found.status for found in judge(make_subject(before, after), answer)] == verdicts


def test_the_reason_is_evidence(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """As Azure words it; equal findings come once."""
    answer = restricted(
        "tags.owner", result="Required", reason="tags.owner is required", policy={"policyAssignmentId": "/a"}
    )
    answer["fieldRestrictions"] *= 2
    (found,) = judge(make_subject({}, {"a": 1}), answer)
    assert found.evidence == ("/a", "tags.owner is required")


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {"fieldRestrictions": {}},
        {"contentEvaluationResult": {"policyEvaluations": "x"}},
    ],
)
def test_an_invalid_answer_leaves_the_step_unchecked(
    judge: Judge, make_subject: Callable[..., Subject], broken: Any
) -> None:
    """Nothing was evaluated then."""
    (found,) = judge(make_subject({}, {"a": 1}), broken)
    assert found.status is CheckStatus.UNCHECKED


def enrollment(**properties: Any) -> dict[str, Any]:
    own = f"{GROUP}/providers/Microsoft.Authorization/policyEnrollments/e"
    assigned = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a"
    return {"id": own, "properties": {"policyAssignmentId": assigned.upper(), **properties}}


def evaluation(**policy: str) -> dict[str, Any]:
    assigned = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/a"
    info = {"policyAssignmentId": assigned, **policy}
    return {"evaluationResult": "NonCompliant", "policyInfo": info, "effectDetails": {"policyEffect": "Deny"}}


@pytest.mark.parametrize(
    ("properties", "reference", "blocks"),
    [
        ({}, "tls", True),
        ({"policyDefinitionReferenceIds": ["TLS", "other"]}, "tls", True),
        ({"policyDefinitionReferenceIds": ["other"]}, "tls", False),
        ({"policyDefinitionReferenceIds": ["other"]}, "", True),
        ({"resourceSelectors": [{"selectors": [{"kind": "resourceColour", "in": ["red"]}]}]}, "tls", True),
        ({"resourceSelectors": [{"selectors": None}]}, "tls", True),
        ({"resourceSelectors": "all"}, "tls", True),
        ({"resourceSelectors": [{"selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]}, "tls", True),
        (
            {"resourceSelectors": [{"selectors": [{"kind": "resourceLocation", "notIn": ["West Europe"]}]}]},
            "tls",
            False,
        ),
    ],
)
def test_an_enrollment_says_which_policies_deny(
    check_one: Callable[..., tuple[CheckResult, ...]],
    make_subject: Callable[..., Subject],
    properties: dict[str, Any],
    reference: str,
    blocks: bool,
) -> None:
    """By reference id and by selectors; what cannot be told counts as enforced. Azure's answer about others is left out."""
    policy = {"policyDefinitionReferenceId": reference} if reference else {}
    field = {"field": "properties.a", "restrictions": [{"result": "Deny", "values": ["1"], "policyEffect": "Deny", "policy": evaluation(**policy)["policyInfo"]}]}  # fmt: skip
    answers = {
        "/policyAssignments": [assignment(policyDefinitionId=f"{SET}custom", enforcementMode="Enroll")],
        "/policyEnrollments": [enrollment(**properties)],
        "/policyExemptions": [],
        "/checkPolicyRestrictions": {
            "contentEvaluationResult": {"policyEvaluations": [evaluation(**policy)]},
            "fieldRestrictions": [field],
        },
    }
    body = {"location": "West Europe"}
    subject = make_subject(body, {**body, "properties": {"a": 1}}, resource_id=ACCOUNT, target_id=ACCOUNT)
    statuses = [found.status for found in check_one(PolicyCheck(), subject, answers)]
    assert statuses == ([CheckStatus.BLOCKED, CheckStatus.BLOCKED] if blocks else [])


def test_a_mode_that_is_not_known_may_deny(asks: Callable[..., bool]) -> None:
    """Azure is asked then."""
    assert asks(assignment(enforcementMode="Sometimes"), definition("deny"))
