"""What the tables of Resource Graph hold, whose rows a query gets, and that pages come from one result."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.graph import routes
from defender_remediate.testing.simulator.graph.kept import Kept
from defender_remediate.testing.simulator.graph.kql.relation import Relation

PATH = "/providers/Microsoft.ResourceGraph/resources?api-version="
ASSESSMENTS = "securityresources | where type == 'microsoft.security/assessments'"
KEY, SHARED_KEY = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
RULE = {"path": "properties.supportsHttpsTrafficOnly", "equals": True}
ROOT = "99999999-0000-4000-8000-000000000000"


@pytest.fixture
def query(demo: ArmSimulator, ask: Any) -> Any:
    """Sends a query to the demo tenant, and waits first where the quota is used up."""

    def send(text: str, options: Any = None, version: str = "2024-04-01", **body: Any) -> Any:
        found = ask("POST", PATH + version, json={"query": text, "options": options or {}, **body})
        if found.status_code == 429:
            demo.clock.sleep(5)
            return send(text, options, version, **body)
        return found

    return send


@pytest.fixture
def rows(query: Any) -> Any:
    """The rows of a query; of one with one column its cells."""

    def read(text: str, options: Any = None, **body: Any) -> list[Any]:
        data = query(text, options, **body).json()["data"]
        return [next(iter(row.values())) if len(row) == 1 else row for row in data]

    return read


def test_defender_keeps_the_same_in_both_apis(demo: ArmSimulator, ask: Any, rows: Any) -> None:
    """What the REST API lists has a row; alerts begin their members with capitals, and exemptions name the key alone."""
    provider = f"{demo.scopes[0]}/providers/Microsoft.Security"
    standard = f"{provider}/regulatoryComplianceStandards/PCI-DSS-4"
    control = f"{standard}/regulatoryComplianceControls/1.1"
    kept = {
        f"{provider}/locations/westeurope/alerts/one": {"alertDisplayName": "Odd sign-in", "status": "Active"},
        standard: {"state": "Failed", "passedControls": 3},
        control: {"state": "Failed"},
        f"{control}/regulatoryComplianceAssessments/00000000-0000-4000-8000-000000000001": {"failedResources": 2},
    }
    for identifier, properties in kept.items():
        demo.resources.add({"id": identifier, "properties": properties}, ("2019-01-01-preview", "2022-01-01"))
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    finding = f"{account}/providers/Microsoft.Security/assessments/{KEY}/subAssessments/one"
    demo.resources.add({"id": finding, "properties": {"status": {"severity": "High"}}}, ("2020-01-01",))
    rule = f"{provider}/governanceRules/{KEY}?api-version=2022-01-01-preview"
    conditions = [{"property": "$.AssessmentKey", "operator": "In", "value": f'["{KEY}"]'}]
    everyone = {
        "displayName": "Everyone",
        "rulePriority": 1,
        "ruleType": "Integrated",
        "sourceResourceType": "Assessments",
        "ownerSource": {"type": "ByTag", "value": "owner"},
        "conditionSets": [{"conditions": conditions}],
    }
    assert ask("PUT", rule, json={"properties": everyone}).status_code == 201
    connector = (
        f"{demo.scopes[0]}/resourceGroups/rg-contoso-web-prod/providers/Microsoft.Security/securityConnectors/aws"
    )
    body = {"location": "westeurope", "properties": {"environmentName": "AWS"}}
    assert ask("PUT", f"{connector}?api-version=2024-08-01-preview", json=body).status_code == 201
    metadata = {"displayName": "Ours", "severity": "Low", "assessmentType": "BuiltIn"}
    demo.defender.add_recommendation(
        metadata, key=SHARED_KEY, resource_type="Microsoft.Storage/storageAccounts", rule=RULE
    )
    exemption = {
        "displayName": "Known",
        "effect": "Exempt",
        "exemptionData": {"exemptionCategory": "waiver", "assignedAssessment": {"assessmentKey": SHARED_KEY}},
    }
    exempt = f"{account}/providers/Microsoft.Security/standardAssignments/{KEY}?api-version=2024-08-01"
    assert ask("PUT", exempt, json={"properties": exemption}).status_code in (200, 201)

    listed = ask.get(f"{provider}/regulatoryComplianceStandards", "2019-01-01-preview")["value"]
    assert standard in [one["id"] for one in listed]
    found = {
        row["type"].removeprefix("microsoft.security/"): row
        for row in rows(
            "securityresources | where type !in ('microsoft.security/assessments', 'microsoft.security/pricings') "
            "and id !has 'Microsoft-cloud-security-benchmark'"
        )
    }
    assert found["locations/alerts"]["properties"]["AlertDisplayName"] == "Odd sign-in"
    assert found["regulatorycompliancestandards"]["properties"]["passedControls"] == 3
    both = "regulatorycompliancestandards/regulatorycompliancecontrols"
    assert found[f"{both}/regulatorycomplianceassessments"]["properties"]["failedResources"] == 2
    assert found["assessments/subassessments"]["id"] == finding
    assert found["governancerules"]["properties"]["displayName"] == "Everyone"
    assert found["standardassignments"]["properties"]["exemptionData"] == {
        "exemptionCategory": "waiver",
        "assessmentKey": SHARED_KEY,
    }
    assert {"attackpaths", "securescores", "securescores/securescorecontrols"} <= set(found)
    assert rows("resources | where type has 'microsoft.security' | project id") == [connector]


def test_a_result_of_compliance_that_a_test_adds_is_one_row(demo: ArmSimulator, rows: Any) -> None:
    """It stands for what the simulator counts, as in the list of standards; a join would find a second row twice."""
    counted = "securityresources | where type =~ 'microsoft.security/regulatorycompliancestandards'"
    standard = rows(f"{counted} | project id | take 1")[0]
    demo.resources.add({"id": standard, "properties": {"state": "Failed", "passedControls": 7}})
    assert rows(f"{counted} | where id =~ '{standard}' | project properties.passedControls") == [7]


def test_an_assignment_names_its_role_as_the_row_of_the_role_does(rows: Any) -> None:
    """The usual join of assignments with roles finds the role."""
    joined = (
        "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | extend role = "
        "tolower(tostring(properties.roleDefinitionId)) | join kind=inner (authorizationresources | where type =~ "
        "'microsoft.authorization/roledefinitions' | extend role = tolower(id), title = tostring(properties.roleName)) "
        "on role | distinct title"
    )
    assert "Owner" in rows(joined)


def test_a_filter_says_which_assignments_above_and_below_count(demo: ArmSimulator, ask: Any, rows: Any) -> None:
    """A subscription alone is at and below by default; roles of the tenant are above it."""
    scope = demo.scopes[0]
    subscription = scope.rpartition("/")[2]
    group = "/providers/Microsoft.Management/managementGroups/contoso"
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts", scope)[0]
    for place, name in ((group, "aa"), (scope, "bb"), (account, "cc")):
        target = f"{place}/providers/Microsoft.Authorization/policyAssignments/{name}?api-version=2023-04-01"
        definition = "/providers/Microsoft.Authorization/policyDefinitions/4da35fc9-c9e7-4960-aec9-797fe7d9051d"
        assert ask("PUT", target, json={"properties": {"policyDefinitionId": definition}}).status_code == 201
    assigned = "policyresources | where type has 'policyassignments' | where strlen(name) == 2 | project name"
    owner = "authorizationresources | where properties.roleName == 'Owner' | project name"

    def found(wanted: str | None, text: str = assigned, **body: Any) -> str:
        options = {"authorizationScopeFilter": wanted} if wanted else {}
        return " ".join(sorted(rows(text, options, **body)))

    one = {"subscriptions": [subscription]}
    filters = (None, "atScopeAndBelow", "AtScopeAndAbove", "AtScopeExact", "AtScopeAboveAndBelow")
    assert [found(wanted, **one) for wanted in filters] == ["bb cc", "bb cc", "aa bb", "bb", "aa bb cc"]
    assert [bool(found(wanted, owner, **one)) for wanted in filters] == [False, False, True, False, True]
    groups = {"managementGroups": ["contoso"]}
    assert [found(wanted, **groups) for wanted in filters] == ["aa bb cc", "aa bb cc", "aa", "aa", "aa bb cc"]
    assert found(None) == found(None, managementGroups=[ROOT]) == "aa bb cc"
    assert found(None, owner) != ""


def test_the_oldest_preview_names_one_management_group(query: Any) -> None:
    """Other versions do not know the member."""
    text = "resourcecontainers | where type == 'microsoft.resources/subscriptions' | project id"
    assert query(text, version="2020-04-01-preview", managementGroupId="contoso").json()["count"] == 3
    assert query(text, managementGroupId="contoso").status_code == 400
    assert query(text, version="2020-04-01-preview", managementGroupId="none").status_code == 400
    assert query(text, {"allowPartialScopes": "yes"}).status_code == 400


def test_cves_are_not_of_a_subscription(demo: ArmSimulator, rows: Any) -> None:
    """A query of subscriptions has no CVE, and one of the tenant has them; attack paths are in both."""
    text = "securityresources | where type in ('microsoft.security/cvedetails', 'microsoft.security/attackpaths')"
    distinct = f"{text} | distinct type"
    own = set(rows(distinct, subscriptions=[scope.rpartition("/")[2] for scope in demo.scopes]))
    assert own == {"microsoft.security/attackpaths"}
    assert set(rows(distinct)) - own == {"microsoft.security/cvedetails"}


def test_take_leaves_no_pages_and_ignores_skip(query: Any) -> None:
    """As documented; ``top`` and ``$skip`` alone leave both. ``$skip`` wins over the place of a token."""
    text = "resources | order by id asc | project id"
    everything = [row["id"] for row in query(text).json()["data"]]
    limited = query(f"{text} | take 20", {"$skip": 5, "$top": 10}).json()
    assert [row["id"] for row in limited["data"]] == everything[:10]
    assert (limited["resultTruncated"], "$skipToken" in limited) == ("true", False)
    topped = query("resources | project id | top 20 by id asc", {"$skip": 5, "$top": 10}).json()
    assert [row["id"] for row in topped["data"]] == everything[5:15]
    first = query(text, {"$top": 10}).json()
    moved = query(text, {"$top": 10, "$skip": 3, "$skipToken": first["$skipToken"]}).json()
    assert [row["id"] for row in moved["data"]] == everything[3:13]


def test_a_query_runs_again_only_after_a_change(
    demo: ArmSimulator, ask: Any, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page or the same query again is cut from the result, until a request, a control or time changes the tenant."""
    ran: list[str] = []

    def run(statement: Any, tables: Any, **more: Any) -> Relation:
        found = original(statement, tables, **more)
        ran.append(" ".join(sorted(tables.used)))
        return found

    original = routes.run
    monkeypatch.setattr(routes, "run", run)

    def runs(text: str, options: Any = None) -> int:
        before = len(ran)
        query(text, options)
        return len(ran) - before

    unhealthy = f"{ASSESSMENTS} and properties.status.code == 'Unhealthy' | project id"
    token = query(unhealthy, {"$top": 10}).json()["$skipToken"]
    ran.clear()
    assert [runs(unhealthy, {"$skipToken": token}), runs(unhealthy), runs(unhealthy, {"$top": 3})] == [0, 0, 0]
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    ask.get(account, "2024-01-01")
    demo.clock.sleep(1)
    assert runs(unhealthy) == 0  # neither a GET nor time alone changes anything
    ask("PATCH", f"{account}?api-version=2024-01-01", json={"tags": {"a": "b"}})
    assert [runs(unhealthy), runs(unhealthy)] == [1, 0]
    demo.resources.edit(account, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    assert [runs(unhealthy), runs(unhealthy)] == [1, 0]
    demo.clock.sleep(86400)  # the assessments follow the change
    assert [runs(unhealthy), runs(unhealthy)] == [1, 0]
    by_time = f"{ASSESSMENTS} and properties.status.statusChangeDate < ago(1d) | project id"
    page = query(by_time, {"$top": 1}).json()
    demo.clock.sleep(1)
    assert [runs(by_time, {"$top": 1, "$skipToken": page["$skipToken"]}), runs(by_time), runs(by_time)] == [0, 1, 0]
    changes = "resourcechanges | project id"
    assert [runs(changes), runs(changes)] == [1, 0]
    demo.clock.sleep(1)
    assert runs(changes) == 1
    snapshot = demo.snapshot()
    demo.resources.remove(account)
    demo.restore(snapshot)
    assert runs(unhealthy) == 1


def test_few_results_are_kept() -> None:
    """The last eight of them, and fewer if they are long; none of an older state of the tenant."""
    kept = Kept()
    short, long = Relation((), [()]), Relation((), [()] * 300_000)
    for number in range(9):
        kept.put(number, (1,), 0.0, short, depends_on_time=False)
    found = [kept.find(number, (1,), 0.0, is_next_page=False) is not None for number in range(9)]
    assert found == [False] + [True] * 8
    kept.put("a", (1,), 0.0, long, depends_on_time=False)
    kept.put("b", (1,), 0.0, long, depends_on_time=False)
    assert [kept.find(name, (1,), 0.0, is_next_page=False) for name in ("a", "b", 8)] == [None, long, None]
    kept.put("c", (2,), 0.0, short, depends_on_time=False)
    assert kept.find("b", (1,), 0.0, is_next_page=False) is None
    assert deepcopy(kept).find("c", (2,), 0.0, is_next_page=False) is None


def test_rows_of_assessments_that_are_gone_are_forgotten(demo: ArmSimulator, rows: Any) -> None:
    """And an assessment that is made again is shown as it is now."""
    rows(ASSESSMENTS)
    kept = demo._service.tenant.graph_kept.assessment_rows
    count = len(kept)
    kept.update({("gone", str(number)): () for number in range(count + 1001)})
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    body = demo.resources.get(account)
    demo.resources.remove(account)
    demo.clock.sleep(86400)
    left = rows(f"{ASSESSMENTS} | count")
    assert len(kept) == left[0] < count
    demo.resources.add({key: body[key] for key in ("id", "location", "sku", "kind", "properties")})
    demo.clock.sleep(86400)
    again = rows(f"{ASSESSMENTS} | where properties.resourceDetails.Id == '{account}' | project properties.status.code")
    assert set(again) == {"Unhealthy"}
