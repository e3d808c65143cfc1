"""Reading what a fix is about: the resource, and the target below it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError, NotFoundError
from defender_remediate.fixes.candidates import Candidate, Refusal, has_own_version, misplaced, needs_resource
from defender_remediate.fixes.paths import look_up
from defender_remediate.fixes.placeholders import resource_values, same_place
from defender_remediate.fixes.variants import unfold
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import SkipReason

Versions = Callable[[str, str], tuple[str, ...]]
"""The api-versions that Azure offers for a subscription and a resource type, the best first."""


@attrs.frozen(kw_only=True)
class Reading:
    """What was found.

    Attributes:
        resource: The resource's body; None when it did not have to be read.
        before: The target's body; None when it does not exist.
        missing: Why there is nothing to work on; empty when there is.
        reason: The same as a word.
    """

    resource: Any = attrs.field(repr=False)
    before: Any = attrs.field(repr=False)
    missing: str = ""
    reason: SkipReason = SkipReason.NOT_FOUND

    @property
    def etag(self) -> str:
        """The target's etag; empty for types that have none."""
        found = look_up(self.before, "etag")
        return found if isinstance(found, str) else ""


class TargetReader:
    """Reads targets, and remembers which api-version a resource type is read with. Shared between threads.

    Args:
        reader: What to read with.
        versions: Where api-versions are looked up.
        covers: Whether an id is in the client's scope.
        tags_matter: Whether every resource has to be read, for its tags.
    """

    def __init__(
        self, reader: Reader, versions: Versions, *, covers: Callable[[str], bool], tags_matter: bool = False
    ) -> None:
        self._reader = reader
        self._covers = covers
        self._tags_matter = tags_matter
        self._versions = versions
        self._known: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[str, str], tuple[Any, str]] = {}
        self._lock = threading.Lock()

    def unfold(self, variants: tuple[Candidate, ...]) -> tuple[Candidate | Refusal, ...]:
        """What the variants of one fix come to on their resource, which is read for it.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: Other than that the resource does not exist.
        """
        first = variants[0]
        if len(variants) == 1 and not first.fix.linked:
            return variants
        resource, missing = self._resource(first, keep=True)
        if missing:
            return (Refusal(candidate=first, reason=SkipReason.NOT_FOUND, message=missing),)
        return unfold(variants, resource)

    def read(self, group: tuple[Candidate, ...]) -> Reading:
        """The bodies that the candidates of one target need; one request, or two when the target is not the resource.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: Other than that the target does not exist.
        """
        first = group[0]
        resource = None
        if self._tags_matter or any(needs_resource(candidate.fix) for candidate in group):
            resource, missing = self._resource(first)
            if missing or first.is_on_resource:
                return Reading(resource=resource, before=resource, missing=missing)
        located = attrs.evolve(first, values=self.values(first, Reading(resource=resource, before=None)))
        problem = self._misplaced(located)
        if problem:
            return Reading(resource=resource, before=None, missing=problem, reason=SkipReason.NOT_APPLICABLE)
        before, missing = self._body(located.target_id, first.fix.api_version)
        # A PUT or a deployment can create its target; a PATCH needs one to change.
        creates = any(candidate.fix.kind is not FixKind.PATCH for candidate in group)
        return Reading(resource=resource, before=before, missing="" if creates else missing)

    def far_parameter(self, candidate: Candidate, resource: Any) -> str:
        """Why a parameter is in the wrong place for the candidate's resource; empty when none is.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: The parameter's resource could not be read.
        """
        own = str(look_up(resource, "location") or "")
        for parameter in candidate.fix.parameters:
            if parameter.same_location:
                named = ResourceId.parse(candidate.values[parameter.name]).root
                body, missing = self._named(named)
                there = look_up(body, "location")
                if missing:
                    return f"{parameter.name!r}: {missing}"
                if not same_place(there, own):
                    return f"{parameter.name!r} is in {there}, and has to be in {own} as the resource is"
        return ""

    def values(self, candidate: Candidate, reading: Reading) -> dict[str, Any]:
        """What the candidate's placeholders stand for, now that the resource is known."""
        return {**candidate.values, **resource_values(candidate.resource_id, reading.resource)}

    def _misplaced(self, located: Candidate) -> str:
        problem = misplaced(located)
        if problem or not located.fix.is_elsewhere or self._covers(located.target_id):
            return problem
        return f"{located.target_id} is outside the scope of this client, and no fix goes there"

    def _resource(self, candidate: Candidate, *, keep: bool = False) -> tuple[Any, str]:
        version = self._resource_version(candidate)
        place = (fold(candidate.resource_id), version)
        if place in self._kept:
            return self._kept[place]
        found = self._body(candidate.resource_id, version)
        if keep:
            self._kept[place] = found
        return found

    def _named(self, resource: ResourceId) -> tuple[Any, str]:
        place = (fold(resource.text), "")
        if place not in self._kept:
            self._kept[place] = self._body(resource.text, self._offered(resource))
        return self._kept[place]

    def _body(self, resource_id: str, api_version: str) -> tuple[Any, str]:
        try:
            return self._reader.get(resource_id, api_version=api_version).body, ""
        except NotFoundError as error:
            return None, error.message

    def _resource_version(self, candidate: Candidate) -> str:
        if candidate.is_on_resource or has_own_version(candidate.fix):
            return candidate.fix.api_version
        return self._offered(ResourceId.parse(candidate.resource_id))

    def _offered(self, resource: ResourceId) -> str:
        subscription = resource.subscription_id or ""
        place = (subscription, fold(resource.type))
        with self._lock:
            if place not in self._known:
                offered = self._versions(subscription, resource.type)
                if not offered:
                    raise MalformedResponseError(f"Azure offers no api-version to read a {resource.type} with")
                self._known[place] = offered[0]
            return self._known[place]
