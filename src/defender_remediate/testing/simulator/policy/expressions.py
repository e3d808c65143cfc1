"""The expressions of policy rules, such as ``[concat(field('name'), '-x')]``.

The syntax is that of template expressions. The functions that policies have besides, and those that they lack, are in Azure's
documentation of policy rules. A function whose argument is missing has no value; one whose arguments are wrong fails, and with it
the whole evaluation, which Azure counts as a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.policy.functions import FUNCTIONS, NUMBERS_OF_ARGUMENTS
from defender_remediate.testing.simulator.policy.values import MISSING, EvaluationError, RuleError

_TOKEN = re.compile(
    r"\s*(?:'(?P<string>(?:[^']|'')*)'|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]-]))"
)


_LITERALS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


class Context(Protocol):
    """What an expression can refer to."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values of the parameters, by their folded names."""

    @property
    def words(self) -> Mapping[str, Any]:
        """What ``subscription()``, ``resourceGroup()``, ``requestContext()``, ``policy()`` and ``utcNow()`` return, folded."""

    def field_value(self, name: str) -> Any:
        """Returns what ``field()`` returns."""

    def current_value(self, name: str | None) -> Any:
        """Returns what ``current()`` returns."""


Term = Callable[[Context], Any]


def is_expression(value: Any) -> bool:
    """Whether a value is an expression; ``[[`` begins a plain string."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


def evaluate(value: Any, context: Context) -> Any:
    """Returns a value of a rule with every expression in it replaced by what it stands for.

    Raises:
        EvaluationError: A function cannot take its arguments.
        RuleError: An expression is malformed.
    """
    if isinstance(value, Mapping):
        return {name: evaluate(item, context) for name, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, context) for item in value]
    if is_expression(value):
        return parse(value[1:-1])(context)
    return value[1:] if isinstance(value, str) and value.startswith("[[") else value


def check_expressions(value: Any) -> None:
    """Refuses a value with a malformed expression in it, or with a function that policies do not have.

    Raises:
        RuleError: There is one.
    """
    if isinstance(value, Mapping):
        for item in value.values():
            check_expressions(item)
    elif isinstance(value, list):
        for item in value:
            check_expressions(item)
    elif is_expression(value):
        parse(value[1:-1])


@lru_cache(maxsize=5_000)
def parse(text: str) -> Term:
    """Parses what is between the brackets.

    Raises:
        RuleError: It is malformed, or has a function that policies do not have.
    """
    return _ExpressionParser(text).parse()


class _ExpressionParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self._error(f"is not valid at position {position}")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            position = found.end()
        self._tokens.reverse()

    def parse(self) -> Term:
        term = self._term()
        if self._tokens:
            raise self._error("goes on after its end")
        return term

    def _error(self, problem: str) -> RuleError:
        return RuleError(f"the expression '{self._text}' {problem}")

    def _term(self) -> Term:
        kind, token = self._take()
        if (kind, token) == ("mark", "-"):
            inner = self._term()
            return lambda context: FUNCTIONS["sub"](0, inner(context))
        if kind == "string":
            text = token.replace("''", "'")
            term: Term = lambda _: text  # noqa: E731
        elif kind == "number":
            number = float(token) if "." in token else int(token)
            term = lambda _: number  # noqa: E731
        elif kind == "name" and fold(token) in _LITERALS and not self._next_is("("):
            literal = _LITERALS[fold(token)]
            term = lambda _: literal  # noqa: E731
        elif kind == "name":
            term = self._call(token)
        else:
            raise self._error(f"has an unexpected '{token}'")
        while self._next_is(".", "["):
            term = self._member_of(term)
        return term

    def _call(self, name: str) -> Term:
        self._expect("(")
        arguments: list[Term] = []
        while not self._next_is(")"):
            if arguments:
                self._expect(",")
            arguments.append(self._term())
        self._expect(")")
        folded = fold(name)
        if folded not in FUNCTIONS and folded not in _OF_CONTEXT:
            raise self._error(f"calls '{name}', which policy rules do not have")
        least, most = NUMBERS_OF_ARGUMENTS.get(folded, (0, None))
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise self._error(f"calls '{name}' with {len(arguments)} arguments")
        return lambda context: _call(folded, arguments, context)

    def _member_of(self, owner: Term) -> Term:
        if self._take() == ("mark", "."):
            kind, name = self._take()
            if kind != "name":
                raise self._error(f"has an unexpected '{name}'")
            return lambda context: _member(owner(context), name)
        index = self._term()
        self._expect("]")
        return lambda context: _member(owner(context), index(context))

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise self._error("ends too early")
        return self._tokens.pop()

    def _next_is(self, *marks: str) -> bool:
        return bool(self._tokens) and self._tokens[-1][0] == "mark" and self._tokens[-1][1] in marks

    def _expect(self, mark: str) -> None:
        if self._take() != ("mark", mark):
            raise self._error(f"lacks a '{mark}'")


def _member(owner: Any, name: Any) -> Any:
    if isinstance(owner, Mapping):
        wanted = fold(str(name))
        return next((value for key, value in owner.items() if fold(str(key)) == wanted), MISSING)
    if isinstance(owner, list) and isinstance(name, (int, float)) and 0 <= name < len(owner):
        return owner[int(name)]
    return MISSING


def _call(name: str, arguments: Sequence[Term], context: Context) -> Any:
    if name == "if":
        return arguments[1](context) if arguments[0](context) is True else arguments[2](context)
    values = [argument(context) for argument in arguments]
    if name in _OF_CONTEXT:
        return _OF_CONTEXT[name](context, *values)
    # What tests for absence takes a missing value as null; any other function of a missing value has none.
    if any(value is MISSING for value in values):
        if name not in _TAKES_MISSING:
            return MISSING
        values = [None if value is MISSING else value for value in values]
    try:
        return FUNCTIONS[name](*values)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise EvaluationError(f"the function '{name}' cannot take these arguments: {error}") from None


_TAKES_MISSING = frozenset(["coalesce", "empty", "equals", "tryget", "createarray", "not", "and", "or"])


def _current(context: Context, name: str | None = None) -> Any:
    return context.current_value(name)


_OF_CONTEXT: Mapping[str, Callable[..., Any]] = {
    "if": lambda *_: None,
    "parameters": lambda context, name: context.parameters.get(fold(str(name)), MISSING),
    "field": lambda context, name: context.field_value(str(name)),
    "current": _current,
    **{
        name: (lambda word: lambda context: context.words.get(word, MISSING))(name)
        for name in ("subscription", "resourcegroup", "requestcontext", "policy", "utcnow", "managementgroup", "tenant")
    },
}
