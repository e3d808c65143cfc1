"""Resource ids and scopes. They compare without regard to case, as in Azure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Union

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidResourceIdError, InvalidScopeError
from defender_remediate.serialization import Value
from defender_remediate.validation import string

# Far above what Azure accepts: looking at the id of each ancestor takes time that grows with the square of the length.
_LONGEST = 8000
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# ARM refuses control characters and these; a '?' or '#' would turn the rest of an id into a query or a fragment. Line
# separators, direction marks and invisible characters could make one id look like another.
_FORBIDDEN = re.compile(
    r"[\x00-\x20<>%&\\?#\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_ASSESSMENT = "/providers/microsoft.security/assessments/"
_NOT_A_RESOURCE = " is not a resource id: "
_ID_HINT = "a resource id looks like /subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}"
_MANAGEMENT_GROUP = ("providers", "microsoft.management", "managementgroups")
_SUBSCRIPTION_TYPE = "Microsoft.Resources/subscriptions"
_GROUP_TYPE = "Microsoft.Resources/resourceGroups"

AnyId = Union["ResourceId", "Scope", str]


def is_guid(text: object) -> bool:
    """Whether this is a GUID as Azure writes one: with hyphens, without braces."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def id_key(given: AnyId) -> str:
    """The folded form of an id with one leading slash: equal for all spellings that Azure treats as the same id.

    The string need not be a valid resource id: the path of a listing has a key as well.
    """
    if isinstance(given, str):
        return "/" + fold(given.strip("/"))
    if not isinstance(given, (ResourceId, Scope)):
        raise InvalidResourceIdError(f"expected an Azure id, got {quoted(given)}", hint=_ID_HINT)
    return given.key


def contains(outer: AnyId, inner: AnyId) -> bool:
    """Whether the inner id is the outer one or below it, segment by segment. The outer string need not be a valid id."""
    return f"{id_key(inner)}/".startswith(f"{id_key(outer).rstrip('/')}/")


def _segments(text: str, error: type[InvalidResourceIdError] | type[InvalidScopeError]) -> list[str]:
    if not isinstance(text, str) or not text.strip("/"):
        raise error(
            f"expected an Azure id, got {quoted(text)}", hint="an id starts with /subscriptions/ or /providers/"
        )
    if len(text) > _LONGEST:
        raise error(f"{quoted(text)} is not an Azure id: it has more than {_LONGEST} characters")
    segments = text.strip("/").split("/")
    # A space is legal in some names, although never in the name of a resource group.
    bad = [s for s in segments if not s or s in (".", "..") or _FORBIDDEN.search(s.replace(" ", "_"))]
    if bad or text != text.strip():
        raise error(
            f"{quoted(text)} is not an Azure id: it has an empty segment or a character that is not allowed in ids"
        )
    return segments


def type_or_id(text: str) -> str:
    """The type of a resource; the text itself when it is not the id of one."""
    try:
        return ResourceId.parse(text).type
    except InvalidResourceIdError:
        return text


def _folded_key(value: ResourceId | Scope) -> str:
    return fold(string("text", value.text))


