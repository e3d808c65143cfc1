"""Azure's answers and azure-core's exceptions as errors of this library."""

from __future__ import annotations

import json
import pickle
import traceback
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from defender_remediate import errors
from defender_remediate.arm.errors import error_from_operation, error_from_response, translate

BODIES = json.loads((Path(__file__).parent / "error_bodies.json").read_text(encoding="utf-8"))
URL = "https://management.azure.com/subscriptions/s/x?api-version=2023-05-01&sig=s3cret"
CLASSES = {
    "ScopeLocked": errors.ScopeLockedError,
    "RequestDisallowedByPolicy": errors.PolicyViolationError,
    "InvalidTemplateDeployment": errors.PolicyViolationError,
    "AuthorizationFailed": errors.ForbiddenError,
    "LinkedAuthorizationFailed": errors.ForbiddenError,
    "SubscriptionRequestsThrottled": errors.ThrottledError,
    "TooManyRequests": errors.ThrottledError,
    "RetryableErrorDueToAnotherOperation": errors.BusyError,
    "RateLimiting": errors.ThrottledError,
    "BadRequest": errors.RequestError,
    "Subscription Not Registered": errors.ProviderNotRegisteredError,
    "MissingSubscriptionRegistration": errors.ProviderNotRegisteredError,
    "ReadOnlyDisabledSubscription": errors.ConflictError,
    "NoRegisteredProviderFound": errors.UnsupportedApiVersionError,
    "InvalidResourceType": errors.NotFoundError,
    "InvalidApiVersionParameter": errors.UnsupportedApiVersionError,
    "ResourceNotFound": errors.NotFoundError,
    "ResourceGroupNotFound": errors.NotFoundError,
    "SubscriptionNotFound": errors.NotFoundError,
    "AnotherOperationInProgress": errors.BusyError,
    "StorageAccountOperationInProgress": errors.BusyError,
    "Conflict": errors.ConflictError,
    "DeploymentActive": errors.BusyError,
    "InvalidTemplate": errors.RequestError,
    "OperationNotAllowed": errors.ConflictError,
    "PreconditionFailed": errors.PreconditionFailedError,
    "ExpiredAuthenticationToken": errors.UnauthorizedError,
    "DeploymentFailed": errors.OperationFailedError,
    "GatewayTimeout": errors.ServiceError,
}


def code_of(body: dict[str, Any]) -> str:
    return str(body["error"]["code"])


@pytest.mark.parametrize("row", BODIES, ids=[code_of(row["body"]) for row in BODIES])
def test_every_recorded_error_gets_its_class_and_advice(row: dict[str, Any]) -> None:
    """By its code, which says more than the status; and it still pickles."""
    code = code_of(row["body"])
    headers = {"X-MS-Request-Id": "r1", **row["headers"]}
    if row["status"] == 200:
        found: errors.RequestError = error_from_operation(
            row["body"], headers, status=200, state="Failed", method="PUT", url=URL
        )
    else:
        found = error_from_response(row["status"], headers, json.dumps(row["body"]).encode(), "PATCH", URL)
    assert type(found) is CLASSES[code]
    assert (found.code, found.status, found.request_id) == (code, row["status"], "r1")
    assert found.url == "/subscriptions/s/x?api-version=2023-05-01"
    assert "s3cret" not in repr(found.__dict__)
    assert found.hint or code == "BadRequest"
    assert found.retry_after == (float(row["headers"]["Retry-After"]) if "Retry-After" in row["headers"] else None)
    assert row["body"]["error"]["message"].split()[0] in str(found)
    copy = pickle.loads(pickle.dumps(found))
    assert (type(copy), copy.__dict__) == (type(found), found.__dict__)


