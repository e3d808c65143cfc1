"""Deployment stacks: what they manage, and the operation that lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Resources/deploymentStacks"


@attrs.frozen(kw_only=True)
class Stack:
    """A deployment stack.

    Attributes:
        mode: ``none``, ``denyDelete`` or ``denyWriteAndDelete``.
    """

    scope: str
    name: str
    resources: tuple[str, ...]
    mode: str
    excluded_principals: tuple[str, ...] = ()
    excluded_actions: tuple[str, ...] = ()
    applies_to_children: bool = False

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/{_TYPE}/{self.name}"

    def render(self) -> dict[str, Any]:
        """Returns the stack as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": _TYPE,
            "properties": {
                "provisioningState": "succeeded",
                "actionOnUnmanage": {"resources": "detach"},
                "denySettings": {
                    "mode": self.mode,
                    "excludedPrincipals": list(self.excluded_principals),
                    "excludedActions": list(self.excluded_actions),
                    "applyToChildScopes": self.applies_to_children,
                },
                "resources": [
                    {"id": one, "status": "managed", "denyStatus": "none" if self.mode == "none" else self.mode}
                    for one in self.resources
                ],
            },
        }


def list_stacks(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the stacks of exactly one scope."""
    subscription = tenant.store.subscription(captured["subscription"])
    scope = f"/subscriptions/{subscription.id}"
    if "group" in captured:
        scope = str(tenant.store.group(subscription.id, captured["group"])["id"])
    tenant.access.check_read(f"{_TYPE}/read", scope)
    found = [one.render() for one in tenant.stacks if ids.key(one.scope) == ids.key(scope)]
    return tenant.page(call, found)


ROUTES = tuple(
    Route(
        methods=("GET",),
        pattern=f"/subscriptions/{{subscription}}{group}/providers/{_TYPE}",
        type=_TYPE,
        handler=list_stacks,
    )
    for group in ("", "/resourceGroups/{group}")
)
