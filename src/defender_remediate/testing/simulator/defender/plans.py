"""Defender plans: a write may succeed although an extension of the plan fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.types import ResourceType

if TYPE_CHECKING:
    from defender_remediate.testing.simulator.state.tenant import Tenant

PRICINGS = "Microsoft.Security/pricings"


def extension_outcomes(
    tenant: Tenant, resource_type: ResourceType, resource_id: str, properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the properties of a plan with an ``operationStatus`` per extension; other types are unchanged."""
    result = dict(properties)
    if resource_type.name != PRICINGS:
        return result
    standard = fold(str(result.get("pricingTier", ""))) == "standard"
    result["resourcesCoverageStatus"] = "FullyCovered" if standard else "NotCovered"
    result.setdefault("freeTrialRemainingTime", "PT0S")
    result.setdefault("enforce", "False")
    if standard:
        result.setdefault("enablementTime", tenant.clock.timestamp())
    else:
        result.pop("enablementTime", None)
    plan = ids.segments(resource_id)[-1]
    extensions = [_outcome(tenant, plan, dict(item)) for item in result.get("extensions") or []]
    if extensions:
        result["extensions"] = extensions
    return result


def _outcome(tenant: Tenant, plan: str, extension: dict[str, Any]) -> dict[str, Any]:
    name = str(extension.get("name", ""))
    if (fold(plan), fold(name)) in tenant.failing_extensions:
        extension["operationStatus"] = {"code": "Failed", "message": f"Failed to assign roles for extension {name}"}
    elif fold(str(extension.get("isEnabled", ""))) == "true":
        extension["operationStatus"] = {"code": "Succeeded", "message": "Successfully enabled extension"}
    return extension
