"""Writes of transparent data encryption with the api-version 2014-04-01, which end at once."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.testing.simulator.arm import routes
from defender_remediate.testing.simulator.arm.checks import ITEM
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Sql/servers/databases/transparentDataEncryption"
_OLD = "2014-04-01"


def write(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Writes the encryption of a database; with the old api-version the answer is the new state, and later ones poll."""
    del captured
    reply = routes.handle(tenant, call)
    written = tenant.store.find(call.path)
    if call.api_version != _OLD or written is None:
        return reply
    return Reply.json({**written.identity(), "properties": json_body(call)["properties"]})


ROUTES = (
    Route(
        methods=("PUT",),
        pattern=f"{ITEM}/Microsoft.Sql/servers/{{server}}/databases/{{database}}/transparentDataEncryption/{{name}}",
        type=_TYPE,
        handler=write,
        reads=False,
    ),
)
