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
