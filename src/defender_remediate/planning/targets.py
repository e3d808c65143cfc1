"""Reading what a fix is about: the resource, the target below it, and the resources that its parameters name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.arm.errors import refuses_version
from defender_remediate.arm.providers import ApiVersions, newest_api_version
from defender_remediate.arm.reader import Reader
from defender_remediate.errors import NotFoundError, RequestError
from defender_remediate.fixes.candidates import (
    Candidate,
    RejectedCandidate,
    SkipCause,
    invalid_target,
    needs_resource,
    reads_resource_with_own_version,
    resolve_variants,
    resource_or_parent,
)
from defender_remediate.fixes.drift import members_read
from defender_remediate.fixes.paths import join, look_up, look_up_all
from defender_remediate.fixes.placeholders import resource_values, same_place
from defender_remediate.models.fix import FixAction, FixKind
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import SkipReason
from defender_remediate.planning.listings import listed_bodies


class SkipTargetError(Exception):
    """Nothing can be planned for a target. Internal: planning turns it into an entry of the plan."""

    def __init__(self, reason: SkipReason, message: str) -> None:
        super().__init__(message)
        self.cause = SkipCause(reason=reason, message=message)


@attrs.frozen(kw_only=True)
class Reading:
    """What was found.

    Attributes:
        resource: The resource's body; None when it did not have to be read.
        before: The target's body; None when it does not exist.
        api_version: The version that the target was read with. It is the fix's own unless the cloud does not serve that.
    """

    resource: Any = attrs.field(repr=False)
    before: Any = attrs.field(repr=False)
    api_version: str


class TargetReader:
    """Reads targets, each once in an api-version. Shared between threads.

    Args:
        reader: What to read with.
        versions: Where api-versions are looked up; it remembers them.
        covers: Whether an id is in the client's scope.
        tags_matter: Whether every resource has to be read, for its tags.
    """

    def __init__(
        self, reader: Reader, versions: ApiVersions, *, covers: Callable[[str], bool], tags_matter: bool = False
    ) -> None:
        self._reader = reader
        self._versions = versions
        self._covers = covers
        self._tags_matter = tags_matter
        self._bodies: dict[tuple[str, str], Any] = {}

    def read_lists(self, candidates: Iterable[Candidate], *, workers: int) -> None:
        """Read the resources of many candidates with the lists of their types, before they are asked for one by one.

        A PUT depends on every member of its target, so its target is read with a GET.
        """
        places = [
            (candidate.resource_id, candidate.fix.api_version)
            for candidate in candidates
            if candidate.fix.kind is not FixKind.PUT and candidate.skip_cause is None
            if candidate.is_on_resource
            or (reads_resource_with_own_version(candidate.fix) and self._needs_resource(candidate.fix))
        ]
        self._bodies.update(listed_bodies(self._reader, places, workers=workers))

    def _needs_resource(self, fix: FixAction) -> bool:
        return self._tags_matter or needs_resource(fix)

    def resolve(self, variants: Sequence[Candidate]) -> tuple[Candidate | RejectedCandidate, ...]:
        """What the variants of one fix come to on their resource, which is read for it.

        Raises:
            SkipTargetError: The resource does not exist.
            RequestError, ConnectionFailedError, MalformedResponseError: It could not be read.
        """
        if not self.reads_to_resolve(variants):
            return tuple(variants)
        return resolve_variants(tuple(variants), self._resource(variants[0]))

    @staticmethod
    def reads_to_resolve(variants: Sequence[Candidate]) -> bool:
        """Whether ``resolve`` reads the resource."""
        return len(variants) > 1 or bool(variants[0].fix.linked)

    def read(self, group: tuple[Candidate, ...]) -> Reading:
        """The bodies that the candidates of one target need; one request, or two when the target is not the resource.

        Raises:
            SkipTargetError: There is nothing to change, or the target may not be written to.
            RequestError, ConnectionFailedError, MalformedResponseError: Something could not be read.
        """
        first = group[0]
        fixes = [candidate.fix for candidate in group]
        if first.is_on_resource:
            body, version = self._target(first.resource_id, fixes)
            return Reading(resource=body, before=body, api_version=version)
        resource = None
        if any(map(self._needs_resource, fixes)):
            resource = self._resource(first)
        located = attrs.evolve(first, values=values_of(first, resource))
        problem = invalid_target(located)
        if problem is None and located.fix.is_elsewhere and not self._covers(located.target_id):
            problem = f"{located.target_id} is outside the scope of this client, and no fix writes there"
        if problem is not None:
            raise SkipTargetError(SkipReason.NOT_APPLICABLE, problem)
        try:
            before, version = self._target(located.target_id, fixes)
        except SkipTargetError as skip:
            # A PUT or a deployment can create its target; a PATCH needs one to change.
            if skip.cause.reason is not SkipReason.NOT_FOUND or all(fix.kind is FixKind.PATCH for fix in fixes):
                raise
            before, version = None, first.fix.api_version
        return Reading(resource=resource, before=before, api_version=version)

    def location_mismatch(self, candidate: Candidate, resource: Any) -> str | None:
        """Why a resource that a parameter names is in the wrong location for the candidate's resource, or None.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: The parameter's resource could not be read.
        """
        own = look_up(resource, "location")
        for parameter in candidate.fix.parameters:
            if not parameter.same_location:
                continue
            named = ResourceId.parse(candidate.values[parameter.name]).root
            try:
                there = look_up(self._body(named.text, self._newest(named)), "location")
            except SkipTargetError as skip:
                return f"the parameter {parameter.name!r} names {named}, which was not found: {skip}"
            if not same_place(there, own):
                return f"the parameter {parameter.name!r} is in {there}, and must be in {own} like the resource"
        return None

    def _resource(self, candidate: Candidate) -> Any:
        resource = ResourceId.parse(candidate.resource_id)
        if candidate.is_on_resource or reads_resource_with_own_version(candidate.fix):
            try:
                return self._body(resource.text, candidate.fix.api_version)
            except RequestError as error:
                if not refuses_version(error):
                    raise
        return self._body(resource.text, self._newest(resource))

    def _target(self, target_id: str, fixes: Sequence[FixAction]) -> tuple[Any, str]:
        """The body at an id, and the version that showed it: the fixes' own, or an older one in a cloud without that."""
        wanted = fixes[0].api_version
        try:
            return self._body(target_id, wanted), wanted
        except RequestError as error:
            if not refuses_version(error):
                raise
        target = resource_or_parent(target_id)
        served = self._versions(target.subscription_id or "", target.type)
        needed = [path for fix in fixes for path in (*_leaves(fix.body or {}, ()), *members_read(fix.compliant_when))]
        listed = f"It serves {', '.join(served)}" if served else "It serves none of the type"
        message = f"this cloud does not serve api-version {wanted}. {listed}"
        for version in served:
            if version < wanted:
                try:
                    body = self._body(target_id, version)
                except SkipTargetError as skip:
                    # Nothing shows whether an older version takes what the fix sets.
                    missing = f"{message}; the target does not exist, so that no older one shows what the fix sets"
                    raise SkipTargetError(SkipReason.NOT_APPLICABLE, missing) from skip
                if all(look_up_all(body, path) for path in needed):
                    return body, version
        raise SkipTargetError(SkipReason.NOT_APPLICABLE, f"{message}; no older one shows what the fix changes")

    def _body(self, resource_id: str, api_version: str) -> Any:
        place = (id_key(resource_id), api_version)
        if place not in self._bodies:
            try:
                self._bodies[place] = self._reader.get(resource_id, api_version=api_version).body
            except NotFoundError as error:
                raise SkipTargetError(SkipReason.NOT_FOUND, error.message) from error
        return self._bodies[place]

    def _newest(self, resource: ResourceId) -> str:
        return newest_api_version(self._versions, resource.subscription_id or "", resource.type)


def values_of(candidate: Candidate, resource: Any) -> dict[str, Any]:
    """What the candidate's placeholders stand for, now that the resource was read."""
    return {**candidate.values, **resource_values(candidate.resource_id, resource)}


def _leaves(desired: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[str]:
    for name, value in desired.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*at, name))
        else:
            yield join((*at, name))
