"""The host names of Azure that lead to the simulator."""

from __future__ import annotations

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.transport.exchange import Call

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
AZURE_HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "graph.microsoft.com",
    "graph.windows.net",
)
"""The names of Resource Manager, Microsoft Entra ID and Microsoft Graph."""
VAULTS = "vault.azure.net"
STORAGE_SERVICES = ("blob", "queue", "table", "file", "dfs")
_STORAGE = "core.windows.net"
DATA_SUFFIXES = (VAULTS, *(f"{service}.{_STORAGE}" for service in STORAGE_SERVICES))
"""What follows the name of a vault or a storage account in the host name of its data."""


def host_of(call: Call) -> str:
    """Returns the name in the Host header, folded and without the port."""
    host = call.base.partition("://")[2]
    name, _, port = host.rpartition(":")
    return fold(name if port.isdecimal() else host)


def is_azure(host: str) -> bool:
    """Whether a folded name leads to the simulator: one of Azure, or that of the data of a resource."""
    return host in AZURE_HOSTS or host.partition(".")[2] in DATA_SUFFIXES


def certificate_names() -> tuple[str, ...]:
    """Returns the names for which the server has a certificate, besides those of the loopback address."""
    return (*AZURE_HOSTS, *(f"*.{suffix}" for suffix in DATA_SUFFIXES))
