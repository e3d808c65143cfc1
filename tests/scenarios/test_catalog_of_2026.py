"""What Azure changed in 2026, from the listing to the plan: unpublished keys, other clouds, refused plans, cost."""

from __future__ import annotations

import attrs
import pytest

from defender_remediate import (
    Catalog,
    FixAction,
    MemoryJournal,
    RemediationClient,
    RemediationPlan,
    SkipReason,
)
from defender_remediate.errors import PlanAlteredError, UnknownRecommendationError
from defender_remediate.models import GuidanceReason
from defender_remediate.testing import ArmSimulator

SUBSCRIPTION = "/subscriptions/11111111-1111-4111-8111-111111111111"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg"
SERVER = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg"
TITLE = 'pgaudit.log_level should be set to "log" for Azure Database for PostgreSQL Servers'
UNPUBLISHED = "0a1b2c3d-0000-4000-8000-00000000000a"
APP_SERVICE = "0876ef51-fee7-449d-ba1e-f2662c7e43c6"
NEVER = {"path": "properties.neverThere", "equals": True}


@pytest.fixture
def sim() -> ArmSimulator:
    """A tenant with a PostgreSQL server that logs audit entries at another level."""
    sim = ArmSimulator()
    sim.resources.add_subscription(SUBSCRIPTION.rpartition("/")[2])
    sim.resources.add_resource_group(SUBSCRIPTION, "rg", "westeurope")
    sim.resources.add({"id": SERVER, "location": "westeurope", "properties": {"version": "16", "state": "Ready"}})
    level = {"value": "notice", "source": "user-override"}
    sim.resources.add({"id": f"{SERVER}/configurations/pgaudit.log_level", "properties": level})
    return sim


def connect(sim: ArmSimulator, catalog: Catalog | None = None) -> RemediationClient:
    """A client for the whole subscription."""
    return RemediationClient(
        sim.credential, SUBSCRIPTION, transport=sim, clock=sim.clock, journal=MemoryJournal(), catalog=catalog
    )


def report(sim: ArmSimulator, title: str) -> None:
    """Defender reports the server under a key that no document names."""
    metadata = {"displayName": title, "severity": "Low"}
    kind = "Microsoft.DBforPostgreSQL/flexibleServers"
    sim.defender.add_recommendation(metadata, key=UNPUBLISHED, resource_type=kind, rule=NEVER)


@pytest.mark.parametrize("title", [TITLE, f"[Preview] {TITLE.upper()}"])
def test_a_recommendation_without_a_published_key_is_planned(sim: ArmSimulator, title: str) -> None:
    """By its title, its key in the tenant, the catalog's name for it, or as it was listed, in any casing."""
    report(sim, title)
    with connect(sim) as client:
        listed = client.get_recommendation(UNPUBLISHED)
        choices = (TITLE, UNPUBLISHED, "postgresql-pgaudit-log-level", listed, client.catalog.get(TITLE))
        plans = [client.plan([choice]) for choice in choices if choice is not None]
    assert listed.fix == Catalog.bundled().get("postgresql-pgaudit-log-level")
    assert len(plans) == len(choices)
    assert {(step.target_id, step.keys) for plan in plans for step in plan.steps} == {
        (f"{SERVER}/configurations/pgaudit.log_level", (UNPUBLISHED,))
    }
    assert [str(change) for change in plans[0].steps[0].changes] == ['properties.value: "notice" -> "log"']


def test_a_tenant_that_does_not_have_the_recommendation_says_so(sim: ArmSimulator) -> None:
    """A title that only the catalog knows is no empty plan."""
    with connect(sim) as client, pytest.raises(UnknownRecommendationError, match=r"^Azure has no recommendation named"):
        client.plan([TITLE])


def test_a_recommendation_about_another_cloud_has_guidance(sim: ArmSimulator) -> None:
    """Azure publishes no key for it, and its title is one of hundreds: where its resource is answers it."""
    metadata = {"displayName": "S3 Block Public Access setting should be enabled", "severity": "Medium"}
    sim.defender.add_recommendation(metadata, key=UNPUBLISHED, resource_type="Aws/s3", rule=NEVER)
    connector = f"{GROUP}/providers/Microsoft.Security/securityConnectors/aws/securityentitydata/aws-s3-bucket-x"
    sim.defender.add_assessment(UNPUBLISHED, connector, details={"Source": "Aws", "Id": connector})
    with connect(sim) as client:
        listed = client.get_recommendation(UNPUBLISHED)
    assert listed.guidance is not None
    assert listed.guidance.reason is GuidanceReason.OUTSIDE_AZURE


def test_a_plan_that_azure_refuses_is_not_planned(sim: ArmSimulator) -> None:
    """A custom fix that enables a plan which Azure no longer sells is blocked, with what to enable instead."""
    bundled = Catalog.bundled().get(APP_SERVICE)
    assert bundled is not None
    body = {"properties": {"pricingTier": "Standard", "subPlan": "PerApiCall"}}
    mine = attrs.evolve(bundled, target="providers/Microsoft.Security/pricings/Arm", body=body, not_applicable=())
    plan = planned(sim, mine)
    assert plan.steps == ()
    (skipped,) = plan.skipped
    assert skipped.reason is SkipReason.BLOCKED
    assert (
        "Azure refuses to enable the Defender plan Arm with the sub-plan PerApiCall since 2026-07-05" in skipped.message
    )
    fixed = attrs.evolve(mine, body={"properties": {"pricingTier": "Standard", "subPlan": "PerSubscription"}})
    assert len(planned(sim, fixed).steps) == 1


def test_a_plan_names_what_is_billed_for(sim: ArmSimulator) -> None:
    """The cost is part of what is approved: a plan that hides it is refused."""
    plan = planned(sim, Catalog.bundled().get(APP_SERVICE))
    cost = "each instance of an App Service plan, by the hour"
    assert f"    cost: {cost}" in plan.steps[0].lines()
    edited = attrs.evolve(plan, steps=(attrs.evolve(plan.steps[0], cost=None),))
    with connect(sim) as client, pytest.raises(PlanAlteredError, match="it costs money, and the plan does not say so"):
        client.apply(edited, approve=edited.digest)


def planned(sim: ArmSimulator, fix: FixAction | None) -> RemediationPlan:
    """The plan of one fix of the subscription."""
    assert fix is not None
    metadata = {"displayName": fix.title, "severity": "High"}
    sim.defender.add_recommendation(metadata, key=fix.key, resource_type=fix.resource_type, rule=NEVER)
    sim.defender.add_assessment(fix.key, SUBSCRIPTION)
    with connect(sim, Catalog([fix])) as client:
        return client.plan([fix])
