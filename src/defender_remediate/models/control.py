"""Secure score and security controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@notebook
@attrs.frozen(kw_only=True)
class SecureScore(Value):
    """The secure score of a subscription, or of several.

    Attributes:
        current, max: Points; of several subscriptions the sums.
        percentage: A ratio from 0 to 1, rounded by Azure to four digits. Of several subscriptions it is their weighted
            average, as the portal shows it, and not ``current / max``.
        weight: How much this subscription counts in an average over several.
        subscription_count: How many subscriptions it is of.
    """

    current: float
    max: float
    percentage: float
    weight: float = 0.0
    name: str = "ascScore"
    display_name: str | None = optional_text()
    subscription_count: int = 1

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> SecureScore:
        """Decode one item of ``Microsoft.Security/secureScores``."""
        properties = wire.mapping(wire.pick(json, "properties"))
        score = wire.mapping(properties.get("score"))
        return cls(
            current=wire.number(score, "current"),
            max=wire.number(score, "max"),
            percentage=wire.number(score, "percentage"),
            weight=wire.number(properties, "weight"),
            name=wire.name(json),
            display_name=wire.text(properties, "displayName"),
        )

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> SecureScore:
        """Decode one Resource Graph row of type ``microsoft.security/securescores``."""
        return cls.from_rest(row)

    def __str__(self) -> str:
        points = f"{self.current:.2f} of {self.max:.2f} points"
        if self.subscription_count < 2:
            return f"{points} ({self.percentage:.0%})"
        return f"{points} ({self.percentage:.0%}, the weighted average of {self.subscription_count} subscriptions)"


@notebook
@attrs.frozen(kw_only=True)
class SecurityControl(Value):
    """A group of recommendations with a maximum score.

    A resource counts as healthy only when every recommendation of the control is healthy on it, so healthy and
    unhealthy counts are counts of resources, not of assessments.

    Attributes:
        name: The GUID of the control's definition, the same in every subscription.
        display_name: The name in the portal; the GUID where Azure sends no name.
        max_score, current_score: Points. The maximum is 0 when nothing in scope counts.
        potential_increase: Points that the control would still add.
        recommendation_keys: The assessment keys it groups; empty unless Azure was asked for the definition.
    """

    _computed: ClassVar[tuple[str, ...]] = ("potential_increase",)

    name: str = attrs.field(eq=fold)
    display_name: str
    max_score: float = 0.0
    current_score: float = 0.0
    healthy_count: int = 0
    unhealthy_count: int = 0
    not_applicable_count: int = 0
    recommendation_keys: tuple[str, ...] = ()

    @property
    def potential_increase(self) -> float:
        """``max * unhealthy / (healthy + unhealthy)``; 0 when no resource counts."""
        return self.points_per_resource * self.unhealthy_count

    @property
    def points_per_resource(self) -> float:
        """Points that one more healthy resource adds to the score."""
        counted = self.healthy_count + self.unhealthy_count
        return self.max_score / counted if counted else 0.0

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> SecurityControl:
        """Decode one item of ``Microsoft.Security/secureScoreControls``."""
        properties = wire.mapping(wire.pick(json, "properties"))
        score = wire.mapping(properties.get("score"))
        definition = wire.mapping(wire.mapping(properties.get("definition")).get("properties"))
        return cls(
            name=wire.name(json),
            display_name=wire.text(properties, "displayName") or wire.name(json),
            max_score=wire.number(score, "max"),
            current_score=wire.number(score, "current"),
            healthy_count=wire.count(properties, "healthyResourceCount"),
            unhealthy_count=wire.count(properties, "unhealthyResourceCount"),
            not_applicable_count=wire.count(properties, "notApplicableResourceCount"),
            recommendation_keys=_keys(definition),
        )

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> SecurityControl:
        """Decode one Resource Graph row of type ``microsoft.security/securescores/securescorecontrols``."""
        return cls.from_rest(row)

    def __str__(self) -> str:
        return one_line(
            f"{self.display_name}: {self.current_score:.2f} of {self.max_score:.2f} points, "
            f"+{self.potential_increase:.2f} possible ({self.unhealthy_count} unhealthy)"
        )


@notebook
@attrs.frozen(kw_only=True)
class ControlDefinition(Value):
    """The definition of a security control, independent of any subscription.

    Attributes:
        max_score: Points in full; a subscription's own maximum is 0 while nothing in it counts.
    """

    name: str = attrs.field(eq=fold)
    display_name: str
    description: str | None = optional_text()
    max_score: float = 0.0
    source_type: str = "BuiltIn"
    recommendation_keys: tuple[str, ...] = ()

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> ControlDefinition:
        """Decode one item of ``Microsoft.Security/secureScoreControlDefinitions``."""
        properties = wire.mapping(wire.pick(json, "properties"))
        return cls(
            name=wire.name(json),
            display_name=wire.text(properties, "displayName") or wire.name(json),
            description=wire.text(properties, "description"),
            max_score=wire.number(properties, "maxScore"),
            source_type=wire.text(wire.mapping(properties.get("source")), "sourceType"),
            recommendation_keys=_keys(properties),
        )


def _keys(definition: Mapping[str, Any]) -> tuple[str, ...]:
    listed = definition.get("assessmentDefinitions")
    links = (wire.text(item, "id") for item in listed) if isinstance(listed, (list, tuple)) else ()
    return tuple(link.rstrip("/").rpartition("/")[2] for link in links if link)
