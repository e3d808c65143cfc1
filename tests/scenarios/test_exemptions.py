"""Exemptions and attestations on both of Azure's APIs: listed, planned, approved, applied, rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from defender_remediate import RemediationClient, RemediationPlan, RemediationReport
from defender_remediate.errors import (
    CallTimeoutError,
    InvalidInputError,
    InvalidResourceIdError,
    PlanAlteredError,
    PlanError,
    UnknownRecommendationError,
)
from defender_remediate.exemptions import VulnerabilityRule
from defender_remediate.fixes.decisions import is_decision
from defender_remediate.models import (
    Assessment,
    AttestationEvidence,
    Exemption,
    ExemptionApi,
    PlannedRequest,
    SkipReason,
)
from defender_remediate.preflight import CheckReader
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.defender.exemptions import StandardAssignment
from defender_remediate.verification.exemptions import exemption_finder

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_ACCESS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
NO_POLICY = "aaaaaaaa-0000-4000-8000-000000000001"
MANUAL = "aaaaaaaa-0000-4000-8000-000000000002"
STORAGE = "Microsoft.Storage/storageAccounts"
PROOF = AttestationEvidence(description="the audit of May", url="https://contoso.example/audit")


@pytest.fixture
def sim() -> ArmSimulator:
    """The demo tenant, with a recommendation without a policy and a manual one."""
    made = ArmSimulator.demo()
    rule = {"path": "properties.supportsHttpsTrafficOnly", "equals": "never"}
    for key, kind in ((NO_POLICY, "BuiltIn"), (MANUAL, "ManualBuiltIn")):
        metadata = {"displayName": f"Check {kind}", "severity": "High", "assessmentType": kind}
        made.defender.add_recommendation(metadata, key=key, resource_type=STORAGE, rule=rule)
    return made


def terms(sim: ArmSimulator, days: int = 90, **more: Any) -> dict[str, Any]:
    """What has to be said of every exemption."""
    expires = sim.clock.now() + timedelta(days=days)
    return {"reason": "an old printer, gone in June", "owner": "ops@contoso.example", "expires": expires, **more}


def applied(client: RemediationClient, plan: RemediationPlan) -> RemediationReport:
    """The report of a plan that is approved and succeeds."""
    report = client.apply(plan, approve=plan.digest)
    report.raise_for_failures()
    return report


def status_of(client: RemediationClient, key: str, resource: str) -> str:
    """What Defender reports."""
    found = next(one for one in client.list_assessments(key) if one.resource_id == resource)
    return f"{found.status} {found.cause or ''}".strip()


def own(client: RemediationClient) -> list[Exemption]:
    """The exemptions that this library made."""
    return [one for one in client.exemptions.list_exemptions() if one.owner]


def test_a_recommendation_with_a_policy_is_exempt_by_azure_policy(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Planned, shown and applied like a change; Defender shows it later, and no fix is planned meanwhile."""
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim, ticket="OPS-7"))
    assert not sim.writes
    (step,) = plan
    assert "/policyExemptions/" in step.target_id
    assert "an old printer" in plan.details()
    report = applied(client, plan)
    (made,) = own(client)
    assert (made.api, made.keys, made.ticket) == (ExemptionApi.POLICY, (SECURE_TRANSFER,), "OPS-7")
    recorded = client.verify(report).results[0].diagnosis
    assert recorded is not None
    assert recorded.cause == "recorded"
    assert "exemption blocked" in client.plan([SECURE_TRANSFER], resources=accounts[:1]).details()
    sim.clock.sleep(3600)
    assert status_of(client, SECURE_TRANSFER, accounts[0]) == "NotApplicable Exempt"


def test_every_initiative_with_the_policy_is_exempted_from(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """One exemption would not be enough: the other initiative keeps the recommendation."""
    scope = "/".join(accounts[0].split("/")[:3])
    sim.access.assign_initiative(scope, SECURE_TRANSFER)
    sim.access.assign_initiative(scope, PUBLIC_ACCESS, name="without-it")
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))
    assert len({step.target_id for step in plan}) == 2
    applied(client, plan.limit(1))
    sim.clock.sleep(3600)
    assert status_of(client, SECURE_TRANSFER, accounts[0]) == "Unhealthy"
    rest = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))
    assert len(rest) == 1
    applied(client, rest)
    sim.clock.sleep(3600)
    assert status_of(client, SECURE_TRANSFER, accounts[0]) == "NotApplicable Exempt"


