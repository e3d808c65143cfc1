"""The values a fix is given, and the texts they fill in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from defender_remediate.errors import InvalidResourceIdError, ParameterError
from defender_remediate.models._json import freeze
from defender_remediate.models.fix import FixAction, FixParameter, ParameterType
from defender_remediate.models.ids import ResourceId
from defender_remediate.planning.compliance import same

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


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
    problem = _TYPES[parameter.type](value, parameter)
    if problem:
        raise ParameterError(f"{parameter.name!r} of {fix.title!r} {problem}, got {value!r}")
    items = value if parameter.type is ParameterType.STRING_LIST else (value,)
    if parameter.allowed and not all(any(same(item, allowed) for allowed in parameter.allowed) for item in items):
        raise ParameterError(
            f"{parameter.name!r} of {fix.title!r} may be {', '.join(map(repr, parameter.allowed))}, got {value!r}"
        )
    return freeze(value)


def _string(value: Any, _: FixParameter) -> str:
    return "" if isinstance(value, str) and value.strip() else "must be a text that is not empty"


def _integer(value: Any, _: FixParameter) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def _boolean(value: Any, _: FixParameter) -> str:
    return "" if isinstance(value, bool) else "must be True or False"


def _string_list(value: Any, _: FixParameter) -> str:
    good = isinstance(value, (list, tuple)) and all(isinstance(item, str) and item.strip() for item in value)
    return "" if good else "must be a list of texts"


def _guid(value: Any, _: FixParameter) -> str:
    return "" if isinstance(value, str) and _GUID.match(value) else "must be a GUID"


def _resource_id(value: Any, parameter: FixParameter) -> str:
    try:
        parsed = ResourceId.parse(value)
    except InvalidResourceIdError:
        return "must be an Azure resource id"
    if parameter.resource_type and parsed.type.casefold() != parameter.resource_type.casefold():
        return f"must be the id of a {parameter.resource_type}"
    return ""


_TYPES: Mapping[ParameterType, Callable[[Any, FixParameter], str]] = {
    ParameterType.STRING: _string,
    ParameterType.INTEGER: _integer,
    ParameterType.BOOLEAN: _boolean,
    ParameterType.STRING_LIST: _string_list,
    ParameterType.RESOURCE_ID: _resource_id,
    ParameterType.GUID: _guid,
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
