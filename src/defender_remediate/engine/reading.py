"""Reading the target of a step."""

from __future__ import annotations

from typing import Any

from defender_remediate.arm.reader import Reader
from defender_remediate.errors import NotFoundError, ProviderNotRegisteredError
from defender_remediate.models.plan import RemediationStep
from defender_remediate.planning.compliance import holds

_WAITS = (0.0, 2.0, 8.0, 20.0)


def read(reader: Reader, step: RemediationStep) -> Any:
    """The target's body now; None when it does not exist."""
    try:
        return reader.get(step.target_id, api_version=step.api_version).body
    except ProviderNotRegisteredError:
        raise
    except NotFoundError:
        return None


def read_back(reader: Reader, step: RemediationStep) -> Any:
    """The target's body after a write, read until it shows the change or the last wait is over."""
    body: Any = None
    for seconds in _WAITS:
        if seconds:
            reader.clock.sleep(seconds)
        body = read(reader, step)
        if holds(step.compliant_when, body):
            break
    return body
