"""What a call asks to be planned: pairs of a fix and a resource, with the values of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.catalog import Catalog
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError, ParameterError
from defender_remediate.fixes.candidates import Candidate, Obstacle
from defender_remediate.fixes.placeholders import (
    check_names,
    check_values,
    named_resources,
    per_resource,
    resolve,
    resource_values,
)
from defender_remediate.models.fix import FixAction
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import SkippedResource, SkipReason
from defender_remediate.models.recommendation import Assessment, AssessmentStatus, Recommendation
from defender_remediate.planning.guards import protection


@attrs.frozen(kw_only=True)
class Wanted:
    """What to plan, and what is already known to be left out."""

    candidates: tuple[Candidate, ...] = ()
    skipped: tuple[SkippedResource, ...] = ()


@attrs.frozen(kw_only=True)
class Choice:
    """A recommendation that was chosen, and every fix that the catalog has for it."""

    key: str
    policy_definition_id: str
    fixes: tuple[FixAction, ...]


def choose(
    recommendations: Recommendation | str | Iterable[Recommendation | str], catalog: Catalog
) -> tuple[Choice, ...]:
    """Look up the fixes of recommendations, given as objects or by key; each once, in the given order.

    Raises:
        InvalidInputError: One is neither.
    """
    if isinstance(recommendations, (str, Recommendation)):
        recommendations = (recommendations,)
    if not isinstance(recommendations, Iterable):
        raise InvalidInputError(f"expected recommendations or their keys, got {recommendations!r}")
    chosen: dict[str, Choice] = {}
    for item in recommendations:
        if not isinstance(item, (str, Recommendation)):
            raise InvalidInputError(f"expected a recommendation or its key, got {item!r}")
        key, policy, own = (
            (item, "", None) if isinstance(item, str) else (item.key, item.policy_definition_id, item.fix)
        )
        fixes = catalog.all_for(key, policy)
        if own is not None and own not in fixes:
            fixes = (own, *(fix for fix in fixes if fold(fix.resource_type) != fold(own.resource_type)))
        chosen.setdefault(fold(key), Choice(key=key, policy_definition_id=policy, fixes=fixes))
    return tuple(chosen.values())


def given_values(parameters: Mapping[str, object] | None) -> dict[str, object]:
    """The parameters that the caller gave, each one value or one for each of some resources; none for None.

    Raises:
        ParameterError: They are not values by name, or a resource is named by something else than its id.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise ParameterError(
            f"parameters must be values by name, got {type(parameters).__name__}", hint='pass {"name": value}'
        )
    return {
        name: per_resource(name, value) if isinstance(value, Mapping) else value for name, value in parameters.items()
    }


def check_parameters(choices: Iterable[Choice], given: Mapping[str, Any]) -> None:
    """Refuse wrong parameters of recommendations that the caller named, before any assessment is read.

    Raises:
        ParameterError: A name that none of their fixes takes, a wrong value, or a missing one.
    """
    chosen = tuple(choices)
    check_names([fix for choice in chosen for fix in choice.fixes], given)
    for choice in chosen:
        for fix in choice.fixes:
            kind = fold(fix.resource_type)
            check_values(fix, given, variants=[each for each in choice.fixes if fold(each.resource_type) == kind])


def check_given(catalog: Catalog, given: Mapping[str, Any]) -> None:
    """Refuse wrong parameters of a call for everything that can be fixed, before any request; missing ones are not.

    Raises:
        ParameterError: A name that no fix takes, or a value that a fix with all its parameters does not take.
    """
    check_names(catalog, given)
    for fix in catalog:
        if all(parameter.name in given for parameter in fix.parameters if parameter.is_required):
            check_values(fix, given)


def asked_for(assessment: Assessment, named: Collection[str]) -> bool:
    """Whether a plan for all resources is about this one: it is unhealthy, or the caller named it in a parameter."""
    return assessment.status == AssessmentStatus.UNHEALTHY or fold(assessment.resource_id) in named


def resource_filter(resources: Iterable[str] | None) -> Mapping[str, str] | None:
    """The ids to restrict a plan to, by their folded text; None for no restriction.

    Raises:
        InvalidResourceIdError: One is no resource id, or a single text was passed in place of several.
    """
    if resources is None:
        return None
    if isinstance(resources, str) or not isinstance(resources, Iterable):
        raise InvalidResourceIdError(f"resources must be a list of ids, got {resources!r}", hint="pass [resource_id]")
    ids = (ResourceId.parse(resource).text for resource in resources)
    return {fold(text): text for text in ids}


