"""Resource Graph queries. What a caller passes becomes an escaped string literal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from defender_remediate.discovery.wanted import Wanted
from defender_remediate.models.ids import Scope
from defender_remediate.wire import utc_text

_END = "project id, name, type, properties | order by id asc"
_SCORES = "microsoft.security/securescores"


def literal(text: str) -> str:
    """A string as a KQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def assessments(wanted: Wanted, within: Iterable[Scope]) -> str:
    """The assessments that are wanted, in these parts of the scopes of the query."""
    filters = ["type == 'microsoft.security/assessments'"]
    if wanted.key is not None:
        filters.append(f"name =~ {literal(wanted.key)}")
    if wanted.status is not None:
        filters.append(f"tostring(properties.status.code) =~ {literal(wanted.status.value)}")
    if wanted.categories:
        filters.append(_any_of("tostring(properties.metadata.recommendationCategory)", wanted.categories))
    if wanted.title is not None:
        filters.append(f"tostring(properties.displayName) =~ {literal(wanted.title)}")
    # The id of an assessment begins with that of its resource.
    parts = " or ".join(f"id startswith {literal(f'{scope.text}/')}" for scope in within)
    if parts:
        filters.append(parts)
    return _query(filters)


def cves(ids: Iterable[str]) -> str:
    """The details of CVEs: of these, or of all."""
    filters = ["type == 'microsoft.security/cvedetails'"]
    names = tuple(ids)
    if names:
        filters.append(f"{_any_of('name', names)} or {_any_of('tostring(properties.cveId)', names)}")
    return _query(filters)


def attack_paths() -> str:
    """All attack paths."""
    return _query(["type == 'microsoft.security/attackpaths'"])


def scores() -> str:
    """The secure score of each subscription."""
    return _query([f"type == {literal(_SCORES)}"])


def controls() -> str:
    """The security controls of each subscription; their definitions are inside."""
    return _query([f"type == {literal(f'{_SCORES}/securescorecontrols')}"])


def _any_of(column: str, values: Iterable[str]) -> str:
    return " or ".join(f"{column} =~ {literal(value)}" for value in values)


def changes_of(resource_ids: Iterable[str], *, since: datetime) -> str:
    """The changes of some resources since a time."""
    ids = ", ".join(map(literal, resource_ids))
    moment = utc_text(since)
    return (
        f"resourcechanges | where tostring(properties.targetResourceId) in~ ({ids})"
        f" | where todatetime(properties.changeAttributes.timestamp) >= datetime({moment}) | {_END}"
    )


def _query(filters: Iterable[str]) -> str:
    steps = "".join(f" | where {condition}" for condition in filters)
    return f"securityresources{steps} | {_END}"