def test_a_recommendation_without_a_policy_is_exempt_by_defender(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The second API; planning and the listing read it as well."""
    plan = client.exemptions.plan_create(NO_POLICY, accounts[:1], **terms(sim, category="Mitigated", ticket="OPS-8"))
    (step,) = plan
    assert "/standardAssignments/" in step.target_id
    report = applied(client, plan)
    (made,) = own(client)
    assert (made.api, made.category, made.ticket) == (ExemptionApi.DEFENDER, "Mitigated", "OPS-8")
    assert made.reason == "an old printer, gone in June"
    sim.clock.sleep(3600)
    assert status_of(client, NO_POLICY, accounts[0]) == "NotApplicable Exempt"
    diagnosis = client.verify(report).results[0].diagnosis
    assert diagnosis is not None
    assert diagnosis.cause == "exempt"
    assert made.id in diagnosis.evidence[-1]
    sim.access.deny("Microsoft.Security/standardAssignments/read", sim.scopes[0])
    unread = client.verify(report).results[0].diagnosis
    assert unread is not None
    assert "could not be read" in unread.evidence[-1]


def test_a_fix_is_not_planned_over_an_exemption_of_defender(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """Until Defender shows it, only the exemption itself tells."""
    from defender_remediate import Catalog

    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    mine = attrs.evolve(fix, key=NO_POLICY, title="Mine", policy_definition_ids=())
    client = connect(catalog=Catalog.bundled().with_fixes(mine))
    applied(client, client.exemptions.plan_create(NO_POLICY, accounts[1:2], **terms(sim)))
    assert len(client.plan([NO_POLICY], resources=accounts[:1])) == 1
    applied(client, client.exemptions.plan_create(NO_POLICY, accounts[:1], **terms(sim)))
    assert client.plan([NO_POLICY], resources=accounts[:1]).skipped[0].reason is SkipReason.BLOCKED
    sim.access.deny("Microsoft.Security/standardAssignments/read", sim.scopes[0])
    assert client.plan([NO_POLICY], resources=accounts[:1]).skipped[0].reason is SkipReason.UNCHECKED


@pytest.mark.parametrize("key", [SECURE_TRANSFER, NO_POLICY])
def test_terms_are_renewed_and_restored(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], key: str
) -> None:
    """Only what differs is written; the rollback is exact, and the same terms are nothing to do."""
    applied(client, client.exemptions.plan_create(key, accounts[:1], **terms(sim)))
    (made,) = own(client)
    later = terms(sim, days=200)
    report = applied(client, client.exemptions.plan_renew(made, **later))
    assert own(client)[0].expires == later["expires"].replace(microsecond=0)
    assert "already compliant" in client.exemptions.plan_renew(made.id, **later).details()
    client.rollback(report).raise_for_failures()
    assert own(client)[0].expires == made.expires


@pytest.mark.parametrize("key", [SECURE_TRANSFER, NO_POLICY])
def test_what_is_removed_comes_back_by_a_rollback(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], key: str
) -> None:
    """The plan shows all that goes; a removal needs no waiver, because it can be undone."""
    created = applied(client, client.exemptions.plan_create(key, accounts[:1], **terms(sim)))
    (made,) = own(client)
    plan = client.exemptions.plan_remove(made)
    assert [step.request.method for step in plan] == ["DELETE"]
    assert "an old printer" in plan.details()
    removed = applied(client, RemediationPlan.from_json(plan.to_json()))
    assert own(client) == []
    back = client.rollback(removed)
    back.raise_for_failures()
    assert own(client) == [made]
    assert client.rollback(removed).results[0].error is not None
    client.rollback(back).raise_for_failures()
    assert own(client) == []
    assert client.rollback(created).results[0].outcome == "skipped"


def test_a_rollback_of_the_creation_removes_it(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Without naming it and without a waiver: nothing depends on an exemption."""
    report = applied(client, client.exemptions.plan_create(SECURE_TRANSFER, accounts[:2], **terms(sim)))
    client.rollback(report).raise_for_failures()
    assert own(client) == []


def test_what_cannot_be_exempt_says_why(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """A custom recommendation, a resource outside the scope or without the assessment, a missing benchmark."""
    elsewhere = accounts[0].replace(accounts[0].split("/")[2], "99999999-9999-4999-8999-999999999999")
    wrong = f"{accounts[0]}x"
    plan = client.exemptions.plan_create(SECURE_TRANSFER, [elsewhere, wrong], **terms(sim))
    assert len(plan) == 0
    assert "outside the scope" in plan.details()
    assert "no assessment of this recommendation" in plan.details()
    scope = "/".join(accounts[0].split("/")[:3])
    sim.defender.unassign_benchmark(scope)
    plan = client.exemptions.plan_create(SECURE_TRANSFER, [scope], **terms(sim))
    assert "the benchmark must be assigned" in str(plan.skipped[0].message)


def test_a_custom_recommendation_is_refused(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Azure does not take such an exemption."""
    metadata = {"displayName": "Ours", "severity": "Low", "assessmentType": "Custom"}
    key = "aaaaaaaa-0000-4000-8000-000000000003"
    sim.defender.add_recommendation(metadata, key=key, resource_type=STORAGE, rule={"path": "x", "equals": 1})
    with pytest.raises(InvalidInputError, match="custom recommendation"):
        client.exemptions.plan_create(key, accounts[:1], **terms(sim))


WRONG_TERMS: list[tuple[dict[str, Any], str]] = [
    ({"reason": " "}, "reason must be a string"),
    ({"owner": None}, "owner must be a string"),
    ({"owner": "x]"}, "must not contain brackets"),
    ({"reason": "${resource.id}"}, "must not contain"),
    ({"ticket": ""}, "ticket must be a string"),
    ({"expires": datetime(2030, 1, 1)}, "time zone"),
    ({"expires": datetime(2020, 1, 1, tzinfo=timezone.utc)}, "in the future"),
    ({"category": "Forgotten"}, "Waiver or Mitigated"),
]


def test_reason_owner_and_expiry_are_mandatory(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Refused before any request."""
    sim.requests.clear()
    for wrong, message in WRONG_TERMS:
        with pytest.raises(InvalidInputError, match=message):
            client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **{**terms(sim), **wrong})
    assert not sim.requests
    with pytest.raises(UnknownRecommendationError):
        client.exemptions.plan_create(f"{NO_POLICY[:-1]}8", accounts[:1], **terms(sim))
    with pytest.raises(InvalidResourceIdError, match="there is no 'all'"):
        client.exemptions.plan_create(SECURE_TRANSFER, **terms(sim))


def test_one_row_of_a_category_is_exempt_by_its_assessment(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Its key is generated, so that Azure may not describe it; the assessment names the resource as well."""
    row = next(one for one in client.list_assessments(NO_POLICY) if one.resource_id == accounts[0])
    assert [step.resource_id for step in client.exemptions.plan_create(row, **terms(sim))] == [accounts[0]]
    unknown = Assessment(
        id=f"{accounts[0]}/providers/Microsoft.Security/assessments/{NO_POLICY[:-1]}9",
        key=f"{NO_POLICY[:-1]}9",
        resource_id=accounts[0],
        status="Unhealthy",  # type: ignore[arg-type]
    )
    assert "no assessment" in client.exemptions.plan_create(unknown, **terms(sim)).details()


def test_vulnerabilities_are_exempt_by_rule(sim: ArmSimulator, client: RemediationClient) -> None:
    """By CVE, severity and score, at a scope; twice is once."""
    rule = VulnerabilityRule(cves=["CVE-2026-0001"], severities=["Low"], below_cvss=4.0)  # type: ignore[arg-type]
    plan = client.exemptions.plan_create_rule(rule, sim.scopes[0], name="low risk", **terms(sim))
    applied(client, plan)
    (made,) = own(client)
    assert made.rule is not None
    assert "va.cve.cveId" in json.dumps(rule.to_azure())
    assert "a rule" in str(made)
    assert len(client.exemptions.plan_create_rule(rule, sim.scopes[0], name="low risk", **terms(sim))) == 0
    elsewhere = "/subscriptions/99999999-9999-4999-8999-999999999999"
    assert "outside" in client.exemptions.plan_create_rule(rule, elsewhere, name="x", **terms(sim)).details()
    for wrong in ({}, {"severities": ("Awful",)}, {"below_cvss": 11}):
        with pytest.raises(InvalidInputError):
            VulnerabilityRule(**wrong)  # type: ignore[arg-type]


def test_a_manual_recommendation_is_attested_with_evidence(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Azure cannot assess it by itself; what it can assess is exempted and not attested."""
    plan = client.exemptions.plan_attest(MANUAL, accounts[:1], evidence=[PROOF], **terms(sim))
    assert "https://contoso.example/audit" in plan.details()
    applied(client, plan)
    (made,) = own(client)
    assert (made.is_attestation, made.evidence, made.state) == (True, (PROOF,), "compliant")
    assert "attested as compliant" in str(made)
    sim.clock.sleep(3600)
    assert status_of(client, MANUAL, accounts[0]) == "Healthy"
    applied(client, client.exemptions.plan_renew(made, **terms(sim, days=300)))
    with pytest.raises(InvalidInputError, match="assessed by Azure"):
        client.exemptions.plan_attest(SECURE_TRANSFER, accounts[:1], evidence=[PROOF], **terms(sim))
    for evidence in ([], [attrs.evolve(PROOF, url="http://x")]):
        with pytest.raises(InvalidInputError):
            client.exemptions.plan_attest(MANUAL, accounts[:1], evidence=evidence, **terms(sim))
    with pytest.raises(InvalidInputError, match="state must be"):
        client.exemptions.plan_attest(MANUAL, accounts[:1], evidence=[PROOF], **terms(sim, state="fine"))


def test_expiring_ones_come_first_to_end_first(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Those that have ended are among them, with a note."""
    for number, days in enumerate((20, 10, 90)):
        applied(client, client.exemptions.plan_create(SECURE_TRANSFER, [accounts[number]], **terms(sim, days=days)))
    found = client.exemptions.list_expiring(timedelta(days=30))
    assert [one.scope for one in found] == [accounts[1], accounts[0]]
    sim.clock.sleep(15 * 86400)
    found = client.exemptions.list_expiring(timedelta(days=1))
    assert [(one.scope, "it ended" in str(one.note)) for one in found] == [(accounts[1], True)]
    renewed = client.exemptions.plan_file(client.exemptions.export().replace("an old", "a very old"))
    assert {step.resource_id for step in renewed} == {accounts[0], accounts[2]}
    with pytest.raises(InvalidInputError, match="positive timedelta"):
        client.exemptions.list_expiring(timedelta())


def test_orphaned_ones_have_the_reason(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """A deleted assignment, policy or resource."""
    assert len(client.exemptions.list_orphaned()) == 0
    scope = "/".join(accounts[0].split("/")[:3])
    assignment = sim.access.assign_initiative(scope, SECURE_TRANSFER)
    applied(client, client.exemptions.plan_create(SECURE_TRANSFER, [accounts[0], scope], **terms(sim)))
    applied(client, client.exemptions.plan_create(NO_POLICY, [accounts[1]], **terms(sim)))
    sim.access.assign_initiative(scope, PUBLIC_ACCESS)
    sim.resources.remove(accounts[1])
    found = client.exemptions.list_orphaned()
    notes = {one.note for one in found}
    assert any("the initiative has no" in str(note) for note in notes)
    assert "the resource does not exist any more" in notes
    sim.defender.unassign_benchmark(scope)
    assert "its policy assignment was deleted" in {one.note for one in client.exemptions.list_orphaned()}
    assert fold_ids([one.assignment_id for one in found if one.assignment_id]) == fold_ids([assignment])


def fold_ids(ids: list[str]) -> set[str]:
    """The ids, whatever their case."""
    return {one.lower() for one in ids}


def other_group(accounts: list[str]) -> str:
    """An account in another group of the subscription of the first one."""
    subscription, group = accounts[0].rpartition("/resourceGroups/")[0], accounts[0].rpartition("/providers/")[0]
    return next(one for one in accounts if one.startswith(subscription) and not one.startswith(f"{group}/"))


def test_duplicates_name_what_includes_them(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """The one of the wider scope, or the one that lasts longer."""
    for key in (SECURE_TRANSFER, NO_POLICY):
        applied(client, client.exemptions.plan_create(key, accounts[:1], **terms(sim)))
    group = accounts[0].rpartition("/providers/")[0]
    for key in (SECURE_TRANSFER, NO_POLICY):
        applied(client, client.exemptions.plan_create(key, [group], **terms(sim, days=100)))
    # Its neighbours are included by neither.
    for key in (SECURE_TRANSFER, NO_POLICY):
        applied(client, client.exemptions.plan_create(key, [other_group(accounts)], **terms(sim)))
    found = client.exemptions.list_duplicates()
    assert [one.scope for one in found] == [accounts[0]] * 2
    assert all("includes it" in str(one.note) for one in found)
    assert len(client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))) == 0
    applied(client, client.exemptions.plan_remove(found))
    assert len(client.exemptions.list_duplicates()) == 0


def test_a_file_is_idempotent(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Exported, applied elsewhere or again: the second time nothing is left to do."""
    rule = VulnerabilityRule(severities=("Low",))
    for plan in (
        client.exemptions.plan_create(SECURE_TRANSFER, accounts[:2], **terms(sim, ticket="OPS-7")),
        client.exemptions.plan_create(NO_POLICY, accounts[:1], **terms(sim)),
        client.exemptions.plan_attest(MANUAL, accounts[:1], evidence=[PROOF], **terms(sim)),
        client.exemptions.plan_create_rule(rule, sim.scopes[0], name="low risk", **terms(sim)),
    ):
        applied(client, plan)
    before = own(client)
    text = client.exemptions.export()
    assert len(json.loads(text)["not_exported"]) == 1
    assert len(client.exemptions.plan_file(text)) == 0
    applied(client, client.exemptions.plan_remove(before))
    applied(client, client.exemptions.plan_file(text))
    assert own(client) == before
    assert client.exemptions.export() == text
    changed = client.exemptions.plan_file(text.replace("ops@contoso.example", "it@contoso.example"))
    applied(client, changed)
    assert len(changed) == 5
    assert {one.owner for one in own(client)} == {"it@contoso.example"}


WRONG_ENTRIES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda entry: entry.update(colour="red"), "unknown field 'colour'"),
    (lambda entry: entry.update(owner=" "), "owner must be"),
    (lambda entry: entry.update(expires="soon"), "expires is not a time"),
    (lambda entry: entry.update(expires="2020-01-01T00:00:00Z"), "in the future"),
    (lambda entry: entry.pop("category"), "give category"),
    (lambda entry: entry.update(scope="here"), "not a"),
]


def test_a_wrong_file_names_the_entry(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """A file is written by people."""
    applied(client, client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim)))
    text = client.exemptions.export()
    for change, message in WRONG_ENTRIES:
        document = json.loads(text)
        change(document["exemptions"][0])
        with pytest.raises(InvalidInputError, match=message):
            client.exemptions.plan_file(json.dumps(document))
    for broken in (1, [1]):
        with pytest.raises(InvalidInputError):
            client.exemptions.plan_file(json.dumps({**json.loads(text), "exemptions": broken}))


@pytest.mark.parametrize(
    "action", ["Microsoft.Authorization/policyExemptions/read", "Microsoft.Security/standardAssignments/read"]
)
def test_what_may_not_be_read_is_said(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], action: str
) -> None:
    """The listing may be incomplete, so nothing is planned or exported from it."""
    sim.access.deny(action, sim.scopes[0])
    found = client.exemptions.list_exemptions()
    assert len(found.not_checked) == 1
    assert "could not be checked" in str(found)
    for call in (
        client.exemptions.export,
        lambda: client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim)),
    ):
        with pytest.raises(InvalidInputError, match="could not"):
            call()


