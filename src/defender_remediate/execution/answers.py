"""What can become of one attempt, as far as it is known without reading the target."""

from __future__ import annotations

from typing import Union

import attrs

from defender_remediate.arm.session import ArmResponse
from defender_remediate.errors import ConnectionCutError
from defender_remediate.executors.protocol import Submission
from defender_remediate.models.result import RemediationResult


class RunInterruptedError(ConnectionCutError):
    """The run was interrupted while a request was being sent."""


@attrs.frozen
class Submitted:
    """Azure took the request. The operation that it began may still be going on."""

    submission: Submission


@attrs.frozen
class Accepted:
    """Azure reports that the change is made, with this as its last answer; None if the target was gone already."""

    response: ArmResponse | None


@attrs.frozen
class Rejected:
    """The request had no effect: Azure refused it, or it was not sent."""

    error: Exception


@attrs.frozen(kw_only=True)
class Unknown:
    """The request may have taken effect, wholly or in part.

    Attributes:
        may_resend: Whether it may be sent again once the target is seen to be as before. Not while Azure works on it.
        has_failed: Whether Azure reports that the operation that the request began has failed.
    """

    error: Exception
    may_resend: bool = True
    has_failed: bool = False


@attrs.frozen
class Ended:
    """Nothing was sent, because the target is not as it was planned or cannot be read."""

    result: RemediationResult


Answer = Union[Submitted, Accepted, Rejected, Unknown, Ended]
"""Any of them."""
