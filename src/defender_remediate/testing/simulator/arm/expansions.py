"""Members that a resource shows only to a caller that asks for them with ``$expand``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from defender_remediate.casing import fold

# The redundancy that an account has after a failover, by that before it.
_AFTER_FAILOVER = {
    "Standard_GRS": "Standard_LRS",
    "Standard_RAGRS": "Standard_LRS",
    "Standard_GZRS": "Standard_ZRS",
    "Standard_RAGZRS": "Standard_ZRS",
}


def expanded(name: str, expand: str, body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Returns a resource with the members that ``$expand`` names; one that has none of them stays as it is."""
    asked = {fold(word.strip()) for word in expand.split(",")}
    added: dict[str, Any] = {}
    if name == "Microsoft.Storage/storageAccounts" and fold("geoReplicationStats") in asked:
        after = _AFTER_FAILOVER.get(body.get("sku", {}).get("name"))
        if after is not None:
            synced = now.strftime("%Y-%m-%dT%H:%M:%SZ")
            added["geoReplicationStats"] = {
                "status": "Live",
                "lastSyncTime": synced,
                "canFailover": True,
                "postFailoverRedundancy": after,
            }
    if name == "Microsoft.Storage/storageAccounts/fileServices/shares" and "stats" in asked:
        added["shareUsageBytes"] = 0  # no share has files: there is no data plane for them
    if not added:
        return body
    return {**body, "properties": {**body["properties"], **added}}
