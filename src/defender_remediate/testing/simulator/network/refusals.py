"""Bodies that Microsoft.Network refuses although they fit its schema."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state.types import ResourceType

_NETWORK, _SUBNET = "Microsoft.Network/virtualNetworks", "Microsoft.Network/virtualNetworks/subnets"


def check(kind: ResourceType, resource_id: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]) -> None:
    """Refuses address prefixes in another notation, and an encryption of a network without its enforcement.

    What the resource shows already was taken before.

    Raises:
        ArmError: 400 InvalidAddressPrefixFormat or MustSpecifyBothEncryptionIntentAndEnforcementPolicy.
    """
    if kind.name not in (_NETWORK, _SUBNET):
        return
    held = set(_prefixes((before or {}).get("properties")))
    for prefix in _prefixes(body.get("properties")):
        if prefix not in held and not _is_prefix(prefix):
            raise refusal("InvalidAddressPrefixFormat", prefix=prefix, resource=resource_id, more={"details": []})
    encryption = (body.get("properties") or {}).get("encryption")
    given = [encryption.get(name) for name in ("enabled", "enforcement")] if isinstance(encryption, Mapping) else []
    if kind.name == _NETWORK and given.count(None) == 1:
        name = "MustSpecifyBothEncryptionIntentAndEnforcementPolicy"
        raise refusal(name, resource=resource_id, more={"details": []})


def _prefixes(properties: Any) -> Iterator[str]:
    """Yields the address prefixes of a subnet or network and of the subnets in it."""
    if not isinstance(properties, Mapping):
        return
    space = properties.get("addressSpace")
    listed = [properties.get("addressPrefixes"), space.get("addressPrefixes") if isinstance(space, Mapping) else None]
    for value in (properties.get("addressPrefix"), *(one for found in listed for one in found or ())):
        if isinstance(value, str):
            yield value
    for subnet in properties.get("subnets") or ():
        yield from _prefixes(subnet.get("properties") if isinstance(subnet, Mapping) else None)


def _is_prefix(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text
