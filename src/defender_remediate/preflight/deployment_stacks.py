"""Deployment stacks: they refuse changes of what they manage by deny settings, and their next update reverts others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, subscription_of
from defender_remediate.models.ids import contains, id_key
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2024-03-01", "2022-08-01-preview")
_DENIES_WRITES = "denywriteanddelete"
_DENIES_DELETES = "denydelete"
_DELETE = "delete"


@attrs.frozen(kw_only=True)
class DeploymentStack:
    """A stack, and what it forbids on the resources that it manages.

    Attributes:
        resources: The ids of the resources that it manages.
        mode: ``none``, ``denydelete`` or ``denywriteanddelete``, folded. An unknown mode may forbid writes.
        covers_children: Whether it forbids the same below these resources.
        excluded_principals: The object ids of those to whom it does not apply, folded; groups may be among them.
        excluded_actions: The actions that it does not forbid, folded; ``*`` stands for any characters.
    """

    id: str
    resources: tuple[str, ...]
    mode: str
    covers_children: bool = False
    excluded_principals: frozenset[str] = frozenset()
    excluded_actions: tuple[str, ...] = ()

    @classmethod
    def from_rest(cls, item: Any) -> DeploymentStack:
        """Read one item of a listing."""
        properties = wire.pick(item, "properties")
        settings = wire.pick(properties, "denySettings")
        managed = wire.pick(properties, "resources")
        return cls(
            id=wire.text(item, "id"),
            resources=tuple(wire.text(one, "id") for one in (managed if isinstance(managed, list) else ())),
            mode=fold(wire.text(settings, "mode")),
            covers_children=wire.flag(settings, "applyToChildScopes"),
            excluded_principals=frozenset(map(fold, wire.strings(settings, "excludedPrincipals"))),
            excluded_actions=tuple(map(fold, wire.strings(settings, "excludedActions"))),
        )

    def manages(self, resource_id: str) -> bool:
        """Whether a resource, or what it is part of, is one of the stack's."""
        return any(contains(one, resource_id) for one in self.resources if one)

    def forbids(self, actions: Sequence[str], resource_id: str) -> tuple[str, ...]:
        """The actions that it forbids at a resource to everyone whom it does not exclude."""
        at = [one for one in self.resources if one and contains(one, resource_id)]
        if not self.covers_children:
            at = [one for one in at if id_key(one) == id_key(resource_id)]
        if not at or self.mode in ("", "none"):
            return ()
        return tuple(
            action
            for action in actions
            if self._is_denied(fold(action))
            and not any(fnmatchcase(fold(action), one) for one in self.excluded_actions)
        )

    def _is_denied(self, action: str) -> bool:
        verb = action.rpartition("/")[2]
        if self.mode == _DENIES_DELETES:
            return verb == _DELETE
        return verb in (_DELETE, "write")


@attrs.frozen(kw_only=True)
class ManagingStack:
    """A stack that manages what a step writes.

    Attributes:
        denied: The actions of the step that it forbids.
        applies: Whether it forbids them to the caller; None if unknown.
    """

    stack: DeploymentStack
    denied: tuple[str, ...] = ()
    applies: bool | None = None


class DeploymentStackCheck:
    """Finds the deployment stacks of the resource group and the subscription that manage what a step writes.

    Deny settings that forbid the step block it. Other stacks are a warning: their next update may undo the change. Stacks of
    management groups are not listed; their deny settings are deny assignments, which are a check of their own.
    """

    name = "deployment_stack"
    permissions = ("Microsoft.Resources/deploymentStacks/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[ManagingStack]]:
        """The stacks of each step; the caller's id is read only if one of them excludes principals."""

        def listed(scope: str) -> tuple[DeploymentStack, ...]:
            return reader.list(
                f"{scope}/providers/Microsoft.Resources/deploymentStacks",
                api_versions=_VERSIONS,
                parse=DeploymentStack.from_rest,
                collection=f"deploymentStacks {subscription_of(scope)}",
            )

        def read(subject: Subject) -> list[ManagingStack]:
            subscription, group = f"/subscriptions/{subscription_of(subject.written_id)}", group_of(subject.written_id)
            scopes = (subscription,) if id_key(group) == id_key(subscription) else (subscription, group)
            found = []
            for stack in (stack for scope in scopes for stack in listed(scope)):
                if not stack.manages(subject.step.target_id):
                    continue
                denied = stack.forbids(_actions(subject), subject.step.target_id)
                applies: bool | None = True
                if denied and stack.excluded_principals:
                    caller = reader.caller_object_id()
                    # One of them may be a group that the caller is a member of.
                    applies = False if caller and fold(caller) in stack.excluded_principals else None
                found.append(ManagingStack(stack=stack, denied=denied, applies=applies))
            return found

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[ManagingStack]]) -> Iterator[CheckResult]:
        """What the stacks mean for one step."""
        for found in sorted(facts[subject], key=lambda one: fold(one.stack.id)):
            if found.denied and found.applies is not False:
                forbids = f"the deny settings of a deployment stack forbid {', '.join(found.denied)}"
                is_certain = found.applies is True
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED if is_certain else CheckStatus.UNCHECKED,
                    message=forbids if is_certain else f"{forbids}, and may or may not exclude the caller",
                    evidence=(found.stack.id, f"denySettings.mode: {found.stack.mode}"),
                    advice="change the template of the stack, or have the caller excluded from its deny settings",
                )
            else:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.WARNING,
                    message="it is managed by a deployment stack: the next update of the stack may undo the change",
                    evidence=(found.stack.id,),
                    advice="change the template of the stack",
                )


def _actions(subject: Subject) -> tuple[str, ...]:
    """The action of the write itself."""
    verb = _DELETE if subject.step.is_removal else "write"
    own = [action for action in subject.actions if fold(action).endswith(f"/{verb}")]
    return tuple(own) or (f"{subject.target_type}/{verb}",)
