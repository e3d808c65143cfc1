"""Scopes as Azure can be asked for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import attrs

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError, InvalidScopeError, NotFoundError, RequestError
from defender_remediate.models.ids import Scope, ScopeKind

_DESCENDANTS = ("2023-04-01", "2021-04-01", "2020-05-01")
_GROUPS = "2021-04-01"
_SUBSCRIPTION = "/subscriptions/"


@attrs.frozen(kw_only=True)
class Root:
    """A subscription or management group to list, and what of it is wanted.

    Attributes:
        path: Without a leading slash, as Azure's own examples have it.
        within: The parts that are wanted; empty for all of it.
    """

    path: str
    within: tuple[Scope, ...] = ()

    def wants(self, resource_id: str) -> bool:
        """Whether a resource is in the part that is wanted."""
        return not self.within or any(scope.contains(resource_id) for scope in self.within)


class Scopes:
    """The scopes of a client: which subscriptions they touch, and what to list so that nothing comes twice.

    Management groups are looked into once; a subscription that is moved later is not noticed.
    """

    def __init__(self, session: ArmSession, scopes: Iterable[Scope]) -> None:
        self._session = session
        self._scopes = outermost(scopes)
        self._lock = threading.Lock()
        self._expanded: tuple[Scope, ...] | None = None
        self._unconfirmed = {scope for scope in self._scopes if scope.kind is ScopeKind.RESOURCE_GROUP}
        if not self._scopes:
            raise InvalidInputError("no scope was given", hint="pass at least one scope")

    def subscriptions(self) -> tuple[str, ...]:
        """The ids of the subscriptions, each once, in the order of the scopes."""
        found: dict[str, str] = {}
        for scope in self._without_groups():
            text = scope.subscription_id or ""
            found.setdefault(fold(text), text)
        return tuple(found.values())

    def management_groups(self) -> tuple[str, ...]:
        """The name of the management group when it is the only scope, so that it can be asked for as it is.

        Of several, one may be inside another, and what is in it must not come twice.
        """
        return (self._scopes[0].text.rpartition("/")[2],) if self._is_one_group() else ()

    def __iter__(self) -> Iterator[Scope]:
        return iter(self._scopes)

    def only_management_groups(self) -> tuple[str, ...]:
        """The names of the management groups when all scopes are; empty otherwise."""
        if any(scope.kind is not ScopeKind.MANAGEMENT_GROUP for scope in self._scopes):
            return ()
        return tuple(scope.text.rpartition("/")[2] for scope in self._scopes)

    def parts(self) -> tuple[Scope, ...]:
        """What results have to be filtered by; empty when whole subscriptions are wanted everywhere."""
        if all(scope.kind in (ScopeKind.SUBSCRIPTION, ScopeKind.MANAGEMENT_GROUP) for scope in self._scopes):
            return ()
        return self._without_groups()

    def roots(self) -> tuple[Root, ...]:
        """What to list, so that every wanted resource comes exactly once."""
        return (Root(path=self._scopes[0].text.strip("/")),) if self._is_one_group() else self.subscription_roots()

    def subscription_roots(self) -> tuple[Root, ...]:
        """The same, subscription by subscription."""
        wanted: dict[str, list[Scope]] = {fold(subscription): [] for subscription in self.subscriptions()}
        for scope in self._without_groups():
            # A whole subscription stands alone, because scopes inside it were left out.
            if scope.kind is not ScopeKind.SUBSCRIPTION:
                wanted[fold(scope.subscription_id or "")].append(scope)
        return tuple(
            Root(path=f"subscriptions/{subscription}", within=tuple(wanted[fold(subscription)]))
            for subscription in self.subscriptions()
        )

    def unconfirmed_groups(self) -> frozenset[Scope]:
        """The resource groups among the scopes that are not known to exist."""
        return frozenset(self._unconfirmed)

    def check_exist(self, groups: Iterable[Scope]) -> None:
        """See whether resource groups exist in which nothing was found: a misspelt one would read as "all is well".

        Makes one request for each, the first time.

        Raises:
            InvalidScopeError: One does not exist, or the caller may not see it.
        """
        for group in groups:
            try:
                self._session.get(group.text, api_version=_GROUPS)
            except NotFoundError as error:
                raise InvalidScopeError(
                    f"the resource group of the scope {group} does not exist, or you may not see it",
                    hint="check the name, or list the resource groups of the subscription",
                ) from error
            except RequestError:
                # Some may read what is in a group and not the group itself.
                continue
            self._unconfirmed.discard(group)

    def cover(self, resource_id: str) -> bool:
        """Whether a resource is in one of them."""
        return any(scope.contains(resource_id) for scope in self._without_groups())

    def _is_one_group(self) -> bool:
        return len(self._scopes) == 1 and self._scopes[0].kind is ScopeKind.MANAGEMENT_GROUP

    def _without_groups(self) -> tuple[Scope, ...]:
        # Two threads that ask at once wait for one answer.
        with self._lock:
            if self._expanded is None:
                self._expanded = outermost(part for scope in self._scopes for part in self._expand(scope))
            return self._expanded

    def _expand(self, scope: Scope) -> Iterable[Scope]:
        if scope.kind is not ScopeKind.MANAGEMENT_GROUP:
            return (scope,)
        found = self._session.list(f"{scope.text}/descendants", api_versions=_DESCENDANTS)
        # The type of a subscription differs between versions; its id does not.
        ids = (wire.text(item, "id") for item in found)
        return [Scope.parse(text) for text in ids if fold(text).startswith(_SUBSCRIPTION)]


def outermost(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes that are in no other one of them, each once, in their order."""
    # Not each with each: a management group may hold thousands.
    distinct: dict[tuple[str, ...], Scope] = {}
    for scope in scopes:
        distinct.setdefault(tuple(fold(scope.text).strip("/").split("/")), scope)
    return tuple(
        scope
        for place, scope in distinct.items()
        if not any(place[:depth] in distinct for depth in range(1, len(place)))
    )
