"""The errors that this library raises.

::

    DefenderRemediateError                 one root: catch this, read ``str(error)`` and ``error.hint``
    ├── InvalidInputError (ValueError)     what the caller passed is wrong; nothing was sent
    │   ├── InvalidResourceIdError         not a resource id, or not one this call takes
    │   ├── InvalidScopeError              not a subscription, group, resource or management group id
    │   ├── InvalidEndpointError           not an https URL, and not a loopback address either
    │   ├── UnknownRecommendationError     no such assessment key
    │   ├── RetiredError                   Azure has retired what this is about
    │   ├── ParameterError                 a fix parameter is missing, unknown or of the wrong type
    │   └── CatalogError                   a catalog file is wrong: names the file and the key path
    ├── PlanError                          a plan cannot be applied; nothing was sent
    │   ├── PlanNotApprovedError           ``approve`` is not the digest of this plan
    │   ├── PlanAlteredError               the plan does not match its own digest
    │   ├── GuardError                     the plan exceeds a guard
    │   └── ShardError                     a plan cannot be divided, or shards are not those of one plan
    ├── JournalError                       a journal cannot be read or written: names the file and the line
    │   ├── JournalLockedError             another process has locked this run
    │   ├── JournalUnwritableError         no room, no permission or a failing disk
    │   │   └── JournalLockLostError       this process no longer has the lock of its run
    │   ├── JournalTamperedError           a record was edited, removed, moved or inserted
    │   ├── RunExistsError                 the journal has this run already: resume it
    │   └── UnknownRunError                the journal has no such run
    ├── CredentialError                    the credential returned no token
    ├── RequestError                       Azure Resource Manager answered with an error
    │   ├── UnauthorizedError              401
    │   ├── ForbiddenError                 403
    │   │   └── PolicyViolationError       a deny policy refused the change
    │   ├── NotFoundError                  404
    │   ├── ProviderNotRegisteredError     Microsoft.Security is not registered: not an empty list
    │   ├── ConflictError                  409
    │   │   ├── ScopeLockedError           a lock forbids writes
    │   │   └── BusyError                  another operation on the resource is running; retry later
    │   ├── PreconditionFailedError        412: the target changed
    │   ├── ThrottledError                 429
    │   ├── ServiceError                   5xx: a write may have taken effect
    │   ├── UnsupportedApiVersionError     this cloud does not serve the api-version
    │   └── OperationFailedError           a long-running operation ended Failed or Canceled
    │       └── OperationBusyError         it failed because another operation was running; also a BusyError
    ├── ConnectionFailedError              no response
    │   └── ConnectionCutError             no response after the request was sent: a write may have taken effect
    ├── NotAvailableError                  Azure does not provide it here: not an empty list
    ├── MalformedResponseError             the response does not follow the contract
    ├── OperationTimeoutError              a long-running operation did not end in time; it continues in Azure
    ├── CallTimeoutError                   the ``timeout`` of this call is over
    ├── MissingExtraError (ImportError)    an optional feature needs a package that is not installed
    ├── NotificationError                  a notification hook could not send its digest; costs a warning of the report
    ├── ShardsUnfinishedError              shards have not ended, because an executor or its workers died: resume the run
    └── RemediationFailedError             raised by ``raise_for_failures()`` only

The text of an error says what happened and where; ``hint`` says what to do next. All errors can be pickled.

Errors of Azure, of the network or of a credential also derive from ``azure.core.exceptions``, so an existing
``except HttpResponseError`` catches them:

=======================  =======================================================
this library             azure-core
=======================  =======================================================
RequestError             HttpResponseError; ``status_code`` and ``error`` are set
NotFoundError            ResourceNotFoundError
PreconditionFailedError  ResourceModifiedError
UnauthorizedError        ClientAuthenticationError
CredentialError          ClientAuthenticationError
ConnectionFailedError    ServiceRequestError
ConnectionCutError       ServiceResponseError
MalformedResponseError   DecodeError
OperationTimeoutError    AzureError
CallTimeoutError         AzureError
=======================  =======================================================

``response`` is always None, because a response contains the token of its request. 409 is not a ``ResourceExistsError``, because a
lock or a busy resource is not one that exists already.
"""

from __future__ import annotations

from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ODataV4Format,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from defender_remediate.display import multi_line

