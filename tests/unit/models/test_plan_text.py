"""The printed text of large plans, and what plans are compared and reduced by."""

from __future__ import annotations

import re

import attrs
import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.models.check import CheckResult
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.plan import PropertyChange, SkippedResource
from defender_remediate.models.result import StepError

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
OTHER = "/subscriptions/22222222-2222-3333-4444-555555555555"


def account(number: int, subscription: str = SUBSCRIPTION) -> str:
    group = f"rg-{number % 7}"
    return f"{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/account{number:04}"


@pytest.fixture
def make_steps(make_step):
    """Many steps of the same change, or each of a different one."""

    def make(count, *, differ=False, subscription=SUBSCRIPTION, **changes):
        for number in range(count):
            target = account(number, subscription)
            step = make_step(id=f"{subscription}{number}", resource_id=target, target_id=target, **changes)
            step = attrs.evolve(step, request=attrs.evolve(step.request, path=target))
            if differ:
                step = attrs.evolve(step, changes=(PropertyChange(path="tags.n", before=number, after=-number),))
            yield step

    return make


def test_five_hundred_equal_changes_fit_on_two_screens_by_name(make_plan, make_steps):
    """Every resource is listed by its name, and the scope stands there once."""
    text = str(make_plan(steps=tuple(make_steps(500)), skipped=()))
    lines = text.splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 80
    assert set(re.findall(r"account\d{4}", text)) == {f"account{number:04}" for number in range(500)}
    assert text.count(SUBSCRIPTION) == 1


@pytest.mark.parametrize("count", [51, 500])
def test_of_different_changes_those_that_are_not_shown_are_counted(make_plan, make_steps, count):
    """The shown and the counted changes add up, and the text says where the others can be seen."""
    checked = CheckResult(check="lock", status="warning", message="m" * 300, evidence=("e",) * 9, advice="a")
    skips = tuple(
        SkippedResource(resource_id=account(number), keys=(f"k{number}",), reason="no_fix") for number in range(300)
    )
    plan = make_plan(steps=tuple(make_steps(count, differ=True, check_results=(checked,))), skipped=skips)
    text = str(plan)
    lines = text.splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 80
    (hidden,) = re.findall(r"^(\d+) more changes? not shown: print\(plan\.details\(\)\)", text, re.MULTILINE)
    shown = sum(int(number) for number in re.findall(r"^~ (\d+) change", text, re.MULTILINE))
    assert shown + int(hidden) == count
    assert plan.details().count("\n~ ") == count
    assert "skipped: 300 no fix" in text


def test_of_long_changes_the_impact_and_the_rollback_stay(make_plan, make_steps):
    """A change of many members is cut in the middle: what it means for users is its end."""
    steps = []
    for number, step in enumerate(make_steps(60)):
        changes = tuple(PropertyChange(path=f"p.{member}", before=number, after=member) for member in range(20))
        steps.append(attrs.evolve(step, changes=changes))
    lines = str(make_plan(steps=tuple(steps), skipped=())).splitlines()
    assert len(lines) <= 120
    assert any(re.fullmatch(r"      and \d+ more lines", line) for line in lines)
    assert "    impact: connectivity (plain-HTTP clients are refused); rollback: exact" in lines


def test_a_plan_of_nothing_is_short(make_plan):
    """It says why nothing was found, in both forms, and nothing else."""
    plan = make_plan(steps=(), skipped=(), not_evaluated=("posture management is off",))
    for text in (str(plan), plan.details()):
        assert text.splitlines()[3:] == [
            "",
            "Nothing was found, and that does not mean healthy:",
            "- posture management is off",
        ]
    assert str(make_plan(steps=(), skipped=())).splitlines()[3].startswith("nothing to do")
    assert len(make_plan(steps=(), skipped=()).details().splitlines()) == 3


def test_long_names_are_counted_where_they_do_not_fit(make_plan, make_steps):
    """A group keeps as many names as there is room for, and says how many more there are."""
    steps = []
    for step in make_steps(300):
        long = f"{step.resource_id}{'x' * 60}"
        request = attrs.evolve(step.request, path=long)
        steps.append(attrs.evolve(step, resource_id=long, target_id=long, request=request))
    lines = str(make_plan(steps=tuple(steps))).splitlines()
    assert len(lines) <= 120
    named = sum(len(re.findall(r"account\d{4}x", line)) for line in lines)
    (more,) = [int(line.split()[1]) for line in lines if line.startswith("      and ")]
    assert named + more == 300


