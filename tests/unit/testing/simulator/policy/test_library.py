"""Definitions that a test adds, by hand or from a folder as Azure/azure-policy has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.policy.state import BENCHMARK

TENANT = "/providers/Microsoft.Authorization"
FIRST, SECOND, OURS = (f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
VERSION = "2023-04-01"


def definition(name: str, effect: str = "deny", **more: Any) -> dict[str, Any]:
    """A definition of storage accounts without HTTPS, as a file of the repository has it."""
    plain = {"field": "Microsoft.Storage/storageAccounts/supportsHttpsTrafficOnly", "equals": "false"}
    rule = {
        "if": {"allOf": [{"field": "type", "equals": "Microsoft.Storage/storageAccounts"}, plain]},
        "then": {"effect": effect},
    }
    properties = {"displayName": name, "policyType": "BuiltIn", "mode": "Indexed", "policyRule": rule, **more}
    return {"properties": properties, "id": f"{TENANT}/policyDefinitions/{name}", "name": name}


def initiative(name: str, *members: str) -> dict[str, Any]:
    """An initiative of some definitions."""
    listed = [{"policyDefinitionId": f"{TENANT}/policyDefinitions/{one}"} for one in members]
    properties = {"displayName": name, "policyType": "BuiltIn", "policyDefinitions": listed}
    return {"properties": properties, "id": f"{TENANT}/policySetDefinitions/{name}", "name": name}


def assign(call: Any, scope: str, definition_id: str) -> Any:
    """Assigns a definition or an initiative."""
    path = f"{scope}{TENANT}/policyAssignments/one?api-version={VERSION}"
    return call("PUT", path, json={"properties": {"policyDefinitionId": definition_id}})


def write(call: Any, account: str) -> int:
    """The status of a write that turns HTTPS off."""
    body = {"properties": {"supportsHttpsTrafficOnly": False}}
    return int(call("PATCH", f"{account}?api-version=2025-08-01", json=body).status_code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like the repository: definitions, an initiative, the benchmark, another cloud, and files with something else."""
    other = definition(FIRST, "audit")
    files: dict[str, Any] = {
        "policyDefinitions/Storage/first.json": definition(FIRST),
        "policyDefinitions/Azure Government/Storage/first.json": other,
        "policyDefinitions/Storage/second.json": definition(SECOND, "audit"),
        "policySetDefinitions/ours.json": initiative(OURS, FIRST, "missing"),
        "policySetDefinitions/benchmark.json": {**initiative("x"), "id": BENCHMARK},
        "samples/parameters.json": {"parameters": {}},
        "samples/list.json": [],
    }
    for place, content in files.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    return tmp_path


def test_an_unknown_built_in_is_refused_and_the_answer_says_how_to_add_it(
    sim: ArmSimulator, call: Any, account: str, scope: str
) -> None:
    """In Azure's words, with a header that names the controls; once it is added it is assigned, listed and enforced."""
    wanted = f"{TENANT}/policyDefinitions/{FIRST}"
    refused = assign(call, scope, wanted)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "PolicyDefinitionNotFound")
    assert "sim.policies.load_definitions" in refused.headers["x-ms-simulated-hint"]
    assert write(call, account) == 200
    assert sim.policies.add_definition({**definition(FIRST), "id": None}) == wanted
    assert assign(call, scope, wanted).status_code == 201
    assert call.get(wanted, VERSION)["properties"]["policyType"] == "BuiltIn"
    assert write(call, account) == 403


def test_a_folder_gives_all_definitions_or_those_that_are_named(
    sim: ArmSimulator, call: Any, account: str, scope: str, folder: Path
) -> None:
    """With the policies of an initiative; the public cloud's come before others, and the benchmark stays the simulator's own."""
    assert len(sim.policies.load_definitions(folder)) == 3
    assert len(sim.policies.load_definitions(folder, SECOND)) == 1
    found = sim.policies.load_definitions(str(folder), f"{TENANT}/policySetDefinitions/{OURS}")
    assert {one.rpartition("/")[2] for one in found} == {FIRST, OURS}
    assert assign(call, scope, f"{TENANT}/policySetDefinitions/{OURS}").status_code == 201
    assert write(call, account) == 403


def test_what_is_no_definition_is_refused(sim: ArmSimulator, folder: Path) -> None:
    """With the file or the id, and what is wrong."""
    (folder / "broken.json").write_text(json.dumps(definition("broken", "explode")))
    wrong = definition(FIRST)
    for action, problem in (
        (lambda: sim.policies.load_definitions(folder), "broken.json.*the effect is 'explode'"),
        (lambda: sim.policies.load_definitions(folder, "nothing"), "no definition 'nothing'"),
        (lambda: sim.policies.load_definitions(folder / "gone"), "folder must be a folder"),
        (lambda: sim.policies.add_definition({}), "needs 'properties'"),
        (lambda: sim.policies.add_definition(1), "needs 'properties'"),  # type: ignore[arg-type]
        (lambda: sim.policies.add_definition({**wrong, "id": "/x"}), "needs an 'id' of policyDefinitions"),
        (lambda: sim.policies.add_definition({"properties": wrong["properties"]}), "needs an 'id'"),
        (lambda: sim.policies.add_definition({**initiative("x"), "id": BENCHMARK}), "Defender's benchmark"),
    ):
        with pytest.raises(InvalidInputError, match=problem):
            action()
