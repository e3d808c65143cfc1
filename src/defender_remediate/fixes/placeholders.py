"""The values that a fix is given, and the strings that they are filled into."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidResourceIdError, ParameterError
from defender_remediate.fixes.conditions import same
from defender_remediate.json_values import freeze
from defender_remediate.models.condition import Condition
from defender_remediate.models.fix import FixAction, FixParameter, ParameterType
from defender_remediate.models.ids import ResourceId
from defender_remediate.redaction import is_secret_name, redact_json
from defender_remediate.validation import did_you_mean

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


def check_names(fixes: Iterable[FixAction], given: Mapping[str, Any]) -> None:
    """Refuse a value that no fix asks for: most often a name is misspelt.

    Raises:
        ParameterError: Names the value, and the names there are.
    """
    known = sorted({parameter.name for fix in fixes for parameter in fix.parameters})
    for name in given:
        if name not in known:
            have = did_you_mean(name, known) if known else "they take none"
            raise ParameterError(f"no fix in this call takes a parameter {quoted(name)}", hint=have)


@attrs.frozen
class PerResource:
    """One value for each of some resources.

    Attributes:
        values: By resource id in lower case.
    """

    values: Mapping[str, Any]


def per_resource(name: str, given: Mapping[Any, Any]) -> PerResource:
    """What the caller gave as a mapping: one value for each resource.

    Raises:
        ParameterError: A key is not a resource id, or two of them are the same id.
    """
    values: dict[str, Any] = {}
    for key, value in given.items():
        try:
            folded = fold(ResourceId.parse(key).text)
        except InvalidResourceIdError as error:
            hint = 'pass {"name": value}, or {"name": {resource id: value}}'
            raise ParameterError(f"{quoted(name)} is given for each resource: {error.message}", hint=hint) from error
        if folded in values:
            raise ParameterError(f"{quoted(name)} is given twice for {key}")
        values[folded] = value
    return PerResource(values)


def named_resources(given: Mapping[str, Any]) -> frozenset[str]:
    """The ids, in lower case, of the resources that values of their own were given for."""
    return frozenset(name for value in given.values() if isinstance(value, PerResource) for name in value.values)


def check_values(fix: FixAction, given: Mapping[str, Any], *, variants: Iterable[FixAction] = ()) -> None:
    """Refuse values that a fix does not take, whichever resources they are for.

    Args:
        fix: The fix.
        given: The values by parameter name.
        variants: All variants of the fix. What not every one of them needs may be missing: whether it is needed shows
            when the resource is known.

    Raises:
        ParameterError: One is missing, or is not what the fix takes.
    """
    needed = [{parameter.name for parameter in each.parameters if parameter.is_required} for each in variants]
    for parameter in fix.parameters:
        value = given.get(parameter.name)
        if value is None and any(parameter.name not in names for names in needed):
            continue
        for each in value.values.values() if isinstance(value, PerResource) else (value,):
            _value(fix, parameter, each)


def resolve(fix: FixAction, given: Mapping[str, Any], resource_id: str = "") -> dict[str, Any]:
    """The values of a fix's parameters on one resource: what was given, else the defaults.

    Raises:
        ParameterError: One is missing, or is not what the fix takes.
    """
    values: dict[str, Any] = {}
    for parameter in fix.parameters:
        value = given.get(parameter.name)
        if isinstance(value, PerResource):
            value = value.values.get(fold(resource_id))
            if value is None:
                # Not the default either: a caller who chose for each resource has not chosen for this one.
                raise ParameterError(
                    f"{quoted(parameter.name)} of {quoted(fix.title)} was given for other resources, and not for this one"
                )
        values[parameter.name] = _value(fix, parameter, value)
    return values


def _value(fix: FixAction, parameter: FixParameter, given: Any) -> Any:
    value = given
    if value is None:
        if parameter.is_required:
            choices = "; client.list_parameter_choices(…) lists the choices" if parameter.resource_type else ""
            raise ParameterError(
                f"{quoted(fix.title)} needs the parameter {quoted(parameter.name)}: {parameter.description}",
                hint=f'pass parameters={{"{parameter.name}": …}}{choices}',
            )
        value = parameter.default
    problem = _problem(value, parameter)
    if problem:
        raise ParameterError(
            f"{quoted(parameter.name)} of {quoted(fix.title)} {problem}, got {_shown(parameter, value)}"
        )
    items = value if parameter.type is ParameterType.STRING_LIST else (value,)
    if parameter.allowed and not all(any(same(item, allowed) for allowed in parameter.allowed) for item in items):
        raise ParameterError(
            f"{quoted(parameter.name)} of {quoted(fix.title)} may be {', '.join(map(repr, parameter.allowed))}, "
            f"got {_shown(parameter, value)}"
        )
    return freeze(value)


def _shown(parameter: FixParameter, value: Any) -> str:
    # A password that has the wrong type is a password.
    return repr(redact_json(value, is_secret=is_secret_name(parameter.name)))


def _problem(value: Any, parameter: FixParameter) -> str:
    if not parameter.type.accepts(value):
        return _MUST_BE[parameter.type]
    if parameter.type is ParameterType.RESOURCE_ID and parameter.resource_type:
        is_of_type = ResourceId.parse(value).is_type(parameter.resource_type)
        return "" if is_of_type else f"must be the id of a {parameter.resource_type}"
    return ""


_MUST_BE: Mapping[ParameterType, str] = {
    ParameterType.STRING: "must be a string that is not empty",
    ParameterType.INTEGER: "must be an integer",
    ParameterType.BOOLEAN: "must be True or False",
    ParameterType.STRING_LIST: "must be a list of strings",
    ParameterType.RESOURCE_ID: "must be an Azure resource id",
    ParameterType.GUID: "must be a GUID",
}


def same_place(one: Any, other: Any) -> bool:
    """Whether two locations are one: Azure writes ``westeurope`` and ``West Europe``."""
    names = [fold(str(place).replace(" ", "")) if isinstance(place, str) else "" for place in (one, other)]
    return names[0] == names[1] != ""


def resource_values(resource_id: str, resource: Any) -> dict[str, Any]:
    """What ``${resource.…}`` stands for. The location is empty when the resource was not read."""
    parsed = ResourceId.parse(resource_id)
    location = resource.get("location", "") if isinstance(resource, Mapping) else ""
    return {
        "resource.id": parsed.text,
        "resource.name": parsed.name,
        "resource.parent": parsed.parent.name if parsed.parent and parsed.type.count("/") > 1 else "",
        "resource.group": parsed.resource_group or "",
        "resource.subscription": parsed.subscription_id or "",
        "resource.location": location,
    }


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The same JSON value with every ``${name}`` filled in. A string that is one placeholder takes the value's own type."""
    if isinstance(template, Mapping):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, (list, tuple)):
        return [fill(item, values) for item in template]
    if not isinstance(template, str) or "${" not in template:
        return template
    whole = PLACEHOLDER.fullmatch(template)
    if whole and whole[1] in values:
        return values[whole[1]]

    def written(match: re.Match[str]) -> str:
        value = values.get(match[1], match[0])
        # JSON writes true, and Python writes True.
        return str(value).lower() if isinstance(value, bool) else str(value)

    return PLACEHOLDER.sub(written, template)


def fill_condition(condition: Condition, values: Mapping[str, Any]) -> Condition:
    """The same condition with every ``${name}`` in the values it compares with filled in."""
    if not any(names_in(part.value) for part in condition.parts()):
        return condition
    of = tuple(fill_condition(part, values) for part in condition.of)
    return attrs.evolve(condition, value=fill(condition.value, values), of=of)


def names_in(template: Any) -> frozenset[str]:
    """The names of the placeholders in a JSON value."""
    if isinstance(template, Mapping):
        return frozenset().union(*map(names_in, template.values()))
    if isinstance(template, (list, tuple)):
        return frozenset().union(*map(names_in, template))
    return frozenset(PLACEHOLDER.findall(template)) if isinstance(template, str) else frozenset()
