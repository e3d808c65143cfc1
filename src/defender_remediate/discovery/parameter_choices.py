"""The ids that a parameter could be given: what ``list_parameter_choices`` lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from defender_remediate import wire
from defender_remediate.arm.providers import Providers, newest_api_version
from defender_remediate.arm.session import ArmSession
from defender_remediate.display import quoted
from defender_remediate.errors import ParameterError
from defender_remediate.fixes.placeholders import same_place
from defender_remediate.models.fix import FixParameter

_RESOURCES = "2021-04-01"


def wanted_type(parameter: FixParameter) -> str:
    """The type of resource that a parameter takes.

    Raises:
        ParameterError: It takes anything but the id of a resource of one type.
    """
    if not isinstance(parameter, FixParameter) or not parameter.resource_type:
        name = getattr(parameter, "name", parameter)
        raise ParameterError(
            f"{quoted(name)} is not a parameter that takes resources of one type", hint="see fix.parameters"
        )
    return parameter.resource_type


def choices(
    session: ArmSession, providers: Providers, subscriptions: Iterable[str], resource_type: str, *, location: str | None
) -> Iterator[str]:
    """The ids of all resources of a type in some subscriptions; of a child type, in the parents that are there."""
    namespace, top, *below = resource_type.split("/")
    for subscription in subscriptions:
        query = {"$filter": f"resourceType eq '{namespace}/{top}'"}
        listed = session.list(f"subscriptions/{subscription}/resources", api_version=_RESOURCES, params=query)
        found = [_id(item) for item in listed if location is None or same_place(item.get("location"), location)]
        kind = f"{namespace}/{top}"
        for name in below if found else ():
            kind = f"{kind}/{name}"
            version = newest_api_version(providers.api_versions, subscription, kind)
            paths = [f"{parent.strip('/')}/{name}" for parent in found]
            found = [_id(item) for path in paths for item in session.list(path, api_version=version)]
        yield from found


def _id(item: dict[str, Any]) -> str:
    return "/" + wire.text(item, "id").strip("/")
