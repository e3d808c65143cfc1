"""Going back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, Guards, MemoryJournal, Outcome, RemediationClient, SkipReason
from defender_remediate.errors import GuardError, InvalidInputError, UnknownRunError
from defender_remediate.models import ABSENT
from defender_remediate.reports import to_markdown
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_ACCESS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
MINIMUM_TLS = "54bb9d74-fb09-c933-8249-91d5b36310c3"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
FTP_BASIC_AUTH = "56d42cec-3359-c1a2-f3f2-fea2232edc64"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
CORS = "df4d1739-47f0-60c7-1706-3731fea6ab03"
PURGE_PROTECTION = "4ed62ae4-5072-f9e7-8d94-51c76c48159a"
UNUSED = {"private_endpoint": "this tenant is not in use"}


@pytest.fixture
def client(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client whose runs are kept in memory."""
    guards = Guards(max_changes=200, allow_irreversible=[PURGE_PROTECTION])
    return connect(journal=MemoryJournal(), guards=guards)


@pytest.mark.parametrize("key", [SECURE_TRANSFER, PUBLIC_ACCESS, MINIMUM_TLS, FIREWALL, FTP_BASIC_AUTH])
def test_a_run_is_undone_exactly(sim: ArmSimulator, client: RemediationClient, key: str) -> None:
    """By PATCH and by PUT: every target is what it was."""
    plan = client.plan([key], waive=UNUSED)
    before = {step.target_id: sim.resources.get(step.target_id) for step in plan.steps}
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    back = client.rollback(report.run_id)
    back.raise_for_failures()
    assert back.count(Outcome.ROLLED_BACK) == len(plan.steps) > 0
    assert {target: sim.resources.get(target) for target in before} == before


def test_everything_with_a_way_back_goes_back(sim: ArmSimulator, client: RemediationClient) -> None:
    """And what has none says so: templates and the irreversible are left as they are, by name."""
    parameters = {
        "workspace_id": sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0],
        "allowed_origins": ["https://shop.contoso.example"],
        "authorized_ip_ranges": ["203.0.113.0/24"],
    }
    plan = client.plan(parameters=parameters, waive=UNUSED)
    exact = [step for step in plan.steps if step.undo_request is not None]
    before = {step.target_id: sim.resources.get(step.target_id) for step in exact}
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    undo = client.plan_rollback(report.run_id)
    assert {step.target_id for step in undo.steps} == set(before)
    assert {skip.reason for skip in undo.skipped} == {SkipReason.NO_UNDO}
    assert len(undo.skipped) == len(plan.steps) - len(exact)
    assert {skip.message for skip in undo.skipped} == {
        "what the step created is removed only when you name it in remove=[...]",
        "the fix is irreversible",
    }
    assert f"Rollback plan for run {report.run_id}" in str(undo)
    assert to_markdown(undo).startswith(f"# Rollback plan for run {report.run_id}")
    client.apply(undo, approve=undo.digest).raise_for_failures()
    now = {target: sim.resources.get(target) for target in before}
    for body in (*before.values(), *now.values()):
        body.pop("etag", None)
        body.pop("eTag", None)
    by_default = {step.target_id for step in exact if any(change.before is ABSENT for change in step.changes)}
    assert {target for target in before if now[target] != before[target]} <= by_default


