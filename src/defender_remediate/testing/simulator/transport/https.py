"""The simulator as an https server on the loopback interface, with a certificate that it issues itself.

Needs the extra ``simulator``: uvicorn serves, trustme issues the certificates.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import attrs

from defender_remediate.errors import MissingExtraError
from defender_remediate.testing.simulator.transport.asgi import SimulatorApplication
from defender_remediate.testing.simulator.transport.connect_proxy import open_proxy
from defender_remediate.testing.simulator.transport.hosts import certificate_names
from defender_remediate.testing.simulator.transport.sign_in import environment_of

LOOPBACK = "127.0.0.1"


@attrs.frozen(kw_only=True)
class HttpsServer:
    """A running https server.

    Attributes:
        endpoint: Its base URL, such as ``https://127.0.0.1:40123``.
        ca_file: The certificate of the authority that issued its certificate; a client must trust it.
        proxy: The URL of the proxy under which Azure's own host names lead to this server; None if there is none.
    """

    endpoint: str
    ca_file: Path
    proxy: str | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables with which a tool accepts this server and signs in with a managed identity."""
        variables = environment_of(self.endpoint, str(self.ca_file))
        return variables if self.proxy is None else {**variables, "HTTPS_PROXY": self.proxy}


@contextmanager
def serving_https(
    application: SimulatorApplication, *, port: int, ca_directory: Path | None, proxy_port: int | None
) -> Iterator[HttpsServer]:
    """Serves an application until the block ends.

    Raises:
        MissingExtraError: uvicorn or trustme is not installed.
        OSError: The port is in use, or the directory cannot be written.
    """
    try:
        import trustme
        import uvicorn
    except ImportError as error:
        raise MissingExtraError("the https server needs uvicorn and trustme", extra="simulator") from error
    with ExitStack() as held:
        private = held.enter_context(tempfile.TemporaryDirectory(prefix="simulator-"))
        authority = trustme.CA(organization_name="defender-remediate simulator")
        folder = Path(private) if ca_directory is None else ca_directory
        folder.mkdir(parents=True, exist_ok=True)
        ca_file = folder / "simulator-ca.pem"
        authority.cert_pem.write_to_path(ca_file)
        identity = Path(private) / "identity.pem"
        authority.issue_cert(LOOPBACK, "localhost", *certificate_names()).private_key_and_cert_chain_pem.write_to_path(
            identity
        )
        listener = held.enter_context(_listen(port))
        config = uvicorn.Config(
            application,
            ssl_certfile=identity,
            ssl_keyfile=identity,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            ws="none",
        )
        server = uvicorn.Server(config)
        own_port: int = listener.getsockname()[1]
        started = threading.Event()
        proxies: list[int] = []
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            async with AsyncExitStack() as stack:
                if proxy_port is not None:
                    opened = open_proxy(LOOPBACK, proxy_port, leads_to=(LOOPBACK, own_port))
                    proxies.append(await stack.enter_async_context(opened))
                serving = asyncio.ensure_future(server.serve(sockets=[listener]))
                while not (server.started or serving.done()):
                    await asyncio.sleep(0.005)
                loops.append(asyncio.get_running_loop())
                started.set()
                await serving

        def stop() -> None:
            # Without it Python 3.12 and newer wait 30 seconds for each client that keeps its connection.
            for connection in list(server.server_state.connections):
                connection.transport.abort()
            server.should_exit = server.force_exit = True

        failures: list[BaseException] = []

        def target() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # noqa: BLE001 (it is raised again by the thread that waits)
                failures.append(error)
            finally:
                started.set()

        thread = threading.Thread(target=target, name="simulator-https", daemon=True)
        thread.start()
        try:
            started.wait()
            if failures:
                raise failures[0]
            proxy_url = f"http://{LOOPBACK}:{proxies[0]}" if proxies else None
            yield HttpsServer(endpoint=f"https://{LOOPBACK}:{own_port}", ca_file=ca_file, proxy=proxy_url)
        finally:
            for loop in loops:
                loop.call_soon_threadsafe(stop)
            thread.join()


def _listen(port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm only for a socket that names its protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.close()
        raise
    return listener
