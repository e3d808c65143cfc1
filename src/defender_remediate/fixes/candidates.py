"""Which fixes go together on one target: the variant that applies, and what one request can do for several fixes.

Everything here is decided from bodies that were read. A fix that was chosen for a resource is a ``Candidate``. The
variants of one fix become one candidate (``resolve_variants``), and the candidates that share a request become one
change (``combine``). What cannot be part of a step is a ``RejectedCandidate`` with the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError, ParameterError
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.merge import merge_into
from defender_remediate.fixes.paths import look_up_all
from defender_remediate.fixes.placeholders import fill, fill_condition, names_in, resolve, resource_values
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixKind, Impact, ParameterType, Reversibility
from defender_remediate.models.guards import Guards
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.step import SkippedResource, SkipReason

_CHANGES_THE_PATH = re.compile(r"[?#%\\]|(?:^|/)\.{1,2}(?:/|$)")
_IMPACTS = tuple(Impact)
_REVERSIBILITIES = tuple(Reversibility)


@attrs.frozen(kw_only=True)
class SkipCause:
    """Why a fix is not planned for a resource."""

    reason: SkipReason
    message: str | None = None


@attrs.frozen(kw_only=True)
class Candidate:
    """A fix that was chosen for a resource.

    Attributes:
        values: What the placeholders of the fix stand for, by name.
        linked_id: What the resource links to, for a fix of the linked resource.
        skip_cause: Why the resource is skipped if this turns out to be the variant that applies.
    """

    fix: FixAction
    key: str
    resource_id: str
    values: Mapping[str, Any] = attrs.field(repr=False)
    linked_id: str | None = None
    skip_cause: SkipCause | None = None

    @cached_property
    def target_id(self) -> str:
        """The id of what the fix reads and writes; for a collection the path of the collection."""
        target = str(fill(self.fix.target, self.values)).rstrip("/")
        start = self.linked_id or self.resource_id
        if target.startswith("/"):
            return target
        return f"{start}/{target}" if target else start

    @property
    def is_on_resource(self) -> bool:
        """Whether it reads and writes the resource that was assessed."""
        return not self.fix.target and not self.fix.linked

    @cached_property
    def compliant_when(self) -> Condition:
        """The condition that closes the recommendation on this target."""
        return fill_condition(self.fix.compliant_when, self.values)

    @property
    def request_key(self) -> tuple[str, ...]:
        """Equal for candidates that can become one request; a PUT carries what a PATCH would have carried."""
        how = "deploy" if self.fix.kind is FixKind.TEMPLATE else "write"
        return id_key(self.target_id), how, self.fix.api_version, id_key(self.resource_id)

    def rejected(self, reason: SkipReason, message: str = "") -> RejectedCandidate:
        """This candidate, with the cause for which it is not planned."""
        return RejectedCandidate(candidate=self, cause=SkipCause(reason=reason, message=message))


def candidate_for(fix: FixAction, assessment: Assessment, given: Mapping[str, Any], guards: Guards) -> Candidate:
    """A fix for the resource of an assessment, with the parameters that the caller gave."""
    values = resource_values(assessment.resource_id, None)
    cause = None
    if fix.is_irreversible and not guards.allows(fix.key):
        message = f'the fix is irreversible; consent with Guards(allow_irreversible=["{fix.key}"])'
        cause = SkipCause(reason=SkipReason.CONSENT_MISSING, message=message)
    else:
        try:
            values |= resolve(fix, given, assessment.resource_id)
        except ParameterError as error:
            cause = SkipCause(reason=SkipReason.PARAMETER_MISSING, message=error.message)
    return Candidate(fix=fix, key=assessment.key, resource_id=assessment.resource_id, values=values, skip_cause=cause)


@attrs.frozen(kw_only=True)
class RejectedCandidate:
    """A candidate that does not become part of a step, and why."""

    candidate: Candidate
    cause: SkipCause

    @property
    def skipped(self) -> SkippedResource:
        """The entry in the plan."""
        return SkippedResource(
            resource_id=self.candidate.resource_id,
            keys=(self.candidate.key,),
            titles=(self.candidate.fix.title,),
            reason=self.cause.reason,
            message=self.cause.message,
        )


@attrs.frozen(kw_only=True)
class CombinedFix:
    """What several fixes do to one target with one request.

    Attributes:
        accepted: The candidates whose recommendations the request closes; empty when there is nothing to do.
        after: The body that the request has to bring about; None for a template.
    """

    accepted: tuple[Candidate, ...]
    rejected: tuple[RejectedCandidate, ...]
    after: Any = attrs.field(default=None, repr=False)

    @cached_property
    def fixes(self) -> tuple[FixAction, ...]:
        """The fixes that the request carries."""
        return tuple(candidate.fix for candidate in self.accepted)

    @cached_property
    def compliant_when(self) -> Condition:
        """The condition that proves all of them."""
        conditions = tuple(dict.fromkeys(candidate.compliant_when for candidate in self.accepted))
        return conditions[0] if len(conditions) == 1 else Condition(operator=Operator.ALL, of=conditions)

    @cached_property
    def kind(self) -> FixKind:
        """How they are written: by PUT as soon as one of them cannot be a PATCH."""
        kinds = {fix.kind for fix in self.fixes}
        return FixKind.PUT if FixKind.PUT in kinds else next(iter(kinds))

    @property
    def impact(self) -> Impact:
        """The worst impact of them."""
        return max((fix.impact for fix in self.fixes), key=_IMPACTS.index)

    @property
    def reversibility(self) -> Reversibility:
        """The worst reversibility of them."""
        return max((fix.reversibility for fix in self.fixes), key=_REVERSIBILITIES.index)


def needs_resource(fix: FixAction) -> bool:
    """Whether the resource has to be read besides the target, or in its place."""
    if not fix.target or fix.linked or fix.applies_when is not None:
        return True
    if any(parameter.same_location for parameter in fix.parameters):
        return True
    compared = [part.value for part in fix.compliant_when.parts()]
    return "resource.location" in names_in([fix.body, fix.template_parameters, fix.target, compared])


def reads_resource_with_own_version(fix: FixAction) -> bool:
    """Whether the api-version of the fix is one of the resource's own provider, so that it reads the resource too."""
    if fix.is_elsewhere or fold(fix.target).startswith("providers/"):
        return False
    return fold(fix.resource_type) != "microsoft.resources/subscriptions"