def test_a_plan_that_one_reads_whole_is_shown_whole(make_plan, make_steps):
    """Up to fifty changes are all shown, even if the skips then are not."""
    skips = tuple(
        SkippedResource(resource_id=account(number), keys=(f"k{number}",), reason="no_fix", message="m" * 100)
        for number in range(99)
    )
    text = str(make_plan(steps=tuple(make_steps(50, differ=True)), skipped=skips))
    assert text.count("\n~ 1 change: ") == 50
    assert text.endswith("  49 more skips not shown: print(plan.details()) shows everything")


def test_resources_of_several_subscriptions_are_told_apart(make_plan, make_steps):
    """By the first characters of their subscriptions, or by all of them where these are not told or the same."""
    both = (*make_steps(1), *make_steps(1, subscription=OTHER))
    text = str(make_plan(steps=both, skipped=(), scope=(SUBSCRIPTION, OTHER)))
    assert "      11111111…/rg-0: account0000\n      22222222…/rg-0: account0000" in text
    twin = f"{SUBSCRIPTION[:-1]}6"
    text = str(
        make_plan(steps=(*make_steps(1), *make_steps(1, subscription=twin)), skipped=(), scope=(SUBSCRIPTION, twin))
    )
    assert f"      {twin.removeprefix('/subscriptions/')}/rg-0: account0000" in text
    group = "/providers/Microsoft.Management/managementGroups/root"
    text = str(make_plan(steps=tuple(make_steps(1)), skipped=(), scope=(group,)))
    assert f"      {SUBSCRIPTION.removeprefix('/subscriptions/')}/rg-0: account0000" in text


def test_many_scopes_and_recommendations_are_counted(make_plan, make_steps):
    """The summary stays short."""
    steps = tuple(attrs.evolve(step, titles=(f"Title {number}",)) for number, step in enumerate(make_steps(20)))
    lines = str(make_plan(steps=steps, scope=tuple(f"/scope{number}" for number in range(9)))).splitlines()
    assert "        and 7 more scopes" in lines
    assert "  11  for 11 other recommendations" in lines


def test_a_resource_group_and_a_subscription_are_named_as_such(make_plan, make_step):
    """They have no name of their own below their group."""
    places = (SUBSCRIPTION, f"{SUBSCRIPTION}/resourceGroups/rg")
    steps = tuple(make_step(id=place, resource_id=place, target_id=place) for place in places)
    text = str(make_plan(steps=steps, skipped=()))
    assert "      the subscription\n      rg: the resource group" in text


def test_a_target_beside_its_resource_is_named_with_it(make_plan, make_step):
    """So two steps for one machine are told apart, and grouped by the type that they write to."""
    nic = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/nic1"
    step = make_step(target_id=nic)
    text = str(make_plan(steps=(attrs.evolve(step, request=attrs.evolve(step.request, path=nic)),), skipped=()))
    assert "    PATCH Microsoft.Network/networkInterfaces, api-version" in text
    assert "      rg: nic1 (for shopdata)" in text


@pytest.mark.parametrize("place", [f"{SUBSCRIPTION}/resourceGroups/shop-rg", SUBSCRIPTION])
def test_deployments_of_the_same_template_are_one_group(make_plan, make_steps, place):
    """Each has a name of its own and the name of its resource as a parameter."""
    steps = []
    for step in make_steps(2, executor="template"):
        above = place if place == SUBSCRIPTION else step.resource_id.partition("/providers/")[0]
        path = f"{above}/providers/Microsoft.Resources/deployments/d-{step.id[-1]}"
        name, id_ = step.resource_id.rpartition("/")[2], step.resource_id
        body = {"properties": {"parameters": {"name": {"value": name}, "id": {"value": id_}, "n": {"value": 1}}}}
        steps.append(attrs.evolve(step, request=attrs.evolve(step.request, path=path, body=body)))
    text = str(make_plan(steps=tuple(steps), skipped=()))
    assert "~ 2 changes: " in text
    assert "      parameter name: (the name of the resource)\n      parameter id: (the id of the resource)" in text
    assert f"deployments to the {'subscription' if place == SUBSCRIPTION else 'group'}, api-version" in text


def test_a_request_to_another_place_is_shown_whole(make_plan, make_step):
    """An edited plan cannot hide behind the short form."""
    step = make_step()
    elsewhere = attrs.evolve(step, request=attrs.evolve(step.request, path=f"{OTHER}/resourceGroups/x"))
    assert f"PATCH {OTHER}/resourceGroups/x" in " ".join(str(make_plan(steps=(elsewhere,))).split())


