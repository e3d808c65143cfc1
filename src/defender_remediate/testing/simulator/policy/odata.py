"""The query options of compliance data: ``$filter``, ``$orderby``, ``$select`` and ``$apply`` on rows of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.policy.values import order, same

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<number>-?\d+(?:\.\d+)?)|"
    r"(?P<name>[A-Za-z_@$][\w./]*)|(?P<mark>[(),:]))"
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: same(left, right) or left is right is None,
    "ne": lambda left, right: not same(left, right),
    "gt": lambda left, right: (order(left, right) or 0) > 0,
    "ge": lambda left, right: order(left, right) in (0, 1),
    "lt": lambda left, right: (order(left, right) or 0) < 0,
    "le": lambda left, right: order(left, right) in (0, -1),
}
_FUNCTIONS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}


def value_of(row: Row, name: str) -> Any:
    """Returns the value of a column, whose name ignores case."""
    if name in row:
        return row[name]
    found = next((value for key, value in row.items() if fold(key) == fold(name)), None)
    if found is None and "/" in name:
        first, _, rest = name.partition("/")
        inner = value_of(row, first)
        return value_of(inner, rest) if isinstance(inner, Mapping) else None
    return found


def parse_filter(text: str) -> Test:
    """Returns the test that a ``$filter`` stands for.

    Raises:
        ArmError: 400 for a filter that is not valid.
    """
    return _FilterParser(text).parse()


class _FilterParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self._error()
            self._tokens.append((found.lastgroup or "", found[found.lastgroup or ""]))
            position = found.end()
        self._tokens.reverse()

    def _error(self) -> Exception:
        return refusal("InvalidFilter", filter=self._text)

    def parse(self) -> Test:
        test = self._any()
        if self._tokens:
            raise self._error()
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._takes_word("or"):
            tests.append(self._all())
        return lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._takes_word("and"):
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._takes_word("not"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._next() == ("mark", "("):
            self._take()
            test = self._any()
            self._expect(")")
            return test
        kind, name = self._take()
        if kind != "name":
            raise self._error()
        if fold(name) in _FUNCTIONS and self._next() == ("mark", "("):
            return self._function(fold(name))
        if fold(name).endswith(("/any", "/all")) and self._next() == ("mark", "("):
            return self._over(name)
        _, word = self._take()
        if fold(word) == "in":
            self._expect("(")
            values = [self._value()]
            while self._next() == ("mark", ","):
                self._take()
                values.append(self._value())
            self._expect(")")
            return lambda row: any(same(value_of(row, name), value) for value in values)
        if fold(word) not in _COMPARISONS:
            raise self._error()
        compare, value = _COMPARISONS[fold(word)], self._value()
        return lambda row: compare(value_of(row, name), value)

    def _over(self, name: str) -> Test:
        """``member/any(x:x eq 'value')`` and ``member/any(x:x/inner eq 'value')``, and the same with ``all``."""
        column, _, word = name.rpartition("/")
        self._expect("(")
        _, variable = self._take()
        self._expect(":")
        test, matches = self._any(), any if fold(word) == "any" else all
        self._expect(")")
        return lambda row: matches(test({variable: item}) for item in value_of(row, column) or ())

    def _function(self, name: str) -> Test:
        self._expect("(")
        _, column = self._take()
        self._expect(",")
        part = fold(str(self._value()))
        self._expect(")")
        test = _FUNCTIONS[name]
        return lambda row: test(fold(str(value_of(row, column) or "")), part)

    def _value(self) -> Any:
        kind, token = self._take()
        if kind == "text":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return float(token) if "." in token else int(token)
        if kind == "time":
            return token
        if kind == "name" and fold(token) in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[fold(token)]
        raise self._error()

    def _next(self) -> tuple[str, str]:
        return self._tokens[-1] if self._tokens else ("", "")

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._error()
        return self._tokens.pop()

    def _takes_word(self, word: str) -> bool:
        kind, token = self._next()
        if kind == "name" and fold(token) == word:
            self._take()
            return True
        return False

    def _expect(self, mark: str) -> None:
        if self._take() != ("mark", mark):
            raise self._error()


def ordered(rows: Sequence[Row], text: str) -> list[Row]:
    """Returns rows in the order of an ``$orderby``.

    Raises:
        ArmError: 400 for an order that is not valid.
    """
    found = list(rows)
    for part in reversed(text.split(",")):
        column, _, direction = part.strip().partition(" ")
        if not re.fullmatch(r"[\w$]+", column) or fold(direction.strip()) not in ("", "asc", "desc"):
            raise refusal("InvalidQueryOption", name="$orderby", value=text)

        def key(row: Row, column: str = column) -> tuple[bool, str, Any]:
            value = value_of(row, column)
            kind = "" if isinstance(value, (int, float)) else "text"
            return value is None, kind, value if isinstance(value, (int, float)) else fold(str(value))

        found.sort(key=key, reverse=fold(direction.strip()) == "desc")
    return found


def selected(rows: Sequence[Row], text: str) -> list[Row]:
    """Returns rows with only the columns of a ``$select``."""
    wanted = {fold(name.strip()) for name in text.split(",")}
    return [
        {name: value for name, value in row.items() if fold(name) in wanted or name.startswith("@")} for row in rows
    ]


def applied(rows: Sequence[Row], text: str) -> list[Row]:
    """Returns what the transformations of an ``$apply`` make of rows: ``filter``, ``groupby`` and ``aggregate``.

    Raises:
        ArmError: 400 for a transformation that is not valid or not known.
    """
    found: list[Row] = list(rows)
    for step in _divided(text, "/"):
        word, inner = _call(step, text)
        if word == "filter":
            test = parse_filter(inner)
            found = [row for row in found if test(row)]
        elif word == "groupby":
            found = _grouped(found, inner, text)
        elif word == "aggregate":
            found = [_aggregated(found, inner, text)]
        else:
            raise refusal("InvalidQueryOption", name="$apply", value=text)
    return found


def _grouped(rows: Sequence[Row], inner: str, text: str) -> list[Row]:
    parts = _divided(inner, ",")
    names = [name.strip() for name in parts[0].strip().removeprefix("(").removesuffix(")").split(",")]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(fold(str(value_of(row, name))) for name in names), []).append(row)
    made: list[Row] = []
    for group in groups.values():
        shown = {name: value_of(group[0], name) for name in names}
        for part in parts[1:]:
            word, aggregate = _call(part.strip(), text)
            if word != "aggregate":
                raise refusal("InvalidQueryOption", name="$apply", value=text)
            shown.update(_aggregated(group, aggregate, text))
        made.append(shown)
    return made


def _aggregated(rows: Sequence[Row], inner: str, text: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for part in inner.split(","):
        words = part.split()
        if len(words) == 3 and fold(words[0]) == "$count" and fold(words[1]) == "as":
            shown[words[2]] = len(rows)
            continue
        if len(words) != 5 or [fold(words[1]), fold(words[3])] != ["with", "as"]:
            raise refusal("InvalidQueryOption", name="$apply", value=text)
        values = [value for row in rows if (value := value_of(row, words[0])) is not None]
        kinds: Mapping[str, Callable[[list[Any]], Any]] = {
            "max": lambda held: max(held, default=None),
            "min": lambda held: min(held, default=None),
            "sum": sum,
            "countdistinct": lambda held: len({fold(str(one)) for one in held}),
        }
        if fold(words[2]) not in kinds:
            raise refusal("InvalidQueryOption", name="$apply", value=text)
        shown[words[4]] = kinds[fold(words[2])](values)
    return shown


def _call(step: str, text: str) -> tuple[str, str]:
    found = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", step, re.DOTALL)
    if found is None:
        raise refusal("InvalidQueryOption", name="$apply", value=text)
    return fold(found[1]), found[2]


def _divided(text: str, mark: str) -> list[str]:
    """Returns the parts of a string between marks that are in no parentheses and no quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
        elif not quoted and depth == 0 and character == mark:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