@attrs.frozen(kw_only=True, str=False)
class ResourceId(Value):
    """The id of an Azure resource, resource group or subscription, and its parts.

    Two ids that differ only in casing are equal and have the same hash.

    Attributes:
        text: The id as it was given, with one leading slash.
        key: The folded id, for use as a dictionary key beside plain strings.
        subscription_id: The GUID, or None for a tenant-level id.
        resource_group: The name, or None for an id above resource groups.
        type: Such as ``Microsoft.Web/sites/config``; for an extension resource the type of the extension.
        name: The last segment.
    """

    text: str = attrs.field(eq=False)
    subscription_id: str | None = attrs.field(eq=False)
    resource_group: str | None = attrs.field(eq=False)
    type: str = attrs.field(eq=False)
    name: str = attrs.field(eq=False)
    key: str = attrs.field(init=False, repr=False, default=attrs.Factory(_folded_key, takes_self=True))

    @classmethod
    def parse(cls, text: str) -> ResourceId:
        """Read a resource id.

        Raises:
            InvalidResourceIdError: The string is not the id of a resource, resource group or subscription.
        """
        # One id is read many times while its resource is planned and written.
        return _parsed(text) if type(text) is str else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> ResourceId:
        segments = _segments(text, InvalidResourceIdError)
        heads = [fold(segment) for segment in segments[::2]]
        if heads[0] not in ("subscriptions", "providers"):
            raise _not_a_resource(text, "it does not start with /subscriptions/ or /providers/")
        if len(segments) % 2:
            raise _not_a_resource(text, f"no name follows {quoted(segments[-1])}")
        subscription = group = None
        if heads[0] == "subscriptions":
            subscription = segments[1]
            if not is_guid(subscription):
                raise _not_a_resource(text, "the subscription is not a GUID")
            if heads[1:2] == ["resourcegroups"]:
                group = segments[3]
        return cls(
            text="/" + "/".join(segments),
            subscription_id=subscription,
            resource_group=group,
            type=_type_of(segments, heads, text),
            name=segments[-1],
        )

    @property
    def parent(self) -> ResourceId | None:
        """The id directly above this one; None for a subscription or a tenant-level resource.

        A child belongs to its parent resource, an extension resource to what it extends, a top-level resource to its
        resource group or subscription.
        """
        segments = self.text.split("/")[1:]
        above = segments[:-2]
        if above and fold(above[-2]) == "providers":
            above = above[:-2]
        return ResourceId.parse("/" + "/".join(above)) if above else None

    @property
    def root(self) -> ResourceId:
        """The top-level resource that this id belongs to; the id itself when it is one, or is above resources."""
        segments = self.text.split("/")[1:]
        heads = [fold(segment) for segment in segments[::2]]
        if "providers" not in heads:
            return self
        first = heads.index("providers") * 2
        return ResourceId.parse("/" + "/".join(segments[: first + 4]))

    @property
    def group(self) -> ResourceId | None:
        """The id of its resource group; None for an id above resource groups."""
        if self.resource_group is None:
            return None
        return ResourceId.parse(f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}")

    @property
    def subscription(self) -> ResourceId | None:
        """The id of its subscription; None for a tenant-level id."""
        return None if self.subscription_id is None else ResourceId.parse(f"/subscriptions/{self.subscription_id}")

    def scopes(self) -> tuple[ResourceId, ...]:
        """This id and every id above it, innermost first: where a lock or role assignment that applies here can be."""
        found = [self]
        while (above := found[-1].parent) is not None:
            found.append(above)
        return tuple(found)

    def contains(self, other: AnyId) -> bool:
        """Whether the other id is this one or below it, segment by segment. A string need not be a valid id."""
        return contains(self, other)

    def is_type(self, name: str) -> bool:
        """Whether it is of this resource type, whatever the casing."""
        return fold(self.type) == fold(string("name", name))

    def __str__(self) -> str:
        return self.text


# Enough for the ids of a large plan, which are read in one phase after the other.
@lru_cache(16384)
def _parsed(text: str) -> ResourceId:
    return ResourceId._parse(text)  # noqa: SLF001 - the cached half of it


def _not_a_resource(text: str, why: str) -> InvalidResourceIdError:
    return InvalidResourceIdError(f"{quoted(text)}{_NOT_A_RESOURCE}{why}", hint=_ID_HINT)


def _type_of(segments: list[str], heads: list[str], text: str) -> str:
    if heads == ["subscriptions"]:
        return _SUBSCRIPTION_TYPE
    if heads == ["subscriptions", "resourcegroups"]:
        return _GROUP_TYPE
    if "providers" not in heads:
        raise _not_a_resource(text, "it names no provider")
    last = len(heads) - 1 - heads[::-1].index("providers")
    types = segments[2 * last + 2 :: 2]
    if not types:
        raise _not_a_resource(text, "it names a provider and no type")
    return "/".join([segments[2 * last + 1], *types])


class ScopeKind(StrEnum):
    """The kind of a scope."""

    SUBSCRIPTION = "subscription"
    RESOURCE_GROUP = "resource_group"
    RESOURCE = "resource"
    MANAGEMENT_GROUP = "management_group"


