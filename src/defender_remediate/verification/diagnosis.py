"""Explains why a recommendation is not healthy, from what was read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from defender_remediate.casing import fold, fold_or_none
from defender_remediate.catalog.guidance import find_guidance
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.diagnosis import Cause, Diagnosis, moment
from defender_remediate.models.ids import contains, id_key
from defender_remediate.models.posture import FOUNDATIONAL
from defender_remediate.models.result import Health, Outcome
from defender_remediate.models.step import SkipReason
from defender_remediate.redaction import redact_text
from defender_remediate.verification.facts import DefenderStatus, ReadBack, VerificationContext, VerifiedStep

_CUSTOM = frozenset({"custom", "custompolicy", "manualcustompolicy"})
# Defender shows these without assessing them: a partner's product, a script or a person reports them.
_REPORTED = frozenset({"customermanaged", "verifiedpartner", "manualbuiltin", "manualbuiltinpolicy"})
_MOST_EVIDENCE = 5
_ADVICE = {
    SkipReason.NOT_APPLICABLE: "see why the fix does not apply, and follow the manual remediation steps",
    SkipReason.NOT_IN_AZURE: "fix it where the resource is; this library writes to Azure only",
    SkipReason.PARAMETER_MISSING: "plan it again with the parameter",
    SkipReason.PROTECTED: "the guards of the client protect the resource; change them if it is to be fixed",
    SkipReason.CONSENT_MISSING: "allow the irreversible fix in the guards of the client, then plan it again",
    SkipReason.BLOCKED: "resolve what the checks found, then plan it again",
    SkipReason.UNCHECKED: "see why the checks could not be made, then plan it again",
    SkipReason.NOT_FOUND: "nothing to do if the resource was deleted",
}


@attrs.frozen(kw_only=True)
class Judgement:
    """Defender's status, and why it is not Healthy; the status is None when Defender does not assess the resource."""

    health: Health | None = None
    diagnosis: Diagnosis | None = None

    @property
    def is_pending(self) -> bool:
        """Whether waiting is all there is to do."""
        waits = self.diagnosis is not None and self.diagnosis.cause.ends_by_itself
        return waits and self.health is Health.UNHEALTHY

    @property
    def rank(self) -> tuple[int, bool]:
        """Its place from the healthiest to the least healthy."""
        if self.health is Health.HEALTHY:
            place = 0
        elif self.health is None:
            place = 1
        else:
            place = 2 if self.is_pending else 3
        return place, self.diagnosis is not None


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """The judgement that decides a result with several recommendations: the least healthy, the first of its kind."""
    return max(judgements, key=lambda found: found.rank, default=Judgement())


