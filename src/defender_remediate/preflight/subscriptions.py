"""What the state of a subscription means for a write."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.models.finding import Check, Finding, Verdict

_ENABLE = "enable the subscription again: its owner or the billing administrator can"


@attrs.frozen(kw_only=True)
class State:
    """One state that Azure knows, and what it means."""

    name: str
    verdict: Verdict
    why: str
    advice: str


STATES = (
    State(name="Disabled", verdict=Verdict.BLOCKS, why="resources can be read and not be changed", advice=_ENABLE),
    State(name="Deleted", verdict=Verdict.BLOCKS, why="it is being removed with all that is in it", advice=_ENABLE),
    State(name="Warned", verdict=Verdict.BLOCKS, why="it is about to be disabled, and is read-only", advice=_ENABLE),
    State(
        name="PastDue",
        verdict=Verdict.WARNS,
        why="a payment is overdue; writes still work",
        advice="settle it, or the subscription will be disabled",
    ),
)
"""Every state but Enabled."""


def judge(body: Any) -> tuple[Finding, ...]:
    """What the state of a subscription stops."""
    name = wire.text(body, "state")
    if name.casefold() == "enabled":
        return ()
    for state in STATES:
        if state.name.casefold() == name.casefold():
            message = f"the subscription is {state.name}: {state.why}"
            return (
                Finding(
                    check=Check.SUBSCRIPTION,
                    verdict=state.verdict,
                    message=message,
                    evidence=(f"state: {name}",),
                    advice=state.advice,
                ),
            )
    return (
        Finding(
            check=Check.SUBSCRIPTION,
            verdict=Verdict.UNCHECKED,
            message=f"the subscription is in the state {name or '(none)'}, and what that allows is not known",
            evidence=(f"state: {name}",),
            advice="look at it in the portal",
        ),
    )
