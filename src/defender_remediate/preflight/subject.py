"""A planned step as checks see it, and the permissions that it needs at which scopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.json_values import ABSENT, strings_in
from defender_remediate.models.id_parts import group_of, root_of, subscription_of, type_of
from defender_remediate.models.live_use import LiveUse
from defender_remediate.models.step import RemediationStep
from defender_remediate.preflight.scopes import covers, is_action_on

# Azure decides at the resource itself who may do these.
_AT_THE_RESOURCE = ("microsoft.authorization/", "microsoft.resources/")


@attrs.frozen(kw_only=True, slots=False)
class Subject:
    """A step that is planned and not yet checked.

    Attributes:
        keys: The recommendations that it closes; empty when it undoes a change.
        policies: The bare names of the policy definitions behind its recommendations; empty when it undoes a change.
        live_uses: How to see whether anyone still uses what its fixes close; empty when it undoes a change.
        parameters: The values that the caller chose, by parameter name.
        resource: The body of the resource; None when it was not read.
        before: The body of the target; None when it does not exist.
        after: The body that it will have; None for a template.
    """

    step: RemediationStep
    keys: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    live_uses: tuple[LiveUse, ...] = ()
    parameters: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    resource: Any = attrs.field(default=None, repr=False)
    before: Any = attrs.field(default=None, repr=False)
    after: Any = attrs.field(default=None, repr=False)

    @cached_property
    def is_deployment(self) -> bool:
        """Whether it is an ARM template deployment."""
        return fold(type_of(self.step.request.path)) == "microsoft.resources/deployments"

    @cached_property
    def is_elsewhere(self) -> bool:
        """Whether it writes to another resource than the one that was assessed."""
        return not covers(self.step.resource_id, self.step.target_id)

    @cached_property
    def written_id(self) -> str:
        """The resource that it writes to, or below."""
        return self.step.target_id if self.is_elsewhere else self.step.resource_id

    @property
    def written_body(self) -> Any:
        """The body of that resource; of the target below it when the resource was not read."""
        return self.before if self.is_elsewhere or self.resource is None else self.resource

    @cached_property
    def root_type(self) -> str:
        """The top-level type of the resource that it writes to, such as ``Microsoft.Storage/storageAccounts``."""
        return type_of(root_of(self.written_id)) or self.step.resource_type

    @cached_property
    def target_type(self) -> str:
        """The type of its target; the type of the resource when the target is no resource of a provider."""
        return type_of(self.step.target_id) or self.step.resource_type

    @cached_property
    def changed_members(self) -> tuple[ChangedMember, ...]:
        """The members of the body that its request may change, at every level; none for a template."""
        return tuple(_changed(self.after, self.before)) if isinstance(self.after, Mapping) else ()

    @cached_property
    def changed_names(self) -> frozenset[str]:
        """The names of these members, folded."""
        return frozenset(fold(member.name) for member in self.changed_members)

    @cached_property
    def group(self) -> str:
        """The id of the resource group of its target; of the subscription for a target in no group."""
        return group_of(self.step.target_id)

    @cached_property
    def subscription(self) -> str:
        """The id of the subscription of its target, folded; empty for a target in none."""
        return subscription_of(self.step.target_id)

    @property
    def actions(self) -> tuple[str, ...]:
        """The Azure actions that it needs; the write itself when its fixes name none."""
        return self.step.permissions or (f"{self.target_type}/write",)

    @cached_property
    def written_values(self) -> tuple[str, ...]:
        """Every string that its request writes; of a template, the values of the parameters and what its resources say."""
        body = self.step.request.body
        if not self.is_deployment:
            return tuple(strings_in(body))
        properties = wire.pick(body, "properties")
        resources = wire.pick(wire.pick(properties, "template"), "resources")
        return (*strings_in(wire.pick(properties, "parameters")), *strings_in(resources))

    @cached_property
    def links(self) -> tuple[str, ...]:
        """The ids of other resources in its request, each once, as they are written there."""
        found: dict[str, str] = {}
        for value in self.written_values:
            if fold(value).startswith("/subscriptions/") and not covers(self.written_id, value):
                found.setdefault(fold(value), value)
        return tuple(found.values())

    @cached_property
    def required_permissions(self) -> tuple[RequiredPermission, ...]:
        """The actions that it needs, by the scope at which Azure will ask for them.

        Actions on the resource are needed at it; actions on something that the request refers to, such as a workspace or a
        subnet, at that; actions on what else a deployment creates, in its resource group.
        """
        found: dict[tuple[str, bool], list[str]] = {}
        for action in self.actions:
            for scope, is_certain in self._scopes_of(action):
                found.setdefault((scope, is_certain), []).append(action)
        return tuple(
            RequiredPermission(scope=scope, actions=tuple(actions), is_certain=is_certain)
            for (scope, is_certain), actions in found.items()
        )

    def _scopes_of(self, action: str) -> tuple[tuple[str, bool], ...]:
        """The scopes at which an action is needed, each with whether that is certain."""
        step = self.step
        segments = fold(action).split("/")
        action_type = "/".join(segments[: -2 if segments[-1] == "action" else -1])
        if self.is_deployment and fold(action).startswith("microsoft.resources/deployments/"):
            return ((group_of(step.request.path), True),)
        if action_type == fold(self.target_type) and not self.is_deployment:
            return ((step.target_id, True),)
        if self.is_elsewhere and is_action_on(action, self.target_type):
            return ((self.written_id, True),)
        if is_action_on(action, step.resource_type) or is_action_on(action, self.target_type):
            return ((step.resource_id, True),)
        linked = [link for link in self.links if fold(type_of(link)) == action_type]
        if linked:
            return tuple((link, True) for link in linked)
        if self.is_deployment:
            return ((group_of(step.request.path), True),)
        if fold(action).startswith(_AT_THE_RESOURCE):
            return ((self.written_id, True),)
        return ((step.resource_id, False),)


@attrs.frozen(kw_only=True)
class ChangedMember:
    """A member that a step adds or changes.

    Attributes:
        around: The object that it is in.
        path: The path to that object, with a dot at the end; empty for the body itself.
        parent: The name of the member that holds that object; empty for the body itself.
    """

    name: str
    value: Any
    around: Mapping[str, Any]
    path: str
    parent: str


@attrs.frozen(kw_only=True)
class RequiredPermission:
    """Actions that are needed at one scope.

    Attributes:
        is_certain: Whether they are needed right there; else at something that the step does not name.
    """

    scope: str
    actions: tuple[str, ...]
    is_certain: bool = True


def _changed(body: Mapping[str, Any], before: Any, path: str = "", parent: str = "") -> Iterator[ChangedMember]:
    earlier = wire.mapping(before)
    for name, value in body.items():
        # What stays as it is, is shared by both bodies.
        if value is earlier.get(name, ABSENT):
            continue
        yield ChangedMember(name=name, value=value, around=body, path=path, parent=parent)
        if isinstance(value, Mapping) and name.isidentifier():
            yield from _changed(value, earlier.get(name), f"{path}{name}.", name)
