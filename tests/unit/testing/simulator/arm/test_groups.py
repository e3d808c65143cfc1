"""Resource groups, tags at a scope, locks and registrations: what a client of Resource Manager itself may do."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
GROUP = f"{SUB}/resourceGroups/box"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/boxaccount"
TAGS = "/providers/Microsoft.Resources/tags/default"
LOCK = "/providers/Microsoft.Authorization/locks/keep"
VERSIONS = {"tags": "2021-04-01", "locks": "2020-05-01", "storageAccounts": "2023-05-01"}


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request; returns the status and the body or the code of the error."""

    def sent(method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        version = next((found for word, found in VERSIONS.items() if f"/{word}/" in path), "2021-04-01")
        options = {} if body is None else {"json": body}
        params = {"api-version": version, **{f"${name}": value for name, value in query.items()}}
        response = call(method, path, params=params, **options)
        answer = response.json() if response.content else None
        return response.status_code, answer["error"]["code"] if response.status_code >= 400 and answer else answer

    return sent


@pytest.fixture
def account(sim: ArmSimulator) -> str:
    """A storage account in the group ``box``."""
    sim.resources.add_resource_group(SUB, "box")
    body = {"id": ACCOUNT, "location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    return sim.resources.add({**body, "tags": {"env": "test", "team": "o'neil"}})


def test_a_group_is_created_changed_exported_and_deleted_with_its_resources(sim: ArmSimulator, send: Any) -> None:
    """A group lives as in Azure: 201 then 200, tags by PATCH, a template of its resources, and a deletion that takes time."""
    assert send("PUT", GROUP, {"location": "West Europe", "tags": {"a": "b"}})[0] == 201
    status, shown = send("PUT", GROUP, {"location": "westeurope", "managedBy": "someone"})
    assert (status, shown["managedBy"], "tags" in shown) == (200, "someone", False)
    assert send("PATCH", GROUP, {"tags": {"c": "d"}})[1]["tags"] == {"c": "d"}
    sim.resources.add({"id": ACCOUNT, "location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"})
    _, exported = send(
        "POST", f"{GROUP}/exportTemplate", {"resources": ["*"], "options": "IncludeParameterDefaultValue"}
    )
    parameter = exported["template"]["parameters"]["storageAccounts_boxaccount_name"]
    assert parameter == {"defaultValue": "boxaccount", "type": "String"}
    names = [resource["name"] for resource in exported["template"]["resources"]]
    assert names[0] == "[parameters('storageAccounts_boxaccount_name')]"
    assert "[concat(parameters('storageAccounts_boxaccount_name'), '/default')]" in names
    assert len(send("POST", f"{GROUP}/exportTemplate", {"resources": [ACCOUNT]})[1]["template"]["resources"]) == len(
        names
    )
    assert send("DELETE", GROUP)[0] == 202
    assert send("GET", GROUP)[1]["properties"]["provisioningState"] == "Deleting"
    assert send("PATCH", GROUP, {})[1] == "ResourceGroupBeingDeleted"
    sim.clock.advance(60)
    assert send("GET", GROUP)[1] == "ResourceGroupNotFound"
    assert sim.resources.list_ids(scope=GROUP) == ()


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", f"{SUB}/resourceGroups/bad.", {"location": "westeurope"}, "InvalidParameter"),
        ("PUT", f"{SUB}/resourceGroups/new", {}, "LocationRequired"),
        ("PUT", f"{SUB}/resourceGroups/new", {"location": "westeurope", "tag": {}}, "InvalidRequestContent"),
        ("PUT", GROUP, {"location": "eastus2"}, "InvalidResourceGroupLocation"),
        ("PATCH", f"{SUB}/resourceGroups/none", {}, "ResourceGroupNotFound"),
        ("PATCH", GROUP, {"tags": {str(number): "" for number in range(51)}}, "InvalidTagContent"),
        ("PATCH", GROUP, {"tags": {"a?": "b"}}, "InvalidTagContent"),
        ("PATCH", GROUP, {"tags": {"a": "b" * 257}}, "InvalidTagContent"),
        ("PATCH", GROUP, {"tags": {"a": 1}}, "InvalidRequestContent"),
        ("PATCH", f"{ACCOUNT}{TAGS}", {"operation": "Add"}, "InvalidRequestContent"),
        ("GET", f"{ACCOUNT}x{TAGS}", None, "ResourceNotFound"),
        ("PUT", f"{ACCOUNT}{LOCK}", {"properties": {"level": "Some"}}, "InvalidRequestContent"),
        ("PUT", f"{ACCOUNT}{LOCK}", {"properties": {"level": "ReadOnly", "notes": 1}}, "InvalidRequestContent"),
        ("PUT", f"{ACCOUNT}x{LOCK}", {"properties": {"level": "ReadOnly"}}, "ResourceNotFound"),
        ("GET", f"{ACCOUNT}{LOCK}", None, "LockNotFound"),
        ("POST", f"{SUB}/providers/Microsoft.None/register", None, "InvalidResourceNamespace"),
        ("POST", f"{ACCOUNT}/doSomething", None, "UnknownRoute"),
    ],
)
def test_invalid_requests_are_refused(send: Any, account: str, method: str, path: str, body: Any, code: str) -> None:
    """Each refusal names its reason, and an action that the simulator lacks does not look like Azure's answer."""
    assert account == ACCOUNT
    status, refused = send(method, path, body)
    assert (400 <= status < 500, refused) == (True, code)


