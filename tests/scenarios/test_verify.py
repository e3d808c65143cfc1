"""Whether it is resolved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defender_remediate import Health, RemediationClient, RemediationReport
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.fixture
def report(client: RemediationClient, accounts: list[str]) -> RemediationReport:
    """A run that fixed two accounts."""
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:2])
    return client.apply(plan, approve=plan.digest)


def test_defender_lags_behind_the_resource(client: RemediationClient, report: RemediationReport) -> None:
    """One look right after the change: compliant, and Defender has not looked again."""
    looked = client.verify(report)
    assert {(result.compliant, result.health) for result in looked} == {(True, Health.PENDING)}


def test_defender_is_asked_until_it_has_looked(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """At growing intervals, and no longer than needed."""
    before, sent = sim.clock.monotonic(), len(sim.requests)
    looked = client.verify(report, timeout=86400)
    assert {result.health for result in looked} == {Health.HEALTHY}
    assert sim.clock.monotonic() - before < 3600
    assert len(sim.requests) - sent < 30


def test_waiting_ends_with_the_timeout(sim: ArmSimulator, client: RemediationClient, report: RemediationReport) -> None:
    """What is still pending then is reported as pending."""
    before = sim.clock.monotonic()
    looked = client.verify(report, timeout=45)
    assert {result.health for result in looked} == {Health.PENDING}
    assert sim.clock.monotonic() - before == pytest.approx(45, abs=5)


def test_a_change_that_was_undone_is_unhealthy(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """The resource says so at once, before Defender notices."""
    target = report.results[0].resource_id
    sim.edit(target, lambda body: body["properties"].update(supportsHttpsTrafficOnly=False))
    looked = {result.resource_id: result for result in client.verify(report)}
    assert looked[target].compliant is False
    assert looked[target].health is Health.UNHEALTHY


def test_what_cannot_be_read_is_unknown(
    sim: ArmSimulator, client: RemediationClient, report: RemediationReport
) -> None:
    """A failing look is no verdict."""
    sim.fail("GET", times=None, status=403, code="AuthorizationFailed")
    looked = client.verify(report)
    assert {(result.compliant, result.health) for result in looked} == {(None, Health.UNKNOWN)}


def test_an_exemption_is_no_health(sim: ArmSimulator, client: RemediationClient, report: RemediationReport) -> None:
    """NotApplicable is neither healthy nor unhealthy."""
    target = report.results[0].resource_id
    sim.add_assessment(SECURE_TRANSFER, target, code="NotApplicable", cause="Exempt")
    looked = {result.resource_id: result for result in client.verify(report)}
    assert looked[target].health is Health.UNKNOWN


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_is_a_number_of_seconds(client: RemediationClient, report: RemediationReport, timeout: float) -> None:
    """Refused before any request."""
    with pytest.raises(InvalidInputError):
        client.verify(report, timeout=timeout)


def test_a_skipped_resource_keeps_its_word(
    connect: Callable[..., RemediationClient], client: RemediationClient
) -> None:
    """Resources that the plan left alone are asked about too, and are not read again."""
    plan = client.plan([SECURE_TRANSFER]).limit(1)
    report = client.verify(client.apply(plan, approve=plan.digest))
    left = [result for result in report if not result.step_id]
    assert {(result.compliant, result.health) for result in left} == {(None, Health.UNHEALTHY)}
