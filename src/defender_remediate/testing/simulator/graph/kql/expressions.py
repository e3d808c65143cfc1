"""The parser of expressions."""

from __future__ import annotations

from typing import Any

from defender_remediate.testing.simulator.graph.kql import values
from defender_remediate.testing.simulator.graph.kql.syntax import (
    Argument,
    Between,
    Binary,
    Element,
    Expression,
    FunctionCall,
    Literal,
    Member,
    Membership,
    Name,
    NamedExpression,
    Query,
    Scalar,
    Star,
    Unary,
)
from defender_remediate.testing.simulator.graph.kql.tokens import (
    END,
    NAME,
    NUMBER,
    SPAN,
    STRING,
    SYMBOL,
    Cursor,
    string_value,
)
from defender_remediate.testing.simulator.graph.kql.values import KIND_NAMES, Kind

_TEXT_OPERATORS = [
    "contains",
    "contains_cs",
    "endswith",
    "endswith_cs",
    "has",
    "has_cs",
    "hasprefix",
    "hasprefix_cs",
    "hassuffix",
    "hassuffix_cs",
    "startswith",
    "startswith_cs",
]
COMPARISONS = frozenset(
    ["==", "!=", "<>", "=~", "!~", "<", "<=", ">", ">=", "notcontains", "notcontains_cs"]
    + [prefix + name for name in _TEXT_OPERATORS for prefix in ("", "!")]
)
_MEMBERSHIPS = frozenset(["in", "in~", "!in", "!in~", "has_any", "has_all", "!has_any", "!has_all"])
_LITERALS = frozenset(
    ["datetime", "date", "timespan", "time", "guid", "int", "long", "real", "double", "decimal", "bool"]
)
_CONSTANTS = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}


def expression(cursor: Cursor) -> Expression:
    """Parses an expression: ``or`` binds loosest."""
    left = _conjunction(cursor)
    while cursor.accept("or"):
        left = Binary("or", left, _conjunction(cursor))
    return left


def named(cursor: Cursor) -> NamedExpression:
    """Parses an expression that may have names: ``name = ...`` or ``(a, b) = ...``."""
    names = _names_before_equals(cursor)
    return NamedExpression(names, expression(cursor))


def name_list(cursor: Cursor) -> tuple[NamedExpression, ...]:
    """Parses named expressions with commas between them."""
    found = [named(cursor)]
    while cursor.accept(","):
        found.append(named(cursor))
    return tuple(found)


def _names_before_equals(cursor: Cursor) -> tuple[str, ...]:
    first = cursor.next
    if first.is_one_of("(") and cursor.ahead().kind == NAME and cursor.ahead(2).is_one_of(","):
        names = []
        while not cursor.accept(")"):
            cursor.take()
            names.append(cursor.name())
        cursor.expect("=")
        return tuple(names)
    is_plain = first.kind == NAME and cursor.ahead().is_one_of("=")
    is_quoted = first.is_one_of("[") and cursor.ahead().kind == STRING and cursor.ahead(3).is_one_of("=")
    if not is_plain and not is_quoted:
        return ()
    name = cursor.name()
    cursor.expect("=")
    return (name,)


def _conjunction(cursor: Cursor) -> Expression:
    left = _comparison(cursor)
    while cursor.accept("and"):
        left = Binary("and", left, _comparison(cursor))
    return left


def _comparison(cursor: Cursor) -> Expression:
    left = _sum(cursor)
    while True:
        token = cursor.next
        if token.is_one_of(*COMPARISONS):
            cursor.take()
            left = Binary("!=" if token.text == "<>" else token.text, left, _sum(cursor))
        elif token.is_one_of(*_MEMBERSHIPS):
            cursor.take()
            left = Membership(token.text, left, _members(cursor))
        elif token.is_one_of("matches"):
            cursor.take()
            cursor.expect("regex")
            left = Binary("matches regex", left, _sum(cursor))
        elif token.is_one_of("between", "!between"):
            cursor.take()
            cursor.expect("(")
            low = _sum(cursor)
            cursor.expect("..")
            left = Between(left, low, _sum(cursor), is_negated=token.text == "!between")
            cursor.expect(")")
        else:
            return left


def _members(cursor: Cursor) -> tuple[Expression | Query, ...]:
    if not cursor.next.is_one_of("("):
        return (_sum(cursor),)
    cursor.take()
    found: list[Expression | Query] = []
    while not cursor.accept(")"):
        is_query = cursor.next.kind == NAME and cursor.ahead().is_one_of("|")
        found.append(cursor.parse_query(cursor) if is_query else expression(cursor))
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    return tuple(found)


def _sum(cursor: Cursor) -> Expression:
    left = _product(cursor)
    while cursor.next.is_one_of("+", "-"):
        left = Binary(cursor.take().text, left, _product(cursor))
    return left


def _product(cursor: Cursor) -> Expression:
    left = _unary(cursor)
    while cursor.next.is_one_of("*", "/", "%"):
        left = Binary(cursor.take().text, left, _unary(cursor))
    return left


