"""What the state of a subscription means for a write."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus

_ENABLE = "enable the subscription again: its owner or the billing administrator can"


@attrs.frozen(kw_only=True)
class State:
    """One state that Azure knows, and what it means."""

    name: str
    status: CheckStatus
    why: str
    advice: str


STATES = (
    State(name="Disabled", status=CheckStatus.BLOCKED, why="resources can be read and not be changed", advice=_ENABLE),
    State(name="Deleted", status=CheckStatus.BLOCKED, why="it is being removed with all that is in it", advice=_ENABLE),
    State(
        name="Warned", status=CheckStatus.BLOCKED, why="it is about to be disabled, and is read-only", advice=_ENABLE
    ),
    State(
        name="PastDue",
        status=CheckStatus.WARNING,
        why="a payment is overdue; writes still work",
        advice="settle it, or the subscription will be disabled",
    ),
)
"""Every state but Enabled."""


def judge(body: Any) -> tuple[CheckResult, ...]:
    """What the state of a subscription stops."""
    name = wire.text(body, "state")
    if fold(name) == "enabled":
        return ()
    for state in STATES:
        if fold(state.name) == fold(name):
            message = f"the subscription is {state.name}: {state.why}"
            return (
                CheckResult(
                    check=CheckName.SUBSCRIPTION,
                    status=state.status,
                    message=message,
                    evidence=(f"state: {name}",),
                    advice=state.advice,
                ),
            )
    return (
        CheckResult(
            check=CheckName.SUBSCRIPTION,
            status=CheckStatus.UNCHECKED,
            message=f"the subscription is in the state {name or '(none)'}, and what that allows is not known",
            evidence=(f"state: {name}",),
            advice="look at it in the portal",
        ),
    )
