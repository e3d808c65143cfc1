"""Events of continuous export and workflow automation: an assessment that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate.display import one_line, quoted
from defender_remediate.enums import OpenEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.event_payload import RETIRED, EventRecord, read_assessment, read_records
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.ids import id_key
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


class EventAction(OpenEnum):
    """What happened to the assessment. A re-evaluation is an ``Insert`` as well."""

    INSERT = "Insert"
    DELETE = "Delete"


@notebook
@attrs.frozen(kw_only=True)
class AssessmentEvent(Value):
    """One assessment as continuous export or a workflow automation reports it.

    Attributes:
        assessment: The assessment in the state that the event reports; Azure may have changed it since.
        action: ``Insert`` where the event names none, as in the body of a Logic App.
        is_snapshot: Whether it is part of a snapshot, which Azure exports weekly, and not of a change.
        tenant_id: The tenant; None when the event does not name it.
        enqueued: When the event was put into its hub, UTC; None when it is not known.
        digest: The SHA-256 of the record.
    """

    assessment: Assessment
    action: EventAction = EventAction.INSERT
    is_snapshot: bool = False
    tenant_id: str | None = optional_text()
    enqueued: datetime | None = None
    digest: str | None = optional_text(eq=False, repr=False)

    @property
    def is_delete(self) -> bool:
        """Whether the assessment was removed: the resource was deleted, or the recommendation retired."""
        return self.action == EventAction.DELETE

    @classmethod
    def from_payload(cls, payload: Any, *, enqueued: datetime | None = None) -> AssessmentEvent:
        """Read a payload with exactly one assessment, such as the body of a Logic App.

        Args:
            payload: As for ``list_from``.
            enqueued: When it was put into its hub, as the trigger reports it.

        Raises:
            RetiredError: It is about a sub-assessment; Azure has retired these.
            InvalidInputError: It is not JSON, or holds no assessment or several.
        """
        return _event(read_assessment(payload), enqueued)

    @classmethod
    def list_from(cls, payload: Any, *, enqueued: datetime | None = None) -> EventBatch:
        """Read what an Event Hubs trigger or a Logic App receives.

        Args:
            payload: One event, a list of them, ``{"records": [...]}``, or one of these as JSON in a string or bytes, also
                inside a list. Names are read in any case.
            enqueued: When it was put into its hub, as the trigger reports it.

        Raises:
            RetiredError: It holds nothing but sub-assessments; Azure has retired these.
            InvalidInputError: It is not JSON, holds no record, or an assessment in it does not name its resource.
        """
        records = read_records(payload)
        return EventBatch(
            events=tuple(_event(record, enqueued) for record in records if record.is_assessment),
            ignored=tuple(
                IgnoredRecord(type=record.type, is_retired=record.is_retired, json=FrozenMap(record.json))
                for record in records
                if not record.is_assessment
            ),
        )

    def __str__(self) -> str:
        return one_line(f"{self.action}{' (snapshot)' if self.is_snapshot else ''}: {self.assessment}")


def _event(record: EventRecord, enqueued: datetime | None) -> AssessmentEvent:
    if enqueued is not None and (not isinstance(enqueued, datetime) or enqueued.tzinfo is None):
        raise InvalidInputError(f"enqueued must be a datetime with a time zone, got {quoted(enqueued)}")
    return AssessmentEvent(
        assessment=Assessment.from_rest(record.json),
        action=EventAction(record.action) if record.action else EventAction.INSERT,
        is_snapshot=record.is_snapshot,
        tenant_id=record.tenant_id,
        enqueued=enqueued or record.enqueued,
        digest=record.digest,
    )


@notebook
@attrs.frozen(kw_only=True)
class IgnoredRecord(Value):
    """A record that is not about an assessment.

    Attributes:
        type: Its resource type in lower case, such as ``microsoft.security/attackpaths``; None when it names none.
        is_retired: Whether it is about a sub-assessment; Azure has retired these.
        json: The record as it was sent.
    """

    type: str | None = optional_text()
    is_retired: bool = False
    json: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)

    def __str__(self) -> str:
        return one_line(f"the record {RETIRED}" if self.is_retired else f"a record of {self.type or 'no type'}")


@notebook
@attrs.frozen(kw_only=True)
class EventBatch(Value):
    """The records of one payload.

    Attributes:
        events: Those about assessments, in the order of the payload; an assessment may occur several times.
        ignored: All others, such as alerts, attack paths and secure scores.
    """

    events: tuple[AssessmentEvent, ...] = ()
    ignored: tuple[IgnoredRecord, ...] = ()

    def __iter__(self) -> Iterator[AssessmentEvent]:
        return iter(self.events)

    def __str__(self) -> str:
        return one_line(f"{len(self.events)} assessment events, {len(self.ignored)} other records")


def latest_events(events: Iterable[AssessmentEvent]) -> tuple[AssessmentEvent, ...]:
    """The newest event of each assessment, in the order of the assessment ids.

    The result depends neither on the order of the events nor on duplicates, so late events and repeated deliveries change
    nothing: ``latest_events([*known, *new])`` keeps a state up to date. The event with the later change of the status is
    newer, then the one that was enqueued later. Of two that do not differ in this, a deletion is newer, because it follows
    the state that it removes.

    Raises:
        InvalidInputError: One of them is not an AssessmentEvent.
    """
    newest: dict[str, AssessmentEvent] = {}
    for event in events if isinstance(events, Iterable) else (events,):
        if not isinstance(event, AssessmentEvent):
            raise InvalidInputError(
                f"events must be AssessmentEvent values, got {quoted(event)}",
                hint="read a payload with AssessmentEvent.list_from(payload)",
            )
        key = id_key(event.assessment.id)
        if key not in newest or _age(event) > _age(newest[key]):
            newest[key] = event
    return tuple(newest[key] for key in sorted(newest))


def _age(event: AssessmentEvent) -> tuple[datetime, datetime, bool, bool, str]:
    enqueued = event.enqueued or _LONG_AGO
    return (
        event.assessment.changed or enqueued,
        enqueued,
        event.is_delete,
        not event.is_snapshot,
        # Whichever of two contradicting events comes first, the same one is kept.
        event.digest or "",
    )


show_in("defender_remediate.models", AssessmentEvent, EventAction, EventBatch, IgnoredRecord, latest_events)
