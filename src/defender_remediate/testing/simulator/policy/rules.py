"""Evaluates policy rules on resources, as Azure Policy documents its language.

Independent of how the library judges policies: this is Azure's part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.expressions import check_expressions, evaluate
from defender_remediate.testing.simulator.policy.fields import EACH, Path, every, path_of, value_at, values_at, written
from defender_remediate.testing.simulator.policy.values import (
    MISSING,
    RuleError,
    as_boolean,
    contains,
    has_name,
    is_in,
    is_like,
    is_match,
    order,
    same,
)


@attrs.frozen(kw_only=True)
class _Bound:
    """One element that a ``count`` looks at.

    Attributes:
        name: The name of a count of values; the field of a count of fields.
        path: Where the elements are; None for a count of values.
    """

    name: str | None
    path: Path | None
    element: Any


@attrs.frozen(kw_only=True)
class EvaluatedResource:
    """What a rule is evaluated on.

    Attributes:
        body: The resource, with ``type``, ``name`` and ``fullName``.
        locate: Returns where a field points in the body; None if it points nowhere.
        parameters: The values of the parameters, by their folded names.
        words: What the functions without arguments return, by their folded names.
        origin: For an existence condition: what the policy applies to, which ``field()`` refers to.
        trace: Takes each condition that was evaluated, as Azure reports it; None for no report.
    """

    body: Mapping[str, Any]
    locate: Callable[[str], Path | None] = path_of
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    words: Mapping[str, Any] = attrs.field(factory=dict)
    origin: EvaluatedResource | None = None
    trace: list[dict[str, Any]] | None = None
    bound: tuple[_Bound, ...] = ()

    def place(self, field: str) -> tuple[Any, Path | None]:
        """Returns the object and the path in it where a field points: the element of a count, or the resource."""
        path = self.locate(field)
        for one in reversed(self.bound):
            if path is not None and one.path is not None and path[: len(one.path)] == one.path:
                return one.element, path[len(one.path) :]
        return self.body, path

    def field_value(self, name: str) -> Any:
        """Returns what ``field()`` returns: a list for a path with ``[*]``."""
        if self.origin is not None:
            return self.origin.field_value(name)
        owner, path = self.place(name)
        whole = self.locate(name)
        if path is None or whole is None:
            return MISSING
        if EACH in path or EACH in whole:
            return values_at(owner, path)
        return value_at(owner, path)

    def current_value(self, name: str | None) -> Any:
        """Returns the element of the innermost count, or of the one with this name or field."""
        for one in reversed(self.bound):
            if name is None or (one.name is not None and fold(one.name) == fold(name)):
                return one.element
        if name is not None:
            owner, path = self.place(name)
            if owner is not self.body and path is not None:
                return value_at(owner, path)
        return MISSING


def holds(condition: Mapping[str, Any], subject: EvaluatedResource) -> bool:
    """Whether a condition holds.

    Raises:
        EvaluationError: A function in it cannot take its arguments.
        RuleError: The condition is malformed.
    """
    named = {fold(name): value for name, value in condition.items()}
    if "allof" in named:
        return all(holds(one, subject) for one in named["allof"])
    if "anyof" in named:
        return any(holds(one, subject) for one in named["anyof"])
    if "not" in named:
        return not holds(named["not"], subject)
    operator = next(name for name in named if name in OPERATORS)
    wanted = evaluate(named[operator], subject)
    if "count" in named:
        return _tested(_count(named["count"], subject), operator, wanted, subject, ("Count", _counted(named["count"])))
    if "value" in named:
        value = evaluate(named["value"], subject)
        if value is MISSING and operator != "exists":
            return False
        return _tested(value, operator, wanted, subject, ("Value", str(named["value"])))
    field = evaluate(named["field"], subject)
    if not isinstance(field, str):
        return False
    owner, path = subject.place(field)
    if path is None:
        return _tested(MISSING, operator, wanted, subject, ("Field", field))
    if EACH in path:
        found = every(owner, path, lambda value: _holds_for(value, operator, wanted))
        _report(subject, ("Field", field), path, values_at(owner, path), operator, wanted, found=found)
        return found
    value = value_at(owner, path)
    if fold(field) == "location":
        value, wanted = _region(value), _region(wanted)
    found = _holds_for(value, operator, wanted)
    _report(subject, ("Field", field), path, value, operator, wanted, found=found)
    return found


def _region(value: Any) -> Any:
    """A region as Azure compares it: ``West Europe`` is ``westeurope``."""
    if isinstance(value, list):
        return [_region(one) for one in value]
    return value.replace(" ", "") if isinstance(value, str) else value


def _tested(value: Any, operator: str, wanted: Any, subject: EvaluatedResource, about: tuple[str, str]) -> bool:
    found = _holds_for(value, operator, wanted)
    _report(subject, about, None, value, operator, wanted, found=found)
    return found


def _report(
    subject: EvaluatedResource,
    about: tuple[str, str],
    path: Path | None,
    value: Any,
    operator: str,
    wanted: Any,
    *,
    found: bool,
) -> None:
    if subject.trace is None or subject.bound:
        return
    kind, expression = about
    subject.trace.append(
        {
            "result": str(found),
            "expressionKind": kind,
            "expression": expression,
            **({} if path is None else {"path": written(path)}),
            **({} if value is MISSING else {"expressionValue": value}),
            "targetValue": str(wanted) if isinstance(wanted, bool) else wanted,
            "operator": _SHOWN[operator],
        }
    )


def _counted(count: Mapping[str, Any]) -> str:
    named = {fold(name): value for name, value in count.items()}
    return str(named.get("field", named.get("value")))


def _count(count: Mapping[str, Any], subject: EvaluatedResource) -> int:
    named = {fold(name): value for name, value in count.items()}
    where = named.get("where")
    if "value" in named:
        listed = evaluate(named["value"], subject)
        items = listed if isinstance(listed, list) else [] if listed is MISSING or listed is None else [listed]
        bounds = [_Bound(name=named.get("name"), path=None, element=item) for item in items]
    else:
        field = str(evaluate(named["field"], subject))
        owner, path = subject.place(field)
        whole = subject.locate(field)
        elements = [] if path is None else values_at(owner, path)
        bounds = [_Bound(name=field, path=whole, element=element) for element in elements]
    if where is None:
        return len(bounds)
    return sum(holds(where, attrs.evolve(subject, bound=(*subject.bound, one))) for one in bounds)


def _holds_for(value: Any, operator: str, wanted: Any) -> bool:
    return OPERATORS[operator](value, wanted)


def _compared(test: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        found = order(value, wanted)
        return found is not None and test(found)

    return compare


def _not(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: wanted is not MISSING and not test(value, wanted)


def _equals(value: Any, wanted: Any) -> bool:
    return wanted is None if value is MISSING else same(value, wanted)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": _equals,
    "notequals": lambda value, wanted: not _equals(value, wanted),
    "contains": contains,
    "notcontains": _not(contains),
    "containskey": has_name,
    "notcontainskey": _not(has_name),
    "in": is_in,
    "notin": lambda value, wanted: not is_in(value, wanted),
    "like": is_like,
    "notlike": lambda value, wanted: not is_like(value, wanted),
    "match": lambda value, wanted: is_match(value, wanted, ignoring_case=False),
    "notmatch": lambda value, wanted: not is_match(value, wanted, ignoring_case=False),
    "matchinsensitively": lambda value, wanted: is_match(value, wanted, ignoring_case=True),
    "notmatchinsensitively": lambda value, wanted: not is_match(value, wanted, ignoring_case=True),
    "less": _compared(lambda found: found < 0),
    "lessorequals": _compared(lambda found: found <= 0),
    "greater": _compared(lambda found: found > 0),
    "greaterorequals": _compared(lambda found: found >= 0),
    "exists": lambda value, wanted: (value is not MISSING and value is not None) is bool(as_boolean(wanted)),
}
"""The conditions by their folded names: the value, and what the rule compares it with."""
_SHOWN = {
    fold(name): name
    for name in [
        "Equals",
        "NotEquals",
        "Contains",
        "NotContains",
        "ContainsKey",
        "NotContainsKey",
        "In",
        "NotIn",
        "Like",
        "NotLike",
        "Match",
        "NotMatch",
        "MatchInsensitively",
        "NotMatchInsensitively",
        "Less",
        "LessOrEquals",
        "Greater",
        "GreaterOrEquals",
        "Exists",
    ]
}


def conditions_of(condition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the conditions on fields in a condition, without those inside a count."""
    named = {fold(name): value for name, value in condition.items()}
    inner = [*named.get("allof", ()), *named.get("anyof", ()), *([named["not"]] if "not" in named else ())]
    for one in inner:
        yield from conditions_of(one)
    if "field" in named:
        yield condition


