"""The operations of Azure Resource Graph: queries with their scopes, paging, facets and quota."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.graph.facets import facet
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Deferred, Relation
from defender_remediate.testing.simulator.graph.kql.run import contains, run
from defender_remediate.testing.simulator.graph.kql.statements import parse
from defender_remediate.testing.simulator.graph.kql.syntax import Statement, Take
from defender_remediate.testing.simulator.graph.kql.values import Kind, plain
from defender_remediate.testing.simulator.graph.scopes import AT_AND_BELOW, SCOPE_FILTERS, scope_of
from defender_remediate.testing.simulator.graph.tables import CHANGED_BY_REQUESTS, GraphTables
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

_MEMBERS = frozenset({"query", "subscriptions", "managementGroups", "options", "facets"})
_OPTIONS = frozenset({"$top", "$skip", "$skipToken", "resultFormat", "allowPartialScopes", "authorizationScopeFilter"})
_FORMATS = ("objectArray", "table")
_WITH_ONE_GROUP = "2020-04-01-preview"
_CLOCK = re.compile(r"\b(now|ago)\s*\(")
_LIMIT = 1000
_COLUMN_TYPES = {
    Kind.BOOL: "boolean",
    Kind.INT: "integer",
    Kind.LONG: "integer",
    Kind.REAL: "number",
    Kind.DATETIME: "datetime",
    Kind.DYNAMIC: "object",
}


def query_resources(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Answers a query."""
    del captured
    headers = _quota(tenant)
    body = json_body(call)
    options = body.get("options") or {}
    _check_request(tenant, call.api_version, body, options)
    try:
        statement = parse(str(body.get("query") or ""))
        found = _result(tenant, body, options, statement)
    except QueryError as error:
        raise bad_request(tenant, [error.detail()]) from None
    answer = _page(tenant, body, options, found, is_limited=contains(statement, Take))
    now = tenant.clock.now()
    answer["facets"] = [facet(one, found, now) for one in body.get("facets") or []]
    return Reply.json(answer, headers=headers)


def _result(tenant: Tenant, body: Mapping[str, Any], options: Mapping[str, Any], statement: Statement) -> Relation:
    """The whole result, from which pages are cut; that of the last queries is kept until the tenant changes."""
    scope = scope_of(tenant, body, _scope_filter(options))
    if scope is None:
        raise _invalid(tenant, "NoValidSubscriptionsInQueryRequest", "No valid subscription in the request.")
    key = (body.get("query"), scope, tenant.graph_limits)
    revision, moment = tenant.revision(), tenant.clock.monotonic()
    kept = tenant.graph_kept
    found = kept.find(key, revision, moment, is_next_page=bool(options.get("$skipToken")))
    if found is None:
        tables = GraphTables(tenant, scope)
        found = run(statement, tables, now=tenant.clock.at(moment), limits=tenant.graph_limits)
        depends_on_time = _CLOCK.search(str(body["query"])) is not None or not tables.used <= CHANGED_BY_REQUESTS
        kept.put(key, revision, moment, found, depends_on_time=depends_on_time)
    return found


def _scope_filter(options: Mapping[str, Any]) -> str:
    text = fold(str(options.get("authorizationScopeFilter") or AT_AND_BELOW))
    return next(name for name in SCOPE_FILTERS if fold(name) == text)


def _check_request(tenant: Tenant, version: str, body: Mapping[str, Any], options: Any) -> None:
    if not isinstance(options, Mapping):
        raise _invalid(tenant, "InvalidRequestContent", "The member 'options' is not an object.")
    members = _MEMBERS | {"managementGroupId"} if version == _WITH_ONE_GROUP else _MEMBERS
    unknown_names = sorted((set(body) - members) | (set(options) - _OPTIONS))
    if unknown_names:
        raise _invalid(tenant, "InvalidRequestContent", f"Unknown member '{unknown_names[0]}'.")
    for name in ("subscriptions", "managementGroups", "facets"):
        if not isinstance(body.get(name) or [], list):
            raise _invalid(tenant, "InvalidRequestContent", f"The member '{name}' is not an array.")
    if not isinstance(options.get("allowPartialScopes") or False, bool):
        raise _invalid(tenant, "InvalidRequestContent", "allowPartialScopes is neither true nor false.")
    for name, known in (("resultFormat", _FORMATS), ("authorizationScopeFilter", SCOPE_FILTERS)):
        if fold(str(options.get(name) or known[0])) not in map(fold, known):
            raise _invalid(tenant, "InvalidRequestContent", f"{name} is '{options[name]}', not {' or '.join(known)}.")


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