def test_a_cloud_without_the_second_api_is_said_to_have_none(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """It is missing, not empty; the first one still works."""
    sim.resources.retire_api_versions("Microsoft.Security/standardAssignments", "2024-08-01")
    assert client.exemptions.list_exemptions()
    assert "does not have the API" in str(client.exemptions.list_exemptions())
    assert len(client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))) == 1
    assert len(client.plan([SECURE_TRANSFER], resources=accounts[:1])) == 1


def test_an_initiative_that_cannot_be_read_stops_the_exemption(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """It may have the policy, and would keep the recommendation."""
    sim.access.deny("Microsoft.Authorization/policyAssignments/read", "/".join(accounts[0].split("/")[:3]))
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))
    assert plan.skipped[0].reason is SkipReason.NOT_READABLE


def test_a_subscription_has_room_for_5000() -> None:
    """Azure takes no more exempt resources."""
    sim = ArmSimulator(page_size=6000)
    scope = sim.resources.add_subscription("55555555-5555-4555-8555-555555555555")
    body = {"location": "westeurope", "properties": {"supportsHttpsTrafficOnly": False}}
    account = f"{scope}/resourceGroups/rg/providers/{STORAGE}/one"
    sim.resources.add({**body, "id": account})
    metadata = {"displayName": "Ours", "severity": "High", "assessmentType": "BuiltIn"}
    sim.defender.add_recommendation(metadata, key=NO_POLICY, resource_type=STORAGE, rule={"path": "x", "equals": 1})
    policies = sim._service.tenant.policies
    sim.access.exempt(scope, name="first")
    policies.exemptions[:] = [
        attrs.evolve(policies.exemptions[0], scope=f"{account}{number}", references=("httpsOnly",))
        for number in range(5000)
    ]
    with RemediationClient(sim.credential, scope, transport=sim, clock=sim.clock) as client:
        for key in (SECURE_TRANSFER, NO_POLICY):
            plan = client.exemptions.plan_create(key, [account], **terms(sim))
            assert plan.skipped[0].reason is SkipReason.BLOCKED
            assert "5000" in plan.details()
        rule = VulnerabilityRule(severities=("Low",))
        full = client.exemptions.plan_create_rule(rule, scope, name="low risk", **terms(sim))
        assert full.skipped[0].reason is SkipReason.BLOCKED


