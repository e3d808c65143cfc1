"""What a plan is expected to add to the secure score, computed from facts that the plan carries."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.models.ids import id_key
from defender_remediate.models.step import RemediationStep, SkippedResource, SkipReason
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@attrs.frozen(kw_only=True)
class ControlFacts(Value):
    """The points and the resources of one security control in one subscription, when the plan was made."""

    subscription_id: str
    name: str
    display_name: str
    current_score: float
    max_score: float
    healthy_count: int
    unhealthy_count: int

    @property
    def points_per_resource(self) -> float:
        """Points that one more healthy resource adds."""
        counted = self.healthy_count + self.unhealthy_count
        return self.max_score / counted if counted else 0.0


@attrs.frozen(kw_only=True)
class UnhealthyResource(Value):
    """The recommendations that keep one resource from counting as healthy in one control; previews do not count."""

    subscription_id: str
    control: str
    resource_id: str
    keys: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ScoreFacts(Value):
    """What the expected gain of a plan is computed from; read while it was planned.

    Attributes:
        current, max: The points of all subscriptions in scope.
        controls: Every control with a maximum, by subscription.
        unhealthy: The planned resources, once for each control in which they are unhealthy.
        unknown_because: Why the facts are missing; None when they are complete.
    """

    current: float = 0.0
    max: float = 0.0
    controls: tuple[ControlFacts, ...] = ()
    unhealthy: tuple[UnhealthyResource, ...] = attrs.field(default=(), repr=False)
    unknown_because: str | None = optional_text()


@attrs.frozen(kw_only=True)
class ControlForecast(Value):
    """One security control over all subscriptions, before and after a plan."""

    display_name: str
    current: float
    expected: float
    max: float

    @property
    def gain(self) -> float:
        """Points that the plan adds."""
        return self.expected - self.current


@notebook
@attrs.frozen(kw_only=True, str=False)
class ScoreForecast(Value):
    """The secure score before a plan, and as it is expected when Defender has assessed the changed resources again.

    A resource adds points to a control only when its last unhealthy recommendation there is fixed, so a plan may add
    fewer points than the potential increase of its controls.

    Attributes:
        current, expected, max: Points, summed over the subscriptions in scope.
        controls: Those with a maximum, highest gain first.
    """

    current: float
    expected: float
    max: float
    controls: tuple[ControlForecast, ...] = ()

    @property
    def gain(self) -> float:
        """Points that the plan adds."""
        return self.expected - self.current

    def __str__(self) -> str:
        return f"{self.current:.2f} -> {self.expected:.2f} of {self.max:.2f} points expected (+{self.gain:.2f})"


def forecast(
    facts: ScoreFacts, steps: Iterable[RemediationStep], skipped: Iterable[SkippedResource]
) -> ScoreForecast | None:
    """The score after these steps, by the rule of controls; None when the facts are missing. Pure.

    A recommendation counts as fixed on a resource when steps fix it there and none of its targets is skipped. One that
    was found compliant already counts as healthy, but adds nothing without a step.
    """
    if facts.unknown_because:
        return None
    planned = {(fold(key), id_key(step.resource_id)) for step in steps for key in step.keys}
    healthy_soon = set(planned)
    for skip in skipped:
        places = {(fold(key), id_key(skip.resource_id)) for key in skip.keys}
        if skip.reason is SkipReason.ALREADY_COMPLIANT:
            healthy_soon |= places
        else:
            planned -= places
            healthy_soon -= places
    newly_healthy: dict[tuple[str, str], int] = {}
    for one in facts.unhealthy:
        pairs = {(fold(key), id_key(one.resource_id)) for key in one.keys}
        if pairs <= healthy_soon and pairs & planned:
            place = (fold(one.subscription_id), fold(one.control))
            newly_healthy[place] = newly_healthy.get(place, 0) + 1
    controls: dict[str, ControlForecast] = {}
    gain = 0.0
    for control in facts.controls:
        count = newly_healthy.get((fold(control.subscription_id), fold(control.name)), 0)
        # Facts that were read at different moments may disagree by a resource.
        added = control.points_per_resource * min(count, control.unhealthy_count)
        # Azure rounds the current score.
        added = max(0.0, min(added, control.max_score - control.current_score))
        gain += added
        known = controls.get(fold(control.name))
        controls[fold(control.name)] = ControlForecast(
            display_name=control.display_name,
            current=control.current_score + (known.current if known else 0.0),
            expected=control.current_score + added + (known.expected if known else 0.0),
            max=control.max_score + (known.max if known else 0.0),
        )
    ranked = sorted(controls.values(), key=lambda one: (-round(one.gain, 6), fold(one.display_name)))
    return ScoreForecast(current=facts.current, expected=facts.current + gain, max=facts.max, controls=tuple(ranked))


def forecast_text(facts: ScoreFacts | None, found: ScoreForecast | None) -> str:
    """The expected score as text, or why it is not known."""
    if found is not None:
        return str(found)
    why = "this plan does not carry the score" if facts is None else facts.unknown_because
    return one_line(f"the expected gain is not known: {why}")
