"""What answers a call that is not for Resource Manager: Microsoft Graph, and the data of vaults and storage accounts."""

from __future__ import annotations

from collections.abc import Callable

from defender_remediate.testing.simulator.directory import api as directory
from defender_remediate.testing.simulator.keyvault import data_plane as vaults
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.storage import data_plane as storage
from defender_remediate.testing.simulator.transport.exchange import Call, Reply
from defender_remediate.testing.simulator.transport.hosts import STORAGE_SERVICES, VAULTS, host_of

SignIn = Callable[[], None]
"""Refuses a call whose token is missing or not valid."""
Plane = Callable[[Tenant, Call, SignIn], Reply]


def find(call: Call) -> Plane | None:
    """Returns what answers a call; None for one to Resource Manager."""
    host = host_of(call)
    if host == "graph.windows.net":
        return _refuse_retired
    if host == "graph.microsoft.com" or directory.is_graph(call):
        return _ask_directory
    _, _, suffix = host.partition(".")
    if suffix == VAULTS:
        return vaults.answer
    return storage.answer if suffix.partition(".")[0] in STORAGE_SERVICES else None


def _refuse_retired(tenant: Tenant, call: Call, sign_in: SignIn) -> Reply:
    """Azure AD Graph, which ended in 2025 and refuses every application since."""
    del tenant, call
    sign_in()
    problem = "Access blocked to AAD Graph API for this application. https://aka.ms/AzureADGraphMigration."
    error = {"code": "Authentication_Unauthorized", "message": {"lang": "en", "value": problem}}
    return Reply.json({"odata.error": error}, status=403)


def _ask_directory(tenant: Tenant, call: Call, sign_in: SignIn) -> Reply:
    sign_in()
    return directory.answer(tenant, call)
