"""Faults put between a caller and the simulated Azure: answers of any kind, and connections that break."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.transport.exchange import Call, Reply

BEFORE, AFTER = "before", "after"


@attrs.frozen(kw_only=True)
class InjectedFault:
    """What happens instead of an answer.

    Attributes:
        methods: The verbs it hits; empty for all.
        path: A regular expression searched in path and query.
        when: ``before``: the request never gets to Azure. ``after``: it has had its effect.
        reply: What comes back; None breaks the connection.
        times: How often; None for ever.
        skip: How many matching requests pass first.
    """

    methods: tuple[str, ...] = ()
    path: re.Pattern[str]
    when: str = BEFORE
    reply: Reply | None = None
    times: int | None = 1
    skip: int = 0

    def matches(self, call: Call) -> bool:
        """Whether a call is of the kind it hits."""
        tail = call.url[len(call.base) :]
        found = self.path.search(call.path) or self.path.search(tail)
        return bool(found) and (not self.methods or call.method in self.methods)


@attrs.define
class _Armed:
    fault: InjectedFault
    seen: int = 0


class Faults:
    """The faults that wait for a call."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: InjectedFault) -> None:
        """Let a fault wait."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Take back every fault."""
        self._armed.clear()

    def hit(self, call: Call) -> InjectedFault | None:
        """The fault that hits a call; each matching fault counts it."""
        struck = None
        for armed in self._armed:
            if not armed.fault.matches(call):
                continue
            number = armed.seen
            armed.seen += 1
            late = armed.fault.times is not None and number >= armed.fault.skip + armed.fault.times
            if struck is None and number >= armed.fault.skip and not late:
                struck = armed.fault
        return struck


def reply_of(status: int, code: str | None, message: str, body: Any, headers: Mapping[str, str]) -> Reply:
    """The answer of a fault.

    Args:
        status: The HTTP status.
        code: Azure's error code; makes an error body unless ``body`` is given.
        message: What that body says.
        body: Bytes or text as they are, anything else as JSON.
        headers: Headers; they win over those that the body brings.
    """
    if isinstance(body, (bytes, str)):
        content = body.encode() if isinstance(body, str) else body
        return Reply(status=status, headers={"Content-Type": "application/json", **headers}, content=content)
    if body is None and code is not None:
        body = {"error": {"code": code, "message": message}}
    if body is None:
        return Reply(status=status, headers=dict(headers))
    return Reply.json(body, status=status, headers=headers)
