"""PATCH with the difference only, and GET-merge-PUT for the types that take no PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.arm.operations import wait_for
from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError
from defender_remediate.executors.protocol import Preview, PreviewContext, StepContext, Submission
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import changes, settled
from defender_remediate.fixes.merge import difference, merge_patch, patched, without
from defender_remediate.models.fix import FixKind
from defender_remediate.models.plan import CreatedResource, PlannedRequest

# Azure takes these from the URL.
_IDENTITY = frozenset({"id", "name", "type"})


class PatchExecutor:
    """Writes a resource: a PATCH that carries only what differs, or a PUT of the merged body."""

    def preview(self, context: PreviewContext, /) -> Preview:
        """Say what would be sent; makes no request."""
        before, after = settled(context.before) or {}, settled(context.after)
        is_new = context.before is None
        reversible = not is_new and not any(fix.is_irreversible for fix in context.fixes)
        return Preview(
            changes=changes(before, after),
            request=_request(context, before, after, if_match=context.etag or _required(context)),
            undo_request=_request(context, after, before, if_match=_required(context)) if reversible else None,
            creates=(_created(context),) if is_new and context.kind is FixKind.PUT else (),
        )

    def submit(self, context: StepContext, /) -> Submission:
        """Send the step's request, exactly once."""
        return Submission(response=context.session.send(_outgoing(context, context.step.request)))

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the write has ended, in whatever form Azure made it long-running."""
        return finish(context)

    def undo(self, context: StepContext, /) -> Submission:
        """Send what restores the target, or remove what the run created; exactly once."""
        return remove(context) if context.step.is_removal else self.submit(context)


def remove(context: StepContext) -> Submission:
    """Send the DELETE of a step that removes what the run created, exactly once.

    Raises:
        InvalidInputError: The step removes something other than its own target.
    """
    request, target = context.step.request, context.step.target_id
    if fold(request.path) != fold(target):
        raise InvalidInputError(f"{target}: the step would remove {request.path} in its place")
    return Submission(response=context.session.delete(request))


def finish(context: StepContext) -> ArmResponse:
    """Follow a submission to its end.

    Raises:
        InvalidInputError: Nothing was submitted.
    """
    if context.submission is None:
        raise InvalidInputError(f"{context.step.target_id}: there is no submission to wait for")
    request = context.step.request
    return wait_for(
        context.session,
        context.submission.response,
        path=request.path,
        api_version=request.api_version,
        timeout=context.timeout,
    )


def _request(
    context: PreviewContext, before: Mapping[str, Any], after: Mapping[str, Any], *, if_match: str
) -> PlannedRequest:
    puts = context.kind is FixKind.PUT
    send_whole = () if puts else tuple(dict.fromkeys(path for fix in context.fixes for path in fix.send_whole))
    left_out = [member for fix in context.fixes for member in fix.leave_out] if puts else []
    leave_out = tuple(dict.fromkeys(each.path for each in left_out if each.when is None or holds(each.when, after)))
    return PlannedRequest(
        method="PUT" if puts else "PATCH",
        path=context.target_id,
        api_version=context.fixes[0].api_version,
        body=difference(before, after) if puts else merge_patch(before, after, send_whole=send_whole),
        is_merge_patch=puts,
        if_match=if_match,
        send_whole=send_whole,
        leave_out=leave_out,
    )


def _created(context: PreviewContext) -> CreatedResource:
    return CreatedResource(resource_id=context.target_id, api_version=context.fixes[0].api_version)


def _required(context: PreviewContext) -> str:
    return next((fix.if_match for fix in context.fixes if fix.if_match), "")


def _outgoing(context: StepContext, request: PlannedRequest) -> PlannedRequest:
    """The request with its whole body: the planned difference laid over the target as it is now."""
    if not request.is_merge_patch:
        return request
    body = without(patched(settled(context.before), request.body), request.leave_out)
    return attrs.evolve(request, body={name: value for name, value in body.items() if name not in _IDENTITY})
