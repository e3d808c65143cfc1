"""Plans and reports as text for a terminal: what ``print`` shows. Secrets are hidden."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.redaction import HIDDEN as HIDDEN
from defender_remediate.redaction import is_secret_name, redact_json

if TYPE_CHECKING:
    from defender_remediate.models.check import CheckResult
    from defender_remediate.models.plan import RemediationPlan, RemediationStep, SkippedResource
    from defender_remediate.models.result import RemediationReport, RemediationResult

KEPT = "stays as it is: somebody changed it since, or its value is secret"
REMOVABLE = "Created by the run and left there; plan_rollback(run_id, remove=[...]) removes those you name:"
NO_UNDO = "what it creates is removed when you ask for it, what it changes stays"
_SHOWN = 4
_BELOW_SCOPE = "\n        "


def redact(path: str, found: Any) -> Any:
    """The value without the secrets in it; all of it is one when the path says so."""
    return redact_json(found, is_secret=is_secret_name(path))


def value(path: str, found: Any) -> str:
    """A JSON value as it is shown in a change: all of it but the secrets, because it is what gets approved."""
    return str(found) if found is ABSENT else json.dumps(thaw(redact(path, found)), ensure_ascii=False)


def by_path(found: Any) -> str:
    """Values by their paths, as a ``repr`` shows them."""
    return repr(redact("", found))


def html_pre(shown: str) -> str:
    """Text for a notebook."""
    return f"<pre>{html.escape(shown)}</pre>"


def step_text(step: RemediationStep) -> str:
    """One step: where, what for, the request, each change, and what was found before it."""
    findings = "\n".join(finding_text(finding) for finding in step.check_results)
    return _change_text(step) + (f"\n{_indented(findings, 4)}" if findings else "")


def finding_text(finding: CheckResult) -> str:
    """A finding with its evidence and what to do about it, a line each."""
    seen = f"\n  seen: {'; '.join(finding.evidence)}" if finding.evidence else ""
    return f"{finding}{seen}" + (f"\n  -> {finding.advice}" if finding.advice else "")


def _indented(text: str, width: int) -> str:
    return "\n".join(f"{' ' * width}{line}" for line in text.split("\n"))


def _change_text(step: RemediationStep) -> str:
    lines = [
        f"{'-' if step.is_removal else '~'} {step.target_id}",
        *(f"    {title}" for title in step.titles),
        f"    {_request_text(step)}, api-version {step.request.api_version}",
    ]
    width = max((len(change.path) for change in step.changes), default=0)
    for change in step.changes:
        before, after = value(change.path, change.before), value(change.path, change.after)
        lines.append(f"      {change.path:<{width}}  {before} -> {after}")
    lines += [f"      {path}  {KEPT}" for path in step.preserved]
    reason = f" ({step.impact_reason})" if step.impact_reason else ""
    lines.append(f"    impact: {step.impact}{reason}; way back: {way_back_text(step)}")
    return "\n".join(lines)


def way_back_text(step: RemediationStep) -> str:
    """How good the way back is and, where that depends, on what."""
    if step.reversibility.value != "conditional":
        return str(step.reversibility)
    why = "what it sets goes back, what came of it meanwhile may not" if step.undo_request else NO_UNDO
    return f"{step.reversibility} ({why})"


def _request_text(step: RemediationStep) -> str:
    if fold(step.request.path) == fold(step.resource_id):
        return f"{step.request.method} {step.resource_type}"
    return f"{step.request.method} {'/'.join(step.request.path.split('/')[-2:])}"


def plan_text(plan: RemediationPlan) -> str:
    """A whole plan."""
    purpose = f"Plan to undo run {plan.rolls_back}" if plan.rolls_back else "Plan"
    head = f"{purpose}: {counted(len(plan.steps), 'change')}, {len(plan.skipped)} left alone"
    scope = _BELOW_SCOPE.join(plan.scope)
    blocks = [f"{head}\ndigest: {plan.digest}\nscope:  {scope}", *map(_change_text, plan.steps)]
    found = _told_once(("", (finding,), step.resource_id) for step in plan.steps for finding in step.check_results)
    if found:
        blocks.append("\n".join(["To know before you approve:", *_grouped("!", found)]))
    if plan.skipped:
        left = _told_once((_left_alone(skip), skip.check_results, skip.resource_id) for skip in plan.skipped)
        blocks.append("\n".join(["Left alone:", *_grouped("-", left)]))
    if plan.removable:
        blocks.append("\n".join([REMOVABLE, *(f"    {resource}" for resource in plan.removable)]))
    return "\n\n".join(blocks)


def _left_alone(skip: SkippedResource) -> str:
    return skip.reason.label if skip.check_results else _because(skip.reason, skip.message)


def _told_once(items: Iterable[tuple[str, tuple[CheckResult, ...], str]]) -> list[tuple[str, str]]:
    """What is said of each resource, by what comes before its findings; those that differ in evidence only share it."""
    groups: dict[tuple[object, ...], list[tuple[str, tuple[CheckResult, ...], str]]] = {}
    for item in items:
        said = ((each.check, each.status, each.message, each.advice, each.waived_because) for each in item[1])
        groups.setdefault((item[0], *said), []).append(item)
    return [(text, resource) for group in groups.values() for text in [_together(group)] for _, _, resource in group]


def _together(group: list[tuple[str, tuple[CheckResult, ...], str]]) -> str:
    head = group[0][0]
    texts = []
    for at, finding in enumerate(group[0][1]):
        seen = tuple(dict.fromkeys(one for _, findings, _ in group for one in findings[at].evidence))
        texts.append(finding_text(attrs.evolve(finding, evidence=_few(seen, len(finding.evidence)))))
    return "\n".join([head, *(_indented(text, 2) for text in texts)]) if head else "\n".join(texts)


def _few(seen: tuple[str, ...], own: int) -> tuple[str, ...]:
    """All evidence of the first resource, and as much of the others as fits on a screen."""
    shown = max(own, _SHOWN)
    return seen if len(seen) <= shown else (*seen[:shown], f"and {len(seen) - shown} more")


def result_text(result: RemediationResult) -> str:
    """One result, on one line."""
    return f"{result.resource_id}: {_ending(result, str(result.error or ''))}"


def _told(result: RemediationResult) -> str:
    # What to do about it stands on a line of its own: Azure's messages are long enough.
    if result.error is None or not result.error.hint:
        return _ending(result, str(result.error or "")) + _explained(result)
    return f"{_ending(result, str(attrs.evolve(result.error, hint='')))}\n  -> {result.error.hint}{_explained(result)}"


def _explained(result: RemediationResult) -> str:
    # Of what was not fixed the outcome and the error have said why.
    if result.diagnosis is None or result.diagnosis.cause == "not_fixed":
        return ""
    return "".join(f"\n  {line}" for line in str(result.diagnosis).split("\n"))


def _ending(result: RemediationResult, error: str) -> str:
    # What stopped a resource while it was planned is the outcome as well: once is enough.
    notes = [error.removeprefix(f"{result.outcome.label}: ")] if error else []
    if result.health.value != "unknown":
        notes.append(f"Defender for Cloud: {result.health}")
    return _because(result.outcome, "; ".join(notes))


def _because(word: StrEnum, reason: str) -> str:
    return f"{word.label} ({reason})" if reason else word.label


def _grouped(mark: str, items: Iterable[tuple[str, str]]) -> list[str]:
    """What is said of each resource, said once for all that share it."""
    groups: dict[str, list[str]] = {}
    for said, resource in items:
        groups.setdefault(said, []).append(resource)
    return [line for said, found in groups.items() for line in (f"{mark} {said}", *(f"    {one}" for one in found))]


def report_text(report: RemediationReport) -> str:
    """A whole report: the counts first, then what needs attention, then the rest."""
    counts = Counter(result.outcome.label for result in report.results)
    summary = ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())) or "nothing to do"
    seconds = (report.finished - report.started).total_seconds()
    lines = [f"Run {report.run_id}: {summary} ({seconds:.0f} s)", f"correlation id: {report.correlation_id}"]
    for mark, good in (("!", False), ("+", True)):
        found = (result for result in report.results if result.outcome.succeeded is good)
        lines += _grouped(mark, ((_told(result), result.resource_id) for result in found))
    lines += [f"created: {created.resource_id}" for result in report.results for created in result.created]
    lines += [f"warning: {warning}" for warning in report.warnings]
    return "\n".join(lines)


def counted(n: int, noun: str) -> str:
    """A number with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
