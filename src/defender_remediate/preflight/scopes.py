"""Where what ``Microsoft.Authorization`` attaches to a scope holds: locks, assignments and exemptions; and what an action is on."""

from __future__ import annotations

import re

from defender_remediate.casing import fold
from defender_remediate.models.ids import contains

_MANAGEMENT_GROUPS = "/providers/Microsoft.Management/managementGroups"
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


def is_action_on(action: str, resource_type: str) -> bool:
    """Whether an action such as ``Microsoft.Web/sites/config/write`` is on this type, above or below it."""
    return fold(action).split("/")[:2] == fold(resource_type).split("/")[:2]
