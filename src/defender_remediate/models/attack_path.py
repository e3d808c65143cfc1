"""Attack paths: how an attacker could get from an entry point to a target, and through which resources."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.ids import AnyId, ResourceId, id_key, resource_of_assessment
from defender_remediate.models.risk import RiskLevel
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@notebook
@attrs.frozen(kw_only=True)
class AttackPath(Value):
    """One attack path that Defender CSPM or Security Exposure Management found.

    Azure documents one shape of its properties and sends another one as well, so whatever has a known name is read and
    ``properties`` keeps all of it.

    Attributes:
        id: The resource id of the attack path.
        name: The name that ``Risk.attack_paths`` refers to.
        risk_level: None when Azure names none, which does not mean that the risk is low.
        risk_factors: The risk factors or risk categories, as Azure names them.
        entry_point, target: The resource id where Azure gives one, else its internal id or name.
        resource_ids: The Azure resources that it passes through: every resource id in its properties.
        assessment_ids: The assessments on these resources, where Azure lists them.
        is_partial: Whether Azure says that it does not show the whole path.
        properties: The properties as Azure sends them.
    """

    id: str = attrs.field(eq=fold)
    name: str = attrs.field(eq=fold)
    display_name: str | None = optional_text()
    description: str | None = optional_text(repr=False)
    attack_path_type: str | None = optional_text()
    risk_level: RiskLevel | None = None
    risk_factors: tuple[str, ...] = ()
    potential_impact: str | None = optional_text()
    entry_point: str | None = optional_text()
    target: str | None = optional_text()
    resource_ids: tuple[str, ...] = ()
    assessment_ids: tuple[str, ...] = ()
    remediation_steps: tuple[str, ...] = attrs.field(default=(), repr=False)
    is_partial: bool = False
    properties: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, eq=False, repr=False)

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> AttackPath:
        """Decode one row of the Resource Graph table ``securityresources``."""
        properties = wire.mapping(wire.pick(row, "properties"))
        level = wire.text(properties, "riskLevel")
        ids = {id_key(text): text for text in _ids(properties) if id_key(text) != id_key(wire.text(row, "id"))}
        assessments = {key: text for key, text in ids.items() if resource_of_assessment(text) != text}
        resources = {id_key(found): found for text in ids.values() for found in (resource_of_assessment(text),)}
        by_entity = _resources_of_entities(properties)
        return cls(
            id=wire.text(row, "id"),
            name=wire.name(row),
            display_name=wire.text(properties, "displayName"),
            description=wire.text(properties, "description"),
            attack_path_type=wire.text(properties, "attackPathType"),
            risk_level=RiskLevel(level) if level else None,
            risk_factors=wire.strings(properties, "riskFactors", "riskCategories"),
            potential_impact=wire.text(properties, "potentialImpact"),
            entry_point=_end(properties, by_entity, "entryPoint", "entryPointEntityInternalID"),
            target=_end(properties, by_entity, "target", "targetEntityInternalID"),
            resource_ids=tuple(resources.values()),
            assessment_ids=tuple(assessments.values()),
            remediation_steps=wire.strings(properties, "manualRemediationSteps", "remediationSteps"),
            is_partial=wire.flag(properties, "isPartialAttackPath"),
            properties=properties,
        )

    def passes_through(self, resource_id: AnyId) -> bool:
        """Whether a resource is on this path."""
        return id_key(resource_id) in {id_key(found) for found in self.resource_ids}

    def __str__(self) -> str:
        level = f"risk level {self.risk_level}" if self.risk_level else "risk level not reported"
        count = len(self.resource_ids)
        return one_line(
            f"{self.display_name or self.name} [{level}, {count} {'resource' if count == 1 else 'resources'}]"
        )


def _ids(value: Any) -> Iterator[str]:
    """Every string that is the id of a resource, wherever it is: the shape of attack paths is only partly documented."""
    pending = deque([value])
    while pending:
        node = pending.popleft()
        if isinstance(node, str):
            if _is_resource_id(node):
                yield node
        elif isinstance(node, Mapping):
            pending.extend(node.keys())
            pending.extend(node.values())
        elif isinstance(node, (list, tuple)):
            pending.extend(node)


def _is_resource_id(text: str) -> bool:
    if not fold(text).startswith("/subscriptions/"):
        return False
    try:
        ResourceId.parse(text)
    except InvalidResourceIdError:
        return False
    return True


def _resources_of_entities(properties: Mapping[str, Any]) -> dict[str, str]:
    """The resource ids of the entities in the graph, by their internal ids."""
    found: dict[str, str] = {}
    entities = wire.pick(wire.mapping(wire.pick(properties, "graphComponent")), "entities")
    for entity in entities if isinstance(entities, (list, tuple)) else ():
        internal = wire.text(entity, "entityInternalId", "internalId", "id")
        resource = wire.text(wire.pick(entity, "entityIdentifiers"), "azureResourceId")
        if internal and resource:
            found[internal] = resource
    return found


def _end(properties: Mapping[str, Any], by_entity: Mapping[str, str], *names: str) -> str:
    """One end of the path: an entity itself, or its internal id."""
    end = wire.pick(properties, *names)
    if isinstance(end, Mapping):
        return next(_ids(end), "") or wire.text(end, "name", "entityName", "displayName", "id")
    internal = wire.text(end)
    return by_entity.get(internal, internal)


show_in("defender_remediate.models", AttackPath)
