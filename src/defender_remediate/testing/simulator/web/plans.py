"""What App Service derives from the size of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By the letters of a size: its tier, and how many instances it can have. https://learn.microsoft.com/azure/app-service/overview-hosting-plans
_TIERS = {
    "F": ("Free", 1),
    "D": ("Shared", 1),
    "B": ("Basic", 3),
    "S": ("Standard", 10),
    "P": ("Premium", 20),
    "Y": ("Dynamic", 0),
    "EP": ("ElasticPremium", 20),
    "WS": ("WorkflowStandard", 20),
    "I": ("Isolated", 100),
}
_COMPUTE_MODES = {"Free": "Shared", "Shared": "Shared", "Dynamic": "Dynamic"}
_KINDS = {"Dynamic": "functionapp", "ElasticPremium": "elastic", "WorkflowStandard": "elastic"}


def completed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body of a plan with a whole ``sku``, if it has one, and what follows from that. What a body has, it keeps."""
    sku, properties = body.get("sku"), body.get("properties")
    if not isinstance(sku, Mapping) or not isinstance(sku.get("name"), str) or not properties:
        return dict(body)
    size = sku["name"]
    family = "".join(letter for letter in size.partition("v")[0] if letter.isalpha()).upper()
    tier, most = _TIERS.get(family, ("Standard", 10))
    version = size.lower().partition("v")[2]
    tier = f"{tier}V{version}" if version.isdigit() else tier
    whole = {"name": size, "tier": tier, "size": size, "family": family, "capacity": 0 if tier == "Dynamic" else 1}
    whole |= {name: value for name, value in sku.items() if value is not None}
    if str(whole["tier"]).lower() == tier.lower():  # as Azure spells it
        whole["tier"] = tier
    derived = {
        "computeMode": _COMPUTE_MODES.get(str(whole["tier"]).capitalize(), "Dedicated"),
        "maximumNumberOfWorkers": most,
        "numberOfWorkers": whole["capacity"],
        "currentNumberOfWorkers": whole["capacity"],
    }
    shown = {**properties, **{name: value for name, value in derived.items() if name in properties}}
    kind = "linux" if properties.get("reserved") else _KINDS.get(tier, "app")
    return {**body, "kind": body.get("kind") or kind, "sku": whole, "properties": shown}
