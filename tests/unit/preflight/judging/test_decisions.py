"""Waivers, what becomes of a step, and checks that could not be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import (
    ConnectionCutError,
    DefenderRemediateError,
    ForbiddenError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    RequestError,
    ServiceError,
)
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.models.plan import RemediationStep, SkippedResource, SkipReason
from defender_remediate.preflight.unavailable import failed, is_not_offered
from defender_remediate.preflight.verdicts import decided

LOCKED = CheckResult(check="lock", status="blocked", message="locked", evidence=("l",), advice="unlock it")
UNREAD = CheckResult(check="policy", status="unchecked", message="unread")
OWNED = CheckResult(check="ownership", status="warning", message="owned")


def test_a_step_keeps_its_warnings(make_step: Callable[..., RemediationStep]) -> None:
    """They are part of what is approved."""
    assert decided(make_step(), [OWNED], {}) == make_step(check_results=(OWNED,))
    assert decided(make_step(), [], {}) == make_step()


def test_what_stops_a_step_becomes_a_skip(make_step: Callable[..., RemediationStep]) -> None:
    """With what it is, what to do, and everything else that was found."""
    step = make_step()
    assert decided(step, [OWNED, UNREAD, LOCKED], {}) == SkippedResource(
        resource_id=step.resource_id,
        keys=step.keys,
        reason=SkipReason.BLOCKED,
        message="unread; locked - unlock it",
        check_results=(OWNED, UNREAD, LOCKED),
    )
    unchecked = decided(step, [UNREAD], {})
    assert isinstance(unchecked, SkippedResource)
    assert unchecked.reason is SkipReason.UNCHECKED


def test_a_waiver_keeps_the_step_and_the_finding(make_step: Callable[..., RemediationStep]) -> None:
    """Of that check only; what does not stop anything needs none."""
    waive = {CheckName.LOCK: "it goes away tonight", CheckName.OWNERSHIP: "unneeded"}
    step = decided(make_step(), [LOCKED, OWNED], waive)
    assert isinstance(step, RemediationStep)
    assert [(one.status, one.waived_because) for one in step.check_results] == [
        (CheckStatus.WAIVED, "it goes away tonight"),
        (CheckStatus.WARNING, ""),
    ]
    assert isinstance(decided(make_step(), [LOCKED, UNREAD], waive), SkippedResource)
    assert isinstance(decided(make_step(), [UNREAD], {CheckName.POLICY: "known"}), RemediationStep)


def test_a_finding_says_itself_in_one_line() -> None:
    """And whether it stops."""
    waived = CheckResult(check="private_endpoint", status="waived", message="shut", waived_because="unused")
    assert [str(one) for one in (LOCKED, UNREAD, OWNED, waived)] == [
        "lock blocked: locked",
        "policy unchecked: unread",
        "ownership warning: owned",
        "private endpoint waived: shut (waived: unused)",
    ]
    assert [one.is_blocking for one in (LOCKED, UNREAD, OWNED, waived)] == [True, True, False, False]
    assert "locked" in LOCKED._repr_html_()  # type: ignore[attr-defined]


def test_a_finding_holds_no_secret() -> None:
    """Tags, notes of locks and reasons of policies are other people's texts."""
    secret = "AccountKey=planted-S3CR3T"
    found = CheckResult(check="lock", status="blocked", message=f"a {secret}", evidence=(f"b {secret}",))
    assert "planted" not in repr(found) + str(found)
    assert found.evidence == ("b AccountKey=(hidden)",)


def answered(
    status: int,
    code: str = "",
    kind: type[RequestError] = RequestError,
    url: str = "/x/locks?api-version=1",
    **more: Any,
) -> RequestError:
    return kind("…", status=status, code=code, method="GET", url=url, **more)


LISTING = "/subscriptions/s/{}providers/Microsoft.Authorization/locks?api-version=1"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(404, "", NotFoundError), True),
        (answered(404, "NotFound", NotFoundError), True),
        (answered(404, "InvalidResourceType", NotFoundError), True),
        (answered(404, "ResourceNotFound", NotFoundError, LISTING.format("")), True),
        (answered(404, "ResourceNotFound", NotFoundError, LISTING.format("resourceGroups/rg/")), True),
        (answered(404, "ResourceNotFound", NotFoundError, "/subscriptions/s/providers/Microsoft.Storage"), True),
        (answered(404, "ResourceNotFound", NotFoundError, "/subscriptions/s?api-version=1"), False),
        (answered(404, "ResourceNotFound", NotFoundError, LISTING.format("resourceGroups/rg/providers/a/b/c/")), False),
        (answered(404, "ResourceGroupNotFound", NotFoundError), False),
        (answered(404, "SubscriptionNotFound", NotFoundError), False),
        (answered(404, "Subscription Not Registered", ProviderNotRegisteredError), False),
        (answered(409, "MissingSubscriptionRegistration", ProviderNotRegisteredError), False),
        (answered(405), True),
        (answered(501, "", ServiceError), True),
        (answered(500, "", ServiceError), False),
        (answered(400, "NoRegisteredProviderFound"), True),
        (answered(400, "InvalidApiVersionParameter"), True),
        (answered(400, "BadRequest"), False),
        (answered(403, "AuthorizationFailed", ForbiddenError), False),
        (ConnectionCutError("cut"), False),
        (MalformedResponseError("broken"), False),
    ],
)
def test_an_endpoint_without_the_collection_is_told_from_a_failure(
    error: DefenderRemediateError, expected: bool
) -> None:
    """The one way past a check that was not made."""
    assert is_not_offered(error) is expected
    assert failed(CheckName.LOCK, "locks", error).status is (CheckStatus.WARNING if expected else CheckStatus.UNCHECKED)


def test_a_failure_names_the_error_and_reads_the_same_each_time() -> None:
    """What differs from time to time, such as a tracking id, is left out: a digest covers findings."""
    found = failed(CheckName.LOCK, "locks", answered(403, "AuthorizationFailed", ForbiddenError, hint="ask for it"))
    assert found == CheckResult(
        check="lock",
        status="unchecked",
        message="locks could not be read: 403 AuthorizationFailed",
        evidence=("GET /x/locks?api-version=1",),
        advice='ask for it; or pass waive={"lock": "why"}',
    )
    cut = failed(CheckName.LOCK, "locks", ConnectionCutError("at 0x7f3a"))
    assert (cut.message, cut.evidence) == ("locks could not be read: no answer came", ())
    assert 'waive={"lock": "why"}' in cut.advice
    broken = failed(CheckName.LOCK, "locks", MalformedResponseError("GET /x: not JSON"))
    assert (broken.message, broken.evidence) == ("locks could not be read: the answer is broken", ("GET /x: not JSON",))
    absent = failed(CheckName.LOCK, "locks", answered(404, "", NotFoundError))
    assert absent.message.startswith("this endpoint does not offer locks (404)")
