"""The role that the catalog makes for a fix: with it and nothing more the fix is planned, applied and verified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from defender_remediate import Catalog, FixAction, Guards, MemoryJournal, Outcome, RemediationClient
from defender_remediate.models import FixParameter
from defender_remediate.testing import ArmSimulator

CHOSEN = {
    "allowed_origins": ["https://www.example.com"],
    "authorized_ip_ranges": ["203.0.113.0/24"],
    "emails": "team@example.com",
}
GOING_ON = {"private_endpoint": "a test", "function_app": "a test"}


def judged_in_the_demo() -> Iterator[tuple[str, tuple[FixAction, ...]]]:
    """The recommendations of the demo tenant that something is unhealthy by, with their fixes."""
    sim = ArmSimulator.demo()
    with RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock) as client:
        for found in client.list_recommendations(fixable=True):
            yield found.key, Catalog.bundled().list_for_recommendation(found.key, found.policy_definition_id)


def chosen(client: RemediationClient, parameter: FixParameter) -> object:
    """A value for a parameter."""
    if parameter.resource_type:
        return next(client.list_parameter_choices(parameter))
    return parameter.allowed[0] if parameter.allowed else CHOSEN[parameter.name]


FIXES = dict(judged_in_the_demo())


@pytest.mark.exhaustive
@pytest.mark.parametrize("key", FIXES)
def test_its_own_role_is_all_that_a_fix_needs(sim: ArmSimulator, key: str) -> None:
    """Azure refuses nothing, no check misses a right, and all that was planned is applied."""
    fixes = FIXES[key]
    owner = RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)
    asked = {each.name: each for fix in fixes for each in fix.parameters if each.is_required}
    values = {name: chosen(owner, each) for name, each in asked.items()}
    role = Catalog.bundled().role_definition(fixes, name="Fixer", scopes=sim.scopes)
    for scope in sim.scopes:
        sim.access.revoke(scope)
        sim.access.grant(tuple(role["actions"]), scope)
    guards = Guards(allow_irreversible=[fix.key for fix in fixes], max_share=1.0)
    with RemediationClient(
        sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=MemoryJournal(), guards=guards
    ) as client:
        sim.requests.clear()
        plan = client.plan([key], parameters=values or None, waive=GOING_ON)
        report = client.verify(client.apply(plan, approve=plan.digest))
    assert [request.url for request in sim.requests if request.status == 403] == []
    assert [str(found) for _, found in plan.check_results if found.check == "permission"] == []
    assert plan.steps
    assert {result.outcome for result in report.results if result.step_id in {step.id for step in plan.steps}} == {
        Outcome.APPLIED
    }
