"""Reads the Azure activity log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs

from defender_remediate import wire
from defender_remediate.arm.paging import Listing
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.named import ResourceChoice, RunChoice, resource_named
from defender_remediate.validation import filled_string

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

_API_VERSION = "2015-04-01"
_RETENTION = timedelta(days=90)
_USUAL = timedelta(hours=24)
_LONGEST = timedelta(days=89)
# A start at the very edge is refused when the request takes a moment to arrive.
_EDGE = timedelta(minutes=5)
_SECOND = timedelta(seconds=1)


class ActivityLog:
    """Reads the activity log of subscriptions: writes and deletes of the last 90 days; Azure does not log reads.

    An event appears up to 15 minutes after the operation that it records: an event proves the
    operation, but a missing event proves nothing.
    """

    def __init__(
        self,
        session: ArmSession,
        subscriptions: Callable[[], Sequence[str]],
        correlation_of: Callable[[str], str | None] = lambda _run_id: None,
    ) -> None:
        self._session = session
        self._correlation_of = correlation_of
        self._subscriptions = subscriptions

    def list_events(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        resource_id: ResourceChoice | None = None,
        resource_group: str | None = None,
        correlation_id: RunChoice | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
    ) -> ItemPaged[ActivityEvent]:
        """List the operations in the log, newest first in each subscription, with the records of one operation joined.

        Args:
            since: The start of the time range, with a time zone. By default 24 hours before ``until``, or 89 days before it
                with a correlation id; at most 90 days ago.
            until: The end of the time range, with a time zone; now by default.
            resource_id: A resource whose operations, and those of its child resources, are listed. Only its subscription is read.
            resource_group: The name of a resource group.
            correlation_id: The report of a run or its ``correlation_id``; also its run id, if the client's journal has the run.
            timeout: The time limit of the whole listing, in seconds.
            headers: Additional headers of every request of the call.
            client_request_id: Sent as ``x-ms-client-request-id`` of every request of the call.

        Raises:
            InvalidInputError: A time has no time zone, the time range is empty or starts more than 90 days ago, or the
                resource id is invalid. Raised before any request.
            CallTimeoutError: ``timeout`` was exceeded while the listing was read.

        Permissions: ``Microsoft.Insights/eventtypes/values/read``. Makes one listing per subscription.
        """
        now = self._session.clock.now()
        start, end = _range(since, until, now, usual=_LONGEST if correlation_id else _USUAL)
        search = _Search(
            # The log takes whole seconds: down for the start, up for the end, so that nothing is cut off.
            since=min(max(start, now - _RETENTION + _EDGE), end),
            until=end + _SECOND,
            resource=None if resource_id is None else resource_named(resource_id),
            resource_group=None if resource_group is None else filled_string("resource_group", resource_group),
            correlation_id=self._correlation_id(correlation_id),
        )
        session = self._session
        if timeout is not None or headers is not None or client_request_id is not None:
            session = session.with_options(timeout=timeout, headers=headers, client_request_id=client_request_id)
        return Listing(lambda: self._events(session, search))

    def _correlation_id(self, given: RunChoice | None) -> str | None:
        """The correlation id that a caller means: that of a report, or of a run in the journal."""
        if given is None:
            return None
        own = getattr(given, "correlation_id", None)
        if isinstance(own, str):
            return filled_string("correlation_id", own)
        text = filled_string("correlation_id", given)  # type: ignore[arg-type] # it checks
        return self._correlation_of(text) or text

    def _events(self, session: ArmSession, search: _Search) -> Iterator[ActivityEvent]:
        own = search.resource.subscription_id if search.resource else None
        for subscription in (own,) if own else self._subscriptions():
            path = f"/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
            records = session.list(path, api_version=_API_VERSION, params={"$filter": search.filter()})
            yield from _joined(records, search)


@attrs.frozen(kw_only=True)
class _Search:
    """The validated arguments of one search."""

    since: datetime
    until: datetime
    resource: ResourceId | None
    resource_group: str | None
    correlation_id: str | None

    def filter(self) -> str:
        """The only form of filter that the log accepts: a time range and at most one further clause."""
        clauses = [
            f"eventTimestamp ge '{wire.utc_text(self.since)}'",
            f"eventTimestamp le '{wire.utc_text(self.until)}'",
        ]
        if self.correlation_id:
            clauses.append(f"correlationId eq {_quoted(self.correlation_id)}")
        elif self.resource:
            clauses.append(f"resourceUri eq {_quoted(self.resource.text)}")
        elif self.resource_group:
            clauses.append(f"resourceGroupName eq {_quoted(self.resource_group)}")
        return " and ".join(clauses)

    def matches(self, event: ActivityEvent) -> bool:
        """Whether a record matches the whole search; the filter of the request has only one clause."""
        return (
            (not self.correlation_id or fold_or_none(event.correlation_id) == fold(self.correlation_id))
            and (self.resource is None or self.resource.contains(event.resource_id))
            and (not self.resource_group or fold(_group_of(event)) == fold(self.resource_group))
        )


def _joined(records: Iterator[Mapping[str, Any]], search: _Search) -> Iterator[ActivityEvent]:
    # Newest first: the record of the end comes before that of the beginning, which completes an operation. Records of
    # the same instant come in any order, so a complete one waits until something older comes.
    open_ones: dict[tuple[str, str], ActivityEvent] = {}
    complete: dict[tuple[str, str], ActivityEvent] = {}
    oldest: datetime | None = None
    for record in records:
        event = ActivityEvent.from_rest(record)
        if not search.matches(event):
            continue
        # Looked through when the time changes, not for each record: many may have the same.
        if event.timestamp is not None and (oldest is None or event.timestamp < oldest):
            oldest = event.timestamp
            for key in [key for key, held in complete.items() if held.timestamp is None or oldest < held.timestamp]:
                yield complete.pop(key)
        name = fold(wire.text(wire.pick(record, "eventName"), "value"))
        if name not in ("beginrequest", "endrequest") or not event.operation_id:
            yield event
            continue
        key = (fold(event.operation_id), fold(event.resource_id))
        held = complete.pop(key, None)
        is_complete = held is not None or name == "beginrequest"
        held = held or open_ones.pop(key, None)
        (complete if is_complete else open_ones)[key] = held.join(event) if held else event
    yield from sorted((*complete.values(), *open_ones.values()), key=_moment, reverse=True)


def _moment(event: ActivityEvent) -> datetime:
    return event.timestamp or datetime.min.replace(tzinfo=timezone.utc)


def _group_of(event: ActivityEvent) -> str:
    if event.resource_group:
        return event.resource_group
    segments = event.resource_id.strip("/").split("/")
    return segments[3] if len(segments) > 3 and fold(segments[2]) == "resourcegroups" else ""


def _range(
    since: datetime | None, until: datetime | None, now: datetime, *, usual: timedelta
) -> tuple[datetime, datetime]:
    end = _aware(until, "until") or now
    oldest = now - _RETENTION
    start = _aware(since, "since") or max(min(end, now) - usual, oldest + _EDGE)
    if start < oldest:
        raise InvalidInputError(
            f"since={start.isoformat()} is more than 90 days ago", hint="Azure keeps its activity log for 90 days"
        )
    if start > end:
        raise InvalidInputError(f"since={start.isoformat()} is after until={end.isoformat()}")
    return start, end


def _aware(moment: datetime | None, name: str) -> datetime | None:
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidInputError(
            f"{name} must be a datetime, got {quoted(moment)}", hint="use datetime.now(timezone.utc)"
        )
    if moment.utcoffset() is None:
        raise InvalidInputError(
            f"{name}={quoted(moment)} has no time zone", hint="use datetime.now(timezone.utc) or another aware one"
        )
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise InvalidInputError(f"{name}={quoted(moment)} has no equivalent in UTC") from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
