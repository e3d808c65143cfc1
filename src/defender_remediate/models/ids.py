"""Resource ids and scopes. Azure compares them without regard to case and echoes them in any; so do we."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidResourceIdError, InvalidScopeError

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# ARM refuses control characters and these; a '?' or '#' would turn the rest of an id into a query or a fragment.
_FORBIDDEN = re.compile(r"[\x00-\x20<>%&\\?#\x7f\ud800-\udfff]")
_ASSESSMENT = "/providers/microsoft.security/assessments/"
_NOT_A_RESOURCE = " is not a resource id: "
_ID_HINT = "one looks like /subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}"
_MANAGEMENT_GROUP = ("providers", "microsoft.management", "managementgroups")


def is_guid(text: object) -> bool:
    """Whether this is a GUID as Azure writes one: with hyphens, without braces."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def _segments(text: str, error: type[InvalidResourceIdError] | type[InvalidScopeError]) -> list[str]:
    if not isinstance(text, str) or not text.strip("/"):
        raise error(f"expected an Azure id, got {text!r}", hint="an id starts with /subscriptions/ or /providers/")
    segments = text.strip("/").split("/")
    # A space is legal in some names (and in resource groups never), so only control characters and URL marks go.
    bad = [s for s in segments if not s or s in (".", "..") or _FORBIDDEN.search(s.replace(" ", "_"))]
    if bad or text != text.strip():
        raise error(f"{text!r} is not an Azure id: it has an empty segment or a character that ids do not have")
    return segments


@attrs.frozen(kw_only=True, str=False)
class ResourceId:
    """An Azure resource id, taken apart.

    Attributes:
        text: The id as it was given, with one leading slash. Comparison ignores case.
        subscription_id: The GUID, or None for a tenant-level id.
        resource_group: The name, or None for an id above resource groups.
        type: Such as ``Microsoft.Web/sites/config``; for an extension resource the type of the extension.
        name: The last segment.
    """

    text: str = attrs.field(eq=fold)
    subscription_id: str | None = attrs.field(eq=False)
    resource_group: str | None = attrs.field(eq=False)
    type: str = attrs.field(eq=False)
    name: str = attrs.field(eq=False)

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """Take a resource id apart.

        Raises:
            InvalidResourceIdError: The text is not the id of a resource, resource group or subscription.
        """
        segments = _segments(text, InvalidResourceIdError)
        if fold(segments[0]) not in ("subscriptions", "providers"):
            raise _not_a_resource(text, "it does not start with /subscriptions/ or /providers/")
        if len(segments) % 2:
            raise _not_a_resource(text, f"no name comes after {segments[-1]!r}")
        pairs = [(segments[i], segments[i + 1]) for i in range(0, len(segments), 2)]
        heads = [fold(head) for head, _ in pairs]
        subscription = group = None
        if heads[0] == "subscriptions":
            subscription = pairs[0][1]
            if not is_guid(subscription):
                raise _not_a_resource(text, "the subscription is not a GUID")
            if len(pairs) > 1 and heads[1] == "resourcegroups":
                group = pairs[1][1]
        return cls(
            text="/" + "/".join(segments),
            subscription_id=subscription,
            resource_group=group,
            type=_type_of(pairs, heads, text),
            name=pairs[-1][1],
        )

    @property
    def resource(self) -> ResourceId:
        """The top-level resource this id belongs to; the id itself when it is one (or is above resources)."""
        segments = self.text.strip("/").split("/")
        heads = [fold(s) for s in segments[::2]]
        if "providers" not in heads:
            return self
        first = heads.index("providers") * 2
        return ResourceId.parse("/" + "/".join(segments[: first + 4]))

    def __str__(self) -> str:
        return self.text


def _not_a_resource(text: str, why: str) -> InvalidResourceIdError:
    return InvalidResourceIdError(f"{text!r}{_NOT_A_RESOURCE}{why}", hint=_ID_HINT)


