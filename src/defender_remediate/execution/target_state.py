"""Reading the target of a step."""

from __future__ import annotations

from typing import Any

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError, NotFoundError
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.plan import RemediationStep

_WAITS = (0.0, 2.0, 8.0, 20.0)
# Types have end states of their own, such as Ready; only what surely is none is waited for.
_MOVING = frozenset(
    {
        "accepted",
        "creating",
        "deleting",
        "deploying",
        "inprogress",
        "pending",
        "provisioning",
        "running",
        "scaling",
        "updating",
    }
)
_FAILED = frozenset({"failed", "canceled", "cancelled"})


def read(reader: Reader, step: RemediationStep) -> Any:
    """The target's body now; None when it does not exist."""
    return read_at(reader, step.target_id, step.api_version)


def read_at(reader: Reader, resource_id: str, api_version: str) -> Any:
    """The body of a resource now; None when it does not exist."""
    try:
        return _body(reader, resource_id, api_version)
    except NotFoundError:
        return None


def _read_again(reader: Reader, step: RemediationStep) -> Any:
    """The target's body after a write; None when it does not exist."""
    try:
        return _body(reader, step.target_id, step.api_version)
    except NotFoundError as error:
        may_be_missing = step.is_removal or step.fingerprint == fingerprint(None, step.dependencies)
        if not (error.code or may_be_missing):
            # Without a code it is not Azure's own word: a gateway that lost its way says 404 as well.
            raise
        return None


def _body(reader: Reader, resource_id: str, api_version: str) -> Any:
    body = reader.get(resource_id, api_version=api_version).body
    if body is None:
        # An empty success says nothing, least of all that there is no such resource.
        raise MalformedResponseError(f"GET {resource_id}: Azure answered success, and no body")
    return body


def read_back(reader: Reader, step: RemediationStep, *, deadline: float) -> Any:
    """The target's body after a write, read until it shows the change or the last wait is over; then ``at_rest``."""
    body: Any = None
    for seconds in _WAITS:
        if seconds:
            reader.clock.sleep(seconds)
        body = _read_again(reader, step)
        if holds(step.compliant_when, body):
            return body
    return at_rest(reader, step, body, deadline=deadline)


def at_rest(reader: Reader, step: RemediationStep, body: Any, *, deadline: float) -> Any:
    """The target's body once it says no more that it is being changed, or as it is at the deadline.

    Args:
        reader: Reads it again, and waits between.
        step: The step.
        body: The body as it was read last.
        deadline: On the reader's clock.
    """
    while is_moving(body) and reader.clock.monotonic() + _WAITS[-1] <= deadline:
        reader.clock.sleep(_WAITS[-1])
        body = _read_again(reader, step)
    return body


def is_moving(body: Any) -> bool:
    """Whether a body says that it is being changed at this moment."""
    return _state(body) in _MOVING


def has_failed(body: Any) -> bool:
    """Whether a body says that the last change of it did not succeed, whatever else it shows."""
    return _state(body) in _FAILED


def _state(body: Any) -> str:
    state = look_up(body, "properties.provisioningState")
    return fold(state) if isinstance(state, str) else ""
