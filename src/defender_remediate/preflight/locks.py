"""Management locks on the target, on a scope above it, or on something that a template changes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.ids import contains
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.scopes import covers, scope_of
from defender_remediate.preflight.subject import Subject

_CHANGING = ("/write", "/delete", "/join/action")
_VERSIONS = ("2020-05-01", "2016-09-01")


@attrs.frozen(kw_only=True)
class Lock:
    """A lock and its level."""

    id: str
    level: str
    notes: str = ""

    @classmethod
    def from_rest(cls, item: Any) -> Lock:
        """Read one item of a listing."""
        properties = wire.pick(item, "properties")
        return cls(id=wire.text(item, "id"), level=wire.text(properties, "level"), notes=wire.text(properties, "notes"))

    @property
    def scope(self) -> str:
        """What it is on."""
        return scope_of(self.id)

    @property
    def forbids_writes(self) -> bool:
        """Whether it is ReadOnly. An unknown level counts as ReadOnly."""
        return fold(self.level) != "cannotdelete"


class LockCheck:
    """Finds locks that forbid the change.

    ReadOnly forbids every write. CanNotDelete forbids removals, and prevents Azure from cleaning up the deployment history. A
    lock below a resource forbids the removal of the resource. A template also changes the resources that it refers to, such
    as the network of a private endpoint, so their locks count as well.
    """

    name = "lock"
    permissions = ("Microsoft.Authorization/locks/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[tuple[Lock, ...]]:
        """The locks of the subscriptions that the steps write to."""

        def read(subject: Subject) -> tuple[Lock, ...]:
            found: dict[str, Lock] = {}
            for scope in (subject.step.target_id, *_linked(subject)):
                listed = reader.list_attached("locks", scope, api_versions=_VERSIONS, parse=Lock.from_rest)
                found.update((lock.id, lock) for lock in listed)
            return tuple(found.values())

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[tuple[Lock, ...]]) -> Iterator[CheckResult]:
        """What the locks mean for one step."""
        step = subject.step
        written = (step.target_id, step.request.path)
        direct: list[Lock] = []
        linked: list[Lock] = []
        for lock in facts[subject]:
            is_above = any(covers(lock.scope, scope) for scope in written)
            is_removed_too = step.is_removal and contains(step.target_id, lock.scope)
            if is_above or is_removed_too:
                direct.append(lock)
            elif any(covers(lock.scope, link) for link in _linked(subject)):
                linked.append(lock)
        blocking = [lock for lock in direct if lock.forbids_writes or step.is_removal]
        if blocking:
            levels = ", ".join(sorted({lock.level or "unknown level" for lock in blocking}))
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"a lock ({levels}) forbids {'removals' if step.is_removal else 'writes'}",
                evidence=_evidence(blocking),
                advice="ask the owner of the lock to remove it for the change",
            )
        elif direct and subject.is_deployment:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.WARNING,
                message="a CanNotDelete lock prevents Azure from cleaning up the deployment history",
                evidence=_evidence(direct),
                advice="a scope holds up to 800 deployments: delete old ones before that number is reached",
            )
        read_only = [lock for lock in linked if lock.forbids_writes]
        if read_only:
            # Joining a subnet changes it, while a diagnostic setting only names its workspace.
            changed = [
                required.scope
                for required in subject.required_permissions
                if any(fold(action).endswith(_CHANGING) for action in required.actions)
            ]
            is_changed = any(covers(lock.scope, scope) for lock in read_only for scope in changed)
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED if is_changed else CheckStatus.WARNING,
                message="a lock (ReadOnly) is on a resource that the deployment refers to",
                evidence=_evidence(read_only),
                advice="ask the owner of the lock to remove it for the change, should Azure refuse the deployment",
            )


def _linked(subject: Subject) -> tuple[str, ...]:
    return subject.links if subject.is_deployment else ()


def _evidence(locks: Sequence[Lock]) -> tuple[str, ...]:
    return tuple(sorted(f"{lock.id} ({lock.notes})" if lock.notes else lock.id for lock in locks))
