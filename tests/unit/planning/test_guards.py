"""Where a plan goes beyond its guards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any

import pytest

from defender_remediate import Guards, RemediationPlan, RemediationStep
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.guards import MaintenanceWindow
from defender_remediate.planning.guards import check_waivers, protection, violations

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/shop-prod"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stshop01"
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("guards", "resource", "why"),
    [
        (Guards(), {"tags": {"env": "prod"}}, ""),
        (Guards(protected_groups=["SHOP-*"]), None, "resource group 'shop-prod' is protected"),
        (Guards(protected_groups=["crm-*"]), None, ""),
        (Guards(protected_names=["st*01"]), None, "name 'stshop01' is protected"),
        (Guards(protected_names=["kv*"]), None, ""),
        (Guards(protected_names=["DEFAULT"]), None, "name 'default' is protected"),
        (Guards(protected_tags=["env"]), {"Tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["env"]), {"tags": ["env"]}, ""),
        (Guards(protected_tags=["Env=PROD"]), {"tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["env=pr*"]), {"tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["owner"]), {"tags": {"Owner": "x"}}, "tag Owner=x is protected"),
        (Guards(protected_tags=["env=dev", "owner"]), {"tags": {"env": "prod"}}, ""),
        (Guards(protected_tags=["env"]), {"tags": None}, ""),
        (Guards(protected_tags=["env"]), None, ""),
    ],
)
def test_a_protected_resource_is_never_planned(guards: Guards, resource: Any, why: str) -> None:
    """By its group, its name or a tag, whatever the case."""
    found = protection(guards, f"{ACCOUNT}/blobServices/default", resource)
    assert found == (f"its {why}" if why else "")


def test_a_group_and_a_subscription_are_protected_by_name() -> None:
    """What is not in a group is not protected by one."""
    assert "'shop-prod'" in protection(Guards(protected_groups=["shop-prod"]), GROUP, None)
    assert protection(Guards(protected_groups=["*"]), GROUP.partition("/resourceGroups")[0], None) == ""


def test_every_guard_names_itself(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """A plan may go beyond several at once; one that keeps to them goes beyond none."""
    window = MaintenanceWindow(start=time(22), end=time(4))
    guards = Guards(max_changes=1, allowed_impacts=("none",), window=window, max_plan_age=timedelta(hours=1))
    plan = make_plan(steps=(make_step(), make_step(id="step-2")), created_at=MONDAY - timedelta(hours=2))
    found = violations(guards, plan, MONDAY)
    assert [violation.guard for violation in found] == ["max_changes", "allowed_impacts", "window", "max_plan_age"]
    assert "2 changes" in found[0].message
    assert "connectivity" in found[1].message
    assert "22:00 to 04:00" in found[2].message
    assert "2:00:00 old" in found[3].message
    kept = make_plan(steps=(make_step(impact="none"),), created_at=MONDAY.replace(hour=22))
    assert violations(guards, kept, MONDAY.replace(hour=23)) == ()
    assert violations(Guards(), plan, MONDAY) == ()


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        (MaintenanceWindow(start=time(9), end=time(17)), MONDAY, True),
        (MaintenanceWindow(start=time(9), end=time(12)), MONDAY, False),
        (MaintenanceWindow(start=time(9), end=time(17), days=["tue"]), MONDAY, False),
        (MaintenanceWindow(start=time(22), end=time(4)), MONDAY.replace(hour=23), True),
        (MaintenanceWindow(start=time(22), end=time(4)), MONDAY.replace(hour=3), True),
        (MaintenanceWindow(start=time(22), end=time(4), days=["sun"]), MONDAY.replace(hour=3), True),
        (MaintenanceWindow(start=time(22), end=time(4), days=["mon"]), MONDAY.replace(hour=3), False),
        (MaintenanceWindow(start=time(22), end=time(4), days=["sun"]), MONDAY.replace(hour=23), False),
        (MaintenanceWindow(start=time(13), end=time(14), zone=timezone(timedelta(hours=1))), MONDAY, True),
    ],
)
def test_a_window_opens_on_its_days(window: MaintenanceWindow, moment: datetime, is_open: bool) -> None:
    """One that goes past midnight belongs to the day on which it opened."""
    assert window.is_open(moment) is is_open


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaintenanceWindow(start=time(1), end=time(1)),
        lambda: MaintenanceWindow(start=time(1), end=time(2), days=["Monday"]),
        lambda: MaintenanceWindow(start=time(1), end=time(2), days=[]),
        lambda: MaintenanceWindow(start=time(1), end=time(2), days="mon"),
        lambda: Guards(protected_names="st*"),
        lambda: Guards(allowed_impacts=("some",)),
        lambda: Guards(allowed_impacts="none"),
        lambda: check_waivers({"max_changes": " "}),
        lambda: check_waivers({"max_changes": 7}),  # type: ignore[dict-item]
        lambda: check_waivers({"everything": "because"}),
        lambda: check_waivers(["max_changes"]),  # type: ignore[arg-type]
        lambda: Guards(allowed_impacts=None),
        lambda: MaintenanceWindow(start=time(1, tzinfo=timezone.utc), end=time(2)),
        lambda: MaintenanceWindow(start=time(1), end=time(2, tzinfo=timezone.utc)),
    ],
)
def test_a_guard_that_means_nothing_is_refused(make: Callable[[], object]) -> None:
    """Before anything is planned by it."""
    with pytest.raises(InvalidInputError):
        make()


def test_a_waiver_is_recorded_with_its_reason() -> None:
    """One guard at a time, by name."""
    assert check_waivers({"max_changes": " CHG-1 ", "window": "incident"}) == ("max_changes: CHG-1", "window: incident")


def test_impacts_may_come_from_anywhere() -> None:
    """What is looked through once is still there when it is needed."""
    assert Guards(allowed_impacts=iter(["none", "cost"])).allowed_impacts == ("none", "cost")
