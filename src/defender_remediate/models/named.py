"""What a caller names: the key of a recommendation, the id of a resource or of a run, from whatever is in hand.

A value says by its members what it is about: ``key`` or ``keys``, ``recommendation_keys``, ``resource_id``, ``run_id``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Protocol, TypeAlias, Union

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, InvalidResourceIdError, UnknownRecommendationError
from defender_remediate.models.ids import ResourceId, Scope, is_guid
from defender_remediate.models.posture import SubscriptionPosture
from defender_remediate.serialization import Value

_ASSESSMENT_ID = re.compile(r"(/.+)/providers/microsoft\.security/assessments/([^/]+)", re.IGNORECASE)
CHOICES = "a recommendation, an assessment, a control, a fix, a key or a display name"
_READ_ONCE = "an iterator can be read only once: pass list(...)"


class NamesRecommendation(Protocol):
    """A value about one recommendation, such as a ``Recommendation``, an ``Assessment`` or a ``FixAction``."""

    @property
    def key(self) -> str:
        """The assessment key."""


class NamesRecommendations(Protocol):
    """A value about a resource and some recommendations: a step, a skipped resource or a result."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The assessment keys."""

    @property
    def resource_id(self) -> str:
        """The resource."""


class NamesControl(Protocol):
    """A ``SecurityControl`` or its definition."""

    @property
    def recommendation_keys(self) -> tuple[str, ...]:
        """The assessment keys of its recommendations."""


class NamesResource(Protocol):
    """A value about one resource, such as an ``Assessment``, a step, a skipped resource or a result."""

    @property
    def resource_id(self) -> str:
        """The resource."""


class NamesRun(Protocol):
    """A ``RemediationReport``, or an event of a run."""

    @property
    def run_id(self) -> str:
        """The id of the run."""


class NamesStep(Protocol):
    """A ``RemediationStep`` or its result: both say the resource, and ``id`` or ``step_id`` of the step."""

    @property
    def resource_id(self) -> str:
        """The resource."""


Choice: TypeAlias = Union[str, NamesRecommendation, NamesRecommendations, NamesControl]
"""What names recommendations; a string is a key, the id of an assessment, or a display name."""
PlanChoice: TypeAlias = Union[Choice, SubscriptionPosture]
"""What can be planned: a posture stands for the fix that turns on foundational posture management."""
ResourceChoice: TypeAlias = Union[str, ResourceId, Scope, NamesResource]
"""What names a resource; a string is its id."""
RunChoice: TypeAlias = Union[str, NamesRun]
"""What names a run; a string is its id."""
StepChoice: TypeAlias = Union[str, NamesStep]
"""What names a step of a run: its id, the step itself, or its result."""
Titles: TypeAlias = Callable[[], Iterable[tuple[str, str]]]
"""Gives the key and the display name of each recommendation that can be named."""


@attrs.frozen(kw_only=True)
class NamedRecommendation(Value):
    """A recommendation that was named.

    Attributes:
        resource_id: The only resource that was meant; None for all.
    """

    key: str
    resource_id: str | None = None


def named(given: Choice, titles: Titles, *, expected: str = CHOICES) -> tuple[NamedRecommendation, ...]:
    """The recommendations that one value names; a security control names several.

    Args:
        given: What the caller passed.
        titles: What can be named.
        expected: What the caller could have passed, for the error.

    Raises:
        UnknownRecommendationError: A string is not a key, the id of an assessment or one of the display names.
        InvalidInputError: It names no recommendation.
    """
    if isinstance(given, str):
        return (_named_by_text(given, titles),)
    keys = _member(given, "recommendation_keys", tuple)
    if keys is not None:
        if not keys:
            label = quoted(_member(given, "display_name", str) or given)
            raise InvalidInputError(
                f"the security control {label} names no recommendations",
                hint="pass a control from client.list_controls()",
            )
        if not all(isinstance(one, str) for one in keys):
            raise InvalidInputError(f"expected {expected}, got {quoted(given)}", hint="see client.list_controls()")
        return tuple(NamedRecommendation(key=key) for key in keys)
    key = _member(given, "key", str)
    keys = (key,) if key is not None else _member(given, "keys", tuple)
    if not keys or not all(isinstance(one, str) for one in keys):
        raise InvalidInputError(f"expected {expected}, got {quoted(given)}", hint="see client.list_recommendations()")
    return tuple(NamedRecommendation(key=one, resource_id=_member(given, "resource_id", str)) for one in keys)