def test_a_plan_that_removes_anything_else_is_refused(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A plan is a file: its digest can be computed by anyone who edits it."""
    applied(client, client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim)))
    plan = client.exemptions.plan_remove(own(client))
    (step,) = plan

    def request_to(resource: str, method: str) -> PlannedRequest:
        return attrs.evolve(step.request, path=resource, method=method)

    assert step.undo_request is not None
    whole = attrs.evolve(
        step,
        target_id=accounts[0],
        request=request_to(accounts[0], "DELETE"),
        undo_request=attrs.evolve(step.undo_request, path=accounts[0]),
    )
    hidden = attrs.evolve(step, changes=())
    forever = attrs.evolve(step, undo_request=None)
    for forged in (whole, hidden, forever):
        edited = attrs.evolve(plan, steps=(forged,))
        with pytest.raises((PlanAlteredError, PlanError)):
            client.apply(edited, approve=edited.digest, waive={"removal": "x"})
    assert len(own(client)) == 1


def test_ids_that_are_none_are_refused(client: RemediationClient) -> None:
    """A typo never removes nothing in silence."""
    for wrong in ("/subscriptions/x", [], [7]):
        with pytest.raises(InvalidInputError):
            client.exemptions.plan_remove(wrong)  # type: ignore[arg-type]


def test_what_others_made_is_listed_and_left_out_of_files(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A whole assignment, resource selectors, no expiry, an excluded scope, a standard: none of them is lost."""
    scope = "/".join(accounts[0].split("/")[:3])
    sim.access.exempt(accounts[0], name="whole", description="all of it")
    reference = "secureTransferToStorageAccountsShouldBeEnabled"
    policies = sim._service.tenant.policies
    policies.exemptions.append(
        attrs.evolve(policies.exemptions[-1], name="selective", references=(reference,), selectors=({"name": "y"},))
    )
    sim.access.assign_policy(scope, resource_type=STORAGE, path="properties.x", equals=1, effect="audit")
    standards = sim._service.tenant.assessor.standard_assignments
    standards.put(StandardAssignment(scope=scope, name="s", expires=None, properties={"effect": "Audit"}))
    found = client.exemptions.list_exemptions()
    assert not any(one.id.endswith("/s") for one in found)
    assert "everything assigned" in str(found)
    left_out = {
        one["id"].rpartition("/")[2]: one["reason"] for one in json.loads(client.exemptions.export())["not_exported"]
    }
    assert "whole assignment" in left_out["whole"]
    assert "resource selectors" in left_out["selective"]
    assert len(client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim))) == 0
    for one in found:
        if one.name in ("whole", "selective"):
            plan = client.exemptions.plan_renew(one, **terms(sim))
            assert [step.request.method for step in plan] == ["PUT"]


