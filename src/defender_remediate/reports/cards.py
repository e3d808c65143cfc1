"""What a notebook shows of a value: a part of the same pages."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.json_values import canonical
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.fix import FixAction
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import RemediationReport
from defender_remediate.redaction import redact_json
from defender_remediate.reports.page import fragment, is_available
from defender_remediate.reports.plan_view import plan_view
from defender_remediate.reports.report_view import ScoreContext, report_view
from defender_remediate.reports.score_view import ScoreRow, score_row

_TONES = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "wait"}


def card(value: object) -> str | None:
    """The value as a part of a page; None for other values, and without the extra ``reports``."""
    if not is_available():
        return None
    if isinstance(value, RemediationPlan):
        return fragment("plan_card.html", view=plan_view(value))
    if isinstance(value, RemediationReport):
        return fragment("report_card.html", view=report_view(value, ScoreContext()))
    if isinstance(value, Recommendation):
        return fragment("recommendation_card.html", view=_recommendation(value))
    if isinstance(value, SecureScore):
        name = value.display_name or "Secure score"
        row = score_row(name, value.current, value.current, value.max)
        return fragment("score_card.html", view={"rows": (row,), "lines": (str(value),)})
    if isinstance(value, SecurityControl):
        return fragment("score_card.html", view=_control(value))
    return None


@attrs.frozen(kw_only=True)
class RecommendationView:
    """One recommendation: how much it matters, and how it is fixed."""

    title: str
    key: str
    badges: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    description: str | None
    fix: FixAction | None
    written: str | None
    guidance: str | None
    steps: tuple[str, ...]


def _recommendation(found: Recommendation) -> RecommendationView:
    fix = found.fix
    severity = found.severity
    badges = [(_TONES.get(severity, ""), f"severity {severity}")] if severity else []
    badges.append(("bad" if found.unhealthy_count else "good", f"{found.unhealthy_count} unhealthy"))
    badges.append(("", f"{found.healthy_count} healthy"))
    badges.append(("good" if found.potential_increase else "", f"+{found.potential_increase:.2f} points alone"))
    badges.append(("good" if fix else "wait", f"fix: {fix.kind.label}" if fix else "by hand"))
    guidance = found.guidance
    return RecommendationView(
        title=found.display_name,
        key=found.key,
        badges=tuple(badges),
        reasons=found.priority.reasons,
        description=found.description,
        fix=fix,
        written=canonical(redact_json(fix.body)) if fix and fix.body else None,
        guidance=f"No fix ({guidance.reason.label}). {guidance.action}" if guidance else None,
        steps=tuple(line for line in (found.remediation_steps or "").split("\n") if line.strip()),
    )


def _control(control: SecurityControl) -> dict[str, Any]:
    row: ScoreRow = score_row(control.display_name, control.current_score, control.current_score, control.max_score)
    counts = f"{control.unhealthy_count} unhealthy, {control.healthy_count} healthy resources"
    return {"rows": (row,), "lines": (f"+{control.potential_increase:.2f} points possible; {counts}",)}
