"""Protected tags, looked at once more right before a step is sent."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.execution.target_state import read_at
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationStep
from defender_remediate.planning.guards import protecting_tag
from defender_remediate.planning.targets import Versions

_SUBSCRIPTIONS = "microsoft.resources/subscriptions"


@attrs.frozen(kw_only=True)
class TagWatch:
    """Knows whether a resource has a protected tag by now. Shared between threads.

    Attributes:
        versions: Where api-versions are looked up.
    """

    guards: Guards
    reader: Reader
    versions: Versions
    _known: dict[tuple[str, str], str] = attrs.field(factory=dict, init=False)

    def why_not(self, step: RemediationStep, body: Any) -> str:
        """Why the step must not be sent; empty when it may.

        Makes no request without protected tags; else one when the target is not the resource that has the tags.

        Args:
            step: The step.
            body: Its target as it was read last; None when it does not exist.

        Raises:
            DefenderRemediateError: The resource could not be read.
        """
        if not self.guards.protected_tags:
            return ""
        own = protecting_tag(self.guards, body)
        if own or fold(step.target_id) == fold(step.resource_id):
            return own
        return protecting_tag(self.guards, read_at(self.reader, step.resource_id, self._version(step)))

    def _version(self, step: RemediationStep) -> str:
        below = fold(step.target_id).removeprefix(f"{fold(step.resource_id)}/")
        is_of_its_provider = below != fold(step.target_id) and not below.startswith("providers/")
        if is_of_its_provider and fold(step.resource_type) != _SUBSCRIPTIONS:
            return step.api_version
        parsed = ResourceId.parse(step.resource_id)
        place = (parsed.subscription_id or "", fold(parsed.type))
        if place not in self._known:
            # Two threads may ask at the same time, and get the same answer.
            offered = self.versions(place[0], parsed.type)
            if not offered:
                raise MalformedResponseError(f"Azure offers no api-version to read a {parsed.type} with")
            self._known[place] = offered[0]
        return self._known[place]
