"""Rules about secrets: none is written down, and no PUT loses one that a GET does not return."""

from __future__ import annotations

import re
from collections.abc import Iterator

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix
from defender_remediate.catalog.lint.problem import RuleViolation
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.paths import split
from defender_remediate.models.fix import FixKind

_SECRET = re.compile(r"(password|secret|accesskey|connectionstring|sharedkey|token)$", re.IGNORECASE)


def contains_no_secret(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A fix neither writes a secret nor asks for one, because plans and journals would contain it."""
    paths = (path for path, value in leaves(checked.desired) if isinstance(value, str) and "[" not in path)
    names = (parameter.name for parameter in checked.fix.parameters)
    for name in (*(str(split(path)[-1]) for path in paths), *names):
        if _SECRET.search(name):
            yield RuleViolation(f"{name} looks like a secret; plans and journals would contain it")


def keeps_write_only_members(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A PUT to a type with members that a GET does not return says why none of them is lost."""
    fix, facts = checked.fix, checked.facts
    if fix.kind is not FixKind.PUT or facts is None or fix.put_decision:
        return
    left_out = tuple(fold(member.path) for member in fix.leave_out if member.when is None)
    at_risk = [path for path in facts.write_only_members if not fold(path).startswith(left_out or ("\0",))]
    if at_risk:
        yield RuleViolation(
            f"a GET does not return {', '.join(at_risk)}, so a PUT may lose them: send a PATCH, leave them out, name the"
            " targets in not_applicable, or say in put_decision why none is lost"
        )
