"""Management locks: on the target, or on anything above it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.models.plan import RemediationStep
from defender_remediate.preflight.scopes import covers, lies_in, scope_of
from defender_remediate.preflight.subject import Subject

_CAN_NOT_DELETE = "cannotdelete"


@attrs.frozen(kw_only=True)
class Lock:
    """A lock, and where it is."""

    id: str
    level: str
    notes: str = ""

    @classmethod
    def from_rest(cls, item: Any) -> Lock:
        """Read one item of a list."""
        properties = wire.pick(item, "properties")
        return cls(id=wire.text(item, "id"), level=wire.text(properties, "level"), notes=wire.text(properties, "notes"))

    @property
    def scope(self) -> str:
        """What it is on."""
        return scope_of(self.id)

    @property
    def forbids_writes(self) -> bool:
        """Whether it is ReadOnly. A level that is not known counts as that."""
        return fold(self.level) != _CAN_NOT_DELETE


def judge(subject: Subject, locks: Iterable[Lock]) -> tuple[CheckResult, ...]:
    """What the locks at the target and above it mean for a step, and for a removal those below it as well.

    ReadOnly forbids every write. CanNotDelete forbids removals, and keeps Azure from cleaning up the history of
    deployments.
    """
    step = subject.step
    places = (step.target_id, step.request.path)
    above = [lock for lock in locks if any(covers(lock.scope, place) for place in places) or _is_taken(lock, step)]
    stopping = tuple(lock for lock in above if lock.forbids_writes or step.is_removal)
    if stopping:
        words = ", ".join(sorted({lock.level or "of unknown level" for lock in stopping}))
        return (
            CheckResult(
                check=CheckName.LOCK,
                status=CheckStatus.BLOCKED,
                message=f"a lock ({words}) forbids {'removals' if step.is_removal else 'writes'}",
                evidence=_evidence(stopping),
                advice="whoever owns the lock can take it away for the change; nothing else gets past it",
            ),
        )
    if above and subject.deploys:
        return (
            CheckResult(
                check=CheckName.LOCK,
                status=CheckStatus.WARNING,
                message="a CanNotDelete lock keeps Azure from cleaning up the history of deployments",
                evidence=_evidence(above),
                advice="a scope holds 800 deployments: delete old ones before that number is reached",
            ),
        )
    return ()


def _is_taken(lock: Lock, step: RemediationStep) -> bool:
    """Whether a removal would take along what the lock is on."""
    return step.is_removal and lies_in(lock.scope, step.target_id)


def _evidence(locks: Iterable[Lock]) -> tuple[str, ...]:
    return tuple(sorted(f"{lock.id} ({lock.notes})" if lock.notes else lock.id for lock in locks))
