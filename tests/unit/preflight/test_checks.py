"""The runner: batching, waivers, failed reads, and checks of a caller's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest

from defender_remediate.errors import (
    ConnectionCutError,
    DefenderRemediateError,
    ForbiddenError,
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    RequestError,
    ServiceError,
)
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.plan import SkippedResource, SkipReason
from defender_remediate.preflight import (
    BUILT_IN_CHECKS,
    Check,
    CheckReader,
    StepFacts,
    Subject,
    checks_with,
    run_checks,
)

LISTING = "/subscriptions/s/{}providers/Microsoft.Authorization/locks?api-version=1"


class Saying:
    """A check that finds what it is told to."""

    permissions: tuple[str, ...] = ()

    def __init__(self, status: str | None, name: str = "own") -> None:
        self.status = status
        self.name = name

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        if self.status is not None:
            yield CheckResult(check=self.name, status=self.status, message=f"{self.name} found it", advice="act")


def run(subject: Subject, *checks: Check, waivers: dict[str, str] | None = None) -> Any:
    reader = CheckReader(None, workers=1)  # type: ignore[arg-type]
    return run_checks([subject], checks=checks, reader=reader, waivers=waivers or {})


def test_a_step_keeps_its_warnings(make_subject: Callable[..., Subject]) -> None:
    """They are part of what is approved."""
    subject = make_subject()
    checked = run(subject, Saying("warning"), Saying(None, "other"))
    assert checked.steps == (attrs.evolve(subject.step, check_results=checked.steps[0].check_results),)
    assert [found.status for found in checked.steps[0].check_results] == [CheckStatus.WARNING]


def test_a_blocked_step_becomes_a_skip(make_subject: Callable[..., Subject]) -> None:
    """With the reasons, what to do, and everything else that was found."""
    subject = make_subject()
    checks = (Saying("warning", "a"), Saying("unchecked", "b"), Saying("blocked", "c"))
    (skipped,) = run(subject, *checks).skipped
    assert skipped == SkippedResource(
        resource_id=subject.step.resource_id,
        keys=subject.step.keys,
        titles=subject.step.titles,
        reason=SkipReason.BLOCKED,
        message="b found it - act; c found it - act",
        check_results=skipped.check_results,
    )
    assert [found.check for found in skipped.check_results] == ["a", "b", "c"]
    (unchecked,) = run(subject, Saying("unchecked")).skipped
    assert unchecked.reason is SkipReason.UNCHECKED


def test_a_waiver_applies_to_the_named_check_only(make_subject: Callable[..., Subject]) -> None:
    """A result that does not block needs none."""
    waivers = {"a": "it is removed tonight", "b": "unneeded"}
    (step,) = run(make_subject(), Saying("blocked", "a"), Saying("warning", "b"), waivers=waivers).steps
    assert [(found.status, found.waived_because) for found in step.check_results] == [
        (CheckStatus.WAIVED, "it is removed tonight"),
        (CheckStatus.WARNING, None),
    ]
    assert run(make_subject(), Saying("blocked", "a"), Saying("blocked", "c"), waivers=waivers).steps == ()


def test_a_result_is_one_line() -> None:
    """And holds no secret: tags, notes of locks and reasons of policies come from outside."""
    waived = CheckResult(check="private_endpoint", status="waived", message="closed", waived_because="unused")
    assert str(waived) == "private endpoint waived: closed (waived: unused)"
    secret = "AccountKey=planted-S3CR3T"
    found = CheckResult(check="lock", status="blocked", message=f"a {secret}", evidence=(f"b {secret}",))
    assert "planted" not in repr(found) + str(found)
    assert found.evidence[0].startswith("b AccountKey=")
    assert "closed" in waived._repr_html_()  # type: ignore[attr-defined]


class Defective(Saying):
    """A check that raises, or yields what is no result of its own."""

    def __init__(self, where: str, what: Any) -> None:
        super().__init__(None)
        self.where, self.what = where, what

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        if self.where == "prefetch":
            raise self.what

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        if self.where == "judge":
            raise self.what
        yield self.what


@pytest.mark.parametrize(
    ("where", "what", "expected"),
    [
        ("prefetch", KeyError("x"), "KeyError"),
        ("judge", ZeroDivisionError("division by zero"), "division by zero"),
        ("result", "blocked", "must yield CheckResult(check='own'"),
        ("result", CheckResult(check="lock", status="warning", message="m"), "must yield CheckResult(check='own'"),
        ("judge", ForbiddenError("no", status=403, code="AuthorizationFailed"), "403 AuthorizationFailed"),
        ("prefetch", ForbiddenError("no", status=403, code="AuthorizationFailed"), "403 AuthorizationFailed"),
    ],
)
def test_a_defective_check_leaves_its_steps_unchecked(
    make_subject: Callable[..., Subject], where: str, what: Any, expected: str
) -> None:
    """With the error named; the other checks are made, and the plan is not lost."""
    (skipped,) = run(make_subject(), Saying("warning", "a"), Defective(where, what)).skipped
    assert [found.check for found in skipped.check_results] == ["a", "own"]
    assert skipped.reason is SkipReason.UNCHECKED
    assert expected in skipped.check_results[1].message


class Typed(Saying):
    """A check of one resource type."""

    resource_types = ("microsoft.keyvault/vaults",)


def test_a_check_of_some_types_is_made_for_these(make_subject: Callable[..., Subject]) -> None:
    """And for what is below them."""
    vault = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
    for target, count in ((vault, 1), (f"{vault}/keys/k", 1), (f"{vault}/providers/Microsoft.Insights/x/y", 1)):
        subject = make_subject(resource_id=vault, target_id=target)
        assert len(run(subject, Typed("warning")).steps[0].check_results) == count
    assert run(make_subject(), Typed("warning")).steps[0].check_results == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "lock",
        1,
        [Saying],
        [object()],
        [Saying(None, "No Spaces")],
        [Saying(None, "lock")],
        [Saying(None), Saying(None)],
    ],
)
def test_what_is_not_a_check_is_refused(wrong: Any) -> None:
    """Before anything is read, with what would be right."""
    with pytest.raises(InvalidInputError) as caught:
        checks_with(BUILT_IN_CHECKS, wrong)
    assert caught.value.hint


def answered(
    status: int,
    code: str = "",
    kind: type[RequestError] = RequestError,
    url: str = "/x/locks?api-version=1",
    **more: Any,
) -> RequestError:
    return kind("…", status=status, code=code, method="GET", url=url, **more)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered(404, "", NotFoundError), CheckStatus.WARNING),
        (answered(404, "NotFound", NotFoundError), CheckStatus.WARNING),
        (answered(404, "InvalidResourceType", NotFoundError), CheckStatus.WARNING),
        (answered(404, "ResourceNotFound", NotFoundError, LISTING.format("")), CheckStatus.WARNING),
        (answered(404, "ResourceNotFound", NotFoundError, LISTING.format("resourceGroups/rg/")), CheckStatus.WARNING),
        (
            answered(404, "ResourceNotFound", NotFoundError, "/subscriptions/s/providers/Microsoft.Storage"),
            CheckStatus.WARNING,
        ),
        (answered(404, "ResourceNotFound", NotFoundError, "/subscriptions/s?api-version=1"), CheckStatus.UNCHECKED),
        (
            answered(404, "ResourceNotFound", NotFoundError, LISTING.format("resourceGroups/rg/providers/a/b/c/")),
            CheckStatus.UNCHECKED,
        ),
        (answered(404, "ResourceGroupNotFound", NotFoundError), CheckStatus.UNCHECKED),
        (answered(404, "SubscriptionNotFound", NotFoundError), CheckStatus.UNCHECKED),
        (answered(404, "Subscription Not Registered", ProviderNotRegisteredError), CheckStatus.UNCHECKED),
        (answered(409, "MissingSubscriptionRegistration", ProviderNotRegisteredError), CheckStatus.UNCHECKED),
        (answered(405), CheckStatus.WARNING),
        (answered(501, "", ServiceError), CheckStatus.WARNING),
        (answered(500, "", ServiceError), CheckStatus.UNCHECKED),
        (answered(400, "NoRegisteredProviderFound"), CheckStatus.WARNING),
        (answered(400, "InvalidApiVersionParameter"), CheckStatus.WARNING),
        (answered(400, "BadRequest"), CheckStatus.UNCHECKED),
        (answered(403, "AuthorizationFailed", ForbiddenError), CheckStatus.UNCHECKED),
        (ConnectionCutError("cut"), CheckStatus.UNCHECKED),
        (MalformedResponseError("broken"), CheckStatus.UNCHECKED),
    ],
)
def test_an_endpoint_without_the_collection_is_told_from_a_failure(
    make_subject: Callable[..., Subject], error: DefenderRemediateError, expected: CheckStatus
) -> None:
    """The one exception from the rule that a check which was not made blocks."""
    checked = run(make_subject(), Defective("judge", error))
    assert [found.status for found in (*checked.steps, *checked.skipped)[0].check_results] == [expected]


def test_a_failure_names_the_error_and_reads_the_same_each_time(make_subject: Callable[..., Subject]) -> None:
    """What differs from time to time, such as a tracking id, is left out: the digest of a plan covers results."""

    def result(error: DefenderRemediateError) -> CheckResult:
        checked = run(make_subject(), Defective("judge", error))
        found: CheckResult = (*checked.steps, *checked.skipped)[0].check_results[0]
        return found

    found = result(answered(403, "AuthorizationFailed", ForbiddenError, hint="ask for it"))
    assert found == CheckResult(
        check="own",
        status="unchecked",
        message="the own check could not be made: 403 AuthorizationFailed",
        evidence=("GET /x/locks?api-version=1",),
        advice='ask for it; or pass waive={"own": "reason"}',
    )
    cut = result(ConnectionCutError("at 0x7f3a"))
    assert (cut.message, cut.evidence) == ("the own check could not be made: no response", ())
    broken = result(MalformedResponseError("GET /x: not JSON"))
    assert (broken.message, broken.evidence) == (
        "the own check could not be made: invalid response",
        ("GET /x: not JSON",),
    )


class Reading(Saying):
    """A check that reads for each step, as its steps need it."""

    def __init__(self, read: Callable[[Subject], int]) -> None:
        super().__init__(None)
        self.read = read

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[int]:  # type: ignore[override]
        return reader.for_each(subjects, self.read)

    def judge(self, subject: Subject, facts: StepFacts[int]) -> Iterator[CheckResult]:  # type: ignore[override]
        yield CheckResult(check=self.name, status="warning", message=f"read {facts[subject]}")


@pytest.mark.parametrize("workers", [1, 3])
def test_a_failed_read_concerns_its_own_steps_only(make_subject: Callable[..., Subject], workers: int) -> None:
    """However many threads read."""
    planned = make_subject()
    subjects = [attrs.evolve(planned, step=attrs.evolve(planned.step, id=str(number))) for number in range(40)]

    def read(subject: Subject) -> int:
        if subject.step.id == "7":
            raise ForbiddenError("no", status=403, code="AuthorizationFailed")
        return int(subject.step.id)

    reader = CheckReader(None, workers=workers)  # type: ignore[arg-type]
    checked = run_checks(subjects, checks=[Reading(read)], reader=reader, waivers={})
    assert [skip.reason for skip in checked.skipped] == [SkipReason.UNCHECKED]
    assert [step.check_results[0].message for step in checked.steps] == [f"read {n}" for n in range(40) if n != 7]


def test_steps_share_equal_results(make_subject: Callable[..., Subject]) -> None:
    """A plan of many thousand steps keeps what a check says of all of them once."""
    planned = make_subject()
    subjects = [attrs.evolve(planned, step=attrs.evolve(planned.step, id=str(number))) for number in range(3)]
    reader = CheckReader(None, workers=1)  # type: ignore[arg-type]
    checked = run_checks(subjects, checks=[Saying("warning")], reader=reader, waivers={})
    first, *others = (step.check_results[0] for step in checked.steps)
    assert [one is first for one in others] == [True, True]


def test_a_result_that_cannot_be_compared_leaves_its_step_unchecked(make_subject: Callable[..., Subject]) -> None:
    """Such as one whose advice is a list: nothing raises."""

    class Listing(Saying):
        def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
            yield CheckResult(check=self.name, status="warning", message="m", advice=["act"])  # type: ignore[arg-type]

    checked = run(make_subject(), Listing("warning"))
    assert [skip.reason for skip in checked.skipped] == [SkipReason.UNCHECKED]


def test_every_built_in_check_can_be_waived_and_says_what_it_needs() -> None:
    """Names are unique snake_case, and permissions are actions of Azure that read."""
    assert checks_with((), BUILT_IN_CHECKS) == BUILT_IN_CHECKS
    needed = [action for check in BUILT_IN_CHECKS for action in check.permissions]
    assert needed
    assert [action for action in needed if not action.startswith("Microsoft.") or not action.endswith("/read")] == []
    assert [type(check).__name__ for check in BUILT_IN_CHECKS if not (type(check).__doc__ or "").strip()] == []