def several(given: Any, argument: str) -> tuple[Any, ...]:
    """What a caller passed, one value or several, as a tuple. What kind of values they are is not checked.

    Raises:
        InvalidInputError: It is empty.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        return (given,)
    found = tuple(given)
    if not found:
        raise InvalidInputError(f"{argument} is empty", hint=_READ_ONCE)
    return found


def key_named(given: Choice, titles: Titles) -> str:
    """The key of the one recommendation that a value names.

    Raises:
        UnknownRecommendationError: As for ``named``.
        InvalidInputError: It names none or several.
    """
    found = named(given, titles)
    if len(found) > 1:
        raise InvalidInputError(
            f"expected one recommendation, got {quoted(given)} with {len(found)} of them",
            hint=f"pass one of their keys, such as {quoted(found[0].key)}",
        )
    return found[0].key


def resource_named(given: ResourceChoice) -> ResourceId:
    """The id of the resource that a value names.

    Raises:
        InvalidResourceIdError: It is not a resource id, and names none.
    """
    if isinstance(given, ResourceId):
        return given
    text = given.text if isinstance(given, Scope) else _member(given, "resource_id", str)
    return ResourceId.parse(given if text is None else text)  # type: ignore[arg-type] # parse says what it expects


def resources_named(given: Iterable[ResourceChoice], argument: str) -> tuple[ResourceId, ...]:
    """The ids of the resources that a caller passed, at least one.

    Raises:
        InvalidResourceIdError: There is none, one is not a resource id, or it is not a list.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidResourceIdError(
            f"{argument} must be a list of resource ids, got {quoted(given)}", hint="pass [resource_id]"
        )
    ids = tuple(map(resource_named, given))
    if not ids:
        raise InvalidResourceIdError(f"{argument} is empty", hint=_READ_ONCE)
    return ids


def run_named(given: RunChoice) -> str:
    """The id of the run that a value names. That the run exists is not checked.

    Raises:
        InvalidInputError: It is not a string, and names no run.
    """
    run_id = given if isinstance(given, str) else _member(given, "run_id", str)
    if run_id is None or run_id.lstrip().startswith("{"):
        raise InvalidInputError(
            f"expected a report or a run id, got {quoted(given)}",
            hint="pass report or report.run_id, or RemediationReport.from_json(text) for the JSON of a report",
        )
    return run_id


def steps_named(given: Iterable[StepChoice]) -> tuple[str, ...]:
    """The ids of the steps that a caller passed as ``steps``, at least one.

    Raises:
        InvalidInputError: There is none, it is not a list, or one names no step.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise InvalidInputError(f"steps: expected a list of step ids, got {quoted(given)}", hint="pass [step.id]")
    ids = []
    for step in several(given, "steps"):
        step_id = step if isinstance(step, str) else _member(step, "step_id", str)
        step_id = _member(step, "id", str) if step_id is None and _member(step, "target_id", str) else step_id
        if step_id is None:
            raise InvalidInputError(f"expected a step or its id, got {quoted(step)}", hint="pass [step.id]")
        ids.append(step_id)
    return tuple(ids)


def _member(given: object, name: str, kind: type[Any]) -> Any:
    value = getattr(given, name, None)
    return value if isinstance(value, kind) else None


def _named_by_text(text: str, titles: Titles) -> NamedRecommendation:
    assessment = _ASSESSMENT_ID.fullmatch(text)
    if assessment:
        return NamedRecommendation(key=assessment[2], resource_id=assessment[1])
    if is_guid(text):
        return NamedRecommendation(key=text)
    wanted = fold(text.strip())
    keys: dict[str, set[str]] = {}
    shown: dict[str, str] = {}
    for key, title in titles():
        if fold(key) == wanted:
            return NamedRecommendation(key=key)
        shown.setdefault(fold(title), title)
        keys.setdefault(fold(title), set()).add(key)
    found = sorted(keys.get(wanted, ()))
    if len(found) == 1:
        return NamedRecommendation(key=found[0])
    if found:
        raise UnknownRecommendationError(
            f"{len(found)} recommendations are named {quoted(shown[wanted])}",
            hint=f"pass one of the keys {', '.join(found[:4])}",
        )
    raise UnknownRecommendationError(
        f"no recommendation in the catalog has the key or display name {quoted(text)}", hint=_suggestion(text, shown)
    )


def _suggestion(text: str, shown: dict[str, str]) -> str:
    if text.startswith("/"):
        return "the id of an assessment ends with /providers/Microsoft.Security/assessments/{key}; pass resource ids as resources=[...]"
    # A longer name than any display name is close to none, and comparing it would take long.
    close = get_close_matches(fold(text[:500]), shown, n=2, cutoff=0.8) or get_close_matches(
        fold(text[:500]), shown, n=1
    )
    if close:
        return f"did you mean {' or '.join(quoted(shown[match]) for match in close)}?"
    return f"pass {CHOICES}; catalog.search(...) finds one by words"
