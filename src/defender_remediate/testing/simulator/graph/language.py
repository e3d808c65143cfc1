"""The query language's grammar: text to a pipeline of stages. Everything outside the subset is refused, not guessed.

::

    table | where a == 'x' and (b has "y" or tolower(c.d['e']) in~ ('f', 'g')) | extend n = tostring(p.q)
          | project id, n, m = name | summarize count() by type | order by n asc | take 10 | count
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.casing import fold

_TOKEN = re.compile(
    r"\s*(?:(?P<string>@?'(?:[^'\\]|\\.)*'|@?\"(?:[^\"\\]|\\.)*\")|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<operator>!in~|!in\b|in~|==|!=|=~|!~|!contains\b|!has\b|[|()\[\],.=])|(?P<word>[A-Za-z_][\w-]*))"
)
_COMPARISONS = frozenset(
    [
        "==",
        "!=",
        "=~",
        "!~",
        "in",
        "in~",
        "!in",
        "!in~",
        "has",
        "!has",
        "contains",
        "!contains",
        "startswith",
        "endswith",
    ]
)
FUNCTIONS = frozenset(["tolower", "toupper", "tostring", "coalesce", "isempty", "isnotempty", "not"])


class QueryError(Exception):
    """A query outside the language.

    Attributes:
        code: ``ParserFailure``, ``UnknownFunction`` or ``InvalidQuery``.
    """

    def __init__(self, message: str, *, code: str = "ParserFailure") -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen
class Literal:
    """A value written in the query."""

    value: Any


@attrs.frozen
class Path:
    """A column, and the way into its value."""

    parts: tuple[Any, ...]


@attrs.frozen
class Apply:
    """A function or an operator and its arguments."""

    name: str
    arguments: tuple[Any, ...]


@attrs.frozen
class Stage:
    """One stage of the pipeline.

    Attributes:
        items: For ``project``, ``extend`` and ``summarize`` (name, expression) pairs; for ``order`` (expression,
            descending) pairs; for ``where`` the condition; for ``take`` the number.
        name: For ``summarize`` the column of the count; empty when nothing is counted.
    """

    verb: str
    items: tuple[Any, ...] = ()
    name: str = ""


@attrs.frozen
class Query:
    """A parsed query."""

    table: str
    stages: tuple[Stage, ...]


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        QueryError: It is not in the subset.
    """
    return _Parser(text).query()


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    position = 0
    text = re.sub(r"//[^\n]*", "", text).rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise QueryError(f"unexpected {text[position:].strip()[:20]!r}")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        position = match.end()
    return found


