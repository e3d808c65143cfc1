"""That Azure accepted a request: its first answer, as the journal keeps it and as a resume continues from it."""

from __future__ import annotations

from datetime import datetime

from defender_remediate.arm.session import ArmResponse
from defender_remediate.journal import StepAccepted
from defender_remediate.models.step import RemediationStep

_LINKS = ("azure-asyncoperation", "location")


def accepted_record(step: RemediationStep, response: ArmResponse, *, at: datetime) -> StepAccepted:
    """The record of Azure's first answer to a request: enough to follow the operation after an interruption."""
    # On 200 and 201 a Location is where the resource is: following it would pass over the state that the body shows.
    links = _LINKS if response.status == 202 else _LINKS[:1]
    kind = next((name for name in links if response.headers.get(name)), None)
    return StepAccepted(
        at=at,
        step_id=step.id,
        status=response.status,
        poll_url=None if kind is None else response.headers[kind],
        poll_kind=kind,
        request_id=response.request_id,
    )


def recorded_response(step: RemediationStep, accepted: StepAccepted) -> ArmResponse:
    """Azure's first answer, as far as it is needed to follow the operation.

    The body was not kept: without a link, the resource itself is read for its state. That is done at once where Azure had
    answered that the change was made: time has passed since.
    """
    status = accepted.status
    if accepted.poll_kind is None:
        status = 202 if accepted.status == 202 or step.is_removal else 204
    return ArmResponse(
        status=status,
        headers={accepted.poll_kind: accepted.poll_url or ""} if accepted.poll_kind else {},
        body=None,
        request_id=accepted.request_id or "",
        url=step.request.path,
        method=step.request.method,
    )
