"""``sim.faults``: answers and conditions that a caller does not want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.arm.errors import BUSY_ERRORS, refusal
from defender_remediate.testing.simulator.arm.faults import AFTER, BEFORE, InjectedFault, reply_of
from defender_remediate.testing.simulator.arm.operations import (
    AZURE_ASYNC,
    BARE,
    BODY,
    CANCELED,
    FAILED,
    LOCATION,
    SUCCEEDED,
    OperationForm,
)
from defender_remediate.testing.simulator.arm.service import Service
from defender_remediate.testing.simulator.arm.throttling import DELETES, READS, WRITES
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.defender.state import PRICINGS
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.validation import instance, string


class FaultControls:
    """Injects errors, broken connections, throttling, slow operations and expired tokens."""

    def __init__(self, service: Service, credential: SimulatedCredential) -> None:
        self._service = service
        self._credential = credential

    def fail(
        self,
        method: str | None = None,
        path: str = "",
        *,
        when: str = BEFORE,
        status: int | None = None,
        code: str | None = None,
        message: str = "Simulated.",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Adds a fault: an answer if there is a ``status``, else a broken connection.

        Args:
            method: The method that it applies to, or several separated by ``|``; None for all.
            path: A regular expression searched in path and query, ignoring case.
            when: ``before``: the request is not processed. ``after``: it is processed first.
            status: The HTTP status of the answer.
            code: Azure's error code, which some answers leave empty; makes an error body with ``message`` unless ``body`` is given.
            message: The message of that body.
            body: Bytes or a string to send unchanged (truncated JSON, HTML, invalid UTF-8), or a value to send as JSON.
            headers: Headers of the answer.
            times: How many requests it applies to; None for all.
            skip: How many matching requests pass first.

        Raises:
            InvalidInputError: A method, ``when`` or the status does not exist, the path is not a regular expression, a
                count is negative, or there is no status for the code, the body or the headers.
        """
        if status is None and not (code is None and body is None and headers is None):
            raise InvalidInputError("status must be an HTTP status when code, body or headers are given, got None")
        if code is not None:
            string("code", code)
        fault = InjectedFault(
            methods=() if method is None else arguments.methods_of(method),
            path=arguments.pattern("path", path),
            when=arguments.word("when", when, (BEFORE, AFTER)),
            reply=None
            if status is None
            else reply_of(
                _status(status),
                code,
                string("message", message),
                body,
                arguments.headers({} if headers is None else headers),
            ),
            times=_times(times),
            skip=arguments.count("skip", skip),
        )
        with self._service.tenant.lock:
            self._service.faults.add(fault)

    def change_status(self, method: str, path: str, status: int, *, times: int | None = 1) -> None:
        """Processes a request and answers it with another status, such as 202, 203, 204 or 206 for a deployment.

        Args:
            method: The method that it applies to, or several separated by ``|``.
            path: A regular expression searched in path and query, ignoring case.
            status: The HTTP status. Headers and body remain; with 204 there is no body.
            times: How many requests it applies to; None for all.

        Raises:
            InvalidInputError: A method or the status does not exist, the path is not a regular expression, or the count
                is negative.
        """
        fault = InjectedFault(
            methods=arguments.methods_of(method),
            path=arguments.pattern("path", path),
            when=AFTER,
            status=_status(status),
            times=_times(times),
        )
        with self._service.tenant.lock:
            self._service.faults.add(fault)

    def busy(self, path: str, error: str = "AnotherOperationInProgress", *, times: int | None = 1) -> None:
        """Refuses writes because the resource is busy, in one of the ways in which Azure says so.

        Args:
            path: A regular expression searched in path and query, ignoring case.
            error: The name of the error: ``AnotherOperationInProgress``, ``StorageAccountOperationInProgress``,
                ``ServerBusy``, ``ServerIsBusy``, ``ConflictingServerOperation``, ``ServiceLocked``, ``EtagMismatch``,
                ``ExclusiveLock`` (App Service: 429 for one site), ``CosmosExclusiveLock`` (412) or ``RetryableError``.
            times: How many requests it applies to; None for all.

        Raises:
            InvalidInputError: The error does not exist, the path is not a regular expression, or the count is negative.
        """
        fault = InjectedFault(
            methods=("PUT", "PATCH", "DELETE"),
            path=arguments.pattern("path", path),
            reply=refusal(arguments.word("error", error, sorted(BUSY_ERRORS))).reply,
            times=_times(times),
        )
        with self._service.tenant.lock:
            self._service.faults.add(fault)

    def clear(self) -> None:
        """Removes every fault that ``fail`` added."""
        with self._service.tenant.lock:
            self._service.faults.clear()

    def slow(
        self,
        pattern: str,
        *,
        methods: tuple[str, ...] = ("PATCH", "PUT"),
        form: str = AZURE_ASYNC,
        seconds: float = 30.0,
        retry_after: int | None = 10,
        ends: str = SUCCEEDED,
        at_once: bool = False,
        code: str = "OperationNotAllowed",
        message: str = "The operation could not be completed.",
    ) -> None:
        """Makes writes long-running; with ``seconds=0`` those that are long-running in Azure end at once.

        Args:
            pattern: A regular expression for the whole resource type, or for a part of the resource id.
            methods: The methods that become long-running.
            form: ``azure-async``, ``location``, ``body`` or ``bare``; ``operations.OperationForm`` describes them.
            seconds: The duration on the virtual clock.
            retry_after: The ``Retry-After`` of the answers; None for none.
            ends: ``Succeeded``, ``Failed`` or ``Canceled``.
            at_once: Whether the first answer already shows the failure, with HTTP 200.
            code: The error code of an operation that does not succeed.
            message: The message of that error.

        Raises:
            InvalidInputError: A method, the form or the end does not exist, the pattern is not a regular expression, or a
                number is negative.
        """
        arguments.pattern("pattern", pattern)
        slow = OperationForm(
            form=arguments.word("form", form, (AZURE_ASYNC, LOCATION, BODY, BARE)),
            seconds=arguments.amount("seconds", seconds),
            retry_after=None if retry_after is None else arguments.count("retry_after", retry_after),
            ends=arguments.word("ends", ends, (SUCCEEDED, FAILED, CANCELED)),
            at_once=instance("at_once", at_once, bool),
            code=arguments.text("code", code),
            message=string("message", message),
        )
        with self._service.tenant.lock:
            self._service.tenant.set_operation_form(pattern, arguments.methods(methods), slow)

    def fail_extension(self, plan: str, extension: str) -> None:
        """Makes an extension of a Defender plan fail when it is enabled; the PUT still answers 200.

        Args:
            plan: The name of the plan, such as ``StorageAccounts``.
            extension: The name of the extension, such as ``OnUploadMalwareScanning``.

        Raises:
            InvalidInputError: No subscription has a plan of this name.
        """
        tenant = self._service.tenant
        plans = {found.name for found in tenant.store.resources() if found.type.name == PRICINGS}
        if fold(arguments.text("plan", plan)) not in {fold(name) for name in plans}:
            raise lookup.missing("Defender plan", plan, sorted(plans))
        failing = (fold(plan), fold(arguments.text("extension", extension)))
        with tenant.lock:
            tenant.failing_extensions.add(failing)

    def expire_tokens(self) -> None:
        """Refuses the tokens issued so far; the credential issues new ones."""
        self._credential.expire()

    def throttle(self, *, enabled: bool = True) -> None:
        """Turns the request limits on or off.

        Raises:
            InvalidInputError: ``enabled`` is not a boolean.
        """
        self._service.throttle.enabled = instance("enabled", enabled, bool)

    def drain(self, scope: str, kind: str = "writes") -> None:
        """Uses up a subscription's remaining requests of a kind: ``reads``, ``writes`` or ``deletes``.

        Args:
            scope: A subscription, or what is in one; an empty string for the requests to no subscription.
            kind: The kind of the requests.

        Raises:
            InvalidInputError: The kind does not exist, or the scope is not an id.
        """
        where = scope and arguments.scope(scope)
        with self._service.tenant.lock:
            self._service.throttle.drain(where, arguments.word("kind", kind, (READS, WRITES, DELETES)))


def _status(given: int) -> int:
    return arguments.count("status", given, least=100, most=999)


def _times(given: int | None) -> int | None:
    return None if given is None else arguments.count("times", given, least=1)
