"""Records writes in the activity log."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from defender_remediate.testing.simulator.authorization.roles import CALLER_APP_ID, CALLER_ID
from defender_remediate.testing.simulator.monitor.state import ACCEPTED, FAILED, STARTED, SUCCEEDED, LoggedOperation
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

Work = Callable[[LoggedOperation], tuple[Reply, bool]]
"""Does a write; the second value says whether it continues after the answer."""


def logged(tenant: Tenant, call: Call, action: str, resource_id: str, work: Work) -> Reply:
    """Does a write and records it: Started and Succeeded or Failed, or Accepted if it continues."""
    operation = begin(tenant, call, action, resource_id)
    try:
        with tenant.changes.by(operation):
            reply, goes_on = work(operation)
    except ArmError as error:
        end(tenant, operation, FAILED, _phrase(error.reply.status))
        raise
    end(tenant, operation, ACCEPTED if goes_on else SUCCEEDED, _phrase(reply.status))
    return reply


def begin(
    tenant: Tenant,
    call: Call,
    action: str,
    resource_id: str,
    *,
    caller: str = CALLER_ID,
    caller_type: str = "Application",
    client: str = CALLER_APP_ID,
) -> LoggedOperation:
    """Records that a write started."""
    operation = LoggedOperation(
        id=tenant.new_id(),
        action=action,
        resource_id=resource_id,
        caller=caller,
        correlation_id=call.headers.get("x-ms-correlation-request-id") or tenant.new_id(),
        method=call.method,
        uri=call.url,
        request_id=call.headers.get("x-ms-client-request-id", ""),
        caller_type=caller_type,
        client=client,
    )
    _record(tenant, operation, STARTED, "", tenant.clock.monotonic())
    return operation


def end(
    tenant: Tenant, operation: LoggedOperation, status: str, sub_status: str, *, moment: float | None = None
) -> None:
    """Records how a write ended."""
    _record(tenant, operation, status, sub_status, tenant.clock.monotonic() if moment is None else moment)


def outcome(status: str) -> tuple[str, str]:
    """Returns status and substatus of a long-running write that ended."""
    return (SUCCEEDED, "OK") if status == "Succeeded" else (FAILED, "Conflict")


def _record(tenant: Tenant, operation: LoggedOperation, status: str, sub_status: str, moment: float) -> None:
    tenant.activity.add(operation, status, record_id=tenant.new_id(), sub_status=sub_status, moment=moment)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")
