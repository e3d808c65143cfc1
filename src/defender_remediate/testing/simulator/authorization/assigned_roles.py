"""Roles, and who has them where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from defender_remediate.testing.simulator.state import ids


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class DataRole:
    """A role with data actions, assigned to a principal at a scope. It gives the caller no rights.

    Attributes:
        name: The GUID of the role definition.
    """

    principal_id: str
    scope: str
    data_actions: tuple[str, ...]
    name: str = "00000000-0000-4000-8000-0000000000da"

    @property
    def definition_id(self) -> str:
        """The id of the role definition."""
        return f"/subscriptions/{ids.subscription_of(self.scope)}/providers/Microsoft.Authorization/roleDefinitions/{self.name}"

    def render(self) -> dict[str, Any]:
        """The assignment as Azure lists it."""
        return {
            "id": f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{self.name}",
            "name": self.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": self.definition_id,
                "principalId": self.principal_id,
                "principalType": "ServicePrincipal",
                "scope": self.scope,
                "condition": None,
            },
        }

    def render_definition(self) -> dict[str, Any]:
        """The definition of the role."""
        entry = {"actions": [], "notActions": [], "dataActions": list(self.data_actions), "notDataActions": []}
        return {
            "id": self.definition_id,
            "name": self.name,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {"roleName": "data role", "type": "CustomRole", "permissions": [entry]},
        }


@attrs.frozen(kw_only=True)
class RoleDefinition:
    """A role that can be assigned.

    Attributes:
        name: Its GUID.
        assignable: The scopes at which a custom role can be assigned.
    """

    name: str
    role_name: str
    description: str = ""
    actions: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    not_actions: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    data_actions: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    not_data_actions: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    assignable: tuple[str, ...] = ("/",)
    is_built_in: bool = True

    def id(self, scope: str) -> str:
        """Returns its id as seen from a scope: that of the subscription, or of the tenant above one."""
        subscription = ids.subscription_of(scope)
        base = f"/subscriptions/{subscription}" if subscription else ""
        return f"{base}/providers/Microsoft.Authorization/roleDefinitions/{self.name}"

    def render(self, scope: str) -> dict[str, Any]:
        """Returns the role as the API shows it at a scope."""
        entry = {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": list(self.not_data_actions),
        }
        return {
            "id": self.id(scope),
            "name": self.name,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.role_name,
                "type": "BuiltInRole" if self.is_built_in else "CustomRole",
                "description": self.description,
                "assignableScopes": list(self.assignable),
                "permissions": [entry],
            },
        }


@attrs.frozen(kw_only=True)
class RoleAssignment:
    """A role that a client assigned to a principal.

    Attributes:
        created_on: When, as the API writes it; None where no request assigned it in this tenant's time.
        created_by: The object id of the principal that assigned it.
    """

    scope: str
    name: str
    definition: RoleDefinition
    principal_id: str
    principal_type: str
    condition: str | None = None
    description: str | None = None
    created_on: str | None = None
    created_by: str | None = None
    updated_on: str | None = None
    updated_by: str | None = None

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{self.name}"

    def render(self) -> dict[str, Any]:
        """Returns the assignment as the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": self.definition.id(self.scope),
                "principalId": self.principal_id,
                "principalType": self.principal_type,
                "scope": self.scope,
                "condition": self.condition,
                "conditionVersion": None if self.condition is None else "2.0",
                "description": self.description,
                **self._history(),
            },
        }

    def _history(self) -> dict[str, Any]:
        if self.created_on is None:
            return {}
        return {
            "createdOn": self.created_on,
            "updatedOn": self.updated_on,
            "createdBy": self.created_by,
            "updatedBy": self.updated_by,
        }
