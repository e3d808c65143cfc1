"""State files: what is saved is what comes back, and what cannot be read says where it is wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state_files.document import PARTS

ACCOUNTS = "Microsoft.Storage/storageAccounts"
ACCOUNT_VERSION = "2025-08-01"
# What is computed from other parts, belongs to one process, or is not saved, as the documentation of ``save`` says.
_COMPUTED = {
    "lock",
    "clock",
    "types",
    "store.types",
    "store._resources",
    "store._children",
    "store._below",
    "store._of_type",
    "store._listeners",
    "store._recorders",
    "changes.longest",
    "changes.delay",
    "changes._operation",
    "activity.activity_delay",
    "policies.applied",
    "policies._benchmarks",
    "policies.principal",
    "access.principal",
    "access._attributes",
    "policy_effects",
    "creations",
    "assessor._assessment_lag",
    "assessor._exemptions_checked_at",
    "assessor._held.by_key",
    "assessor._held.by_resource",
    "assessor._held._below",
    "assessor._pending",
    "assessor._scheduled",
    "assessor._counts",
    "assessor._is_immediate",
    "assessor._types",
    "times._gone",
    "compliance._assessor",
    "compliance._counted",
    "operations._known",
    "operations._running",
    "page_size",
    "graph_page_size",
    "graph_quota",
    "graph_limits",
    "graph_kept",
    "operations.ended",
    "assessor._changes",
}


def parts_of(owner: Any, prefix: str = "") -> set[str]:
    """The places of all state in a tenant; objects that are known elsewhere are left out."""
    found = set()
    for name, value in vars(owner).items():
        place = f"{prefix}{name}"
        module = type(value).__module__
        is_part = module.startswith("defender_remediate") and not hasattr(type(value), "__attrs_attrs__")
        if place in _COMPUTED:
            continue
        if prefix and name in ("_store", "_clock", "_policies", "_access"):
            continue
        if is_part:
            found |= parts_of(value, f"{place}.")
        elif module.startswith("defender_remediate"):
            found |= {f"{place}.{inner.name}" for inner in type(value).__attrs_attrs__}
        else:
            found.add(place)
    return found


@pytest.fixture
def used(demo: ArmSimulator, connect: Any) -> ArmSimulator:
    """A tenant in which much has happened."""
    call = connect(demo)
    first, second = demo.resources.list_ids(ACCOUNTS)[:2]
    sub = demo.scopes[0]
    assert call("PATCH", f"{first}?api-version={ACCOUNT_VERSION}", json={"tags": {"é": "\u2028"}}).status_code == 200
    demo.access.lock(second)
    demo.access.deny("Microsoft.Web/sites/write", sub)
    demo.resources.unregister_provider(sub, "Microsoft.Batch")
    demo.resources.add({"id": f"{sub}/resourceGroups/x/providers/New.Kind/things/t"}, ("2024-01-01",))
    demo.resources.retire_api_versions(ACCOUNTS, ACCOUNT_VERSION)
    demo.metrics.add_use(first, "Transactions", 3)
    demo.metrics.lose(second, days=2)
    demo.access.exempt(second, expires=demo.clock.now() + timedelta(days=30))
    demo.faults.slow(ACCOUNTS, seconds=60)
    assert call("PATCH", f"{first}?api-version=2024-01-01", json={"tags": {"a": "b"}}).status_code < 300
    return demo


def test_a_saved_tenant_comes_back_as_it_was(used: ArmSimulator, tmp_path: Path, connect: Any) -> None:
    """Bodies, etags, assessments that are pending, rights and logs are the same; an operation under way has ended."""
    used.save(tmp_path / "one.json")
    assert used.resources.get(used.resources.list_ids(ACCOUNTS)[0])["properties"]["provisioningState"] == "Updating"
    loaded = ArmSimulator.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    used.clock.sleep(61)
    loaded.clock.set(used.clock.monotonic())
    for sim in (used, loaded):
        sim.clock.sleep(4000)
    sub = used.scopes[0]
    for path, version in (
        (f"{sub}/resources", "2021-04-01"),
        (f"{sub}/providers/Microsoft.Security/secureScoreControls", "2020-01-01"),
        (f"{sub}/providers/Microsoft.Authorization/locks", "2020-05-01"),
        (f"{sub}/providers/Microsoft.Authorization/permissions", "2022-04-01"),
        (f"{sub}/providers/Microsoft.Authorization/policyAssignments", "2023-04-01"),
    ):
        assert connect(loaded).get(path, version) == connect(used).get(path, version)
    assert loaded.resources.list_ids() == used.resources.list_ids()


def test_what_is_gone_what_was_deployed_and_what_shall_fail_is_saved(connect: Any, tmp_path: Path) -> None:
    """A deployment with its operations, a deleted vault, faults, slow writes and drained tokens; the options, too."""
    sim = ArmSimulator.demo(page_size=7, assessment_lag=5.0)
    call = connect(sim)
    (vault, *_), group = sim.resources.list_ids("Microsoft.KeyVault/vaults"), f"{sim.scopes[0]}/resourceGroups/shop"
    assert call("PUT", f"{group}?api-version=2021-04-01", json={"location": "westeurope"}).status_code == 201
    account = {"type": ACCOUNTS, "apiVersion": ACCOUNT_VERSION, "name": "stshopfour", "location": "westeurope"}
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{**account, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}],
        "outputs": {"who": {"type": "string", "value": "[deployment().name]"}},
    }
    deployment = f"{group}/providers/Microsoft.Resources/deployments/d1"
    body = {"properties": {"mode": "Incremental", "template": template}}
    assert call("PUT", f"{deployment}?api-version=2025-04-01", json=body).status_code == 201
    sim.clock.advance(600)
    assert call("DELETE", f"{vault}?api-version=2023-07-01").status_code == 200
    sim.faults.fail("GET", r"/stshop\w+", status=503, times=2, headers={"x": "y"}, body=b"\xff")
    sim.faults.slow(ACCOUNTS, seconds=60)
    sim.faults.drain(sim.scopes[0])
    sim.save(tmp_path / "one.json")
    loaded = ArmSimulator.load(tmp_path / "one.json")
    loaded.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    again = connect(loaded)
    deleted = f"{sim.scopes[0]}/providers/Microsoft.KeyVault/deletedVaults"
    for path, version in (
        (deployment, "2025-04-01"),
        (f"{group}/deployments/d1/operations", "2025-04-01"),
        (deleted, "2023-07-01"),
    ):
        assert again.get(path, version) == call.get(path, version)
    assert len(again.get(f"{group}/deployments/d1/operations", "2025-04-01")["value"]) == 2
    assert [one["name"] for one in again.get(deleted, "2023-07-01")["value"]] == [vault.rpartition("/")[2]]
    made = f"{group}/providers/{ACCOUNTS}/stshopfour?api-version={ACCOUNT_VERSION}"
    assert [again("GET", made).status_code for _ in range(3)] == [503, 503, 200]
    assert again("PATCH", made, json={"tags": {}}).status_code == 429
    assert loaded._service.tenant.page_size == 7
    assert ArmSimulator.load(tmp_path / "one.json", page_size=9)._service.tenant.page_size == 9


def test_a_file_that_cannot_be_written_leaves_the_old_one(demo: ArmSimulator, tmp_path: Path) -> None:
    """A full disk or a folder that is gone costs neither the last saved state nor an operation under way."""
    path = tmp_path / "one.json"
    demo.save(path)
    saved = path.read_bytes()
    (tmp_path / "one.json.new").mkdir()
    with pytest.raises(OSError, match=r"one\.json\.new"):
        demo.save(path)
    assert path.read_bytes() == saved
    with pytest.raises(FileNotFoundError):
        demo.save(tmp_path / "missing" / "one.json")


def test_each_part_of_a_tenant_is_saved_or_known_not_to_be(demo: ArmSimulator) -> None:
    """A new kind of state cannot be forgotten: it needs an entry in the table of saved parts."""
    assert parts_of(demo._service.tenant) - set(PARTS) == set()
    assert set(PARTS) - parts_of(demo._service.tenant) == set()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{\n 'a': 1}", "not JSON.* line 2 column 2"),
        ('{"format": 1, "format": 2}', "not JSON.*format"),
        ("[]", "not a state file"),
        ('{"format": "defender-remediate simulator state", "version": 99}', "version 99.*reads version 1"),
        ({"surprise": 1}, "no member 'surprise'"),
        ({"options": {"colour": 1}}, "options has no member 'colour'"),
        ({"options": {"page_size": 0}}, "options.page_size must be a number of at least 1, got 0"),
        ({"options": {"page_size": 1.5}}, "options.page_size must be"),
        ({"options": {"change_delay": -1}}, "options.change_delay must be"),
        ({"faults._faults": [{"path": "("}]}, r"faults._faults\[0\].path: expected a regular expression"),
        (
            {"faults._faults": [{"path": "", "reply": {"status": 1, "content": " "}}]},
            r"faults._faults\[0\].reply.content: expected one character for each byte",
        ),
        ({"seconds": "soon"}, "seconds: expected float, got 'soon'"),
        ({"seconds": -1}, "moment must be a number"),
        ({"resources": {}}, "resources: expected an array"),
        ({"resources": [{"id": "/x", "body": {}}]}, r"resources\[0\].id must be the id of a resource"),
        ({"resources": [{"id": 1, "body": {}}]}, r"resources\[0\].id: expected str, got 1"),
        ({"resources": [{"body": {}}]}, r"resources\[0\].id is missing"),
        ({"resources": [{"id": "/providers/No.Kind/a/b", "body": {}}]}, r"resources\[0\].id is of the type No.Kind/a"),
        (
            {"resources": [{"id": f"/subscriptions/x/providers/{ACCOUNTS}/a", "body": {"properties": {}}}]},
            r"resources\[0\].id is in a subscription that the file does not have",
        ),
        ({"resources": [{"id": f"/providers/{ACCOUNTS}/a", "body": {}}]}, r"resources\[0\].body.properties"),
        ({"assessments": [{}]}, r"assessments\[0\].definition must be the key"),
        ({"access.locks": [{"scope": "/", "level": "ReadOnly"}]}, r"access.locks\[0\].name is missing"),
        ({"access.locks": [{"scope": "/", "level": "ReadOnly", "name": "n", "x": 1}]}, r"locks\[0\] has no member 'x'"),
        ({"access.unlimited": 1}, "access.unlimited: expected bool, got 1"),
        ({"access._denied": [["one"]]}, r"access._denied\[0\]: expected 2 elements, got 1"),
        ({"policies.exemptions": [{"scope": "", "name": "", "assignment_id": "", "expires": "2026"}]}, "ISO 8601"),
        (
            {"policies.exemptions": [{"scope": "", "name": "", "assignment_id": "", "expires": "2026-01-01T00:00:00"}]},
            "has no time zone",
        ),
        ({"store.subscriptions": []}, "store.subscriptions: expected an object"),
        ({"assessor.definitions": {"k": {"key": "k", "metadata": {"policyDefinitionId": "p"}}}}, "definitions.k: "),
    ],
)
def test_a_file_that_is_wrong_says_where(text: Any, problem: str, tmp_path: Path) -> None:
    """State files are edited by hand: a mistake is a typed error with a line or a path, never a crash later."""
    document = (
        text
        if isinstance(text, str)
        else json.dumps({"format": "defender-remediate simulator state", "version": 1, **text})
    )
    (tmp_path / "state.json").write_text(document, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=problem) as caught:
        ArmSimulator.load(tmp_path / "state.json")
    assert "state.json" in str(caught.value)
