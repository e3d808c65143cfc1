"""What a plan contains, and what it leaves out and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction, Recommendation, RemediationClient, SkipReason
from defender_remediate.errors import (
    InvalidInputError,
    ParameterError,
    ProviderNotRegisteredError,
    RequestError,
    UnknownRecommendationError,
)
from defender_remediate.models import Condition, Reversibility
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
PUBLIC_ACCESS = "51fd8bb1-0db4-bbf1-7e2b-cfcba7eb66a6"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
CORS = "df4d1739-47f0-60c7-1706-3731fea6ab03"
MFA_FOR_OWNERS = "6240402e-f77c-46fa-9060-a7ce53997754"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
FTP_BASIC_AUTH = "56d42cec-3359-c1a2-f3f2-fea2232edc64"
UNUSED = {"private_endpoint": "this tenant is not in use"}


def with_put(connect: Callable[..., RemediationClient]) -> RemediationClient:
    """A client whose fix of the storage firewall is a PUT of the whole account."""
    fix = Catalog.bundled().get(FIREWALL)
    assert fix is not None
    return connect(catalog=Catalog.bundled().with_fixes(attrs.evolve(fix, kind="put", send_whole=())))


def test_planning_twice_gives_the_same_digest(client: RemediationClient) -> None:
    """What someone approved yesterday can be recognised today, as long as nothing moved."""
    assert client.plan([SECURE_TRANSFER]).digest == client.plan([SECURE_TRANSFER]).digest


def test_both_sources_give_the_same_plan(connect: Callable[..., RemediationClient]) -> None:
    """Resource Graph and REST are two ways to the same findings."""
    rest, graph = connect(source="rest").plan([SECURE_TRANSFER]), connect(source="graph").plan([SECURE_TRANSFER])
    assert {step.id for step in rest.steps} == {step.id for step in graph.steps}


@pytest.mark.parametrize("given", [SECURE_TRANSFER, [SECURE_TRANSFER.upper()]])
def test_a_recommendation_is_named_by_its_key_in_any_casing(client: RemediationClient, given: Any) -> None:
    """A single key and a list of one are the same."""
    assert client.plan(given).steps == client.plan([client.get_recommendation(SECURE_TRANSFER)]).steps


def test_each_scope_plans_its_own(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str]
) -> None:
    """A resource group, a single resource, and a management group."""
    one = accounts[0]
    group = one.partition("/providers/")[0]
    assert {step.resource_id for step in connect(one).plan([SECURE_TRANSFER]).steps} == {one}
    assert {step.resource_id for step in connect(group.upper()).plan([SECURE_TRANSFER]).steps} == {
        account for account in accounts if account.casefold().startswith(f"{group.casefold()}/")
    }
    sim.resources.add_subscription(sim.scopes[0].rpartition("/")[2], management_group="contoso")


def test_every_named_resource_is_answered(client: RemediationClient, accounts: list[str], sim: ArmSimulator) -> None:
    """Compliant, of another type, or unknown: each is in the plan with its reason."""
    healthy = next(found.resource_id for found in client.list_assessments(SECURE_TRANSFER, status="Healthy"))
    vault = sim.resources.list_ids("Microsoft.KeyVault/vaults")[0]
    nowhere = f"{accounts[0]}x"
    plan = client.plan([SECURE_TRANSFER], resources=[accounts[0], healthy, vault, nowhere])
    assert [step.resource_id for step in plan.steps] == [accounts[0]]
    assert {skip.resource_id: skip.reason for skip in plan.skipped} == {
        healthy: SkipReason.ALREADY_COMPLIANT,
        vault: SkipReason.NOT_APPLICABLE,
        nowhere: SkipReason.NOT_APPLICABLE,
    }


def test_many_named_resources_cost_one_listing(client: RemediationClient, sim: ArmSimulator) -> None:
    """Beyond a few, the assessments are listed instead of asked for one by one."""
    resources = sim.resources.list_ids()[:30]
    sim.requests.clear()
    plan = client.plan([SECURE_TRANSFER], resources=resources)
    assert len(plan.steps) + len(plan.skipped) == len(resources)
    single = [request for request in sim.requests if "/assessments/" in request.path]
    assert single == []


def test_a_parameter_is_asked_for_before_any_request(sim: ArmSimulator, client: RemediationClient) -> None:
    """A named recommendation without its parameter is an error; among everything it is left out."""
    with pytest.raises(ParameterError, match="allowed_origins"):
        client.plan([CORS])
    with pytest.raises(ParameterError, match="'allowed_origin'"):
        client.plan([CORS], parameters={"allowed_origin": ["https://a.example"]})
    with pytest.raises(ParameterError, match="list of strings"):
        client.plan([CORS], parameters={"allowed_origins": "https://a.example"})
    assert sim.requests == []
    everything = client.plan()
    assert SkipReason.PARAMETER_MISSING in {skip.reason for skip in everything.skipped}


def test_a_parameter_fills_the_request(client: RemediationClient) -> None:
    """What the caller chose is what will be sent."""
    plan = client.plan([CORS], parameters={"allowed_origins": ["https://shop.contoso.example"]})
    assert plan.steps
    assert "https://shop.contoso.example" in str(plan)


def test_a_recommendation_without_a_fix_has_no_steps(client: RemediationClient) -> None:
    """Manual recommendations are answered, not refused."""
    plan = client.plan([MFA_FOR_OWNERS])
    assert plan.steps == ()
    assert {skip.reason for skip in plan.skipped} == {SkipReason.NO_FIX}


def test_an_unknown_key_is_an_error(client: RemediationClient, sim: ArmSimulator) -> None:
    """A key that is no GUID is refused before any request, one that Azure does not have after asking it."""
    with pytest.raises(UnknownRecommendationError):
        client.plan(["secure transfer"])
    assert sim.requests == []
    with pytest.raises(UnknownRecommendationError):
        client.plan(["00000000-0000-0000-0000-000000000001"])


def test_a_resource_that_cannot_be_read_is_left_out(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """One forbidden resource does not spoil the plan of the others; one that is gone is named as such."""
    sim.faults.fail("GET", f"{accounts[0].rpartition('/')[2]}[?]", status=403, code="AuthorizationFailed", times=None)
    sim.faults.fail("GET", f"{accounts[1].rpartition('/')[2]}[?]", status=404, code="ResourceNotFound", times=None)
    plan = client.plan([SECURE_TRANSFER])
    assert {skip.resource_id: skip.reason for skip in plan.skipped} == {
        accounts[0]: SkipReason.NOT_READABLE,
        accounts[1]: SkipReason.NOT_FOUND,
    }
    assert len(plan.steps) == len(accounts) - 2


def test_a_failing_what_if_leaves_the_resource_out(sim: ArmSimulator, client: RemediationClient) -> None:
    """What cannot be previewed is not planned."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    sim.faults.fail(
        "POST", "/whatIf", status=200, body={"status": "Failed", "error": {"code": "Boom", "message": "no"}}, times=None
    )
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace})
    assert plan.steps == ()
    assert {skip.reason for skip in plan.skipped} == {SkipReason.PREVIEW_FAILED}
    assert "Boom" in plan.skipped[0].message