def _type_of(pairs: list[tuple[str, str]], heads: list[str], text: str) -> str:
    if "providers" not in heads:
        known = {
            ("subscriptions",): "Microsoft.Resources/subscriptions",
            ("subscriptions", "resourcegroups"): "Microsoft.Resources/resourceGroups",
        }
        if tuple(heads) not in known:
            raise _not_a_resource(text, "it names no provider")
        return known[tuple(heads)]
    last = len(heads) - 1 - heads[::-1].index("providers")
    types = [head for head, _ in pairs[last + 1 :]]
    if not types:
        raise _not_a_resource(text, "it names a provider and no type")
    return "/".join([pairs[last][1], *types])


class ScopeKind(StrEnum):
    """What a scope is."""

    SUBSCRIPTION = "subscription"
    RESOURCE_GROUP = "resource_group"
    RESOURCE = "resource"
    MANAGEMENT_GROUP = "management_group"


@attrs.frozen(kw_only=True, str=False)
class Scope:
    """Where to look: a subscription, a resource group, one resource, or a management group.

    Attributes:
        text: The id as it was given, with one leading slash. Comparison ignores case.
        kind: What it is.
        subscription_id: The GUID, or None for a management group.
    """

    text: str = attrs.field(eq=fold)
    kind: ScopeKind = attrs.field(eq=False)
    subscription_id: str | None = attrs.field(eq=False)

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope id.

        Raises:
            InvalidScopeError: The text is none of the four; nothing was sent.
        """
        segments = _segments(text, InvalidScopeError)
        if tuple(fold(s) for s in segments[:3]) == _MANAGEMENT_GROUP and len(segments) == 4:
            return cls(text="/" + "/".join(segments), kind=ScopeKind.MANAGEMENT_GROUP, subscription_id=None)
        try:
            parsed = ResourceId.parse(text)
        except InvalidResourceIdError as error:
            why = error.message.rpartition(_NOT_A_RESOURCE)[2]
            raise InvalidScopeError(f"{text!r} is not a scope: {why}", hint=_SCOPE_HINT) from error
        if parsed.subscription_id is None:
            raise InvalidScopeError(f"{text!r} is not a scope: it is outside any subscription", hint=_SCOPE_HINT)
        kinds = {2: ScopeKind.SUBSCRIPTION, 4: ScopeKind.RESOURCE_GROUP}
        kind = kinds.get(len(segments), ScopeKind.RESOURCE)
        return cls(text=parsed.text, kind=kind, subscription_id=parsed.subscription_id)

    def contains(self, resource_id: str) -> bool:
        """Whether the id is this scope or below it, segment by segment and whatever the case.

        A management group contains nothing by its id alone, so it answers False.
        """
        inner = fold(resource_id.strip("/")).split("/")
        outer = fold(self.text.strip("/")).split("/")
        return inner[: len(outer)] == outer

    def __str__(self) -> str:
        return self.text


_SCOPE_HINT = (
    "use /subscriptions/{guid}, /subscriptions/{guid}/resourceGroups/{name}, a resource id, "
    "or /providers/Microsoft.Management/managementGroups/{name}"
)


def parse_scopes(scope: str | Sequence[str]) -> tuple[Scope, ...]:
    """Read one scope id or several; each comes once.

    Raises:
        InvalidScopeError: There is none, or one is none of the four.
    """
    texts = [scope] if isinstance(scope, str) else list(scope) if isinstance(scope, Iterable) else []
    if not texts:
        raise InvalidScopeError("no scope was given", hint="pass a subscription id such as /subscriptions/{guid}")
    return tuple(dict.fromkeys(Scope.parse(text) for text in texts))


def resource_of_assessment(assessment_id: str) -> str:
    """The id of what an assessment was made on: all before its own provider segment."""
    text = "/" + assessment_id.strip("/")
    cut = fold(text).rfind(_ASSESSMENT)
    return text[:cut] if cut > 0 else text
