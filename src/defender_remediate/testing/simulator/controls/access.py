"""The simulator's controls that say what the caller may do, and what policies say to everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from defender_remediate.testing.simulator.authorization.roles import CLIENT, EVERYONE, DenyAssignment, Entry
from defender_remediate.testing.simulator.controls.base import Holding
from defender_remediate.testing.simulator.policy.state import (
    AUTHORIZATION,
    DEFAULT,
    Assignment,
    Exemption,
    Restriction,
    reference_of,
)
from defender_remediate.testing.simulator.state import ids

_EFFECTS = ("deny", "audit")
_CATEGORIES = ("Waiver", "Mitigated")


class Governing(Holding):
    """Grants and takes away; assigns policies and exempts from them."""

    @property
    def caller(self) -> str:
        """The object id of the principal whose token the credential gives: an owner of every subscription at first."""
        return CLIENT

    def grant(
        self,
        actions: tuple[str, ...],
        scope: str,
        *,
        not_actions: tuple[str, ...] = (),
        data_actions: tuple[str, ...] = (),
        condition: str = "",
    ) -> None:
        """Give the caller one more role. Roles add up: what one of them lacks another can have.

        Args:
            actions: What it allows; ``*`` stands for anything.
            scope: Where, and everywhere below; the id of a management group, too.
            not_actions: What is left out of the actions of this role; no other role loses it.
            data_actions: What the permissions API shows beside them; the simulator has no data plane.
            condition: Shown by the permissions API, and taken for true.

        Raises:
            ValueError: The actions are a text, or the scope is no id.
        """
        entry = Entry(
            scope=_scope(scope),
            actions=_several(actions),
            not_actions=_several(not_actions),
            data_actions=_several(data_actions),
            condition=condition,
        )
        with self._core.lock:
            self._world.access.grant(entry)

    def revoke(self, scope: str) -> None:
        """Take away every role that the caller has at exactly this scope: of a subscription, the owner's to begin with.

        Raises:
            ValueError: There is none.
        """
        with self._core.lock:
            if not self._world.access.revoke(scope):
                raise ValueError(f"the caller has no role that is assigned at {scope!r}")

    def deny(self, action: str, scope: str) -> None:
        """Take an action (``*`` stands for anything) out of the roles that the caller has: 403 AuthorizationFailed.

        The permissions API shows it among the ``notActions``, at the scope, below it and above it: a right held at a
        scope is held everywhere below, so what is missing somewhere is not held above. A role granted later has it.

        Args:
            action: Such as ``Microsoft.Storage/storageAccounts/write``.
            scope: Where; the id begins with a slash.

        Raises:
            ValueError: The scope is no id.
        """
        if not scope.startswith("/"):
            raise ValueError(f"{scope!r} is no scope: pass the action first, then the id of the scope")
        with self._core.lock:
            self._world.access.deny(action, scope)

    def deny_assignment(
        self,
        actions: tuple[str, ...],
        scope: str,
        *,
        not_actions: tuple[str, ...] = (),
        principals: tuple[str, ...] = (EVERYONE,),
        exclude_principals: tuple[str, ...] = (),
        apply_to_children: bool = True,
        name: str = "deny",
    ) -> str:
        """Refuse actions whatever the roles, as a managed application does: 403; the id of the deny assignment.

        Args:
            actions: What is refused; ``*`` stands for anything.
            scope: Where; the id of a management group, too.
            not_actions: What is not refused after all.
            principals: Object ids, or ``everyone``; ``sim.caller`` is the caller's.
            exclude_principals: Object ids of those whom it does not concern.
            apply_to_children: Whether it holds below the scope, too.
            name: What people call it.

        Raises:
            ValueError: The actions are a text, or the scope is no id.
        """
        with self._core.lock:
            assignment = DenyAssignment(
                scope=_scope(scope),
                name=self._world.new_id(),
                display_name=name,
                actions=_several(actions),
                not_actions=_several(not_actions),
                principals=_several(principals),
                exclude_principals=_several(exclude_principals),
                inherited=apply_to_children,
            )
            self._world.access.deny_assignment(assignment)
            return assignment.id

    def deny_policy(
        self,
        scope: str,
        *,
        resource_type: str = "",
        path: str = "",
        equals: Any = None,
        name: str = "deny",
        effect: str = "deny",
        enforcement: str = DEFAULT,
        not_scopes: tuple[str, ...] = (),
    ) -> str:
        """Assign a policy that denies bodies with a value at a dotted path: 403 RequestDisallowedByPolicy; its id.

        Args:
            scope: Where it is assigned.
            resource_type: The type it looks at; empty for every type.
            path: Where it looks; empty to deny every write.
            equals: The value it denies.
            name: What the assignment is called.
            effect: ``deny``, or ``audit``, which refuses nothing and shows in checkPolicyRestrictions only.
            enforcement: ``Default``; with ``DoNotEnforce`` it refuses nothing.
            not_scopes: Where it does not look.

        Raises:
            ValueError: There is no such effect.
        """
        if effect not in _EFFECTS:
            raise ValueError(f"{effect!r} is none of {', '.join(_EFFECTS)}")
        # Definitions live at a subscription or a management group, whatever they are assigned to.
        subscription = ids.subscription_of(scope)
        base = f"/subscriptions/{subscription}" if subscription else scope
        assignment = Assignment(
            scope=scope,
            name=name,
            definition_id=f"{base}{AUTHORIZATION}/policyDefinitions/{name}",
            display_name=name,
            not_scopes=_several(not_scopes),
            enforcement=enforcement,
        )
        with self._core.lock:
            self._world.policies.restrict(
                Restriction(assignment=assignment, resource_type=resource_type, path=path, equals=equals, effect=effect)
            )
        return assignment.id

    def exempt_policy(
        self,
        scope: str,
        *,
        assignment: str = "",
        references: tuple[str, ...] = (),
        expires: datetime | None = None,
        category: str = "Waiver",
        description: str = "",
        name: str = "exemption",
        at_once: bool = False,
    ) -> str:
        """Exempt a scope from an assigned policy; the id of the exemption.

        From Defender's benchmark, assessments turn NotApplicable with the cause ``Exempt`` after the usual lag, and
        back when the exemption ends. From a policy of one's own, its denial ends at once.

        Args:
            scope: What is exempted, with all below it.
            assignment: The id of the assignment; when empty, that of the benchmark in the subscription.
            references: The policies of the initiative, by the reference ids in its definition; empty for all.
            expires: When it ends, aware of its time zone; None for never.
            category: ``Waiver`` or ``Mitigated``.
            description: Why.
            name: What it is called.
            at_once: Defender knows it already, as if it had always been there.

        Raises:
            ValueError: There is no such assignment or category, the assignment is not at the scope or above it,
                a reference is none of it, or the time has no zone.
        """
        with self._core.lock:
            found = self._assignment(scope, assignment)
            _check_exemption(expires, category)
            self._check_references(found, _several(references))
            exemption = Exemption(
                scope=scope,
                name=name,
                assignment_id=found.id,
                references=_several(references),
                expires=expires,
                category=category,
                description=description,
            )
            self._world.policies.exemptions.append(exemption)
            assessor = self._world.assessor
            (assessor.reconsider_now if at_once else assessor.reconsider)(scope)
            return exemption.id

    def end_exemption(self, exemption_id: str) -> None:
        """Delete an exemption. The assessments that it covered are judged again after the usual lag.

        Raises:
            KeyError: There is none with this id.
        """
        with self._core.lock:
            exemptions = self._world.policies.exemptions
            gone = [one for one in exemptions if ids.key(one.id) == ids.key(exemption_id)]
            if not gone:
                raise KeyError(exemption_id)
            exemptions[:] = [one for one in exemptions if one not in gone]
            self._world.assessor.reconsider(gone[0].scope)

    def _assignment(self, scope: str, assignment_id: str) -> Assignment:
        subscription = f"/subscriptions/{ids.subscription_of(scope)}"
        wanted = assignment_id or f"{subscription}{AUTHORIZATION}/policyAssignments/SecurityCenterBuiltIn"
        found = self._world.policies.assignments.get(ids.key(wanted))
        if found is None:
            raise ValueError(f"there is no policy assignment {wanted!r}")
        if not self._world.store.covers(found.scope, scope):
            raise ValueError(f"{found.id!r} is not assigned at {scope!r} or above it")
        return found

    def _check_references(self, assignment: Assignment, references: tuple[str, ...]) -> None:
        known = {reference_of(finding.metadata) for finding in self._world.assessor.findings.values()}
        if references and not assignment.is_initiative:
            raise ValueError(f"{assignment.id!r} assigns one policy: it has no references")
        for reference in references:
            if reference not in known or not reference:
                raise ValueError(f"{reference!r} is no reference id in the initiative of {assignment.id!r}")


def _check_exemption(expires: datetime | None, category: str) -> None:
    if category not in _CATEGORIES:
        raise ValueError(f"{category!r} is none of {', '.join(_CATEGORIES)}")
    if expires is not None and expires.tzinfo is None:
        raise ValueError("expires needs a time zone")


def _scope(scope: str) -> str:
    if not scope.startswith("/"):
        raise ValueError(f"{scope!r} is no scope: it begins with a slash")
    return scope.rstrip("/")


def _several(names: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"{names!r} is one text: pass a tuple or a list")
    return tuple(names)
