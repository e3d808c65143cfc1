"""The directory of the tenant: its objects by collection, and the links between them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store, copied

USERS, GROUPS, APPLICATIONS, PRINCIPALS = "users", "groups", "applications", "servicePrincipals"
POLICIES, DELETED, REGISTRATIONS = (
    "policies",
    "directory/deletedItems",
    "reports/authenticationMethods/userRegistrationDetails",
)
MEMBERS, OWNERS = "members", "owners"
_PREMIUM = "AAD_PREMIUM"


@attrs.frozen(kw_only=True)
class Collection:
    """A collection of Microsoft Graph.

    Attributes:
        type: The name of the type, without the namespace.
        noun: The type as messages name it.
        required: What the body of a new object must have; empty where none can be created.
        shown: The members without ``$select``; empty for all.
        hidden: Members that are written and never shown.
        deleted_to: The cast of the deleted items that keeps what is deleted; None where it is gone at once.
        defaults: The members of a new object.
    """

    type: str
    noun: str
    required: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    shown: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    hidden: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    deleted_to: str | None = None
    defaults: Mapping[str, Any] = attrs.field(factory=dict)


COLLECTIONS: Mapping[str, Collection] = {
    name: Collection(**raw) for name, raw in facts("directory")["collections"].items()
}
"""The collections by their path."""


class Directory:
    """The objects of a directory.

    Attributes:
        objects: Objects by the path of their collection and their id.
        links: What is linked: the kind (``members`` or ``owners``), the id of the group, role or application, and the id
            of the other object.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.objects: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in (*COLLECTIONS, DELETED)}
        self.links: list[tuple[str, str, str]] = []
        for name, initial in facts("directory")["objects"].items():
            defaults = copied(COLLECTIONS[name].defaults)
            self.objects[name].update({key: {**defaults, **body} for key, body in initial.items()})

    @property
    def is_premium(self) -> bool:
        """Whether the tenant has a license of Microsoft Entra ID P1 or P2."""
        return any(
            plan.get("servicePlanName", "").startswith(_PREMIUM)
            for sku in self.objects["subscribedSkus"].values()
            for plan in sku.get("servicePlans", ())
        )

    def all(self, collection: str) -> Iterator[dict[str, Any]]:
        """Yields the objects of a collection, also those that follow from others."""
        yield from self.objects[collection].values()
        if collection == PRINCIPALS:
            yield from self._managed_identities()
        elif collection == REGISTRATIONS:
            yield from self._unregistered()

    def find(self, collection: str, key: str, member: str = "id") -> dict[str, Any] | None:
        """Returns the object of which a member is ``key``, ignoring case."""
        if member == "id" and key in self.objects[collection]:
            return self.objects[collection][key]
        return next((one for one in self.all(collection) if fold(str(one.get(member))) == fold(key)), None)

    def find_anywhere(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """Returns the collection and the object of an id among users, groups, principals, applications and roles."""
        for collection in (USERS, GROUPS, PRINCIPALS, APPLICATIONS, "directoryRoles", "devices", "administrativeUnits"):
            found = self.find(collection, key)
            if found is not None:
                return collection, found
        return None

    def linked(self, kind: str, owner: str) -> list[str]:
        """Returns the ids of what is linked to an object."""
        return [target for word, key, target in self.links if (word, fold(key)) == (kind, fold(owner))]

    def linking(self, kind: str, target: str) -> list[str]:
        """Returns the ids of the objects that have a link to this one."""
        return [key for word, key, other in self.links if (word, fold(other)) == (kind, fold(target))]

    def forget(self, key: str) -> None:
        """Removes the links of an object that is gone."""
        self.links[:] = [link for link in self.links if fold(key) not in (fold(link[1]), fold(link[2]))]

    def _managed_identities(self) -> Iterator[dict[str, Any]]:
        """The service principals of managed identities: one for each resource that has one."""
        for resource in self._store.resources():
            identity = resource.body.get("identity") or {}
            key = identity.get("principalId") if isinstance(identity, dict) else None
            app = identity.get("tenantId") and key
            if key is None and fold(resource.type.name) == "microsoft.managedidentity/userassignedidentities":
                key = resource.body["properties"].get("principalId")
                app = resource.body["properties"].get("clientId")
            if isinstance(key, str) and key not in self.objects[PRINCIPALS]:
                yield {
                    **copied(COLLECTIONS[PRINCIPALS].defaults),
                    "id": key,
                    "appId": str(app or key),
                    "displayName": resource.name,
                    "appDisplayName": None,
                    "appOwnerOrganizationId": None,
                    "servicePrincipalType": "ManagedIdentity",
                    "servicePrincipalNames": [str(app or key)],
                    "alternativeNames": [f"isExplicit={not identity.get('principalId')}", resource.id],
                }

    def _unregistered(self) -> Iterator[dict[str, Any]]:
        """How users sign in of whom nothing else is said: with a password alone."""
        known = self.objects[REGISTRATIONS]
        for user in self.objects[USERS].values():
            if user["id"] not in known:
                yield {
                    "id": user["id"],
                    "userPrincipalName": user.get("userPrincipalName"),
                    "userDisplayName": user.get("displayName"),
                    "userType": fold(str(user.get("userType"))),
                    "isAdmin": bool(self.linking(MEMBERS, user["id"])),
                    "isMfaCapable": False,
                    "isMfaRegistered": False,
                    "isPasswordlessCapable": False,
                    "isSsprCapable": False,
                    "isSsprEnabled": False,
                    "isSsprRegistered": False,
                    "isSystemPreferredAuthenticationMethodEnabled": False,
                    "methodsRegistered": [],
                }

    def domain_names(self) -> list[str]:
        """Returns the verified domains, the default one first."""
        verified = [one for one in self.objects["domains"].values() if one.get("isVerified")]
        return [one["id"] for one in sorted(verified, key=lambda one: not one.get("isDefault"))]


def key_of(name: str) -> str:
    """Returns an id that follows from a name, so that seeded objects have the same id in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"directory:{name}"))