@attrs.frozen(kw_only=True, str=False)
class Scope(Value):
    """The scope of a client: a subscription, a resource group, one resource, or a management group.

    Two scopes are equal when their ids differ only in casing.

    Attributes:
        text: The id as it was given, with one leading slash.
        key: The folded id, for use as a dictionary key beside plain strings.
        kind: The kind of scope.
        subscription_id: The GUID, or None for a management group.
        resource_group: The name, or None for a scope above resource groups.
    """

    text: str = attrs.field(eq=False)
    kind: ScopeKind = attrs.field(eq=False)
    subscription_id: str | None = attrs.field(eq=False)
    resource_group: str | None = attrs.field(default=None, eq=False)
    key: str = attrs.field(init=False, repr=False, default=attrs.Factory(_folded_key, takes_self=True))

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read the id of a scope; a GUID is read as the id of a subscription.

        Raises:
            InvalidScopeError: The string is not the id of one of the four kinds of scope; nothing was sent.
        """
        if is_guid(text):
            text = f"/subscriptions/{text}"
        segments = _segments(text, InvalidScopeError)
        if tuple(fold(s) for s in segments[:3]) == _MANAGEMENT_GROUP and len(segments) == 4:
            return cls(text="/" + "/".join(segments), kind=ScopeKind.MANAGEMENT_GROUP, subscription_id=None)
        try:
            parsed = ResourceId.parse(text)
        except InvalidResourceIdError as error:
            why = error.message.rpartition(_NOT_A_RESOURCE)[2]
            raise InvalidScopeError(f"{quoted(text)} is not a scope: {why}", hint=_SCOPE_HINT) from error
        if parsed.subscription_id is None:
            raise InvalidScopeError(f"{quoted(text)} is not a scope: it is outside any subscription", hint=_SCOPE_HINT)
        kinds = {_SUBSCRIPTION_TYPE: ScopeKind.SUBSCRIPTION, _GROUP_TYPE: ScopeKind.RESOURCE_GROUP}
        return cls(
            text=parsed.text,
            kind=kinds.get(parsed.type, ScopeKind.RESOURCE),
            subscription_id=parsed.subscription_id,
            resource_group=parsed.resource_group,
        )

    def contains(self, other: AnyId) -> bool:
        """Whether the id is this scope or below it, segment by segment. A string need not be a valid id.

        A management group id does not show what the group contains, so the result is True only for the group itself.
        """
        return contains(self, other)

    def __str__(self) -> str:
        return self.text


_SCOPE_HINT = (
    "use /subscriptions/{guid}, /subscriptions/{guid}/resourceGroups/{name}, a resource id, "
    "or /providers/Microsoft.Management/managementGroups/{name}"
)


def parse_scopes(scope: str | Scope | ResourceId | Iterable[str | Scope | ResourceId]) -> tuple[Scope, ...]:
    """Read one scope or several, without duplicates.

    Raises:
        InvalidScopeError: The list is empty, or an item is not a scope.
    """
    given = [scope] if isinstance(scope, (str, Scope, ResourceId)) else scope
    if not isinstance(given, Iterable):
        is_credential = hasattr(scope, "get_token")
        hint = "the credential comes first: RemediationClient(credential, scope)" if is_credential else _SCOPE_HINT
        raise InvalidScopeError(f"expected a scope, got {quoted(scope)}", hint=hint)
    found = dict.fromkeys(one if isinstance(one, Scope) else Scope.parse(_text_of(one)) for one in given)
    if not found:
        raise InvalidScopeError("no scope was given", hint="pass a subscription id such as /subscriptions/{guid}")
    return tuple(found)


def _text_of(given: str | ResourceId) -> str:
    return given.text if isinstance(given, ResourceId) else given


def resource_of_assessment(assessment_id: str) -> str:
    """The id of the assessed resource: everything before the assessment's own provider segment."""
    text = "/" + assessment_id.strip("/")
    cut = fold(text).rfind(_ASSESSMENT)
    return text[:cut] if cut > 0 else text
