"""The operations that Azure publishes, of which only the form is known: path, verbs, statuses and the kind of answer.

The facts are in ``data/operations``, one file per resource provider, from the clients that Microsoft publishes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import answers
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.types import ResourceType

NOTHING, LIST, ARRAY, STRING, OBJECT, OWNER, IDENTIFIED, STATEFUL = "N", "L", "A", "S", "O", "R", "I", "P"
ANY = "*"
_EVERYWHERE = "X"
_FOLDER = resources.files("defender_remediate.testing.simulator") / "data" / "operations"


@attrs.frozen(kw_only=True)
class PublishedOperation:
    """One verb on one path of a provider.

    Attributes:
        namespace: The provider as it is spelled in paths.
        since: The api-version from which on the provider's operations are taken.
        parts: The path below the provider; ``*`` stands for one name.
        method: The verb.
        statuses: The successful statuses that the clients take.
        scopes: Where it exists: ``T`` tenant, ``S`` subscription, ``G`` resource group, ``X`` any scope.
        answer: The kind of answer: ``N`` nothing, ``L`` a list, ``A`` a bare array, ``S`` a string, ``O`` an object,
            ``I`` an object with id, name and type, ``R`` the resource that an
            action is for, ``P`` (of a PUT) a resource with a provisioningState.
        member: The member of a list that has its items.
    """

    namespace: str
    since: str
    parts: tuple[str, ...]
    method: str
    statuses: tuple[int, ...]
    scopes: str
    answer: str
    member: str = "value"

    @property
    def path(self) -> str:
        """The path below the provider, as text."""
        return "/".join(self.parts)

    @property
    def type_name(self) -> str:
        """The type of what the path names."""
        return "/".join((self.namespace, *self.parts[::2]))

    @property
    def action_name(self) -> str:
        """The path without the names that clients choose, such as ``Microsoft.Web/sites/config/backup/list``."""
        return "/".join((self.namespace, *(part for part in self.parts if part != ANY)))

    def status(self, *preferred: int) -> int:
        """Returns the first of the preferred statuses that the clients take, or else the first that they take."""
        return next((one for one in preferred if one in self.statuses), self.statuses[0])


@attrs.frozen
class _Node:
    below: dict[str, _Node] = attrs.field(factory=dict)
    operations: dict[str, PublishedOperation] = attrs.field(factory=dict)


@cache
def namespaces() -> Mapping[str, str]:
    """Returns the providers whose operations are known, by their folded names."""
    names = (entry.name.removesuffix(".json") for entry in _FOLDER.iterdir())
    return {fold(name): name for name in sorted(names)}


@cache
def _tree(folded: str) -> _Node:
    root = _Node()
    name = namespaces().get(folded)
    if name is None:
        return root
    content = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for path, verbs in content["operations"].items():
        node = root
        parts = tuple(path.split("/"))
        for part in parts:
            node = node.below.setdefault(fold(part), _Node())
        for method, form in verbs.items():
            node.operations[method] = _operation(name, content["since"], parts, method, form)
    return root


def _operation(namespace: str, since: str, parts: tuple[str, ...], method: str, form: str) -> PublishedOperation:
    answer, statuses, scopes = form.split()
    kind, _, member = answer.partition(":")
    return PublishedOperation(
        namespace=namespace,
        since=since,
        parts=parts,
        method=method,
        statuses=tuple(int(status) for status in statuses.split(",")),
        scopes=scopes,
        answer=kind,
        member=member or "value",
    )


@lru_cache(maxsize=1000)
def find(method: str, path: str) -> PublishedOperation | None:
    """Returns the operation behind a verb and a path; None if none is published. A name in the path wins over ``*``."""
    parts = ids.segments(path)
    heads = [place for place, part in enumerate(parts) if fold(part) == "providers"]
    if not heads or len(parts) < heads[-1] + 3:
        return None
    rest = [fold(part) for part in parts[heads[-1] + 1 :]]
    found = _find(_tree(rest[0]), rest[1:], method)
    if found is None or _EVERYWHERE in found.scopes:
        return found
    return found if _scope_letter(parts[: heads[-1]]) in found.scopes else None


def _scope_letter(parts: list[str]) -> str:
    names = [fold(part) for part in parts[::2]]
    return {(): "T", ("subscriptions",): "S", ("subscriptions", "resourcegroups"): "G"}.get(tuple(names), _EVERYWHERE)


def has_other_verbs(path: str) -> bool:
    """Whether operations with some verb are published for a path."""
    return any(find(method, path) is not None for method in ("GET", "PUT", "POST", "PATCH", "DELETE"))


def settled(method: str, path: str, usual: int) -> int:
    """Returns the status of a success: the usual one, unless the published clients take others only."""
    operation = find(method, path)
    return usual if operation is None else operation.status(usual, 200, 204, 201, 202)


def _find(node: _Node, rest: list[str], method: str) -> PublishedOperation | None:
    if not rest:
        return node.operations.get(method)
    for part in (rest[0], ANY):
        below = node.below.get(part)
        found = None if below is None else _find(below, rest[1:], method)
        if found is not None:
            return found
    return None


def operations_of(namespace: str) -> Iterator[PublishedOperation]:
    """Yields the published operations of a provider, by path."""
    yield from _below(_tree(fold(namespace)))


def _below(node: _Node) -> Iterator[PublishedOperation]:
    yield from node.operations.values()
    for _, below in sorted(node.below.items()):
        yield from _below(below)


def kind_of(resource_id: str, body: Mapping[str, Any]) -> ResourceType | None:
    """Returns the type of a resource that only published operations write; None if none does.

    A top-level resource with a location is one with tags, which its group lists.
    """
    operation = find("PUT", resource_id)
    if operation is None:
        return None
    return attrs.evolve(type_of(operation), tracked="location" in body and len(operation.parts) == 2)


def type_of(operation: PublishedOperation) -> ResourceType:
    """Returns the type of what an operation writes or shows; it has a provisioningState if the published one has."""
    write = find_write(operation)
    state = None if write is not None and write.answer == OBJECT else "Succeeded"
    etag = answers.of_type(operation.type_name).etag
    return ResourceType(name=operation.type_name, versions=(operation.since,), tracked=False, state=state, etag=etag)


def find_write(operation: PublishedOperation) -> PublishedOperation | None:
    """Returns the PUT on the path of an operation; None if none is published."""
    node: _Node | None = _tree(fold(operation.namespace))
    for part in operation.parts:
        node = None if node is None else node.below.get(fold(part))
    return None if node is None else node.operations.get("PUT")


def has_to_be_created(namespace: str, parts: Sequence[str]) -> bool:
    """Whether a resource at a path is there only once a client created it.

    What has a fixed name, what no client creates, and what can be written and never deleted, is always there.
    """
    node: _Node | None = _tree(fold(namespace))
    for part in parts:
        node = None if node is None else node.below.get(fold(part))
    return node is not None and parts[-1] == ANY and {"PUT", "DELETE"} <= set(node.operations)


def is_always_there(operation: PublishedOperation) -> bool:
    """Whether what an operation reads or changes exists without being created."""
    if operation.parts[-1] != ANY:
        return True
    node = _tree(fold(operation.namespace))
    for part in operation.parts:
        node = node.below[fold(part)]
    return "PUT" in node.operations and "DELETE" not in node.operations
