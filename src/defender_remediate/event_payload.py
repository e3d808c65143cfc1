"""The payloads of continuous export and workflow automation, brought into the shape of Azure Resource Manager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, RetiredError
from defender_remediate.json_values import check_depth, parse_json, sha256

ASSESSMENT_TYPE = "microsoft.security/assessments"
RETIRED = "is about a sub-assessment, and Azure retired sub-assessments on 31 July 2026"
_SUB_ASSESSMENT_TYPE = f"{ASSESSMENT_TYPE}/subassessments"
_FORMS = "an assessment event, a list of them, {'records': [...]}, or one of these as JSON"
_PARTS = ("resourceDetails", "status", "risk", "links", "metadata")
# Azure writes them in several casings; they are read in this one.
_SPELLED = {fold(name): name for name in (*_PARTS, "additionalData", "resourceAdditionalData", "displayName")}


@attrs.frozen(kw_only=True)
class EventRecord:
    """One record of a payload.

    Attributes:
        type: Its resource type in lower case; empty when it names none.
        json: The record; of an assessment in the shape of Azure Resource Manager.
        action: Azure's word; empty when there is none.
        digest: The SHA-256 of the record.
    """

    type: str
    json: Mapping[str, Any]
    action: str = ""
    is_snapshot: bool = False
    tenant_id: str = ""
    enqueued: datetime | None = None
    digest: str = ""

    @property
    def is_assessment(self) -> bool:
        """Whether it is about an assessment."""
        return self.type == ASSESSMENT_TYPE

    @property
    def is_retired(self) -> bool:
        """Whether it is about a sub-assessment."""
        return self.type == _SUB_ASSESSMENT_TYPE


def read_records(payload: Any) -> tuple[EventRecord, ...]:
    """The records of a payload: one event, a list of them, ``{"records": [...]}``, or one of these as JSON.

    Raises:
        RetiredError: It holds nothing but sub-assessments.
        InvalidInputError: It is not JSON, holds no record, or an assessment in it does not name its resource.
    """
    found = tuple(map(_record, _records(payload)))
    if all(record.is_retired for record in found):
        raise RetiredError(
            f"the event {RETIRED}", hint="export the event source Assessments: each of them is an assessment now"
        )
    return found


def read_assessment(payload: Any) -> EventRecord:
    """The record of a payload that holds exactly one assessment.

    Raises:
        RetiredError: It is about a sub-assessment.
        InvalidInputError: It is not JSON, or holds no assessment or several.
    """
    records = read_records(payload)
    assessments = [record for record in records if record.is_assessment]
    if len(assessments) != 1:
        kinds = sorted({record.type or "no type" for record in records if not record.is_assessment})
        found = ", ".join([f"{len(assessments)} assessments", *(f"a record of {kind}" for kind in kinds)])
        raise InvalidInputError(
            f"expected one assessment event, got {found}", hint="read several with AssessmentEvent.list_from(payload)"
        )
    return assessments[0]


def _records(payload: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(payload, (bytes, bytearray, str)):
        payload = _parsed(payload)
    try:
        check_depth(payload)
    except ValueError as error:
        raise InvalidInputError(f"the payload is not an event: {error}") from None
    pending = [payload]
    found = False
    while pending:
        node = pending.pop(0)
        if isinstance(node, (list, tuple)):
            # A trigger that takes several events hands them over as they were sent.
            pending[:0] = (_parsed(item) if isinstance(item, (bytes, bytearray, str)) else item for item in node)
            continue
        if not isinstance(node, Mapping) or not node:
            raise InvalidInputError(f"expected {_FORMS}, got {quoted(node)}")
        wrapped = None if wire.pick(node, "properties") else wire.pick(node, "records", "body")
        if isinstance(wrapped, (bytes, bytearray, str)):
            # Another kind of record may have a body of its own.
            with suppress(InvalidInputError):
                wrapped = _parsed(wrapped)
        if isinstance(wrapped, (list, tuple, Mapping)):
            pending.insert(0, wrapped)
        else:
            found = True
            yield node
    if not found:
        raise InvalidInputError(f"expected {_FORMS}, got no record", hint="an empty list is not an event")


def _parsed(text: bytes | bytearray | str) -> Any:
    try:
        document = parse_json(text if isinstance(text, str) else bytes(text).decode("utf-8-sig"))
        check_depth(document)
    except (UnicodeDecodeError, ValueError):
        raise InvalidInputError("the payload is not JSON", hint=f"pass {_FORMS}") from None
    if isinstance(document, str):
        raise InvalidInputError(f"expected {_FORMS}, got {quoted(document)}")
    return document


def _record(json: Mapping[str, Any]) -> EventRecord:
    kind = _kind(json)
    if kind != ASSESSMENT_TYPE:
        return EventRecord(type=kind, json=json)
    enrichment = wire.mapping(wire.pick(json, "assessmentEventDataEnrichment", "securityEventDataEnrichment"))
    try:
        digest = sha256(json)
    except (TypeError, ValueError):
        raise InvalidInputError(f"an event must hold JSON values only, got {quoted(json)}") from None
    return EventRecord(
        type=kind,
        json=_in_arm_shape(json),
        action=wire.text(enrichment, "action"),
        is_snapshot=wire.flag(enrichment, "isSnapshot"),
        tenant_id=wire.text(json, "tenantId"),
        enqueued=wire.timestamp(json, "EventEnqueuedUtcTime"),
        digest=digest,
    )


def _kind(json: Mapping[str, Any]) -> str:
    kind = fold(wire.text(json, "type"))
    identifier = fold(wire.text(json, "id"))
    is_sub_assessment = kind == _SUB_ASSESSMENT_TYPE or "/subassessments/" in identifier
    if is_sub_assessment or wire.pick(json, "subAssessmentEventDataEnrichment") is not None:
        return _SUB_ASSESSMENT_TYPE
    is_assessment = f"/{ASSESSMENT_TYPE}/" in identifier or wire.pick(json, "assessmentEventDataEnrichment") is not None
    return ASSESSMENT_TYPE if not kind and is_assessment else kind


def _in_arm_shape(json: Mapping[str, Any]) -> dict[str, Any]:
    properties = _camel_case(wire.mapping(wire.pick(json, "properties")))
    for name in _PARTS:
        if isinstance(properties.get(name), Mapping):
            properties[name] = _camel_case(properties[name])
    name = wire.name(json)
    identifier = wire.text(json, "id")
    if not identifier:
        details = wire.mapping(properties.get("resourceDetails"))
        resource = wire.text(details, "azureResourceId") or wire.text(details, "id")
        if not resource or not name:
            raise InvalidInputError(
                f"an assessment event must name its resource and its assessment key, got {quoted(json)}"
            )
        identifier = f"/{resource.strip('/')}/providers/Microsoft.Security/assessments/{name}"
    if fold(f"/{identifier.strip('/')}").rfind(f"/providers/{ASSESSMENT_TYPE}/") < 1:
        raise InvalidInputError(f"{quoted(identifier)} is not the id of an assessment")
    return {"id": identifier, "name": name, "type": ASSESSMENT_TYPE, "properties": properties}


def _camel_case(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _SPELLED.get(fold(str(name)), f"{str(name)[:1].lower()}{str(name)[1:]}"): value
        for name, value in members.items()
    }
