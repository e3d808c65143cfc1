"""Every shipped fix, once from the finding to the undone change, on a resource that has the finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest

from defender_remediate import Guards, Outcome, RemediationClient, RemediationPlan, RemediationStep
from defender_remediate.catalog import Catalog
from defender_remediate.catalog.lint.checked_fix import CheckedFix, PlannedSample, checked_fix
from defender_remediate.catalog.lint.samples import GROUP, LOCATION, SUBSCRIPTION, resource_id
from defender_remediate.catalog.read_only import unsettable_members
from defender_remediate.catalog.type_facts import facts_of
from defender_remediate.errors import DefenderRemediateError, InvalidResourceIdError
from defender_remediate.fixes.drift import depends_on, fingerprint
from defender_remediate.fixes.merge import without
from defender_remediate.fixes.paths import assign
from defender_remediate.journal import MemoryJournal
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.fix import FixAction, FixKind, ParameterType
from defender_remediate.models.ids import ResourceId, is_guid
from defender_remediate.planning.waivers import CHECK_NAMES
from defender_remediate.testing import ArmSimulator, seeded_client

pytestmark = pytest.mark.exhaustive

SCOPE = f"/subscriptions/{SUBSCRIPTION}"
WAIVERS = {str(check): "the resource exists only in this test" for check in CHECK_NAMES}
VALUES = {
    "emails": "security@contoso.example",
    "encryption_key_uri": "https://contoso.vault.azure.net/keys/tde/0123456789abcdef0123456789abcdef",
    "network_watcher_region": LOCATION,
    "subnet_location": LOCATION,
}
"""Values of parameters that have a form of their own."""

POSSIBLE = {
    "publicNetworkAccess": {"other": "Enabled"},
    "subnetResourceId": {"some text": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/sample/subnets/sample"},
}
"""What made-up values become that no service shows, because it takes none of them."""

UNPUBLISHED = "0a1b2c3d-0000-4000-8000-000000000000"
"""The key of a recommendation that is found by its display name."""

SHOWN: Mapping[str, Mapping[str, Any]] = {
    "Microsoft.OperationalInsights/workspaces": {"customerId": "11111111-2222-3333-4444-555555555555"},
    "Microsoft.KeyVault/vaults": {"vaultUri": "https://contoso.vault.azure.net/"},
}
"""What templates refer to, and every resource of these types shows."""


def name(fix: FixAction) -> str:
    """A short name of a fix, for people."""
    return " ".join(filter(None, (fix.key[:8], fix.resource_type, fix.variant)))


@attrs.frozen(kw_only=True)
class Finding:
    """A tenant in which one resource has the finding of one fix."""

    sim: ArmSimulator
    resource_id: str
    parameters: Mapping[str, Any]

    def client(self, fix: FixAction) -> RemediationClient:
        """A client that may do everything with the fix."""
        return seeded_client(
            self.sim.credential,
            SCOPE,
            transport=self.sim,
            clock=self.sim.clock,
            journal=MemoryJournal(),
            guards=Guards(allow_irreversible=[fix.key]),
            workers=1,
        )


def finding_of(fix: FixAction) -> Finding:
    """Seeds a resource with the finding, the target, what it links to, and what the parameters name."""
    about = checked_fix(fix)
    candidate, sim = about.candidate, ArmSimulator()
    case = sample_of(about)
    sim.resources.add_subscription(SUBSCRIPTION)
    for group in (GROUP.rpartition("/")[2], "NetworkWatcherRG"):
        sim.resources.add_resource_group(SCOPE, group, LOCATION)
    for resource_type, version in set(template_types(thaw(fix.template) or {})):
        add(sim, resource_id(resource_type, "sample"), {}, version)
        sim.resources.remove(resource_id(resource_type, "sample"))
    parameters = {}
    for parameter in fix.parameters:
        value = VALUES.get(parameter.name, thaw(candidate.values[parameter.name]))
        parameters[parameter.name] = value
        if parameter.type is ParameterType.RESOURCE_ID:
            add(sim, value, {"properties": SHOWN.get(ResourceId.parse(value).type, {})}, "2024-01-01")
    resource = thaw(case.resource) or {}
    if fix.linked:
        array, _, member = fix.linked.partition("[*]")
        linked = {member.strip("."): candidate.linked_id} if member else candidate.linked_id
        resource = assign(resource, array, [linked] if "[*]" in fix.linked else linked)
        add(sim, str(candidate.linked_id), thaw(case.before), fix.api_version)
    if candidate.resource_id != SCOPE:
        add(sim, candidate.resource_id, resource, fix.api_version)
    if case.before is not None and not candidate.is_on_resource and not fix.linked:
        add(sim, candidate.target_id, thaw(case.before), fix.api_version)
    if "Microsoft.Security/pricings" in str(fix.target):
        # One plan is on in a new subscription.
        sim.resources.edit(candidate.target_id, lambda body: body["properties"].update(pricingTier="Free"))
    metadata = {"displayName": fix.title, "severity": "High"}
    never = {"path": "properties.neverThere", "equals": True}
    key = fix.key if is_guid(fix.key) else UNPUBLISHED
    sim.defender.add_recommendation(metadata, key=key, resource_type=fix.resource_type, rule=never)
    sim.defender.add_assessment(key, candidate.resource_id)
    if fix.target.endswith("FoundationalCspm"):
        sim.defender.turn_off_posture(SCOPE)
    return Finding(sim=sim, resource_id=candidate.resource_id, parameters=parameters)


def sample_of(about: CheckedFix) -> PlannedSample:
    """The sample that is most like a real target: it exists, and shows the members that change."""
    samples = [sample for sample in about.samples if sample.combined.accepted]
    is_template = about.fix.kind is FixKind.TEMPLATE

    def distance(sample: PlannedSample) -> tuple[bool, int]:
        missing = sum(change.before in (ABSENT, None) for change in sample.changes)
        return (sample.before is None) is not is_template, missing

    best = min(samples, key=distance)
    is_built_in = "Microsoft.Security/pricings" in str(about.fix.target)
    only_has_to_exist = about.fix.compliant_when.path == "name"
    return attrs.evolve(best, before=None) if is_built_in or only_has_to_exist else best


def add(sim: ArmSimulator, target: str, body: Any, version: str) -> None:
    """Adds a resource, and the resources above it; a collection is what is in it."""
    try:
        parsed = ResourceId.parse(target)
    except InvalidResourceIdError:
        return
    parent = parsed.parent
    if parent is not None and not parent.type.startswith("Microsoft.Resources/"):
        try:
            sim.resources.get(parent.text)
        except KeyError:
            add(sim, parent.text, {}, version)
    seeded = {"properties": {}, **plain(body or {}), "id": parsed.text, "name": parsed.name, "type": parsed.type}
    facts = facts_of(parsed.type, parsed.name)
    has_location = "location" in facts.members if facts else parsed.type.count("/") == 1 and parsed.resource_group
    never_shown = (
        ("kind",) if parsed.type.startswith("Microsoft.Web/sites/") and parsed.type.endswith("/config") else ()
    )
    seeded = without(
        seeded, ("location", "properties.createMode", *never_shown, *(facts.write_only_members if facts else ()))
    )
    sim.resources.add({**seeded, "location": LOCATION} if has_location else seeded, (version,))


def plain(value: Any, name: str = "") -> Any:
    """A made-up body without the members that no service shows, and at rest."""
    if name == "provisioningState":
        return "Succeeded"
    if isinstance(value, dict):
        dropped = {"unknownMember", "systemData", "etag", "eTag", "resourcegroup", "subscriptionid"}
        identity = value.get("identity")
        if isinstance(identity, dict) and not isinstance(identity.get("type"), str):
            dropped.add("identity")
        return {each: plain(item, each) for each, item in value.items() if each not in dropped}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return POSSIBLE.get(name, {}).get(value, value) if isinstance(value, str) else value


def template_types(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The types that a template deploys, with the api-version of each; nested deployments count as what is in them."""
    for resource in template.get("resources", ()):
        if resource["type"] == "Microsoft.Resources/deployments":
            yield from template_types(resource["properties"]["template"])
        else:
            yield resource["type"], resource["apiVersion"]


