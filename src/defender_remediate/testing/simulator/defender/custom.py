"""Custom recommendations of a subscription, and the assessments that a caller makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route, json_body
from defender_remediate.testing.simulator.defender.assessments import (
    HEALTHY,
    NOT_APPLICABLE,
    UNHEALTHY,
    AssessmentDefinition,
    SimulatedAssessment,
    SimulatedStatus,
)
from defender_remediate.testing.simulator.defender.routes import get_assessment, get_metadata
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_METADATA = "Microsoft.Security/assessmentMetadata"
_ASSESSMENTS = "Microsoft.Security/assessments"
_CUSTOMER = "CustomerManaged"
_SEVERITIES = ("Low", "Medium", "High", "Critical")


def put_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Defines a custom recommendation of a subscription; a built-in one is refused."""
    subscription, key = tenant.store.subscription(captured["subscription"]), fold(captured["key"])
    scope = f"/subscriptions/{subscription.id}"
    target_id = f"{scope}/providers/{_METADATA}/{key}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("PUT", operation.action, target_id)
        tenant.access.check_registered(subscription.id, "Microsoft.Security")
        if not ids.is_guid(key):
            raise refusal("InvalidRequestContent", problem=f"the assessment key '{key}' is not a GUID")
        known = tenant.assessor.definitions.get(key)
        if known is not None and known.metadata.get("assessmentType") != _CUSTOMER:
            raise refusal("InvalidRequestContent", problem=f"the assessment metadata '{key}' is built in")
        properties = json_body(call).get("properties") or {}
        for name in ("displayName", "severity", "assessmentType"):
            if not isinstance(properties.get(name), str):
                raise refusal("InvalidRequestContent", problem=f"'{name}' is missing")
        if properties["severity"] not in _SEVERITIES:
            raise refusal("InvalidRequestContent", problem=f"the severity is not one of {', '.join(_SEVERITIES)}")
        metadata = {**properties, "assessmentType": _CUSTOMER}
        tenant.assessor.add_definition(
            AssessmentDefinition(key=key, metadata=metadata, subscriptions=(fold(subscription.id),))
        )
        tenant.store.touch(target_id)
        return get_metadata(tenant, call, captured), False

    return logged(tenant, call, f"{_METADATA}/write", target_id, work)


def delete_metadata(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Deletes a custom recommendation with its assessments; a built-in one is refused."""
    subscription, key = tenant.store.subscription(captured["subscription"]), fold(captured["key"])
    target_id = f"/subscriptions/{subscription.id}/providers/{_METADATA}/{key}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_write("DELETE", operation.action, target_id)
        if not _is_custom(tenant.assessor.definitions.get(key), subscription.id):
            raise refusal("MetadataNotFound", key=key)
        tenant.assessor.remove_definition(key)
        tenant.store.touch(target_id)
        return Reply(status=200), False

    return logged(tenant, call, f"{_METADATA}/delete", target_id, work)


def _is_custom(definition: AssessmentDefinition | None, subscription: str) -> bool:
    return definition is not None and fold(subscription) in definition.subscriptions


def put_assessment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Sets the status of a custom recommendation on a resource; Defender alone assesses the built-in ones."""
    scope, key = "/" + captured["scope"].strip("/"), fold(captured["key"])
    target_id = f"{scope}/providers/{_ASSESSMENTS}/{key}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        definition = _writable(tenant, operation, call, scope, key)
        properties = json_body(call).get("properties") or {}
        status: Any = properties.get("status")
        codes = (HEALTHY, UNHEALTHY, NOT_APPLICABLE)
        if not isinstance(status, Mapping) or status.get("code") not in codes:
            raise refusal("InvalidRequestContent", problem=f"status.code is not one of {', '.join(codes)}")
        is_new = tenant.assessor.get(key, scope) is None
        tenant.assessor.add(
            SimulatedAssessment(
                definition=definition,
                resource_id=scope,
                details={"source": "Azure", "id": scope},
                status=SimulatedStatus(
                    code=status["code"], cause=status.get("cause"), description=status.get("description")
                ),
                additional=dict(properties.get("additionalData") or {}),
            )
        )
        tenant.store.touch(target_id)
        return Reply.json(get_assessment(tenant, call, captured).body, status=201 if is_new else 200), False

    return logged(tenant, call, f"{_ASSESSMENTS}/write", target_id, work)


def delete_assessment(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Removes an assessment of a custom recommendation."""
    scope, key = "/" + captured["scope"].strip("/"), fold(captured["key"])
    target_id = f"{scope}/providers/{_ASSESSMENTS}/{key}"

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        _writable(tenant, operation, call, scope, key)
        was_there = tenant.assessor.remove(key, scope)
        tenant.store.touch(target_id)
        return Reply(status=200 if was_there else 204), False

    return logged(tenant, call, f"{_ASSESSMENTS}/delete", target_id, work)


def _writable(tenant: Tenant, operation: LoggedOperation, call: Call, scope: str, key: str) -> AssessmentDefinition:
    """Returns the custom recommendation.

    Raises:
        ArmError: The caller may not write its assessments, it does not exist, or it is built in.
    """
    tenant.access.check_write(call.method, operation.action, scope)
    subscription = ids.subscription_of(scope)
    tenant.access.check_registered(subscription, "Microsoft.Security")
    if ids.path_of(scope) is not None and tenant.store.find(scope) is None:
        raise refusal("AssessmentNotFound", key=key, scope=scope)
    definition = tenant.assessor.definitions.get(key)
    if definition is None:
        raise refusal("MetadataNotFound", key=key)
    if not _is_custom(definition, subscription):
        raise refusal("InvalidRequestContent", problem=f"the assessment '{key}' is built in")
    return definition


ROUTES = tuple(
    Route(methods=(method,), pattern=pattern, type=kind, handler=handler, reads=False)
    for method, pattern, kind, handler in (
        ("PUT", f"/subscriptions/{{subscription}}/providers/{_METADATA}/{{key}}", _METADATA, put_metadata),
        ("DELETE", f"/subscriptions/{{subscription}}/providers/{_METADATA}/{{key}}", _METADATA, delete_metadata),
        ("PUT", f"/{{scope*}}/providers/{_ASSESSMENTS}/{{key}}", _ASSESSMENTS, put_assessment),
        ("DELETE", f"/{{scope*}}/providers/{_ASSESSMENTS}/{{key}}", _ASSESSMENTS, delete_assessment),
    )
)
