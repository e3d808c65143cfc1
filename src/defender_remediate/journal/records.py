"""The records of a journal: one frozen class per kind of event, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar, Union

import attrs

from defender_remediate import serialization
from defender_remediate.display import quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError, JournalError
from defender_remediate.json_values import ABSENT, FrozenMap, format_json, freeze
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.result import RemediationResult
from defender_remediate.models.step import RemediationStep
from defender_remediate.redaction import redact_json
from defender_remediate.serialization import json_parts

VERSION = 1
"""The format of a line. A journal of another version is refused."""

HIDDEN_POLL = "hidden"
"""The ``poll_kind`` of an operation whose URL is not in the journal as Azure gave it."""


class RunKind(StrEnum):
    """The purpose of a run."""

    APPLY = "apply"
    ROLLBACK = "rollback"


def _aware(_record: Any, _field: Any, at: datetime) -> None:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInputError("the time of a record must have a time zone")


def _there(before: Mapping[str, Any]) -> FrozenMap:
    if not isinstance(before, Mapping):
        raise InvalidInputError(f"the values of a record must be a mapping by path, got {quoted(before)}")
    return FrozenMap({path: value for path, value in before.items() if value is not ABSENT})


@attrs.frozen(kw_only=True)
class RunOpened:
    """A run starts. Always the first record.

    Attributes:
        kind: Whether the run applies a plan or rolls one back.
        correlation_id: The id of the run in the activity log.
        plan: The approved plan. A journal hides the secrets in it.
        rolls_back: The run that is rolled back; None for an apply.
        waivers: The guards that were waived, and why.
        digest: The digest of the approved plan, computed before secrets were hidden.
        redacted_steps: The ids of the steps whose request, undo request or condition contained a secret. The journal does not
            contain them completely, so they cannot be sent from it.
        shards: How many shards the plan was divided into, each with a run and a journal of its own; 0 if it was not.
    """

    at: datetime = attrs.field(validator=_aware)
    run_id: str
    kind: RunKind = attrs.field(converter=RunKind)
    correlation_id: str
    plan: RemediationPlan = attrs.field(repr=False)
    rolls_back: str | None = None
    waivers: tuple[str, ...] = ()
    digest: str = attrs.field(default=attrs.Factory(lambda self: self.plan.digest, takes_self=True))
    redacted_steps: tuple[str, ...] = ()
    shards: int = 0


@attrs.frozen(kw_only=True)
class StepIntended:
    """A write is about to be sent. Durable before the request is sent.

    Attributes:
        attempt: Counted from 1, also across a resume.
        before: The values of the changed members before the write, by path, without absent members.
        fingerprint: SHA-256 of what the step depends on in its target, as it was read for this attempt.
        redacted_paths: The paths in ``before`` whose values contained a secret, which the journal does not store.
    """

    at: datetime = attrs.field(validator=_aware)
    step_id: str
    attempt: int
    before: FrozenMap = attrs.field(converter=_there, repr=False)
    fingerprint: str
    redacted_paths: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class StepAccepted:
    """Azure accepted the write. It is not sent again unless the operation fails without any effect on the target.

    Attributes:
        status: The HTTP status of the response.
        poll_url: The URL to poll; None when the response was final.
        poll_kind: The header that contained the URL. ``"hidden"`` if the URL contained a secret, such as a signature, and
            cannot be polled from the journal.
        request_id: Azure's id of the write.
    """

    at: datetime = attrs.field(validator=_aware)
    step_id: str
    status: int
    poll_url: str | None = attrs.field(default=None, repr=False)
    poll_kind: str | None = None
    request_id: str | None = None


@attrs.frozen(kw_only=True)
class StepEnded:
    """The result of one step. No further request is sent for it."""

    at: datetime = attrs.field(validator=_aware)
    result: RemediationResult


@attrs.frozen(kw_only=True)
class StepReviewed:
    """A step that had ended was checked again, and the new result replaces the previous one.

    For example, a change was reverted during the pause after a wave.
    """

    at: datetime = attrs.field(validator=_aware)
    result: RemediationResult


@attrs.frozen(kw_only=True)
class GuardsWaived:
    """A resume waives further guards.

    Attributes:
        waivers: The guards that were waived, and why.
    """

    at: datetime = attrs.field(validator=_aware)
    waivers: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RunEnded:
    """The run has ended.

    Attributes:
        counts: How many steps had each outcome.
    """

    at: datetime = attrs.field(validator=_aware)
    counts: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)


@attrs.frozen(kw_only=True)
class Note:
    """A remark for readers of the journal, without effect on the run."""

    at: datetime = attrs.field(validator=_aware)
    message: str


Record = Union[RunOpened, StepIntended, StepAccepted, StepEnded, StepReviewed, GuardsWaived, RunEnded, Note]
"""Anything that a journal records."""

_KINDS: dict[str, type[Record]] = {
    cls.__name__: cls
    for cls in (RunOpened, StepIntended, StepAccepted, StepEnded, StepReviewed, GuardsWaived, RunEnded, Note)
}


_T = TypeVar("_T", bound=Record)
_V = TypeVar("_V")


def encode(record: Record) -> dict[str, Any]:
    """A record as plain JSON values, with its kind and the version of the format.

    Raises:
        InvalidInputError: It is not a record.
    """
    return {name: serialization.encode(value) for name, value in members_of(record).items()}


def members_of(record: Record) -> dict[str, Any]:
    """The members of a record as it is written, with its kind and the version of the format.

    Raises:
        InvalidInputError: It is not a record.
    """
    _check_is_record(record)
    return {"version": VERSION, "record": type(record).__name__, **serialization.members_of(record)}


def decode(document: Mapping[str, Any], *, source: str = "", line: int = 0) -> Record:
    """Decode a record.

    Args:
        document: The result of ``encode``.
        source: The name of the file, for error messages.
        line: The number of the line, for error messages.

    Raises:
        JournalError: The version or kind is unknown, or a member is missing, unknown or of the wrong type.
    """
    members = dict(document)
    version = members.pop("version", None)
    if version != VERSION or isinstance(version, bool):
        raise JournalError(
            f"the record has format version {quoted(version)}; this library reads {VERSION}",
            source=source,
            line=line,
            hint="read it with the version of the library that wrote it",
        )
    kind = members.pop("record", None)
    cls = _KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise JournalError(f"{quoted(kind)} is not a kind of record", source=source, line=line)
    try:
        return serialization.decode(cls, members)
    except InvalidInputError as error:
        raise JournalError(f"the record is not a valid {kind}: {error.message}", source=source, line=line) from error


def redact_record(record: _T) -> _T:
    """Return the same record with ``(hidden)`` for every secret in it.

    The record names what was hidden, because it cannot be sent or restored from the journal: in ``RunOpened.redacted_steps``,
    in ``StepIntended.redacted_paths``, and by the ``poll_kind`` ``"hidden"``. Redacting is idempotent.

    Raises:
        InvalidInputError: It is not a record, or a value in it is not what the record says.
    """
    _check_is_record(record)
    redacted: Any = _redacted_plan(record) if isinstance(record, RunOpened) else _redacted(record)
    if redacted is record:
        return record
    named: dict[str, Any] = {}
    if isinstance(record, RunOpened) and isinstance(redacted, RunOpened):
        pairs = zip(record.plan.steps, redacted.plan.steps, strict=True)
        steps = [step.id for step, clean_step in pairs if _needed_to_send(step) != _needed_to_send(clean_step)]
        named = {"redacted_steps": tuple(dict.fromkeys((*record.redacted_steps, *steps)))}
    elif isinstance(record, StepIntended) and isinstance(redacted, StepIntended):
        paths = [path for path, value in redacted.before.items() if record.before.get(path, ABSENT) != value]
        named = {"redacted_paths": tuple(dict.fromkeys((*record.redacted_paths, *paths)))}
    elif isinstance(record, StepAccepted) and redacted.poll_url != record.poll_url:
        named = {"poll_kind": HIDDEN_POLL}
    found: _T = attrs.evolve(redacted, **named)
    return found


def encode_clean(record: Record) -> bytes | None:
    """The JSON text of a record as it is written; None if it contains a secret, so that ``redact_record`` has to hide it.

    Raises:
        InvalidInputError: It is not a record.
        TypeError, ValueError, RecursionError: It has a value that JSON does not have.
    """
    if not isinstance(record, RunOpened):
        _check_is_record(record)
        document = serialization.encode(record)
        if redact_json(document) != document:
            return None
        return format_json({"version": VERSION, "record": type(record).__name__, **document}).encode()
    if _redacted(_without_steps(record)) != _without_steps(record):
        return None
    has_secret = False

    def noting_secrets(plain: Any) -> Any:
        nonlocal has_secret
        has_secret = has_secret or redact_json(plain) != plain
        return plain

    # Step by step: a plan of thousands of steps fills the memory otherwise.
    text = b"".join([part.encode() for part in json_parts(members_of(record), shown=noting_secrets)])
    return None if has_secret else text


def _redacted(value: _V) -> _V:
    """The value without secrets; the very same one when it has none."""
    document = serialization.encode(value)
    clean = redact_json(document)
    return value if clean == document else serialization.decode(type(value), clean)


def _redacted_plan(record: RunOpened) -> RunOpened:
    """The same for a record with a plan, step by step: a plan of thousands of steps fills the memory otherwise."""
    plan = record.plan
    steps, skipped = (tuple(map(_redacted, plan.steps)), tuple(map(_redacted, plan.skipped)))
    outside = _without_steps(record)
    rest = _redacted(outside)
    pairs = (*zip(steps, plan.steps, strict=True), *zip(skipped, plan.skipped, strict=True))
    if rest is outside and all(clean is given for clean, given in pairs):
        return record
    return attrs.evolve(rest, plan=attrs.evolve(rest.plan, steps=steps, skipped=skipped))


def _without_steps(record: RunOpened) -> RunOpened:
    return attrs.evolve(record, plan=attrs.evolve(record.plan, steps=(), skipped=()))


def _check_is_record(record: object) -> None:
    if type(record) not in _KINDS.values():
        raise InvalidInputError(f"expected a record of a journal, got {quoted(record)}")


def _needed_to_send(step: RemediationStep) -> tuple[Any, ...]:
    """The parts of a step that are needed to send, prove and undo it."""
    return step.id, step.target_id, step.request, step.undo_request, step.compliant_when
