"""Corners of planning and applying that the other scenarios do not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction, Outcome, RemediationClient, SkipReason
from defender_remediate.errors import ForbiddenError
from defender_remediate.hooks import StepStarted
from defender_remediate.models import Condition
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
CONTACT = "77758c9d-8a56-5f54-6ff7-69a762ca6004"


def fix(key: str) -> FixAction:
    found = Catalog.bundled().get(key)
    assert found is not None
    return found


def test_an_empty_plan_makes_an_empty_run(sim: ArmSimulator, client: RemediationClient) -> None:
    """Nothing to do is a report like any other."""
    plan = client.plan([SECURE_TRANSFER]).limit(0)
    report = client.apply(plan, approve=plan.digest)
    assert report.count("skipped") == len(plan.skipped) == len(report)
    assert not sim.writes


def test_a_resource_is_read_with_a_version_that_its_provider_offers(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The target's api-version is not the resource's where another provider extends it; it is asked for once."""
    applies = Condition(operator="matches", path="location", value="westeurope")
    client = connect(catalog=Catalog.bundled().with_fixes(attrs.evolve(fix(KEY_VAULT_LOGS), applies_when=applies)))
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace})
    assert {sim.resources.get(step.resource_id)["location"] for step in plan.steps} == {"westeurope"}
    elsewhere = [skip for skip in plan.skipped if skip.reason is SkipReason.NOT_APPLICABLE]
    assert {sim.resources.get(skip.resource_id)["location"] for skip in elsewhere}.isdisjoint({"westeurope"})
    asked = [request.path for request in sim.requests if request.path.endswith("/providers/Microsoft.KeyVault")]
    assert len(asked) == len(set(asked))


def test_an_unregistered_provider_of_the_target_is_not_an_absent_target(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Nothing is created because a read answered 404 for another reason."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    sim.faults.fail("GET", "diagnosticSettings", status=404, code="Subscription Not Registered", times=None)
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace})
    assert {skip.reason for skip in plan.skipped} == {SkipReason.NOT_READABLE}
    assert plan.steps == ()


def test_an_unregistered_provider_while_applying_blocks(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Read again before the write, the target is not taken for deleted."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    sim.faults.fail("GET", "storageAccounts/[^/]+[?]", status=404, code="Subscription Not Registered", times=None)
    assert client.apply(plan, approve=plan.digest).results[0].outcome is Outcome.BLOCKED


def _subscription_template(parameters: dict[str, Any]) -> FixAction:
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"location": {"type": "string"}, "emails": {"type": "string"}},
        "resources": [
            {
                "type": "Microsoft.Security/securityContacts",
                "apiVersion": "2023-12-01-preview",
                "name": "default",
                "properties": {
                    "emails": "[parameters('emails')]",
                    "isEnabled": True,
                    "notificationsByRole": {"state": "On", "roles": ["Owner"]},
                    "notificationsSources": [{"sourceType": "Alert", "minimalSeverity": "High"}],
                },
            }
        ],
    }
    if "location" not in parameters:
        del template["parameters"]["location"]  # type: ignore[attr-defined]
    return attrs.evolve(
        fix(CONTACT), kind="template", body=None, array_strategies={}, template=template, template_parameters=parameters
    )


def test_a_template_deploys_to_a_subscription(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """A subscription's deployment has a location, and shows what it changes."""
    own = _subscription_template({"location": "westeurope", "emails": "${emails}"})
    client = connect(catalog=Catalog.bundled().with_fixes(own))
    plan = client.plan([CONTACT], parameters={"emails": "security@contoso.example"}).limit(1)
    step = plan.steps[0]
    assert step.request.path.startswith(f"{step.resource_id}/providers/Microsoft.Resources/deployments/")
    assert step.request.body["location"] == "westeurope"
    client.apply(plan, approve=plan.digest).raise_for_failures()
    assert sim.resources.get(step.target_id)["properties"]["emails"] == "security@contoso.example"


def test_a_subscriptions_template_needs_a_location(connect: Callable[..., RemediationClient]) -> None:
    """Without one there is no deployment to preview."""
    client = connect(catalog=Catalog.bundled().with_fixes(_subscription_template({"emails": "${emails}"})))
    plan = client.plan([CONTACT], parameters={"emails": "security@contoso.example"})
    assert plan.steps == ()
    assert {skip.reason for skip in plan.skipped} == {SkipReason.PREVIEW_FAILED}
    assert "needs a location" in plan.skipped[0].message


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"changeType": "NoChange"}, []),
        ({"changeType": "Unsupported", "unsupportedReason": "too nested"}, [("x/y", "(unsupported: too nested)")]),
        ({"changeType": "Deploy"}, [("x/y", "(deploy: Azure gives no detail)")]),
        (
            {"changeType": "Modify", "before": {"properties": {"a": 1, "b": 2}}, "after": {"properties": {"a": 1}}},
            [("x/y properties.b", None)],
        ),
        ({"changeType": "Create", "after": {"id": "i", "properties": {"a": 1}}}, [("x/y properties.a", 1)]),
    ],
)
def test_each_kind_of_what_if_is_shown(
    sim: ArmSimulator, client: RemediationClient, change: dict[str, Any], shown: list[tuple[str, Any]]
) -> None:
    """What Azure says, member by member; what it cannot tell is said to be unknown."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    vault = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).steps[0].resource_id
    answer = {"status": "Succeeded", "properties": {"changes": [{"resourceId": f"{vault}/x/y", **change}]}}
    sim.faults.fail("POST", "/whatIf", status=200, body=answer, times=None)
    step = client.plan([KEY_VAULT_LOGS], resources=[vault], parameters={"workspace_id": workspace}).steps[0]
    told = [
        (found.path, None if found.after == "(absent)" or str(found.after) == "(absent)" else found.after)
        for found in step.changes
    ]
    assert told == shown


def test_a_what_if_elsewhere_names_the_whole_resource(sim: ArmSimulator, client: RemediationClient) -> None:
    """A template may touch another resource than the one it is about; the resource itself is called so."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    vault = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).steps[0].resource_id
    changes = [
        {"resourceId": workspace, "changeType": "Create", "after": {"location": "westeurope"}},
        {"resourceId": vault, "changeType": "Create", "after": {"location": "westeurope"}},
    ]
    sim.faults.fail(
        "POST", "/whatIf", status=200, body={"status": "Succeeded", "properties": {"changes": changes}}, times=None
    )
    step = client.plan([KEY_VAULT_LOGS], resources=[vault], parameters={"workspace_id": workspace}).steps[0]
    assert [found.path for found in step.changes] == [f"{workspace} location", "(resource) location"]


