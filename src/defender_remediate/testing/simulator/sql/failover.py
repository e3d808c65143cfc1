"""The failover of a failover group, which changes which server is the primary one."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.sql.failover_groups import GROUPS, PRIMARY, SECONDARY, SERVERS
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply


def fail_over(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Makes the server of the group the primary one; nothing changes if it is the primary already."""
    group = owner_of(tenant, call, captured, f"{SERVERS}/{captured['server']}/failoverGroups")
    word = ids.segments(call.path)[-1]

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, group.id)
        body = group.render()
        if body["properties"].get("replicationRole") == SECONDARY:
            partners = [
                {**one, "replicationRole": SECONDARY}
                for one in body["properties"].get("partnerServers") or ()
                if isinstance(one, Mapping)
            ]
            promoted = {**body["properties"], "replicationRole": PRIMARY, "partnerServers": partners}
            tenant.store.write(group.id, group.type, {**body, "properties": promoted})
        return Reply.json(group.render()), False

    return logged(tenant, call, f"{GROUPS}/{word}/action", group.id, work)


ROUTES = tuple(
    Route(
        methods=("POST",),
        pattern=f"{ITEM}/{SERVERS}/{{server}}/failoverGroups/{{name}}/{word}",
        type=SERVERS,
        handler=fail_over,
        reads=False,
    )
    for word in ("failover", "forceFailoverAllowDataLoss", "tryPlannedBeforeForcedFailover")
)
