"""The history of nested deployments: each has an entry of its own, with the operations of what its template describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from defender_remediate.arm_template import TemplateError
from defender_remediate.testing.simulator.arm.errors import error_body, refusal
from defender_remediate.testing.simulator.arm.operations import FAILED, SUCCEEDED
from defender_remediate.testing.simulator.deployments.order import NestedDeployment
from defender_remediate.testing.simulator.deployments.references import reader
from defender_remediate.testing.simulator.deployments.state import Deployment, DeploymentRequest
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Reply


class NestedHistory:
    """The entries of the deployments that are nested in one.

    Args:
        tenant: The tenant.
        outer: The entry of the outermost deployment.
        nested: The nested deployments, each after those nested in it.
    """

    def __init__(self, tenant: Tenant, outer: Deployment, nested: Sequence[NestedDeployment]) -> None:
        self._tenant = tenant
        self._outer = outer
        self._entries = [(one, _entry(one, outer)) for one in nested]

    def owner_of(self, resource_id: str) -> Deployment:
        """Returns the entry of the innermost deployment whose template describes a resource."""
        for one, entry in self._entries:
            if resource_id in one.resource_ids:
                return entry
        return self._outer

    def end(self, moment: float) -> list[tuple[Deployment, Deployment, Reply]]:
        """Ends the entries and adds them to the history; returns each with the entry that it is nested in and how it ended."""
        found = []
        for place, (one, entry) in enumerate(self._entries):
            failed = [step for step in entry.steps if step["properties"]["provisioningState"] == FAILED]
            entry.error = _error_of(failed) if failed else self._outputs_of(one, entry)
            entry.state, entry.ended = SUCCEEDED if entry.error is None else FAILED, moment
            self._tenant.deployments.add(entry)
            above = next((other for inner, other in self._entries[place + 1 :] if one.id in inner.below), self._outer)
            reply = Reply(status=200) if entry.error is None else Reply.json({"error": entry.error}, status=409)
            found.append((above, entry, reply))
        return found

    def _outputs_of(self, one: NestedDeployment, entry: Deployment) -> Mapping[str, Any] | None:
        """Works out the outputs of a deployment; returns the error if that fails."""
        try:
            results = one.results(reader(self._tenant))
        except TemplateError as error:
            found: dict[str, Any] = refusal("InvalidTemplate", problem=str(error)).reply.body["error"]
            return found
        except ArmError as error:
            refused: dict[str, Any] = error.reply.body["error"]
            return refused
        entry.request = entry.request.with_outputs(results)
        return None


def _error_of(failed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    error: dict[str, Any] = error_body("DeploymentFailed")["error"]
    return {**error, "details": [step["properties"]["statusMessage"]["error"] for step in failed]}


def _entry(one: NestedDeployment, outer: Deployment) -> Deployment:
    request = DeploymentRequest(
        base=one.base,
        name=ids.segments(one.id)[-1],
        location="" if ids.group_of(one.base) else outer.request.location,
        mode=one.mode,
        template=one.template,
        parameters=one.parameters,
        tags={},
        resource_ids=one.resource_ids,
        outputs={},
    )
    return Deployment(
        id=one.id,
        request=request,
        correlation_id=outer.correlation_id,
        started=outer.started,
        ended=outer.ended,
    )
