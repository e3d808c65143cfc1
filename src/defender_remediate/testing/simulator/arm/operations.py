"""Writes that take time: their state, and the status pages that a client polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.testing.simulator.arm.errors import error_body, refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

AZURE_ASYNC, LOCATION, BODY, BARE = "azure-async", "location", "body", "bare"
SUCCEEDED, FAILED, CANCELED = "Succeeded", "Failed", "Canceled"


@attrs.frozen(kw_only=True)
class OperationForm:
    """How a write takes its time.

    Attributes:
        form: ``azure-async``: an Azure-AsyncOperation header (a PATCH or DELETE answers 202, a PUT 200 or 201).
            ``location``: 202 and a Location header. ``body``: 200 or 201 with a provisioningState to poll.
            ``bare``: 202 without any header.
        seconds: How long it takes, on the simulator's clock.
        retry_after: What the answers ask a poller to wait; None leaves the header out.
        ends: ``Succeeded``, ``Failed`` or ``Canceled``.
        at_once: A failure shows on the first answer already: HTTP 200 with provisioningState Failed.
        code, message: The error of one that does not succeed.
    """

    form: str = AZURE_ASYNC
    seconds: float = 30.0
    retry_after: int | None = 10
    ends: str = SUCCEEDED
    at_once: bool = False
    code: str = "OperationNotAllowed"
    message: str = "The operation could not be completed."

    @property
    def error(self) -> dict[str, str]:
        """The error member of a status page."""
        return {"code": self.code, "message": self.message}


@attrs.define(kw_only=True)
class RunningOperation:
    """One long-running write.

    Attributes:
        result: Gives the final answer once it has succeeded.
        finish: Called once with the outcome, at the moment it ended.
        step: How many Location answers were given; only the newest of them leads to the result.
    """

    id: str
    slow: OperationForm
    resource_id: str
    started: float
    due: float
    result: Callable[[], Reply]
    finish: Callable[[str, float], None]
    outcome: str = ""
    error: Mapping[str, Any] | None = None
    step: int = 0

    def status_path(self, page: str) -> str:
        """Where a client polls: ``operationStatuses`` or ``operationResults``."""
        target = ids.path_of(self.resource_id)
        namespace = target.namespace if target else "Microsoft.Resources"
        return f"/subscriptions/{ids.subscription_of(self.resource_id)}/providers/{namespace}/locations/global/{page}/{self.id}"


class Operations:
    """Every long-running write of the tenant."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._running: dict[str, RunningOperation] = {}

    def start(self, running: RunningOperation) -> None:
        """Let a write begin."""
        self._running[running.id] = running

    def settle(self) -> None:
        """End what is due."""
        now = self._clock.monotonic()
        for running in self._running.values():
            if not running.outcome and running.due <= now:
                running.outcome = running.slow.ends
                if running.outcome != SUCCEEDED and running.error is None:
                    running.error = running.slow.error
                running.finish(running.outcome, running.due)

    def cancel(self, running: RunningOperation) -> None:
        """Let a write end Canceled, now."""
        running.slow = attrs.evolve(
            running.slow, ends=CANCELED, code="OperationCanceled", message="The operation was canceled."
        )
        running.due = self._clock.monotonic()
        self.settle()

    def status(self, operation_id: str) -> Reply:
        """The Azure-AsyncOperation page: always 200, whatever came of it."""
        running = self._find(operation_id)
        body: dict[str, Any] = {"id": running.status_path("operationStatuses"), "name": running.id}
        body["status"] = running.outcome or "InProgress"
        body["startTime"] = self._clock.at(running.started).strftime("%Y-%m-%dT%H:%M:%SZ")
        if running.outcome:
            body["endTime"] = self._clock.at(running.due).strftime("%Y-%m-%dT%H:%M:%SZ")
        if running.error is not None:
            body["error"] = running.error
        return Reply.json(body, headers={} if running.outcome else _retry(running.slow))

    def location(self, call: Call, operation_id: str) -> Reply:
        """The Location page: 202 with a newer Location while it runs, then the answer itself."""
        running = self._find(operation_id)
        if not running.outcome or int(call.query.get("step", "0")) < running.step:
            running.step += 0 if running.outcome else 1
            return Reply(status=202, headers={**self.location_header(call, running), **_retry(running.slow)})
        if running.outcome == SUCCEEDED:
            return running.result()
        return Reply.json({"error": running.error}, status=409)

    def location_header(self, call: Call, running: RunningOperation) -> dict[str, str]:
        """The newest Location of an operation."""
        path = running.status_path("operationResults")
        return {"Location": f"{call.base}{path}?api-version={call.api_version}&step={running.step}"}

    def async_header(self, call: Call, running: RunningOperation) -> dict[str, str]:
        """The Azure-AsyncOperation header of an operation."""
        path = running.status_path("operationStatuses")
        return {"Azure-AsyncOperation": f"{call.base}{path}?api-version={call.api_version}"}

    def first_reply(self, call: Call, running: RunningOperation, shown: Reply) -> Reply:
        """What the write itself answers, in the form it was asked to take.

        Args:
            call: The request.
            running: The write.
            shown: The resource as it is while the write runs.
        """
        headers: dict[str, str] = _retry(running.slow)
        form = running.slow.form
        if form == BODY:
            return shown.plus(**headers)
        if form == BARE:
            return Reply(status=202)
        if form == AZURE_ASYNC:
            headers = {**headers, **self.async_header(call, running)}
            if call.method == "PUT":
                return attrs.evolve(shown, headers={**shown.headers, **headers})
        return Reply(status=202, headers={**headers, **self.location_header(call, running)})

    def _find(self, operation_id: str) -> RunningOperation:
        running = self._running.get(operation_id)
        if running is None:
            raise refusal("OperationNotFound", operation=operation_id)
        return running


def _retry(slow: OperationForm) -> dict[str, str]:
    return {} if slow.retry_after is None else {"Retry-After": str(slow.retry_after)}


def deployment_error(details: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The error of a failed deployment: the inner ones are inside, as JSON text."""
    body: dict[str, Any] = error_body("DeploymentFailed")["error"]
    body["details"] = list(details)
    return body
