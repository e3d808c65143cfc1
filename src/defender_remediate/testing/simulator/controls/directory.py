"""``sim.directory``: users, groups, applications and policies of Microsoft Entra ID, as Microsoft Graph shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.controls import arguments
from defender_remediate.testing.simulator.controls.lookup import missing
from defender_remediate.testing.simulator.directory.state import COLLECTIONS, MEMBERS, OWNERS, key_of
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.state.tenant import Tenant


class DirectoryControls:
    """Adds, shows and changes objects of the directory.

    At first it has the application of the caller, Microsoft's own applications for Graph and Resource Manager, no users, and
    the policies that a new tenant has. Managed identities of resources are in it by themselves.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add(self, collection: str, body: Mapping[str, Any]) -> str:
        """Adds or replaces an object; returns its id.

        Args:
            collection: The path of the collection in Microsoft Graph, such as ``users``, ``groups``,
                ``identity/conditionalAccess/policies`` or ``subscribedSkus``.
            body: Its members. Without ``id`` it gets one that follows from its name. A role, a group or an application may
                have ``members`` and ``owners``, which are lists of ids.

        Raises:
            InvalidInputError: The collection does not exist (also a KeyError), or the body is not a mapping.
        """
        name = self._collection(collection)
        content = copied(dict(arguments.mapping("body", body)))
        named = content.get("userPrincipalName") or content.get("displayName") or content.get("skuPartNumber")
        key = str(content.get("id") or key_of(f"{name}:{named}"))
        with self._tenant.lock:
            for kind in (MEMBERS, OWNERS):
                for other in content.pop(kind, None) or ():
                    self._link(kind, key, str(other))
            self._tenant.directory.objects[name][key] = {**copied(COLLECTIONS[name].defaults), **content, "id": key}
        return key

    def get(self, collection: str, key: str) -> dict[str, Any]:
        """Returns a copy of an object.

        Raises:
            InvalidInputError: It does not exist (also a KeyError).
        """
        found: dict[str, Any] = copied(self._found(collection, key))
        return found

    def change(self, collection: str, key: str, change: Mapping[str, Any]) -> None:
        """Changes members of an object, as a PATCH does.

        Args:
            collection: Such as ``policies``.
            key: The id, or the name of a policy, such as ``authorizationPolicy``.
            change: The members to change; None removes one.

        Raises:
            InvalidInputError: The object does not exist (also a KeyError), or the change is not a mapping.
        """
        found = self._found(collection, key)
        changed = merge_patch(found, copied(dict(arguments.mapping("change", change))))
        with self._tenant.lock:
            found.clear()
            found.update(changed)

    def remove(self, collection: str, key: str) -> None:
        """Removes an object and its links for good.

        Raises:
            InvalidInputError: It does not exist (also a KeyError).
        """
        found = self._found(collection, key)
        held = self._tenant.directory.objects[self._collection(collection)]
        with self._tenant.lock:
            for name in [name for name, body in held.items() if body is found]:
                del held[name]
            self._tenant.directory.forget(found["id"])

    def _link(self, kind: str, owner: str, other: str) -> None:
        if self._tenant.directory.find_anywhere(other) is None:
            raise InvalidInputError(f"the directory has no object {quoted(other)}", hint="add it before its group")
        link = (kind, owner, other)
        if link not in self._tenant.directory.links:
            self._tenant.directory.links.append(link)
        if kind == MEMBERS:
            self._tenant.access.groups.setdefault(fold(other), set()).add(fold(owner))

    def _collection(self, name: str) -> str:
        found = next((known for known in COLLECTIONS if fold(known) == fold(arguments.text("collection", name))), None)
        if found is None:
            raise missing("collection of the directory", name, COLLECTIONS)
        return found

    def _found(self, collection: str, key: str) -> dict[str, Any]:
        name = self._collection(collection)
        found = self._tenant.directory.find(name, arguments.text("key", key))
        if found is None:
            raise missing(f"object of the collection {name}", key, self._tenant.directory.objects[name])
        return found