def test_a_template_shows_what_azure_says_it_will_create(sim: ArmSimulator, client: RemediationClient) -> None:
    """The preview of a deployment is Azure's own what-if."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    step = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).steps[0]
    assert (step.executor, step.request.method) == ("template", "PUT")
    assert step.request.body["properties"]["mode"] == "Incremental"
    assert "diagnosticSettings" in step.changes[0].path
    assert workspace.casefold() in str(step).casefold()
    assert step.undo_request is None
    assert step.reversibility == "conditional"


def test_a_patch_and_a_put_of_one_resource_become_one_put(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """Whatever a PATCH would have changed, the PUT carries too."""
    client = with_put(connect)
    one = {found.resource_id for found in client.list_assessments(SECURE_TRANSFER, status="Unhealthy")}
    other = {found.resource_id for found in client.list_assessments(FIREWALL, status="Unhealthy")}
    shared = min(one & other)
    plan = client.plan([SECURE_TRANSFER, FIREWALL], resources=[shared], waive=UNUSED)
    assert [(step.executor, len(step.keys)) for step in plan.steps] == [("put", 2)]
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == 1
    assert [request.method for request in sim.writes] == ["PUT"]
    properties = sim.resources.get(shared)["properties"]
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["networkAcls"]["defaultAction"] == "Deny"


def test_a_put_keeps_everything_else(sim: ArmSimulator, client: RemediationClient) -> None:
    """GET-merge-PUT sends the whole body back with one difference."""
    plan = client.plan([FTP_BASIC_AUTH])
    assert {step.executor for step in plan.steps} == {"put"}
    before = {step.target_id: sim.resources.get(step.target_id) for step in plan.steps}
    client.apply(plan, approve=plan.digest).raise_for_failures()
    for target, body in before.items():
        body["properties"]["allow"] = False
        assert sim.resources.get(target) == body


def test_a_plan_holds_nothing_of_what_it_does_not_touch(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """The whole body of a PUT is put together when it is sent: no plan and no report carries other people's values."""
    client = with_put(connect)
    target = client.plan([FIREWALL], waive=UNUSED).steps[0].target_id
    sim.resources.edit(target, lambda body: body["tags"].update(note="planted-S3CR3T"))
    plan = client.plan([FIREWALL], resources=[target], waive=UNUSED)
    report = client.verify(client.apply(plan, approve=plan.digest))
    report.raise_for_failures()
    assert sim.resources.get(target)["tags"]["note"] == "planted-S3CR3T"
    assert b"planted-S3CR3T" in sim.writes[-1].body
    assert "planted-S3CR3T" not in plan.to_json() + report.to_json() + repr(plan) + repr(report) + str(plan) + str(
        report
    )


