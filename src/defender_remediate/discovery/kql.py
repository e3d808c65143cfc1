"""Resource Graph queries. What a caller passes becomes an escaped string literal."""

from __future__ import annotations

from collections.abc import Iterable

from defender_remediate.models.ids import Scope
from defender_remediate.models.recommendation import AssessmentStatus

_END = "project id, name, type, properties | order by id asc"
_SCORES = "microsoft.security/securescores"


def literal(text: str) -> str:
    """A string as a KQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def assessments(*, key: str | None, status: AssessmentStatus | None, within: Iterable[Scope]) -> str:
    """All assessments of a recommendation and status, in these parts of the scopes of the query."""
    filters = ["type == 'microsoft.security/assessments'"]
    if key is not None:
        filters.append(f"name =~ {literal(key)}")
    if status is not None:
        filters.append(f"tostring(properties.status.code) =~ {literal(status.value)}")
    # The id of an assessment begins with that of its resource.
    parts = " or ".join(f"id startswith {literal(f'{scope.text}/')}" for scope in within)
    if parts:
        filters.append(parts)
    return _query(filters)


def scores() -> str:
    """The secure score of each subscription."""
    return _query([f"type == {literal(_SCORES)}"])


def controls() -> str:
    """The security controls of each subscription; their definitions are inside."""
    return _query([f"type == {literal(f'{_SCORES}/securescorecontrols')}"])


def _query(filters: Iterable[str]) -> str:
    steps = "".join(f" | where {condition}" for condition in filters)
    return f"securityresources{steps} | {_END}"
