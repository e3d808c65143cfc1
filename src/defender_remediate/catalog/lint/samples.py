"""Values for what a fix leaves open, so that it can be plan_sample: of its parameters, and of the resource it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.models.fix import FixAction, FixParameter, ParameterType

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/group"
LOCATION = "westeurope"
_SAMPLES: Mapping[ParameterType, Any] = {
    ParameterType.STRING: "sample",
    ParameterType.INTEGER: 5000,
    ParameterType.BOOLEAN: True,
    ParameterType.STRING_LIST: ("203.0.113.0/24",),
    ParameterType.GUID: "11111111-1111-1111-1111-111111111111",
}


def resource_id(resource_type: str, name: str = "name") -> str:
    """The id of a resource of this type, as it could be."""
    provider, *types = resource_type.split("/")
    if fold(resource_type) == "microsoft.resources/subscriptions":
        return f"/subscriptions/{SUBSCRIPTION}"
    if fold(resource_type) == "microsoft.resources/resourcegroups":
        return GROUP
    return f"{GROUP}/providers/{provider}/" + "/".join(f"{each}/{name}" for each in types)


def sample(parameter: FixParameter) -> Any:
    """A value that the parameter takes: the first that is allowed, its default, or one of its type."""
    if parameter.allowed:
        is_list = parameter.type is ParameterType.STRING_LIST
        return parameter.allowed[:1] if is_list else parameter.allowed[0]
    if parameter.default is not None:
        return parameter.default
    if parameter.type is ParameterType.RESOURCE_ID:
        return resource_id(parameter.resource_type or "Microsoft.Sample/things", "other")
    return _SAMPLES[parameter.type]


def values_for(fix: FixAction) -> dict[str, Any]:
    """A value for every placeholder that the fix may hold."""
    checked = resource_id(fix.resource_type)
    return {
        "resource.id": checked,
        "resource.name": checked.rsplit("/", 1)[-1],
        "resource.parent": checked.rsplit("/", 3)[-3],
        "resource.group": "group",
        "resource.subscription": SUBSCRIPTION,
        "resource.location": LOCATION,
        **{parameter.name: sample(parameter) for parameter in fix.parameters},
    }
