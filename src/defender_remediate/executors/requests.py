"""Builds and sends the requests of executors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.arm.deployments import API_VERSION
from defender_remediate.arm.operations import FinalVia, follow
from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import read_only_members, unknown_counters
from defender_remediate.errors import InvalidInputError, ParameterError
from defender_remediate.executors.protocol import PreviewContext, StepContext, Submission
from defender_remediate.fixes.candidates import resource_or_parent
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.drift import NEVER_SET
from defender_remediate.fixes.merge import difference, merge_patch, patched, without
from defender_remediate.fixes.paths import look_up
from defender_remediate.fixes.placeholders import fill
from defender_remediate.json_values import sha256, thaw
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.step import PlannedRequest
from defender_remediate.pauses import Waits
from defender_remediate.redaction import is_secret_name

ANY_ETAG = "*"
DEPLOYMENTS = "/providers/Microsoft.Resources/deployments/"

_NEVER_SENT = frozenset({"id", "name", "type", "resourcegroup", "subscriptionid"})
"""Top-level members, in lower case: Azure takes these from the URL. Some services return the last two as well."""

_MASK = re.compile(r"\*{3,}|<hidden>|\[hidden\]", re.IGNORECASE)
"""A value that stands for a secret. A connection string of which only the key is masked is kept: Azure takes it back."""


def plan_write(
    context: PreviewContext, before: Mapping[str, Any], after: Mapping[str, Any], *, if_match: str
) -> PlannedRequest:
    """The PATCH or PUT that turns one body of the target into another. Its body is the difference in both cases.

    Plans and journals therefore contain only members that a fix changes; ``request_to_send`` completes the body of a PUT.
    """
    is_put = context.kind is FixKind.PUT
    send_whole = () if is_put else tuple(dict.fromkeys(path for fix in context.fixes for path in fix.send_whole))
    left_out = [member for fix in context.fixes for member in fix.leave_out] if is_put else []
    leave_out = tuple(dict.fromkeys(one.path for one in left_out if one.when is None or holds(one.when, after)))
    return PlannedRequest(
        method="PUT" if is_put else "PATCH",
        path=context.target_id,
        api_version=context.fixes[0].api_version,
        body=difference(before, after) if is_put else merge_patch(before, after, send_whole=send_whole),
        is_merge_patch=is_put,
        if_match=if_match,
        send_whole=send_whole,
        leave_out=leave_out,
    )


def plan_deployment(context: PreviewContext) -> PlannedRequest:
    """The PUT that deploys a fix's template to the resource's group, or to its subscription if it has none.

    Raises:
        ParameterError: A deployment to a subscription needs a location, and the fix has none.
    """
    fix = context.fixes[0]
    resource = ResourceId.parse(context.resource_id)
    parameters = fill(fix.template_parameters, context.values)
    body: dict[str, Any] = {
        "properties": {
            "mode": "Incremental",
            "template": thaw(fix.template),
            "parameters": {name: {"value": thaw(value)} for name, value in parameters.items()},
        }
    }
    scope = resource.group
    if scope is None:
        scope = resource.subscription
        body["location"] = parameters.get("location")
        if not body["location"]:
            raise ParameterError(
                f"{fix.title!r} deploys to a subscription, so it needs a location",
                hint="give the fix a template parameter 'location'",
            )
    # The same deployment always has the same name: it is found again after a lost connection, and does not use up the
    # 800 entries of history that a scope may have.
    name = f"defender-remediate-{sha256([id_key(context.target_id), body['properties']])[:16]}"
    return PlannedRequest(method="PUT", path=f"{scope}{DEPLOYMENTS}{name}", api_version=API_VERSION, body=body)


def request_to_send(context: StepContext) -> PlannedRequest:
    """The request to send: for a PUT the complete body, and the etag of the last read of the target.

    The step does not depend on every member, so the target and its etag may have changed since it was planned.
    """
    request, before = context.step.request, context.before
    etag = look_up(before, "etag")
    if request.if_match and request.if_match != ANY_ETAG and isinstance(etag, str):
        request = attrs.evolve(request, if_match=etag)
    if not request.is_merge_patch:
        return request
    target = resource_or_parent(context.step.target_id)
    # Azure's own clients do not send what is read-only either, and some types refuse it.
    counters = unknown_counters(before, target.type, target.name)
    left_out = (*request.leave_out, *read_only_members(target.type, target.name), *counters)
    merged = without(patched(settled(before), request.body), left_out)
    return attrs.evolve(request, body=put_body(merged))


def put_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a body may be sent back: nothing that the URL says already, no state, and nothing that stands for a secret.

    Args:
        body: The target as it was read, with the change merged into it.
    """
    sent: dict[str, Any] = _sendable({name: item for name, item in body.items() if fold(name) not in _NEVER_SENT})
    return sent


def _sendable(value: Any, *, is_part: bool = False) -> Any:
    """A value without masks and, in a part of a resource that has an id of its own, without what Azure says of its state."""
    if isinstance(value, Mapping):
        own_id = value.get("id")
        has_id = isinstance(own_id, str) and fold(own_id).startswith("/subscriptions/")
        kept = {}
        for name, item in value.items():
            is_mask = isinstance(item, str) and _MASK.fullmatch(item) is not None
            is_state = (is_part or has_id) and fold(name) in NEVER_SET
            if not (is_mask or is_state or (item is None and is_secret_name(name))):
                kept[name] = _sendable(item, is_part=has_id and fold(name) == "properties")
        return kept
    return [_sendable(item) for item in value] if isinstance(value, (list, tuple)) else value


def send_removal(context: StepContext) -> Submission:
    """Send the DELETE of a step that removes what a run created, exactly once.

    Raises:
        InvalidInputError: The step would remove something other than its own target.
    """
    request = request_to_send(context)
    if id_key(request.path) != id_key(context.step.target_id):
        raise InvalidInputError(f"the step for {context.step.target_id} would remove {request.path} instead")
    return Submission(response=context.session.delete(request))


def follow_operation(context: StepContext, *, final_via: FinalVia = "resource") -> Waits[ArmResponse]:
    """Wait until the operation of a submission has ended, whatever form it has, without a thread that waits.

    Args:
        context: With the submission.
        final_via: Where its result is.

    Raises:
        InvalidInputError: Nothing was submitted.
    """
    if context.submission is None:
        raise InvalidInputError(f"{context.step.target_id}: there is no submission to wait for")
    request = context.step.request
    return follow(
        context.session,
        context.submission.response,
        path=request.path,
        api_version=request.api_version,
        timeout=context.timeout,
        final_via=final_via,
    )
