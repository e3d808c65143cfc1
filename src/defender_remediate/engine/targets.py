"""Reading what a fix is about: the resource, and the target below it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.errors import MalformedResponseError, NotFoundError, ProviderNotRegisteredError
from defender_remediate.models.fix import FixKind
from defender_remediate.models.ids import ResourceId
from defender_remediate.planning.parameters import resource_values
from defender_remediate.planning.paths import look_up
from defender_remediate.planning.targets import Candidate, has_own_version, needs_resource

Versions = Callable[[str, str], tuple[str, ...]]
"""The api-versions that Azure offers for a subscription and a resource type, the best first."""


@attrs.frozen(kw_only=True)
class Reading:
    """What was found.

    Attributes:
        resource: The resource's body; None when it did not have to be read.
        before: The target's body; None when it does not exist.
        missing: Why there is nothing to work on; empty when there is.
    """

    resource: Any = attrs.field(repr=False)
    before: Any = attrs.field(repr=False)
    missing: str = ""

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
        tags_matter: Whether every resource has to be read, for its tags.
    """

    def __init__(self, reader: Reader, versions: Versions, *, tags_matter: bool = False) -> None:
        self._reader = reader
        self._tags_matter = tags_matter
        self._versions = versions
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def read(self, group: tuple[Candidate, ...]) -> Reading:
        """The bodies that the candidates of one target need; one request, or two when the target is below the resource.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: Other than that the target does not exist.
        """
        first = group[0]
        resource = None
        if self._tags_matter or any(needs_resource(candidate.fix) for candidate in group):
            resource, missing = self._body(first.resource_id, self._resource_version(first))
            if missing or not first.fix.target:
                return Reading(resource=resource, before=resource, missing=missing)
        located = attrs.evolve(first, values=self.values(first, Reading(resource=resource, before=None)))
        before, missing = self._body(located.target_id, first.fix.api_version)
        # A PUT or a deployment can create its target; a PATCH needs one to change.
        creates = any(candidate.fix.kind is not FixKind.PATCH for candidate in group)
        return Reading(resource=resource, before=before, missing="" if creates else missing)

    def values(self, candidate: Candidate, reading: Reading) -> dict[str, Any]:
        """What the candidate's placeholders stand for, now that the resource is known."""
        return {**candidate.values, **resource_values(candidate.resource_id, reading.resource)}

    def _body(self, resource_id: str, api_version: str) -> tuple[Any, str]:
        try:
            return self._reader.get(resource_id, api_version=api_version).body, ""
        except ProviderNotRegisteredError:
            raise
        except NotFoundError as error:
            return None, error.message

    def _resource_version(self, candidate: Candidate) -> str:
        fix = candidate.fix
        if not fix.target or has_own_version(fix):
            return fix.api_version
        parsed = ResourceId.parse(candidate.resource_id)
        subscription = parsed.subscription_id or ""
        place = (subscription, parsed.type.casefold())
        with self._lock:
            if place not in self._known:
                offered = self._versions(subscription, parsed.type)
                if not offered:
                    raise MalformedResponseError(f"Azure offers no api-version to read a {parsed.type} with")
                self._known[place] = offered[0]
            return self._known[place]
