"""Resource Graph: pages by token, rows in two formats, and no loss in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from defender_remediate.arm.session import ArmResponse
from defender_remediate.discovery.resource_graph import PATH, decoded, query_graph
from defender_remediate.errors import MalformedResponseError


def query(ask: Any, text: str, **scopes: Any) -> Iterator[dict[str, Any]]:
    return query_graph(ask, text, **scopes)


class Asked:
    """Gives the pages in turn, and remembers the bodies that it was sent."""

    def __init__(self, *pages: Any, headers: dict[str, str] | None = None) -> None:
        self._pages, self._headers = list(pages), headers or {}
        self.bodies: list[Any] = []

    def post_query(self, path: str, *, api_versions: Sequence[str], body: Any) -> ArmResponse:
        assert (path, api_versions[0]) == (PATH, "2024-04-01")
        self.bodies.append(body)
        page = self._pages.pop(0)
        return ArmResponse(status=200, headers=self._headers, body=page, request_id="", url=path, method="POST")


def page(*ids: str, token: str = "", truncated: Any = "false", total: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"count": len(ids), "resultTruncated": truncated, "data": [{"id": name} for name in ids]}
    if token:
        found["$skipToken"] = token
    return {**found, "totalRecords": len(ids) if total is None else total}


def test_the_token_is_what_leads_on() -> None:
    """Not resultTruncated, which the official first page has as "false"; query and scopes go with every page."""
    ask = Asked(page("a", token="t1", total=3), page(token="t2", total=3), page("b", "c", total=3))
    assert [row["id"] for row in query(ask, "Q", subscriptions=["s"], management_groups=[])] == ["a", "b", "c"]
    assert [body["options"].get("$skipToken") for body in ask.bodies] == [None, "t1", "t2"]
    assert all((body["query"], body["subscriptions"]) == ("Q", ["s"]) for body in ask.bodies)
    assert "managementGroups" not in ask.bodies[0]


def test_a_page_is_held_alone() -> None:
    """The next one is asked for when the rows of this one have been taken."""
    ask = Asked(page("a", "b", token="t"), page("c"))
    found = query(ask, "Q", subscriptions=["s"], management_groups=[])
    assert [next(found)["id"], next(found)["id"]] == ["a", "b"]
    assert len(ask.bodies) == 1


def test_a_tenant_or_its_groups_can_be_asked() -> None:
    """Without any scope Azure answers for the whole tenant."""
    ask = Asked(page("a"), page("b"))
    assert len(list(query(ask, "Q", subscriptions=[], management_groups=["g"]))) == 1
    assert len(list(query(ask, "Q", subscriptions=[], management_groups=[]))) == 1
    assert [set(body) for body in ask.bodies] == [{"query", "managementGroups", "options"}, {"query", "options"}]


def test_many_subscriptions_are_asked_in_parts() -> None:
    """A thousand at a time."""
    ask = Asked(page("a"), page("b"))
    assert len(list(query(ask, "Q", subscriptions=[str(n) for n in range(1500)], management_groups=[]))) == 2
    assert [len(body["subscriptions"]) for body in ask.bodies] == [1000, 500]


@pytest.mark.parametrize("truncated", ["true", "True", True])
def test_rows_that_azure_left_out_are_an_error(truncated: Any) -> None:
    """It says so in text, and means that there is no next page."""
    with pytest.raises(MalformedResponseError, match="returned no page token") as caught:
        list(query(Asked(page("a", truncated=truncated)), "Q", subscriptions=["s"], management_groups=[]))
    assert "project id" in caught.value.hint


def test_truncated_with_a_token_goes_on() -> None:
    """Then nothing is lost."""
    ask = Asked(page("a", truncated="true", token="t", total=2), page("b", total=2))
    assert len(list(query(ask, "Q", subscriptions=["s"], management_groups=[]))) == 2


def test_a_single_page_with_fewer_rows_than_were_found_is_an_error() -> None:
    """A query that does not project id ends after 1000 rows and does not always say that it does."""
    with pytest.raises(MalformedResponseError, match="found 5000 rows"):
        list(query(Asked(page("a", total=5000)), "Q", subscriptions=["s"], management_groups=[]))


def test_a_tenant_that_is_too_large_is_an_error() -> None:
    """Azure looks at 10,000 subscriptions and leaves out the others."""
    ask = Asked(page("a"), headers={"x-ms-tenant-subscription-limit-hit": "true"})
    with pytest.raises(MalformedResponseError, match="10,000"):
        list(query(ask, "Q", subscriptions=[], management_groups=[]))


def test_a_token_that_comes_again_is_an_error() -> None:
    """The rows would have no end."""
    ask = Asked(page("a", token="t"), page("b", token="t"))
    with pytest.raises(MalformedResponseError, match="does not end"):
        list(query(ask, "Q", subscriptions=["s"], management_groups=[]))


def test_tables_are_rows_too() -> None:
    """The other result format."""
    table = {"columns": [{"name": "id", "type": "string"}, {"name": "n"}], "rows": [["a", 1], ["b", 2]]}
    assert decoded(table) == [{"id": "a", "n": 1}, {"id": "b", "n": 2}]


@pytest.mark.parametrize("data", [None, "x", [1], {"columns": []}, {"columns": [], "rows": [1]}, {"rows": []}])
def test_anything_else_is_refused(data: Any) -> None:
    """A page without rows is not an empty page."""
    with pytest.raises(MalformedResponseError, match="no rows"):
        decoded(data)


def test_an_empty_answer_is_refused() -> None:
    """The same for a body that is no object."""
    with pytest.raises(MalformedResponseError, match="no rows"):
        list(query(Asked(None), "Q", subscriptions=["s"], management_groups=[]))
