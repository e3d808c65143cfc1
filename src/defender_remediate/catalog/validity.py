"""Whether a fix is valid as a whole, whether it was read from a file or made in code: one that is not could not be planned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import CatalogError
from defender_remediate.models.condition import Operator
from defender_remediate.models.fix import ArrayStrategy, FixAction, FixKind, ParameterType

RESOURCE_NAMES = frozenset(
    {"resource.group", "resource.id", "resource.location", "resource.name", "resource.parent", "resource.subscription"}
)
"""What ``${…}`` may name beside the parameters of the fix."""

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")
_COMPARES = frozenset({Operator.EQUALS, Operator.NOT_EQUALS, Operator.IN, Operator.NOT_IN, Operator.CONTAINS})
_OWN_SUBSCRIPTION = "/subscriptions/${resource.subscription}/"
_INDEX = re.compile(r"\[\d+\]")
_PLAIN = re.compile(r"[^.\[\]']+")


def check_fix(fix: FixAction, *, source: str, path: str) -> None:
    """Refuse a fix that could not be planned.

    Raises:
        CatalogError: Names the source and the key path, which starts with the given one.
    """
    for problem_path, problem in _problems(fix):
        raise CatalogError(problem, source=source, path=".".join(part for part in (path, problem_path) if part))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every string, number and boolean of a JSON value, with its path; an array stands for itself, then its elements."""
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
    if fix.variant and fix.applies_when is None:
        yield "applies_when", "is missing: a variant says where it applies"
    yield from _request_problems(fix)
    yield from _list_problems(fix)
    yield from _live_use_problems(fix)
    written = [fold(path) for path, _ in leaves(fix.body or {})] if fix.remove else []
    for number, path in enumerate(fix.remove):
        folded = fold(path)
        if any(f"{each}.".startswith(f"{folded}.") or f"{folded}.".startswith(f"{each}.") for each in written):
            yield f"remove[{number}]", f"{path} is also in the body"
    names = [parameter.name for parameter in fix.parameters]
    for number, parameter in enumerate(fix.parameters):
        if parameter.name in names[:number]:
            yield f"parameters[{number}].name", f"there is another parameter {quoted(parameter.name)}"
        default = parameter.default
        chosen = default if parameter.type is ParameterType.STRING_LIST else (default,)
        if default is not None and parameter.allowed and not all(item in parameter.allowed for item in chosen):
            yield f"parameters[{number}].default", f"{quoted(default)} is not one of the allowed values"
    yield from _placeholder_problems(fix)
    if fix.template is not None:
        yield from _template_problems(fix.template, fix.template_parameters)


def _request_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    if fix.kind is FixKind.TEMPLATE:
        if fix.template is None:
            yield "template", "is missing: a fix of kind template deploys one"
        if fix.body is not None:
            yield "body", "a fix of kind template has none; its template says what is written"
        for name, given in (("remove", fix.remove), ("linked", fix.linked)):
            if given:
                yield name, "a fix of kind template has none"
    else:
        if not fix.body and not fix.remove:
            yield "body", f"is missing: a fix of kind {fix.kind} says what is written"
        if fix.template is not None:
            yield "template", f"a fix of kind {fix.kind} has none"
        if fix.template_parameters:
            yield "template_parameters", f"a fix of kind {fix.kind} has none"
    if fix.linked and not fix.linked_type:
        yield "linked_type", "is missing: a fix with a link says what type it leads to"
    if fix.linked_type and not fix.linked:
        yield "linked", "is missing: the fix has a linked_type"
    if fix.linked and fix.target.startswith("/"):
        yield "target", "is a whole id, so the link leads nowhere"
    if fix.target.startswith("/") and not fix.target.startswith(_OWN_SUBSCRIPTION):
        yield "target", f"has to begin with {_OWN_SUBSCRIPTION}: no fix leaves the subscription of its resource"
    if fix.send_whole and fix.kind is not FixKind.PATCH:
        yield "send_whole", f"is for a fix of kind patch; a fix of kind {fix.kind} sends everything"
    if fix.leave_out and fix.kind is not FixKind.PUT:
        yield "leave_out", f"is for a fix of kind put; a fix of kind {fix.kind} sends what it names only"


def _list_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    there: dict[str, Any] = {}
    for path, value in leaves(fix.body or {}) if fix.array_strategies else ():
        # An array inside the elements of another is meant for all of them: its path has no index.
        there.setdefault(_INDEX.sub("", path), value)
    for path, given in fix.array_strategies.items():
        place, value = _join("lists", path), there.get(path)
        try:
            how, name = ArrayStrategy.parse(str(given))
        except ValueError as error:
            yield place, str(error)
        else:
            tables = isinstance(value, tuple) and all(isinstance(item, Mapping) for item in value)
            if not isinstance(value, (str, tuple)):
                yield place, "names neither an array nor a string of the body"
            elif how is ArrayStrategy.EACH and not (tables and len(value) == 1):
                yield place, "is each, so the body has to have an array of one table there"
            elif how is ArrayStrategy.BY and not (tables and all(name in item for item in value)):
                yield (
                    place,
                    f"is by:{name}, so the body has to have an array of tables with the key {quoted(name)} there",
                )


def _live_use_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    use = fix.live_use
    if use is None:
        return
    if bool(use.metrics) == bool(use.none):
        yield "live_use", "has either metrics, or none with the reason why no metric tells"
    for name in ("dimension", "values", "keeps", "below", "proof"):
        if use.none and getattr(use, name):
            yield f"live_use.{name}", "is for metrics, and there are none"
    if use.metrics and bool(use.dimension) != bool(use.values or use.keeps):
        yield "live_use.dimension", "needs values or keeps, and these need the dimension"
    if use.values and use.keeps:
        yield "live_use.keeps", "says the same as values: give one of them"


def _placeholder_problems(fix: FixAction) -> Iterator[tuple[str, str]]:
    known = {parameter.name for parameter in fix.parameters} | RESOURCE_NAMES
    filled = {"target": fix.target, "body": fix.body, "template_parameters": fix.template_parameters}
    places = [(_join(head, path), text) for head, value in filled.items() for path, text in leaves(value)]
    named = [place for place, _ in places if "${" in place]
    unfilled: list[tuple[str, Any]] = []
    conditions = [("applies_when", fix.applies_when), ("compliant_when", fix.compliant_when)]
    conditions += [(f"not_applicable[{number}].when", each.when) for number, each in enumerate(fix.not_applicable)]
    for head, condition in conditions:
        for part in condition.parts() if condition else ():
            takes = head == "compliant_when" and part.operator in _COMPARES
            (places if takes else unfilled).extend((head, text) for _, text in leaves(part.value))
    used: set[str] = set()
    for place, text in places:
        for name in _PLACEHOLDER.findall(text) if isinstance(text, str) else ():
            used.add(name)
            if name not in known:
                yield place, f"${{{name}}} is not a parameter of the fix; known names are {', '.join(sorted(known))}"
    for place in named:
        yield place, "a member's name takes no placeholder"
    for place, text in unfilled:
        if isinstance(text, str) and "${" in text:
            yield place, f"takes no placeholder, got {quoted(text)}"
    for number, parameter in enumerate(fix.parameters):
        if parameter.name not in used:
            yield f"parameters[{number}].name", f"nothing in the fix uses ${{{parameter.name}}}"


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
