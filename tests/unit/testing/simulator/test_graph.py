"""Azure Resource Graph."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"


@pytest.fixture
def query(ask: Any) -> Any:
    """Sends a query to the demo tenant."""

    def send(text: str, options: Any = None, **body: Any) -> Any:
        return ask("POST", PATH, json={"query": text, **({"options": options} if options else {}), **body})

    return send


ASSESSMENTS = "securityresources | where type == 'microsoft.security/assessments'"


def test_the_same_data_in_another_shape(demo: ArmSimulator, ask: Any, query: Any) -> None:
    """PascalCase details, metadata inside, a link without a scheme, the type in lower case; the same statuses as REST."""
    rest = {}
    for scope in demo.scopes:
        for item in ask.get(f"{scope}/providers/Microsoft.Security/assessments", "2025-05-04")["value"]:
            rest[item["id"]] = item["properties"]["status"]
    rows = query(f"{ASSESSMENTS} | project id, type, properties").json()["data"]
    assert {row["id"]: row["properties"]["status"] for row in rows} == rest
    sources = {row["properties"]["resourceDetails"]["Source"] for row in rows}
    assert sources == {"Azure", "Aws", "OnPremise"}
    assert {row["type"] for row in rows} == {"microsoft.security/assessments"}
    assert all(row["properties"]["links"]["azurePortal"].startswith("portal.azure.com/") for row in rows)
    assert all(row["properties"]["metadata"]["severity"] for row in rows)
    aws = next(row for row in rows if row["properties"]["resourceDetails"]["Source"] == "Aws")
    assert aws["properties"]["resourceDetails"]["ConnectorId"].endswith("/securityConnectors/aws-contoso")
    assert any("risk" in row["properties"] for row in rows)


def test_pages_need_the_id_and_follow_the_token(query: Any) -> None:
    """``resultTruncated`` says "false" while there is more; a token belongs to its query."""
    everything = query(f"{ASSESSMENTS} | project id").json()
    options: dict[str, Any] = {"$top": 50}
    seen: list[str] = []
    while True:
        page = query(f"{ASSESSMENTS} | project id", options).json()
        seen += [row["id"] for row in page["data"]]
        assert page["resultTruncated"] == "false"
        assert page["totalRecords"] == everything["count"]
        if "$skipToken" not in page:
            break
        options = {"$top": 50, "$skipToken": page["$skipToken"]}
    assert seen == [row["id"] for row in everything["data"]]
    assert len(seen) > 100
    for token in (options["$skipToken"], "nonsense", "e30="):
        wrong = query(f"{ASSESSMENTS} | project id, name", {"$skipToken": token})
        assert wrong.json()["error"]["details"][1]["code"] == "InvalidSkipToken"


def test_without_an_id_there_is_one_page(query: Any) -> None:
    """And the rest is lost."""
    page = query(f"{ASSESSMENTS} | project name", {"$top": 10}).json()
    assert "$skipToken" not in page
    assert page["resultTruncated"] == "true"
    assert page["count"] == 10


def test_the_other_tables_and_types(query: Any) -> None:
    """Resources, plans, scores and controls with their definitions; skipping; the table format."""
    stores = query(
        "Resources | where type =~ 'Microsoft.Storage/storageAccounts' | project id, location | order by id asc",
        {"$skip": 1},
    ).json()
    assert stores["count"] == stores["totalRecords"] - 1
    table = query("resources | where name == 'plan-contoso-web' | project name, sku", {"resultFormat": "table"}).json()[
        "data"
    ]
    assert table["columns"] == [{"name": "name", "type": "string"}, {"name": "sku", "type": "object"}]
    assert table["rows"][0][0] == "plan-contoso-web"
    empty = query("resources | where name == 'none'", {"resultFormat": "table"}).json()["data"]
    assert (len(empty["columns"]), empty["rows"]) == (16, [])
    rows = query("securityresources | project type | order by type asc").json()["data"]
    assert list(dict.fromkeys(row["type"] for row in rows)) == [
        "microsoft.security/assessments",
        "microsoft.security/attackpaths",
        "microsoft.security/cvedetails",
        "microsoft.security/pricings",
        "microsoft.security/securescores",
        "microsoft.security/securescores/securescorecontrols",
    ]


def test_scopes(demo: ArmSimulator, query: Any) -> None:
    """Subscriptions, management groups, and those that are not there; an unregistered Defender has no rows."""
    scope = demo.scopes[0].rpartition("/")[2]

    def found(text: str, **body: Any) -> set[str]:
        return {row["subscriptionId"] for row in query(f"{text} | project subscriptionId", **body).json()["data"]}

    assert found("resources", subscriptions=[scope.upper()]) == {scope}
    assert len(found("resources", managementGroups=["CONTOSO"])) == 3
    assert query("resources", managementGroups=["none"]).status_code == 400
    demo.resources.unregister_provider(demo.scopes[0], "Microsoft.Security")
    assert len(found(ASSESSMENTS)) == 2
    assert found(ASSESSMENTS, subscriptions=[scope]) == set()


@pytest.mark.parametrize(
    ("text", "options", "more", "code"),
    [
        ("secrets", None, {}, "DisallowedLogicalTableName"),
        ("resources | foo", None, {}, "ParserFailure"),
        ("resources", {"$top": 5000}, {}, "InvalidPagingOptions"),
        ("resources", {"$top": "banana"}, {}, "InvalidPagingOptions"),
        ("resources", {"$skip": "banana"}, {}, "InvalidPagingOptions"),
        ("resources", {"top": 5}, {}, "InvalidRequestContent"),
        ("resources", None, {"Query": "x"}, "InvalidRequestContent"),
    ],
)
def test_a_bad_request_says_what_is_wrong_in_its_details(
    query: Any, text: str, options: Any, more: Any, code: str
) -> None:
    """The code itself is BadRequest every time."""
    response = query(text, options, **more)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BadRequest")
    assert response.json()["error"]["details"][1]["code"] == code


def test_fifteen_queries_in_five_seconds(demo: ArmSimulator, query: Any) -> None:
    """The sixteenth waits for the window to reset."""
    left = [query("resources").headers["x-ms-user-quota-remaining"] for _ in range(15)]
    assert (left[0], left[-1]) == ("14", "0")
    refused = query("resources")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RateLimiting")
    assert refused.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    demo.clock.sleep(float(refused.headers["Retry-After"]))
    assert query("resources").status_code == 200