def _string(token: str) -> str:
    if token.startswith("@"):
        return token[2:-1]
    return re.sub(r"\\(.)", r"\1", token[1:-1])


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        table = self._word("a table")
        stages = []
        while self._take("|"):
            verb = fold(self._word("an operator"))
            reader = self._stages().get(verb)
            if reader is None:
                raise QueryError(f"the operator {verb!r} is not one of the supported ones", code="InvalidQuery")
            stages.append(reader())
        if self._peek() is not None:
            raise QueryError(f"unexpected {self._peek()!r}")
        return Query(fold(table), tuple(stages))

    def _stages(self) -> dict[str, Callable[[], Stage]]:
        return {
            "where": lambda: Stage("where", (self._or(),)),
            "project": lambda: Stage("project", self._columns()),
            "extend": lambda: Stage("extend", self._columns()),
            "order": self._order,
            "sort": self._order,
            "limit": self._limit,
            "take": self._limit,
            "count": lambda: Stage("count"),
            "summarize": self._summarize,
        }

    def _columns(self) -> tuple[tuple[str, Any], ...]:
        found = [self._column()]
        while self._take(","):
            found.append(self._column())
        return tuple(found)

    def _column(self) -> tuple[str, Any]:
        if self._resource_type() == "word" and self._peek(1) == "=":
            name = self._word("a name")
            self._need("=")
            return name, self._or()
        expression = self._or()
        return _name_of(expression), expression

    def _order(self) -> Stage:
        self._need("by")
        found = [self._ordering()]
        while self._take(","):
            found.append(self._ordering())
        return Stage("order", tuple(found))

    def _ordering(self) -> tuple[Any, bool]:
        expression = self._or()
        if self._take("asc"):
            return expression, False
        self._take("desc")
        return expression, True  # descending unless told otherwise

    def _limit(self) -> Stage:
        if self._resource_type() != "number":
            raise QueryError("expected a number of rows")
        return Stage("take", (int(float(self._next())),))

    def _summarize(self) -> Stage:
        name = ""
        if self._peek() != "by":
            name = "count_"
            if self._peek(1) == "=":
                name = self._word("a name")
                self._need("=")
            if fold(self._word("count()")) != "count":
                raise QueryError("only count() can be summarized", code="InvalidQuery")
            self._need("(")
            self._need(")")
        return Stage("summarize", self._columns() if self._take("by") else (), name)

    def _or(self) -> Any:
        left = self._and()
        while self._take("or"):
            left = Apply("or", (left, self._and()))
        return left

    def _and(self) -> Any:
        left = self._comparison()
        while self._take("and"):
            left = Apply("and", (left, self._comparison()))
        return left

    def _comparison(self) -> Any:
        left = self._primary()
        operator = fold(self._peek() or "")
        if operator not in _COMPARISONS:
            return left
        self._next()
        if operator.strip("!~") == "in":
            self._need("(")
            items = [self._primary()]
            while self._take(","):
                items.append(self._primary())
            self._need(")")
            return Apply(operator, (left, *items))
        return Apply(operator, (left, self._primary()))

    def _primary(self) -> Any:
        kind = self._resource_type()
        if self._take("("):
            inner = self._or()
            self._need(")")
            return inner
        if kind == "string":
            return Literal(_string(self._next()))
        if kind == "number":
            number = float(self._next())
            return Literal(int(number) if number.is_integer() else number)
        word = self._word("a value")
        if fold(word) in ("true", "false"):
            return Literal(fold(word) == "true")
        if self._peek() == "(":
            return self._function(word)
        return Path((word, *self._members()))

    def _function(self, name: str) -> Apply:
        if fold(name) not in FUNCTIONS:
            raise QueryError(f"Unknown function: '{name}'.", code="UnknownFunction")
        self._need("(")
        arguments = [self._or()]
        while self._take(","):
            arguments.append(self._or())
        self._need(")")
        return Apply(fold(name), tuple(arguments))

    def _members(self) -> list[Any]:
        found: list[Any] = []
        while self._peek() in (".", "["):
            if self._next() == ".":
                found.append(self._word("a member"))
                continue
            if self._resource_type() not in ("string", "number"):
                raise QueryError("expected a member in brackets")
            found.append(int(self._next()) if self._resource_type() == "number" else _string(self._next()))
            self._need("]")
        return found

    def _peek(self, ahead: int = 0) -> str | None:
        return self._tokens[self._at + ahead][1] if self._at + ahead < len(self._tokens) else None

    def _resource_type(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._tokens[self._at][1]
        self._at += 1
        return token

    def _take(self, word: str) -> bool:
        if fold(self._peek() or "") != word or self._resource_type() == "string":
            return False
        self._at += 1
        return True

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise QueryError(f"expected {word!r}, got {self._peek()!r}")

    def _word(self, what: str) -> str:
        if self._resource_type() != "word":
            raise QueryError(f"expected {what}, got {self._peek()!r}")
        return self._next()


def _name_of(expression: Any) -> str:
    """What a column without a name is called: its path joined with underscores."""
    if isinstance(expression, Path):
        return "_".join(str(part) for part in expression.parts)
    if isinstance(expression, Apply):
        return _name_of(expression.arguments[0])
    return "Column1"
