"""Policy enrollments: where an assignment in the mode Enroll enforces what it assigns, and does not only evaluate it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.scopes import covers, scope_of

_VERSIONS = ("2026-01-01-preview", "2025-02-01-preview")
EVERY_POLICY = "*"
"""Stands for every policy of an assignment."""


@attrs.frozen(kw_only=True)
class ResourceKind:
    """What selectors ask about a resource, folded; the location without spaces, and empty for none."""

    type: str
    location: str

    @classmethod
    def of(cls, resource_type: str, body: Any) -> ResourceKind:
        """The kind of a resource with this body."""
        return cls(type=fold(resource_type), location=_place(wire.text(body, "location")))


@attrs.frozen(kw_only=True)
class Selector:
    """One condition on the type or the location of a resource. A resource selector consists of several.

    Attributes:
        kind: ``resourcelocation``, ``resourcetype`` or ``resourcewithoutlocation``.
        values: Folded.
        is_exclusion: Whether the values are those that do not match.
    """

    kind: str
    values: frozenset[str]
    is_exclusion: bool = False

    @classmethod
    def from_rest(cls, item: Any) -> Selector:
        """Read one item of ``selectors``."""
        excluded = wire.pick(item, "notIn")
        kind = fold(wire.text(item, "kind"))
        values = wire.strings(item, "notIn") if excluded is not None else wire.strings(item, "in")
        shape = _place if kind == "resourcelocation" else fold
        return cls(kind=kind, values=frozenset(map(shape, values)), is_exclusion=excluded is not None)

    def matches(self, resource: ResourceKind) -> bool | None:
        """Whether a resource meets it; None for a condition of an unknown kind."""
        if self.kind == "resourcetype":
            found = resource.type in self.values
        elif self.kind == "resourcelocation":
            found = resource.location in self.values
        elif self.kind == "resourcewithoutlocation":
            found = ("false" if resource.location else "true") in self.values
        else:
            return None
        return found is not self.is_exclusion


@attrs.frozen(kw_only=True)
class PolicyEnrollment:
    """A scope in which an assignment in the mode Enroll is enforced.

    Attributes:
        references: The reference ids of the policies that it is about, folded; empty for all.
        selectors: Resource selectors. A resource is meant if it meets all conditions of one of them, or if there are none.
    """

    id: str
    scope: str
    assignment_id: str
    references: frozenset[str] = frozenset()
    selectors: tuple[tuple[Selector, ...], ...] = ()

    @classmethod
    def from_rest(cls, item: Any) -> PolicyEnrollment:
        """Read one item of a listing."""
        properties = wire.mapping(wire.pick(item, "properties"))
        own = wire.text(item, "id")
        groups = wire.pick(properties, "resourceSelectors")
        return cls(
            id=own,
            scope=scope_of(own),
            assignment_id=wire.text(properties, "policyAssignmentId"),
            references=frozenset(map(fold, wire.strings(properties, "policyDefinitionReferenceIds"))),
            selectors=tuple(
                tuple(map(Selector.from_rest, wire.pick(group, "selectors") or ()))
                for group in (groups if isinstance(groups, list) else ())
            ),
        )

    def matches(self, resource_id: str, resource: ResourceKind) -> bool:
        """Whether a resource is meant; also if that cannot be told."""
        if not covers(self.scope, resource_id):
            return False
        if not self.selectors:
            return True
        return any(all(one.matches(resource) is not False for one in group) for group in self.selectors)


def policy_enrollments(reader: CheckReader, resource_id: str) -> tuple[PolicyEnrollment, ...]:
    """The enrollments in the subscription of a resource, with those that it inherits.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    return reader.list_attached(
        "policyEnrollments", resource_id, api_versions=_VERSIONS, parse=PolicyEnrollment.from_rest
    )


def enforced_policies(
    enrollments: tuple[PolicyEnrollment, ...], assignment_id: str, resource_id: str, resource: ResourceKind
) -> frozenset[str]:
    """The policies of an assignment in the mode Enroll that are enforced on a resource: reference ids, or every one."""
    found: set[str] = set()
    for one in enrollments:
        if fold(one.assignment_id) == fold(assignment_id) and one.matches(resource_id, resource):
            found |= one.references or {EVERY_POLICY}
    return frozenset(found)


def is_enforced(enforced: Mapping[str, frozenset[str]], policy: Any) -> bool:
    """Whether what Azure says about a policy counts.

    Args:
        enforced: The enforced policies of the assignments in the mode Enroll, by the folded id of the assignment.
        policy: Azure's ``policyInfo``.
    """
    known = enforced.get(fold(wire.text(policy, "policyAssignmentId")))
    if known is None or EVERY_POLICY in known:
        return True
    reference = fold(wire.text(policy, "policyDefinitionReferenceId"))
    return bool(known) and (not reference or reference in known)


def _place(location: str) -> str:
    return fold(location).replace(" ", "")
