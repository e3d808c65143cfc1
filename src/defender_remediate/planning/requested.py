"""What a call is about: the recommendations to plan, with their fixes, and the resources of a decision.

Azure is asked for what the catalog does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.ids import is_guid
from defender_remediate.models.named import PlanChoice, ResourceChoice, several
from defender_remediate.models.posture import PostureIssue, PostureWarning, reasons_of
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.planning.selection import (
    SelectedRecommendation,
    check_parameters,
    check_parameters_of_all,
    recommendations_to_plan,
    resource_filter,
)


@attrs.frozen(kw_only=True)
class RequestedRecommendations:
    """What a plan is about.

    Attributes:
        recommendations: Each once, in the order in which they were named or, if none was, are ranked.
        not_evaluated: Where Defender does not evaluate, a sentence for each subscription and reason, as far as it was noticed.
    """

    recommendations: tuple[SelectedRecommendation, ...]
    not_evaluated: tuple[str, ...] = ()


def read_requested(
    named: PlanChoice | Iterable[PlanChoice] | None,
    parameters: Mapping[str, object],
    *,
    discovery: Discovery,
    catalog: Catalog,
) -> RequestedRecommendations:
    """The recommendations that the caller named; everything that can be fixed if that is None.

    Raises:
        InvalidInputError, UnknownRecommendationError: What was named is not a recommendation.
        ParameterError: A parameter is unknown or invalid, or one of a named recommendation is missing.
    """
    if named is None:
        check_parameters_of_all(catalog, parameters)
        return _everything_fixable(discovery, catalog)
    selected = recommendations_to_plan(_by_assessment(named, discovery, catalog), catalog)
    selected = tuple(_with_fixes(one, discovery, catalog) for one in selected)
    check_parameters(selected, parameters)
    return RequestedRecommendations(recommendations=selected)


def requested_resources(recommendation: object, resources: Iterable[ResourceChoice] | None) -> tuple[str, ...]:
    """The ids of the resources that a decision is about, each once; for an assessment that of its resource by default.

    Raises:
        InvalidResourceIdError: There is none, or one is not a resource id.
    """
    if resources is None and isinstance(recommendation, Assessment):
        resources = [recommendation.resource_id]
    found = resource_filter(resources)
    if found is None:
        raise InvalidResourceIdError(
            "resources must be a list of ids, got None", hint="pass the ids of the resources; there is no 'all'"
        )
    return tuple(found.values())


def _everything_fixable(discovery: Discovery, catalog: Catalog) -> RequestedRecommendations:
    warnings: list[PostureWarning] = []
    to_plan: tuple[PlanChoice, ...] = tuple(discovery.telling(warnings.append).list_recommendations(fixable=True))
    not_evaluated = [one for warning in warnings for one in warning.postures]
    if not to_plan:
        # The first fix of a new subscription: without it there is nothing else to find.
        to_plan = tuple(one for one in not_evaluated if PostureIssue.POSTURE_OFF in one.issues)
    return RequestedRecommendations(
        recommendations=recommendations_to_plan(to_plan, catalog) if to_plan else (),
        not_evaluated=reasons_of(not_evaluated),
    )


def _by_assessment(
    named: PlanChoice | Iterable[PlanChoice], discovery: Discovery, catalog: Catalog
) -> list[PlanChoice]:
    """An individual recommendation as its unhealthy assessments, because their keys are generated; the rest as it is."""
    items = several(named, "recommendations")
    # What is wrong with the others is said before any request.
    recommendations_to_plan(items, catalog)
    found: list[PlanChoice] = []
    for item in items:
        rows: Iterable[PlanChoice] = ()
        if isinstance(item, Recommendation) and item.is_individual:
            rows = tuple(discovery.list_assessments(item, status=AssessmentStatus.UNHEALTHY))
        found.extend(rows or (item,))
    return found


def _with_fixes(one: SelectedRecommendation, discovery: Discovery, catalog: Catalog) -> SelectedRecommendation:
    """Look up fixes by policy definition or display name if the catalog does not have the recommendation's key."""
    if one.is_assessed and one.fixes and not is_guid(one.key):
        titles = [title for fix in one.fixes for title in fix.display_names]
        return attrs.evolve(one, key=discovery.key_by_title(titles))
    if one.is_known:
        return one
    about = discovery.get_metadata(one.key)
    policy = about.policy_definition_id
    fixes = catalog.list_for_recommendation(one.key, policy, title=about.display_name)
    return attrs.evolve(one, policy_definition_id=policy, fixes=fixes)
