"""Whether Defender looks at a subscription at all: an empty list is never reported as healthy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate import Catalog, RemediationClient
from defender_remediate.errors import CallTimeoutError, InvalidInputError, ProviderNotRegisteredError
from defender_remediate.models import DefenderPlan, PostureIssue, PostureWarning, SubscriptionPosture
from defender_remediate.testing import ArmSimulator, seeded_client

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
FOUNDATIONAL = "foundational-cspm"


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with one subscription and one storage account that takes plain HTTP."""
    made = ArmSimulator()
    scope = made.resources.add_subscription("55555555-5555-4555-8555-555555555555", "New")
    body = {"location": "westeurope", "properties": {"supportsHttpsTrafficOnly": False}}
    account = f"{scope}/resourceGroups/new-rg/providers/Microsoft.Storage/storageAccounts/newdata"
    made.resources.add({**body, "id": account})
    return made


def connected(sim: ArmSimulator, **options: Any) -> RemediationClient:
    """A client on the tenant."""
    options = {"transport": sim, "clock": sim.clock, "jitter": lambda: 0.5, **options}
    return seeded_client(sim.credential, sim.scopes, **options)


def unregistered(sim: ArmSimulator) -> None:
    """No one has registered Microsoft.Security."""
    sim.resources.unregister_provider(sim.scopes[0], "Microsoft.Security")


def posture_off(sim: ArmSimulator) -> None:
    """A subscription of the end of 2026."""
    sim.defender.turn_off_posture(sim.scopes[0])


def no_benchmark(sim: ArmSimulator) -> None:
    """Someone removed the benchmark."""
    sim.defender.unassign_benchmark(sim.scopes[0])


def only_another_policy(sim: ArmSimulator) -> None:
    """Someone put a policy of their own in the place of the benchmark."""
    no_benchmark(sim)
    sim.access.assign_policy(sim.scopes[0], resource_type="X.Y/z", path="properties.x", equals=1, effect="audit")


def never_evaluated(sim: ArmSimulator) -> None:
    """Posture management was turned on an hour ago."""
    sim.defender.forget_assessments(sim.scopes[0])


def off_by_policy(sim: ArmSimulator) -> None:
    """The policy behind the recommendation is disabled."""
    for account in sim.resources.list_ids("Microsoft.Storage/storageAccounts"):
        sim.defender.add_assessment(SECURE_TRANSFER, account, code="NotApplicable", cause="OffByPolicy")


def unsupported_plan(sim: ArmSimulator) -> None:
    """The recommendation needs a plan that is off."""
    for account in sim.resources.list_ids("Microsoft.Storage/storageAccounts"):
        sim.defender.add_assessment(SECURE_TRANSFER, account, code="NotApplicable", cause="UnsupportedPricingPlan")


def plans_forbidden(sim: ArmSimulator) -> None:
    """Everything is on and evaluated, and the caller may not read the plans."""
    sim.defender.forget_assessments(sim.scopes[0])
    sim.access.deny("Microsoft.Security/pricings/read", sim.scopes[0])


def disabled(sim: ArmSimulator) -> None:
    """The bill was not paid, and what was evaluated is gone."""
    sim.defender.forget_assessments(sim.scopes[0])
    sim.resources.set_subscription_state(sim.scopes[0], "Disabled")


STATES: dict[Callable[[ArmSimulator], None], set[PostureIssue]] = {
    unregistered: {PostureIssue.PROVIDER_NOT_REGISTERED},
    posture_off: {PostureIssue.POSTURE_OFF, PostureIssue.NEVER_EVALUATED},
    no_benchmark: {PostureIssue.BENCHMARK_NOT_ASSIGNED, PostureIssue.NEVER_EVALUATED},
    only_another_policy: {PostureIssue.BENCHMARK_NOT_ASSIGNED, PostureIssue.NEVER_EVALUATED},
    never_evaluated: {PostureIssue.NEVER_EVALUATED},
    off_by_policy: {PostureIssue.OFF_BY_POLICY},
    unsupported_plan: {PostureIssue.UNSUPPORTED_PLAN},
    plans_forbidden: {PostureIssue.NOT_CHECKED, PostureIssue.NEVER_EVALUATED},
    disabled: {PostureIssue.SUBSCRIPTION_DISABLED, PostureIssue.NEVER_EVALUATED},
}


