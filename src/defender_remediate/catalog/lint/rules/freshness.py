"""The rule that a fix, or guidance, is about what Azure still has: judged by the manifest of what it retired and blocked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.catalog.freshness import bundled_freshness
from defender_remediate.catalog.lint.checked_fix import CheckedFix
from defender_remediate.catalog.lint.problem import CatalogProblem, Rule, RuleViolation, warning
from defender_remediate.models.fix import FixAction
from defender_remediate.models.freshness import CatalogFreshness, RetiredRecommendation
from defender_remediate.models.guidance import Guidance, GuidanceReason

_SOON = timedelta(days=365)
_GONE = (GuidanceReason.RETIRED, GuidanceReason.REPLACED)
_PRICINGS = "/microsoft.security/pricings/"


def is_current(checked: CheckedFix) -> Iterator[RuleViolation]:
    """The recommendation is in force, the service exists, and the Defender plan can be enabled."""
    known, fix = bundled_freshness(), checked.fix
    retired = known.retired(fix.key)
    if retired is not None:
        yield RuleViolation(f"Azure retired the recommendation{_since(retired.retired_on)}{_instead(retired)}")
    service = known.service_of(fix.resource_type)
    if service is not None:
        message = f"{service.name} ends on {service.retired_on}"
        if service.retired_on <= known.date:
            yield RuleViolation(message)
        elif service.retired_on <= known.date + _SOON:
            yield warning(message)
    yield from _blocked_plans(fix, known)


def _since(day: date | None) -> str:
    return f" on {day}" if day else ""


def _instead(retired: RetiredRecommendation) -> str:
    instead = ", ".join(retired.replaced_by) or (f"the category {retired.category}" if retired.category else "")
    return f"; it is replaced by {instead}" if instead else ""


def _blocked_plans(fix: FixAction, known: CatalogFreshness) -> Iterator[RuleViolation]:
    _, found, plan = fold(f"/{fix.target}").rpartition(_PRICINGS)
    wanted = wire.pick(fix.body, "properties")
    if not found or fold(wire.text(wanted, "pricingTier")) != "standard":
        return
    sub_plan = wire.text(wanted, "subPlan")
    chosen = [each.allowed for each in fix.parameters if sub_plan == f"${{{each.name}}}"]
    for name in (*chosen[0],) if chosen else (sub_plan,):
        blocked = known.blocked_plan(plan, str(name))
        if blocked is not None:
            yield RuleViolation(
                f"Azure refuses to enable the Defender plan {blocked} since {blocked.blocked_on}; "
                f"enable {blocked.replaced_by} instead"
            )


def stale_guidance(guidance: Iterable[Guidance]) -> Iterator[CatalogProblem]:
    """Guidance that advises on a recommendation, or a resource of a service, that is gone, as if it were in force."""
    known = bundled_freshness()
    for each in guidance:
        service = known.service_of(each.resource_type or "")
        has_ended = service is not None and service.retired_on <= known.date
        if each.reason not in _GONE and (known.retired(each.key) or has_ended):
            why = "its service has ended" if has_ended else "Azure retired it"
            yield CatalogProblem(
                key=each.key,
                resource_type=each.resource_type,
                rule=Rule.IS_CURRENT,
                message=f"the guidance has the reason {each.reason}, but {why}: {' or '.join(_GONE)} is right",
            )
