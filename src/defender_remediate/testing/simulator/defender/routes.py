"""The read-only operations of Microsoft.Security: assessments, their metadata, scores and controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.computed import as_known
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.authorization.state import is_registered
from defender_remediate.testing.simulator.defender.assessments import AssessmentDefinition, SimulatedAssessment
from defender_remediate.testing.simulator.defender.scores import control_scores, controls, definition_of, overall
from defender_remediate.testing.simulator.state import hierarchy, ids
from defender_remediate.testing.simulator.state.store import DELETED
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_ASSESSMENTS = "Microsoft.Security/assessments"
_GROUP = "/providers/microsoft.management/managementgroups/"


def subscriptions_below(tenant: Tenant, scope: str) -> list[str]:
    """Returns the subscriptions of a subscription or management group scope.

    Raises:
        ArmError: The scope does not exist, or Microsoft.Security is not registered in the subscription.
    """
    if ids.key(scope).startswith(_GROUP):
        name = ids.segments(scope)[-1]
        group = tenant.store.management_groups.get(fold(name))
        if group is None:
            raise refusal("ManagementGroupNotFound", group=name)
        found = hierarchy.subscriptions_in(tenant.store.management_groups, name)
        return [one for one in found if is_on(tenant, one)]
    tenant.store.subscription(ids.subscription_of(scope))
    if ids.group_of(scope):
        tenant.store.group(ids.subscription_of(scope), ids.group_of(scope))
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    return [fold(ids.subscription_of(scope))]


def _check_score(tenant: Tenant, captured: Mapping[str, str], type_name: str) -> None:
    """Refuses a caller who may not read the score, and a score that does not exist."""
    scope = f"/subscriptions/{captured['subscription']}"
    subscriptions_below(tenant, scope)
    tenant.access.check_read(f"{type_name}/read", scope)
    if fold(captured.get("score", "ascScore")) != "ascscore":
        raise refusal("ScoreNotFound", name=captured["score"])


def is_on(tenant: Tenant, subscription: str) -> bool:
    """Whether Defender for Cloud is registered in a subscription that is not deleted."""
    found = tenant.store.subscriptions[subscription]
    return found.state != DELETED and is_registered(found.registration("Microsoft.Security"))


def render(tenant: Tenant, assessment: SimulatedAssessment, *, version: str, expand: str = "") -> dict[str, Any]:
    """Returns an assessment as the REST API shows it."""
    properties: dict[str, Any] = {
        "displayName": assessment.definition.metadata["displayName"],
        "resourceDetails": dict(assessment.details),
        "status": assessment.render_status(tenant.clock),
    }
    if assessment.additional:
        properties["additionalData"] = dict(assessment.additional)
    if assessment.resource_data:
        properties["resourceAdditionalData"] = dict(assessment.resource_data)
    risk = assessment.render_risk()
    if risk is not None:
        properties["risk"] = risk
    if expand == "links":
        properties["links"] = {"azurePortalUri": "https://" + portal_link(assessment)}
    if expand == "metadata":
        properties["metadata"] = dict(assessment.definition.metadata)
    shown = {"id": assessment.id, "name": assessment.definition.key, "type": _ASSESSMENTS, "properties": properties}
    return as_known(_ASSESSMENTS, version, shown)


def portal_link(assessment: SimulatedAssessment) -> str:
    """Returns the portal's URL of an assessment, without scheme as in Resource Graph."""
    return (
        "portal.azure.com/#blade/Microsoft_Azure_Security/RecommendationsBlade/assessmentKey/"
        f"{assessment.definition.key}/resourceId/{assessment.resource_id.replace('/', '%2f')}"
    )


