"""Queries for Resource Graph."""

from __future__ import annotations

import pytest

from defender_remediate.discovery.kql import assessments, controls, literal, scores
from defender_remediate.models.ids import Scope
from defender_remediate.models.recommendation import AssessmentStatus


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
    for query in (assessments(key=None, status=None, within=()), controls(), scores()):
        assert query.startswith("securityresources | where type == 'microsoft.security/")
        assert query.endswith("| project id, name, type, properties | order by id asc")


def test_filters_are_azures_work() -> None:
    """Key, status and parts of the scope; an id begins with its scope and a slash, so that rg does not match rg2."""
    scope = Scope.parse("/subscriptions/11111111-0000-0000-0000-000000000000/resourceGroups/o'rg")
    query = assessments(key="k", status=AssessmentStatus.UNHEALTHY, within=(scope, scope))
    assert (
        " | where name =~ 'k' | where tostring(properties.status.code) =~ 'Unhealthy' | where id startswith '" in query
    )
    assert query.count("resourceGroups/o\\'rg/'") == 2
