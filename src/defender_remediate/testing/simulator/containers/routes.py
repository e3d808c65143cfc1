"""The credentials with which clients of Kubernetes reach a cluster. They open nothing: there is no cluster."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from defender_remediate.testing.simulator.arm.checks import ITEM, owner_of
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.monitor.audit import logged
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.ContainerService/managedClusters"
_NAMES: Mapping[str, str] = {
    "listClusterAdminCredential": "clusterAdmin",
    "listClusterUserCredential": "clusterUser",
    "listClusterMonitoringUserCredential": "clusterMonitoringUser",
}
_ADMIN = "clusterAdmin"


def list_credentials(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Returns a configuration file; that of the administrator is refused where local accounts are disabled."""
    cluster = owner_of(tenant, call, captured, _TYPE)
    word = call.path.rstrip("/").rpartition("/")[2]
    action, name = next((known, name) for known, name in _NAMES.items() if known.lower() == word.lower())

    def work(operation: LoggedOperation) -> tuple[Reply, bool]:
        tenant.access.check_role(operation.action, cluster.id)
        properties = cluster.body["properties"]
        if name == _ADMIN and properties.get("disableLocalAccounts"):
            raise refusal("LocalAccountsDisabled")
        host = properties.get("privateFQDN") or properties.get("fqdn") or f"{cluster.name}.hcp.invalid"
        user = f"{name}_{cluster.name}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster.name, "cluster": {"server": f"https://{host}:443"}}],
            "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": user}}],
            "current-context": cluster.name,
            "users": [{"name": user, "user": {"token": "simulated"}}],
        }
        # JSON is YAML, too.
        value = base64.b64encode(json.dumps(config).encode()).decode()
        return Reply.json({"kubeconfigs": [{"name": name, "value": value}]}), False

    return logged(tenant, call, f"{_TYPE}/{action}/action", cluster.id, work)


ROUTES = tuple(
    Route(
        methods=("POST",), pattern=f"{ITEM}/{_TYPE}/{{name}}/{word}", type=_TYPE, handler=list_credentials, reads=False
    )
    for word in _NAMES
)