def test_the_inner_text_of_a_failed_deployment_is_unwrapped() -> None:
    """It is JSON inside a message, with carriage returns."""
    row = next(row for row in BODIES if code_of(row["body"]) == "DeploymentFailed")
    found = error_from_operation(row["body"], {}, status=200, state="Failed", method="PUT", url=URL)
    assert found.details == ("Conflict", "Conflict: Conflict")
    assert "state of the resource" in found.hint


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, errors.RequestError),
        (400, errors.RequestError),
        (401, errors.UnauthorizedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (408, errors.ServiceError),
        (409, errors.ConflictError),
        (412, errors.PreconditionFailedError),
        (429, errors.ThrottledError),
        (500, errors.ServiceError),
        (503, errors.ServiceError),
        (599, errors.ServiceError),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html><body>Gate <b>down</b></body></html>", b"\xff\xfe", b'{"error":', b"[]", b'"x"']
)
def test_without_a_code_the_status_decides(status: int, expected: type[errors.RequestError], body: bytes) -> None:
    """HTML from a gateway, cut JSON, no UTF-8, nothing: whatever came, there is a typed error that shows it."""
    found = error_from_response(status, {}, body, "PATCH", URL)
    assert type(found) is expected
    assert found.code is None
    assert str(status) in str(found)
    assert bool(found.hint) is (status >= 500 or status in (302, 408))
    if body.startswith(b"<"):
        assert "Gate down" in str(found)
    # A read takes no effect.
    assert bool(error_from_response(status, {}, body, "GET", URL).hint) is (status == 302)


def test_a_code_behind_an_unknown_one_does_not_decide() -> None:
    """Only codes that are known to wrap others are looked through."""
    body = json.dumps({"error": {"code": "Odd", "details": [{"code": "ScopeLocked"}]}}).encode()
    assert type(error_from_response(400, {}, body, "GET", URL)) is errors.RequestError


def test_details_may_come_without_a_code() -> None:
    """A message alone is passed over."""
    body = json.dumps({"error": {"message": "m", "details": [{"code": "ScopeLocked"}]}}).encode()
    assert type(error_from_response(409, {}, body, "GET", URL)) is errors.ScopeLockedError


def test_a_date_to_come_back_is_compared_with_now() -> None:
    """When the response has no date of its own."""
    found = error_from_response(
        503,
        {"Retry-After": "Mon, 23 Nov 2026 12:00:30 GMT"},
        b"",
        "GET",
        URL,
        now=datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc),
    )
    assert found.retry_after == 30.0


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({"properties": {"provisioningState": "Failed", "error": {"code": "C", "message": "why"}}}, "C", "C: why"),
        ({"status": "Canceled"}, "Canceled", "Azure gave no reason"),
        (None, "Canceled", "Azure gave no reason"),
    ],
)
def test_an_operation_that_ended_badly_says_why_if_it_can(document: Any, code: str, words: str) -> None:
    """From the operation's body, else from the resource that it left behind."""
    found = error_from_operation(document, {}, status=200, state="Canceled", method="PUT", url=URL)
    assert (found.code, found.status) == (code, 200)
    assert words in str(found)


class Answer:
    """A response as azure-core's exceptions carry it."""

    reason = "r"

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code, self.content, self.headers = status, content, {"x-ms-request-id": "r1"}

    def body(self) -> bytes:
        return self.content

    def text(self, encoding: str | None = None) -> str:
        return self.content.decode(encoding or "utf-8", errors="replace")


