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
        "microsoft.security/regulatorycompliancestandards",
        "microsoft.security/regulatorycompliancestandards/regulatorycompliancecontrols",
        "microsoft.security/regulatorycompliancestandards/regulatorycompliancecontrols/regulatorycomplianceassessments",
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
        ("resources", "banana", {}, "InvalidRequestContent"),
        ("resources", None, {"facets": "banana"}, "InvalidRequestContent"),
        ("resources", {"resultFormat": "banana"}, {}, "InvalidRequestContent"),
        ("resources | project foo(name)", None, {}, "UnknownFunction"),
        ("resources | summarize count() by tags", None, {}, "InvalidQuery"),
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


def found_rows(query: Any, text: str, **body: Any) -> list[Any]:
    """The rows; of a query with one column its cells."""
    data = query(text, **body).json()["data"]
    return [next(iter(row.values())) if len(row) == 1 else row for row in data]


def test_containers(demo: ArmSimulator, query: Any) -> None:
    """Subscriptions with their management groups, resource groups, and the groups above at tenant scope only."""
    kinds = "resourcecontainers | summarize count() by type | order by type asc | project type"
    assert found_rows(query, kinds) == [
        "microsoft.management/managementgroups",
        "microsoft.resources/subscriptions",
        "microsoft.resources/subscriptions/resourcegroups",
    ]
    scope = demo.scopes[0].rpartition("/")[2]
    assert "microsoft.management/managementgroups" not in found_rows(query, kinds, subscriptions=[scope])
    chains = (
        "resourcecontainers | where type == 'microsoft.resources/subscriptions' "
        "| mv-expand m = properties.managementGroupAncestorsChain | where m.displayName == 'Tenant Root Group' | count"
    )
    assert found_rows(query, chains) == [len(demo.scopes)]
    joined = (
        "resources | where type =~ 'microsoft.storage/storageaccounts' | join kind=inner (resourcecontainers "
        "| where type == 'microsoft.resources/subscriptions/resourcegroups' | project group = id, resourceGroup = "
        "tolower(name), subscriptionId) on subscriptionId, resourceGroup | where id !startswith group | count"
    )
    assert found_rows(query, joined) == [0]
    shown = query("resources | limit 1").json()["data"][0]
    assert len(shown) == 16
    assert found_rows(query, "resources | where isempty(apiVersion) | count") == [0]


def test_roles_and_policies(demo: ArmSimulator, query: Any, ask: Any) -> None:
    """Assignments and definitions as their APIs have them, and the compliance of each resource."""
    built_in = "authorizationresources | where properties.roleName == 'Owner' | project properties.type"
    assert found_rows(query, built_in) == ["BuiltInRole"]
    scope = demo.scopes[0]
    assigned = (
        "authorizationresources | where type == 'microsoft.authorization/roleassignments' | extend role = "
        "tolower(tostring(split(properties.roleDefinitionId, '/')[-1])) | join kind=inner (authorizationresources "
        "| where type == 'microsoft.authorization/roledefinitions' | project role = name, n = tostring(properties.roleName)) "
        "on role | where properties.scope == '" + scope + "' | project n"
    )
    assert "Owner" in found_rows(query, assigned)
    definition = f"{scope}/providers/Microsoft.Authorization/policyDefinitions/no-westeurope"
    rule = {"if": {"field": "location", "equals": "westeurope"}, "then": {"effect": "audit"}}
    body = {"properties": {"mode": "Indexed", "policyRule": rule}}
    assert ask("PUT", f"{definition}?api-version=2021-06-01", json=body).status_code == 201
    assignment = f"{scope}/providers/Microsoft.Authorization/policyAssignments/places"
    body = {"properties": {"policyDefinitionId": definition}}
    assert ask("PUT", f"{assignment}?api-version=2021-06-01", json=body).status_code == 201
    states = (
        "policyresources | where type == 'microsoft.policyinsights/policystates' | where properties.policyAssignmentName == "
        "'places' | summarize count() by l = tostring(properties.resourceLocation), s = tostring(properties.complianceState)"
    )
    by_place = {(row["l"] == "westeurope", row["s"]) for row in found_rows(query, states)}
    assert by_place == {(True, "NonCompliant"), (False, "Compliant")}
    listed = found_rows(query, "policyresources | distinct type | order by type asc")
    assert {"microsoft.authorization/policyassignments", "microsoft.authorization/policydefinitions"} <= set(listed)
    assert found_rows(query, "policyresources | where type == 'x'") == []


