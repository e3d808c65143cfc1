"""Why a recommendation is not healthy, from what was read. Reads nothing itself.

The questions are asked in one order, from what leaves no doubt (the resource is gone) to what remains when nothing else
explains it (Defender looks at something that the fix does not write); the first that has an answer gives the diagnosis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

import attrs

from defender_remediate.casing import fold, fold_or_none
from defender_remediate.models.diagnosis import Cause, Diagnosis, moment
from defender_remediate.models.ids import contains
from defender_remediate.models.recommendation import Assessment, AssessmentStatus
from defender_remediate.models.result import Health, Outcome
from defender_remediate.redaction import redact_text
from defender_remediate.verification.facts import Answer, Case, Known, TargetState
from defender_remediate.verification.freshness import Freshness

_CUSTOM = frozenset({"custom", "custompolicy", "manualcustompolicy"})
# Defender shows these and does not judge them: a partner's product, a script or a person reports them.
_REPORTED = frozenset({"customermanaged", "verifiedpartner", "manualbuiltin", "manualbuiltinpolicy"})
_SHOWN = 5


@attrs.frozen(kw_only=True)
class Judgement:
    """Defender's word, and why it is not Healthy."""

    health: Health
    diagnosis: Diagnosis | None = None


def judge(case: Case, answer: Answer, known: Known) -> Judgement:
    """What to make of Defender's answer on one recommendation of a result."""
    diagnosis = next((found for ask in _QUESTIONS if (found := ask(case, answer, known))), None)
    return Judgement(health=_health(answer, diagnosis), diagnosis=diagnosis)


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """The one that decides a result with several recommendations: the least healthy, the first of its kind."""
    return max(
        judgements,
        key=lambda found: (_WORST_LAST.index(found.health), found.diagnosis is not None),
        default=Judgement(health=Health.UNKNOWN),
    )


_WORST_LAST = (Health.HEALTHY, Health.UNKNOWN, Health.PENDING, Health.UNHEALTHY)


def _health(answer: Answer, diagnosis: Diagnosis | None) -> Health:
    if answer.assessment is not None and answer.assessment.status == AssessmentStatus.HEALTHY:
        return Health.HEALTHY
    if not answer.is_unhealthy:
        return Health.UNKNOWN
    waits = diagnosis is not None and diagnosis.cause.ends_by_itself
    return Health.PENDING if waits else Health.UNHEALTHY


