"""The simulator as an https server: real clients reach it as they reach Azure."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient

from defender_remediate import RemediationClient
from defender_remediate.errors import MissingExtraError
from defender_remediate.journal import MemoryJournal
from defender_remediate.testing import STARTS_AT, ArmSimulator
from defender_remediate.testing.__main__ import main
from defender_remediate.testing.simulator.transport.https import HttpsServer

STORAGE = "2025-08-01"


@pytest.fixture(scope="module")
def demo() -> ArmSimulator:
    return ArmSimulator.demo()


@pytest.fixture(scope="module")
def server(demo: ArmSimulator) -> Iterator[HttpsServer]:
    with demo.serve_https(clock_rate=200.0, proxy_port=0) as served:
        yield served


@pytest.fixture
def session(server: HttpsServer) -> Iterator[requests.Session]:
    """A client that trusts the server's authority only, and no variable of this process."""
    with requests.Session() as opened:
        opened.trust_env = False
        opened.verify = str(server.ca_file)
        yield opened


def token_of(session: requests.Session, server: HttpsServer) -> str:
    reply = session.post(
        f"{server.endpoint}/organizations/oauth2/v2.0/token", data={"grant_type": "client_credentials"}
    )
    return f"Bearer {reply.json()['access_token']}"


@pytest.mark.parametrize(
    ("version", "kind", "login"),
    [
        ("2015-01-01", dict, lambda body: body["authentication"]["loginEndpoint"]),
        ("2020-06-01", list, lambda body: body[0]["authentication"]["loginEndpoint"]),
        ("2022-09-01", dict, lambda body: body["authentication"]["loginEndpoint"]),
    ],
)
def test_the_metadata_has_the_form_of_its_version(session, server, version, kind, login) -> None:
    """Tools register a cloud from it; older versions are a list."""
    body = session.get(f"{server.endpoint}/metadata/endpoints?api-version={version}").json()
    assert isinstance(body, kind)
    assert login(body).rstrip("/") == server.endpoint


def test_the_metadata_needs_a_version(session, server) -> None:
    """As every other operation."""
    reply = session.get(f"{server.endpoint}/metadata/endpoints")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "MissingApiVersionParameter")


def test_a_client_that_follows_the_discovery_documents_gets_a_token(session, server, demo) -> None:
    """From the authority to its configuration to a token that Resource Manager accepts."""
    found = session.get(f"{server.endpoint}/common/discovery/instance?api-version=1.1").json()
    document = session.get(found["tenant_discovery_endpoint"]).json()
    assert session.get(document["token_endpoint"]).status_code == 404
    token = session.post(document["token_endpoint"]).json()["access_token"]
    url = f"{server.endpoint}{demo.scopes[0]}?api-version=2022-12-01"
    assert session.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert session.get(url).status_code == 401


def test_a_managed_identity_needs_its_header(session, server) -> None:
    """Against requests that a server makes for someone else."""
    assert session.get(f"{server.endpoint}/metadata/identity/oauth2/token").status_code == 400
    reply = session.get(f"{server.endpoint}/metadata/identity/oauth2/token", headers={"Metadata": "true"})
    assert reply.json()["token_type"] == "Bearer"


