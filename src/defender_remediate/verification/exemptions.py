"""Names the exemptions behind what Defender reports as exempt, from both of Azure's APIs."""

from __future__ import annotations

from collections.abc import Callable

from defender_remediate.errors import CallTimeoutError, DefenderRemediateError
from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.preflight import CheckReader
from defender_remediate.preflight.exemptions import exemptions_from
from defender_remediate.preflight.policy_assignments import bare_name

FindExemptions = Callable[[str, str], tuple[str, ...]]
"""A sentence for each exemption of a resource from a recommendation."""


def exemption_finder(reader: CheckReader, get_metadata: Callable[[str], RecommendationMetadata]) -> FindExemptions:
    """What names the exemptions. One that cannot be read is said to be unreadable."""

    def find(resource_id: str, key: str) -> tuple[str, ...]:
        try:
            policy = get_metadata(key).policy_definition_id
            policies = (bare_name(policy),) if policy else ()
            found = exemptions_from(reader, resource_id, (key,), policies)
        except CallTimeoutError:
            raise
        except DefenderRemediateError as error:
            return (f"its exemptions could not be read: {error.message}",)
        return tuple(f"{one.id}: {one}" for one in found)

    return find