def bad_request(tenant: Tenant, problems: Iterable[Mapping[str, Any]]) -> ArmError:
    """Returns a 400 BadRequest whose details say what is wrong."""
    first = {
        "code": "InvalidQuery",
        "message": "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the "
        "error before retrying.",
    }
    return refusal(
        "GraphBadRequest",
        more={"details": [first, *problems]},
        timestamp=tenant.clock.timestamp(),
        correlation=tenant.new_id(),
    )


def _invalid(tenant: Tenant, code: str, message: str) -> ArmError:
    return bad_request(tenant, [{"code": code, "message": message}])


def _page(
    tenant: Tenant, body: Mapping[str, Any], options: Mapping[str, Any], found: Relation, *, is_limited: bool
) -> dict[str, Any]:
    columns, rows = found.columns, found.whole()
    size = options.get("$top") or tenant.graph_page_size
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _LIMIT:
        raise _invalid(tenant, "InvalidPagingOptions", f"$top is {size}, not 1 to {_LIMIT}.")
    places = [place for place, column in enumerate(columns) if not column.is_hidden]
    # As documented: without the id, and with take or limit, there is no second page.
    pageable = not is_limited and any(columns[place].name == "id" for place in places)
    start = _start(tenant, body, options, is_limited=is_limited)
    page = [[_shown(row[place]) for place in places] for row in rows[start : start + size]]
    more = start + size < len(rows)
    shown: dict[str, Any] = {
        "totalRecords": len(rows),
        "count": len(page),
        "resultTruncated": "true" if more and not pageable else "false",
        "facets": [],
    }
    names = [columns[place].name for place in places]
    if fold(str(options.get("resultFormat") or "objectArray")) == "table":
        kinds = [_COLUMN_TYPES.get(columns[place].kind, "string") for place in places]
        listed = [{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)]
        shown["data"] = {"columns": listed, "rows": page}
    else:
        shown["data"] = [dict(zip(names, cells, strict=True)) for cells in page]
    if more and pageable:
        shown["$skipToken"] = _token(body, start + size)
    return shown


def _shown(cell: Any) -> Any:
    return cell.value() if isinstance(cell, Deferred) else plain(cell)


def _print(body: Mapping[str, Any]) -> str:
    same = [body.get(name) for name in ("query", "subscriptions", "managementGroups", "managementGroupId")]
    return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]


def _token(body: Mapping[str, Any], start: int) -> str:
    return base64.b64encode(json.dumps({"of": _print(body), "from": start}).encode()).decode()


def _start(tenant: Tenant, body: Mapping[str, Any], options: Mapping[str, Any], *, is_limited: bool) -> int:
    token, skipped = options.get("$skipToken"), options.get("$skip") or 0
    if isinstance(skipped, bool) or not isinstance(skipped, int) or skipped < 0:
        raise _invalid(tenant, "InvalidPagingOptions", f"$skip is {skipped}, not 0 or more.")
    if not token:
        return 0 if is_limited else skipped
    try:
        content = json.loads(base64.b64decode(str(token), validate=True))
        if content["of"] == _print(body):
            return skipped or int(content["from"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        pass
    raise _invalid(tenant, "InvalidSkipToken", "The $skipToken does not belong to this query and these scopes.")


def list_operations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the operations of the provider."""
    del captured
    shown = {
        "name": "Microsoft.ResourceGraph/resources/read",
        "display": {
            "provider": "Microsoft Resource Graph",
            "resource": "Resources",
            "operation": "Query resources",
            "description": "Submits a query on resources within specified subscriptions, management groups or tenant scope",
        },
    }
    return tenant.page(call, [shown])


_TYPE = "Microsoft.ResourceGraph/resources"
ROUTES = (
    Route(
        methods=("POST",),
        pattern="/providers/Microsoft.ResourceGraph/resources",
        type=_TYPE,
        handler=query_resources,
        throttled=False,
    ),
    Route(
        methods=("GET",), pattern="/providers/Microsoft.ResourceGraph/operations", type=_TYPE, handler=list_operations
    ),
)
