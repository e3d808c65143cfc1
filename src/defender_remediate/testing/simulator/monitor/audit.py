"""Puts what a write does into the activity log."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.monitor.state import ACCEPTED, FAILED, STARTED, SUCCEEDED, LoggedOperation
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

Work = Callable[[LoggedOperation], tuple[Reply, bool]]
"""Does a write; the second value says whether it goes on after the answer."""


def logged(tenant: Tenant, call: Call, action: str, resource_id: str, work: Work) -> Reply:
    """Do a write and record it: Started and its outcome, with Accepted between them when it goes on for a while."""
    operation = begin(tenant, call, action, resource_id)
    try:
        reply, goes_on = work(operation)
    except ArmError as error:
        end(tenant, operation, FAILED, _phrase(error.reply.status))
        raise
    end(tenant, operation, ACCEPTED if goes_on else SUCCEEDED, _phrase(reply.status))
    return reply


def begin(tenant: Tenant, call: Call, action: str, resource_id: str, *, caller: str = CALLER_ID) -> LoggedOperation:
    """Record that a write started."""
    operation = LoggedOperation(
        id=tenant.new_id(),
        action=action,
        resource_id=resource_id,
        caller=caller,
        correlation_id=call.headers.get("x-ms-correlation-request-id") or tenant.new_id(),
        method=call.method,
        uri=call.url,
        request_id=call.headers.get("x-ms-client-request-id", ""),
    )
    _record(tenant, operation, STARTED, "", tenant.clock.monotonic())
    return operation


def end(
    tenant: Tenant, operation: LoggedOperation, status: str, sub_status: str, *, moment: float | None = None
) -> None:
    """Record how a write went."""
    _record(tenant, operation, status, sub_status, tenant.clock.monotonic() if moment is None else moment)


def outcome(status: str) -> tuple[str, str]:
    """The log's words for the outcome of a long-running write."""
    return (SUCCEEDED, "OK") if status == "Succeeded" else (FAILED, "Conflict")


def _record(tenant: Tenant, operation: LoggedOperation, status: str, sub_status: str, moment: float) -> None:
    tenant.activity.add(operation, status, record_id=tenant.new_id(), sub_status=sub_status, moment=moment)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")
