"""Plans and reports as text for a terminal: what ``print`` shows. Values at secret-looking paths are hidden."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from defender_remediate.models._json import ABSENT, thaw

if TYPE_CHECKING:
    from defender_remediate.models.plan import RemediationPlan, RemediationStep
    from defender_remediate.models.result import RemediationReport, RemediationResult

_SECRET = re.compile(
    r"(password|passwd|secret|connectionstring|credential|sastoken|accesstoken|clienttoken|accesskey|accountkey|"
    r"primarykey|secondarykey|sharedkey|privatekey|apikey|licensekey)s?\Z",
    re.IGNORECASE,
)
HIDDEN = "(hidden)"
KEPT = "stays as it is: somebody changed it since, or its value is secret"
_BELOW_SCOPE = "\n        "


def is_secret(path: str) -> bool:
    """Whether a member's name looks as if its value were a secret."""
    return bool(_SECRET.search(path.rstrip("]'")))


def redact(path: str, found: Any) -> Any:
    """The value with every text at a secret-looking member, or inside one, replaced."""
    if isinstance(found, Mapping):
        return {key: redact(path if is_secret(path) else key, item) for key, item in found.items()}
    if isinstance(found, (list, tuple)):
        return [redact(path, item) for item in found]
    return HIDDEN if isinstance(found, str) and found and is_secret(path) else found


def value(path: str, found: Any) -> str:
    """A JSON value as it is shown in a change: all of it, because it is what gets approved."""
    return str(found) if found is ABSENT else json.dumps(thaw(redact(path, found)), ensure_ascii=False)


def by_path(found: Any) -> str:
    """Values by their paths, as a ``repr`` shows them."""
    return repr(redact("", found))


def html_pre(shown: str) -> str:
    """Text for a notebook."""
    return f"<pre>{html.escape(shown)}</pre>"


def step_text(step: RemediationStep) -> str:
    """One step: where, what for, the request, and each change."""
    lines = [
        f"~ {step.target_id}",
        *(f"    {title}" for title in step.titles),
        f"    {_request_text(step)}, api-version {step.request.api_version}",
    ]
    width = max((len(change.path) for change in step.changes), default=0)
    for change in step.changes:
        before, after = value(change.path, change.before), value(change.path, change.after)
        lines.append(f"      {change.path:<{width}}  {before} -> {after}")
    lines += [f"      {path}  {KEPT}" for path in step.left_alone]
    reason = f" ({step.impact_reason})" if step.impact_reason else ""
    lines.append(f"    impact: {step.impact}{reason}; way back: {step.reversibility}")
    return "\n".join(lines)


def _request_text(step: RemediationStep) -> str:
    if step.request.path.casefold() == step.resource_id.casefold():
        return f"{step.request.method} {step.resource_type}"
    return f"{step.request.method} {'/'.join(step.request.path.split('/')[-2:])}"


def plan_text(plan: RemediationPlan) -> str:
    """A whole plan."""
    purpose = f"Plan to undo run {plan.rolls_back}" if plan.rolls_back else "Plan"
    head = f"{purpose}: {counted(len(plan.steps), 'change')}, {len(plan.skipped)} left alone"
    scope = _BELOW_SCOPE.join(plan.scope)
    blocks = [f"{head}\ndigest: {plan.digest}\nscope:  {scope}", *map(step_text, plan.steps)]
    if plan.skipped:
        reasons = ((_because(skip.reason, skip.message), skip.resource_id) for skip in plan.skipped)
        blocks.append("\n".join(["Left alone:", *_grouped("-", reasons)]))
    return "\n\n".join(blocks)


def result_text(result: RemediationResult) -> str:
    """One result, on one line."""
    return f"{result.resource_id}: {_ending(result, str(result.error or ''))}"


def _told(result: RemediationResult) -> str:
    # What to do about it stands on a line of its own: Azure's messages are long enough.
    if result.error is None or not result.error.hint:
        return _ending(result, str(result.error or ""))
    return f"{_ending(result, str(attrs.evolve(result.error, hint='')))}\n  -> {result.error.hint}"


def _ending(result: RemediationResult, error: str) -> str:
    notes = [error] if error else []
    if result.health.value != "unknown":
        notes.append(f"Defender for Cloud: {result.health}")
    return _because(result.outcome, "; ".join(notes))


def _because(word: str, reason: str) -> str:
    return f"{word} ({reason})" if reason else str(word)


def _grouped(mark: str, items: Iterable[tuple[str, str]]) -> list[str]:
    """What is said of each resource, said once for all that share it."""
    groups: dict[str, list[str]] = {}
    for said, resource in items:
        groups.setdefault(said, []).append(resource)
    return [line for said, found in groups.items() for line in (f"{mark} {said}", *(f"    {one}" for one in found))]


def report_text(report: RemediationReport) -> str:
    """A whole report: the counts first, then what needs attention, then the rest."""
    counts = Counter(str(result.outcome) for result in report.results)
    summary = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "nothing to do"
    seconds = (report.finished - report.started).total_seconds()
    lines = [f"Run {report.run_id}: {summary} ({seconds:.0f} s)", f"correlation id: {report.correlation_id}"]
    for mark, good in (("!", False), ("+", True)):
        found = (result for result in report.results if result.outcome.is_good is good)
        lines += _grouped(mark, ((_told(result), result.resource_id) for result in found))
    lines += [f"warning: {warning}" for warning in report.warnings]
    return "\n".join(lines)


def counted(n: int, noun: str) -> str:
    """A number with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
