"""How a recommendation is remediated on one resource type."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.models._enums import Word
from defender_remediate.models._json import FrozenMap, canonical, freeze
from defender_remediate.models._notebook import notebook
from defender_remediate.models.condition import Condition
from defender_remediate.models.ids import ResourceId, is_guid


class FixKind(Word):
    """How a fix is written to Azure."""

    PATCH = "patch"
    PUT = "put"
    TEMPLATE = "template"


class Impact(Word):
    """What the people who use the resource may notice."""

    NONE = "none"
    CONNECTIVITY = "connectivity"
    RESTART = "restart"
    COST = "cost"


class Reversibility(Word):
    """How good the way back is."""

    EXACT = "exact"
    CONDITIONAL = "conditional"
    NONE = "none"


class ParameterType(Word):
    """What a fix parameter takes."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING_LIST = "string_list"
    RESOURCE_ID = "resource_id"
    GUID = "guid"

    def takes(self, value: Any) -> bool:
        """Whether a value is one of this type; texts that are blank are not."""
        if self is ParameterType.BOOLEAN:
            return isinstance(value, bool)
        if self is ParameterType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        if self is ParameterType.STRING_LIST:
            return isinstance(value, (list, tuple)) and all(map(ParameterType.STRING.takes, value))
        if not isinstance(value, str) or not value.strip():
            return False
        if self is ParameterType.GUID:
            return is_guid(value)
        return self is ParameterType.STRING or _is_resource_id(value)


def _is_resource_id(value: str) -> bool:
    try:
        ResourceId.parse(value)
    except InvalidResourceIdError:
        return False
    return True


class ListMerge(Word):
    """What happens to the array that is there when a fix names one. The default is ``union``."""

    UNION = "union"
    REPLACE = "replace"


@notebook
@attrs.frozen(kw_only=True)
class FixParameter:
    """One value that a fix needs and that no one but the caller can choose.

    Attributes:
        allowed: The values it may have; empty for any of its type.
        default: Used when the caller gives none; None when the caller has to choose.
        resource_type: For a ``resource_id``, the type that it must be of; empty for any.
    """

    name: str
    type: ParameterType = attrs.field(converter=ParameterType)
    description: str
    allowed: tuple[Any, ...] = attrs.field(default=(), converter=freeze)
    default: Any = attrs.field(default=None, converter=freeze)
    resource_type: str = ""

    @property
    def is_required(self) -> bool:
        """Whether planning needs a value from the caller."""
        return self.default is None


@notebook
@attrs.frozen(kw_only=True)
class FixAction:
    """How one recommendation is remediated on one resource type.

    A fix says what must be true (``compliant_when``) and what to write when it is not: ``body`` is merged into what is
    there and only the difference is sent. Texts in it may hold ``${name}``, a parameter or one of ``resource.id``,
    ``resource.name``, ``resource.location``, ``resource.group`` and ``resource.subscription``.

    Attributes:
        key: The assessment key; the policy definition id where Azure publishes no key.
        title: Azure's display name of the recommendation.
        kind: ``patch`` sends the difference, ``put`` the whole merged body, ``template`` a deployment.
        resource_type: What the recommendation is about.
        api_version: The version of the type that is read and written.
        target: The path from the resource to what is read and written, such as ``config/web``; empty for the resource.
        body: The desired members; None for a template.
        lists: For an array in ``body``, by path, whether it is joined with what is there or replaces it.
        template: The ARM template; None unless ``kind`` is ``template``.
        template_name: The template's file name, for people.
        template_parameters: What the template is given; texts may hold ``${name}``.
        parameters: What the caller has to choose.
        applies_when: A condition on the resource itself; a resource that does not meet it is skipped as not applicable.
        compliant_when: The condition on the target that closes the recommendation.
        impact, impact_reason: What its users may notice, and why.
        reversibility: How good the way back is.
        permissions: Azure actions that the caller needs.
        policy_definition_ids: The policy definitions behind the recommendation, as bare names.
        sources: Where the facts come from.
    """

    key: str = attrs.field(eq=str.casefold)
    title: str
    kind: FixKind = attrs.field(converter=FixKind)
    resource_type: str
    api_version: str
    target: str = ""
    body: FrozenMap | None = attrs.field(default=None, converter=freeze, repr=False)
    lists: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)
    template: FrozenMap | None = attrs.field(default=None, converter=freeze, repr=False)
    template_name: str = ""
    template_parameters: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)
    parameters: tuple[FixParameter, ...] = ()
    applies_when: Condition | None = None
    compliant_when: Condition
    impact: Impact = attrs.field(default=Impact.NONE, converter=Impact)
    impact_reason: str = ""
    reversibility: Reversibility = attrs.field(default=Reversibility.EXACT, converter=Reversibility)
    permissions: tuple[str, ...] = ()
    policy_definition_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = attrs.field(default=(), repr=False)

    @property
    def is_irreversible(self) -> bool:
        """Whether nothing can put it back; such a fix needs its own consent, see ``Guards``."""
        return self.reversibility is Reversibility.NONE

    def __str__(self) -> str:
        what = self.template_name if self.kind is FixKind.TEMPLATE else canonical(self.body)
        where = f"{self.resource_type}/{self.target}" if self.target else self.resource_type
        return f"{self.title}: {str(self.kind).upper()} {where} {what}"
