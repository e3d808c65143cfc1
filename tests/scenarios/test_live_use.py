"""A change that would cut off someone who still connects is found before it is planned."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defender_remediate import RemediationClient
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.testing import ArmSimulator

SHARED_KEYS = "3b363842-30f5-4056-980d-3a40fa5de8b3"
SQL_TLS = "8e9a37b9-2828-4c8f-a24e-7b0ab0e89c78"
METRICS = "/providers/Microsoft.Insights/metrics"


def uses(results: tuple[CheckResult, ...]) -> list[CheckStatus]:
    return [found.status for found in results if found.check == "live_use"]


def test_an_account_with_key_traffic_is_kept_out_and_the_idle_ones_are_not(
    sim: ArmSimulator, client: RemediationClient
) -> None:
    """Use with a key blocks, use with Microsoft Entra ID does not, and an account whose metrics are lost is unchecked."""
    used, modern, lost, *_ = (found.resource_id for found in client.list_assessments(SHARED_KEYS, status="Unhealthy"))
    sim.metrics.add_use(used, "Transactions", 1204, days_ago=3, dimensions={"Authentication": "AccountKey"})
    sim.metrics.add_use(modern, "Transactions", 90, days_ago=3, dimensions={"Authentication": "OAuth"})
    sim.metrics.lose(lost, days=5)
    plan = client.plan([SHARED_KEYS])
    found = {skip.resource_id: uses(skip.check_results) for skip in plan.skipped}
    assert found == {used: [CheckStatus.BLOCKED], lost: [CheckStatus.UNCHECKED]}
    assert all(uses(step.check_results) == [CheckStatus.PASSED] for step in plan.steps)
    (blocked,) = [skip for skip in plan.skipped if skip.resource_id == used]
    figures = "1,204 in the last 30 days, last on 2026-02-27: Transactions with Authentication AccountKey"
    assert blocked.check_results[-1].evidence[0] == figures
    waived = client.plan([SHARED_KEYS], waive={"live_use": "CHG-1: the batch job is gone"})
    assert {used, lost} <= {step.resource_id for step in waived.steps}


def test_a_caller_without_the_right_to_read_metrics_gets_no_pass(sim: ArmSimulator, client: RemediationClient) -> None:
    """Nothing is said about use that could not be read."""
    for scope in sim.scopes:
        sim.access.deny("Microsoft.Insights/metrics/read", scope)
    plan = client.plan([SHARED_KEYS])
    assert not plan.steps
    assert {status for skip in plan.skipped for status in uses(skip.check_results)} == {CheckStatus.UNCHECKED}


def test_old_protocols_are_found_on_the_databases(sim: ArmSimulator, client: RemediationClient) -> None:
    """The server has no metric of its own."""
    sim.defender.add_recommendation(
        {"displayName": "Azure SQL Database should be running TLS version 1.2 or newer", "severity": "Medium"},
        key=SQL_TLS,
        resource_type="Microsoft.Sql/servers",
        rule={"path": "properties.minimalTlsVersion", "equals": "1.2"},
    )
    server = sim.resources.list_ids("Microsoft.Sql/servers")[0]
    sim.resources.edit(server, lambda body: body["properties"].update(minimalTlsVersion="1.0"))
    sim.clock.advance(3600)
    (database, *_) = sim.resources.list_ids("Microsoft.Sql/servers/databases", server)
    protocol = {"SslProtocol": "1.2"}
    sim.metrics.add_use(database, "connection_successful", 40, dimensions=protocol)
    assert uses(client.plan([SQL_TLS], resources=[server]).steps[0].check_results) == [CheckStatus.PASSED]
    sim.metrics.add_use(database, "connection_successful", 2, dimensions={"SslProtocol": "1.0"})
    assert uses(client.plan([SQL_TLS], resources=[server]).skipped[0].check_results) == [CheckStatus.BLOCKED]


def test_many_accounts_cost_few_requests_when_they_are_in_use(
    sim: ArmSimulator, connect: Callable[..., RemediationClient]
) -> None:
    """One request for a region shows that all of its accounts are used; idle ones are read one by one."""
    scope = sim.resources.add_subscription()
    for number in range(12):
        account = sim.resources.add(
            {
                "id": f"{scope}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/data{number:02}",
                "location": "westeurope",
                "kind": "StorageV2",
                "properties": {"allowSharedKeyAccess": True},
            }
        )
        if number < 10:
            sim.metrics.add_use(account, "Transactions", 5, dimensions={"Authentication": "SAS"})
    plan = connect(scope).plan([SHARED_KEYS])
    assert (len(plan.steps), len(plan.skipped)) == (2, 10)
    asked = [request for request in sim.requests if request.path.endswith(METRICS)]
    assert len(asked) == 1 + 2 + 1, "the region, the two idle accounts, and the proof for the region"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ("metricnames=Requests&timespan={span}&interval=P1D", "Valid metrics: Transactions,UsedCapacity"),
        ("metricnames=Transactions&timespan={span}&interval=P1D&$filter=Protocol eq '*'", "supported ones are"),
        ("timespan={span}", "metricnames is missing"),
        ("metricnames=Transactions&timespan={span}&interval=PT7M", "interval"),
        ("metricnames=Transactions&timespan=now&interval=P1D", "timespan"),
        ("metricnames=Transactions&timespan=2020-01-01T00:00:00Z/2026-03-01T00:00:00Z&interval=P1D", "retention"),
        ("metricnames=Transactions&timespan={span}&interval=P1D&aggregation=Sum", "aggregation"),
        ("metricnames=Transactions&timespan={span}&interval=P1D&$filter=Authentication", "Invalid filter"),
    ],
)
def test_the_simulator_refuses_what_azure_monitor_refuses(sim: ArmSimulator, params: str, problem: str) -> None:
    """A wrong request must not look like a resource that no one uses."""
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    assert problem in ask(sim, account, params)


def test_shorter_intervals_add_up_to_the_day(sim: ArmSimulator) -> None:
    """The figure of a day is at noon; a resource that no one uses has points of nothing, as the Azure CLI asks for them."""
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    sim.metrics.add_use(account, "Transactions", 5, days_ago=1)
    day = "2026-03-01T00%3A00%3A00.000000%2F2026-03-02T00%3A00%3A00.0000000"
    question = "metricnames=Transactions&aggregation=Total&interval={}&timespan=" + day.replace("%", "%25")
    for interval, points in (("PT1H", 24), ("PT6H", 4), ("PT1M", 1440)):
        answer = ask(sim, account, question.format(interval))
        assert (answer.count("timeStamp"), answer.count('"total": 5')) == (points, 1)
    assert '"interval": "PT1M"' in ask(sim, account, "metricnames=Transactions")


def test_the_simulator_shows_what_a_test_says(sim: ArmSimulator) -> None:
    """Dimensions, a metric of a test's own, ten series by default, and errors for what does not exist."""
    account = sim.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    sim.metrics.define("Microsoft.Storage/storageAccounts", "Calls", dimensions=("Kind",), has_data_when_idle=False)
    for number in range(12):
        sim.metrics.add_use(account, "Calls", number, days_ago=0, dimensions={"kind": f"k{number}"})
    question = "metricnames=Calls&timespan={span}&interval=P1D&aggregation=Total&$filter=Kind eq "
    assert ask(sim, account, question + "'*'").count("metadatavalues") == 10
    assert ask(sim, account, question + "'K11'").count('"total": 11') == 1
    assert ask(sim, account, "metricnames=UsedCapacity&timespan={span}&interval=P1D").count('"average": 1048576') == 1
    sim.metrics.lose(account, "UsedCapacity")
    assert '"timeseries": []' in ask(sim, account, "metricnames=UsedCapacity&timespan={span}&interval=P1D")
    sim.metrics.lose(account, "Calls")
    assert '"timeseries": []' in ask(sim, account, question + "'*'")
    assert "was not found" in ask(sim, account + "x", question + "'*'")
    assert "was not found" in ask(sim, account.rpartition("/providers/")[0], question + "'*'")
    scope = sim.scopes[0]
    span = "metricnames=Calls&timespan={span}&interval=P1D"
    assert "Missing required metricnamespace" in ask(sim, scope, span)
    assert "Missing required region" in ask(sim, scope, f"{span}&metricnamespace=x")
    with pytest.raises(InvalidInputError, match="no metric 'Coffee'"):
        sim.metrics.add_use(account, "Coffee", 1)
    with pytest.raises(InvalidInputError, match="no dimension 'size'"):
        sim.metrics.add_use(account, "Calls", 1, dimensions={"Size": "L"})
    with pytest.raises(KeyError):
        sim.metrics.lose(account + "x")


def ask(sim: ArmSimulator, resource: str, params: str) -> str:
    """The answer of the simulator to one request for metrics, as text."""
    from azure.core.rest import HttpRequest

    span = f"{sim.clock.now():%Y-%m-%dT00:00:00Z}/{sim.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    query = params.format(span=span).replace("'", "%27").replace(" ", "%20")
    token = sim.credential.get_token("https://management.azure.com/.default").token
    url = f"{sim.endpoint}{resource}{METRICS}?api-version=2023-10-01&{query}"
    answer = sim.send(HttpRequest("GET", url, headers={"Authorization": f"Bearer {token}"}))
    return str(answer.text())