__all__ = [
    "BusyError",
    "CallTimeoutError",
    "CatalogError",
    "ConflictError",
    "ConnectionCutError",
    "ConnectionFailedError",
    "CredentialError",
    "DefenderRemediateError",
    "ForbiddenError",
    "GuardError",
    "InvalidEndpointError",
    "InvalidInputError",
    "InvalidResourceIdError",
    "InvalidScopeError",
    "JournalError",
    "JournalLockLostError",
    "JournalLockedError",
    "JournalTamperedError",
    "JournalUnwritableError",
    "MalformedResponseError",
    "MissingExtraError",
    "NotAvailableError",
    "NotFoundError",
    "NotificationError",
    "OperationBusyError",
    "OperationFailedError",
    "OperationTimeoutError",
    "ParameterError",
    "PlanAlteredError",
    "PlanError",
    "PlanNotApprovedError",
    "PolicyViolationError",
    "PreconditionFailedError",
    "ProviderNotRegisteredError",
    "RemediationFailedError",
    "RequestError",
    "RetiredError",
    "RunExistsError",
    "ScopeLockedError",
    "ServiceError",
    "ShardError",
    "ShardsUnfinishedError",
    "ThrottledError",
    "UnauthorizedError",
    "UnknownRecommendationError",
    "UnknownRunError",
    "UnsupportedApiVersionError",
]


class DefenderRemediateError(Exception):
    """The base class of all errors of this library.

    Attributes:
        message: What happened, and where.
        hint: What the caller can do about it; None when there is nothing to add.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or None
        if isinstance(self, AzureError):
            # azure-core keeps the exception that was being handled, with its text and all that its frames hold.
            vars(self).update(exc_type=None, exc_value=None, exc_traceback=None, exc_msg=message)

    def __str__(self) -> str:
        # Messages quote Azure and files.
        return multi_line(f"{self.message} ({self.hint})" if self.hint else self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword-only arguments do not unpickle by themselves.
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(cls: type[DefenderRemediateError], message: str, state: dict[str, Any]) -> DefenderRemediateError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class InvalidInputError(DefenderRemediateError, ValueError):
    """An argument is invalid. Nothing was sent to Azure."""


class InvalidResourceIdError(InvalidInputError):
    """A string is not an Azure resource id, or not the id of a resource that this call accepts."""


class InvalidScopeError(InvalidInputError):
    """A string is not a subscription, resource group, resource or management group id."""


class InvalidEndpointError(InvalidInputError):
    """The endpoint is not an https URL, and not a loopback address either: tokens must not be sent unencrypted."""


class UnknownRecommendationError(InvalidInputError):
    """No recommendation has this assessment key, neither in Azure nor in the catalog."""


class RetiredError(InvalidInputError):
    """Azure has retired what was passed; the hint names what replaces it."""


class ParameterError(InvalidInputError):
    """A fix parameter is missing, unknown, or has a value that the fix does not accept."""


class CatalogError(InvalidInputError):
    """A catalog file cannot be used.

    Attributes:
        source: The file, or another name of the source.
        path: The key path in the file, such as ``fix[3].compliant_when.path``; empty when the error concerns the whole file.
    """

    def __init__(self, message: str, *, source: str = "", path: str = "", hint: str | None = None) -> None:
        where = ": ".join(part for part in (source, path) if part)
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.source = source
        self.path = path


class PlanError(DefenderRemediateError):
    """A plan cannot be applied. Nothing was sent to Azure."""


class PlanNotApprovedError(PlanError):
    """``approve`` is not the digest of the plan that was passed."""


class PlanAlteredError(PlanError):
    """The plan does not match the digest that was stored with it, or a request in it is not what the plan shows."""


class GuardError(PlanError):
    """The plan exceeds a guard.

    Attributes:
        guard: The name of the guard, such as ``max_changes``.
    """

    def __init__(self, message: str, *, guard: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.guard = guard


class ShardError(PlanError):
    """A plan cannot be divided into shards, or shards are not those of one plan."""


class ShardsUnfinishedError(DefenderRemediateError):
    """Shards of a run have not ended: the executor or a worker died, or a worker could not begin.

    What has ended is in the journal, and nothing is sent twice: ``resume`` continues the run from there.

    Attributes:
        run_id: The run of the whole plan.
        numbers: The numbers of the shards that have not ended.
    """

    def __init__(
        self, message: str, *, run_id: str = "", numbers: tuple[int, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.run_id = run_id
        self.numbers = numbers


class JournalError(DefenderRemediateError):
    """A journal cannot be read or written.

    Attributes:
        source: The file, or another name of the journal; empty if unknown.
        line: The line number, from 1; 0 when the error concerns the whole journal.
    """

    def __init__(self, message: str, *, source: str = "", line: int = 0, hint: str | None = None) -> None:
        where = ", ".join(part for part in (source, f"line {line}" if line else "") if part)
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.source = source
        self.line = line


class JournalLockedError(JournalError):
    """Another thread or process has locked this run."""


class JournalUnwritableError(JournalError):
    """A record could not be made durable: no disk space, no permission, or a failing disk."""


class JournalLockLostError(JournalUnwritableError):
    """The lock of a run was lost, so another process may continue the run. Nothing further was sent."""


class JournalTamperedError(JournalError):
    """A journal was changed: a record was edited, removed, moved or inserted."""


class RunExistsError(JournalError):
    """The journal has a run with this id already.

    Attributes:
        run_id: The run.
    """

    def __init__(self, message: str, *, source: str = "", run_id: str = "", hint: str | None = None) -> None:
        super().__init__(message, source=source, hint=hint)
        self.run_id = run_id


class UnknownRunError(JournalError):
    """The journal has no such run."""


class CredentialError(DefenderRemediateError, ClientAuthenticationError):
    """The credential returned no token, so the request was not sent."""


class RequestError(DefenderRemediateError, HttpResponseError):
    """Azure Resource Manager answered with an error.

    Attributes:
        status: The HTTP status; 200 for a long-running operation that failed with HTTP 200. ``status_code`` is the same.
        code: Azure's error code, such as ``ScopeLocked``; None when the body had no code.
        method, url: The request; the URL without possible secrets.
        request_id: ``x-ms-request-id``, for a support case; None if the response had none.
        retry_after: The number of seconds that Azure asked the caller to wait, or None.
        details: The nested codes and messages, outermost first.
        supported_api_versions: The api-versions that Azure names as supported, newest first; empty for other errors.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str | None = None,
        method: str = "",
        url: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        details: tuple[str, ...] = (),
        supported_api_versions: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.status_code = status or None
        self.supported_api_versions = supported_api_versions
        self.code = code or None
        self.method = method
        self.url = url
        self.request_id = request_id or None
        self.retry_after = retry_after
        self.details = details

    @property
    def error(self) -> ODataV4Format | None:
        """Code and message as an azure-core error; None when the body had no code."""
        # azure-core asks for it in its constructor, before there is a code.
        code = self.__dict__.get("code")
        return ODataV4Format({"code": code, "message": self.message}) if code else None

    @error.setter
    def error(self, value: object) -> None:
        del value


