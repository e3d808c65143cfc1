"""Tells why nothing was found: a listing is also empty where Defender does not evaluate anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery.posture import read_posture
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.errors import RequestError
from defender_remediate.models.ids import Scope
from defender_remediate.models.posture import PostureWarning, SubscriptionPosture
from defender_remediate.threads import in_parallel

_POSTURE_WORKERS = 8
_T = TypeVar("_T")


class Silence:
    """The subscriptions of which a listing has shown nothing yet."""

    def __init__(self) -> None:
        self._scopes: tuple[Scope, ...] = ()

    def expect(self, subscriptions: Iterable[str]) -> None:
        """Note the subscriptions of which something is expected."""
        self._scopes = tuple(map(Scope.parse, subscriptions))

    def hear(self, resource_id: str) -> None:
        """Note that something of a subscription was shown."""
        if self._scopes:
            self._scopes = tuple(scope for scope in self._scopes if not scope.contains(resource_id))

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The ids of those that are left."""
        return tuple(scope.subscription_id or "" for scope in self._scopes)


class EmptyListings:
    """Warns after a listing that is empty because Defender does not evaluate a subscription.

    Args:
        session: What to read with.
        providers: Where the api-versions of resource types are looked up.
        scopes: What is read.
        warn: What to do with the warning; None to not look why nothing is found.
    """

    def __init__(
        self,
        session: ArmSession,
        providers: Providers,
        scopes: Scopes,
        warn: Callable[[PostureWarning], None] | None,
    ) -> None:
        self._session = session
        self._providers = providers
        self._scopes = scopes
        self.warn = warn

    def list_postures(
        self, subscriptions: Iterable[str] | None = None, *, about: str | None = None
    ) -> Iterator[SubscriptionPosture]:
        """Whether Defender evaluates each subscription. What cannot be read is a reason in it, not an error.

        Args:
            subscriptions: Only these; None for all that the scopes touch.
            about: The key of a recommendation: only its assessments count as off by policy or without a plan.

        Permissions: ``Microsoft.Security/*/read``, ``Microsoft.Resources/subscriptions/read``, ``.../providers/read`` and
        ``Microsoft.Authorization/policyAssignments/read``. Reads every assessment of the subscriptions.
        """
        wanted = self._scopes.subscriptions() if subscriptions is None else tuple(subscriptions)

        def read(subscription: str) -> SubscriptionPosture:
            return read_posture(self._session, self._providers, subscription, about=about)

        yield from in_parallel(read, wanted, workers=_POSTURE_WORKERS)

    def explained(
        self, items: Iterable[_T], silent: Silence | None = None, *, is_all: bool = False, about: str | None = None
    ) -> Iterator[_T]:
        """The items; then a PostureWarning if nothing was found somewhere because Defender does not evaluate it.

        Args:
            items: What was found.
            silent: The subscriptions without any assessment, once the items were read; None when only what was asked for
                was read, so that they are not known.
            is_all: Whether what is off by policy would be among the items, if it was evaluated.
            about: The key that the items are about; None for all.
        """
        is_empty = True
        for item in items:
            is_empty = False
            yield item
        if is_empty:
            self.explain(None, is_all=is_all, about=about)
        elif silent is not None:
            self.explain(silent.subscriptions)

    def explain(self, subscriptions: Iterable[str] | None, *, is_all: bool = False, about: str | None = None) -> None:
        """Warn of those of the subscriptions that Defender does not evaluate; None for all. The rest is as in ``explained``."""
        if self.warn is None:
            return
        postures = self.list_postures(subscriptions, about=about)
        found = tuple(one for one in postures if one.is_blind or (is_all and not one.is_evaluated))
        if found:
            self.warn(PostureWarning(found))

    def expect_all(self, silent: Silence) -> None:
        """Let a silence expect something of every subscription, if a warning is wanted."""
        if self.warn is not None:
            # A caller who may list at a management group may not be allowed to see what is in it.
            with suppress(RequestError):
                silent.expect(self._scopes.subscriptions())

    def without(self, shown: Iterable[str]) -> tuple[str, ...]:
        """The subscriptions of which a listing has shown nothing."""
        if self.warn is not None:
            known = {fold(subscription) for subscription in shown}
            # A caller who may list at a management group may not be allowed to see what is in it.
            with suppress(RequestError):
                return tuple(one for one in self._scopes.subscriptions() if fold(one) not in known)
        return ()
