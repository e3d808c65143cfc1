"""The results of a report, each with what its plan says of it: its step, or the titles of what was skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.json_values import ABSENT
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.models.step import PropertyChange, RemediationStep


@attrs.frozen(kw_only=True)
class PlannedResult:
    """A result with its step, or without one for a resource that the plan skipped.

    Attributes:
        titles: The titles of the recommendations; empty if the plan does not have them.
    """

    result: RemediationResult
    step: RemediationStep | None
    titles: tuple[str, ...]

    @property
    def target_id(self) -> str:
        """What was written, or the resource that was skipped."""
        return self.result.resource_id if self.step is None else self.step.target_id


def planned_results(report: RemediationReport) -> Iterator[PlannedResult]:
    """The results in the order of the report."""
    skipped = {(skip.resource_id, skip.keys): skip.titles for skip in report.plan.skipped}
    for result in report.results:
        step = report.step(result)
        titles = skipped.get((result.resource_id, result.keys), ()) if step is None else step.titles
        yield PlannedResult(result=result, step=step, titles=titles)


@attrs.frozen(kw_only=True)
class ChangeRow:
    """One property, before and after; ``after`` is None for one that is only named."""

    path: str
    before: str
    after: str | None


def changes_of(result: RemediationResult) -> tuple[ChangeRow, ...]:
    """The properties of a target before a step and after it. The state of one that was not read again is not known."""
    before: Any = result.before if isinstance(result.before, Mapping) else {}
    was_read = isinstance(result.after, Mapping)
    after: Any = result.after if was_read else {}
    rows = []
    for path in dict.fromkeys([*before, *after]):
        change = PropertyChange(path=path, before=before.get(path, ABSENT), after=after.get(path, ABSENT))
        after_text = change.after_text if was_read else "(not read)"
        rows.append(ChangeRow(path=path, before=change.before_text, after=after_text))
    return tuple(rows)
