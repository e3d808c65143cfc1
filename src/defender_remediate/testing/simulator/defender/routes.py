"""The Microsoft.Security routes that only read: assessments, their metadata, scores and controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.authorization.state import is_registered
from defender_remediate.testing.simulator.defender.scores import control_scores, controls, definition_of, overall
from defender_remediate.testing.simulator.defender.state import Assessment, AssessmentDefinition
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import DELETED
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.transport.exchange import Answer, Call

_ASSESSMENTS = "Microsoft.Security/assessments"
_RISK_SINCE = "2025-05-04"
_GROUP = "/providers/microsoft.management/managementgroups/"


def subscriptions_below(world: World, scope: str) -> list[str]:
    """The subscriptions of a subscription or management group scope.

    Raises:
        ArmError: The scope does not exist, or Microsoft.Security is not registered in the subscription.
    """
    if ids.key(scope).startswith(_GROUP):
        name = ids.segments(scope)[-1]
        group = world.store.management_groups.get(fold(name))
        if group is None:
            raise refusal("ManagementGroupNotFound", group=name)
        found: list[str] = group["subscriptions"]
        return [s for s in found if is_on(world, s)]
    world.store.subscription(ids.subscription_of(scope))
    world.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    return [fold(ids.subscription_of(scope))]


def is_on(world: World, subscription: str) -> bool:
    """Whether Defender for Cloud answers for a subscription, named in lower case, that is not deleted."""
    found = world.store.subscriptions[subscription]
    return found.state != DELETED and is_registered(found.registration("Microsoft.Security"))


def render(world: World, assessment: Assessment, *, version: str, expand: str = "") -> dict[str, Any]:
    """An assessment as the REST API shows it."""
    status: dict[str, Any] = {"code": assessment.code}
    if assessment.cause:
        status["cause"] = assessment.cause
    if assessment.description:
        status["description"] = assessment.description
    status["firstEvaluationDate"] = world.timestamp(assessment.first)
    status["statusChangeDate"] = world.timestamp(assessment.changed)
    properties: dict[str, Any] = {
        "displayName": assessment.finding.metadata["displayName"],
        "resourceDetails": dict(assessment.details),
        "status": status,
    }
    if assessment.additional:
        properties["additionalData"] = dict(assessment.additional)
    if assessment.risk is not None and version >= _RISK_SINCE:
        properties["risk"] = dict(assessment.risk)
    if expand == "links":
        properties["links"] = {"azurePortalUri": "https://" + portal_link(assessment)}
    if expand == "metadata":
        properties["metadata"] = dict(assessment.finding.metadata)
    return {"id": assessment.id, "name": assessment.finding.key, "type": _ASSESSMENTS, "properties": properties}


def portal_link(assessment: Assessment) -> str:
    """The portal's page about an assessment, without a scheme: Resource Graph has none either."""
    return (
        "portal.azure.com/#blade/Microsoft_Azure_Security/RecommendationsBlade/assessmentKey/"
        f"{assessment.finding.key}/resourceId/{assessment.resource_id.replace('/', '%2f')}"
    )


