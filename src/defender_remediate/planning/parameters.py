"""The values a fix is given, and the texts they fill in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate.errors import ParameterError
from defender_remediate.models._json import freeze
from defender_remediate.models.fix import FixAction, FixParameter, ParameterType
from defender_remediate.models.ids import ResourceId
from defender_remediate.planning.compliance import same

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


def check_names(fixes: Iterable[FixAction], given: Mapping[str, Any]) -> None:
    """Refuse a value that no fix asks for: most often a name is misspelt.

    Raises:
        ParameterError: Names the value, and the names there are.
    """
    known = sorted({parameter.name for fix in fixes for parameter in fix.parameters})
    for name in given:
        if name not in known:
            have = f"they take {', '.join(known)}" if known else "they take none"
            raise ParameterError(f"no fix in this call takes a parameter {name!r}", hint=have)


def resolve(fix: FixAction, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a fix's parameters: what was given, else the defaults.

    Raises:
        ParameterError: One is missing, or is not what the fix takes.
    """
    return {parameter.name: _value(fix, parameter, given) for parameter in fix.parameters}


def _value(fix: FixAction, parameter: FixParameter, given: Mapping[str, Any]) -> Any:
    value = given.get(parameter.name)
    if value is None:
        if parameter.is_required:
            raise ParameterError(
                f"{fix.title!r} needs the parameter {parameter.name!r}: {parameter.description}",
                hint=f'pass parameters={{"{parameter.name}": …}}',
            )
        value = parameter.default
    problem = _problem(value, parameter)
    if problem:
        raise ParameterError(f"{parameter.name!r} of {fix.title!r} {problem}, got {value!r}")
    items = value if parameter.type is ParameterType.STRING_LIST else (value,)
    if parameter.allowed and not all(any(same(item, allowed) for allowed in parameter.allowed) for item in items):
        raise ParameterError(
            f"{parameter.name!r} of {fix.title!r} may be {', '.join(map(repr, parameter.allowed))}, got {value!r}"
        )
    return freeze(value)


def _problem(value: Any, parameter: FixParameter) -> str:
    if not parameter.type.takes(value):
        return _MUST_BE[parameter.type]
    if parameter.type is ParameterType.RESOURCE_ID and parameter.resource_type:
        found = ResourceId.parse(value).type
        return (
            ""
            if found.casefold() == parameter.resource_type.casefold()
            else f"must be the id of a {parameter.resource_type}"
        )
    return ""


_MUST_BE: Mapping[ParameterType, str] = {
    ParameterType.STRING: "must be a text that is not empty",
    ParameterType.INTEGER: "must be a whole number",
    ParameterType.BOOLEAN: "must be True or False",
    ParameterType.STRING_LIST: "must be a list of texts",
    ParameterType.RESOURCE_ID: "must be an Azure resource id",
    ParameterType.GUID: "must be a GUID",
}


def resource_values(resource_id: str, resource: Any) -> dict[str, Any]:
    """What ``${resource.…}`` stands for. The location is empty when the resource was not read."""
    parsed = ResourceId.parse(resource_id)
    location = resource.get("location", "") if isinstance(resource, Mapping) else ""
    return {
        "resource.id": parsed.text,
        "resource.name": parsed.name,
        "resource.group": parsed.resource_group or "",
        "resource.subscription": parsed.subscription_id or "",
        "resource.location": location,
    }


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The same JSON value with every ``${name}`` filled in. A text that is one placeholder takes the value's own type."""
    if isinstance(template, Mapping):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, (list, tuple)):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    whole = PLACEHOLDER.fullmatch(template)
    if whole and whole[1] in values:
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), template)


def names_in(template: Any) -> frozenset[str]:
    """The names that a JSON value's texts ask for."""
    if isinstance(template, Mapping):
        return frozenset().union(*map(names_in, template.values()))
    if isinstance(template, (list, tuple)):
        return frozenset().union(*map(names_in, template))
    return frozenset(PLACEHOLDER.findall(template)) if isinstance(template, str) else frozenset()
