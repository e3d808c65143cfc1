"""Typed use of the public names, as a user's editor sees it. Checked by mypy and pyright; never executed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from azure.core import AzureClouds
from azure.core.credentials import AccessToken
from azure.core.paging import ItemPaged
from typing_extensions import assert_type

from defender_remediate import (
    ActivityEvent,
    Assessment,
    Catalog,
    CheckResult,
    FixAction,
    Guards,
    Guidance,
    Outcome,
    Recommendation,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    RemediationResult,
    RemediationStep,
    ResourceId,
    Scope,
    SecureScore,
    SecurityControl,
    Severity,
    SkippedResource,
)
from defender_remediate.catalog import CatalogProblem, ProblemSeverity, Rule
from defender_remediate.errors import DefenderRemediateError, RequestError
from defender_remediate.executors import FixExecutor, PatchExecutor, TemplateExecutor
from defender_remediate.hooks import RemediationEvent, RemediationHook, StepFinished, log_progress, print_progress
from defender_remediate.models import (
    AssessmentEvent,
    AttackPath,
    Cause,
    CheckStatus,
    Condition,
    CreatedResource,
    Cve,
    CveAssessment,
    Diagnosis,
    Health,
    IndividualDetails,
    PlanShard,
    Priority,
    RecommendationCategory,
    Risk,
    StepError,
    Verification,
    latest_events,
)
from defender_remediate.reports import to_csv, to_html, to_markdown
from defender_remediate.testing import EXECUTOR_CONTRACT, ArmSimulator


class MyCredential:
    """A credential needs nothing but ``get_token``."""

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **options: object,
    ) -> AccessToken:
        return AccessToken("token", 0)


def my_hook(event: RemediationEvent, /) -> None:
    if isinstance(event, StepFinished):
        assert_type(event.result, RemediationResult)
        assert_type(event.done, int)


def connects() -> RemediationClient:
    hooks: list[RemediationHook] = [my_hook, log_progress(), print_progress()]
    executors: dict[str, FixExecutor] = {"patch": PatchExecutor(), "template": TemplateExecutor()}
    RemediationClient(MyCredential(), ["/subscriptions/a", "/subscriptions/b"], cloud=AzureClouds.AZURE_CHINA_CLOUD)
    return RemediationClient(
        MyCredential(),
        "/subscriptions/a",
        endpoint="https://arm.example.com",
        catalog=Catalog.bundled().with_fixes("my.toml"),
        executors=executors,
        guards=Guards(max_changes=5, allow_irreversible=("key",)),
        hooks=hooks,
        source="graph",
    )


def reads(client: RemediationClient) -> None:
    assert_type(client.get_secure_score(), SecureScore)
    assert_type(client.list_controls(), ItemPaged[SecurityControl])
    recommendations = client.list_recommendations(status="Unhealthy", severity="High", control=None, fixable=True)
    assert_type(recommendations, ItemPaged[Recommendation])
    recommendation = client.get_recommendation("key")
    assert_type(recommendation.severity, Severity | None)
    assert_type(recommendation.fix, FixAction | None)
    assert_type(recommendation.priority, Priority)
    assert_type(recommendation.potential_increase, float)
    assert_type(client.list_assessments("key", status="Unhealthy"), ItemPaged[Assessment])
    assert_type(client.list_assessments(category=["SoftwareUpdate"]), ItemPaged[Assessment])
    assert_type(client.list_recommendations(category=RecommendationCategory.SOFTWARE_UPDATE), ItemPaged[Recommendation])
    assert_type(client.list_cves(["CVE-2026-0001"]), ItemPaged[Cve])
    assert_type(client.list_cve_assessments(category=None), ItemPaged[CveAssessment])
    assert_type(client.list_attack_paths("/a"), ItemPaged[AttackPath])
    assert_type(recommendation.risk, Risk | None)
    event = AssessmentEvent.from_payload(b"{}")
    assert_type(event.assessment.details, IndividualDetails)
    assert_type(latest_events(AssessmentEvent.list_from([])), tuple[AssessmentEvent, ...])
    assert_type(Recommendation.from_event("{}"), Recommendation)
    assert_type(client.catalog, Catalog)
    assert_type(client.catalog.list_for_recommendation("key", "policy"), tuple[FixAction, ...])
    assert_type(client.catalog.without("key"), Catalog)
    assert_type(client.catalog.get_guidance("key"), Guidance | None)
    assert_type(client.catalog.role_definition([*client.catalog, "key"], name="x", scopes="/a")["actions"], Any)
    for parameter in client.catalog.list_for_recommendation("key")[0].parameters:
        assert_type(client.list_parameter_choices(parameter, location="westeurope"), ItemPaged[str])
    assert_type(recommendation.guidance, Guidance | None)
    for problem in client.catalog.check(fixes=["my.toml"]):
        assert_type(problem, CatalogProblem)
        assert_type(problem.rule, Rule)
        assert_type(problem.severity, ProblemSeverity)


def cycles(client: RemediationClient, recommendation: Recommendation) -> RemediationReport:
    plan = client.plan([recommendation, "key"], resources=["/a"], parameters={"workspace_id": {"/a": "/b"}})
    assert_type(plan, RemediationPlan)
    assert_type(plan.steps, tuple[RemediationStep, ...])
    assert_type(plan.skipped, tuple[SkippedResource, ...])
    assert_type(plan.digest, str)
    for resource_id, finding in client.plan(waive={"lock": "why", "private_endpoint": "why"}).check_results:
        assert_type(resource_id, str)
        assert_type(finding, CheckResult)
        assert_type(finding.status, CheckStatus)
        assert_type(finding.is_blocking, bool)
        assert_type(finding.evidence, tuple[str, ...])
    assert_type(plan.only(keys=["key"]).limit(3), RemediationPlan)
    assert_type(RemediationPlan.from_json(plan.to_json()), RemediationPlan)
    report = client.apply(plan, approve=plan.digest)
    assert_type(report, RemediationReport)
    assert_type(report.count(Outcome.APPLIED) + report.count("failed"), int)
    for result in report:
        assert_type(result.outcome, Outcome)
        assert_type(result.health, Health | None)
        assert_type(result.error, StepError | None)
        assert_type(report.step(result), RemediationStep | None)
        assert_type(result.verified, Verification)
        assert_type(result.diagnosis, Diagnosis | None)
        if result.diagnosis:
            assert_type(result.diagnosis.cause, Cause)
            assert_type(result.diagnosis.recheck_at, datetime | None)
        assert_type(result.created, tuple[CreatedResource, ...])
    shards = plan.shards(by="subscription")
    assert_type(shards, tuple[RemediationPlan, ...])
    assert_type(RemediationPlan.from_shards(shards), RemediationPlan)
    assert_type(shards[0].shard, PlanShard | None)
    with ThreadPoolExecutor() as executor:
        for given in (plan, shards, list(shards)):
            divided = client.apply(given, approve=plan.digest, executor=executor, make_client=lambda: client)
            assert_type(divided, RemediationReport)
        assert_type(client.resume(report, executor=executor, make_client=lambda: client), RemediationReport)
    assert_type(client.merge_shards(shards, journals=[client.journal]), RemediationReport)
    undo = client.plan_rollback(report.run_id, steps=["id"], remove=["/a"])
    assert_type(undo.removable, tuple[str, ...])
    assert_type([step.is_removal for step in undo.steps], list[bool])
    assert_type(client.apply(undo, approve=undo.digest, waive={"removal": "why"}), RemediationReport)
    assert_type(client.resume(report.run_id, waive={"window": "why"}), RemediationReport)
    report.raise_for_failures()
    assert_type(client.verify(report, timeout=3600), RemediationReport)
    return client.fix(recommendation, resources=["/a"], parameters={"workspace_id": "/b"})


def traces(client: RemediationClient, since: datetime) -> None:
    events = client.activity.list_events(since=since, until=since + timedelta(days=1), resource_id="/a")
    assert_type(next(events), ActivityEvent)
    assert_type(next(events).timestamp, datetime | None)


def renders(plan: RemediationPlan, report: RemediationReport) -> str:
    return to_markdown(plan) + to_html(report) + to_csv(report)


def writes_a_fix() -> FixAction:
    return FixAction(
        key="key",
        title="title",
        kind="patch",
        resource_type="Microsoft.Storage/storageAccounts",
        api_version="2023-05-01",
        body={"properties": {"supportsHttpsTrafficOnly": True}},
        compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
        impact="connectivity",
        reversibility="exact",
    )


def fails(client: RemediationClient) -> None:
    try:
        client.get_secure_score()
    except RequestError as error:
        assert_type(error.status, int)
        assert_type(error.retry_after, float | None)
    except DefenderRemediateError as error:
        assert_type(error.hint, str | None)


def takes_ids_apart() -> None:
    assert_type(ResourceId.parse("/subscriptions/a").resource_group, str | None)
    assert_type(Scope.parse("/subscriptions/a").contains("/subscriptions/a/x"), bool)


def keeps_the_contract(fix: FixAction) -> None:
    for rule in EXECUTOR_CONTRACT:
        rule.check(PatchExecutor(), fix)


def simulates() -> RemediationClient:
    sim = ArmSimulator.demo()
    assert_type(sim.scopes, tuple[str, ...])
    return RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)
