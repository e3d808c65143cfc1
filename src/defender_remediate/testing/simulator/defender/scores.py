"""The secure score, computed from the assessments as they are now, by the documented formula."""

from __future__ import annotations

from functools import cache
from typing import Any

import attrs

from defender_remediate.testing.simulator.defender.assessments import HEALTHY, NOT_APPLICABLE, UNHEALTHY
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.tenant import Tenant


@attrs.frozen(kw_only=True)
class Control:
    """A security control.

    Attributes:
        name: Its GUID.
        max_score: What it is worth when it has a resource to judge.
    """

    name: str
    display_name: str
    description: str
    max_score: int


@attrs.frozen(kw_only=True)
class ControlCount:
    """How many resources of a control are healthy, unhealthy and not applicable in one subscription."""

    control: Control
    healthy: int
    unhealthy: int
    not_applicable: int

    @property
    def weight(self) -> int:
        """The number of resources that count."""
        return self.healthy + self.unhealthy

    @property
    def maximum(self) -> int:
        """The maximum score; 0 for a control without a resource that counts."""
        return self.control.max_score if self.weight else 0

    @property
    def current(self) -> float:
        """The current score."""
        return self.maximum * self.healthy / self.weight if self.weight else 0.0


@cache
def controls() -> tuple[Control, ...]:
    """The security controls in ``data/controls.json``."""
    return tuple(Control(**raw) for raw in facts("controls"))


def control_counts(tenant: Tenant, subscription: str) -> list[ControlCount]:
    """Returns the counts of every control. A resource is healthy if all its recommendations in the control are."""
    counts = tenant.assessor.counts(subscription).counts
    return [
        ControlCount(
            control=control,
            healthy=counts[control.display_name, HEALTHY],
            unhealthy=counts[control.display_name, UNHEALTHY],
            not_applicable=counts[control.display_name, NOT_APPLICABLE],
        )
        for control in controls()
    ]


def _score(maximum: float, current: float) -> dict[str, float]:
    return {
        "max": maximum,
        "current": round(current, 2),
        "percentage": round(current / maximum, 4) if maximum else 0,
    }


def overall(tenant: Tenant, subscription: str) -> dict[str, Any]:
    """The subscription's score as the API shows it."""
    found = control_counts(tenant, subscription)
    score = _score(sum(tally.maximum for tally in found), sum(tally.current for tally in found))
    return {
        "id": f"/subscriptions/{subscription}/providers/Microsoft.Security/secureScores/ascScore",
        "name": "ascScore",
        "type": "Microsoft.Security/secureScores",
        "properties": {"displayName": "ASC score", "score": score, "weight": sum(tally.weight for tally in found)},
    }


def control_scores(tenant: Tenant, subscription: str, *, expand: bool) -> list[dict[str, Any]]:
    """The controls with any resource, as the API shows them."""
    prefix = f"/subscriptions/{subscription}/providers/Microsoft.Security/secureScores/ascScore/secureScoreControls"
    shown = []
    for tally in control_counts(tenant, subscription):
        if not tally.weight and not tally.not_applicable:
            continue
        properties: dict[str, Any] = {
            "displayName": tally.control.display_name,
            "healthyResourceCount": tally.healthy,
            "unhealthyResourceCount": tally.unhealthy,
            "notApplicableResourceCount": tally.not_applicable,
            "score": _score(tally.maximum, tally.current),
            "weight": tally.weight,
        }
        if expand:
            properties["definition"] = definition_of(tenant, tally.control)
        shown.append(
            {
                "id": f"{prefix}/{tally.control.name}",
                "name": tally.control.name,
                "type": "Microsoft.Security/secureScores/secureScoreControls",
                "properties": properties,
            }
        )
    return shown


def definition_of(tenant: Tenant, control: Control) -> dict[str, Any]:
    """A control's definition as the API shows it."""
    keys = [f.key for f in tenant.assessor.definitions.values() if control.display_name in f.controls]
    return {
        "id": f"/providers/Microsoft.Security/secureScoreControlDefinitions/{control.name}",
        "name": control.name,
        "type": "Microsoft.Security/secureScoreControlDefinitions",
        "properties": {
            "source": {"sourceType": "BuiltIn"},
            "displayName": control.display_name,
            "description": control.description,
            "maxScore": control.max_score,
            "assessmentDefinitions": [{"id": f"/providers/Microsoft.Security/assessmentMetadata/{k}"} for k in keys],
        },
    }
