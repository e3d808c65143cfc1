"""A session of the management clients that the library itself uses: each operation, to its end, with the fields that users read."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient

from defender_remediate.testing import ArmSimulator

GROUP, OTHER, REGION = "clients", "clients-too", "westeurope"
ACCOUNT = {"location": REGION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}


@pytest.fixture
def options(demo: ArmSimulator) -> Any:
    demo.faults.throttle(enabled=False)
    return {"transport": demo, "polling_interval": 0}


def test_a_session_of_the_resource_client(demo: ArmSimulator, options: Any) -> None:
    """Groups, resources of any type by their ids, moves, tags and providers; what an action creates is listed."""
    subscription = demo.scopes[0].rpartition("/")[2]
    with ResourceManagementClient(demo.credential, subscription, **options) as client:
        for name in (GROUP, OTHER):
            made = client.resource_groups.create_or_update(name, {"location": REGION, "tags": {"a": "b"}})
            assert (made.tags, made.properties.provisioning_state) == ({"a": "b"}, "Succeeded")
        scope = f"{demo.scopes[0]}/resourceGroups/{GROUP}"
        account = f"{scope}/providers/Microsoft.Storage/storageAccounts/sessionaccount"

        def put(resource_id: str, body: Any, version: str) -> Any:
            options = {"parameters": body, "api_version": version}
            return client.resources.begin_create_or_update_by_id(resource_id, **options).result()

        assert put(account, ACCOUNT, "2023-05-01").kind == "StorageV2"
        server = f"{scope}/providers/Microsoft.Sql/servers/session-server"
        administrator = {"administratorLogin": "admin1", "administratorLoginPassword": "Sim-Pass-1!"}
        put(server, {"location": REGION, "properties": administrator}, "2023-08-01")
        put(f"{server}/databases/one", {"location": REGION, "properties": {}}, "2023-08-01")
        alias = put(f"{server}/dnsAliases/session", {"properties": {}}, "2023-08-01")
        assert alias.properties["azureDnsRecord"] == "session.database.windows.net"
        policy = client.resources.get_by_id(f"{server}/connectionPolicies/default", api_version="2023-08-01")
        assert (policy.name, policy.properties) == ("default", {"connectionType": "Default"})
        container = put(f"{account}/blobServices/default/containers/one", {"properties": {}}, "2023-05-01")
        assert container.properties["leaseState"] == "Available"
        with pytest.raises(ResourceNotFoundError):
            client.resources.get_by_id(f"{server}/databases/none", api_version="2023-08-01")
        found = client.resources.list(filter=f"resourceGroup eq '{GROUP}'", expand="createdTime,provisioningState")
        assert {(one.location, bool(one.created_time), one.provisioning_state) for one in found} >= {
            (REGION, True, "Succeeded")
        }
        move = {"resources": [account], "targetResourceGroup": f"{demo.scopes[0]}/resourceGroups/{OTHER}"}
        client.resources.begin_validate_move_resources(GROUP, move).result()
        client.resources.begin_move_resources(GROUP, move).result()
        assert [one.name for one in client.resources.list_by_resource_group(OTHER)] == ["sessionaccount"]
        tags = client.tags.begin_create_or_update_at_scope(scope, {"properties": {"tags": {"c": "d"}}}).result()
        assert tags.properties.tags == {"c": "d"}
        template = client.resource_groups.begin_export_template(OTHER, {"resources": ["*"]}).result()
        assert template.template["resources"]
        provider = client.providers.get("Microsoft.Storage")
        assert any(one.api_versions and one.locations for one in provider.resource_types)
        assert [one.name for one in client.operations.list()]
        client.resource_groups.begin_delete(OTHER).result()
        assert client.resource_groups.check_existence(OTHER) is False


def test_a_session_of_the_deployments_client(demo: ArmSimulator, options: Any) -> None:
    """A deployment is validated, previewed, run, shown with its operations, exported and deleted."""
    subscription = demo.scopes[0].rpartition("/")[2]
    with ResourceManagementClient(demo.credential, subscription, **options) as client:
        client.resource_groups.create_or_update(GROUP, {"location": REGION})
    storage = {
        **ACCOUNT,
        "type": "Microsoft.Storage/storageAccounts",
        "apiVersion": "2023-05-01",
        "name": "sessiondeployed",
    }
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [storage]}
    body: Any = {"properties": {"mode": "Incremental", "template": template}}
    with DeploymentsMgmtClient(demo.credential, subscription, **options) as client:
        assert client.deployments.begin_validate(GROUP, "one", body).result().error is None
        (change, *_) = client.deployments.begin_what_if(GROUP, "one", body).result().changes
        assert change.change_type == "Create"
        ended = client.deployments.begin_create_or_update(GROUP, "one", body).result().properties
        assert (ended.provisioning_state, ended.providers[0].namespace) == ("Succeeded", "Microsoft.Storage")
        assert all([ended.timestamp, ended.correlation_id, ended.output_resources])
        steps = list(client.deployment_operations.list(GROUP, "one"))
        scope = f"{demo.scopes[0]}/resourceGroups/{GROUP}"
        assert len(list(client.deployment_operations.list_at_scope(scope, "one"))) == len(steps)
        assert client.deployments.export_template(GROUP, "one").template
        assert client.deployments.calculate_template_hash(template).template_hash
        client.deployments.begin_delete(GROUP, "one").result()
        assert client.deployments.check_existence(GROUP, "one") is False