def test_fixes_of_the_callers_own_are_used(connect: Callable[..., RemediationClient], accounts: list[str]) -> None:
    """A fix in code takes the place of the bundled one; one with another api-version on the same target clashes."""
    own = FixAction(
        key=SECURE_TRANSFER,
        title="Ours",
        kind="patch",
        resource_type="Microsoft.Storage/storageAccounts",
        api_version="2023-05-01",
        body={"properties": {"supportsHttpsTrafficOnly": True}, "tags": {"hardened": "yes"}},
        compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
        permissions=("Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"),
    )
    client = connect(catalog=Catalog.bundled().with_fixes(own))
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    assert plan.steps[0].api_version == "2023-05-01"
    assert {change.path for change in plan.steps[0].changes} == {
        "properties.supportsHttpsTrafficOnly",
        "tags.hardened",
    }
    client.apply(plan, approve=plan.digest).raise_for_failures()


def test_two_api_versions_of_one_target_are_not_mixed(
    connect: Callable[..., RemediationClient], client: RemediationClient
) -> None:
    """The second would find its target moved by the first: it has to wait for another plan."""
    bundled = Catalog.bundled()
    other = bundled.get(PUBLIC_ACCESS)
    assert other is not None
    mixed = connect(catalog=bundled.with_fixes(attrs.evolve(other, api_version="2023-05-01")))
    one = {found.resource_id for found in client.list_assessments(SECURE_TRANSFER, status="Unhealthy")}
    shared = min(one & {found.resource_id for found in client.list_assessments(PUBLIC_ACCESS, status="Unhealthy")})
    plan = mixed.plan([SECURE_TRANSFER, PUBLIC_ACCESS], resources=[shared])
    assert len(plan.steps) == 1
    assert [skip.reason for skip in plan.skipped] == [SkipReason.CONFLICTS_WITH_ANOTHER_FIX]


def test_a_recommendation_reached_by_its_policy(client: RemediationClient, accounts: list[str]) -> None:
    """Where Azure's key is unknown to the catalog, the policy definition in the metadata leads to the fix."""
    metadata = client.get_recommendation(SECURE_TRANSFER)
    bare = Recommendation(key=SECURE_TRANSFER, display_name="", policy_definition_id=metadata.policy_definition_id)
    assert client.plan([bare]).steps


def test_no_recommendation_means_everything_fixable(client: RemediationClient) -> None:
    """And a plan of it can be narrowed by recommendation and by resource."""
    plan = client.plan()
    assert len({key for step in plan.steps for key in step.keys}) > 5
    narrowed = plan.only(keys=[SECURE_TRANSFER])
    assert all(SECURE_TRANSFER in step.keys for step in narrowed.steps)
    assert len(narrowed.steps) + len(narrowed.skipped) == len(plan.steps) + len(plan.skipped)


def test_a_plan_begins_with_what_is_worth_most(client: RemediationClient) -> None:
    """In the order of the ranking, or in the order in which the caller named them."""
    ranked = [found.key for found in client.list_recommendations(fixable=True)]
    first = [ranked.index(step.keys[0]) for step in client.plan().steps]
    assert first == sorted(first)
    named = client.plan([PUBLIC_ACCESS, SECURE_TRANSFER])
    assert PUBLIC_ACCESS in named.steps[0].keys
    assert SECURE_TRANSFER in client.plan([SECURE_TRANSFER, PUBLIC_ACCESS]).steps[0].keys


def test_an_unregistered_subscription_is_not_an_empty_one(sim: ArmSimulator, client: RemediationClient) -> None:
    """Nothing known is not nothing found."""
    sim.resources.unregister_provider(sim.scopes[0], "Microsoft.Security")
    with pytest.raises(ProviderNotRegisteredError):
        list(client.list_assessments())
    with pytest.raises(ProviderNotRegisteredError):
        client.plan([SECURE_TRANSFER])
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts", sim.scopes[0])[0]
    with pytest.raises(ProviderNotRegisteredError):
        client.plan([SECURE_TRANSFER], resources=[account])


