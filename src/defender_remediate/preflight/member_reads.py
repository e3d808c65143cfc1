"""The members of a target on which checks depend, as data, so that a step that was checked depends on them too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import attrs

from defender_remediate.casing import fold
from defender_remediate.fixes.diff import spelled_out
from defender_remediate.fixes.drift import fingerprint
from defender_remediate.fixes.paths import join, pattern
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.preflight.subject import Subject


@attrs.frozen(kw_only=True, cache_hash=True)
class MemberReads:
    """Members of the target's body that decide whether a check keeps a step out of the plan.

    A step depends on them like on what its conditions read: a change of one between the plan and the write is drift. What a
    check only warns of is not listed, and neither are states that Azure changes by itself, such as ``properties.state``:
    Azure refuses a write in a state that does not allow it.

    Attributes:
        paths: The members, as paths with ``[*]`` for every element of an array.
        beside: Names of members of the object around the member that a step changes.
        when_changing: The names of members, folded. The check reads when a step changes one of them; empty for any step.
        types: The target types, folded; empty for all types.
    """

    paths: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    when_changing: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()

    def read_for(self, target_type: str, changed: Iterable[str]) -> Iterator[str]:
        """The members that are read for a step on this type, folded, that changes the members at these paths."""
        if self.types and target_type not in self.types:
            return
        if not self.when_changing:
            yield from self.paths
        for path in changed:
            *around, name = pattern(path)
            if fold(str(name)) in self.when_changing:
                yield from self.paths
                yield from (join((*around, one)) for one in self.beside)


def with_member_reads(subject: Subject, reads: Iterable[MemberReads]) -> Subject:
    """The step, depending on the members that its checks read as well. Other bodies that they read are no part of it."""
    step = subject.step
    if subject.before is None or step.is_removal or subject.is_deployment:
        return subject
    changed = tuple(part.path for change in step.changes for part in spelled_out(change) if part.path)
    dependencies = _with_reads(step.dependencies, tuple(reads), fold(subject.target_type), changed)
    if dependencies == step.dependencies:
        return subject
    mark = fingerprint(subject.before, dependencies)
    return attrs.evolve(subject, step=attrs.evolve(step, dependencies=dependencies, fingerprint=mark))


@lru_cache(1024)
def _with_reads(
    dependencies: Dependencies, reads: tuple[MemberReads, ...], target_type: str, changed: tuple[str, ...]
) -> Dependencies:
    """The dependencies with what is read for such a change: the same for the steps of one fix, of which there may be thousands."""
    known = {fold(path) for path in dependencies.members}
    found = {path for each in reads for path in each.read_for(target_type, changed)}
    added = {path for path in found if fold(path) not in known}
    if not added:
        return dependencies
    return attrs.evolve(dependencies, members=tuple(sorted({*dependencies.members, *added}, key=fold)))
