"""Every code block of the README and the documentation runs as a test, on the simulator.

In a page's blocks ``client`` is a client on a demo tenant and ``sim`` is that tenant, and ``DefaultAzureCredential()``
with ``RemediationClient`` lead there too, so that blocks read as they would in production. An ``output`` block shows
what the Python block above it prints, and a ``toml`` block is a file ``my.toml``.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, SkipParser

from defender_remediate import RemediationClient
from defender_remediate.testing import ArmSimulator

_STACK = "_stack"
_PRINTED = "_printed"


class _Printing(PythonEvaluator):
    """Runs a block and keeps what it printed for the ``output`` block below it."""

    def __call__(self, example: Example) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            super().__call__(example)
        example.namespace[_PRINTED] = printed.getvalue()


def _compare(example: Example) -> str | None:
    printed, shown = example.namespace[_PRINTED], str(example.parsed)
    if [line.rstrip() for line in printed.strip().splitlines()] != [
        line.rstrip() for line in shown.strip().splitlines()
    ]:
        return f"the block above printed:\n\n{printed}\nthe documentation says:\n\n{shown}"
    return None


def _write_catalog(example: Example) -> None:
    Path("my.toml").write_text(str(example.parsed), encoding="utf-8")


def _offline(sim: ArmSimulator) -> Callable[..., RemediationClient]:
    """A client's constructor that leads to the demo tenant unless a transport says otherwise.

    The subscriptions of a page are replaced by those of the tenant; its management group is named as in the page.
    """

    def make(credential: Any, scope: Any, **options: Any) -> RemediationClient:
        if "transport" in options or options.get("endpoint", "").startswith("http://127."):
            return RemediationClient(credential, scope, **options)
        elsewhere = {name: value for name, value in options.items() if name not in ("endpoint", "cloud")}
        scopes = scope if str(scope).startswith("/providers/Microsoft.Management/") else sim.scopes
        return RemediationClient(sim.credential, scopes, transport=sim, clock=sim.clock, **elsewhere)

    return make


def _setup(namespace: dict[str, Any]) -> None:
    stack = namespace[_STACK] = contextlib.ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    stack.callback(os.chdir, Path.cwd())
    os.chdir(folder)
    # Runs are written down: not in the home of whoever tests.
    stack.enter_context(mock.patch.dict(os.environ, {"XDG_STATE_HOME": folder}))
    sim = namespace["sim"] = ArmSimulator.demo()
    make = _offline(sim)
    namespace["client"] = stack.enter_context(make(None, None))
    stack.enter_context(mock.patch("defender_remediate.RemediationClient", make))
    for name in ("DefaultAzureCredential", "ManagedIdentityCredential", "AzureCliCredential"):
        stack.enter_context(mock.patch(f"azure.identity.{name}", return_value=sim.credential))


def _teardown(namespace: dict[str, Any]) -> None:
    namespace[_STACK].close()


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=_Printing()),
        CodeBlockParser(language="output", evaluator=_compare),
        CodeBlockParser(language="toml", evaluator=_write_catalog),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=["docs/_build/*", "docs/reference/catalog/*"],
    setup=_setup,
    teardown=_teardown,
).pytest()