def test_a_listing_that_fails_fails_the_plan(sim: ArmSimulator, client: RemediationClient) -> None:
    """Without the findings there is no plan."""
    sim.faults.fail("GET", "/assessments[?]", status=403, code="AuthorizationFailed", times=None)
    with pytest.raises(RequestError):
        client.plan([SECURE_TRANSFER])


def test_a_caller_without_rights_on_the_subscription_can_still_plan(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Once they say why its state need not be known. The tenant is bound where it can be read, the id in any case."""
    sim.faults.fail("GET", "^[^?]*/subscriptions/[^/?]+[?]", status=403, code="AuthorizationFailed", times=None)
    assert {skip.reason for skip in client.plan([SECURE_TRANSFER]).skipped} == {SkipReason.UNCHECKED}
    plan = client.plan([SECURE_TRANSFER], waive={"subscription": "we pay our bills"})
    assert plan.tenants == ()
    client.apply(plan, approve=plan.digest).raise_for_failures()


def test_parameters_of_a_fix_that_is_known_by_its_policy_only(connect: Callable[..., RemediationClient]) -> None:
    """They are asked for and taken as those of any other."""
    fix = Catalog.bundled().get(CORS)
    assert fix is not None
    catalog = Catalog([attrs.evolve(fix, key="00000000-0000-4000-8000-00000000c025")])
    client = connect(catalog=catalog)
    assert client.plan([CORS], parameters={"allowed_origins": ["https://shop.contoso.example"]}).steps
    with pytest.raises(ParameterError, match="allowed_origins"):
        client.plan([CORS])


@pytest.mark.parametrize("source", ["rest", "graph"])
def test_a_resource_outside_the_scope_is_left_alone(
    connect: Callable[..., RemediationClient], accounts: list[str], source: str
) -> None:
    """However few or many are named: a client never writes beyond what it was made for."""
    own = accounts[0].partition("/providers/")[0]
    other = next(account for account in accounts if not account.startswith(f"{own}/"))
    client = connect(own, source=source)
    plan = client.plan([SECURE_TRANSFER], resources=[accounts[0], other])
    assert [step.resource_id for step in plan.steps] == [accounts[0]]
    assert [(skip.resource_id, "outside the scope" in skip.message) for skip in plan.skipped] == [(other, True)]


def test_a_plan_for_nothing_reads_nothing(sim: ArmSimulator, client: RemediationClient) -> None:
    """No recommendation and no resource are not all of them: most often an iterator was read before."""
    used = iter(client.list_recommendations(fixable=True))
    assert list(used)
    sim.requests.clear()
    for recommendations, options in (
        ([], {}),
        (used, {}),
        ([SECURE_TRANSFER], {"resources": []}),
        ([SECURE_TRANSFER], {"resources": iter(())}),
    ):
        with pytest.raises(InvalidInputError, match=r"(recommendations|resources) is empty"):
            client.plan(recommendations, **options)
    with pytest.raises(InvalidInputError, match="resources is empty"):
        client.fix(SECURE_TRANSFER, resources=[])
    assert sim.requests == []


def test_a_cloud_with_older_versions_only_is_planned_and_fixed_in_one_of_them(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The step is read and written in the newest older version that shows what the fix changes."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    sim.resources.retire_api_versions("Microsoft.Storage/storageAccounts", fix.api_version)
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:2])
    assert {step.api_version for step in plan.steps} == {step.request.api_version for step in plan.steps}
    assert all(step.api_version < fix.api_version for step in plan.steps)
    assert len(plan.steps) == client.apply(plan, approve=plan.digest).count("applied") == 2


def test_an_assessment_or_a_display_name_is_planned_like_its_key(
    client: RemediationClient, accounts: list[str]
) -> None:
    """An assessment stands for its own resource; a name for all of them."""
    one = next(found for found in client.list_assessments(SECURE_TRANSFER) if found.resource_id == accounts[0])
    assert [step.resource_id for step in client.plan(one).steps] == accounts[:1]
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    assert {step.resource_id for step in client.plan(fix.title.upper()).steps} == set(accounts)


def test_a_value_that_is_the_default_needs_no_undo(sim: ArmSimulator, client: RemediationClient) -> None:
    """A property that was not set before and gets Azure's default: an undo would send the same value."""
    key, cache = "35b25be2-d08a-e340-45ed-f08a95d804fc", sim.resources.list_ids("Microsoft.Cache/redis")[0]
    sim.resources.edit(cache, lambda body: body["properties"].pop("enableNonSslPort", None))
    found = [step for step in client.plan([key]).steps if step.resource_id == cache]
    assert [(step.undo_request, step.reversibility) for step in found] == [(None, Reversibility.CONDITIONAL)]
    assert "is the default, so there is nothing to undo" in str(found[0].undo_condition)
