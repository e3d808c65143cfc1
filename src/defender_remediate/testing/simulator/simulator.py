"""A transport for azure-core behind which a whole Azure tenant lives in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpTransport

from defender_remediate.arm.clock import SystemClock
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import format_json
from defender_remediate.models.ids import is_guid
from defender_remediate.testing.simulator.arm import planes
from defender_remediate.testing.simulator.arm.request_log import RecordedRequest, RequestLog
from defender_remediate.testing.simulator.arm.service import Service
from defender_remediate.testing.simulator.arm.snapshots import Snapshot, take
from defender_remediate.testing.simulator.controls import arguments
from defender_remediate.testing.simulator.controls.access import AccessControls
from defender_remediate.testing.simulator.controls.defender import DefenderControls
from defender_remediate.testing.simulator.controls.directory import DirectoryControls
from defender_remediate.testing.simulator.controls.faults import FaultControls
from defender_remediate.testing.simulator.controls.management import ManagementGroupControls
from defender_remediate.testing.simulator.controls.metrics import MetricControls
from defender_remediate.testing.simulator.controls.policies import PolicyControls
from defender_remediate.testing.simulator.controls.resources import ResourceControls
from defender_remediate.testing.simulator.demo import add_demo_resources
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state_files.document import load, options_of, save
from defender_remediate.testing.simulator.state_files.exports import ExportedItem, read_export
from defender_remediate.testing.simulator.state_files.filling import fill
from defender_remediate.testing.simulator.state_files.reading import located, read_json
from defender_remediate.testing.simulator.state_files.recording import record
from defender_remediate.testing.simulator.transport.asgi import SimulatorApplication
from defender_remediate.testing.simulator.transport.asynchronous import (
    AsyncSimulatedCredential,
    AsyncSimulatorTransport,
)
from defender_remediate.testing.simulator.transport.control import ControlEndpoints
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import Call, ConnectionFault, Reply
from defender_remediate.testing.simulator.transport.https import HttpsServer, serving_https
from defender_remediate.testing.simulator.transport.response import SimulatedResponse
from defender_remediate.testing.simulator.transport.server import Server, serving
from defender_remediate.testing.simulator.transport.session import SimulatorAdapter

ENDPOINT = "https://management.azure.com"
_LAST_PORT = 65_535


class ArmSimulator(HttpTransport):  # type: ignore[type-arg]
    """A simulated Azure Resource Manager that is as strict as the real one and keeps its state.

    It is a transport: pass it to ``RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)``, to
    an azure-core ``PipelineClient`` or to any generated management client. It refuses unknown paths, api-versions and
    properties. A write changes the resource and, after a delay, its assessments and the score. Time is virtual: a
    caller that sleeps moves the clock. Several threads may share one simulator.

    Args:
        endpoint: The URL that it answers to; other hosts cannot be reached.
        assessment_lag: Seconds from a change of a resource to the change of its assessments.
        activity_delay: Seconds from an event to its appearance in the activity log.
        change_delay: Seconds from a write to its appearance in the change history of Resource Graph.
        page_size: Items per page of a listing.
        graph_page_size: Rows per page of Resource Graph, unless a query asks for fewer.
        kept_requests: How many requests ``requests`` holds; it forgets the oldest ones.

    Attributes:
        resources: Adds, shows, changes and removes subscriptions and resources.
        access: Roles, deny assignments and locks; also the methods of ``policies``.
        policies: Assignments, exemptions and enrollments of Azure Policy.
        defender: Recommendations and assessments; alerts and regulatory compliance are in parts of it.
        management_groups: The tree of management groups.
        directory: Users, groups, applications and policies of Microsoft Entra ID.
        metrics: Who uses a resource, as Azure Monitor shows it.
        faults: Errors, broken connections, throttling and slow operations.
        clock: The virtual clock; starts at ``STARTS_AT``.
        credential: The credential whose token is accepted.
        requests: The requests so far, including those whose connection broke. Of more than ``kept_requests`` the oldest ones
            are gone; ``requests.forgotten`` says how many.
    """

    def __init__(
        self,
        *,
        endpoint: str = ENDPOINT,
        assessment_lag: float = 600.0,
        activity_delay: float = 30.0,
        change_delay: float = 300.0,
        page_size: int = 100,
        graph_page_size: int = 1000,
        kept_requests: int = 100_000,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.credential = SimulatedCredential()
        tenant = Tenant(
            assessment_lag=assessment_lag,
            activity_delay=activity_delay,
            change_delay=change_delay,
            page_size=page_size,
            graph_page_size=graph_page_size,
        )
        self._service = Service(tenant, self.credential, arguments.count("kept_requests", kept_requests, least=1))
        self.resources = ResourceControls(tenant, self.endpoint)
        self.access = AccessControls(tenant)
        self.policies = PolicyControls(tenant)
        self.defender = DefenderControls(tenant)
        self.management_groups = ManagementGroupControls(tenant)
        self.metrics = MetricControls(tenant)
        self.directory = DirectoryControls(tenant)
        self.faults = FaultControls(self._service, self.credential)
        self.clock: VirtualClock = tenant.clock
        self.requests: RequestLog = self._service.requests

    @classmethod
    def demo(cls, **options: Any) -> ArmSimulator:
        """Returns a tenant with three subscriptions, about seventy resources, recommendations, controls and scores.

        Args:
            options: The arguments of the class.
        """
        made = cls(**options)
        add_demo_resources(made.resources, made.access, made.defender, made.directory)
        return made

    @property
    def scopes(self) -> tuple[str, ...]:
        """The ids of the subscriptions."""
        return tuple(f"/subscriptions/{found.id}" for found in self._service.tenant.store.subscriptions.values())

    @property
    def writes(self) -> list[RecordedRequest]:
        """The requests that changed a resource."""
        return [request for request in self.requests if request.changed]

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Answers a request of azure-core.

        Raises:
            ServiceRequestError: The host is another one, or a fault broke the connection before the request was sent.
            ServiceResponseError: A fault broke the connection after the request was processed.
        """
        del kwargs
        return SimulatedResponse(request, self._reply_to(request))

    def _reply_to(self, request: Any) -> Reply:
        call = Call.of(request.method, request.url, request.headers, content_of(request))
        is_arm = (fold(request.url) + "/").startswith((fold(self.endpoint) + "/", fold(self.endpoint) + "?"))
        if not is_arm and planes.find(call) is None:
            raise ServiceRequestError(f"Cannot reach {request.url}: the simulator answers to {self.endpoint}.")
        try:
            return self._service.exchange(call)
        except ConnectionFault as fault:
            if fault.sent:
                raise ServiceResponseError(str(fault), error=fault) from fault
            raise ServiceRequestError(str(fault), error=fault) from fault

    @property
    def async_transport(self) -> AsyncSimulatorTransport:
        """The same tenant for clients of ``azure.mgmt.*.aio``: pass it as ``transport``, with ``async_credential``."""
        return AsyncSimulatorTransport(self._reply_to, self.clock)

    @property
    def async_credential(self) -> AsyncSimulatedCredential:
        """A credential for clients that await; its tokens are those of ``credential``."""
        return AsyncSimulatedCredential(self.credential)

    def open_session(self) -> requests.Session:
        """Returns a session of ``requests`` that this tenant answers, without a server.

        It sends the token and answers for every host, so that nothing reaches a network. Time is virtual, as elsewhere.
        """
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {self.credential.token}"
        adapter = SimulatorAdapter(self._application("https").reply_to)
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return session

    def snapshot(self) -> Snapshot:
        """Returns the state of the tenant now, for ``restore``: also its time, operations under way and faults."""
        return take(self._service)

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a snapshot, as often as wanted. The list of requests goes on.

        Raises:
            InvalidInputError: It is no snapshot, or one of another simulator.
        """
        if not isinstance(snapshot, Snapshot) or not snapshot.belongs_to(self._service):
            raise InvalidInputError(f"snapshot must be one that this simulator took, got {quoted(snapshot)}")
        snapshot.restore()

    def save(self, path: str | Path) -> None:
        """Writes the state of the tenant to a file, from which ``load`` makes an equal one. It replaces an older file once it is whole.

        Operations under way are written as if they had ended. The list of requests, the tokens of the credential, and how many
        queries of Resource Graph were counted are not in it.

        Raises:
            OSError: The file cannot be written.
        """
        with self._service.tenant.lock:
            snapshot = self.snapshot()
            try:
                self._service.tenant.operations.end_all()
                content = format_json(save(self._service), indent=1) + "\n"
            finally:
                snapshot.restore()
            # The old file stays whole until the new one is.
            target = Path(path).resolve()
            new = target.with_name(f"{target.name}.new")
            new.write_text(content, encoding="utf-8")
            new.replace(target)

    def add_export(self, path: str | Path, *, resource_group: str | None = None) -> tuple[str, ...]:
        """Adds what a file of Azure or of one of its tools shows; returns the ids of what was added.

        It reads lists and resources of the REST API, the output of ``az resource list``, ``az resource show``, ``az rest`` and
        ``az graph query``, the CSV of a Resource Graph query in the portal, and exported templates. Rows of subscriptions, resource
        groups, locks and assessments become these. Of a resource that is listed without its properties, they are those of a new one.

        Args:
            path: The file.
            resource_group: The id of the resource group that a template was exported from.

        Raises:
            InvalidInputError: The file is not one of these, it is not complete, or it shows resources as ``az ... show`` flattens
                them; the message gives the line, or the place in the document.
            OSError: The file cannot be read.
        """
        with located(quoted(str(path))):
            return fill(self._service.tenant, self.resources, read_export(path, resource_group))

    @classmethod
    def record(
        cls,
        credential: Any,
        subscription: str,
        *,
        endpoint: str = ENDPOINT,
        transport: Any = None,
        policies: Sequence[Any] | None = None,
        **options: Any,
    ) -> tuple[ArmSimulator, tuple[str, ...]]:
        """Returns a tenant that equals a real subscription, and what could not be read of it.

        It sends GET requests only: for the subscription, its resource groups, each of its resources, its locks, its role and policy
        assignments with what they assign, its exemptions, Defender plans and settings, security contacts and assessments. Ids of subscriptions, tenants and principals, mail addresses and secrets are replaced,
        each by the same value everywhere; names of resources and addresses in networks are kept. A recommendation whose rule
        the simulator knows, and which comes to the recorded status, follows its rule from then on.

        Args:
            credential: A credential of azure-identity, or one like it.
            subscription: The GUID of the subscription.
            endpoint: The URL of Resource Manager in its cloud.
            transport: The transport of azure-core; by default that of ``requests``.
            policies: The policies of the pipeline; by default retries and the token of the credential.
            options: The arguments of the class.

        Raises:
            InvalidInputError: The subscription is not a GUID.
            azure.core.exceptions.AzureError: The subscription or its lists cannot be read.
        """
        if not is_guid(subscription):
            raise InvalidInputError(f"subscription must be a GUID, got {quoted(subscription)}")
        recording = record(
            credential, subscription, endpoint=endpoint.rstrip("/"), transport=transport, policies=policies
        )
        made = cls(**options)
        items = [ExportedItem(place=str(item.get("id")), body=item) for item in recording.items]
        left_out = list(recording.left_out)
        fill(made._service.tenant, made.resources, items, recording.metadata, left_out)
        return made, tuple(left_out)

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> ArmSimulator:
        """Returns the tenant that ``save`` wrote to a file.

        Args:
            path: The file.
            options: The arguments of the class; by default those that the saved simulator had.

        Raises:
            InvalidInputError: The file is not a state file; the message gives the line, or the path in the document.
            OSError: The file cannot be read.
        """
        with located(quoted(str(path))):
            document = read_json(path)
            made = cls(**{**options_of(document), **options})
            load(made._service, document)
        return made

    def open(self) -> None:
        """Does nothing: there is no connection to open."""

    def close(self) -> None:
        """Does nothing: the tenant remains usable."""

    def sleep(self, duration: float) -> None:
        """Lets virtual time pass; azure-core waits in this way."""
        self.clock.sleep(duration)

    def __enter__(self) -> ArmSimulator:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    @contextmanager
    def serve(self, port: int = 0, *, control: bool = False) -> Iterator[Server]:
        """Serves the same tenant over HTTP on the loopback interface.

        Args:
            port: The port; 0 for any that is free.
            control: Whether the control endpoints below ``/_simulator`` exist.

        Yields:
            The server: ``server.endpoint`` is the URL to give to a tool, and the links in answers contain it.
        """
        arguments.count("port", port, most=_LAST_PORT)
        with serving(self._application("http", control=control).answer_host, port) as server:
            yield server

    @contextmanager
    def serve_https(
        self,
        port: int = 0,
        *,
        clock_rate: float = 1.0,
        ca_directory: str | Path | None = None,
        proxy_port: int | None = None,
        control: bool = False,
    ) -> Iterator[HttpsServer]:
        """Serves the same tenant over https on the loopback interface, for clients that refuse plain http.

        It also answers what tools ask before their first request: the metadata of the cloud, the discovery documents and the
        token requests of Microsoft Entra ID, and a managed identity. Any client id and secret is accepted.

        Args:
            port: The port; 0 for any that is free.
            clock_rate: The seconds that pass in the tenant for each real second. The clock starts at the present. 0 leaves
                the time virtual: it starts at ``STARTS_AT`` and moves only by ``sim.clock``, so operations do not end alone.
            ca_directory: Where to write the certificate of the authority, ``simulator-ca.pem``; by default a folder that is
                removed with the server.
            proxy_port: The port of a proxy, 0 for any that is free. Through it the host names of Azure, such as
                ``management.azure.com``, lead to this server. It connects to no other host.
            control: Whether the control endpoints below ``/_simulator`` exist.

        Yields:
            The server: ``server.endpoint`` is its URL, ``server.ca_file`` what a client must trust, and
            ``server.environment`` the variables that say both.

        Raises:
            MissingExtraError: The extra ``simulator`` is not installed.
            InvalidInputError: A port is not a number from 0 to 65535, or the rate is not positive or more than a million.
            OSError: The port is in use, or the directory cannot be written.
        """
        arguments.count("port", port, most=_LAST_PORT)
        if proxy_port is not None:
            arguments.count("proxy_port", proxy_port, most=_LAST_PORT)
        application = self._application("https", control=control)
        folder = None if ca_directory is None else Path(ca_directory)
        if clock_rate:
            self.clock.follow(SystemClock(), clock_rate)
        try:
            with serving_https(application, port=port, ca_directory=folder, proxy_port=proxy_port) as server:
                yield server
        finally:
            self.clock.stop()

    def _application(self, scheme: str, *, control: bool = False) -> SimulatorApplication:
        endpoints = ControlEndpoints(self._service, self.resources, self.faults) if control else None
        return SimulatorApplication(self._service, self.credential, scheme, endpoints)

    def __repr__(self) -> str:
        return f"ArmSimulator({self.endpoint!r}, {len(self.scopes)} subscriptions)"


def content_of(request: Any) -> bytes:
    """Returns the body of a request as bytes, for both of azure-core's request classes."""
    content = getattr(request, "content", None)
    if content is None:
        content = getattr(request, "data", None)
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    return bytes(content) if isinstance(content, (bytes, bytearray)) else b"".join(content)
