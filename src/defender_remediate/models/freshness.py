"""What the catalog knows to be retired, replaced and blocked, and how old that knowledge is."""

from __future__ import annotations

import datetime

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.errors import InvalidInputError
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@notebook
@attrs.frozen(kw_only=True)
class RetiredRecommendation(Value):
    """A recommendation that Azure no longer reports.

    Attributes:
        key: The assessment key; the policy definition id, or a name of this library, where Azure published none.
        titles: More display names that it was known by.
        retired_on: The last day or the day of the replacement, as Azure announced it; None if it did not say.
        replaced_by: The keys of the recommendations that replaced it.
        category: The category of the individual recommendations that replaced it.
    """

    key: str = attrs.field(eq=fold)
    title: str
    titles: tuple[str, ...] = ()
    resource_type: str | None = optional_text()
    policy_definition_ids: tuple[str, ...] = ()
    retired_on: datetime.date | None = None
    replaced_by: tuple[str, ...] = ()
    category: str | None = optional_text()
    source: str


@notebook
@attrs.frozen(kw_only=True)
class RetiredService(Value):
    """A service that Azure ended, or will end.

    Attributes:
        resource_type: The type whose resources are gone then.
        retired_on: The day.
        successor: The resource type that replaces it; None if there is none.
    """

    name: str
    resource_type: str
    retired_on: datetime.date
    successor: str | None = optional_text()
    source: str


@notebook
@attrs.frozen(kw_only=True)
class BlockedPlan(Value):
    """A Defender plan, or one of its sub-plans, that Azure no longer lets anyone enable. Who has it keeps it.

    Attributes:
        plan: The name of the plan, such as ``Dns``.
        sub_plan: The sub-plan that is blocked; None for the whole plan.
        blocked_on: The day.
        replaced_by: What to enable instead: a plan, or another sub-plan of this one.
    """

    plan: str
    sub_plan: str | None = optional_text()
    blocked_on: datetime.date
    replaced_by: str
    source: str

    def __str__(self) -> str:
        return one_line(f"{self.plan} with the sub-plan {self.sub_plan}" if self.sub_plan else self.plan)


@notebook
@attrs.frozen(kw_only=True)
class CatalogFreshness(Value):
    """How old the catalog's knowledge of Azure is, and what it knows to be gone.

    Attributes:
        date: The day on which the catalog was last compared with its sources. What Azure changed later is not in it.
        sources: The pages it was compared with.
    """

    date: datetime.date
    sources: tuple[str, ...]
    recommendations: tuple[RetiredRecommendation, ...] = attrs.field(default=(), repr=False)
    services: tuple[RetiredService, ...] = attrs.field(default=(), repr=False)
    plans: tuple[BlockedPlan, ...] = attrs.field(default=(), repr=False)

    def age(self, on: datetime.date) -> int:
        """Days from the comparison to this day; 0 on an earlier one.

        Raises:
            InvalidInputError: It is not a date.
        """
        if not isinstance(on, datetime.date):
            raise InvalidInputError(f"on must be a date, got {type(on).__name__}", hint="pass date.today()")
        return max(0, (datetime.date(on.year, on.month, on.day) - self.date).days)

    def service_of(self, resource_type: str) -> RetiredService | None:
        """The ended, or ending, service that a resource type belongs to; None if it goes on."""
        folded = f"{fold(resource_type)}/"
        return next((each for each in self.services if folded.startswith(f"{fold(each.resource_type)}/")), None)

    def blocked_plan(self, plan: str, sub_plan: str | None = None) -> BlockedPlan | None:
        """Why a plan cannot be enabled with this sub-plan; None if Azure takes it."""
        for each in self.plans:
            if fold(each.plan) == fold(plan) and (each.sub_plan is None or fold(each.sub_plan) == fold(sub_plan or "")):
                return each
        return None

    def retired(self, key: str) -> RetiredRecommendation | None:
        """The retired recommendation with this key; None if it is in force, or not known."""
        return next((each for each in self.recommendations if fold(each.key) == fold(key)), None)

    def __str__(self) -> str:
        return (
            f"compared with Azure on {self.date}: {len(self.recommendations)} retired recommendations, "
            f"{len(self.services)} ended services, {len(self.plans)} blocked plans"
        )


show_in("defender_remediate.models", BlockedPlan, CatalogFreshness, RetiredRecommendation, RetiredService)