def collect(
    choices: Iterable[Choice],
    assessments: Iterable[Assessment],
    *,
    only: Mapping[str, str] | None,
    covers: Callable[[str], bool],
    given: Mapping[str, Any],
    guards: Guards,
) -> Wanted:
    """Pair every unhealthy assessment of a chosen recommendation with its fix.

    The candidates come in the order of the choices, so that a plan that is cut short keeps what is worth most. Whatever
    cannot be paired is left out with the reason, also each resource in ``only`` on which nothing was found.
    ``covers`` says whether a resource is in the client's scope.

    Raises:
        ParameterError: A value was given for a resource that nothing was found on: most often its id is misspelt.
    """
    by_key = {fold(choice.key): choice for choice in choices}
    candidates: list[Candidate] = []
    skipped: list[SkippedResource] = []
    seen: set[tuple[str, str]] = set()
    for assessment in assessments:
        choice = by_key.get(fold(assessment.key))
        place = (fold(assessment.key), fold(assessment.resource_id))
        if choice is None or place in seen or (only is not None and place[1] not in only):
            continue
        seen.add(place)
        found = _pair(choice, assessment, given, guards)
        if isinstance(found, SkippedResource):
            skipped.append(found)
        else:
            candidates.extend(found)
    found_on = {resource for _, resource in seen}
    unknown = named_resources(given) - found_on - set(only or ())
    if unknown:
        message = f"a parameter was given for {min(unknown)}, and Defender for Cloud has no assessment of it here"
        raise ParameterError(message, hint="leave it out, or look at its id and at the scope of this client")
    if only is not None:
        keys = tuple(choice.key for choice in by_key.values())
        missing = [text for folded, text in only.items() if folded not in found_on]
        skipped.extend(_not_assessed(text, keys, is_covered=covers(text)) for text in missing)
    places = {folded: place for place, folded in enumerate(by_key)}
    candidates.sort(key=lambda candidate: places[fold(candidate.key)])
    return Wanted(candidates=tuple(candidates), skipped=tuple(skipped))


def _pair(
    choice: Choice, assessment: Assessment, given: Mapping[str, Any], guards: Guards
) -> tuple[Candidate, ...] | SkippedResource:
    def skip(reason: SkipReason, message: str) -> SkippedResource:
        return SkippedResource(
            resource_id=assessment.resource_id, keys=(assessment.key,), reason=reason, message=message
        )

    if assessment.status == AssessmentStatus.HEALTHY:
        return skip(SkipReason.ALREADY_COMPLIANT, "Defender for Cloud says Healthy")
    if assessment.status != AssessmentStatus.UNHEALTHY:
        cause = f"Defender for Cloud says {assessment.status}"
        return skip(SkipReason.NOT_APPLICABLE, f"{cause}: {assessment.cause}" if assessment.cause else cause)
    try:
        kind = ResourceId.parse(assessment.resource_id).type
    except InvalidResourceIdError as error:
        return skip(SkipReason.NOT_IN_AZURE, error.message)
    if fold(assessment.source) != "azure":
        return skip(SkipReason.NOT_IN_AZURE, f"the resource lives in {assessment.source}")
    fixes = [fix for fix in choice.fixes if fold(fix.resource_type) == fold(kind)]
    if not fixes:
        return skip(SkipReason.NO_FIX, f"the catalog has no fix of this recommendation for {kind}")
    protected = protection(guards, assessment.resource_id, None)
    if protected:
        return skip(SkipReason.PROTECTED, protected)
    found = tuple(_candidate(fix, assessment, given, guards) for fix in fixes)
    if len(found) == 1 and found[0].obstacle is not None:
        return skip(found[0].obstacle.reason, found[0].obstacle.message)
    return found


def _candidate(fix: FixAction, assessment: Assessment, given: Mapping[str, Any], guards: Guards) -> Candidate:
    values = resource_values(assessment.resource_id, None)
    obstacle = None
    if fix.is_irreversible and not guards.allows(fix.key):
        message = f'irreversible; consent with Guards(allow_irreversible=["{fix.key}"])'
        obstacle = Obstacle(reason=SkipReason.CONSENT_MISSING, message=message)
    else:
        try:
            values |= resolve(fix, given, assessment.resource_id)
        except ParameterError as error:
            obstacle = Obstacle(reason=SkipReason.PARAMETER_MISSING, message=error.message)
    return Candidate(fix=fix, key=assessment.key, resource_id=assessment.resource_id, values=values, obstacle=obstacle)


def _not_assessed(resource: str, keys: tuple[str, ...], *, is_covered: bool) -> SkippedResource:
    message = (
        "Defender for Cloud has no assessment of these recommendations on it"
        if is_covered
        else "it is outside the scope of this client"
    )
    return SkippedResource(resource_id=resource, keys=keys, reason=SkipReason.NOT_APPLICABLE, message=message)
