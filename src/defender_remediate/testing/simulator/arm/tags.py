"""Tags at a scope: those of a subscription, a resource group or a resource, as an object of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.arm.strictness import checked_tags
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy.applied import GROUPS, SUBSCRIPTIONS, Target, target_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Resources/tags"
_REPLACE, _MERGE, _DELETE = "replace", "merge", "delete"


class _TaggedScope:
    """Where tags are: a subscription, a resource group or a resource."""

    def __init__(self, tenant: Tenant, captured: Mapping[str, str]) -> None:
        self.scope = "/" + "/".join(ids.segments(captured["scope"]))
        self._tenant = tenant
        self._resource = tenant.store.find(self.scope)
        target = ids.path_of(self.scope)
        subscription = tenant.store.subscription(ids.subscription_of(self.scope))
        self._holder: Any = subscription
        if ids.group_of(self.scope):
            self._holder = tenant.store.group(subscription.id, ids.group_of(self.scope))
        if target is not None and self._resource is None:
            raise refusal("ResourceNotFound", type=target.type, name="/".join(target.names), group=target.group)

    def read(self) -> dict[str, str]:
        if self._resource is not None:
            return dict(self._resource.body.get("tags") or {})
        return dict(self._holder.tags if not isinstance(self._holder, dict) else self._holder.get("tags") or {})

    def write(self, tags: dict[str, str]) -> None:
        if self._resource is not None:
            written = self._admitted({**self._resource.render(), "tags": tags})
            self._tenant.store.write(self._resource.id, self._resource.type, written)
            return
        if isinstance(self._holder, dict):
            self._holder.update(self._admitted({**self._holder, "tags": tags}))
        else:
            self._holder.tags = dict(self._admitted({"tags": tags}).get("tags") or {})
        self._tenant.store.touch(self.scope)

    def _admitted(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._resource is not None:
            return self._tenant.policy_effects.admit(target_of(self._resource.type, self.scope, body))
        kind = GROUPS if isinstance(self._holder, dict) else SUBSCRIPTIONS
        return self._tenant.policy_effects.admit(Target(id=self.scope, kind=kind, body=body))

    def shown(self) -> Reply:
        return Reply.json(
            {
                "id": f"{self.scope}/providers/{_TYPE}/default",
                "name": "default",
                "type": _TYPE,
                "properties": {"tags": self.read()},
            }
        )


def get_tags(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows the tags at a scope."""
    del call
    place = _TaggedScope(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/read", place.scope)
    return place.shown()


def write_tags(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Replaces the tags at a scope (PUT), or merges, replaces or deletes some of them (PATCH)."""
    place = _TaggedScope(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write(call.method, operation.action, place.scope)
        body = json_body(call)
        word = _REPLACE if call.method == "PUT" else fold(str(body.get("operation")))
        if word not in (_REPLACE, _MERGE, _DELETE):
            raise refusal("InvalidRequestContent", problem=f"the operation {body.get('operation')!r} does not exist")
        sent = checked_tags((body.get("properties") or {}).get("tags") or {})
        place.write(checked_tags(_changed(place.read(), sent, word)))
        return place.shown(), False

    return logged(tenant, call, f"{_TYPE}/write", place.scope, work)


def _changed(tags: dict[str, str], sent: dict[str, str], word: str) -> dict[str, str]:
    if word == _REPLACE:
        return sent
    # The names of tags ignore case; a new spelling is taken over with the new value.
    names = {fold(name) for name in sent}
    if word == _MERGE:
        return {**{name: value for name, value in tags.items() if fold(name) not in names}, **sent}
    values = {fold(name): value for name, value in sent.items()}
    return {name: value for name, value in tags.items() if values.get(fold(name)) != value}


def delete_tags(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes every tag at a scope."""
    place = _TaggedScope(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, place.scope)
        place.write({})
        return Reply(status=200), False

    return logged(tenant, call, f"{_TYPE}/delete", place.scope, work)


ROUTES = tuple(
    Route(
        methods=(method,),
        pattern=f"/{{scope*}}/providers/{_TYPE}/default",
        type=_TYPE,
        handler=handler,
        reads=method == "GET",
    )
    for method, handler in (("GET", get_tags), ("PUT", write_tags), ("PATCH", write_tags), ("DELETE", delete_tags))
)
