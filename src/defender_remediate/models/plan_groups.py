"""The steps and skips of a plan, counted, and grouped so that what is equal is told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.models.check import CheckResult
from defender_remediate.models.ids import ResourceId, contains
from defender_remediate.models.step import RemediationStep, SkippedResource
from defender_remediate.serialization import Value

_SHORT = 8

Counts = tuple[tuple[str, int], ...]
"""Words with how often they occur, most frequent first."""


@attrs.frozen(kw_only=True)
class PlanSummary(Value):
    """How many steps and skips of a plan there are of each kind.

    Attributes:
        resources: How many resources are changed; several steps may change one.
        recommendations: Steps by title. A step that fixes two recommendations counts for both.
        types, impacts, rollbacks: Steps by resource type, impact and reversibility.
        skips: Skips by reason.
    """

    changes: int
    resources: int
    recommendations: Counts
    types: Counts
    impacts: Counts
    rollbacks: Counts
    skips: Counts


def summarize(steps: Iterable[RemediationStep], skipped: Iterable[SkippedResource]) -> PlanSummary:
    """Count the steps and skips of a plan."""
    changes = tuple(steps)
    return PlanSummary(
        changes=len(changes),
        resources=len({fold(step.resource_id) for step in changes}),
        recommendations=_counts(title for step in changes for title in dict.fromkeys(step.titles or step.keys)),
        types=_counts(step.resource_type for step in changes),
        impacts=_counts(step.impact.label for step in changes),
        rollbacks=_counts(step.reversibility.label for step in changes),
        skips=_counts(skip.reason.label for skip in skipped),
    )


def _counts(words: Iterable[str]) -> Counts:
    return tuple(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))


@attrs.frozen(kw_only=True)
class Place(Value):
    """Where a resource is, and its name there.

    Attributes:
        group: The resource group, with its subscription if the plan has several; empty for what is in no group.
        name: The name, with those of its parents, such as ``sql1/db1``; the whole id where it is not an Azure id.
        id: The whole id.
    """

    group: str
    name: str
    id: str


@attrs.frozen(kw_only=True)
class StepGroup(Value):
    """Steps that make the same change: they differ in their resources only.

    Attributes:
        first: One of them, which stands for all.
        lines: What they have in common, a line each: the request, every change, the impact and the rollback.
        places: Their targets, in the order of the steps.
    """

    first: RemediationStep
    lines: tuple[str, ...]
    steps: tuple[RemediationStep, ...]
    places: tuple[Place, ...]


def group_steps(steps: Iterable[RemediationStep], scope: Iterable[str] = ()) -> tuple[StepGroup, ...]:
    """The steps, grouped by what they change, in the order of the first step of each group.

    Args:
        steps: The steps.
        scope: The ids of scopes that the reader sees: a subscription in them need not be told again.
    """
    changes = tuple(steps)
    labels = subscription_labels((step.resource_id for step in changes), scope)
    groups: dict[object, list[RemediationStep]] = {}
    for step in changes:
        shared = step.shared_lines()
        groups.setdefault((step.titles, step.is_removal, fold(step.resource_type), *shared), []).append(step)
    return tuple(
        StepGroup(
            first=group[0],
            lines=tuple(group[0].shared_lines()),
            steps=tuple(group),
            places=tuple(_place_of_step(step, labels) for step in group),
        )
        for group in groups.values()
    )


@attrs.frozen(kw_only=True)
class SkipGroup(Value):
    """Skips with the same reason, check results and recommendations.

    Attributes:
        first: One of them, which stands for all; its check results have the evidence of all.
    """

    first: SkippedResource
    places: tuple[Place, ...]


def group_skips(skipped: Iterable[SkippedResource], scope: Iterable[str] = ()) -> tuple[SkipGroup, ...]:
    """The skips, grouped by what is said of them."""
    skips = tuple(skipped)
    labels = subscription_labels((skip.resource_id for skip in skips), scope)
    groups: dict[object, list[SkippedResource]] = {}
    for skip in skips:
        said = (skip.remark.text, skip.titles or skip.keys, *map(_said, skip.check_results))
        groups.setdefault(said, []).append(skip)
    found = []
    for group in groups.values():
        results = [_together(results) for results in zip(*(skip.check_results for skip in group), strict=True)]
        first = attrs.evolve(group[0], check_results=tuple(results))
        found.append(SkipGroup(first=first, places=tuple(place_of(skip.resource_id, labels) for skip in group)))
    return tuple(found)


def _together(results: Sequence[CheckResult]) -> CheckResult:
    """Results that say the same as one, with the evidence of all of them."""
    return attrs.evolve(results[0], evidence=tuple(dict.fromkeys(text for one in results for text in one.evidence)))


@attrs.frozen(kw_only=True)
class ResultGroup(Value):
    """A check result that steps share; the evidence of all of them."""

    result: CheckResult
    places: tuple[Place, ...]


def group_check_results(steps: Iterable[RemediationStep], scope: Iterable[str] = ()) -> tuple[ResultGroup, ...]:
    """The check results of the steps, each once with the targets that it is about."""
    changes = tuple(steps)
    labels = subscription_labels((step.resource_id for step in changes), scope)
    groups: dict[object, list[tuple[RemediationStep, CheckResult]]] = {}
    for step in changes:
        for result in step.check_results:
            groups.setdefault(_said(result), []).append((step, result))
    found = []
    for group in groups.values():
        places = tuple(place_of(step.resource_id, labels) for step, _ in group)
        found.append(ResultGroup(result=_together([result for _, result in group]), places=places))
    return tuple(found)


def _said(result: CheckResult) -> tuple[object, ...]:
    return (result.check, result.status, result.message, result.advice, result.waived_because)


def subscription_labels(resource_ids: Iterable[str], scope: Iterable[str]) -> Mapping[str, str]:
    """How to name the subscriptions of some resources, by their folded id.

    Not at all if all are in one that is told already. The first eight characters do if all are told already and no two
    share them.
    """
    found: dict[str, str] = {}
    for resource_id in resource_ids:
        parsed = _parsed(resource_id)
        if parsed is not None and parsed.subscription_id:
            found.setdefault(fold(parsed.subscription_id), parsed.subscription_id)
    told = set()
    for text in scope:
        parsed = _parsed(text)
        if parsed is not None and parsed.subscription_id:
            told.add(fold(parsed.subscription_id))
    if not found.keys() <= told:
        return found
    if len(found) < 2:
        return {}
    if len({key[:_SHORT] for key in found}) == len(found):
        return {key: f"{subscription[:_SHORT]}…" for key, subscription in found.items()}
    return found


def place_of(resource_id: str, subscriptions: Mapping[str, str]) -> Place:
    """Where a resource is. An id that is not one of Azure's stays whole.

    Args:
        resource_id: The id.
        subscriptions: How to name the subscriptions: see ``subscription_labels``.
    """
    parsed = _parsed(resource_id)
    if parsed is None:
        return Place(group="", name=resource_id, id=resource_id)
    segments = parsed.text.strip("/").split("/")
    heads = [fold(segment) for segment in segments]
    label = subscriptions.get(fold(parsed.subscription_id or ""))
    group = "/".join(part for part in (label, parsed.resource_group) if part)
    if "providers" not in heads:
        kind = "the resource group" if parsed.resource_group else "the subscription"
        return Place(group=group, name=kind, id=resource_id)
    names = segments[heads.index("providers") + 3 :: 2]
    return Place(group=group, name="/".join(names) or parsed.name, id=resource_id)


def _place_of_step(step: RemediationStep, subscriptions: Mapping[str, str]) -> Place:
    place = place_of(step.resource_id, subscriptions)
    if contains(step.resource_id, step.target_id):
        return attrs.evolve(place, id=step.target_id)
    target = place_of(step.target_id, subscriptions)
    return attrs.evolve(target, name=f"{target.name} (for {place.name})")


def _parsed(resource_id: str) -> ResourceId | None:
    try:
        return ResourceId.parse(resource_id)
    except InvalidResourceIdError:
        return None
