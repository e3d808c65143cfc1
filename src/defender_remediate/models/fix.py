"""Fixes: how a recommendation is remediated on one resource type."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import one_line, quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError
from defender_remediate.json_values import FrozenMap, canonical, freeze
from defender_remediate.models.condition import Condition
from defender_remediate.models.ids import ResourceId, is_guid
from defender_remediate.models.live_use import LiveUse
from defender_remediate.notebook import notebook
from defender_remediate.redaction import redact_json
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

_MEMBER = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


class FixKind(StrEnum):
    """How a fix is written to Azure."""

    PATCH = "patch"
    PUT = "put"
    TEMPLATE = "template"


class Impact(StrEnum):
    """The effect of a fix on users of the resource."""

    NONE = "none"
    CONNECTIVITY = "connectivity"
    RESTART = "restart"
    COST = "cost"


class Reversibility(StrEnum):
    """Whether a rollback restores everything."""

    EXACT = "exact"
    CONDITIONAL = "conditional"
    NONE = "none"


class Evidence(StrEnum):
    """How it is known that Azure accepts what a fix writes, strongest first."""

    RECORDED = "recorded"
    RECORDED_OTHER_VERB = "recorded_other_verb"
    SPECIFICATION = "specification"
    DERIVED = "derived"


class ParameterType(StrEnum):
    """The type of a fix parameter."""

    STRING = "string"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING_LIST = "string_list"
    RESOURCE_ID = "resource_id"
    GUID = "guid"

    def accepts(self, value: Any) -> bool:
        """Whether a value is of this type; a blank string is not."""
        if self is ParameterType.BOOLEAN:
            return isinstance(value, bool)
        if self is ParameterType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        if self is ParameterType.STRING_LIST:
            return isinstance(value, (list, tuple)) and all(map(ParameterType.STRING.accepts, value))
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


class ArrayStrategy(StrEnum):
    """How an array of a fix is merged into the array that exists. The default is ``union``.

    ``union`` adds what is missing, ``replace`` replaces the whole. ``by:name`` identifies
    elements by their member ``name``: those that the fix names are merged member by member or added, the others are unchanged.
    ``each`` merges the one element of the fix into every element that exists.
    """

    UNION = "union"
    REPLACE = "replace"
    EACH = "each"
    BY = "by"

    @classmethod
    def parse(cls, text: str) -> tuple[ArrayStrategy, str]:
        """Read what a fix says about an array: the strategy, and for ``by`` the member that identifies elements.

        Raises:
            InvalidInputError: The string is not one of the four strategies.
        """
        word, _, name = text.partition(":") if isinstance(text, str) else ("", "", "")
        if text not in (cls.UNION, cls.REPLACE, cls.EACH) and not (word == cls.BY and _MEMBER.fullmatch(name)):
            raise InvalidInputError(f"{quoted(text)} is not one of union, replace, each, by:<member>")
        return cls(word), name


@notebook
@attrs.frozen(kw_only=True)
class FixParameter(Value):
    """One value that a fix needs from the caller.

    Attributes:
        allowed: The valid values; empty if every value of the type is valid.
        default: Used when the caller gives none; None when the caller has to choose.
        resource_type: For a ``resource_id``, the type that it must be of; None for any.
        same_location: For a ``resource_id``, whether it must be in the location of the resource that is fixed.
    """

    _computed: ClassVar[tuple[str, ...]] = ("is_required",)

    name: str
    type: ParameterType = attrs.field(converter=ParameterType)
    description: str
    allowed: tuple[Any, ...] = attrs.field(default=(), converter=freeze)
    default: Any = attrs.field(default=None, converter=freeze)
    resource_type: str | None = optional_text()
    same_location: bool = False

    @property
    def is_required(self) -> bool:
        """Whether planning needs a value from the caller."""
        return self.default is None


@notebook
@attrs.frozen(kw_only=True)
class LeftOutMember(Value):
    """A member of the target that a PUT omits.

    Attributes:
        path: Where it is; ``[*]`` stands for every element of an array.
        when: A condition on the body after the PUT; None for every PUT.
    """

    path: str
    when: Condition | None = None


@notebook
@attrs.frozen(kw_only=True)
class NotApplicable(Value):
    """A kind of target that a fix cannot be applied to.

    Attributes:
        when: A condition on the target.
        reason: Why the fix cannot be applied, and what a person can do instead.
    """

    when: Condition
    reason: str


@notebook
@attrs.frozen(kw_only=True)
class FixAction(Value):
    """How one recommendation is remediated on one resource type.

    A fix says which condition must hold (``compliant_when``) and what to write if it does not: ``body`` is merged into the
    target and only the difference is sent. Strings in it may contain ``${name}``, a parameter or one of ``resource.id``,
    ``resource.name``, ``resource.parent`` (the name of the resource above a child), ``resource.location``,
    ``resource.group`` and ``resource.subscription``.

    Attributes:
        key: The assessment key; the policy definition id where Azure publishes no key; a name of this library where it
            publishes neither.
        title: Azure's display name of the recommendation.
        titles: Display names that the recommendation is found by when Azure knows it by a key that is not published, such as
            one before it was renamed. A fix whose key is a name of this library is found by its title, too.
        kind: ``patch`` sends the difference, ``put`` the whole merged body, ``template`` a deployment.
        resource_type: The resource type that the recommendation is about.
        variant: Distinguishes the fixes of one recommendation and resource type, such as ``linux`` and ``windows``. The
            first whose ``applies_when`` is met is used. None if there is only one.
        api_version: The api-version to read and write with.
        target: The path of the target relative to the resource, such as ``config/web``; empty for the resource itself. A
            path that begins with a slash, or with a parameter that is a resource id, is a complete id.
        linked: The path of the ids of other resources, such as ``properties.networkProfile.networkInterfaces[*].id``. They are
            read and written instead. None for the resource itself.
        linked_type: The type of those other resources.
        if_match: ``*`` for a type that requires the header If-Match and returns no etag in its body.
        body: The desired members; None for a template.
        remove: Paths of members to remove.
        array_strategies: How arrays in ``body`` are merged, by path: see ``ArrayStrategy``.
        template: The ARM template; None unless ``kind`` is ``template``.
        template_name: The file name of the template, for display.
        template_parameters: The parameters of the template; strings may contain ``${name}``.
        parameters: The values that the caller has to choose.
        send_whole: Paths of objects that Azure replaces as a whole, such as ``properties.networkAcls``. A PATCH that changes
            a member of such an object sends the complete object.
        leave_out: Members that a PUT omits, because Azure keeps them or does not accept them in the desired state.
        applies_when: A condition on the resource itself; a resource that does not meet it is skipped as not applicable.
        not_applicable: Targets that the fix cannot be applied to, such as one with a key that Azure does not return.
            Such a target is skipped as not applicable, with the reason.
        put_decision: For a PUT to a type with members that a GET does not return: the reason why none of them is lost.
        compliant_when: The condition that the target meets when it is compliant.
        impact, impact_reason: What users of the resource may notice, and why.
        cost: What is billed for, and per what; None when the change itself costs nothing.
        live_use: Which metric tells whether anyone still uses what it closes; None for a fix that closes nothing.
        control: The security control of the recommendation, if known; Azure reports it at run time.
        quick_fix: Whether Azure documents a Fix button for it in the portal; None if unknown.
        reversibility: Whether a rollback restores everything.
        permissions: The Azure actions that the caller needs.
        policy_definition_ids: The policy definitions behind the recommendation, as bare names.
        sources: Where the facts come from.
        evidence: How it is known that Azure accepts this write; None if unknown.
    """

    _computed: ClassVar[tuple[str, ...]] = ("is_irreversible",)

    key: str = attrs.field(eq=fold)
    title: str
    titles: tuple[str, ...] = ()
    kind: FixKind = attrs.field(converter=FixKind)
    resource_type: str
    variant: str | None = optional_text()
    api_version: str
    target: str = ""
    linked: str | None = optional_text()
    linked_type: str | None = optional_text()
    if_match: str | None = optional_text()
    body: FrozenMap | None = attrs.field(default=None, converter=freeze, repr=False)
    remove: tuple[str, ...] = attrs.field(default=(), repr=False)
    array_strategies: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)
    template: FrozenMap | None = attrs.field(default=None, converter=freeze, repr=False)
    template_name: str | None = optional_text()
    template_parameters: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)
    parameters: tuple[FixParameter, ...] = ()
    send_whole: tuple[str, ...] = ()
    leave_out: tuple[LeftOutMember, ...] = ()
    applies_when: Condition | None = None
    not_applicable: tuple[NotApplicable, ...] = ()
    put_decision: str | None = None
    compliant_when: Condition
    impact: Impact = attrs.field(default=Impact.NONE, converter=Impact)
    impact_reason: str | None = optional_text()
    cost: str | None = optional_text()
    live_use: LiveUse | None = None
    control: str | None = optional_text()
    quick_fix: bool | None = None
    reversibility: Reversibility = attrs.field(default=Reversibility.EXACT, converter=Reversibility)
    permissions: tuple[str, ...] = ()
    policy_definition_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = attrs.field(default=(), repr=False)
    evidence: Evidence | None = attrs.field(default=None, converter=attrs.converters.optional(Evidence))

    @property
    def display_names(self) -> tuple[str, ...]:
        """The display names that the recommendation is found by when its key is not known."""
        return self.titles if is_guid(self.key) else (self.title, *self.titles)

    @property
    def is_irreversible(self) -> bool:
        """Whether it cannot be rolled back; planning such a fix needs ``Guards.allow_irreversible``."""
        return self.reversibility is Reversibility.NONE

    @property
    def is_elsewhere(self) -> bool:
        """Whether it writes to a target that is neither the assessed resource nor below it."""
        if self.linked or self.target.startswith("/"):
            return True
        ids = {parameter.name for parameter in self.parameters if parameter.type is ParameterType.RESOURCE_ID}
        return any(self.target.startswith(f"${{{name}}}") for name in ids)

    def __str__(self) -> str:
        what = self.template_name if self.kind is FixKind.TEMPLATE else self._written()
        about = self.linked_type or self.resource_type
        where = about
        if self.target:
            where = self.target if self.target.startswith("/") else f"{about}/{self.target}"
        title = f"{self.title} ({self.variant})" if self.variant else self.title
        return one_line(f"{title}: {str(self.kind).upper()} {where} {what}")

    def _written(self) -> str:
        parts = [canonical(redact_json(self.body))] if self.body else []
        return " ".join([*parts, *(f"without {path}" for path in self.remove)])
