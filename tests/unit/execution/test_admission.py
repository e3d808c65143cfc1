"""What a plan has to agree with before it is carried out, and the order in which its steps go."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate import Guards, RemediationPlan, RemediationStep
from defender_remediate.errors import GuardError, PlanError, PlanNotApprovedError
from defender_remediate.execution.admission import check_approved, check_guards, check_place, check_tenants
from defender_remediate.execution.sequences import independent_sequences
from defender_remediate.executors import PatchExecutor
from defender_remediate.models import Condition, PlannedRequest

ONE = "/subscriptions/11111111-1111-1111-1111-111111111111"
TWO = "/subscriptions/22222222-2222-2222-2222-222222222222"


def step(number: int, resource: str = "", **more: Any) -> RemediationStep:
    resource = resource or f"{ONE}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st{number}"
    return RemediationStep(
        **{
            "id": f"step{number}",
            "executor": "patch",
            "keys": ("key",),
            "titles": ("A title",),
            "resource_id": resource,
            "resource_type": "Microsoft.Storage/storageAccounts",
            "target_id": resource,
            "api_version": "2023-05-01",
            "changes": (),
            "request": PlannedRequest(method="PATCH", path=resource, api_version="2023-05-01", body={"a": 1}),
            "fingerprint": "f",
            "compliant_when": Condition(operator="exists", path="a", value=True),
            **more,
        }
    )


def plan(*steps: RemediationStep) -> RemediationPlan:
    return RemediationPlan(
        steps=steps,
        scope=(ONE,),
        endpoint="https://management.azure.com",
        tenants=("t",),
        catalog_version="1.x",
        created_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )


def check(made: RemediationPlan, guards: Guards | None = None, **waive: str) -> None:
    check_guards(made, guards or Guards(), now=made.created_at, waive=waive)


def test_an_approved_plan_passes() -> None:
    """The digest may be written in capitals, and ids in any casing."""
    made = plan(step(1))
    check_approved(made, f" {made.digest.upper()} ")
    check_place(made, endpoint=made.endpoint, scope=(ONE.upper(),), executors={"patch": PatchExecutor()})
    check(made)


@pytest.mark.parametrize("approve", ["", "yes", None, True, "0" * 64])
def test_anything_but_the_digest_is_no_approval(approve: Any) -> None:
    """There is no way to say yes to a plan that one has not seen."""
    with pytest.raises(PlanNotApprovedError, match=r"pass all 64 characters of its digest: approve=plan\.digest"):
        check_approved(plan(step(1)), approve)


def test_an_edited_plan_is_not_the_approved_one() -> None:
    """Any change of what would be sent changes the digest."""
    made = plan(step(1))
    request = attrs.evolve(made.steps[0].request, body={"a": 2})
    edited = attrs.evolve(made, steps=(attrs.evolve(made.steps[0], request=request),))
    with pytest.raises(PlanNotApprovedError):
        check_approved(edited, made.digest)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"endpoint": "https://management.usgovcloudapi.net"}, "another endpoint"),
        ({"scope": (TWO,)}, "another scope"),
        ({"executors": {}}, "an executor 'patch'"),
    ],
)
def test_a_plan_made_elsewhere_is_refused(more: dict[str, Any], what: str) -> None:
    """A plan is bound to where it was made."""
    made = plan(step(1))
    here: dict[str, Any] = {"endpoint": made.endpoint, "scope": made.scope, "executors": {"patch": PatchExecutor()}}
    with pytest.raises(PlanError, match=what):
        check_place(made, **here | more)


def test_a_plan_is_bound_to_its_tenants() -> None:
    """Another tenant is refused, and the message names both; a part of a plan has a part of its tenants."""
    check_tenants(["A", "b"], ["B", "a"])
    check_tenants(["a", "b"], ["b"])
    check_tenants(["a"], [])
    check_tenants([], ["a"])
    with pytest.raises(PlanError, match="another tenant: a, not b"):
        check_tenants(["a"], ["b"])


def test_more_changes_than_the_guard_allows_are_refused() -> None:
    """The message says how to go on."""
    made = plan(step(1), step(2))
    with pytest.raises(GuardError, match=r"plan.limit\(1\)") as caught:
        check(made, Guards(max_changes=1))
    assert caught.value.guard == "max_changes"


def test_an_irreversible_step_needs_consent_also_when_it_is_applied() -> None:
    """A plan that was made with consent is not applied without it."""
    made = plan(step(1, reversibility="none", irreversible_keys=("key",)))
    with pytest.raises(GuardError, match="cannot be undone") as caught:
        check(made)
    assert caught.value.guard == "allow_irreversible"
    check(made, Guards(allow_irreversible=["KEY"]))


def test_every_irreversible_fix_of_a_step_needs_consent() -> None:
    """Consent to one recommendation is no consent to another that shares its request."""
    made = plan(step(1, reversibility="none", irreversible_keys=("key", "other")))
    with pytest.raises(GuardError):
        check(made, Guards(allow_irreversible=["key"]))


def test_subscriptions_take_turns_and_steps_of_one_resource_follow_one_another() -> None:
    """Each subscription has its own limit; two writes to one resource follow one another."""
    site = f"{TWO}/resourceGroups/rg/providers/Microsoft.Web/sites/app"
    steps = [step(1), step(2), step(3, site), step(4, f"{site.upper()}/config/web")]
    assert [[one.id for one in sequence] for sequence in independent_sequences(steps)] == [
        ["step1"],
        ["step3", "step4"],
        ["step2"],
    ]


def test_all_steps_that_write_to_one_resource_follow_one_another() -> None:
    """Also when the steps are about different resources, and when only a third step connects them."""
    group = f"{TWO}/resourceGroups/rg/providers"
    first, second, nic = (f"{group}/A.B/c/{name}" for name in ("one", "two", "nic"))
    steps = [
        step(1, first),
        step(2, second),
        attrs.evolve(step(3, second), target_id=f"{nic.upper()}/sub/x"),
        step(4, f"{group}/A.B/c/alone"),
        attrs.evolve(step(5, first), target_id=nic),
    ]
    assert [[one.id for one in sequence] for sequence in independent_sequences(steps)] == [
        ["step1", "step2", "step3", "step5"],
        ["step4"],
    ]


def test_what_is_written_is_protected_as_well() -> None:
    """A step about one resource may write to another, whose group or name is protected."""
    elsewhere = f"{TWO}/resourceGroups/production/providers/A.B/c/nic"
    with pytest.raises(GuardError, match="'production' is protected") as caught:
        check(plan(attrs.evolve(step(1), target_id=elsewhere)), Guards(protected_groups=["prod*"]))
    assert caught.value.guard == "protected"


def test_a_resume_is_held_to_the_guards_for_what_is_left() -> None:
    """Finished steps are not counted and the plan may be of any age, but targets that are protected by now are not changed."""
    made = plan(step(1), step(2), step(3))
    guards = Guards(max_changes=2, max_plan_age=timedelta(hours=1))
    later = made.created_at + timedelta(days=1)
    check_guards(made, guards, now=later, waive=(), left={"step2", "step3"})
    with pytest.raises(GuardError, match="3 changes"):
        check_guards(made, guards, now=later, waive=(), left={"step1", "step2", "step3"})
    protecting = Guards(protected_names=["st1"])
    check_guards(made, protecting, now=later, waive=(), left={"step2"})
    with pytest.raises(GuardError, match="'st1' is protected"):
        check_guards(made, protecting, now=later, waive=(), left={"step1"})


def test_what_is_removed_is_protected_by_its_own_name_and_group() -> None:
    """It is not the resource that the recommendation was about; a part that is only changed goes by the resource."""
    made = step(1)
    setting = f"{made.resource_id}/providers/Microsoft.Insights/diagnosticSettings/audit"
    guards = Guards(protected_names=["audit"])
    check(plan(attrs.evolve(made, target_id=setting)), guards)
    delete = PlannedRequest(method="DELETE", path=setting, api_version="1", body={})
    with pytest.raises(GuardError, match="'audit' is protected"):
        check(plan(attrs.evolve(made, target_id=setting, request=delete)), guards, removal="why")
