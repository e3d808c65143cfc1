"""Files that Azure and its tools write, and recordings: they become resources, or the error says where they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

SUB = "/subscriptions/0a0a0a0a-0000-4000-8000-00000000000a"
GROUP = f"{SUB}/resourceGroups/g"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/one"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
NO_VERSIONS = {
    "value": [{"namespace": "Microsoft.Web", "resourceTypes": [{"resourceType": "sites", "apiVersions": []}]}]
}
HTTPS = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


def listed(**more: Any) -> dict[str, Any]:
    """A row of ``az resource list``."""
    usual = {"name": "one", "type": "Microsoft.Storage/storageAccounts", "location": "westeurope", "kind": "StorageV2"}
    tool = {"resourceGroup": "g", "createdTime": "2026-01-01T00:00:00+00:00", "properties": None, "plan": None}
    return {"id": ACCOUNT, **usual, **tool, **more}


def row(identifier: str, kind: str, **properties: Any) -> dict[str, Any]:
    """A row of Resource Graph."""
    place = {"name": identifier.rpartition("/")[2], "subscriptionId": SUB.rpartition("/")[2], "tenantId": "t"}
    return {"id": identifier, "type": kind, **place, "location": "westeurope", "properties": properties}


def added(
    tmp_path: Path, content: Any, name: str = "export.json", **options: Any
) -> tuple[ArmSimulator, tuple[str, ...]]:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text, encoding="utf-8")
    sim = ArmSimulator()
    return sim, sim.add_export(tmp_path / name, **options)


def test_a_list_without_properties_becomes_resources_with_those_of_new_ones(tmp_path: Path) -> None:
    """``az resource list`` shows no settings: the resources have the defaults of their type."""
    sim, ids = added(tmp_path, [listed()])
    assert ids == (ACCOUNT,)
    shown = sim.resources.get(ACCOUNT)
    assert (shown["kind"], shown["location"], "resourceGroup" in shown) == ("StorageV2", "westeurope", False)
    assert shown["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("form", ["az", "rest", "table", "csv"])
def test_resource_graph_rows_become_subscriptions_groups_resources_and_assessments(tmp_path: Path, form: str) -> None:
    """In each form in which Resource Graph answers, in any order, also of types that the simulator does not know."""
    assessment = f"{ACCOUNT}/providers/Microsoft.Security/assessments/"
    rows = [
        row(f"{assessment}{HTTPS}", "microsoft.security/assessments", status={"code": "Unhealthy"}),
        row(
            f"{assessment}0000aaaa-0000-4000-8000-000000000000",
            "microsoft.security/assessments",
            status={"code": "NotApplicable", "cause": "Exempt"},
            displayName="Of mine",
            resourceDetails={"source": "Azure"},
            metadata={"displayName": "Of mine", "severity": "Low"},
        ),
        row(ACCOUNT, "microsoft.storage/storageaccounts", supportsHttpsTrafficOnly=False),
        row(f"{GROUP}/providers/Unheard.Of/things/t", "unheard.of/things", a=[1]),
        row(GROUP, "microsoft.resources/subscriptions/resourcegroups", provisioningState="Succeeded"),
        {"id": SUB, "type": "microsoft.resources/subscriptions", "name": "Production", "properties": {}},
    ]
    content: Any = {"data": rows, "total_records": len(rows), "skip_token": None}
    if form == "rest":
        content = {"totalRecords": len(rows), "count": len(rows), "value": rows}
    elif form == "table":
        names = list(dict.fromkeys(name for one in rows for name in one))
        table = {
            "columns": [{"name": name} for name in names],
            "rows": [[one.get(name) for name in names] for one in rows],
        }
        content = {"totalRecords": len(rows), "data": table}
    elif form == "csv":
        names = ["ID", "TYPE", "NAME", "LOCATION", "PROPERTIES"]
        cells = [
            [one["id"], one["type"], one["name"], one.get("location", "null"), json.dumps(one["properties"])]
            for one in rows
        ]
        quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in [names, *cells]]
        content = "\n".join(quoted)
    sim, ids = added(tmp_path, content, "export.csv" if form == "csv" else "export.json")
    assert ids[0] == SUB
    assert len(ids) == len(rows)
    assert sim.resources.get(ACCOUNT)["properties"]["supportsHttpsTrafficOnly"] is False
    headers = {"Authorization": f"Bearer {sim.credential.token}"}
    with sim.open_session() as session:
        url = f"{sim.endpoint}{SUB}?api-version=2022-12-01"
        assert session.get(url, headers=headers).json()["displayName"] == "Production"
        url = f"{sim.endpoint}{GROUP}/providers/Microsoft.Security/assessments?api-version=2021-06-01"
        shown = {
            one["name"]: one["properties"]["status"]["code"]
            for one in session.get(url, headers=headers).json()["value"]
        }
    assert (shown[HTTPS], shown["0000aaaa-0000-4000-8000-000000000000"]) == ("Unhealthy", "NotApplicable")
    # The recommendation that the simulator knows goes on following its rule.
    sim.resources.edit(ACCOUNT, lambda body: body["properties"].update(supportsHttpsTrafficOnly=True))
    sim.clock.sleep(3600)
    with sim.open_session() as session:
        shown = {one["name"]: one["properties"]["status"]["code"] for one in session.get(url).json()["value"]}
    assert (shown[HTTPS], shown["0000aaaa-0000-4000-8000-000000000000"]) == ("Healthy", "NotApplicable")


def test_an_exported_template_becomes_resources(tmp_path: Path, ask: Any) -> None:
    """What one tenant exports another one takes, children included."""
    group = next(one for one in ask.sim.resources.list_ids("Microsoft.Storage/storageAccounts")).partition(
        "/providers/"
    )[0]
    options = {"resources": ["*"], "options": "IncludeParameterDefaultValue"}
    answer = ask("POST", f"{group}/exportTemplate?api-version=2021-04-01", json=options)
    while answer.status_code == 202:
        ask.sim.clock.sleep(60)
        answer = ask("GET", answer.headers["Location"])
    template = answer.json()["template"]
    sim, ids = added(tmp_path, template, resource_group=GROUP)
    assert len(ids) == len(template["resources"])
    for one in ids:
        assert sim.resources.get(one)["id"].startswith(GROUP)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            [{**listed(), "allowBlobPublicAccess": True}],
            r"\[0\]: 'allowBlobPublicAccess' is not a top-level member.*flattened",
        ),
        ([listed(), 1], r"\[1\]: expected an object, got 1"),
        ([{"name": "x"}], r"\[0\] has no id"),
        ([listed(properties="text")], r"\[0\].properties: expected an object"),
        ({"value": [listed()], "nextLink": "https://x"}, "1 of 1 rows, and the rest is on other pages"),
        ({"data": [listed()], "total_records": 5}, "1 of 5 rows"),
        (5, "must contain resources, got 5"),
        ("{", "not JSON.*line 1 column 2"),
        ({"$schema": "x", "contentVersion": "1", "resources": []}, "a template needs the resource group"),
        (
            [row(f"{ACCOUNT}/providers/Microsoft.Security/assessments/k", "microsoft.security/assessments")],
            "status.code",
        ),
        ([row(ACCOUNT, "microsoft.security/assessments", status={"code": "Healthy"})], "that of an assessment"),
        ([row(f"{GROUP}/providers/Microsoft.Storage", "x/y")], "needs the id of a resource"),
        (
            [row(f"{GROUP}/providers/Microsoft.Authorization/locks/l", "microsoft.authorization/locks")],
            "properties.level",
        ),
        (
            [
                row(
                    f"{SUB}/providers/Microsoft.Authorization/policyAssignments/p",
                    "microsoft.authorization/policyassignments",
                )
            ],
            "properties.policyDefinitionId",
        ),
    ],
)
def test_a_file_that_is_not_an_export_says_why(content: Any, problem: str, tmp_path: Path) -> None:
    """Nothing is taken silently: flattened output, lists with further pages, and rows that are no resources are refused."""
    with pytest.raises(InvalidInputError, match=problem):
        added(tmp_path, content)


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ({"resources": [{"type": "a"}]}, "required property 'name'"),
        ({"parameters": {"p": {"type": "string"}}, "resources": []}, "'p' is not provided"),
        ({"resources": [5]}, "the template cannot be read"),
    ],
)
def test_a_template_that_cannot_be_evaluated_says_why(template: Any, problem: str, tmp_path: Path) -> None:
    """An export without the values of its parameters is no set of resources."""
    with pytest.raises(InvalidInputError, match=problem):
        added(tmp_path, {"$schema": "x", "contentVersion": "1", **template}, resource_group=GROUP)


def test_a_cell_that_is_no_json_says_its_line(tmp_path: Path) -> None:
    """A damaged CSV is told by line."""
    with pytest.raises(InvalidInputError, match="line 2: a cell is not JSON"):
        added(tmp_path, f'id,properties\n{ACCOUNT},"{{"\n', "export.csv")


def test_a_recording_equals_the_subscription_with_other_ids(demo: ArmSimulator, tmp_path: Path) -> None:
    """One tenant is recorded from another: the same resources and assessments, and no id of a person or tenant."""
    real = demo.scopes[0].rpartition("/")[2]
    vault = next(one for one in demo.resources.list_ids("Microsoft.KeyVault/vaults", demo.scopes[0]))
    caller = "aaaaaaaa-0000-4000-8000-000000000001"  # of the simulator, which needs no other
    secret = {"tenantId": "5ec0de00-0000-4000-8000-000000000000", "adminPassword": "hunter2", "principalId": caller}
    demo.resources.edit(vault, lambda body: body["properties"].update(secret, owner="jo.doe@contoso.com"))
    demo.resources.add({"id": f"{demo.scopes[0]}/resourceGroups/x/providers/No.Get/things/t"}, ("2024-01-01",))
    demo.access.lock(vault, "CanNotDelete")
    hidden = demo.resources.list_ids("Microsoft.Storage/storageAccounts", demo.scopes[0])[0]
    demo.faults.fail("GET", f"{hidden}\\?", status=403, times=None)
    demo.faults.fail("GET", "securityContacts", status=403, times=None)
    made, left_out = ArmSimulator.record(demo.credential, real, transport=demo)
    assert all(request.method == "GET" for request in demo.requests)
    assert [line.rpartition(": ")[2] for line in left_out] == ["HTTP 403", "HTTP 403"]
    made.save(tmp_path / "recorded.json")
    text = (tmp_path / "recorded.json").read_text(encoding="utf-8")
    for word in (real, "5ec0de00", "hunter2", "jo.doe"):
        assert word not in text
    loaded = ArmSimulator.load(tmp_path / "recorded.json")
    assert len(loaded.scopes) == 1
    with loaded.open_session() as session:
        place = vault.replace(real, loaded.scopes[0].rpartition("/")[2])
        removed = session.delete(f"{loaded.endpoint}{place}?api-version=2024-11-01")
    assert removed.json()["error"]["code"] == "ScopeLocked"
    kept = demo.resources.list_ids("Microsoft.Web/sites", demo.scopes[0])
    assert kept
    assert loaded.resources.list_ids("Microsoft.Web/sites") == tuple(
        one.replace(real, loaded.scopes[0].rpartition("/")[2]) for one in kept
    )
    with pytest.raises(InvalidInputError, match="must be a GUID"):
        ArmSimulator.record(demo.credential, "production", transport=demo)


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        ("assessmentMetadata", {"value": [], "nextLink": "https://evil.example/next"}, "ServiceResponseError"),
        ("pricings", {"value": [], "nextLink": "https://management.azure.com/pricings"}, "ServiceResponseError"),
        ("vaults/[^/?]*\\?", [], "ServiceResponseError"),
        ("vaults/[^/?]*\\?", {"id": "/odd", "properties": {}}, "the body needs the id of a resource"),
        ("providers\\?", NO_VERSIONS, "no api-version of its type is known"),
    ],
)
def test_a_recording_leaves_out_what_cannot_be_read(demo: ArmSimulator, path: str, answer: Any, reason: str) -> None:
    """Foreign links, pages that repeat, bodies that are no resources, and types without api-versions: each is named, and the rest is kept."""
    demo.faults.fail("GET", path, status=200, body=answer, times=None)
    made, left_out = ArmSimulator.record(demo.credential, demo.scopes[0].rpartition("/")[2], transport=demo)
    assert any(reason in line for line in left_out), left_out
    assert len(made.scopes) == 1


def test_one_resource_as_the_rest_api_shows_it_is_an_export(tmp_path: Path) -> None:
    """The output of ``az resource show`` or ``az rest``."""
    _, ids = added(tmp_path, {"id": ACCOUNT, "location": "westeurope", "properties": {}})
    assert ids == (ACCOUNT,)
