"""Queries for Resource Graph."""

from __future__ import annotations

import pytest

from defender_remediate.discovery.kql import assessments, attack_paths, controls, cves, literal, scores
from defender_remediate.discovery.wanted import Wanted
from defender_remediate.models.assessment import AssessmentStatus
from defender_remediate.models.ids import Scope
from defender_remediate.models.individual import RecommendationCategory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "'plain'"),
        ("it's", "'it\\'s'"),
        ("back\\slash", "'back\\\\slash'"),
        ("' or true or '", "'\\' or true or \\''"),
        ("\\' | x", "'\\\\\\' | x'"),
        ("a\r\nb", "'a\\r\\nb'"),
    ],
)
def test_a_text_stays_a_text(text: str, expected: str) -> None:
    """Whatever is in it, it does not end the literal."""
    assert literal(text) == expected


def test_every_query_projects_the_id_and_is_ordered() -> None:
    """Or Azure gives 1000 rows and no token."""
    for query in (assessments(Wanted(), ()), controls(), scores(), cves(()), attack_paths()):
        assert query.startswith("securityresources | where type == 'microsoft.security/")
        assert query.endswith("| project id, name, type, properties | order by id asc")


def test_filters_are_azures_work() -> None:
    """Key, status and parts of the scope; an id begins with its scope and a slash, so that rg does not match rg2."""
    scope = Scope.parse("/subscriptions/11111111-0000-0000-0000-000000000000/resourceGroups/o'rg")
    query = assessments(Wanted(key="k", status=AssessmentStatus.UNHEALTHY), (scope, scope))
    assert (
        " | where name =~ 'k' | where tostring(properties.status.code) =~ 'Unhealthy' | where id startswith '" in query
    )
    assert query.count("resourceGroups/o\\'rg/'") == 2


def test_categories_and_titles_are_filtered_by_azure() -> None:
    """One that is not known here is sent like any other, and cannot end the literal."""
    categories = (RecommendationCategory.SOFTWARE_UPDATE, RecommendationCategory("It's new"))
    query = assessments(Wanted(categories=categories, title="Update 'x'"), ())
    column = "tostring(properties.metadata.recommendationCategory)"
    assert f" | where {column} =~ 'SoftwareUpdate' or {column} =~ 'It\\'s new' | " in query
    assert " | where tostring(properties.displayName) =~ 'Update \\'x\\'' | " in query


def test_cves_are_found_by_their_name_or_their_property() -> None:
    """Azure writes the id in either place."""
    assert " | where name =~ 'CVE-2026-0001' or tostring(properties.cveId) =~ 'CVE-2026-0001' | " in cves(
        ["CVE-2026-0001"]
    )