def invalid_target(candidate: Candidate) -> str | None:
    """Why the target of a candidate may not be written to, or None.

    A fix never leaves the subscription of the resource that was assessed, nor the path that its author wrote.
    """
    fix = candidate.fix
    for parameter in fix.parameters:
        value = str(candidate.values.get(parameter.name))
        adds_segment = parameter.type is not ParameterType.RESOURCE_ID and "/" in value
        if parameter.name in names_in(fix.target) and (adds_segment or _CHANGES_THE_PATH.search(value)):
            return f"the parameter {parameter.name!r} is part of the target's path, and {value!r} changes the path"
    if not fix.is_elsewhere:
        return None
    own = ResourceId.parse(candidate.resource_id)
    try:
        target = resource_or_parent(candidate.target_id)
    except InvalidResourceIdError as error:
        return error.message
    if target.subscription != own.subscription:
        return f"{target} is in another subscription than the resource, and no fix writes to another subscription"
    return None


def resource_or_parent(path: str) -> ResourceId:
    """The id of a target; for a collection, such as the backup items of a vault, the id of what the collection is in.

    Raises:
        InvalidResourceIdError: It is neither.
    """
    try:
        return ResourceId.parse(path)
    except InvalidResourceIdError:
        head = path.rpartition("/")[0]
        above, _, _ = head.rpartition("/")
        # The collection of an extension type begins with the provider: "…/providers/Microsoft.Insights/diagnosticSettings".
        return ResourceId.parse(above[: -len("/providers")] if fold(above).endswith("/providers") else head)


