"""A proxy for tools with built-in host names: a tunnel to one of Azure's hosts leads to the simulator, all others are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from defender_remediate.testing.simulator.transport.hosts import is_azure

OPEN = "200 Connection established"
_LONGEST_HEAD = 16_384
_SECONDS_FOR_HEAD = 10.0


@asynccontextmanager
async def open_proxy(host: str, port: int, *, leads_to: tuple[str, int]) -> AsyncIterator[int]:
    """Opens the proxy and yields its port. It connects to ``leads_to`` only and never looks a name up."""
    tunnels: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_writer = None
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SECONDS_FOR_HEAD)
            status = _status_for(head, leads_to)
            if status != OPEN:
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                return
            there_reader, there_writer = await asyncio.open_connection(*leads_to)
            writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            # The client went away, or sent what is no request: no one waits for an answer.
            return
        finally:
            for stream in (writer, there_writer):
                if stream is not None:
                    stream.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnel = asyncio.ensure_future(serve(reader, writer))
        tunnels.add(tunnel)
        tunnel.add_done_callback(tunnels.discard)

    server = await asyncio.start_server(accept, host, port, limit=_LONGEST_HEAD)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        open_tunnels = list(tunnels)
        for tunnel in open_tunnels:
            tunnel.cancel()
        await asyncio.gather(*open_tunnels, return_exceptions=True)


def _status_for(head: bytes, own: tuple[str, int]) -> str:
    """The answer to the first lines of a client: a tunnel for the hosts of Azure, on the port of https, and for the server."""
    method, _, rest = head.partition(b" ")
    target = rest.partition(b" ")[0].decode("latin-1").lower()
    if method != b"CONNECT":
        return "405 Method Not Allowed"
    host, _, port = target.rpartition(":")
    is_own = (host, port) == (own[0], str(own[1]))
    return OPEN if is_own or (is_azure(host) and port == "443") else "403 Forbidden"


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        target.close()
