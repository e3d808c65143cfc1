"""An empty tenant with one subscription, the demo tenant, and a plain azure-core client to talk to either."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from azure.core import PipelineClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest

from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444"


@attrs.frozen
class Caller:
    """Sends requests as azure-core does, without retries."""

    sim: ArmSimulator
    client: Any

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        """The response to one request."""
        url = path if path.startswith("http") else self.sim.endpoint + path
        return self.client.send_request(HttpRequest(method, url, **options))

    def get(self, path: str, version: str, **query: str) -> Any:
        """The JSON that a GET answers."""
        params = {"api-version": version, **{f"${name}": value for name, value in query.items()}}
        response = self("GET", path, params=params)
        assert response.status_code == 200, response.text()
        return response.json()


def caller_of(sim: ArmSimulator) -> Caller:
    """A caller with nothing but a token."""
    policies = [BearerTokenCredentialPolicy(sim.credential, "https://management.azure.com/.default")]
    return Caller(sim, PipelineClient(sim.endpoint, policies=policies, transport=sim))


@pytest.fixture
def sim() -> ArmSimulator:
    """One subscription and nothing in it."""
    made = ArmSimulator()
    made.resources.add_subscription(SUB.rpartition("/")[2], "Four", management_group="top")
    return made


@pytest.fixture
def call(sim: ArmSimulator) -> Caller:
    """Talks to the empty tenant."""
    return caller_of(sim)


@pytest.fixture
def connect() -> Any:
    """Makes a caller for another tenant."""
    return caller_of


@pytest.fixture
def demo() -> ArmSimulator:
    """The demo tenant."""
    return ArmSimulator.demo()


@pytest.fixture
def ask(demo: ArmSimulator) -> Caller:
    """Talks to the demo tenant."""
    return caller_of(demo)


@pytest.fixture
def account(sim: ArmSimulator) -> str:
    """A storage account that takes plain HTTP; its id."""
    return sim.resources.add(
        {
            "id": f"{SUB}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stfour",
            "location": "westeurope",
            "sku": {"name": "Standard_LRS"},
            "kind": "StorageV2",
            "tags": {"a": "1", "b": "2"},
            "properties": {
                "supportsHttpsTrafficOnly": False,
                "creationTime": "2025-01-01T00:00:00Z",
                "networkAcls": {"defaultAction": "Allow", "ipRules": [{"value": "192.0.2.1", "action": "Allow"}]},
            },
        }
    )


@pytest.fixture
def site(sim: ArmSimulator) -> str:
    """A web app; its id."""
    return sim.resources.add(
        {
            "id": f"{SUB}/resourceGroups/rg/providers/Microsoft.Web/sites/app-four",
            "location": "westeurope",
            "kind": "app",
            "properties": {"httpsOnly": False, "siteConfig": {"minTlsVersion": "1.0"}},
        }
    )


@pytest.fixture
def vault(sim: ArmSimulator) -> str:
    """A key vault without purge protection; its id."""
    return sim.resources.add(
        {
            "id": f"{SUB}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-four",
            "location": "westeurope",
            "properties": {"sku": {"family": "A", "name": "standard"}, "enableSoftDelete": True},
        }
    )


@pytest.fixture
def cluster(sim: ArmSimulator) -> str:
    """A Kubernetes cluster; its id."""
    return sim.resources.add(
        {
            "id": f"{SUB}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-four",
            "location": "westeurope",
            "properties": {"kubernetesVersion": "1.31.2"},
        }
    )


@pytest.fixture
def group(account: str) -> str:
    """The resource group of the storage account."""
    return account.split("/providers/")[0]


def code_of(response: Any) -> str:
    """Azure's word in an error."""
    body = response.json()
    return str(body.get("error", body).get("code", body.get("Code")))


@pytest.fixture
def word() -> Any:
    """Gives Azure's word in an error response."""
    return code_of


@pytest.fixture
def scope() -> str:
    """The subscription of the empty tenant."""
    return SUB
