"""Routes: which handler answers a path, with which api-versions. Routing ignores case, as Azure does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.json_values import TOO_DEEP, check_depth
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.lenient_json import parse
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

Handler = Callable[[Tenant, Call, Mapping[str, str]], Reply]

_PLACEHOLDER = re.compile(r"\{(\w+)(\*?)\}")
_VERSION = re.compile(r"(\d{4}-\d\d-\d\d)(-(preview|privatepreview|alpha|beta|rc|stable))?\Z", re.IGNORECASE)
_MOST_BYTES = 4 * 1024 * 1024
_MOST_LEVELS = 200
_MEDIA_TYPES = ("application/json", "text/json")
# Members that are objects in the body of every request that has them.
_OBJECTS = ("properties", "identity")


@attrs.frozen(kw_only=True)
class Route:
    """One operation of the API.

    Attributes:
        methods: The verbs it takes.
        pattern: The path; ``{name}`` stands for one segment, ``{name*}`` for any number of them.
        type: The resource type whose api-versions it takes.
        handler: What answers.
        reads: Whether it only looks, whatever its verb.
        throttled: Whether it takes a token of the subscription; Resource Graph has its own quota.
    """

    methods: tuple[str, ...]
    pattern: str
    type: str
    handler: Handler
    reads: bool = True
    throttled: bool = True
    matcher: re.Pattern[str] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _compiled(self.pattern), takes_self=True)
    )

    def match(self, call: Call) -> Mapping[str, str] | None:
        """Returns the captured segments of the path of a call with one of the verbs; None if it is another path."""
        found = self.matcher.match(call.path)
        return found.groupdict() if found else None


class RouteIndex:
    """Finds the route of a call without trying them all: by the last word of the pattern that is no placeholder.

    Where several routes match, the first one answers.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._places: dict[tuple[str, int, str], list[tuple[int, Route]]] = {}
        self._distances: list[int] = []
        for number, route in enumerate(routes):
            words = ids.segments(route.pattern)
            distance = next(place for place, word in enumerate(reversed(words)) if not _PLACEHOLDER.fullmatch(word))
            for method in route.methods:
                key = (method, distance, fold(words[-1 - distance]))
                self._places.setdefault(key, []).append((number, route))
            if distance not in self._distances:
                self._distances.append(distance)

    def find(self, call: Call) -> tuple[Route, Mapping[str, str]] | None:
        """Returns the route of a call and the captured segments of its path; None if it has none."""
        words = ids.segments(call.path)
        candidates: list[tuple[int, Route]] = []
        for distance in self._distances:
            if distance < len(words):
                candidates += self._places.get((call.method, distance, fold(words[-1 - distance])), ())
        for _, route in sorted(candidates, key=lambda pair: pair[0]):
            captured = route.match(call)
            if captured is not None:
                return route, captured
        return None

    def methods(self, call: Call) -> frozenset[str]:
        """Returns the verbs with which the path of a call has a route."""
        verbs = {method for method, _, _ in self._places}
        return frozenset(verb for verb in verbs if self.find(attrs.evolve(call, method=verb)) is not None)


def _compiled(pattern: str) -> re.Pattern[str]:
    text = ""
    position = 0
    for placeholder in _PLACEHOLDER.finditer(pattern):
        text += re.escape(pattern[position : placeholder.start()])
        text += f"(?P<{placeholder.group(1)}>{'.+' if placeholder.group(2) else '[^/]+'})"
        position = placeholder.end()
    return re.compile(text + re.escape(pattern[position:]) + r"/?\Z", re.IGNORECASE)


def find_type(tenant: Tenant, call: Call, type_name: str) -> ResourceType:
    """Returns the type, if it supports the api-version of the call.

    Raises:
        ArmError: 400 MissingApiVersionParameter, 404 InvalidResourceNamespace, 404 InvalidResourceType,
            400 InvalidApiVersionParameter or 400 NoRegisteredProviderFound.
    """
    if not call.api_version:
        raise refusal("MissingApiVersionParameter")
    resource_type = tenant.types.get(type_name)
    namespace, _, rest = type_name.partition("/")
    if resource_type is None:
        if not list(tenant.types.of_namespace(namespace)):
            raise refusal("InvalidResourceNamespace", namespace=namespace)
        raise refusal("InvalidResourceType", namespace=namespace, version=call.api_version)
    supported = ", ".join(resource_type.versions)
    if not is_version(call.api_version):
        raise refusal("InvalidApiVersionParameter", version=call.api_version, supported=supported)
    if not resource_type.supports(call.api_version, tenant.clock.now()):
        raise refusal("NoRegisteredProviderFound", version=call.api_version, type=rest, supported=supported)
    return resource_type


