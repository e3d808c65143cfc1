"""Events of continuous export and workflow automation."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import InvalidInputError, RetiredError
from defender_remediate.models import AssessmentEvent, EventBatch, Recommendation, latest_events

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/shop"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)


def exported(*, resource: str = ACCOUNT, action: str = "Insert", **status: Any) -> dict[str, Any]:
    """An assessment as continuous export sends it to Event Hubs."""
    return {
        "assessmentEventDataEnrichment": {"action": action, "apiVersion": "2019-01-01", "isSnapshot": False},
        "securityEventDataEnrichment": {"action": action, "apiVersion": "2019-01-01", "isSnapshot": False},
        "tenantId": "a39bedba-be8f-4c0f-bfe2-b8c7913501ea",
        "type": "Microsoft.Security/assessments",
        "location": None,
        "id": f"{resource}/providers/Microsoft.Security/assessments/{KEY}",
        "name": KEY,
        "properties": {
            "resourceDetails": {
                "source": "Azure",
                "id": resource,
                "resourceName": "shop",
                "resourceType": "storageAccounts",
                "nativeResourceId": resource,
            },
            "displayName": "Secure transfer to storage accounts should be enabled",
            "status": {"code": "Unhealthy", "statusChangeDate": "2026-11-20T10:51:36.3376828Z", **status},
            "metadata": {
                "displayName": "Secure transfer to storage accounts should be enabled",
                "severity": "High",
                "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/404c3081",
                "remediationDescription": "<b>Enable it</b>",
            },
            "risk": {"level": "High", "isContextualRisk": True, "attackPathsReferences": ["p"]},
            "links": {"azurePortal": "portal.azure.com/#x"},
        },
    }


def pascal(value: Any) -> Any:
    """The same with the names in PascalCase, as Resource Graph and older exports have them."""
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: pascal(item) for name, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def logic_app() -> dict[str, Any]:
    """The body that a Logic App receives: the assessment itself."""
    body = exported()
    for name in ("assessmentEventDataEnrichment", "securityEventDataEnrichment", "tenantId"):
        del body[name]
    return body


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(exported(), id="event"),
        pytest.param(pascal(exported()), id="pascal-case"),
        pytest.param({"records": [exported()]}, id="batch"),
        pytest.param([exported()], id="list"),
        pytest.param([{"records": [exported()]}], id="list-of-batches"),
        pytest.param(json.dumps(exported()), id="text"),
        pytest.param(json.dumps({"Records": [pascal(exported())]}).encode(), id="bytes"),
        pytest.param(logic_app(), id="logic-app"),
        pytest.param({"headers": {}, "body": logic_app()}, id="logic-app-trigger"),
        pytest.param({name: value for name, value in exported().items() if name != "type"}, id="no-type"),
        pytest.param({**exported(), "id": None}, id="no-id"),
    ],
)
def test_every_form_gives_the_same_assessment(payload: Any) -> None:
    """Both casings, batches, and the body of a Logic App."""
    event = AssessmentEvent.from_payload(payload)
    assert event.assessment == AssessmentEvent.from_payload(exported()).assessment
    assert (event.assessment.resource_id, event.assessment.key, event.assessment.severity) == (ACCOUNT, KEY, "High")
    assert (event.assessment.risk_level, event.assessment.portal_url) == ("High", "https://portal.azure.com/#x")
    assert not event.is_delete
    assert str(event).startswith(f"Insert: {ACCOUNT}: Secure transfer")


def test_what_an_event_says_beside_the_assessment() -> None:
    """Whether it is a deletion or a snapshot, its tenant, and when it was enqueued."""
    payload = exported(action="delete")
    payload["assessmentEventDataEnrichment"]["isSnapshot"] = "True"
    event = AssessmentEvent.from_payload(payload, enqueued=NOW)
    assert (event.is_delete, event.is_snapshot, event.enqueued) == (True, True, NOW)
    assert event.tenant_id == "a39bedba-be8f-4c0f-bfe2-b8c7913501ea"
    assert str(event).startswith("Delete (snapshot): ")
    from_stream = AssessmentEvent.from_payload({**exported(), "EventEnqueuedUtcTime": "2026-11-26T00:00:00Z"})
    assert from_stream.enqueued == NOW
    odd = AssessmentEvent.from_payload(exported(action="Refresh"))
    assert (odd.action, odd.is_delete) == ("Refresh", False)


def sub_assessment() -> dict[str, Any]:
    return {**exported(), "type": "Microsoft.Security/assessments/subAssessments"}


@pytest.mark.parametrize(
    "payload",
    [
        sub_assessment(),
        {"records": [sub_assessment(), sub_assessment()]},
        {"subAssessmentEventDataEnrichment": {"action": "Insert"}, "id": "x"},
        {"id": f"{ACCOUNT}/providers/Microsoft.Security/assessments/{KEY}/subassessments/1", "name": "1"},
    ],
)
@pytest.mark.parametrize("read", [AssessmentEvent.from_payload, AssessmentEvent.list_from, Recommendation.from_event])
def test_sub_assessments_are_said_to_be_retired(payload: Any, read: Any) -> None:
    """An export that is still set up for them gets the reason."""
    with pytest.raises(RetiredError, match=r"retired sub-assessments on 31 July 2026 .*Assessments"):
        read(payload)


def test_a_batch_keeps_what_is_not_an_assessment() -> None:
    """Alerts and attack paths may arrive in the same hub; nothing is lost silently."""
    batch = AssessmentEvent.list_from(
        [exported(), sub_assessment(), {"type": "Microsoft.Security/attackPaths", "id": "x"}, {"AlertType": "y"}]
    )
    assert len(list(batch)) == 1
    assert [(found.type, found.is_retired) for found in batch.ignored] == [
        ("microsoft.security/assessments/subassessments", True),
        ("microsoft.security/attackpaths", False),
        (None, False),
    ]
    assert str(batch) == "1 assessment events, 3 other records"
    assert [str(found) for found in batch.ignored] == [
        "the record is about a sub-assessment, and Azure retired sub-assessments on 31 July 2026",
        "a record of microsoft.security/attackpaths",
        "a record of no type",
    ]
    assert EventBatch() == EventBatch()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("not json", "is not JSON"),
        (b"\xff", "is not JSON"),
        (None, "expected an assessment event"),
        (5, "expected an assessment event"),
        ([], "got no record"),
        ({}, "expected an assessment event"),
        ({"records": []}, "got no record"),
        ({"records": [1]}, "expected an assessment event"),
        ({"records": 1}, "expected one assessment event, got 0 assessments, a record of no type"),
        ([exported(), exported()], "got 2 assessments"),
        ({**exported(), "type": "Microsoft.Security/alerts"}, "a record of microsoft.security/alerts"),
        ({**exported(), "id": None, "name": None}, "must name its resource"),
        ({**exported(), "id": None, "properties": {}}, "must name its resource"),
        ({**exported(), "id": "/subscriptions/x"}, "is not the id of an assessment"),
        ({**exported(), "extra": {1, 2}}, "JSON values only"),
        (nested(200), "levels deep"),
    ],
)
@pytest.mark.parametrize("read", [AssessmentEvent.from_payload, Recommendation.from_event])
def test_what_is_not_an_event_is_refused(payload: Any, problem: str, read: Any) -> None:
    """With a typed error that says what was expected."""
    with pytest.raises(InvalidInputError, match=problem):
        read(payload)


@pytest.mark.parametrize("enqueued", ["2026-11-26", datetime(2026, 11, 26)])
def test_a_time_without_a_zone_is_refused(enqueued: Any) -> None:
    """It could not be compared with others."""
    with pytest.raises(InvalidInputError, match="time zone"):
        AssessmentEvent.from_payload(exported(), enqueued=enqueued)


def test_a_recommendation_is_read_from_an_event() -> None:
    """With what its metadata says; its place in the ranking is not known."""
    found = Recommendation.from_event(exported())
    assert (found.key, found.severity, found.remediation_steps) == (KEY, "High", "Enable it")
    assert found.policy_definition_id is not None
    assert (found.unhealthy_count, found.healthy_count, found.not_applicable_count) == (1, 0, 0)
    assert (found.risk_level, found.on_attack_paths, found.fix) == ("High", 1, None)
    healthy = Recommendation.from_event(exported(code="Healthy"))
    assert (healthy.unhealthy_count, healthy.healthy_count, healthy.risk) == (0, 1, None)
    deleted = Recommendation.from_event(exported(action="Delete"))
    assert (deleted.unhealthy_count, deleted.healthy_count) == (0, 0)
    bare = {**exported(), "properties": {}}
    assert Recommendation.from_event(bare).display_name == KEY


def event(
    hour: int | None, enqueued: int | None, action: str, *, snapshot: bool = False, resource: int = 0
) -> AssessmentEvent:
    changed = None if hour is None else (NOW + timedelta(hours=hour)).isoformat()
    payload = exported(resource=f"{ACCOUNT}{resource}", action=action, statusChangeDate=changed)
    payload["assessmentEventDataEnrichment"]["isSnapshot"] = snapshot
    return AssessmentEvent.from_payload(payload, enqueued=None if enqueued is None else NOW + timedelta(hours=enqueued))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        pytest.param(event(1, 9, "Insert"), event(2, 3, "Insert"), id="late"),
        pytest.param(event(1, 1, "Insert"), event(1, 2, "Insert", snapshot=True), id="enqueued-later"),
        pytest.param(event(1, None, "Insert"), event(1, None, "Delete"), id="deleted"),
        pytest.param(event(1, None, "Insert", snapshot=True), event(1, None, "Insert"), id="snapshot"),
        pytest.param(event(1, 1, "Insert"), event(None, 2, "Delete"), id="deleted-without-a-date"),
        pytest.param(event(1, 1, "Delete"), event(1, 2, "Insert"), id="back-again"),
    ],
)
def test_the_newest_event_is_kept(older: AssessmentEvent, newer: AssessmentEvent) -> None:
    """In either order."""
    assert latest_events([older, newer]) == latest_events([newer, older]) == (newer,)


EVENTS = [
    event(hour, enqueued, action, snapshot=snapshot, resource=resource)
    for hour in (None, 1)
    for enqueued in (None, 1, 2)
    for action in ("Insert", "Delete")
    for snapshot in (False, True)
    for resource in (0, 1)
]


@given(
    st.lists(st.sampled_from(EVENTS), max_size=8).flatmap(
        lambda found: st.tuples(st.just(found), st.permutations(found))
    ),
    st.integers(0, 8),
)
def test_events_are_idempotent(given: tuple[list[AssessmentEvent], list[AssessmentEvent]], cut: int) -> None:
    """Neither order nor duplicates matter, nor whether they come in one batch or several."""
    events, shuffled = given
    latest = latest_events(events)
    assert latest == latest_events(shuffled) == latest_events([*latest, *events])
    assert latest == latest_events([*latest_events(shuffled[:cut]), *shuffled[cut:]])


def test_only_events_can_be_compared() -> None:
    """A payload has to be read first."""
    with pytest.raises(InvalidInputError, match="AssessmentEvent values"):
        latest_events([exported()])  # type: ignore[list-item]


def upper(value: Any) -> Any:
    """The same with the names in upper case."""
    if isinstance(value, dict):
        return {name.upper(): upper(item) for name, item in value.items()}
    return [upper(item) for item in value] if isinstance(value, list) else value


def test_names_are_read_in_any_case_at_every_level() -> None:
    """A status in another casing is not an assessment without a status, which would plan nothing."""
    plain = AssessmentEvent.from_payload(exported())
    for other in (pascal(exported()), upper(exported())):
        found = AssessmentEvent.from_payload(other)
        assert (found.assessment, found.action) == (plain.assessment, plain.action)
        assert found.assessment.status == "Unhealthy"


def test_events_are_read_as_a_trigger_hands_them_over() -> None:
    """A list of JSON strings or bytes, or a body that is one; anything else is never silently ignored."""
    text = json.dumps(exported())
    for payload in ([text], [text.encode()], {"body": text}, {"records": [text]}, [json.dumps([exported()])]):
        (event,) = AssessmentEvent.list_from(payload)
        assert event.assessment.key == KEY
    for wrong in (["no JSON"], ['"text"'], [b"\xff"]):
        with pytest.raises(InvalidInputError):
            AssessmentEvent.list_from(wrong)
    assert len(AssessmentEvent.list_from([{"type": "other", "body": "hello"}, text]).ignored) == 1
