"""The template functions that read resources: ``reference`` and the ``list`` functions."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from defender_remediate.arm_template import TemplateError
from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import by_form
from defender_remediate.testing.simulator.deployments.order import Contents, Reads
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call

_WORKSPACES = "microsoft.operationalinsights/workspaces"
_OWN_KEYS = frozenset([_WORKSPACES, "microsoft.storage/storageaccounts"])


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
        is_own = function == "reference" or (found is not None and fold(found.type.name) in _OWN_KEYS)
        listed = None if is_own else _listed(tenant, function, resource_id, arguments)
        if listed is not None:
            return listed
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


def _listed(tenant: Tenant, function: str, resource_id: str, arguments: list[Any]) -> Any:
    """Returns what the operation behind a ``list`` function answers; None if no such operation is published."""
    if len(arguments) < 2 or not resource_id.startswith("/"):
        return None
    headers = {"content-type": "application/json"}
    content = json.dumps(arguments[2] if len(arguments) > 2 else {}).encode()
    call = Call.of("POST", f"https://template{resource_id}/{function}?api-version={arguments[1]}", headers, content)
    try:
        reply = by_form.handle(tenant, call)
    except ArmError as error:
        if error.reply.status == 404:
            return None
        raise
    return None if reply is None else reply.body


def _keys(resource: Resource) -> dict[str, Any]:
    """Two keys that are always the same for a resource, in the form of a workspace or in that of most other types."""
    first, second = (
        base64.b64encode(hashlib.sha256(f"{ids.key(resource.id)}:{number}".encode()).digest()).decode()
        for number in (1, 2)
    )
    if fold(resource.type.name) == _WORKSPACES:
        return {"primarySharedKey": first, "secondarySharedKey": second}
    return {"keys": [{"keyName": "key1", "value": first}, {"keyName": "key2", "value": second}]}
