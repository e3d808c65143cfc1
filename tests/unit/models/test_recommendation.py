from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.fix import FixAction
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Effort, RecommendationMetadata, Severity
from defender_remediate.models.risk import Risk, RiskLevel

KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
ACCOUNT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
    "/providers/Microsoft.Storage/storageAccounts/shopdata"
)
REST = {
    "id": f"{ACCOUNT}/providers/Microsoft.Security/assessments/{KEY}",
    "name": KEY,
    "type": "Microsoft.Security/assessments",
    "properties": {
        "displayName": "Secure transfer to storage accounts should be enabled",
        "resourceDetails": {"source": "Azure", "id": ACCOUNT},
        "status": {
            "code": "Unhealthy",
            "cause": "",
            "description": "",
            "firstEvaluationDate": "2026-11-01T08:00:00.1234567Z",
            "statusChangeDate": "2026-11-02T08:00:00Z",
        },
        "additionalData": {"sub": "x"},
        "links": {"azurePortalUri": "https://portal.azure.com/#blade/x"},
        "risk": {"level": "High", "riskFactors": ["InternetExposure"], "isContextualRisk": True},
    },
}
GRAPH = {
    "id": REST["id"].lower(),
    "name": KEY.upper(),
    "type": "microsoft.security/assessments",
    "tenantId": "99999999-8888-7777-6666-555555555555",
    "properties": {
        **REST["properties"],
        "resourceDetails": {
            "Source": "Azure",
            "Id": ACCOUNT.lower(),
            "ResourceName": "shopdata",
            "ResourceType": "storageaccounts",
        },
        "links": {"azurePortal": "portal.azure.com/#blade/x"},
        "metadata": {
            "severity": "High",
            "assessmentType": "BuiltIn",
            "remediationDescription": "<p>Open</p><p>Save</p>",
        },
    },
}


def test_both_apis_give_equal_assessments():
    """Casing and the portal link do not tell the two apart."""
    rest, graph = Assessment.from_rest(REST), Assessment.from_graph(GRAPH)
    assert rest == graph
    assert hash(rest) == hash(graph)
    assert rest.portal_url == graph.portal_url == "https://portal.azure.com/#blade/x"


def test_an_assessment_is_read_in_full():
    """Each member of the wire lands in its own place."""
    assert Assessment.from_rest(REST) == Assessment(
        id=REST["id"],
        key=KEY,
        resource_id=ACCOUNT,
        display_name="Secure transfer to storage accounts should be enabled",
        status=AssessmentStatus.UNHEALTHY,
        source="Azure",
        risk=Risk(level=RiskLevel.HIGH, factors=("InternetExposure",), is_contextual=True),
        first_evaluated=datetime(2026, 11, 1, 8, 0, 0, 123456, tzinfo=timezone.utc),
        changed=datetime(2026, 11, 2, 8, tzinfo=timezone.utc),
        additional_data={"sub": "x"},
    )


@pytest.mark.parametrize(
    ("details", "resource"),
    [
        ({"source": "OnPremise", "machineName": "box"}, ACCOUNT),
        ({"Source": "Aws", "Id": "arn:aws:s3", "AzureResourceId": "/subscriptions/x/y"}, "/subscriptions/x/y"),
        ({"Source": "Aws", "Id": "", "AzureResourceId": "subscriptions/x/y"}, "/subscriptions/x/y"),
        (None, ACCOUNT),
    ],
)
def test_what_was_assessed_when_azure_does_not_say(details, resource):
    """Outside Azure the id is elsewhere or missing: the assessment's own id tells."""
    item = copy.deepcopy(REST)
    item["properties"]["resourceDetails"] = details
    assert Assessment.from_rest(item).resource_id == resource


@pytest.mark.parametrize("cause", ["Exempt", "exempt"])
def test_an_exemption_hides_in_not_applicable(cause):
    """The cause is what tells an exempt resource from one that does not apply."""
    item = copy.deepcopy(REST)
    item["properties"]["status"] = {"code": "NotApplicable", "cause": cause}
    assessment = Assessment.from_rest(item)
    assert assessment.is_exempt
    assert assessment.status is AssessmentStatus.NOT_APPLICABLE
    assert assessment.first_evaluated is assessment.changed is None
    assert not Assessment.from_rest(REST).is_exempt


def test_a_bare_assessment_is_still_one():
    """Of an item with nothing but an id, the id tells key and resource; the rest is empty."""
    bare = Assessment.from_rest({"id": REST["id"].lstrip("/")})
    assert (bare.id, bare.key, bare.resource_id) == (REST["id"], KEY, ACCOUNT)
    assert (bare.source, bare.risk_level, bare.portal_url, bare.additional_data) == ("Azure", None, None, {})
    assert bare.status == ""
    assert not bare.status.is_known


