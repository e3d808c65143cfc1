"""What SQL servers do with whole databases, rules and aliases: rename, list by pool, list what was dropped, replace, acquire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_SERVERS = "Microsoft.Sql/servers"
_DATABASES = f"{_SERVERS}/databases"
_RULES = f"{_SERVERS}/firewallRules"
_ALIASES = f"{_SERVERS}/dnsAliases"
_DROPPED = f"{_SERVERS}/restorableDroppedDatabases"


def rename(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Gives a database another name on the same server; what belongs to the database follows."""
    database = _child(tenant, call, captured, _DATABASES)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, database.id)
        wanted = json_body(call).get("id")
        if not isinstance(wanted, str) or ids.key(wanted).rpartition("/")[0] != ids.key(database.id).rpartition("/")[0]:
            raise refusal("InvalidRequestContent", problem="the id is not one of a database of the same server")
        if tenant.store.find(wanted) is not None:
            raise refusal("ResourceMoveConflict", id=wanted, group=database.id.rpartition("/databases/")[0])
        _move(tenant, database, f"{database.id.rpartition('/')[0]}/{wanted.rpartition('/')[2]}")
        return Reply(status=200), False

    return logged(tenant, call, f"{_DATABASES}/move/action", database.id, work)


def _child(tenant: Tenant, call: Call, captured: Mapping[str, str], kind: str) -> Resource:
    path = f"{_SERVERS}/{captured['server']}/{kind.rpartition('/')[2]}"
    return owner_of(tenant, call, captured, path)


def _move(tenant: Tenant, resource: Resource, new_id: str) -> None:
    everything = [(one.id, one.type, one.render()) for one in tenant.store.resources(resource.id)]
    tenant.store.remove(resource.id)
    tenant.times.forget(resource.id)
    for resource_id, kind, body in everything:
        tenant.store.write(f"{new_id}{resource_id[len(resource.id) :]}", kind, body)


def list_of_pool(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the databases of an elastic pool."""
    pool = _child(tenant, call, captured, f"{_SERVERS}/elasticPools")
    tenant.access.check_read(f"{_SERVERS}/elasticPools/databases/read", pool.id)
    server = pool.id.rpartition("/elasticPools/")[0]
    found = [
        database.render()
        for database in tenant.store.children(server, _DATABASES)
        if ids.key(str(database.body["properties"].get("elasticPoolId") or "/")) == ids.key(pool.id)
    ]
    return tenant.page(call, found)


def list_dropped(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the databases of a server that were deleted and can still be restored."""
    server = owner_of(tenant, call, captured, _SERVERS)
    tenant.access.check_read(f"{_DROPPED}/read", server.id)
    found = []
    for database, moment in tenant.times.gone(_DATABASES, server.id):
        properties = database.body["properties"]
        dropped = tenant.clock.at(moment)
        if dropped + timedelta(days=7) <= tenant.clock.now():
            continue
        name = f"{database.name},{int(dropped.timestamp()) * 10_000_000}"
        found.append(
            {
                "id": f"{server.id}/restorableDroppedDatabases/{name}",
                "name": name,
                "type": _DROPPED,
                "location": database.body.get("location"),
                "sku": database.body.get("sku"),
                "properties": {
                    "databaseName": database.name,
                    "maxSizeBytes": properties.get("maxSizeBytes"),
                    "creationDate": properties.get("creationDate"),
                    "deletionDate": dropped.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "earliestRestoreDate": properties.get("earliestRestoreDate"),
                },
            }
        )
    return tenant.page(call, found)


def replace_rules(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Replaces all firewall rules of a server; returns the last of the new ones."""
    server = owner_of(tenant, call, captured, _SERVERS)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, server.id)
        kind = tenant.types.get(_RULES)
        assert kind is not None  # it ships with the simulator
        rules = json_body(call).get("values")
        if not isinstance(rules, list) or not all(isinstance(one, Mapping) and one.get("name") for one in rules):
            raise refusal("InvalidRequestContent", problem="'values' is not a list of rules with names")
        for rule in list(tenant.store.children(server.id, _RULES)):
            tenant.store.remove(rule.id)
        shown: dict[str, Any] = {}
        for one in rules:
            properties = dict(one.get("properties") or {})
            shown = tenant.store.write(
                f"{server.id}/firewallRules/{one['name']}", kind, {"properties": properties}
            ).render()
        return Reply.json(shown), False

    return logged(tenant, call, f"{_RULES}/write", server.id, work)


def acquire_alias(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Moves a DNS alias from another server to this one."""
    server = owner_of(tenant, call, {**captured, "name": captured["server"]}, _SERVERS)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, server.id)
        source = tenant.store.find(str(json_body(call).get("oldServerDnsAliasId") or ""))
        if source is None or fold(source.type.name) != fold(_ALIASES):
            raise refusal("InvalidRequestContent", problem="'oldServerDnsAliasId' is not the id of an alias")
        target = f"{server.id}/dnsAliases/{captured['name']}"
        _move(tenant, source, target)
        moved = tenant.store.find(target)
        assert moved is not None  # it was written a line above
        return Reply.json(moved.render()), False

    return logged(tenant, call, f"{_ALIASES}/acquire/action", server.id, work)


_SERVER = f"{ITEM}/{_SERVERS}/{{name}}"
_BELOW = f"{ITEM}/{_SERVERS}/{{server}}"
ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=kind, handler=handler, reads=method == "GET")
    for method, pattern, kind, handler in (
        ("POST", f"{_BELOW}/databases/{{name}}/move", _DATABASES, rename),
        ("GET", f"{_BELOW}/elasticPools/{{name}}/databases", f"{_SERVERS}/elasticPools", list_of_pool),
        ("GET", f"{_SERVER}/restorableDroppedDatabases", _SERVERS, list_dropped),
        ("PUT", f"{_SERVER}/firewallRules", _RULES, replace_rules),
        ("POST", f"{_BELOW}/dnsAliases/{{name}}/acquire", _SERVERS, acquire_alias),
    )
)
