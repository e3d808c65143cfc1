"""The lexer: a query as a sequence of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.errors import Position, QueryError, parser_failure

NAME, STRING, NUMBER, SPAN, SYMBOL, END = "name", "string", "number", "span", "symbol", "end"

_UNITS = "d|days?|h|hours?|hrs?|m|minutes?|mins?|s|seconds?|secs?|ms|milliseconds?|microseconds?|ticks?"
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+|//[^\n]*)
    | (?P<string>[hH]?(?:@"(?:[^"]|"")*"|@'(?:[^']|'')*'|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|```.*?```))
    | (?P<span>\d+(?:\.\d+)?(?:{_UNITS})(?!\w))
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<symbol>!?in~|![a-zA-Z_]+(?!\w)|=~|!~|==|!=|<>|<=|>=|=>|\.\.|[-+*/%()\[\]{{}},;.|:=<>!])
    | (?P<name>[\w$]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@attrs.frozen
class Token:
    """One token.

    Attributes:
        start, stop: Its characters in the query.
    """

    kind: str
    text: str
    start: int
    stop: int

    def is_one_of(self, *strings: str) -> bool:
        """Whether it is one of these symbols or keywords."""
        return self.kind in (NAME, SYMBOL) and self.text in strings


def tokens(query: str) -> list[Token]:
    """Returns the tokens of a query and one that marks its end.

    Raises:
        QueryError: A character starts no token, such as the quote of a string that does not end.
    """
    found = []
    place = 0
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            end_of_line = query.find("\n", place)
            raise parser_failure(position(query, place), query[place : end_of_line if end_of_line > 0 else None])
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match[0], match.start(), match.end()))
        place = match.end()
    found.append(Token(END, "<EOF>", len(query), len(query)))
    return found


def position(query: str, place: int) -> Position:
    """Returns the line and character of a place in a query."""
    before = query[:place]
    return Position(before.count("\n") + 1, place - (before.rfind("\n") + 1))


def string_value(text: str) -> str:
    """Returns what a string token stands for."""
    text = text.lstrip("hH")
    if text.startswith("```"):
        return text[3:-3]
    if text.startswith("@"):
        quote = text[1]
        return text[2:-1].replace(quote * 2, quote)
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[3])


class Cursor:
    """The place in a query where its parser is.

    Attributes:
        parse_query: Parses a query inside an expression, as ``toscalar`` has it.
    """

    def __init__(self, query: str, parse_query: Callable[[Cursor], Any]) -> None:
        self.query = query
        self.parse_query = parse_query
        self._tokens = tokens(query)
        self._next = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._next]

    @property
    def last_stop(self) -> int:
        """Where the token before the next one ends."""
        return self._tokens[self._next - 1].stop

    def ahead(self, count: int = 1) -> Token:
        """Returns the token some places after the next one."""
        return self._tokens[min(self._next + count, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Returns the next token and goes on."""
        token = self.next
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def accept(self, *strings: str) -> bool:
        """Goes past the next token if it is one of these; returns whether it was."""
        if self.next.is_one_of(*strings):
            self.take()
            return True
        return False

    def expect(self, *strings: str) -> Token:
        """Returns the next token, which has to be one of these."""
        if not self.next.is_one_of(*strings):
            raise self.failure()
        return self.take()

    def name(self) -> str:
        """Returns a name: plain, or quoted in brackets."""
        if self.next.is_one_of("[") and self.ahead().kind == STRING:
            self.take()
            text = string_value(self.take().text)
            self.expect("]")
            return text
        if self.next.kind != NAME:
            raise self.failure()
        return self.take().text

    def keyword(self) -> str:
        """Returns a name in which hyphens may stand, such as ``mv-expand``."""
        text = self.name()
        while self.next.is_one_of("-") and self.ahead().kind == NAME and self._is_adjacent():
            self.take()
            text += f"-{self.take().text}"
        return text

    def raw_argument(self) -> str:
        """Returns the text between the next two matching parentheses, as literals such as ``datetime(...)`` have it."""
        start = self.expect("(").stop
        depth = 1
        while depth:
            token = self.take()
            if token.kind == END:
                raise self.failure()
            depth += token.is_one_of("(") - token.is_one_of(")")
        return self.query[start : token.start].strip()

    def failure(self, token: Token | None = None) -> QueryError:
        """Returns the error that says that a token, the next one by default, cannot stand here."""
        token = token or self.next
        return parser_failure(self.position(token), token.text)

    def position(self, token: Token) -> Position:
        """Returns where a token stands."""
        return position(self.query, token.start)

    def _is_adjacent(self) -> bool:
        before, hyphen, after = self._tokens[self._next - 1], self.next, self.ahead()
        return before.stop == hyphen.start and hyphen.stop == after.start
