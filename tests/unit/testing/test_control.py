"""The control endpoints: what a test in another process needs, for that test alone."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.transport.exchange import Call

ACCOUNTS = "Microsoft.Storage/storageAccounts"
VERSION = "2025-08-01"


class Control:
    """The control endpoints of a tenant, without a server."""

    def __init__(self, sim: ArmSimulator) -> None:
        self.application = sim._application("https", control=True)

    def __call__(self, method: str, path: str, body: Any = None, host: str = "127.0.0.1:1", **headers: str) -> Any:
        """Status and body of an answer."""
        content = b"" if body is None else requests.Request(json=body, method="POST", url="http://x").prepare().body
        reply = self.application.reply_to(Call.of(method, f"https://{host}{path}", headers, content or b""))
        return reply.status, reply.body


@pytest.fixture
def control(demo: ArmSimulator) -> Control:
    return Control(demo)


def test_they_reset_and_restore_a_tenant(control: Control, demo: ArmSimulator) -> None:
    """Each test of a suite in any language can begin with the same tenant."""
    group = demo.resources.list_ids(ACCOUNTS)[0].partition("/providers/")[0]
    before = demo.resources.list_ids()
    added = {"id": f"{group}/providers/{ACCOUNTS}/added", "location": "westeurope", "properties": {}}
    assert control("POST", "/_simulator/seed", added) == (200, {"ids": [added["id"]]})
    assert control("POST", "/_simulator/snapshot?name=with-account") == (200, {"name": "with-account"})
    assert control("POST", "/_simulator/reset") == (204, None)
    assert demo.resources.list_ids() == before
    assert control("POST", "/_simulator/restore?name=with-account")[0] == 204
    assert added["id"] in demo.resources.list_ids()
    status, body = control("POST", "/_simulator/restore?name=other")
    assert (status, "there is no snapshot 'other'" in body["error"]["message"]) == (400, True)
    status, state = control("GET", "/_simulator/state")
    assert (status, state["format"]) == (200, "defender-remediate simulator state")


def test_they_show_and_move_the_clock(control: Control, demo: ArmSimulator) -> None:
    """A slow operation needs no waiting in another process either."""
    before = control("GET", "/_simulator/clock")[1]["seconds"]
    assert control("POST", "/_simulator/clock", {"advance": 3600})[1]["seconds"] == before + 3600
    assert control("POST", "/_simulator/clock", {"go": 1})[0] == 400
    assert control("POST", "/_simulator/clock", {"advance": "soon"})[0] == 400


def test_they_add_faults_and_show_requests(control: Control, demo: ArmSimulator) -> None:
    """Obstacles are the same as in a test in Python, and so are the errors for wrong arguments."""
    account = demo.resources.list_ids(ACCOUNTS)[0]
    assert control("POST", "/_simulator/faults", {"method": "GET", "status": 503, "times": 1})[0] == 204
    slow = {"kind": "slow", "pattern": ACCOUNTS, "methods": ["PATCH"], "seconds": 5}
    assert control("POST", "/_simulator/faults", slow)[0] == 204
    with demo.open_session() as session:
        url = f"{demo.endpoint}{account}?api-version={VERSION}"
        assert session.get(url).status_code == 503
        assert "Azure-AsyncOperation" in session.patch(url, json={"tags": {"é": "b"}}).headers
    _, body = control("GET", "/_simulator/requests")
    assert [(one["method"], one["status"]) for one in body["value"]] == [("GET", 503), ("PATCH", 202)]
    assert "Bearer ey" not in str(body)
    assert control("DELETE", "/_simulator/requests") == (204, None)
    assert control("DELETE", "/_simulator/faults") == (204, None)
    assert len(demo.requests) == 0
    for wrong in ({"kind": "odd"}, {"kind": 1}, {"method": "FETCH"}, {"unknown": 1}):
        assert control("POST", "/_simulator/faults", wrong)[0] == 400


def test_wrong_requests_get_a_reason(control: Control) -> None:
    """A typing error in a script is told, and a list shows what there is."""
    status, body = control("GET", "/_simulator")
    assert (status, "POST /_simulator/reset" in body["operations"]) == (200, True)
    assert control("PUT", "/_simulator/reset")[0] == 404
    assert control("POST", "/_simulator/seed", [1])[0] == 400
    assert control("POST", "/_simulator/seed", {"value": 1})[0] == 400
    status, body = control("POST", "/_simulator/seed", {"value": [{"id": "x"}]})
    assert (status, body["error"]["message"].startswith("value[0]: ")) == (400, True)
    assert control("POST", "/_simulator/seed")[0] == 400


def test_they_are_off_unless_asked_for_and_closed_to_web_pages(control: Control, demo: ArmSimulator) -> None:
    """A page in a browser, a name of Azure and a server without the option cannot reach them."""
    assert control("GET", "/_simulator", origin="https://evil.example")[0] == 403
    assert control("GET", "/_simulator", host="management.azure.com")[0] == 401
    assert control("GET", "/_simulatorx")[0] == 401
    control.application = demo._application("https")
    assert control("POST", "/_simulator/reset")[0] == 401


def test_a_served_tenant_has_them_when_asked(demo: ArmSimulator) -> None:
    """The server passes them on."""
    with demo.serve(control=True) as server:
        assert requests.get(f"{server.endpoint}/_simulator/clock", timeout=10).status_code == 200


def test_time_stays_where_every_answer_can_show_it(control: Control, demo: ArmSimulator) -> None:
    """A hundred years in all, however often the clock is moved: later the tenant would fail at every request."""
    assert control("POST", "/_simulator/clock", {"advance": 3e9})[0] == 200
    status, body = control("POST", "/_simulator/clock", {"advance": 3e9})
    assert (status, "seconds must be a number from 0 to 162240000" in body["error"]["message"]) == (400, True)
    url = f"{demo.endpoint}/subscriptions?api-version=2022-12-01"
    with demo.open_session() as session:
        assert session.get(url).status_code == 200


def test_what_no_answer_can_carry_is_refused_when_it_is_given(control: Control, demo: ArmSimulator) -> None:
    """A fault or a resource that cannot be sent would break requests much later, far from its cause."""
    account = demo.resources.list_ids(ACCOUNTS)[0]
    unsent = [{"status": 700}, {"status": 101}, {"status": 409, "headers": {"a": 1}}, {"status": 409, "headers": []}]
    unsent += [{"status": 409, "headers": {"a\n": "b"}}, {"status": 409, "headers": {"a": "b\r\nc: d"}}]
    unsent += [{"status": 409, "headers": {"a": "\u2603"}}, {"status": 409, "code": 5}, {"status": 409, "message": []}]
    unsent += [{"kind": "slow", "pattern": "x", "code": 5}, {"kind": "change_status", "path": "x", "status": 600}]
    for fault in unsent:
        assert control("POST", "/_simulator/faults", fault)[0] == 400, fault
    kinds = {"properties": [], "location": 5, "tags": [], "identity": "x", "name": 5, "kind": {}}
    for name, value in kinds.items():
        status, body = control("POST", "/_simulator/seed", {"id": account, name: value})
        assert (status, f"{name} of the body must be" in body["error"]["message"]) == (400, True)
    assert control("POST", "/_simulator/seed", {"id": f"{account}\ud800"})[0] == 400


def test_several_resources_are_added_or_none(control: Control, demo: ArmSimulator) -> None:
    """A test that goes on after a mistake does not find half of its tenant."""
    account = demo.resources.list_ids(ACCOUNTS)[0]
    assert control("POST", "/_simulator/seed", {"value": [{"id": f"{account}2"}, {"id": 5}]})[0] == 400
    assert f"{account}2" not in demo.resources.list_ids()
    assert control("POST", "/_simulator/seed", {"value": [{"id": f"{account}2"}, {"id": f"{account}3"}]})[0] == 200
    assert f"{account}3" in demo.resources.list_ids()
    assert control("POST", "/_simulator/seed", {"id": 5})[0] == 400
