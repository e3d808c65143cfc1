"""Counting what there is to change."""

from __future__ import annotations

import pytest

from defender_remediate import Assessment
from defender_remediate.planning.assessments import assessed_counts, read_assessments

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers"
ACCOUNT = f"{GROUP}/Microsoft.Storage/storageAccounts/st"
KEY, OTHER = (f"{n}1111111-1111-1111-1111-111111111111" for n in "ab")


def found(resource_id: str, key: str = KEY, code: str = "Unhealthy") -> Assessment:
    return Assessment.from_rest(
        {
            "id": f"{resource_id}/providers/Microsoft.Security/assessments/{key}",
            "name": key,
            "properties": {"resourceDetails": {"source": "Azure", "id": resource_id}, "status": {"code": code}},
        }
    )


@pytest.mark.parametrize(
    ("seen", "counts"),
    [
        ([], {}),
        ([found(ACCOUNT), found(f"{ACCOUNT}2", code="Healthy")], {"microsoft.storage/storageaccounts": 2}),
        ([found(ACCOUNT), found(ACCOUNT.upper(), OTHER, "Healthy")], {"microsoft.storage/storageaccounts": 1}),
        ([found(ACCOUNT, code="NotApplicable")], {}),
        (
            [found(ACCOUNT, KEY.upper()), found(f"{GROUP}/Microsoft.Web/sites/app", OTHER), found("vm7.contoso.lan")],
            {"microsoft.storage/storageaccounts": 1, "microsoft.web/sites": 1},
        ),
    ],
)
def test_a_resource_that_is_judged_counts_once(seen: list[Assessment], counts: dict[str, int]) -> None:
    """Healthy or not, by whichever of the recommendations; one outside Azure does not count."""
    assert assessed_counts(seen) == counts


def test_nothing_is_read_for_no_recommendation() -> None:
    """Not even a listing."""
    assert read_assessments(None, [], only=None) == ()  # type: ignore[arg-type]
