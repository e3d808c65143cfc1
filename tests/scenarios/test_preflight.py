"""What is found before a change, what it means for the plan, and how one call goes past it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from defender_remediate import (
    CheckResult,
    FileJournal,
    MemoryJournal,
    Outcome,
    RemediationClient,
    RemediationPlan,
    SkipReason,
)
from defender_remediate.errors import InvalidInputError, RemediationFailedError
from defender_remediate.journal import replay
from defender_remediate.models import CheckStatus
from defender_remediate.preflight import CheckReader, StepFacts, Subject
from defender_remediate.reports import to_html, to_markdown
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
WRITE = "Microsoft.Storage/storageAccounts/write"


def group_of(resource: str) -> str:
    return resource.partition("/providers/")[0]


def found_in(plan: RemediationPlan, resource: str) -> list[tuple[str, CheckStatus]]:
    """What the checks found about a resource."""
    return [(finding.check, finding.status) for at, finding in plan.check_results if at == resource]


def only(plan: RemediationPlan) -> CheckResult:
    """The one thing that was found."""
    ((_, finding),) = plan.check_results
    return finding


Obstacle = Callable[[ArmSimulator, str], object]
OBSTACLES: dict[str, tuple[Obstacle, str, CheckStatus]] = {
    "lock": (lambda sim, at: sim.access.lock(group_of(at)), "lock", CheckStatus.BLOCKED),
    "role": (lambda sim, at: sim.access.deny(WRITE, group_of(at)), "permission", CheckStatus.BLOCKED),
    "deny_assignment": (
        lambda sim, at: sim.access.add_deny_assignment(("*/write",), group_of(at)),
        "deny_assignment",
        CheckStatus.BLOCKED,
    ),
    "policy": (
        lambda sim, at: sim.access.assign_policy(group_of(at), path="properties.supportsHttpsTrafficOnly", equals=True),
        "policy",
        CheckStatus.BLOCKED,
    ),
    "exemption": (lambda sim, at: sim.access.exempt(at), "exemption", CheckStatus.BLOCKED),
    "disabled": (
        lambda sim, at: sim.resources.set_subscription_state(at, "Disabled"),
        "subscription",
        CheckStatus.BLOCKED,
    ),
    "past due": (
        lambda sim, at: sim.resources.set_subscription_state(at, "PastDue"),
        "subscription",
        CheckStatus.WARNING,
    ),
    "unregistered": (
        lambda sim, at: sim.resources.unregister_provider(at, "Microsoft.Storage"),
        "resource_provider",
        CheckStatus.BLOCKED,
    ),
    "owned": (
        lambda sim, at: sim.resources.edit(
            at, lambda body: body.setdefault("tags", {}).update({"managed-by": "terraform"})
        ),
        "ownership",
        CheckStatus.WARNING,
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_each_obstacle_is_found_before_anything_is_sent(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], name: str
) -> None:
    """A blocked resource is skipped with the evidence and advice; a warning stays on the step; nothing is written."""
    create, check, verdict = OBSTACLES[name]
    create(sim, accounts[0])
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert found_in(plan, accounts[0]) == [(check, verdict)]
    finding = only(plan)
    assert finding.evidence
    assert finding.advice
    if verdict is CheckStatus.BLOCKED:
        assert plan.steps == ()
        assert plan.skipped[0].reason is SkipReason.BLOCKED
        assert finding.advice in plan.skipped[0].message
    else:
        assert plan.steps[0].check_results == plan.steps[0].check_results
        assert plan.skipped == ()
    assert not sim.writes


@pytest.mark.parametrize("name", ["lock", "role", "deny_assignment", "policy", "disabled", "unregistered"])
def test_what_blocks_is_what_azure_would_have_refused(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], name: str
) -> None:
    """Waived, the same change is sent, and Azure blocks it for the same reason."""
    OBSTACLES[name][0](sim, accounts[0])
    check = OBSTACLES[name][1]
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1], waive={check: "let us see"})
    (result,) = client.apply(plan, approve=plan.digest).results
    assert result.outcome is Outcome.BLOCKED
    assert not sim.writes


def test_a_lock_stops_what_is_below_it_and_nothing_else(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The rest of the plan goes on."""
    sim.access.lock(group_of(accounts[0]))
    below = {account for account in accounts if account.startswith(f"{group_of(accounts[0])}/")}
    plan = client.plan([SECURE_TRANSFER])
    assert {skip.resource_id for skip in plan.skipped} == below
    assert {step.resource_id for step in plan.steps} == set(accounts) - below


