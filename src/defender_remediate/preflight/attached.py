"""What is attached to scopes, listed once per subscription: locks, deny assignments, policy assignments, exemptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import ForbiddenError
from defender_remediate.preflight.deny_assignments import DenyAssignment
from defender_remediate.preflight.exemptions import Exemption
from defender_remediate.preflight.locks import Lock
from defender_remediate.preflight.policy import Assignment
from defender_remediate.preflight.scopes import group_of, parts, subscription_of
from defender_remediate.preflight.single_flight import Once

_AT_SCOPE = {"$filter": "atScope()"}


class Attached(Protocol):
    """Something with an id that is attached to a scope."""

    @property
    def id(self) -> str:
        """Its resource id."""


_T = TypeVar("_T", bound=Attached)


class Listing(Generic[_T]):
    """One collection of ``Microsoft.Authorization``. Shared between threads.

    Args:
        session: What to read with.
        collection: Such as ``locks``.
        versions: The api-versions to try, the best first.
        parse: Makes a value of an item.
    """

    def __init__(
        self, session: ArmSession, collection: str, versions: Sequence[str], parse: Callable[[Any], _T]
    ) -> None:
        self._session = session
        self._collection = collection
        self._versions = tuple(versions)
        self._parse = parse
        self._once: Once[tuple[_T, ...]] = Once()

    def at(self, place: str) -> tuple[_T, ...]:
        """All of them in the place's subscription, with those that are inherited; one request per page, once.

        A caller who may not list those of the subscription is given those of the resource group, and what it inherits.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
        """
        subscription, group = f"/subscriptions/{subscription_of(place)}", group_of(place)
        try:
            return self._once.get(subscription, lambda: self._read(subscription))
        except ForbiddenError:
            if parts(group) == parts(subscription):
                raise
            return self._once.get(fold(group), lambda: self._of_group(group))

    def _of_group(self, group: str) -> tuple[_T, ...]:
        # Below the scope without the filter, above it with the filter: Azure's words on the former leave room.
        return _each_once((*self._read(group), *self._read(group, _AT_SCOPE)))

    def _read(self, scope: str, params: Mapping[str, str] | None = None) -> tuple[_T, ...]:
        path = f"{scope}/providers/Microsoft.Authorization/{self._collection}"
        found = self._session.pages_newest(path, api_versions=self._versions, params=params)
        return tuple(map(self._parse, found))


def _each_once(found: Iterable[_T]) -> tuple[_T, ...]:
    return tuple({fold(item.id): item for item in found}.values())


def locks(session: ArmSession) -> Listing[Lock]:
    """Management locks. Permissions: ``Microsoft.Authorization/locks/read``."""
    return Listing(session, "locks", ("2020-05-01", "2016-09-01"), Lock.from_rest)


def deny_assignments(session: ArmSession) -> Listing[DenyAssignment]:
    """Deny assignments. Permissions: ``Microsoft.Authorization/denyAssignments/read``."""
    return Listing(session, "denyAssignments", ("2022-04-01", "2018-07-01-preview"), DenyAssignment.from_rest)


def policy_assignments(session: ArmSession) -> Listing[Assignment]:
    """Policy assignments. Permissions: ``Microsoft.Authorization/policyAssignments/read``."""
    versions = ("2023-04-01", "2022-06-01", "2021-06-01")
    return Listing(session, "policyAssignments", versions, Assignment.from_rest)


def exemptions(session: ArmSession) -> Listing[Exemption]:
    """Policy exemptions. Permissions: ``Microsoft.Authorization/policyExemptions/read``."""
    versions = ("2022-07-01-preview", "2020-07-01-preview")
    return Listing(session, "policyExemptions", versions, Exemption.from_rest)
