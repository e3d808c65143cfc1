"""The executor for PATCH requests, and for PUT requests of types that do not support PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import unsettable_members
from defender_remediate.executors.protocol import Preview, PreviewContext, StepContext, Submission
from defender_remediate.executors.requests import follow_operation, plan_write, request_to_send, send_removal
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.fixes.diff import changes, settled
from defender_remediate.fixes.merge import merge_patch
from defender_remediate.fixes.paths import EACH, look_up, split
from defender_remediate.fixes.restore import restoration
from defender_remediate.fixes.undo import undo_of, undo_of_type, undo_type
from defender_remediate.json_values import ABSENT, FrozenMap, canonical
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import CreatedResource, PlannedRequest, PropertyChange
from defender_remediate.pauses import Waits
from defender_remediate.threads import wait_on_this_thread

_IS_DEFAULT = "What the fix sets is the default, so there is nothing to undo."


class PatchExecutor:
    """Writes a resource: a PATCH with only the difference, or a PUT of the merged body."""

    def preview(self, context: PreviewContext, /) -> Preview:
        """Compare the bodies before and after; makes no request."""
        before, after = settled(context.before) or {}, settled(context.after)
        required = next((fix.if_match for fix in context.fixes if fix.if_match), "")
        is_new = context.before is None
        changed = changes(before, after)
        if not is_new and _is_plain_patch(context, changed):
            return _shared_preview(context, changed, if_match=context.etag or required, undo_if_match=required)
        request = plan_write(context, before, after, if_match=context.etag or required)
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
                undo_limits = (_IS_DEFAULT,)
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


@attrs.frozen(kw_only=True)
class _Written:
    """What a PATCH writes and what undoes it.

    Attributes:
        changes: Those that it was computed from, so that equal ones are kept once.
        undo_body: None if nothing is left to undo.
    """

    changes: tuple[PropertyChange, ...]
    body: FrozenMap
    undo_body: FrozenMap | None
    undo_limits: tuple[str, ...]


def _is_plain_patch(context: PreviewContext, changed: tuple[PropertyChange, ...]) -> bool:
    """Whether the request follows from the changes and the type alone: nothing of the target is sent that stays as it is."""
    if context.kind is not FixKind.PATCH or any(fix.send_whole or fix.is_irreversible for fix in context.fixes):
        return False
    return not any(fold(str(split(change.path)[0])) in ("tags", "identity") for change in changed)


def _shared_preview(
    context: PreviewContext, changed: tuple[PropertyChange, ...], *, if_match: str, undo_if_match: str
) -> Preview:
    written = _written_by(changed, _kinds(changed), undo_type(context.target_id))
    request = PlannedRequest(
        method="PATCH",
        path=context.target_id,
        api_version=context.fixes[0].api_version,
        body=written.body,
        if_match=if_match,
    )
    undo_request = None
    if written.undo_body is not None:
        undo_request = attrs.evolve(request, body=written.undo_body, if_match=undo_if_match)
    return Preview(changes=written.changes, request=request, undo_request=undo_request, undo_limits=written.undo_limits)


@lru_cache(256)
def _written_by(changed: tuple[PropertyChange, ...], kinds: tuple[object, ...], target_type: str) -> _Written:  # noqa: ARG001
    """What follows from the changes, which are the same for most of the targets of a fix; their kinds tell them apart."""
    before = _members(changed, [change.before for change in changed])
    after = _members(changed, [change.after for change in changed])
    undo = undo_of_type(changed, kind=target_type, is_put=False, before=before)
    restored = restoration(undo.changes, after, values=undo.values)
    undo_body = FrozenMap(merge_patch(after, restored.body)) if restored.restored else None
    limits = undo.limits or (() if restored.restored else (_IS_DEFAULT,))
    return _Written(
        changes=changed, body=FrozenMap(merge_patch(before, after)), undo_body=undo_body, undo_limits=limits
    )


def _kinds(changed: tuple[PropertyChange, ...]) -> tuple[object, ...]:
    """The kinds of the values that change: to Python, ``1``, ``1.0`` and ``True`` are equal."""
    values = [value for change in changed for value in (change.before, change.after)]
    return tuple(canonical(value) if isinstance(value, (FrozenMap, tuple)) else type(value) for value in values)


def _members(changed: tuple[PropertyChange, ...], values: list[Any]) -> dict[str, Any]:
    """A body of the members that change and of the objects around them."""
    body: dict[str, Any] = {}
    for change, value in zip(changed, values, strict=True):
        *around, name = map(str, split(change.path))
        place = body
        for outer in around:
            place = place.setdefault(outer, {})
        if value is not ABSENT:
            place[name] = value
    return body


def _not_sent_back(context: PreviewContext, request: PlannedRequest, before: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings of the target that the PUT of the undo omits, one sentence each."""
    if not request.leave_out:
        return ()
    target = ResourceId.parse(context.target_id)
    read_only = {fold(path) for path in unsettable_members(target.type, target.name)}
    left_out = [path for path in request.leave_out if fold(path) not in read_only and EACH not in path]
    had = [path for path in left_out if look_up(before, path) not in (ABSENT, None)]
    return tuple(f"{path} is not sent back: Azure sets it as the state that is restored allows." for path in had)
