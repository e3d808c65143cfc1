"""Faults between a caller and the simulated Azure: answers of any kind, and connections that break."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.transport.exchange import Call, Reply

BEFORE, AFTER = "before", "after"


@attrs.define(kw_only=True)
class InjectedFault:
    """What happens instead of an answer.

    Attributes:
        methods: The methods that it applies to; empty for all.
        path: A regular expression searched in path and query.
        when: ``before``: the request is not processed. ``after``: it is processed first.
        reply: The answer; None breaks the connection.
        status: A status that replaces the one of the real answer, which is kept otherwise.
        times: How many requests it applies to; None for all.
        skip: How many matching requests pass first.
        seen: How many requests matched so far.
    """

    methods: tuple[str, ...] = ()
    path: re.Pattern[str]
    when: str = BEFORE
    reply: Reply | None = None
    status: int | None = None
    times: int | None = 1
    skip: int = 0
    seen: int = 0

    def matches(self, call: Call) -> bool:
        """Whether it applies to a request, not counting ``skip`` and ``times``."""
        if self.methods and call.method not in self.methods:
            return False
        return bool(self.path.search(call.path) or self.path.search(call.url[len(call.base) :]))


class Faults:
    """The faults that tests have added."""

    def __init__(self) -> None:
        self._faults: list[InjectedFault] = []

    def add(self, fault: InjectedFault) -> None:
        """Adds a fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Removes every fault."""
        self._faults.clear()

    def next_for(self, call: Call) -> InjectedFault | None:
        """Returns the fault for a request, and counts the request for every fault that matches it."""
        chosen = None
        for fault in self._faults:
            if not fault.matches(call):
                continue
            number = fault.seen
            fault.seen += 1
            used_up = fault.times is not None and number >= fault.skip + fault.times
            if chosen is None and number >= fault.skip and not used_up:
                chosen = fault
        return chosen


def reply_of(status: int, code: str | None, message: str, body: Any, headers: Mapping[str, str]) -> Reply:
    """Returns the answer of a fault.

    Args:
        status: The HTTP status.
        code: Azure's error code; makes an error body unless ``body`` is given.
        message: The message of that body.
        body: Bytes or a string to send unchanged, or a value to send as JSON.
        headers: The headers; they win over those of the body.
    """
    if isinstance(body, (bytes, str)):
        content = body.encode() if isinstance(body, str) else body
        return Reply(status=status, headers={"Content-Type": "application/json", **headers}, content=content)
    if body is None and code is not None:
        body = {"error": {"code": code, "message": message}}
    if body is None:
        return Reply(status=status, headers=dict(headers))
    return Reply.json(body, status=status, headers=headers)
