"""Whether the resource groups of the scopes exist, for a plan that found nothing."""

from __future__ import annotations

from collections.abc import Iterable

from defender_remediate.arm.reader import Reader
from defender_remediate.errors import DefenderRemediateError, InvalidScopeError, NotFoundError
from defender_remediate.models.ids import ResourceId, Scope

_GROUPS_VERSION = "2021-04-01"


def check_groups_exist(reader: Reader, scopes: Iterable[Scope]) -> None:
    """Refuse a scope in a resource group that does not exist: its listings are empty, as if nothing had to be fixed.

    Makes one request for each scope that is in a resource group. A group that the caller may not read counts as one
    that exists. Permissions: ``Microsoft.Resources/subscriptions/resourceGroups/read``.

    Raises:
        InvalidScopeError: The resource group of a scope does not exist.
    """
    for scope in scopes:
        if scope.resource_group is None:
            continue
        group = ResourceId.parse(scope.text).group
        try:
            reader.get(str(group), api_version=_GROUPS_VERSION)
        except NotFoundError as error:
            raise InvalidScopeError(
                f"the resource group {scope.resource_group!r} of the scope {scope} does not exist",
                hint="check the spelling of the scope",
            ) from error
        except DefenderRemediateError:
            continue
