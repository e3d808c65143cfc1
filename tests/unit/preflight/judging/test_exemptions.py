"""Policy exemptions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from defender_remediate.models.check import CheckName, CheckStatus
from defender_remediate.preflight.exemptions import Exemption, in_force, judge

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
ASSIGNMENT = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyAssignments/ASC"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
MEMBERS = {ASSIGNMENT.casefold(): (("httpsOnly", "P-1"), ("minimumTls", "p-2"))}


def exemption(scope: str = ACCOUNT, **properties: Any) -> Exemption:
    """One as Azure lists it, of the whole assignment and without an end."""
    return Exemption.from_rest(
        {
            "id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/e",
            "name": "e",
            "properties": {"policyAssignmentId": ASSIGNMENT, "exemptionCategory": "Waiver", **properties},
        }
    )


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
def test_which_are_in_force(scope: str, properties: dict[str, Any], holds: bool) -> None:
    """On the resource or above it, until their end; an end that cannot be read is none."""
    found = exemption(scope, **properties)
    assert in_force([found], ACCOUNT, NOW) == ((found,) if holds else ())


def test_they_come_in_the_order_of_their_ids() -> None:
    """A digest covers what is found."""
    one, two = exemption(), exemption(SUBSCRIPTION)
    assert in_force([one, two], ACCOUNT, NOW) == in_force([two, one], ACCOUNT, NOW)


@pytest.mark.parametrize(
    ("references", "policies", "blocks"),
    [
        ((), ("p-1",), True),
        (("HttpsOnly",), ("p-1",), True),
        (("minimumTls",), ("p-1",), False),
        (("minimumTls", "httpsOnly"), ("p-9", "P-1"), True),
        (("novelty",), ("p-1",), False),
        ((), ("p-9",), False),
    ],
)
def test_it_has_to_be_for_the_policy_of_the_recommendation(
    references: tuple[str, ...], policies: tuple[str, ...], blocks: bool
) -> None:
    """An exemption from something else accepts something else."""
    found = judge(policies, [exemption(policyDefinitionReferenceIds=list(references))], MEMBERS)
    assert [one.status for one in found] == ([CheckStatus.BLOCKED] if blocks else [])


def test_it_says_who_decided_what_until_when() -> None:
    """The category and the end are in the message, the id is the evidence."""
    own = exemption(displayName="Old clients", expiresOn=(NOW + timedelta(days=9)).isoformat())
    (found,) = judge(["p-1"], [own], MEMBERS)
    assert found.check is CheckName.EXEMPTION
    assert found.message == "the exemption 'Old clients' (Waiver) accepts this until 2026-12-02"
    assert found.evidence == (own.id,)
    (endless,) = judge(["p-1"], [exemption(exemptionCategory=None, resourceSelectors=[{"name": "s"}])], MEMBERS)
    assert endless.message == "the exemption 'e' (of no category) accepts this without an end"
    assert "selectors" in endless.evidence[1]