def test_governance_and_tables_that_are_not_simulated(demo: ArmSimulator, ask: Any, query: Any) -> None:
    """An assignment of an owner is a row; a table of resources that are not simulated is empty, with its columns."""
    first = found_rows(
        query, f"{ASSESSMENTS} | where properties.resourceDetails.Source == 'Azure' | project id | take 1"
    )[0]
    place = first.rpartition("/providers/Microsoft.Security/assessments/")[0]
    plan = f"/subscriptions/{place.split('/')[2]}/providers/Microsoft.Security/pricings/CloudPosture"
    demo.resources.edit(plan, lambda body: body["properties"].update(pricingTier="Standard"))
    owned = f"{first}/governanceAssignments/00000000-0000-4000-8000-00000000000a?api-version=2025-05-04"
    body = {"properties": {"owner": "ada@contoso.com", "remediationDueDate": "2026-05-01T00:00:00Z"}}
    assert ask("PUT", owned, json=body).status_code == 201
    assigned = "securityresources | where type has 'governanceassignments' | project properties.remediationDueDate"
    assert len(found_rows(query, assigned)) == 1
    others = [scope.rpartition("/")[2] for scope in demo.scopes if scope not in plan]
    assert found_rows(query, assigned, subscriptions=others) == []
    plans = "securityresources | where type == 'microsoft.security/pricings' | where name == 'CloudPosture'"
    assert "Standard" in found_rows(query, f"{plans} | project properties.pricingTier")
    empty = query("advisorresources | project name, properties.category", {"resultFormat": "table"}).json()["data"]
    assert [column["name"] for column in empty["columns"]] == ["name", "properties_category"]
    assert empty["rows"] == []


def test_a_caller_sees_what_it_may_read(demo: ArmSimulator, query: Any) -> None:
    """In every table; changes as far as their resources."""
    account = found_rows(query, "resources | where type == 'microsoft.storage/storageaccounts' | project id | take 1")[
        0
    ]
    demo.resources.edit(account, lambda body: body.update(tags={"seen": "yes"}), caller="ada@contoso.com")
    demo.clock.sleep(600)
    everything = {table: found_rows(query, f"{table} | count")[0] for table in ("resources", "resourcechanges")}
    demo.access.deny("Microsoft.Storage/storageAccounts/read", account)
    seen = {table: found_rows(query, f"{table} | count")[0] for table in ("resources", "resourcechanges")}
    assert everything["resources"] - seen["resources"] == 1
    assert everything["resourcechanges"] - seen["resourcechanges"] == 1


def test_facets(query: Any) -> None:
    """Counts of values over all rows of the query; the most frequent first, or sorted and filtered as asked."""
    facets = [
        {"expression": "location", "options": {"sortOrder": "asc", "$top": 1}},
        {"expression": "properties.minimumTlsVersion"},
        {"expression": "resourceGroup", "options": {"sortBy": "tolower(resourceGroup)", "sortOrder": "asc", "$top": 3}},
        {"expression": "resourceGroup", "options": {"filter": "resourceGroup contains 'web'"}},
        {"expression": "nonExistingColumn", "options": {"$top": 3}},
        {"expression": "location", "options": {"$top": 0}},
        {"expression": "location", "options": {"top": 0}},
        {"expression": "location location"},
        {"expression": "location in (resources | project name)"},
        "location",
    ]
    text = "resources | where type =~ 'microsoft.storage/storageaccounts' | project id, location, resourceGroup, properties.minimumTlsVersion"
    whole = query(text).json()
    answer = query(text, {"$top": 2}, facets=facets).json()
    counted = [facet["count"] for facet in answer["facets"][:4]]
    assert answer["count"] == 2
    places = [row["location"] for row in whole["data"]]
    assert answer["facets"][0] == {
        "expression": "location",
        "resultType": "FacetResult",
        "totalRecords": len(set(places)),
        "count": 1,
        "data": [{"location": min(set(places), key=places.count), "count": min(map(places.count, places))}],
    }
    assert sum(one["count"] for one in answer["facets"][1]["data"]) == len(places)
    assert set(answer["facets"][1]["data"][0]) == {"properties_minimumTlsVersion", "count"}
    groups = sorted({row["resourceGroup"] for row in whole["data"]})
    assert [one["resourceGroup"] for one in answer["facets"][2]["data"]] == groups[:3]
    assert all("web" in one["resourceGroup"] for one in answer["facets"][3]["data"])
    assert counted[0] == 1
    codes = [[error["code"] for error in facet["errors"]] for facet in answer["facets"][4:]]
    options = ["InvalidFacetOptions"]
    assert codes == [
        ["NoValidColumns", "InvalidColumnNames"],
        options,
        options,
        ["ParserFailure"],
        ["InvalidQuery"],
        ["ParserFailure"],
    ]


def test_an_error_says_where_it_is(query: Any) -> None:
    """Behind the general detail stands the one with the line, the character and the token."""
    error = query("resources | where resourceGroup =~ DEV' and x").json()["error"]
    assert error["details"][0]["code"] == "InvalidQuery"
    assert error["details"][1] == {
        "code": "ParserFailure",
        "message": "ParserFailure",
        "line": 1,
        "characterPositionInLine": 38,
        "token": "' and x",
    }


def test_the_operations_of_the_provider(ask: Any) -> None:
    """As clients list them."""
    shown = ask.get("/providers/Microsoft.ResourceGraph/operations", "2024-04-01")["value"]
    assert [one["name"] for one in shown] == ["Microsoft.ResourceGraph/resources/read"]
