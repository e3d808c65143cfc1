"""What must be true of a fix as a whole, whether it was read from a file or made in code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.errors import CatalogError
from defender_remediate.models.condition import Condition
from defender_remediate.models.fix import FixAction, FixKind, FixParameter, ParameterType

RESOURCE_NAMES = frozenset(
    {"resource.group", "resource.id", "resource.location", "resource.name", "resource.subscription"}
)
"""What ``${…}`` may name beside the parameters of the fix."""

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")
_PLAIN = re.compile(r"[^.\[\]']+")


def check(fix: FixAction, *, source: str, path: str) -> None:
    """Refuse a fix that could not be planned.

    Raises:
        CatalogError: Names the source and the key path, which starts with the given one.
    """
    for problem_path, problem in _problems(fix):
        raise CatalogError(problem, source=source, path=".".join(part for part in (path, problem_path) if part))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every text, number and boolean of a JSON value, with its path; an array stands for itself, then its elements."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            step = name if _PLAIN.fullmatch(name) else "['" + name.replace("'", "''") + "']"
            yield from leaves(item, _join(path, step))
        return
    yield path, value
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from leaves(item, f"{path}[{number}]")


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path and step and not step.startswith("[") else path + step


def _problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    yield from _kind_problems(fix)
    yield from _list_problems(fix)
    yield from _parameter_problems(fix.parameters)
    yield from _placeholder_problems(fix)
    if fix.template is not None:
        yield from _template_problems(fix.template, fix.template_parameters)


def _kind_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    if fix.kind is FixKind.TEMPLATE:
        if fix.template is None:
            yield "template", "is missing: a fix of kind template deploys one"
        if fix.body is not None:
            yield "body", "a fix of kind template has none; its template says what is written"
        return
    if not fix.body:
        yield "body", f"is missing: a fix of kind {fix.kind} says what is written"
    if fix.template is not None:
        yield "template", f"a fix of kind {fix.kind} has none"
    if fix.template_parameters:
        yield "template_parameters", f"a fix of kind {fix.kind} has none"


def _list_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    mergeable = {path for path, value in leaves(fix.body or {}) if isinstance(value, (str, tuple))}
    for path in fix.lists:
        if path not in mergeable:
            yield _join("lists", path), "names no array and no text of the body"


def _parameter_problems(parameters: tuple[FixParameter, ...]) -> Iterator[tuple[str, str]]:
    names = [parameter.name for parameter in parameters]
    for number, parameter in enumerate(parameters):
        if parameter.name in names[:number]:
            yield f"parameters[{number}].name", f"there is another parameter {parameter.name!r}"
        default = parameter.default
        chosen = default if parameter.type is ParameterType.STRING_LIST else (default,)
        if default is not None and parameter.allowed and not all(item in parameter.allowed for item in chosen):
            yield f"parameters[{number}].default", f"{default!r} is not one of the allowed values"


def _placeholder_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    known = {parameter.name for parameter in fix.parameters}
    used: set[str] = set()
    filled = {"target": fix.target, "body": fix.body, "template_parameters": fix.template_parameters}
    for head, value in filled.items():
        for path, text in leaves(value):
            for name in _PLACEHOLDER.findall(text) if isinstance(text, str) else ():
                used.add(name)
                if name not in known | RESOURCE_NAMES:
                    there = ", ".join(sorted(known | RESOURCE_NAMES))
                    yield _join(head, path), f"${{{name}}} is no parameter of the fix; there are {there}"
            if "${" in path:
                yield _join(head, path), "a member's name takes no placeholder"
    for head, text in _condition_texts(fix):
        if "${" in text:
            yield head, f"takes no placeholder, got {text!r}"
    for number, parameter in enumerate(fix.parameters):
        if parameter.name not in used:
            yield f"parameters[{number}].name", f"nothing in the fix uses ${{{parameter.name}}}"


def _condition_texts(fix: FixAction) -> Iterator[tuple[str, str]]:
    for head, condition in (("applies_when", fix.applies_when), ("compliant_when", fix.compliant_when)):
        for part in _parts(condition) if condition else ():
            yield from ((head, text) for _, text in leaves(part.value) if isinstance(text, str))


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    for part in condition.of:
        yield from _parts(part)


def _template_problems(template: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("$schema", "contentVersion", "resources"):
        if name not in template:
            yield "template", f"is not an ARM template: it has no {name}"
    declared = template.get("parameters", {})
    for name in given:
        if name not in declared:
            yield f"template_parameters.{name}", "the template has no such parameter"
    for name, declaration in declared.items():
        if name not in given and "defaultValue" not in declaration:
            yield f"template_parameters.{name}", "is missing: the template needs it"