def test_what_a_template_changes_need_not_be_a_path(sim: ArmSimulator, client: RemediationClient) -> None:
    """The what-if names resources; one whose name reads like a broken path spoils nothing."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    vault = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).steps[0].resource_id
    change = {"resourceId": f"{vault}/x/odd..name[", "changeType": "Create", "after": {"location": "westeurope"}}
    sim.faults.fail(
        "POST", "/whatIf", status=200, body={"status": "Succeeded", "properties": {"changes": [change]}}, times=None
    )
    report = client.fix(KEY_VAULT_LOGS, resources=[vault], parameters={"workspace_id": workspace})
    assert [(result.outcome, dict(result.after)) for result in report] == [(Outcome.APPLIED, {})]


def test_a_what_if_without_changes_is_no_preview(sim: ArmSimulator, client: RemediationClient) -> None:
    """An answer that does not say what changes is not an empty change."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    sim.faults.fail("POST", "/whatIf", status=200, body={"status": "Succeeded", "properties": {}}, times=None)
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace})
    assert {skip.reason for skip in plan.skipped} == {SkipReason.PREVIEW_FAILED}


def test_an_interrupt_stops_the_run(connect: Callable[..., RemediationClient], accounts: list[str]) -> None:
    """Control-C is not an outcome of a step: it reaches the caller, and what has not begun does not begin."""

    def interrupt(event: object) -> None:
        if isinstance(event, StepStarted):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect(hooks=[interrupt], workers=1).fix(SECURE_TRANSFER, resources=accounts)


def test_a_forbidden_assessment_is_an_error(sim: ArmSimulator, client: RemediationClient, accounts: list[str]) -> None:
    """Only a missing one is looked for in the listing."""
    sim.faults.fail("GET", "/assessments/", status=403, code="AuthorizationFailed", times=None)
    with pytest.raises(ForbiddenError):
        client.plan([SECURE_TRANSFER], resources=accounts[:1])


def test_an_assessment_that_is_listed_only_is_found(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """A read by id that answers 404, or about something else, falls back to the listing."""
    sim.faults.fail("GET", "/assessments/", status=404, code="ResourceNotFound")
    assert len(client.plan([SECURE_TRANSFER], resources=accounts[:1]).steps) == 1
    sim.faults.fail("GET", "/assessments/", status=200, body={"id": "/x", "name": "y", "properties": {}})
    assert len(client.plan([SECURE_TRANSFER], resources=accounts[:1]).steps) == 1


def test_a_subscription_that_says_no_tenant_is_bound_by_its_id(sim: ArmSimulator, client: RemediationClient) -> None:
    """An odd answer about the tenant is no tenant."""
    sim.faults.fail("GET", "^[^?]*/subscriptions/[^/?]+[?]", status=200, body={"id": "/subscriptions/x"}, times=None)
    assert client.plan([SECURE_TRANSFER]).tenants == ()


def test_what_needs_an_if_match_gets_one_there_and_back(connect: Callable[..., RemediationClient]) -> None:
    """A type that returns no etag accepts `If-Match: *`: in the plan, in the undo request, and in a rollback."""
    catalog = Catalog.bundled().with_fixes(attrs.evolve(fix(SECURE_TRANSFER), if_match="*"))
    client = connect(catalog=catalog)
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    (step,) = plan.steps
    assert step.undo_request is not None
    assert (step.request.if_match, step.undo_request.if_match) == ("*", "*")
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == 1
    assert [step.request.if_match for step in client.plan_rollback(report.run_id).steps] == ["*"]
    assert client.rollback(report.run_id).count("rolled_back") == 1
