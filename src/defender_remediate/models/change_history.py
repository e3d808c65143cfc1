"""What Azure recorded about changes of resources, and what that proves about a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import noted, one_line
from defender_remediate.enums import OpenEnum, StrEnum
from defender_remediate.models.ids import is_guid
from defender_remediate.notebook import notebook
from defender_remediate.redaction import HIDDEN, is_secret_name, redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

# Microsoft publishes the ids of its own applications.
_OWN_APPLICATIONS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
}


class ChangeType(OpenEnum):
    """What happened to a resource."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class WriterKind(StrEnum):
    """What kind of client made a change.

    PORTAL, COMMAND_LINE and TEMPLATE: Azure names the client. APPLICATION: an application or a managed identity, such as a
    pipeline. AZURE: Azure itself, such as a policy or a service. USER: a person with a client that Azure does not name.
    """

    PORTAL = "portal"
    COMMAND_LINE = "command_line"
    TEMPLATE = "template"
    APPLICATION = "application"
    AZURE = "azure"
    USER = "user"
    UNKNOWN = "unknown"


@notebook
@attrs.frozen(kw_only=True, str=False)
class Writer(Value):
    """Who made a change, as Azure recorded it.

    Attributes:
        client: The client: its name, or the id of an application; None when Azure does not know it.
        principal: The user, or the object id of the application; ``System`` is Azure itself.
        principal_type: ``User``, ``Application``, ``ManagedIdentity`` or ``System``, as Azure says.
        correlation_id: The id that the activity log has, too.
        at: When, in UTC.
    """

    client: str | None = optional_text()
    principal: str | None = optional_text()
    principal_type: str | None = optional_text()
    correlation_id: str | None = optional_text()
    at: datetime | None = None

    @classmethod
    def from_rest(cls, attributes: Any) -> Writer:
        """Read the ``changeAttributes`` of a change record."""
        client = wire.text(attributes, "clientType")
        return cls(
            client=None if fold(client) in ("", "unknown") else _OWN_APPLICATIONS.get(fold(client), client),
            principal=wire.text(attributes, "changedBy"),
            principal_type=wire.text(attributes, "changedByType"),
            correlation_id=wire.text(attributes, "correlationId"),
            at=wire.timestamp(attributes, "timestamp"),
        )

    @property
    def kind(self) -> WriterKind:
        """The kind of the client; of one that Azure does not name, that of the principal."""
        client, kind = fold(self.client or ""), fold(self.principal_type or "")
        if fold(self.principal or "") == "system" or kind == "system":
            return WriterKind.AZURE
        if "portal" in client:
            return WriterKind.PORTAL
        if client in ("azure cli", "azure powershell"):
            return WriterKind.COMMAND_LINE
        if "template" in client or "deployment" in client:
            return WriterKind.TEMPLATE
        if is_guid(client) or kind in ("application", "serviceprincipal", "managedidentity"):
            return WriterKind.APPLICATION
        return WriterKind.USER if kind == "user" else WriterKind.UNKNOWN

    def __str__(self) -> str:
        who = self.principal or "(unknown)"
        when = f"{self.at:%Y-%m-%d %H:%M} UTC" if self.at else None
        return one_line(noted(who, [self.client or self.principal_type, when]))


@notebook
@attrs.frozen(kw_only=True, str=False)
class RecordedChange(Value):
    """One property in a change record, as text; secrets are hidden.

    Attributes:
        before, after: The values; ``null`` when there was none. None when Azure does not say.
        is_truncated: Whether Azure cut the values off.
    """

    path: str
    before: str | None = None
    after: str | None = None
    is_truncated: bool = False

    @classmethod
    def from_rest(cls, path: str, change: Any) -> RecordedChange:
        """Read one member of the ``changes`` of a change record."""
        before, after = (
            HIDDEN if is_secret_name(path) else redact_text(wire.text(change, name))
            for name in ("previousValue", "newValue")
        )
        return cls(path=path, before=before, after=after, is_truncated=wire.flag(change, "isTruncated"))

    def __str__(self) -> str:
        return one_line(f"{self.path}: {self.before} -> {self.after}")


