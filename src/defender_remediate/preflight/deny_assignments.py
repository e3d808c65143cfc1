"""Deny assignments: they forbid what roles give, and Azure, a managed application or a deployment stack puts them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.permissions import Grant
from defender_remediate.preflight.scopes import covers, parts, scope_of
from defender_remediate.preflight.subject import Demand

EVERYONE = "00000000-0000-0000-0000-000000000000"
_SINGLE = frozenset({"user", "serviceprincipal"})
_ADVICE = "ask whoever put it up (a managed application, a deployment stack, Azure itself) to exclude the caller"


@attrs.frozen(kw_only=True)
class Principal:
    """Whom a deny assignment names: a user, a service principal, a group, or everyone."""

    id: str
    kind: str

    @property
    def is_single(self) -> bool:
        """Whether nobody else can be meant by it."""
        return fold(self.kind) in _SINGLE


@attrs.frozen(kw_only=True)
class DenyAssignment:
    """What is forbidden to whom, and where.

    Attributes:
        only_there: Whether it holds at its scope and not below.
        is_audited: Whether it only writes down what it would have refused.
    """

    id: str
    name: str
    scope: str
    grants: tuple[Grant, ...]
    principals: tuple[Principal, ...]
    excluded: tuple[Principal, ...] = ()
    only_there: bool = False
    condition: str = ""
    is_audited: bool = False

    @classmethod
    def from_rest(cls, item: Any) -> DenyAssignment:
        """Read one item of a list.

        Raises:
            MalformedResponseError: It has no permissions, or an entry of them has no list of actions.
        """
        properties = wire.mapping(wire.pick(item, "properties"))
        own = wire.text(item, "id")
        entries = wire.pick(properties, "permissions")
        if not isinstance(entries, list):
            raise MalformedResponseError("a deny assignment has no array 'permissions'")
        return cls(
            id=own,
            name=wire.text(properties, "denyAssignmentName") or wire.name(item),
            scope=wire.text(properties, "scope") or scope_of(own),
            grants=tuple(map(Grant.from_rest, entries)),
            principals=_principals(properties, "principals"),
            excluded=_principals(properties, "excludePrincipals"),
            only_there=wire.flag(properties, "doNotApplyToChildScopes"),
            condition=wire.text(properties, "condition"),
            is_audited=fold(wire.text(properties, "denyAssignmentEffect")) == "audit",
        )

    def holds_at(self, place: str) -> bool:
        """Whether a place is in its reach."""
        return parts(self.scope) == parts(place) if self.only_there else covers(self.scope, place)

    def denied(self, actions: Iterable[str]) -> tuple[str, ...]:
        """Those of the actions that it forbids."""
        return tuple(action for action in actions if any(grant.names(action) for grant in self.grants))

    def concerns(self, caller: str) -> bool | None:
        """Whether the caller is meant; None when that cannot be told, as with groups.

        Args:
            caller: The object id, in lower case; empty when it is not known.
        """
        if caller and caller in (fold(principal.id) for principal in self.excluded):
            return False
        # A group, or any kind that is not known, may hold the caller; an unknown caller may be anyone of them.
        may_be_excluded = any(not (caller and principal.is_single) for principal in self.excluded)
        if any(fold(principal.id) in (EVERYONE, caller or EVERYONE) for principal in self.principals):
            return None if may_be_excluded else True
        may_be_meant = any(not (caller and principal.is_single) for principal in self.principals)
        return None if may_be_meant or not self.principals else False


def _principals(properties: Any, member: str) -> tuple[Principal, ...]:
    found = wire.pick(properties, member)
    items = found if isinstance(found, list) else []
    return tuple(Principal(id=wire.text(item, "id"), kind=wire.text(item, "type")) for item in items)


def judge(demand: Demand, assignments: Iterable[DenyAssignment], caller: Callable[[], str]) -> tuple[CheckResult, ...]:
    """What deny assignments forbid of a demand.

    Args:
        demand: The actions, and where they are needed.
        assignments: Those of the subscription.
        caller: Gives the caller's object id, empty when it is not known; asked only when it matters.
    """
    found = []
    for assignment in sorted(assignments, key=lambda one: fold(one.id)):
        denied = assignment.denied(demand.actions) if assignment.holds_at(demand.place) else ()
        if denied:
            finding = _finding(assignment, denied, caller)
            found += [finding] if finding else []
    return tuple(found)


def _finding(assignment: DenyAssignment, denied: tuple[str, ...], caller: Callable[[], str]) -> CheckResult | None:
    is_for_all = {principal.id for principal in assignment.principals} == {EVERYONE} and not assignment.excluded
    concerned = True if is_for_all else assignment.concerns(fold(caller()))
    if concerned is False:
        return None
    what = f"the deny assignment {assignment.name!r} forbids {', '.join(denied)}"
    if assignment.is_audited:
        verdict, message = CheckStatus.WARNING, f"{what}; it only writes that down"
    elif concerned is None:
        verdict, message = CheckStatus.UNCHECKED, f"{what}, and whether the caller is meant cannot be told"
    elif assignment.condition:
        verdict, message = CheckStatus.UNCHECKED, f"{what} under a condition that cannot be evaluated here"
    else:
        verdict, message = CheckStatus.BLOCKED, what
    return CheckResult(
        check=CheckName.DENY_ASSIGNMENT,
        status=verdict,
        message=message,
        evidence=(assignment.id, *((f"condition: {assignment.condition}",) if assignment.condition else ())),
        advice=_ADVICE,
    )
