"""Pairing what was found with how it is fixed."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import (
    Assessment,
    Catalog,
    Condition,
    FixAction,
    FixParameter,
    Guards,
    Recommendation,
    Scope,
    SkipReason,
)
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError, ParameterError
from defender_remediate.planning.selection import (
    asked_for,
    check_given,
    check_parameters,
    choose,
    collect,
    given_values,
    resource_filter,
)

KEY = "aaaaaaaa-0000-0000-0000-000000000001"
POLICY = "bbbbbbbb-0000-0000-0000-000000000001"
GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st1"
OTHER = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st2"

FIX = FixAction(
    key=KEY,
    title="A fix",
    kind="patch",
    resource_type="Microsoft.Storage/storageAccounts",
    api_version="2023-05-01",
    body={"properties": {"a": "${level}"}},
    parameters=(FixParameter(name="level", type="string", description="how much"),),
    policy_definition_ids=(POLICY,),
    permissions=("Microsoft.Storage/storageAccounts/write",),
    compliant_when=Condition(operator="exists", path="properties.a", value=True),
)
CATALOG = Catalog([FIX])
COVERS = Scope.parse(GROUP).contains


def assessment(resource: str = ACCOUNT, **more: Any) -> Assessment:
    return Assessment(
        **{
            "id": f"{resource}/providers/Microsoft.Security/assessments/{KEY}",
            "key": KEY,
            "resource_id": resource,
            "status": "Unhealthy",
            **more,
        }
    )


def wanted(
    *assessments: Assessment, only: dict[str, str] | None = None, guards: Guards | None = None, **given: Any
) -> Any:
    given = given or {"level": "high"}
    choices = choose([KEY], CATALOG)
    return collect(choices, assessments, only=only, covers=COVERS, given=given, guards=guards or Guards())


def test_an_unhealthy_resource_is_paired_with_its_fix() -> None:
    """The candidate knows the values of its placeholders."""
    found = wanted(assessment()).candidates[0]
    assert (found.fix, found.resource_id) == (FIX, ACCOUNT)
    assert found.values["level"] == "high"
    assert found.values["resource.name"] == "st1"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"status": "Healthy"}, SkipReason.ALREADY_COMPLIANT),
        ({"status": "NotApplicable", "cause": "Exempt"}, SkipReason.NOT_APPLICABLE),
        ({"status": "Quarantined"}, SkipReason.NOT_APPLICABLE),
        ({"source": "Aws"}, SkipReason.NOT_IN_AZURE),
        ({"resource": "/machines/vm1"}, SkipReason.NOT_IN_AZURE),
        ({"resource": f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv"}, SkipReason.NO_FIX),
    ],
)
def test_what_cannot_be_fixed_is_left_out_with_the_reason(more: dict[str, Any], reason: SkipReason) -> None:
    """Nothing is dropped without a word."""
    found = wanted(assessment(**more))
    assert not found.candidates
    assert found.skipped[0].reason is reason


def test_an_irreversible_fix_needs_its_own_consent() -> None:
    """Without it the resource is skipped, and the message says how to consent."""
    catalog = Catalog([attrs.evolve(FIX, reversibility="none")])

    def collected(guards: Guards) -> Any:
        given = {"level": "x"}
        return collect(choose([KEY], catalog), [assessment()], only=None, covers=COVERS, given=given, guards=guards)

    refused = collected(Guards()).skipped[0]
    assert refused.reason is SkipReason.CONSENT_MISSING
    assert KEY in refused.message
    assert collected(Guards(allow_irreversible=[KEY.upper()])).candidates


def test_a_missing_parameter_leaves_the_resource_out() -> None:
    """When everything fixable is planned, a fix that needs a choice waits for it."""
    found = collect(choose([KEY], CATALOG), [assessment()], only=None, covers=COVERS, given={}, guards=Guards())
    assert found.skipped[0].reason is SkipReason.PARAMETER_MISSING


def test_each_pair_is_wanted_once() -> None:
    """Overlapping scopes list an assessment twice, in different casing."""
    assert len(wanted(assessment(), assessment(ACCOUNT.upper())).candidates) == 1


def test_only_the_named_resources_are_planned_and_each_is_answered() -> None:
    """A resource that was named and not found is in the plan as a skip, in the caller's own casing."""
    only = resource_filter([ACCOUNT.upper(), OTHER])
    found = wanted(assessment(), assessment(f"{ACCOUNT}x"), only=dict(only or {}))
    assert [candidate.resource_id for candidate in found.candidates] == [ACCOUNT]
    assert [(skip.resource_id, skip.reason) for skip in found.skipped] == [(OTHER, SkipReason.NOT_APPLICABLE)]


def test_other_recommendations_are_passed_over() -> None:
    """A listing of everything serves a plan of one."""
    other = assessment(key="cccccccc-0000-0000-0000-000000000001")
    assert wanted(other).candidates == ()


def test_resources_are_several_ids() -> None:
    """A single text would be taken for a sequence of letters."""
    assert resource_filter(None) is None
    for wrong in (ACCOUNT, 5):
        with pytest.raises(InvalidResourceIdError, match="must be a list of ids"):
            resource_filter(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="got 5"):
        choose([5], CATALOG)  # type: ignore[list-item]
    with pytest.raises(InvalidResourceIdError):
        resource_filter(["st1"])


def test_a_recommendation_finds_its_fix_by_policy() -> None:
    """Azure's keys are not always known; the policy definition behind them is."""
    by_policy = Recommendation(
        key="dddddddd-0000-0000-0000-000000000001", display_name="x", policy_definition_id=f"/p/{POLICY}"
    )
    assert choose([by_policy], CATALOG)[0].fixes == (FIX,)
    assert choose(["dddddddd-0000-0000-0000-000000000001"], CATALOG)[0].fixes == ()


