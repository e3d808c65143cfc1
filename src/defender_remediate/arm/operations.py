"""Waits for long-running operations, in every form that Azure Resource Manager uses.

=======================================  =================================================================
First answer                             What is polled until it ends
=======================================  =================================================================
with ``Azure-AsyncOperation``            that URL; ``status`` in the body counts
202 with ``Location``                    that URL: 202 while it runs, then the final answer
200, 201 with a ``provisioningState``    the resource, until it is in a final state
another status without a link            the same; a resource that is removed has ended when it is gone
=======================================  =================================================================

The newest link counts at every step. The first question is asked early, and the newest ``Retry-After``, or else 30 seconds,
is the longest time between two of them: see ``operation_pace``. A poll that fails says nothing about the operation. A final status page without a status, or one that is the
resource itself, ends the operation; if the status is unknown, the resource is read to find out whether the operation
has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from defender_remediate import wire
from defender_remediate.arm.bodies import retry_after
from defender_remediate.arm.errors import error_from_operation
from defender_remediate.arm.operation_pace import WatchedOperation
from defender_remediate.arm.reader import Reader
from defender_remediate.arm.response import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.errors import (
    BusyError,
    CallTimeoutError,
    DefenderRemediateError,
    MalformedResponseError,
    NotFoundError,
    OperationBusyError,
    OperationFailedError,
    OperationTimeoutError,
    PolicyViolationError,
    RequestError,
)
from defender_remediate.pauses import Pause, Waits
from defender_remediate.threads import wait_on_this_thread

FinalVia = Literal["resource", "location", "status"]
_OPERATION, _LOCATION = "azure-asyncoperation", "location"
_DEFAULT_DELAY = 30.0
_SHORTEST_DELAY = 0.5
# While others of its kind may show how long it takes, an operation looks at that this often, without a request.
_LEARNING = 1.0
_FAILED_POLLS = 3
# The resource is read once per this number of polls with an unknown status, and this often in total.
_POLLS_PER_LOOK = 3
_LOOKS = 5
_SUCCEEDED = frozenset({"succeeded", "success", "completed", "complete", "finished", "done", "ok"})
_FAILED = frozenset(
    {"failed", "canceled", "cancelled", "failure", "faulted", "error", "aborted", "timedout", "rejected"}
)
_RUNNING = frozenset({"inprogress", "accepted", "queued", "enqueued", "dequeued"})
# At a Location these say that the poll failed; any other 4xx is the operation's own answer.
_NO_ANSWER = frozenset({401, 403, 404, 408, 429})
_HINT = "the operation may still be running in Azure: read the resource before you send anything again"


def wait_for(
    session: Reader,
    response: ArmResponse,
    *,
    path: str,
    api_version: str,
    timeout: float,
    final_via: FinalVia = "resource",
) -> ArmResponse:
    """Wait on this thread until the operation that a response started has ended, and return its result.

    A response that started none is returned unchanged.

    Args:
        session: Reads the status and the resource.
        response: The first answer.
        path: The resource, which is the result, and is polled when the response names no URL.
        api_version: Of the resource.
        timeout: Seconds. If Azure asks for the next poll after the time limit, this raises at once.
        final_via: Whether the result is at the resource or at the ``Location``, or is the status of the operation, if it says
            that it has succeeded.

    Raises:
        OperationFailedError: It ended Failed or Canceled, whatever the HTTP status; an OperationBusyError if another
            operation was running.
        OperationTimeoutError: It did not end in time, or three polls in a row failed. Its outcome is unknown.
    """
    operation = follow(session, response, path=path, api_version=api_version, timeout=timeout, final_via=final_via)
    return wait_on_this_thread(operation, session.clock)


def follow(
    session: Reader,
    response: ArmResponse,
    *,
    path: str,
    api_version: str,
    timeout: float,
    final_via: FinalVia = "resource",
) -> Waits[ArmResponse]:
    """The same as ``wait_for``, without a thread that waits."""
    operation = _Operation(
        session=session,
        method=response.method,
        path=path,
        api_version=api_version,
        deadline=session.clock.monotonic() + timeout,
    )
    operation.raise_if_failed(response, _provisioning_state(response.body))
    link, location = (str(response.headers.get(name) or "") for name in (_OPERATION, _LOCATION))
    last = response
    if link:
        last = yield from operation.poll(link, response, is_location=False)
    elif location and response.status == 202:
        last = yield from operation.poll(location, response, is_location=True)

    if last is not response:
        operation.end()
    if final_via == "location":
        if link and location:
            # The operation's URL has told the state; the result may take a moment longer.
            return (yield from operation.poll(location, last, is_location=True, delay=0.0))
        return last
    if response.method == "DELETE" and (last is not response or response.status != 202):
        return last
    if last is not response:
        if final_via == "status" and fold(_state(last.body) or "") in _SUCCEEDED:
            return last
        last = yield from operation.read_resource(0.0)
    elif response.status not in (200, 201):
        if response.status == 202:
            yield from operation.wait_to_ask(response)
        last = yield from operation.read_resource(0.0)
    last = yield from operation.poll_resource(last)
    operation.end()
    return last


@attrs.define(kw_only=True)
class _Operation:
    """An operation that is being waited for.

    Attributes:
        method: Of the request that began it.
        path: The resource that it changes.
        deadline: When waiting ends, on the session's clock.
    """

    session: Reader
    method: str
    path: str
    api_version: str
    deadline: float
    watched: WatchedOperation | None = None

    def poll(
        self, link: str, answer: ArmResponse, *, is_location: bool, delay: float | None = None
    ) -> Waits[ArmResponse]:
        """Poll the URL of a response until the operation has ended; returns the last response."""
        header = _LOCATION if is_location else _OPERATION
        failures = unknown = 0
        while True:
            if delay is None:
                yield from self.wait_to_ask(answer)
            else:
                yield from self.pause(delay)
            try:
                answer = self.session.get_url(link)
            except DefenderRemediateError as error:
                failures += 1
                resource = yield from self._resource_after_failed_poll(error, failures, is_location=is_location)
                if resource:
                    return resource
                delay = max(_SHORTEST_DELAY, getattr(error, "retry_after", None) or _DEFAULT_DELAY)
                continue
            failures, delay = 0, None
            link = str(answer.headers.get(header) or "") or link
            state = _state(answer.body)
            self.raise_if_failed(answer, state)
            if answer.status != 202 and (state is None or fold(state) in _SUCCEEDED):
                return answer
            if state is not None and not _is_running(state):
                unknown += 1
                resource = (yield from self._resource_in_final_state()) if unknown % _POLLS_PER_LOOK == 0 else None
                if resource or unknown == _POLLS_PER_LOOK * _LOOKS:
                    return resource or answer

    def _resource_after_failed_poll(
        self, error: DefenderRemediateError, failures: int, *, is_location: bool
    ) -> Waits[ArmResponse | None]:
        """The resource if it shows that the operation has ended; None if the poll has to be repeated."""
        if isinstance(error, CallTimeoutError):
            raise error
        is_answer = isinstance(error, PolicyViolationError) or (
            isinstance(error, RequestError) and 400 <= error.status < 500 and error.status not in _NO_ANSWER
        )
        if is_location and is_answer and isinstance(error, RequestError):
            is_busy = isinstance(error, BusyError)
            raise (OperationBusyError if is_busy else OperationFailedError)(
                f"the operation behind {self.method} {self.path} failed: {error.message}",
                status=error.status,
                code=error.code,
                method=self.method,
                url=error.url,
                request_id=error.request_id,
                details=error.details,
                hint=error.hint,
            ) from error
        # Azure has forgotten the operation, or names a link that cannot be followed.
        is_lost = isinstance(error, (NotFoundError, MalformedResponseError))
        resource = (yield from self._resource_in_final_state()) if is_lost else None
        if resource is None and failures == _FAILED_POLLS:
            raise self._unknown(error) from error
        return resource

    def poll_resource(self, answer: ArmResponse) -> Waits[ArmResponse]:
        """Read the resource until it is in a final state; returns the last response.

        An unknown state that does not change counts as final.
        """
        unknown = 0
        while True:
            state = _provisioning_state(answer.body)
            self.raise_if_failed(answer, state)
            if state is None or fold(state) in _SUCCEEDED or unknown == _POLLS_PER_LOOK * _LOOKS:
                return answer
            unknown = 0 if _is_running(state) else unknown + 1
            yield from self.wait_to_ask(answer)
            answer = yield from self.read_resource(0.0)

    def read_resource(self, delay: float) -> Waits[ArmResponse]:
        """Read the resource after a pause. For a DELETE, a missing resource is a valid result."""
        failed: DefenderRemediateError | None = None
        for _ in range(_FAILED_POLLS):
            yield from self.pause(delay)
            try:
                return self.session.get(self.path, api_version=self.api_version)
            except CallTimeoutError:
                raise
            except DefenderRemediateError as error:
                if self.method == "DELETE" and isinstance(error, NotFoundError):
                    return ArmResponse(
                        status=204, headers={}, body=None, request_id="", url=self.path, method=self.method
                    )
                failed = error
                delay = max(_SHORTEST_DELAY, getattr(error, "retry_after", None) or _DEFAULT_DELAY)
        raise self._unknown(failed) from failed

    def wait_to_ask(self, answer: ArmResponse) -> Waits[None]:
        """Wait until it is time for the next question after an answer.

        Raises:
            OperationTimeoutError: The next question would come too late.
        """
        clock = self.session.clock
        since = clock.monotonic()
        asked = retry_after(answer.headers, clock.now())
        if self.watched is None:
            self.watched = self.session.operation_pace.begin(f"{self.method} {_kind(self.path)}", since)
        watched = self.watched
        while (seconds := watched.seconds_until_question(since, clock.monotonic(), asked)) > 0:
            if watched.may_change:
                left = self.deadline - clock.monotonic()
                seconds = min(seconds, _LEARNING, left) if left > 0 else seconds
            yield from self.pause(seconds)
        watched.ask()

    def end(self) -> None:
        """Note how long the operation took."""
        if self.watched is not None:
            self.watched.end(self.session.clock.monotonic())
            self.watched = None

    def pause(self, seconds: float) -> Waits[None]:
        """Wait before the next poll.

        Raises:
            OperationTimeoutError: The next poll would come too late.
        """
        if self.session.clock.monotonic() + seconds > self.deadline:
            raise OperationTimeoutError(
                f"the operation behind {self.method} {self.path} did not end in time; "
                f"the next poll would be {seconds:.0f} s later, after the end of the time limit",
                hint=_HINT,
            )
        if seconds:
            yield Pause(seconds)

    def raise_if_failed(self, answer: ArmResponse, state: str | None) -> None:
        """Raise an error if a final state is a failure."""
        if state is not None and fold(state) in _FAILED:
            raise error_from_operation(
                answer.body, answer.headers, status=answer.status, state=state, method=self.method, url=self.path
            )

    def _resource_in_final_state(self) -> Waits[ArmResponse | None]:
        """The resource if it reports a final state; None otherwise."""
        if self.method == "POST":
            return None
        try:
            answer = yield from self.read_resource(0.0)
        except OperationTimeoutError:
            return None
        state = _provisioning_state(answer.body)
        self.raise_if_failed(answer, state)
        is_over = answer.status == 204 or (state is not None and fold(state) in _SUCCEEDED)
        return answer if is_over else None

    def _unknown(self, failed: DefenderRemediateError | None) -> OperationTimeoutError:
        return OperationTimeoutError(
            f"the outcome of the operation behind {self.method} {self.path} is unknown: polling failed: {failed}",
            hint=_HINT,
        )


def _provisioning_state(body: Any) -> str | None:
    properties = wire.pick(body, "properties")
    return wire.text(properties, "provisioningState") or None if isinstance(properties, Mapping) else None


def _state(body: Any) -> str | None:
    """The status on a status page, or the provisioning state on a page that is the resource."""
    status = wire.text(body, "status") if isinstance(body, Mapping) else ""
    return status or _provisioning_state(body)


def _kind(path: str) -> str:
    """The provider and the type in a path, and not whose it is."""
    below = fold(path).rpartition("/providers/")[2].split("/")
    return "/".join((below[0], *below[1::2]))


def _is_running(state: str) -> bool:
    # Providers have words of their own: "Updating", "CreatingAgentPools: 0/1 nodes", "InProgress:{...}".
    word = state.partition(":")[0].strip()
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in word)
    return fold(word) in _RUNNING or any(part.endswith("ing") for part in (fold(word), *spaced.split()))
