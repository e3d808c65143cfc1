"""The expressions of ARM templates: what they can refer to, how they are parsed, and how they are evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.arm_template.functions import (
    FUNCTIONS,
    ParameterNotFoundError,
    TemplateError,
    UnresolvedError,
    join_resource_id,
)
from defender_remediate.casing import fold

_TOKEN = re.compile(r"\s*(?:'(?P<string>(?:[^']|'')*)'|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]]))")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_COPIES = 800
# What they return depends on the cloud.
_ONLY_AZURE_KNOWS = frozenset(["pickzones", "environment", "managementgroup"])


@attrs.frozen
class DeferredParameter:
    """The value of a parameter that can be worked out only once something answers for resources.

    Attributes:
        resolve: Returns the value, given what answers ``reference`` and the ``list`` functions.
    """

    resolve: Callable[[Callable[[str, list[Any]], Any]], Any]


@attrs.frozen(kw_only=True)
class TemplateScope:
    """What the expressions of a template can refer to.

    Attributes:
        subscription_id: The subscription that is deployed to.
        resource_group: The name of the resource group that is deployed to; None for a deployment to a subscription.
        location: The location of the resource group, or of the deployment to a subscription.
        deployment: The name of the deployment.
        parameters: The parameters' values by name.
        variables: The variables as the template writes them; evaluated when an expression refers to them.
        read: Answers ``reference`` and the ``list`` functions, given the name in lower case and the arguments; None if nothing
            can answer them yet.
        base: The id that is deployed to, for a management group or (empty) the tenant; None for the id of the subscription or group.
        copies: The index of each copy loop around an expression, by the name of the loop; the innermost has the name ``""``.
        keeps_unresolved: Leave an expression that nothing can answer as it is written, as Azure's what-if does.
        functions: More functions that depend on nothing but their arguments, by their folded names.
        user_functions: The functions that the template defines, by their folded names with the namespace.
        lambda_values: The arguments of the lambda functions around an expression, by their names.
        evaluated: The folded names of the variables whose values are being worked out.
        describe: Returns more members of the subscription or resource group with an id, None if it does not exist yet; None itself
            if nothing knows more of them.
    """

    subscription_id: str
    resource_group: str | None = None
    location: str | None = None
    deployment: str | None = None
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    variables: Mapping[str, Any] = attrs.field(factory=dict)
    read: Callable[[str, list[Any]], Any] | None = attrs.field(default=None, repr=False)
    base: str | None = None
    copies: Mapping[str, int] = attrs.field(factory=dict)
    keeps_unresolved: bool = False
    functions: Mapping[str, Callable[..., Any]] = attrs.field(factory=dict, repr=False)
    user_functions: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, repr=False)
    lambda_values: Mapping[str, Any] = attrs.field(factory=dict)
    evaluated: frozenset[str] = frozenset()
    describe: Callable[[str], Mapping[str, Any] | None] | None = attrs.field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The id of what is deployed to; empty for the tenant."""
        if self.base is not None:
            return self.base
        if self.resource_group is None:
            return f"/subscriptions/{self.subscription_id}"
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"


