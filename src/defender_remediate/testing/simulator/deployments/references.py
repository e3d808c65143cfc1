"""The template functions that read resources: ``reference`` and the ``list`` functions."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from defender_remediate.arm_template import TemplateError
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.deployments.order import Contents, Reads
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant


def reader(tenant: Tenant) -> Reads:
    """Returns what answers these functions during a deployment, with the rights of the caller.

    Raises:
        ArmError: The caller may not read the resource, or not list its keys. Raised by what is returned.
    """

    def read(contents: Contents, function: str, arguments: list[Any]) -> Any:
        resource_id = contents.id_of(str(arguments[0])) if arguments else ""
        results = contents.outputs.get(ids.key(resource_id))
        if function == "reference" and results is not None:
            return {"provisioningState": "Succeeded", "mode": "Incremental", "outputs": results(read)}
        target = ids.path_of(resource_id)
        found = tenant.store.find(resource_id)
        if found is None or target is None:
            raise TemplateError(f"the resource '{resource_id}' in '{function}' is not defined, or it does not exist")
        if function == "reference":
            tenant.access.check_read(f"{found.type.name}/read", found.id)
            shown = found.render()
            is_full = len(arguments) > 2 and fold(str(arguments[2])) == "full"
            return shown if is_full else shown["properties"]
        action = {"listkeys": "listKeys", "listsecrets": "listSecrets"}.get(function, function)
        tenant.access.check_role(f"{found.type.name}/{action}/action", found.id)
        return _keys(found)

    return read


def _keys(resource: Resource) -> dict[str, Any]:
    """Two keys that are always the same for a resource, in the form of a workspace or in that of most other types."""
    first, second = (
        base64.b64encode(hashlib.sha256(f"{ids.key(resource.id)}:{number}".encode()).digest()).decode()
        for number in (1, 2)
    )
    if fold(resource.type.name) == "microsoft.operationalinsights/workspaces":
        return {"primarySharedKey": first, "secondarySharedKey": second}
    return {"keys": [{"keyName": "key1", "value": first}, {"keyName": "key2", "value": second}]}