def state_of(sim: ArmSimulator, step: RemediationStep) -> str:
    """A string that is equal for two states of a target if no one changed it between them.

    A member that was not set goes back to its default, which Azure may show from then on.
    """
    target = ResourceId.parse(step.target_id)
    ignored = unsettable_members(target.type, target.name)
    body = sim.resources.get(step.target_id)
    for change in step.changes:
        if change.before in (ABSENT, None):
            body = assign(body, change.path, ABSENT)
    return fingerprint(body, depends_on(is_whole=True, ignored=ignored))


def problem_of(fix: FixAction) -> str | None:
    """What goes wrong between the plan and the rollback, or None."""
    finding = finding_of(fix)
    with finding.client(fix) as client:
        plan = client.plan([fix], resources=[finding.resource_id], parameters=finding.parameters, waive=WAIVERS)
        if not plan.steps:
            return f"not planned: {plan.skipped[0]}"
        return run(client, plan, finding.sim)


def run(client: RemediationClient, plan: RemediationPlan, sim: ArmSimulator) -> str | None:
    """Applies, verifies and undoes a plan; returns what goes wrong."""
    (step,) = plan.steps
    can_be_undone = step.undo_request is not None
    before = state_of(sim, step) if can_be_undone else None
    (result,) = report = client.apply(plan, approve=plan.digest)
    if result.outcome is not Outcome.APPLIED:
        return f"not applied: {result.error}"
    report = client.verify(report, timeout=0)
    if not all(result.compliant for result in report):
        return "not compliant after it was applied"
    if not can_be_undone:
        return None
    undo = client.plan_rollback(report.run_id, waive=WAIVERS)
    if not undo.steps:
        return f"no undo: {undo.skipped[0]}"
    (result,) = client.apply(undo, approve=undo.digest)
    if result.outcome is not Outcome.ROLLED_BACK:
        return f"not undone: {result.error}"
    return None if state_of(sim, step) == before else "the undo leaves a difference"


def test_every_fix_works_from_the_finding_to_the_undone_change() -> None:
    """Proofs on bodies do not see what planning, the checks, an executor or a rollback refuse."""
    problems: dict[str, str] = {}
    for fix in Catalog.bundled():
        try:
            problem = problem_of(fix)
        except DefenderRemediateError as error:
            problem = f"raised: {error}"
        if problem is not None:
            problems[name(fix)] = problem
    assert problems == {}
