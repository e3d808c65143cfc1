"""The functions of templates that depend on nothing but their arguments, besides those that the library evaluates itself.

Those that policies have, too, are the same functions. The others are in Azure's documentation of template functions.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import cmp_to_key, reduce
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.lenient_json import parse
from defender_remediate.testing.simulator.policy.functions import FUNCTIONS as OF_POLICIES
from defender_remediate.testing.simulator.state.store import TENANT_ID

_ZONES = 3
_ONLY_OF_POLICIES = frozenset(["adddays", "iprangecontains"])
_Function = Callable[..., Any]


def _map(items: list[Any], function: _Function) -> list[Any]:
    return [
        function(item, place) for place, item in enumerate(items)
    ]  # a lambda with one parameter takes the item only


def _filter(items: list[Any], function: _Function) -> list[Any]:
    return [item for place, item in enumerate(items) if function(item, place) is True]


def _sort(items: list[Any], comes_first: _Function) -> list[Any]:
    return sorted(items, key=cmp_to_key(lambda left, right: -1 if comes_first(left, right) is True else 1))


def _to_object(items: list[Any], name: _Function, value: _Function | None = None) -> dict[str, Any]:
    return {str(name(item)): item if value is None else value(item) for item in items}


def _group_by(items: list[Any], name: _Function) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(str(name(item)), []).append(item)
    return groups


def _shallow_merge(objects: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for one in objects for name, value in one.items()}


def _cidr_subnet(network: str, length: int, place: int) -> str:
    outer = ipaddress.ip_network(network)
    inner = ipaddress.ip_network((int(outer[0]) + place * 2 ** (outer.max_prefixlen - length), length))
    if length < outer.prefixlen or int(inner[-1]) > int(outer[-1]):
        raise ValueError("the subnet is not inside the network")
    return str(inner)


def _cidr_host(network: str, place: int) -> str:
    outer = ipaddress.ip_network(network, strict=False)
    return str(outer[place + 1])


def _environment() -> dict[str, Any]:
    return {
        "name": "AzureCloud",
        "gallery": "https://gallery.azure.com/",
        "graph": "https://graph.windows.net/",
        "portal": "https://portal.azure.com",
        "graphAudience": "https://graph.windows.net/",
        "activeDirectoryDataLake": "https://datalake.azure.net/",
        "batch": "https://batch.core.windows.net/",
        "media": "https://rest.media.azure.net",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "vmImageAliasDoc": (
            "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json"
        ),
        "resourceManager": "https://management.azure.com/",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {
            "acrLoginServer": ".azurecr.io",
            "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
            "azureFrontDoorEndpointSuffix": "azurefd.net",
            "keyvaultDns": ".vault.azure.net",
            "sqlServerHostname": ".database.windows.net",
            "storage": "core.windows.net",
        },
    }


_FRACTION = re.compile(r"\s*(-?)(\.\d+)\s*")


def _json(text: str) -> Any:
    """Takes what Azure's parser takes besides JSON: single quotes, names without quotes, comments, and ``.5``."""
    found = _FRACTION.fullmatch(text)
    return parse(text) if found is None else float(f"{found[1]}0{found[2]}")


def _pick_zones(namespace: str, kind: str, location: str, count: int = 1, offset: int = 0) -> list[str]:
    """Every type and region has the three zones."""
    if not namespace or not kind or not location or not 1 <= count + offset <= _ZONES:
        raise ValueError("there are not so many zones")
    return [str(number) for number in range(offset + 1, offset + count + 1)]


FUNCTIONS: Mapping[str, _Function] = {
    **{name: function for name, function in OF_POLICIES.items() if name not in _ONLY_OF_POLICIES},
    "base64tojson": lambda text: _json(base64.b64decode(text).decode("utf-8")),
    "cidrhost": _cidr_host,
    "cidrsubnet": _cidr_subnet,
    "environment": _environment,
    "filter": _filter,
    "flatten": lambda arrays: [item for array in arrays for item in array],
    "groupby": _group_by,
    "json": _json,
    "managementgroupresourceid": lambda group, kind, *names: (
        f"/providers/Microsoft.Management/managementGroups/{group}/providers/{kind}/{'/'.join(names)}"
    ),
    "map": _map,
    "mapvalues": lambda owner, function: {name: function(value) for name, value in owner.items()},
    "pickzones": _pick_zones,
    "objectkeys": lambda owner: sorted(owner.keys(), key=fold),
    "reduce": lambda items, first, function: reduce(function, items, first),
    "shallowmerge": _shallow_merge,
    "sort": _sort,
    "tenant": lambda: {"tenantId": TENANT_ID, "countryCode": None, "displayName": None},
    "toobject": _to_object,
}
"""By their folded names. A wrong argument raises one of Python's errors for wrong values."""
