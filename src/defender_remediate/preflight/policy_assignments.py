"""Policy assignments, and the definitions and initiatives that they assign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.json_values import canonical
from defender_remediate.models.ids import contains
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.scopes import covers, scope_of

BENCHMARK = "1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
"""The Microsoft cloud security benchmark, behind Defender's recommendations. It audits by default."""
HARMLESS = frozenset(
    {
        "audit",
        "auditifnotexists",
        "deployifnotexists",
        "disabled",
        "manual",
        # Refuses deletes, which are not asked about.
        "denyaction",
        "addtonetworkgroup",
        # Changes what runs inside a cluster.
        "mutate",
    }
)
"""The effects that let every write through unchanged, folded."""
CHANGING = frozenset({"append", "modify"})
"""The effects that change what is sent, folded."""
# Older versions do not document the mode Enroll.
ASSIGNMENT_VERSIONS = ("2026-01-01-preview", "2023-04-01", "2022-06-01", "2021-06-01")
_DEFINITION_VERSIONS = ("2023-04-01", "2021-06-01")
_PARAMETER = re.compile(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]\Z", re.IGNORECASE)
_NAME_FIELD = re.compile(r"""["'](?:full)?(?:name|id)["']""", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class AssignedPolicy:
    """A policy or an initiative, and where it is assigned.

    Attributes:
        mode: ``default``, ``donotenforce`` or ``enroll``, folded. An unknown mode may enforce.
        values: The values of the parameters, by name.
        overrides: The effects that it sets in place of those of its policies.
    """

    id: str
    scope: str
    definition_id: str
    not_scopes: tuple[str, ...] = ()
    mode: str = "default"
    values: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    overrides: tuple[str, ...] = ()

    @classmethod
    def from_rest(cls, item: Any) -> AssignedPolicy:
        """Read one item of a listing."""
        properties = wire.mapping(wire.pick(item, "properties"))
        own = wire.text(item, "id")
        parameters = wire.mapping(wire.pick(properties, "parameters"))
        overrides = wire.pick(properties, "overrides")
        return cls(
            id=own,
            scope=wire.text(properties, "scope") or scope_of(own),
            definition_id=wire.text(properties, "policyDefinitionId"),
            not_scopes=wire.strings(properties, "notScopes"),
            mode=fold(wire.text(properties, "enforcementMode")),
            values={name: wire.pick(given, "value") for name, given in parameters.items()},
            overrides=tuple(wire.text(one, "value") for one in (overrides if isinstance(overrides, list) else ())),
        )

    @property
    def is_initiative(self) -> bool:
        """Whether it assigns a set of policies."""
        return "/policysetdefinitions/" in fold(self.definition_id)

    @property
    def needs_enrollment(self) -> bool:
        """Whether it is enforced only where an enrollment matches, and evaluates everywhere else."""
        return self.mode == "enroll"

    def holds_at(self, resource_id: str) -> bool:
        """Whether it is enforced at a resource, or would be with an enrollment."""
        # An excluded management group may be another one than the resource is in: then Azure is asked.
        is_excluded = any(contains(scope, resource_id) for scope in self.not_scopes)
        return self.mode != "donotenforce" and not is_excluded and covers(self.scope, resource_id)

    def may_refuse(self, definition: Any) -> bool:
        """Whether it could refuse a write or change what is sent.

        Args:
            definition: The body of the single policy that it assigns; None when it was not read: then it may.
        """
        if any(fold(effect) not in HARMLESS for effect in self.overrides):
            return True
        if not self.is_initiative:
            return fold(self._effect(definition)) not in HARMLESS
        is_benchmark = fold(bare_name(self.definition_id)) == BENCHMARK
        strict = {"deny", *CHANGING}
        return not is_benchmark or any(fold(wire.text(value)) in strict for value in self.values.values())

    def _effect(self, definition: Any) -> str:
        properties = wire.pick(definition, "properties")
        effect = wire.text(wire.pick(wire.pick(properties, "policyRule"), "then"), "effect")
        named = _PARAMETER.match(effect)
        if named is None:
            return effect
        default = wire.text(wire.pick(wire.pick(properties, "parameters"), named[1]), "defaultValue")
        return wire.text(self.values, named[1]) or default


def policy_assignments(reader: CheckReader, resource_id: str) -> tuple[AssignedPolicy, ...]:
    """The assignments in the subscription of a resource, with those that it inherits.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
    """
    return reader.list_attached(
        "policyAssignments", resource_id, api_versions=ASSIGNMENT_VERSIONS, parse=AssignedPolicy.from_rest
    )


def definition_of(reader: CheckReader, assignment: AssignedPolicy) -> Any:
    """The body of the policy or initiative that is assigned.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
    """
    return reader.get(assignment.definition_id, api_versions=_DEFINITION_VERSIONS)


def members_of(reader: CheckReader, assignment: AssignedPolicy) -> tuple[tuple[str, str], ...]:
    """The policies of an assignment: reference ids, each with the bare name of a definition.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: The initiative cannot be read.
    """
    if not assignment.is_initiative:
        return (("", bare_name(assignment.definition_id)),)
    found = wire.pick(wire.pick(definition_of(reader, assignment), "properties"), "policyDefinitions")
    if not isinstance(found, list):
        raise MalformedResponseError(f"the initiative {assignment.definition_id} has no array 'policyDefinitions'")
    return tuple(
        (wire.text(item, "policyDefinitionReferenceId"), bare_name(wire.text(item, "policyDefinitionId")))
        for item in found
    )


def reads_names(definition: Any) -> bool:
    """Whether a rule may evaluate the name of a resource; one that was not read may."""
    rule = wire.pick(wire.pick(definition, "properties"), "policyRule")
    return rule is None or _NAME_FIELD.search(canonical(rule)) is not None


def bare_name(definition_id: str) -> str:
    """The name at the end of a definition's id."""
    return definition_id.rstrip("/").rpartition("/")[2]
