"""Built-in definitions that a test adds: as the REST API shows them, or from a folder such as a checkout of Azure/azure-policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.policy.checks import check_definition
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, BENCHMARK, definition_body
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state_files.reading import located, read_json
from defender_remediate.testing.simulator.transport.exchange import ArmError

_POLICIES, _SETS = "policyDefinitions", "policySetDefinitions"
# Where the same definition is kept for several clouds, that of the public one is taken.
_OTHER_CLOUD = "azure government"


def checked_definition(raw: Any) -> dict[str, Any]:
    """Returns a definition or an initiative as its API shows it.

    Args:
        raw: What the REST API or a file of Azure/azure-policy shows; a definition without ``id`` is built in.

    Raises:
        InvalidInputError: It is neither a definition nor an initiative, Azure would not store it, or it is Defender's benchmark.
    """
    body = raw if isinstance(raw, Mapping) else {}
    properties, name = body.get("properties"), body.get("name")
    is_set = isinstance(properties, Mapping) and isinstance(properties.get("policyDefinitions"), list)
    if not isinstance(properties, Mapping) or not (is_set or isinstance(properties.get("policyRule"), Mapping)):
        raise InvalidInputError(
            "the definition needs 'properties' with a 'policyRule', or with the 'policyDefinitions' of an initiative"
        )
    kind = _SETS if is_set else _POLICIES
    identifier = body.get("id") or (f"{AUTHORIZATION}/{kind}/{name}" if isinstance(name, str) and name else None)
    target = ids.path_of(identifier) if isinstance(identifier, str) else None
    if (
        target is None
        or target.is_collection
        or fold(target.type) != fold(f"{AUTHORIZATION}/{kind}"[len("/providers/") :])
    ):
        raise InvalidInputError(f"the definition needs an 'id' of {kind} or a 'name', got {quoted(identifier)}")
    if ids.key(target.id) == ids.key(BENCHMARK):
        raise InvalidInputError(f"{BENCHMARK} is Defender's benchmark, which the simulator makes itself")
    usual: dict[str, Any] = {"policyType": "Custom" if target.scope else "BuiltIn", "parameters": {}, "metadata": {}}
    if not is_set:
        try:
            check_definition(properties)
        except ArmError as error:
            raise InvalidInputError(f"{target.id}: {error.reply.body['error']['message']}") from None
    return definition_body(target.id, {**usual, **({} if is_set else {"mode": "Indexed"}), **properties})


def definitions_in(folder: Path, only: Collection[str]) -> list[dict[str, Any]]:
    """Returns the definitions in the JSON files of a folder and the folders below it; other files are passed over.

    Args:
        folder: The folder.
        only: The names of those to return, with the policies of the initiatives among them; empty for all.

    Raises:
        InvalidInputError: A file is not JSON, or has a definition that Azure would not store; the message names it.
        OSError: The folder or a file cannot be read.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"folder must be a folder, got {quoted(str(folder))}")
    found: dict[str, tuple[Path, Any]] = {}
    for path in sorted(folder.rglob("*.json"), key=lambda one: (_OTHER_CLOUD in fold(str(one)), str(one))):
        with located(quoted(str(path))):
            raw = read_json(path)
        identifier = raw.get("id") if isinstance(raw, dict) and _is_definition(raw) else None
        if isinstance(identifier, str) and ids.key(identifier) != ids.key(BENCHMARK):
            found.setdefault(ids.key(identifier), (path, raw))
    made = []
    for path, raw in _chosen(found, only):
        with located(quoted(str(path))):
            made.append(checked_definition(raw))
    return made


def _is_definition(raw: Mapping[str, Any]) -> bool:
    properties = raw.get("properties")
    return isinstance(properties, Mapping) and bool({"policyRule", "policyDefinitions"} & set(properties))


def _chosen(found: Mapping[str, tuple[Path, Any]], only: Collection[str]) -> Iterator[tuple[Path, Any]]:
    if not only:
        yield from found.values()
        return
    wanted = {fold(name.rpartition("/")[2]) for name in only}
    known = {key.rpartition("/")[2] for key in found}
    missing = sorted(wanted - known)
    if missing:
        raise InvalidInputError(f"the folder has no definition {quoted(missing[0])}")
    for key, (_, raw) in found.items():
        if key.rpartition("/")[2] in wanted:
            members = raw["properties"].get("policyDefinitions") or ()
            wanted |= {fold(str(one.get("policyDefinitionId")).rpartition("/")[2]) for one in members}
    yield from (pair for key, pair in found.items() if key.rpartition("/")[2] in wanted)