class UnauthorizedError(RequestError, ClientAuthenticationError):
    """401: the token was refused."""


class ForbiddenError(RequestError):
    """403: the caller lacks a permission, or something forbids the change."""


class PolicyViolationError(ForbiddenError):
    """An Azure Policy with the deny effect refused the change."""


class NotFoundError(RequestError, ResourceNotFoundError):
    """404: it does not exist, or the caller may not see it."""


class ProviderNotRegisteredError(RequestError):
    """The subscription is not registered with the resource provider: nothing is known, which is not an empty list."""


class ConflictError(RequestError):
    """409: the state of the resource or its subscription does not allow this."""


class ScopeLockedError(ConflictError):
    """A ReadOnly lock on the resource or above it forbids writes."""


class BusyError(ConflictError):
    """Another operation on the resource is running. The same request may succeed later."""


class PreconditionFailedError(RequestError, ResourceModifiedError):
    """412: the resource changed since it was read."""


class ThrottledError(RequestError):
    """429: the request was not processed; retry it after ``retry_after`` seconds."""


class ServiceError(RequestError):
    """408 or 5xx: Azure failed. Whether a write has taken effect is unknown until the target is read again."""


class OperationFailedError(RequestError):
    """A long-running operation ended Failed or Canceled, whatever the HTTP status of its last response was."""


class UnsupportedApiVersionError(RequestError):
    """This cloud does not serve the api-version of the request; ``supported_api_versions`` names the supported ones."""


class OperationBusyError(OperationFailedError, BusyError):
    """A long-running operation failed because another one was running. The same request may succeed later."""


class ConnectionFailedError(DefenderRemediateError, ServiceRequestError):
    """There was no response, and the request is known not to have reached Azure."""


class ConnectionCutError(ConnectionFailedError, ServiceResponseError):
    """There was no response after the request was sent. Whether a write has taken effect is unknown."""


class MalformedResponseError(DefenderRemediateError, DecodeError):
    """A response is truncated, is not JSON, or does not follow Azure's contract."""


class NotAvailableError(DefenderRemediateError):
    """Azure does not provide what was asked for in this cloud or scope. Nothing is known, which is not an empty list."""


class OperationTimeoutError(DefenderRemediateError, AzureError):
    """A long-running operation did not end within the time limit. It continues in Azure."""


class CallTimeoutError(DefenderRemediateError, AzureError):
    """A call did not end within its ``timeout``. Only calls that read have one, so nothing was changed."""


class MissingExtraError(DefenderRemediateError, ImportError):
    """A feature needs an extra of this library that is not installed.

    Attributes:
        extra: The extra to install, such as ``simulator``.
    """

    def __init__(self, message: str, *, extra: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint or f"run: python -m pip install 'defender-remediate[{extra}]'")
        self.extra = extra


class NotificationError(DefenderRemediateError):
    """A digest could not be sent. A hook raises it, so that it becomes a warning of the report."""


class RemediationFailedError(DefenderRemediateError):
    """At least one step of a run failed; only ``raise_for_failures()`` raises this."""
