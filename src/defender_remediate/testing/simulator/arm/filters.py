"""The ``$filter`` of lists of resources and resource groups: a few properties, ``eq`` and ``ne``, joined by ``and`` or ``or``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids

Test = Callable[[Mapping[str, Any]], bool]
"""Whether a resource, as a list shows it, is wanted."""

_TEXT = r"'((?:[^']|'')*)'"
_COMPARISON = re.compile(rf"([\w/]+)\s+(eq|ne)\s+{_TEXT}", re.IGNORECASE)
_SUBSTRING = re.compile(rf"substringof\(\s*{_TEXT}\s*,\s*(\w+)\s*\)(?:\s+eq\s+true)?", re.IGNORECASE)
_PREFIX = re.compile(rf"startswith\(\s*tagName\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)
_JOINT = re.compile(r"\s+(and|or)\s+", re.IGNORECASE)
_TAG_NAME, _TAG_VALUE = "tagname", "tagvalue"


def _of_resource(name: str) -> Callable[[Mapping[str, Any]], Any] | None:
    own = {
        "name": lambda shown: shown["name"],
        "resourcetype": lambda shown: shown["type"],
        "resourcegroup": lambda shown: ids.group_of(shown["id"]),
        "location": lambda shown: str(shown.get("location", "")).replace(" ", ""),
        "identity/principalid": lambda shown: (shown.get("identity") or {}).get("principalId"),
    }
    if name.startswith("plan/"):
        return lambda shown: (shown.get("plan") or {}).get(name.removeprefix("plan/"))
    return own.get(name)


def resource_filter(text: str) -> Test:
    """Returns the test that a filter on resources stands for.

    Raises:
        ArmError: 400 for a filter that Azure does not document.
    """
    return _tag_filter(text) or _any_of(text)


def group_filter(text: str) -> Test:
    """Returns the test that a filter on resource groups stands for: it can name tags only.

    Raises:
        ArmError: 400 for any other filter.
    """
    found = _tag_filter(text)
    if found is None:
        raise refusal("InvalidFilter", filter=text)
    return found


def names_tags(text: str) -> bool:
    """Whether a filter names tags; the tags of the resources that it finds are not shown."""
    return _tag_filter(text) is not None


def _tag_filter(text: str) -> Test | None:
    """Returns the test for tags, which cannot be combined with other properties; None for a filter that names no tag."""
    prefix = _PREFIX.fullmatch(text.strip())
    if prefix is not None:
        start = fold(prefix.group(1))
        return lambda shown: any(fold(name).startswith(start) for name in shown.get("tags") or {})
    clauses, joints = _clauses(text)
    pairs = [_COMPARISON.fullmatch(clause) for clause in clauses]
    wanted = {
        fold(one.group(1)): one.group(3).replace("''", "'") for one in pairs if one and fold(one.group(2)) == "eq"
    }
    if len(wanted) != len(clauses) or not {_TAG_NAME} <= set(wanted) <= {_TAG_NAME, _TAG_VALUE} or "or" in joints:
        return None

    def test(shown: Mapping[str, Any]) -> bool:
        for name, value in (shown.get("tags") or {}).items():
            if fold(name) == fold(wanted[_TAG_NAME]):
                return _TAG_VALUE not in wanted or value == wanted[_TAG_VALUE]
        return False

    return test


def _any_of(text: str) -> Test:
    """The test of a filter, whose parts may be in parentheses."""
    clauses, joints = _clauses(text)
    tests = [_inner(clause) or _clause(clause, text) for clause in clauses]
    # ``and`` binds closer than ``or``.
    groups = [[tests[0]]]
    for joint, test in zip(joints, tests[1:], strict=True):
        if joint == "or":
            groups.append([test])
        else:
            groups[-1].append(test)
    return lambda shown: any(all(test(shown) for test in group) for group in groups)


def _inner(clause: str) -> Test | None:
    """The test inside parentheses around a whole clause; None if there are none."""
    return _any_of(clause[1:-1].strip()) if clause.startswith("(") and clause.endswith(")") else None


def _clause(clause: str, text: str) -> Test:
    comparison, substring = _COMPARISON.fullmatch(clause), _SUBSTRING.fullmatch(clause)
    if comparison is not None:
        read, value = _of_resource(fold(comparison.group(1))), fold(comparison.group(3).replace("''", "'"))
        is_equal = fold(comparison.group(2)) == "eq"
        if read is not None:
            return lambda shown: (fold(str(read(shown) or "")) == value) is is_equal
    if substring is not None and fold(substring.group(2)) in ("name", "resourcegroup"):
        part, owner = fold(substring.group(1).replace("''", "'")), _of_resource(fold(substring.group(2)))
        assert owner is not None  # both names have one
        return lambda shown: part in fold(str(owner(shown)))
    raise refusal("InvalidFilter", filter=text)


def _clauses(text: str) -> tuple[list[str], list[str]]:
    """Returns the clauses of a filter and the folded words between them; a quoted string is never divided."""
    parts = re.split(rf"({_TEXT.replace('(', '(?:', 1)})", text.strip())
    # Strings are at the odd places; numbers stand for them while the rest is divided.
    bare = "".join(part if place % 2 == 0 else f"'{place}'" for place, part in enumerate(parts))
    pieces = _divided(bare)
    whole = [re.sub(r"'(\d+)'", lambda found: parts[int(found.group(1))], piece).strip() for piece in pieces[::2]]
    return whole, [fold(word) for word in pieces[1::2]]


def _divided(text: str) -> list[str]:
    """Returns the clauses and, between them, the words that join them; parentheses stay together."""
    pieces: list[str] = [""]
    depth = 0
    for part in re.split(r"(\s+(?:and|or)\s+)", text, flags=re.IGNORECASE):
        if depth == 0 and _JOINT.fullmatch(part):
            pieces += [part.strip(), ""]
            continue
        depth += part.count("(") - part.count(")")
        pieces[-1] += part
    return pieces