def caused_by(error: AzureError, *names: str) -> AzureError:
    """The error with a chain of causes of these class names, as urllib3 and requests build them."""
    inner: BaseException | None = None
    for name in reversed(names):
        made = type(name, (Exception,), {})(*([inner] if inner else []))
        made.__cause__ = inner
        inner = made
    error.inner_exception = inner  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ServiceRequestError("no route"), errors.ConnectionFailedError),
        (ServiceRequestTimeoutError("slow"), errors.ConnectionFailedError),
        (caused_by(ServiceRequestError("x"), "ConnectionError", "NewConnectionError"), errors.ConnectionFailedError),
        (caused_by(ServiceRequestError("x"), "SSLError", "SSLCertVerificationError"), errors.ConnectionFailedError),
        (caused_by(ServiceRequestError("x"), "ConnectionError", "ReadTimeoutError"), errors.ConnectionCutError),
        (caused_by(ServiceRequestError("x"), "SSLError"), errors.ConnectionCutError),
        (ServiceRequestError("x", error=ConnectionResetError(104, "reset")), errors.ConnectionCutError),
        (ServiceRequestError("x", error=BrokenPipeError(32, "broken pipe")), errors.ConnectionCutError),
        (ServiceRequestError("x", error=ConnectionRefusedError(111, "refused")), errors.ConnectionFailedError),
        (ServiceResponseError("reset"), errors.ConnectionCutError),
        (ServiceResponseTimeoutError("slow"), errors.ConnectionCutError),
        (IncompleteReadError("half"), errors.ConnectionCutError),
        (HttpResponseError("chunk"), errors.ConnectionCutError),
        (AzureError("odd"), errors.ConnectionCutError),
        (DecodeError("gzip"), errors.MalformedResponseError),
        (ClientAuthenticationError("no token"), errors.CredentialError),
        (ClientAuthenticationError("x", response=Answer(401, b"{}")), errors.UnauthorizedError),
        (HttpResponseError("x", response=Answer(409, b'{"error": {"code": "ScopeLocked"}}')), errors.ScopeLockedError),
    ],
)
def test_azure_core_speaks_our_language(raised: AzureError, expected: type[Exception]) -> None:
    """Chained, with the path and without secrets; what may have left is never said not to have."""
    with pytest.raises(expected) as caught, translate("PATCH", URL):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert "s3cret" not in str(caught.value)


def test_an_error_that_is_its_own_cause_ends() -> None:
    """A circle in the chain is not followed for ever."""
    error = ServiceRequestError("x")
    error.inner_exception = error
    with pytest.raises(errors.ConnectionFailedError), translate("GET", URL):
        raise error


def test_our_own_errors_pass_and_so_do_bugs() -> None:
    """Nothing is wrapped twice, and a bug stays a bug."""
    own = errors.CredentialError("x")
    with pytest.raises(errors.CredentialError) as caught, translate("GET", URL):
        raise own
    assert caught.value is own
    with pytest.raises(KeyError), translate("GET", URL):
        raise KeyError("bug")


def test_a_failed_connection_says_its_cause_first() -> None:
    """Not the URL twice and then an ellipsis: the name that does not resolve, or the proxy that refuses."""
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import ProxyError
    from urllib3.exceptions import MaxRetryError, NewConnectionError
    from urllib3.exceptions import ProxyError as Urllib3ProxyError

    refused = NewConnectionError(
        "HTTPSConnection(host='h', port=443)", "Failed to establish: [Errno 111] Connection refused"
    )  # type: ignore[arg-type]
    wrapped = MaxRetryError(None, "/x?sig=s3cret", refused)  # type: ignore[arg-type]
    outer = RequestsConnectionError(wrapped)
    with pytest.raises(errors.ConnectionFailedError) as caught, translate("PATCH", URL):
        raise ServiceRequestError(outer, error=outer)
    text = str(caught.value)
    assert text.startswith("no connection to management.azure.com: Failed to establish: [Errno 111] Connection refused")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    wrapped = MaxRetryError(None, "/x", Urllib3ProxyError("Unable to connect to proxy", refused))  # type: ignore[arg-type]
    outer = ProxyError(wrapped)
    with (
        pytest.raises(errors.ConnectionFailedError, match=r"the proxy cannot be reached: .*refused"),
        translate("GET", URL),
    ):
        raise ServiceRequestError(outer, error=outer)


def test_a_refused_api_version_names_those_that_are_served() -> None:
    """So that a caller can fall back to one of them."""
    message = "The api-version '2030-01-01' is invalid. The supported versions are '2020-01-01,2023-01-01,2024-01-01-preview'."
    body = json.dumps({"error": {"code": "InvalidApiVersionParameter", "message": message}}).encode()
    found = error_from_response(400, {}, body, "GET", URL)
    assert isinstance(found, errors.UnsupportedApiVersionError)
    assert found.supported_api_versions == ("2024-01-01-preview", "2023-01-01", "2020-01-01")
    assert pickle.loads(pickle.dumps(found)).supported_api_versions == found.supported_api_versions
    other = error_from_response(409, {}, body.replace(b"InvalidApiVersionParameter", b"Conflict"), "GET", URL)
    assert other.supported_api_versions == ()
