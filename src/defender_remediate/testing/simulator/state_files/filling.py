"""Fills a tenant with the resources of an export or a recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.authorization.state import CAN_NOT_DELETE, READ_ONLY, ManagementLock
from defender_remediate.testing.simulator.controls.resources import ResourceControls
from defender_remediate.testing.simulator.defender.assessments import (
    HEALTHY,
    NOT_APPLICABLE,
    UNHEALTHY,
    AssessmentDefinition,
    SimulatedAssessment,
    SimulatedStatus,
)
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state_files.exports import (
    ASSESSMENTS,
    GROUPS,
    LOCKS,
    SUBSCRIPTIONS,
    ExportedItem,
)
from defender_remediate.testing.simulator.state_files.reading import located
from defender_remediate.testing.simulator.state_files.rights import ADDERS
from defender_remediate.testing.simulator.web import contracts

# An api-version before all others: a type that the simulator does not know takes any that is newer.
_FIRST_VERSION = "2014-01-01"
_ORDER = {
    SUBSCRIPTIONS: 0,
    GROUPS: 1,
    ASSESSMENTS: 3,
    LOCKS: 3,
    **{kind: place for place, kind in enumerate(ADDERS, start=4)},
}


def fill(
    tenant: Tenant,
    resources: ResourceControls,
    items: Iterable[ExportedItem],
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    left_out: list[str] | None = None,
) -> tuple[str, ...]:
    """Adds subscriptions, resource groups, resources, assessments, roles and policies; returns the ids of what was added.

    Args:
        tenant: The tenant.
        resources: Its controls.
        items: What to add, in any order.
        metadata: What is known of the recommendations that the simulator does not know, by assessment key.
        left_out: Where to note what cannot be added, instead of an error.

    Raises:
        InvalidInputError: One of them cannot be added; the message says which.
    """
    # Parents come before what is below them.
    ranked = sorted(items, key=lambda item: (_ORDER.get(item.kind, 2), len(ids.segments(str(item.body["id"])))))
    added = []
    for item in ranked:
        problems = nullcontext() if left_out is None else _noting(left_out)
        with problems, located(item.place):
            if item.kind == ASSESSMENTS:
                added.append(_add_assessment(tenant, item.body, metadata or {}))
            elif item.kind == LOCKS:
                added.append(_add_lock(tenant, item.body))
            elif item.kind in ADDERS:
                with tenant.lock:
                    added.append(ADDERS[item.kind](tenant, item.body))
            else:
                added.append(_add_resource(tenant, resources, item))
    return tuple(added)


@contextmanager
def _noting(left_out: list[str]) -> Iterator[None]:
    try:
        yield
    except InvalidInputError as error:
        left_out.append(error.message)


def _add_resource(tenant: Tenant, resources: ResourceControls, item: ExportedItem) -> str:
    body = dict(item.body)
    target = ids.path_of(body["id"])
    if target is None:
        if item.kind == SUBSCRIPTIONS:
            properties = body.get("properties") or {}
            body.setdefault("displayName", body.get("name", properties.get("displayName", "Simulated")))
        return resources.add(body)
    known = tenant.types.get(target.type)
    if not isinstance(body.get("properties"), dict):
        # The list does not show them: a new resource of the type has the defaults.
        body["properties"] = dict(known.defaults) if known is not None else {}
        if known is not None and contracts.covers(known.name):
            now = tenant.clock.timestamp()
            body = contracts.completed(known.name, target.id, known.versions[-1], now, None, body)
    if known is not None:
        return resources.add(body)
    return resources.add(body, (item.api_version or _FIRST_VERSION,))


def _add_lock(tenant: Tenant, body: Mapping[str, Any]) -> str:
    scope, _, name = str(body["id"]).partition("/providers/Microsoft.Authorization/locks/")
    properties = body.get("properties") or {}
    level = properties.get("level")
    if not name or level not in (READ_ONLY, CAN_NOT_DELETE):
        raise InvalidInputError(f"'properties.level' must be {READ_ONLY} or {CAN_NOT_DELETE}, got {quoted(level)}")
    with tenant.lock:
        tenant.access.locks.append(ManagementLock(scope=scope, level=level, name=name, notes=properties.get("notes")))
    return str(body["id"])


def _add_assessment(tenant: Tenant, body: Mapping[str, Any], metadata: Mapping[str, Mapping[str, Any]]) -> str:
    """Adds an assessment. One whose rule comes to the same status goes on following the rule; others stay as they are."""
    scope, _, key = str(body["id"]).partition("/providers/Microsoft.Security/assessments/")
    properties = body.get("properties") or {}
    status = properties.get("status") or {}
    code = status.get("code")
    if not key or "/" in key:
        raise InvalidInputError(f"'id' must be that of an assessment, got {quoted(body['id'])}")
    if code not in (HEALTHY, UNHEALTHY, NOT_APPLICABLE):
        raise InvalidInputError(f"'properties.status.code' must be that of an assessment, got {quoted(code)}")
    assessor = tenant.assessor
    own = properties.get("metadata") or metadata.get(fold(key)) or {}
    usual = {"displayName": properties.get("displayName", key), "severity": "Medium", "assessmentType": "BuiltIn"}
    with tenant.lock:
        if fold(key) not in assessor.definitions:
            assessor.add_definition(AssessmentDefinition(key=fold(key), metadata={**usual, **own}))
        found = assessor.get(key, scope)
        if found is None or found.status is None or found.status.code != code:
            details = properties.get("resourceDetails")
            assessor.add(
                SimulatedAssessment(
                    definition=assessor.definitions[fold(key)],
                    resource_id=scope,
                    details=details if isinstance(details, dict) else {"source": "Azure", "id": scope},
                    status=SimulatedStatus(code=code, cause=status.get("cause"), description=status.get("description")),
                    additional=properties.get("additionalData") or {},
                    resource_data=properties.get("resourceAdditionalData") or {},
                )
            )
    return str(body["id"])