def posture_of(client: RemediationClient) -> SubscriptionPosture:
    """The posture of the only subscription."""
    (found,) = client.get_posture()
    return found


def test_a_subscription_that_is_evaluated_has_no_reasons(sim: ArmSimulator) -> None:
    """Only then an empty list means healthy, and listing it warns of nothing."""
    with connected(sim) as client:
        posture = posture_of(client)
        assert posture.is_evaluated
        assert (posture.provider_registered, posture.benchmark_assigned) == (True, True)
        assert (posture.foundational, posture.defender_cspm) == (True, False)
        assert posture.last_evaluated is not None
        assert list(client.list_recommendations(severity="Critical")) == []
        assert "none, so only Azure is evaluated" in str(posture)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_each_state_is_named_and_never_healthy(sim: ArmSimulator, state: Callable[[ArmSimulator], None]) -> None:
    """The posture names the reason and what to do; every listing and plan of nothing says it."""
    state(sim)
    with connected(sim) as client:
        posture = posture_of(client)
        assert set(posture.issues) == STATES[state]
        assert not posture.is_evaluated
        assert all(reason.advice for reason in posture.reasons)
        assert posture.reasons[0].message in str(posture)
        if state is unregistered:
            for listing in (client.list_recommendations, client.list_assessments, client.list_controls):
                with pytest.raises(ProviderNotRegisteredError):
                    list(listing())
            return
        with pytest.warns(PostureWarning) as warned:
            assert list(client.list_assessments(SECURE_TRANSFER, status="Unhealthy")) == []
        assert set(warned[0].message.postures[0].issues) == STATES[state]  # type: ignore[union-attr]
        assert posture.reasons[0].message in str(warned[0].message)
        plan = client.plan([SECURE_TRANSFER])
        assert posture.reasons[0].message in plan.details()
        assert len(plan.not_evaluated) == len(posture.reasons)


@pytest.mark.parametrize("state", [posture_off, never_evaluated], ids=lambda state: state.__name__)
def test_every_listing_of_a_silent_subscription_warns(sim: ArmSimulator, state: Callable[[ArmSimulator], None]) -> None:
    """Recommendations, assessments, controls and the score: none of them is silently empty."""
    state(sim)
    with connected(sim) as client:
        for listing in (client.list_recommendations, client.list_assessments, client.get_secure_score):
            with pytest.warns(PostureWarning):
                listing() if listing == client.get_secure_score else list(listing())  # type: ignore[arg-type]


def test_one_silent_subscription_among_others_is_named(sim: ArmSimulator) -> None:
    """The listing is not empty, and yet says nothing of that subscription."""
    other = sim.resources.add_subscription("66666666-6666-4666-8666-666666666666", "Other")
    sim.defender.turn_off_posture(other)
    sim.defender.forget_assessments(other)
    with connected(sim) as client, pytest.warns(PostureWarning) as warned:
        assert list(client.list_recommendations(status=None))
    (posture,) = warned[0].message.postures  # type: ignore[union-attr]
    assert posture.subscription_id == "66666666-6666-4666-8666-666666666666"


def test_what_is_summed_over_subscriptions_names_the_silent_one(sim: ArmSimulator) -> None:
    """Controls, the score and a plan of everything are not those of a subscription that is not evaluated."""
    other = sim.resources.add_subscription("66666666-6666-4666-8666-666666666666", "Other")
    sim.defender.turn_off_posture(other)
    with connected(sim) as client:
        for call in (lambda: list(client.list_controls()), client.get_secure_score):
            with pytest.warns(PostureWarning) as warned:
                call()
            assert [one.subscription_id for one in warned[0].message.postures] == [other.rpartition("/")[2]]  # type: ignore[union-attr]
        plan = client.plan()
        assert len(plan)
        assert plan.not_evaluated
        assert all(other.rpartition("/")[2] in reason for reason in plan.not_evaluated)
        assert plan.not_evaluated[0] in plan.details()