def _unary(cursor: Cursor) -> Expression:
    if cursor.next.is_one_of("-", "+"):
        return Unary(cursor.take().text, _unary(cursor))
    return _path(cursor)


def _path(cursor: Cursor) -> Expression:
    owner = _primary(cursor)
    while True:
        if cursor.next.is_one_of("[") or (cursor.next.is_one_of(".") and cursor.ahead().is_one_of("[")):
            cursor.accept(".")
            cursor.take()
            index = expression(cursor)
            cursor.expect("]")
            is_name = isinstance(index, Literal) and index.kind is Kind.STRING
            owner = Member(owner, index.value) if is_name and isinstance(index, Literal) else Element(owner, index)
        elif cursor.next.is_one_of(".") and cursor.ahead().kind == NAME:
            cursor.take()
            owner = Member(owner, cursor.take().text)
        else:
            return owner


def _primary(cursor: Cursor) -> Expression:
    token = cursor.next
    if token.kind == STRING:
        cursor.take()
        text = string_value(token.text)
        while cursor.next.kind == STRING:
            text += string_value(cursor.take().text)
        return Literal(text, Kind.STRING)
    if token.kind in (NUMBER, SPAN):
        cursor.take()
        return _number(token.text, token.kind)
    if token.is_one_of("("):
        cursor.take()
        inner = expression(cursor)
        cursor.expect(")")
        return inner
    if token.is_one_of("*"):
        cursor.take()
        return Star()
    if token.is_one_of("[") and cursor.ahead().kind == STRING:
        return Name(cursor.name())
    if token.kind != NAME or token.is_one_of("and", "or", "by"):
        raise cursor.failure()
    if cursor.ahead().is_one_of("("):
        return _call(cursor)
    cursor.take()
    if token.text in _CONSTANTS:
        return Literal(_CONSTANTS[token.text], Kind.BOOL)
    return Name(token.text)


def _number(text: str, token_kind: str) -> Literal:
    if token_kind == SPAN:
        return Literal(values.short_span(text), Kind.TIMESPAN)
    if text[:2] in ("0x", "0X"):
        return Literal(int(text, 16), Kind.LONG)
    if text.isdigit():
        return Literal(int(text), Kind.LONG)
    return Literal(float(text), Kind.REAL)


def _call(cursor: Cursor) -> Expression:
    token = cursor.take()
    name = token.text
    if name == "dynamic":
        cursor.expect("(")
        value = _dynamic(cursor)
        cursor.expect(")")
        return Literal(value, Kind.DYNAMIC)
    if name in _LITERALS:
        kind = KIND_NAMES[name]
        text = cursor.raw_argument().strip("\"'")
        value = None if text == "null" else values.CONVERSIONS[kind](text)
        if value is None and text != "null":
            raise cursor.failure(token)
        return Literal(value, kind)
    if name == "typeof":
        return Literal(cursor.raw_argument(), Kind.STRING)
    cursor.expect("(")
    if name == "toscalar":
        query = cursor.parse_query(cursor)
        cursor.expect(")")
        return Scalar(query)
    arguments: list[Argument] = []
    while not cursor.accept(")"):
        item = named(cursor)
        arguments.append(item if item.names else item.value)
        if not cursor.next.is_one_of(")"):
            cursor.expect(",")
    return FunctionCall(name, tuple(arguments), cursor.position(token))


def _dynamic(cursor: Cursor) -> Any:
    """A JSON value in which strings may have either quote, and other literals may stand."""
    token = cursor.take()
    if token.kind == STRING:
        return string_value(token.text)
    if token.is_one_of("["):
        items = []
        while not cursor.accept("]"):
            items.append(_dynamic(cursor))
            if not cursor.next.is_one_of("]"):
                cursor.expect(",")
        return items
    if token.is_one_of("{"):
        members = {}
        while not cursor.accept("}"):
            key = cursor.take()
            if key.kind not in (STRING, NAME):
                raise cursor.failure(key)
            cursor.expect(":")
            members[string_value(key.text) if key.kind == STRING else key.text] = _dynamic(cursor)
            if not cursor.next.is_one_of("}"):
                cursor.expect(",")
        return members
    if token.is_one_of("-") and cursor.next.kind == NUMBER:
        return -_number(cursor.take().text, NUMBER).value
    if token.kind == NUMBER:
        return _number(token.text, NUMBER).value
    if token.is_one_of("true", "false", "null"):
        return _CONSTANTS.get(token.text)
    if token.kind == NAME and token.text in _LITERALS:
        return values.plain(values.CONVERSIONS[KIND_NAMES[token.text]](cursor.raw_argument()))
    raise cursor.failure(token)


def ends_stage(cursor: Cursor) -> bool:
    """Whether a stage of a query ends here."""
    return cursor.next.kind == END or (cursor.next.kind == SYMBOL and cursor.next.text in ("|", ")", ";", ","))
