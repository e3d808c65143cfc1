"""Deny assignments, which override roles. Azure, a managed application or a deployment stack creates them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.ids import id_key
from defender_remediate.preflight.permissions import PermissionEntry
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.scopes import covers, scope_of
from defender_remediate.preflight.subject import Subject

EVERYONE = "00000000-0000-0000-0000-000000000000"
_VERSIONS = ("2022-04-01", "2018-07-01-preview")
_ADVICE = (
    "ask the owner of the deny assignment (a managed application, a deployment stack, Azure) to exclude the caller"
)


@attrs.frozen(kw_only=True)
class DeniedPrincipal:
    """A user, a service principal, a group, or everyone."""

    id: str
    kind: str

    @property
    def is_single(self) -> bool:
        """Whether it stands for exactly one principal."""
        return fold(self.kind) in ("user", "serviceprincipal")


@attrs.frozen(kw_only=True)
class DenyAssignment:
    """What is denied to whom, and where.

    Attributes:
        is_local: Whether it holds at its scope and not below.
        is_audit: Whether it only records what it would have denied.
    """

    id: str
    name: str
    scope: str
    entries: tuple[PermissionEntry, ...]
    principals: tuple[DeniedPrincipal, ...]
    excluded: tuple[DeniedPrincipal, ...] = ()
    is_local: bool = False
    condition: str = ""
    is_audit: bool = False

    @classmethod
    def from_rest(cls, item: Any) -> DenyAssignment:
        """Read one item of a listing.

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
            entries=tuple(map(PermissionEntry.from_rest, entries)),
            principals=_principals(properties, "principals"),
            excluded=_principals(properties, "excludePrincipals"),
            is_local=wire.flag(properties, "doNotApplyToChildScopes"),
            condition=wire.text(properties, "condition"),
            is_audit=fold(wire.text(properties, "denyAssignmentEffect")) == "audit",
        )

    def denied(self, actions: Iterable[str], scope: str) -> tuple[str, ...]:
        """Those of the actions that it denies at a scope."""
        holds = id_key(self.scope) == id_key(scope) if self.is_local else covers(self.scope, scope)
        if not holds:
            return ()
        return tuple(action for action in actions if any(entry.covers(action) for entry in self.entries))

    def applies_to(self, caller: str | None) -> bool | None:
        """Whether it denies the caller; None when that cannot be told, as with groups.

        Args:
            caller: The object id, folded; None when it is not known.
        """
        if caller and caller in {fold(principal.id) for principal in self.excluded}:
            return False
        # A group or an unknown kind may contain the caller, and an unknown caller may be any of them.
        may_be_excluded = any(not (caller and principal.is_single) for principal in self.excluded)
        if any(fold(principal.id) in (EVERYONE, caller) for principal in self.principals):
            return None if may_be_excluded else True
        may_be_included = any(not (caller and principal.is_single) for principal in self.principals)
        return None if may_be_included or not self.principals else False


def _principals(properties: Any, member: str) -> tuple[DeniedPrincipal, ...]:
    found = wire.pick(properties, member)
    items = found if isinstance(found, list) else []
    return tuple(DeniedPrincipal(id=wire.text(item, "id"), kind=wire.text(item, "type")) for item in items)


@attrs.frozen(kw_only=True)
class Denial:
    """An assignment that denies actions that a step needs, and whether it applies to the caller; None if unknown."""

    assignment: DenyAssignment
    actions: tuple[str, ...]
    applies: bool | None


class DenyAssignmentCheck:
    """Finds deny assignments that forbid what a step needs.

    One that names a group cannot be evaluated, because the caller's groups are not known; the step is unchecked then.
    """

    name = "deny_assignment"
    permissions = ("Microsoft.Authorization/denyAssignments/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[Denial]]:
        """The assignments that deny something a step needs; the caller's id is read only if there is one."""

        def read(subject: Subject) -> list[Denial]:
            found = []
            for required in subject.required_permissions:
                listed = reader.list_attached(
                    "denyAssignments", required.scope, api_versions=_VERSIONS, parse=DenyAssignment.from_rest
                )
                for assignment in sorted(listed, key=lambda one: fold(one.id)):
                    denied = assignment.denied(required.actions, required.scope)
                    if denied:
                        # No one needs to be identified when it denies everyone without exception.
                        is_for_all = {one.id for one in assignment.principals} == {EVERYONE} and not assignment.excluded
                        applies = True if is_for_all else assignment.applies_to(reader.caller_object_id())
                        found.append(Denial(assignment=assignment, actions=denied, applies=applies))
            return found

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[Denial]]) -> Iterator[CheckResult]:
        """What deny assignments forbid of one step."""
        for denial in facts[subject]:
            assignment = denial.assignment
            message = f"the deny assignment {assignment.name!r} forbids {', '.join(denial.actions)}"
            if denial.applies is False:
                continue
            if assignment.is_audit:
                status, message = CheckStatus.WARNING, f"{message}; it only audits"
            elif denial.applies is None:
                status, message = CheckStatus.UNCHECKED, f"{message}, and may or may not apply to the caller"
            elif assignment.condition:
                status, message = CheckStatus.UNCHECKED, f"{message} under a condition that cannot be evaluated here"
            else:
                status = CheckStatus.BLOCKED
            condition = (f"condition: {assignment.condition}",) if assignment.condition else ()
            yield CheckResult(
                check=self.name,
                status=status,
                message=message,
                evidence=(assignment.id, *condition),
                advice=_ADVICE,
            )