def list_assessments(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the assessments at a scope."""
    wanted = set(subscriptions_below(tenant, captured["scope"]))
    scope = "/" + captured["scope"].strip("/")
    tenant.access.check_read(f"{_ASSESSMENTS}/read", scope)
    is_group = ids.key(scope).startswith(_GROUP)
    held, is_shown = tenant.assessor.listed("" if is_group else scope)
    prefix = ids.key(scope) + "/"

    def shown(assessment: SimulatedAssessment) -> dict[str, Any] | None:
        is_here = assessment.subscription in wanted if is_group else f"{assessment.key[1]}/".startswith(prefix)
        if not is_here or not is_shown(assessment):
            return None
        return render(tenant, assessment, version=call.api_version)

    return tenant.page(call, held, shown=shown)


def get_assessment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an assessment."""
    scope = "/" + captured["scope"].strip("/")
    tenant.access.check_registered(ids.subscription_of(scope), "Microsoft.Security")
    tenant.access.check_read(f"{_ASSESSMENTS}/read", scope)
    for assessment in tenant.assessor.of_resource(scope):
        if assessment.definition.key == fold(captured["key"]):
            shown = render(tenant, assessment, version=call.api_version, expand=call.query.get("$expand", "").lower())
            return Reply.json(shown)
    raise refusal("AssessmentNotFound", key=captured["key"], scope=scope)


def _metadata_of(definition: AssessmentDefinition, prefix: str) -> dict[str, Any]:
    return {
        "id": f"{prefix}/providers/Microsoft.Security/assessmentMetadata/{definition.key}",
        "name": definition.key,
        "type": "Microsoft.Security/assessmentMetadata",
        "properties": dict(definition.metadata),
    }


def _metadata(tenant: Tenant, captured: Mapping[str, str]) -> Iterator[tuple[AssessmentDefinition, str]]:
    """Yields the built-in definitions, and those of a subscription with the subscription's id."""
    subscription = captured.get("subscription", "")
    if subscription:
        tenant.store.subscription(subscription)
        tenant.access.check_registered(subscription, "Microsoft.Security")
    for definition in tenant.assessor.definitions.values():
        if not definition.subscriptions:
            yield definition, ""
        elif fold(subscription) in definition.subscriptions:
            yield definition, f"/subscriptions/{subscription}"


def list_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the assessment metadata."""
    return tenant.page(call, [_metadata_of(definition, prefix) for definition, prefix in _metadata(tenant, captured)])


def get_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows the metadata of an assessment."""
    del call
    for definition, prefix in _metadata(tenant, captured):
        if definition.key == fold(captured["key"]):
            return Reply.json(_metadata_of(definition, prefix))
    raise refusal("MetadataNotFound", key=captured["key"])


def list_scores(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the secure scores of a subscription."""
    _check_score(tenant, captured, _SCORES)
    return tenant.page(call, [overall(tenant, captured["subscription"])])


def get_score(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows a secure score."""
    del call
    _check_score(tenant, captured, _SCORES)
    return Reply.json(overall(tenant, captured["subscription"]))


def list_controls(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the security controls of a subscription."""
    _check_score(tenant, captured, _CONTROLS)
    expand = fold(call.query.get("$expand", "")) == "definition"
    return tenant.page(call, control_scores(tenant, captured["subscription"], expand=expand))


def list_control_definitions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the definitions of the security controls."""
    if "subscription" in captured:
        subscriptions_below(tenant, f"/subscriptions/{captured['subscription']}")
    return tenant.page(call, [definition_of(tenant, control) for control in controls()])


_S = "/subscriptions/{subscription}/providers/Microsoft.Security"
_T = "/providers/Microsoft.Security"
_SCORES = "Microsoft.Security/secureScores"
_CONTROLS = "Microsoft.Security/secureScoreControls"
_DEFINITIONS = "Microsoft.Security/secureScoreControlDefinitions"
_METADATA = "Microsoft.Security/assessmentMetadata"

ROUTES = tuple(
    Route(methods=("GET",), pattern=pattern, type=kind, handler=handler)
    for pattern, kind, handler in (
        ("/{scope*}/providers/Microsoft.Security/assessments", _ASSESSMENTS, list_assessments),
        ("/{scope*}/providers/Microsoft.Security/assessments/{key}", _ASSESSMENTS, get_assessment),
        (f"{_T}/assessmentMetadata", _METADATA, list_metadata),
        (f"{_T}/assessmentMetadata/{{key}}", _METADATA, get_metadata),
        (f"{_S}/assessmentMetadata", _METADATA, list_metadata),
        (f"{_S}/assessmentMetadata/{{key}}", _METADATA, get_metadata),
        (f"{_S}/secureScores", _SCORES, list_scores),
        (f"{_S}/secureScores/{{score}}", _SCORES, get_score),
        (f"{_S}/secureScores/{{score}}/secureScoreControls", _CONTROLS, list_controls),
        (f"{_S}/secureScoreControls", _CONTROLS, list_controls),
        (f"{_T}/secureScoreControlDefinitions", _DEFINITIONS, list_control_definitions),
        (f"{_S}/secureScoreControlDefinitions", _DEFINITIONS, list_control_definitions),
    )
)
