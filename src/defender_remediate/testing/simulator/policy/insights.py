"""Microsoft.PolicyInsights: policy states and events, their summaries, evaluation on demand, and metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.operations import LOCATION, OperationForm, first_reply
from defender_remediate.testing.simulator.arm.routing import Route, positive_option
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.authorization.routes import scope_of
from defender_remediate.testing.simulator.monitor.audit import end, logged, outcome
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.policy import odata
from defender_remediate.testing.simulator.policy.compliance import NON_COMPLIANT, states
from defender_remediate.testing.simulator.policy.effects import version_of
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_INSIGHTS = "/providers/Microsoft.PolicyInsights"
_TYPE = "Microsoft.PolicyInsights"
_POLICY = re.compile(
    rf"(?P<owner>.*){AUTHORIZATION}/(?P<kind>policyAssignments|policyDefinitions|policySetDefinitions)/(?P<name>[^/]+)\Z",
    re.IGNORECASE,
)
_COLUMNS = {
    "policyassignments": "policyAssignmentId",
    "policydefinitions": "policyDefinitionId",
    "policysetdefinitions": "policySetDefinitionId",
}
_EXPANDS = re.compile(r"\s*(PolicyEvaluationDetails|components\(.*\))\s*\Z", re.IGNORECASE | re.DOTALL)
_EVALUATION = OperationForm(form=LOCATION, seconds=120.0, retry_after=15)
_MOST_ROWS = 1000


def _place(tenant: Tenant, captured: Mapping[str, str]) -> tuple[str, tuple[str, str] | None]:
    """Returns the scope of a query, and the column and the id of the assignment or definition that it is about."""
    found = _POLICY.match("/" + captured["scope"])
    if found is None:
        return scope_of(tenant, captured), None
    scope = scope_of(tenant, {"scope": found["owner"]}) if found["owner"] else ""
    return scope, (_COLUMNS[fold(found["kind"])], f"{scope}{AUTHORIZATION}/{found['kind']}/{found['name']}")


def _rows(tenant: Tenant, call: Call, captured: Mapping[str, str], action: str) -> tuple[list[odata.Row], str]:
    scope, about = _place(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/{action}", scope)
    expand = call.query.get("$expand", "")
    if expand and not _EXPANDS.match(expand):
        raise refusal("InvalidQueryOption", name="$expand", value=expand)
    rows: Iterable[odata.Row]
    if "events" in fold(action):
        rows = [_event(one) for one in tenant.policies.events if tenant.store.covers(scope, one["resourceId"])]
    else:
        rows = states(tenant, scope, details="policyevaluationdetails" in fold(expand))
    if about is not None:
        column, wanted = about
        rows = [row for row in rows if _same_definition(str(row[column]), wanted)]
    return _in_time(call, rows), scope


def _same_definition(held: str, wanted: str) -> bool:
    # A built-in definition is asked for below a subscription, where its id has none.
    return ids.key(held) == ids.key(wanted) or (
        held.startswith("/providers/") and ids.key(held) == ids.key(wanted[wanted.index(AUTHORIZATION) :])
    )


def _in_time(call: Call, rows: Iterable[odata.Row]) -> list[odata.Row]:
    start, stop = call.query.get("$from", ""), call.query.get("$to", "")
    return [row for row in rows if start <= row["timestamp"] and (not stop or row["timestamp"] <= stop)]


def query(action: str, resource: str) -> Callable[[Tenant, Call, Mapping[str, str]], Reply]:
    """Returns what lists the rows of a kind, with the query options of compliance data."""

    def handle(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
        """Lists the compliance of resources with policies, or what policies did to requests."""
        word = captured.get("resource", "default")
        if fold(word) not in ("default", "latest"):
            raise refusal("InvalidQueryOption", name=resource, value=word)
        rows, scope = _rows(tenant, call, captured, action)
        rows = _chosen(call, rows)
        top = positive_option(call, "$top")
        context = f"{call.base}{scope}{_INSIGHTS}/{resource}/$metadata#{word}"
        shown = [{**row, "@odata.context": f"{context}/$entity"} if "@odata.context" in row else row for row in rows]
        if top is not None:
            shown = shown[:top]
        start = _start(call)
        page = shown[start : start + _MOST_ROWS]
        body: dict[str, Any] = {"@odata.context": context, "@odata.count": len(page), "value": page}
        if start + _MOST_ROWS < len(shown):
            head, _, text = call.url.partition("?")
            kept = [part for part in text.split("&") if "skiptoken=" not in fold(part)]
            body["@odata.nextLink"] = f"{head}?{'&'.join(kept)}&%24skiptoken={call.token(start + _MOST_ROWS)}"
        return Reply.json(body)

    return handle


def _start(call: Call) -> int:
    start = call.start
    if start is None:
        raise refusal("InvalidQueryOption", name="$skiptoken", value=call.query["$skiptoken"])
    return start


def _chosen(call: Call, rows: list[odata.Row]) -> list[odata.Row]:
    if call.query.get("$filter"):
        test = odata.parse_filter(call.query["$filter"])
        rows = [row for row in rows if test(row)]
    if call.query.get("$apply"):
        rows = odata.applied(rows, call.query["$apply"])
    if call.query.get("$orderby"):
        rows = odata.ordered(rows, call.query["$orderby"])
    if call.query.get("$select"):
        rows = odata.selected(rows, call.query["$select"])
    return rows


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    policy = event["policy"]
    assignment, definition = policy.assignment, policy.definition
    properties = definition["properties"]
    is_set = policy.reference is not None
    return {
        "@odata.id": None,
        "@odata.context": None,
        "timestamp": event["timestamp"],
        "resourceId": event["resourceId"],
        "policyAssignmentId": assignment.id,
        "policyDefinitionId": definition["id"],
        "effectiveParameters": "",
        "isCompliant": event["isCompliant"],
        "subscriptionId": ids.subscription_of(event["resourceId"]),
        "resourceType": event["resourceType"],
        "resourceLocation": event["resourceLocation"],
        "resourceGroup": ids.group_of(event["resourceId"]),
        "resourceTags": "tbd",
        "policyAssignmentName": assignment.name,
        "policyAssignmentScope": assignment.scope,
        "policyDefinitionName": definition["name"],
        "policyDefinitionAction": event["effect"],
        "policyDefinitionCategory": (properties.get("metadata") or {}).get("category") or "tbd",
        "policyDefinitionVersion": version_of(properties),
        "policySetDefinitionId": assignment.definition_id if is_set else "",
        "policyDefinitionReferenceId": policy.reference or "",
        "complianceState": NON_COMPLIANT,
        "tenantId": TENANT_ID,
        "principalOid": CALLER_ID,
    }


def summarize(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Counts the resources and policies that are not compliant, for all and for each assignment and policy."""
    rows, scope = _rows(tenant, call, captured, "policyStates/summarize/read")
    if call.query.get("$filter"):
        test = odata.parse_filter(call.query["$filter"])
        rows = [row for row in rows if test(row)]
    context = f"{call.base}{scope}{_INSIGHTS}/policyStates/$metadata#summary"
    by_assignment = _divided(rows, "policyAssignmentId")
    assignments = [
        {
            "policyAssignmentId": held[0]["policyAssignmentId"],
            "policySetDefinitionId": held[0]["policySetDefinitionId"],
            "results": _results(call, held),
            "policyDefinitions": [
                {
                    "policyDefinitionId": inner[0]["policyDefinitionId"],
                    "policyDefinitionReferenceId": inner[0]["policyDefinitionReferenceId"],
                    "policyDefinitionGroupNames": inner[0]["policyDefinitionGroupNames"],
                    "effect": inner[0]["policyDefinitionAction"],
                    "results": _results(call, inner),
                }
                for inner in _divided(held, "policyDefinitionId", "policyDefinitionReferenceId")
            ],
            "policyGroups": _group_results(call, held),
        }
        for held in by_assignment
    ]
    top = positive_option(call, "$top")
    summary = {
        "@odata.id": None,
        "@odata.context": f"{context}/$entity",
        "results": _results(call, rows),
        "policyAssignments": assignments if top is None else assignments[:top],
    }
    return Reply.json({"@odata.context": context, "@odata.count": 1, "value": [summary]})


