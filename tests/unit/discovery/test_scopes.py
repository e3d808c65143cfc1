"""Scopes as Azure is asked for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.arm.session import ArmSession
from defender_remediate.catalog import Catalog
from defender_remediate.discovery import Discovery
from defender_remediate.discovery.scopes import Scopes, outermost
from defender_remediate.errors import (
    InvalidInputError,
    InvalidScopeError,
    NotFoundError,
    ProviderNotRegisteredError,
    UnknownRecommendationError,
)
from defender_remediate.models.ids import Scope
from defender_remediate.testing import ArmSimulator

Discover = Callable[..., Discovery]
ONE, TWO, THREE = (f"{number * 8}-0000-0000-0000-000000000000" for number in "123")
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
GROUP = "/providers/Microsoft.Management/managementGroups/top"
DESCENDANTS = f"{GROUP}/descendants"
INSIDE = [
    {"id": f"/subscriptions/{ONE}", "type": "Microsoft.Management/managementGroups/subscriptions"},
    {"id": "/providers/Microsoft.Management/managementGroups/child", "type": "Microsoft.Management/managementGroups"},
    {"id": f"/subscriptions/{TWO.upper()}", "type": "/subscriptions"},
]


def parsed(*ids: str) -> tuple[Scope, ...]:
    return tuple(map(Scope.parse, ids))


def test_what_is_inside_another_scope_is_left_out() -> None:
    """Segment by segment, and in any case; a sibling whose name begins alike stays."""
    group = f"/subscriptions/{ONE}/resourceGroups/rg"
    found = outermost(parsed(f"{group}/providers/A.B/c/d", group, group.upper(), f"{group}2", f"/subscriptions/{TWO}"))
    assert [scope.text for scope in found] == [group, f"{group}2", f"/subscriptions/{TWO}"]


def test_a_client_needs_somewhere_to_look(session: ArmSession) -> None:
    """An empty list of scopes would otherwise mean the whole tenant somewhere."""
    with pytest.raises(InvalidInputError):
        Scopes(session, ())


def test_subscriptions_come_once_in_order(scripted: Discover, azure: Any) -> None:
    """No request is made for them."""
    found = scripted(
        f"/subscriptions/{TWO}/resourceGroups/b",
        f"/subscriptions/{ONE}",
        f"/subscriptions/{TWO.upper()}/resourceGroups/a",
    )
    assert [text.lower() for text in found.subscriptions()] == [TWO, ONE]
    assert azure.asked == []


def test_a_management_group_is_looked_into_once(scripted: Discover, azure: Any) -> None:
    """At any depth; a subscription is known by its id, since its type differs between versions."""
    azure.found[DESCENDANTS] = INSIDE
    discovery = scripted(GROUP, f"/subscriptions/{THREE}", f"/subscriptions/{ONE}/resourceGroups/rg")
    assert [text.lower() for text in discovery.subscriptions()] == [ONE, TWO, THREE]
    assert len(discovery.subscriptions()) == 3
    assert azure.asked == [DESCENDANTS.casefold()]


def test_a_management_group_alone_is_listed_as_it_is(scripted: Discover, azure: Any) -> None:
    """One listing instead of one for each subscription."""
    azure.found[f"{GROUP}/providers/Microsoft.Security/assessments"] = []
    assert list(scripted(GROUP).list_assessments()) == []
    assert azure.asked == [f"{GROUP}/providers/Microsoft.Security/assessments".casefold()]


def test_a_group_that_cannot_be_listed_is_listed_by_subscription(scripted: Discover, azure: Any) -> None:
    """Not every cloud lists assessments at a management group."""
    azure.found[DESCENDANTS] = INSIDE
    item = {"id": f"/subscriptions/{TWO}/providers/Microsoft.Security/assessments/{KEY}", "name": KEY}
    azure.found[f"/subscriptions/{ONE}/providers/Microsoft.Security/assessments"] = []
    azure.found[f"/subscriptions/{TWO}/providers/Microsoft.Security/assessments"] = [item]
    assert [found.key for found in scripted(GROUP).list_assessments()] == [KEY]


def test_a_group_that_does_not_exist_is_an_error(scripted: Discover) -> None:
    """And so is a subscription that does not: neither is nothing found."""
    for scope in (GROUP, f"/subscriptions/{ONE}"):
        with pytest.raises(NotFoundError):
            list(scripted(scope).list_assessments())


def test_a_group_without_the_provider_is_not_asked_again(scripted: Discover, azure: Any) -> None:
    """Nothing is known then, whichever way it is listed."""
    refusal = {"error": {"code": "Subscription Not Registered", "message": "Please register"}}
    azure.found[f"{GROUP}/providers/Microsoft.Security/assessments"] = refusal
    with pytest.raises(ProviderNotRegisteredError):
        list(scripted(GROUP).list_assessments())
    assert len(azure.asked) == 1


def test_a_management_group_beside_others_is_listed_by_subscription(scripted: Discover, azure: Any) -> None:
    """So that a subscription that is in both comes once."""
    azure.found[DESCENDANTS] = INSIDE
    for subscription in (ONE, TWO):
        azure.found[f"/subscriptions/{subscription}/providers/Microsoft.Security/assessments"] = []
    assert list(scripted(GROUP, f"/subscriptions/{ONE}").list_assessments()) == []
    assert [path.split("/")[2] for path in azure.asked[1:]] == [ONE, TWO]


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ((GROUP,), {"managementGroups": ["top"]}),
        ((GROUP, f"/subscriptions/{THREE}"), {"subscriptions": [ONE, TWO, THREE]}),
        ((GROUP, f"{GROUP}-below"), {"subscriptions": [ONE, TWO]}),
    ],
)
def test_resource_graph_takes_management_groups_by_name(
    scripted: Discover, azure: Any, scopes: tuple[str, ...], expected: dict[str, Any]
) -> None:
    """When it is the only one: of two, one may be inside the other."""
    azure.found[DESCENDANTS] = INSIDE
    azure.found[f"{GROUP}-below/descendants"] = INSIDE[-1:]
    azure.found["/providers/Microsoft.ResourceGraph/resources"] = []
    assert list(scripted(*scopes, source="graph").list_assessments()) == []
    (body,) = azure.bodies
    sent = {
        name: [text.lower() for text in body[name]] for name in ("subscriptions", "managementGroups") if name in body
    }
    assert sent == expected


def test_nothing_in_scope_is_not_the_whole_tenant(session: ArmSession, azure: Any) -> None:
    """An empty management group beside another one: Resource Graph must not be asked without a scope."""
    from defender_remediate.discovery.sources import GraphSource

    class Nothing(Scopes):
        """Groups that hold no subscription."""

        def management_groups(self) -> tuple[str, ...]:
            return ()

    azure.found[DESCENDANTS] = []
    source = GraphSource(session, Nothing(session, parsed(GROUP)))
    assert list(source.controls()) == []
    assert azure.bodies == []


def test_a_listing_asks_nothing_until_it_is_read(scripted: Discover, azure: Any) -> None:
    """Not even what is in a management group; its arguments are checked at once."""
    found = scripted(GROUP, f"/subscriptions/{THREE}/resourceGroups/rg", source="graph")
    listings = [found.list_assessments(KEY), found.list_metadata(), found.list_controls(), found.list_recommendations()]
    assert azure.asked == []
    with pytest.raises(NotFoundError):
        next(listings[0])
    assert azure.asked


def test_a_resource_group_that_does_not_exist_is_not_an_empty_one(sim: ArmSimulator, discover: Any) -> None:
    """A misspelt name would read as "all is well"; a group in which nothing was found is looked up once."""
    with pytest.raises(InvalidScopeError, match=r"resource group of the scope .*/nope does not exist"):
        list(discover(f"{sim.scopes[0]}/resourceGroups/nope").list_assessments())
    with pytest.raises(InvalidScopeError, match="nope"):
        list(discover(f"{sim.scopes[0]}/resourceGroups/nope").list_recommendations())
    before = len(sim.requests)
    found = list(discover().list_assessments())
    resource = next(one.resource_id for one in found if "/resourceGroups/" in one.resource_id)
    assessed = {one.key for one in found}
    unassessed = next(fix.key for fix in Catalog.bundled() if fix.key not in assessed)
    group = "/".join(resource.split("/")[:5])
    inside = discover(group)
    assert list(inside.list_assessments(unassessed)) == []
    assert list(inside.list_assessments(unassessed)) == []
    assert len([one for one in sim.requests[before:] if one.path.partition("?")[0] == group]) == 1


def test_a_key_that_nobody_knows_is_not_an_empty_listing(discover: Any) -> None:
    """Neither Azure nor the catalog has it: it is misspelt. A control stands for all of its recommendations."""
    with pytest.raises(UnknownRecommendationError, match="no recommendation with the key"):
        list(discover().list_assessments("00000000-0000-0000-0000-000000000000"))
    control = next(one for one in discover().list_controls() if len(one.recommendation_keys) > 1)
    found = list(discover().list_assessments(control))
    assert {one.key for one in found} <= set(control.recommendation_keys)
    assert found == [one for one in discover().list_assessments() if one.key in control.recommendation_keys]
    with pytest.raises(InvalidInputError, match="pass one of their keys"):
        discover().get_recommendation(control)
