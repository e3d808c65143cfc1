"""What a fix writes to: its type, its name, and whether it is a collection."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.fix import FixAction


@attrs.frozen(kw_only=True)
class WriteTarget:
    """What a fix writes to.

    Attributes:
        type: The resource type, as the fix spells it.
        name: The name of the resource; None for a collection, or when only planning knows it.
        is_collection: Whether it is a collection of resources instead of one resource.
    """

    type: str
    name: str | None = None
    is_collection: bool = False


def write_target_of(fix: FixAction) -> WriteTarget:
    """What a fix reads and writes."""
    resource_type = fix.linked_type or fix.resource_type
    segments = [part for part in (fix.target or "").split("/") if part]
    if not segments:
        return WriteTarget(type=resource_type)
    for parameter in fix.parameters:
        if segments[0] == f"${{{parameter.name}}}" and parameter.resource_type:
            resource_type, segments = parameter.resource_type, segments[1:]
            break
    folded = [fold(part) for part in segments]
    if "providers" in folded:
        last = len(folded) - 1 - folded[::-1].index("providers")
        resource_type, segments = segments[last + 1], segments[last + 2 :]
    is_collection = len(segments) % 2 == 1
    is_named = bool(segments) and not is_collection and "${" not in segments[-1]
    return WriteTarget(
        type="/".join([resource_type, *segments[::2]]),
        name=segments[-1] if is_named else None,
        is_collection=is_collection,
    )