def is_version(text: str) -> bool:
    """Whether a string has the form of an api-version: a date that exists, and perhaps what kind of preview it is."""
    found = _VERSION.match(text)
    if found is None:
        return False
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return False
    return True


def take_version(tenant: Tenant, call: Call, type_name: str, *, since: str) -> None:
    """Checks the api-version of a call for a type of which only the oldest version is known.

    Raises:
        ArmError: 400 MissingApiVersionParameter, InvalidApiVersionParameter or NoRegisteredProviderFound.
    """
    if not call.api_version:
        raise refusal("MissingApiVersionParameter")
    if not is_version(call.api_version):
        raise refusal("InvalidApiVersionParameter", version=call.api_version, supported=since)
    if not ResourceType(name=type_name, versions=(since,)).supports(call.api_version, tenant.clock.now()):
        rest = type_name.partition("/")[2]
        raise refusal("NoRegisteredProviderFound", version=call.api_version, type=rest, supported=since)


def object_in(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a member of a body, which must be an object; an empty one if it is absent.

    Raises:
        ArmError: 400 InvalidRequestContent.
    """
    found = body.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise refusal("InvalidRequestContent", problem=f"'{name}' is not an object")
    return found or {}


def objects_in(body: Any, name: str) -> list[Mapping[str, Any]]:
    """Returns the objects in a member of a body, which should be a list of objects; what is something else is left out."""
    found = body.get(name) if isinstance(body, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def json_body(call: Call, *, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns the JSON object in a request; ``empty`` for a request without a body, which is refused by default.

    Raises:
        ArmError: 400 InvalidRequestContent; 413 RequestContentTooLarge; 415 UnsupportedMediaType.
    """
    if len(call.content) > _MOST_BYTES:
        raise refusal("RequestContentTooLarge")
    media_type = call.headers.get("content-type", "<null>").partition(";")[0].strip()
    if call.content and fold(media_type) not in _MEDIA_TYPES:
        raise refusal("UnsupportedMediaType", type=media_type)
    try:
        body = parse(call.content.decode("utf-8-sig")) if call.content else None
        if call.content.count(b"{") + call.content.count(b"[") > _MOST_LEVELS:
            check_depth(body, max_depth=_MOST_LEVELS)
        if b"\\u" in call.content:
            json.dumps(body, ensure_ascii=False).encode()
    except RecursionError:
        raise refusal("InvalidRequestContent", problem=TOO_DEEP.format(_MOST_LEVELS)) from None
    except ValueError as error:  # also half of a surrogate pair, which no answer could show
        raise refusal("InvalidRequestContent", problem=str(error)) from None
    if body is None and not call.content and empty is not None:
        return dict(empty)
    if not isinstance(body, dict):
        raise refusal("InvalidRequestContent", problem="the body is not a JSON object")
    for name in _OBJECTS:
        object_in(body, name)
    identity = body.get("identity") or {}
    object_in(identity, "userAssignedIdentities")
    if not isinstance(identity.get("type", ""), (str, type(None))):
        raise refusal("InvalidRequestContent", problem="'type' is not a string")
    return body


def positive_option(call: Call, name: str) -> int | None:
    """Returns a paging option of the query, such as ``$top``; None if it is absent.

    Raises:
        ArmError: 400 InvalidQueryOption: not a positive integer.
    """
    text = call.query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise refusal("InvalidQueryOption", name=name, value=text)
    return int(text)


class UnknownRouteError(ArmError):
    """A path that the simulator does not support, at least not with this verb."""


def unknown_route(call: Call) -> UnknownRouteError:
    """Returns the error for a path that the simulator does not support, which differs from that of a missing resource."""
    return UnknownRouteError(refusal("UnknownRoute", method=call.method, path=call.path).reply)


def wrong_method(call: Call, allowed: Iterable[str]) -> ArmError:
    """Returns the error for a path that exists with other verbs."""
    return refusal("MethodNotAllowed", method=call.method, headers={"Allow": ", ".join(sorted(allowed))})
