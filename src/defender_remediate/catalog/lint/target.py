"""What a fix writes to: the type, the name, and whether it is a whole collection."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.fix import FixAction


@attrs.frozen(kw_only=True)
class Target:
    """Where a fix writes.

    Attributes:
        type: The resource type, as the fix spells it.
        name: The last name on the way; empty for a collection, or when only planning knows it.
        is_collection: Whether it names all resources of a type and not one of them.
    """

    type: str
    name: str = ""
    is_collection: bool = False


def target_of(fix: FixAction) -> Target:
    """What a fix reads and writes."""
    start = fix.linked_type or fix.resource_type
    segments = [part for part in fix.target.split("/") if part]
    if not segments:
        return Target(type=start)
    for parameter in fix.parameters:
        if segments[0] == f"${{{parameter.name}}}" and parameter.resource_type:
            start, segments = parameter.resource_type, segments[1:]
            break
    folded = [fold(part) for part in segments]
    if "providers" in folded:
        last = len(folded) - 1 - folded[::-1].index("providers")
        start, segments = segments[last + 1], segments[last + 2 :]
    is_collection = len(segments) % 2 == 1
    name = "" if is_collection or not segments else segments[-1]
    return Target(
        type="/".join([start, *segments[::2]]), name="" if "${" in name else name, is_collection=is_collection
    )
