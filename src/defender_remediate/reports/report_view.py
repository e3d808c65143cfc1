"""What the page of a report shows: what changed, whether it worked, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.display import counted, iso
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.diagnosis import Cause, Verification, moment
from defender_remediate.models.forecast import forecast
from defender_remediate.models.plan_groups import Place, place_of, subscription_labels
from defender_remediate.models.result import Health, Outcome, RemediationReport, RemediationResult
from defender_remediate.models.step import SkippedResource, SkipReason
from defender_remediate.reports.plan_view import Answer, facts_of, subtitle_of
from defender_remediate.reports.planned_results import PlannedResult, changes_of, planned_results
from defender_remediate.reports.score_view import ScoreView, forecast_view, measured_view


@attrs.frozen(kw_only=True)
class ScoreContext:
    """What the caller read of the score before and after the run, and of the activity log; all of it may be missing."""

    score_before: SecureScore | None = None
    score_after: SecureScore | None = None
    controls_before: tuple[SecurityControl, ...] = ()
    controls_after: tuple[SecurityControl, ...] = ()
    events: tuple[ActivityEvent, ...] = ()


@attrs.frozen(kw_only=True)
class ReportView:
    """The page of a report, in the order in which it is read."""

    title: str
    subtitle: str
    answers: tuple[Answer, ...]
    score: ScoreView | None
    groups: tuple[dict[str, Any], ...]
    skips: tuple[dict[str, Any], ...]
    created: tuple[Place, ...]
    events: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]


def report_view(report: RemediationReport, context: ScoreContext) -> ReportView:
    """The page of a report."""
    labels = subscription_labels((result.resource_id for result in report.results), report.plan.scope)
    results = list(planned_results(report))
    created = [one.resource_id for result in report.results for one in result.created]
    kind = "Rollback report" if report.plan.rolls_back else "Remediation report"
    return ReportView(
        title=kind,
        subtitle=subtitle_of(report.plan.scope, f"finished {moment(report.finished)}"),
        answers=_answers(report),
        score=_score(report, context),
        groups=_groups([one for one in results if one.result.was_requested], labels),
        skips=_skips([one for one in results if not one.result.was_requested], labels),
        created=tuple(place_of(one, labels) for one in created),
        events=tuple(_event(event, labels) for event in context.events),
        warnings=report.warnings,
        facts=facts_of(
            ("Run", (report.run_id,)),
            ("Rolls back run", (report.plan.rolls_back or "",)),
            ("Correlation id", (report.correlation_id,)),
            ("Digest of the plan", (report.plan.digest,)),
            ("Scope", report.plan.scope),
            ("Catalog", (report.plan.catalog_version,)),
            ("Started", (iso(report.started),)),
            ("Finished", (iso(report.finished),)),
        ),
    )


def _answers(report: RemediationReport) -> tuple[Answer, ...]:
    changed = [one for one in report.results if one.outcome in (Outcome.APPLIED, Outcome.ROLLED_BACK)]
    partly = report.count(Outcome.PARTIALLY_APPLIED)
    resources = len({one.resource_id for one in changed})
    verb = "rolled back" if report.plan.rolls_back else "applied"
    what = [f"on {counted(resources, 'resource')}"] if changed else ["nothing was changed"]
    what += [f"{partly} more in part"] if partly else []

    planned = len(report.plan.steps)
    failures = report.failures
    good = sum(one.outcome.succeeded for one in report.results if one.step_id)
    proven = Counter(one.verified for one in report.results if one.outcome.succeeded and one.step_id)
    worked = []
    for stage, text in (
        (Verification.CONFIRMED_BY_DEFENDER, "confirmed by Defender for Cloud"),
        (Verification.COMPLIANT, "read back and compliant"),
        (Verification.READ_BACK, "read back, not compliant"),
        (Verification.NOT_VERIFIED, "not read back"),
    ):
        worked += [f"{proven[stage]} {text}"] if proven[stage] else []

    pending = sum(one.is_pending for one in report.results)
    skipped = sum(not one.was_requested for one in report.results)
    left = [f"{count} {word}" for word, count in Counter(one.outcome.label for one in failures).items()]
    left += [f"{pending} not assessed again yet"] if pending else []
    left += [f"{skipped} skipped by the plan"] if skipped else []
    return (
        Answer(
            tone="good" if changed else "", question="What changed?", big=f"{len(changed)} {verb}", lines=tuple(what)
        ),
        Answer(
            tone="good" if good == planned else "bad",
            question="Did it work?",
            big=f"{good} of {counted(planned, 'change')}",
            lines=tuple(worked),
        ),
        Answer(
            tone="bad" if failures else "wait" if pending else "good",
            question="What is left?",
            big=counted(len(failures), "problem") if failures else "No problems",
            lines=(", ".join(left),) if left else (),
        ),
    )


def _score(report: RemediationReport, context: ScoreContext) -> ScoreView | None:
    if context.score_before is not None and context.score_after is not None:
        return measured_view(context.score_before, context.score_after, context.controls_before, context.controls_after)
    facts = report.plan.score
    if facts is None or report.plan.rolls_back:
        return None
    done = {one.step_id for one in report.results if one.outcome.succeeded and one.compliant is not False}
    steps = [step for step in report.plan.steps if step.id in done]
    open_ones = [
        SkippedResource(resource_id=step.resource_id, keys=step.keys, reason=SkipReason.NOT_APPLIED)
        for step in report.plan.steps
        if step.id not in done
    ]
    found = forecast(facts, steps, (*report.plan.skipped, *open_ones))
    if found is None:
        return None
    if all(one.health is Health.HEALTHY for one in report.results if one.step_id in done):
        return forecast_view(found, f"{found}; Defender for Cloud reports what was changed as healthy.")
    return forecast_view(found, f"{found}, when Defender for Cloud has assessed the changed resources again.")


def _groups(items: Iterable[PlannedResult], labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """The results by recommendation, and within one by what is said of them; failures first."""
    by_title: dict[tuple[str, ...], list[PlannedResult]] = {}
    for item in items:
        by_title.setdefault(item.titles or item.result.keys, []).append(item)
    groups = []
    for titles, found in by_title.items():
        cases: dict[object, list[PlannedResult]] = {}
        for item in found:
            cases.setdefault(_said(item.result), []).append(item)
        shown = [_case(case, labels) for case in cases.values()]
        counts = Counter((_tone(item.result), item.result.outcome.label) for item in found)
        groups.append(
            {
                "titles": titles,
                "failed": sum(not item.result.outcome.succeeded for item in found),
                "counts": [{"tone": tone, "text": f"{count} {word}"} for (tone, word), count in sorted(counts.items())],
                "cases": sorted(shown, key=lambda case: ("bad", "wait", "good").index(case["tone"])),
            }
        )
    return tuple(sorted(groups, key=lambda group: not group["failed"]))


def _said(result: RemediationResult) -> tuple[object, ...]:
    return (result.outcome, result.error, result.health, result.compliant, *changes_of(result), *_explained(result))


def _case(items: list[PlannedResult], labels: Mapping[str, str]) -> dict[str, Any]:
    result = items[0].result
    *explanation, advice = _explained(result)
    reason = result.error.text.removeprefix(f"{result.outcome.label}: ") if result.error else None
    return {
        "tone": _tone(result),
        "outcome": f"{len(items)} {result.outcome.label}",
        "health": "not assessed again yet" if result.is_pending else result.health,
        "reason": reason,
        "explanation": explanation,
        "advice": advice,
        "changes": changes_of(result),
        "places": [_place(item, labels) for item in items],
    }


def _tone(result: RemediationResult) -> str:
    if not result.outcome.succeeded:
        return "bad"
    is_open = result.health is Health.UNHEALTHY or result.compliant is False
    return "wait" if is_open and result.outcome is not Outcome.ROLLED_BACK else "good"


def _explained(result: RemediationResult) -> tuple[str | None, ...]:
    """The diagnosis with its evidence, a line each, and at last the advice; None for no advice."""
    hint = result.error.hint if result.error else None
    found = result.diagnosis
    if found is None:
        return (hint,)
    lines = [] if found.cause is Cause.NOT_FIXED else [f"{found.cause.label}: {found.message}", *found.evidence]
    if found.recheck_at is not None:
        lines.append(f"verify again after {moment(found.recheck_at)}")
    return (*lines, found.advice or hint)


def _skips(items: Iterable[PlannedResult], labels: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    groups: dict[object, list[PlannedResult]] = {}
    for item in items:
        groups.setdefault((item.titles or item.result.keys, _said(item.result)), []).append(item)
    found = []
    for group in groups.values():
        result = group[0].result
        *explanation, advice = _explained(result)
        found.append(
            {
                "title": "; ".join(group[0].titles or result.keys),
                "reason": result.error.code if result.error else result.outcome.label,
                "message": result.error.message if result.error else None,
                "explanation": explanation,
                "advice": advice,
                "places": [_place(item, labels) for item in group],
            }
        )
    return tuple(found)


def _place(item: PlannedResult, labels: Mapping[str, str]) -> Place:
    place = place_of(item.result.resource_id, labels)
    return place if item.step is None else attrs.evolve(place, id=item.step.target_id)


def _event(event: ActivityEvent, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "time": moment(event.timestamp) if event.timestamp else "(no time)",
        "operation": event.operation,
        "status": event.status,
        "place": place_of(event.resource_id, labels),
    }