def test_an_exemption_that_has_ended_is_ignored(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """An exemption that was deleted is ignored as well."""
    exemption = sim.access.exempt(accounts[0])
    sim.access.end_exemption(exemption)
    assert client.plan([SECURE_TRANSFER], resources=accounts[:1]).check_results == ()


def test_a_deny_policy_that_does_not_look_at_the_change_is_asked_and_passes(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Equal accounts are asked about once, audits not at all."""
    sim.access.assign_policy(group_of(accounts[0]), path="properties.supportsHttpsTrafficOnly", equals=False)
    sim.requests.clear()
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert len(plan.steps) == 1
    assert sum("checkPolicyRestrictions" in request.path for request in sim.requests) == 1


def test_the_last_door_stays_open_until_there_is_another_one(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A firewall that lets no one in blocks; with an approved private endpoint it is planned."""
    blocked = client.plan([FIREWALL], resources=accounts[:1])
    assert found_in(blocked, accounts[0]) == [("private_endpoint", CheckStatus.BLOCKED)]
    sim.resources.add_private_endpoint(accounts[0], status="Pending")
    assert client.plan([FIREWALL], resources=accounts[:1]).steps == ()
    sim.resources.add_private_endpoint(accounts[0], name="approved")
    assert len(client.plan([FIREWALL], resources=accounts[:1]).steps) == 1


def test_a_function_app_is_not_cut_off_from_its_storage(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The containers reveal the function app; a change that affects neither network nor keys is not checked for it."""
    sim.resources.add_function_app(f"{group_of(accounts[0])}/providers/Microsoft.Web/sites/func-orders", accounts[0])
    sim.resources.add_private_endpoint(accounts[0])
    plan = client.plan([FIREWALL], resources=accounts[:1])
    assert found_in(plan, accounts[0]) == [("function_app", CheckStatus.BLOCKED)]
    assert "container azure-webjobs-hosts" in str(plan)
    assert client.plan([SECURE_TRANSFER], resources=accounts[:1]).check_results == ()


def test_a_check_that_could_not_be_made_stops_the_step(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """It is told as what it is, and can be waived like anything else."""
    sim.faults.fail("GET", "/locks", status=403, code="AuthorizationFailed", times=None)
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert [skip.reason for skip in plan.skipped] == [SkipReason.UNCHECKED]
    assert "the lock check could not be made: 403 AuthorizationFailed" in str(plan)
    waived = client.plan([SECURE_TRANSFER], resources=accounts[:1], waive={"lock": "we have none"})
    assert [finding.status for finding in waived.steps[0].check_results] == [CheckStatus.WAIVED]
    assert (
        waived.digest == client.plan([SECURE_TRANSFER], resources=accounts[:1], waive={"lock": "we have none"}).digest
    )


def test_a_place_without_the_feature_cannot_block_by_it(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The step stays in the plan, and says what no one looked at."""
    sim.faults.fail("GET", "/denyAssignments", status=404, code="", times=None)
    plan = client.plan([SECURE_TRANSFER], resources=accounts)
    assert {step.resource_id for step in plan.steps} == set(accounts)
    assert {(finding.check, finding.status) for _, finding in plan.check_results} == {
        ("deny_assignment", CheckStatus.WARNING)
    }
    text = plan.details()
    assert text.count("the deny assignment check could not be made: this endpoint does not support it") == 1
    evidence = next(line for line in text.splitlines() if line.strip().startswith("evidence: "))
    assert evidence.count("GET ") == 2, "one for each subscription"


def test_a_waiver_is_in_the_plan_its_digest_and_the_journal(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], tmp_path: Any
) -> None:
    """The approver of the plan and a later reader of the journal see the reason."""
    journal = FileJournal(tmp_path)
    client = connect(journal=journal)
    waive = {"private_endpoint": "CHG-4711: no one uses it"}
    plan = client.plan([FIREWALL], resources=accounts[:1], waive=waive)
    (finding,) = [found for found in plan.steps[0].check_results if found.check != "live_use"]
    assert (finding.status, finding.waived_because) == (CheckStatus.WAIVED, "CHG-4711: no one uses it")
    assert "private endpoint waived" in str(plan)
    assert "CHG-4711: no one uses it" in str(plan)
    other = client.plan([FIREWALL], resources=accounts[:1], waive={"private_endpoint": "another reason"})
    assert other.digest != plan.digest
    assert RemediationPlan.from_json(plan.to_json()) == plan
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    assert replay(journal.read(report.run_id)).opened.plan.steps[0].check_results == plan.steps[0].check_results


@pytest.mark.parametrize(
    "wrong", [{"private-endpoint": "why"}, {"window": "why"}, {"lock": ""}, {"lock": None}, ["lock"]]
)
def test_a_wrong_waiver_is_refused_before_any_request(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], wrong: Any
) -> None:
    """This holds for a plan and for the plan of a rollback: guards are waived when a plan is applied."""
    sim.requests.clear()
    with pytest.raises(InvalidInputError):
        client.plan([SECURE_TRANSFER], waive=wrong)
    with pytest.raises(InvalidInputError):
        client.plan_rollback("run", waive=wrong)
    assert sim.requests == []


@pytest.mark.parametrize("wrong", [{"private-endpoint": "why"}, {"lock": ""}, {"window": " "}, ["lock"]])
def test_a_wrong_waiver_of_the_button_is_refused_before_any_request(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], wrong: Any
) -> None:
    """Checks and guards are in one mapping there."""
    sim.requests.clear()
    with pytest.raises(InvalidInputError):
        client.fix(FIREWALL, resources=accounts[:1], waive=wrong)
    with pytest.raises(InvalidInputError):
        client.rollback("run", waive=wrong)
    assert sim.requests == []


