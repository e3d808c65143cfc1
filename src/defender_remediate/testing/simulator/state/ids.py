"""Paths of requests, as Azure Resource Manager reads them: ignoring case, with extension resources."""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

from defender_remediate.casing import fold

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class ResourcePath:
    """What a path identifies: a resource, or all resources of a type at a scope.

    Attributes:
        id: The path, with one leading slash.
        scope: What the last ``/providers/`` hangs on: a subscription, a group, or a resource. Empty at the tenant.
        namespace: Such as ``Microsoft.Web``; empty for a subscription or a group.
        types: The type segments below the namespace.
        names: The names; one fewer than the types when the path is a collection.
    """

    id: str
    scope: str
    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        """Such as ``Microsoft.Web/sites/config``."""
        return "/".join((self.namespace, *self.types))

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    @property
    def is_collection(self) -> bool:
        """Whether the path names a type and no resource of it."""
        return len(self.types) > len(self.names)

    @property
    def is_nested(self) -> bool:
        """Whether this is a child resource, such as ``sites/config``."""
        return len(self.types) > 1

    @property
    def parent(self) -> str:
        """The id above a child; for anything else the scope."""
        return self.id.rsplit("/", 1 if self.is_collection else 2)[0] if self.is_nested else self.scope

    @property
    def subscription(self) -> str:
        """The subscription's GUID; empty for a tenant-level path."""
        return subscription_of(self.id)

    @property
    def group(self) -> str:
        """The resource group's name; empty above one."""
        return group_of(self.id)


def segments(path: str) -> list[str]:
    """Returns the parts between the slashes."""
    return [part for part in path.split("/") if part]


@lru_cache(maxsize=10_000)
def key(resource_id: str) -> str:
    """Returns the form in which ids are compared."""
    return "/" + fold("/".join(segments(resource_id)))


def is_guid(text: str) -> bool:
    """Whether the text is a GUID."""
    return bool(_GUID.match(text))


def subscription_of(path: str) -> str:
    """Returns the subscription in an id; empty for an id without one."""
    parts = segments(path)
    return parts[1] if len(parts) > 1 and fold(parts[0]) == "subscriptions" else ""


def group_of(path: str) -> str:
    """Returns the resource group in an id; empty for an id without one."""
    parts = segments(path)
    return parts[3] if len(parts) > 3 and fold(parts[2]) == "resourcegroups" else ""


def within(resource_id: str, scope: str) -> bool:
    """Whether an id is a scope or below it, segment by segment."""
    outer, inner = key(scope), key(resource_id)
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


@lru_cache(maxsize=10_000)
def path_of(path: str) -> ResourcePath | None:
    """Parses a path that ends in ``/providers/{namespace}/{type}[/{name}...]``; None if it does not."""
    parts = segments(path)
    heads = [i for i, part in enumerate(parts) if fold(part) == "providers"]
    if not heads or len(parts) < heads[-1] + 3:
        return None
    last = heads[-1]
    rest = parts[last + 2 :]
    return ResourcePath(
        id="/" + "/".join(parts),
        scope="/" + "/".join(parts[:last]) if last else "",
        namespace=parts[last + 1],
        types=tuple(rest[::2]),
        names=tuple(rest[1::2]),
    )
