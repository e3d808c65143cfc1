"""Puts what a write does into the activity log."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from defender_remediate.testing.simulator.authorization.roles import CLIENT
from defender_remediate.testing.simulator.monitor.state import ACCEPTED, FAILED, STARTED, SUCCEEDED, Operation
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.transport.exchange import Answer, ArmError, Call

Work = Callable[[Operation], tuple[Answer, bool]]
"""Does a write; the second value says whether it goes on after the answer."""


def logged(world: World, call: Call, action: str, resource_id: str, work: Work) -> Answer:
    """Do a write and record it: Started and its outcome, with Accepted between them when it goes on for a while."""
    operation = begin(world, call, action, resource_id)
    try:
        answer, goes_on = work(operation)
    except ArmError as error:
        end(world, operation, FAILED, _phrase(error.answer.status))
        raise
    end(world, operation, ACCEPTED if goes_on else SUCCEEDED, _phrase(answer.status))
    return answer


def begin(world: World, call: Call, action: str, resource_id: str, *, caller: str = CLIENT) -> Operation:
    """Record that a write started."""
    operation = Operation(
        id=world.new_id(),
        action=action,
        resource_id=resource_id,
        caller=caller,
        correlation_id=call.headers.get("x-ms-correlation-request-id") or world.new_id(),
        method=call.method,
        uri=call.url,
        request_id=call.headers.get("x-ms-client-request-id", ""),
    )
    _record(world, operation, STARTED, "", world.clock.monotonic())
    return operation


def end(world: World, operation: Operation, status: str, sub_status: str, *, moment: float | None = None) -> None:
    """Record how a write went."""
    _record(world, operation, status, sub_status, world.clock.monotonic() if moment is None else moment)


def outcome(status: str) -> tuple[str, str]:
    """The log's words for the outcome of a long-running write."""
    return (SUCCEEDED, "OK") if status == "Succeeded" else (FAILED, "Conflict")


def _record(world: World, operation: Operation, status: str, sub_status: str, moment: float) -> None:
    world.activity.add(operation, status, record_id=world.new_id(), sub_status=sub_status, moment=moment)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")
