"""The protocol of preflight checks, and the runner that makes all checks of a plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.step import RemediationStep, SkippedResource, SkipReason
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.scopes import is_action_on
from defender_remediate.preflight.subject import Subject
from defender_remediate.preflight.unreadable import unreadable
from defender_remediate.threads import in_parallel

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@runtime_checkable
class Check(Protocol):
    """A preflight check, which is made for every planned step.

    A check is made in two parts. ``prefetch`` reads what all steps need, in as few requests as possible. ``judge`` looks at
    one step and what was read; it makes no request. The runner does the rest: it reads in parallel and once for
    all checks, applies waivers, and orders the results, because the digest of a plan covers them.

    To add one, pass it to the client::

        class NoFriday:
            name = "no_friday"
            permissions = ()

            def prefetch(self, subjects, reader):
                return reader.now()

            def judge(self, subject, facts):
                if facts.weekday() == 4:
                    yield CheckResult(check=self.name, status="blocked", message="No changes on Fridays.")

        client = RemediationClient(credential, scope, checks=[NoFriday()])

    ``judge`` may yield results with the status ``blocked`` or ``unchecked``, which keep the step out of the plan, or
    ``warning``. ``passed`` records what was looked for and not found. A check that raises leaves its steps unchecked, with the error in the message.

    Attributes:
        name: The name that a waiver uses, in snake_case; unique among the checks of a client.
        permissions: The Azure actions that its reads need; ``Catalog.role_definition`` puts them into the role.
    """

    # A check of some resource types only also has ``resource_types``, a tuple of top-level types. It is then made for
    # steps that write to such a resource or below it, and its permissions are needed for fixes of these types only.
    # A check whose judgement depends on members of the target's body has ``reads``, a tuple of ``MemberReads``: a change of
    # one of them after the plan is drift.

    @property
    def name(self) -> str:
        """The name that a waiver uses."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """The Azure actions that its reads need."""

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> Any:
        """Read the facts that the steps need, and return them for ``judge``.

        ``reader.for_each(subjects, read)`` reads for all steps in parallel. A failed read is raised in ``judge``, only for the
        step concerned.
        """

    def judge(self, subject: Subject, facts: Any) -> Iterable[CheckResult]:
        """Yield the results for one step. ``facts`` is the return value of ``prefetch``."""


def applies_to(check: Check, resource_type: str) -> bool:
    """Whether a check is made for a resource type."""
    types: tuple[str, ...] = getattr(check, "resource_types", ())
    own = f"{fold(resource_type)}/"
    return not types or any(own.startswith(f"{fold(name)}/") for name in types)


def permissions_for(check: Check, resource_types: Iterable[str]) -> tuple[str, ...]:
    """The permissions that a check needs for steps on these types, without those for its other types."""
    kinds = [kind for kind in resource_types if applies_to(check, kind)]
    own: tuple[str, ...] = getattr(check, "resource_types", ())
    if own and not kinds:
        return ()
    others = [name for name in own if not any(is_action_on(kind, name) for kind in kinds)]
    return tuple(action for action in check.permissions if not any(is_action_on(action, name) for name in others))


def checks_with(built_in: Iterable[Check], added: Iterable[Check]) -> tuple[Check, ...]:
    """The built-in checks and those that a caller adds.

    Raises:
        InvalidInputError: An item is not a check, or its name is invalid or already used.
    """
    found = list(built_in)
    if isinstance(added, str) or not isinstance(added, Iterable):
        raise InvalidInputError(f"checks must be a list of checks, got {quoted(added)}", hint="pass checks=[MyCheck()]")
    for check in added:
        if isinstance(check, type) or not isinstance(check, Check):
            raise InvalidInputError(
                f"not a check: {quoted(check)}", hint="a check has name, permissions, prefetch() and judge()"
            )
        if not isinstance(check.name, str) or not _NAME.fullmatch(check.name):
            raise InvalidInputError(
                f"invalid check name {quoted(check.name)}", hint="use snake_case, such as change_window"
            )
        if check.name in {other.name for other in found}:
            raise InvalidInputError(f"there is already a check named {quoted(check.name)}", hint="choose another name")
        found.append(check)
    return tuple(found)


@attrs.frozen(kw_only=True)
class CheckedSteps:
    """The steps that remain in the plan, with their check results, and the ones that a check kept out."""

    steps: tuple[RemediationStep, ...]
    skipped: tuple[SkippedResource, ...]


def run_checks(
    subjects: Sequence[Subject], *, checks: Sequence[Check], reader: CheckReader, waivers: Mapping[str, str]
) -> CheckedSteps:
    """Make all checks of all steps. Reads only. Does not raise: a check that fails leaves its steps unchecked.

    Args:
        subjects: The planned steps.
        checks: The checks, in the order in which their results are listed.
        reader: Reads for the checks.
        waivers: The reasons for waived checks, by name.
    """
    by_type: dict[str, list[Subject]] = {}
    for subject in subjects:
        by_type.setdefault(subject.root_type, []).append(subject)

    def made(check: Check) -> list[tuple[str, tuple[CheckResult, ...]]]:
        """The results of one check by the id of the step. What it read is not kept."""
        kinds = {kind for kind in by_type if applies_to(check, kind)}
        concerned = subjects
        if len(kinds) < len(by_type):
            concerned = [subject for subject in subjects if subject.root_type in kinds]
        facts: Any = None
        failure: Exception | None = None
        try:
            facts = check.prefetch(concerned, reader) if concerned else None
        except Exception as error:  # noqa: BLE001 - a failed or defective check only leaves its own steps unchecked
            failure = error
        # Steps have many results in common: each is kept once.
        shared: dict[CheckResult, CheckResult] = {}
        judged = ((subject.step.id, _results(check, subject, facts, failure, shared)) for subject in concerned)
        return [(step_id, results) for step_id, results in judged if results]

    found: dict[str, list[CheckResult]] = {}
    for one in in_parallel(made, checks, workers=reader.workers):
        for step_id, results in one:
            found.setdefault(step_id, []).extend(results)
    steps: list[RemediationStep] = []
    skipped: list[SkippedResource] = []
    for subject in subjects:
        results = tuple(_waived(result, waivers) for result in found.get(subject.step.id, ()))
        blocking = [result for result in results if result.is_blocking]
        if not blocking:
            steps.append(attrs.evolve(subject.step, check_results=results))
            continue
        is_blocked = any(result.status is CheckStatus.BLOCKED for result in blocking)
        messages = [f"{result.message} - {result.advice}" if result.advice else result.message for result in blocking]
        skipped.append(
            SkippedResource(
                resource_id=subject.step.resource_id,
                keys=subject.step.keys,
                titles=subject.step.titles,
                reason=SkipReason.BLOCKED if is_blocked else SkipReason.UNCHECKED,
                message="; ".join(messages),
                # What was looked for and not found stops nothing.
                check_results=tuple(result for result in results if result.status is not CheckStatus.PASSED),
            )
        )
    return CheckedSteps(steps=tuple(steps), skipped=tuple(skipped))


def _results(
    check: Check, subject: Subject, facts: Any, failure: Exception | None, shared: dict[CheckResult, CheckResult]
) -> tuple[CheckResult, ...]:
    """The results of one check for one step, including those of a failed read or a defective check.

    Equal results come as the one that ``shared`` has, where they are put.
    """
    try:
        if failure is not None:
            raise failure
        results = tuple(check.judge(subject, facts))
        if not results:
            return results
        stray = [result for result in results if not isinstance(result, CheckResult) or result.check != check.name]
        if stray:
            raise TypeError(f"judge() must yield CheckResult(check={quoted(check.name)}, ...), got {quoted(stray[0])}")
        return tuple(shared.setdefault(result, result) for result in results)
    except DefenderRemediateError as error:
        return (unreadable(check.name, error),)
    except Exception as error:  # noqa: BLE001 - a check that a user added must not end the planning of other steps
        return (
            CheckResult(
                check=check.name,
                status=CheckStatus.UNCHECKED,
                message=f"the {check.name.replace('_', ' ')} check failed with {type(error).__name__}: {error}",
                advice="correct the check, then plan again",
            ),
        )


def _waived(result: CheckResult, waivers: Mapping[str, str]) -> CheckResult:
    if not result.is_blocking or result.check not in waivers:
        return result
    return attrs.evolve(result, status=CheckStatus.WAIVED, waived_because=waivers[result.check])
