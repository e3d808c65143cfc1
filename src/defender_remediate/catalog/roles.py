"""Builds least-privilege custom roles for a selection of fixes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.fix import FixAction
from defender_remediate.models.ids import Scope, ScopeKind, parse_scopes

if TYPE_CHECKING:
    from defender_remediate.preflight import Check

# What reading recommendations, planning and verifying need, whatever the fixes are. What the preflight checks need, they
# state themselves. The names are those of Azure's list of resource provider operations.
_ALWAYS = (
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
_LONGEST_NAME = 128


def role_definition(
    fixes: Iterable[FixAction],
    *,
    name: str,
    scopes: str | Scope | Iterable[str | Scope],
    checks: Iterable[Check] = (),
) -> dict[str, Any]:
    """A custom role; see ``Catalog.role_definition``.

    Raises:
        InvalidInputError: The name or a scope is not valid for a role.
    """
    selected = tuple(fixes)
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInputError(f"a role needs a name of 1 to {_LONGEST_NAME} characters, got {quoted(name)}")
    parsed = parse_scopes(scopes)
    management_groups = [scope for scope in parsed if scope.kind is ScopeKind.MANAGEMENT_GROUP]
    for scope in parsed:
        if scope.kind is ScopeKind.RESOURCE:
            raise InvalidInputError(
                f"a custom role cannot be scoped to a single resource, got {scope}", hint="pass its resource group"
            )
    if len(management_groups) > 1:
        raise InvalidInputError(
            "a custom role can have one management group only", hint="pass a management group above them"
        )
    # Azure compares actions without regard to case.
    once = {fold(action): action for action in _needed(selected, checks)}
    if management_groups:
        once[fold(_DESCENDANTS)] = _DESCENDANTS
    actions = [once[folded] for folded in sorted(once)]
    description = f"Reads recommendations of Defender for Cloud, plans, and applies {len(selected)} of their fixes."
    allowed = {"actions": actions, "notActions": [], "dataActions": [], "notDataActions": []}
    assignable = [scope.text for scope in parsed]
    return {
        # The Azure CLI reads these, the REST API and ARM templates read "properties".
        "name": name,
        "description": description,
        **allowed,
        "assignableScopes": assignable,
        "properties": {
            "roleName": name,
            "description": description,
            "type": "CustomRole",
            "assignableScopes": assignable,
            "permissions": [allowed],
        },
    }


def _needed(fixes: tuple[FixAction, ...], checks: Iterable[Check]) -> list[str]:
    """The actions of the fixes, of listing their parameter choices, and of their checks."""
    from defender_remediate.preflight import BUILT_IN_CHECKS, checks_with, permissions_for

    needed = [*_ALWAYS]
    types = [kind for fix in fixes for kind in (fix.resource_type, fix.linked_type) if kind]
    for check in checks_with(BUILT_IN_CHECKS, checks):
        needed += permissions_for(check, types)
    for fix in fixes:
        needed += fix.permissions
        for parameter in fix.parameters:
            if parameter.resource_type:
                needed.append(_RESOURCES)
            if parameter.same_location and parameter.resource_type:
                # The location is that of the top-level resource.
                needed.append("/".join([*parameter.resource_type.split("/")[:2], "read"]))
    return needed
