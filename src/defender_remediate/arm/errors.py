"""Translates Azure's error responses and azure-core's exceptions into the errors of this library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
)

from defender_remediate import errors
from defender_remediate.arm.bodies import ErrorDetail, error_details, json_body, retry_after, summary
from defender_remediate.arm.busy import is_busy
from defender_remediate.arm.hints import BUSY_HINT, hint_for, supported_versions_in
from defender_remediate.arm.urls import redact_url
from defender_remediate.casing import fold
from defender_remediate.errors import (
    ConnectionCutError,
    ConnectionFailedError,
    CredentialError,
    DefenderRemediateError,
    MalformedResponseError,
    OperationBusyError,
    OperationFailedError,
    RequestError,
)
from defender_remediate.redaction import redact_text

_VERSION_REFUSALS = frozenset({"invalidapiversionparameter", "noregisteredproviderfound", "invalidresourcetype"})
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
    "invalidapiversionparameter": errors.UnsupportedApiVersionError,
    "noregisteredproviderfound": errors.UnsupportedApiVersionError,
}
# These only wrap what is inside them.
_WRAPPERS = frozenset({"invalidtemplatedeployment", "deploymentfailed", "multipleerrorsoccurred"})
# What the chain of a ServiceRequestError may hold although the request had left: azure-core sorts a body that stops
# half-way and a TLS failure in the middle of an answer under "could not be sent".
_AFTER_SENDING = frozenset(
    {
        "ReadTimeoutError",
        "ReadTimeout",
        "ProtocolError",
        "IncompleteRead",
        "SSLError",
        "ConnectionResetError",
        "ConnectionAbortedError",
        "BrokenPipeError",
        "RemoteDisconnected",
    }
)
_BEFORE_SENDING = frozenset({"SSLCertVerificationError", "NewConnectionError", "ConnectTimeoutError", "ProxyError"})
_LONGEST = 300
_CANCELED = frozenset({"canceled", "cancelled"})
_CUT_HINT = "the write may have taken effect: read the resource before you send it again"
# The host of a connection in front of the reason, and the query of a URL, which may be signed.
_CONNECTION = re.compile(r"^(?:<[^<>]{0,200}>|\w{1,60}\([^()]{0,200}\)): ")
_QUERY = re.compile(r"\?[^\s'\"()<>]+")


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    method: str,
    url: str,
    *,
    now: datetime | None = None,
) -> RequestError:
    """The error for a response. Its class follows from the code, or else from the status.

    The body may have any content or be empty. Only the path and the api-version of the URL are kept. ``now`` is used for a
    Retry-After with a date in a response without a Date header.
    """
    lowered = {fold(name): value for name, value in headers.items()}
    try:
        found = error_details(json_body(body, ""))
    except MalformedResponseError:
        found = ()
    first = found[0] if found else ErrorDetail(code="", message=summary(body))
    kind = _class_of(status, found)
    hint = BUSY_HINT if kind is errors.BusyError else hint_for(found)
    if not hint and 300 <= status < 400:
        hint = "redirects are not followed, because a token is never sent to another host"
    elif not hint and (status >= 500 or status == 408) and method not in ("GET", "HEAD"):
        hint = _CUT_HINT
    offered = supported_versions_in(found) if any(fold(one.code) in _VERSION_REFUSALS for one in found) else ()
    return kind(
        redact_text(f"{method} {redact_url(url)} answered {status} {first}".rstrip()),
        status=status,
        code=first.code,
        method=method,
        url=redact_url(url),
        request_id=redact_text(lowered.get("x-ms-request-id") or ""),
        retry_after=retry_after(lowered, now),
        details=tuple(redact_text(str(detail)) for detail in found[1:]),
        supported_api_versions=offered,
        hint=hint,
    )


def refuses_version(error: RequestError) -> bool:
    """Whether an answer refuses the api-version of the request, so that another one may be served."""
    return fold(error.code or "") in _VERSION_REFUSALS


def error_from_operation(
    document: Any, headers: Mapping[str, str], *, status: int, state: str, method: str, url: str
) -> OperationFailedError:
    """The error of a long-running operation that failed, whatever the HTTP status.

    ``document`` is the body of the operation or of the resource that remains; ``state`` is the final status.
    """
    properties = document.get("properties") if isinstance(document, Mapping) else None
    found = error_details(document) or error_details(properties)
    first = found[0] if found else ErrorDetail(code="", message="Azure gave no reason")
    is_busy_now = fold(state) not in _CANCELED and is_busy(None, found)
    return (OperationBusyError if is_busy_now else OperationFailedError)(
        redact_text(f"the operation behind {method} {redact_url(url)} ended {state}: {first}"),
        status=status,
        code=first.code or state,
        method=method,
        url=redact_url(url),
        request_id=redact_text({fold(name): value for name, value in headers.items()}.get("x-ms-request-id", "")),
        details=tuple(redact_text(str(detail)) for detail in found[1:]),
        hint=BUSY_HINT if is_busy_now else hint_for(found),
    )


@contextmanager
def translate(method: str, url: str) -> Iterator[None]:
    """Translate the exceptions of azure-core and its generated clients into chained errors of this library.

    Raises:
        ConnectionFailedError: The request was not sent.
        ConnectionCutError: The request was sent, or may have been sent, and there was no complete response.
        CredentialError: The credential returned no token.
        MalformedResponseError: The answer could not be decoded.
        RequestError: Azure answered with an error; its subclasses say which.
    """
    try:
        yield
    except DefenderRemediateError:
        raise
    except AzureError as error:
        translated = _translated(error, method, url)
        hide_secrets(error)
        raise translated from error


def hide_secrets(error: BaseException) -> None:
    """Remove the secrets from an error that remains as a cause, because a traceback prints all causes."""
    for link in _chain(error):
        if all(_safe(text) == text for text in (str(link), repr(link))):
            continue
        link.args = tuple(item if isinstance(item, BaseException) else _safe(str(item)) for item in link.args)
        for name, text in list(vars(link).items()):
            if isinstance(text, str):
                setattr(link, name, _safe(text))
        if isinstance(link, HttpResponseError):
            # It prints the body of its answer.
            link.response = link.error = link.model = None


def _safe(text: str) -> str:
    return redact_text(_QUERY.sub("?(hidden)", text))


def _translated(error: AzureError, method: str, url: str) -> DefenderRemediateError:
    where = f"{method} {redact_url(url)}"
    response = getattr(error, "response", None)
    kinds = {type(link).__name__ for link in _chain(error)}
    may_have_left = bool(kinds & _AFTER_SENDING) and not kinds & _BEFORE_SENDING
    if isinstance(error, ServiceRequestError) and not may_have_left:
        host = urlsplit(url).hostname or "Azure"
        return ConnectionFailedError(
            f"no connection to {host}: {_cause(error)}: {where} was not sent",
            hint="check the name resolution, firewall and proxy settings of this machine",
        )
    if isinstance(error, ClientAuthenticationError) and response is None:
        return CredentialError(f"the credential gave no token: {_cause(error)}")
    # azure-core takes a body that was compressed wrongly for a broken connection.
    is_undecodable = isinstance(error, DecodeError) and not isinstance(error, IncompleteReadError)
    if is_undecodable or "ContentDecodingError" in kinds:
        return MalformedResponseError(f"{where}: the response could not be decoded: {_cause(error)}")
    if isinstance(error, HttpResponseError) and response is not None:
        content = body_of(response)
        return error_from_response(response.status_code, response.headers, content, method, url)
    return ConnectionCutError(
        f"no complete response: {_cause(error)}: {where}", hint="" if method in ("GET", "HEAD") else _CUT_HINT
    )


def body_of(response: Any) -> bytes:
    """The bytes of a response of either of azure-core's two kinds."""
    return bytes(response.read() if hasattr(response, "read") else response.body())


def _class_of(status: int, found: tuple[ErrorDetail, ...]) -> type[RequestError]:
    for detail in found:
        code = fold(detail.code)
        if code in _BY_CODE:
            return _BY_CODE[code]
        if code and code not in _WRAPPERS:
            break
    if is_busy(status, found):
        return errors.BusyError
    return _BY_STATUS.get(status, errors.ServiceError if status >= 500 else RequestError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes, the outermost first."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = [getattr(link, name, None) for name in ("__cause__", "inner_exception", "reason")]
        waiting += [item for item in (*inner, *link.args) if isinstance(item, BaseException)]


def _cause(error: BaseException) -> str:
    """The root cause, such as "Failed to resolve 'host'"; the outer errors only repeat the URL."""
    links = list(_chain(error))
    found = ""
    for link in reversed(links):
        text = _CONNECTION.sub("", " ".join(str(link).split()))
        is_wrapper = "Max retries exceeded" in text or text.startswith("(")
        if text and not is_wrapper and (not found or found in text):
            found = text
    if any(type(link).__name__ == "ProxyError" for link in links):
        found = f"the proxy cannot be reached: {found}"
    found = _safe(found or " ".join(str(error).split()) or type(error).__name__)
    return found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
