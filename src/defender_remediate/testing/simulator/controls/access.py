"""``sim.access``: what the caller may do, and what locks and policies forbid everyone."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.authorization.assigned_roles import DataRole
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID, EVERYONE, DenyRule, RoleGrant
from defender_remediate.testing.simulator.authorization.state import CAN_NOT_DELETE, READ_ONLY, ManagementLock
from defender_remediate.testing.simulator.controls import arguments
from defender_remediate.testing.simulator.controls.policies import PolicyControls
from defender_remediate.testing.simulator.deployments.stacks import Stack
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import instance, strings

_DENIED_BY_STACK: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "denyDelete": ("*/delete",),
    "denyWriteAndDelete": ("*/delete", "*/write"),
}
_MOST_PRINCIPALS, _MOST_ACTIONS = 5, 200


class AccessControls:
    """Grants and revokes roles; adds deny assignments and locks. Its methods for policies are those of ``sim.policies``."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        policies = PolicyControls(tenant)
        self.assign_policy = policies.assign_policy
        self.assign_initiative = policies.assign_initiative
        self.enroll = policies.enroll
        self.exempt = policies.exempt
        self.end_exemption = policies.end_exemption

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
            condition: Shown by the permissions API, and evaluated; what the simulator does not know is assumed to be met.

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
        with self._tenant.lock:
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
        if name is not None:
            role = attrs.evolve(role, name=arguments.text("name", name))
        with self._tenant.lock:
            self._tenant.access.data_roles.append(role)

    def add_member(self, group: str, principal: str) -> None:
        """Makes a principal a member of a group: it has the roles that are assigned to the group.

        Args:
            group: The object id of the group.
            principal: The object id of the member; ``sim.access.caller`` is the caller's.

        Raises:
            InvalidInputError: One of them is empty.
        """
        member = fold(arguments.text("principal", principal))
        with self._tenant.lock:
            self._tenant.access.groups.setdefault(member, set()).add(fold(arguments.text("group", group)))

    def unlock(self, scope: str) -> None:
        """Removes the locks at exactly this scope.

        Raises:
            InvalidInputError: The scope is not an id.
        """
        unlocked = ids.key(arguments.scope(scope))
        locks = self._tenant.access.locks
        with self._tenant.lock:
            locks[:] = [lock for lock in locks if ids.key(lock.scope) != unlocked]
