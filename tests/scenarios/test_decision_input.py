"""Wrong arguments and hostile text in exemptions, attestations and governance assignments, and files of them."""

from __future__ import annotations

import json
import pickle
from datetime import timedelta
from typing import Any

import pytest

from defender_remediate import RemediationClient, RemediationPlan
from defender_remediate.errors import InvalidInputError
from defender_remediate.exemptions import VulnerabilityRule
from defender_remediate.models import AttestationEvidence, SkipReason
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.defender.exemptions import StandardAssignment

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
NO_POLICY = "aaaaaaaa-0000-4000-8000-000000000001"
MANUAL = "aaaaaaaa-0000-4000-8000-000000000002"
STORAGE = "Microsoft.Storage/storageAccounts"
HOSTILE = '=HYPERLINK("https://x.example") ${resource.id} [x](javascript:1) <b>\x1b[31m\u202e|`@ '
PROOF = {"description": "the audit of May", "url": "https://contoso.example/audit"}
ANY_KEY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def sim() -> ArmSimulator:
    """The demo tenant with Defender CSPM, and two recommendations whose names are hostile."""
    made = ArmSimulator.demo()
    made.defender.turn_on_cspm(made.scopes[0])
    rule = {"path": "properties.supportsHttpsTrafficOnly", "equals": "never"}
    for key, kind in ((NO_POLICY, "BuiltIn"), (MANUAL, "ManualBuiltIn")):
        metadata = {"displayName": HOSTILE + kind, "severity": "High", "assessmentType": kind}
        made.defender.add_recommendation(metadata, key=key, resource_type=STORAGE, rule=rule)
    return made


