"""Resource types: their api-versions, what a write to them may contain, and how Azure answers it.

The facts are in ``data/types``, one file per resource provider. Names below ``properties`` come from the providers'
specifications; answers, write-only members and what a PUT keeps come from recorded traffic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.facts import facts

PROPERTIES, TAGS, NONE = "properties", "tags", "none"
CREATE, UPDATE, PATCH = "create", "update", "patch"
_USUAL_ANSWERS = {CREATE: "201", UPDATE: "200", PATCH: "200"}


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class AnswerCase:
    """How a type answers some of its writes.

    Attributes:
        answer: The status; then ``A`` and ``L`` for the headers Azure-AsyncOperation and Location, or ``B`` for a
            provisioningState to poll; then the provisioningState while the operation runs.
        since: The first api-version that answers so.
        until: The first api-version that no longer does.
        changes: The write has to change one of these members.
        only: It may change no other members than these; with none, it has to change nothing.
    """

    answer: str
    since: str = ""
    until: str = "~"
    changes: Collection[str] | None = None
    only: Collection[str] | None = None

    def applies(self, version: str, changed: Callable[[], Iterable[str]]) -> bool:
        """Whether it is about a write with an api-version; ``changed`` yields the members that the write changes."""
        if not self.since <= version < self.until:
            return False
        if self.changes is not None and not any(path in self.changes for path in changed()):
            return False
        return self.only is None or all(path in self.only for path in changed())


def _answers(raw: Mapping[str, Any]) -> Mapping[str, tuple[AnswerCase, ...]]:
    cases: dict[str, tuple[AnswerCase, ...]] = {}
    for write, given in raw.items():
        listed: list[dict[str, Any]] = [{"answer": given}] if isinstance(given, str) else given
        cases[write] = tuple(AnswerCase(**case) for case in listed)
    return cases


@attrs.frozen(kw_only=True)
class ResourceType:
    """One resource type.

    Attributes:
        name: Such as ``Microsoft.Storage/storageAccounts``, as documented.
        versions: The api-versions that it is known to support, oldest first.
        retired: Api-versions that it refuses although they are well-formed.
        since: The date of the oldest api-version that was published; empty if that is the oldest known one.
        patch: What a PATCH may contain: ``properties``, ``tags`` or ``none``.
        known: The names below ``properties``, as a tree; None stands for any content. None: nothing is checked.
        top: Top-level members besides those that every resource can have.
        read_only: Dotted paths below ``properties`` that ignore a caller's value.
        write_only: Dotted paths below ``properties`` that GET never shows.
        keeps: Dotted paths from the top that an update by PUT leaves unchanged if its body does not contain them.
        irreversible: Properties that can be enabled and never disabled again.
        defaults: The properties of a new resource where the body does not set them.
        required: Top-level members that a new resource needs.
        tracked: Whether it has a location.
        extension: Whether it is created on other resources.
        fixed: The only names that it can have; empty if any name is possible.
        free_form: Names of resources that take any property.
        etag: How its etag is written: ``weak``, ``quoted`` or ``bare``; None if it has none.
        etag_member: The name of the etag in the body.
        etag_since: The first api-version that shows an etag.
        etag_recent: Whether the provider began to show the etag when its api-versions were in use: a resource that was read
            without one shows none.
        if_match: Whether it honours If-Match. A type without evidence ignores the header.
        state: The provisioningState of a resource at rest; None if the type has none.
        state_since: The first api-version that shows the provisioningState.
        updates_late: Whether the answer to an update shows the old body while its operation runs; usual is the new one.
        operations: The answers to ``create`` and ``update`` (both PUT) and to ``patch`` where they are not the usual one;
            the first case that applies to a write decides.
        seconds: How long an operation takes.
        retry_after: The Retry-After of an operation; None if Azure sends none.
        shown_name: The type as the provider spells it in bodies.
        named_with_parents: Whether its name is shown after the names of its parents, as in ``app/slot``.
        echo: ``lower`` if the provider shows ids in lower case.
        echo_groups: How the provider spells ``resourceGroups`` in ids.
        answers_as_parent: Names whose writes are answered with the id and type of the parent.
        null_members: Top-level members that are always shown, as null if nothing else.
        shows_no_identity: Whether a resource without an identity shows one of the type ``None``.
        identities_late: Whether the ids of user-assigned identities are shown only when a write has ended.
        busy: The error while an operation runs.
        at: ``subscription`` for a type that exists only there.
        head: Whether it supports HEAD.
        deletable: Whether it supports DELETE.
        routed: Whether other routes answer for it, so that only the api-versions count here.
        former: What a property was called before, and the last api-version that calls it so.
        built_in: Resources of this type that every parent has: name to properties.
        built_in_top: The top-level members of these besides properties, such as ``kind`` and ``sku``.
    """

    name: str
    versions: tuple[str, ...] = attrs.field(converter=_strings)
    retired: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    since: str = ""
    patch: str = PROPERTIES
    known: Mapping[str, Any] | None = None
    top: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    read_only: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    write_only: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    keeps: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    irreversible: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    required: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    tracked: bool = True
    extension: bool = False
    fixed: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    free_form: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    etag: str | None = None
    etag_member: str = "etag"
    etag_since: str = ""
    etag_recent: bool = False
    if_match: bool = False
    state: str | None = "Succeeded"
    state_since: str = ""
    updates_late: bool = False
    operations: Mapping[str, tuple[AnswerCase, ...]] = attrs.field(factory=dict)
    seconds: float = 10.0
    retry_after: int | None = None
    shown_name: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))
    named_with_parents: bool = False
    echo: str = "as-is"
    echo_groups: str = "resourceGroups"
    answers_as_parent: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    null_members: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    shows_no_identity: bool = False
    identities_late: bool = False
    busy: str = "AnotherOperationInProgress"
    at: str | None = None
    head: bool = True
    deletable: bool = True
    routed: bool = False
    former: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    built_in: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    built_in_top: Mapping[str, Any] = attrs.field(factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> ResourceType:
        return self

    @property
    def namespace(self) -> str:
        """The resource provider, such as ``Microsoft.Storage``."""
        return self.name.partition("/")[0]

    @property
    def parent(self) -> str | None:
        """The parent type of a child type; the subscription for a type that exists only there; else None."""
        if self.at == "subscription":
            return "Microsoft.Resources/subscriptions"
        above, _, _ = self.name.rpartition("/")
        return above if "/" in above else None

    @property
    def last_type(self) -> str:
        """The last segment, such as ``config`` of ``Microsoft.Web/sites/config``."""
        return self.name.rpartition("/")[2]

    def supports(self, version: str, present: datetime) -> bool:
        """Whether it takes an api-version: a known one, or any from the oldest known one to a year from now.

        Azure publishes several versions of a type a year and keeps the old ones for years; the bodies of one type differ little
        between them. Known versions therefore stand for those between and after them.
        """
        if version in self.versions:
            return True
        if version in self.retired or not self.versions:
            return False
        newest = (present + timedelta(days=366)).strftime("%Y-%m-%d")
        return (self.since or self.versions[0][:10]) <= version[:10] <= newest

    def for_name(self, name: str) -> ResourceType:
        """Returns the type for a resource of this name: without known properties if its properties are free."""
        if fold(name) not in (fold(one) for one in self.free_form):
            return self
        return attrs.evolve(self, known=None, read_only=(), keeps=(), defaults={}, state=None)

    def answer_to(self, write: str, version: str, changed: Callable[[], Iterable[str]]) -> list[str]:
        """Returns status, headers and state of the answer to a ``create``, ``update`` or ``patch``, as far as known.

        Args:
            write: What it is.
            version: Its api-version.
            changed: Yields the members that it changes, such as ``tags`` and ``properties.encryption``.
        """
        for case in self.operations.get(write, ()):
            if case.applies(version, changed):
                return case.answer.split()
        return _USUAL_ANSWERS[write].split()


@cache
def shipped_types() -> Mapping[str, ResourceType]:
    """Returns every type in ``data/types`` by its folded name."""
    folder = resources.files("defender_remediate.testing.simulator") / "data" / "types"
    found: dict[str, ResourceType] = {}
    for entry in folder.iterdir():
        namespace = entry.name.removesuffix(".json")
        for name, raw in json.loads(entry.read_text(encoding="utf-8")).items():
            operations = _answers(raw.pop("operations", {}))
            resource_type = ResourceType(name=f"{namespace}/{name}", operations=operations, **raw)
            since = published_since(resource_type.name)
            if since and resource_type.versions and since < resource_type.versions[0]:
                resource_type = attrs.evolve(resource_type, since=since)
            found[fold(resource_type.name)] = resource_type
    return found


@cache
def _published() -> Mapping[str, str]:
    return {
        fold(f"{namespace}/{name}"): version
        for namespace, versions in facts("published").items()
        for version, names in versions.items()
        for name in names.split()
    }


def published_since(name: str) -> str | None:
    """Returns the date of the oldest api-version that Microsoft published of a type, or for an action of the type that has it.

    None if neither is published.
    """
    known = _published()
    return known.get(fold(name)) or known.get(fold(name.rpartition("/")[0]))


class ResourceTypes:
    """The types that one tenant knows: those shipped, and those that a test added."""

    def __init__(self) -> None:
        self._types = dict(shipped_types())

    def get(self, name: str) -> ResourceType | None:
        """Returns the type of this name, ignoring case; None if it is unknown."""
        return self._types.get(fold(name))

    def all(self) -> Iterator[ResourceType]:
        """Yields every type."""
        return iter(list(self._types.values()))

    def set(self, resource_type: ResourceType) -> None:
        """Adds or replaces a type."""
        self._types[fold(resource_type.name)] = resource_type

    def learn(self, name: str, versions: tuple[str, ...]) -> ResourceType:
        """Adds api-versions to a type; a new type takes any property and any PATCH."""
        known = self.get(name) or ResourceType(name=name, versions=())
        learned = attrs.evolve(known, versions=tuple(sorted({*known.versions, *versions})))
        self._types[fold(name)] = learned
        return learned

    def retire(self, name: str, versions: tuple[str, ...]) -> None:
        """Makes a type refuse api-versions."""
        known = self._types[fold(name)]
        kept = tuple(version for version in known.versions if version not in versions)
        self._types[fold(name)] = attrs.evolve(known, versions=kept, retired=(*known.retired, *versions))

    def built_in_below(self, parent: str) -> Iterator[ResourceType]:
        """Yields the types of which every resource of a parent type has some from its creation."""
        return (one for one in self._types.values() if one.built_in and one.parent == parent)

    def of_namespace(self, namespace: str) -> Iterator[ResourceType]:
        """Yields the types of one resource provider."""
        prefix = fold(namespace) + "/"
        return (one for name, one in sorted(self._types.items()) if name.startswith(prefix))

    def namespaces(self) -> list[str]:
        """Returns the name of every resource provider that has a type."""
        return sorted({one.namespace for one in self._types.values()})
