"""Finds out which changes of a run were undone since, and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.execution.target_state import read_body
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.journal.past_outcomes import PastOutcome
from defender_remediate.journal.records import RunKind
from defender_remediate.models.change_history import ChangeType, ResourceChange, UndoneChange
from defender_remediate.models.ids import id_key
from defender_remediate.models.result import Outcome, RemediationReport, RemediationResult
from defender_remediate.models.step import RemediationStep
from defender_remediate.models.watch import WatchReport
from defender_remediate.threads import in_parallel
from defender_remediate.verification.change_history import History, planned_leaves, read_history

_MADE = (Outcome.APPLIED, Outcome.PARTIALLY_APPLIED)


@attrs.frozen(kw_only=True)
class Watcher:
    """Reads the targets of a run again. Writes nothing.

    Attributes:
        limit: How many times a change is made before it is given up.
    """

    session: ArmSession
    workers: int
    limit: int

    def watch(self, report: RemediationReport, past: Iterable[PastOutcome]) -> WatchReport:
        """Which changes are undone, without a plan. Makes a request for each target, and a query for 250 undone ones."""
        steps = {step.id: step for step in report.plan.steps}
        made = [(steps[one.step_id], one) for one in report.results if one.outcome in _MADE and one.step_id in steps]
        states = in_parallel(lambda pair: self._is_kept(pair[0]), made, workers=self.workers)
        undone = [pair for pair, kept in zip(made, states, strict=True) if kept is False]
        history = read_history(self.session, (step for step, _ in undone), since=report.started)
        times = _times_made(past)
        return WatchReport(
            run_id=report.run_id,
            checked_at=self.session.clock.now(),
            kept=sum(kept is True for kept in states),
            undone=tuple(self._undone(step, result, report, history, times) for step, result in undone),
            unread=tuple(
                f"{step.target_id}: {state}"
                for (step, _), state in zip(made, states, strict=True)
                if isinstance(state, str)
            ),
            warnings=tuple(f"who undid it could not be read: {why}" for why in sorted({*history.unread.values()})),
        )

    def _is_kept(self, step: RemediationStep) -> bool | str:
        """Whether a change is as the run left it; the reason when that could not be read."""
        try:
            return holds(step.compliant_when, read_body(self.session, step.target_id, step.api_version))
        except NotFoundError as error:
            if step.is_removal:
                return True
            # A resource that was deleted as a whole needs the change no more; what only records a decision does.
            return False if is_decision(step.target_id) else error.message
        except DefenderRemediateError as error:
            return error.message

    def _undone(
        self,
        step: RemediationStep,
        result: RemediationResult,
        report: RemediationReport,
        history: History,
        times: Mapping[tuple[str, str], int],
    ) -> UndoneChange:
        since = result.finished or report.finished
        own = fold(report.correlation_id)
        others = [
            one
            for one in history.of(step)
            if fold(one.writer.correlation_id or "") != own and (one.writer.at is None or one.writer.at >= since)
        ]
        found = _undoing(step, others)
        made = max((times.get((fold(key), id_key(step.target_id)), 1) for key in step.keys), default=1)
        return UndoneChange(
            step_id=step.id,
            resource_id=step.resource_id,
            target_id=step.target_id,
            keys=step.keys,
            titles=step.titles,
            writer=None if found is None else found.writer,
            changes=() if found is None else found.changes,
            times=made,
            is_given_up=made >= self.limit,
        )


def _undoing(step: RemediationStep, others: list[ResourceChange]) -> ResourceChange | None:
    """The newest write of someone else that changed a planned property; else the newest that does not list its changes."""
    planned = {fold(leaf.path) for change in step.changes for leaf in planned_leaves(change)}
    for one in reversed(others):
        if any(fold(change.path) in planned for change in one.changes):
            return one
    return next((one for one in reversed(others) if not one.changes or one.type != ChangeType.UPDATE), None)


def _times_made(past: Iterable[PastOutcome]) -> dict[tuple[str, str], int]:
    """How many times each change was made, by recommendation and target."""
    times: dict[tuple[str, str], int] = {}
    for one in past:
        if one.kind is RunKind.APPLY and one.result.outcome in _MADE:
            for key in one.step.keys:
                place = (fold(key), id_key(one.step.target_id))
                times[place] = times.get(place, 0) + 1
    return times