def test_exemptions_from_above_are_listed_and_not_changed(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """A client of one group sees what the subscription decided, and may not undo it."""
    scope = "/".join(accounts[0].split("/")[:3])
    group = accounts[0].rpartition("/providers/")[0]
    exemption = sim.access.exempt(scope, name="all", description="x")
    sim.access.exempt(other_group(accounts), name="elsewhere", description="x")
    client = connect(group)
    assert [one.id for one in client.exemptions.list_exemptions()] == [exemption]
    with pytest.raises(InvalidInputError, match="inherited"):
        client.exemptions.plan_remove(exemption)


def test_orphans_are_not_guessed(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """What cannot be read may well exist; a key that Azure forgot does not."""
    scope = "/".join(accounts[0].split("/")[:3])
    group = accounts[0].rpartition("/providers/")[0]
    for place in (accounts[1], group, scope):
        applied(client, client.exemptions.plan_create(NO_POLICY, [place], **terms(sim)))
    applied(client, client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim)))
    assert len(client.exemptions.list_orphaned()) == 0
    del sim._service.tenant.assessor.definitions[NO_POLICY]
    policies = sim._service.tenant.policies
    above = "/providers/Microsoft.Management/managementGroups/contoso"
    policies.exemptions.append(attrs.evolve(policies.exemptions[-1], scope=above))
    notes = {one.note for one in client.exemptions.list_orphaned()}
    assert notes == {"Azure does not know the recommendation any more"}
    sim.access.deny("Microsoft.Authorization/policyAssignments/read", scope)
    sim.access.deny(f"{STORAGE}/read", scope)
    found = client.exemptions.list_orphaned()
    assert any("policy assignment" in text for text in found.not_checked)


