"""What is worth doing first: points that really come, then risk, severity and effort.

A control pays for a resource only when its last unhealthy recommendation is fixed there, so a recommendation adds points
alone only where nothing else of the same control is unhealthy. Preview recommendations and controls without a maximum
add none. Individual recommendations count since 5 May 2026, in the controls that name their keys: no points are assumed for
others.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import OpenEnum
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.individual import RecommendationCategory, is_individual
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Effort, Severity
from defender_remediate.models.risk import RiskLevel

_RISKS = (RiskLevel.CRITICAL, RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW)
_SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
_EFFORTS = (Effort.LOW, Effort.MODERATE, Effort.HIGH)


class _Grouped(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def display_name(self) -> str | None: ...
    @property
    def category(self) -> RecommendationCategory | None: ...


def group_of(item: _Grouped) -> str:
    """What counts as one recommendation: a key, or the category and title of an individual one, whose keys are generated."""
    if item.category is None or not is_individual(item.category):
        return fold(item.key)
    # No key contains a line feed.
    return f"{fold(item.category)}\n{fold(item.display_name or item.key)}"


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
        self._renamed: dict[str, str] = {}
        self._controls_of: dict[str, list[int]] = {}
        for number, control in enumerate(self._controls):
            for key in {fold(key) for key in control.recommendation_keys} if control.max_score > 0 else ():
                self._controls_of.setdefault(key, []).append(number)

    def add(self, key: str, resource_id: str, group: str | None = None) -> None:
        """Take in that a resource is unhealthy on a recommendation; see ``group_of`` for the group, by default the key."""
        folded = fold(key)
        numbers = self._controls_of.get(folded)
        if not numbers:
            return
        own = self._numbers.setdefault(folded if group is None else group, len(self._numbers))
        resource = _digest(resource_id)
        for number in numbers:
            others = self._together.get((number, resource), ())
            if own not in others:
                grown = tuple(sorted((*others, own)))
                self._together[number, resource] = self._sets.setdefault(grown, grown)

    def rename(self, group: str, to: str) -> None:
        """Let a group count as another one from now on, together with it."""
        if group != to:
            self._renamed[group] = to

    def sets(self, ignored: Iterable[str] = ()) -> Counter[tuple[int, frozenset[str]]]:
        """How many resources have just this set of groups unhealthy in a control, by the control's number and the set.

        Groups in ``ignored`` count as if they were healthy everywhere.
        """
        out = {fold(group) for group in ignored}
        names = [self._renamed.get(group, group) for group in self._numbers]
        found: Counter[tuple[int, frozenset[str]]] = Counter()
        for (number, _), together in self._together.items():
            groups = frozenset(names[own] for own in together) - out
            if groups:
                found[number, groups] += 1
        return found

    def unhealthy_on(self, resource_id: str) -> Iterator[tuple[SecurityControl, tuple[str, ...]]]:
        """The controls in which a resource is unhealthy, each with the keys that are unhealthy there, in lower case."""
        names = list(self._numbers)
        resource = _digest(resource_id)
        for number, control in enumerate(self._controls):
            together = self._together.get((number, resource), ())
            if together:
                yield control, tuple(names[own] for own in together)

    @property
    def controls(self) -> Sequence[SecurityControl]:
        """The controls, by their numbers."""
        return self._controls


def _digest(resource_id: str) -> bytes:
    # Ids are long and there may be a million of them.
    return hashlib.blake2b(fold(resource_id).encode(errors="surrogatepass"), digest_size=12).digest()


@attrs.define
class _Gain:
    """What one recommendation adds in one control."""

    control: SecurityControl
    alone: int = 0
    shared: int = 0
    partners: Counter[str] = attrs.field(factory=Counter)


def rank(recommendations: Iterable[Recommendation], tally: Tally) -> list[Recommendation]:
    """The recommendations in the order in which they are worth doing, each with its priority. Total and stable.

    Points that come at once first, then risk level, whether the risk is contextual, resources on attack paths, severity,
    effort (low first), display name, key and category.
    """
    found = list(recommendations)
    names = {group_of(item): item.display_name for item in found}
    gains = _gains(tally, (group_of(item) for item in found if item.preview))
    # In place: of a very long list, two copies would not fit.
    for place, item in enumerate(found):
        gained = tuple(gains.get(group_of(item), {}).values())
        found[place] = attrs.evolve(item, priority=_priority(item, gained, names))
    found.sort(key=_order)
    return found


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
    if item.risk is not None and item.risk.level:
        factors = f": {', '.join(item.risk.factors)}" if item.risk.is_contextual and item.risk.factors else ""
        reasons.append(f"risk level {item.risk.level} ({item.risk.basis}{factors})")
    if item.on_attack_paths:
        one = item.on_attack_paths == 1
        reasons.append(f"{item.on_attack_paths} {'resource is' if one else 'resources are'} on an attack path")
    reasons.append(f"severity {item.severity}" if item.severity else "severity not known")
    if item.implementation_effort:
        reasons.append(f"{str(item.implementation_effort).lower()} effort to implement")
    return Priority(points=points, shared_points=shared, reasons=tuple(reasons))


def _points(item: Recommendation, gains: Sequence[_Gain], points: float) -> str:
    if item.preview:
        return "preview: does not count for the score"
    if not item.controls and item.is_individual:
        return "counts for the score, but no control names its keys, so its points are not known"
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


def _order(item: Recommendation) -> tuple[float, int, bool, int, int, int, str, str, str]:
    return (
        # Sums of fractions differ in their last digits although they are the same points.
        -round(item.priority.points, 6),
        _place(item.risk_level, _RISKS),
        item.risk is None or not item.risk.is_contextual,
        -item.on_attack_paths,
        _place(item.severity, _SEVERITIES),
        _place(item.implementation_effort, _EFFORTS),
        fold(item.display_name),
        fold(item.key),
        fold(item.category or ""),
    )


def _place(word: OpenEnum | None, words: Sequence[OpenEnum]) -> int:
    # A word that is missing, not known here, or says "None" comes last.
    return words.index(word) if word in words else len(words)
