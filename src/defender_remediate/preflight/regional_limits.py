"""Resources of which a subscription has at most one in each region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.paths import look_up
from defender_remediate.fixes.placeholders import same_place
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import name_of
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2023-09-01", "2021-05-01")
_WATCHERS = "Microsoft.Network/networkWatchers"


class RegionalLimitCheck:
    """Finds steps that would create a second Network Watcher in a region, which Azure refuses.

    The watchers are read for such a step only, which may read them by its own permissions.
    """

    name = "regional_limit"
    permissions: tuple[str, ...] = ()

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[tuple[Any, ...]]:
        """The watchers of the subscriptions that get one."""

        def read(subject: Subject) -> tuple[Any, ...]:
            is_creation = subject.before is None and not subject.step.is_removal
            if not is_creation or fold(f"{_WATCHERS}/write") not in map(fold, subject.actions):
                return ()
            path = f"/subscriptions/{subject.subscription}/providers/{_WATCHERS}"
            found: tuple[Any, ...] = reader.list(path, api_versions=_VERSIONS)
            return found

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[tuple[Any, ...]]) -> Iterator[CheckResult]:
        """Whether the region has a watcher under another name."""
        location = _location(subject) if facts[subject] else ""
        for watcher in facts[subject]:
            is_other = fold(wire.name(watcher)) != fold(name_of(subject.step.target_id))
            if is_other and same_place(wire.text(watcher, "location"), location):
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED,
                    message=f"the region {location} already has a Network Watcher, and Azure allows one per region",
                    evidence=(wire.text(watcher, "id"),),
                    advice="use the existing Network Watcher",
                )


def _location(subject: Subject) -> str:
    """Where the step creates its resource; the location of the resource when the request does not say."""
    body = subject.step.request.body
    given = wire.mapping(look_up(body, "properties.parameters")) if subject.is_deployment else {"location": body}
    for name, value in given.items():
        if fold(name) == "location" and isinstance(value, Mapping):
            return wire.text(value, "value", "location")
    return wire.text(subject.resource, "location")
