"""What a target is like at the moment of one read, and the reads themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.enums import StrEnum
from defender_remediate.errors import DefenderRemediateError, MalformedResponseError, NotFoundError
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.condition import Condition
from defender_remediate.models.step import RemediationStep
from defender_remediate.pauses import Pause, Waits

PATIENT = (2.0, 8.0, 20.0)
"""Seconds between two reads after a write: a replica may not show the change yet."""

AT_ONCE: tuple[float, ...] = ()
"""The same before a PATCH is sent again, which changes nothing if the first one takes effect after all."""

POLL_SECONDS = 20.0
"""Seconds between two reads of a target that says that it is being changed."""

UNKNOWN_WORD_SECONDS = 60.0
"""How long a state that is neither known to be final nor known to be in motion is watched before it counts as final."""

_FAILED = frozenset({"failed", "canceled", "cancelled"})
# Words that types use for a state in which nothing is going on.
_FINAL = frozenset(
    {
        "",
        "active",
        "completed",
        "default",
        "deleted",
        "disabled",
        "enabled",
        "healthy",
        "none",
        "notspecified",
        "ok",
        "online",
        "paused",
        "provisioned",
        "ready",
        "stopped",
        "succeeded",
    }
)
_IN_MOTION = frozenset({"accepted", "inprogress", "enqueued", "queued", "submitted"})
# Beside provisioningState, 'Running' and 'Warning' are states of rest, so only these verbs count there.
_MOTION_VERBS = (
    "activating",
    "creating",
    "deactivating",
    "deleting",
    "deprovisioning",
    "migrating",
    "pausing",
    "preparing",
    "provisioning",
    "restarting",
    "restoring",
    "resuming",
    "scaling",
    "starting",
    "stopping",
    "transitioning",
    "updating",
    "upgrading",
)
# Where types say it when they have no provisioningState: flexible servers, IoT hubs, namespaces, Service Fabric.
_OTHER_PLACES = ("properties.state", "properties.status", "properties.clusterState")


class ProvisioningState(StrEnum):
    """What a resource says about changes of itself.

    FINAL: nothing is going on. IN_MOTION: it is being changed at this moment. FAILED: the last change did not succeed.
    UNKNOWN: a word that this library does not know; see ``UNKNOWN_WORD_SECONDS``.
    """

    FINAL = "final"
    IN_MOTION = "in_motion"
    FAILED = "failed"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class TargetState:
    """What a target was like when it was read. Computed once for each read.

    Attributes:
        body: None when the target does not exist.
        word: The provisioning state as the target reports it, folded; empty when it reports none.
        provisioning: The class of that state.
        fingerprint: Of the members that the step depends on. Equal to the step's fingerprint when none of them has changed.
    """

    body: Any = attrs.field(repr=False)
    word: str
    provisioning: ProvisioningState
    fingerprint: str

    @classmethod
    def of(cls, body: Any, step: RemediationStep) -> TargetState:
        """The state that a body shows, for this step."""
        word, provisioning = _provisioning(body)
        return cls(body=body, word=word, provisioning=provisioning, fingerprint=fingerprint(body, step.dependencies))

    @property
    def exists(self) -> bool:
        """Whether the target was there."""
        return self.body is not None

    @property
    def is_in_motion(self) -> bool:
        """Whether the target is being changed at this moment."""
        return self.provisioning is ProvisioningState.IN_MOTION

    @property
    def has_failed(self) -> bool:
        """Whether the last change of the target did not succeed, whatever else the target shows."""
        return self.provisioning is ProvisioningState.FAILED

    def satisfies(self, condition: Condition) -> bool:
        """Whether the target meets a condition. One that does not exist has no members."""
        return holds(condition, self.body)


def _provisioning(body: Any) -> tuple[str, ProvisioningState]:
    found = look_up(body, "properties.provisioningState")
    word = fold(found) if isinstance(found, str) else ""
    if word in _FAILED:
        return word, ProvisioningState.FAILED
    # 'Updating', 'RegisteringDns', 'ProvisioningAccount', 'CreatingAgentPools: 1/3': what types make up has a verb in it.
    if word in _IN_MOTION or "ing" in word:
        return word, ProvisioningState.IN_MOTION
    for place in _OTHER_PLACES:
        other = look_up(body, place)
        if isinstance(other, str) and fold(other).startswith(_MOTION_VERBS):
            return fold(other), ProvisioningState.IN_MOTION
    return word, ProvisioningState.FINAL if word in _FINAL else ProvisioningState.UNKNOWN


def read_target(reader: Reader, step: RemediationStep) -> TargetState:
    """Read the target of a step.

    Raises:
        DefenderRemediateError: It could not be read; also a 404 without an error code, which a gateway that lost its way
            gives as well, unless the target may be missing.
    """
    try:
        body = read_body(reader, step.target_id, step.api_version)
    except NotFoundError as error:
        if not says_missing(error, step):
            raise
        body = None
    return TargetState.of(body, step)


def says_missing(error: NotFoundError, step: RemediationStep) -> bool:
    """Whether a 404 says that the target of a step does not exist.

    Without an error code it does so only for a target that may be missing: a gateway that lost its way gives it as well.
    """
    may_be_missing = step.is_removal or step.fingerprint == TargetState.of(None, step).fingerprint
    return bool(error.code) or may_be_missing


def read_at(reader: Reader, resource_id: str, api_version: str) -> Any:
    """The body of a resource now; None when it does not exist."""
    try:
        return read_body(reader, resource_id, api_version)
    except NotFoundError:
        return None


def read_body(reader: Reader, resource_id: str, api_version: str) -> Any:
    """The body of a resource.

    Raises:
        NotFoundError: It does not exist.
        DefenderRemediateError: It could not be read.
    """
    body = reader.get(resource_id, api_version=api_version).body
    if body is None:
        # An empty success does not say anything, least of all that there is no such resource.
        raise MalformedResponseError(f"GET {resource_id}: Azure answered success without a body")
    return body


def read_back(
    reader: Reader, step: RemediationStep, *, deadline: float, pauses: Sequence[float] = PATIENT
) -> Waits[TargetState]:
    """Read the target after a write, until it shows the change or is known not to.

    Args:
        reader: Reads.
        step: The step.
        deadline: On the reader's clock; for a target that is in motion, and for reads that Azure puts off.
        pauses: Seconds between the reads.

    Raises:
        DefenderRemediateError: The target could not be read, again and again.
    """
    for pause in pauses:
        seconds = pause
        try:
            state = read_target(reader, step)
            if state.satisfies(step.compliant_when):
                return state
        except DefenderRemediateError as error:
            # One answer that says nothing must not leave open what the next one proves.
            seconds = max(pause, getattr(error, "retry_after", None) or 0.0)
            if reader.clock.monotonic() + seconds > deadline:
                raise
        yield Pause(seconds)
    state = read_target(reader, step)
    if state.satisfies(step.compliant_when):
        return state
    return (yield from wait_until_provisioned(reader, step, state, deadline=deadline))


def wait_until_provisioned(
    reader: Reader, step: RemediationStep, state: TargetState, *, deadline: float
) -> Waits[TargetState]:
    """Read the target again until nothing is going on there; gives it as it is at the deadline if that comes first."""
    clock = reader.clock
    watched_until = clock.monotonic() + UNKNOWN_WORD_SECONDS
    while state.provisioning in (ProvisioningState.IN_MOTION, ProvisioningState.UNKNOWN):
        until = deadline if state.is_in_motion else min(deadline, watched_until)
        if clock.monotonic() + POLL_SECONDS > until:
            break
        yield Pause(POLL_SECONDS)
        before, state = state, read_target(reader, step)
        if state.word != before.word:
            watched_until = clock.monotonic() + UNKNOWN_WORD_SECONDS
    return state
