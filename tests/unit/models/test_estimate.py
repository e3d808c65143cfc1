"""What a plan is expected to take."""

from __future__ import annotations

from collections.abc import Callable

from defender_remediate.models import CreatedResource, PlannedRequest, RemediationPlan, RemediationStep

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


def steps(
    make_step: Callable[..., RemediationStep], number: int, subscription: str = SUBSCRIPTION
) -> list[RemediationStep]:
    """So many steps on storage accounts of a subscription."""
    made = []
    for place in range(number):
        account = (
            f"/subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a{place}"
        )
        made.append(make_step(id=f"{subscription}-{place}", resource_id=account, target_id=account))
    return made


def test_a_small_run_reads_each_target_twice(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """It takes no time by the limits; the subscription is read once."""
    found = make_plan(steps=tuple(steps(make_step, 25))).estimate()
    (one,) = found.subscriptions
    assert (one.steps, one.reads, one.writes, one.deletes, one.seconds) == (25, 51, 25, 0, 0.0)
    assert (found.requests, found.seconds, found.notes) == (76, 0.0, ())


def test_the_slowest_subscription_says_how_long_a_run_takes(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """1,000 writes take 80 seconds; those of another subscription go on beside them."""
    plan = make_plan(steps=(*steps(make_step, 300, OTHER), *steps(make_step, 1000)))
    found = plan.estimate()
    assert found.seconds == 80.0
    assert [one.subscription_id for one in found.subscriptions] == [SUBSCRIPTION, OTHER]
    assert [one.seconds for one in found.subscriptions] == [80.0, 10.0]
    assert found.requests == 2 * 1300 + 2
    assert str(found).splitlines() == [
        "1300 steps: 2602 requests, at least 80 s by Azure's published limits",
        f"  {SUBSCRIPTION}: 1000 steps, 2001 requests, 80 s",
        f"  {OTHER}: 300 steps, 601 requests, 10 s",
        f"  {SUBSCRIPTION}: microsoft.storage takes 800 reads in 5 minutes per region, and 1000 are planned",
    ]


def test_what_is_not_a_write_of_a_whole_resource_costs_more_reads(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """A deployment is asked about, a type that echoes is read again, and what is created is looked for before and after."""
    (step,) = steps(make_step, 1)
    created = CreatedResource(resource_id=f"{step.resource_id}x", api_version="1")
    removal = PlannedRequest(method="DELETE", path=step.target_id, api_version="1", body={})
    kinds = {
        1: make_step(),
        2: make_step(resource_type="Microsoft.Web/sites"),
        3: make_step(executor="template"),
        5: make_step(executor="template", creates=(created,)),
    }
    for reads, one in kinds.items():
        found = make_plan(steps=(one,) * 26).estimate().subscriptions[0]
        assert found.reads == 1 + 26 * reads
    found = make_plan(steps=(make_step(request=removal),) * 300).estimate().subscriptions[0]
    assert (found.deletes, found.writes, found.seconds) == (300, 0, 14.04)


def test_an_hourly_limit_is_named(
    make_plan: Callable[..., RemediationPlan], make_step: Callable[..., RemediationStep]
) -> None:
    """Which region a resource is in is not in the plan, so it is no part of the time."""
    found = make_plan(steps=tuple(steps(make_step, 1201))).estimate()
    assert "1200 writes an hour per region, and 1201 are planned" in str(found)


def test_a_plan_without_steps_takes_nothing(make_plan: Callable[..., RemediationPlan]) -> None:
    """Nothing is sent for it."""
    found = make_plan(steps=()).estimate()
    assert (found.requests, found.seconds, found.subscriptions) == (0, 0.0, ())
