"""The keys of the host of a function app and of its functions. They open nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Web/sites"


def list_host_keys(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns the master key of a function app and its default key."""
    site = owner_of(tenant, call, captured, _TYPE)

    def key(name: str) -> str:
        digest = hashlib.sha512(f"{ids.key(site.id)}:{name}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:40]).decode()

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, site.id)
        keys = {"masterKey": key("master"), "functionKeys": {"default": key("default")}, "systemKeys": {}}
        return Reply.json(keys), False

    return logged(tenant, call, f"{_TYPE}/host/listkeys/action", site.id, work)


ROUTES = (
    Route(
        methods=("POST",),
        pattern=f"{ITEM}/{_TYPE}/{{name}}/host/default/listkeys",
        type=_TYPE,
        handler=list_host_keys,
        reads=False,
    ),
)