def test_the_button_takes_waivers_of_checks_and_guards(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """A resource that a check blocked is not a success."""
    client = connect(journal=MemoryJournal())
    blocked = client.fix(FIREWALL, resources=accounts[:1])
    assert [result.outcome for result in blocked] == [Outcome.BLOCKED]
    with pytest.raises(RemediationFailedError, match="checks kept 1 resource out of the plan"):
        blocked.raise_for_failures()
    waive = {"private_endpoint": "it is a test", "max_changes": "one is not many"}
    client.fix(FIREWALL, resources=accounts[:1], waive=waive).raise_for_failures()
    assert len(sim.writes) == 1


def test_the_way_back_is_checked_as_well(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """A lock that was created since blocks the rollback. An exemption does not, because a rollback is not a fix."""
    client = connect(journal=MemoryJournal())
    run = client.fix(SECURE_TRANSFER, resources=accounts[:1]).run_id
    sim.access.exempt(accounts[0])
    sim.access.lock(accounts[0])
    plan = client.plan_rollback(run)
    assert found_in(plan, accounts[0]) == [("lock", CheckStatus.BLOCKED)]
    assert plan.steps == ()
    waived = client.plan_rollback(run, waive={"lock": "it goes away"})
    assert waived.steps[0].check_results[0].status is CheckStatus.WAIVED
    sim.access.unlock(accounts[0])
    client.rollback(run, waive={"lock": "it went away", "window": "now"}).raise_for_failures()
    assert sim.resources.get(accounts[0])["properties"]["supportsHttpsTrafficOnly"] is False


def test_a_deployment_needs_its_permissions_where_it_links_to(sim: ArmSimulator, client: RemediationClient) -> None:
    """The workspace belongs to another team: the result names the missing permission and its scope."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    parameters = {"workspace_id": workspace}
    assert {finding.status for _, finding in client.plan([KEY_VAULT_LOGS], parameters=parameters).check_results} <= {
        CheckStatus.WARNING
    }
    sim.access.lock(sim.scopes[0], level="CanNotDelete")
    plan = client.plan([KEY_VAULT_LOGS], parameters=parameters)
    assert any(finding.check == "lock" for step in plan.steps for finding in step.check_results)


class ChangeTag:
    """A check of a caller's own: every resource needs a tag with a change number, which a file of approvals lists."""

    name = "change_tag"
    permissions = ("Microsoft.Resources/tags/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[Any]:
        """The tags of each resource."""
        path = "/providers/Microsoft.Resources/tags/default"
        return reader.for_each(
            subjects, lambda subject: reader.get(f"{subject.step.resource_id}{path}", api_versions=["2021-04-01"])
        )

    def judge(self, subject: Subject, facts: StepFacts[Any]) -> Iterator[CheckResult]:
        if "change" not in facts[subject]["properties"]["tags"]:
            yield CheckResult(check=self.name, status="blocked", message="it has no change number", advice="add one")


def test_a_client_makes_a_check_of_its_own(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Beside the built-in ones: it is waived by its name, and a defective one stops its steps and nothing else."""
    sim.faults.fail("GET", "/tags/default", status=200, body={"properties": {"tags": {}}}, times=None)
    client = connect(checks=[ChangeTag()])
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert found_in(plan, accounts[0]) == [("change_tag", CheckStatus.BLOCKED)]
    waived = client.plan([SECURE_TRANSFER], resources=accounts[:1], waive={"change_tag": "an emergency"})
    assert [found.status for found in waived.steps[0].check_results] == [CheckStatus.WAIVED]
    assert RemediationPlan.from_json(waived.to_json()) == waived
    client.apply(waived, approve=waived.digest).raise_for_failures()
    sim.faults.clear()
    sim.faults.fail("GET", "/tags/default", status=200, body={"properties": {}}, times=None)
    (unchecked,) = client.plan([SECURE_TRANSFER], resources=accounts[1:2]).skipped
    assert "KeyError: 'tags'" in unchecked.message
    with pytest.raises(InvalidInputError, match="not a check"):
        connect(checks=[ChangeTag])


def test_a_parameter_that_does_not_exist_is_named(sim: ArmSimulator, client: RemediationClient) -> None:
    """The parameter and its value, whether its group exists or not; nothing is said of waiving a permission."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    for missing in (f"{workspace}2", workspace.replace("/resourceGroups/", "/resourceGroups/no-")):
        plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": missing})
        assert plan.steps == ()
        results = [result for skip in plan.skipped for result in skip.check_results]
        assert {result.status for result in results if result.check == "parameter"} == {CheckStatus.BLOCKED}
        assert f"'workspace_id' names a resource that does not exist: {missing}" in plan.details()
        assert "waive" not in str(plan) + plan.details()


def test_file_shares_stop_the_keys_from_being_switched_off(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Content shares of function apps and mounts use them."""
    for account in accounts:
        sim.resources.add({"id": f"{account}/fileServices/default/shares/content", "properties": {}})
        sim.resources.add_private_endpoint(account)
    plan = client.plan([FIREWALL], resources=accounts[:1])
    assert ("storage_use", CheckStatus.BLOCKED) in found_in(plan, accounts[0])
    assert "file share content" in str(plan)


def test_what_many_share_is_told_once(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """On paper, on a page, and in the terminal: the finding, and below it the resources."""
    for account in accounts:
        sim.resources.edit(account, lambda body: body.setdefault("tags", {}).update(terraform="yes"))
    plan = client.plan([SECURE_TRANSFER, FIREWALL], resources=accounts)
    for text in (str(plan), to_markdown(plan), to_html(plan)):
        assert text.count("change it in the Terraform code") == 1
        assert text.count("first create a private endpoint and have it approved") >= 1


def test_a_plan_costs_few_reads_more(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Per subscription eight, three for each resource group, and one for who wrote last; state and tenant are one read.

    The score takes the controls and the score of each subscription in scope, and the metadata once.
    """
    sim.requests.clear()
    plan = client.plan([SECURE_TRANSFER])
    subscriptions = {account.split("/")[2] for account in accounts}
    groups = {group_of(account) for account in accounts}
    assessments = len(sim.scopes)
    assert len(plan.steps) == len(accounts)
    assert (
        len(sim.requests)
        == assessments + len(accounts) + 8 * len(subscriptions) + 3 * len(groups) + 1 + 2 * len(sim.scopes) + 1
    )


def test_many_that_one_thing_stops_are_told_together(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Each lock is evidence of one account only, and a screen shows a few of them; the plan has them all."""
    for account in accounts:
        sim.access.lock(account)
    plan = client.plan([SECURE_TRANSFER])
    text = plan.details()
    assert f"and {len(accounts) - 4} more" in str(plan)
    assert len(accounts) > 5
    assert text.count("a lock (ReadOnly) forbids writes") == 1
    assert f"and {len(accounts) - 4} more" in text
    assert text.count("/locks/") == 4
    assert all(f"    {account}: {plan.skipped[0].titles[0]}" in text.splitlines() for account in accounts)
    assert len({finding.evidence for _, finding in plan.check_results}) == len(accounts)
