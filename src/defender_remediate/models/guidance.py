"""Guidance for recommendations that this library does not fix."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.validation import optional_text


class GuidanceReason(StrEnum):
    """Why there is no fix."""

    CREATE_TIME_ONLY = "create_time_only"
    DATA_PLANE = "data_plane"
    INSIDE_THE_MACHINE = "inside_the_machine"
    NEEDS_A_DECISION = "needs_a_decision"
    NOT_A_RESOURCE = "not_a_resource"
    OUTSIDE_AZURE = "outside_azure"
    RETIRED = "retired"
    NO_API = "no_api"
    EVALUATED_BY_DEFENDER = "evaluated_by_defender"


@notebook
@attrs.frozen(kw_only=True)
class Guidance:
    """Explains why one recommendation has no fix, and what to do instead.

    Attributes:
        key: The assessment key; the policy definition id where Azure publishes no key.
        title: Azure's display name of the recommendation.
        resource_type: The resource type that the recommendation is about; None when it is not about a resource.
        reason: Why there is no fix; ``retired`` also when Azure has retired the recommendation itself.
        action: What can be done, in a sentence or two.
        policy_definition_ids: The policy definitions behind the recommendation, as bare names.
        sources: Where the facts come from.
    """

    key: str = attrs.field(eq=fold)
    title: str
    resource_type: str | None = optional_text()
    reason: GuidanceReason = attrs.field(converter=GuidanceReason)
    action: str
    policy_definition_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = attrs.field(default=(), repr=False)

    def __str__(self) -> str:
        return one_line(f"{self.title}: no fix ({self.reason.label}). {self.action}")
