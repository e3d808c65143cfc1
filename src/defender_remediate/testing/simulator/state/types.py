"""Resource types: which versions they take, what they let a caller write and how. The facts are in ``data/types``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold

PROPERTIES, TAGS, NONE = "properties", "tags", "none"


@attrs.frozen(kw_only=True)
class ResourceType:
    """One resource type.

    Attributes:
        name: ``Microsoft.Storage/storageAccounts``, as documented.
        versions: The api-versions it answers to, oldest first.
        patch: What a PATCH may carry: ``properties``, ``tags`` or ``none``.
        known: The names below ``properties``, as a tree; None stands for "anything below". None: nothing is checked.
        read_only: Dotted paths below ``properties`` that a caller's value never reaches.
        irreversible: Properties that can be switched on and never off again.
        defaults: What ``properties`` gets on creation where the body says nothing.
        required: Top-level members that a new resource needs.
        tracked: Whether it has a location.
        extension: Whether it lives on other resources.
        fixed: The only names it can have; empty when any will do.
        etag: Whether it has an etag and heeds If-Match.
        state: The provisioningState of a resource at rest; None when the type has none.
        patch_status: What a PATCH answers.
        shown_name: The type as the provider echoes it.
        echo: ``lower`` when the provider echoes ids in lower case.
        echo_groups: How the provider spells ``resourceGroups`` in ids.
        projects: Properties that a write hands on to a child, and that reading shows as null.
        null_members: Top-level members that are always there, and null.
        busy: The error while a long-running write is under way.
        slow: Long-running writes, by verb.
        at: ``subscription`` for what lives there and nowhere else.
        head: Whether HEAD works.
        deletable: Whether DELETE works.
        routed: Whether other routes answer for it; then these facts are its api-versions only.
        built_in: Resources of this type that every parent has from its birth: name to properties.
    """

    name: str
    versions: tuple[str, ...]
    patch: str = PROPERTIES
    known: Mapping[str, Any] | None = None
    read_only: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    required: tuple[str, ...] = ()
    tracked: bool = True
    extension: bool = False
    fixed: tuple[str, ...] = ()
    etag: bool = False
    state: str | None = "Succeeded"
    patch_status: int = 200
    shown_name: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))
    echo: str = "as-is"
    echo_groups: str = "resourceGroups"
    projects: Mapping[str, str] = attrs.field(factory=dict)
    null_members: tuple[str, ...] = ()
    busy: str = "AnotherOperationInProgress"
    slow: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    at: str = ""
    head: bool = True
    deletable: bool = True
    routed: bool = False
    built_in: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)

    @property
    def namespace(self) -> str:
        """Such as ``Microsoft.Storage``."""
        return self.name.partition("/")[0]

    @property
    def parent(self) -> str:
        """The type above a child type; for one that every subscription has, the subscription; else empty."""
        if self.at == "subscription":
            return "Microsoft.Resources/subscriptions"
        above, _, _ = self.name.rpartition("/")
        return above if "/" in above else ""

    @property
    def last_type(self) -> str:
        """Such as ``config`` of ``Microsoft.Web/sites/config``."""
        return self.name.rpartition("/")[2]


@cache
def shipped_types() -> Mapping[str, ResourceType]:
    """Every type in ``data/types``, by its name in lower case."""
    folder = resources.files("defender_remediate.testing.simulator") / "data" / "types"
    found: dict[str, ResourceType] = {}
    for entry in folder.iterdir():
        namespace = entry.name.removesuffix(".json")
        for name, raw in json.loads(entry.read_text(encoding="utf-8")).items():
            resource_type = _resource_type(f"{namespace}/{name}", raw)
            found[fold(resource_type.name)] = resource_type
    return found


def _resource_type(name: str, raw: Mapping[str, Any]) -> ResourceType:
    members = dict(raw)
    for member in ("versions", "read_only", "irreversible", "required", "fixed", "null_members"):
        members[member] = tuple(members.get(member, ()))
    return ResourceType(name=name, **members)


class ResourceTypes:
    """The types one tenant knows: those shipped, and those that a test brought along."""

    def __init__(self) -> None:
        self._kinds = dict(shipped_types())

    def get(self, name: str) -> ResourceType | None:
        """The type of this name, whatever its case."""
        return self._kinds.get(fold(name))

    def learn(self, name: str, versions: tuple[str, ...]) -> ResourceType:
        """A type, with these api-versions besides those it has; a new one takes any property and any PATCH."""
        known = self.get(name) or ResourceType(name=name, versions=())
        resource_type = attrs.evolve(known, versions=tuple(sorted({*known.versions, *versions})))
        self._kinds[fold(name)] = resource_type
        return resource_type

    def retire(self, name: str, versions: tuple[str, ...]) -> None:
        """Let a type refuse these api-versions from now on."""
        resource_type = self._kinds[fold(name)]
        kept = tuple(version for version in resource_type.versions if version not in versions)
        self._kinds[fold(name)] = attrs.evolve(resource_type, versions=kept)

    def built_in_below(self, parent: str) -> Iterator[ResourceType]:
        """The types of which every resource of a type has some from its birth."""
        return (
            resource_type
            for resource_type in self._kinds.values()
            if resource_type.built_in and resource_type.parent == parent
        )

    def of_namespace(self, namespace: str) -> Iterator[ResourceType]:
        """The types of one resource provider."""
        prefix = fold(namespace) + "/"
        return (resource_type for name, resource_type in sorted(self._kinds.items()) if name.startswith(prefix))

    def namespaces(self) -> list[str]:
        """Every resource provider with a type."""
        return sorted({resource_type.namespace for resource_type in self._kinds.values()})
