"""What becomes of a fix once the resource is known: which of its variants applies, and what its link leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.candidates import Candidate, Refusal
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import look_up_all
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import SkipReason


def unfold(variants: Sequence[Candidate], resource: Any) -> tuple[Candidate | Refusal, ...]:
    """The candidates that the variants of one fix come to on one resource.

    Args:
        variants: All of them, in the order of the catalog; one when the fix has no variants.
        resource: The body of the resource.

    Returns:
        The first variant that applies; for a linked fix a candidate for each resource that is linked to. Else why not.
    """
    chosen = next((variant for variant in variants if _applies(variant, resource)), None)
    if chosen is None:
        return (Refusal(candidate=variants[0], reason=SkipReason.NOT_APPLICABLE, message=_none_applies(variants)),)
    if chosen.obstacle is not None:
        return (Refusal(candidate=chosen, reason=chosen.obstacle.reason, message=chosen.obstacle.message),)
    return _linked(chosen, resource) if chosen.fix.linked else (chosen,)


def _applies(candidate: Candidate, resource: Any) -> bool:
    return candidate.fix.applies_when is None or holds(candidate.fix.applies_when, resource)


def _none_applies(variants: Sequence[Candidate]) -> str:
    if len(variants) == 1:
        return f"applies when {variants[0].fix.applies_when}"
    cases = "; ".join(f"{variant.fix.variant} applies when {variant.fix.applies_when}" for variant in variants)
    return f"no variant of the fix applies: {cases}"


def _linked(candidate: Candidate, resource: Any) -> tuple[Candidate | Refusal, ...]:
    ids = {fold(str(found)): found for found in look_up_all(resource, candidate.fix.linked) if found is not None}
    if not ids:
        message = f"it has nothing at {candidate.fix.linked}"
        return (Refusal(candidate=candidate, reason=SkipReason.NOT_APPLICABLE, message=message),)
    return tuple(_one_linked(candidate, found) for found in ids.values())


def _one_linked(candidate: Candidate, found: Any) -> Candidate | Refusal:
    wanted = candidate.fix.linked_type
    try:
        linked = ResourceId.parse(found)
    except InvalidResourceIdError as error:
        return Refusal(candidate=candidate, reason=SkipReason.NOT_APPLICABLE, message=error.message)
    if fold(linked.type) != fold(wanted):
        message = f"{linked} is a {linked.type}, and the fix is for a {wanted}"
        return Refusal(candidate=candidate, reason=SkipReason.NOT_APPLICABLE, message=message)
    return attrs.evolve(candidate, linked_id=linked.text)