def test_a_recommendation_brings_its_own_fix() -> None:
    """A fix that the caller put into the recommendation takes the place of the catalog's."""
    own = attrs.evolve(FIX, title="Mine")
    chosen = choose([Recommendation(key=KEY, display_name="x", fix=own), KEY], CATALOG)
    assert len(chosen) == 1
    assert chosen[0].fixes == (own,)


def test_parameters_of_named_recommendations_are_checked() -> None:
    """A missing one, a wrong one and an unknown one."""
    choices = choose([KEY], CATALOG)
    check_parameters(choices, {"level": "high"})
    for given, why in [
        ({}, "needs the parameter 'level'"),
        ({"level": 3}, "text that is not empty"),
        ({"x": 1}, "'x'"),
    ]:
        with pytest.raises(ParameterError, match=why):
            check_parameters(choices, given)


def test_parameters_for_everything_are_checked() -> None:
    """A missing one only leaves its fix out; a wrong or unknown one is refused."""
    check_given(CATALOG, {})
    check_given(CATALOG, {"level": "high"})
    for given, why in [({"level": 3}, "text that is not empty"), ({"x": 1}, "'x'")]:
        with pytest.raises(ParameterError, match=why):
            check_given(CATALOG, given)


def test_a_resource_outside_the_scope_is_named_as_such() -> None:
    """It is not confused with one that Defender has not looked at."""
    elsewhere = ACCOUNT.replace("/rg/", "/other/")
    found = wanted(only={text.casefold(): text for text in (ACCOUNT, elsewhere)})
    assert ["outside the scope" in skip.message for skip in found.skipped] == [False, True]


def test_recommendations_and_parameters_have_a_form() -> None:
    """A single recommendation is as good as a list of one; anything else is an error of this library."""
    assert choose(KEY, CATALOG) == choose([KEY], CATALOG)
    with pytest.raises(InvalidInputError, match="got 5"):
        choose(5, CATALOG)  # type: ignore[arg-type]
    assert given_values(None) == {}
    with pytest.raises(ParameterError, match="values by name"):
        given_values(["level"])  # type: ignore[arg-type]


def test_parameters_may_be_given_for_each_resource() -> None:
    """Each gets its own; one without is left out; the fix for a resource that nobody assessed is a mistake."""
    given = given_values({"level": {ACCOUNT.upper(): "high", f"{ACCOUNT}9": "low"}})
    check_parameters(choose([KEY], CATALOG), given)
    assessments = [assessment(), assessment(OTHER), assessment(f"{ACCOUNT}9", status="Healthy")]
    found = wanted(*assessments, **given)
    assert [(candidate.resource_id, candidate.values["level"]) for candidate in found.candidates] == [(ACCOUNT, "high")]
    assert [skip.reason for skip in found.skipped] == [SkipReason.PARAMETER_MISSING, SkipReason.ALREADY_COMPLIANT]
    with pytest.raises(ParameterError, match=f"given for {ACCOUNT.casefold()}9"):
        wanted(*assessments[:2], **given)
    only = resource_filter([ACCOUNT, f"{ACCOUNT}9"])
    assert wanted(assessments[0], only=dict(only or {}), **given).skipped[0].reason is SkipReason.NOT_APPLICABLE


def test_a_wrong_value_for_one_resource_is_refused() -> None:
    """Before any request, with recommendations named or without."""
    given = given_values({"level": {ACCOUNT: 3}})
    for check in (lambda: check_parameters(choose([KEY], CATALOG), given), lambda: check_given(CATALOG, given)):
        with pytest.raises(ParameterError, match="text that is not empty"):
            check()
    with pytest.raises(ParameterError, match="is not a resource id"):
        given_values({"level": {"st1": "high"}})


def test_who_is_named_in_a_parameter_is_asked_for() -> None:
    """Also when nothing is wrong with it: the plan says so."""
    healthy = assessment(status="Healthy")
    assert asked_for(assessment(), ())
    assert not asked_for(healthy, ())
    assert asked_for(healthy, {ACCOUNT.casefold()})


def test_variants_are_candidates_side_by_side() -> None:
    """Which of them applies is not known yet; what stands in the way of one is kept for then."""
    when = Condition(operator="exists", path="kind", value=True)
    easy = attrs.evolve(FIX, variant="easy", applies_when=when, parameters=(), body={"properties": {"a": 1}})
    hard = attrs.evolve(FIX, variant="hard", applies_when=when)
    final = attrs.evolve(easy, variant="final", reversibility="none")
    choices = choose([KEY], Catalog([easy, hard, final]))
    found = collect(choices, [assessment()], only=None, covers=COVERS, given={}, guards=Guards()).candidates
    assert [candidate.fix.variant for candidate in found] == ["easy", "hard", "final"]
    reasons = [candidate.obstacle.reason if candidate.obstacle else None for candidate in found]
    assert reasons == [None, SkipReason.PARAMETER_MISSING, SkipReason.CONSENT_MISSING]


def test_what_only_one_variant_needs_may_be_missing() -> None:
    """It is missed where that variant applies; what all of them need is missed at once, and a wrong value always."""
    when = Condition(operator="exists", path="kind", value=True)
    hard, harder = (attrs.evolve(FIX, variant=name, applies_when=when) for name in ("hard", "harder"))
    easy = attrs.evolve(hard, variant="easy", parameters=(), body={"properties": {"a": 1}})
    check_parameters(choose([KEY], Catalog([easy, hard])), {})
    for catalog, given in ((Catalog([hard, harder]), {}), (Catalog([easy, hard]), {"level": 3})):
        with pytest.raises(ParameterError):
            check_parameters(choose([KEY], catalog), given)