def test_a_resource_whose_assessment_is_refused_is_not_exempt(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """It may be misspelt: a decision is not written to what was not seen."""
    sim.access.deny("Microsoft.Security/assessments/read", accounts[0])
    plan = client.exemptions.plan_create(NO_POLICY, accounts[:1], **terms(sim))
    assert plan.skipped[0].reason is SkipReason.NOT_READABLE


def test_a_removal_of_what_cannot_be_read_or_is_gone_is_skipped(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Nothing is removed that was not shown; a second rollback finds it there again."""
    applied(client, client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms(sim)))
    removed = applied(client, client.exemptions.plan_remove(own(client)))
    sim.access.deny("Microsoft.Authorization/policyExemptions/read", "/".join(accounts[0].split("/")[:3]))
    assert client.plan_rollback(removed).skipped[0].reason is SkipReason.NOT_READABLE


def test_a_removal_of_what_looks_like_a_secret_is_not_undone(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The journal does not keep it, so that what came back would be something else."""
    exemption = sim.access.exempt(accounts[0], description="Server=x;Password=planted-S3CR3T;")
    removed = applied(client, client.exemptions.plan_remove(exemption))
    (skip,) = client.plan_rollback(removed).skipped
    assert (skip.reason, "looks like a secret" in str(skip.message)) == (SkipReason.NO_UNDO, True)


def test_the_end_of_the_time_of_a_call_is_passed_on(client: RemediationClient) -> None:
    """It is not one more thing that could not be read."""

    def too_late(key: str) -> Any:
        raise CallTimeoutError(key)

    with pytest.raises(CallTimeoutError):
        exemption_finder(CheckReader(client._session, workers=1), too_late)("/x", NO_POLICY)
    assert not is_decision("not an id")


def test_the_time_of_a_call_is_not_a_refusal(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """An answer that never comes is told as what it is, for each part."""
    client = connect()
    sim.faults.fail("GET", "/policyExemptions", status=503, times=None)
    found = client.exemptions.list_exemptions()
    assert len(found.not_checked) == len(sim.scopes)
