"""Whether a resource has got a protected tag since the plan was made."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.arm.providers import ApiVersions, newest_api_version
from defender_remediate.arm.reader import Reader
from defender_remediate.execution.target_state import read_at
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.step import RemediationStep
from defender_remediate.planning.guards import protecting_tag


@attrs.frozen(kw_only=True)
class ProtectedTags:
    """The protected tags of the guards, read again right before a step is sent. Shared between threads.

    Attributes:
        versions: Where api-versions are looked up; it remembers them.
    """

    guards: Guards
    reader: Reader
    versions: ApiVersions

    def on_resource(self, step: RemediationStep) -> str | None:
        """Why the step's resource must not be changed, if that is not its target, or None.

        Makes one request, and none without protected tags or if the target is the resource: see ``on_target``.

        Raises:
            DefenderRemediateError: The resource could not be read.
        """
        if not self.guards.protected_tags or id_key(step.target_id) == id_key(step.resource_id):
            return None
        resource = ResourceId.parse(step.resource_id)
        below = id_key(step.target_id).removeprefix(f"{resource.key}/")
        is_of_its_provider = below != id_key(step.target_id) and not below.startswith("providers/")
        if is_of_its_provider and not resource.is_type("Microsoft.Resources/subscriptions"):
            api_version = step.api_version
        else:
            api_version = newest_api_version(self.versions, resource.subscription_id or "", resource.type)
        return protecting_tag(self.guards, read_at(self.reader, step.resource_id, api_version))

    def on_target(self, body: Any) -> str | None:
        """Why a target must not be changed for one of its tags, or None."""
        return protecting_tag(self.guards, body)
