"""The deployment history: each deployment, its request and its operations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateScope
from defender_remediate.testing.simulator.arm.operations import SUCCEEDED, RunningOperation
from defender_remediate.testing.simulator.deployments.order import Contents
from defender_remediate.testing.simulator.deployments.template import Described
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.types import ResourceType

NOT_SAVED: Mapping[str, bool] = {"saved": False}
"""Marks a member of a class that a state file leaves out."""


def hash_of(template: Mapping[str, Any]) -> str:
    """Returns a hash of a template as text, the same whatever the order of its members. Azure's own value differs."""
    text = json.dumps(template, sort_keys=True)
    return str(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16))


def providers_of(resources: Iterable[Described]) -> tuple[Mapping[str, Any], ...]:
    """Returns the resource providers of what a template describes, each with its types and their regions; null for none."""
    found: dict[str, dict[str, dict[str | None, None]]] = {}
    for one in resources:
        namespace, _, kind = one.type.partition("/")
        place = one.body.get("location")
        region = place.replace(" ", "").lower() if isinstance(place, str) else None
        found.setdefault(namespace, {}).setdefault(kind, {})[region] = None
    return tuple(
        {
            "namespace": namespace,
            "resourceTypes": [{"resourceType": kind, "locations": list(places)} for kind, places in kinds.items()],
        }
        for namespace, kinds in found.items()
    )


@attrs.frozen(kw_only=True)
class DeploymentRequest:
    """A valid deployment request.

    Attributes:
        base: The id of the resource group, subscription or management group; empty for the tenant.
        resource_ids: What the template describes.
        providers: The resource providers of these with their types and regions, as a deployment shows them.
        dependencies: What each of them waits for because ``dependsOn`` says so.
        outputs: Before the deployment with those expressions as they are written that read resources.
    """

    base: str
    name: str
    location: str
    mode: str
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    resource_ids: tuple[str, ...]
    outputs: Mapping[str, Any]
    providers: tuple[Mapping[str, Any], ...] = ()
    dependencies: tuple[Mapping[str, Any], ...] = ()

    def with_outputs(self, outputs: Mapping[str, Any]) -> DeploymentRequest:
        """Returns the same request with the outputs of its deployment."""
        return attrs.evolve(self, outputs=outputs)


@attrs.frozen(kw_only=True)
class PlannedDeployment:
    """A request, and what a deployment by it has to do.

    Attributes:
        resources: What the template describes, with the type of each.
        scope: What the outputs are evaluated in.
        contents: What the template defines, which the outputs may name.
    """

    request: DeploymentRequest
    resources: list[tuple[Described, ResourceType]]
    scope: TemplateScope
    contents: Contents


@attrs.define(kw_only=True)
class Deployment:
    """One entry of the deployment history.

    Attributes:
        steps: Its operations, as the API lists them.
        running: The long-running write behind it; None for one of a state file.
    """

    id: str
    request: DeploymentRequest
    correlation_id: str
    started: float
    ended: float
    state: str = "Running"
    error: Mapping[str, Any] | None = None
    steps: list[dict[str, Any]] = attrs.field(factory=list)
    running: RunningOperation | None = attrs.field(default=None, metadata=NOT_SAVED)

    @property
    def is_active(self) -> bool:
        """Whether it is still in effect."""
        return self.state == "Running"

    def render(self, clock: VirtualClock) -> dict[str, Any]:
        """As GET shows it."""
        properties: dict[str, Any] = {
            "templateHash": hash_of(self.request.template),
            "parameters": dict(self.request.parameters),
            "mode": self.request.mode,
            "provisioningState": self.state,
            "timestamp": clock.timestamp(self.ended),
            "duration": f"PT{self.ended - self.started:.7f}S",
            "correlationId": self.correlation_id,
            "providers": [dict(one) for one in self.request.providers],
            "dependencies": [dict(one) for one in self.request.dependencies],
        }
        if self.state == SUCCEEDED:
            if self.request.outputs or "outputs" in self.request.template:
                properties["outputs"] = dict(self.request.outputs)
            properties["outputResources"] = [{"id": resource_id} for resource_id in self.request.resource_ids]
        if self.error is not None:
            properties["error"] = self.error
        shown: dict[str, Any] = {
            "id": self.id,
            "name": self.request.name,
            "type": "Microsoft.Resources/deployments",
            "properties": properties,
        }
        if self.request.location:
            shown["location"] = self.request.location
        if self.request.tags:
            shown["tags"] = dict(self.request.tags)
        return shown


class DeploymentHistory:
    """Every deployment of the tenant that was not deleted."""

    def __init__(self) -> None:
        self._deployments: dict[str, Deployment] = {}

    def find(self, deployment_id: str) -> Deployment | None:
        """Returns the deployment with this id; None if it does not exist."""
        return self._deployments.get(ids.key(deployment_id))

    def at(self, base: str) -> Iterator[Deployment]:
        """Yields the deployments to a resource group or subscription, oldest first."""
        return (one for one in list(self._deployments.values()) if one.request.base == base)

    def add(self, deployment: Deployment) -> None:
        """Adds a deployment, in place of an earlier one with its id."""
        self._deployments[ids.key(deployment.id)] = deployment

    def remove(self, deployment_id: str) -> None:
        """Removes a deployment, if it exists."""
        self._deployments.pop(ids.key(deployment_id), None)
