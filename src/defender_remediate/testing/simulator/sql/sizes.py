"""What Azure SQL derives from the size of a database: the whole SKU, the name of the service objective, and the largest size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold

_TYPE = "microsoft.sql/servers/databases"
# The DTUs of each objective. https://learn.microsoft.com/azure/azure-sql/database/resource-limits-dtu-single-databases
_DTUS: Mapping[str, tuple[str, int]] = {
    "Basic": ("Basic", 5),
    **{f"S{size}": ("Standard", dtus) for size, dtus in ((0, 10), (1, 20), (2, 50), (3, 100), (4, 200), (6, 400))},
    **{f"S{size}": ("Standard", dtus) for size, dtus in ((7, 800), (9, 1600), (12, 3000))},
    **{
        f"P{size}": ("Premium", dtus)
        for size, dtus in ((1, 125), (2, 250), (4, 500), (6, 1000), (11, 1750), (15, 4000))
    },
}
_TIERS = {"GP": "GeneralPurpose", "BC": "BusinessCritical", "HS": "Hyperscale"}
_CORES = re.compile(r"(?P<name>(?P<tier>GP|BC|HS)(?:_S)?_(?P<family>[A-Za-z0-9]+))(?:_(?P<count>\d+))?\Z")
_LARGEST = {"Basic": 2147483648, "Standard": 268435456000, "Premium": 536870912000}
_USUAL_LARGEST, _USUAL_CORES = 34359738368, 2


def completed(
    type_name: str, before: Mapping[str, Any] | None, request: Mapping[str, Any], body: dict[str, Any]
) -> dict[str, Any]:
    """Returns a database after a write that names a size, with what follows from the size; others as they are."""
    sku = request.get("sku")
    if fold(type_name) != _TYPE or not isinstance(sku, Mapping) or not isinstance(sku.get("name"), str):
        return body
    whole = _by_dtus(sku) or _by_cores(sku)
    if whole is None:
        return body
    found, objective = whole
    properties = dict(body.get("properties") or {})
    properties |= {
        "requestedServiceObjectiveName": objective,
        "currentServiceObjectiveName": objective,
        "currentSku": found,
    }
    sent = request.get("properties") or {}
    was = ((before or {}).get("sku") or {}).get("tier")
    if sent.get("maxSizeBytes") is None and was != found["tier"]:
        properties["maxSizeBytes"] = _LARGEST.get(found["tier"], _USUAL_LARGEST)
    kind = "v12.0,user" if "family" not in found else "v12.0,user,vcore"
    kind += {"Hyperscale": ",hyperscale"}.get(found["tier"], ",serverless" if "_S_" in found["name"] else "")
    return {**body, "sku": found, "kind": kind, "properties": properties}


def _by_dtus(sku: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """The SKU and the objective of a size in DTUs, which is named by its objective or by its tier and capacity."""
    wanted, capacity = fold(str(sku["name"])), sku.get("capacity")
    for objective, (tier, dtus) in _DTUS.items():
        is_named = fold(objective) == wanted
        is_first = capacity is None and (tier, objective) in (("Standard", "S0"), ("Premium", "P1"))
        if is_named or (fold(tier) == wanted and (dtus == capacity or is_first)):
            return {"name": tier, "tier": tier, "capacity": dtus}, objective
    return None


def _by_cores(sku: Mapping[str, Any]) -> tuple[dict[str, Any], str] | None:
    """The SKU and the objective of a size in cores."""
    found = _CORES.match(str(sku["name"]))
    if found is None:
        return None
    count = int(found["count"] or sku.get("capacity") or _USUAL_CORES)
    whole = {"name": found["name"], "tier": _TIERS[found["tier"]], "family": found["family"], "capacity": count}
    return whole, f"{found['name']}_{count}"
