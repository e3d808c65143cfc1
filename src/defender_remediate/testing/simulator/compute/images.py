"""The images of virtual machines that clients look up before they create a machine: a small selection of Azure's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.routing import Route
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

_TYPE = "Microsoft.Compute/virtualMachines"
_VERSION = "2026.02.01"
_LINUX, _WINDOWS = "Linux", "Windows"
# Publisher, offer, SKUs and operating system.
_IMAGES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("Canonical", "ubuntu-24_04-lts", ("server", "server-gen1", "minimal"), _LINUX),
    ("Canonical", "0001-com-ubuntu-server-jammy", ("22_04-lts", "22_04-lts-gen2"), _LINUX),
    ("Debian", "debian-12", ("12", "12-gen2"), _LINUX),
    ("RedHat", "RHEL", ("9_4", "9-lvm-gen2", "8-lvm-gen2"), _LINUX),
    ("MicrosoftWindowsServer", "WindowsServer", ("2022-datacenter-azure-edition", "2022-datacenter-g2"), _WINDOWS),
    (
        "MicrosoftWindowsServer",
        "WindowsServer",
        ("2019-datacenter-gensecond", "2025-datacenter-azure-edition"),
        _WINDOWS,
    ),
)


# Extensions by publisher: their types, each with its newest version.
_EXTENSIONS: Mapping[str, Mapping[str, str]] = {
    "Microsoft.Azure.Monitor": {"AzureMonitorLinuxAgent": "1.33.1", "AzureMonitorWindowsAgent": "1.34.0"},
    "Microsoft.GuestConfiguration": {"ConfigurationforLinux": "1.26.79", "ConfigurationforWindows": "1.29.98"},
    "Microsoft.Azure.Extensions": {"CustomScript": "2.1.13", "DockerExtension": "1.2.2"},
    "Microsoft.Compute": {"CustomScriptExtension": "1.10.18", "JsonADDomainExtension": "1.3.9"},
    "Microsoft.Azure.Security": {"IaaSAntimalware": "1.5.4.4", "AzureDiskEncryption": "2.4.0.4"},
    "Microsoft.Azure.AzureDefenderForServers": {"MDE.Linux": "1.0.5.3", "MDE.Windows": "1.0.11.2"},
    "Microsoft.OSTCExtensions": {"VMAccessForLinux": "1.5.11"},
}


def _named(tenant: Tenant, call: Call, captured: Mapping[str, str], names: list[str]) -> Reply:
    """A list of names, each below the path that was asked for."""
    tenant.store.subscription(captured["subscription"])
    path = call.path.rstrip("/")
    return Reply.json([{"id": f"{path}/{name}", "name": name, "location": captured["location"]} for name in names])


def _chosen(captured: Mapping[str, str]) -> list[tuple[str, str, tuple[str, ...], str]]:
    """The images that match what a path names so far."""

    def fits(name: str, value: str) -> bool:
        return name not in captured or fold(captured[name]) == fold(value)

    return [one for one in _IMAGES if fits("publisher", one[0]) and fits("offer", one[1])]


def _list_publishers(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists who publishes images."""
    return _named(tenant, call, captured, list(dict.fromkeys([*(one[0] for one in _IMAGES), *_EXTENSIONS])))


def _list_offers(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the offers of a publisher."""
    return _named(tenant, call, captured, list(dict.fromkeys(one[1] for one in _chosen(captured))))


def _list_skus(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the SKUs of an offer."""
    return _named(tenant, call, captured, [sku for one in _chosen(captured) for sku in one[2]])


def _has_sku(captured: Mapping[str, str], image: tuple[str, str, tuple[str, ...], str]) -> bool:
    return fold(captured["sku"]) in {fold(sku) for sku in image[2]}


def _list_versions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the versions of an image: one."""
    found = any(_has_sku(captured, image) for image in _chosen(captured))
    return _named(tenant, call, captured, [_VERSION] if found else [])


def _get_version(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Shows an image."""
    tenant.store.subscription(captured["subscription"])
    system = next((image[3] for image in _chosen(captured) if _has_sku(captured, image)), None)
    if system is None or captured["version"] not in (_VERSION, "latest"):
        raise refusal(
            "ImageVersionNotFound",
            image=":".join(captured[name] for name in ("publisher", "offer", "sku", "version")),
            location=captured["location"],
        )
    properties: dict[str, Any] = {
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "osDiskImage": {"operatingSystem": system, "sizeInGb": 127 if system == _WINDOWS else 30},
        "dataDiskImages": [],
        "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": True},
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
        "imageDeprecationStatus": {"imageState": "Active"},
    }
    shown = {"id": call.path.rstrip("/"), "name": _VERSION, "location": captured["location"]}
    return Reply.json({**shown, "properties": properties})


def _types(captured: Mapping[str, str]) -> Mapping[str, str]:
    """The extensions of a publisher, each with its version."""
    return next((types for name, types in _EXTENSIONS.items() if fold(name) == fold(captured["publisher"])), {})


def _list_extensions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the extensions of a publisher."""
    return _named(tenant, call, captured, list(_types(captured)))


def _list_extension_versions(tenant: Tenant, call: Call, captured: Mapping[str, str]) -> Reply:
    """Lists the versions of an extension: one."""
    wanted = fold(captured["type"])
    return _named(tenant, call, captured, [one for name, one in _types(captured).items() if fold(name) == wanted])


_PUBLISHERS = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/publishers"
_OFFERS = f"{_PUBLISHERS}/{{publisher}}/artifacttypes/vmimage/offers"
_SKUS = f"{_OFFERS}/{{offer}}/skus"
_VERSIONS = f"{_SKUS}/{{sku}}/versions"
_EXTENSION_TYPES = f"{_PUBLISHERS}/{{publisher}}/artifacttypes/vmextension/types"
_ANSWERS: Mapping[str, Callable[[Tenant, Call, Mapping[str, str]], Reply]] = {
    _PUBLISHERS: _list_publishers,
    _OFFERS: _list_offers,
    _SKUS: _list_skus,
    _VERSIONS: _list_versions,
    f"{_VERSIONS}/{{version}}": _get_version,
    _EXTENSION_TYPES: _list_extensions,
    f"{_EXTENSION_TYPES}/{{type}}/versions": _list_extension_versions,
}
ROUTES = tuple(
    Route(methods=("GET",), pattern=pattern, type=_TYPE, handler=handler) for pattern, handler in _ANSWERS.items()
)
