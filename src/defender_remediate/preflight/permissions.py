"""Whether roles give what a step needs: Azure's rule for actions and notActions, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.subject import Demand

_ADVICE = "have a role assigned there, or above, that contains them; it takes some minutes to count, so plan again then"


@attrs.frozen(kw_only=True)
class Grant:
    """What one role gives, or what one deny assignment takes: one entry of ``permissions``.

    Attributes:
        condition: Under which it holds; empty for always.
    """

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()
    condition: str = ""

    @classmethod
    def from_rest(cls, item: Any) -> Grant:
        """Read one entry.

        Raises:
            MalformedResponseError: It has no list of actions.
        """
        if not isinstance(wire.pick(item, "actions"), (list, tuple)):
            raise MalformedResponseError("an entry of permissions has no array 'actions'")
        return cls(
            actions=wire.texts(item, "actions"),
            not_actions=wire.texts(item, "notActions"),
            condition=wire.text(item, "condition"),
        )

    def names(self, action: str) -> bool:
        """Whether the action is among its actions and not among its own notActions."""
        return any(matches(pattern, action) for pattern in self.actions) and not self.excluding(action)

    def excluding(self, action: str) -> str:
        """The notAction that takes the action out again; empty when none does."""
        return next((pattern for pattern in self.not_actions if matches(pattern, action)), "")


def matches(pattern: str, action: str) -> bool:
    """Whether an action is one that a pattern stands for: ``*`` is any text anywhere, and case does not count.

    Takes no longer for a pattern with many stars, as a regular expression would.
    """
    first, *rest = fold(pattern).split("*")
    text = fold(action)
    if not rest:
        return text == first
    *between, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def lacking(actions: Iterable[str], grants: Sequence[Grant]) -> tuple[str, ...]:
    """The actions that no entry gives, with or without a condition."""
    return tuple(action for action in actions if not any(grant.names(action) for grant in grants))


def judge(demand: Demand, grants: Sequence[Grant], looked_at: Sequence[str]) -> tuple[CheckResult, ...]:
    """What the caller's roles lack of a demand.

    Entries are a union: an action is allowed when one entry gives it, whatever another one leaves out. An entry with a
    condition may or may not hold, so an action that only such entries give is a warning.

    Args:
        demand: The actions, and where they are needed.
        grants: What the caller's roles give there.
        looked_at: Where the entries were read.
    """
    missing = lacking(demand.actions, grants)
    unconditional = [grant for grant in grants if not grant.condition]
    doubtful = tuple(action for action in lacking(demand.actions, unconditional) if action not in missing)
    found = []
    if missing:
        found.append(_missing(demand, missing, grants, looked_at))
    if doubtful:
        conditions = {grant.condition for grant in grants if grant.condition and any(map(grant.names, doubtful))}
        found.append(
            CheckResult(
                check=CheckName.PERMISSION,
                status=CheckStatus.WARNING,
                message=f"only a role with a condition gives {', '.join(doubtful)}",
                evidence=tuple(f"condition: {condition}" for condition in sorted(conditions)),
                advice="see whether the condition lets this change through",
            )
        )
    return tuple(found)


def _missing(demand: Demand, missing: Sequence[str], grants: Sequence[Grant], looked_at: Sequence[str]) -> CheckResult:
    taken = {
        f"{action} is taken out again by the notAction {grant.excluding(action)!r} of its role"
        for action in missing
        for grant in grants
        if any(matches(pattern, action) for pattern in grant.actions)
    }
    evidence = (*(f"no role gives it at {place}" for place in looked_at), *sorted(taken))
    if demand.is_certain:
        message = f"the caller lacks {', '.join(missing)}"
        return CheckResult(
            check=CheckName.PERMISSION, status=CheckStatus.BLOCKED, message=message, evidence=evidence, advice=_ADVICE
        )
    return CheckResult(
        check=CheckName.PERMISSION,
        status=CheckStatus.WARNING,
        message=f"the caller may lack {', '.join(missing)}, which something that this change links to asks for",
        evidence=evidence,
        advice="see that the caller has it on what is linked",
    )
