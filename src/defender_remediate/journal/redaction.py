"""Records without the secrets in them. Every journal passes what it is given through here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from defender_remediate.journal.records import Record, RunOpened, StepAccepted, StepIntended
from defender_remediate.models import _codec
from defender_remediate.models._json import ABSENT
from defender_remediate.models._redact import redact_text
from defender_remediate.models._table import HIDDEN, is_secret
from defender_remediate.models.plan import RemediationStep

HIDDEN_POLL = "hidden"
"""The ``poll_kind`` of an operation whose URL is not in the journal as Azure gave it."""

_T = TypeVar("_T", bound=Record)
# What says of a secret that there is one, and not what it is.
_ABOUT = frozenset({"type", "metadata", "name", "path", "reference"})
_LABELS = ("name", "path")
_LABELLED = frozenset({"value", "before", "after"})
_VERBS = "permissions"
_INDEX = re.compile(r"(\[\d+\])+\Z")
# These say where a secret is kept; whoever reads them has to be let in there.
_REFERENCE = re.compile(r"\[parameters\('[\w-]+'\)\]|@Microsoft\.KeyVault\([^()]*\)")


def scrub(record: _T) -> _T:
    """The same record with ``(hidden)`` for every secret: at members whose names say so, and in any text.

    What was hidden is named, because it cannot be sent or restored from the journal: ``RunOpened.withheld``,
    ``StepIntended.irrestorable``, and a ``poll_kind`` of ``"hidden"``.

    Scrubbing twice gives what scrubbing once gives. A record without secrets is returned as it is.
    """
    document = _codec.encode(record)
    cleaned = _clean(document)
    if cleaned == document:
        return record
    scrubbed = _codec.decode(type(record), cleaned)
    return _marked(record, scrubbed)


def _marked(record: _T, scrubbed: _T) -> _T:
    if isinstance(record, RunOpened) and isinstance(scrubbed, RunOpened):
        pairs = zip(record.plan.steps, scrubbed.plan.steps, strict=True)
        hidden = (clean.id for step, clean in pairs if _sent(step) != _sent(clean))
        return attrs.evolve(scrubbed, withheld=_joined(scrubbed.withheld, hidden))
    if isinstance(record, StepIntended) and isinstance(scrubbed, StepIntended):
        hidden = (path for path, value in scrubbed.before.items() if record.before.get(path, ABSENT) != value)
        return attrs.evolve(scrubbed, irrestorable=_joined(scrubbed.irrestorable, hidden))
    if isinstance(record, StepAccepted) and isinstance(scrubbed, StepAccepted) and record.poll_url != scrubbed.poll_url:
        return attrs.evolve(scrubbed, poll_kind=HIDDEN_POLL)
    return scrubbed


def _sent(step: RemediationStep) -> tuple[Any, ...]:
    """What sending a step, proving it and taking it back depend on."""
    return step.id, step.target_id, step.request, step.way_back, step.compliant_when


def _joined(known: tuple[str, ...], more: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _clean(found: Any, *, secret: bool = False) -> Any:
    """JSON values, cleaned. ``secret`` is whether a member above is named like a secret."""
    if isinstance(found, Mapping):
        labelled = any(_names_a_secret(found.get(label)) for label in _LABELS)
        return {
            redact_text(name): _member(name, item, labelled=labelled, secret=secret) for name, item in found.items()
        }
    if isinstance(found, list):
        return [_clean(item, secret=secret) for item in found]
    if isinstance(found, str):
        return HIDDEN if secret and found and not _REFERENCE.fullmatch(found) else redact_text(found)
    return HIDDEN if secret and isinstance(found, (int, float)) and not isinstance(found, bool) else found


def _member(name: str, item: Any, *, labelled: bool, secret: bool) -> Any:
    if name == _VERBS and isinstance(item, Mapping):
        # An access policy of Key Vault: its lists say what may be done to secrets.
        return {redact_text(kind): _clean(verbs) for kind, verbs in item.items()}
    inherited = (secret and name not in _ABOUT) or (labelled and name in _LABELLED)
    return _clean(item, secret=inherited or _names_a_secret(name))


def _names_a_secret(name: Any) -> bool:
    """Whether a member, a path or the name of an app setting says that a secret is there."""
    return isinstance(name, str) and is_secret(_INDEX.sub("", name).replace("_", "").replace("-", ""))
