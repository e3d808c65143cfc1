"""Azure's answers and azure-core's exceptions as this library's errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
)

from defender_remediate import errors
from defender_remediate.arm.bodies import Fault, faults, json_of, retry_after, summary
from defender_remediate.arm.hints import hint_for
from defender_remediate.arm.urls import shown
from defender_remediate.casing import fold
from defender_remediate.errors import (
    ConnectionCutError,
    ConnectionFailedError,
    CredentialError,
    DefenderRemediateError,
    MalformedResponseError,
    OperationFailedError,
    RequestError,
)
from defender_remediate.redaction import redact_text

VERSION_REFUSALS = frozenset({"invalidapiversionparameter", "noregisteredproviderfound", "invalidresourcetype"})
"""The codes, in lower case, with which a cloud says that it does not serve an api-version."""

_BY_STATUS: dict[int, type[RequestError]] = {
    401: errors.UnauthorizedError,
    403: errors.ForbiddenError,
    404: errors.NotFoundError,
    408: errors.ServiceError,
    409: errors.ConflictError,
    412: errors.PreconditionFailedError,
    429: errors.ThrottledError,
}
# A code says more than the status it comes with.
_BY_CODE: dict[str, type[RequestError]] = {
    "requestdisallowedbypolicy": errors.PolicyViolationError,
    "subscription not registered": errors.ProviderNotRegisteredError,
    "missingsubscriptionregistration": errors.ProviderNotRegisteredError,
    "subscriptionnotregistered": errors.ProviderNotRegisteredError,
    "scopelocked": errors.ScopeLockedError,
    "anotheroperationinprogress": errors.BusyError,
    "storageaccountoperationinprogress": errors.BusyError,
    "retryableerrorduetoanotheroperation": errors.BusyError,
    "deploymentactive": errors.BusyError,
    "deploymentactiveanduneditable": errors.BusyError,
}
# These only wrap what is inside them.
_WRAPPERS = frozenset({"invalidtemplatedeployment", "deploymentfailed", "multipleerrorsoccurred"})
# What the chain of a ServiceRequestError may hold although the request had left: azure-core sorts a body that stops
# half-way and a TLS failure in the middle of an answer under "could not be sent".
_AFTER_SENDING = frozenset({"ReadTimeoutError", "ReadTimeout", "ProtocolError", "IncompleteRead", "SSLError"})
_BEFORE_SENDING = frozenset({"SSLCertVerificationError", "NewConnectionError", "ConnectTimeoutError", "ProxyError"})
_LONGEST = 300
_CUT_HINT = "a write may have taken effect: read the resource before anything is sent again"


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    method: str,
    url: str,
    *,
    now: datetime | None = None,
) -> RequestError:
    """The error that an answer is, of the class that its code, else its status, asks for.

    The body may be anything, also nothing. Of the URL only path and api-version are kept. ``now`` is for a Retry-After
    that is a date, in an answer without a date of its own.
    """
    lowered = {fold(name): value for name, value in headers.items()}
    try:
        found = faults(json_of(body, ""))
    except MalformedResponseError:
        found = ()
    first = found[0] if found else Fault(code="", message=summary(body))
    return _class_of(status, found)(
        redact_text(f"{method} {shown(url)} answered {status} {first}".rstrip()),
        status=status,
        code=first.code,
        method=method,
        url=shown(url),
        request_id=lowered.get("x-ms-request-id", ""),
        retry_after=retry_after(lowered, now),
        details=tuple(redact_text(str(fault)) for fault in found[1:]),
        hint=hint_for(found) or _hint_for_status(status, method),
    )


def error_from_operation(
    document: Any, headers: Mapping[str, str], *, status: int, state: str, method: str, url: str
) -> OperationFailedError:
    """The error that a long-running operation ended with, whatever HTTP status said so.

    ``document`` is the body of the operation, or of the resource that it left behind; ``state`` its last word.
    """
    properties = document.get("properties") if isinstance(document, Mapping) else None
    found = faults(document) or faults(properties)
    first = found[0] if found else Fault(code="", message="Azure does not say why")
    return OperationFailedError(
        redact_text(f"the operation behind {method} {shown(url)} ended {state}: {first}"),
        status=status,
        code=first.code or state,
        method=method,
        url=shown(url),
        request_id={fold(name): value for name, value in headers.items()}.get("x-ms-request-id", ""),
        details=tuple(redact_text(str(fault)) for fault in found[1:]),
        hint=hint_for(found),
    )


@contextmanager
def translate(method: str, url: str) -> Iterator[None]:
    """Turn what azure-core and its generated clients raise into this library's errors, chained.

    Raises:
        ConnectionFailedError: The request did not leave.
        ConnectionCutError: It left, or may have, and no whole answer came.
        CredentialError: The credential gave no token.
        MalformedResponseError: The answer could not be decoded.
        RequestError: Azure answered with an error; its subclasses say which.
    """
    try:
        yield
    except DefenderRemediateError:
        raise
    except AzureError as error:
        translated = _translated(error, method, url)
        _hide_secrets(error)
        raise translated from error


def _hide_secrets(error: AzureError) -> None:
    """Take the secrets out of the texts of an error that stays on as a cause: a traceback prints them all."""
    for link in _chain(error):
        if all(redact_text(text) == text for text in (str(link), repr(link))):
            continue
        link.args = tuple(item if isinstance(item, BaseException) else redact_text(str(item)) for item in link.args)
        for name, text in list(vars(link).items()):
            if isinstance(text, str):
                setattr(link, name, redact_text(text))
        if isinstance(link, HttpResponseError):
            # It prints the body of its answer.
            link.response = link.error = link.model = None


def _translated(error: AzureError, method: str, url: str) -> DefenderRemediateError:
    where = f"{method} {shown(url)}"
    response = getattr(error, "response", None)
    if isinstance(error, ServiceRequestError) and not _may_have_left(error):
        return ConnectionFailedError(f"{where}: no connection: {_text(error)}", hint="nothing was sent")
    if isinstance(error, ClientAuthenticationError) and response is None:
        return CredentialError(f"the credential gave no token: {_text(error)}")
    if _is_undecodable(error):
        return MalformedResponseError(f"{where}: the answer could not be decoded: {_text(error)}")
    if isinstance(error, HttpResponseError) and response is not None:
        return _from_http_error(response, method, url)
    return ConnectionCutError(f"{where}: no whole answer: {_text(error)}", hint=_cut_hint(method))


def _is_undecodable(error: AzureError) -> bool:
    # azure-core takes a body that was compressed wrongly for a broken connection.
    return (isinstance(error, DecodeError) and not isinstance(error, IncompleteReadError)) or any(
        type(link).__name__ == "ContentDecodingError" for link in _chain(error)
    )


def _from_http_error(response: Any, method: str, url: str) -> DefenderRemediateError:
    content = body_of(response)
    if response.status_code >= 300:
        return error_from_response(response.status_code, response.headers, content, method, url)
    # The generated clients raise under 200 when a long-running operation has failed.
    try:
        document = json_of(content, f"{method} {shown(url)}")
    except MalformedResponseError as malformed:
        return malformed
    return error_from_operation(
        document, response.headers, status=response.status_code, state="Failed", method=method, url=url
    )


def body_of(response: Any) -> bytes:
    """The bytes of a response of either of azure-core's two kinds."""
    return bytes(response.read() if hasattr(response, "read") else response.body())


def _class_of(status: int, found: tuple[Fault, ...]) -> type[RequestError]:
    for fault in found:
        code = fold(fault.code)
        if code in _BY_CODE:
            return _BY_CODE[code]
        if code and code not in _WRAPPERS:
            break
    return _BY_STATUS.get(status, errors.ServiceError if status >= 500 else RequestError)


def _cut_hint(method: str) -> str:
    return "" if method in ("GET", "HEAD") else _CUT_HINT


def _hint_for_status(status: int, method: str) -> str:
    if 300 <= status < 400:
        return "redirects are not followed: a token never goes to another address"
    return _cut_hint(method) if status >= 500 or status == 408 else ""


def _may_have_left(error: BaseException) -> bool:
    names = {type(link).__name__ for link in _chain(error)}
    return bool(names & _AFTER_SENDING) and not names & _BEFORE_SENDING


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = [getattr(link, name, None) for name in ("__cause__", "inner_exception", "reason")]
        waiting += [item for item in (*inner, *link.args) if isinstance(item, BaseException)]


def _text(error: AzureError) -> str:
    text = redact_text(" ".join(str(error).split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
