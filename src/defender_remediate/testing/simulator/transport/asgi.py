"""The simulator as an ASGI application, for servers that real clients accept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from defender_remediate.display import quoted
from defender_remediate.testing.simulator.arm.service import Service
from defender_remediate.testing.simulator.transport.control import ControlEndpoints
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import Call, ConnectionFault, Reply
from defender_remediate.testing.simulator.transport.hosts import LOOPBACK_NAMES, host_of, is_azure
from defender_remediate.testing.simulator.transport.sign_in import answer_sign_in

Message = MutableMapping[str, Any]


class SimulatorApplication:
    """One tenant behind ASGI. Requests are answered one after the other, as they arrive.

    A client may come directly or under one of the host names of Azure: links in answers repeat the host that it asked.
    """

    def __init__(
        self,
        service: Service,
        credential: SimulatedCredential,
        scheme: str,
        control: ControlEndpoints | None = None,
    ) -> None:
        self._service = service
        self._credential = credential
        self._scheme = scheme
        self._control = control

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one HTTP request."""
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        reply = self._reply_to(scope, b"".join(parts))
        if reply is None:
            # The declared body never follows, so the server closes the connection in the middle of the answer.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
        if reply.status != 204:
            headers.append((b"content-length", str(len(reply.content)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    def reply_to(self, call: Call) -> Reply:
        """Answers a call to Resource Manager or to Microsoft Entra ID.

        Raises:
            ConnectionFault: The connection breaks; a fault asked for it.
        """
        controlled = self._control.answer(call) if self._control is not None else None
        return controlled or answer_sign_in(call, self._credential) or self._service.exchange(call)

    def answer_host(self, call: Call) -> Reply:
        """Answers a call that came over the network; 421 for a host name that is not of the loopback address or of Azure.

        Raises:
            ConnectionFault: The connection breaks; a fault asked for it.
        """
        host = host_of(call)
        if host not in LOOPBACK_NAMES and not is_azure(host):
            # Not for a web page whose own name was made to lead to the loopback address.
            problem = f"The simulator does not answer for the host {quoted(host)}, only for {', '.join(LOOPBACK_NAMES)}"
            return Reply.json(
                {"error": {"code": "MisdirectedRequest", "message": f"{problem} and hosts of Azure."}}, status=421
            )
        return self.reply_to(call)

    def _reply_to(self, scope: Message, content: bytes) -> Reply | None:
        """The answer; None if a fault cuts the connection. An error of the simulator itself is an answer, too."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # The raw path keeps an encoded slash in a segment apart from a slash.
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        url = f"{self._scheme}://{headers.get('host', 'localhost')}{path}{'?' if query else ''}{query}"
        try:
            call = Call.of(scope["method"], url, headers, content)
        except ValueError:
            problem = f"The header Host is not the name of a host: {quoted(headers.get('host'))}."
            return Reply.json({"error": {"code": "BadRequest", "message": problem}}, status=400)
        try:
            return self.answer_host(call)
        except ConnectionFault:
            return None
        except Exception as error:  # noqa: BLE001 (an answer says so; else the connection would break)
            problem = f"The simulator failed with {type(error).__name__}. This is a fault of the simulator."
            return Reply.json({"error": {"code": "SimulatorError", "message": problem}}, status=500)
