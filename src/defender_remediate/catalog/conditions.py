"""A condition from a TOML table: one test per table."""

from __future__ import annotations

import re
from typing import Any

from defender_remediate.catalog.editor_schema import CONDITION
from defender_remediate.catalog.table import TomlTable, described
from defender_remediate.display import quoted
from defender_remediate.models.condition import Condition, Operator

_JOINED = {Operator.ALL.value, Operator.ANY.value}
_ELEMENTS = {Operator.SOME.value, Operator.EVERY.value}
_TESTS = {test.value: test for test in Operator}
_LEAF_TESTS = frozenset(_TESTS) - _JOINED - _ELEMENTS - {Operator.NOT.value}
_KEYS = frozenset(CONDITION)
_ELEMENT_KEYS = frozenset({"path", "where"})
_QUOTED = r"\['(?:[^']|'')*'\]"
PATH = re.compile(rf"(?:[^.\[\]']+|{_QUOTED})(?:\.[^.\[\]']+|{_QUOTED}|\[\d+\])*")


def condition(table: TomlTable, *, of_element: bool = False) -> Condition:
    """Read a condition.

    Args:
        table: Holds exactly one test, and the path it is about when the test compares a value.
        of_element: The condition is about an element of an array; without a path it is about the element itself.

    Raises:
        CatalogError: Names the key.
    """
    table.only(_KEYS)
    tests = [name for name in table.values if name != "path"]
    if len(tests) != 1:
        got = f"got {', '.join(tests)}" if tests else "got none"
        raise table.error(f"a condition must have exactly one operator, {got}")
    name = tests[0]
    if name in _LEAF_TESTS:
        path = (
            table.text("path", "", shape=PATH, like="a path such as properties.state") if of_element else _path(table)
        )
        return Condition(operator=_TESTS[name], path=path, value=_value(table, name))
    if "path" in table.values:
        raise table.error(f"must be inside {quoted(name)}, not next to it", "path")
    if name in _JOINED:
        parts = table.tables(name)
        if not parts:
            raise table.error("must contain at least one condition", name)
        return Condition(operator=_TESTS[name], of=tuple(condition(part, of_element=of_element) for part in parts))
    inner = TomlTable(table.values[name], source=table.source, path=table.at(name))
    if name in _ELEMENTS:
        inner.only(_ELEMENT_KEYS)
        where = inner.table("where")
        if where is None:
            raise inner.error("is missing", "where")
        return Condition(operator=_TESTS[name], path=_path(inner), of=(condition(where, of_element=True),))
    return Condition(operator=Operator.NOT, of=(condition(inner, of_element=of_element),))


def _path(table: TomlTable) -> str:
    path: str = table.text(
        "path", shape=PATH, like="a path such as properties.networkAcls.defaultAction or tags['a.b']"
    )
    return path


def _value(table: TomlTable, name: str) -> Any:
    value = table.json_value(name)
    if name in ("in", "not_in") and not (isinstance(value, list) and value):
        raise table.error("must be an array that is not empty", name)
    if name == "exists" and not isinstance(value, bool):
        raise table.error(f"must be true or false, got {described(value)}", name)
    if name == "at_least" and (isinstance(value, bool) or not isinstance(value, (int, float, str))):
        raise table.error(f"must be a number or a version, got {described(value)}", name)
    if name == "matches":
        if not isinstance(value, str):
            raise table.error(f"must be a regular expression, got {described(value)}", name)
        try:
            re.compile(value)
        except (OverflowError, RecursionError, re.error) as error:
            raise table.error(f"{quoted(value)} is not a valid regular expression: {error}", name) from error
    return value
