"""The one operation of Azure Resource Graph: its scopes, its paging and its quota."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.graph.query import GraphQuery, QueryError
from defender_remediate.testing.simulator.graph.tables import COLUMNS, TABLES, rows
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

_MEMBERS = frozenset({"query", "subscriptions", "managementGroups", "options", "facets"})
_OPTIONS = frozenset({"$top", "$skip", "$skipToken", "resultFormat", "allowPartialScopes", "authorizationScopeFilter"})
_LIMIT = 1000


def query_resources(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Answers a query."""
    del captured
    headers = _quota(tenant)
    body = json_body(call)
    options = body.get("options") or {}
    unknown_names = sorted((set(body) - _MEMBERS) | (set(options) - _OPTIONS))
    if unknown_names:
        raise bad_request(tenant, "InvalidRequestContent", f"Unknown member '{unknown_names[0]}'.")
    try:
        query = GraphQuery.parse(str(body.get("query") or ""))
        if query.table not in TABLES:
            raise QueryError(f"Table {query.table} is invalid or not supported here", code="DisallowedLogicalTableName")
        subscriptions = _subscriptions(tenant, body)
        listed = rows(tenant, query.table, subscriptions, is_tenant_wide=not body.get("subscriptions"))
        found = query.run(listed, COLUMNS)
    except QueryError as error:
        raise bad_request(tenant, error.code, str(error)) from None
    return Reply.json(_page(tenant, body, options, found), headers=headers)


def _quota(tenant: Tenant) -> dict[str, str]:
    remaining, resets = tenant.graph_quota.take(tenant.clock.monotonic())
    headers = {
        "x-ms-user-quota-remaining": str(max(0, remaining)),
        "x-ms-user-quota-resets-after": f"00:00:{int(resets):02}",
    }
    if remaining < 0:
        detail = {
            "code": "RateLimiting",
            "message": "Client application has been throttled and should not attempt to repeat the request until an "
            "amount of time has elapsed.",
        }
        raise refusal(
            "RateLimiting",
            headers={**headers, "Retry-After": str(int(resets))},
            more={"details": [detail]},
            timestamp=tenant.clock.timestamp(),
            correlation=tenant.new_id(),
        )
    return headers


def bad_request(tenant: Tenant, code: str, message: str) -> ArmError:
    """Returns a 400 BadRequest whose details say what is wrong."""
    first = {
        "code": "InvalidQuery",
        "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the "
        "error before retrying.",
    }
    details = [first, {"code": code, "message": message}]
    return refusal(
        "GraphBadRequest",
        more={"details": details},
        timestamp=tenant.clock.timestamp(),
        correlation=tenant.new_id(),
    )


def _subscriptions(tenant: Tenant, body: Mapping[str, Any]) -> frozenset[str]:
    known = frozenset(tenant.store.subscriptions)
    named = body.get("subscriptions") or []
    groups = body.get("managementGroups") or []
    if not named and not groups:
        return known
    wanted = {fold(str(name)) for name in named}
    for name in groups:
        group = tenant.store.management_groups.get(fold(str(name)))
        wanted.update(group["subscriptions"] if group else ())
    if not wanted & known:
        raise bad_request(tenant, "NoValidSubscriptionsInQueryRequest", "No valid subscription in the request.")
    return frozenset(wanted & known)


def _page(
    tenant: Tenant, body: Mapping[str, Any], options: Mapping[str, Any], found: list[dict[str, Any]]
) -> dict[str, Any]:
    size = options.get("$top") or tenant.graph_page_size
    if not isinstance(size, int) or not 1 <= size <= _LIMIT:
        raise bad_request(tenant, "InvalidPagingOptions", f"$top is {size}, not 1 to {_LIMIT}.")
    # Without the id Azure cannot say where a page ended, so there is no second page.
    pageable = all("id" in row for row in found)
    start = _start(tenant, body, options)
    page = found[start : start + size]
    more = start + size < len(found)
    shown: dict[str, Any] = {
        "totalRecords": len(found),
        "count": len(page),
        "resultTruncated": "true" if more and not pageable else "false",
        "facets": [],
        "data": page if options.get("resultFormat", "objectArray") == "objectArray" else _table(page),
    }
    if more and pageable:
        shown["$skipToken"] = _token(body, start + size)
    return shown


def _table(page: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(page[0]) if page else []
    types = {str: "string", int: "integer", bool: "boolean"}
    columns = [{"name": name, "type": types.get(type(page[0][name]), "object")} for name in names]
    return {"columns": columns, "rows": [[row[name] for name in names] for row in page]}


def _print(body: Mapping[str, Any]) -> str:
    same = [body.get("query"), body.get("subscriptions"), body.get("managementGroups")]
    return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]


def _token(body: Mapping[str, Any], start: int) -> str:
    return base64.b64encode(json.dumps({"of": _print(body), "from": start}).encode()).decode()


def _start(tenant: Tenant, body: Mapping[str, Any], options: Mapping[str, Any]) -> int:
    token = options.get("$skipToken")
    if not token:
        skipped = options.get("$skip") or 0
        if not isinstance(skipped, int) or skipped < 0:
            raise bad_request(tenant, "InvalidPagingOptions", f"$skip is {skipped}, not 0 or more.")
        return skipped
    try:
        content = json.loads(base64.b64decode(str(token), validate=True))
        if content["of"] == _print(body):
            return int(content["from"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        pass
    raise bad_request(tenant, "InvalidSkipToken", "The $skipToken does not belong to this query and these scopes.")


ROUTES = (
    Route(
        methods=("POST",),
        pattern="/providers/Microsoft.ResourceGraph/resources",
        type="Microsoft.ResourceGraph/resources",
        handler=query_resources,
        throttled=False,
    ),
)
