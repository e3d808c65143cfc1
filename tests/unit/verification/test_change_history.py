"""What a change record proves, for every way in which Azure records a write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate.models.change_history import (
    ChangeRecord,
    ChangeRecordStatus,
    ResourceChange,
    Writer,
    WriterKind,
)
from defender_remediate.models.plan import ABSENT, PropertyChange, RemediationStep
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.redaction import HIDDEN
from defender_remediate.verification.change_history import History, change_record

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
OWN = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
HTTPS, TLS = "properties.supportsHttpsTrafficOnly", "properties.minimumTlsVersion"
CONFIRMED, DIFFERENT = ChangeRecordStatus.CONFIRMED, ChangeRecordStatus.DIFFERENT
WITHOUT, EXTRA = ChangeRecordStatus.WITHOUT_VALUES, ChangeRecordStatus.EXTRA_CHANGES
MISSING, OTHER = ChangeRecordStatus.MISSING, ChangeRecordStatus.BY_ANOTHER
Judge = Callable[..., ChangeRecord]


def recorded(
    *changes: tuple[Any, ...],
    correlation: str = OWN,
    kind: str = "Update",
    minute: int = 0,
    **more: Any,
) -> ResourceChange:
    """A row of Resource Graph: path, before, after, and whether it is cut off."""
    listed = {
        path: {
            "previousValue": before,
            "newValue": after,
            "changeCategory": "User",
            **({"isTruncated": "true"} if cut else {}),
        }
        for path, before, after, *cut in changes
    }
    attributes = {
        "correlationId": correlation,
        "changedBy": "ann",
        "changedByType": "User",
        "clientType": "Azure Portal",
        "timestamp": (NOON + timedelta(minutes=minute)).isoformat(),
    }
    properties = {
        "targetResourceId": "x",
        "changeType": kind,
        "changeAttributes": attributes,
        "changes": listed,
        **more,
    }
    return ResourceChange.from_rest({"properties": properties})


@pytest.fixture
def judge(
    make_step: Callable[..., RemediationStep],
    make_report: Callable[..., RemediationReport],
    make_result: Callable[..., RemediationResult],
) -> Judge:
    """The record of a step with these planned changes."""

    def run(
        planned: list[tuple[str, Any, Any]],
        *found: ResourceChange,
        now: datetime = NOON,
        unread: Any = None,
        **step: Any,
    ) -> ChangeRecord:
        changes = tuple(PropertyChange(path=path, before=before, after=after) for path, before, after in planned)
        made = make_step(changes=changes, **step)
        key = made.target_id.lower()
        history = History(
            changes={key: tuple(attrs.evolve(one, resource_id=made.target_id) for one in found)},
            unread={key: unread} if unread else {},
        )
        return change_record(made, make_result(), make_report(), history, now)

    return run


PLANNED = [(HTTPS, False, True), (TLS, "TLS1_0", "TLS1_2")]
BOTH = ((HTTPS, "False", "True"), (TLS, "TLS1_0", "TLS1_2"))


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([recorded(*BOTH)], CONFIRMED),
        ([recorded((HTTPS.upper(), "false", "TRUE"), BOTH[1])], CONFIRMED),
        ([recorded(*BOTH, ("tags.owner", "a", "b"))], EXTRA),
        ([recorded(*BOTH, ("tags[", "a", "b"))], EXTRA),
        ([recorded(*BOTH, ("properties.provisioningState", "a", "b"), ("etag", "1", "2"))], CONFIRMED),
        ([recorded((HTTPS, "False", "False"), BOTH[1])], DIFFERENT),
        ([recorded(BOTH[0])], DIFFERENT),
        ([recorded((HTTPS, "Fal", "Tr", True), (TLS, "T", "T", True))], WITHOUT),
        ([recorded()], DIFFERENT),
        ([recorded(kind="Create")], WITHOUT),
        ([recorded(kind="Delete")], WITHOUT),
        # Two records of one long-running write.
        ([recorded((HTTPS, "False", "x")), recorded((HTTPS, "x", "True"), BOTH[1], minute=1)], CONFIRMED),
        ([recorded(*BOTH, correlation="another")], OTHER),
        ([recorded(("tags.a", "1", "2"), correlation="another")], MISSING),
        ([], MISSING),
    ],
)  # fmt: skip
def test_a_record_is_compared_with_the_plan(judge: Judge, found: list[ResourceChange], status: Any) -> None:
    """Azure's values are text, in a casing of its own, and its own members do not count."""
    assert judge(PLANNED, *found).status is status