def evaluate(value: Any, scope: TemplateScope) -> Any:
    """Return a part of a template with every expression in it replaced by its value.

    Raises:
        TemplateError: An expression is malformed, refers to something that does not exist, or only Azure can evaluate it.
    """
    if isinstance(value, Mapping):
        if isinstance(value.get("copy"), list):
            return {**evaluate({k: v for k, v in value.items() if k != "copy"}, scope), **copied(value["copy"], scope)}
        return {evaluate(name, scope): evaluate(item, scope) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [evaluate(item, scope) for item in value]
    if not is_expression(value):
        return value[1:] if isinstance(value, str) and value.startswith("[[") else value
    try:
        return _Parser(value[1:-1]).parse()(scope)
    except UnresolvedError:
        if scope.keeps_unresolved:
            return value
        raise


def copied(loops: list[Any], scope: TemplateScope) -> dict[str, Any]:
    """Return the arrays that the copy loops of an object make, by name.

    Raises:
        TemplateError: A loop has no name, count or input, or its count is not a number of items that Azure takes.
    """
    arrays = {}
    for loop in loops:
        if not isinstance(loop, Mapping) or not {"name", "count", "input"} <= set(loop):
            raise TemplateError("a copy loop needs 'name', 'count' and 'input'")
        name = str(evaluate(loop["name"], scope))
        arrays[name] = [evaluate(loop["input"], inner) for inner in iterations(name, loop["count"], scope)]
    return arrays


def iterations(name: str, count: Any, scope: TemplateScope) -> list[TemplateScope]:
    """Return the scope of each turn of a copy loop.

    Raises:
        TemplateError: The count is not a number from 0 to 800.
    """
    number = evaluate(count, scope)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MOST_COPIES:
        raise TemplateError(f"the copy count '{number}' of '{name}' is not a number from 0 to {_MOST_COPIES}")
    return [attrs.evolve(scope, copies={**scope.copies, fold(name): index, "": index}) for index in range(number)]


def is_expression(value: Any) -> bool:
    """Whether a value of a template is an expression; ``[[`` begins a plain string."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


_Term = Callable[[TemplateScope], Any]


class _Parser:
    """Parses one expression into a function, so that ``if`` evaluates only the branch that counts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise TemplateError(f"the expression '{text}' is not valid at position {position}")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
        self._tokens.reverse()

    def parse(self) -> _Term:
        term = self._term()
        if self._tokens:
            raise TemplateError(f"the expression '{self._text}' goes on after its end")
        return term

    def _term(self) -> _Term:
        kind, token = self._next()
        value: Any = token
        if kind == "string":
            value = token.replace("''", "'")
        elif kind == "number":
            value = int(token)
        elif kind != "name":
            raise TemplateError(f"the expression '{self._text}' has an unexpected '{token}'")
        elif self._next_is("."):  # a function of the template: namespace.name(...)
            self._next()
            token = f"{token}.{self._next()[1]}"
        term: _Term = self._call(token) if kind == "name" else lambda _: value
        while self._next_is(".", "["):
            term = self._member_of(term)
        return term

    def _call(self, name: str) -> _Term:
        self._expect("(")
        arguments: list[_Term] = []
        while not self._next_is(")"):
            arguments.append(self._term())
            if self._next_is(","):
                self._next()
        self._expect(")")
        return lambda scope: _call(name, arguments, scope)

    def _member_of(self, owner: _Term) -> _Term:
        if self._next() == ("mark", "."):
            _, name = self._next()
            return lambda scope: _get_member(owner(scope), name)
        index = self._term()
        self._expect("]")
        return lambda scope: _get_member(owner(scope), index(scope))

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise TemplateError(f"the expression '{self._text}' ends too early")
        return self._tokens.pop()

    def _next_is(self, *marks: str) -> bool:
        return bool(self._tokens) and self._tokens[-1][0] == "mark" and self._tokens[-1][1] in marks

    def _expect(self, mark: str) -> None:
        if self._next() != ("mark", mark):
            raise TemplateError(f"the expression '{self._text}' lacks a '{mark}'")


def _get_member(owner: Any, name: Any) -> Any:
    if isinstance(owner, Mapping):
        for key, value in owner.items():
            if fold(str(key)) == fold(str(name)):
                return value
    elif isinstance(owner, (list, tuple)) and isinstance(name, int) and 0 <= name < len(owner):
        return owner[name]
    if isinstance(owner, _NotYetThere):
        raise UnresolvedError(f"the language expression property '{name}' cannot be evaluated outside Azure")
    raise TemplateError(f"the language expression property '{name}' doesn't exist")


def _call(name: str, arguments: list[_Term], scope: TemplateScope) -> Any:
    folded = fold(name)
    if folded in _ONLY_AZURE_KNOWS and folded not in scope.functions:
        raise TemplateError(f"the template function '{name}' cannot be evaluated outside Azure")
    if folded == "if":
        if len(arguments) != 3:
            raise TemplateError("the template function 'if' takes three arguments")
        return arguments[1](scope) if arguments[0](scope) else arguments[2](scope)
    if folded == "lambda":
        return _lambda(arguments, scope)
    if folded in _SHORT:
        return _SHORT[folded](argument(scope) for argument in arguments)
    values = [argument(scope) for argument in arguments]
    if "." in folded:
        return _call_user_function(name, values, scope)
    if folded == "reference" or folded.startswith("list"):
        if scope.read is None:
            raise UnresolvedError(f"the template function '{name}' cannot be evaluated outside Azure")
        return scope.read(folded, values)
    try:
        if folded in _OF_SCOPE:
            return _OF_SCOPE[folded](scope, *values)
        if folded in scope.functions:
            return scope.functions[folded](*values)
        if folded in FUNCTIONS:
            return FUNCTIONS[folded](*values)
    except (TypeError, IndexError, ValueError, AttributeError, ArithmeticError) as error:
        raise TemplateError(f"the template function '{name}' cannot take these arguments: {error}") from None
    raise TemplateError(f"the template function '{name}' is not valid")


def _lambda(arguments: list[_Term], scope: TemplateScope) -> Callable[..., Any]:
    """Return the function that ``lambda('x', expression)`` stands for."""
    if not arguments:
        raise TemplateError("the template function 'lambda' takes at least one argument")
    *names, body = arguments
    words = [str(name(scope)) for name in names]

    def call(*values: Any) -> Any:
        given = dict(zip(words, values, strict=False))
        return body(attrs.evolve(scope, lambda_values={**scope.lambda_values, **given}))

    return call


def _lambda_variable(scope: TemplateScope, name: str) -> Any:
    if name not in scope.lambda_values:
        raise TemplateError(f"the lambda variable '{name}' is not found")
    return scope.lambda_values[name]


def _call_user_function(name: str, values: list[Any], scope: TemplateScope) -> Any:
    """Evaluate a function of the template, which sees its own parameters and no variables."""
    definition = scope.user_functions.get(fold(name))
    if definition is None:
        raise TemplateError(f"the template function '{name}' is not valid")
    names = [str(one.get("name")) for one in definition.get("parameters") or ()]
    if len(names) != len(values):
        raise TemplateError(f"the template function '{name}' takes {len(names)} arguments, got {len(values)}")
    inner = attrs.evolve(scope, parameters=dict(zip(names, values, strict=True)), variables={})
    return evaluate((definition.get("output") or {}).get("value"), inner)


def _parameter(scope: TemplateScope, name: str) -> Any:
    for known, value in scope.parameters.items():
        if fold(known) != fold(name):
            continue
        if not isinstance(value, DeferredParameter):
            return value
        if scope.read is None:
            raise UnresolvedError(f"the template parameter '{name}' cannot be evaluated outside Azure")
        return value.resolve(scope.read)
    raise ParameterNotFoundError(f"the template parameter '{name}' is not found")


def _variable(scope: TemplateScope, name: str) -> Any:
    for known, value in scope.variables.items():
        if fold(known) != fold(name):
            continue
        if fold(name) in scope.evaluated:
            raise TemplateError(f"circular dependency detected on the template variable '{name}'")
        return evaluate(value, attrs.evolve(scope, evaluated=scope.evaluated | {fold(name)}))
    raise TemplateError(f"the template variable '{name}' is not found")


def _copy_index(scope: TemplateScope, *words: Any) -> int:
    name = fold(words[0]) if words and isinstance(words[0], str) else ""
    offsets = [word for word in words if isinstance(word, int)]
    if name not in scope.copies:
        raise TemplateError("the template function 'copyIndex' is not expected outside a copy loop")
    return scope.copies[name] + sum(offsets)


def _resource_id(scope: TemplateScope, *words: str) -> str:
    at = next(index for index, word in enumerate(words) if "/" in word)
    if at == 1 and _GUID.fullmatch(words[0]):
        scope = TemplateScope(subscription_id=words[0])
    elif at == 1:
        scope = TemplateScope(subscription_id=scope.subscription_id, resource_group=words[0])
    elif at == 2:
        scope = TemplateScope(subscription_id=words[0], resource_group=words[1])
    return f"{scope.id}/providers/{join_resource_id(words[at], list(words[at + 1 :]))}"


def _subscription_resource_id(scope: TemplateScope, *words: str) -> str:
    subscription_id = scope.subscription_id
    if "/" not in words[0]:
        subscription_id, *words = words  # type: ignore[assignment]
    return f"/subscriptions/{subscription_id}/providers/{join_resource_id(words[0], list(words[1:]))}"


def _resource_group(scope: TemplateScope) -> dict[str, Any]:
    if scope.resource_group is None:
        raise TemplateError("the template function 'resourceGroup' is not expected at this scope")
    known = {"id": scope.id, "name": scope.resource_group, "location": scope.location}
    return _described(scope, scope.id, known)


def _subscription(scope: TemplateScope) -> dict[str, Any]:
    subscription = f"/subscriptions/{scope.subscription_id}"
    return _described(scope, subscription, {"id": subscription, "subscriptionId": scope.subscription_id})


def _described(scope: TemplateScope, owner: str, known: dict[str, Any]) -> dict[str, Any]:
    if scope.describe is None:
        return known
    more = scope.describe(owner)
    if more is None:
        return _NotYetThere(id=known["id"], name=known.get("name"))
    return {**known, **more}


class _NotYetThere(dict[str, Any]):
    """What is known of something that the deployment has yet to create: reading anything else of it has to wait."""


def _deployment(scope: TemplateScope) -> dict[str, Any]:
    place = {} if scope.resource_group is not None or scope.location is None else {"location": scope.location}
    return {"name": scope.deployment, **place}


# They look no further than at the first argument that decides.
_SHORT: Mapping[str, Callable[[Iterable[Any]], Any]] = {
    "and": all,
    "coalesce": lambda values: next((value for value in values if value is not None), None),
    "or": any,
}

_OF_SCOPE: Mapping[str, Callable[..., Any]] = {
    "copyindex": _copy_index,
    "lambdavariables": _lambda_variable,
    "parameters": _parameter,
    "variables": _variable,
    "resourceid": _resource_id,
    "subscriptionresourceid": _subscription_resource_id,
    "tenantresourceid": lambda _, kind, *names: f"/providers/{join_resource_id(kind, list(names))}",
    "subscription": _subscription,
    "resourcegroup": _resource_group,
    "deployment": _deployment,
}
