"""``sim.access``: what the caller may do, and what locks and policies forbid everyone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID, EVERYONE, DenyRule, RoleGrant
from defender_remediate.testing.simulator.authorization.state import CAN_NOT_DELETE, READ_ONLY, DataRole, ManagementLock
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.deployments.stacks import Stack
from defender_remediate.testing.simulator.policy.state import (
    AUTHORIZATION,
    ENFORCED,
    DenyPolicy,
    EnrolledScope,
    PolicyAssignment,
    PolicyExemption,
    reference_of,
)
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import instance, instance_or_none, string, strings

_EFFECTS = ("deny", "audit")
_DENIED_BY_STACK: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "denyDelete": ("*/delete",),
    "denyWriteAndDelete": ("*/delete", "*/write"),
}
_MOST_PRINCIPALS, _MOST_ACTIONS = 5, 200
_SELECTOR_KINDS = ("resourceLocation", "resourceType", "resourceWithoutLocation")
_MOST_SELECTORS, _MOST_VALUES = 10, 50
_ENFORCEMENTS = (ENFORCED, "DoNotEnforce", "Enroll")
_CATEGORIES = ("Waiver", "Mitigated")


class AccessControls:
    """Grants and revokes roles; adds deny assignments, locks, policies and exemptions."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    @property
    def caller(self) -> str:
        """The object id of the principal that the credential belongs to: at first an owner of every subscription."""
        return CALLER_ID

    def grant(
        self,
        actions: tuple[str, ...],
        scope: str,
        *,
        not_actions: tuple[str, ...] = (),
        data_actions: tuple[str, ...] = (),
        condition: str | None = None,
    ) -> None:
        """Gives the caller one more role. Roles add up: another role can have what this one lacks.

        Args:
            actions: The allowed actions; ``*`` matches anything.
            scope: Where the role is assigned; it also applies below. A management group is a scope, too.
            not_actions: Actions that this role excludes; other roles keep them.
            data_actions: Shown by the permissions API; the simulator has no data plane.
            condition: Shown by the permissions API, and assumed to be met.

        Raises:
            InvalidInputError: The actions are a string, or the scope is not an id.
        """
        role = RoleGrant(
            scope=arguments.scope(scope),
            actions=arguments.actions("actions", actions),
            not_actions=arguments.actions("not_actions", not_actions),
            data_actions=arguments.actions("data_actions", data_actions),
            condition=condition if condition is None else arguments.text("condition", condition),
        )
        with self._tenant.lock:
            self._tenant.access.grant(role)

    def revoke(self, scope: str) -> None:
        """Removes every role of the caller that is assigned at exactly this scope.

        At first the caller is the owner of each subscription by a role at the subscription.

        Raises:
            InvalidInputError: The caller has no role assigned at this scope.
        """
        with self._tenant.lock:
            if not self._tenant.access.revoke(arguments.scope(scope)):
                raise InvalidInputError(f"the caller has no role that is assigned at {quoted(scope)}")

    def deny(self, action: str, scope: str) -> None:
        """Removes an action (``*`` matches anything) from the roles that the caller has: 403 AuthorizationFailed.

        The permissions API shows it among the ``notActions``, at the scope, below it and above it: a permission held at
        a scope is held everywhere below, so one that is missing somewhere is not held above. A role granted later has it.

        Args:
            action: Such as ``Microsoft.Storage/storageAccounts/write``.
            scope: Where it is removed.

        Raises:
            InvalidInputError: The action is not one of Azure's, or the scope is not an id.
        """
        arguments.actions("action", [action])
        with self._tenant.lock:
            self._tenant.access.deny(action, arguments.scope(scope))

    def add_deny_assignment(
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
        """Refuses actions regardless of roles, as a managed application does (403); returns the deny assignment's id.

        Args:
            actions: The refused actions; ``*`` matches anything.
            scope: Where it is assigned. A management group is a scope, too.
            not_actions: Actions that are not refused.
            principals: Object ids, or ``everyone``; ``sim.access.caller`` is the caller's.
            exclude_principals: Object ids of principals that it does not apply to.
            apply_to_children: Whether it also applies below the scope.
            name: Its display name.

        Raises:
            InvalidInputError: The actions are a string, or the scope is not an id.
        """
        with self._tenant.lock:
            rule = DenyRule(
                scope=arguments.scope(scope),
                name=self._tenant.new_id(),
                display_name=arguments.text("name", name),
                actions=arguments.actions("actions", actions),
                not_actions=arguments.actions("not_actions", not_actions),
                principals=strings("principals", principals),
                exclude_principals=strings("exclude_principals", exclude_principals),
                inherited=instance("apply_to_children", apply_to_children, bool),
            )
            self._tenant.access.add_deny_assignment(rule)
            return rule.id

    def add_stack(
        self,
        scope: str,
        resources: tuple[str, ...],
        *,
        mode: str = "none",
        excluded_principals: tuple[str, ...] = (),
        excluded_actions: tuple[str, ...] = (),
        apply_to_children: bool = False,
        name: str = "stack",
    ) -> str:
        """Adds a deployment stack that manages resources; returns its id.

        Its deny settings are deny assignments at these resources, which refuse the writes of everyone else.

        Args:
            scope: The resource group or the subscription of the stack.
            resources: The ids of the managed resources.
            mode: ``none``, ``denyDelete`` or ``denyWriteAndDelete``.
            excluded_principals: The object ids of up to 5 principals to whom the deny settings do not apply.
            excluded_actions: Up to 200 actions that they do not refuse.
            apply_to_children: Whether they also apply below the resources.
            name: The name of the stack.

        Raises:
            InvalidInputError: The mode does not exist, or there are more exclusions than Azure takes.
        """
        arguments.word("mode", mode, _DENIED_BY_STACK)
        if (
            len(strings("excluded_principals", excluded_principals)) > _MOST_PRINCIPALS
            or len(arguments.actions("excluded_actions", excluded_actions)) > _MOST_ACTIONS
        ):
            raise InvalidInputError(
                f"A stack excludes up to {_MOST_PRINCIPALS} principals and {_MOST_ACTIONS} actions."
            )
        stack = Stack(
            scope=arguments.scope(scope),
            name=arguments.name_in_id("name", name),
            resources=tuple(arguments.scope(one) for one in strings("resources", resources)),
            mode=mode,
            excluded_principals=excluded_principals,
            excluded_actions=excluded_actions,
            applies_to_children=instance("apply_to_children", apply_to_children, bool),
        )
        with self._tenant.lock:
            self._tenant.stacks.append(stack)
        for resource in stack.resources if mode != "none" else ():
            self.add_deny_assignment(
                _DENIED_BY_STACK[mode],
                resource,
                not_actions=excluded_actions,
                exclude_principals=excluded_principals,
                apply_to_children=apply_to_children,
                name=f"Deny assignment created by Deployment Stack {stack.id}",
            )
        return stack.id

    def lock(self, scope: str, level: str = READ_ONLY, name: str = "lock") -> None:
        """Adds a management lock (``ReadOnly`` or ``CanNotDelete``).

        Raises:
            InvalidInputError: The scope is not an id, the level does not exist, or the name is not a name.
        """
        lock = ManagementLock(
            scope=arguments.scope(scope),
            level=arguments.word("level", level, (READ_ONLY, CAN_NOT_DELETE)),
            name=arguments.name_in_id("name", name),
        )
        self._tenant.access.locks.append(lock)

    def assign_data_role(self, principal_id: str, scope: str, *data_actions: str, name: str | None = None) -> None:
        """Assigns a role with data actions, such as ``Microsoft.KeyVault/vaults/secrets/*``, to a principal.

        It is shown among the role assignments. The caller's own rights do not change.

        Args:
            principal_id: The object id.
            scope: Where it is assigned.
            data_actions: What it allows.
            name: The GUID of the role definition; None for one that all share.

        Raises:
            InvalidInputError: The principal is empty, the scope is not an id, or an action is not one of Azure's.
        """
        role = DataRole(
            principal_id=arguments.text("principal_id", principal_id),
            scope=arguments.scope(scope),
            data_actions=arguments.actions("data_actions", data_actions),
        )
        self._tenant.access.data_roles.append(
            role if name is None else attrs.evolve(role, name=arguments.text("name", name))
        )

    def unlock(self, scope: str) -> None:
        """Removes the locks at exactly this scope.

        Raises:
            InvalidInputError: The scope is not an id.
        """
        unlocked = ids.key(arguments.scope(scope))
        locks = self._tenant.access.locks
        locks[:] = [lock for lock in locks if ids.key(lock.scope) != unlocked]

    def assign_policy(
        self,
        scope: str,
        *,
        resource_type: str | None = None,
        path: str | None = None,
        equals: Any = None,
        name: str = "deny",
        effect: str = "deny",
        enforcement: str = ENFORCED,
        not_scopes: tuple[str, ...] = (),
    ) -> str:
        """Assigns a policy that denies one value: 403 RequestDisallowedByPolicy; returns the assignment's id.

        Args:
            scope: Where it is assigned.
            resource_type: The type that it evaluates; None for every type.
            path: The dotted path of the value; None to deny every write.
            equals: The value to deny.
            name: The name of the assignment and of the definition.
            effect: ``deny``, or ``audit``, which only checkPolicyRestrictions shows.
            enforcement: ``Default``; ``DoNotEnforce``, which refuses nothing; or ``Enroll``, which refuses where it is
                enrolled.
            not_scopes: Scopes that it does not apply to.

        Raises:
            InvalidInputError: The effect or the enforcement does not exist, a scope is not an id, or the name is not a name.
        """
        scope = arguments.scope(scope)
        arguments.name_in_id("name", name)
        arguments.word("effect", effect, _EFFECTS)
        arguments.word("enforcement", enforcement, _ENFORCEMENTS)
        for option, given in (("resource_type", resource_type), ("path", path)):
            if given is not None:
                arguments.text(option, given)
        # Definitions live at a subscription or a management group, whatever they are assigned to.
        subscription = ids.subscription_of(scope)
        base = f"/subscriptions/{subscription}" if subscription else scope
        assignment = PolicyAssignment(
            scope=scope,
            name=name,
            definition_id=f"{base}{AUTHORIZATION}/policyDefinitions/{name}",
            display_name=name,
            not_scopes=tuple(arguments.scope(one) for one in strings("not_scopes", not_scopes)),
            enforcement=enforcement,
        )
        policy = DenyPolicy(assignment=assignment, resource_type=resource_type, path=path, equals=equals, effect=effect)
        with self._tenant.lock:
            self._tenant.policies.add_policy(policy)
        return assignment.id

    def assign_initiative(self, scope: str, *keys: str, name: str = "regulation") -> str:
        """Assigns a custom initiative with the policies of some recommendations; returns the assignment's id.

        Defender then shows a resource as exempt only once it is exempt from this initiative as well.

        Args:
            scope: A subscription, or what is in one.
            keys: The assessment keys of the recommendations.
            name: The name of the initiative and of its assignment.

        Raises:
            InvalidInputError: A recommendation does not exist, or has no policy.
        """
        tenant, scope = self._tenant, arguments.scope(scope)
        arguments.name_in_id("name", name)
        definition_id = f"/subscriptions/{ids.subscription_of(scope)}{AUTHORIZATION}/policySetDefinitions/{name}"
        with tenant.lock:
            references = set()
            for key in keys:
                reference = reference_of(lookup.recommendation(tenant, key).metadata)
                if reference is None:
                    raise InvalidInputError(f"the recommendation {quoted(key)} has no policy")
                references.add(reference)
            tenant.policies.initiatives[ids.key(definition_id)] = frozenset(references)
            assignment = PolicyAssignment(scope=scope, name=name, definition_id=definition_id, display_name=name)
            tenant.policies.assign(assignment)
            return assignment.id

    def enroll(
        self,
        assignment: str,
        scope: str,
        *,
        references: tuple[str, ...] = (),
        selectors: tuple[tuple[Mapping[str, Any], ...], ...] = (),
        name: str = "enrollment",
    ) -> str:
        """Enforces an assignment in the mode ``Enroll`` in a scope; returns the id of the enrollment.

        Args:
            assignment: The id of the policy assignment.
            scope: Where it is enforced.
            references: Policies of the initiative, by their reference ids; empty for all.
            selectors: Resource selectors: each is a tuple of conditions such as
                ``{"kind": "resourceLocation", "in": ["westeurope"]}``. One of them has to be met as a whole.
            name: The name of the enrollment.

        Raises:
            InvalidInputError: The assignment does not exist, or there are more selectors or values than Azure takes.
        """
        with self._tenant.lock:
            found = self._tenant.policies.assignments.get(ids.key(string("assignment", assignment)))
            if found is None:
                raise self._no_assignment(assignment)
            if len(selectors) > _MOST_SELECTORS:
                raise InvalidInputError(
                    f"An enrollment takes {_MOST_SELECTORS} resource selectors, got {len(selectors)}."
                )
            for one in (one for group in selectors for one in group):
                values = [one[name] for name in ("in", "notIn") if name in one]
                if one.get("kind") not in _SELECTOR_KINDS or len(values) != 1 or len(values[0]) > _MOST_VALUES:
                    raise InvalidInputError(
                        f"Invalid selector {dict(one)!r}: it has a kind ({', '.join(_SELECTOR_KINDS)}), and in or notIn "
                        f"with up to {_MOST_VALUES} values."
                    )
            enrollment = EnrolledScope(
                scope=arguments.scope(scope),
                name=name,
                assignment_id=found.id,
                references=strings("references", references),
                selectors=tuple(tuple(group) for group in selectors),
            )
            self._tenant.policies.enrollments.append(enrollment)
            return enrollment.id

    def exempt(
        self,
        scope: str,
        *,
        assignment: str | None = None,
        references: tuple[str, ...] = (),
        expires: datetime | None = None,
        category: str = "Waiver",
        description: str = "",
        name: str = "exemption",
        already_assessed: bool = False,
    ) -> str:
        """Exempts a scope from an assigned policy; returns the id of the exemption.

        With an exemption from Defender's benchmark, assessments turn NotApplicable with the cause ``Exempt`` after the
        usual delay, and back when it ends. An exemption from another policy takes effect at once.

        Args:
            scope: The exempted scope.
            assignment: The id of the policy assignment; None for the benchmark's in the subscription.
            references: Policies of the initiative, by the reference ids in its definition; empty for all.
            expires: When it ends, with a time zone; None for never.
            category: ``Waiver`` or ``Mitigated``.
            description: The reason.
            name: The name of the exemption.
            already_assessed: Whether Defender's assessments show it without delay.

        Raises:
            InvalidInputError: The assignment or category does not exist, the assignment does not apply to the scope, a
                reference is unknown, or the time has no time zone.
        """
        tenant, scope = self._tenant, arguments.scope(scope)
        arguments.name_in_id("name", name)
        arguments.word("category", category, _CATEGORIES)
        string("description", description)
        instance("already_assessed", already_assessed, bool)
        instance_or_none("expires", expires, datetime)
        if expires is not None and expires.tzinfo is None:
            raise InvalidInputError(f"expires must have a time zone, got {expires}")
        with tenant.lock:
            benchmark = (
                f"/subscriptions/{ids.subscription_of(scope)}{AUTHORIZATION}/policyAssignments/SecurityCenterBuiltIn"
            )
            found = tenant.policies.assignments.get(ids.key(string("assignment", assignment or benchmark)))
            if found is None:
                raise self._no_assignment(assignment or benchmark)
            if not tenant.store.covers(found.scope, scope):
                raise InvalidInputError(f"{found.id!r} is not assigned at {scope!r} or above it.")
            if references and not found.is_initiative:
                raise InvalidInputError(f"{found.id!r} assigns a single policy, which has no reference ids.")
            known = {reference_of(each.metadata) for each in tenant.assessor.definitions.values()}
            for reference in strings("references", references):
                if reference not in known:
                    raise InvalidInputError(f"{reference!r} is not a reference id in the initiative of {found.id!r}.")
            exemption = PolicyExemption(
                scope=scope,
                name=name,
                assignment_id=found.id,
                references=strings("references", references),
                expires=expires,
                category=category,
                description=description,
            )
            tenant.policies.exemptions.append(exemption)
            tenant.assessor.reassess(scope, at_once=already_assessed)
            return exemption.id

    def end_exemption(self, exemption_id: str) -> None:
        """Deletes an exemption. The assessments that it covered change after the usual delay.

        Raises:
            InvalidInputError: The exemption does not exist; also a KeyError.
        """
        with self._tenant.lock:
            exemptions = self._tenant.policies.exemptions
            ended = [one for one in exemptions if ids.key(one.id) == ids.key(string("exemption_id", exemption_id))]
            if not ended:
                raise lookup.missing("exemption", exemption_id, [one.id for one in exemptions])
            exemptions[:] = [one for one in exemptions if one not in ended]
            self._tenant.assessor.reassess(ended[0].scope)

    def _no_assignment(self, given: str) -> InvalidInputError:
        known = [one.id for one in self._tenant.policies.assignments.values()]
        return lookup.missing("policy assignment", given, known)