def test_an_unmodified_management_client_works_and_its_deployment_ends(server, demo, monkeypatch) -> None:
    """With the variables of the server: a managed identity signs in, the clock runs, so the poller comes to its end."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HTTPS_PROXY")
    subscription = demo.scopes[0].rpartition("/")[2]
    options = {
        "base_url": server.endpoint,
        "credential_scopes": [f"{server.endpoint}/.default"],
        "connection_verify": str(server.ca_file),
    }
    credential = ManagedIdentityCredential(connection_verify=str(server.ca_file))
    with ResourceManagementClient(credential, subscription, **options) as client:
        group = next(iter(client.resource_groups.list())).name
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    }
    with DeploymentsMgmtClient(credential, subscription, **options) as client:
        properties = {"properties": {"mode": "Incremental", "template": template}}
        poller = client.deployments.begin_create_or_update(group, "empty", properties, polling_interval=0)
        assert poller.result().properties.provisioning_state == "Succeeded"
    credential.close()


def test_the_library_itself_works_against_it(server, demo) -> None:
    """Over TLS, with real time."""
    client = RemediationClient(
        demo.credential,
        demo.scopes[0],
        endpoint=server.endpoint,
        connection_verify=str(server.ca_file),
        journal=MemoryJournal(),
    )
    with client:
        assert client.get_secure_score().percentage > 0


def test_the_proxy_leads_azures_names_here_and_refuses_all_others(session, server, demo) -> None:
    """A tool with built-in names reaches the tenant; nothing reaches the internet."""
    headers = {"Authorization": token_of(session, server)}
    session.proxies = {"https": server.proxy, "http": server.proxy}
    url = (
        f"https://management.azure.com{demo.scopes[0]}/providers/Microsoft.Security/assessments?api-version=2025-05-04"
    )
    page = session.get(url, headers=headers).json()
    assert page["value"]
    assert session.get("https://graph.microsoft.com/v1.0/users").status_code == 401
    assert session.get("https://graph.microsoft.com/v1.0/users", headers=headers).json()["value"]
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        session.get("https://example.com/")
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        session.get("https://management.azure.com:8443/")
    assert session.get("http://management.azure.com/").status_code == 405


def test_a_broken_connection_breaks_and_a_fault_of_the_simulator_is_an_answer(
    session, server, demo, monkeypatch
) -> None:
    """A dropped connection is what a test asked for, never what the simulator did wrong."""
    headers = {"Authorization": token_of(session, server)}
    url = f"{server.endpoint}{demo.scopes[0]}?api-version=2022-12-01"
    demo.faults.fail("GET", when="after")
    with pytest.raises(requests.RequestException):
        session.get(url, headers=headers)
    assert session.get(url, headers=headers).status_code == 200
    account = demo.resources.list_ids("Microsoft.Storage/storageAccounts")[0]
    exists = session.head(f"{server.endpoint}{account}?api-version={STORAGE}", headers=headers)
    assert exists.status_code == 204
    reply = session.get(url, headers={**headers, "Host": "["})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "BadRequest")
    with monkeypatch.context() as broken:
        broken.setattr(demo._service, "exchange", lambda call: 1 / 0)
        reply = session.get(url, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "SimulatorError")
    large = session.patch(url, data=b"x" * 1_000_000, headers=headers)
    assert large.json()["error"]["code"] != "SimulatorError"
    with socket.create_connection(("127.0.0.1", int(server.proxy.rpartition(":")[2]))) as odd:
        odd.sendall(b"x" * 100_000 + b"\r\n\r\n")
        odd.shutdown(socket.SHUT_WR)
    assert session.get(url, headers=headers).status_code == 200


def test_a_client_that_goes_away_gets_no_answer(server, demo) -> None:
    """Nothing is done for a request that did not arrive whole."""
    before = len(demo.requests)
    context = ssl.create_default_context(cafile=str(server.ca_file))
    address = ("127.0.0.1", int(server.endpoint.rpartition(":")[2]))
    with socket.create_connection(address) as raw, context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
        client.sendall(b"PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        # The server has nothing more to say, and the connection ends without a reset.
        with contextlib.suppress(OSError):
            client.unwrap()
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{server.endpoint}/metadata/endpoints", verify=str(server.ca_file)).status_code == 400
    assert len(demo.requests) == before


def test_the_clock_follows_real_time_and_can_stand_still(demo) -> None:
    """A served tenant lives in the present unless a test wants its time virtual."""
    assert demo.clock.now() > STARTS_AT.replace(year=2026, month=6)
    still = ArmSimulator()
    with still.serve_https(clock_rate=0):
        assert still.clock.now() == still.clock.now() == STARTS_AT


def test_a_client_that_keeps_its_connection_does_not_hold_up_the_end() -> None:
    """Directly and through the proxy; the client finds the connection closed."""
    with requests.Session() as direct, requests.Session() as proxied:
        direct.trust_env = proxied.trust_env = False
        with contextlib.ExitStack() as held, ArmSimulator().serve_https(proxy_port=0) as server:
            # A client of the proxy that says nothing.
            address = ("127.0.0.1", int(server.proxy.rpartition(":")[2]))
            held.enter_context(socket.create_connection(address))
            proxied.proxies = {"https": server.proxy}
            for client, host in ((direct, server.endpoint), (proxied, "https://management.azure.com")):
                assert client.get(f"{host}/metadata/endpoints", verify=str(server.ca_file)).status_code == 400
        with pytest.raises(OSError):
            direct.get(f"{server.endpoint}/metadata/endpoints")


def test_a_port_in_use_is_an_error_at_once(server) -> None:
    """No server thread remains."""
    before = threading.active_count()
    with pytest.raises(OSError, match="in use"), ArmSimulator().serve_https(int(server.endpoint.rpartition(":")[2])):
        pytest.fail("two servers on one port")  # pragma: no cover
    with (
        pytest.raises(OSError, match="in use"),
        ArmSimulator().serve_https(proxy_port=int(server.proxy.rpartition(":")[2])),
    ):
        pytest.fail("two proxies on one port")  # pragma: no cover
    assert threading.active_count() == before


def test_without_the_extra_the_error_names_it(monkeypatch) -> None:
    """A plain install has no server."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[simulator\]"), ArmSimulator().serve_https():
        pytest.fail("served without its packages")  # pragma: no cover


