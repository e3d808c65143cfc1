"""``python -m defender_remediate.testing``: serve a simulated Azure to any tool, until it is interrupted.

It prints the variables to set and the commands to run. Needs the extra ``simulator``.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.testing.simulator.authorization.roles import CALLER_APP_ID
from defender_remediate.testing.simulator.simulator import ArmSimulator
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.transport.control import PREFIX
from defender_remediate.testing.simulator.transport.https import HttpsServer
from defender_remediate.testing.simulator.transport.sign_in import SECRET


def main(arguments: Sequence[str], out: TextIO, stop: threading.Event) -> int:
    """Serve until ``stop`` is set.

    Returns:
        0; 1 if the server cannot be started, with the reason on ``out``.
    """
    parser = argparse.ArgumentParser(prog="python -m defender_remediate.testing", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="start with the demo tenant instead of an empty one")
    parser.add_argument("--port", type=int, default=0, help="the port of the server; by default any that is free")
    parser.add_argument("--ca", type=Path, metavar="DIR", help="where to write the certificate to trust")
    parser.add_argument("--proxy-port", type=int, help="also open a proxy for tools with built-in host names")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="start with this state file, if it is there, and write it at the end"
    )
    parser.add_argument(
        "--load", type=Path, metavar="FILE", action="append", default=[], help="add what a file of Azure or of az shows"
    )
    parser.add_argument("--control", action="store_true", help="open the control endpoints below /_simulator")
    parser.add_argument(
        "--clock-rate", type=float, default=1.0, help="simulated seconds per second; 0 stops the clock (default: 1)"
    )
    chosen = parser.parse_args(arguments)
    try:
        if chosen.state is not None and not chosen.state.parent.is_dir():
            raise InvalidInputError(f"the folder of the state file {quoted(str(chosen.state))} does not exist")
        if chosen.state is not None and chosen.state.exists():
            sim = ArmSimulator.load(chosen.state)
        else:
            sim = ArmSimulator.demo() if chosen.demo else ArmSimulator()
        for file in chosen.load:
            sim.add_export(file)
        # The tenant stays until the command ends: a garbage collection of a large one takes half a second.
        gc.freeze()
        with sim.serve_https(
            chosen.port,
            clock_rate=chosen.clock_rate,
            ca_directory=chosen.ca,
            proxy_port=chosen.proxy_port,
            control=chosen.control,
        ) as server:
            out.write(_instructions(sim, server, control=chosen.control))
            out.flush()
            try:
                stop.wait()
            finally:
                if chosen.state is not None:
                    sim.save(chosen.state)
    except (DefenderRemediateError, OSError) as error:
        out.write(f"cannot serve: {error}\n")
        return 1
    return 0


def _cloud_options(endpoint: str) -> str:
    """What the Azure CLI has to know of a cloud; newer versions ask the endpoint for most of it."""
    options = {
        # Older versions append a path to it without a slash.
        "endpoint-resource-manager": f"{endpoint}/",
        "suffix-keyvault-dns": ".vault.azure.net",
        "suffix-storage-endpoint": "core.windows.net",
        "suffix-sql-server-hostname": ".database.windows.net",
        "suffix-acr-login-server-endpoint": ".azurecr.io",
    }
    return " ".join(f"--{name} {value}" for name, value in options.items())


def _instructions(sim: ArmSimulator, server: HttpsServer, *, control: bool) -> str:
    """What to type in another terminal."""
    lines = ["# Serving. Set these in the terminal of your tool:"]
    lines += [f"export {name}={value}" for name, value in server.environment.items()]
    lines += [
        "# Azure CLI:",
        "export AZURE_CORE_INSTANCE_DISCOVERY=false",
        f"az cloud register --name simulator {_cloud_options(server.endpoint)}",
        "az cloud set --name simulator",
        f"az login --service-principal --username {CALLER_APP_ID} --password {SECRET} --tenant {TENANT_ID}",
        "# Subscriptions:",
    ]
    lines += [f"#   {scope}" for scope in sim.scopes]
    if control:
        lines.append(f"# Control: curl --cacert {server.ca_file} {server.endpoint}{PREFIX}")
    lines.append("# Ctrl-C ends it.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":  # pragma: no cover - a subprocess runs it
    try:
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        sys.exit(main(sys.argv[1:], sys.stdout, ended))
    except KeyboardInterrupt:
        sys.exit(0)
