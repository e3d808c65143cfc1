"""The operations that the simulator answers, from its routes, and the types of resources, from its data."""

from __future__ import annotations

from collections import defaultdict

from defender_remediate.testing.simulator.arm import answers, value_rules
from defender_remediate.testing.simulator.arm.published import PublishedOperation, namespaces, operations_of
from defender_remediate.testing.simulator.arm.service import ROUTES
from defender_remediate.testing.simulator.state.types import shipped_types

_BY_FORM = """\
The operations below are known from the clients that Microsoft publishes. The simulator answers them by their form where no operation
or type above answers. It keeps what a client writes and shows it again; the third column of the table of types says whether values
are checked. A list has what was written. What always exists in Azure has no properties until they are written. An action has no
effect, and what it returns is the resource that it is for, or an object with an id, a name and a type, or an empty one; keys open
nothing, and the availability of names is looked up. Each of these answers has the header `x-ms-simulated-fidelity: form`. Where the
last column says so, more is known from the documentation of the provider: *defaults* of a new resource, resources that are *there*
without being created, or the *answer* and effect of an action; the header is then left out for what is there and for the answer.
Their api-versions are not known: any is taken from the oldest that is known for the provider to a year from now."""


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
        known: dict[str, str] = {}
        for operation in operations_of(namespace):
            verbs[operation.path].append(operation.method)
            known[operation.path] = _known(operation)
        parts += [f"\n### {namespace}: by form\n", "| path | verbs | more is known |", "| --- | --- | --- |"]
        parts += [f"| `{path}` | {', '.join(sorted(found))} | {known[path]} |" for path, found in verbs.items()]
    return "\n".join(parts)


def _known(operation: PublishedOperation) -> str:
    """What the facts say of an operation beyond its form."""
    kind, action = answers.of_type(operation.type_name), answers.of_action(operation.action_name)
    words = {"defaults": kind.new, "there": kind.there, "answer": action.is_known or action.sets}
    return ", ".join(word for word, is_known in words.items() if is_known) or "no"
