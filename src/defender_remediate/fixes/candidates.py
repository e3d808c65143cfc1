"""What several fixes do to one target, decided before anything is asked of Azure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.merge import lay_over
from defender_remediate.fixes.placeholders import fill, fill_condition, names_in
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixKind, Impact, ParameterType, Reversibility
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import SkipReason

_ODD = re.compile(r"[?#%\\]|(?:^|/)\.{1,2}(?:/|$)")
_NO_NAME = re.compile(rf"/|{_ODD.pattern}")
_IMPACTS = tuple(Impact)
_REVERSIBILITIES = tuple(Reversibility)


@attrs.frozen(kw_only=True)
class Obstacle:
    """Why a resource is left out."""

    reason: SkipReason
    message: str = ""


@attrs.frozen(kw_only=True)
class Candidate:
    """A fix wanted for a resource.

    Attributes:
        values: What its placeholders stand for, by name.
        linked_id: What the resource links to, when the fix is for that.
        obstacle: Why it will be left out if it turns out to be the variant that applies; None when nothing is known.
    """

    fix: FixAction
    key: str
    resource_id: str
    values: Mapping[str, Any] = attrs.field(repr=False)
    linked_id: str = ""
    obstacle: Obstacle | None = None

    @property
    def target_id(self) -> str:
        """The id of what the fix reads and writes."""
        target = str(fill(self.fix.target, self.values)).rstrip("/")
        start = self.linked_id or self.resource_id
        if target.startswith("/"):
            return target
        return f"{start}/{target}" if target else start

    @property
    def is_on_resource(self) -> bool:
        """Whether what it reads and writes is the resource that was assessed."""
        return not self.fix.target and not self.fix.linked

    @property
    def compliant_when(self) -> Condition:
        """The condition that closes the recommendation on this target."""
        return fill_condition(self.fix.compliant_when, self.values)

    @property
    def lane(self) -> tuple[str, str, str, str]:
        """Candidates with equal lanes can become one request: a PUT carries what a PATCH would have."""
        how = "deploy" if self.fix.kind is FixKind.TEMPLATE else "write"
        return fold(self.target_id), how, self.fix.api_version, fold(self.resource_id)


@attrs.frozen(kw_only=True)
class Refusal:
    """A candidate that will not become part of a step, and why."""

    candidate: Candidate
    reason: SkipReason
    message: str = ""


@attrs.frozen(kw_only=True)
class Verdict:
    """What is left to do on one target.

    Attributes:
        accepted: The candidates that one request will close together; empty when there is nothing to do.
        after: The body that the request has to bring about; None for a template.
    """

    accepted: tuple[Candidate, ...]
    refused: tuple[Refusal, ...]
    after: Any = attrs.field(default=None, repr=False)

    @property
    def compliant_when(self) -> Condition:
        """The condition that proves all of them."""
        conditions = tuple(dict.fromkeys(candidate.compliant_when for candidate in self.accepted))
        return conditions[0] if len(conditions) == 1 else Condition(operator=Operator.ALL, of=conditions)

    @property
    def kind(self) -> FixKind:
        """How they are written together: a PUT as soon as one of them cannot be a PATCH."""
        kinds = {candidate.fix.kind for candidate in self.accepted}
        return FixKind.PUT if FixKind.PUT in kinds else next(iter(kinds))

    @property
    def impact(self) -> Impact:
        """The worst of them."""
        return max((candidate.fix.impact for candidate in self.accepted), key=_IMPACTS.index)

    @property
    def reversibility(self) -> Reversibility:
        """The worst of them."""
        return max((candidate.fix.reversibility for candidate in self.accepted), key=_REVERSIBILITIES.index)


def needs_resource(fix: FixAction) -> bool:
    """Whether the resource itself has to be read besides the target, or in its place."""
    if not fix.target or fix.linked or fix.applies_when is not None:
        return True
    if any(parameter.same_location for parameter in fix.parameters):
        return True
    compared = [part.value for part in fix.compliant_when.parts()]
    return "resource.location" in names_in([fix.body, fix.template_parameters, fix.target, compared])


def has_own_version(fix: FixAction) -> bool:
    """Whether the fix's api-version is that of the resource's own provider, so that it reads the resource as well."""
    target = fold(fix.target)
    if fix.is_elsewhere or target.startswith("providers/"):
        return False
    return fold(fix.resource_type) != "microsoft.resources/subscriptions"


def misplaced(candidate: Candidate) -> str:
    """Why the target of a fix is none; empty when it is one, or is the resource itself.

    A fix never leaves the subscription of the resource that was assessed, nor the path that its author wrote down.
    """
    for parameter in candidate.fix.parameters:
        value = candidate.values.get(parameter.name)
        is_id = parameter.type is ParameterType.RESOURCE_ID
        if parameter.name in names_in(candidate.fix.target) and (_ODD if is_id else _NO_NAME).search(str(value)):
            return f"{parameter.name!r} is part of the target, and {value!r} would make another path of it"
    if not candidate.fix.is_elsewhere:
        return ""
    try:
        target = ResourceId.parse(candidate.target_id)
    except InvalidResourceIdError as error:
        return error.message
    own = ResourceId.parse(candidate.resource_id).subscription_id or ""
    if fold(target.subscription_id or "") != fold(own):
        return f"{target} is in another subscription than the resource, and no fix goes there"
    return ""


def judge(candidates: tuple[Candidate, ...], *, resource: Any, before: Any) -> Verdict:
    """Decide what one request to one target will do. All candidates share a lane.

    A fix that does not apply, has nothing to do, would undo an earlier one, or would not meet its own condition is
    refused; the others are laid over the body one after the other.
    """
    refused: list[Refusal] = []
    accepted: list[Candidate] = []
    after = before
    for candidate in candidates:
        fix = candidate.fix
        if fix.applies_when is not None and not holds(fix.applies_when, resource):
            refused.append(
                Refusal(
                    candidate=candidate, reason=SkipReason.NOT_APPLICABLE, message=f"applies when {fix.applies_when}"
                )
            )
        elif holds(candidate.compliant_when, before):
            refused.append(Refusal(candidate=candidate, reason=SkipReason.ALREADY_COMPLIANT))
        elif obstacle := next((each for each in fix.not_applicable if holds(each.when, before)), None):
            refused.append(Refusal(candidate=candidate, reason=SkipReason.NOT_APPLICABLE, message=obstacle.reason))
        elif fix.kind is FixKind.TEMPLATE and accepted:
            message = "another template of this plan deploys to it; plan again afterwards"
            refused.append(Refusal(candidate=candidate, reason=SkipReason.CONFLICTS, message=message))
        elif fix.kind is FixKind.TEMPLATE:
            accepted.append(candidate)
        else:
            trial = _laid(candidate, after)
            problem = _problem(candidate, accepted, trial)
            if problem is None:
                accepted.append(candidate)
                after = trial
            else:
                refused.append(problem)
    return Verdict(accepted=tuple(accepted), refused=tuple(refused), after=after)


def _laid(candidate: Candidate, body: Any) -> Any:
    fix = candidate.fix
    desired = fill(fix.body or {}, candidate.values)
    return lay_over(
        body, desired, lists=fix.array_strategies, compliant_when=candidate.compliant_when, remove=fix.remove
    )


def _problem(candidate: Candidate, accepted: list[Candidate], trial: Any) -> Refusal | None:
    if not holds(candidate.compliant_when, trial):
        message = f"its change would not bring about {candidate.compliant_when}"
        return Refusal(candidate=candidate, reason=SkipReason.PREVIEW_FAILED, message=message)
    for earlier in accepted:
        if not holds(earlier.compliant_when, trial):
            message = f"it would undo {earlier.fix.title!r}"
            return Refusal(candidate=candidate, reason=SkipReason.CONFLICTS, message=message)
    return None


def lock_name(resource_id: str) -> str:
    """What writes to one resource and to all its children have in common: they never run at the same time."""
    return fold(ResourceId.parse(resource_id).root.text)
