"""What the expressions of a template read, and so wait for without ``dependsOn``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError, TemplateScope, UnresolvedError, evaluate
from defender_remediate.arm_template.expressions import is_expression

# By name alone: with an api-version, ``reference`` reads what need not be in the template. The ``list`` functions always have one.
_NAMED = re.compile(r"\breference\(\s*'([^']*)'\s*\)|\blist\w+\(\s*'([^'/]+)'\s*,", re.IGNORECASE)


def references_in(value: Any, scope: TemplateScope) -> tuple[str, ...]:
    """Returns the names and ids that ``reference`` and the ``list`` functions in a part of a template are given.

    Of several such calls with computed names in one expression only the first is found.
    """
    found = [first or second for text in _expressions(value) for first, second in _NAMED.findall(text)]

    def read(function: str, arguments: list[Any]) -> Any:
        name = str(arguments[0]) if arguments else ""
        if (function == "reference" and len(arguments) == 1) or (function != "reference" and "/" not in name):
            found.append(name)
        raise UnresolvedError("noted")

    noting = attrs.evolve(scope, read=read, keeps_unresolved=True)
    for text in _expressions(value):
        with suppress(TemplateError):  # what is wrong is said when the resource is worked out
            evaluate(text, noting)
    return tuple(dict.fromkeys(found))


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item)
    elif is_expression(value):
        yield value
