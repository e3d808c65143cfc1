"""What several fixes do to one target."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import FixAction, SkipReason
from defender_remediate.fixes.candidates import (
    Candidate,
    combine,
    invalid_target,
    needs_resource,
    reads_resource_with_own_version,
)
from defender_remediate.json_values import thaw
from defender_remediate.models import Condition, FixKind, FixParameter, Impact, Reversibility
from defender_remediate.models.fix import NotApplicable

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/app"
NIC = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic"
JIT = "/subscriptions/${resource.subscription}/resourceGroups/${resource.group}/providers/A.B/c/${resource.location}"
NSG = FixParameter(name="nsg", type="resource_id", description="?", same_location=True)


def fix(name: str, value: Any = True, **more: Any) -> FixAction:
    return FixAction(
        **{
            "key": name,
            "title": f"{name} should be {value}",
            "kind": "patch",
            "resource_type": "Microsoft.Web/sites",
            "api_version": "2023-12-01",
            "body": {"properties": {name: value}},
            "compliant_when": Condition(operator="equals", path=f"properties.{name}", value=value),
            **more,
        }
    )


def candidate(of: FixAction, **values: Any) -> Candidate:
    return Candidate(fix=of, key=of.key, resource_id=SITE, values=values)


def test_fixes_of_one_target_become_one_body() -> None:
    """Each fix is merged into the result of the previous one."""
    combined = combine((candidate(fix("a")), candidate(fix("b"))), resource={}, before={"properties": {"c": 1}})
    assert thaw(combined.after) == {"properties": {"a": True, "b": True, "c": 1}}
    assert [accepted.key for accepted in combined.accepted] == ["a", "b"]
    assert str(combined.compliant_when) == "(properties.a equals true and properties.b equals true)"


def test_a_put_carries_what_a_patch_would_have_sent() -> None:
    """Fixes of both kinds on one target become one PUT; alone each keeps its kind."""
    patch, put = fix("a"), fix("b", kind="put")
    assert candidate(patch).request_key == candidate(put).request_key
    assert combine((candidate(patch), candidate(put)), resource={}, before={}).kind is FixKind.PUT
    assert combine((candidate(patch),), resource={}, before={}).kind is FixKind.PATCH


def test_one_fix_keeps_its_own_condition() -> None:
    """A single condition is not wrapped."""
    combined = combine((candidate(fix("a")),), resource={}, before={})
    assert combined.compliant_when == fix("a").compliant_when


def test_the_worst_impact_and_the_worst_way_back_count() -> None:
    """A request that carries several fixes is as risky as the riskiest of them."""
    combined = combine(
        (candidate(fix("a", impact="restart")), candidate(fix("b", reversibility="conditional", impact="none"))),
        resource={},
        before={},
    )
    assert combined.impact is Impact.RESTART
    assert combined.reversibility is Reversibility.CONDITIONAL


def test_a_compliant_target_is_left_alone() -> None:
    """Nothing to do is an answer, not a request."""
    combined = combine((candidate(fix("a")),), resource={}, before={"properties": {"a": True}})
    assert not combined.accepted
    assert combined.rejected[0].cause.reason is SkipReason.ALREADY_COMPLIANT


def test_a_fix_is_refused_where_it_does_not_apply() -> None:
    """The condition is asked of the resource, not of the target."""
    applies = Condition(operator="not", of=(Condition(operator="matches", path="kind", value=".*functionapp.*"),))
    group = (candidate(fix("a", applies_when=applies, target="config/web")),)
    assert (
        combine(group, resource={"kind": "functionapp,linux"}, before={}).rejected[0].cause.reason
        is SkipReason.NOT_APPLICABLE
    )
    assert combine(group, resource={"kind": "app"}, before={}).accepted


def test_a_fix_that_would_undo_another_is_refused() -> None:
    """The first one stays; the second is named as conflicting."""
    combined = combine((candidate(fix("a", True)), candidate(fix("a", False, key="b"))), resource={}, before={})
    assert [accepted.key for accepted in combined.accepted] == ["a"]
    assert combined.rejected[0].cause.reason is SkipReason.CONFLICTS_WITH_ANOTHER_FIX
    assert "it would undo 'a should be True'" in combined.rejected[0].cause.message


def test_a_fix_that_would_not_close_its_condition_is_refused() -> None:
    """A change that leaves the recommendation open is not worth making."""
    useless = fix("a", compliant_when=Condition(operator="equals", path="properties.other", value=1))
    combined = combine((candidate(useless),), resource={}, before={})
    assert combined.rejected[0].cause.reason is SkipReason.PREVIEW_FAILED
    assert "would not bring about properties.other equals 1" in combined.rejected[0].cause.message


def test_only_one_template_deploys_to_a_target() -> None:
    """What a template leaves behind cannot be computed, so the second has to wait."""
    template = fix("a", kind="template", body=None, template={"resources": []})
    combined = combine((candidate(template), candidate(attrs.evolve(template, key="b"))), resource={}, before=None)
    assert [accepted.key for accepted in combined.accepted] == ["a"]
    assert combined.rejected[0].cause.reason is SkipReason.CONFLICTS_WITH_ANOTHER_FIX


@pytest.mark.parametrize(
    ("of", "needed", "own"),
    [
        (fix("a"), True, True),
        (fix("a", target="config/web"), False, True),
        (fix("a", target="config/web", applies_when=Condition(operator="exists", path="kind", value=True)), True, True),
        (fix("a", target="config/web", body={"location": "${resource.location}"}), True, True),
        (fix("a", target="providers/Microsoft.Insights/diagnosticSettings"), False, False),
        (fix("a", resource_type="Microsoft.Resources/subscriptions", target="x/y"), False, False),
        (fix("a", target=JIT), True, False),
        (fix("a", target="${nsg}/rules/x", parameters=(attrs.evolve(NSG, same_location=False),)), False, False),
        (fix("a", target="providers/x/y/z", parameters=(NSG,)), True, False),
        (fix("a", linked="x[*].id", linked_type="A.B/c"), True, False),
        (fix("a", linked="x[*].id", linked_type="A.B/c", target="x/y"), True, False),
        (
            fix("a", target="x/y", compliant_when=Condition(operator="equals", path="a", value="${resource.location}")),
            True,
            True,
        ),
    ],
)
def test_the_resource_is_read_only_when_something_needs_it(of: FixAction, needed: bool, own: bool) -> None:
    """A read whose result is not used is an unnecessary request."""
    assert needs_resource(of) is needed
    assert reads_resource_with_own_version(of) is own


def test_targets_are_filled_in_and_compared_without_case() -> None:
    """Candidates for one target share a lane, however their ids are written."""
    child = fix("a", target="slots/${slot}/config/web/")
    one = candidate(child, slot="stage")
    other = Candidate(fix=child, key="b", resource_id=SITE.upper(), values={"slot": "STAGE"})
    assert one.target_id == f"{SITE}/slots/stage/config/web"
    assert one.request_key == other.request_key
    assert candidate(fix("a")).target_id == SITE


def test_a_target_may_be_a_whole_id() -> None:
    """With a slash in front, from a parameter, or where a link led; then it is elsewhere."""
    values = {"resource.subscription": "s", "resource.group": "g", "resource.location": "west", "nsg": NIC}
    assert (
        candidate(fix("a", target=JIT), **values).target_id == "/subscriptions/s/resourceGroups/g/providers/A.B/c/west"
    )
    by_parameter = fix("a", target="${nsg}/rules/x", parameters=(NSG,))
    assert candidate(by_parameter, **values).target_id == f"{NIC}/rules/x"
    linked = attrs.evolve(candidate(fix("a", linked="x", linked_type="y")), linked_id=NIC)
    assert linked.target_id == NIC
    below = attrs.evolve(linked, fix=attrs.evolve(linked.fix, target="rules/x"))
    assert below.target_id == f"{NIC}/rules/x"
    assert [each.fix.is_elsewhere for each in (candidate(fix("a", target=JIT)), candidate(by_parameter), linked)] == [
        True,
        True,
        True,
    ]
    assert not fix(
        "a", target="${x}/y", parameters=(FixParameter(name="x", type="string", description="?"),)
    ).is_elsewhere


def test_two_resources_never_share_a_request() -> None:
    """A request is about one resource, so that its result is."""
    one = candidate(fix("a", target="${nsg}/rules/x", parameters=(NSG,)), nsg=NIC)
    assert one.request_key != attrs.evolve(one, resource_id=f"{SITE}2").request_key


def test_a_fix_stays_in_the_subscription_of_its_resource() -> None:
    """Also when a link or a parameter leads out of it, or to nothing at all."""
    by_parameter = fix("a", target="${nsg}/rules/x", parameters=(NSG,))
    assert invalid_target(candidate(by_parameter, nsg=NIC.upper())) is None
    assert "in another subscription" in str(
        invalid_target(candidate(by_parameter, nsg=NIC.replace("1111-", "2222-", 1)))
    )
    assert "in another subscription" in str(invalid_target(candidate(by_parameter, nsg="/providers/A.B/c/d")))
    assert "is not an Azure id" in str(invalid_target(candidate(by_parameter, nsg=f"{GROUP}/")))
    assert invalid_target(candidate(fix("a"))) is None
    vault = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/v"
    assert (
        invalid_target(candidate(fix("a", target="${nsg}/backupProtectedItems", parameters=(NSG,)), nsg=vault)) is None
    )


@pytest.mark.parametrize("value", ["..", "../../b", "a/b", "a?b=c", "a#b", "a%2Fb", "a\\b", "."])
def test_a_value_cannot_lead_the_target_astray(value: str) -> None:
    """A name stays one name below the resource; an id may have slashes, and nothing else that changes the path."""
    name = FixParameter(name="name", type="string", description="?")
    by_name = fix("a", target="rules/${name}", parameters=(name,))
    assert "changes the path" in str(invalid_target(candidate(by_name, name=value)))
    assert invalid_target(candidate(by_name, name="NetworkWatcher west.1")) is None
    assert invalid_target(candidate(fix("a", body={"a": "${name}"}, parameters=(name,)), name=value)) is None
    by_id = fix("a", target="${nsg}/rules/x", parameters=(NSG,))
    assert "changes the path" in str(invalid_target(candidate(by_id, nsg=f"{GROUP}/../{NIC}")))


def test_a_condition_knows_the_values() -> None:
    """What is compared with may name the resource, for targets that several resources share."""
    mine = Condition(operator="equals", path="id", value="${resource.id}")
    member = fix(
        "a",
        body={"members": [{"id": "${resource.id}", "on": True}]},
        array_strategies={"members": "by:id"},
        compliant_when=Condition(operator="some", path="members", of=(mine,)),
    )
    combined = combine(
        (candidate(member, **{"resource.id": SITE}),), resource={}, before={"members": [{"id": "x", "on": False}]}
    )
    assert thaw(combined.after) == {"members": [{"id": "x", "on": False}, {"id": SITE, "on": True}]}
    assert str(combined.compliant_when) == f'some of members: id equals "{SITE}"'
    again = combine((candidate(member, **{"resource.id": SITE}),), resource={}, before=combined.after)
    assert again.rejected[0].cause.reason is SkipReason.ALREADY_COMPLIANT


def test_a_removal_is_a_change() -> None:
    """What must not be there is taken out, and the second plan is empty."""
    gone = fix(
        "a",
        body=None,
        remove=("properties.key",),
        compliant_when=Condition(operator="exists", path="properties.key", value=False),
    )
    combined = combine((candidate(gone),), resource={}, before={"properties": {"key": 1, "b": 2}})
    assert thaw(combined.after) == {"properties": {"b": 2}}
    assert (
        combine((candidate(gone),), resource={}, before=combined.after).rejected[0].cause.reason
        is SkipReason.ALREADY_COMPLIANT
    )


def test_a_target_that_the_fix_cannot_be_applied_to_is_refused_with_the_reason() -> None:
    """A fix names the targets, such as those with a key that no GET returns, that a write would harm."""
    of_key = fix(
        "a",
        not_applicable=(
            NotApplicable(
                when=Condition(operator="exists", path="properties.endpoint", value=True),
                reason="Azure does not return the key of the endpoint",
            ),
        ),
    )
    refused = combine((candidate(of_key),), resource={}, before={"properties": {"endpoint": "e"}})
    assert refused.accepted == ()
    assert [(each.cause.reason, each.cause.message) for each in refused.rejected] == [
        (SkipReason.NOT_APPLICABLE, "Azure does not return the key of the endpoint")
    ]
    assert combine((candidate(of_key),), resource={}, before={"properties": {}}).accepted
