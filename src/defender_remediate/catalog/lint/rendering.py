"""What an ARM template comes to for given parameters. What is not worked out here becomes a mark, never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold

OPAQUE = "[…]"
"""Stands for what only Azure can work out."""

NESTED = "microsoft.resources/deployments"
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z]\w*)|(?P<mark>[(),]))")
_Scope = Mapping[tuple[str, str], Any]


class _UnknownError(Exception):
    """An expression that is not worked out here."""


def resources_of(template: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource that a template deploys with these parameters, also those of templates nested in it."""
    yield from _resources(template, _scope(template, given))


def deployed(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource of a template as it is written, also those of templates nested in it."""
    for resource in _written(template):
        yield resource
        yield from deployed(nested(resource))


def _written(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources of a template that are any; what else stands there is told by another proof."""
    for resource in template.get("resources", ()):
        if isinstance(resource, Mapping) and isinstance(resource.get("type"), str):
            yield resource


def nested(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template within a resource that is a deployment itself; empty for any other."""
    inner = resource.get("properties", {})
    found = inner.get("template", {}) if fold(resource["type"]) == NESTED else {}
    return found if isinstance(found, Mapping) else {}


def has_own_scope(resource: Mapping[str, Any]) -> bool:
    """Whether the template within a deployment sees its own parameters, and not those around it."""
    options = resource.get("properties", {}).get("expressionEvaluationOptions", {})
    return fold(str(options.get("scope", "outer"))) == "inner"


def _scope(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    declared = template.get("parameters", {})
    values = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
    scope: dict[tuple[str, str], Any] = {("parameters", name): value for name, value in {**values, **given}.items()}
    for name, value in template.get("variables", {}).items():
        scope["variables", name] = rendered(value, scope)
    return scope


def _resources(template: Mapping[str, Any], scope: _Scope) -> Iterator[Mapping[str, Any]]:
    for resource in _written(template):
        inner = nested(resource)
        if not inner:
            yield rendered(resource, scope)
        elif has_own_scope(resource):
            given = rendered(resource["properties"].get("parameters", {}), scope)
            yield from resources_of(inner, {name: each.get("value", OPAQUE) for name, each in given.items()})
        else:
            yield from _resources(inner, scope)


def rendered(value: Any, scope: _Scope) -> Any:
    """The same part of a template with every expression worked out, or marked as one that is not."""
    if isinstance(value, Mapping):
        return {name: rendered(item, scope) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rendered(item, scope) for item in value]
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")) or value.startswith("[["):
        return value
    try:
        return _evaluated(list(_tokens(value[1:-1])), scope)
    except _UnknownError:
        return OPAQUE


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _UnknownError
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


def _evaluated(tokens: list[tuple[str, str]], scope: _Scope) -> Any:
    value = _value(tokens, scope)
    if tokens:
        raise _UnknownError
    return value


def _value(tokens: list[tuple[str, str]], scope: _Scope) -> Any:
    kind, text = tokens.pop(0) if tokens else ("", "")
    if kind == "text":
        return text[1:-1].replace("''", "'")
    if kind == "number":
        return int(text)
    if kind != "name" or not tokens or tokens.pop(0) != ("mark", "("):
        raise _UnknownError
    arguments = list(_arguments(tokens, scope))
    name = fold(text)
    if name in ("parameters", "variables") and (name, *arguments) in scope:
        return scope[name, arguments[0]]
    if name not in _FUNCTIONS or OPAQUE in map(str, arguments):
        raise _UnknownError
    return _FUNCTIONS[name](*arguments)


def _arguments(tokens: list[tuple[str, str]], scope: _Scope) -> Iterator[Any]:
    while tokens and tokens[0] != ("mark", ")"):
        yield _value(tokens, scope)
        if tokens and tokens[0] == ("mark", ","):
            tokens.pop(0)
    if not tokens:
        raise _UnknownError
    tokens.pop(0)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "concat": lambda *parts: "".join(map(str, parts)),
    "createarray": lambda *items: list(items),
    "equals": lambda left, right: left == right,
    "format": lambda pattern, *parts: str(pattern).format(*parts),
    "if": lambda asked, yes, no: yes if asked else no,
    "string": str,
    "take": lambda value, count: value[:count],
    "tolower": lambda text: str(text).lower(),
}
