"""What a call asks to be planned: pairs of a fix and a resource, with the values of its parameters.

``recommendations_to_plan`` looks up what the caller named, and ``select`` pairs it with the assessments that were read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.catalog import Catalog
from defender_remediate.display import quoted
from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    ParameterError,
)
from defender_remediate.fixes.candidates import Candidate, SkipCause, candidate_for
from defender_remediate.fixes.placeholders import (
    check_names,
    check_values,
    named_resources,
    per_resource,
)
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.fix import FixAction
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.named import CHOICES, PlanChoice, ResourceChoice, named, resources_named, several
from defender_remediate.models.plan import SkippedResource, SkipReason
from defender_remediate.models.posture import FOUNDATIONAL, SubscriptionPosture
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.planning.guards import protection

_POSTURE_TARGET = f"providers/Microsoft.Security/pricings/{FOUNDATIONAL}"


@attrs.frozen(kw_only=True)
class SelectedRecommendation:
    """A recommendation that was named, and every fix that the catalog has for it.

    Attributes:
        resources: The ids of the only resources that it is planned for, by their key; None for all.
        category: The category of an individual recommendation; None for all others.
        advice: What to do where there is no fix, if that is known.
    """

    key: str
    policy_definition_id: str | None = None
    fixes: tuple[FixAction, ...] = ()
    resources: Mapping[str, str] | None = None
    category: str | None = None
    advice: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether nothing has to be asked of Azure to find its fixes."""
        return bool(self.fixes or self.policy_definition_id or self.category)

    @property
    def is_assessed(self) -> bool:
        """Whether Defender assesses it. It does not assess whether foundational posture management is on."""
        return not any(fold(fix.target) == fold(_POSTURE_TARGET) for fix in self.fixes)

    def covers(self, resource_id: str) -> bool:
        """Whether it is planned for this resource."""
        return self.resources is None or id_key(resource_id) in self.resources

    def is_about(self, assessment: Assessment, only: Mapping[str, str] | None, named: Collection[str]) -> bool:
        """Whether the plan is about this assessment of it.

        Args:
            assessment: The assessment.
            only: The resources to restrict the plan to, by their key; None for no restriction.
            named: The keys of the resources that the caller named in a parameter.
        """
        resource = id_key(assessment.resource_id)
        if only is not None:
            return resource in only and self.covers(resource)
        is_named = resource in named or self.resources is not None
        return self.covers(resource) and (is_named or assessment.status == AssessmentStatus.UNHEALTHY)


@attrs.frozen(kw_only=True)
class Selection:
    """What to plan, and what is skipped already."""

    candidates: tuple[Candidate, ...] = ()
    skipped: tuple[SkippedResource, ...] = ()


def recommendations_to_plan(
    given: PlanChoice | Iterable[PlanChoice], catalog: Catalog
) -> tuple[SelectedRecommendation, ...]:
    """The recommendations that a caller named, each once, in the given order. Makes no request.

    Raises:
        InvalidInputError: Nothing was named, or something that is not a recommendation.
        UnknownRecommendationError: A name is neither a key nor the display name of a recommendation in the catalog.
    """
    selected: dict[str, SelectedRecommendation] = {}
    for item in several(given, "recommendations"):
        for one in _selected(item, catalog):
            earlier = selected.setdefault(fold(one.key), one)
            resources = None
            if earlier.resources is not None and one.resources is not None:
                resources = {**earlier.resources, **one.resources}
            selected[fold(one.key)] = attrs.evolve(earlier, resources=resources)
    return tuple(selected.values())


