"""How ids relate to the scopes above them, and to what ``Microsoft.Authorization`` attaches to a scope."""

from __future__ import annotations

import re

from defender_remediate.casing import fold
from defender_remediate.models.ids import contains, id_key

_MANAGEMENT_GROUPS = "/providers/Microsoft.Management/managementGroups"
_PROVIDERS = "/providers/"
_ATTACHED = re.compile(r"/providers/Microsoft\.Authorization/", re.IGNORECASE)


def covers(scope: str, inner: str) -> bool:
    """Whether what is attached to a scope also holds at an id.

    Management groups count as above every id: Azure lists what is attached to them for the subscriptions below them only.
    """
    return contains(_MANAGEMENT_GROUPS, scope) or contains(scope, inner)


def scope_of(attached: str) -> str:
    """What a lock, an assignment or an exemption is attached to: the part of its id before its own provider."""
    found = list(_ATTACHED.finditer(attached))
    return attached[: found[-1].start()] if found else attached


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


def is_action_on(action: str, resource_type: str) -> bool:
    """Whether an action such as ``Microsoft.Web/sites/config/write`` is on this type, above or below it."""
    return fold(action).split("/")[:2] == fold(resource_type).split("/")[:2]