def test_no_attack_paths_without_the_plan_that_finds_them_is_not_healthy(sim: ArmSimulator) -> None:
    """Azure looks for attack paths with Defender CSPM only; with it, an empty list is true."""
    with connected(sim) as client:
        with pytest.warns(PostureWarning, match="attack paths"):
            assert list(client.list_attack_paths()) == []
        sim.access.deny("Microsoft.Security/pricings/read", sim.scopes[0])
        with pytest.warns(PostureWarning, match="could not be checked"):
            assert list(client.list_attack_paths()) == []


def test_no_attack_paths_with_the_plan_that_finds_them_is_no_warning(sim: ArmSimulator) -> None:
    """Warnings are errors here."""
    sim.defender.turn_on_cspm(sim.scopes[0])
    with connected(sim) as client:
        assert list(client.list_attack_paths()) == []


def test_defender_cspm_includes_foundational_posture(sim: ArmSimulator) -> None:
    """Who pays for Defender CSPM needs no foundational plan."""
    sim.defender.turn_off_posture(sim.scopes[0])
    sim.defender.turn_on_cspm(sim.scopes[0])
    with connected(sim) as client:
        posture = posture_of(client)
        assert posture.is_evaluated
        assert (posture.defender_cspm, posture.foundational) == (True, False)


def test_a_cloud_without_the_plan_is_not_called_healthy(sim: ArmSimulator) -> None:
    """A plan that Azure does not list is neither on nor off."""
    sim.resources.remove(f"{sim.scopes[0]}/providers/Microsoft.Security/pricings/FoundationalCspm")
    with connected(sim) as client:
        posture = posture_of(client)
        assert posture.foundational is None
        assert PostureIssue.NOT_CHECKED in posture.issues
        assert PostureIssue.POSTURE_OFF not in posture.issues


def test_a_refused_part_is_said_to_be_unchecked(sim: ArmSimulator) -> None:
    """None stands for what is not known, and the other parts are still read."""
    for action in (
        "Microsoft.Authorization/policyAssignments/read",
        "Microsoft.Security/securityConnectors/read",
        "Microsoft.Security/assessments/read",
    ):
        sim.access.deny(action, sim.scopes[0])
    with connected(sim) as client:
        posture = posture_of(client)
        assert posture.benchmark_assigned is posture.connectors is posture.assessments is None
        assert posture.issues == (PostureIssue.NOT_CHECKED,) * 3
        assert posture.plans is not None


def test_plans_and_connectors_are_shown(sim: ArmSimulator) -> None:
    """Deprecated plans with their successor, and the clouds that are connected."""
    group = f"{sim.scopes[0]}/resourceGroups/new-rg"
    connector = f"{group}/providers/Microsoft.Security/securityConnectors/aws"
    sim.resources.add({"id": connector, "location": "westeurope", "properties": {"environmentName": "AWS"}})
    with connected(sim) as client:
        posture = posture_of(client)
        dns = next(plan for plan in posture.plans or () if plan.name == "Dns")
        assert (dns.deprecated, dns.replaced_by, dns.is_on) == (True, ("VirtualMachines",), False)
        assert [one.environment for one in posture.connectors or ()] == ["AWS"]
        assert "AWS: " in str(posture)
        assert str(DefenderPlan(name="X", tier="Standard", sub_plan="P2")) == "X: Standard, P2"