def _deleted(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    if case.state is not TargetState.GONE:
        return None
    listed = answer.assessment is not None
    return Diagnosis(
        cause=Cause.DELETED,
        message="the resource does not exist any more, or the caller may not see it",
        evidence=_evidence(case, answer),
        advice="nothing to do: its assessment goes with time" if listed else "nothing to do",
        recheck_at=_after(case.now, known.freshness(answer.key).latest) if listed else None,
    )


def _reverted(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    was_good = case.result.outcome in (Outcome.APPLIED, Outcome.ALREADY_COMPLIANT)
    if case.rolls_back or not was_good or case.state is not TargetState.NOT_COMPLIANT:
        return None
    return Diagnosis(
        cause=Cause.REVERTED,
        message="the resource was compliant after the run and is not any more: somebody put it back",
        evidence=(f"it was compliant at {moment(case.since)}", *_evidence(case, answer)),
        advice="client.activity.list_events(resource_id=...) shows who; stop what writes it, then plan again",
    )


def _unanswered(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    if answer.error:
        return Diagnosis(
            cause=Cause.UNREADABLE,
            message="Defender for Cloud could not be asked",
            evidence=_evidence(case, answer),
            advice="see Azure's error, then verify again",
        )
    if answer.assessment is None:
        return Diagnosis(
            cause=Cause.NOT_ASSESSED,
            message="Defender for Cloud has no assessment of the resource, or the caller may not see it",
            evidence=_evidence(case, answer),
            advice="see that the Defender plan and the initiative of the recommendation are on for the subscription",
        )
    return None


def _not_applicable(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    found = answer.assessment
    if found is None or found.status in (AssessmentStatus.HEALTHY, AssessmentStatus.UNHEALTHY):
        return None
    told = partial(Diagnosis, evidence=_evidence(case, answer))
    if found.status != AssessmentStatus.NOT_APPLICABLE:
        return told(
            cause=Cause.UNREADABLE,
            message="Defender for Cloud gives a status that this version does not know",
            advice="see the evidence",
        )
    if found.is_exempt:
        return told(
            cause=Cause.EXEMPT,
            message="the resource is exempt from the recommendation",
            advice="nothing to do; to have it judged, remove the exemption, which takes effect within 24 hours",
        )
    if found.cause and fold(found.cause) == "offbypolicy":
        return told(
            cause=Cause.OFF_BY_POLICY,
            message="the policy behind the recommendation is switched off for the resource",
            advice="to have it judged, give the policy an effect other than Disabled in its assignment",
        )
    return told(
        cause=Cause.NOT_APPLICABLE,
        message=f"the recommendation does not apply to the resource ({redact_text(found.cause or 'no cause given')})",
        advice="see the evidence for what Defender for Cloud says of it",
    )


def _unread(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    if case.state is not TargetState.UNREADABLE:
        return None
    return Diagnosis(
        cause=Cause.UNREADABLE,
        message="the resource could not be read, so nobody knows whether it is compliant",
        evidence=_evidence(case, answer),
        advice="see Azure's error, then verify again",
    )


def _not_fixed(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    if not answer.is_unhealthy or case.is_compliant(answer):
        return None
    result = case.result
    if result.outcome is Outcome.ROLLED_BACK:
        return Diagnosis(
            cause=Cause.ROLLED_BACK,
            message="the run put the resource back as it was, which is unhealthy",
            evidence=_evidence(case, answer),
            advice="nothing to do",
        )
    error = result.error
    found_later = result.outcome is Outcome.ALREADY_COMPLIANT
    return Diagnosis(
        cause=Cause.NOT_FIXED,
        message="Defender for Cloud found it unhealthy after it was planned"
        if found_later
        else f"the run did not make it compliant: {result.outcome.label}",
        evidence=(*((redact_text(str(error)),) if error else ()), *_evidence(case, answer)),
        advice=error.hint if error and error.hint else "plan it again",
    )


def _other_resource(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    del known
    found = answer.assessment
    if found is None or not answer.is_unhealthy or _is_about(found.resource_id, case):
        return None
    return Diagnosis(
        cause=Cause.SLOT_OR_CHILD,
        message="Defender for Cloud judges another resource than the one that was changed",
        evidence=(f"it judges {found.resource_id}", *_evidence(case, answer)),
        advice="plan the recommendation for the resource in the evidence",
    )


def _not_looked_again(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    freshness = known.freshness(answer.key)
    if not answer.is_unhealthy or _looked_again(case, answer, freshness):
        return None
    about = known.about.get(fold(answer.key))
    elapsed = case.elapsed.total_seconds()
    is_overdue = elapsed >= freshness.latest
    told = partial(Diagnosis, evidence=(*_evidence(case, answer), *known.unread))
    bound = _after(case.since, freshness.over if is_overdue else freshness.latest)
    if about is not None and about.preview:
        return told(
            cause=Cause.PREVIEW,
            message="the recommendation is in preview: it counts for nothing in the score and may be looked at late",
            advice="nothing to do for the score",
            recheck_at=bound,
        )
    if elapsed < freshness.usual:
        return told(
            cause=Cause.TOO_SOON,
            message=f"Defender for Cloud looks again {freshness} after a change",
            advice="nothing to do: the resource is compliant",
            recheck_at=_after(case.since, freshness.usual),
        )
    late = "should have looked again by now, and nothing shows that it did"
    early = "has not looked again since the resource became compliant"
    return told(
        cause=Cause.STALE,
        message=f"Defender for Cloud {late if is_overdue else early}",
        advice="nothing to do: the resource is compliant",
        recheck_at=bound,
    )


def _part(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    key, place = fold(answer.key), _path(case.result.resource_id)
    parts = [
        found.resource_id
        for found in known.others
        if fold(found.key) == key and _path(found.resource_id) != place and contains(place, found.resource_id)
    ]
    if not answer.is_unhealthy or not parts:
        return None
    return Diagnosis(
        cause=Cause.SLOT_OR_CHILD,
        message="a slot or child of the resource is unhealthy by the same recommendation",
        evidence=(*_few(f"unhealthy: {part}" for part in parts), *_evidence(case, answer)),
        advice="plan the recommendation for the resources in the evidence",
    )


def _elsewhere(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    about = known.about.get(fold(answer.key))
    if not answer.is_unhealthy:
        return None
    told = partial(Diagnosis, cause=Cause.ANOTHER_INITIATIVE)
    kind = fold(about.assessment_type or "") if about else ""
    if about is not None and kind in _CUSTOM | _REPORTED:
        is_custom = kind in _CUSTOM
        named = (f"assessment type {about.assessment_type}", *filter(None, (about.policy_definition_id,)))
        return told(
            message="the recommendation is a custom one and judges by its own rule"
            if is_custom
            else "the recommendation is not judged by Defender for Cloud but reported to it",
            evidence=(*named, *_evidence(case, answer)),
            advice="read the rule of its policy: it may ask for more than the fix writes"
            if is_custom
            else "let its source report again",
        )
    same = [found for found in known.others if _is_same_demand(found, case, answer, known)]
    if not same:
        return None
    return told(
        message="another recommendation judges the same of the resource and is unhealthy too",
        evidence=(
            *_few(redact_text(f"also unhealthy: {found.display_name or found.key} ({found.key})") for found in same),
            *_evidence(case, answer),
        ),
        advice="read those in the evidence: what they ask for may differ from what the fix writes",
    )


def _is_same_demand(found: Assessment, case: Case, answer: Answer, known: Known) -> bool:
    if fold(found.key) == fold(answer.key) or _path(found.resource_id) != _path(case.result.resource_id):
        return False
    ours, theirs = (known.about.get(fold(key)) for key in (answer.key, found.key))
    policy = fold_or_none(ours.policy_definition_id) if ours else None
    if policy and theirs and fold_or_none(theirs.policy_definition_id) == policy:
        return True
    name = answer.assessment.display_name if answer.assessment else None
    return name is not None and fold(name) == fold_or_none(found.display_name)


def _not_ours(case: Case, answer: Answer, known: Known) -> Diagnosis | None:
    if not answer.is_unhealthy:
        return None
    shown = _changed_after(case, answer, known.freshness(answer.key))
    looked = "Defender for Cloud looked again after the change and is still not satisfied"
    silent = "Defender for Cloud had twice the time it takes and is still not satisfied"
    return Diagnosis(
        cause=Cause.NOT_OUR_PROPERTY,
        message=looked if shown else silent,
        evidence=(
            f"the condition of the fix holds since {moment(case.since)}",
            *_evidence(case, answer),
            *known.unread,
        ),
        advice="something that the fix does not write is missing: read the evidence and the manual remediation steps",
    )


_QUESTIONS: tuple[Callable[[Case, Answer, Known], Diagnosis | None], ...] = (
    _deleted,
    _reverted,
    _unanswered,
    _not_applicable,
    _unread,
    _not_fixed,
    _other_resource,
    _not_looked_again,
    _part,
    _elsewhere,
    _not_ours,
)


def _looked_again(case: Case, answer: Answer, freshness: Freshness) -> bool:
    return _changed_after(case, answer, freshness) or case.elapsed.total_seconds() >= freshness.over


def _changed_after(case: Case, answer: Answer, freshness: Freshness) -> bool:
    # A word that changed sooner after the write may rest on what Defender had read before it.
    changed = answer.assessment.changed if answer.assessment else None
    return changed is not None and changed >= _after(case.since, freshness.usual)


def _is_about(judged: str, case: Case) -> bool:
    # A fix may write a child of what is judged, and then it is the judged resource that counts.
    return any(contains(judged, text) for text in (case.result.resource_id, case.target_id) if text)


def _evidence(case: Case, answer: Answer) -> tuple[str, ...]:
    lines = []
    found = answer.assessment
    if found is not None:
        said = f"{found.display_name or answer.key}: {found.status}"
        said += f", cause {found.cause}" if found.cause else ""
        lines.append(f"{said}: {found.description}" if found.description else said)
        if found.changed is not None:
            lines.append(f"Defender for Cloud says so since {moment(found.changed)}")
    lines += filter(None, (answer.error, case.error))
    return tuple(map(redact_text, lines))


def _few(lines: Iterable[str]) -> tuple[str, ...]:
    found = tuple(lines)
    return found if len(found) <= _SHOWN else (*found[:_SHOWN], f"and {len(found) - _SHOWN} more")


def _after(when: datetime, seconds: float) -> datetime:
    return when + timedelta(seconds=seconds)


def _path(resource_id: str) -> str:
    return "/" + fold(resource_id.strip("/"))