@notebook
@attrs.frozen(kw_only=True)
class ResourceChange(Value):
    """One change of one resource, from the change history of Resource Graph.

    Attributes:
        changes: The properties that changed, without those that Azure changes by itself. A Create or a Delete lists
            none, and an Update does not list properties that are new.
    """

    resource_id: str = attrs.field(eq=fold)
    type: ChangeType = attrs.field(converter=ChangeType)
    writer: Writer
    changes: tuple[RecordedChange, ...] = ()

    @classmethod
    def from_rest(cls, row: Mapping[str, Any]) -> ResourceChange:
        """Read one row of the table ``resourcechanges``."""
        properties = wire.pick(row, "properties")
        listed = wire.mapping(wire.pick(properties, "changes"))
        return cls(
            resource_id=wire.text(properties, "targetResourceId"),
            type=ChangeType(wire.text(properties, "changeType")),
            writer=Writer.from_rest(wire.pick(properties, "changeAttributes")),
            changes=tuple(
                RecordedChange.from_rest(path, change)
                for path, change in listed.items()
                if fold(wire.text(change, "changeCategory")) != "system" and not _moves_by_itself(path)
            ),
        )


def _moves_by_itself(path: str) -> bool:
    return fold(path).rpartition(".")[2] in ("etag", "provisioningstate") or fold(path).startswith("systemdata")


class ChangeRecordStatus(StrEnum):
    """What Azure's change history says about one result.

    CONFIRMED: it has the planned changes. EXTRA_CHANGES: it has them, and the write changed something else as well.
    DIFFERENT: it has other values than planned, or lacks a planned change. WITHOUT_VALUES: it has the write and not its
    values. MISSING: it does not have the write, or not yet. BY_ANOTHER: it has a planned change as someone else's write.
    NOT_CHECKED: it could not be read.
    """

    CONFIRMED = "confirmed"
    EXTRA_CHANGES = "extra_changes"
    DIFFERENT = "different"
    WITHOUT_VALUES = "without_values"
    MISSING = "missing"
    BY_ANOTHER = "by_another"
    NOT_CHECKED = "not_checked"


@notebook
@attrs.frozen(kw_only=True, str=False)
class ChangeRecord(Value):
    """What Azure's own change history says about one result: evidence beside the read-back, not a verdict on it.

    Attributes:
        message: What is known, in a sentence that is the same for all results with this status.
        changes: The planned changes as Azure recorded them.
        extra: What the same write changed besides.
        unlisted: The planned changes of which Azure lists no values, such as new properties.
        writer: Who made the recorded write; None when there is none.
        others: What others have changed on the resource since the run started.
    """

    status: ChangeRecordStatus = attrs.field(converter=ChangeRecordStatus)
    message: str
    changes: tuple[RecordedChange, ...] = ()
    extra: tuple[RecordedChange, ...] = ()
    unlisted: tuple[str, ...] = ()
    writer: Writer | None = None
    others: tuple[ResourceChange, ...] = ()

    @property
    def is_contradiction(self) -> bool:
        """Whether the history says something else than the plan."""
        return self.status in (
            ChangeRecordStatus.DIFFERENT,
            ChangeRecordStatus.EXTRA_CHANGES,
            ChangeRecordStatus.BY_ANOTHER,
        )

    def lines(self) -> list[str]:
        """The status, what differs from the plan, and the other writers, a line each."""
        lines = [one_line(f"change history: {self.status.label}: {self.message}")]
        lines += [one_line(f"  {change}") for change in (*self.extra, *(self.changes if self.is_contradiction else ()))]
        writers = dict.fromkeys(str(change.writer) for change in self.others)
        return lines + [one_line(f"  changed by {writer}") for writer in writers]

    def __str__(self) -> str:
        return "\n".join(self.lines())


@notebook
@attrs.frozen(kw_only=True, str=False)
class UndoneChange(Value):
    """A change of a run that is undone.

    Attributes:
        step_id, resource_id, target_id, keys, titles: Which change it is.
        writer: Who undid it; None when Azure's change history does not show it, or not yet.
        changes: What that write changed, as far as Azure lists it.
        times: How many times the change has been made, according to the journal.
        is_given_up: Whether it is not planned again, because it was made as often as the limit allows.
    """

    step_id: str
    resource_id: str
    target_id: str
    keys: tuple[str, ...]
    titles: tuple[str, ...]
    writer: Writer | None = None
    changes: tuple[RecordedChange, ...] = ()
    times: int = 1
    is_given_up: bool = False

    def __str__(self) -> str:
        by = f"undone by {self.writer}" if self.writer else "undone; Azure's change history does not show by whom"
        rest = f"; given up after {self.times} times" if self.is_given_up else ""
        return one_line(f"{self.target_id}: {'; '.join(self.titles)}: {by}{rest}")


def undone_by(undone: Iterable[UndoneChange]) -> dict[str, int]:
    """How many changes each writer undid, by principal and client."""
    counts: dict[str, int] = {}
    for one in undone:
        who = "(unknown)"
        if one.writer is not None:
            who = one_line(noted(one.writer.principal or "(unknown)", [one.writer.client]))
        counts[who] = counts.get(who, 0) + 1
    return counts