def test_turning_posture_on_is_the_first_fix(sim: ArmSimulator) -> None:
    """Without any assessment the plan for everything has this step; it says that it is free, and it can be undone."""
    sim.defender.turn_off_posture(sim.scopes[0])
    with connected(sim) as client:
        plan = client.plan()
        assert plan.digest == client.plan(client.get_posture()).digest
        assert [step.target_id.rpartition("/")[2] for step in plan] == ["FoundationalCspm"]
        assert "free" in plan.details()
        report = client.apply(plan, approve=plan.digest)
        assert report.results[0].outcome == "applied"
        verified = client.verify(report).results[0]
        assert verified.compliant
        assert verified.diagnosis is not None
        assert verified.diagnosis.cause == "recorded"
        assert posture_of(client).is_evaluated
        assert "already compliant" in client.plan(client.get_posture()).details()
        client.rollback(report).raise_for_failures()
        assert PostureIssue.POSTURE_OFF in posture_of(client).issues


@pytest.mark.parametrize(
    "given", [FOUNDATIONAL, "Foundational CSPM should be enabled", Catalog.bundled().get(FOUNDATIONAL)]
)
def test_the_fix_is_planned_by_name_on_every_subscription_or_the_named_one(sim: ArmSimulator, given: Any) -> None:
    """Defender does not assess it, so no assessment is needed."""
    sim.resources.add_subscription("66666666-6666-4666-8666-666666666666", "Other")
    for scope in sim.scopes:
        sim.defender.turn_off_posture(scope)
    with connected(sim) as client:
        assert len(client.plan(given)) == 2
        assert len(client.plan(given, resources=[sim.scopes[0]])) == 1


def test_a_catalog_without_the_fix_says_so(sim: ArmSimulator) -> None:
    """A custom catalog may not have it."""
    with connected(sim, catalog=Catalog()) as client, pytest.raises(InvalidInputError, match="FoundationalCspm"):
        client.plan(client.get_posture())


def test_a_dead_plan_is_refused_by_the_simulator(sim: ArmSimulator) -> None:
    """As Azure does since July 2026: who has it keeps it, and the old pricing is not sold."""
    from azure.core.pipeline.transport import HttpRequest

    def put(name: str, properties: dict[str, str]) -> int:
        url = f"{sim.endpoint}{sim.scopes[0]}/providers/Microsoft.Security/pricings/{name}?api-version=2024-01-01"
        token = f"Bearer {sim.credential.token}"
        request = HttpRequest("PUT", url, headers={"Authorization": token, "Content-Type": "application/json"})
        request.set_json_body({"properties": properties})
        return int(sim.send(request).status_code)

    assert put("Dns", {"pricingTier": "Standard"}) == 400
    assert put("Dns", {"pricingTier": "Free"}) == 200
    assert put("KeyVaults", {"pricingTier": "Standard", "subPlan": "PerTransaction"}) == 400
    assert put("KeyVaults", {"pricingTier": "Standard", "subPlan": "PerKeyVault"}) == 200


def test_a_registration_that_cannot_be_read_is_known_from_the_listings(sim: ArmSimulator) -> None:
    """Azure says so in every answer of Microsoft.Security; an API that is missing is named as such."""
    sim.resources.unregister_provider(sim.scopes[0], "Microsoft.Security")
    sim.faults.fail("GET", "/providers/Microsoft.Security$", status=403, times=1)
    with connected(sim) as client:
        posture = posture_of(client)
        assert posture.provider_registered is None
        assert posture.issues.count(PostureIssue.PROVIDER_NOT_REGISTERED) == 1
    sim.resources.register_provider(sim.scopes[0], "Microsoft.Security")
    sim.resources.retire_api_versions(
        "Microsoft.Security/securityConnectors", "2023-10-01-preview", "2024-08-01-preview"
    )
    with connected(sim) as client:
        assert any("API" in reason.advice for reason in posture_of(client).reasons)


def test_the_time_of_a_call_ends_the_reading(sim: ArmSimulator) -> None:
    """A posture that was read in part would look like one with refusals."""
    sim.faults.fail("GET", "/pricings", status=503, times=None)
    with connected(sim) as client, pytest.raises(CallTimeoutError):
        client.get_posture(timeout=0.5)
