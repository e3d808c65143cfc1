"""The conditions of role assignments: what they say about an action, as far as the simulator knows what they look at.

Azure evaluates them on the data of storage and on writes and deletions of role assignments. The simulator knows the attributes of the
latter. A condition that depends on others is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate.casing import fold

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<attribute>@\w+\[[^\]]*\])|(?P<mark>&&|\|\||[!(){},])"
    r"|(?P<guid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z]\w*(?::[A-Za-z]\w*)?))"
)
_CALLS = ("actionmatches", "suboperationmatches")
_SOURCES = ("request", "resource", "principal", "environment")
_MOST_LEVELS = 50


class ConditionError(ValueError):
    """A condition that is not one."""


@attrs.frozen
class ConditionInput:
    """What a condition is evaluated on.

    Attributes:
        action: The action of the request.
        attributes: The values that are known, by their folded names such as ``@request[...]``.
    """

    action: str
    attributes: Mapping[str, Any]


Verdict = bool | None
"""True or false; None if it depends on what the simulator does not know."""
Expression = Callable[[ConditionInput], Verdict]


@lru_cache(maxsize=1000)
def parse(text: str) -> Expression:
    """Returns what evaluates a condition.

    Raises:
        ConditionError: It is not a condition.
    """
    parser = _ConditionParser(text)
    found = parser.any_of()
    parser.end()
    return found


class _ConditionParser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._place = 0
        self._level = 0
        position, length = 0, len(text.rstrip())
        while position < length:
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise ConditionError(f"unexpected character at {position}: {text[position : position + 20]!r}")
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()

    def any_of(self) -> Expression:
        return self._joined(self._all_of, ("||", "or"), decides=True)

    def _all_of(self) -> Expression:
        return self._joined(self._negated, ("&&", "and"), decides=False)

    def _joined(self, part: Callable[[], Expression], words: Sequence[str], *, decides: bool) -> Expression:
        parts = [part()]
        while self._take(*words):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]

        def evaluate(given: ConditionInput) -> Verdict:
            verdicts = [one(given) for one in parts]
            if decides in verdicts:
                return decides
            return None if None in verdicts else not decides

        return evaluate

    def _negated(self) -> Expression:
        if not self._take("!", "not"):
            return self._term()
        self._deeper()
        inner = self._negated()

        def evaluate(given: ConditionInput) -> Verdict:
            verdict = inner(given)
            return None if verdict is None else not verdict

        return evaluate

    def _deeper(self) -> None:
        self._level += 1
        if self._level > _MOST_LEVELS:
            raise ConditionError("it is nested too deeply")

    def _term(self) -> Expression:
        if self._take("("):
            self._deeper()
            inner = self.any_of()
            self._expect(")")
            return inner
        kind, text = self._next()
        if kind == "word" and fold(text) in _CALLS:
            self._expect("{")
            pattern = self._literal()
            self._expect("}")
            return _action_matches(str(pattern)) if fold(text) == _CALLS[0] else _undecided
        if kind == "word" and fold(text) == "exists":
            return _exists(self._attribute(*self._next()))
        return self._comparison(self._attribute(kind, text))

    def _comparison(self, name: str) -> Expression:
        kind, operator = self._next()
        if kind != "word":
            raise ConditionError(f"expected an operator, got {operator!r}")
        if self._peek()[0] == "attribute":
            self._next()  # a comparison of two attributes
            return _undecided
        wanted: list[Any] = []
        if self._take("{"):
            while not self._take("}"):
                wanted.append(self._literal())
                self._take(",")
        else:
            wanted.append(self._literal())
        return _comparing(name, fold(operator), wanted)

    def _attribute(self, kind: str, text: str) -> str:
        if kind != "attribute" or fold(text[1 : text.index("[")]) not in _SOURCES:
            raise ConditionError(f"expected an attribute such as @Request[...], got {text!r}")
        return fold(text)

    def _literal(self) -> Any:
        kind, text = self._next()
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "guid":
            return text
        if kind == "number":
            return float(text)
        if fold(text) in ("true", "false"):
            return fold(text) == "true"
        raise ConditionError(f"expected a value, got {text!r}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("", "the end")

    def _next(self) -> tuple[str, str]:
        found = self._peek()
        self._place += 1
        return found

    def _take(self, *words: str) -> bool:
        kind, text = self._peek()
        found = kind in ("mark", "word") and fold(text) in words
        self._place += 1 if found else 0
        return found

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise ConditionError(f"expected {mark!r}, got {self._peek()[1]!r}")

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise ConditionError(f"unexpected {self._peek()[1]!r}")


def _undecided(given: ConditionInput) -> Verdict:
    del given
    return None


def _action_matches(pattern: str) -> Expression:
    matcher = re.compile(".*".join(map(re.escape, pattern.split("*"))) + r"\Z", re.IGNORECASE)
    return lambda given: matcher.match(given.action) is not None


def _exists(name: str) -> Expression:
    return lambda given: given.attributes[name] is not None if name in given.attributes else None


def _comparing(name: str, operator: str, wanted: Sequence[Any]) -> Expression:
    """Compares the values of an attribute, each or any of them with each or any of the wanted ones."""
    quantifier, _, plain = operator.rpartition(":")
    compare = _OPERATORS.get(plain)
    of_values, of_wanted = _QUANTIFIERS.get(quantifier, (None, None))
    if compare is None or of_values is None or of_wanted is None:
        return _undecided

    def evaluate(given: ConditionInput) -> Verdict:
        if name not in given.attributes:
            return None
        held = given.attributes[name]
        values = held if isinstance(held, (list, tuple)) else [] if held is None else [held]
        try:
            return of_values(of_wanted(compare(value, one) for one in wanted) for value in values)
        except (AttributeError, TypeError, ValueError):
            return False  # values of other types never compare

    return evaluate


_QUANTIFIERS: Mapping[str, tuple[Callable[..., bool], Callable[..., bool]]] = {
    "": (any, any),
    "foranyofanyvalues": (any, any),
    "foranyofallvalues": (any, all),
    "forallofanyvalues": (all, any),
    "forallofallvalues": (all, all),
}


def _like(value: str, pattern: str) -> bool:
    parts = (re.escape(part) for part in re.split(r"([*?])", pattern))
    text = "".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts)
    return re.fullmatch(text, value, re.DOTALL) is not None


def _folded(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: compare(fold(value), fold(wanted))


def _timed(compare: Callable[[datetime, datetime], bool]) -> Callable[[Any, Any], bool]:
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))

    return lambda value, wanted: compare(moment(value), moment(wanted))


def _both_ways(name: str, compare: Callable[[Any, Any], bool]) -> dict[str, Callable[[Any, Any], bool]]:
    """An operator and its negation, whose name has ``not`` after that of the type of values."""
    kind = next(one for one in ("string", "guid", "numeric", "bool", "datetime") if name.startswith(one))
    return {name: compare, f"{kind}not{name.removeprefix(kind)}": lambda value, wanted: not compare(value, wanted)}


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lessthan": lambda value, wanted: value < wanted,
    "lessthanequals": lambda value, wanted: value <= wanted,
    "greaterthan": lambda value, wanted: value > wanted,
    "greaterthanequals": lambda value, wanted: value >= wanted,
}
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    **_both_ways("stringequals", lambda value, wanted: value == wanted),
    **_both_ways("stringequalsignorecase", _folded(lambda value, wanted: value == wanted)),
    **_both_ways("stringstartswith", lambda value, wanted: value.startswith(wanted)),
    **_both_ways("stringstartswithignorecase", _folded(lambda value, wanted: value.startswith(wanted))),
    **_both_ways("stringlike", _like),
    **_both_ways("stringlikeignorecase", _folded(_like)),
    **_both_ways("guidequals", _folded(lambda value, wanted: value == wanted)),
    **_both_ways("numericequals", lambda value, wanted: value == wanted),
    **_both_ways("boolequals", lambda value, wanted: value is wanted),
    **_both_ways("datetimeequals", _timed(lambda value, wanted: value == wanted)),
    **{f"numeric{name}": compare for name, compare in _ORDER.items()},
    **{f"datetime{name}": _timed(compare) for name, compare in _ORDER.items()},
}