def test_what_a_step_creates_is_printed(make_plan, make_step):
    """Below its resource in the summary, by its whole id in the details."""
    from defender_remediate.models.plan import CreatedResource

    step = make_step()
    inside = CreatedResource(resource_id=f"{step.resource_id}/a/b", api_version="1")
    elsewhere = CreatedResource(resource_id="/x/y", api_version="1")
    plan = make_plan(steps=(attrs.evolve(step, creates=(inside, elsewhere)),))
    assert "      creates a/b\n      creates /x/y\n" in str(plan)
    assert f"      creates {step.resource_id}/a/b\n" in plan.details()


def test_excluded_steps_are_skipped(make_plan, make_steps):
    """By resource or by recommendation; what is left has another digest."""
    plan = make_plan(steps=(*make_steps(2), *make_steps(1, subscription=OTHER, keys=("other",))), skipped=())
    left = plan.exclude(resources=[account(1).upper()], keys=["OTHER"])
    assert [step.resource_id for step in left] == [account(0)]
    assert [skip.reason for skip in left.skipped] == ["not_selected", "not_selected"]
    assert left.digest != plan.digest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "nothing was named to exclude"),
        ({"keys": ["nope"]}, "no recommendation"),
        ({"resources": ["/nope"]}, "no resource"),
        ({"resources": "/nope"}, "expected a list of strings"),
    ],
)
def test_what_cannot_be_excluded_is_an_error(make_plan, arguments, said):
    """A misspelt id does not leave the step in the plan silently."""
    with pytest.raises(InvalidInputError, match=said):
        make_plan().exclude(**arguments)


def test_two_plans_are_compared(make_plan, make_steps):
    """Target by target: added, removed, changed, and the same change on another state."""
    first = tuple(make_steps(4))
    drifted = attrs.evolve(first[1], id="other")
    changed = attrs.evolve(first[2], changes=(PropertyChange(path="a", before=1, after=2),))
    new = next(make_steps(1, subscription=OTHER))
    before, after = make_plan(steps=first), make_plan(steps=(first[0], drifted, changed, new))
    assert not before.diff(before)
    found = before.diff(after)
    assert found
    assert (len(found.added), len(found.removed), len(found.changed), found.unchanged) == (1, 1, 2, 1)
    title = first[0].titles[0]
    assert str(found).splitlines() == [
        "1 added, 1 removed, 2 changed, 1 step the same",
        f"+ {new.target_id}: {title}",
        f"- {first[3].target_id}: {title}",
        f"~ {drifted.target_id}: {title}",
        "    the same change; the target was in another state",
        f"~ {changed.target_id}: {title}",
        "    - properties.supportsHttpsTrafficOnly  false -> true",
        '    - properties.minimumTlsVersion         (absent) -> "TLS1_2"',
        "    + a  1 -> 2",
    ]
    with pytest.raises(InvalidInputError, match="expected a RemediationPlan"):
        before.diff(None)


def test_what_is_left_to_fix_can_be_planned_again(make_plan, make_report, make_result):
    """What failed, was blocked or was reverted, as assessment ids; not what succeeded or was skipped."""
    reverted = Diagnosis(cause="reverted", message="m")
    results = (
        make_result(),
        make_result(resource_id="/failed", outcome="failed", error=StepError(code="c", message="m")),
        make_result(resource_id="/blocked", outcome="blocked", step_id=None),
        make_result(resource_id="/skipped", outcome="skipped", step_id=None),
        make_result(resource_id="/reverted", compliant=False, diagnosis=reverted),
    )
    key = make_result().keys[0]
    report = make_report(results=results)
    assert report.retryable() == tuple(
        f"/{name}/providers/Microsoft.Security/assessments/{key}" for name in ("failed", "blocked", "reverted")
    )
    back = make_report(plan=make_plan(rolls_back="run-0"))
    with pytest.raises(InvalidInputError, match="is a rollback"):
        back.retryable()


def test_a_plan_without_anything_says_why(make_plan) -> None:
    """It never reads as success without a reason; the reasons of a posture are printed instead."""
    empty = make_plan(steps=(), skipped=())
    assert "nothing to do: Defender for Cloud reports no resource in scope as unhealthy" in str(empty).replace(
        "\n", " "
    )
    assert "nothing to roll back" in str(make_plan(steps=(), skipped=(), rolls_back="run-1"))
    assert "nothing to do" not in str(make_plan(steps=(), skipped=(), not_evaluated=("the plan is off",)))
