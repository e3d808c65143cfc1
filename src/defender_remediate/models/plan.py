"""A plan: what will be sent, to which resources, and what is skipped and why. Planning is the dry run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate import serialization
from defender_remediate.casing import fold
from defender_remediate.display import counted, noted, one_line, quoted
from defender_remediate.enums import StrEnum
from defender_remediate.errors import InvalidInputError, PlanAlteredError
from defender_remediate.json_values import ABSENT, Absent, FrozenMap, freeze, sha256, thaw
from defender_remediate.models.check import CheckResult, Remark, grouped_lines
from defender_remediate.models.condition import Condition
from defender_remediate.models.dependencies import EVERYTHING, Dependencies
from defender_remediate.models.fix import Impact, Reversibility
from defender_remediate.models.ids import contains, id_key
from defender_remediate.notebook import preformatted
from defender_remediate.redaction import is_secret_name, redact_json
from defender_remediate.validation import optional_text, strings

PRESERVED = "preserved: it changed after the run, or a rollback cannot restore it"


class SkipReason(StrEnum):
    """Why a resource is not changed."""

    ALREADY_COMPLIANT = "already_compliant"
    NO_FIX = "no_fix"
    NOT_APPLICABLE = "not_applicable"
    NOT_FOUND = "not_found"
    NOT_IN_AZURE = "not_in_azure"
    NOT_READABLE = "not_readable"
    NOT_SELECTED = "not_selected"
    PARAMETER_MISSING = "parameter_missing"
    PREVIEW_FAILED = "preview_failed"
    CONSENT_MISSING = "consent_missing"
    PROTECTED = "protected"
    CONFLICTS_WITH_ANOTHER_FIX = "conflicts_with_another_fix"
    NOT_APPLIED = "not_applied"
    NO_UNDO = "no_undo"
    NOTHING_TO_RESTORE = "nothing_to_restore"
    CHANGED_SINCE = "changed_since"
    BLOCKED = "blocked"
    UNCHECKED = "unchecked"


@attrs.frozen(kw_only=True, repr=False, str=False)
class PropertyChange:
    """One member of a body, before and after.

    Attributes:
        path: Such as ``properties.minimumTlsVersion``.
        before, after: JSON values, or ``ABSENT``.
    """

    path: str
    before: Any = attrs.field(default=ABSENT, converter=freeze)
    after: Any = attrs.field(default=ABSENT, converter=freeze)

    @property
    def before_text(self) -> str:
        """The value before as JSON text, secrets hidden; ``(absent)`` when there is none."""
        return self._text(self.before)

    @property
    def after_text(self) -> str:
        """The value after as JSON text, secrets hidden; ``(absent)`` when there is none."""
        return self._text(self.after)

    def _text(self, value: Any) -> str:
        if value is ABSENT:
            return str(value)
        return one_line(json.dumps(thaw(self._redacted(value)), ensure_ascii=False))

    def _redacted(self, value: Any) -> Any:
        return redact_json(value, is_secret=is_secret_name(self.path))

    def __str__(self) -> str:
        return f"{one_line(self.path)}: {self.before_text} -> {self.after_text}"

    def __repr__(self) -> str:
        before, after = self._redacted(self.before), self._redacted(self.after)
        return f"PropertyChange(path={self.path!r}, before={before!r}, after={after!r})"


@attrs.frozen(kw_only=True)
class PlannedRequest:
    """One request to Azure Resource Manager, as it will be sent.

    Attributes:
        method: ``PATCH`` or ``PUT``; ``DELETE`` in a rollback, for what the run created.
        path: A resource id with one leading slash, or the id of a deployment.
        body: The JSON body; for GET-merge-PUT the difference that is merged into the target as it is read right before.
        is_merge_patch: Whether the body is such a difference. So a plan or journal does not contain what a fix does not change.
        if_match: The etag that the target had, for types that have one; else None.
        send_whole: Paths of objects that Azure replaces whole: a PATCH that changes a member of one carries all of it.
        leave_out: Paths of members that a PUT does not carry; ``[*]`` stands for every element of an array.
    """

    method: str
    path: str
    api_version: str
    body: FrozenMap = attrs.field(converter=freeze, repr=False)
    is_merge_patch: bool = False
    if_match: str | None = optional_text()
    send_whole: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return one_line(f"{self.method} {self.path}, api-version {self.api_version}")


@attrs.frozen(kw_only=True)
class CreatedResource:
    """A resource that a step creates.

    Attributes:
        api_version: The version that it is read and removed with.
        fingerprint: SHA-256 of it as the step left it; None in a plan, and when it could not be read afterwards.
        dependencies: Which of its members the fingerprint covers.
    """

    resource_id: str
    api_version: str
    fingerprint: str | None = optional_text()
    dependencies: Dependencies = EVERYTHING


@attrs.frozen(kw_only=True)
class RemediationStep:
    """One change planned for one target.

    Attributes:
        id: Unique within the plan, and the same whenever the same change is planned again.
        executor: The name of the executor that will send it.
        keys, titles: The recommendations it fixes; several fixes of one target become one request.
        resource_id: The resource the recommendation is about.
        target_id: What is read and written; the resource itself or something below it.
        changes: Every member that will differ.
        request: What will be sent.
        undo_request: The request that undoes it; None when there is none.
        undo_limits: Why the undo request may not restore everything, a sentence each; it makes the rollback conditional.
        fingerprint: SHA-256 of what the step depends on in its target, as it was planned. A target with another
            fingerprint is skipped as drifted.
        dependencies: What the step depends on: see ``Dependencies``.
        compliant_when: The condition that proves the change.
        irreversible_keys: The fixes in it that cannot be rolled back; ``Guards.allow_irreversible`` has to name them.
        preserved: In a rollback: the members that are not restored, because they changed after the run.
        permissions: The Azure actions that the caller needs for it.
        check_results: What the preflight checks found and does not block the step: warnings, and what was waived.
        creates: The resources that the step creates; each of them must still be missing when the step is executed.
    """

    id: str
    executor: str
    keys: tuple[str, ...]
    titles: tuple[str, ...]
    resource_id: str
    resource_type: str
    target_id: str
    api_version: str
    changes: tuple[PropertyChange, ...]
    request: PlannedRequest
    undo_request: PlannedRequest | None = None
    undo_limits: tuple[str, ...] = ()
    fingerprint: str
    dependencies: Dependencies = EVERYTHING
    compliant_when: Condition
    impact: Impact = attrs.field(default=Impact.NONE, converter=Impact)
    impact_reason: str | None = optional_text()
    reversibility: Reversibility = attrs.field(default=Reversibility.EXACT, converter=Reversibility)
    irreversible_keys: tuple[str, ...] = ()
    preserved: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    check_results: tuple[CheckResult, ...] = ()
    creates: tuple[CreatedResource, ...] = ()

    @property
    def is_removal(self) -> bool:
        """Whether this removes its target, with everything below it; only a rollback plan has such steps."""
        return self.request.method == "DELETE"

    @property
    def undo_condition(self) -> str | None:
        """What a conditional rollback depends on; None for one that is exact or impossible."""
        if self.reversibility is not Reversibility.CONDITIONAL:
            return None
        if self.undo_limits:
            return " ".join(self.undo_limits)
        if self.undo_request is None:
            return "created resources are removed on request, changed settings stay"
        return "changed settings are restored, their effects in the meantime may remain"

    def lines(self, *, with_checks: bool = True) -> list[str]:
        """The target, the recommendations, the request, every change, the impact and the rollback, a line each.

        Args:
            with_checks: Whether the check results follow.
        """
        mark = "-" if self.is_removal else "~"
        lines = [f"{mark} {self.target_id}", *(f"    {title}" for title in self.titles)]
        if not contains(self.resource_id, self.target_id):
            lines.append(f"    for {self.resource_id}")
        # The target is named above; a request to anything else is shown whole.
        request = str(self.request)
        if id_key(self.request.path) == id_key(self.target_id):
            is_resource = id_key(self.target_id) == id_key(self.resource_id)
            short = self.resource_type if is_resource else self.target_id.removeprefix(f"{self.resource_id}/")
            request = f"{self.request.method} {short}, api-version {self.request.api_version}"
        lines.append(f"    {request}")
        width = max((len(one_line(change.path)) for change in self.changes), default=0)
        lines += [
            f"      {one_line(change.path):<{width}}  {change.before_text} -> {change.after_text}"
            for change in self.changes
        ]
        lines += [f"      {path}  {PRESERVED}" for path in self.preserved]
        lines += [f"      parameter {name}: {value}" for name, value in self._deployed_parameters()]
        lines += [f"      not sent: {path}" for path in self.request.leave_out]
        impact = noted(str(self.impact), [self.impact_reason])
        lines.append(f"    impact: {impact}; rollback: {noted(str(self.reversibility), [self.undo_condition])}")
        if with_checks:
            lines += [f"    {line}" for result in self.check_results for line in result.lines()]
        return [one_line(line) for line in lines]

    def _deployed_parameters(self) -> list[tuple[str, str]]:
        """The parameters of a deployment, as text, secrets hidden."""
        # Redacted together with the template, which says which of the parameters are secure.
        properties = redact_json(self.request.body.get("properties"))
        parameters = properties.get("parameters") if isinstance(properties, Mapping) else None
        if self.executor != "template" or not isinstance(parameters, Mapping):
            return []
        shown = []
        for name, given in parameters.items():
            value = given["value"] if isinstance(given, Mapping) and set(given) == {"value"} else given
            shown.append((name, json.dumps(thaw(value), ensure_ascii=False)))
        return shown

    def __str__(self) -> str:
        return "\n".join(self.lines())


@attrs.frozen(kw_only=True, str=False)
class SkippedResource:
    """A resource that a plan does not change, and why.

    Attributes:
        keys, titles: The recommendations; no titles where they are not known.
        check_results: Everything that the checks found, when a check blocked it.
    """

    resource_id: str
    keys: tuple[str, ...]
    titles: tuple[str, ...] = ()
    reason: SkipReason = attrs.field(converter=SkipReason)
    message: str | None = optional_text()
    check_results: tuple[CheckResult, ...] = ()

    @property
    def remark(self) -> Remark:
        """What a printed plan says about it."""
        # The check results say more than the message.
        text = noted(self.reason.label, [] if self.check_results else [self.message])
        return Remark(subject=self.subject, text=text, results=self.check_results)

    @property
    def subject(self) -> str:
        """The resource and the recommendations, as text."""
        if self.titles:
            return one_line(f"{self.resource_id}: {'; '.join(self.titles)}")
        return one_line(f"{self.resource_id} [{', '.join(self.keys)}]" if self.keys else self.resource_id)

    def __str__(self) -> str:
        return one_line(f"{self.subject}: {noted(self.reason.label, [self.message])}")


def _aware(_plan: Any, _field: Any, at: datetime) -> None:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInputError("created_at of a plan has no time zone", hint="use datetime.now(timezone.utc)")


@attrs.frozen(kw_only=True, str=False)
class RemediationPlan:
    """An immutable list of steps and skips, with a digest. Nothing was written to make it.

    ``print(plan)`` shows every change before and after. ``apply`` takes it only together with its digest, which covers
    the endpoint, tenants, scope, catalog version and all of every step: the executor, the resource, the state it was
    planned on, what is shown of the change, the exact request and the undo request. Any edit of them changes the digest.

    Attributes:
        steps: What will be sent.
        skipped: The resources that are not changed, and why.
        scope: The ids of the scopes that were planned.
        endpoint: The base URL of Azure Resource Manager.
        tenants: The tenant ids of the subscriptions involved, as far as they could be read.
        created_at: UTC.
        rolls_back: The run that this plan rolls back; None for a plan of fixes.
        assessed: How many resources of each type, in lower case, the recommendations assess, when they were counted:
            see ``Guards.max_share``.
        removable: In a rollback: the resources that the run created and this plan keeps. To remove some of them, pass
            ``plan_rollback(run_id, remove=[...])``.
    """

    steps: tuple[RemediationStep, ...]
    skipped: tuple[SkippedResource, ...] = ()
    scope: tuple[str, ...]
    endpoint: str
    tenants: tuple[str, ...] = ()
    catalog_version: str
    created_at: datetime = attrs.field(validator=_aware)
    rolls_back: str | None = optional_text()
    assessed: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)
    removable: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal over everything that is shown of a step and everything that will be sent."""
        bound = [self.endpoint, self.tenants, self.scope, self.catalog_version, self.rolls_back, self.assessed]
        made = [self.created_at.astimezone(timezone.utc).isoformat(), self.removable]
        return sha256([*bound, *made, serialization.encode(self.steps)])

    @property
    def check_results(self) -> tuple[tuple[str, CheckResult], ...]:
        """What the checks found, with the id of the resource: on the steps first, then on the skips."""
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        return tuple((item.resource_id, found) for item in items for found in item.check_results)

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self.steps)

    def __iter__(self) -> Iterator[RemediationStep]:
        return iter(self.steps)

    def __bool__(self) -> bool:
        """Always True: also a plan without steps says something."""
        return True

    def only(self, *, keys: Iterable[str] | None = None, resources: Iterable[str] | None = None) -> RemediationPlan:
        """A plan with just the steps that close one of these recommendations and touch one of these resources.

        The other steps become skips with the reason ``not_selected``. The result has another digest.

        Raises:
            InvalidInputError: It is a single string, or names a recommendation or a resource that is not in the plan.
        """
        items: tuple[RemediationStep | SkippedResource, ...] = (*self.steps, *self.skipped)
        steps = self.steps
        if keys is not None:
            by_key = {fold(key): key for key in strings("keys", keys)}
            unknown = by_key.keys() - {fold(key) for item in items for key in item.keys}
            if items and (unknown or not by_key):
                named = quoted(sorted(by_key[key] for key in unknown)) if unknown else "that is named in keys"
                raise InvalidInputError(f"the plan has no recommendation {named}", hint="see step.keys")
            steps = tuple(step for step in steps if by_key.keys() & {fold(key) for key in step.keys})
        if resources is not None:
            by_id = {id_key(one): one for one in strings("resources", resources)}
            known = {id_key(item.resource_id) for item in items} | {id_key(step.target_id) for step in self.steps}
            unknown = by_id.keys() - known
            if items and (unknown or not by_id):
                named = quoted(sorted(by_id[one] for one in unknown)) if unknown else "that is named in resources"
                raise InvalidInputError(f"the plan has no resource {named}", hint="see step.resource_id")
            steps = tuple(step for step in steps if by_id.keys() & {id_key(step.resource_id), id_key(step.target_id)})
        return self._select(steps)

    def limit(self, n: int) -> RemediationPlan:
        """A plan with the first ``n`` steps; the others become skips with the reason ``not_selected``.

        Raises:
            InvalidInputError: It is not an integer, or negative.
        """
        if not isinstance(n, int) or isinstance(n, bool) or n < 0:
            raise InvalidInputError(f"n must be an integer of at least 0, got {quoted(n)}")
        return self._select(self.steps[:n])

    def _select(self, steps: tuple[RemediationStep, ...]) -> RemediationPlan:
        kept = {step.id for step in steps}
        dropped = tuple(
            SkippedResource(
                resource_id=step.resource_id, keys=step.keys, titles=step.titles, reason=SkipReason.NOT_SELECTED
            )
            for step in self.steps
            if step.id not in kept
        )
        return attrs.evolve(self, steps=steps, skipped=self.skipped + dropped)

    def to_json(self) -> str:
        """The whole plan as JSON text, with nothing hidden: it is what is sent once it is approved.

        It contains secrets that a fix writes or replaces, and no other secrets of the target. Treat it like the
        configuration that it describes.
        """
        return serialization.dumps({"kind": "RemediationPlan", "digest": self.digest, **serialization.encode(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> RemediationPlan:
        """Read a plan back.

        Raises:
            InvalidInputError: The text is not a plan; the message names the member.
            PlanAlteredError: The content does not match the digest stored with it.
        """
        document = serialization.loads(text, "RemediationPlan")
        digest = document.pop("digest", None)
        plan = serialization.decode(cls, document)
        if digest != plan.digest:
            raise PlanAlteredError(
                f"the digest of the plan's content is {plan.digest[:12]}…, but the stored digest is {str(digest)[:12]}…",
                hint="create and approve a new plan",
            )
        return plan

    def __str__(self) -> str:
        title = f"Rollback plan for run {self.rolls_back}" if self.rolls_back else "Plan"
        lines = [one_line(f"{title}: {counted(len(self.steps), 'change')}, {len(self.skipped)} skipped")]
        lines.append(f"digest: {self.digest}")
        lines += [one_line(f"{'scope: ' if i == 0 else '       '} {text}") for i, text in enumerate(self.scope)]
        for step in self.steps:
            lines += ["", *step.lines(with_checks=False)]
        warned = [
            Remark(subject=step.resource_id, results=(result,)) for step in self.steps for result in step.check_results
        ]
        if warned:
            lines += ["", "Check results to read before you approve:", *grouped_lines(warned, mark="!")]
        if self.skipped:
            lines += ["", "Skipped:", *grouped_lines([skip.remark for skip in self.skipped], mark="-")]
        if self.removable:
            lines += [
                "",
                "Created by the run and kept; plan_rollback(run_id, remove=[...]) removes those that you name:",
            ]
            lines += [one_line(f"    {resource}") for resource in self.removable]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return preformatted(str(self))


__all__ = [
    "ABSENT",
    "Absent",
    "CreatedResource",
    "PlannedRequest",
    "PropertyChange",
    "RemediationPlan",
    "RemediationStep",
    "SkipReason",
    "SkippedResource",
]