def _divided(rows: Iterable[odata.Row], *names: str) -> list[list[odata.Row]]:
    found: dict[tuple[str, ...], list[odata.Row]] = {}
    for row in rows:
        found.setdefault(tuple(fold(str(row[name])) for name in names), []).append(row)
    return list(found.values())


def _group_results(call: Call, rows: list[odata.Row]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row["policyDefinitionGroupNames"]))
    return [
        {
            "policyGroupName": name,
            "results": _results(call, [row for row in rows if name in row["policyDefinitionGroupNames"]]),
        }
        for name in names
    ]


def _results(call: Call, rows: list[odata.Row]) -> dict[str, Any]:
    failing = [row for row in rows if row["complianceState"] == NON_COMPLIANT]
    return {
        "queryResultsUri": call.url.replace("/summarize", "/queryResults"),
        "nonCompliantResources": len({ids.key(row["resourceId"]) for row in failing}),
        "nonCompliantPolicies": len(
            _divided(failing, "policyAssignmentId", "policyDefinitionId", "policyDefinitionReferenceId")
        ),
        "resourceDetails": _counted(_divided(rows, "resourceId")),
        "policyDetails": _counted(
            _divided(rows, "policyAssignmentId", "policyDefinitionId", "policyDefinitionReferenceId")
        ),
        "policyGroupDetails": [],
    }


