"""Writes of transparent data encryption with the api-version 2014-04-01, which end at once."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from defender_remediate.testing.simulator.arm import routes
from defender_remediate.testing.simulator.arm.checks import ITEM
from defender_remediate.testing.simulator.arm.routing import Route, find_type
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Sql/servers/databases/transparentDataEncryption"
_OLD = "2014-04-01"


def write(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Writes the encryption of a database; clients of the old api-version do not poll."""
    del captured
    target, kind = ids.path_of(call.path), find_type(tenant, call, _TYPE)
    assert target is not None  # the route has a type and a name
    routes.check_scope(tenant, target)
    if call.api_version == _OLD:
        kind = attrs.evolve(kind, operations={"create": "201", "update": "200"})
    return routes.write_resource(tenant, call, target, kind)


ROUTES = (
    Route(
        methods=("PUT",),
        pattern=f"{ITEM}/Microsoft.Sql/servers/{{server}}/databases/{{database}}/transparentDataEncryption/{{name}}",
        type=_TYPE,
        handler=write,
        reads=False,
    ),
)
