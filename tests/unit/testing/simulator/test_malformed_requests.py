"""Requests that no client should send: they are answered as Azure answers them, and never crash the simulator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

ACCOUNT = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
JSON = "application/json"
ROLE = {"roleName": "r", "permissions": [{"actions": ["*/read"]}]}


@pytest.fixture
def group() -> tuple[ArmSimulator, str]:
    """A tenant with a resource group."""
    sim = ArmSimulator()
    group = f"{sim.resources.add_subscription()}/resourceGroups/rg"
    sim.resources.add({"id": group, "location": "westeurope"})
    return sim, group


def send(sim: ArmSimulator, method: str, path: str, content: Any = None, media_type: str = JSON) -> tuple[int, Any]:
    """Status and error code."""
    body = content if isinstance(content, (str, bytes, type(None))) else json.dumps(content)
    with sim.open_session() as session:
        answer = session.request(method, f"{sim.endpoint}{path}", data=body, headers={"content-type": media_type})
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


@pytest.mark.parametrize(
    ("content", "media_type", "wanted"),
    [
        ('{"properties":' + '{"a":' * 5_000 + "1" + "}" * 5_001, JSON, (400, "InvalidRequestContent")),
        ('{"properties":' + "[" * 300 + "]" * 300 + "}", JSON, (400, "InvalidRequestContent")),
        ({**ACCOUNT, "tags": {"a": "\ud800"}}, JSON, (400, "InvalidRequestContent")),
        ({**ACCOUNT, "location": 5}, JSON, (400, "InvalidRequestContent")),
        ({**ACCOUNT, "tags": {"a": "x" * 4_200_000}}, JSON, (413, "RequestContentTooLarge")),
        (ACCOUNT, "text/plain", (415, "UnsupportedMediaType")),
        (ACCOUNT, "application/x-www-form-urlencoded", (415, "UnsupportedMediaType")),
        ({**ACCOUNT, "tags": {"a": "\u00e9\u4e2d"}}, "Application/JSON; charset=utf-8", (202, None)),
        ({**ACCOUNT, "tags": {str(i): "x" for i in range(50)}}, "text/json", (202, None)),
    ],
)
def test_a_body_is_read_or_refused(group: Any, content: Any, media_type: str, wanted: tuple[int, Any]) -> None:
    """Deep, torn, large and of other media types; a body that Azure reads is read."""
    sim, place = group
    path = f"{place}/providers/Microsoft.Storage/storageAccounts/shopdata?api-version=2023-05-01"
    assert send(sim, "PUT", path, content, media_type) == wanted


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("2021-02-30", "InvalidApiVersionParameter"),
        ("2021-13-45", "InvalidApiVersionParameter"),
        ("2021-04-01-final", "InvalidApiVersionParameter"),
        ("2021-04-01-Preview", None),
        ("2021-04-01", None),
    ],
)
def test_an_api_version_is_a_date_that_exists(group: Any, version: str, code: str | None) -> None:
    """With the kind of a preview behind it, in any casing."""
    sim, place = group
    assert send(sim, "GET", f"{place}?api-version={version}")[1] == code


@pytest.mark.parametrize(
    ("tail", "body", "code"),
    [
        ("locks/a%3Cb?api-version=2016-09-01", {"properties": {"level": "ReadOnly"}}, "InvalidRequestContent"),
        (
            "roleDefinitions/bbbbbbbb-0000-4000-8000-000000000001?api-version=2022-04-01",
            {"properties": {**ROLE, "assignableScopes": ["/"]}},
            "InvalidRequestContent",
        ),
        (
            "roleDefinitions/bbbbbbbb-0000-4000-8000-000000000001?api-version=2022-04-01",
            {"properties": {**ROLE, "permissions": [{"actions": ["read"]}], "assignableScopes": ["/subscriptions/x"]}},
            "InvalidActionOrNotAction",
        ),
    ],
)
def test_names_scopes_and_actions_of_rights_are_checked(group: Any, tail: str, body: Any, code: str) -> None:
    """As Azure documents them."""
    sim, place = group
    assert send(sim, "PUT", f"{place}/providers/Microsoft.Authorization/{tail}", body) == (400, code)


def test_the_scheme_of_a_token_ignores_case_and_a_missing_group_is_named_as_azure_does(group: Any) -> None:
    """HTTP says so of schemes; the message of Azure is what people search for."""
    sim, place = group
    url = f"{sim.endpoint}{place.partition('/resourceGroups')[0]}/providers/Microsoft.Security/pricings/No"
    with sim.open_session() as session:
        session.headers["Authorization"] = f"bearer {sim.credential.token}"
        answer = session.get(url, params={"api-version": "2024-01-01"})
    assert answer.status_code == 404
    assert "under resource group '<null>' was not found" in answer.json()["error"]["message"]


@pytest.mark.parametrize("odd", [5, "x", ["x"], [[]], 1e308])
def test_a_member_that_is_an_object_everywhere_is_refused_as_anything_else(group: Any, odd: Any) -> None:
    """Each operation with a body reads ``properties`` and ``identity``; none of them may break on another kind."""
    sim, place = group
    guid = "bbbbbbbb-0000-4000-8000-000000000001"
    scope = place.partition("/resourceGroups")[0]
    tails = [
        "Microsoft.Security/standardAssignments/a?api-version=2024-08-01",
        f"Microsoft.Security/assessmentMetadata/{guid}?api-version=2025-05-04",
        "Microsoft.Resources/deployments/a?api-version=2021-04-01",
        "Microsoft.Resources/tags/default?api-version=2021-04-01",
        "Microsoft.Authorization/policyExemptions/a?api-version=2022-07-01-preview",
        "Microsoft.Authorization/policyAssignments/a?api-version=2022-06-01",
    ]
    account = f"{place}/providers/Microsoft.Storage/storageAccounts/shopdata?api-version=2023-05-01"
    for path in (account, *(f"{scope}/providers/{tail}" for tail in tails)):
        assert send(sim, "PUT", path, {"properties": odd}) == (400, "InvalidRequestContent"), path
    odd_users = {"type": "UserAssigned", "userAssignedIdentities": odd}
    for identity in (odd, odd_users, {"type": ["x"]}):
        assert send(sim, "PUT", account, {**ACCOUNT, "identity": identity})[0] == 400


def test_a_token_of_a_page_belongs_to_its_list(sim: ArmSimulator) -> None:
    """In another list it would skip what is there, and an empty page would read as "nothing to do"."""
    sim = ArmSimulator.demo()
    scope = sim.scopes[0]
    version, eight = "api-version=2021-04-01", "$filter=resourceType eq 'Microsoft.Web/sites'"
    with sim.open_session() as session:
        url = f"{sim.endpoint}{scope}/resources?{version}"
        link = session.get(f"{url}&$top=2").json()["nextLink"]
        token = link.rpartition("=")[2]
        assert session.get(link).json()["value"]
        assert session.get(f"{url}&$top=5&$skiptoken={token}").status_code == 200
        for other in (f"{scope}/resourceGroups?{version}", f"{scope}/resources?{version}&{eight}"):
            answer = session.get(f"{sim.endpoint}{other}&$skiptoken={token}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidQueryOption")


@pytest.mark.parametrize(
    "path",
    [
        "/v1.0/users?",
        "{scope}/providers/Microsoft.PolicyInsights/policyStates/latest/queryResults?api-version=2019-10-01",
    ],
)
def test_a_token_or_size_that_is_no_number_is_refused(path: str) -> None:
    """Also one with more digits than a number may have, or with those of another script."""
    sim = ArmSimulator.demo()
    place = path.format(scope=sim.scopes[0])
    host = "https://graph.microsoft.com" if place.startswith("/v1.0") else sim.endpoint
    with sim.open_session() as session:
        for option in ("$skiptoken", "$top"):
            for value in ("9" * 5000, "\u0663", "x", "5"):
                method = "GET" if place.startswith("/v1.0") else "POST"
                if (option, value) != ("$top", "5"):
                    answer = session.request(method, f"{host}{place}", params={option: value})
                    assert answer.status_code == 400, (option, value)


def test_a_query_computes_nothing_that_cannot_be_sent(sim: ArmSimulator) -> None:
    """Half of a surrogate pair, a number of rows beyond every machine, and a percentile that is text."""
    with sim.open_session() as session:
        url = f"{sim.endpoint}/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01"
        queries = {r"print 'x\ud800'": 200, f"resources | take {10**20}": 200}
        queries["resources | summarize percentiles(strlen(name), 50, 'x')"] = 400
        for query, status in queries.items():
            assert session.post(url, json={"query": query}).status_code == status


def test_the_parts_of_a_template_are_objects_and_arrays(group: Any) -> None:
    """Each of another kind is an invalid template."""
    sim, place = group
    path = f"{place}/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01"
    schema = "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#"
    whole = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": []}
    element = {"type": "Microsoft.Storage/storageAccounts", "name": "a", "apiVersion": "2023-01-01"}
    nested = {"type": "Microsoft.Resources/deployments", "name": "a", "apiVersion": "2021-04-01"}
    parts = [{name: True} for name in ("variables", "parameters", "outputs", "resources", "functions", "definitions")]
    parts += [
        {"parameters": {"a": "x"}},
        {"outputs": {"a": 5}},
        {"outputs": {"a": {"copy": 5}}},
        {"definitions": {"a": 5}},
    ]
    parts += [{"functions": [5]}, {"functions": [{"members": {"f": 5}}]}, {"resources": ["x"]}]
    parts += [{"resources": [{**element, "dependsOn": "x"}]}, {"resources": [{**element, "resources": 5}]}]
    parts += [{"resources": [{**nested, "properties": {"parameters": 5}}]}]
    for part in parts:
        body = {"properties": {"mode": "Incremental", "template": {**whole, **part}}}
        assert send(sim, "PUT", path, body)[0] == 400, part
    functions = [{"namespace": "n", "members": {"f": {"output": {"type": "int", "value": 1}}}}]
    right = {"functions": functions, "variables": {"a": 1}, "outputs": {"a": {"type": "int", "value": 1}}}
    assert send(sim, "PUT", path, {"properties": {"mode": "Incremental", "template": {**whole, **right}}})[0] == 201


def test_seeded_children_of_another_kind_are_left_out(group: Any) -> None:
    """A network whose subnets are no list is stored whole, and no request breaks on it."""
    sim, place = group
    network = {"id": f"{place}/providers/Microsoft.Network/virtualNetworks/n", "location": "westeurope"}
    for subnets in (3, [3], [{"name": "a", "properties": 3}]):
        sim.resources.add({**network, "properties": {"subnets": subnets}})
        assert send(sim, "GET", f"{network['id']}?api-version=2023-05-01") == (200, None)


def test_a_thousand_subscriptions_are_asked_for_one_by_one() -> None:
    """What each subscription asks does not grow with the number of them."""
    sim = ArmSimulator()
    sim.resources.add_subscription("00000000-1111-4111-8111-111111111111", management_group="top")
    asked: list[str] = []
    policies = sim._service.tenant.policies
    covers = sim._service.tenant.store.covers
    for number in range(1, 30):
        sim.resources.add_subscription(f"{number:08}-1111-4111-8111-111111111111")
    sim._service.tenant.store.covers = lambda scope, one: asked.append(scope) or covers(scope, one)  # type: ignore[method-assign]
    assert all(policies.has_benchmark(scope.rpartition("/")[2]) for scope in sim.scopes)
    assert len(asked) == len(sim.scopes)
