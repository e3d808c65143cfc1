"""Long-running operations: their state, and the status pages that a client polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.function_copies import copied_function
from defender_remediate.testing.simulator.state.types import CREATE, PATCH, ResourceType
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

AZURE_ASYNC, LOCATION, BODY, BARE = "azure-async", "location", "body", "bare"
SUCCEEDED, FAILED, CANCELED = "Succeeded", "Failed", "Canceled"


@attrs.frozen(kw_only=True)
class OperationForm:
    """How a write becomes a long-running operation.

    Attributes:
        form: ``azure-async``: an Azure-AsyncOperation header (a PATCH or DELETE is answered with 202, a PUT with 200 or
            201). ``location``: 202 and a Location header. ``body``: 200 or 201 with a provisioningState to poll.
            ``bare``: 202 without any header.
        seconds: The duration on the simulator's clock.
        retry_after: The Retry-After of the answers; None for none.
        ends: ``Succeeded``, ``Failed`` or ``Canceled``.
        at_once: Whether the first answer already shows a failure: HTTP 200 with provisioningState Failed.
        code, message: The error of an operation that does not succeed.
        status: The status of the first answer; None for that of the form.
        with_location: Whether a Location header comes with Azure-AsyncOperation; None for with a 202 only.
        state: The provisioningState while the operation runs; None for ``Creating`` or ``Updating``.
    """

    form: str = AZURE_ASYNC
    seconds: float = 30.0
    retry_after: int | None = 10
    ends: str = SUCCEEDED
    at_once: bool = False
    code: str = "OperationNotAllowed"
    message: str = "The operation could not be completed."
    status: int | None = None
    with_location: bool | None = None
    state: str | None = None

    @property
    def error(self) -> dict[str, str]:
        """The error member of a status page."""
        return {"code": self.code, "message": self.message}

    def failing(self, error: Mapping[str, str]) -> OperationForm:
        """Returns the form of the same operation that ends with an error."""
        return attrs.evolve(self, ends=FAILED, code=error["code"], message=error["message"])


def usual_form(resource_type: ResourceType, answer: list[str]) -> OperationForm | None:
    """Returns the form of an answer of a type, as ``ResourceType.answer_to`` returns it; None if the write ends at once."""
    status, *rest = answer
    if not rest:
        return None
    headers, state = rest[0], rest[1] if len(rest) > 1 else None
    return OperationForm(
        form=AZURE_ASYNC if "A" in headers else LOCATION if headers == "L" else BODY,
        seconds=resource_type.seconds,
        retry_after=resource_type.retry_after,
        status=int(status),
        with_location="L" in headers,
        state=state,
    )


def write_of(method: str, *, exists: bool) -> str:
    """Returns whether a request is a ``create``, an ``update`` or a ``patch``."""
    if method == "PATCH":
        return PATCH
    return "update" if exists else CREATE


@attrs.define(kw_only=True)
class RunningOperation:
    """One long-running operation.

    Attributes:
        result: Returns the final answer once it has succeeded.
        finish: Called once with the outcome and the moment when it ended.
        outcome: How it ended; None while it runs.
        step: How many Location answers were given; only the newest of them leads to the result.
        began: When it was started, as Azure writes it.
    """

    id: str
    form: OperationForm
    resource_id: str
    started: float
    due: float
    result: Callable[[], Reply]
    finish: Callable[[str, float], None]
    outcome: str | None = None
    error: Mapping[str, Any] | None = None
    step: int = 0
    began: str = ""

    def __deepcopy__(self, memo: dict[int, Any]) -> RunningOperation:
        # Its functions change the tenant that started it; those of a copy change the copy.
        made = RunningOperation.__new__(RunningOperation)
        memo[id(self)] = made
        for field in attrs.fields(RunningOperation):
            value = getattr(self, field.name)
            setattr(made, field.name, copied_function(value, memo) if callable(value) else deepcopy(value, memo))
        return made

    def status_path(self, page: str) -> str:
        """Returns where a client polls: ``operationStatuses`` or ``operationResults``."""
        path = ids.path_of(self.resource_id)
        namespace = path.namespace if path else "Microsoft.Resources"
        subscription = ids.subscription_of(self.resource_id)
        head = f"/subscriptions/{subscription}" if subscription else ""
        return f"{head}/providers/{namespace}/locations/global/{page}/{self.id}"


MOST_OPERATIONS = 10_000


class Operations:
    """Every long-running operation of the tenant.

    Attributes:
        ended: How many have ended.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._known: dict[str, RunningOperation] = {}
        self._running: list[RunningOperation] = []
        self.ended = 0

    def start(
        self,
        operation_id: str,
        form: OperationForm,
        resource_id: str,
        *,
        finish: Callable[[str, float], None],
        result: Callable[[], Reply] = lambda: Reply(status=200),
    ) -> RunningOperation:
        """Starts an operation, which ends after the seconds of its form."""
        now = self._clock.monotonic()
        running = RunningOperation(
            id=operation_id,
            form=form,
            resource_id=resource_id,
            started=now,
            due=now + form.seconds,
            result=result,
            finish=finish,
            began=self._clock.timestamp(now),
        )
        if len(self._known) >= MOST_OPERATIONS:
            self._forget()
        self._known[running.id] = running
        self._running.append(running)
        return running

    def _forget(self) -> None:
        """Forgets the oldest operations that have ended; Azure, too, shows them for a limited time only."""
        ended = [name for name, one in self._known.items() if one.outcome is not None]
        for name in ended[: max(1, MOST_OPERATIONS // 10)]:
            del self._known[name]

    def settle(self) -> None:
        """Ends every operation that is due."""
        if not self._running:
            return
        now = self._clock.monotonic()
        for running in list(self._running):
            if running.due <= now:
                self._running.remove(running)
                running.outcome = running.form.ends
                if running.outcome != SUCCEEDED and running.error is None:
                    running.error = running.form.error
                self.ended += 1
                running.finish(running.outcome, running.due)

    def end_all(self) -> None:
        """Ends every operation now, as it would end later."""
        for running in self._running:
            running.due = min(running.due, self._clock.monotonic())
        self.settle()

    def cancel(self, running: RunningOperation) -> None:
        """Ends an operation as Canceled, now."""
        running.form = attrs.evolve(
            running.form, ends=CANCELED, code="OperationCanceled", message="The operation was canceled."
        )
        running.due = self._clock.monotonic()
        self.settle()

    def status(self, operation_id: str) -> Reply:
        """Returns the Azure-AsyncOperation page: always 200, however the operation ended."""
        running = self._find(operation_id)
        body: dict[str, Any] = {"id": running.status_path("operationStatuses"), "name": running.id}
        body["status"] = running.outcome or "InProgress"
        body["startTime"] = self._clock.at(running.started).strftime("%Y-%m-%dT%H:%M:%SZ")
        if running.outcome is not None:
            body["endTime"] = self._clock.at(running.due).strftime("%Y-%m-%dT%H:%M:%SZ")
        if running.error is not None:
            body["error"] = running.error
        return Reply.json(body, headers={} if running.outcome else _retry_header(running.form))

    def location(self, call: Call, operation_id: str) -> Reply:
        """Returns the Location page: 202 with a newer Location while it runs, then the final answer."""
        running = self._find(operation_id)
        if running.outcome is None or int(call.query.get("step", "0")) < running.step:
            running.step += 1 if running.outcome is None else 0
            return Reply(status=202, headers={**location_header(call, running), **_retry_header(running.form)})
        if running.outcome == SUCCEEDED:
            return running.result()
        return Reply.json({"error": running.error}, status=409)

    def _find(self, operation_id: str) -> RunningOperation:
        running = self._known.get(operation_id)
        if running is None:
            raise refusal("OperationNotFound", operation=operation_id)
        return running


def first_reply(call: Call, running: RunningOperation, shown: Reply) -> Reply:
    """Returns the answer to the write that started an operation.

    Args:
        call: The request.
        running: The operation.
        shown: The resource while the operation runs, with the status of a write that ends at once.
    """
    form = running.form
    if form.form == BARE:
        return Reply(status=202)
    headers = _retry_header(form)
    if form.form == BODY:
        return attrs.evolve(shown, status=form.status or shown.status, headers={**shown.headers, **headers})
    status = form.status or (shown.status if form.form == AZURE_ASYNC and call.method == "PUT" else 202)
    if form.form == AZURE_ASYNC:
        headers.update(async_header(call, running))
    if form.form == LOCATION or (status == 202 if form.with_location is None else form.with_location):
        headers.update(location_header(call, running))
    if status == 202:
        return _accepted(running, shown, headers)
    return attrs.evolve(shown, status=status, headers={**shown.headers, **headers})


def _accepted(running: RunningOperation, shown: Reply, headers: Mapping[str, str]) -> Reply:
    """A 202 as each type was recorded to answer it: with the operation, with the resource, or without a body."""
    target = ids.path_of(running.resource_id)
    operations = _operation_names()
    kind = fold(target.type) if target else ""
    if kind not in operations:
        return Reply(status=202, headers=headers)
    if operations[kind] is None:
        return attrs.evolve(shown, status=202, headers={**shown.headers, **headers})
    return Reply.json({"operation": operations[kind], "startTime": running.began}, status=202, headers=headers)


@cache
def _operation_names() -> Mapping[str, str | None]:
    return {fold(name): operation for name, operation in facts("accepted").items()}


def async_header(call: Call, running: RunningOperation) -> dict[str, str]:
    """Returns the Azure-AsyncOperation header of an operation."""
    path = running.status_path("operationStatuses")
    return {"Azure-AsyncOperation": f"{call.base}{path}?api-version={call.api_version}"}


def location_header(call: Call, running: RunningOperation) -> dict[str, str]:
    """Returns the newest Location header of an operation."""
    path = running.status_path("operationResults")
    return {"Location": f"{call.base}{path}?api-version={call.api_version}&step={running.step}"}


def _retry_header(form: OperationForm) -> dict[str, str]:
    return {} if form.retry_after is None else {"Retry-After": str(form.retry_after)}
