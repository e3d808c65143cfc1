"""Management locks: show, create, change and delete one at any scope. A lock does not protect locks."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.authorization.state import CAN_NOT_DELETE, READ_ONLY, ManagementLock
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Authorization/locks"
_LONGEST_NOTES = 512
_NOT_IN_NAMES = frozenset("<>%&:\\?/")


def _found(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, ManagementLock | None]:
    scope = scope_of(tenant, captured)
    target = ids.path_of(scope)
    if target is not None and ids.subscription_of(scope) and tenant.store.find(scope) is None:
        raise refusal("ResourceNotFound", type=target.type, name="/".join(target.names), group=target.group)
    wanted = ids.key(f"{scope}{AUTHORIZATION}/locks/{captured['name']}")
    return scope, next((lock for lock in tenant.access.locks if ids.key(lock.id) == wanted), None)


def get_lock(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a lock."""
    del call
    scope, found = _found(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", scope)
    if found is None:
        raise refusal("LockNotFound", name=captured["name"])
    return Reply.json(found.render())


def put_lock(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Creates or replaces a lock."""
    scope, found = _found(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_role(operation.action, scope)
        properties = json_body(call).get("properties")
        level = properties.get("level") if isinstance(properties, Mapping) else None
        if not isinstance(properties, Mapping) or level not in (READ_ONLY, CAN_NOT_DELETE):
            raise refusal("InvalidLock", problem=f"the level is {level!r}; use {READ_ONLY} or {CAN_NOT_DELETE}")
        if any(mark in _NOT_IN_NAMES or not mark.isprintable() for mark in captured["name"]):
            raise refusal(
                "InvalidLock", problem=f"the name {captured['name']!r} has a character that names cannot have"
            )
        notes = properties.get("notes")
        if notes is not None and (not isinstance(notes, str) or len(notes) > _LONGEST_NOTES):
            raise refusal("InvalidLock", problem=f"the notes must be a string of at most {_LONGEST_NOTES} characters")
        owners = properties.get("owners")
        if owners is not None and not isinstance(owners, list):
            raise refusal("InvalidLock", problem="the owners must be an array")
        name = captured["name"] if found is None else found.name
        lock = ManagementLock(scope=scope, level=str(level), name=name, notes=notes, owners=owners)
        tenant.access.locks[:] = [*(one for one in tenant.access.locks if one is not found), lock]
        tenant.store.touch(lock.id)
        return Reply.json(lock.render(), status=201 if found is None else 200), False

    return logged(tenant, call, f"{_TYPE}/write", f"{scope}{AUTHORIZATION}/locks/{captured['name']}", work)


def delete_lock(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a lock."""
    scope, found = _found(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_role(operation.action, scope)
        if found is None:
            return Reply(status=204), False
        tenant.access.locks.remove(found)
        tenant.store.touch(found.id)
        return Reply(status=200), False

    return logged(tenant, call, f"{_TYPE}/delete", f"{scope}{AUTHORIZATION}/locks/{captured['name']}", work)


ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=f"/{{scope*}}{AUTHORIZATION}/locks/{{name}}",
        type=_TYPE,
        handler=handler,
        reads=method == "GET",
    )
    for method, handler in (("GET", get_lock), ("PUT", put_lock), ("DELETE", delete_lock))
)