def check_condition(condition: Any, where: str = "if") -> None:
    """Refuses a condition that Azure Policy would not store.

    Raises:
        RuleError: It says what is wrong, and where.
    """
    if not isinstance(condition, Mapping) or not condition:
        raise RuleError(f"'{where}' is not a condition")
    named = {fold(str(name)): value for name, value in condition.items()}
    for word in ("allof", "anyof"):
        if word in named:
            if len(named) > 1 or not isinstance(named[word], list):
                raise RuleError(f"'{where}' has other members than a list of conditions")
            for place, one in enumerate(named[word]):
                check_condition(one, f"{where}.{word}[{place}]")
            return
    if "not" in named:
        if len(named) > 1:
            raise RuleError(f"'{where}' has other members than 'not'")
        check_condition(named["not"], f"{where}.not")
        return
    sides = [name for name in ("field", "value", "count") if name in named]
    operators = [name for name in named if name in OPERATORS]
    unknown = sorted(set(named) - {*sides, *operators})
    if unknown:
        raise RuleError(f"'{where}' has the unknown member '{unknown[0]}'")
    if len(sides) != 1 or len(operators) != 1:
        raise RuleError(f"'{where}' needs one of field, value and count, and one operator")
    check_expressions(list(named.values()))
    if "count" in named:
        _check_count(named["count"], where)


def _check_count(count: Any, where: str) -> None:
    named = {fold(str(name)): value for name, value in count.items()} if isinstance(count, Mapping) else {}
    if ("field" in named) is ("value" in named):
        raise RuleError(f"'{where}.count' needs either a field or a value")
    if "name" in named and ("field" in named or not isinstance(named["name"], str)):
        raise RuleError(f"'{where}.count' cannot have this name")
    if "field" in named and "[*]" not in str(named["field"]) and not str(named["field"]).startswith("["):
        raise RuleError(f"the field of '{where}.count' has no '[*]'")
    if "where" in named:
        check_condition(named["where"], f"{where}.count.where")