def resolve_variants(variants: Sequence[Candidate], resource: Any) -> tuple[Candidate | RejectedCandidate, ...]:
    """What the variants of one fix come to on one resource.

    Args:
        variants: All of them, in the order of the catalog; one when the fix has no variants.
        resource: The body of the resource.

    Returns:
        The first variant that applies; for a linked fix one candidate for each resource that is linked to. If there is
        none, the cause.
    """
    chosen = next((variant for variant in variants if _applies(variant.fix, resource)), None)
    if chosen is None:
        return (variants[0].rejected(SkipReason.NOT_APPLICABLE, _required_of_resource(variants)),)
    if chosen.skip_cause is not None:
        return (RejectedCandidate(candidate=chosen, cause=chosen.skip_cause),)
    if not chosen.fix.linked:
        return (chosen,)
    linked = {fold(str(found)): found for found in look_up_all(resource, chosen.fix.linked) if found is not None}
    if not linked:
        return (chosen.rejected(SkipReason.NOT_APPLICABLE, f"it has nothing at {chosen.fix.linked}"),)
    resolved: list[Candidate | RejectedCandidate] = []
    for found in linked.values():
        try:
            resource_id = ResourceId.parse(found)
        except InvalidResourceIdError as error:
            resolved.append(chosen.rejected(SkipReason.NOT_APPLICABLE, error.message))
            continue
        if chosen.fix.linked_type is not None and resource_id.is_type(chosen.fix.linked_type):
            resolved.append(attrs.evolve(chosen, linked_id=resource_id.text))
        else:
            message = f"{resource_id} is a {resource_id.type}, and the fix is for a {chosen.fix.linked_type}"
            resolved.append(chosen.rejected(SkipReason.NOT_APPLICABLE, message))
    return tuple(resolved)


def _applies(fix: FixAction, resource: Any) -> bool:
    return fix.applies_when is None or holds(fix.applies_when, resource)


def _required_of_resource(variants: Sequence[Candidate]) -> str:
    if len(variants) == 1:
        return f"the fix applies when {variants[0].fix.applies_when}"
    cases = [f"variant {one.fix.variant} applies when {one.fix.applies_when}" for one in variants]
    return f"no variant of the fix applies: {'; '.join(cases)}"


def combine(candidates: Iterable[Candidate], *, resource: Any, before: Any) -> CombinedFix:
    """Decide what one request does to one target. All candidates have the same ``request_key``.

    A fix is rejected that does not apply, has nothing to do, would undo an earlier one, or would not meet its own
    condition. The others are merged into the body one after the other.
    """
    accepted: list[Candidate] = []
    rejected: list[RejectedCandidate] = []
    after = before
    for candidate in candidates:
        fix, merged = candidate.fix, after
        if fix.kind is not FixKind.TEMPLATE:
            merged = merge_into(
                after,
                fill(fix.body or {}, candidate.values),
                lists=fix.array_strategies,
                compliant_when=candidate.compliant_when,
                remove=fix.remove,
            )
        cause = _reason_to_skip(candidate, resource, before) or _conflict(candidate, accepted, merged)
        if cause is None:
            accepted.append(candidate)
            after = merged
        else:
            rejected.append(RejectedCandidate(candidate=candidate, cause=cause))
    return CombinedFix(accepted=tuple(accepted), rejected=tuple(rejected), after=after)


def _reason_to_skip(candidate: Candidate, resource: Any, before: Any) -> SkipCause | None:
    """Why the fix is not made by itself, whatever the other fixes are."""
    fix = candidate.fix
    if not _applies(fix, resource):
        return SkipCause(reason=SkipReason.NOT_APPLICABLE, message=_required_of_resource([candidate]))
    if holds(candidate.compliant_when, before):
        return SkipCause(reason=SkipReason.ALREADY_COMPLIANT)
    obstacle = next((each for each in fix.not_applicable if holds(each.when, before)), None)
    return None if obstacle is None else SkipCause(reason=SkipReason.NOT_APPLICABLE, message=obstacle.reason)


def _conflict(candidate: Candidate, accepted: Sequence[Candidate], merged: Any) -> SkipCause | None:
    """Why the fix does not become part of the request, after the fixes that are part of it already."""
    if candidate.fix.kind is FixKind.TEMPLATE:
        message = "another template of this plan deploys to it; plan again after applying"
        return SkipCause(reason=SkipReason.CONFLICTS_WITH_ANOTHER_FIX, message=message) if accepted else None
    if not holds(candidate.compliant_when, merged):
        message = f"its change would not bring about {candidate.compliant_when}"
        return SkipCause(reason=SkipReason.PREVIEW_FAILED, message=message)
    undone = next((earlier for earlier in accepted if not holds(earlier.compliant_when, merged)), None)
    if undone is None:
        return None
    return SkipCause(reason=SkipReason.CONFLICTS_WITH_ANOTHER_FIX, message=f"it would undo {undone.fix.title!r}")
