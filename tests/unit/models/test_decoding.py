"""Whatever Azure sends: each class is built from it, keeps what is there, and behaves as a value."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.control import ControlDefinition, SecureScore, SecurityControl
from defender_remediate.models.recommendation_metadata import RecommendationMetadata

KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/shop-rg/providers/Microsoft.Storage/storageAccounts/shopdata"
PORTAL = "portal.azure.com/#blade/Microsoft_Azure_Security/RecommendationsBlade/assessmentKey/" + KEY

ASSESSMENT = {
    "id": f"{ACCOUNT}/providers/Microsoft.Security/assessments/{KEY}",
    "name": KEY,
    "type": "Microsoft.Security/assessments",
    "properties": {
        "displayName": "Secure transfer to storage accounts should be enabled",
        "resourceDetails": {"source": "Azure", "id": ACCOUNT},
        "status": {
            "code": "Unhealthy",
            "cause": "OffByPolicy",
            "description": "Requests over http are accepted",
            "firstEvaluationDate": "2026-01-02T08:12:33.1234567Z",
            "statusChangeDate": "2026-03-04T08:12:33Z",
        },
        "additionalData": {"observedIn": f"{ACCOUNT}/x" * 4, "observed": "value"},
        "risk": {"level": "High", "riskFactors": ["Exposure to the Internet"], "paths": [{"id": "p", "nodes": []}]},
        "links": {"azurePortalUri": f"https://{PORTAL}"},
        "metadata": {"displayName": "Secure transfer to storage accounts should be enabled", "severity": "High"},
    },
}
ROW = {
    **ASSESSMENT,
    "type": "microsoft.security/assessments",
    "properties": {
        **ASSESSMENT["properties"],
        "resourceDetails": {"Source": "Azure", "Id": ACCOUNT.lower(), "ResourceName": "shopdata"},
        "links": {"azurePortal": PORTAL},
    },
}
METADATA = {
    "id": f"/providers/Microsoft.Security/assessmentMetadata/{KEY}",
    "name": KEY,
    "properties": {
        "displayName": "Secure transfer to storage accounts should be enabled",
        "severity": "High",
        "assessmentType": "BuiltIn",
        "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9",
        "description": "Anything over <b>http</b> can be read.",
        "remediationDescription": "<ol><li>Open it</li></ol>",
        "categories": ["Data"],
        "userImpact": "Low",
        "implementationEffort": "Moderate",
        "threats": ["dataExfiltration"],
        "preview": False,
        "tactics": ["Impact"],
        "techniques": ["Data Manipulation"],
    },
}
CONTROL = {
    "id": f"{SUBSCRIPTION}/providers/Microsoft.Security/secureScores/ascScore/secureScoreControls/{KEY}",
    "name": KEY,
    "properties": {
        "displayName": "Encrypt data in transit",
        "score": {"max": 4, "current": 3.74, "percentage": 0.935},
        "healthyResourceCount": 73,
        "unhealthyResourceCount": 5,
        "notApplicableResourceCount": 2,
        "weight": 78,
        "definition": {
            "name": KEY,
            "properties": {"maxScore": 4, "assessmentDefinitions": [{"id": METADATA["id"]}]},
        },
    },
}
SCORE = {
    "id": f"{SUBSCRIPTION}/providers/Microsoft.Security/secureScores/ascScore",
    "name": "ascScore",
    "properties": {
        "displayName": "ASC score",
        "score": {"max": 56, "current": 31.75, "percentage": 0.567},
        "weight": 1441,
    },
}
DEFINITION = {
    "id": f"/providers/Microsoft.Security/secureScoreControlDefinitions/{KEY}",
    "name": KEY,
    "properties": {
        "displayName": "Encrypt data in transit",
        "description": "Keep it secret on its way",
        "maxScore": 4,
        "source": {"sourceType": "BuiltIn"},
        "assessmentDefinitions": [{"id": METADATA["id"]}],
    },
}
EVENT = {
    "authorization": {"action": "Microsoft.Storage/storageAccounts/write", "scope": ACCOUNT},
    "caller": "someone@example.com",
    "correlationId": KEY,
    "eventDataId": "e1",
    "eventName": {"value": "EndRequest", "localizedValue": "End request"},
    "eventTimestamp": "2026-03-04T08:12:33.1234567Z",
    "httpRequest": {"method": "PATCH"},
    "level": "Informational",
    "operationId": KEY,
    "operationName": {"value": "Microsoft.Storage/storageAccounts/write"},
    "properties": {"statusCode": "OK", "statusMessage": "done"},
    "resourceGroupName": "shop-rg",
    "resourceId": ACCOUNT,
    "status": {"value": "Succeeded"},
    "subStatus": {"value": "OK"},
    "subscriptionId": SUBSCRIPTION.rpartition("/")[2],
}
DECODERS = [
    pytest.param(Assessment.from_rest, ASSESSMENT, id="assessment"),
    pytest.param(Assessment.from_graph, ROW, id="assessment-row"),
    pytest.param(RecommendationMetadata.from_rest, METADATA, id="metadata"),
    pytest.param(RecommendationMetadata.from_graph, ROW, id="metadata-row"),
    pytest.param(SecurityControl.from_rest, CONTROL, id="control"),
    pytest.param(SecurityControl.from_graph, CONTROL, id="control-row"),
    pytest.param(SecureScore.from_rest, SCORE, id="score"),
    pytest.param(SecureScore.from_graph, SCORE, id="score-row"),
    pytest.param(ControlDefinition.from_rest, DEFINITION, id="definition"),
    pytest.param(ActivityEvent.from_rest, EVENT, id="event"),
]
# Fields that keep a whole object of the wire beside the fields that are read from it.
KEPT_AS_SENT = {"resource_details", "_metadata", "properties", "other"}
# JSON has no NaN; a lone surrogate is legal in it.
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", "<![x", "\ud800", "1e999", "/", "//"])
    | st.just(10**400)
)
NAMES = st.sampled_from(["id", "Id", "name", "properties", "status", "code", "value", "score", "max"]) | st.text(
    max_size=3
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def _places(document, path=()):
    yield path
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, member in members:
        yield from _places(member, (*path, name))


def _at(document, path):
    for name in path:
        document = document[name]
    return document


def _with(document, path, value):
    if not path:
        return value
    changed = copy.deepcopy(document)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _assert_a_value(decode, document):
    found = decode(document)
    twin = pickle.loads(pickle.dumps(found))
    assert found == decode(document) == twin
    assert hash(found) == hash(twin)
    assert repr(found) == repr(twin)
    assert str(found)
    assert found._repr_html_().startswith(("<table>", "<style>"))


@pytest.mark.exhaustive
@pytest.mark.parametrize(("decode", "document"), DECODERS)
@given(data=st.data())
def test_any_json_at_any_place(decode, document, data):
    """Odd JSON where something else was expected never raises, and what comes out is still a value."""
    place = data.draw(st.sampled_from(list(_places(document))))
    _assert_a_value(decode, _with(document, place, data.draw(JSON)))


@pytest.mark.parametrize(("decode", "document"), DECODERS)
def test_what_is_missing_takes_nothing_else_along(decode, document):
    """Without any one member every field is as before, except those that came from it."""
    whole = decode(document)
    for place in _places(document):
        if place and isinstance(place[-1], str):
            less = copy.deepcopy(document)
            del _at(less, place[:-1])[place[-1]]
            found = decode(less)
            leaves = sum(
                not isinstance(_at(document, other), (dict, list))
                for other in _places(document)
                if other[: len(place)] == place
            )
            changed = [
                name
                for name in type(whole).__attrs_attrs__
                if name.name not in KEPT_AS_SENT and getattr(found, name.name) != getattr(whole, name.name)
            ]
            # A time is both when an event began and when it ended.
            assert len(changed) <= leaves + (place[-1] in ("eventTimestamp", "status", "statusCode")), place


@pytest.mark.parametrize(("decode", "document"), DECODERS)
def test_a_repr_fits_a_screen(decode, document):
    """Long strings are omitted from the repr."""
    assert len(repr(decode(document))) <= 1024


@pytest.mark.parametrize(
    "decode", [RecommendationMetadata.from_rest, SecurityControl.from_rest, ControlDefinition.from_rest]
)
def test_a_name_that_is_missing_is_in_the_id(decode):
    """The key is not lost with the member that repeats it."""
    found = decode({"id": f"/providers/Microsoft.Security/assessmentMetadata/{KEY}"})
    assert KEY in (getattr(found, "key", ""), getattr(found, "name", ""))


def test_metadata_without_a_title_take_that_of_the_row():
    """Resource Graph has it twice; one may be null."""
    row = _with(ROW, ("properties", "metadata", "displayName"), None)
    assert RecommendationMetadata.from_graph(row).display_name == ROW["properties"]["displayName"]


def test_both_shapes_are_one_assessment():
    """Another casing, other links and inlined metadata make no other assessment."""
    assert Assessment.from_rest(ASSESSMENT) == Assessment.from_graph(ROW)
    assert hash(Assessment.from_rest(ASSESSMENT)) == hash(Assessment.from_graph(ROW))
    assert Assessment.from_graph(ROW).portal_url == f"https://{PORTAL}"


def test_an_event_at_the_edge_of_time():
    """A moment that Python has no UTC for is no moment; the rest of the event stays."""
    event = ActivityEvent.from_rest(_with(EVENT, ("eventTimestamp",), "0001-01-01T00:00:00+23:59"))
    assert event.timestamp is None
    assert event.join(ActivityEvent.from_rest(EVENT)).timestamp == datetime(2026, 3, 4, 8, 12, 33, 123456, timezone.utc)
