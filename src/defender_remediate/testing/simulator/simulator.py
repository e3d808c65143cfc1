"""ARM in a box: a transport for azure-core behind which a whole Azure tenant lives in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpTransport

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.pipeline import Core, RecordedRequest
from defender_remediate.testing.simulator.controls.access import Governing
from defender_remediate.testing.simulator.controls.faults import Obstacles
from defender_remediate.testing.simulator.controls.resources import Furnishing
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import Call, ConnectionFault
from defender_remediate.testing.simulator.transport.response import SimulatedResponse
from defender_remediate.testing.simulator.transport.server import Server, serving

ENDPOINT = "https://management.azure.com"
DEFAULT_LAG = 600.0
DEFAULT_INGESTION = 30.0


class ArmSimulator(Furnishing, Governing, Obstacles, HttpTransport):  # type: ignore[type-arg]
    """A simulated Azure Resource Manager that is as strict as the real one, and whose state is real.

    It is a transport: hand it to ``RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock)``, to
    an azure-core ``PipelineClient`` or to any generated management client. An unknown path, api-version or property is
    refused; a write changes the resource, and after a lag the assessments of it and the score. Time is virtual: a
    sleeping caller moves the clock. Shared between threads.

    Args:
        endpoint: The host whose URLs it answers to; other hosts cannot be reached.
        assessment_lag: Seconds from a change of a resource to the change of its assessments.
        activity_delay: Seconds from an event to its appearance in the activity log.
        page_size: Items per page of a listing.
        graph_page_size: Rows per page of Resource Graph, unless a query asks for fewer.

    Attributes:
        clock: The virtual clock; starts at ``clock.STARTS_AT``.
        credential: The credential whose token is accepted.
        requests: Every request so far, the broken ones too.
    """

    def __init__(
        self,
        *,
        endpoint: str = ENDPOINT,
        assessment_lag: float = DEFAULT_LAG,
        activity_delay: float = DEFAULT_INGESTION,
        page_size: int = 100,
        graph_page_size: int = 1000,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.credential = SimulatedCredential()
        self._world = World(
            lag=assessment_lag,
            ingestion=activity_delay,
            page_size=page_size,
            graph_page_size=graph_page_size,
        )
        self._core = Core(self._world, self.credential)
        self.requests: list[RecordedRequest] = self._core.requests
        self.clock: VirtualClock = self._world.clock

    @classmethod
    def demo(cls, **arguments: Any) -> ArmSimulator:
        """A tenant with three subscriptions, some seventy resources, findings of many kinds, controls and scores.

        Args:
            arguments: As for the class.
        """
        from defender_remediate.testing.simulator.demo import furnish

        return furnish(cls(**arguments))

    @property
    def scopes(self) -> tuple[str, ...]:
        """The ids of the subscriptions."""
        return tuple(f"/subscriptions/{found.id}" for found in self._world.store.subscriptions.values())

    @property
    def writes(self) -> list[RecordedRequest]:
        """The requests that changed a resource."""
        return [request for request in self.requests if request.changed]

    def resource(self, resource_id: str) -> dict[str, Any]:
        """A copy of a resource as GET would show it.

        Raises:
            KeyError: There is none with this id.
        """
        with self._core.lock:
            self._world.operations.settle()
            found = self._world.store.find(resource_id)
            if found is None:
                raise KeyError(resource_id)
            return found.render()

    def resource_ids(self, resource_type: str = "", scope: str = "") -> tuple[str, ...]:
        """The ids of the resources of a type, or of all, at a scope or below it."""
        with self._core.lock:
            self._world.operations.settle()
            return tuple(
                found.id
                for found in self._world.store.resources(scope)
                if not resource_type or fold(found.kind.name) == fold(resource_type)
            )

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Answer a request of azure-core, old style or new.

        Raises:
            ServiceRequestError: The host is another one, or a fault broke the connection before the request left.
            ServiceResponseError: A fault broke the connection after the request had its effect.
        """
        del kwargs
        if not (fold(request.url) + "/").startswith((fold(self.endpoint) + "/", fold(self.endpoint) + "?")):
            raise ServiceRequestError(f"cannot reach {request.url}: the simulator is {self.endpoint}")
        call = Call.of(request.method, request.url, request.headers, content_of(request))
        try:
            return SimulatedResponse(request, self._core.exchange(call))
        except ConnectionFault as fault:
            if fault.sent:
                raise ServiceResponseError(str(fault), error=fault) from fault
            raise ServiceRequestError(str(fault), error=fault) from fault

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close: the tenant goes on."""

    def sleep(self, duration: float) -> None:
        """Let virtual time pass; azure-core waits in this way."""
        self.clock.sleep(duration)

    def __enter__(self) -> ArmSimulator:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    @contextmanager
    def serve(self, port: int = 0) -> Iterator[Server]:
        """Serve the same tenant over HTTP on the loopback interface.

        Args:
            port: Where; 0 for any that is free.

        Yields:
            The server: ``server.endpoint`` is the URL to give to a tool, and the links in answers carry it.
        """
        with serving(self._core, port) as server:
            yield server

    def __repr__(self) -> str:
        return f"ArmSimulator({self.endpoint!r}, {len(self.scopes)} subscriptions)"


def content_of(request: Any) -> bytes:
    """The bytes of a request's body, whichever of azure-core's two request classes it is."""
    content = getattr(request, "content", None)
    if content is None:
        content = getattr(request, "data", None)
    if content is None:
        return b""
    if isinstance(content, str):
        return content.encode()
    return bytes(content) if isinstance(content, (bytes, bytearray)) else b"".join(content)
