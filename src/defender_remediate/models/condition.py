"""Conditions on a resource body: when a target is compliant, and where a fix applies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from defender_remediate.display import one_line, quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import canonical, freeze
from defender_remediate.redaction import is_secret_name, redact_json, redact_text
from defender_remediate.serialization import Value


class Operator(StrEnum):
    """How a condition compares, or joins other conditions."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    IN = "in"
    NOT_IN = "not_in"
    EXISTS = "exists"
    AT_LEAST = "at_least"
    CONTAINS = "contains"
    MATCHES = "matches"
    ALL = "all"
    ANY = "any"
    NOT = "not"
    SOME = "some"
    EVERY = "every"


_JOIN_ONE = frozenset({Operator.NOT, Operator.SOME, Operator.EVERY})


@attrs.frozen(kw_only=True, str=False, repr=False)
class Condition(Value):
    """A comparison of one member of a body, or several conditions joined.

    Strings compare without regard to case, as Azure Policy compares them.

    Attributes:
        operator: ``equals``, ``not_equals``, ``in``, ``not_in``, ``contains`` (an array contains the value, or a string
            the string) and ``matches`` (a regular expression for the whole string) compare what is at ``path`` with
            ``value``. ``exists`` is true when something other than null is there; without a path, when the body itself
            exists. ``at_least`` compares numbers and versions (``"TLS1_2"``, ``"1.2"``); a version that it cannot read
            is not enough. ``all``, ``any`` and ``not`` join ``of``. ``some`` and ``every`` apply ``of[0]`` to each element
            of the array at ``path``; ``every`` is false for an empty or missing array.
        path: Members joined by dots, such as ``properties.networkAcls.defaultAction``. A member with a dot in its name
            is written in brackets: ``tags['a.b']``.
    """

    operator: Operator = attrs.field(converter=Operator)
    path: str = ""
    value: Any = attrs.field(default=None, converter=freeze)
    of: tuple[Condition, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.operator in _JOIN_ONE and len(self.of) != 1:
            raise InvalidInputError(f"the operator {self.operator} needs one condition in of, got {len(self.of)}")
        if self.operator in (Operator.IN, Operator.NOT_IN) and not isinstance(self.value, tuple):
            raise InvalidInputError(f"the operator {self.operator} needs a list of values, got {quoted(self.value)}")
        if self.operator is Operator.MATCHES:
            try:
                re.compile(self.value)
            except (OverflowError, RecursionError, TypeError, re.error) as error:
                raise InvalidInputError(f"{quoted(self.value)} is not a valid regular expression: {error}") from error

    def parts(self) -> Iterator[Condition]:
        """This condition and all that it joins, outermost first."""
        yield self
        for part in self.of:
            yield from part.parts()

    def __str__(self) -> str:
        return one_line(self._text())

    def _text(self) -> str:
        if self.operator in (Operator.ALL, Operator.ANY):
            joint = " and " if self.operator is Operator.ALL else " or "
            return "(" + joint.join(map(str, self.of)) + ")"
        if self.operator is Operator.NOT:
            return f"not {self.of[0]}"
        if self.operator in (Operator.SOME, Operator.EVERY):
            return f"{self.operator} of {self.path}: {self.of[0]}"
        if self.operator is Operator.EXISTS:
            return f"{self.path or 'the resource'} {'exists' if self.value else 'is absent'}"
        return f"{self.path} {str(self.operator).replace('_', ' ')} {canonical(self._shown())}"

    def __repr__(self) -> str:
        path = redact_text(self.path)
        return f"Condition(operator={self.operator!r}, path={path!r}, value={self._shown()!r}, of={self.of!r})"

    def _shown(self) -> Any:
        # The condition of a rollback can compare with a secret that is restored.
        return freeze(redact_json(self.value, is_secret=is_secret_name(self.path)))
