"""The state file: everything that a tenant is and that outlives a request, as one JSON document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.arm.faults import InjectedFault
from defender_remediate.testing.simulator.arm.operations import OperationForm
from defender_remediate.testing.simulator.arm.published import kind_of
from defender_remediate.testing.simulator.arm.service import Service
from defender_remediate.testing.simulator.arm.throttling import RequestBucket
from defender_remediate.testing.simulator.authorization.assigned_roles import DataRole, RoleAssignment, RoleDefinition
from defender_remediate.testing.simulator.authorization.roles import DenyRule, RoleGrant
from defender_remediate.testing.simulator.authorization.state import ManagementLock
from defender_remediate.testing.simulator.defender.assessments import (
    AssessmentDefinition,
    SimulatedAssessment,
)
from defender_remediate.testing.simulator.defender.compliance import ComplianceStandard
from defender_remediate.testing.simulator.defender.exemptions import StandardAssignment
from defender_remediate.testing.simulator.deployments.stacks import Stack
from defender_remediate.testing.simulator.deployments.state import Deployment
from defender_remediate.testing.simulator.graph.change_records import RecordedWrite
from defender_remediate.testing.simulator.monitor.metric_state import Figure, MetricDefinition
from defender_remediate.testing.simulator.monitor.state import Record
from defender_remediate.testing.simulator.policy.remediations import Remediation
from defender_remediate.testing.simulator.policy.state import (
    EnrolledScope,
    PolicyAssignment,
    PolicyExemption,
)
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Subscription, copied
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType, shipped_types
from defender_remediate.testing.simulator.state_files.codec import decode, encode

FORMAT, VERSION = "defender-remediate simulator state", 1
PARTS: Mapping[str, Any] = {
    "store.subscriptions": dict[str, Subscription],
    "store.management_groups": dict[str, dict[str, Any]],
    "access.locks": list[ManagementLock],
    "access.data_roles": list[DataRole],
    "access.definitions": dict[str, RoleDefinition],
    "access.assignments": list[RoleAssignment],
    "access.deny_assignments": list[DenyRule],
    "access.groups": dict[str, set[str]],
    "access.schedule_requests": dict[str, dict[str, Any]],
    "access.activation_rules": dict[str, list[dict[str, Any]]],
    "access.unlimited": bool,
    "access._entries": dict[str, list[RoleGrant]],
    "access._denied": list[tuple[str, str]],
    "policies.assignments": dict[str, PolicyAssignment],
    "policies.events": list[dict[str, Any]],
    "policies.tracked": list[dict[str, Any]],
    "policies.remediations": dict[str, Remediation],
    "policies.attestations": dict[str, dict[str, Any]],
    "policies.exemptions": list[PolicyExemption],
    "policies.written": dict[str, dict[str, Any]],
    "policies.initiatives": dict[str, frozenset[str]],
    "policies.enrollments": list[EnrolledScope],
    "assessor.definitions": dict[str, AssessmentDefinition],
    "assessor.standard_assignments._items": dict[str, StandardAssignment],
    "compliance.standards": dict[str, ComplianceStandard],
    "exposure.cves": dict[str, dict[str, Any]],
    "exposure.attack_paths": dict[str, dict[str, Any]],
    "activity._records": list[Record],
    "changes._records": list[RecordedWrite],
    "metrics.definitions": dict[str, dict[str, MetricDefinition]],
    "metrics.figures": dict[tuple[str, str], list[Figure]],
    "metrics.gaps": dict[tuple[str, str | None], set[date]],
    "connections._unshown": dict[str, list[dict[str, Any]]],
    "times._times": dict[str, tuple[float, float]],
    "governance": dict[str, tuple[str, dict[str, Any]]],
    "deployments._deployments": dict[str, Deployment],
    "stacks": list[Stack],
    "key_generations": dict[tuple[str, str], int],
    "directory.objects": dict[str, dict[str, dict[str, Any]]],
    "directory.links": list[tuple[str, str, str]],
    "secret_values": dict[str, str],
    "service_settings": dict[tuple[str, str], dict[str, str]],
    "failing_extensions": set[tuple[str, str]],
    "_forms": list[tuple[re.Pattern[str], tuple[str, ...], OperationForm]],
    "_serial": int,
}
"""The parts of a tenant that are saved as they are, by where they stand in it. A file without one leaves it empty."""
SERVICE_PARTS: Mapping[str, Any] = {
    "faults._faults": list[InjectedFault],
    "throttle.enabled": bool,
    "throttle._buckets": dict[tuple[str, str], RequestBucket],
}
"""The same for what is between a caller and the tenant."""
_OPTIONS: Mapping[str, str] = {
    "assessment_lag": "assessor._assessment_lag",
    "activity_delay": "activity.activity_delay",
    "change_delay": "changes.delay",
    "page_size": "page_size",
    "graph_page_size": "graph_page_size",
}
"""Where the arguments of the simulator stand in a tenant."""


@attrs.frozen(kw_only=True)
class _SavedResource:
    id: str
    body: dict[str, Any]
    revision: int = 1


@attrs.frozen(kw_only=True)
class _DeletedResource:
    """A resource that is gone, but may be recovered or purged, and when it was deleted."""

    resource: _SavedResource
    moment: float


@attrs.frozen(kw_only=True)
class _SavedType:
    """The api-versions of a type that are others than those shipped."""

    versions: tuple[str, ...]
    retired: tuple[str, ...] = ()


def save(service: Service) -> dict[str, Any]:
    """Returns a tenant and what is between it and a caller as a document. Operations under way must have ended."""
    tenant = service.tenant
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION, "seconds": tenant.clock.monotonic()}
    document["options"] = {name: _at(tenant, place) for name, place in _OPTIONS.items()}
    document["types"] = {
        one.name: encode(_SavedType(versions=one.versions, retired=one.retired))
        for one in tenant.types.all()
        if shipped_types().get(fold(one.name)) is not one
    }
    document["resources"] = [encode(_saved(one)) for one in tenant.store.resources()]
    document["deleted"] = [
        encode(_DeletedResource(resource=_saved(one), moment=moment)) for one, moment in tenant.times.recoverable()
    ]
    document["assessments"] = [
        {**encode(one), "definition": one.definition.key} for one in tenant.assessor.everything()
    ]
    for path in PARTS:
        document[path] = encode(_at(tenant, path))
    for path in SERVICE_PARTS:
        document[path] = encode(_at(service, path))
    return document


def _saved(resource: Resource) -> _SavedResource:
    return _SavedResource(id=resource.id, body=resource.body, revision=resource.revision)


def _at(owner: Any, path: str) -> Any:
    return reduce(getattr, path.split("."), owner)


def options_of(document: Any) -> dict[str, float]:
    """Returns the arguments of the simulator that a document was made with.

    Raises:
        InvalidInputError: One of them is not a number, or not one that is possible.
    """
    given = document.get("options", {}) if isinstance(document, Mapping) else {}
    found: dict[str, float] = decode(dict[str, float], given, "options")
    for name, value in found.items():
        least = 1 if name.endswith("page_size") else 0
        if name not in _OPTIONS:
            raise InvalidInputError(f"options has no member {quoted(name)}")
        if not least <= value < float("inf") or (least and not isinstance(value, int)):
            raise InvalidInputError(f"options.{name} must be a number of at least {least}, got {quoted(value)}")
    return found


def load(service: Service, document: Any) -> None:
    """Fills a new tenant, and what is between it and a caller, with a document.

    Raises:
        InvalidInputError: The document is not a state file, or something in it is not what it must be; the message gives the
            path.
    """
    tenant = service.tenant
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidInputError("the JSON is not a state file of the simulator", hint="sim.save(path) writes one")
    if document.get("version") != VERSION:
        raise InvalidInputError(
            f"the state file has version {quoted(document.get('version'))}; this library reads version {VERSION}"
        )
    known = {"format", "version", "seconds", "options", "types", "resources", "deleted", "assessments"}
    known |= {*PARTS, *SERVICE_PARTS}
    unknown = sorted(map(str, set(document) - known))
    if unknown:
        raise InvalidInputError(f"the state file has no member {quoted(unknown[0])}")
    tenant.clock.set(decode(float, document.get("seconds", 0.0), "seconds"))
    for name, saved in decode(dict[str, _SavedType], document.get("types", {}), "types").items():
        tenant.types.set(_type_of(name, saved))
    for path, hint in PARTS.items():
        if path in document:
            _put(tenant, path, decode(hint, document[path], path))
    for path, hint in SERVICE_PARTS.items():
        if path in document:
            _put(service, path, decode(hint, document[path], path))
    tenant.assessor.definitions_changed()
    for place, raw in enumerate(decode(list[Any], document.get("resources", []), "resources")):
        tenant.store.adopt(_resource(tenant, decode(_SavedResource, raw, f"resources[{place}]"), f"resources[{place}]"))
    moments = tenant.times
    for one in tenant.store.resources():
        moments.keep(one)
    for place, raw in enumerate(decode(list[Any], document.get("deleted", []), "deleted")):
        gone: _DeletedResource = decode(_DeletedResource, raw, f"deleted[{place}]")
        moments.adopt(_resource(tenant, gone.resource, f"deleted[{place}].resource"), gone.moment)
    for place, raw in enumerate(decode(list[Any], document.get("assessments", []), "assessments")):
        tenant.assessor.adopt(_assessment(tenant, raw, f"assessments[{place}]"))


def _put(holder: Any, path: str, value: Any) -> None:
    """Sets a part. Containers stay the same objects, because others know them."""
    *above, name = path.split(".")
    owner = reduce(getattr, above, holder)
    held = getattr(owner, name)
    if isinstance(held, list):
        held[:] = value
    elif isinstance(held, (dict, set)):
        held.clear()
        held.update(value)
    else:
        setattr(owner, name, value)


def _type_of(name: str, saved: _SavedType) -> ResourceType:
    shipped = shipped_types().get(fold(name)) or ResourceType(name=name, versions=())
    return attrs.evolve(shipped, versions=saved.versions, retired=saved.retired)


def _resource(tenant: Tenant, saved: _SavedResource, path: str) -> Resource:
    target = ids.path_of(saved.id)
    if target is None or target.is_collection:
        raise InvalidInputError(f"{path}.id must be the id of a resource, got {quoted(saved.id)}")
    known = tenant.types.get(target.type) or kind_of(saved.id, saved.body)
    if known is None:
        raise InvalidInputError(
            f"{path}.id is of the type {target.type}, which the simulator does not know",
            hint="add its api-versions to 'types'",
        )
    if target.subscription and fold(target.subscription) not in tenant.store.subscriptions:
        raise InvalidInputError(f"{path}.id is in a subscription that the file does not have, got {quoted(saved.id)}")
    if not isinstance(saved.body.get("properties"), dict):
        raise InvalidInputError(
            f"{path}.body.properties: expected an object, got {quoted(saved.body.get('properties'))}"
        )
    return Resource(id=saved.id, type=known, body=copied(saved.body), revision=saved.revision)


def _assessment(tenant: Tenant, raw: Any, path: str) -> SimulatedAssessment:
    key = raw.get("definition") if isinstance(raw, Mapping) else None
    definition = tenant.assessor.definitions.get(key) if isinstance(key, str) else None
    if definition is None:
        raise InvalidInputError(f"{path}.definition must be the key of a recommendation in the file, got {quoted(key)}")
    found: SimulatedAssessment = decode(SimulatedAssessment, {**raw, "definition": encode(definition)}, path)
    return attrs.evolve(found, definition=definition)
