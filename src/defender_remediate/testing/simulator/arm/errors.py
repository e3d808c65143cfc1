"""Refusals in Azure's words: ``data/errors.json`` has the status, code and message of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.transport.exchange import ArmError, Reply

BUSY_ERRORS = frozenset(
    [
        "AnotherOperationInProgress",
        "StorageAccountOperationInProgress",
        "ServerBusy",
        "ServerIsBusy",
        "ConflictingServerOperation",
        "ServiceLocked",
        "EtagMismatch",
        "ExclusiveLock",
        "CosmosExclusiveLock",
        "RetryableError",
    ]
)
"""The names of the errors by which Azure says that a resource is busy."""


@cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = facts("errors")
    return known


def error_body(name: str, /, **words: object) -> dict[str, Any]:
    """``{"error": {"code", "message", ...}}`` with the words put into the message."""
    known = _known()[name]
    if words.get("group") == "":  # as Azure writes it for what is in no resource group
        words["group"] = "<null>"
    code = known.get("code", name).format(**words)
    body: dict[str, Any] = {"code": code, "message": known["message"].format(**words)}
    if "target" in known:
        body["target"] = known["target"].format(**words)
    return {"error": body}


def refusal(
    name: str,
    /,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
    **words: object,
) -> ArmError:
    """The error to raise.

    Args:
        name: Its name in ``data/errors.json``.
        status: Another HTTP status than the usual one.
        headers: Headers to send with it.
        more: Members of the error besides code and message: ``target``, ``details``, ``additionalInfo``.
        words: What the message names.
    """
    known = _known()[name]
    body = error_body(name, **words)
    body["error"].update(more or {})
    failure = {"x-ms-failure-cause": known.get("cause", "gateway")}
    return ArmError(
        Reply.json(
            body, status=status or known["status"], headers={**failure, **known.get("headers", {}), **(headers or {})}
        )
    )
