"""What an error says to do is right, for mistakes that users make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Catalog,
    FileJournal,
    MaintenanceWindow,
    RemediationClient,
    RemediationReport,
    Waves,
)
from defender_remediate.errors import InvalidInputError, RemediationFailedError
from defender_remediate.json_values import FrozenMap
from defender_remediate.models import RemediationPlan
from defender_remediate.models.ids import id_key
from defender_remediate.reports import print_plan, to_html
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda client: client.verify('{"kind": "RemediationReport"}'), r"RemediationReport\.from_json\(text\)"),
        (lambda client: client.activity.list_events(since="yesterday"), "since must be a datetime, got 'yesterday'"),
        (lambda client: client.activity.list_events(since=datetime(2026, 3, 1)), "has no time zone"),
        (
            lambda client: client.activity.list_events(since=datetime.min.replace(tzinfo=timezone(timedelta(hours=9)))),
            "no equivalent in UTC",
        ),
        (lambda client: client.exemptions.plan_file("exemptions.json"), r"client\.exemptions\.export\(\) returned"),
        (lambda client: client.plan([SECURE_TRANSFER], waive=["live_use"]), r'pass waive=\{"live_use": "why"\}'),
        (lambda client: client.plan([SECURE_TRANSFER], waive=5), r'pass waive=\{"'),
        (lambda client: client.plan([SECURE_TRANSFER], waive={"live_us": "x"}), "did you mean 'live_use'"),
        (
            lambda client: client.apply(client.plan([SECURE_TRANSFER]), approve="x", waive={"max_change": "x"}),
            "did you mean 'max_changes'",
        ),
        (
            lambda client: RemediationReport.from_json(client.plan([SECURE_TRANSFER]).to_json()),
            "of the kind 'RemediationPlan', but not of a RemediationReport",
        ),
        (lambda client: RemediationPlan.from_json("[]"), "is JSON, but not of a RemediationPlan"),
    ],
)
def test_the_hint_names_what_would_be_right(client: RemediationClient, call: Callable[[Any], Any], said: str) -> None:
    """By the value that was passed, not by an example of something else."""
    with pytest.raises(InvalidInputError, match=said):
        call(client)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda plan: Catalog("redis"), "a catalog is made of fixes"),
        (lambda plan: Catalog([5]), "a catalog is made of fixes"),
        (lambda plan: Catalog.bundled().check(fixes=[5]), "expected a FixAction or the path of a catalog file"),
        (lambda plan: FileJournal(5), "directory must be a path"),
        (lambda plan: FrozenMap(5), "is made of a mapping"),
        (
            lambda plan: MaintenanceWindow(start=time(22), end=time(4)).is_open(datetime(2026, 3, 1)),
            "a time with a time zone",
        ),
        (lambda plan: id_key(5), "expected an Azure id"),
        (lambda plan: Waves().sizes(-1), "integer of at least 0"),
        (lambda plan: print_plan(plan, "stdout"), "stream must be a stream of strings"),
        (lambda plan: attrs.evolve(plan, steps=[5]), "steps must be a tuple of RemediationStep"),
    ],
)
def test_a_value_refuses_what_it_is_not_made_of(
    client: RemediationClient, make: Callable[[Any], Any], said: str
) -> None:
    """In a sentence, at once."""
    plan = client.plan([SECURE_TRANSFER])
    with pytest.raises(InvalidInputError, match=said):
        make(plan)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"transport": "sim"}, "transport must have a method send"),
        ({"journal": "runs"}, r"pass FileJournal\(folder\)"),
        ({"catalog": "my.toml"}, r"Catalog\.bundled\(\)\.with_fixes\(path\)"),
    ],
)
def test_a_wrong_part_is_refused_when_the_client_is_made(sim: ArmSimulator, options: dict[str, Any], said: str) -> None:
    """Not at the first request, far from the mistake."""
    with pytest.raises(InvalidInputError, match=said):
        RemediationClient(sim.credential, sim.scopes, **options)


def test_failures_tell_steps_from_what_checks_kept_out(sim: ArmSimulator, client: RemediationClient) -> None:
    """A run in which every step succeeded does not read as one in which many failed."""
    plan = client.plan(waive={"live_use": "a test tenant"}).limit(3)
    report = client.apply(plan, approve=plan.digest)
    with pytest.raises(
        RemediationFailedError, match=r"0 of 3 steps did not succeed, and checks kept .* resources out of the plan"
    ):
        report.raise_for_failures()


def test_a_page_of_what_is_confirmed_does_not_wait_for_defender(sim: ArmSimulator, client: RemediationClient) -> None:
    """The score says that it is expected until Defender has assessed the resources again, and not afterwards."""
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest)
    waits = "when Defender for Cloud has assessed the changed resources again"
    assert waits in to_html(report)
    sim.clock.advance(3600)
    assert waits not in to_html(client.verify(report))
