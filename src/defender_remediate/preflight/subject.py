"""A step as the checks see it, and the places at which it needs permissions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.plan import RemediationStep
from defender_remediate.preflight.scopes import covers, group_of, names_it, type_of

# Who may do these is decided where the resource itself is.
_ABOUT_THE_RESOURCE = ("microsoft.authorization/", "microsoft.resources/")


@attrs.frozen(kw_only=True)
class Subject:
    """A step that is planned and not yet checked.

    Attributes:
        policies: The bare names of the policy definitions behind its recommendations; none when it undoes a change.
        resource: The body of the resource, for its tags; None when it was not read.
        before: The body of the target; None when it does not exist.
        after: The body that it will have; None for a template.
    """

    step: RemediationStep
    policies: tuple[str, ...] = ()
    resource: Any = attrs.field(default=None, repr=False)
    before: Any = attrs.field(default=None, repr=False)
    after: Any = attrs.field(default=None, repr=False)

    @property
    def deploys(self) -> bool:
        """Whether it is an ARM template deployment."""
        return fold(type_of(self.step.request.path)) == "microsoft.resources/deployments"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it writes to another resource than the one that was assessed."""
        return not covers(self.step.resource_id, self.step.target_id)

    @property
    def written_id(self) -> str:
        """The resource that it writes to, or below."""
        return self.step.target_id if self.is_elsewhere else self.step.resource_id

    @property
    def written_body(self) -> Any:
        """The body of that resource; of the target below it when the resource was not read."""
        return self.before if self.is_elsewhere or self.resource is None else self.resource

    @property
    def target_type(self) -> str:
        """The type of what it writes; the resource's when the target is no resource of a provider."""
        return type_of(self.step.target_id) or self.step.resource_type

    @property
    def actions(self) -> tuple[str, ...]:
        """The Azure actions that it needs; the write itself when its fixes name none."""
        return self.step.permissions or (f"{self.target_type}/write",)


@attrs.frozen(kw_only=True)
class Demand:
    """Actions that are needed at one place.

    Attributes:
        is_certain: Whether they are needed right there; else somewhere that the step does not name.
    """

    place: str
    actions: tuple[str, ...]
    is_certain: bool = True


def demands(subject: Subject) -> tuple[Demand, ...]:
    """The actions of a step, sorted by the place at which Azure will ask for them.

    Those about the resource itself are needed at it; those about something that the request links to, such as a
    workspace or a subnet, at that; what else a deployment creates, in its group.
    """
    step = subject.step
    linked = _links(step.request.body)
    found: dict[tuple[str, bool], list[str]] = {}
    for action in subject.actions:
        for place, is_certain in _places(subject, action, linked):
            found.setdefault((place, is_certain), []).append(action)
    return tuple(
        Demand(place=place, actions=tuple(actions), is_certain=is_certain)
        for (place, is_certain), actions in found.items()
    )


def _places(subject: Subject, action: str, linked: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, bool], ...]:
    step = subject.step
    if _type_in(action) == fold(subject.target_type) and not subject.deploys:
        return ((step.target_id, True),)
    if subject.is_elsewhere and names_it(action, subject.target_type):
        return ((subject.written_id, True),)
    is_own = names_it(action, step.resource_type) or names_it(action, subject.target_type)
    links = linked.get(_type_in(action), ())
    if links and not is_own:
        return tuple((link, True) for link in links)
    if subject.deploys and (fold(action).startswith("microsoft.resources/deployments/") or not is_own):
        return ((group_of(step.request.path), True),)
    if not is_own and fold(action).startswith(_ABOUT_THE_RESOURCE):
        return ((subject.written_id, True),)
    return ((step.resource_id, is_own),)


def _type_in(action: str) -> str:
    segments = fold(action).split("/")
    return "/".join(segments[: -2 if segments[-1] == "action" else -1])


def _links(body: Any) -> dict[str, tuple[str, ...]]:
    """The resource ids in a request, each once, by the type of what they name, in lower case."""
    found: dict[str, dict[str, str]] = {}
    for text in _texts(body):
        if fold(text).startswith("/subscriptions/"):
            found.setdefault(fold(type_of(text)), {}).setdefault(fold(text), text)
    return {kind: tuple(named.values()) for kind, named in found.items()}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
