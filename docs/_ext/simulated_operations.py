"""The operations that the simulator answers, from its routes, and the types of resources, from its data."""

from __future__ import annotations

from collections import defaultdict

from defender_remediate.testing.simulator.arm.service import ROUTES
from defender_remediate.testing.simulator.state.types import shipped_types


def operations_page() -> str:
    """Every route with the first sentence of what answers it, by provider; then every type of resource."""
    rows: dict[str, dict[str, None]] = defaultdict(dict)
    for route in ROUTES:
        note = (route.handler.__doc__ or "").strip().partition("\n")[0].replace("``", "`").replace("|", "\\|")
        rows[route.type.partition("/")[0]][f"| {', '.join(route.methods)} | `{route.pattern}` | {note} |"] = None
    parts = []
    for namespace in sorted(rows):
        parts += [f"## {namespace}\n", "| verbs | path | what it does |", "| --- | --- | --- |", *rows[namespace], ""]
    parts += ["## Types of resources\n", "| type | oldest api-version | newest known |", "| --- | --- | --- |"]
    for kind in sorted(shipped_types().values(), key=lambda one: one.name):
        if not kind.routed:
            parts.append(f"| {kind.name} | {kind.versions[0]} | {kind.versions[-1]} |")
    return "\n".join(parts)
