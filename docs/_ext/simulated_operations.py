"""The operations that the simulator answers, from its routes, and the types of resources, from its data."""

from __future__ import annotations

from collections import defaultdict

from defender_remediate.testing.simulator.arm import value_rules
from defender_remediate.testing.simulator.arm.published import namespaces, operations_of
from defender_remediate.testing.simulator.arm.service import ROUTES
from defender_remediate.testing.simulator.state.types import shipped_types

_BY_FORM = """\
The operations below are known from the clients that Microsoft publishes, by their form only. The simulator answers them so where
no operation or type above answers. It keeps what a client writes, without a check of its properties, and shows it again. A list has
what was written and is otherwise empty. What always exists in Azure has no properties until they are written. An action has no
effect, and an object that an action returns is empty, except for keys, which open nothing, and for the availability of names. Each of
these answers has the header `x-ms-simulated-fidelity: form`. Their api-versions are not known: any is taken from the oldest that is
known for the provider to a year from now."""


_VALUES = """\
Of every type the names of properties are checked where they are known. Types of values, words, ranges and required members are
checked for the types with a yes. For the others any value is taken: a test against the simulator does not find such a mistake."""


def operations_page() -> str:
    """Every route with what answers it, by provider; every type of resource; every operation that is answered by form."""
    rows: dict[str, dict[str, None]] = defaultdict(dict)
    for route in ROUTES:
        note = (route.handler.__doc__ or "").strip().partition("\n")[0].replace("``", "`").replace("|", "\\|")
        rows[route.type.partition("/")[0]][f"| {', '.join(route.methods)} | `{route.pattern}` | {note} |"] = None
    parts = []
    for namespace in sorted(rows):
        parts += [f"## {namespace}\n", "| verbs | path | what it does |", "| --- | --- | --- |", *rows[namespace], ""]
    parts += ["## Types of resources\n", _VALUES]
    parts += ["\n| type | oldest api-version | newest known | values checked |", "| --- | --- | --- | --- |"]
    for kind in sorted(shipped_types().values(), key=lambda one: one.name):
        if not kind.routed:
            checked = "yes" if value_rules.is_known(kind.name) else "no"
            parts.append(f"| {kind.name} | {kind.versions[0]} | {kind.versions[-1]} | {checked} |")
    parts += ["", "## Answered by form\n", _BY_FORM]
    for namespace in namespaces().values():
        verbs: dict[str, list[str]] = defaultdict(list)
        for operation in operations_of(namespace):
            verbs[operation.path].append(operation.method)
        parts += [f"\n### {namespace}: by form\n", "| path | verbs |", "| --- | --- |"]
        parts += [f"| `{path}` | {', '.join(sorted(found))} |" for path, found in verbs.items()]
    return "\n".join(parts)
