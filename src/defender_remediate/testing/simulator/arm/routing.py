"""Which handler answers which path, and with which api-versions. Routing ignores case, as Azure does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

Handler = Callable[[Tenant, Call, Mapping[str, str]], Reply]

_HOLE = re.compile(r"\{(\w+)(\*?)\}")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-\w+)?\Z")


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
        """What fills the holes of the pattern; None when the call is not for this route."""
        if call.method not in self.methods:
            return None
        found = self.matcher.match(call.path)
        return found.groupdict() if found else None


def _compiled(pattern: str) -> re.Pattern[str]:
    text = ""
    position = 0
    for hole in _HOLE.finditer(pattern):
        text += re.escape(pattern[position : hole.start()])
        text += f"(?P<{hole.group(1)}>{'.+' if hole.group(2) else '[^/]+'})"
        position = hole.end()
    return re.compile(text + re.escape(pattern[position:]) + r"/?\Z", re.IGNORECASE)


def find_type(tenant: Tenant, call: Call, type_name: str) -> ResourceType:
    """The type, once the api-version of the call suits it.

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
    if call.api_version not in resource_type.versions:
        supported = ", ".join(resource_type.versions)
        if not _VERSION.match(call.api_version):
            raise refusal("InvalidApiVersionParameter", version=call.api_version, supported=supported)
        raise refusal("NoRegisteredProviderFound", version=call.api_version, type=rest, supported=supported)
    return resource_type


def json_body(call: Call) -> dict[str, Any]:
    """The JSON object in a request.

    Raises:
        ArmError: 400 InvalidRequestContent.
    """
    try:
        body = json.loads(call.content.decode("utf-8")) if call.content else None
    except ValueError as error:
        raise refusal("InvalidRequestContent", problem=str(error)) from None
    if not isinstance(body, dict):
        raise refusal("InvalidRequestContent", problem="the body is not a JSON object")
    return body


def unknown_route(call: Call) -> Exception:
    """A path that the simulator does not have: loud, so that nobody takes it for a missing resource."""
    return refusal("UnknownRoute", method=call.method, path=call.path)