@given(st.dictionaries(st.sampled_from(["id", "name", "properties"]), st.none() | st.text() | st.lists(st.integers())))
def test_no_odd_item_breaks_the_readers(item):
    """Members of wrong types are as good as missing."""
    assert isinstance(Assessment.from_rest(item), Assessment)
    assert isinstance(RecommendationMetadata.from_rest(item), RecommendationMetadata)
    assert isinstance(RecommendationMetadata.from_graph(item), RecommendationMetadata)


METADATA = {
    "name": KEY,
    "properties": {
        "displayName": "Secure transfer to storage accounts should be enabled",
        "policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9",
        "description": "Plain &amp; simple",
        "remediationDescription": "To fix:<ol><li>Open</li><li>Save</li></ol>",
        "categories": ["Data"],
        "severity": "High",
        "userImpact": "Moderate",
        "implementationEffort": "Low",
        "threats": ["dataExfiltration"],
        "tactics": ["Credential Access"],
        "techniques": ["Network Sniffing"],
        "preview": True,
        "assessmentType": "BuiltInPolicy",
        "plannedDeprecationDate": "03/2027",
    },
}


def test_metadata_is_read_in_full():
    """HTML becomes text, words become members, the rest stays as it is."""
    assert RecommendationMetadata.from_rest(METADATA) == RecommendationMetadata(
        key=KEY,
        display_name="Secure transfer to storage accounts should be enabled",
        description="Plain & simple",
        remediation_steps="To fix:\n1. Open\n2. Save",
        severity=Severity.HIGH,
        assessment_type="BuiltInPolicy",
        categories=("Data",),
        user_impact=Effort.MODERATE,
        implementation_effort=Effort.LOW,
        threats=("dataExfiltration",),
        tactics=("Credential Access",),
        techniques=("Network Sniffing",),
        preview=True,
        policy_definition_id="/PROVIDERS/Microsoft.Authorization/policyDefinitions/404C3081-a854-4457-ae30-26a93ef643f9",
        planned_deprecation="03/2027",
    )


def test_metadata_inside_a_graph_row():
    """A row carries the metadata of its type; its display name stands beside it."""
    metadata = RecommendationMetadata.from_graph(GRAPH)
    assert metadata.display_name == "Secure transfer to storage accounts should be enabled"
    assert (metadata.severity, metadata.remediation_steps) == (Severity.HIGH, "Open\nSave")
    assert metadata.key == RecommendationMetadata.from_rest(METADATA).key.upper()
    assert (metadata.user_impact, metadata.implementation_effort) == (None, None)


FIX = FixAction(
    key=KEY,
    title="t",
    kind="patch",
    resource_type="Microsoft.Storage/storageAccounts",
    api_version="2023-05-01",
    compliant_when=None,
)


def test_a_recommendation_says_what_it_is():
    """Name, severity, how many, and how it is fixed, on one line."""
    recommendation = Recommendation(
        key=KEY, display_name="Secure transfer", severity=Severity.HIGH, unhealthy_count=3, fix=FIX
    )
    assert str(recommendation) == f"Secure transfer [High, 3 unhealthy, patch] {KEY}"
    assert recommendation.is_fixable
    manual = attrs.evolve(recommendation, fix=None, severity=None)
    assert str(manual) == f"Secure transfer [no severity, 3 unhealthy, manual] {KEY}"
    assert not manual.is_fixable
    advice = Guidance(key=manual.key, title="Secure transfer", reason="create_time_only", action="Make a new one.")
    advised = attrs.evolve(manual, guidance=advice)
    assert str(advised) == f"Secure transfer [no severity, 3 unhealthy, manual: create time only] {KEY}"
    assert not advised.is_fixable


def test_a_recommendation_is_worth_its_points():
    """The potential increase is what its priority counted; the reasons read as one sentence."""
    priority = Priority(points=1.5, shared_points=0.5, reasons=("closes the last finding", "High severity"))
    assert Recommendation(key=KEY, display_name="x", priority=priority).potential_increase == 1.5
    assert str(priority) == "closes the last finding; High severity"
    assert Recommendation(key=KEY, display_name="x").potential_increase == 0


def test_values_pickle_and_show_in_a_notebook():
    """What was read can be kept, and looked at."""
    assessment = Assessment.from_rest(REST)
    recommendation = Recommendation(key=KEY, display_name="<b>", fix=FIX)
    for value in (assessment, RecommendationMetadata.from_rest(METADATA), recommendation, recommendation.priority):
        assert pickle.loads(pickle.dumps(value)) == value
    assert "Unhealthy" in assessment._repr_html_()
    assert "&lt;b&gt;" in recommendation._repr_html_()