def _counted(groups: list[list[odata.Row]]) -> list[dict[str, Any]]:
    """Counts groups of rows by the worst state in each."""
    counts: dict[str, int] = {}
    for held in groups:
        named = {row["complianceState"] for row in held}
        worst = next(
            (one for one in ("NonCompliant", "Error", "Unknown", "Protected", "Exempt") if one in named), "Compliant"
        )
        counts[fold(worst)] = counts.get(fold(worst), 0) + 1
    return [{"complianceState": name, "count": count} for name, count in counts.items()]


def trigger(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Starts an evaluation of a subscription or a resource group. What it would find is shown anyway."""
    scope = scope_of(tenant, captured)

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("POST", operation.action, scope)
        tenant.clock.monotonic()

        def finish(ending: str, moment: float) -> None:
            end(tenant, operation, *outcome(ending), moment=moment)

        running = tenant.operations.start(
            tenant.new_id(), _EVALUATION, f"{scope}{_INSIGHTS}/policyStates/latest", finish=finish
        )
        return first_reply(call, running, Reply(status=202)), True

    return logged(tenant, call, f"{_TYPE}/policyStates/triggerEvaluation/action", scope, work)


def list_tracked(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the resources that remediation or deployIfNotExists made."""
    scope = scope_of(tenant, captured)
    tenant.access.check_read(f"{_TYPE}/policyTrackedResources/queryResults/read", scope)
    rows = [one for one in tenant.policies.tracked if tenant.store.covers(scope, one["trackedResourceId"])]
    top = positive_option(call, "$top")
    return Reply.json({"value": rows if top is None else rows[:top], "nextLink": None})


_METADATA = (
    ("NIST_SP_800-53_R5_AC-2", "Access Control", "Account Management"),
    ("NIST_SP_800-53_R5_SC-8", "System and Communications Protection", "Transmission Confidentiality and Integrity"),
    ("Azure_Security_Benchmark_v3.0_DP-3", "Data Protection", "Encrypt sensitive data in transit"),
)


def _metadata(name: str, category: str, title: str) -> dict[str, Any]:
    return {
        "id": f"{_INSIGHTS}/policyMetadata/{name}",
        "name": name,
        "type": f"{_TYPE}/policyMetadata",
        "properties": {
            "metadataId": name.replace("_", " "),
            "category": category,
            "title": title,
            "owner": "Shared",
            "additionalContentUrl": None,
            "metadata": {},
        },
    }


def list_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the controls of regulations that policies refer to: a few stand for all."""
    del captured
    return tenant.page(call, [_metadata(*one) for one in _METADATA], size=positive_option(call, "$top"))


def get_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a control."""
    del tenant, call
    for one in _METADATA:
        if fold(one[0]) == fold(captured["name"]):
            shown = _metadata(*one)
            return Reply.json(
                {**shown, "properties": {**shown["properties"], "description": one[2], "requirements": ""}}
            )
    raise refusal("PolicyInsightsNotFound", kind="policy metadata", name=captured["name"])


def list_operations(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the operations of the provider."""
    del captured, call
    shown = [
        {
            "name": f"{route.type}/{'read' if route.reads else 'write'}",
            "display": {"provider": "Microsoft Policy Insights", "resource": route.type.partition("/")[2]},
        }
        for route in ROUTES
    ]
    del tenant
    return Reply.json({"@odata.count": len(shown), "value": shown})


_AT = f"/{{scope*}}{_INSIGHTS}"
ROUTES = (
    *(
        Route(methods=("POST",), pattern=f"{_AT}/{kind}/{{resource}}/{tail}", type=f"{_TYPE}/{kind}", handler=handler)
        for kind, tail, handler in (
            ("policyStates", "queryResults", query("policyStates/queryResults/read", "policyStates")),
            ("policyStates", "summarize", summarize),
            ("policyEvents", "queryResults", query("policyEvents/queryResults/read", "policyEvents")),
            ("policyTrackedResources", "queryResults", list_tracked),
        )
    ),
    Route(
        methods=("POST",),
        pattern=f"{_AT}/policyStates/latest/triggerEvaluation",
        type=f"{_TYPE}/policyStates",
        handler=trigger,
        reads=False,
    ),
    Route(
        methods=("GET",), pattern=f"{_INSIGHTS}/policyMetadata", type=f"{_TYPE}/policyMetadata", handler=list_metadata
    ),
    Route(
        methods=("GET",),
        pattern=f"{_INSIGHTS}/policyMetadata/{{name}}",
        type=f"{_TYPE}/policyMetadata",
        handler=get_metadata,
    ),
    Route(methods=("GET",), pattern=f"{_INSIGHTS}/operations", type=f"{_TYPE}/operations", handler=list_operations),
)
