"""What is worth doing first: points that really come, then risk, severity and effort.

A control pays for a resource only when its last unhealthy recommendation is fixed there, so a recommendation adds points
alone only where nothing else of the same control is unhealthy. Preview recommendations and controls without a maximum
add none.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import OpenEnum
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import Effort, Recommendation, RiskLevel, Severity

_RISKS = (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW)
_SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_EFFORTS = (Effort.LOW, Effort.MODERATE, Effort.HIGH)


class Tally:
    """Counts, resource by resource, which recommendations are unhealthy together.

    Holds some bytes per control and unhealthy resource, never the findings themselves: a finding may be dropped once it
    was added. The same finding may be added twice.
    """

    def __init__(self, controls: Iterable[SecurityControl]) -> None:
        self._controls = tuple(controls)
        self._numbers: dict[str, int] = {}
        self._sets: dict[tuple[int, ...], tuple[int, ...]] = {(): ()}
        self._together: dict[tuple[int, bytes], tuple[int, ...]] = {}
        self._controls_of: dict[str, list[int]] = {}
        for number, control in enumerate(self._controls):
            for key in {fold(key) for key in control.recommendation_keys} if control.max_score > 0 else ():
                self._controls_of.setdefault(key, []).append(number)

    def add(self, key: str, resource_id: str) -> None:
        """Take in that a resource is unhealthy on a recommendation."""
        folded = fold(key)
        numbers = self._controls_of.get(folded)
        if not numbers:
            return
        own = self._numbers.setdefault(folded, len(self._numbers))
        # Ids are long and there may be a million of them.
        resource = hashlib.blake2b(fold(resource_id).encode(errors="surrogatepass"), digest_size=12).digest()
        for number in numbers:
            others = self._together.get((number, resource), ())
            if own not in others:
                grown = tuple(sorted((*others, own)))
                self._together[number, resource] = self._sets.setdefault(grown, grown)

    def sets(self, ignored: Iterable[str] = ()) -> Counter[tuple[int, frozenset[str]]]:
        """How many resources have just this set of keys unhealthy in a control, by the control's number and the set.

        Keys in ``ignored`` count as if they were healthy everywhere.
        """
        out = {fold(key) for key in ignored}
        names = list(self._numbers)
        found: Counter[tuple[int, frozenset[str]]] = Counter()
        for (number, _), together in self._together.items():
            keys = frozenset(names[own] for own in together) - out
            if keys:
                found[number, keys] += 1
        return found

    @property
    def controls(self) -> Sequence[SecurityControl]:
        """The controls, by their numbers."""
        return self._controls


@attrs.define
class _Gain:
    """What one recommendation adds in one control."""

    control: SecurityControl
    alone: int = 0
    shared: int = 0
    partners: Counter[str] = attrs.field(factory=Counter)


def rank(recommendations: Iterable[Recommendation], tally: Tally) -> list[Recommendation]:
    """The recommendations in the order in which they are worth doing, each with its priority. Total and stable.

    Points that come at once first, then risk level, severity, effort (low first), display name and key.
    """
    found = list(recommendations)
    names = {fold(item.key): item.display_name for item in found}
    gains = _gains(tally, (item.key for item in found if item.preview))
    ranked = [
        attrs.evolve(item, priority=_priority(item, tuple(gains.get(fold(item.key), {}).values()), names))
        for item in found
    ]
    return sorted(ranked, key=_order)


def _gains(tally: Tally, previews: Iterable[str]) -> dict[str, dict[int, _Gain]]:
    gains: dict[str, dict[int, _Gain]] = {}
    for (number, keys), count in sorted(
        tally.sets(previews).items(), key=lambda item: (item[0][0], sorted(item[0][1]))
    ):
        for key in keys:
            gain = gains.setdefault(key, {}).setdefault(number, _Gain(tally.controls[number]))
            if len(keys) == 1:
                gain.alone += count
            else:
                gain.shared += count
                gain.partners.update(dict.fromkeys(keys - {key}, count))
    return gains


def _priority(item: Recommendation, gains: Sequence[_Gain], names: Mapping[str, str]) -> Priority:
    points = sum((gain.alone * gain.control.points_per_resource for gain in gains), 0.0)
    shared = sum((gain.shared * gain.control.points_per_resource for gain in gains), 0.0)
    reasons = [_points(item, gains, points)]
    if shared:
        reasons.append(f"{shared:.2f} points more once {_partners(gains, names)} fixed on the same resources too")
    if item.risk_level:
        reasons.append(f"risk level {item.risk_level}")
    reasons.append(f"severity {item.severity}" if item.severity else "severity not known")
    if item.implementation_effort:
        reasons.append(f"{str(item.implementation_effort).lower()} effort to implement")
    return Priority(points=points, shared_points=shared, reasons=tuple(reasons))


def _points(item: Recommendation, gains: Sequence[_Gain], points: float) -> str:
    if item.preview:
        return "preview: does not count for the score"
    if not item.controls:
        return "belongs to no control, so it adds no points"
    if points:
        where = ", ".join(
            f"{gain.alone} {'resource' if gain.alone == 1 else 'resources'} in {gain.control.display_name}"
            for gain in gains
            if gain.alone
        )
        return f"adds {points:.2f} points alone ({where})"
    if gains:
        return "adds no points alone: something else of its control is unhealthy on the same resources"
    if not item.unhealthy_count:
        return "adds no points: nothing is unhealthy"
    return f"its {'control is' if len(item.controls) == 1 else 'controls are'} worth 0 points"


def _partners(gains: Sequence[_Gain], names: Mapping[str, str]) -> str:
    partners: Counter[str] = Counter()
    for gain in gains:
        partners.update(gain.partners)
    first = min(partners, key=lambda key: (-partners[key], names.get(key) or key, key))
    more = len(partners) - 1
    name = names.get(first) or first
    return f"{name} is" if not more else f"{name} and {more} {'other' if more == 1 else 'others'} are"


def _order(item: Recommendation) -> tuple[float, int, int, int, str, str]:
    return (
        # Sums of fractions differ in their last digits although they are the same points.
        -round(item.priority.points, 6),
        _place(item.risk_level, _RISKS),
        _place(item.severity, _SEVERITIES),
        _place(item.implementation_effort, _EFFORTS),
        fold(item.display_name),
        fold(item.key),
    )


def _place(word: OpenEnum | None, words: Sequence[OpenEnum]) -> int:
    # A word that is missing, not known here, or says "None" comes last.
    return words.index(word) if word in words else len(words)
