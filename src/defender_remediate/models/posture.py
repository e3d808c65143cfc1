"""Whether Defender for Cloud evaluates a subscription at all: without that, an empty list says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.redaction import redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

FOUNDATIONAL = "FoundationalCspm"
"""The plan of foundational posture management, which is free."""
DEFENDER_CSPM = "CloudPosture"
"""The plan of Defender CSPM, which is paid and includes foundational posture management."""


@notebook
@attrs.frozen(kw_only=True, str=False)
class DefenderPlan(Value):
    """A Defender plan of a subscription, as Azure lists it.

    Attributes:
        name: Such as ``VirtualMachines`` or ``FoundationalCspm``.
        tier: ``Free`` or ``Standard``. ``Standard`` is on, which for ``FoundationalCspm`` costs nothing.
        sub_plan: Such as ``P2``; None for a plan without sub-plans, or one that is off.
        deprecated: Whether Azure refuses to enable it.
        replaced_by: The names of the plans that replace a deprecated one.
        coverage: ``FullyCovered``, ``PartiallyCovered`` or ``NotCovered``; None when Azure does not say.
    """

    name: str
    tier: str
    sub_plan: str | None = optional_text()
    deprecated: bool = False
    replaced_by: tuple[str, ...] = ()
    coverage: str | None = optional_text()

    @property
    def is_on(self) -> bool:
        """Whether it is on."""
        return fold(self.tier) == "standard"

    @classmethod
    def from_rest(cls, item: Mapping[str, Any]) -> DefenderPlan:
        """Decode one item of ``Microsoft.Security/pricings``."""
        properties = wire.pick(item, "properties")
        return cls(
            name=wire.name(item),
            tier=wire.text(properties, "pricingTier"),
            sub_plan=wire.text(properties, "subPlan"),
            deprecated=wire.flag(properties, "deprecated"),
            replaced_by=wire.strings(properties, "replacedBy"),
            coverage=wire.text(properties, "resourcesCoverageStatus"),
        )

    def __str__(self) -> str:
        parts = [self.tier or "no tier"]
        if self.sub_plan:
            parts.append(self.sub_plan)
        if self.deprecated:
            parts.append(f"deprecated, replaced by {', '.join(self.replaced_by) or 'another plan'}")
        return one_line(f"{self.name}: {', '.join(parts)}")


@notebook
@attrs.frozen(kw_only=True, str=False)
class SecurityConnector(Value):
    """A connector to another cloud or to a code host.

    Attributes:
        id: Its resource id.
        environment: Such as ``AWS``, ``GCP``, ``Github``, ``AzureDevOps`` or ``GitLab``, as Azure names it.
    """

    id: str = attrs.field(eq=fold)
    environment: str

    @classmethod
    def from_rest(cls, item: Mapping[str, Any]) -> SecurityConnector:
        """Decode one item of ``Microsoft.Security/securityConnectors``."""
        return cls(id=wire.text(item, "id"), environment=wire.text(wire.pick(item, "properties"), "environmentName"))

    def __str__(self) -> str:
        return one_line(f"{self.environment}: {self.id}")


class PostureIssue(StrEnum):
    """Why Defender for Cloud does not evaluate all of a subscription, or why that is not known."""

    SUBSCRIPTION_DISABLED = "subscription_disabled"
    PROVIDER_NOT_REGISTERED = "provider_not_registered"
    POSTURE_OFF = "posture_off"
    BENCHMARK_NOT_ASSIGNED = "benchmark_not_assigned"
    NEVER_EVALUATED = "never_evaluated"
    OFF_BY_POLICY = "off_by_policy"
    UNSUPPORTED_PLAN = "unsupported_plan"
    NOT_CHECKED = "not_checked"


_PARTIAL = (PostureIssue.OFF_BY_POLICY, PostureIssue.UNSUPPORTED_PLAN)


@notebook
@attrs.frozen(kw_only=True, str=False)
class PostureReason(Value):
    """One reason why an empty list of a subscription is not the same as a healthy subscription.

    Attributes:
        issue: The kind of reason.
        message: What was found.
        advice: What the caller can do.
    """

    issue: PostureIssue = attrs.field(converter=PostureIssue)
    message: str = attrs.field(converter=redact_text)
    advice: str

    def __str__(self) -> str:
        return one_line(f"{self.message}; {self.advice}")


@notebook
@attrs.frozen(kw_only=True, str=False)
class SubscriptionPosture(Value):
    """Whether Defender for Cloud evaluates a subscription, and with what. None stands for what could not be checked.

    Attributes:
        subscription_id: The GUID.
        provider_registered: Whether ``Microsoft.Security`` is registered.
        foundational: Whether foundational posture management is on.
        defender_cspm: Whether Defender CSPM is on.
        benchmark_assigned: Whether the Microsoft cloud security benchmark is assigned to the subscription or above it.
        plans: The Defender plans; None when they could not be read.
        connectors: The connectors to other clouds and code hosts. Without one nothing of those is evaluated.
        last_evaluated: The newest date on an assessment: it was evaluated then, and may have been again since. None when
            no assessment was found.
        assessments: How many assessments there are.
        off_by_policy: How many of them are not evaluated because their policy is disabled.
        unsupported_plan: How many of them are not evaluated because they need a Defender plan that is off.
        reasons: Why an empty list of this subscription is not the same as a healthy subscription, with what to do.
    """

    subscription_id: str
    provider_registered: bool | None
    foundational: bool | None
    defender_cspm: bool | None
    benchmark_assigned: bool | None
    plans: tuple[DefenderPlan, ...] | None
    connectors: tuple[SecurityConnector, ...] | None
    last_evaluated: datetime | None = None
    assessments: int | None = None
    off_by_policy: int = 0
    unsupported_plan: int = 0
    reasons: tuple[PostureReason, ...] = ()

    @property
    def is_evaluated(self) -> bool:
        """Whether Defender evaluates all of it. Only then is a recommendation that is not listed one that is healthy."""
        return not self.reasons

    @property
    def is_blind(self) -> bool:
        """Whether the reasons are about the whole subscription, not only about some of its assessments."""
        return any(issue not in _PARTIAL for issue in self.issues)

    @property
    def issues(self) -> tuple[PostureIssue, ...]:
        """The kinds of the reasons."""
        return tuple(reason.issue for reason in self.reasons)

    def lines(self) -> list[str]:
        """The subscription, the reasons with what to do, the plans that are on and the connectors, a line each."""
        state = "evaluated" if self.is_evaluated else "not fully evaluated: an empty list does not mean healthy"
        found = [f"subscription {self.subscription_id}: {state}"]
        for reason in self.reasons:
            found += [f"  - {reason.message}", f"    -> {reason.advice}"]
        if self.plans is not None:
            on = [plan for plan in self.plans if plan.is_on]
            found.append(f"  {counted(len(on), 'plan')} on: {'; '.join(map(str, on)) or 'none'}")
            found += [f"  {plan}" for plan in self.plans if plan.deprecated and not plan.is_on]
        if self.connectors is not None:
            found.append(f"  connectors: {'; '.join(map(str, self.connectors)) or 'none, so only Azure is evaluated'}")
        if self.last_evaluated is not None:
            found.append(f"  {self.assessments} assessments, the newest of {self.last_evaluated:%Y-%m-%d %H:%M} UTC")
        return [one_line(line) for line in found]

    def __str__(self) -> str:
        return "\n".join(self.lines())


def reasons_of(postures: Iterable[SubscriptionPosture]) -> tuple[str, ...]:
    """A sentence for each subscription and reason."""
    return tuple(f"subscription {one.subscription_id}: {reason}" for one in postures for reason in one.reasons)


class PostureWarning(UserWarning):
    """A listing is empty, and Defender for Cloud does not evaluate the subscription: that is not the same as healthy.

    Attributes:
        postures: The subscriptions that are not evaluated.
    """

    def __init__(self, postures: tuple[SubscriptionPosture, ...]) -> None:
        super().__init__(postures)
        self.postures = postures

    def __str__(self) -> str:
        parts = [
            f"subscription {posture.subscription_id}: {'; '.join(reason.message for reason in posture.reasons)}"
            for posture in self.postures
        ]
        return one_line(
            f"nothing was found, and that does not mean healthy: {' | '.join(parts)}. client.get_posture() says what to do"
        )