def test_a_third_partys_edit_survives_and_is_named(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Members that someone changed since the run are preserved; the others are restored."""
    one = {found.resource_id for found in client.list_assessments(PUBLIC_ACCESS, status="Unhealthy")}
    shared = min(one & set(accounts))
    report = client.fix(SECURE_TRANSFER, resources=accounts)
    both = client.fix(PUBLIC_ACCESS, resources=[shared])
    assert both.count("applied") == 1
    sim.resources.edit(shared, lambda body: body["tags"].update(owner="them"))
    sim.resources.edit(accounts[-1], lambda body: body["properties"].update(supportsHttpsTrafficOnly="theirs"))
    undo = client.plan_rollback(report.run_id)
    left = {skip.resource_id: skip for skip in undo.skipped}
    assert left[accounts[-1]].reason is SkipReason.CHANGED_SINCE
    assert "properties.supportsHttpsTrafficOnly" in left[accounts[-1]].message
    client.apply(undo, approve=undo.digest).raise_for_failures()
    body = sim.resources.get(shared)
    assert body["properties"]["supportsHttpsTrafficOnly"] is False
    assert body["properties"]["allowBlobPublicAccess"] is False
    assert body["tags"]["owner"] == "them"


def test_part_of_a_step_goes_back_when_somebody_changed_the_rest(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Member by member, and the plan names what stays."""
    one = {found.resource_id for found in client.list_assessments(PUBLIC_ACCESS, status="Unhealthy")}
    shared = min(one & set(accounts))
    plan = client.plan([SECURE_TRANSFER, PUBLIC_ACCESS], resources=[shared])
    report = client.apply(plan, approve=plan.digest)
    sim.resources.edit(shared, lambda body: body["properties"].update(allowBlobPublicAccess="theirs"))
    undo = client.plan_rollback(report.run_id)
    assert undo.steps[0].preserved == ("properties.allowBlobPublicAccess",)
    assert "preserved: it changed after the run" in str(undo)
    assert re.search(r"properties.allowBlobPublicAccess\W+preserved: it changed", to_markdown(undo))
    client.apply(undo, approve=undo.digest).raise_for_failures()
    properties = sim.resources.get(shared)["properties"]
    assert properties["supportsHttpsTrafficOnly"] is False
    assert properties["allowBlobPublicAccess"] == "theirs"


def test_single_steps_go_back(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """The others stay; an unknown step is an error."""
    report = client.fix(SECURE_TRANSFER, resources=accounts)
    chosen = report.results[2]
    back = client.rollback(report.run_id, steps=[chosen.step_id])
    assert [result.resource_id for result in back] == [chosen.resource_id]
    assert sim.resources.get(chosen.resource_id)["properties"]["supportsHttpsTrafficOnly"] is False
    assert sim.resources.get(report.results[0].resource_id)["properties"]["supportsHttpsTrafficOnly"] is True
    with pytest.raises(InvalidInputError, match="no step 'x'"):
        client.plan_rollback(report.run_id, steps=["x"])
    with pytest.raises(UnknownRunError):
        client.plan_rollback("00000000-0000-4000-8000-000000000000")


def test_a_rollback_is_a_run_like_any_other(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Twice changes nothing more, and a rollback can be rolled back."""
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    back = client.rollback(report.run_id)
    assert back.run_id != report.run_id
    again = client.plan_rollback(report.run_id)
    assert {skip.reason for skip in again.skipped} == {SkipReason.NOTHING_TO_RESTORE}
    forth = client.rollback(back.run_id)
    impacts = [run.plan.steps[0].impact_reason for run in (report, back, forth)]
    assert impacts == [impacts[0], f"undoes: {impacts[0]}", impacts[0]]
    assert forth.count(Outcome.ROLLED_BACK) == 2
    assert all(sim.resources.get(account)["properties"]["supportsHttpsTrafficOnly"] for account in accounts[:2])


def test_what_was_not_sent_or_is_gone_is_left_out(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Each with its reason."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:4])
    sim.resources.edit(accounts[0], lambda body: body["properties"].update(supportsHttpsTrafficOnly=None))
    report = client.apply(plan, approve=plan.digest)
    sim.resources.remove(accounts[1])
    sim.faults.fail("GET", f"{accounts[2].rpartition('/')[2]}[?]", status=403, code="AuthorizationFailed", times=None)
    undo = client.plan_rollback(report.run_id)
    assert {skip.resource_id: skip.reason for skip in undo.skipped} == {
        accounts[0]: SkipReason.NOT_APPLIED,
        accounts[1]: SkipReason.NOT_FOUND,
        accounts[2]: SkipReason.NOT_READABLE,
    }
    assert str(undo.skipped[1].message) == "the target does not exist any more"
    assert [step.resource_id for step in undo.steps] == [accounts[3]]


def test_a_rollback_keeps_to_the_guards(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """It may go beyond one that is waived, with a reason that the journal keeps."""
    journal = MemoryJournal()
    wide = connect(journal=journal)
    plan = wide.plan([SECURE_TRANSFER])
    report = wide.apply(plan, approve=plan.digest)
    narrow = connect(journal=journal, guards=Guards(max_changes=1))
    with pytest.raises(GuardError, match="max_changes"):
        narrow.rollback(report.run_id)
    back = narrow.rollback(report.run_id, waive={"max_changes": "CHG-77: all of it has to go back"})
    assert back.count(Outcome.ROLLED_BACK) == len(plan.steps)
    opened: Any = journal.read(back.run_id)[0]
    assert opened.waivers == ("max_changes: CHG-77: all of it has to go back",)
    assert (opened.kind, opened.rolls_back) == ("rollback", report.run_id)


def test_a_text_with_a_secret_in_it_is_never_put_back_without_the_secret(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """The journal keeps the text around it, which is not what was there."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    own = attrs.evolve(
        fix, body={"properties": {"supportsHttpsTrafficOnly": True}, "tags": {"note": "none"}}, array_strategies={}
    )
    sim.resources.edit(accounts[0], lambda body: body["tags"].update(note="see Endpoint=x;AccountKey=planted-S3CR3T;y"))
    client = connect(journal=MemoryJournal(), catalog=Catalog.bundled().with_fixes(own))
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    undo = client.plan_rollback(report.run_id)
    assert undo.steps[0].preserved == ("tags.note",)
    client.apply(undo, approve=undo.digest).raise_for_failures()
    body = sim.resources.get(accounts[0])
    assert (body["properties"]["supportsHttpsTrafficOnly"], body["tags"]["note"]) == (False, "none")


def with_lists(**more: Any) -> Catalog:
    """A catalog whose fix of an account adds to an array, to an object that may be missing, and to the tags."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    body = {
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"ipRules": [{"value": "203.0.113.1", "action": "Allow"}]},
        },
        "tags": {"reviewed": "yes"},
    }
    return Catalog.bundled().with_fixes(attrs.evolve(fix, body=body, **more))


RULES = [{"value": "198.51.100.7", "action": "Allow"}, {"value": "192.0.2.1", "action": "Allow"}]


def test_arrays_and_tags_go_back_to_the_last_element(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """In their order; what the fix found in them was kept, and what it added goes.

    Azure does not take an object out on a null, so one that was not there has its defaults afterwards: no rules, all allowed.
    """
    sim.resources.edit(accounts[0], lambda body: body["properties"].update(networkAcls={"ipRules": RULES}))
    sim.resources.edit(accounts[1], lambda body: body["properties"].pop("networkAcls", None))
    before = [sim.resources.get(account) for account in accounts[:2]]
    client = connect(journal=MemoryJournal(), catalog=with_lists())
    report = client.fix(SECURE_TRANSFER, resources=accounts[:2])
    assert len(sim.resources.get(accounts[0])["properties"]["networkAcls"]["ipRules"]) == 3
    client.rollback(report.run_id).raise_for_failures()
    defaults = {"bypass": "AzureServices", "defaultAction": "Allow", "virtualNetworkRules": [], "ipRules": []}
    before[1]["properties"]["networkAcls"] = defaults
    assert [sim.resources.get(account) for account in accounts[:2]] == before


def test_an_array_that_somebody_added_to_is_theirs_and_so_is_their_tag(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """An array counts as one value; a tag of ours goes, one of theirs stays, although Azure takes tags whole."""

    def edit(body: dict[str, Any]) -> None:
        body["properties"]["networkAcls"]["ipRules"].append({"value": "192.0.2.99", "action": "Allow"})
        body["tags"]["owner"] = "them"

    sim.resources.edit(accounts[0], lambda body: body["properties"].update(networkAcls={"ipRules": RULES}))
    tags = sim.resources.get(accounts[0])["tags"]
    client = connect(journal=MemoryJournal(), catalog=with_lists())
    report = client.fix(SECURE_TRANSFER, resources=accounts[:1])
    sim.resources.edit(accounts[0], edit)
    undo = client.plan_rollback(report.run_id)
    assert undo.steps[0].preserved == ("properties.networkAcls.ipRules",)
    client.apply(undo, approve=undo.digest).raise_for_failures()
    body = sim.resources.get(accounts[0])
    assert [rule["value"][-2:] for rule in body["properties"]["networkAcls"]["ipRules"]] == [".7", ".1", ".1", "99"]
    assert (body["tags"], body["properties"]["supportsHttpsTrafficOnly"]) == ({**tags, "owner": "them"}, False)


def test_child_configuration_goes_back_where_it_was_read(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Site configuration is not on the site: the child is compared and restored, and the rest of it stays theirs."""
    client = connect(journal=MemoryJournal())
    plan = client.plan([CORS], parameters={"allowed_origins": ["https://shop.contoso.example"]})
    before = {step.target_id: sim.resources.get(step.target_id) for step in plan.steps}
    assert all(target.endswith("/config/web") for target in before)
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    for target in before:
        sim.resources.edit(target, lambda body: body["properties"].update(http20Enabled="theirs"))
    back = client.rollback(report.run_id)
    assert back.count(Outcome.ROLLED_BACK) == len(before) > 0
    for target, body in before.items():
        body["properties"]["http20Enabled"] = "theirs"
        assert sim.resources.get(target) == body


def test_a_conditional_rollback_says_what_it_depends_on(
    connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """The plan says so before anything is done, and so does the plan of the rollback."""
    client = connect(journal=MemoryJournal(), catalog=with_lists(reversibility="conditional"))
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    report = client.apply(plan, approve=plan.digest)
    for told in (plan, client.plan_rollback(report.run_id)):
        assert "conditional (changed settings are restored, their effects in the meantime may remain)" in " ".join(
            str(told).split()
        )
        assert "conditional (changed settings are restored" in to_markdown(told)


def test_what_a_rollback_cannot_restore_is_said_before_and_after(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Two members that were not set: one has a known default, the other keeps its value, whatever else happens."""
    account = accounts[0]
    names = ("allowSharedKeyAccess", "allowBlobPublicAccess")
    sim.resources.edit(account, lambda body: [body["properties"].pop(name, None) for name in names])
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    body = {"properties": {"supportsHttpsTrafficOnly": True, **dict.fromkeys(names, False)}}
    catalog = Catalog.bundled().with_fixes(attrs.evolve(fix, body=body, impact_reason=None))
    client = connect(journal=MemoryJournal(), catalog=catalog)
    plan = client.plan([SECURE_TRANSFER], resources=[account], waive=UNUSED)
    assert "allowBlobPublicAccess was not set before and its default is not known" in str(plan.steps[0].undo_condition)
    report = client.apply(plan, approve=plan.digest)
    undo = client.plan_rollback(report.run_id)
    assert undo.steps[0].preserved == ("properties.allowBlobPublicAccess",)
    assert undo.steps[0].request.body == {
        "properties": {"supportsHttpsTrafficOnly": False, "allowSharedKeyAccess": True}
    }
    sim.resources.edit(
        account,
        lambda body: body["properties"].update(supportsHttpsTrafficOnly="theirs", allowSharedKeyAccess="theirs"),
    )
    (skip,) = client.plan_rollback(report.run_id).skipped
    assert "properties.allowSharedKeyAccess was changed since" in skip.message
    assert "properties.allowBlobPublicAccess was not set before" in skip.message