def _selected(item: PlanChoice, catalog: Catalog) -> Iterator[SelectedRecommendation]:
    if isinstance(item, Recommendation):
        fixes = catalog.list_for_recommendation(item.key, item.policy_definition_id, title=item.display_name)
        own = item.fix
        if own is not None and own not in fixes:
            fixes = (own, *(fix for fix in fixes if fold(fix.resource_type) != fold(own.resource_type)))
        yield SelectedRecommendation(
            key=item.key, policy_definition_id=item.policy_definition_id or None, fixes=tuple(fixes)
        )
    elif isinstance(item, Assessment) and item.is_individual:
        guidance = catalog.guidance_for_category(item.category or "")
        yield SelectedRecommendation(
            key=item.key,
            fixes=catalog.list_for_recommendation(item.key, title=item.display_name),
            resources={id_key(item.resource_id): item.resource_id},
            category=item.category,
            advice=guidance.action if guidance else None,
        )
    elif isinstance(item, SubscriptionPosture):
        subscription = f"/subscriptions/{item.subscription_id}"
        fix = posture_fix(catalog)
        yield SelectedRecommendation(key=fix.key, fixes=(fix,), resources={id_key(subscription): subscription})
    elif isinstance(item, FixAction):
        yield SelectedRecommendation(key=item.key, fixes=(item,))
    else:
        for one in named(item, catalog.titles, expected=f"a posture, {CHOICES}"):
            resources = None if one.resource_id is None else {id_key(one.resource_id): one.resource_id}
            fixes = catalog.list_for_recommendation(one.key)
            yield SelectedRecommendation(key=one.key, fixes=fixes, resources=resources)


def posture_fix(catalog: Catalog) -> FixAction:
    """The fix that turns on foundational posture management.

    Raises:
        InvalidInputError: The catalog does not have it.
    """
    for fix in catalog:
        if fold(fix.target) == fold(_POSTURE_TARGET):
            return fix
    raise InvalidInputError(
        f"the catalog of this client has no fix for {_POSTURE_TARGET}", hint="use Catalog.bundled()"
    )


