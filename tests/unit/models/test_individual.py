"""Individual recommendations, risk, CVEs and attack paths, as Azure writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from defender_remediate.models import (
    Assessment,
    AttackPath,
    Cve,
    CveReference,
    IndividualDetails,
    RecommendationCategory,
    Risk,
    RiskLevel,
)
from defender_remediate.models.cve import join_cves

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
MACHINE = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1"
KEY = "7d1c0000-0000-4000-8000-000000000001"


def row(details: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """An individual recommendation as Resource Graph shows it."""
    return {
        "id": f"{MACHINE}/providers/Microsoft.Security/assessments/{KEY}",
        "name": KEY,
        "type": "microsoft.security/assessments",
        "properties": {
            "displayName": "Update OpenSSL",
            "resourceDetails": {"Source": "Azure", "ResourceType": "microsoft.compute/virtualmachines", "Id": MACHINE}
            if details is None
            else details,
            "status": {"code": "Unhealthy"},
            "metadata": {"recommendationCategory": "SoftwareUpdate", "severity": "High"},
            **properties,
        },
    }


def details_of(**additional: Any) -> IndividualDetails:
    return Assessment.from_graph(row(additionalData=additional)).details


def test_a_row_is_read_with_its_category_and_metadata() -> None:
    """What the assessment itself says of its type needs no other request."""
    found = Assessment.from_graph(row())
    assert (found.category, found.severity, found.is_individual) == ("SoftwareUpdate", "High", True)
    assert found.metadata is not None
    assert (found.metadata.display_name, found.metadata.category) == ("Update OpenSSL", "SoftwareUpdate")
    assert (found.resource_type, found.resource_name) == ("microsoft.compute/virtualmachines", None)
    bare = Assessment.from_rest(row(metadata=None))
    assert (bare.category, bare.severity, bare.metadata, bare.is_individual) == (None, None, None, False)
    assert bare == found


def test_a_category_that_is_not_known_is_kept() -> None:
    """Azure may add one. Unknown marks a recommendation with a fixed key."""
    new = Assessment.from_graph(row(metadata={"RecommendationCategory": "QuantumRisks"}))
    assert new.category == RecommendationCategory("QuantumRisks")
    assert new.is_individual
    fixed = Assessment.from_graph(row(metadata={"recommendationCategory": "unknown"}))
    assert fixed.category is RecommendationCategory.UNKNOWN
    assert not fixed.is_individual


@pytest.mark.parametrize(
    ("details", "native"),
    [
        ({"Source": "AWS", "AwsResourceId": "arn:aws:ec2:x", "AzureResourceId": MACHINE}, "arn:aws:ec2:x"),
        (
            {"source": "aws", "nativeResourceId": "arn:aws:ec2:x", "id": None, "azureResourceId": MACHINE},
            "arn:aws:ec2:x",
        ),
        ({"Source": "GCP", "GcpResourceId": "//compute/x", "AzureResourceId": MACHINE}, "//compute/x"),
        ({"Source": "GitHub", "NativeResourceId": "https://github.com/o/r", "Id": MACHINE}, "https://github.com/o/r"),
        ({"Source": "GitHub", "Id": MACHINE}, None),
        ({"Source": "azure", "nativeResourceId": MACHINE, "Id": MACHINE}, None),
    ],
)
def test_a_resource_of_another_cloud_is_named_as_there(details: dict[str, Any], native: str | None) -> None:
    """Names are read in any case; the mirror in Azure stays the resource id."""
    more = {"ResourceName": "r", "ConnectorId": f"{SUBSCRIPTION}/c", "ResourceType": "K8s-container"}
    found = Assessment.from_graph(row({**details, **more}))
    assert (found.native_resource_id, found.resource_id, found.source) == (native, MACHINE, found.source)
    assert (found.resource_name, found.connector_id, found.resource_type) == ("r", f"{SUBSCRIPTION}/c", "K8s-container")


CVES = [
    {"CveId": "CVE-2026-0001", "Severity": "High", "FixStatus": "FixAvailable", "FixedVersion": "3.0.18"},
    "CVE-2026-0002",
]


@pytest.mark.parametrize("given", [CVES, json.dumps(CVES), tuple(CVES)])
def test_the_cves_of_a_software_update(given: Any) -> None:
    """A list, or the same as JSON inside a string."""
    first, second = details_of(CvesDetails=given).cves or ()
    assert first == CveReference(id="cve-2026-0001", severity="High", fix_status="FixAvailable", fixed_version="3.0.18")
    assert (second.id, str(second)) == ("CVE-2026-0002", "CVE-2026-0002 (no severity)")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"CveId": "CVE-2026-0003"}, ["CVE-2026-0003"]),
        (None, []),
        ("", []),
        ([], []),
        ("[broken", None),
        (7, None),
        ([{"Name": "x"}], None),
        ([{"Name": "x"}, {"CveId": "CVE-2026-0003"}], ["CVE-2026-0003"]),
        ([{"CveId": "CVE-2026-0003"}, {"CveId": "cve-2026-0003"}], ["cve-2026-0003"]),
    ],
)
def test_cves_that_cannot_be_read_are_not_none_at_all(given: Any, expected: list[str] | None) -> None:
    """None says that they are not known; an empty tuple says that there are none."""
    found = details_of(CvesDetails=given).cves
    assert (None if found is None else [cve.id for cve in found]) == expected


@pytest.mark.parametrize(
    ("cvss", "expected"),
    [
        ([{"Key": "3", "Value": {"Base": 7.1}}, {"Key": "2", "Value": {"Base": 5}}], 7.1),
        ({"3.1": {"base": 7.5}, "4.0": {"base": "9.3"}}, 9.3),
        ({"4.0": {"vector": "x"}}, None),
        ([{"Version": "3.1", "baseScore": 6}], 6.0),
        (8.1, 8.1),
        ("8.1", 8.1),
        ("high", None),
        (True, None),
        ("1e999", None),
        (10**400, None),
        (0, 0.0),
    ],
)
def test_the_newest_cvss_version_counts(cvss: Any, expected: float | None) -> None:
    """Azure writes scores in several shapes; what is not a number is no score."""
    (found,) = details_of(CvesDetails=[{"CveId": "CVE-2026-0001", "Cvss": cvss}]).cves or ()
    assert found.cvss == expected


@pytest.mark.parametrize(
    ("given", "versions"),
    [
        ({"DetectedSoftwareVersions": "3.0.2"}, ("3.0.2",)),
        ({"detectedsoftwareversions": "3.0.2, 3.0.4;3.0.2"}, ("3.0.2", "3.0.4")),
        ({"DetectedSoftwareVersions": '["1", "2"]'}, ("1", "2")),
        ({"DetectedSoftwareVersions": ["1", 2]}, ("1", "2")),
        ({"ScannersDetails": {"mdvm": {"DetectedSoftwareVersions": ["4"], "FixedVersion": "5"}}}, ("4",)),
        (
            {"ScannersDetails": '{"agentlessmdvm": {"DetectedSoftwareVersions": ["4"], "CvesIds": ["CVE-2026-1234"]}}'},
            ("4",),
        ),
        (
            {"DetectedSoftwareVersions": ["", " "], "ScannersDetails": {"m": {"DetectedSoftwareVersions": ["4"]}}},
            ("4",),
        ),
        ({"DetectedSoftwareVersions": {"odd": 1}}, ()),
        ({}, ()),
    ],
)
def test_the_detected_versions(given: dict[str, Any], versions: tuple[str, ...]) -> None:
    """One or several, from the assessment or from its scanners."""
    assert details_of(**given).detected_versions == versions


def test_what_a_scanner_found_fills_the_gaps() -> None:
    """A container image has its details in its scanners."""
    scanners = {"mdvm": {"FixedVersion": "5", "CvesIds": ["CVE-2026-1234"]}}
    found = details_of(ScannersDetails=scanners, FixedVersion="", MaxCvssScore="9.8", SoftwareName="curl")
    assert (found.fixed_version, found.max_cvss) == ("5", 9.8)
    assert [cve.id for cve in found.cves or ()] == ["CVE-2026-1234"]
    assert str(found) == "curl unknown version: 5"
    assert str(details_of(SoftwareName="curl", DetectedSoftwareVersions="1")) == "curl 1: no fixed version"


@pytest.mark.parametrize("as_text", [False, True])
def test_the_image_of_a_container(as_text: bool) -> None:
    """The digest and repository, which Azure may send as JSON inside a string."""
    data = {"Digest": "sha256:1", "RepositoryDetails": {"RepositoryName": "shop"}, "Os": "Linux"}
    found = Assessment.from_graph(row(resourceAdditionalData=json.dumps(data) if as_text else data)).details
    assert (found.image_digest, found.repository, found.other) == ("sha256:1", "shop", {"Os": "Linux"})
    assert Assessment.from_graph(row(resourceAdditionalData="{broken")).resource_data == {}


def test_the_details_of_secrets_and_rules_are_kept() -> None:
    """Azure does not document their names."""
    found = details_of(SecretType="SAS token", rule={"id": "VA1"})
    assert found.other == {"SecretType": "SAS token", "rule": {"id": "VA1"}}
    assert (str(found), str(details_of())) == ("SecretType, rule", "no details")


@pytest.mark.parametrize(
    ("given", "contextual"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        (False, False),
        (None, False),
        (1, False),
        ([1], False),
        ("yes", False),
    ],
)
def test_context_is_claimed_only_when_azure_says_so(given: Any, contextual: bool) -> None:
    """Without Defender CSPM the level is a copy of the severity."""
    found = Assessment.from_rest(row(risk={"level": "High", "isContextualRisk": given})).risk
    assert found is not None
    assert found.is_contextual is contextual
    assert str(found) == f"High ({'contextual' if contextual else 'derived from severity'})"


def test_a_risk_is_read_in_full() -> None:
    """Its factors and the attack paths that it is part of."""
    json = {"level": "Severe", "riskFactors": ["Exposure"], "isContextualRisk": True, "attackPathsReferences": ["p"]}
    found = Assessment.from_rest(row(risk=json))
    assert found.risk == Risk(level=RiskLevel("Severe"), factors=("Exposure",), is_contextual=True, attack_paths=("p",))
    assert (found.risk_level, found.risk_factors) == ("Severe", ("Exposure",))
    assert str(found.risk) == "Severe (contextual, Exposure, on 1 attack path)"
    assert str(Risk(attack_paths=("p", "q"))) == "not known (derived from severity, on 2 attack paths)"
    without = Assessment.from_rest(row())
    assert (without.risk, without.risk_level, without.risk_factors) == (None, None, ())


def cve(name: str = "CVE-2026-0001", **properties: Any) -> Cve:
    return Cve.from_graph({"id": f"/providers/x/{name}", "name": name, "properties": properties})


def test_a_cve_is_read_in_full() -> None:
    """Whichever of its names Azure uses."""
    found = cve(
        cveId="CVE-2026-9999",
        severity="High",
        cvss={"3.0": {"base": 7.5}, "2.0": {"base": 5.0}},
        publishedDate="2026-01-02T00:00:00Z",
        LastModifiedDate="2026-02-02T00:00:00Z",
        exploitabilityDetails={"IsVerified": True, "IsInExploitKit": "false"},
        weaknesses=["CWE-1"],
    )
    assert (found.id, found.severity, found.score, found.cvss) == (
        "CVE-2026-9999",
        "High",
        7.5,
        {"3.0": 7.5, "2.0": 5.0},
    )
    assert found.published is not None
    assert found.modified is not None
    assert (found.is_verified, found.is_publicly_disclosed, found.is_in_exploit_kit) == (True, None, False)
    assert (found.other, found.is_rejected) == ({"weaknesses": ["CWE-1"]}, False)
    assert str(found) == "CVE-2026-9999 (High, CVSS 7.5)"
    documented = cve(CVSSScore="9.8", LatestPublishedDate="2026-01-02T00:00:00Z")
    assert (documented.score, documented.published) == (9.8, found.published)
    assert str(cve()) == "CVE-2026-0001 (no severity, no CVSS score)"


def test_no_row_is_lost_in_the_join() -> None:
    """An assessment without CVEs, a CVE without details, and a rejected CVE all stay."""
    several = Assessment.from_graph(
        row(additionalData={"CvesDetails": ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"]})
    )
    nothing, unreadable = (Assessment.from_graph(row(additionalData={"CvesDetails": value})) for value in (None, 7))
    details = {"cve-2026-0001": cve(cvss={"3.1": {"base": 9}}), "cve-2026-0003": cve("CVE-2026-0003", status="Reject")}
    found = list(join_cves([several, nothing, unreadable], details))
    assert [(item.reference and item.reference.id, item.cve and item.cve.id, item.score) for item in found] == [
        ("CVE-2026-0001", "CVE-2026-0001", 9.0),
        ("CVE-2026-0002", None, None),
        ("CVE-2026-0003", None, None),
        (None, None, None),
        (None, None, None),
    ]
    assert str(found[0]).endswith("Update OpenSSL: CVE-2026-0001 (no severity, CVSS 9)")
    assert str(found[3]).endswith(": no CVE")


TARGET = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"
PATH = f"{SUBSCRIPTION}/providers/Microsoft.Security/attackPaths/p1"
DOCUMENTED = {
    "displayName": "Internet exposed VM can read a key vault",
    "attackPathType": "InternetExposed",
    "potentialImpact": "DataExposure",
    "riskCategories": ["CredentialExposure"],
    "entryPointEntityInternalID": "e1",
    "targetEntityInternalID": "e2",
    "assessments": {"e1": [f"{MACHINE}/providers/Microsoft.Security/assessments/{KEY}"]},
    "graphComponent": {
        "entities": [
            {"entityInternalId": "e1", "entityIdentifiers": {"azureResourceId": MACHINE}},
            {"entityInternalId": "e2", "entityIdentifiers": {"azureResourceId": TARGET.upper()}},
            {"entityInternalId": "e3"},
        ]
    },
    "AttackPathID": PATH,
}
LIVE = {
    "displayName": "Internet exposed VM can read a key vault",
    "riskLevel": "High",
    "riskFactors": ["Internet exposure"],
    "entryPoint": {"name": "vm1", "ids": [MACHINE]},
    "target": {"name": "kv"},
    "isPartialAttackPath": True,
    "attackStory": "/subscriptions/are mentioned in prose",
}


def path(properties: Any) -> AttackPath:
    return AttackPath.from_graph({"id": PATH, "name": "p1", "properties": properties})


def test_an_attack_path_in_the_documented_shape() -> None:
    """Its ends are resolved to resources, and it knows what it passes through in any case."""
    found = path(DOCUMENTED)
    assert (found.entry_point, found.target) == (MACHINE, TARGET.upper())
    assert len(found.resource_ids) == 2
    assert found.passes_through(TARGET)
    assert not found.passes_through(SUBSCRIPTION)
    assert found.assessment_ids == (f"{MACHINE}/providers/Microsoft.Security/assessments/{KEY}",)
    assert (found.risk_level, found.risk_factors) == (None, ("CredentialExposure",))
    assert str(found) == "Internet exposed VM can read a key vault [risk level not reported, 2 resources]"


def test_an_attack_path_in_the_other_shape() -> None:
    """Azure sends it without documenting it."""
    found = path(LIVE)
    assert (found.entry_point, found.target, found.risk_level, found.is_partial) == (MACHINE, "kv", "High", True)
    assert found.resource_ids == (MACHINE,)
    assert str(found).endswith("[risk level High, 1 resource]")


@pytest.mark.parametrize(
    "properties", [None, {}, {"steps": [[{"deep": MACHINE}]]}, {"graphComponent": {"entities": 5}}]
)
def test_an_attack_path_of_any_shape_is_kept(properties: Any) -> None:
    """Whatever it looks like: its properties are there as they were sent."""
    found = path(properties)
    assert found.properties == (properties or {})
    assert found.passes_through(MACHINE) is ("steps" in (properties or {}))
    assert found.target is None
    assert str(found).startswith("p1 ")
