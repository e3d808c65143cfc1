"""The executor for PATCH requests, and for PUT requests of types that do not support PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import unsettable_members
from defender_remediate.executors.protocol import Preview, PreviewContext, StepContext, Submission
from defender_remediate.executors.requests import follow_operation, plan_write, request_to_send, send_removal
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.fixes.diff import changes, settled
from defender_remediate.fixes.paths import EACH, look_up
from defender_remediate.fixes.restore import restoration
from defender_remediate.fixes.undo import undo_of
from defender_remediate.json_values import ABSENT
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import CreatedResource, PlannedRequest
from defender_remediate.pauses import Waits
from defender_remediate.threads import wait_on_this_thread


class PatchExecutor:
    """Writes a resource: a PATCH with only the difference, or a PUT of the merged body."""

    def preview(self, context: PreviewContext, /) -> Preview:
        """Compare the bodies before and after; makes no request."""
        before, after = settled(context.before) or {}, settled(context.after)
        required = next((fix.if_match for fix in context.fixes if fix.if_match), "")
        is_new = context.before is None
        request = plan_write(context, before, after, if_match=context.etag or required)
        changed = changes(before, after)
        undo_request = None
        undo_limits: tuple[str, ...] = ()
        if not is_new and not any(fix.is_irreversible for fix in context.fixes):
            undo = undo_of(changed, target_id=context.target_id, is_put=request.is_merge_patch, before=before)
            undo_limits = undo.limits
            restored = restoration(undo.changes, after, values=undo.values)
            if restored.restored:
                undo_request = plan_write(context, after, restored.body, if_match=required)
                undo_limits += _not_sent_back(context, undo_request, before)
            elif not undo_limits:
                undo_limits = ("What the fix sets is the default, so there is nothing to undo.",)
        if is_new and is_decision(context.target_id):
            undo_limits = ("A rollback removes it, unless it changed since.",)
        created = CreatedResource(resource_id=context.target_id, api_version=request.api_version)
        return Preview(
            changes=changed,
            request=request,
            undo_request=undo_request,
            undo_limits=undo_limits,
            creates=(created,) if is_new and context.kind is FixKind.PUT else (),
        )

    def submit(self, context: StepContext, /) -> Submission:
        """Send the step's request, exactly once."""
        return Submission(response=context.session.send(request_to_send(context)))

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the write has ended, whatever form the long-running operation has."""
        return wait_on_this_thread(self.follow(context), context.session.clock)

    def follow(self, context: StepContext, /) -> Waits[ArmResponse]:
        """The same, without a thread that waits."""
        return follow_operation(context)

    def undo(self, context: StepContext, /) -> Submission:
        """Send the request that restores the target or removes a created resource, exactly once."""
        return send_removal(context) if context.step.is_removal else self.submit(context)


def _not_sent_back(context: PreviewContext, request: PlannedRequest, before: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings of the target that the PUT of the undo omits, one sentence each."""
    if not request.leave_out:
        return ()
    target = ResourceId.parse(context.target_id)
    read_only = {fold(path) for path in unsettable_members(target.type, target.name)}
    left_out = [path for path in request.leave_out if fold(path) not in read_only and EACH not in path]
    had = [path for path in left_out if look_up(before, path) not in (ABSENT, None)]
    return tuple(f"{path} is not sent back: Azure sets it as the state that is restored allows." for path in had)
