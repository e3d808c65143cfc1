"""The default rules of a network security group as children: the group shows them, and no caller can change them."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_GROUPS = "Microsoft.Network/networkSecurityGroups"
_RULES = f"{_GROUPS}/defaultSecurityRules"


def read_rules(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the default rules of a network security group, or shows one."""
    group = owner_of(tenant, call, captured, _GROUPS)
    tenant.access.check_read(f"{_RULES}/read", group.id)
    rules = group.render()["properties"].get("defaultSecurityRules") or []
    if "rule" not in captured:
        return tenant.page(call, rules)
    for rule in rules:
        if fold(str(rule.get("name"))) == fold(captured["rule"]):
            return Reply.json(rule)
    raise refusal("ResourceNotFound", type=_RULES, name=f"{group.name}/{captured['rule']}", group=captured["group"])


ROUTES = tuple(
    Route(
        methods=("GET",),
        pattern=f"{ITEM}/{_GROUPS}/{{name}}/defaultSecurityRules{rest}",
        type=_GROUPS,
        handler=read_rules,
    )
    for rest in ("", "/{rule}")
)