@attrs.frozen
class Diagnoser:
    """Explains the status of one recommendation of a result. Makes no request."""

    step: VerifiedStep
    status: DefenderStatus
    context: VerificationContext

    def judge(self) -> Judgement:
        """Find the first cause that applies.

        The order goes from what leaves no doubt (the resource is gone) to what remains when nothing else explains it
        (Defender assesses something that the fix does not write).
        """
        diagnosis = (
            self.deleted()
            or self.reverted()
            or self.exempt()
            or self.recorded()
            or self.not_assessed()
            or self.not_applicable()
            or self.unreadable()
            or self.not_fixed()
            or self.another_resource()
            or self.not_assessed_again()
            or self.unhealthy_part()
            or self.another_rule()
            or self.same_demand()
            or self.not_our_property()
        )
        if self.status.assessment is not None and self.status.assessment.status == AssessmentStatus.HEALTHY:
            health: Health | None = Health.HEALTHY
        elif self.status.is_unhealthy:
            health = Health.UNHEALTHY
        else:
            health = None
        return Judgement(health=health, diagnosis=diagnosis)

    def deleted(self) -> Diagnosis | None:
        """The target does not exist any more."""
        if self.step.read_back is not ReadBack.GONE:
            return None
        is_listed = self.status.assessment is not None
        latest = self.context.freshness_interval(self.status.key).latest
        return self._diagnosis(
            Cause.DELETED,
            "the resource does not exist any more, or the caller cannot see it",
            advice="nothing to do: Defender for Cloud removes its assessment after some time" if is_listed else None,
            recheck_at=self.step.now + timedelta(seconds=latest) if is_listed else None,
        )

    def reverted(self) -> Diagnosis | None:
        """The run left the resource compliant, and it is not any more."""
        was_compliant = self.step.result.outcome in (Outcome.APPLIED, Outcome.ALREADY_COMPLIANT)
        if self.step.rolls_back or not was_compliant or self.step.read_back is not ReadBack.NOT_COMPLIANT:
            return None
        return self._diagnosis(
            Cause.REVERTED,
            "the resource was compliant after the run and is not any more: the change was reverted",
            f"it was compliant at {moment(self.step.since)}",
            advice="client.activity.list_events(resource_id=...) shows who did it; stop what reverts it, then plan again",
        )

    def exempt(self) -> Diagnosis | None:
        """Someone decided that the resource need not follow the recommendation."""
        if self.status.assessment is None or not self.status.assessment.is_exempt:
            return None
        return self._diagnosis(
            Cause.EXEMPT,
            "the resource is exempt from the recommendation",
            advice="nothing to do; to have it assessed, remove the exemption, which takes effect within 24 hours",
        )

    def recorded(self) -> Diagnosis | None:
        """The step wrote what someone decided, or a setting of Defender, and not the resource."""
        target = self.step.target_id or ""
        is_there = self.step.read_back is ReadBack.COMPLIANT and not self.step.rolls_back
        if is_there and is_decision(target):
            return self._diagnosis(
                Cause.RECORDED,
                "the decision is on record as the run left it; it does not change the resource",
                advice="nothing to do: Defender for Cloud shows an exemption within 24 hours, and an owner in no status",
            )
        if is_there and fold(target).endswith(f"/pricings/{fold(FOUNDATIONAL)}"):
            return self._diagnosis(
                Cause.RECORDED,
                "foundational posture management is on",
                advice="a first evaluation takes 12 to 24 hours; client.get_posture() says when there are assessments",
            )
        return None

    def not_assessed(self) -> Diagnosis | None:
        """Defender has no assessment, or it could not be read."""
        if self.status.error:
            return self._diagnosis(
                Cause.UNREADABLE,
                "the assessment of Defender for Cloud could not be read",
                advice="see Azure's error, then verify again",
            )
        if self.status.assessment is None:
            return self._diagnosis(
                Cause.NOT_ASSESSED,
                "Defender for Cloud has no assessment of the resource, or the caller cannot see it",
                advice="check that the Defender plan and the initiative of the recommendation are enabled for the subscription",
            )
        return None

    def not_applicable(self) -> Diagnosis | None:
        """Defender says that it does not assess the resource."""
        found = self.status.assessment
        if found is None or found.status in (AssessmentStatus.HEALTHY, AssessmentStatus.UNHEALTHY):
            return None
        if found.status != AssessmentStatus.NOT_APPLICABLE:
            return self._diagnosis(
                Cause.UNREADABLE,
                "Defender for Cloud reports a status that this version does not know",
                advice="see the evidence",
            )
        if found.cause and fold(found.cause) == "offbypolicy":
            return self._diagnosis(
                Cause.OFF_BY_POLICY,
                "the policy behind the recommendation is switched off for the resource",
                advice="to have it assessed, give the policy an effect other than Disabled in its assignment",
            )
        return self._diagnosis(
            Cause.NOT_APPLICABLE,
            f"the recommendation does not apply to the resource ({redact_text(found.cause or 'no cause given')})",
            advice="see the evidence for what Defender for Cloud reports",
        )

    def unreadable(self) -> Diagnosis | None:
        """The target could not be read."""
        if self.step.read_back is not ReadBack.UNREADABLE:
            return None
        return self._diagnosis(
            Cause.UNREADABLE,
            "the resource could not be read, so it is not known whether it is compliant",
            advice="see Azure's error, then verify again",
        )

    def not_fixed(self) -> Diagnosis | None:
        """The run did not make the resource compliant, or undid what had."""
        if not self.status.is_unhealthy or self.step.is_compliant(self.status):
            return None
        result = self.step.result
        if result.outcome is Outcome.ROLLED_BACK:
            return self._diagnosis(Cause.ROLLED_BACK, "the run restored the resource, which was unhealthy before")
        evidence = [redact_text(str(result.error))] if result.error else []
        if result.outcome is Outcome.ALREADY_COMPLIANT:
            message = "Defender for Cloud found it unhealthy after it was planned"
        else:
            message = f"the run did not make it compliant: {result.outcome.label}"
        advice = "plan it again"
        if result.error and result.error.hint:
            advice = result.error.hint
        elif self.step.skip is not None:
            guidance = find_guidance(self.status.key)
            if guidance is not None:
                message = f"this library does not fix it: {guidance.reason.label}"
                advice = guidance.action
            elif self.step.skip.reason is SkipReason.NO_FIX:
                message = "this library has no fix for it"
                advice = "follow the manual remediation steps of the recommendation"
            else:
                message = f"the plan skipped it: {self.step.skip.reason.label}"
                evidence += [redact_text(self.step.skip.message)] if self.step.skip.message else []
                advice = _ADVICE.get(self.step.skip.reason, advice)
        return self._diagnosis(Cause.NOT_FIXED, message, *evidence, advice=advice)

    def another_resource(self) -> Diagnosis | None:
        """Defender assesses a resource that the step does not write."""
        found = self.status.assessment
        if found is None or not self.status.is_unhealthy:
            return None
        # A fix may write a child of what is assessed, and then it is the assessed resource that counts.
        ours = [one for one in (self.step.result.resource_id, self.step.target_id) if one]
        if any(contains(found.resource_id, one) for one in ours):
            return None
        return self._diagnosis(
            Cause.SLOT_OR_CHILD_RESOURCE,
            "Defender for Cloud assesses another resource than the one that was changed",
            f"it assesses {found.resource_id}",
            advice="plan the recommendation for the resource in the evidence",
        )

    def not_assessed_again(self) -> Diagnosis | None:
        """Nothing shows that Defender has assessed the resource since it became compliant."""
        interval = self.context.freshness_interval(self.status.key)
        elapsed = self.step.elapsed.total_seconds()
        if not self.status.is_unhealthy or self._changed_since() or elapsed >= interval.deadline:
            return None
        about = self.context.metadata(self.status.key)
        is_overdue = elapsed >= interval.latest
        cause = Cause.STALE
        advice = "nothing to do: the resource is compliant"
        recheck = interval.deadline if is_overdue else interval.latest
        if about is not None and about.preview:
            cause = Cause.PREVIEW
            message = "the recommendation is in preview: it does not count in the score and may be assessed late"
            advice = "nothing to do for the score"
        elif elapsed < interval.usual:
            cause = Cause.NOT_ENOUGH_TIME
            message = f"Defender for Cloud assesses a resource again {interval} after a change"
            recheck = interval.usual
        elif is_overdue:
            message = "Defender for Cloud should have assessed it again by now, and nothing shows that it did"
        else:
            message = "Defender for Cloud has not assessed it again since the resource became compliant"
        return attrs.evolve(
            self._diagnosis(cause, message, advice=advice, recheck_at=self.step.since + timedelta(seconds=recheck)),
            evidence=(*self._evidence(), *self.context.unread),
        )

    def unhealthy_part(self) -> Diagnosis | None:
        """A slot or child of the resource is unhealthy by the same recommendation."""
        place = self.step.result.resource_id
        parts = []
        for other in self.context.others:
            is_below = contains(place, other.resource_id) and id_key(other.resource_id) != id_key(place)
            if is_below and fold(other.key) == fold(self.status.key):
                parts.append(f"unhealthy: {other.resource_id}")
        if not self.status.is_unhealthy or not parts:
            return None
        return self._diagnosis(
            Cause.SLOT_OR_CHILD_RESOURCE,
            "a slot or child of the resource is unhealthy by the same recommendation",
            *_few(parts),
            advice="plan the recommendation for the resources in the evidence",
        )

    def another_rule(self) -> Diagnosis | None:
        """The recommendation is not one of Defender's own."""
        about = self.context.metadata(self.status.key)
        kind = fold(about.assessment_type or "") if about else ""
        if about is None or not self.status.is_unhealthy or kind not in _CUSTOM | _REPORTED:
            return None
        evidence = [f"assessment type {about.assessment_type}"]
        evidence += [about.policy_definition_id] if about.policy_definition_id else []
        if kind in _CUSTOM:
            message = "the recommendation is a custom one with a rule of its own"
            advice = "read the rule of its policy: it may require more than the fix writes"
        else:
            message = "the recommendation is not assessed by Defender for Cloud but reported to it"
            advice = "let its source report again"
        return self._diagnosis(Cause.ANOTHER_INITIATIVE, message, *evidence, advice=advice)

    def same_demand(self) -> Diagnosis | None:
        """Another recommendation on the resource comes from the same policy definition, or has the same name."""
        same = [found for found in self.context.others if self._demands_the_same(found)]
        if not self.status.is_unhealthy or not same:
            return None
        named = [redact_text(f"also unhealthy: {found.display_name or found.key} ({found.key})") for found in same]
        return self._diagnosis(
            Cause.ANOTHER_INITIATIVE,
            "another recommendation requires the same of the resource and is unhealthy too",
            *_few(named),
            advice="read those in the evidence: what they require may differ from what the fix writes",
        )

    def _demands_the_same(self, found: Assessment) -> bool:
        if fold(found.key) == fold(self.status.key) or id_key(found.resource_id) != id_key(
            self.step.result.resource_id
        ):
            return False
        ours, theirs = self.context.metadata(self.status.key), self.context.metadata(found.key)
        policy = fold_or_none(ours.policy_definition_id) if ours else None
        if policy and theirs and fold_or_none(theirs.policy_definition_id) == policy:
            return True
        name = self.status.assessment.display_name if self.status.assessment else None
        return bool(name) and fold_or_none(name) == fold_or_none(found.display_name)

    def not_our_property(self) -> Diagnosis | None:
        """Defender assessed the compliant resource again, and something that the fix does not write is unhealthy."""
        if not self.status.is_unhealthy:
            return None
        if self._changed_since():
            message = "Defender for Cloud assessed it again after the change, and it is still unhealthy"
        else:
            message = "Defender for Cloud had twice the time that an assessment takes, and it is still unhealthy"
        holds = f"the condition of the fix holds since {moment(self.step.since)}"
        return attrs.evolve(
            self._diagnosis(
                Cause.NOT_OUR_PROPERTY,
                message,
                advice="something that the fix does not write is missing: see the evidence and the manual remediation steps",
            ),
            evidence=(holds, *self._evidence(), *self.context.unread),
        )

    def _changed_since(self) -> bool:
        """Whether Defender's status changed so long after the write that it rests on what was written."""
        changed = self.status.assessment.changed if self.status.assessment else None
        usual = timedelta(seconds=self.context.freshness_interval(self.status.key).usual)
        return changed is not None and changed >= self.step.since + usual

    def _diagnosis(
        self, cause: Cause, message: str, *evidence: str, advice: str | None = None, recheck_at: datetime | None = None
    ) -> Diagnosis:
        return Diagnosis(
            cause=cause,
            message=message,
            evidence=(*evidence, *self._evidence()),
            advice=advice,
            recheck_at=recheck_at,
        )

    def _evidence(self) -> tuple[str, ...]:
        """What Defender reports, and which errors there were."""
        lines = []
        found = self.status.assessment
        if found is not None:
            line = f"{found.display_name or self.status.key}: {found.status}"
            line += f", cause {found.cause}" if found.cause else ""
            line += f": {found.description}" if found.description else ""
            lines.append(line)
            if found.changed is not None:
                lines.append(f"Defender for Cloud reports this since {moment(found.changed)}")
        lines += [error for error in (self.status.error, self.step.error) if error]
        return tuple(map(redact_text, lines))


def _few(lines: list[str]) -> list[str]:
    rest = len(lines) - _MOST_EVIDENCE
    return [*lines[:_MOST_EVIDENCE], f"and {rest} more"] if rest > 0 else lines
