"""Reading the target of a step."""

from __future__ import annotations

from typing import Any

from defender_remediate.arm.reader import Reader
from defender_remediate.errors import NotFoundError, ProviderNotRegisteredError
from defender_remediate.models.plan import RemediationStep
from defender_remediate.planning.compliance import holds
from defender_remediate.planning.paths import look_up

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


def read(reader: Reader, step: RemediationStep) -> Any:
    """The target's body now; None when it does not exist."""
    return read_at(reader, step.target_id, step.api_version)


def read_at(reader: Reader, resource_id: str, api_version: str) -> Any:
    """The body of a resource now; None when it does not exist."""
    try:
        return reader.get(resource_id, api_version=api_version).body
    except ProviderNotRegisteredError:
        raise
    except NotFoundError:
        return None


def read_back(reader: Reader, step: RemediationStep, *, deadline: float) -> Any:
    """The target's body after a write, read until it shows the change or the last wait is over.

    A target that says that it is being changed is read on until the deadline, on the reader's clock.
    """
    body: Any = None
    for seconds in _WAITS:
        if seconds:
            reader.clock.sleep(seconds)
        body = read(reader, step)
        if holds(step.compliant_when, body):
            return body
    while is_moving(body) and reader.clock.monotonic() + _WAITS[-1] <= deadline:
        reader.clock.sleep(_WAITS[-1])
        body = read(reader, step)
    return body


def is_moving(body: Any) -> bool:
    """Whether a body says that it is being changed at this moment."""
    state = look_up(body, "properties.provisioningState")
    return isinstance(state, str) and state.casefold() in _MOVING
