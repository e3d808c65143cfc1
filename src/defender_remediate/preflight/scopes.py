"""Which id is above which, whatever its case: ids of resources, of scopes, and of what is attached to a scope."""

from __future__ import annotations

import re

from defender_remediate.casing import fold
from defender_remediate.models.ids import contains

_MANAGEMENT_GROUP = ("providers", "microsoft.management", "managementgroups")
_ATTACHED = re.compile(r"/providers/Microsoft\.Authorization/", re.IGNORECASE)


def parts(place: str) -> tuple[str, ...]:
    """The segments of an id, in lower case."""
    return tuple(segment for segment in fold(place).split("/") if segment)


def covers(scope: str, place: str) -> bool:
    """Whether what is attached to a scope also holds at a place: segment by segment, whatever the case.

    The tenant's root and management groups cover everything here: Azure lists what is attached to them only for the
    subscriptions below them.
    """
    return parts(scope)[:3] == _MANAGEMENT_GROUP or lies_in(place, scope)


def lies_in(place: str, scope: str) -> bool:
    """Whether the ids alone say that a place is a scope or below it; what is in a management group they do not say."""
    return contains(scope, place)


def scope_of(attached: str) -> str:
    """What a lock, an assignment or an exemption is attached to: all of its id before its own provider."""
    found = list(_ATTACHED.finditer(attached))
    return attached[: found[-1].start()] if found else attached


def subscription_of(place: str) -> str:
    """The id of the subscription, in lower case; empty when the place is in none."""
    found = parts(place)
    return found[1] if found[:1] == ("subscriptions",) and len(found) > 1 else ""


def group_of(place: str) -> str:
    """The resource group that a place is in, or the subscription when it is in no group."""
    segments = [segment for segment in place.split("/") if segment]
    is_grouped = len(segments) > 3 and fold(segments[2]) == "resourcegroups"
    return "/" + "/".join(segments[: 4 if is_grouped else 2])


def type_of(place: str) -> str:
    """The type of what an id names, in its own casing; of a collection the type of its members; empty for none."""
    segments = [segment for segment in place.split("/") if segment]
    heads = [at for at, segment in enumerate(segments) if fold(segment) == "providers"]
    if not heads:
        return ""
    own = segments[heads[-1] + 1 :]
    return "/".join([*own[:1], *own[1::2]])


def name_of(place: str) -> str:
    """The name of what an id names, as Azure writes it: of a child with those of its parents, ``server/database``."""
    segments = [segment for segment in place.split("/") if segment]
    heads = [at for at, segment in enumerate(segments) if fold(segment) == "providers"]
    return "/".join(segments[heads[-1] + 3 :: 2]) if heads else ""


def names_it(action: str, resource_type: str) -> bool:
    """Whether an action such as ``Microsoft.Web/sites/config/write`` is about this type, above or below it."""
    return parts(action)[:2] == parts(resource_type)[:2]