def test_the_command_prints_what_to_set_and_ends(tmp_path: Path) -> None:
    """Its output is all that another terminal needs."""
    out, stop, told = io.StringIO(), threading.Event(), []
    running = threading.Thread(
        target=lambda: told.append(main(["--demo", "--ca", str(tmp_path), "--proxy-port", "0"], out, stop))
    )
    running.start()
    while "Ctrl-C" not in out.getvalue() and running.is_alive():
        stop.wait(0.01)
    stop.set()
    running.join()
    assert told == [0]
    for word in ("export REQUESTS_CA_BUNDLE=", "az cloud register", "az login", "HTTPS_PROXY", "/subscriptions/"):
        assert word in out.getvalue()
    assert (tmp_path / "simulator-ca.pem").is_file()


def test_the_command_keeps_the_state_and_opens_the_control_endpoints(tmp_path: Path) -> None:
    """A file of Azure fills the tenant, the state file holds what happened, and the next start continues from it."""
    account = "/subscriptions/0a0a0a0a-0000-4000-8000-00000000000a/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
    (tmp_path / "list.json").write_text(json.dumps([{"id": account, "location": "westeurope"}]), encoding="utf-8")
    state = tmp_path / "state.json"
    for arguments in (["--load", str(tmp_path / "list.json"), "--control"], []):
        out, stop = io.StringIO(), threading.Event()
        running = threading.Thread(target=main, args=(["--state", str(state), *arguments], out, stop))
        running.start()
        while "Ctrl-C" not in out.getvalue() and running.is_alive():
            stop.wait(0.01)
        stop.set()
        running.join()
        assert ("/_simulator" in out.getvalue()) is bool(arguments)
        assert "0a0a0a0a-0000-4000-8000-00000000000a" in out.getvalue()
    assert ArmSimulator.load(state).resources.list_ids("Microsoft.Storage/storageAccounts") == (account,)


def test_the_command_says_why_it_cannot_serve(tmp_path: Path) -> None:
    """Instead of a traceback."""
    (tmp_path / "file").touch()
    out = io.StringIO()
    assert main(["--ca", str(tmp_path / "file")], out, threading.Event()) == 1
    assert out.getvalue().startswith("cannot serve: ")


@pytest.mark.parametrize(
    "arguments",
    [["--port", "70000"], ["--port", "-1"], ["--proxy-port", "70000"], ["--clock-rate", "inf"], ["--clock-rate", "-1"]],
)
def test_the_command_says_which_argument_is_wrong(arguments: list[str]) -> None:
    """Before anything is opened."""
    out = io.StringIO()
    assert main(arguments, out, threading.Event()) == 1
    assert out.getvalue().startswith("cannot serve: ")


def test_a_state_file_that_could_not_be_written_at_the_end_is_refused_at_the_start(tmp_path: Path) -> None:
    """Otherwise the work of a session is lost."""
    out = io.StringIO()
    assert main(["--state", str(tmp_path / "none" / "state.json")], out, threading.Event()) == 1
    assert "the folder of the state file" in out.getvalue()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost.evil.example:1", 421),
        ("localhost", 401),
        ("MANAGEMENT.azure.com", 401),
        ("[::1]:1", 401),
    ],
)
def test_a_server_answers_only_for_loopback_names_and_those_of_azure(session, server, host: str, status: int) -> None:
    """A web page cannot make its own name lead to the simulator."""
    url = f"{server.endpoint}/subscriptions?api-version=2022-12-01"
    assert session.get(url, headers={"Host": host}).status_code == status