@pytest.mark.parametrize("scope", [SUB, GROUP, ACCOUNT])
def test_tags_at_a_scope_merge_replace_and_go(send: Any, account: str, scope: str) -> None:
    """The tags of a subscription, a group and a resource are the same object everywhere; names ignore case."""
    assert account == ACCOUNT
    path = f"{scope}{TAGS}"
    assert send("PUT", path, {"properties": {"tags": {"a": "1", "b": "2"}}})[1]["properties"]["tags"] == {
        "a": "1",
        "b": "2",
    }
    merged = send("PATCH", path, {"operation": "Merge", "properties": {"tags": {"A": "3", "c": "4"}}})
    assert merged[1]["properties"]["tags"] == {"b": "2", "A": "3", "c": "4"}
    left = send("PATCH", path, {"operation": "Delete", "properties": {"tags": {"B": "2", "c": "other"}}})
    assert left[1]["properties"]["tags"] == {"A": "3", "c": "4"}
    assert send("GET", scope)[1]["tags"] == {"A": "3", "c": "4"}
    assert send("DELETE", path)[0] == 200
    assert send("GET", path)[1]["properties"]["tags"] == {}


@pytest.mark.parametrize("scope", [SUB, GROUP, ACCOUNT])
def test_a_lock_made_by_a_client_holds_until_it_is_deleted(send: Any, account: str, scope: str) -> None:
    """A lock at any scope protects what is below it, also a group from deletion, and never itself."""
    path = f"{scope}{LOCK}"
    assert send("PUT", path, {"properties": {"level": "ReadOnly", "notes": "why"}})[0] == 201
    assert send("PUT", path, {"properties": {"level": "CanNotDelete"}})[0] == 200
    assert send("GET", path)[1]["properties"] == {"level": "CanNotDelete"}
    assert (send("DELETE", account)[1], send("DELETE", GROUP)[1]) == ("ScopeLocked", "ScopeLocked")
    assert [send("DELETE", path)[0], send("DELETE", path)[0], send("DELETE", account)[0]] == [200, 204, 200]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("resourceType eq 'microsoft.storage/storageaccounts'", True),
        ("resourceGroup eq 'BOX' and resourceType eq 'Microsoft.Storage/storageAccounts'", True),
        ("name eq 'none' or location eq 'West Europe'", False),
        ("name ne 'none' and location eq 'westeurope'", True),
        ("name eq 'boxaccount' or name eq 'x' and location eq 'y'", True),
        ("identity/principalId eq 'x' or plan/name eq 'x'", False),
        ("substringof('xacc', name)", True),
        ("tagName eq 'ENV' and tagValue eq 'test'", True),
        ("tagName eq 'team' and tagValue eq 'o''neil'", True),
        ("tagName eq 'env' and tagValue eq 'Test'", False),
        ("tagName eq 'none'", False),
        ("startswith(tagName, 'te')", True),
        ("tagName eq 'env' and name eq 'boxaccount'", None),
        ("kind eq 'StorageV2'", None),
        ("substringof('a', kind)", None),
        ("name eq ' and '", False),
        ("name gt 'a'", None),
    ],
)
def test_lists_of_resources_are_filtered_or_refused(send: Any, account: str, text: str, found: bool | None) -> None:
    """A filter selects what Azure documents; one that it does not document is refused, never ignored."""
    status, answer = send("GET", f"{SUB}/resources", filter=text)
    if found is None:
        assert (status, answer) == (400, "InvalidFilterInQueryString")
    else:
        assert [one["id"] for one in answer["value"]] == [account] * found
        assert all("tags" not in one for one in answer["value"] if "tag" in text)


def test_lists_of_groups_and_the_times_of_resources(sim: ArmSimulator, send: Any, account: str) -> None:
    """Groups are filtered by tags only; a list shows when a resource was created and changed, if asked."""
    send("PATCH", GROUP, {"tags": {"a": "b"}})
    sim.resources.add_resource_group(SUB, "other")
    listed = send("GET", f"{SUB}/resourceGroups", filter="tagName eq 'a' and tagValue eq 'b'")[1]["value"]
    assert [one["name"] for one in listed] == ["box"]
    assert send("GET", f"{SUB}/resourceGroups", filter="name eq 'box'")[1] == "InvalidFilterInQueryString"
    assert len(send("GET", f"{SUB}/resourceGroups", top="1")[1]["value"]) == 1
    sim.clock.advance(60)
    send("PATCH", account, {"tags": {"new": "tag"}})
    (shown,) = send("GET", f"{SUB}/resources", expand="createdTime,changedTime,provisioningState")[1]["value"]
    assert shown["createdTime"] < shown["changedTime"]
    assert shown["provisioningState"] == "Succeeded"
    assert send("GET", f"{SUB}/resources", expand="everything")[0] == 400


def test_providers_are_registered_and_tenants_and_locations_listed(sim: ArmSimulator, send: Any) -> None:
    """Registering and unregistering take some seconds; a later change wins over one that is under way."""
    path = f"{SUB}/providers/microsoft.batch"
    states = [send("POST", f"{path}/unregister")[1]["registrationState"]]
    states.append(send("POST", f"{path}/register")[1]["registrationState"])
    sim.clock.advance(60)
    states += [send("GET", path)[1]["registrationState"], send("POST", f"{path}/register")[1]["registrationState"]]
    assert states == ["Unregistering", "Registering", "Registered", "Registered"]
    assert send("GET", "/tenants")[1]["value"][0]["tenantType"] == "AAD"
    assert "westeurope" in [one["name"] for one in send("GET", f"{SUB}/locations")[1]["value"]]
