"""The caller's roles, which add up, and deny assignments, which no role overrides."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.authorization.conditions import ConditionError, ConditionInput, parse
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Store

CALLER_ID = "aaaaaaaa-0000-4000-8000-000000000001"
"""The object id of the caller."""
CALLER_APP_ID = "5eedf00d-0000-4000-8000-000000000001"
"""The id of the application that the caller uses."""
EVERYONE = "everyone"
_ALL_PRINCIPALS = "00000000-0000-0000-0000-000000000000"


@lru_cache(maxsize=10_000)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")) + r"\Z", re.IGNORECASE)


def any_matches(patterns: Iterable[str], action: str) -> bool:
    """Whether an action matches one of the patterns, in which ``*`` matches anything; case is ignored."""
    return any(_pattern(text).match(action) for text in patterns)


@attrs.frozen(kw_only=True)
class RoleGrant:
    """A role that the caller has at a scope and below it.

    Attributes:
        scope: Where it is assigned.
        condition: Restricts it further. What the simulator cannot decide of it is assumed to be met for a role that a test granted,
            and refused as not simulated for one that a client assigned.
        cuts: Actions that a test took out of it, each with where.
        assignment: The id of the role assignment that a client made; None for a role that was there before.
        is_first: Whether the caller owns a subscription by it from the beginning.
    """

    scope: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    condition: str | None = None
    cuts: tuple[tuple[str, str], ...] = ()
    assignment: str | None = None
    is_first: bool = False

    def allows(self, action: str, missing: Iterable[str]) -> bool:
        """Whether it grants an action, apart from these."""
        return any_matches(self.actions, action) and not any_matches((*self.not_actions, *missing), action)

    def meets(self, given: ConditionInput) -> bool | None:
        """Whether its condition is met; None if that depends on what the simulator does not know."""
        if self.condition is None:
            return True
        try:
            verdict = parse(self.condition)(given)
        except ConditionError:
            verdict = None
        return True if verdict is None and self.assignment is None else verdict

    def missing_at(self, scope: str, store: Store) -> tuple[str, ...]:
        """Returns the actions that it lacks at a scope.

        In Azure a right held at a scope is held everywhere below it. So an action that is missing somewhere below is
        not held at the scope itself; the siblings of the place where it is missing keep it, as if assigned there.
        """
        return tuple(a for a, at in self.cuts if store.covers(at, scope) or store.covers(scope, at))

    def missing_above(self, scope: str, store: Store) -> tuple[str, ...]:
        """Returns the actions that it lacks at a scope or above, ignoring those that it lacks only below."""
        return tuple(action for action, at in self.cuts if store.covers(at, scope))

    def render(self, scope: str, store: Store) -> dict[str, Any]:
        """Returns the role as the permissions API shows it at a scope."""
        shown: dict[str, Any] = {
            "actions": list(self.actions),
            "notActions": [*self.not_actions, *self.missing_at(scope, store)],
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }
        if self.condition is not None:
            shown.update(condition=self.condition, conditionVersion="2.0")
        return shown


@attrs.frozen(kw_only=True)
class DenyRule:
    """A deny assignment: actions that are refused to principals regardless of their roles.

    Attributes:
        name: Its name in its id, a GUID.
        display_name: What people call it.
        principals: Object ids; ``everyone`` stands for all principals.
        inherited: Whether it holds below its scope, too.
    """

    scope: str
    name: str
    display_name: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    principals: tuple[str, ...] = (EVERYONE,)
    exclude_principals: tuple[str, ...] = ()
    inherited: bool = True

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/denyAssignments/{self.name}"

    def refuses(self, names: set[str], action: str, scope: str, store: Store) -> bool:
        """Whether it refuses an action at a scope to a principal, given by the folded ids of it and of its groups."""
        excluded = {fold(one) for one in self.exclude_principals}
        if names & excluded or not (names | {EVERYONE}) & {fold(one) for one in self.principals}:
            return False
        if not (store.covers(self.scope, scope) if self.inherited else ids.key(self.scope) == ids.key(scope)):
            return False
        return any_matches(self.actions, action) and not any_matches(self.not_actions, action)

    def concerns(self, principal: str) -> bool:
        """Whether its list of principals contains one."""
        return fold(principal) in (fold(name) for name in self.principals)

    def render(self) -> dict[str, Any]:
        """As the deny assignments API shows it."""
        permission = {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": [],
            "notDataActions": [],
        }
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/denyAssignments",
            "properties": {
                "denyAssignmentName": self.display_name,
                "description": "",
                "permissions": [permission],
                "scope": self.scope,
                "doNotApplyToChildScopes": not self.inherited,
                "principals": [_principal(name) for name in self.principals],
                "excludePrincipals": [_principal(name) for name in self.exclude_principals],
                "isSystemProtected": True,
            },
        }


def _principal(name: str) -> dict[str, str]:
    if name == EVERYONE:
        return {"id": _ALL_PRINCIPALS, "type": "SystemDefined"}
    return {"id": name, "type": "ServicePrincipal"}