def _list_assessments(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    wanted = set(subscriptions_below(world, holes["scope"]))
    scope = "/" + holes["scope"].strip("/")
    world.access.check_read(f"{_ASSESSMENTS}/read", scope)
    found = [
        render(world, assessment, version=call.api_version)
        for assessment in world.assessor.current()
        if fold(ids.subscription_of(assessment.resource_id)) in wanted
        and (ids.key(scope).startswith(_GROUP) or ids.within(assessment.resource_id, scope))
    ]
    return world.page(call, found)


def _get_assessment(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    scope = "/" + holes["scope"].strip("/")
    world.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    world.access.check_read(f"{_ASSESSMENTS}/read", scope)
    for assessment in world.assessor.current():
        same = ids.key(assessment.resource_id) == ids.key(scope)
        if same and assessment.finding.key == fold(holes["key"]):
            shown = render(world, assessment, version=call.api_version, expand=call.query.get("$expand", "").lower())
            return Answer.json(shown)
    raise refusal("AssessmentNotFound", key=holes["key"], scope=scope)


def _metadata_of(finding: AssessmentDefinition, prefix: str) -> dict[str, Any]:
    return {
        "id": f"{prefix}/providers/Microsoft.Security/assessmentMetadata/{finding.key}",
        "name": finding.key,
        "type": "Microsoft.Security/assessmentMetadata",
        "properties": dict(finding.metadata),
    }


def _metadata(world: World, holes: Mapping[str, str]) -> Iterator[tuple[AssessmentDefinition, str]]:
    """What is defined here. The tenant has the built-in ones; a subscription adds its own, under its own id."""
    subscription = holes.get("subscription", "")
    if subscription:
        world.store.subscription(subscription)
        world.access.check_registered(subscription, "Microsoft.Security")
    for finding in world.assessor.findings.values():
        if not finding.subscriptions:
            yield finding, ""
        elif fold(subscription) in finding.subscriptions:
            yield finding, f"/subscriptions/{subscription}"


def _list_metadata(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    return world.page(call, [_metadata_of(finding, prefix) for finding, prefix in _metadata(world, holes)])


def _get_metadata(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del call
    for finding, prefix in _metadata(world, holes):
        if finding.key == fold(holes["key"]):
            return Answer.json(_metadata_of(finding, prefix))
    raise refusal("MetadataNotFound", key=holes["key"])


def _list_scores(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    subscriptions_below(world, f"/subscriptions/{holes['subscription']}")
    return world.page(call, [overall(world, holes["subscription"])])


def _get_score(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    del call
    subscriptions_below(world, f"/subscriptions/{holes['subscription']}")
    if fold(holes["score"]) != "ascscore":
        raise refusal("ScoreNotFound", name=holes["score"])
    return Answer.json(overall(world, holes["subscription"]))


def _list_controls(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    subscriptions_below(world, f"/subscriptions/{holes['subscription']}")
    if fold(holes.get("score", "ascScore")) != "ascscore":
        raise refusal("ScoreNotFound", name=holes["score"])
    expand = fold(call.query.get("$expand", "")) == "definition"
    return world.page(call, control_scores(world, holes["subscription"], expand=expand))


def _list_definitions(world: World, call: Call, holes: Mapping[str, str]) -> Answer:
    if "subscription" in holes:
        subscriptions_below(world, f"/subscriptions/{holes['subscription']}")
    return world.page(call, [definition_of(world, control) for control in controls()])


_S = "/subscriptions/{subscription}/providers/Microsoft.Security"
_T = "/providers/Microsoft.Security"
_SCORES = "Microsoft.Security/secureScores"
_CONTROLS = "Microsoft.Security/secureScoreControls"
_DEFINITIONS = "Microsoft.Security/secureScoreControlDefinitions"
_METADATA = "Microsoft.Security/assessmentMetadata"

ROUTES = tuple(
    Route(methods=("GET",), pattern=pattern, type=kind, handler=handler)
    for pattern, kind, handler in (
        ("/{scope*}/providers/Microsoft.Security/assessments", _ASSESSMENTS, _list_assessments),
        ("/{scope*}/providers/Microsoft.Security/assessments/{key}", _ASSESSMENTS, _get_assessment),
        (f"{_T}/assessmentMetadata", _METADATA, _list_metadata),
        (f"{_T}/assessmentMetadata/{{key}}", _METADATA, _get_metadata),
        (f"{_S}/assessmentMetadata", _METADATA, _list_metadata),
        (f"{_S}/assessmentMetadata/{{key}}", _METADATA, _get_metadata),
        (f"{_S}/secureScores", _SCORES, _list_scores),
        (f"{_S}/secureScores/{{score}}", _SCORES, _get_score),
        (f"{_S}/secureScores/{{score}}/secureScoreControls", _CONTROLS, _list_controls),
        (f"{_S}/secureScoreControls", _CONTROLS, _list_controls),
        (f"{_T}/secureScoreControlDefinitions", _DEFINITIONS, _list_definitions),
        (f"{_S}/secureScoreControlDefinitions", _DEFINITIONS, _list_definitions),
    )
)
