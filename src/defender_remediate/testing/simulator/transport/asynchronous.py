"""The simulator behind azure-core's asynchronous clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.pipeline.transport import AsyncHttpTransport

from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import Reply
from defender_remediate.testing.simulator.transport.response import AsyncSimulatedResponse


class AsyncSimulatorTransport(AsyncHttpTransport):  # type: ignore[type-arg]
    """The transport for clients of ``azure.mgmt.*.aio``. It answers at once and never waits in real time."""

    def __init__(self, reply_to: Callable[[Any], Reply], clock: VirtualClock) -> None:
        self._reply_to = reply_to
        self._clock = clock

    async def send(self, request: Any, **kwargs: Any) -> Any:
        """Answers a request of azure-core; raises what ``ArmSimulator.send`` raises."""
        del kwargs
        return AsyncSimulatedResponse(request, self._reply_to(request))

    async def open(self) -> None:
        """Does nothing: there is no connection to open."""

    async def close(self) -> None:
        """Does nothing: the tenant remains usable."""

    async def sleep(self, duration: float) -> None:
        """Lets virtual time pass; azure-core waits in this way."""
        self._clock.sleep(duration)

    async def __aenter__(self) -> AsyncSimulatorTransport:
        return self

    async def __aexit__(self, *args: object) -> None:
        """Does nothing: the tenant remains usable."""


class AsyncSimulatedCredential:
    """Issues the tokens of a ``SimulatedCredential`` to clients that await."""

    def __init__(self, credential: SimulatedCredential) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Returns the token, for any scope."""
        return self._credential.get_token(*scopes, **kwargs)

    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        """Returns the token, for any scope."""
        return self._credential.get_token_info(*scopes, options=options)

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    async def __aenter__(self) -> AsyncSimulatedCredential:
        return self

    async def __aexit__(self, *args: object) -> None:
        """Does nothing: nothing is open."""
