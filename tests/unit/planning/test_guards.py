"""Where a plan goes beyond its guards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate import Guards, RemediationPlan, RemediationStep
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.guards import MaintenanceWindow
from defender_remediate.planning.guards import protection, violations

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/shop-prod"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stshop01"
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("guards", "resource", "why"),
    [
        (Guards(), {"tags": {"env": "prod"}}, None),
        (Guards(protected_groups=["SHOP-*"]), None, "resource group 'shop-prod' is protected"),
        (Guards(protected_groups=["crm-*"]), None, None),
        (Guards(protected_names=["st*01"]), None, "name 'stshop01' is protected"),
        (Guards(protected_names=["kv*"]), None, None),
        (Guards(protected_names=["DEFAULT"]), None, "name 'default' is protected"),
        (Guards(protected_tags=["env"]), {"Tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["env"]), {"tags": ["env"]}, None),
        (Guards(protected_tags=["Env=PROD"]), {"tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["env=pr*"]), {"tags": {"env": "prod"}}, "tag env=prod is protected"),
        (Guards(protected_tags=["owner"]), {"tags": {"Owner": "x"}}, "tag Owner=x is protected"),
        (Guards(protected_tags=["env=dev", "owner"]), {"tags": {"env": "prod"}}, None),
        (Guards(protected_tags=["env"]), {"tags": None}, None),
        (Guards(protected_tags=["env"]), None, None),
    ],
)
def test_a_protected_resource_is_never_planned(guards: Guards, resource: Any, why: str) -> None:
    """By its group, its name or a tag, whatever the case."""
    found = protection(guards, f"{ACCOUNT}/blobServices/default", resource)
    assert found == (f"its {why}" if why else None)


@pytest.mark.parametrize("name", ["sql01", "orders", "current", "extra"])
def test_whatever_a_resource_is_a_part_of_protects_it(name: str) -> None:
    """A server, its database, and what is on that; types, providers and groups are no names."""
    below = "providers/Microsoft.Sql/servers/sql01/databases/orders/transparentDataEncryption/current"
    resource = f"{GROUP}/{below}/providers/Microsoft.Insights/diagnosticSettings/extra"
    assert protection(Guards(protected_names=[name.upper()]), resource, None) == f"its name {name!r} is protected"
    others = Guards(protected_names=["databases", "shop-prod", "Microsoft.*", "providers", "11111111-*"])
    assert protection(others, resource, None) is None


def test_a_group_and_a_subscription_are_protected_by_name() -> None:
    """What is not in a group is not protected by one."""
    assert "'shop-prod'" in str(protection(Guards(protected_groups=["shop-prod"]), GROUP, None))
    assert protection(Guards(protected_groups=["*"]), GROUP.partition("/resourceGroups")[0], None) is None


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
        lambda: MaintenanceWindow(start="22:00", end=time(2)),  # type: ignore[arg-type]
        lambda: MaintenanceWindow(start=time(1), end=None),  # type: ignore[arg-type]
        lambda: MaintenanceWindow(start=time(1), end=time(2), zone="Europe/Berlin"),  # type: ignore[arg-type]
        lambda: MaintenanceWindow(start=time(1), end=time(2), days="mon"),
        lambda: Guards(protected_names="st*"),
        lambda: Guards(allowed_impacts=("some",)),
        lambda: Guards(max_share=0),
        lambda: Guards(max_share=1.01),
        lambda: Guards(max_share=-0.5),
        lambda: Guards(max_share=float("nan")),
        lambda: Guards(max_share=True),
        lambda: Guards(max_share="50%"),  # type: ignore[arg-type]
        lambda: Guards(allowed_impacts="none"),
        lambda: Guards(allowed_impacts=None),
        lambda: MaintenanceWindow(start=time(1, tzinfo=timezone.utc), end=time(2)),
        lambda: MaintenanceWindow(start=time(1), end=time(2, tzinfo=timezone.utc)),
    ],
)
def test_a_guard_that_means_nothing_is_refused(make: Callable[[], object]) -> None:
    """Before anything is planned by it."""
    with pytest.raises(InvalidInputError):
        make()


def test_impacts_may_come_from_anywhere() -> None:
    """What is looked through once is still there when it is needed."""
    assert Guards(allowed_impacts=iter(["none", "cost"])).allowed_impacts == ("none", "cost")


def accounts(make_step: Callable[..., RemediationStep], count: int) -> tuple[RemediationStep, ...]:
    return tuple(make_step(id=f"s{n}", resource_id=f"{ACCOUNT}{n}", target_id=f"{ACCOUNT}{n}") for n in range(count))


@pytest.mark.parametrize(
    ("share", "changed", "assessed", "message"),
    [
        (0.5, 3, 6, ""),
        (0.5, 4, 6, "4 of 6 that were assessed, the guard max_share allows 50%"),
        (0.29, 29, 100, ""),
        (0.29, 30, 100, "30 of 100"),
        (1, 6, 6, ""),
        (1, 7, 6, "7 of 6"),
        (0.01, 1, 6, ""),
        (0.01, 1, None, ""),
        (0.01, 2, 6, "2 of 6"),
        (0.5, 2, None, "does not say how many were assessed"),
        (0.5, 2, "(hidden)", "does not say how many were assessed"),
        (0.5, 2, 0, "does not say how many were assessed"),
        (None, 7, None, ""),
    ],
)
def test_no_more_than_a_share_of_a_type_may_change(
    make_plan: Callable[..., RemediationPlan],
    make_step: Callable[..., RemediationStep],
    share: float | None,
    changed: int,
    assessed: Any,
    message: str,
) -> None:
    """One change is always allowed, for a canary; a share of an unknown total is refused."""
    counts = {} if assessed is None else {"microsoft.storage/storageaccounts": assessed}
    plan = make_plan(steps=accounts(make_step, changed), assessed=counts)
    found = violations(Guards(max_share=share, max_changes=200), plan, MONDAY)
    assert [one.guard for one in found] == (["max_share"] if message else [])
    assert all(message in one.message and 'waive={"max_share": "why"}' in one.hint for one in found)


def test_each_type_has_its_share_and_a_resource_counts_once(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """Two steps of one resource are one change to it; few of one type do not make up for many of another."""
    twice = (make_step(), make_step(id="again", target_id=f"{ACCOUNT}/blobServices/default"))
    assessed = {"microsoft.storage/storageaccounts": 2, "microsoft.web/sites": 100}
    assert violations(Guards(max_share=0.5), make_plan(steps=twice, assessed=assessed), MONDAY) == ()
    sites = tuple(attrs.evolve(one, id=f"w{one.id}", resource_type="Microsoft.Web/Sites") for one in twice)
    assert violations(Guards(max_share=0.5), make_plan(steps=(*sites, *twice), assessed=assessed), MONDAY) == ()
    more = (*sites, *accounts(make_step, 2))
    (found,) = violations(Guards(max_share=0.5), make_plan(steps=more, assessed=assessed), MONDAY)
    assert found.message.startswith("microsoft.storage/storageaccounts: the plan changes 2 of 2")


def test_the_share_of_a_run_does_not_shrink_while_it_goes_on(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """A resume counts what the run has changed already; the number of changes counts what is left."""
    plan = make_plan(steps=accounts(make_step, 3), assessed={"microsoft.storage/storageaccounts": 4})
    guards = Guards(max_share=0.5, max_changes=1, max_plan_age=timedelta(seconds=1))
    (found,) = violations(guards, plan, plan.created_at + timedelta(days=1), left={"s2"})
    assert found.guard == "max_share"


def test_a_removal_is_beyond_any_guards(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """It has to be waived by its name, whatever else is allowed; one that is over needs nothing any more."""
    delete = attrs.evolve(make_step().request, method="DELETE", body={})
    one, two = make_step(request=delete), make_step(id="two", request=delete)
    (found,) = violations(Guards(), make_plan(steps=(make_step(id="other"), one)), MONDAY)
    assert found.guard == "removal"
    assert found.message == f"the plan removes {one.target_id}, which cannot be undone"
    (both,) = violations(Guards(), make_plan(steps=(one, two)), MONDAY)
    assert f"{one.target_id} and 1 more," in both.message
    assert violations(Guards(), make_plan(steps=(one, two)), MONDAY, left=()) == ()
