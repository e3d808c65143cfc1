"""Whether the caller's roles allow what a step needs: Azure's rule for actions and notActions, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, MalformedResponseError, NotFoundError, RequestError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, root_of, subscription_of
from defender_remediate.models.ids import id_key
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import RequiredPermission, Subject
from defender_remediate.preflight.unreadable import is_not_offered

_VERSIONS = ("2022-04-01", "2015-07-01")
_MISSING_SCOPE = ("subscriptionnotfound", "resourcegroupnotfound", "resourcenotfound")
_MANY_GROUPS = 3
_ADVICE = "have a role that contains them assigned there or above; an assignment takes some minutes to become effective"


@attrs.frozen(kw_only=True)
class PermissionEntry:
    """What one role allows, or one deny assignment denies: an entry of ``permissions``.

    Attributes:
        condition: Under which it holds; empty for always.
    """

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    condition: str = ""

    @classmethod
    def from_rest(cls, item: Any) -> PermissionEntry:
        """Read one entry.

        Raises:
            MalformedResponseError: It has no list of actions.
        """
        if not isinstance(wire.pick(item, "actions"), (list, tuple)):
            raise MalformedResponseError("an entry of permissions has no array 'actions'")
        return cls(
            actions=wire.strings(item, "actions"),
            not_actions=wire.strings(item, "notActions"),
            condition=wire.text(item, "condition"),
        )

    def covers(self, action: str) -> bool:
        """Whether the action is among its actions and not among its own notActions."""
        return any(matches(pattern, action) for pattern in self.actions) and self.exclusion_of(action) is None

    def exclusion_of(self, action: str) -> str | None:
        """The notAction that excludes the action; None when none does."""
        return next((pattern for pattern in self.not_actions if matches(pattern, action)), None)


@lru_cache(4096)
def matches(pattern: str, action: str) -> bool:
    """Whether a pattern covers an action: ``*`` stands for any characters, and case does not count.

    Takes linear time also for a pattern with many stars, unlike a regular expression.
    """
    first, *rest = fold(pattern).split("*")
    text = fold(action)
    if not rest:
        return text == first
    *between, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def missing(actions: Iterable[str], entries: Sequence[PermissionEntry]) -> tuple[str, ...]:
    """The actions that no entry allows. Entries are a union: what one leaves out, another one may allow."""
    return tuple(action for action in actions if not any(entry.covers(action) for entry in entries))


@attrs.frozen(kw_only=True)
class CallerPermissions:
    """What the caller's roles allow where one permission is needed.

    Attributes:
        read_at: The scopes at which the entries were read.
        entries: None when the scope does not exist.
    """

    required: RequiredPermission
    read_at: tuple[str, ...]
    entries: tuple[PermissionEntry, ...] | None


class PermissionCheck:
    """Finds actions that the caller needs and that no role allows.

    The permissions are read once per resource group, and at the resource when those of the group do not suffice. Of many groups
    those at the subscription are read first, because roles are inherited. An action that only an entry with a condition
    allows is a warning.
    """

    name = "permission"
    permissions = ("Microsoft.Authorization/permissions/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[CallerPermissions]]:
        """What the caller's roles allow, for each permission that a step needs."""

        def entries_at(scope: str) -> tuple[PermissionEntry, ...]:
            # Azure documents this listing for groups and resources. What is refused at a subscription may exist there.
            level = "group" if "/resourcegroups/" in fold(scope) else "subscription"
            collection = f"permissions {level} {subscription_of(scope)}"
            path = f"{scope}/providers/Microsoft.Authorization/permissions"
            return reader.list(path, api_versions=_VERSIONS, parse=PermissionEntry.from_rest, collection=collection)

        groups: dict[str, set[str]] = {}
        for subject in subjects:
            groups.setdefault(subject.subscription, set()).add(fold(subject.group))

        def inherited(subscription: str) -> tuple[PermissionEntry, ...]:
            """What the roles at a subscription allow without a condition. Nothing is lost where that cannot be read."""
            if len(groups.get(subscription, ())) < _MANY_GROUPS:
                return ()
            try:
                return tuple(one for one in entries_at(f"/subscriptions/{subscription}") if not one.condition)
            except DefenderRemediateError:
                return ()

        def read_one(required: RequiredPermission) -> CallerPermissions:
            subscription = subscription_of(required.scope)
            above = inherited(subscription)
            if above and not missing(required.actions, above):
                return CallerPermissions(required=required, read_at=(f"/subscriptions/{subscription}",), entries=above)
            group, resource = group_of(required.scope), root_of(required.scope)
            entries = entries_at(group)
            if not missing(required.actions, entries) or id_key(resource) == id_key(group):
                return CallerPermissions(required=required, read_at=(group,), entries=entries)
            try:
                entries = (*entries, *entries_at(resource))
            except RequestError as error:
                # Some types have no listing of their own; then the group's entries decide.
                if not is_not_offered(error):
                    raise
                return CallerPermissions(required=required, read_at=(group,), entries=entries)
            return CallerPermissions(required=required, read_at=(group, resource), entries=entries)

        def read_linked(required: RequiredPermission) -> CallerPermissions:
            try:
                return read_one(required)
            except NotFoundError as error:
                if fold(error.code or "") not in _MISSING_SCOPE:
                    raise
                return CallerPermissions(required=required, read_at=(), entries=None)

        def read(subject: Subject) -> list[CallerPermissions]:
            links = {fold(link) for link in subject.links}
            return [
                read_linked(required) if fold(required.scope) in links else read_one(required)
                for required in subject.required_permissions
            ]

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[CallerPermissions]]) -> Iterator[CheckResult]:
        """What the caller may not do of one step."""
        for found in facts[subject]:
            required, entries = found.required, found.entries
            if entries is None:
                yield self._nonexistent(subject, required.scope)
                continue
            absent = missing(required.actions, entries)
            if absent:
                yield self._missing(found, entries, absent)
            unconditional = [entry for entry in entries if not entry.condition]
            if len(unconditional) == len(entries):
                continue
            doubtful = [action for action in missing(required.actions, unconditional) if action not in absent]
            if doubtful:
                conditions = {
                    entry.condition for entry in entries if entry.condition and any(map(entry.covers, doubtful))
                }
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.WARNING,
                    message=f"only a role assignment with a condition allows {', '.join(doubtful)}",
                    evidence=tuple(f"condition: {condition}" for condition in sorted(conditions)),
                    advice="make sure that the condition permits this change; some operations of Azure refuse a caller "
                    "whose role assignment has a condition",
                )

    def _nonexistent(self, subject: Subject, scope: str) -> CheckResult:
        names = [name for name, value in subject.parameters.items() if fold(str(value)) == fold(scope)]
        origin = f"the parameter {names[0]!r}" if names else "the change"
        return CheckResult(
            check=self.name,
            status=CheckStatus.BLOCKED,
            message=f"{origin} refers to a resource that does not exist: {scope}",
            evidence=(f"{group_of(scope)}: not found",),
            advice="pass the id of an existing resource" if names else "change the fix or create the resource",
        )

    def _missing(
        self, found: CallerPermissions, entries: Sequence[PermissionEntry], absent: Sequence[str]
    ) -> CheckResult:
        excluded = set()
        for action in absent:
            for entry in entries:
                pattern = entry.exclusion_of(action)
                if pattern is not None and any(matches(allowed, action) for allowed in entry.actions):
                    excluded.add(f"{action} is excluded by the notAction {pattern!r} of its role")
        evidence = (*(f"no role allows it at {scope}" for scope in found.read_at), *sorted(excluded))
        if found.required.is_certain:
            return CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the caller is not allowed {', '.join(absent)}",
                evidence=evidence,
                advice=_ADVICE,
            )
        return CheckResult(
            check=self.name,
            status=CheckStatus.WARNING,
            message=f"the caller may not be allowed {', '.join(absent)} on a resource that this change refers to",
            evidence=evidence,
            advice="make sure that the caller is allowed it on that resource",
        )
