"""Policy exemptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import NotFoundError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.exemptions import ExemptionCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
ASSIGNMENT = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/ASC"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/benchmark"
PARTS = [
    {"policyDefinitionReferenceId": "httpsOnly", "policyDefinitionId": "/x/policyDefinitions/P-1"},
    {"policyDefinitionReferenceId": "minimumTls", "policyDefinitionId": "/x/policyDefinitions/p-2"},
]
INITIATIVE = {"properties": {"policyDefinitions": PARTS}}
ASSIGNED = {"id": ASSIGNMENT, "properties": {"policyDefinitionId": SET}}
Judge = Callable[..., tuple[CheckResult, ...]]


def exemption(scope: str = ACCOUNT, **properties: Any) -> dict[str, Any]:
    """One as Azure lists it, of the whole assignment and without an end."""
    return {
        "id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/e",
        "name": "e",
        "properties": {"policyAssignmentId": ASSIGNMENT, "exemptionCategory": "Waiver", **properties},
    }


@pytest.fixture
def judge(check_one: Judge, make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds among these exemptions, for a recommendation with these policies."""

    def run(*found: dict[str, Any], policies: tuple[str, ...] = ("p-1",), **more: Any) -> tuple[CheckResult, ...]:
        answers = {
            "/policyExemptions": list(found),
            "/policyAssignments": [ASSIGNED],
            SET: INITIATIVE,
            **{path.replace("_", "/"): answer for path, answer in more.items()},
        }
        return check_one(ExemptionCheck(), make_subject(policies=policies), answers)

    return run


@pytest.mark.parametrize(
    ("scope", "properties", "holds"),
    [
        (ACCOUNT, {}, True),
        (GROUP.upper(), {}, True),
        (SUBSCRIPTION, {}, True),
        ("/providers/Microsoft.Management/managementGroups/contoso", {}, True),
        (f"{ACCOUNT}2", {}, False),
        (ACCOUNT, {"expiresOn": "2026-11-23T12:00:01Z"}, True),
        (ACCOUNT, {"expiresOn": "2026-11-23T12:00:00Z"}, False),
        (ACCOUNT, {"expiresOn": "some day"}, True),
    ],
)
def test_which_are_in_force(judge: Judge, scope: str, properties: dict[str, Any], holds: bool) -> None:
    """On the resource or above it, until they expire; a date that cannot be read is not an end."""
    assert bool(judge(exemption(scope, **properties))) is holds


def test_results_come_in_the_order_of_the_ids(judge: Judge) -> None:
    """The digest of a plan covers them."""
    one, two = exemption(), exemption(SUBSCRIPTION)
    assert judge(one, two) == judge(two, one)
    assert len(judge(one, two)) == 2


@pytest.mark.parametrize(
    ("references", "policies", "blocks"),
    [
        ((), ("p-1",), True),
        (("HttpsOnly",), ("p-1",), True),
        (("minimumTls",), ("p-1",), False),
        (("minimumTls", "httpsOnly"), ("p-9", "P-1"), True),
        (("novelty",), ("p-1",), False),
        ((), ("p-9",), False),
        ((), (), False),
    ],
)
def test_it_has_to_be_for_the_policy_of_the_recommendation(
    judge: Judge, references: tuple[str, ...], policies: tuple[str, ...], blocks: bool
) -> None:
    """An exemption from something else accepts something else."""
    found = judge(exemption(policyDefinitionReferenceIds=list(references)), policies=policies)
    assert [one.status for one in found] == ([CheckStatus.BLOCKED] if blocks else [])


def test_it_says_who_decided_what_until_when(judge: Judge) -> None:
    """The category and the end are in the message, the id is the evidence."""
    own = exemption(displayName="Old clients", expiresOn="2026-12-02T12:00:00Z")
    (found,) = judge(own)
    assert found.message == "the exemption 'Old clients' (Waiver) accepts this until 2026-12-02"
    assert found.evidence == (own["id"],)
    (endless,) = judge(exemption(exemptionCategory=None, resourceSelectors=[{"name": "s"}]))
    assert endless.message == "the exemption 'e' (no category) accepts this without an expiry date"
    assert "selectors" in endless.evidence[1]


def test_an_exemption_whose_assignment_was_deleted_has_no_effect(judge: Judge) -> None:
    """Azure keeps such exemptions; any other refusal leaves the step unchecked."""
    gone = NotFoundError("gone", status=404, code="PolicyAssignmentNotFound", url="/x")
    other = NotFoundError("gone", status=404, code="ManagementGroupNotFound", url="/x")
    own = exemption(policyAssignmentId=f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/single")
    assert judge(own, _policyAssignments_single=gone) == ()
    assert [one.status for one in judge(own, _policyAssignments_single=other)] == [CheckStatus.UNCHECKED]


def test_an_unlisted_assignment_is_read_by_its_id(judge: Judge) -> None:
    """A single policy has no initiative to read."""
    own = exemption(policyAssignmentId=f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/single")
    single = {"id": own["properties"]["policyAssignmentId"], "properties": {"policyDefinitionId": "/x/P-1"}}
    assert [one.status for one in judge(own, _policyAssignments_single=single)] == [CheckStatus.BLOCKED]


def test_an_initiative_without_policies_leaves_the_step_unchecked(judge: Judge) -> None:
    """Whether the exemption is for the policy of the recommendation is the question."""
    (found,) = judge(exemption(), **{SET.replace("/", "_"): {"properties": {}}})
    assert found.status is CheckStatus.UNCHECKED
