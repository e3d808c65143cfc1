"""Pairing what was found with how it is fixed."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import (
    Assessment,
    Catalog,
    FixAction,
    Guards,
    Recommendation,
    Scope,
    SecurityControl,
    SkipReason,
)
from defender_remediate.errors import (
    InvalidInputError,
    InvalidResourceIdError,
    ParameterError,
    UnknownRecommendationError,
)
from defender_remediate.models import Condition, FixParameter
from defender_remediate.models.ids import id_key
from defender_remediate.planning.selection import (
    check_parameters,
    check_parameters_of_all,
    given_values,
    recommendations_to_plan,
    resource_filter,
    select,
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
    selected = recommendations_to_plan([KEY], CATALOG)
    return select(selected, assessments, only=only, covers=COVERS, given=given, guards=guards or Guards())


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
    item = assessment(**more)
    found = wanted(item, only={id_key(item.resource_id): item.resource_id})
    assert not found.candidates
    assert found.skipped[0].reason is reason


def test_an_irreversible_fix_needs_its_own_consent() -> None:
    """Without it the resource is skipped, and the message says how to consent."""
    catalog = Catalog([attrs.evolve(FIX, reversibility="none")])

    def selection(guards: Guards) -> Any:
        given = {"level": "x"}
        return select(
            recommendations_to_plan([KEY], catalog),
            [assessment()],
            only=None,
            covers=COVERS,
            given=given,
            guards=guards,
        )

    refused = selection(Guards()).skipped[0]
    assert refused.reason is SkipReason.CONSENT_MISSING
    assert KEY in refused.message
    assert selection(Guards(allow_irreversible=[KEY.upper()])).candidates


def test_a_missing_parameter_leaves_the_resource_out() -> None:
    """When everything fixable is planned, a fix that needs a choice waits for it."""
    found = select(
        recommendations_to_plan([KEY], CATALOG), [assessment()], only=None, covers=COVERS, given={}, guards=Guards()
    )
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
        with pytest.raises(InvalidResourceIdError, match="must be a list of resource ids"):
            resource_filter(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="got 5"):
        recommendations_to_plan([5], CATALOG)  # type: ignore[list-item]
    with pytest.raises(InvalidResourceIdError):
        resource_filter(["st1"])


def test_a_recommendation_finds_its_fix_by_policy() -> None:
    """Azure's keys are not always known; the policy definition behind them is."""
    by_policy = Recommendation(
        key="dddddddd-0000-0000-0000-000000000001", display_name="x", policy_definition_id=f"/p/{POLICY}"
    )
    assert recommendations_to_plan([by_policy], CATALOG)[0].fixes == (FIX,)
    assert recommendations_to_plan(["dddddddd-0000-0000-0000-000000000001"], CATALOG)[0].fixes == ()


def test_a_recommendation_brings_its_own_fix() -> None:
    """A fix that the caller put into the recommendation takes the place of the catalog's."""
    own = attrs.evolve(FIX, title="Mine")
    chosen = recommendations_to_plan([Recommendation(key=KEY, display_name="x", fix=own), KEY], CATALOG)
    assert len(chosen) == 1
    assert chosen[0].fixes == (own,)


def test_parameters_of_named_recommendations_are_checked() -> None:
    """A missing one, a wrong one and an unknown one."""
    selected = recommendations_to_plan([KEY], CATALOG)
    check_parameters(selected, {"level": "high"})
    for given, why in [
        ({}, "needs the parameter 'level'"),
        ({"level": 3}, "string that is not empty"),
        ({"x": 1}, "'x'"),
    ]:
        with pytest.raises(ParameterError, match=why):
            check_parameters(selected, given)


def test_parameters_for_everything_are_checked() -> None:
    """A missing one only leaves its fix out; a wrong or unknown one is refused."""
    check_parameters_of_all(CATALOG, {})
    check_parameters_of_all(CATALOG, {"level": "high"})
    for given, why in [({"level": 3}, "string that is not empty"), ({"x": 1}, "'x'")]:
        with pytest.raises(ParameterError, match=why):
            check_parameters_of_all(CATALOG, given)


def test_a_resource_outside_the_scope_is_named_as_such() -> None:
    """It is not confused with one that Defender has not looked at."""
    elsewhere = ACCOUNT.replace("/rg/", "/other/")
    found = wanted(only={text.casefold(): text for text in (ACCOUNT, elsewhere)})
    assert ["outside the scope" in skip.message for skip in found.skipped] == [False, True]


def test_recommendations_and_parameters_have_a_form() -> None:
    """A single recommendation is as good as a list of one; anything else is an error of this library."""
    assert recommendations_to_plan(KEY, CATALOG) == recommendations_to_plan([KEY], CATALOG)
    with pytest.raises(InvalidInputError, match="got 5"):
        recommendations_to_plan(5, CATALOG)  # type: ignore[arg-type]
    assert given_values(None) == {}
    with pytest.raises(ParameterError, match="mapping of names to values"):
        given_values(["level"])  # type: ignore[arg-type]


def test_parameters_may_be_given_for_each_resource() -> None:
    """Each resource gets its own value; a resource without one is skipped; a value for an unassessed resource is an error."""
    given = given_values({"level": {ACCOUNT.upper(): "high", f"{ACCOUNT}9": "low"}})
    check_parameters(recommendations_to_plan([KEY], CATALOG), given)
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
    for check in (
        lambda: check_parameters(recommendations_to_plan([KEY], CATALOG), given),
        lambda: check_parameters_of_all(CATALOG, given),
    ):
        with pytest.raises(ParameterError, match="string that is not empty"):
            check()
    with pytest.raises(ParameterError, match="is not a resource id"):
        given_values({"level": {"st1": "high"}})