def test_a_wrong_argument_is_a_typed_error_before_any_request(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Whatever has a wrong type, is blank or hides something is refused before Azure is asked anything."""
    expires = sim.clock.now() + timedelta(days=90)
    account = accounts[:1]
    exemptions, governance = client.exemptions, client.governance
    terms = {"reason": "an old printer", "owner": "ops@contoso.example", "expires": expires}
    proof = [AttestationEvidence(**PROOF)]
    rule = VulnerabilityRule(cves=["CVE-2026-0001"])
    owner = {"owner": "ops@contoso.example", "due": expires}
    wrong: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [(VulnerabilityRule, (), {"cves": ["x"]})]
    wrong += [(exemptions.plan_create, (given, account), terms) for given in (None, 7, "", [], "nonsense", object())]
    wrong += [
        (exemptions.plan_create, (SECURE_TRANSFER, account), {**terms, **more})
        for more in (
            {"category": None},
            {"category": 7},
            {"reason": "x\x00y"},
            {"reason": "\ud800"},
            {"owner": "\u202eabc"},
            {"ticket": "OPS\r7"},
            {"ticket": 7},
        )
    ]
    proofs = ((7, "https://x.example"), ("d", 7), ("d", "https://x/${resource.id}"), ("d", "https://x/\x1b"))
    made = [[AttestationEvidence(description=text, url=url)] for text, url in proofs]  # type: ignore[arg-type]
    wrong += [
        (exemptions.plan_attest, (MANUAL, account), {**terms, "evidence": evidence})
        for evidence in (None, 7, "x", [7], [], *made)
    ]
    wrong.append((exemptions.plan_attest, (MANUAL, account), {**terms, "evidence": proof, "state": None}))
    wrong += [(exemptions.plan_create_rule, (rule, scope), {**terms, "name": "n"}) for scope in (None, 7, "", "x", "/")]
    for given in (None, 7, b"x", [], [7], object()):
        wrong += [(exemptions.plan_renew, (given,), terms), (exemptions.plan_remove, (given,), {})]
        wrong.append((governance.plan_remove, (given,), {}))
    wrong += [
        (governance.plan_assign, (SECURE_TRANSFER, account), {**owner, **more})
        for more in (
            {"grace_period": "no"},
            {"ticket_number": "7"},
            {"ticket_number": True},
            {"ticket_number": float("nan")},
            {"ticket_link": 7},
            {"ticket_link": b"x"},
            {"ticket_link": "javascript:1"},
            {"ticket_link": "https://x.example/${resource.id}"},
            {"ticket_link": "https://x.example/\x1b"},
            {"ticket_status": {"a": 1}},
            {"owner": "x\x00"},
        )
    ]
    before = len(sim.requests)
    for call, arguments, options in wrong:
        with pytest.raises(InvalidInputError):
            pytest.fail(f"{call} took {arguments!r}, {options!r}: {call(*arguments, **options)!r}")
    assert len(sim.requests) == before


def test_a_file_is_held_to_the_rules_of_the_arguments(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """What plan_create and plan_attest refuse does not get in through a file, and the message names the entry."""
    before = len(sim.requests)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"state": "compliant", "evidence": []}, "evidence"),
        ({"state": "compliant"}, "evidence"),
        ({"state": "compliant", "evidence": "x"}, "evidence"),
        ({"state": "compliant", "evidence": [7]}, "description"),
        ({"state": "compliant", "evidence": [{**PROOF, "url": "javascript:1"}]}, "https://"),
        ({"category": "Waiver", "evidence": [PROOF]}, "evidence"),
        ({"category": "Waiver", "rule": "x"}, "rule"),
        ({"category": "Waiver", "rule": {}}, "rule"),
        ({"category": "Waiver", "recommendation": ANY_KEY}, "rule"),
        ({"category": "Waiver", "ticket": 7}, "ticket"),
        ({"category": "Waiver", "name": 7}, "name"),
        ({"category": "Waiver", "owner": "a]b"}, "owner"),
        ({"category": "Waiver", "scope": "x"}, "resource id"),
    ]
    for more, named in wrong:
        with pytest.raises(InvalidInputError) as caught:
            client.exemptions.plan_file(file({**entry(sim, accounts[0]), **more}))
        assert "exemption 1 of the file" in caught.value.message, more
        assert named in caught.value.message, more
    assert len(sim.requests) == before


def test_a_file_cannot_attest_what_azure_assesses(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Only a manual recommendation is attested."""
    attested = entry(sim, accounts[0], recommendation=SECURE_TRANSFER, state="compliant", evidence=[PROOF])
    with pytest.raises(InvalidInputError, match="cannot be attested"):
        client.exemptions.plan_file(file(attested))


def test_a_file_has_one_entry_for_a_recommendation_and_a_scope(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Of two that contradict each other neither is silently dropped, whatever the casing of the scope."""
    one, two = entry(sim, accounts[0], category="Waiver"), entry(sim, accounts[0].upper(), category="Mitigated")
    with pytest.raises(InvalidInputError, match="exemption 2 of the file"):
        client.exemptions.plan_file(file(one, two))


def test_text_of_azure_that_looks_like_a_placeholder_is_written_as_it_is(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A title with ${resource.id} stays one, on both ways into a decision, and the plan can be read back."""
    expires = sim.clock.now() + timedelta(days=90)
    terms = {"reason": "first line\n\n\tsecond line", "owner": "ops@contoso.example", "expires": expires}
    proof = [AttestationEvidence(**PROOF)]
    for plan in (
        client.exemptions.plan_create(NO_POLICY, accounts[:1], **terms),
        client.exemptions.plan_attest(MANUAL, accounts[:1], evidence=proof, **terms),
    ):
        read = RemediationPlan.from_json(plan.to_json())
        assert read == pickle.loads(pickle.dumps(plan)) == plan
        assert "\x1b" not in plan.details()
        client.apply(read, approve=plan.digest).raise_for_failures()
    made = [one for one in client.exemptions.list_exemptions() if one.owner]
    assert {one.name for one in made} == {HOSTILE + "BuiltIn", HOSTILE + "ManualBuiltIn"}
    again = client.exemptions.plan_file(client.exemptions.export())
    assert [skip.reason for skip in again.skipped] == [SkipReason.ALREADY_COMPLIANT] * 2


def test_what_is_exported_can_be_planned(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """What a file cannot hold, because someone else wrote it, is listed with the reason and does not spoil the file."""
    base = {"expiresOn": (sim.clock.now() + timedelta(days=90)).isoformat(), "effect": "Attest"}
    told = "gone in June [owner: ops@contoso.example]"
    for number, (description, evidence) in enumerate(
        [(told, []), (told, [{"description": "d", "sourceUrl": "http://x.example"}]), (f"[wiki] {told}", [PROOF])]
    ):
        data = {"complianceState": "compliant", "assignedAssessment": {"assessmentKey": MANUAL}, "evidence": evidence}
        add_assignment(sim, accounts[number], {**base, "description": description, "attestationData": data})
    text = client.exemptions.export()
    left_out = [one["reason"] for one in json.loads(text)["not_exported"] if "cannot hold" in one["reason"]]
    assert len(left_out) == 3
    assert len(client.exemptions.plan_file(text)) == 0


def test_an_export_does_not_spread_the_terms_of_one_initiative_to_another(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Two exemptions from one recommendation with other terms are both left out: applying the file would rewrite one."""
    sim.access.assign_initiative("/".join(accounts[0].split("/")[:3]), SECURE_TRANSFER)
    expires = sim.clock.now() + timedelta(days=90)
    terms = {"reason": "an old printer", "owner": "ops@contoso.example", "expires": expires}
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], **terms)
    client.apply(plan, approve=plan.digest).raise_for_failures()
    first = next(one for one in client.exemptions.list_exemptions() if one.owner)
    renewed = client.exemptions.plan_renew(first, **{**terms, "reason": "another printer"})
    client.apply(renewed, approve=renewed.digest).raise_for_failures()
    text = client.exemptions.export()
    assert len([one for one in json.loads(text)["not_exported"] if "other terms" in one["reason"]]) == 2
    assert len(client.exemptions.plan_file(text)) == 0


def test_a_plan_that_cannot_be_read_is_not_an_assessment_that_is_missing(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Governance says what could not be read: the plan Defender CSPM, and not the assessment."""
    account = next(one for one in accounts if one.startswith(sim.scopes[0]))
    sim.faults.fail("GET", "/pricings/CloudPosture[?]", status=404, code="ResourceNotFound", times=9)
    due = sim.clock.now() + timedelta(days=3)
    plan = client.governance.plan_assign(SECURE_TRANSFER, [account], owner="ops@contoso.example", due=due)
    assert [skip.reason for skip in plan.skipped] == [SkipReason.NOT_READABLE]
    assert "Defender CSPM" in (plan.skipped[0].message or "")
    sim.faults.fail("GET", f"/assessments/{SECURE_TRANSFER}[?]", status=403, code="AuthorizationFailed", times=9)
    plan = client.governance.plan_assign(SECURE_TRANSFER, [account], owner="ops@contoso.example", due=due)
    assert [skip.reason for skip in plan.skipped] == [SkipReason.NOT_READABLE]
    assert "AuthorizationFailed" in (plan.skipped[0].message or "")


@pytest.mark.parametrize("missing", ["policySetDefinitions", "policyAssignments"])
def test_an_api_that_is_missing_is_not_an_assignment_that_is_missing(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str], missing: str
) -> None:
    """Where initiatives cannot be read, nothing is said about which of them are assigned."""
    sim.faults.fail("GET", f"/{missing}", status=404, code="InvalidResourceType", times=99)
    expires = sim.clock.now() + timedelta(days=90)
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:1], reason="r", owner="o", expires=expires)
    assert [skip.reason for skip in plan.skipped] == [SkipReason.NOT_READABLE]
    assert "does not have the API" in (plan.skipped[0].message or "")


@pytest.mark.parametrize("assignment", ["", "garbage", 7])
def test_one_malformed_exemption_does_not_hide_the_others(
    sim: ArmSimulator, client: RemediationClient, assignment: object
) -> None:
    """What it is about cannot be checked; everything else is listed."""
    items = [
        {
            "id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/odd",
            "properties": {"policyAssignmentId": assignment, "policyDefinitionReferenceIds": ["x"]},
        }
        for scope in sim.scopes[:1]
    ]
    sim.faults.fail(
        "GET", f"{sim.scopes[0]}/providers/Microsoft.Authorization/policyExemptions", status=200, body={"value": items}
    )
    found = client.exemptions.list_exemptions()
    assert {one.id.rpartition("/")[2] for one in found} == {"odd", "old-images"}
    assert any("the policy assignment" in text for text in found.not_checked)


def test_a_decision_that_was_undone_is_not_planned_as_a_fix(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Someone rewrites an exemption or removes it: the watch says so, and does not fix what was to stay as it is."""
    terms = {"reason": "r", "owner": "o", "expires": sim.clock.now() + timedelta(days=90)}
    plan = client.exemptions.plan_create(SECURE_TRANSFER, accounts[:2], **terms)
    created = client.apply(plan, approve=plan.digest)
    mine = [one for one in client.exemptions.list_exemptions() if one.owner]
    plan = client.exemptions.plan_renew(mine[0], **{**terms, "reason": "another one"})
    client.apply(plan, approve=plan.digest).raise_for_failures()
    plan = client.exemptions.plan_remove(mine[1])
    removed = client.apply(plan, approve=plan.digest)
    found = client.watch(created)
    assert {one.target_id for one in found.undone} == {one.id for one in mine}
    assert found.plan is None
    assert "client.exemptions" in str(found)
    kept = client.watch(removed)
    assert (kept.kept, kept.undone, kept.unread) == (1, (), ())


def add_assignment(sim: ArmSimulator, scope: str, properties: dict[str, Any]) -> None:
    """Something that another tool wrote."""
    made = StandardAssignment(scope=scope, name="other", expires=None, properties=properties)
    sim._service.tenant.assessor.standard_assignments.put(made)


def entry(sim: ArmSimulator, scope: str, **more: Any) -> dict[str, Any]:
    """An entry of a file."""
    expires = (sim.clock.now() + timedelta(days=90)).isoformat()
    given = {"recommendation": MANUAL, "scope": scope, "reason": "gone in June", "owner": "ops@contoso.example"}
    return {**given, "expires": expires, **more}


def file(*entries: dict[str, Any]) -> str:
    """The text of a file."""
    return json.dumps({"version": 1, "kind": "Exemptions", "exemptions": entries})
