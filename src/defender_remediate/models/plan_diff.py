"""What one plan changes and another one does not."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.ids import id_key
from defender_remediate.models.step import RemediationStep
from defender_remediate.serialization import Value


@attrs.frozen(kw_only=True, str=False)
class PlanDiff(Value):
    """The difference between two plans, by the targets that their steps write to.

    Attributes:
        added: Steps for targets that only the other plan changes.
        removed: Steps for targets that only the first plan changes.
        changed: The two steps for each target that both change differently, or that was in another state.
        unchanged: How many steps are the same in both.
    """

    added: tuple[RemediationStep, ...] = ()
    removed: tuple[RemediationStep, ...] = ()
    changed: tuple[tuple[RemediationStep, RemediationStep], ...] = ()
    unchanged: int = 0

    def __bool__(self) -> bool:
        """Whether the plans differ."""
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        counts = f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed"
        lines = [f"{counts}, {counted(self.unchanged, 'step')} the same"]
        lines += [f"+ {_told(step)}" for step in self.added]
        lines += [f"- {_told(step)}" for step in self.removed]
        for before, after in self.changed:
            lines.append(f"~ {_told(after)}")
            was, now = before.shared_lines(), after.shared_lines()
            lines += [f"    - {line.strip()}" for line in was if line not in now]
            lines += [f"    + {line.strip()}" for line in now if line not in was]
            if was == now:
                lines.append("    the same change; the target was in another state")
        return "\n".join(map(one_line, lines))


def diff(before: Iterable[RemediationStep], after: Iterable[RemediationStep]) -> PlanDiff:
    """Compare the steps of two plans. Pure."""
    old = {id_key(step.target_id): step for step in before}
    new = {id_key(step.target_id): step for step in after}
    both = [(old[key], step) for key, step in new.items() if key in old]
    changed = tuple((was, now) for was, now in both if was.id != now.id or was.shared_lines() != now.shared_lines())
    return PlanDiff(
        added=tuple(step for key, step in new.items() if key not in old),
        removed=tuple(step for key, step in old.items() if key not in new),
        changed=changed,
        unchanged=len(both) - len(changed),
    )


def _told(step: RemediationStep) -> str:
    return f"{step.target_id}: {'; '.join(step.titles)}"
