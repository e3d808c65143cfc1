"""How an api-version shows a resource, and how a body that a client sent with an api-version is stored."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing.simulator.arm import computed
from defender_remediate.testing.simulator.compute import instance_view
from defender_remediate.testing.simulator.defender import contacts
from defender_remediate.testing.simulator.state.store import Resource
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.testing.simulator.transport.exchange import Reply
from defender_remediate.testing.simulator.web import contracts


def shown(resource: Resource, version: str, status: int = 200) -> Reply:
    """Returns a resource as the answer to a GET with an api-version."""
    return Reply.json(body_of(resource, version), status=status, headers=headers_of(resource, version))


def body_of(resource: Resource, version: str) -> dict[str, Any]:
    """Returns the body of a resource for an api-version, to be sent and not to be changed.

    Older api-versions show no etag or provisioningState of some types.
    """
    body, kind = resource.view(), resource.type
    if kind.etag is not None and not _shows_etag(resource, version):
        body.pop(kind.etag_member, None)
    if version < kind.state_since:
        body["properties"] = {name: value for name, value in body["properties"].items() if name != "provisioningState"}
    body = _renamed(kind, version, body)
    return computed.as_known(kind.name, version, contracts.shown(kind.name, resource.id, version, body))


def headers_of(resource: Resource, version: str) -> dict[str, str]:
    """Returns the headers of an answer that shows a resource."""
    return {"ETag": str(resource.etag)} if _shows_etag(resource, version) else {}


def _shows_etag(resource: Resource, version: str) -> bool:
    return resource.etag is not None and version >= resource.type.etag_since


def in_list(resource: Resource, version: str) -> dict[str, Any]:
    """Returns the body of a resource as a list shows it."""
    name = resource.type.name
    body = instance_view.shown(name, _renamed(resource.type, version, resource.view()))
    return contracts.shown(name, resource.id, version, body)


def as_stored(kind: ResourceType, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns a body that a client sent with an api-version, with today's names."""
    return contacts.stored(kind.name, version, _with_names(kind, version, body, back=True))


def _renamed(kind: ResourceType, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body with the names that an api-version has for properties."""
    return contacts.shown(kind.name, version, _with_names(kind, version, body, back=False))


def _with_names(kind: ResourceType, version: str, body: dict[str, Any], *, back: bool) -> dict[str, Any]:
    for name, (former, last) in kind.former.items():
        if version > last:
            continue
        given, wanted = (former, name) if back else (name, former)
        properties = body.get("properties")
        if isinstance(properties, dict) and given in properties:
            kept = {key: value for key, value in properties.items() if key != given}
            body = {**body, "properties": {**kept, wanted: properties[given]}}
    return body
