"""The regions in which App Service offers a kind of plan."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.platform import LOCATIONS
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply


def list_regions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the regions of a subscription; every one offers every kind of plan."""
    scope = f"/subscriptions/{tenant.store.subscription(captured['subscription']).id}"
    tenant.access.check_read("Microsoft.Web/geoRegions/read", scope)
    regions = [
        {
            "id": f"{scope}/providers/Microsoft.Web/geoRegions/{shown}",
            "name": shown,
            "type": "Microsoft.Web/geoRegions",
            "properties": {
                "name": shown,
                "description": None,
                "displayName": shown,
                "orgDomain": "PUBLIC;FUNCTIONS;DYNAMIC",
            },
        }
        for _, shown, _ in LOCATIONS
    ]
    return tenant.page(call, regions)


ROUTES = (
    Route(
        methods=("GET",),
        pattern="/subscriptions/{subscription}/providers/Microsoft.Web/geoRegions",
        type="Microsoft.Web/sites",
        handler=list_regions,
    ),
)
