"""Guidance for recommendations that this library does not fix."""

from __future__ import annotations

from datetime import date

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.enums import StrEnum
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
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
    REPLACED = "replaced"
    NO_API = "no_api"
    EVALUATED_BY_DEFENDER = "evaluated_by_defender"


@notebook
@attrs.frozen(kw_only=True)
class Guidance(Value):
    """Explains why one recommendation has no fix, and what to do instead.

    Attributes:
        key: The assessment key; the policy definition id where Azure publishes no key; a name of this library where it
            publishes neither. The category itself for guidance about a category.
        title: Azure's display name of the recommendation.
        titles: More display names that Azure gives it, such as the one before it was renamed. The guidance is found by
            each of them where the key is not published.
        resource_type: The resource type that the recommendation is about; None when it is not about a resource.
        reason: Why there is no fix; ``retired`` also when Azure has retired the recommendation itself.
        action: What can be done, in a sentence or two.
        category: The category of the individual recommendations that the guidance is about, or that replaced it.
        replaced_by: The keys of the recommendations that replaced it; a fix or guidance is found for each of them.
        retired_on: When Azure retired or replaced it, or will; None when it is in force, or the day is unknown.
        policy_definition_ids: The policy definitions behind the recommendation, as bare names.
        sources: Where the facts come from.
    """

    key: str = attrs.field(eq=fold)
    title: str
    titles: tuple[str, ...] = ()
    resource_type: str | None = optional_text()
    reason: GuidanceReason = attrs.field(converter=GuidanceReason)
    action: str
    category: str | None = optional_text()
    replaced_by: tuple[str, ...] = ()
    retired_on: date | None = None
    policy_definition_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = attrs.field(default=(), repr=False)

    def __str__(self) -> str:
        since = f" on {self.retired_on}" if self.retired_on else ""
        instead = ", ".join(self.replaced_by) or self.category
        by = f", replaced by {instead}" if instead and instead != self.key else ""
        return one_line(f"{self.title}: no fix ({self.reason.label}{since}{by}). {self.action}")
