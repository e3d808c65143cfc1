"""Long-running operations, in every form that Azure Resource Manager has for them.

======================================  ==================================================================
First answer                            What is asked until it ends
======================================  ==================================================================
with ``Azure-AsyncOperation``           that URL: always 200, and only ``status`` in the body counts
202 with ``Location``                   that URL: 202 while it runs, then the final answer
200, 201 with a ``provisioningState``   the resource, until the state is Succeeded, Failed or Canceled
202 with neither header                 the same; a resource that is to be removed has ended when it is gone
======================================  ==================================================================

The newest link and the newest ``Retry-After`` count at every step; without ``Retry-After`` 30 seconds pass between two
questions. A question that fails says nothing about the operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import attrs

from defender_remediate import wire
from defender_remediate.arm.bodies import retry_after
from defender_remediate.arm.errors import error_from_operation
from defender_remediate.arm.reader import Reader
from defender_remediate.arm.session import ArmResponse
from defender_remediate.casing import fold
from defender_remediate.errors import (
    DefenderRemediateError,
    NotFoundError,
    OperationFailedError,
    OperationTimeoutError,
    PolicyViolationError,
    RequestError,
)

FinalVia = Literal["resource", "location"]
_OPERATION, _LOCATION = "azure-asyncoperation", "location"
_DEFAULT_DELAY = 30.0
# Azure may say Retry-After: 0; asking without a pause would only use up the allowance for reads.
_SHORTEST_DELAY = 0.5
_ASKED_IN_VAIN = 3
_ENDED_BADLY = frozenset({"failed", "canceled", "cancelled"})
_ENDED = _ENDED_BADLY | {"succeeded"}
# At a Location these say that the question failed; any other 4xx is the operation's own answer.
_NO_ANSWER = frozenset({401, 403, 404, 408, 429})
_HINT = "it goes on in Azure, or has ended there: read the resource before anything is sent again"


@attrs.frozen(kw_only=True)
class _Watch:
    """An operation that is being waited for."""

    session: Reader
    method: str
    path: str
    api_version: str
    deadline: float
    final_via: FinalVia

    def read_resource(self) -> ArmResponse:
        return self.session.get(self.path, api_version=self.api_version)


@attrs.frozen(kw_only=True)
class _Link:
    """Where an operation is asked about.

    Attributes:
        header: The answer's header that has the next link, when there is a newer one.
        has_status: Whether the body has to have a ``status``.
        refusal_is_answer: Whether a 4xx is how the operation ended.
    """

    url: str
    header: str
    has_status: bool = False
    refusal_is_answer: bool = False


def wait_for(
    session: Reader,
    response: ArmResponse,
    *,
    path: str,
    api_version: str,
    timeout: float,
    final_via: FinalVia = "resource",
) -> ArmResponse:
    """Wait until the operation that an answer began has ended, and give its result.

    An answer that began none is given back as it is.

    Args:
        session: What to ask with.
        response: The first answer.
        path: The resource: where the result is, and what is asked when the answer names no URL.
        api_version: Of the resource.
        timeout: Seconds. When Azure wants to be asked again only after they are over, this raises at once.
        final_via: Where the result is: at the resource, or at the ``Location``.

    Raises:
        OperationFailedError: It ended Failed or Canceled, under whatever HTTP status.
        OperationTimeoutError: It did not end in time, or three questions in a row failed: how it ends is unknown.
    """
    watch = _Watch(
        session=session,
        method=response.method,
        path=path,
        api_version=api_version,
        deadline=session.clock.monotonic() + timeout,
        final_via=final_via,
    )
    _refuse_failure(watch, response, _provisioning_state(response))
    link = _link_of(response)
    if link is not None:
        return _result(watch, response, _until_ended(watch, link, response), link)
    if response.status == 202:
        response = _ask(watch, watch.read_resource, _delay_after(watch, response))
    return _until_settled(watch, response)


def _link_of(response: ArmResponse) -> _Link | None:
    operation, location = (str(response.headers.get(name, "")) for name in (_OPERATION, _LOCATION))
    if operation:
        return _Link(url=operation, header=_OPERATION, has_status=True)
    # On 200 and 201 a Location is where the resource is, not where the operation is.
    if location and response.status == 202:
        return _Link(url=location, header=_LOCATION, refusal_is_answer=True)
    return None


def _until_ended(watch: _Watch, link: _Link, answer: ArmResponse) -> ArmResponse:
    while True:
        url = str(answer.headers.get(link.header, "")) or link.url
        link = attrs.evolve(link, url=url)
        answer = _ask(watch, partial(watch.session.follow, url), _delay_after(watch, answer), link)
        if _has_ended(watch, link, answer):
            return answer


def _has_ended(watch: _Watch, link: _Link, answer: ArmResponse) -> bool:
    state = wire.text(answer.body, "status") if isinstance(answer.body, Mapping) else ""
    _refuse_failure(watch, answer, state)
    if state or link.has_status:
        return fold(state) in _ENDED
    return answer.status != 202


def _result(watch: _Watch, first: ArmResponse, last: ArmResponse, link: _Link) -> ArmResponse:
    location = str(first.headers.get(_LOCATION, ""))
    if watch.method == "DELETE":
        return last
    if watch.final_via == "resource":
        return _until_settled(watch, _ask(watch, watch.read_resource, 0.0))
    if link.header == _LOCATION or not location:
        return last
    place = _Link(url=location, header=_LOCATION)
    answer = _ask(watch, lambda: watch.session.follow(location), 0.0)
    return answer if _has_ended(watch, place, answer) else _until_ended(watch, place, answer)


def _until_settled(watch: _Watch, answer: ArmResponse) -> ArmResponse:
    while True:
        state = _provisioning_state(answer)
        _refuse_failure(watch, answer, state)
        if not state or fold(state) in _ENDED:
            return answer
        answer = _ask(watch, watch.read_resource, _delay_after(watch, answer))


def _ask(watch: _Watch, read: Callable[[], ArmResponse], delay: float, link: _Link | None = None) -> ArmResponse:
    failed: DefenderRemediateError | None = None
    for _ in range(_ASKED_IN_VAIN):
        _pause(watch, delay)
        answer = _answer_of(read)
        if isinstance(answer, ArmResponse):
            return answer
        if watch.method == "DELETE" and link is None and _is_gone(answer):
            return ArmResponse(status=204, headers={}, body=None, request_id="", url=watch.path, method="DELETE")
        failed = answer
        if link is not None and link.refusal_is_answer and isinstance(answer, RequestError) and _is_answer(answer):
            raise _failure_from(watch, answer) from answer
        delay = max(_SHORTEST_DELAY, getattr(answer, "retry_after", None) or _DEFAULT_DELAY)
    raise OperationTimeoutError(
        f"what became of the operation behind {watch.method} {watch.path} is unknown: asking failed: {failed}",
        hint=_HINT,
    ) from failed


def _answer_of(read: Callable[[], ArmResponse]) -> ArmResponse | DefenderRemediateError:
    try:
        return read()
    except DefenderRemediateError as error:
        return error


def _pause(watch: _Watch, seconds: float) -> None:
    clock = watch.session.clock
    if clock.monotonic() + seconds > watch.deadline:
        raise OperationTimeoutError(
            f"the operation behind {watch.method} {watch.path} did not end in time; "
            f"Azure wants to be asked again in {seconds:.0f} s",
            hint=_HINT,
        )
    if seconds:
        clock.sleep(seconds)


def _delay_after(watch: _Watch, answer: ArmResponse) -> float:
    asked = retry_after(answer.headers, watch.session.clock.now())
    return max(_SHORTEST_DELAY, _DEFAULT_DELAY if asked is None else asked)


def _provisioning_state(answer: ArmResponse) -> str:
    properties = wire.pick(answer.body, "properties")
    return wire.text(properties, "provisioningState") if isinstance(properties, Mapping) else ""


def _refuse_failure(watch: _Watch, answer: ArmResponse, state: str) -> None:
    if fold(state) in _ENDED_BADLY:
        raise error_from_operation(
            answer.body, answer.headers, status=answer.status, state=state, method=watch.method, url=watch.path
        )


def _is_gone(error: DefenderRemediateError) -> bool:
    return isinstance(error, NotFoundError)


def _is_answer(error: RequestError) -> bool:
    return isinstance(error, PolicyViolationError) or (400 <= error.status < 500 and error.status not in _NO_ANSWER)


def _failure_from(watch: _Watch, error: RequestError) -> OperationFailedError:
    return OperationFailedError(
        f"the operation behind {watch.method} {watch.path} failed: {error.message}",
        status=error.status,
        code=error.code,
        method=watch.method,
        url=error.url,
        request_id=error.request_id,
        details=error.details,
        hint=error.hint,
    )