def given_values(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """The parameters that the caller gave, each one value or one for each of some resources; none for None.

    Raises:
        ParameterError: They are not a mapping by name, or a resource is not named by its id.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"parameters must be a mapping of names to values, got {quoted(parameters)}", hint='pass {"name": value}'
        )
    return {
        name: per_resource(name, value) if isinstance(value, Mapping) else value for name, value in parameters.items()
    }


def check_parameters(selected: Iterable[SelectedRecommendation], given: Mapping[str, Any]) -> None:
    """Refuse wrong parameters of recommendations that the caller named, before any assessment is read.

    Raises:
        ParameterError: A name that none of their fixes takes, a wrong value, or a missing one.
    """
    chosen = tuple(selected)
    check_names([fix for one in chosen for fix in one.fixes], given)
    for one in chosen:
        for fix in one.fixes:
            variants = [other for other in one.fixes if fold(other.resource_type) == fold(fix.resource_type)]
            check_values(fix, given, variants=variants)


def check_parameters_of_all(catalog: Catalog, given: Mapping[str, Any]) -> None:
    """Refuse wrong parameters of a call for everything that can be fixed, before any request; one may be missing.

    Raises:
        ParameterError: A name that no fix takes, or a value that a fix with all its parameters does not take.
    """
    check_names(catalog, given)
    for fix in catalog:
        if all(parameter.name in given for parameter in fix.parameters if parameter.is_required):
            check_values(fix, given)


def resource_filter(resources: Iterable[ResourceChoice] | None) -> Mapping[str, str] | None:
    """The ids to restrict a plan to, by their key; None for no restriction.

    Raises:
        InvalidResourceIdError: There is none, one is not a resource id, or a single string was passed.
    """
    if resources is None:
        return None
    return {resource.key: resource.text for resource in resources_named(resources, "resources")}


def select(
    recommendations: Iterable[SelectedRecommendation],
    assessments: Iterable[Assessment],
    *,
    only: Mapping[str, str] | None,
    covers: Callable[[str], bool],
    given: Mapping[str, Any],
    guards: Guards,
) -> Selection:
    """Pair every unhealthy assessment of a selected recommendation with its fix.

    The candidates come in the order of the recommendations, so that a plan that is cut short keeps the first of them.
    What cannot be paired is skipped with the reason, also each resource that was named and has no assessment.

    Args:
        recommendations: What was selected.
        assessments: Everything that was read; others than the selected ones do not matter.
        only: The resources to restrict the plan to, by their key; None for those that are unhealthy.
        covers: Whether a resource is in the client's scope.
        given: The parameters.
        guards: The guards.

    Raises:
        ParameterError: A value was given for a resource without an assessment: most often its id is misspelt.
    """
    by_key = {fold(one.key): one for one in recommendations}
    named = named_resources(given)
    wanted: dict[tuple[str, str], Assessment] = {}
    for assessment in assessments:
        key, resource = fold(assessment.key), id_key(assessment.resource_id)
        if key in by_key and by_key[key].is_about(assessment, only, named):
            wanted.setdefault((key, resource), assessment)
    found_on = {id_key(assessment.resource_id) for assessment in wanted.values()}
    unknown = named - found_on - set(only or ())
    if unknown:
        raise ParameterError(
            f"a parameter was given for {min(unknown)}, which has no assessment of these recommendations",
            hint="leave it out, or check the id and the scope of this client",
        )
    candidates: list[Candidate] = []
    skipped: list[SkippedResource] = []
    places = {key: place for place, key in enumerate(by_key)}
    for assessment in sorted(wanted.values(), key=lambda assessment: places[fold(assessment.key)]):
        found = _pair(by_key[fold(assessment.key)], assessment, given, guards)
        if isinstance(found, SkipCause):
            titles = (assessment.display_name,) if assessment.display_name else ()
            skipped.append(attrs.evolve(_skipped(assessment.resource_id, (assessment.key,), found), titles=titles))
        else:
            candidates.extend(found)
    keys = tuple(one.key for one in by_key.values())
    for one in by_key.values():
        for resource_key, resource_id in (only or one.resources or {}).items():
            if resource_key not in found_on:
                found_on.add(resource_key)
                message = "Defender for Cloud has no assessment of these recommendations on it"
                if not covers(resource_id):
                    message = "it is outside the scope of this client"
                cause = SkipCause(reason=SkipReason.NOT_APPLICABLE, message=message)
                skipped.append(_skipped(resource_id, keys, cause))
    return Selection(candidates=tuple(candidates), skipped=tuple(skipped))


def _pair(
    recommendation: SelectedRecommendation, assessment: Assessment, given: Mapping[str, Any], guards: Guards
) -> tuple[Candidate, ...] | SkipCause:
    if assessment.status == AssessmentStatus.HEALTHY:
        return SkipCause(reason=SkipReason.ALREADY_COMPLIANT, message="Defender for Cloud reports it as Healthy")
    if assessment.status != AssessmentStatus.UNHEALTHY:
        status = f"Defender for Cloud reports it as {assessment.status}"
        message = f"{status}: {assessment.cause}" if assessment.cause else status
        return SkipCause(reason=SkipReason.NOT_APPLICABLE, message=message)
    try:
        resource_type = ResourceId.parse(assessment.resource_id).type
    except InvalidResourceIdError as error:
        return SkipCause(reason=SkipReason.NOT_IN_AZURE, message=error.message)
    if fold(assessment.source) != "azure":
        return SkipCause(reason=SkipReason.NOT_IN_AZURE, message=f"the resource is in {assessment.source}")
    fixes = [fix for fix in recommendation.fixes if fold(fix.resource_type) == fold(resource_type)]
    if not fixes:
        message = recommendation.advice or f"the catalog has no fix of this recommendation for {resource_type}"
        return SkipCause(reason=SkipReason.NO_FIX, message=message)
    protected = protection(guards, assessment.resource_id, None)
    if protected is not None:
        return SkipCause(reason=SkipReason.PROTECTED, message=protected)
    candidates = tuple(candidate_for(fix, assessment, given, guards) for fix in fixes)
    if len(candidates) == 1 and candidates[0].skip_cause is not None:
        return candidates[0].skip_cause
    return candidates


def _skipped(resource_id: str, keys: tuple[str, ...], cause: SkipCause) -> SkippedResource:
    return SkippedResource(resource_id=resource_id, keys=keys, reason=cause.reason, message=cause.message)
