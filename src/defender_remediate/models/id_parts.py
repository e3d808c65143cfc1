"""The parts of an id as text, also of one that is not the id of a resource: the path of a collection, or what Azure names.

Nothing is raised for an id of another form. Where an id has to be that of a resource, ``ids.ResourceId`` reads it.
"""

from __future__ import annotations

from defender_remediate.casing import fold
from defender_remediate.models.ids import id_key

_PROVIDERS = "/providers/"


def subscription_of(resource_id: str) -> str:
    """The id of the subscription, folded; empty when the id is in none."""
    segments = id_key(resource_id).split("/", 3)
    return segments[2] if segments[1] == "subscriptions" and len(segments) > 2 else ""


def group_of(resource_id: str) -> str:
    """The id of the resource group, or of the subscription for what is in no group."""
    segments = [segment for segment in resource_id.split("/") if segment]
    is_grouped = len(segments) > 3 and fold(segments[2]) == "resourcegroups"
    return "/" + "/".join(segments[: 4 if is_grouped else 2])


def root_of(resource_id: str) -> str:
    """The top-level resource that an id belongs to; the id itself when it is one, or is above resources."""
    segments = [segment for segment in resource_id.split("/") if segment]
    heads = [segment for segment in fold(resource_id).split("/") if segment]
    return "/" + "/".join(segments[: heads.index("providers") + 4]) if "providers" in heads else resource_id


def type_of(resource_id: str) -> str:
    """The resource type of an id, in its own casing; for the path of a collection the type of its members.

    Empty for an id without a provider.
    """
    found = _after_provider(resource_id)
    return "/".join([*found[:1], *found[1::2]])


def name_of(resource_id: str) -> str:
    """The name in an id as Azure writes it: for a child with the names of its parents, such as ``server/database``."""
    return "/".join(_after_provider(resource_id)[2::2])


def _after_provider(resource_id: str) -> list[str]:
    # Folding keeps the length. The slash in front moves every place by one.
    start = f"/{fold(resource_id)}/".rfind(_PROVIDERS)
    if start < 0:
        return []
    return [segment for segment in resource_id[start + len(_PROVIDERS) - 1 :].split("/") if segment]
