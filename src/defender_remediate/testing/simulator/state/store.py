"""The tenant's state: subscriptions, resource groups and resources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import hierarchy, ids
from defender_remediate.testing.simulator.state.types import ResourceType, ResourceTypes

TENANT_ID = "99999999-0000-4000-8000-000000000000"
ENABLED, DELETED = "Enabled", "Deleted"
REGISTERED = "Registered"
_COMPUTED = ("id", "name", "type", "etag", "eTag")
# The number of segments of the tenant, a subscription and a resource group.
_INDEXED_BY_TYPE = (0, 2, 4)
_MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"


@attrs.define(kw_only=True)
class Subscription:
    """A subscription.

    Attributes:
        state: ``Enabled``, ``Warned``, ``PastDue``, ``Disabled`` or ``Deleted``.
        registrations: The state of resource providers that are not simply registered, names in lower case.
        features: The state of preview features that are not registered, ``namespace/feature`` in lower case.
        groups: Resource groups by their name in lower case.
        tag_names: The predefined tag names, each with its values.
    """

    id: str
    name: str
    state: str = ENABLED
    registrations: dict[str, str] = attrs.field(factory=dict)
    features: dict[str, str] = attrs.field(factory=dict)
    groups: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    tags: dict[str, str] = attrs.field(factory=dict)
    tag_names: dict[str, dict[str, None]] = attrs.field(factory=dict)

    def registration(self, namespace: str) -> str:
        """Returns the registration state of a resource provider."""
        return self.registrations.get(fold(namespace), REGISTERED)


@attrs.define(kw_only=True)
class Resource:
    """A resource.

    Attributes:
        id: As it was created; what is echoed depends on the type.
        body: All but id, name and type.
        revision: Goes up with each change; the etag comes from it.
        busy: A long-running write is under way.
    """

    id: str
    type: ResourceType
    body: dict[str, Any]
    revision: int = 1
    busy: bool = False

    @property
    def name(self) -> str:
        """The last segment of the id."""
        return ids.segments(self.id)[-1]

    @property
    def etag(self) -> str | None:
        """Changes with every write; None for a type without etags."""
        if self.type.etag is None:
            return None
        digest = hashlib.sha256(f"{ids.key(self.id)}:{self.revision}".encode()).hexdigest()
        bare = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
        return {"weak": f'W/"{bare}"', "quoted": f'"{bare}"', "bare": bare}[self.type.etag]

    def render(self) -> dict[str, Any]:
        """Returns the body as GET shows it."""
        shown: dict[str, Any] = copied(self.view())
        return shown

    def view(self) -> dict[str, Any]:
        """Returns what ``render`` does, without a copy of what the members hold: for those who only read it."""
        shown: dict[str, Any] = {**self.identity(), **self.body}
        for name in self.type.null_members:
            shown.setdefault(name, None)
        if self.type.etag is not None:
            shown[self.type.etag_member] = self.etag
        return shown

    def identity(self) -> dict[str, str]:
        """Returns id, name and type as GET shows them."""
        path = ids.path_of(self.id) if self.type.named_with_parents else None
        name = self.name if path is None else "/".join(path.names)
        return {"id": self._echoed_id(), "name": name, "type": self.type.shown_name}

    def _echoed_id(self) -> str:
        if self.type.echo == "lower":
            scope, mark, last = self.id.rpartition("/providers/")
            return scope.lower() + mark.lower() + last
        return self.id.replace("/resourceGroups/", f"/{self.type.echo_groups}/")


_SCALARS = frozenset([str, int, float, bool, type(None)])
_encoded = json.JSONEncoder(default=dict).encode


def copied(value: Any) -> Any:
    """Returns a copy of JSON values. It is several times faster than deepcopy, and nothing is done more often."""
    if type(value) is dict:
        return {name: inner if type(inner) in _SCALARS else copied(inner) for name, inner in value.items()}
    if type(value) is list:
        return [inner if type(inner) in _SCALARS else copied(inner) for inner in value]
    return value if type(value) in _SCALARS else json.loads(_encoded(value))


Listener = Callable[[str], None]
Recorder = Callable[["Resource", "Mapping[str, Any] | None", "Mapping[str, Any] | None"], None]
"""Is called with a resource, and its body before and after a write; None for a resource that does not exist."""


class Store:
    """Holds the resources, and calls its listeners with the id of every resource that changes."""

    def __init__(self, types: ResourceTypes) -> None:
        self.types = types
        self.subscriptions: dict[str, Subscription] = {}
        self.management_groups: dict[str, dict[str, Any]] = {}
        self._resources: dict[str, Resource] = {}
        self._children: dict[str, dict[str, None]] = {}
        # By scope, and by scope and type: what is at it or below it, in order of creation.
        self._below: dict[str, dict[str, Resource]] = {}
        self._of_type: dict[tuple[str, str], dict[str, Resource]] = {}
        self._listeners: list[Listener] = []
        self._recorders: list[Recorder] = []

    def listen(self, listener: Listener) -> None:
        """Adds a function to call with the id after every change."""
        self._listeners.append(listener)

    def record(self, recorder: Recorder) -> None:
        """Adds a function to call with the bodies before and after every write."""
        self._recorders.append(recorder)

    def subscription(self, subscription_id: str) -> Subscription:
        """The subscription.

        Raises:
            ArmError: 404 SubscriptionNotFound, or 400 InvalidSubscriptionId when the text is no GUID.
        """
        if not ids.is_guid(subscription_id):
            raise refusal("InvalidSubscriptionId", subscription=subscription_id)
        found = self.subscriptions.get(fold(subscription_id))
        if found is None or found.state == DELETED:
            raise refusal("SubscriptionNotFound", subscription=subscription_id)
        return found

    def covers(self, scope: str, resource_id: str) -> bool:
        """Whether an id is a scope or below it; a management group has its subscriptions and the groups in it below it."""
        if ids.within(resource_id, scope):
            return True
        if not ids.key(scope).startswith(_MANAGEMENT_GROUPS):
            return False
        name, subscription = fold(ids.segments(scope)[-1]), fold(ids.subscription_of(resource_id))
        if name not in self.management_groups:
            return name == TENANT_ID and (subscription in self.subscriptions or _group_in(resource_id) is not None)
        if subscription:
            return subscription in hierarchy.subscriptions_in(self.management_groups, name)
        group = _group_in(resource_id)
        return any(fold(one["name"]) == group for one in hierarchy.below(self.management_groups, name))

    def group(self, subscription_id: str, name: str) -> dict[str, Any]:
        """The resource group.

        Raises:
            ArmError: 404 ResourceGroupNotFound.
        """
        found = self.subscription(subscription_id).groups.get(fold(name))
        if found is None:
            raise refusal("ResourceGroupNotFound", group=name)
        return found

    def find(self, resource_id: str) -> Resource | None:
        """Returns the resource with this id, ignoring case; None if it does not exist."""
        return self._resources.get(ids.key(resource_id))

    def resources(self, scope: str = "", type_name: str = "") -> Iterator[Resource]:
        """Yields the resources at a scope or below it, in order of creation, of one type if it is given."""
        place = ids.key(scope).rstrip("/")
        kind = fold(type_name)
        held: Mapping[str, Resource]
        if place.count("/") in _INDEXED_BY_TYPE and kind:
            return iter(list(self._of_type.get((place, kind), {}).values()))
        if not place:
            held = self._resources
        elif place.count("/") % 2 == 0:
            held = self._below.get(place, {})
        else:  # in the middle of an id, which only a filter finds
            held = {key: one for key, one in self._resources.items() if key.startswith(place + "/")}
        return (one for one in list(held.values()) if not kind or fold(one.type.name) == kind)

    def children(self, parent_id: str, type_name: str = "") -> Iterator[Resource]:
        """Yields the direct children of a resource and the extensions on it, of one type if it is given."""
        for key in list(self._children.get(ids.key(parent_id), ())):
            resource = self._resources[key]
            if not type_name or fold(resource.type.name) == fold(type_name):
                yield resource

    def write(self, resource_id: str, resource_type: ResourceType, body: Mapping[str, Any]) -> Resource:
        """Creates or replaces a resource."""
        key = ids.key(resource_id)
        content = copied({name: value for name, value in body.items() if name not in _COMPUTED})
        content.setdefault("properties", {})
        if resource_type.state is not None:
            content["properties"].setdefault("provisioningState", resource_type.state)
        if "resourceGroup" in resource_type.read_only and ids.group_of(resource_id):
            content["properties"]["resourceGroup"] = ids.group_of(resource_id)
        found = self._resources.get(key)
        before = None if found is None else found.body
        if found is None:
            found = Resource(id=resource_id, type=resource_type, body=content)
            self.adopt(found)
            self.add_built_in_children(resource_id, resource_type.name)
        else:
            found.body = content
            found.revision += 1
        for recorder in self._recorders:
            recorder(found, before, content)
        self._tell(resource_id)
        return found

    def adopt(self, resource: Resource) -> None:
        """Takes a resource as it is, without its usual children and without telling anyone."""
        key = ids.key(resource.id)
        self._resources[key] = resource
        self._children.setdefault(ids.key(_owner(resource.id)), {})[key] = None
        for held in self._places(key, resource.type):
            held[key] = resource

    def add_built_in_children(self, resource_id: str, type_name: str) -> None:
        """Adds the children that every resource (or subscription) of a type has."""
        for resource_type in self.types.built_in_below(type_name):
            middle = "providers/" + resource_type.name if resource_type.at else resource_type.last_type
            for name, properties in resource_type.built_in.items():
                owner = self.find(resource_id)
                place = (
                    {"location": owner.body["location"]}
                    if owner and resource_type.tracked and "location" in owner.body
                    else {}
                )
                body = {**place, **resource_type.built_in_top, "properties": properties}
                self.write(f"{resource_id}/{middle}/{name}", resource_type, body)

    def remove(self, resource_id: str) -> None:
        """Deletes a resource and everything below it."""
        for resource in list(self.resources(resource_id)):
            key = ids.key(resource.id)
            del self._resources[key]
            self._children[ids.key(_owner(resource.id))].pop(key, None)
            for held in self._places(key, resource.type):
                held.pop(key, None)
            for recorder in self._recorders:
                recorder(resource, resource.body, None)
        self._tell(resource_id)

    def _places(self, key: str, resource_type: ResourceType) -> Iterator[dict[str, Resource]]:
        """Yields the parts of the index in which a resource is."""
        kind = fold(resource_type.name)
        yield self._of_type.setdefault(("", kind), {})
        words = ids.segments(key)
        for count in range(2, len(words) + 1, 2):
            scope = "/" + "/".join(words[:count])
            yield self._below.setdefault(scope, {})
            if count in _INDEXED_BY_TYPE:
                yield self._of_type.setdefault((scope, kind), {})

    def touch(self, resource_id: str) -> None:
        """Says that something changed that is kept elsewhere, such as an exemption."""
        self._tell(resource_id)

    def _tell(self, resource_id: str) -> None:
        for listener in self._listeners:
            listener(resource_id)


def _group_in(resource_id: str) -> str | None:
    """Returns the folded name of the management group that an id is of or in; None for none."""
    rest = ids.key(resource_id).removeprefix(_MANAGEMENT_GROUPS)
    return None if rest == ids.key(resource_id) else rest.partition("/")[0]


def _owner(resource_id: str) -> str:
    target = ids.path_of(resource_id)
    assert target is not None  # only ids of resources are ever stored
    return target.parent
