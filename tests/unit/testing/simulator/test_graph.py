"""Azure Resource Graph."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.graph.evaluate import run, text
from defender_remediate.testing.simulator.graph.language import QueryError, parse

PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
ROWS: list[dict[str, Any]] = [
    {"id": "1", "name": "Web-01", "p": {"n": 3, "flag": True, "tags": ["a", "b"], "odd name": "x"}},
    {"id": "2", "name": "db 02", "p": {"n": 20, "flag": False, "d": "Left"}},
    {"id": "3", "name": "web", "p": {}},
]
COLUMNS = frozenset({"id", "name", "p"})


def found(query: str) -> list[Any]:
    """The ids that a query over the small table finds."""
    return [row["id"] for row in run(parse(f"t | {query}"), ROWS, COLUMNS)]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("name == 'web'", "3"),
        ("name != 'web'", "12"),
        ("name =~ 'WEB'", "3"),
        ("name !~ 'WEB'", "12"),
        ("name in ('web', 'db 02')", "23"),
        ("name in~ ('WEB')", "3"),
        ("name !in ('web')", "12"),
        ("name !in~ ('WEB')", "12"),
        ("name has 'WEB'", "13"),
        ("name !has 'web'", "2"),
        ("name has 'we'", ""),
        ("name contains 'B'", "123"),
        ("name !contains '0'", "3"),
        ("name startswith 'WE'", "13"),
        ("name endswith '02'", "2"),
        ("p.flag == true", "1"),
        ("p.flag == 'true'", "1"),
        ("p.n == 3", "1"),
        ("p.n == 3.5", ""),
        ("p.tags[1] == 'b'", "1"),
        ("p.tags[7] == 'b'", ""),
        ("p['odd name'] == \"x\"", "1"),
        ("p['d'] == 'Left' or (p.n == 3 and p.flag == true)", "12"),
        ("p.D == 'Left'", ""),
        ("p.n.deeper == ''", "123"),
        ("tolower(name) == 'web-01' or toupper(name) == 'WEB'", "13"),
        ("isempty(p.n)", "3"),
        ("isnotempty(p.n) and not(p.flag == true)", "2"),
        ("coalesce(p.x, p.d) == 'Left'", "2"),
        ("tostring(p.n) == '20' // the second", "2"),
        ("name == @'web'", "3"),
        ("name == 'it\\'s'", ""),
    ],
)
def test_where(condition: str, ids: str) -> None:
    """Each operator and function, and members by their exact case."""
    assert "".join(found(f"where {condition}")) == ids


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("project id, n = p.n | take 1", [{"id": "1", "n": 3}]),
        ("project tostring(p.n), 5 | limit 1", [{"p_n": "3", "Column1": 5}]),
        ("extend k = id | project k | order by k asc | take 2", [{"k": "1"}, {"k": "2"}]),
        ("project id | sort by id | take 1", [{"id": "3"}]),
        ("order by p.n desc, id asc | project id", [{"id": "3"}, {"id": "2"}, {"id": "1"}]),
        ("count", [{"Count": 3}]),
        ("summarize count()", [{"count_": 3}]),
        (
            "summarize n = count() by f = tostring(p.flag) | order by n asc",
            [{"f": "true", "n": 1}, {"f": "false", "n": 1}, {"f": "", "n": 1}],
        ),
        ("where p.n == 3 | summarize by name", [{"name": "Web-01"}]),
    ],
)
def test_stages(query: str, rows: list[dict[str, Any]]) -> None:
    """Each stage, and names for columns that have none."""
    assert run(parse(f"T | {query}"), ROWS, COLUMNS) == rows


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "ParserFailure"),
        ("t | where", "ParserFailure"),
        ("t | where name ==", "ParserFailure"),
        ("t | where name in 'x'", "ParserFailure"),
        ("t | where (name == 'x'", "ParserFailure"),
        ("t | where p[name] == 'x'", "ParserFailure"),
        ("t | where name == 'x' name", "ParserFailure"),
        ("t | where p. == 'x'", "ParserFailure"),
        ("t | take many", "ParserFailure"),
        ("t | order id", "ParserFailure"),
        ("t ; drop", "ParserFailure"),
        ("t | ", "ParserFailure"),
        ("t | where cout(name) == 1", "UnknownFunction"),
        ("t | mv-expand p", "InvalidQuery"),
        ("t | summarize max(p) by name", "InvalidQuery"),
        ("t | where nome == 'x'", "InvalidQuery"),
        ("t | project id | where name == 'x'", "InvalidQuery"),
    ],
)
def test_what_is_not_in_the_language_is_an_error(query: str, code: str) -> None:
    """Never a guess."""
    with pytest.raises(QueryError) as error:
        run(parse(query), ROWS, COLUMNS)
    assert error.value.code == code


def test_values_as_text() -> None:
    """As the language writes them."""
    assert [text(value) for value in (None, True, 3, "x")] == ["", "true", "3", "x"]


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


@pytest.mark.parametrize("tail", ["| project name", "| project id | take 100"])
def test_without_an_id_or_with_a_limit_there_is_one_page(query: Any, tail: str) -> None:
    """And the rest is lost."""
    page = query(f"{ASSESSMENTS} {tail}", {"$top": 10}).json()
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
    assert empty == {"columns": [], "rows": []}
    kinds = query("securityresources | summarize count() by type | order by type asc").json()["data"]
    assert [row["type"] for row in kinds] == [
        "microsoft.security/assessments",
        "microsoft.security/pricings",
        "microsoft.security/securescores",
        "microsoft.security/securescores/securescorecontrols",
    ]


def test_scopes(demo: ArmSimulator, query: Any) -> None:
    """Subscriptions, management groups, and those that are not there; an unregistered Defender has no rows."""
    scope = demo.scopes[0].rpartition("/")[2]
    count = "resources | project subscriptionId | summarize count() by subscriptionId"
    assert [row["subscriptionId"] for row in query(count, subscriptions=[scope.upper()]).json()["data"]] == [scope]
    assert query(count, managementGroups=["CONTOSO"]).json()["count"] == 3
    assert query(count, managementGroups=["none"]).status_code == 400
    demo.resources.unregister_provider(demo.scopes[0], "Microsoft.Security")
    mine = f"{ASSESSMENTS} | summarize count() by subscriptionId"
    assert len(query(mine).json()["data"]) == 2
    assert query(mine, subscriptions=[scope]).json()["data"] == []


@pytest.mark.parametrize(
    ("text", "options", "more", "code"),
    [
        ("secrets | count", None, {}, "DisallowedLogicalTableName"),
        ("resources | foo", None, {}, "InvalidQuery"),
        ("resources", {"$top": 5000}, {}, "InvalidPagingOptions"),
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
    left = [query("resources | count").headers["x-ms-user-quota-remaining"] for _ in range(15)]
    assert (left[0], left[-1]) == ("14", "0")
    refused = query("resources | count")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RateLimiting")
    assert refused.headers["x-ms-user-quota-resets-after"] == "00:00:05"
    demo.clock.sleep(float(refused.headers["Retry-After"]))
    assert query("resources | count").status_code == 200