@pytest.mark.parametrize(
    ("planned", "changes", "status"),
    [
        ([(TLS, ABSENT, "TLS1_2")], (), WITHOUT),
        ([(TLS, ABSENT, "TLS1_2"), PLANNED[0]], (BOTH[0],), CONFIRMED),
        ([(TLS, "TLS1_0", ABSENT)], ((TLS, "TLS1_0", "null"),), CONFIRMED),
        ([("properties.days", 7, 30)], (("properties.days", "7", "30.0"),), CONFIRMED),
        ([("properties.a", {"b": 1, "c": 2}, {"b": 1, "c": 3})], (("properties.a.c", "2", "3"),), CONFIRMED),
        ([("properties.a", {"b": 1}, {})], (("properties.a.b", "1", "null"),), CONFIRMED),
        ([("properties.a", [], ["x"])], (), WITHOUT),
        ([("properties.a", ["x"], ["y", "z"])], (("properties.a[0]", "x", "z"),), CONFIRMED),
        ([("properties.a", ["x"], ["y", "z"])], (("properties.a[0]", "x", "w"),), DIFFERENT),
        ([("properties.password", "old", "new")], (("properties.password", "a", "b"),), WITHOUT),
        ([("properties.x", HIDDEN, HIDDEN), PLANNED[0]], (BOTH[0], ("properties.x", "a", "b")), CONFIRMED),
        ([("(resource) properties.x", 1, 2)], (("properties.y", "1", "2"),), DIFFERENT),
    ],
)  # fmt: skip
def test_values_of_every_kind_are_compared(judge: Judge, planned: Any, changes: Any, status: Any) -> None:
    """New properties are never listed, elements of arrays in any order, and secrets are not in the plan to compare with."""
    assert judge(planned, recorded(*changes)).status is status


def test_what_is_not_listed_is_named(judge: Judge) -> None:
    """A confirmed record says which of the changes it does not show."""
    record = judge([(TLS, ABSENT, "TLS1_2"), PLANNED[0]], recorded(BOTH[0]))
    assert (record.unlisted, [str(one) for one in record.changes]) == ((TLS,), [f"{HTTPS}: False -> True"])
    hidden = judge([("properties.password", "old", "new")], recorded(("properties.password", "secret-1", "secret-2")))
    assert "secret" not in repr(hidden).replace("secrets", "")


def test_a_deployment_has_a_write_and_no_values(judge: Judge) -> None:
    """Its planned changes name resources, which the record does not."""
    assert judge(PLANNED, recorded(*BOTH), executor="template").status is WITHOUT


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (timedelta(minutes=1), "verify again after"),
        (timedelta(hours=1), "it does not have the write"),
        (timedelta(days=15), "keeps change records for 14 days"),
    ],
)
def test_a_missing_record_says_why(judge: Judge, later: timedelta, said: str) -> None:
    """Too early, too late, or for no reason that is known."""
    assert said in judge(PLANNED, now=NOON + later).message


def test_a_child_resource_may_have_no_record(judge: Judge, make_step: Callable[..., RemediationStep]) -> None:
    """Such as the configuration of a site."""
    child = f"{make_step().target_id}/blobServices/default"
    assert "no records of child resources" in judge(PLANNED, now=NOON + timedelta(hours=1), target_id=child).message


def test_a_history_that_cannot_be_read_is_not_checked(judge: Judge) -> None:
    """The reason is part of it."""
    record = judge(PLANNED, unread="403 AuthorizationFailed")
    assert (record.status, "403" in record.message) == (ChangeRecordStatus.NOT_CHECKED, True)


def test_a_contradiction_is_printed_with_the_report(
    judge: Judge, make_report: Callable[..., RemediationReport], make_result: Callable[..., RemediationResult]
) -> None:
    """What differs, and who else wrote."""
    record = judge(PLANNED, recorded(*BOTH, ("tags.owner", "a", "b")), recorded(correlation="else", minute=3))
    lines = make_result(change_record=record).lines()
    assert any("change history: extra changes" in line for line in lines)
    assert any("tags.owner: a -> b" in line for line in lines)
    assert any("changed by ann (Azure Portal; 2026-11-23 12:03 UTC)" in line for line in lines)


@pytest.mark.parametrize(
    ("attributes", "kind", "text"),
    [
        ({}, WriterKind.UNKNOWN, "(unknown)"),
        ({"changedBy": "bo", "changedByType": "User", "clientType": "Unknown"}, WriterKind.USER, "bo (User)"),
        ({"changedBy": "id", "changedByType": "ManagedIdentity"}, WriterKind.APPLICATION, "id (ManagedIdentity)"),
        ({"changedBy": "bo", "clientType": "Azure CLI"}, WriterKind.COMMAND_LINE, "bo (Azure CLI)"),
    ],
)
def test_a_writer_is_named_as_far_as_azure_knows_it(attributes: Any, kind: WriterKind, text: str) -> None:
    """A client that Azure does not name is known by its principal."""
    writer = Writer.from_rest(attributes)
    assert (writer.kind, str(writer)) == (kind, text)


def test_a_row_without_anything_is_a_change_of_nothing() -> None:
    """What Azure leaves out is absent, and never an error."""
    change = ResourceChange.from_rest({})
    assert (change.resource_id, change.changes, change.writer.at) == ("", (), None)
