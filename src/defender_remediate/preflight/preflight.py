"""Every check of a step, over reads that all steps of a plan share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models.check import CheckName, CheckResult
from defender_remediate.preflight import attached as lists
from defender_remediate.preflight import deny_assignments as deny
from defender_remediate.preflight import locks, ownership, subscriptions
from defender_remediate.preflight import network_access as hazards
from defender_remediate.preflight import patch_support as patchable
from defender_remediate.preflight.caller import object_id
from defender_remediate.preflight.containers import Containers
from defender_remediate.preflight.policy_reader import Policies
from defender_remediate.preflight.provider_reader import Providers
from defender_remediate.preflight.providers import namespaces
from defender_remediate.preflight.roles import Roles
from defender_remediate.preflight.scopes import group_of, subscription_of
from defender_remediate.preflight.single_flight import Once
from defender_remediate.preflight.subject import Subject, demands
from defender_remediate.preflight.subscription_reader import Subscriptions
from defender_remediate.preflight.unavailable import failed

Judge = Callable[[Subject], Iterable[CheckResult]]


class Preflight:
    """The checks of one plan. Reads only, and shared between threads: what one step has read serves all others.

    What cannot be read is a finding that stops the step, see ``planning.preflight.failures``; nothing here raises for
    what Azure answers.

    Args:
        session: What to read with.
        subscriptions: Where each subscription is read, so that its tenant and its state are one request.
    """

    def __init__(self, session: ArmSession, subscriptions: Subscriptions) -> None:
        self._session = session
        self._subscriptions = subscriptions
        self._locks = lists.locks(session)
        self._denials = lists.deny_assignments(session)
        self._roles = Roles(session)
        self._policies = Policies(session)
        self._providers = Providers(session)
        self._containers = Containers(session)
        self._caller: Once[str] = Once()
        self._checks: tuple[tuple[CheckName, str, Judge], ...] = (
            (CheckName.SUBSCRIPTION, "the subscription", self._of_subscription),
            (CheckName.PROVIDER, "resource providers", self._providers.judge),
            (CheckName.PERMISSION, "the caller's permissions", self._of_roles),
            (CheckName.DENY_ASSIGNMENT, "deny assignments", self._of_denials),
            (CheckName.LOCK, "locks", lambda subject: locks.judge(subject, self._locks.at(subject.step.target_id))),
            (CheckName.POLICY, "policies", self._policies.judge),
            (CheckName.EXEMPTION, "policy exemptions", self._policies.judge_exemptions),
            (CheckName.PATCH, "the type", patchable.judge),
            (CheckName.PRIVATE_ENDPOINT, "private endpoints", hazards.judge),
            (CheckName.FUNCTION_APP, "blob containers", self._containers.judge),
            (CheckName.OWNERSHIP, "owners", _of_owners),
        )

    def first_reads(self, subjects: Sequence[Subject]) -> tuple[Callable[[], object], ...]:
        """The reads that the steps share, each once and none yet made, so that they can be made at the same time."""
        reads: dict[tuple[str, ...], Callable[[], object]] = {}
        for subject in subjects:
            for key, read in self._shared(subject):
                reads.setdefault(key, _quiet(read))
        return tuple(reads.values())

    def check_results(self, subject: Subject) -> tuple[CheckResult, ...]:
        """What all checks find about a step, in the same order each time."""
        return tuple(finding for check, what, judge in self._checks for finding in _made(check, what, judge, subject))

    def _shared(self, subject: Subject) -> Iterator[tuple[tuple[str, ...], Callable[[], object]]]:
        place = subject.step.target_id
        own = subscription_of(place)
        yield ("subscription", own), lambda: self._subscriptions.body(own)
        yield ("locks", own), lambda: self._locks.at(place)
        yield ("denials", own), lambda: self._denials.at(place)
        if not subject.deploys:
            yield ("assignments", own), lambda: self._policies.assignments.at(place)
        if subject.policies:
            yield ("exemptions", own), lambda: self._policies.exemptions.at(place)
        for namespace in namespaces(subject):
            yield ("provider", own, fold(namespace)), partial(self._providers.body, own, namespace)
        for demand in demands(subject):
            group = group_of(demand.place)
            yield ("roles", fold(group)), partial(self._roles.at, group)

    def _of_subscription(self, subject: Subject) -> tuple[CheckResult, ...]:
        return subscriptions.judge(self._subscriptions.body(subscription_of(subject.step.target_id)))

    def _of_roles(self, subject: Subject) -> Iterable[CheckResult]:
        return [finding for demand in demands(subject) for finding in self._roles.judge(demand)]

    def _of_denials(self, subject: Subject) -> Iterable[CheckResult]:
        return [
            finding
            for demand in demands(subject)
            for finding in deny.judge(demand, self._denials.at(demand.place), self._object_id)
        ]

    def _object_id(self) -> str:
        return self._caller.get("caller", lambda: object_id(self._session))


def _made(check: CheckName, what: str, judge: Judge, subject: Subject) -> tuple[CheckResult, ...]:
    try:
        return tuple(judge(subject))
    except DefenderRemediateError as error:
        return (failed(check, what, error),)


def _of_owners(subject: Subject) -> tuple[CheckResult, ...]:
    return ownership.judge(subject.written_id, subject.written_body)


def _quiet(read: Callable[[], object]) -> Callable[[], object]:
    """The same read, without its errors: whoever needs the answer is told again."""

    def reading() -> object:
        with contextlib.suppress(DefenderRemediateError):
            return read()
        return None

    return reading
