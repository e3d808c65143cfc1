"""What decides whether a caller may write: roles, deny assignments, locks and the subscription's state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.authorization.assigned_roles import DataRole, RoleAssignment, RoleDefinition
from defender_remediate.testing.simulator.authorization.conditions import ConditionInput
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID, DenyRule, RoleGrant, any_matches
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store

READ_ONLY, CAN_NOT_DELETE = "ReadOnly", "CanNotDelete"
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
_STOPPED = ("Disabled", "Warned")
_UNREGISTERED = ("NotRegistered", "Unregistered", "Unregistering")


@attrs.frozen(kw_only=True)
class ManagementLock:
    """A management lock."""

    scope: str
    level: str
    name: str
    notes: str | None = None
    owners: list[Any] | None = None

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/locks/{self.name}"

    def render(self) -> dict[str, Any]:
        """As the locks API shows it."""
        more = {"notes": self.notes, "owners": self.owners}
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/locks",
            "properties": {"level": self.level, **{name: value for name, value in more.items() if value is not None}},
        }


class Access:
    """What the caller may do, and what is forbidden for everyone.

    Attributes:
        definitions: The roles by their folded GUID.
        assignments: The roles that clients assigned.
        schedule_requests: Requests for eligible and time-bound roles, by the key of their id.
        activation_rules: The rules for activation that a caller changed, by the key of the id of their policy.
        groups: The groups of each principal, by the folded object id of the principal.
        principal: Who acts: the caller, or the identity of a policy assignment.
        unlimited: Whether the caller is still the owner of every subscription.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._denied: list[tuple[str, str]] = []
        self.locks: list[ManagementLock] = []
        self.data_roles: list[DataRole] = []
        self._entries: dict[str, list[RoleGrant]] = {}
        self.deny_assignments: list[DenyRule] = []
        built_in = [RoleDefinition(**raw) for raw in facts("roles")]
        self.definitions = {fold(role.name): role for role in built_in}
        self.assignments: list[RoleAssignment] = []
        self.groups: dict[str, set[str]] = {}
        self.schedule_requests: dict[str, dict[str, Any]] = {}
        self.activation_rules: dict[str, list[dict[str, Any]]] = {}
        self.principal = CALLER_ID
        self.unlimited = True
        self._attributes: dict[str, str] = {}

    @contextmanager
    def acting(self, principal: str) -> Iterator[None]:
        """Lets another principal act: with the roles that are assigned to it or to its groups."""
        before, unlimited = self.principal, self.unlimited
        self.principal, self.unlimited = principal, False
        try:
            yield
        finally:
            self.principal, self.unlimited = before, unlimited

    def names_of(self, principal: str) -> set[str]:
        """Returns the folded object ids of a principal and of its groups."""
        return {fold(principal)} | self.groups.get(fold(principal), set())

    def own(self, scope: str) -> None:
        """Makes the caller the owner of a new subscription, without the actions that were denied before."""
        self._add(RoleGrant(scope=scope, actions=("*",), cuts=tuple(self._denied), is_first=True))

    def grant(self, entry: RoleGrant) -> None:
        """Gives the caller one more role."""
        self.unlimited = False
        self._add(entry)

    def _add(self, entry: RoleGrant) -> None:
        # By subscription, for speed with thousands of them; roles assigned above are under the empty name.
        self._entries.setdefault(fold(ids.subscription_of(entry.scope)), []).append(entry)

    def assign(self, assignment: RoleAssignment, *, caller: str) -> None:
        """Adds a role assignment; one to the caller gives it the role's actions."""
        self.assignments.append(assignment)
        if fold(assignment.principal_id) == fold(caller):
            self.grant(_grant_of(assignment))

    def owners(self, caller: str) -> list[RoleAssignment]:
        """Returns the assignments of Owner by which the caller has its subscriptions from the beginning."""
        return [
            RoleAssignment(
                scope=entry.scope,
                name=ids.subscription_of(entry.scope),
                definition=self.definitions[_OWNER],
                principal_id=caller,
                principal_type="ServicePrincipal",
            )
            for held in self._entries.values()
            for entry in held
            if entry.is_first
        ]

    def unassign(self, assignment: RoleAssignment) -> None:
        """Removes a role assignment and what it gave the caller."""
        if assignment not in self.assignments:  # the first role of the caller
            self.revoke(assignment.scope)
            return
        self.assignments.remove(assignment)
        for held in self._entries.values():
            held[:] = [entry for entry in held if entry.assignment != assignment.id]

    def define(self, role: RoleDefinition) -> None:
        """Adds or replaces a custom role, also where it is assigned."""
        self.definitions[fold(role.name)] = role
        self.assignments[:] = [
            attrs.evolve(one, definition=role) if fold(one.definition.name) == fold(role.name) else one
            for one in self.assignments
        ]
        assigned = {one.id for one in self.assignments if one.definition is role}
        for held in self._entries.values():
            held[:] = [
                attrs.evolve(entry, actions=role.actions, not_actions=role.not_actions, data_actions=role.data_actions)
                if entry.assignment in assigned
                else entry
                for entry in held
            ]

    def revoke(self, scope: str) -> int:
        """Removes every role that is assigned at a scope; returns how many there were."""
        self.unlimited = False
        held = self._entries.get(fold(ids.subscription_of(scope)), [])
        kept = [entry for entry in held if ids.key(entry.scope) != ids.key(scope)]
        gone = len(held) - len(kept)
        held[:] = kept
        return gone

    def deny(self, action: str, scope: str) -> None:
        """Removes an action from every role that the caller has."""
        self.unlimited = False
        self._denied.append((action, scope))
        for held in self._entries.values():
            held[:] = [attrs.evolve(entry, cuts=(*entry.cuts, (action, scope))) for entry in held]

    def add_deny_assignment(self, assignment: DenyRule) -> None:
        """Adds a deny assignment."""
        self.unlimited = False
        self.deny_assignments.append(assignment)

    def permissions(self, scope: str) -> list[dict[str, Any]]:
        """Returns the caller's permissions at a scope as the API shows them, without deny assignments."""
        return [entry.render(scope, self._store) for entry in self._here(scope)]

    def _here(self, scope: str) -> list[RoleGrant]:
        own: list[RoleGrant] = []
        if self.principal == CALLER_ID:
            own = [*self._entries.get("", []), *self._entries.get(fold(ids.subscription_of(scope)), [])]
        if self.principal != CALLER_ID or self.groups:
            names = self.names_of(self.principal) - ({fold(CALLER_ID)} if self.principal == CALLER_ID else set())
            own += [_grant_of(one) for one in self.assignments if fold(one.principal_id) in names]
        return [entry for entry in own if self._store.covers(entry.scope, scope)]

    def allows(self, action: str, scope: str) -> bool:
        """Whether a role of the caller grants an action, as the permissions API says.

        The first roles are at subscriptions. Above them a caller whom no test restricted may do everything.
        """
        if self.unlimited and not ids.subscription_of(scope):
            return True
        held = self._here(scope)
        return self._granted(action, (one for one in held if one.allows(action, one.missing_at(scope, self._store))))

    def _granted(self, action: str, held: Iterable[RoleGrant]) -> bool:
        """Whether the condition of one of the roles that grant an action is met.

        Raises:
            ArmError: 501 if that depends on what the simulator does not know.
        """
        undecided = None
        for one in held:
            verdict = one.meets(ConditionInput(action, self._attributes))
            if verdict:
                return True
            if verdict is None:
                undecided = one.condition
        if undecided is not None:
            raise refusal("NotSimulated", what=f"the condition of a role assignment for {action}: {undecided}")
        return False

    @contextmanager
    def about(self, source: str, **attributes: str) -> Iterator[None]:
        """Says what the conditions of roles can look at: the properties of a role assignment in a request or a resource."""
        head = f"@{source}[microsoft.authorization/roleassignments:"
        self._attributes = {f"{head}{fold(name)}]": value for name, value in attributes.items()}
        try:
            yield
        finally:
            self._attributes = {}

    def allows_data(self, action: str, scope: str) -> bool:
        """Whether a role of the caller grants an action on data, such as reading a secret. Owners have none by their role."""
        return self._granted(action, (one for one in self._here(scope) if any_matches(one.data_actions, action)))

    def may_look(self, action: str, scope: str) -> bool:
        """Whether the caller may read something that is in a list."""
        return self._reads(action, scope) and self._deny_of(action, scope) is None

    def _reads(self, action: str, scope: str) -> bool:
        if not ids.subscription_of(scope):
            return self._allowed_at_tenant(action, scope)
        held = self._here(scope)
        return self._granted(action, (one for one in held if one.allows(action, one.missing_above(scope, self._store))))

    def _allowed_at_tenant(self, action: str, scope: str) -> bool:
        # Roles concern subscriptions here; above them everyone may read, unless a test denies it.
        return not any_matches((a for a, at in self._denied if self._store.covers(at, scope)), action)

    def _deny_of(self, action: str, scope: str) -> DenyRule | None:
        found = (
            one
            for one in self.deny_assignments
            if one.refuses(self.names_of(self.principal), action, scope, self._store)
        )
        return next(found, None)

    def check_role(self, action: str, scope: str) -> None:
        """Refuses what no role of the caller grants, or what a deny assignment forbids.

        Raises:
            ArmError: 403 AuthorizationFailed or 403 DenyAssignmentAuthorizationFailed.
        """
        if not self.allows(action, scope):
            raise refusal("AuthorizationFailed", client=self.principal, action=action, scope=scope)
        self._check_deny(action, scope)

    def check_read(self, action: str, scope: str) -> None:
        """Refuses a read as ``check_role`` does, ignoring actions that are missing only below the scope.

        Raises:
            ArmError: 403 AuthorizationFailed or 403 DenyAssignmentAuthorizationFailed.
        """
        if not self._reads(action, scope):
            raise refusal("AuthorizationFailed", client=self.principal, action=action, scope=scope)
        self._check_deny(action, scope)

    def _check_deny(self, action: str, scope: str) -> None:
        denied = self._deny_of(action, scope)
        if denied is not None:
            # Code and message are as callers of Azure quote them; Azure documents neither.
            raise refusal(
                "DenyAssignmentAuthorizationFailed",
                client=self.principal,
                action=action,
                scope=scope,
                name=denied.display_name,
                id=denied.name.replace("-", ""),
                at=denied.scope,
            )

    def check_write(self, method: str, action: str, target_id: str) -> None:
        """Refuses a write that a role, the subscription's state or a lock forbids, in Azure's order.

        Raises:
            ArmError: 403 AuthorizationFailed, 403 DenyAssignmentAuthorizationFailed, 409 ReadOnlyDisabledSubscription
                or 409 ScopeLocked.
        """
        self.check_role(action, target_id)
        self._check_state(method, ids.subscription_of(target_id))
        stops = (READ_ONLY, CAN_NOT_DELETE) if method == "DELETE" else (READ_ONLY,)
        locked = [lock.scope for lock in self.locks if lock.level in stops and ids.within(target_id, lock.scope)]
        if locked:
            verb = "delete" if method == "DELETE" else "write"
            raise refusal("ScopeLocked", scope=target_id, verb=verb, locked="','".join(locked))

    def _check_state(self, method: str, subscription_id: str) -> None:
        # DELETE still works in a disabled or warned subscription; PUT, PATCH and POST do not.
        if subscription_id and method != "DELETE" and self._store.subscription(subscription_id).state in _STOPPED:
            raise refusal("ReadOnlyDisabledSubscription", subscription=subscription_id)

    def check_registered(self, subscription_id: str, namespace: str) -> None:
        """Refuses a write to a resource provider that is not registered in the subscription.

        Raises:
            ArmError: 409 MissingSubscriptionRegistration; for Microsoft.Security 404 Subscription Not Registered.
        """
        if not subscription_id or is_registered(self._store.subscription(subscription_id).registration(namespace)):
            return
        if fold(namespace) == "microsoft.security":
            raise refusal("Subscription Not Registered")
        refused = refusal("MissingSubscriptionRegistration", namespace=namespace)
        detail = {**refused.reply.body["error"], "target": namespace}
        raise refusal("MissingSubscriptionRegistration", namespace=namespace, more={"details": [detail]})


def _grant_of(assignment: RoleAssignment) -> RoleGrant:
    role = assignment.definition
    return RoleGrant(
        scope=assignment.scope,
        actions=role.actions,
        not_actions=role.not_actions,
        data_actions=role.data_actions,
        condition=assignment.condition,
        assignment=assignment.id,
    )


def is_registered(state: str) -> bool:
    """Whether a provider in this registration state accepts writes; a registering one does."""
    return state not in _UNREGISTERED
