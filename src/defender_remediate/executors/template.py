"""The executor for ARM template deployments, which are previewed by what-if."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs

from defender_remediate.arm.deployments import deploy, what_if
from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError
from defender_remediate.executors.protocol import Preview, PreviewContext, StepContext, Submission
from defender_remediate.executors.requests import follow_operation, plan_deployment, send_removal
from defender_remediate.fixes.diff import changes, spelled_out
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import CreatedResource, PropertyChange
from defender_remediate.pauses import Waits
from defender_remediate.threads import wait_on_this_thread

_UNTOUCHED = frozenset({"nochange", "ignore"})
_IDENTITY = frozenset({"id", "name", "type", "apiVersion"})


class TemplateExecutor:
    """Deploys an ARM template, in incremental mode, to the resource's group or subscription."""

    def preview(self, context: PreviewContext, /) -> Preview:
        """Preview the deployment with Azure's what-if, which needs the permissions of the deployment."""
        request = plan_deployment(context)
        found = what_if(context.reader, request)
        return Preview(
            changes=tuple(_changes(found, context.resource_id)),
            request=request,
            creates=tuple(_created(found, dict(_versions(context.fixes[0].template)))),
        )

    def submit(self, context: StepContext, /) -> Submission:
        """Send the deployment, exactly once."""
        return Submission(response=deploy(context.session, context.step.request))

    def wait(self, context: StepContext, /) -> ArmResponse:
        """Wait until the deployment has ended. A deployment that ended Failed with HTTP 200 is a failure."""
        return wait_on_this_thread(self.follow(context), context.session.clock)

    def follow(self, context: StepContext, /) -> Waits[ArmResponse]:
        """The same, without a thread that waits."""
        # Its status is that of the deployment as a whole, which need not be read for it again.
        return follow_operation(context, final_via="status")

    def undo(self, context: StepContext, /) -> Submission:
        """Remove a resource that a deployment created, exactly once.

        Raises:
            InvalidInputError: The step is not a removal. Changes of a deployment are not undone by another deployment.
        """
        if not context.step.is_removal:
            raise InvalidInputError(f"{context.step.target_id}: a template deployment cannot be undone")
        return send_removal(context)


def _changes(found: Iterable[Mapping[str, Any]], resource_id: str) -> Iterator[PropertyChange]:
    own = ResourceId.parse(resource_id)
    for change in found:
        kind = fold(str(change.get("changeType", "")))
        if kind in _UNTOUCHED:
            continue
        where = str(change.get("resourceId", ""))
        if own.contains(where):
            where = where.strip("/")[len(own.text) :] or "(resource)"
        before, after = _body(change.get("before")), _body(change.get("after"))
        parts = changes(before, after)
        if not parts:
            # Azure could not tell: say so instead of showing nothing.
            told = f"({kind}: {change.get('unsupportedReason') or 'Azure gives no detail'})"
            yield PropertyChange(path=where, after=told)
        for part in parts:
            yield from (attrs.evolve(one, path=f"{where} {one.path}") for one in spelled_out(part))


def _created(found: Iterable[Mapping[str, Any]], versions: Mapping[str, str]) -> Iterator[CreatedResource]:
    """The resources that the deployment would create, without those of an unknown api-version, which cannot be read."""
    for change in found:
        resource_id, after = str(change.get("resourceId", "")), change.get("after")
        if fold(str(change.get("changeType", ""))) != "create":
            continue
        # Azure tells it in its payloads; what does not tell it is written in the version of the template.
        told = after.get("apiVersion") if isinstance(after, Mapping) else None
        version = told if isinstance(told, str) else None
        if version is None:
            with suppress(InvalidResourceIdError):
                version = versions.get(fold(ResourceId.parse(resource_id).type))
        if version:
            yield CreatedResource(resource_id=resource_id, api_version=version)


def _versions(template: Any) -> Iterator[tuple[str, str]]:
    """The api-versions in a template and its nested templates, by type in lower case."""
    resources = template.get("resources") if isinstance(template, Mapping) else ()
    for one in resources.values() if isinstance(resources, Mapping) else resources or ():
        if isinstance(one, Mapping):
            yield fold(str(one.get("type", ""))), str(one.get("apiVersion", ""))
            properties = one.get("properties")
            yield from _versions(properties.get("template") if isinstance(properties, Mapping) else None)


def _body(found: Any) -> dict[str, Any]:
    # Who a resource is stands in its id already.
    return {name: value for name, value in found.items() if name not in _IDENTITY} if isinstance(found, Mapping) else {}
