"""Template expressions: ``[concat(parameters('a'), '-x')]``. A function that is not here is an error, never a guess."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([(),.\[\]]))")
_NOT_SIMULATED = frozenset(
    ["reference", "list", "listkeys", "listsecrets", "pickzones", "environment", "managementgroup"]
)


class TemplateError(Exception):
    """A template that cannot be evaluated."""


@attrs.frozen(kw_only=True)
class Scope:
    """What an expression can see.

    Attributes:
        base: The id of the resource group or subscription that is deployed to.
        location: The resource group's location; empty at a subscription.
        deployment: The deployment's name.
        parameters: Their values.
        variables: Their text, evaluated when asked for.
    """

    base: str
    location: str = ""
    deployment: str = ""
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    variables: Mapping[str, Any] = attrs.field(factory=dict)


def evaluate(value: Any, scope: Scope) -> Any:
    """A template value with every expression in it worked out.

    Raises:
        TemplateError: An expression is malformed, or asks for what is not there or not simulated.
    """
    if isinstance(value, Mapping):
        return {evaluate(name, scope): evaluate(item, scope) for name, item in value.items()}
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    if isinstance(value, str) and value.startswith("[["):
        return value[1:]
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return _Expression(value[1:-1], scope).result()
    return value


class _Expression:
    def __init__(self, text: str, scope: Scope) -> None:
        self._text = text
        self._scope = scope
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise TemplateError(f"the expression '{text}' is not valid at position {position}")
            kinds = ("string", "number", "word", "mark")
            kind = kinds[(match.lastindex or 1) - 1]
            self._tokens.append((kind, str(match.group(match.lastindex or 1))))
            position = match.end()

    def result(self) -> Any:
        tree = self._term()
        if self._at != len(self._tokens):
            raise TemplateError(f"the expression '{self._text}' goes on after its end")
        return tree()

    def _term(self) -> Callable[[], Any]:
        """Parse one term; what it gives back works it out, so that ``if`` can leave a branch alone."""
        kind, token = self._next()
        if kind == "string":
            text = token.replace("''", "'")
            term: Callable[[], Any] = lambda: text  # noqa: E731 (one of three shapes of the same name)
        elif kind == "number":
            number = int(token)
            term = lambda: number  # noqa: E731
        elif kind == "word":
            term = self._call(token)
        else:
            raise TemplateError(f"the expression '{self._text}' has an unexpected '{token}'")
        while self._peek() in (".", "["):
            term = self._member(term)
        return term

    def _call(self, name: str) -> Callable[[], Any]:
        self._need("(")
        arguments: list[Callable[[], Any]] = []
        while self._peek() != ")":
            arguments.append(self._term())
            if self._peek() == ",":
                self._next()
        self._need(")")
        return lambda: _apply(name, arguments, self._scope)

    def _member(self, owner: Callable[[], Any]) -> Callable[[], Any]:
        _, mark = self._next()
        if mark == ".":
            _, name = self._next()
            return lambda: _look(owner(), name)
        index = self._term()
        self._need("]")
        return lambda: _look(owner(), index())

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        kind, token = self._tokens[self._at]
        return token if kind == "mark" else f"<{kind}>"

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise TemplateError(f"the expression '{self._text}' ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _need(self, mark: str) -> None:
        if self._next() != ("mark", mark):
            raise TemplateError(f"the expression '{self._text}' lacks a '{mark}'")


def _look(owner: Any, name: Any) -> Any:
    if isinstance(owner, Mapping):
        for key, value in owner.items():
            if fold(str(key)) == fold(str(name)):
                return value
    elif isinstance(owner, list) and isinstance(name, int) and 0 <= name < len(owner):
        return owner[name]
    raise TemplateError(f"the language expression property '{name}' doesn't exist")


def _apply(name: str, arguments: list[Callable[[], Any]], scope: Scope) -> Any:
    folded = fold(name)
    if folded in _NOT_SIMULATED:
        raise TemplateError(f"the template function '{name}' is not simulated")
    if folded == "if":
        if len(arguments) != 3:
            raise TemplateError("the template function 'if' takes three arguments")
        return arguments[1]() if arguments[0]() else arguments[2]()
    if folded not in _SCOPED and folded not in _PURE:
        raise TemplateError(f"the template function '{name}' is not valid")
    values = [argument() for argument in arguments]
    try:
        return _SCOPED[folded](scope, *values) if folded in _SCOPED else _PURE[folded](*values)
    except (TypeError, IndexError, ValueError, AttributeError) as error:
        raise TemplateError(f"the template function '{name}' cannot take these arguments: {error}") from None


def _parameter(scope: Scope, name: str) -> Any:
    for known, value in scope.parameters.items():
        if fold(known) == fold(name):
            return value
    raise TemplateError(f"the template parameter '{name}' is not found")


def _variable(scope: Scope, name: str) -> Any:
    for known, value in scope.variables.items():
        if fold(known) == fold(name):
            return evaluate(value, scope)
    raise TemplateError(f"the template variable '{name}' is not found")


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    return "".join(_text(value) for value in values)


def _text(value: Any) -> str:
    return str(value) if not isinstance(value, bool) else str(value).capitalize()


def _format(template: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: _text(values[int(match.group(1))]), template)


def joined_id(type_name: str, names: list[str]) -> str:
    """``Microsoft.A/b/c`` and two names as ``Microsoft.A/b/{0}/c/{1}``."""
    namespace, *types = type_name.split("/")
    if len(types) != len(names) or not all(names):
        raise TemplateError(f"the type '{type_name}' does not have as many segments as the name '{'/'.join(names)}'")
    return "/".join((namespace, *(part for pair in zip(types, names, strict=True) for part in pair)))


def _resource_id(scope: Scope, *words: str) -> str:
    at = next(index for index, word in enumerate(words) if "/" in word)
    base = scope.base
    if at == 1:
        base = (
            f"/subscriptions/{words[0]}"
            if ids.is_guid(words[0])
            else f"{_subscription(base)}/resourceGroups/{words[0]}"
        )
    elif at == 2:
        base = f"/subscriptions/{words[0]}/resourceGroups/{words[1]}"
    return f"{base}/providers/{joined_id(words[at], list(words[at + 1 :]))}"


def _subscription_resource_id(scope: Scope, *words: str) -> str:
    base = _subscription(scope.base)
    if "/" not in words[0]:
        base, words = f"/subscriptions/{words[0]}", words[1:]
    return f"{base}/providers/{joined_id(words[0], list(words[1:]))}"


def _extension_resource_id(owner: str, type_name: str, *names: str) -> str:
    return f"{owner}/providers/{joined_id(type_name, list(names))}"


def _subscription(base: str) -> str:
    return f"/subscriptions/{ids.subscription_of(base)}"


def _group(scope: Scope) -> dict[str, Any]:
    if not ids.group_of(scope.base):
        raise TemplateError("the template function 'resourceGroup' is not expected at this scope")
    return {"id": scope.base, "name": ids.group_of(scope.base), "location": scope.location}


def _unique(*words: str) -> str:
    return base64.b32encode(hashlib.sha256("/".join(words).encode()).digest()).decode().lower()[:13]


def _guid(*words: str) -> str:
    digest = hashlib.sha256("/".join(words).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _contains(box: Any, item: Any) -> bool:
    return fold(str(item)) in fold(box) if isinstance(box, str) else item in box


def _equals(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _union(*values: Any) -> Any:
    if all(isinstance(value, list) for value in values):
        return list(dict.fromkeys(item for value in values for item in value))
    return {name: item for value in values for name, item in value.items()}


_SCOPED: Mapping[str, Callable[..., Any]] = {
    "parameters": _parameter,
    "variables": _variable,
    "resourceid": _resource_id,
    "subscriptionresourceid": _subscription_resource_id,
    "subscription": lambda scope: {
        "id": _subscription(scope.base),
        "subscriptionId": ids.subscription_of(scope.base),
    },
    "resourcegroup": _group,
    "deployment": lambda scope: {"name": scope.deployment},
}
_PURE: Mapping[str, Callable[..., Any]] = {
    "concat": _concat,
    "format": _format,
    "extensionresourceid": _extension_resource_id,
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "equals": _equals,
    "not": lambda value: not value,
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "empty": lambda value: not value,
    "uniquestring": _unique,
    "guid": _guid,
    "string": _text,
    "int": int,
    "length": len,
    "contains": _contains,
    "first": lambda value: value[0],
    "last": lambda value: value[-1],
    "split": lambda text, mark: text.split(mark),
    "replace": lambda text, old, new: text.replace(old, new),
    "substring": lambda text, start, count: text[start : start + count],
    "take": lambda value, count: value[:count],
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "union": _union,
    "null": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
}
