"""Legal holds of blob containers, and what a container shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_CONTAINERS = f"{_ACCOUNTS}/blobServices/containers"


def change_legal_hold(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Sets or clears tags of the legal hold of a container; returns the tags that it has then."""
    kind = f"{_ACCOUNTS}/{captured['account']}/blobServices/default/containers"
    container = owner_of(tenant, call, captured, kind)
    word = ids.segments(call.path)[-1]

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, container.id)
        tags = json_body(call).get("tags")
        if not isinstance(tags, list) or not tags or not all(isinstance(tag, str) for tag in tags):
            raise refusal("InvalidRequestContent", problem="'tags' is not a list of strings")
        body = container.render()
        hold: dict[str, Any] = body["properties"].get("legalHold") or {}
        kept = [one for one in hold.get("tags") or () if one.get("tag") not in tags]
        if fold(word) == "setlegalhold":
            kept += [{"tag": tag, "timestamp": tenant.clock.timestamp()} for tag in tags]
        shown = {"hasLegalHold": bool(kept), "tags": kept}
        properties = {**body["properties"], "hasLegalHold": bool(kept), "legalHold": shown}
        tenant.store.write(container.id, container.type, {**body, "properties": properties})
        return Reply.json({"hasLegalHold": bool(kept), "tags": [one["tag"] for one in kept]}), False

    return logged(tenant, call, f"{_CONTAINERS}/{word}/action", container.id, work)


ROUTES = tuple(
    Route(
        methods=("POST",),
        pattern=f"{ITEM}/{_ACCOUNTS}/{{account}}/blobServices/default/containers/{{name}}/{word}",
        type=_CONTAINERS,
        handler=change_legal_hold,
        reads=False,
    )
    for word in ("setLegalHold", "clearLegalHold")
)
