"""Busy is busy, whatever a resource provider calls it; and nothing else is."""

from __future__ import annotations

import json

import pytest

from defender_remediate.arm.bodies import ErrorDetail
from defender_remediate.arm.busy import is_busy
from defender_remediate.arm.errors import error_from_response
from defender_remediate.errors import BusyError, ConflictError, PreconditionFailedError, RequestError, ThrottledError

URL = "https://management.azure.com/subscriptions/s/x?api-version=1"
BUSY = [
    (409, "AnotherOperationInProgress", ""),
    (409, "StorageAccountOperationInProgress", ""),
    (429, "RetryableErrorDueToAnotherOperation", ""),
    (409, "ServerBusy", ""),
    (409, "AgentPoolUpgradeInProgress", ""),
    (409, "SimultaneousUpdates", ""),
    (409, "TooManyConcurrentUpdates", ""),
    (
        409,
        "StorageAccountIsNotProvisioned",
        "The provisioning state must be 'Succeeded' before executing the operation.",
    ),
    (409, "ResourceNotReady", "Resource is not ready yet."),
    (409, "CannotPerformOperation", "There is already an operation for this resource running."),
    (409, "Conflict", "Please wait until the current operation finishes."),
    (409, "Conflict", "A management operation on this server is under way."),
    (409, "ServerIsBusy", "The server is busy. Please try again later."),
    (409, "OperationInProgress", ""),
    (409, "OperationsInProgress", ""),
    (409, "ConflictingServerOperation", "A conflicting server operation is in progress."),
    (409, "ConflictingConcurrentWriteNotAllowed", ""),
    (409, "RequestConflict", "Cannot modify the account because another operation is in progress."),
    (409, "ServiceLocked", "The API Service is transitioning at this time. Please try the request again later."),
    (409, "EtagMismatch", "Operation is not allowed: etag mismatch"),
    (409, "OperationNotAllowed", "Operation is not allowed. Another operation (Updating) is in progress."),
    (409, "Conflict", "There is an ongoing operation on this resource."),
    (409, "Conflict", "The resource is being updated by a previous request."),
    (409, "Conflict", "Cannot update the account: it is in state Updating."),
    (409, "Conflict", "The account is in provisioning state 'Accepted'."),
    (409, "Conflict", "The resource was concurrently modified."),
    (409, "", "Exception: please retry the operation."),
    (409, "ReferencedResourceNotProvisioned", "resource is in Updating state and the last operation is PutSubnet"),
    (400, "BadRequest", "An update operation is currently in progress on this server."),
    (400, "OperationNotAllowed", "The operation cannot be performed: the server is busy processing another operation."),
    (
        412,
        "PreconditionFailed",
        "There is already an operation in progress which requires exlusive lock on this service.",
    ),
    (423, "Locked", "Please retry after some time."),
    (429, "429", "Cannot acquire exclusive lock to create or update this server farm. Retry the request later."),
]
NOT_BUSY = [
    (409, "Conflict", "The vault name is already in use by a deleted vault. Purge it and please retry the operation."),
    (409, "Conflict", "The resource is in a failed state."),
    (409, "Conflict", "The resource is being deleted."),
    (409, "Conflict", "The server must be in state Ready to start this operation."),
    (409, "PropertyChangeNotAllowed", "Changing property 'x' is not allowed."),
    (409, "OperationNotAllowed", "Disk is attached to VM x."),
    (409, "ScopeLocked", "The scope is locked. Please remove the lock and try again."),
    (
        409,
        "OperationNotAllowed",
        "Operation could not be completed as it results in exceeding approved quota. Try again later.",
    ),
    (409, "MissingSubscriptionRegistration", "The subscription is not registered. Please try again later."),
    (400, "BadRequest", "The replication setup is not completed. Please finish it and try again."),
    (400, "InvalidParameter", "Provide a valid name and retry the operation."),
    (400, "BadRequest", "Requested features are not supported in region. Please try another region."),
    (403, "AuthorizationFailed", "If access was recently granted, please try again later."),
    (404, "NotFound", "Another operation is in progress."),
    (412, "PreconditionFailed", "The zone has been modified (etag mismatch)."),
    (
        429,
        "SubscriptionRequestsThrottled",
        "Number of requests in progress exceeded. Please try again after '10' seconds.",
    ),
    (429, "TooManyRequests", "There are too many requests in progress. Please retry later."),
    (503, "ServerBusy", "The server is busy."),
]


def test_what_says_that_another_operation_runs_is_busy() -> None:
    """By code or by message, with one hint that tells the truth."""
    wrong = []
    for status, code, message in BUSY:
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        found = error_from_response(status, {}, body, "PATCH", URL)
        if type(found) is not BusyError or "other operation on this resource" not in found.hint:
            wrong.append((status, code, message, found))
    assert not wrong


def test_what_waiting_does_not_help_is_not_busy() -> None:
    """A lock, a quota, a limit, a request that has to be changed first; and a 5xx stays in doubt."""
    wrong = []
    for status, code, message in NOT_BUSY:
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        found = error_from_response(status, {}, body, "PATCH", URL)
        if isinstance(found, BusyError):
            wrong.append((status, code, message))
    assert not wrong


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (409, "Conflict", ConflictError),
        (412, "PreconditionFailed", PreconditionFailedError),
        (429, "429", ThrottledError),
    ],
)
def test_without_a_message_the_status_decides(status: int, code: str, expected: type[RequestError]) -> None:
    """Azure.Web sends a 429 with nothing in it for a real limit."""
    body = json.dumps({"error": {"code": code, "message": None}}).encode()
    assert type(error_from_response(status, {}, body, "PATCH", URL)) is expected


def test_an_ended_operation_is_judged_by_its_details() -> None:
    """It has no status of its own; an instruction to try again says nothing about why it failed."""
    assert is_busy(None, [ErrorDetail(code="DeploymentFailed", message=""), ErrorDetail(code="ServerBusy", message="")])
    assert not is_busy(None, [ErrorDetail(code="InternalServerError", message="Please try again later.")])
    assert not is_busy(None, [])
