"""How far a change was proven, and why a recommendation is still not healthy afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import attrs

from defender_remediate.display import one_line
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value

_ALMOST_A_MINUTE = timedelta(seconds=59, microseconds=999999)


class Verification(StrEnum):
    """How far a result is proven. Each stage includes those before it.

    NOT_VERIFIED: nothing was written, or nothing was read afterwards. READ_BACK: the target was read, and the condition of
    the fix does not hold. COMPLIANT: it holds. CONFIRMED_BY_DEFENDER: it holds, and Defender for Cloud reports Healthy.
    """

    NOT_VERIFIED = "not_verified"
    READ_BACK = "read_back"
    COMPLIANT = "compliant"
    CONFIRMED_BY_DEFENDER = "confirmed_by_defender"


class Cause(StrEnum):
    """Why a recommendation is not healthy on a resource.

    NOT_ENOUGH_TIME, STALE and PREVIEW resolve without action. EXEMPT, OFF_BY_POLICY, NOT_APPLICABLE and NOT_ASSESSED:
    Defender does not assess it. SLOT_OR_CHILD_RESOURCE, ANOTHER_INITIATIVE and NOT_OUR_PROPERTY: Defender assessed it
    again, and something that the fix does not write is unhealthy. DELETED and REVERTED: the resource is not as the run left it. NOT_FIXED and
    ROLLED_BACK: the run left it unhealthy. RECORDED: the run wrote a decision or a setting of Defender, which is there, and not the resource.
    UNREADABLE: Azure refused to answer.
    """

    NOT_ENOUGH_TIME = "not_enough_time"
    STALE = "stale"
    PREVIEW = "preview"
    EXEMPT = "exempt"
    OFF_BY_POLICY = "off_by_policy"
    NOT_APPLICABLE = "not_applicable"
    NOT_ASSESSED = "not_assessed"
    SLOT_OR_CHILD_RESOURCE = "slot_or_child_resource"
    ANOTHER_INITIATIVE = "another_initiative"
    NOT_OUR_PROPERTY = "not_our_property"
    DELETED = "deleted"
    REVERTED = "reverted"
    NOT_FIXED = "not_fixed"
    ROLLED_BACK = "rolled_back"
    RECORDED = "recorded"
    UNREADABLE = "unreadable"

    @property
    def ends_by_itself(self) -> bool:
        """Whether waiting is all there is to do."""
        return self in (Cause.NOT_ENOUGH_TIME, Cause.STALE, Cause.PREVIEW)


@notebook
@attrs.frozen(kw_only=True, str=False)
class Diagnosis(Value):
    """Why a recommendation is not healthy, on what evidence, and what to do.

    Attributes:
        message: What is known, in a sentence that is the same for all resources with this cause.
        evidence: What was read, such as Defender's status and description; secrets are hidden.
        advice: What the caller can do; None when there is nothing to do.
        recheck_at: When to verify again, in UTC; None when waiting changes nothing.
    """

    cause: Cause = attrs.field(converter=Cause)
    message: str
    evidence: tuple[str, ...] = ()
    advice: str | None = None
    recheck_at: datetime | None = None

    def __str__(self) -> str:
        """Two lines at most: the cause, and what to do."""
        advice = [self.advice] if self.advice else []
        if self.recheck_at is not None:
            advice.append(f"verify again after {moment(self.recheck_at)}")
        lines = [f"{self.cause.label}: {self.message}"]
        if advice:
            lines.append(f"-> {'; '.join(advice)}")
        return "\n".join(map(one_line, lines))


def moment(when: datetime) -> str:
    """A time as text, rounded up to the minute."""
    return f"{(when + _ALMOST_A_MINUTE).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


__all__ = ["Cause", "Diagnosis", "Verification", "moment"]
