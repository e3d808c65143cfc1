"""What a deployment would change: the described resources compared to the existing ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.computed import completed
from defender_remediate.testing.simulator.arm.merging import put
from defender_remediate.testing.simulator.deployments.template import Described
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType


def changes(
    tenant: Tenant, base: str, described: list[tuple[Described, ResourceType]], *, ids_only: bool
) -> list[dict[str, Any]]:
    """The ``changes`` of a what-if result.

    Args:
        tenant: The tenant.
        base: The scope of the deployment; what is in it and not in the template shows as Ignore.
        described: What the template describes.
        ids_only: Leave out what changes and show only that it does.

    Raises:
        ArmError: A body is not one that its type takes.
    """
    found = [_change(tenant, resource, resource_type) for resource, resource_type in described]
    named = {ids.key(str(change["resourceId"])) for change in found}
    for resource in tenant.store.resources(base) if ids.group_of(base) else ():
        if resource.type.tracked and ids.key(resource.id) not in named:
            shown = resource.render()
            found.append({"resourceId": resource.id, "changeType": "Ignore", "before": shown, "after": shown})
    if ids_only:
        return [{"resourceId": change["resourceId"], "changeType": "Deploy"} for change in found]
    return found


def _change(tenant: Tenant, resource: Described, resource_type: ResourceType) -> dict[str, Any]:
    there = tenant.store.find(resource.id)
    before = there.render() if there else None
    result = put(resource_type, before, resource.body)
    if before is not None:  # what is new shows only what the template says of it
        now, version = tenant.clock.timestamp(), resource.api_version
        result = completed(resource_type.name, resource.id, version, now, before, result, resource.body)
        result["properties"] = {name: value for name, value in result["properties"].items() if value is not None}
    after = {
        "apiVersion": resource.api_version,
        "id": resource.id,
        "name": ids.segments(resource.id)[-1],
        "type": resource_type.name,
        **result,
    }
    if there is None or before is None:
        return {"resourceId": resource.id, "changeType": "Create", "after": after}
    before = {"apiVersion": resource.api_version, **before}
    quiet = ("apiVersion", "id", "name", "type", "etag")
    delta = list(delta_of(_without(before, quiet), _without(after, quiet)))
    return {
        "resourceId": there.id,
        "changeType": "Modify" if delta else "NoChange",
        "before": before,
        "after": after,
        "delta": delta,
    }


def _without(body: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def delta_of(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    """Yields the properties that differ: by path in objects, as children with an index in arrays."""
    for name in sorted({*before, *after}):
        here = f"{path}.{name}" if path else name
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from delta_of(old, new, here)
        elif isinstance(old, list) and isinstance(new, list):
            children = list(_items(old, new))
            yield {"path": here, "propertyChangeType": "Array", "before": old, "after": new, "children": children}
        else:
            yield _difference(here, old, new)


def _items(old: list[Any], new: list[Any]) -> Iterator[dict[str, Any]]:
    for index in range(max(len(old), len(new))):
        left = old[index] if index < len(old) else None
        right = new[index] if index < len(new) else None
        if left != right:
            yield _difference(str(index), left, right)


def _difference(path: str, old: Any, new: Any) -> dict[str, Any]:
    resource_type = "Create" if old is None else "Delete" if new is None else "Modify"
    found = {"path": path, "propertyChangeType": resource_type, "before": old, "after": new}
    return {name: value for name, value in found.items() if value is not None}
