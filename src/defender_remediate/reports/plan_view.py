"""What the page of a plan shows."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.display import counted, iso, noted
from defender_remediate.models.diagnosis import moment
from defender_remediate.models.fix import Impact, Reversibility
from defender_remediate.models.forecast import forecast_text
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.plan_groups import (
    SkipGroup,
    StepGroup,
    group_check_results,
    group_skips,
    group_steps,
)
from defender_remediate.models.step import PRESERVED, RemediationStep, SkipReason
from defender_remediate.reports.planned_results import ChangeRow
from defender_remediate.reports.score_view import ScoreView, forecast_view


@attrs.frozen(kw_only=True)
class Answer:
    """One of the questions that the top of a page answers."""

    tone: str
    question: str
    big: str
    lines: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class PlanView:
    """The page of a plan, in the order in which it is read."""

    title: str
    subtitle: str
    answers: tuple[Answer, ...]
    score: ScoreView | None
    recommendations: tuple[tuple[str, int], ...]
    groups: tuple[dict[str, Any], ...]
    checks: tuple[Any, ...]
    skips: tuple[dict[str, Any], ...]
    lists: tuple[dict[str, Any], ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]


def plan_view(plan: RemediationPlan) -> PlanView:
    """The page of a plan."""
    groups = group_steps(plan.steps, plan.scope)
    lists = (
        ("Nothing was found, and that does not mean healthy", plan.not_evaluated),
        ("Created by the run and kept", plan.removable),
    )
    return PlanView(
        title=f"Rollback plan for run {plan.rolls_back}" if plan.rolls_back else "Remediation plan",
        subtitle=subtitle_of(plan.scope, f"planned {moment(plan.created_at)}"),
        answers=_answers(plan),
        score=_score(plan),
        recommendations=plan.summary.recommendations,
        groups=tuple(_group(group) for group in groups),
        checks=group_check_results(plan.steps, plan.scope),
        skips=tuple(_skip(group) for group in group_skips(plan.skipped, plan.scope)),
        lists=tuple({"title": title, "lines": lines} for title, lines in lists if lines),
        facts=facts_of(
            ("Digest", (plan.digest,)),
            ("Shard", (plan.shard.text if plan.shard is not None else "",)),
            ("Scope", plan.scope),
            ("Endpoint", (plan.endpoint,)),
            ("Tenants", plan.tenants),
            ("Catalog", (plan.catalog_version,)),
            ("Planned", (iso(plan.created_at),)),
        ),
    )


def facts_of(*facts: tuple[str, tuple[str, ...]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The facts that are there."""
    return tuple((name, values) for name, values in facts if any(values))


def subtitle_of(scope: tuple[str, ...], when: str) -> str:
    """Where and when; several scopes are listed at the end of the page."""
    return f"{scope[0] if len(scope) == 1 else counted(len(scope), 'scope')}, {when}"


def change_rows(step: RemediationStep) -> tuple[ChangeRow, ...]:
    """What a step changes, and what it preserves."""
    rows = [ChangeRow(path=one.path, before=one.before_text, after=one.after_text) for one in step.changes]
    return (*rows, *(ChangeRow(path=path, before=PRESERVED, after=None) for path in step.preserved))


def _answers(plan: RemediationPlan) -> tuple[Answer, ...]:
    summary = plan.summary
    words = [f"{count} {word}" for word, count in summary.impacts]
    resources = f"on {counted(summary.resources, 'resource')}" if plan.steps else "nothing will be sent"
    disturbing = sum(step.impact is not Impact.NONE for step in plan.steps)
    conditional = sum(step.reversibility is not Reversibility.EXACT for step in plan.steps)
    back = [f"{count} {word}" for word, count in summary.rollbacks]
    skipped = [f"{count} {word}" for word, count in summary.skips]
    blocked = any(skip.reason in (SkipReason.BLOCKED, SkipReason.UNCHECKED) for skip in plan.skipped)
    return (
        Answer(tone="", question="What will change?", big=counted(len(plan.steps), "change"), lines=(resources,)),
        Answer(
            tone="wait" if disturbing or conditional else "good",
            question="Impact and rollback",
            big=f"{disturbing} with impact" if plan.steps else "Nothing",
            lines=tuple(
                line
                for line in (
                    ", ".join(words) and f"Impact: {', '.join(words)}",
                    back and f"Rollback: {', '.join(back)}",
                )
                if line
            ),
        ),
        Answer(
            tone="bad" if blocked else "",
            question="What is left out?",
            big=f"{len(plan.skipped)} skipped",
            lines=(", ".join(skipped),) if skipped else (),
        ),
    )


def _score(plan: RemediationPlan) -> ScoreView | None:
    if plan.rolls_back or not plan.steps or plan.shard is not None:
        return None
    forecast = plan.forecast
    if forecast is None:
        return ScoreView(note=f"{forecast_text(plan.score, None).capitalize()}.")
    return forecast_view(forecast, f"{forecast}, when Defender for Cloud has assessed the changed resources again.")


def _group(group: StepGroup) -> dict[str, Any]:
    step = group.first
    request, *content, _, _ = group.lines
    consequences = [step.impact_reason, step.undo_condition and f"Rollback: {step.undo_condition}"]
    return {
        "titles": step.titles or step.keys,
        "count": counted(len(group.steps), "removal" if step.is_removal else "change"),
        "impact": f"impact: {step.impact.label}",
        "impact_tone": "" if step.impact is Impact.NONE else "wait",
        "rollback": f"rollback: {step.reversibility.label}",
        "rollback_tone": {Reversibility.EXACT: "good", Reversibility.NONE: "bad"}.get(step.reversibility, "wait"),
        "request": request,
        "consequences": tuple(line for line in consequences if line),
        "changes": change_rows(step),
        "content": [line.strip() for line in content[len(step.changes) + len(step.preserved) :]],
        "places": group.places,
    }


def _skip(group: SkipGroup) -> dict[str, Any]:
    skip = group.first
    return {
        "title": "; ".join(skip.titles or skip.keys),
        "reason": noted(skip.reason.label, []),
        "tone": "bad" if skip.check_results else "",
        "message": None if skip.check_results else skip.message,
        "results": skip.check_results,
        "places": group.places,
    }
