"""Resources that record what someone decided about a recommendation: exemptions, attestations, governance assignments.

Nothing depends on such a resource, and a PUT brings it back as it was. So a plan may remove one, and undo that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.paths import join
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import PlannedRequest, RemediationStep

DECISIONS = frozenset(
    {
        "microsoft.authorization/policyexemptions",
        "microsoft.security/standardassignments",
        "microsoft.security/assessments/governanceassignments",
    }
)
"""Their types, folded."""
_GIVEN = frozenset({"id", "name", "type", "systemdata", "etag"})


def is_decision(resource_id: str) -> bool:
    """Whether an id is that of such a resource."""
    try:
        return fold(ResourceId.parse(resource_id).type) in DECISIONS
    except InvalidResourceIdError:
        return False


def is_recoverable(step: RemediationStep) -> bool:
    """Whether a step removes such a resource and can bring it back."""
    return step.is_removal and step.undo_request is not None and is_decision(step.target_id)


def recreation(target_id: str, api_version: str, body: Any) -> PlannedRequest:
    """The PUT that brings back such a resource, as a difference from nothing."""
    content = {name: item for name, item in (settled(body) or {}).items() if fold(name) not in _GIVEN}
    return PlannedRequest(method="PUT", path=target_id, api_version=api_version, body=content, is_merge_patch=True)


def shows(properties: Mapping[str, Any]) -> Condition:
    """The condition that a body shows these properties."""
    return Condition(operator=Operator.ALL, of=tuple(_parts(("properties",), properties)))


def _parts(at: tuple[str, ...], value: Any) -> Iterator[Condition]:
    path = join(at)
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _parts((*at, name), item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, Mapping):
                inner = Condition(operator=Operator.ALL, of=tuple(_members(item.items())))
                yield Condition(operator=Operator.SOME, path=path, of=(inner,))
            else:
                yield Condition(operator=Operator.CONTAINS, path=path, value=item)
    else:
        yield Condition(operator=Operator.EQUALS, path=path, value=value)


def _members(items: Iterable[tuple[str, Any]]) -> Iterator[Condition]:
    for name, item in items:
        yield Condition(operator=Operator.EQUALS, path=join((name,)), value=item)
