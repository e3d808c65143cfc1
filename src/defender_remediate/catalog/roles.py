"""The least that a caller has to be allowed for a selection of fixes, as a custom role of Azure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import FixAction
from defender_remediate.models.ids import ScopeKind, parse_scopes

# What reading recommendations, planning, the checks before a write and verifying ask for, whatever the fixes are. The
# names are those of Azure's own list of resource provider operations.
_ALWAYS = (
    "Microsoft.Authorization/denyAssignments/read",
    "Microsoft.Authorization/locks/read",
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Authorization/policyAssignments/read",
    "Microsoft.Authorization/policyDefinitions/read",
    "Microsoft.Authorization/policyExemptions/read",
    "Microsoft.Authorization/policySetDefinitions/read",
    # The list names it "read". Some error messages are said to name checkPolicyRestrictions/action, which no list has,
    # and a role with an action that Azure does not know is refused as a whole.
    "Microsoft.PolicyInsights/checkPolicyRestrictions/read",
    "Microsoft.Resources/subscriptions/providers/read",
    "Microsoft.Resources/subscriptions/read",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Security/assessmentMetadata/read",
    "Microsoft.Security/assessments/read",
    "Microsoft.Security/secureScoreControlDefinitions/read",
    "Microsoft.Security/secureScoreControls/read",
    "Microsoft.Security/secureScores/read",
)
_DESCENDANTS = "Microsoft.Management/managementGroups/descendants/read"
_RESOURCES = "Microsoft.Resources/subscriptions/resources/read"
# Before a storage account is closed, its containers tell whether a function app lives on it.
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers/read"
_STORAGE = "microsoft.storage/storageaccounts"
_LONGEST_NAME = 128


def role_definition(fixes: Iterable[FixAction], *, name: str, scopes: Iterable[str] | str) -> dict[str, Any]:
    """A custom role; see ``Catalog.role_definition``.

    Raises:
        InvalidInputError: The name or a scope is none that a role can have.
    """
    selected = tuple(fixes)
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInputError(f"a role has a name of 1 to {_LONGEST_NAME} characters, got {name!r}")
    places = parse_scopes(scopes if isinstance(scopes, str) else list(scopes))
    groups = [place for place in places if place.kind is ScopeKind.MANAGEMENT_GROUP]
    for place in places:
        if place.kind is ScopeKind.RESOURCE:
            raise InvalidInputError(f"no role is made for a single resource, got {place}", hint="name its group")
    if len(groups) > 1:
        raise InvalidInputError("a role can be made for one management group only", hint="name one above them")
    actions = [*_ALWAYS, *_asked_by(selected), *([_DESCENDANTS] if groups else [])]
    described = f"Reads recommendations of Defender for Cloud, plans, and applies {len(selected)} of their fixes."
    allowed = {"actions": _sorted(actions), "notActions": [], "dataActions": [], "notDataActions": []}
    assignable = [place.text for place in places]
    return {
        # The Azure CLI reads these, the REST API and ARM templates read "properties".
        "name": name,
        "description": described,
        **allowed,
        "assignableScopes": assignable,
        "properties": {
            "roleName": name,
            "description": described,
            "type": "CustomRole",
            "assignableScopes": assignable,
            "permissions": [allowed],
        },
    }


def _asked_by(fixes: Iterable[FixAction]) -> Iterator[str]:
    for fix in fixes:
        yield from fix.permissions
        if fold(fix.resource_type).startswith(_STORAGE):
            yield _CONTAINERS
        for parameter in fix.parameters:
            if parameter.resource_type:
                yield _RESOURCES
            if parameter.same_location and parameter.resource_type:
                # Its location is that of the resource at the top.
                yield "/".join([*parameter.resource_type.split("/")[:2], "read"])


def _sorted(actions: Iterable[str]) -> list[str]:
    # Azure compares actions without regard to case.
    once = {fold(action): action for action in actions}
    return [once[folded] for folded in sorted(once)]
