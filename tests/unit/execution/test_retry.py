"""What an error of a write means."""

from __future__ import annotations

import pytest

from defender_remediate import Outcome, errors
from defender_remediate.execution.outcomes import step_error
from defender_remediate.execution.retry import NextAction, reaction_to


@pytest.mark.parametrize(
    ("error", "following", "outcome"),
    [
        (errors.ThrottledError("m", status=429, retry_after=7), NextAction.RETRY, Outcome.FAILED),
        (errors.BusyError("m", status=409), NextAction.RETRY, Outcome.FAILED),
        (errors.ConnectionFailedError("m"), NextAction.RETRY, Outcome.FAILED),
        (errors.ConnectionCutError("m"), NextAction.RECONCILE, Outcome.IN_DOUBT),
        (errors.ServiceError("m", status=503), NextAction.RECONCILE, Outcome.IN_DOUBT),
        (errors.MalformedResponseError("m"), NextAction.RECONCILE, Outcome.IN_DOUBT),
        (errors.OperationTimeoutError("m"), NextAction.RECONCILE, Outcome.IN_DOUBT),
        (errors.PreconditionFailedError("m", status=412), NextAction.RETRY, Outcome.FAILED),
        (errors.ScopeLockedError("m", status=409), NextAction.GIVE_UP, Outcome.BLOCKED),
        (errors.PolicyViolationError("m", status=403), NextAction.GIVE_UP, Outcome.BLOCKED),
        (errors.ForbiddenError("m", status=403), NextAction.GIVE_UP, Outcome.BLOCKED),
        (errors.ProviderNotRegisteredError("m", status=404), NextAction.GIVE_UP, Outcome.BLOCKED),
        (
            errors.ConflictError("m", status=409, code="ReadOnlyDisabledSubscription"),
            NextAction.GIVE_UP,
            Outcome.BLOCKED,
        ),
        (errors.ConflictError("m", status=409, code="Conflict"), NextAction.GIVE_UP, Outcome.FAILED),
        (errors.OperationFailedError("m", status=200, code="DeploymentFailed"), NextAction.GIVE_UP, Outcome.FAILED),
        (errors.UnauthorizedError("m", status=401), NextAction.RETRY, Outcome.FAILED),
        (errors.CredentialError("m"), NextAction.GIVE_UP, Outcome.FAILED),
        (errors.InvalidInputError("m"), NextAction.GIVE_UP, Outcome.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_one_meaning(
    error: errors.DefenderRemediateError, following: NextAction, outcome: Outcome
) -> None:
    """Only what is known not to have been processed is sent again without a look."""
    reaction = reaction_to(error)
    assert (reaction.action, reaction.outcome) == (following, outcome)


def test_a_token_is_renewed_once() -> None:
    """A second refusal is not about the token's age."""
    assert reaction_to(errors.UnauthorizedError("m", status=401), attempt=2).action is NextAction.GIVE_UP


def test_the_wait_is_the_one_that_azure_asked_for() -> None:
    """A throttled request says when to come back."""
    assert reaction_to(errors.ThrottledError("m", retry_after=17)).wait == 17
    assert reaction_to(errors.ConnectionFailedError("m")).wait is None


def test_a_result_carries_azures_words_and_what_is_inside_them() -> None:
    """The code, the status, the nested details and the hint all reach the report."""
    error = errors.OperationFailedError(
        "it failed", status=200, code="DeploymentFailed", details=("Conflict: inner",), hint="look inside"
    )
    shown = step_error(error)
    assert (shown.code, shown.status, shown.hint) == ("DeploymentFailed", 200, "look inside")
    assert shown.message == "it failed; Conflict: inner"


def test_an_error_without_a_code_is_named_by_its_kind() -> None:
    """Nothing is ever just "failed"."""
    assert step_error(errors.ConnectionCutError("m")).code == "ConnectionCut"
    assert step_error(errors.ServiceError("m", status=503)).code == "ServiceError"


def test_an_unexpected_error_is_reported_without_its_secrets() -> None:
    """The code is the name of its class."""
    shown = step_error(LookupError("no such key; password=planted-S3CR3T"))
    assert (shown.code, shown.message) == ("LookupError", "no such key; password=(hidden)")
