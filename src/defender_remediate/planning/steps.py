"""Builds one step of a plan: previews the request, and notes everything that approving it decides. Sends no write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.catalog.read_only import unknown_counters, unsettable_members
from defender_remediate.catalog.type_facts import etag_for_write
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.executors.protocol import FixExecutor, Preview, PreviewContext
from defender_remediate.fixes.candidates import CombinedFix, resource_or_parent
from defender_remediate.fixes.drift import depends_on, fingerprint, sent_whole
from defender_remediate.json_values import sha256
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.fix import FixKind, Reversibility
from defender_remediate.models.ids import id_key
from defender_remediate.models.plan import RemediationStep, SkipReason
from defender_remediate.planning.targets import Reading, SkipTargetError
from defender_remediate.preflight.subject import Subject


def build_step(
    combined: CombinedFix, reading: Reading, executors: Mapping[str, FixExecutor], reader: Reader
) -> RemediationStep:
    """The step that makes the combined fixes on one target.

    Raises:
        SkipTargetError: The executor cannot preview the request.
    """
    first = combined.accepted[0]
    fixes = combined.fixes
    target = resource_or_parent(first.target_id)
    context = PreviewContext(
        fixes=fixes,
        kind=combined.kind,
        values=first.values,
        resource_id=first.resource_id,
        target_id=first.target_id,
        before=reading.before,
        after=combined.after,
        etag=etag_for_write(reading.before, target.type, target.name),
        reader=reader,
    )
    try:
        preview = executors[combined.kind].preview(context)
    except DefenderRemediateError as error:
        raise SkipTargetError(SkipReason.PREVIEW_FAILED, str(error)) from error
    dependencies = _dependencies(combined, preview, reading.before)
    # A rollback removes what the step creates only if it has not changed since.
    creates = [
        attrs.evolve(created, dependencies=depends_on(is_whole=True, ignored=_unsettable(created.resource_id)))
        for created in preview.creates
    ]
    mark = fingerprint(reading.before, dependencies)
    request = preview.request
    reversibility = combined.reversibility
    is_limited = preview.undo_request is None or bool(preview.undo_limits)
    if is_limited and reversibility is Reversibility.EXACT:
        # What did not exist before is not restored by a write, so "exact" would promise too much.
        reversibility = Reversibility.CONDITIONAL
    return RemediationStep(
        id=sha256([id_key(first.target_id), combined.kind, request.method, request.path, request.body, mark])[:16],
        executor=str(combined.kind),
        keys=tuple(candidate.key for candidate in combined.accepted),
        titles=tuple(fix.title for fix in fixes),
        resource_id=first.resource_id,
        resource_type=first.fix.resource_type,
        target_id=first.target_id,
        api_version=reading.api_version,
        changes=preview.changes,
        request=request,
        undo_request=preview.undo_request,
        undo_limits=preview.undo_limits,
        creates=tuple(creates),
        fingerprint=mark,
        dependencies=dependencies,
        compliant_when=combined.compliant_when,
        impact=combined.impact,
        impact_reason="; ".join(dict.fromkeys(fix.impact_reason for fix in fixes if fix.impact_reason)),
        cost="; ".join(dict.fromkeys(fix.cost for fix in fixes if fix.cost)) or None,
        reversibility=reversibility,
        irreversible_keys=tuple(fix.key for fix in fixes if fix.is_irreversible),
        permissions=tuple(dict.fromkeys(action for fix in fixes for action in fix.permissions)),
    )


def subject_of(step: RemediationStep, combined: CombinedFix, reading: Reading) -> Subject:
    """What the checks judge: the step, with the bodies and the parameters that it was built from."""
    policies = [policy for fix in combined.fixes for policy in fix.policy_definition_ids]
    values = combined.accepted[0].values
    chosen = [parameter.name for fix in combined.fixes for parameter in fix.parameters if parameter.name in values]
    return Subject(
        step=step,
        keys=step.keys,
        policies=tuple(dict.fromkeys(policies)),
        live_uses=tuple(dict.fromkeys(fix.live_use for fix in combined.fixes if fix.live_use is not None)),
        parameters={name: values[name] for name in chosen},
        resource=reading.resource,
        before=reading.before,
        after=combined.after,
    )


def _dependencies(combined: CombinedFix, preview: Preview, before: Any) -> Dependencies:
    """What the step depends on in its target. A condition on the resource counts where the resource is the target."""
    first = combined.accepted[0]
    conditions = [combined.compliant_when]
    for fix in combined.fixes:
        conditions += [each.when for each in fix.not_applicable]
        conditions += [fix.applies_when] if fix.applies_when and first.is_on_resource else []
    changed = [*(change.path for change in preview.changes), *sent_whole(preview.request)]
    if combined.kind is FixKind.TEMPLATE:
        # A what-if puts the end of the resource's id before each path: "(resource) properties.x", "config/web properties.x".
        prefix = first.target_id[len(first.resource_id) :].strip("/") or "(resource)"
        changed = [path.removeprefix(f"{prefix} ") for path in changed if path.startswith(f"{prefix} ")]
    is_whole = combined.kind is FixKind.PUT
    ignored = _unsettable(first.target_id)
    if is_whole:
        target = resource_or_parent(first.target_id)
        ignored = (*ignored, *unknown_counters(before, target.type, target.name))
    return depends_on(changed=changed, conditions=conditions, is_whole=is_whole, ignored=ignored)


def _unsettable(path: str) -> tuple[str, ...]:
    # Of a collection, such as the extensions of a machine, the conditions of the fix say which members count.
    target = resource_or_parent(path)
    return unsettable_members(target.type, target.name)
