"""Operations of which only the form is known: what is written is kept, lists are in the right shape, actions answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.arm import published

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"
PROVIDERS = f"{SUB}/resourceGroups/box/providers"
ACCOUNT = f"{PROVIDERS}/Microsoft.Storage/storageAccounts/boxaccount"
SERVER = f"{PROVIDERS}/Microsoft.Sql/servers/boxserver"
SITE = f"{PROVIDERS}/Microsoft.Web/sites/boxsite"
PRIVATE = f"{SITE}/privateAccess/virtualNetworks"
MACHINES = f"{PROVIDERS}/Microsoft.HDInsight/clusters/boxcluster"
CONNECTOR = f"{PROVIDERS}/Microsoft.Security/securityConnectors/boxconnector"
GITLAB = f"{CONNECTOR}/devops/default/gitLabGroups/one"
HEADER = "x-ms-simulated-fidelity"


@pytest.fixture(autouse=True)
def resources(sim: ArmSimulator) -> None:
    """An account, a server and an app."""
    for resource_id in (ACCOUNT, SERVER, SITE):
        sim.resources.add({"id": resource_id, "location": "westeurope", "properties": {}})
    for resource_id in (MACHINES, CONNECTOR):
        sim.resources.add({"id": resource_id, "location": "westeurope", "properties": {}}, ("2024-01-01",))


@pytest.fixture
def send(call: Any) -> Any:
    """Sends a request with a version of this year; returns the response."""

    def sent(method: str, path: str, body: Any = None, version: str = "2026-02-01") -> Any:
        return call(method, path, params={"api-version": version}, **({} if body is None else {"json": body}))

    return sent


def test_what_is_written_is_shown_listed_and_deleted(send: Any) -> None:
    """A child of a type that the simulator does not model lives as in Azure, and the answer says that it is by form."""
    alias = f"{SERVER}/dnsAliases/one"
    assert send("GET", alias).status_code == 404
    made = send("PUT", alias)
    assert made.status_code in (200, 201, 202)
    assert made.headers[HEADER] == "form"
    assert send("GET", alias).json()["name"] == "one"
    (listed,) = send("GET", f"{SERVER}/dnsAliases").json()["value"]
    assert listed["id"] == alias
    assert send("DELETE", alias).status_code in (200, 202, 204)
    assert send("GET", f"{SERVER}/dnsAliases").json()["value"] == []


def test_a_head_request_says_whether_a_resource_is_there(send: Any) -> None:
    """Where the provider publishes the verb; the answer has no body."""
    link = f"{PROVIDERS}/Microsoft.Security/privateLinks/one"
    assert send("HEAD", link).status_code == 404
    assert send("PUT", link, {"location": "westeurope", "properties": {}}).status_code in (200, 201)
    found = send("HEAD", link)
    assert (found.status_code in (200, 204), found.content) == (True, b"")


def test_a_top_level_resource_is_listed_everywhere(send: Any) -> None:
    """Below its group and its subscription, and among the resources of the group, with its location."""
    path = f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters/one"
    send("PUT", path, {"location": "westeurope", "properties": {"a": 1}, "unheard": 2})
    assert send("PATCH", path, {"properties": {"b": 2}, "tags": {"c": "d"}}).status_code in (200, 201, 202)
    for scope in (SUB, f"{SUB}/resourceGroups/box"):
        (found,) = send("GET", f"{scope}/providers/Microsoft.RedHatOpenShift/openShiftClusters").json()["value"]
        assert {"a": 1, "b": 2}.items() <= found["properties"].items()
    everything = send("GET", f"{SUB}/resourceGroups/box/resources", version="2021-04-01").json()["value"]
    assert path in [one["id"] for one in everything]


def test_what_was_written_is_in_a_saved_tenant(sim: ArmSimulator, send: Any, connect: Any, tmp_path: Path) -> None:
    """A state file has it like any other resource, and a loaded tenant shows and lists it."""
    cluster = f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters/one"
    send("PUT", f"{SERVER}/dnsAliases/one")
    send("PUT", cluster, {"location": "westeurope", "properties": {"a": 1}})
    sim.save(tmp_path / "state.json")
    call = connect(ArmSimulator.load(tmp_path / "state.json"))
    assert call.get(f"{SERVER}/dnsAliases/one", "2024-01-01")["name"] == "one"
    listed = call.get(f"{SUB}/resourceGroups/box/resources", "2021-04-01")["value"]
    assert cluster in [one["id"] for one in listed]


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("GET", f"{ACCOUNT}/queueServices/default/queues", None, {"value": []}),
        ("GET", f"{SITE}/backups", None, {"value": []}),
        ("GET", PRIVATE, None, {"id": PRIVATE, "name": "virtualNetworks", "properties": {}}),
        ("POST", f"{SITE}/sync", None, None),
        ("GET", f"{SUB}/providers/Microsoft.Web/deletedSites/1/snapshots", None, []),
        ("GET", f"{SITE}/functions/admin/token", None, ""),
        ("POST", f"{SITE}/listbackups", {}, {"value": []}),
        ("POST", f"{SITE}/networkTrace/start", {}, ""),
        ("POST", f"{MACHINES}/listHosts", None, []),
        ("POST", f"{GITLAB}/listSubgroups", None, {}),
        (
            "POST",
            f"{SUB}/providers/Microsoft.Sql/checkNameAvailability",
            {"name": "BOXSERVER", "type": "Microsoft.Sql/servers"},
            {"available": False, "reason": "AlreadyExists"},
        ),
        (
            "POST",
            f"{SUB}/providers/Microsoft.Sql/checkNameAvailability",
            {"name": "free", "type": "Microsoft.Sql/servers"},
            {"available": True},
        ),
    ],
)
def test_an_answer_has_the_shape_that_clients_expect(send: Any, method: str, path: str, body: Any, answer: Any) -> None:
    """A list, a bare array, an object or nothing, as the client of the provider reads it."""
    response = send(method, path, body)
    if answer is None:
        assert (response.status_code, response.content) == (200, b"")
        return
    shown = response.json()
    if isinstance(answer, dict):
        shown = {name: shown[name] for name in answer or shown}
    assert shown == answer


def test_what_can_never_be_deleted_is_always_there(send: Any) -> None:
    """A setting of a resource needs no creation, and a PATCH of it is a change."""
    policy = f"{SERVER}/databases/boxdata"
    send("PUT", policy, {"location": "westeurope", "properties": {}})
    backup = f"{policy}/geoBackupPolicies/Default"
    assert send("GET", backup).json()["properties"]["state"] == "Enabled"
    assert send("PUT", backup, {"properties": {"state": "Disabled"}}).status_code in (200, 201)
    assert send("GET", backup).json()["properties"]["state"] == "Disabled"
    circuit = f"{PROVIDERS}/Microsoft.Network/expressRouteCrossConnections/one"
    assert send("PATCH", circuit, {"tags": {"a": "b"}}).status_code == 200
    assert send("GET", circuit).json()["tags"] == {"a": "b"}
    window = f"{policy}/maintenanceWindows/current"
    assert send("GET", window).json()["name"] == "current"


def test_a_type_that_a_test_brought_along_has_the_published_list(sim: ArmSimulator, send: Any) -> None:
    """The list has the shape of the provider, also where resources of the type were added; so are private endpoints."""
    advisor = sim.resources.add({"id": f"{SERVER}/advisors/one", "properties": {}}, ("2024-01-01",))
    assert advisor in [one["id"] for one in send("GET", f"{SERVER}/advisors").json()]
    cluster = f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters/one"
    send("PUT", cluster, {"location": "westeurope", "properties": {}})
    assert send("GET", f"{cluster}/privateEndpointConnections").json()["value"] == []


def test_a_check_of_a_name_needs_the_name(send: Any) -> None:
    """A body without it is refused."""
    assert send("POST", f"{SUB}/providers/Microsoft.Sql/checkNameAvailability", {}).status_code == 400


def test_keys_change_when_they_are_regenerated(send: Any) -> None:
    """Every provider has keys; they are stable until a client renews them."""
    space = f"{PROVIDERS}/Microsoft.ServiceBus/namespaces/boxspace"
    send("PUT", space, {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {}})
    rule = f"{space}/AuthorizationRules/one"
    send("PUT", rule, {"properties": {"rights": ["Listen"]}})
    first = send("POST", f"{rule}/listKeys").json()
    assert send("POST", f"{rule}/listKeys").json() == first
    assert send("POST", f"{rule}/regenerateKeys", {"keyType": "PrimaryKey"}).json()["primaryKey"] != first["primaryKey"]


@pytest.mark.parametrize(
    ("method", "path", "version", "code"),
    [
        ("GET", f"{ACCOUNT}x/queueServices/default/queues", "2026-02-01", "ParentResourceNotFound"),
        (
            "GET",
            f"{SUB}/resourceGroups/none/providers/Microsoft.RedHatOpenShift/openShiftClusters",
            "2026-02-01",
            "ResourceGroupNotFound",
        ),
        ("GET", f"{ACCOUNT}/queueServices/default/queues", "banana", "InvalidApiVersionParameter"),
        ("GET", f"{ACCOUNT}/queueServices/default/queues", "2040-01-01", "NoRegisteredProviderFound"),
        ("GET", f"{ACCOUNT}/queueServices/default/queues", "", "MissingApiVersionParameter"),
        ("POST", f"{ACCOUNT}/dance", "2026-02-01", "UnknownRoute"),
        ("GET", f"{ACCOUNT}/storageSteps", "2026-02-01", "InvalidResourceType"),
        ("GET", f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters", "", "MissingApiVersionParameter"),
        ("GET", f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters", "x", "InvalidApiVersionParameter"),
        ("GET", f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters", "2040-01-01", "NoRegisteredProviderFound"),
        ("GET", f"{PROVIDERS}/Microsoft.RedHatOpenShift/openShiftClusters", "2026-13-01", "InvalidApiVersionParameter"),
        ("PUT", f"{ACCOUNT}/providers/Microsoft.Authorization/denyAssignments/one", "2022-04-01", "UnknownRoute"),
        ("GET", f"{PROVIDERS}/Microsoft.None/things/one/privateEndpointConnections", "2024-01-01", "UnknownRoute"),
        ("GET", f"{SERVER}/databases/none/maintenanceWindows/current", "2026-02-01", "ParentResourceNotFound"),
        ("PUT", f"{ACCOUNT}/providers/Microsoft.Security/assessments", "2020-01-01", "MethodNotAllowed"),
        ("POST", f"{SUB}/providers/Microsoft.Sql/checkNameAvailability", "2026-02-01", "InvalidRequestContent"),
        (
            "GET",
            f"{ACCOUNT}x/providers/Microsoft.Security/healthReports",
            "2023-05-01-preview",
            "ParentResourceNotFound",
        ),
    ],
)
def test_what_azure_would_refuse_is_refused(send: Any, method: str, path: str, version: str, code: str) -> None:
    """A parent that is missing, a version that does not exist, and an operation that is not published."""
    assert send(method, path, version=version).json()["error"]["code"] == code


def test_a_provider_lists_its_operations(send: Any) -> None:
    """What a role can allow, made from what is published."""
    names = {one["name"] for one in send("GET", "/providers/Microsoft.Storage/operations").json()["value"]}
    assert {"Microsoft.Storage/storageAccounts/write", "Microsoft.Storage/storageAccounts/listKeys/action"} <= names


@pytest.mark.exhaustive
def test_every_published_operation_can_be_read() -> None:
    """Each file of data has providers with operations whose statuses are those of a success."""
    for namespace in published.namespaces():
        found = list(published.operations_of(namespace))
        assert found
        assert [one.path for one in found if not all(200 <= status < 300 for status in one.statuses)] == []
    assert list(published.operations_of("Microsoft.Nothing")) == []
