"""Defender plans: what is no longer enabled, and a write that succeeds although an extension of the plan fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.defender.state import PRICINGS
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.types import ResourceType

if TYPE_CHECKING:
    from defender_remediate.testing.simulator.state.tenant import Tenant

_DEAD_SUB_PLANS = {("keyvaults", "pertransaction"): "PerKeyVault", ("arm", "perapicall"): "PerSubscription"}


def check_enablement(
    resource_type: ResourceType, name: str, current: Mapping[str, Any] | None, wanted: Mapping[str, Any]
) -> None:
    """Refuses to enable what Azure no longer sells; who has it keeps it. The words are the simulator's own.

    Raises:
        ArmError: 400 for a deprecated plan, or a sub-plan of the old pricing, that is not on yet.
    """
    if resource_type.name != PRICINGS:
        return
    before = (current or {}).get("properties") or {}
    after = wanted.get("properties") or {}
    if not after.get("pricingTier"):
        raise refusal("InvalidRequestContent", problem="Required property 'properties.pricingTier' not found in JSON")
    if fold(str(after["pricingTier"])) != "standard":
        return
    was_on = fold(str(before.get("pricingTier", ""))) == "standard"
    if before.get("deprecated") and not was_on:
        raise refusal("PlanDeprecated", plan=name, replaced_by=", ".join(before.get("replacedBy") or ()))
    _check_sub_plan(name, after.get("subPlan"), before.get("subPlan"))
    _check_extensions(name, after.get("extensions"), before.get("extensions"))
    sub_plan = fold(str(after.get("subPlan", "")))
    kept = was_on and fold(str(before.get("subPlan", ""))) == sub_plan
    instead = _DEAD_SUB_PLANS.get((fold(name), sub_plan))
    if instead is not None and not kept:
        raise refusal("PlanDeprecated", plan=f"{name} {after['subPlan']}", replaced_by=instead)


_SUB_PLANS: Mapping[str, tuple[str, ...]] = {
    "virtualmachines": ("P1", "P2"),
    "storageaccounts": ("PerTransaction", "PerStorageAccount", "DefenderForStorageV2"),
    "keyvaults": ("PerTransaction", "PerKeyVault"),
    "arm": ("PerApiCall", "PerSubscription"),
    "api": ("P1", "P2", "P3", "P4", "P5"),
    **dict.fromkeys(
        (
            "appservices",
            "sqlservers",
            "sqlservervirtualmachines",
            "opensourcerelationaldatabases",
            "cosmosdbs",
            "containers",
            "cloudposture",
            "dns",
        ),
        (),
    ),
}


# The supported names that the published model of the pricings lists, and the plans that each is available for.
_EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "agentlessdiscoveryforkubernetes": ("cloudposture", "containers"),
    "agentlessvmscanning": ("cloudposture", "virtualmachines", "containers"),
    "aipromptevidence": ("ai",),
    "containerregistriesvulnerabilityassessments": ("cloudposture", "containers"),
    "containersensor": ("containers",),
    "entrapermissionsmanagement": ("cloudposture",),
    "fileintegritymonitoring": ("virtualmachines",),
    "mdedesignatedsubscription": ("virtualmachines",),
    "onuploadmalwarescanning": ("storageaccounts",),
    "sensitivedatadiscovery": ("storageaccounts", "cloudposture"),
}


def _check_extensions(plan: str, wanted: Any, before: Any) -> None:
    held = {fold(str(one.get("name"))) for one in before or () if isinstance(one, Mapping)}
    for extension in wanted if isinstance(wanted, list) else ():
        name = str(extension.get("name")) if isinstance(extension, Mapping) else ""
        if fold(name) not in held and fold(plan) not in _EXTENSIONS.get(fold(name), ()):
            known = [one for one, plans in _EXTENSIONS.items() if fold(plan) in plans]
            raise refusal("ExtensionNotSupported", plan=plan, extension=name, known=", ".join(known) or "none")


def _check_sub_plan(name: str, wanted: Any, before: Any) -> None:
    known = _SUB_PLANS.get(fold(name))
    if not wanted or wanted == before or known is None or fold(str(wanted)) in map(fold, known):
        return
    raise refusal("SubPlanNotSupported", plan=name, sub_plan=wanted, known=", ".join(known) or "none")


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
