"""What became of the changes of a run since."""

from __future__ import annotations

from datetime import datetime

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.change_history import UndoneChange, undone_by
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.notebook import preformatted
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value


@attrs.frozen(kw_only=True, str=False)
class WatchReport(Value):
    """Which changes of a run are undone, by whom, and the plan that makes them again.

    Attributes:
        run_id: The run.
        checked_at: When its targets were read, in UTC.
        kept: How many changes are as the run left them.
        undone: The changes that are undone.
        unread: The targets that could not be read, each with the reason.
        warnings: Why writers could not be looked up, and what is not planned again.
        plan: The plan that makes the undone changes again, without those that are given up; None if there is none to make.
    """

    run_id: str
    checked_at: datetime
    kept: int
    undone: tuple[UndoneChange, ...] = ()
    unread: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    plan: RemediationPlan | None = attrs.field(default=None, repr=False)

    @property
    def given_up(self) -> tuple[UndoneChange, ...]:
        """The undone changes that are not planned again: each was made as often as the limit allows."""
        return tuple(one for one in self.undone if one.is_given_up)

    @property
    def by_writer(self) -> dict[str, int]:
        """How many changes each writer undid, by principal and client."""
        return undone_by(self.undone)

    def __str__(self) -> str:
        lines = [f"Run {self.run_id}: {counted(len(self.undone), 'change')} undone, {self.kept} kept"]
        lines += [f"! {one}" for one in self.undone]
        lines += [f"? {one}" for one in self.unread]
        lines += [f"warning: {one}" for one in self.warnings]
        if self.plan is not None:
            lines.append(f"planned again: {counted(len(self.plan), 'change')}, digest {self.plan.digest}")
        return "\n".join(map(one_line, lines))

    def _repr_html_(self) -> str:
        return preformatted(str(self))


show_in("defender_remediate.models", WatchReport)
