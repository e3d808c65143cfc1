"""One request in, one answer out: authentication, throttling, faults, routing, and the record of it all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs

from defender_remediate.testing.simulator.arm import platform
from defender_remediate.testing.simulator.arm import routes as resources
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.faults import AFTER, BEFORE, Faults
from defender_remediate.testing.simulator.arm.routing import Route, find_kind
from defender_remediate.testing.simulator.arm.throttling import Throttle
from defender_remediate.testing.simulator.authorization import routes as authorization
from defender_remediate.testing.simulator.defender import routes as security
from defender_remediate.testing.simulator.deployments import routes as deployments
from defender_remediate.testing.simulator.graph import routes as graph
from defender_remediate.testing.simulator.monitor import routes as logs
from defender_remediate.testing.simulator.policy import routes as restrictions
from defender_remediate.testing.simulator.state.tenant import World
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import Answer, ArmError, Call, ConnectionFault

ROUTES: tuple[Route, ...] = (
    *security.ROUTES,
    *graph.ROUTES,
    *logs.ROUTES,
    *deployments.ROUTES,
    *authorization.ROUTES,
    *restrictions.ROUTES,
    *platform.ROUTES,
)
_KEPT_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "user-agent",
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
)


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One request, as the simulator's log keeps it.

    Attributes:
        status: The HTTP status; 0 when the connection broke.
        changed: Whether the tenant's resources are others than before.
        url: The whole of it, with the query.
        headers: Those that matter, names in lower case; of the token only whether it is there.
        body: The bytes sent.
    """

    method: str
    path: str
    url: str
    api_version: str
    headers: dict[str, str]
    body: bytes
    status: int
    changed: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}?api-version={self.api_version} -> {self.status or 'cut'}"


class Core:
    """The service without a transport. One call at a time, whatever the number of threads."""

    def __init__(self, world: World, credential: SimulatedCredential) -> None:
        self.world = world
        self.faults = Faults()
        self.throttle = Throttle(world.clock)
        self.requests: list[RecordedRequest] = []
        self.lock = threading.RLock()
        self._credential = credential
        self._changes = 0
        world.store.listen(self._count)

    def _count(self, resource_id: str) -> None:
        del resource_id
        self._changes += 1

    def exchange(self, call: Call) -> Answer:
        """Answer a call.

        Raises:
            ConnectionFault: The connection breaks; a fault asked for it.
        """
        with self.lock:
            self.world.operations.settle()
            before = self._changes
            try:
                answer = self._faulty(call)
            except ConnectionFault:
                self._keep(call, None, before)
                raise
            answer = self._finish(call, answer)
            self._keep(call, answer, before)
            return answer

    def _faulty(self, call: Call) -> Answer:
        fault = self.faults.strike(call)
        if fault is not None and fault.when == BEFORE:
            if fault.answer is None:
                raise ConnectionFault(sent=False)
            return fault.answer
        answer = self._answer(call)
        if fault is not None and fault.when == AFTER:
            if fault.answer is None:
                raise ConnectionFault(sent=True)
            return fault.answer
        return answer

    def _answer(self, call: Call) -> Answer:
        headers: dict[str, str] = {}
        try:
            self._authenticate(call)
            found = next(self._routes(call), None)
            reads = call.reads or (found is not None and found[0].reads)
            headers = self.throttle.check(call, reads=reads) if found is None or found[0].throttled else {}
            answer = self._dispatch(call, found)
        except ArmError as error:
            answer = error.answer
        return attrs.evolve(answer, headers={**headers, **answer.headers})

    def _authenticate(self, call: Call) -> None:
        header = call.headers.get("authorization", "")
        if not header:
            raise refusal("AuthenticationFailed")
        if header != f"Bearer {self._credential.token}":
            raise refusal(
                "ExpiredAuthenticationToken" if self._credential.has_issued(header) else "InvalidAuthenticationToken"
            )

    def _routes(self, call: Call) -> Iterator[tuple[Route, dict[str, str]]]:
        for route in ROUTES:
            holes = route.match(call)
            if holes is not None:
                yield route, dict(holes)

    def _dispatch(self, call: Call, found: tuple[Route, dict[str, str]] | None) -> Answer:
        if found is not None:
            route, holes = found
            find_kind(self.world, call, route.type)
            return route.handler(self.world, call, holes)
        return platform.operation_status(self.world, call) or resources.handle(self.world, call)

    def _finish(self, call: Call, answer: Answer) -> Answer:
        world = self.world
        request_id = world.new_id()
        headers = {
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": call.headers.get("x-ms-correlation-request-id", request_id),
            "x-ms-routing-request-id": f"SIMULATED:{world.clock.now():%Y%m%dT%H%M%SZ}:{request_id}",
            "Cache-Control": "no-cache",
            "Date": world.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
            **answer.headers,
        }
        content = b"" if call.method == "HEAD" else answer.content
        return attrs.evolve(answer, headers=headers, content=content)

    def _keep(self, call: Call, answer: Answer | None, before: int) -> None:
        headers = {name: call.headers[name] for name in _KEPT_HEADERS if name in call.headers}
        if "authorization" in headers:
            headers["authorization"] = "Bearer (kept out of the log)"
        self.requests.append(
            RecordedRequest(
                method=call.method,
                path=call.path,
                url=call.url,
                api_version=call.api_version,
                headers=headers,
                body=call.content,
                status=answer.status if answer else 0,
                changed=self._changes > before,
            )
        )