def test_a_resource_that_is_named_in_a_parameter_is_in_the_plan() -> None:
    """Also when nothing is wrong with it: the plan says so. Other healthy ones are not mentioned."""
    healthy = [assessment(status="Healthy"), assessment(OTHER, status="Healthy")]
    assert wanted(*healthy).skipped == ()
    found = wanted(*healthy, **given_values({"level": {ACCOUNT: "high"}}))
    assert [(skip.resource_id, skip.reason) for skip in found.skipped] == [(ACCOUNT, SkipReason.ALREADY_COMPLIANT)]


def test_variants_are_candidates_side_by_side() -> None:
    """Which of them applies is not known yet; the reason against one is kept until then."""
    when = Condition(operator="exists", path="kind", value=True)
    easy = attrs.evolve(FIX, variant="easy", applies_when=when, parameters=(), body={"properties": {"a": 1}})
    hard = attrs.evolve(FIX, variant="hard", applies_when=when)
    final = attrs.evolve(easy, variant="final", reversibility="none")
    selected = recommendations_to_plan([KEY], Catalog([easy, hard, final]))
    found = select(selected, [assessment()], only=None, covers=COVERS, given={}, guards=Guards()).candidates
    assert [candidate.fix.variant for candidate in found] == ["easy", "hard", "final"]
    reasons = [candidate.skip_cause.reason if candidate.skip_cause else None for candidate in found]
    assert reasons == [None, SkipReason.PARAMETER_MISSING, SkipReason.CONSENT_MISSING]


def test_what_only_one_variant_needs_may_be_missing() -> None:
    """It is missed where that variant applies; what all of them need is missed at once, and a wrong value always."""
    when = Condition(operator="exists", path="kind", value=True)
    hard, harder = (attrs.evolve(FIX, variant=name, applies_when=when) for name in ("hard", "harder"))
    easy = attrs.evolve(hard, variant="easy", parameters=(), body={"properties": {"a": 1}})
    check_parameters(recommendations_to_plan([KEY], Catalog([easy, hard])), {})
    for catalog, given in ((Catalog([hard, harder]), {}), (Catalog([easy, hard]), {"level": 3})):
        with pytest.raises(ParameterError):
            check_parameters(recommendations_to_plan([KEY], catalog), given)


def test_whatever_names_a_recommendation_is_taken() -> None:
    """A key, an assessment or its id, a fix, a control, a recommendation, or the exact display name."""
    control = SecurityControl(name="c", display_name="C", recommendation_keys=(KEY,))
    for given in (KEY, Recommendation(key=KEY, display_name="x"), FIX, control, "a FIX "):
        (one,) = recommendations_to_plan(given, CATALOG)
        assert (one.key, one.fixes, one.resources) == (KEY, (FIX,), None)
    for given in (assessment(), assessment().id.upper()):
        (one,) = recommendations_to_plan([given], CATALOG)
        assert (one.key.lower(), one.fixes, list(one.resources or ())) == (KEY, (FIX,), [id_key(ACCOUNT)])
    (both,) = recommendations_to_plan([assessment(), assessment(OTHER)], CATALOG)
    assert list(both.resources or ()) == [id_key(ACCOUNT), id_key(OTHER)]
    assert recommendations_to_plan([assessment(), KEY], CATALOG)[0].resources is None


def test_an_assessment_stands_for_its_own_resource() -> None:
    """Another resource with the same recommendation is not planned; one without an assessment is skipped."""
    selected = recommendations_to_plan([assessment(), assessment(f"{ACCOUNT}9")], CATALOG)
    found = select(
        selected, [assessment(), assessment(OTHER)], only=None, covers=COVERS, given={"level": "x"}, guards=Guards()
    )
    assert [candidate.resource_id for candidate in found.candidates] == [ACCOUNT]
    assert [skip.resource_id for skip in found.skipped] == [f"{ACCOUNT}9"]


def test_a_name_that_is_not_known_is_refused_with_what_is_close() -> None:
    """A misspelt name, one that several recommendations have, and a control that lists none."""
    with pytest.raises(UnknownRecommendationError, match="did you mean 'A fix'"):
        recommendations_to_plan("A fixx", CATALOG)
    with pytest.raises(UnknownRecommendationError, match="pass a recommendation"):
        recommendations_to_plan("something else entirely", CATALOG)
    twice = Catalog([FIX, attrs.evolve(FIX, key=KEY.replace("a", "e"))])
    with pytest.raises(UnknownRecommendationError, match="2 recommendations are named 'A fix'"):
        recommendations_to_plan("A fix", twice)
    with pytest.raises(InvalidInputError, match="names no recommendations"):
        recommendations_to_plan(SecurityControl(name="c", display_name="C"), CATALOG)
    keys: Any = (int,)
    with pytest.raises(InvalidInputError, match="expected"):
        recommendations_to_plan(SecurityControl(name="c", display_name="C", recommendation_keys=keys), CATALOG)


def test_a_protected_resource_is_skipped_before_it_is_read() -> None:
    """Its name is enough to know."""
    (skip,) = wanted(assessment(), guards=Guards(protected_names=["st*"])).skipped
    assert skip.reason is SkipReason.PROTECTED
