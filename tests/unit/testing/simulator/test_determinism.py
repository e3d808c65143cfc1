"""The same scenario twice gives the same bytes."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from defender_remediate.testing import ArmSimulator

ACCOUNTS = "Microsoft.Storage/storageAccounts"


def transcript(session: requests.Session, sim: ArmSimulator, endpoint: str) -> list[Any]:
    """What a client is answered in a scenario with writes, an operation, an error, pages and queries."""
    account = sim.resources.list_ids(ACCOUNTS)[0]
    sub = sim.scopes[0]
    group = account.partition("/providers/")[0]
    template = {"$schema": "x", "contentVersion": "1.0.0.0", "resources": []}
    told = []

    def send(method: str, path: str, version: str, body: Any = None) -> None:
        answer = session.request(method, f"{endpoint}{path}?api-version={version}", json=body)
        told.append(
            (answer.status_code, dict(answer.headers), answer.content.replace(endpoint.encode(), b"(endpoint)"))
        )

    send("GET", sub, "2022-12-01")
    send("PATCH", account, "2025-08-01", {"tags": {"a": "b"}})
    send("PATCH", account, "2025-08-01", {"properties": {"unknown": 1}})
    sim.faults.slow(ACCOUNTS, seconds=20)
    send("PATCH", account, "2025-08-01", {"tags": {"c": "d"}})
    deployment = f"{group}/providers/Microsoft.Resources/deployments/d"
    send("PUT", deployment, "2021-04-01", {"properties": {"mode": "Incremental", "template": template}})
    sim.clock.sleep(900)
    send("GET", deployment, "2021-04-01")
    send("GET", f"{sub}/providers/Microsoft.Security/assessments", "2021-06-01")
    send("GET", f"{sub}/providers/Microsoft.Security/secureScores", "2020-01-01")
    query = {"query": "resources | where type =~ 'microsoft.storage/storageaccounts'", "subscriptions": [sub[15:]]}
    send("POST", "/providers/Microsoft.ResourceGraph/resources", "2022-10-01", query)
    told.append([str(request) for request in sim.requests])
    return told


def in_process() -> list[Any]:
    sim = ArmSimulator.demo()
    with sim.open_session() as session:
        return transcript(session, sim, sim.endpoint)


def over_https() -> list[Any]:
    sim = ArmSimulator.demo()
    with sim.serve_https(clock_rate=0) as server, requests.Session() as session:
        session.trust_env = False
        session.verify = str(server.ca_file)
        session.headers["Authorization"] = f"Bearer {sim.credential.token}"
        return [
            (told[0], {name: text.replace(server.endpoint, "(endpoint)") for name, text in told[1].items()}, told[2])
            if isinstance(told, tuple)
            else told
            for told in transcript(session, sim, server.endpoint)
        ]


@pytest.mark.parametrize("way", [in_process, over_https])
def test_the_same_scenario_gives_the_same_transcript(way: Any) -> None:
    """A test that passes once passes always: bodies, headers, ids and times do not depend on the run or on the transport."""
    assert way() == way()
