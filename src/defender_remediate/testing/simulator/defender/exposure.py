"""What Defender knows of CVEs and attack paths. Resource Graph alone shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.state import ids

CVES = "microsoft.security/cvedetails"
ATTACK_PATHS = "microsoft.security/attackpaths"


@attrs.define
class Exposure:
    """The CVEs and attack paths of a tenant.

    Attributes:
        cves: The properties of each CVE by its id; facts about the tenant, not about a subscription.
        attack_paths: The properties of each attack path by its resource id.
    """

    cves: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    attack_paths: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)

    def rows(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yields the id, type and properties of each row; CVEs are in no subscription."""
        for name, properties in self.cves.items():
            # Azure does not document the ids; only the name and the property are used.
            yield f"/providers/Microsoft.Security/cveDetails/{name}", CVES, properties
        for identifier, properties in self.attack_paths.items():
            yield identifier, ATTACK_PATHS, properties


def attack_path_id(scope: str, name: str) -> str:
    """Returns the resource id of an attack path in a subscription."""
    return f"/subscriptions/{ids.subscription_of(scope)}/providers/Microsoft.Security/attackPaths/{name}"
