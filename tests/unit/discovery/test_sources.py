"""REST and Resource Graph give the same objects, whatever the scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.discovery import Discovery
from defender_remediate.models.assessment import Assessment
from defender_remediate.testing import ArmSimulator

Discover = Callable[..., Discovery]


def in_order(found: Any) -> list[Assessment]:
    return sorted(found, key=lambda item: item.id.casefold())


@pytest.fixture(params=["subscriptions", "one", "group", "resource", "mixed"])
def scopes(request: pytest.FixtureRequest, sim: ArmSimulator) -> tuple[str, ...]:
    first = sim.scopes[0]
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts", first)[0]
    group = account.partition("/providers/")[0]
    return {
        "subscriptions": sim.scopes,
        "one": (first,),
        "group": (group,),
        "resource": (account.upper(),),
        "mixed": (sim.scopes[1], account, group, group.lower()),
    }[request.param]


def test_both_sources_list_equal_assessments(discover: Discover, scopes: tuple[str, ...]) -> None:
    """And some at all."""
    rest = in_order(discover(*scopes).list_assessments())
    assert rest
    assert rest == in_order(discover(*scopes, source="graph").list_assessments())


def test_nothing_comes_twice_and_nothing_from_outside(discover: Discover, scopes: tuple[str, ...]) -> None:
    """However the scopes overlap."""
    found = [item.id.casefold() for item in discover(*scopes).list_assessments()]
    assert len(found) == len(set(found))
    assert all(any(f"{one}/".startswith(f"{scope.casefold()}/") for scope in scopes) for one in found)


@pytest.mark.parametrize("status", ["Unhealthy", "healthy", "NotApplicable"])
def test_both_sources_filter_alike(discover: Discover, scopes: tuple[str, ...], status: str) -> None:
    """By key and status, in any case."""
    key = next(discover(*scopes).list_assessments()).key
    rest = in_order(discover(*scopes).list_assessments(key.upper(), status=status))
    assert rest == in_order(discover(*scopes, source="graph").list_assessments(key.upper(), status=status))
    assert all((item.key, item.status.value.casefold()) == (key, status.casefold()) for item in rest)


def test_both_sources_rank_alike(discover: Discover, scopes: tuple[str, ...]) -> None:
    """Recommendations, their order and their reasons."""
    rest = list(discover(*scopes).list_recommendations(status=None))
    assert rest
    assert rest == list(discover(*scopes, source="graph").list_recommendations(status=None))


def test_both_sources_give_equal_controls_and_scores(discover: Discover, scopes: tuple[str, ...]) -> None:
    """Of all subscriptions that the scopes touch."""
    rest, graph = discover(*scopes), discover(*scopes, source="graph")
    assert list(rest.list_controls()) == list(graph.list_controls())
    assert rest.get_secure_score() == graph.get_secure_score()
    assert dict(rest.list_secure_scores()) == dict(graph.list_secure_scores())


def test_resource_graph_is_asked_for_what_is_wanted_only(discover: Discover, sim: ArmSimulator) -> None:
    """One request instead of a listing per subscription."""
    key = next(discover().list_assessments()).key
    sim.requests.clear()
    assert list(discover(source="graph").list_assessments(key, status="Healthy")) is not None
    assert len(sim.requests) == 1


def test_a_listing_asks_for_a_page_when_it_is_needed(sim: ArmSimulator, discover: Discover) -> None:
    """Making it asks for nothing, and the first item for one page."""
    sim.requests.clear()
    found = discover().list_assessments()
    assert sim.requests == []
    next(found)
    assert len(sim.requests) == 1
