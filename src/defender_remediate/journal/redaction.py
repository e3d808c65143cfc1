"""Records without the secrets in them. Every journal passes what it is given through here."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs

from defender_remediate import serialization
from defender_remediate.journal.records import Record, RunOpened, StepAccepted, StepIntended
from defender_remediate.json_values import ABSENT
from defender_remediate.models.plan import RemediationStep
from defender_remediate.redaction import redact_json

HIDDEN_POLL = "hidden"
"""The ``poll_kind`` of an operation whose URL is not in the journal as Azure gave it."""

_T = TypeVar("_T", bound=Record)


def scrub(record: _T) -> _T:
    """The same record with ``(hidden)`` for every secret: at members whose names say so, and in any text.

    What was hidden is named, because it cannot be sent or restored from the journal: ``RunOpened.redacted_steps``,
    ``StepIntended.redacted_paths``, and a ``poll_kind`` of ``"hidden"``.

    Scrubbing twice gives what scrubbing once gives. A record without secrets is returned as it is.
    """
    document = serialization.encode(record)
    clean = redact_json(document)
    if clean == document:
        return record
    scrubbed = serialization.decode(type(record), clean)
    return _marked(record, scrubbed)


def _marked(record: _T, scrubbed: _T) -> _T:
    if isinstance(record, RunOpened) and isinstance(scrubbed, RunOpened):
        pairs = zip(record.plan.steps, scrubbed.plan.steps, strict=True)
        hidden = (clean.id for step, clean in pairs if _sent(step) != _sent(clean))
        return attrs.evolve(scrubbed, redacted_steps=_joined(scrubbed.redacted_steps, hidden))
    if isinstance(record, StepIntended) and isinstance(scrubbed, StepIntended):
        hidden = (path for path, value in scrubbed.before.items() if record.before.get(path, ABSENT) != value)
        return attrs.evolve(scrubbed, redacted_paths=_joined(scrubbed.redacted_paths, hidden))
    if isinstance(record, StepAccepted) and isinstance(scrubbed, StepAccepted) and record.poll_url != scrubbed.poll_url:
        return attrs.evolve(scrubbed, poll_kind=HIDDEN_POLL)
    return scrubbed


def _sent(step: RemediationStep) -> tuple[Any, ...]:
    """What sending a step, proving it and taking it back depend on."""
    return step.id, step.target_id, step.request, step.undo_request, step.compliant_when


def _joined(known: tuple[str, ...], more: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))
