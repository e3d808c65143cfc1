"""A step of a plan: one change of one target, with the request that makes it; and a resource that a plan skips."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from defender_remediate.display import noted, one_line
from defender_remediate.enums import StrEnum
from defender_remediate.json_values import ABSENT, FrozenMap, freeze, thaw
from defender_remediate.models.check import CheckResult, Remark
from defender_remediate.models.condition import Condition
from defender_remediate.models.dependencies import EVERYTHING, Dependencies
from defender_remediate.models.fix import Impact, Reversibility
from defender_remediate.models.ids import contains, id_key, type_or_id
from defender_remediate.redaction import is_secret_name, redact_json, redact_text
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text

PRESERVED = "preserved: it changed after the run, or a rollback cannot restore it"


# Longer paths are not padded to one width: their values would be far to the right.
_WIDEST_COLUMN = 44


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
    HELD = "held"


@attrs.frozen(kw_only=True, repr=False, str=False)
class PropertyChange(Value):
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
        return f"PropertyChange(path={redact_text(self.path)!r}, before={before!r}, after={after!r})"


@attrs.frozen(kw_only=True)
class PlannedRequest(Value):
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
class CreatedResource(Value):
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
class RemediationStep(Value):
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
        cost: What is billed for after it; None when nothing is, or in a rollback.
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
    cost: str | None = optional_text()
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
        is_on_target = id_key(self.request.path) == id_key(self.target_id)
        lines.append(f"    {self._short_request() if is_on_target else self.request}")
        lines += [f"    {line}" for line in self._content(self._deployed_parameters())]
        lines += [f"      creates {created.resource_id}" for created in self.creates]
        lines.append(f"    {'; '.join(self._consequences())}")
        lines += [f"    cost: {one_line(self.cost)}"] if self.cost else []
        if with_checks:
            lines += [f"    {line}" for result in self.check_results for line in result.lines()]
        return [one_line(line) for line in lines]

    def shared_lines(self) -> list[str]:
        """What another step that makes the same change on another resource says too: everything but the resource.

        A request that is neither on the target nor a deployment to its resource group or subscription is shown whole.
        """
        created = [
            created.resource_id[len(self.resource_id) + 1 :]
            if contains(self.resource_id, created.resource_id)
            else created.resource_id
            for created in self.creates
        ]
        # A value that follows from the resource is the same for all of them.
        own = {
            json.dumps(self.resource_id, ensure_ascii=False): "(the id of the resource)",
            json.dumps(self.resource_id.rpartition("/")[2], ensure_ascii=False): "(the name of the resource)",
        }
        parameters = [(name, own.get(value, value)) for name, value in self._deployed_parameters()]
        lines = [self._short_request(), *self._content(parameters), *(f"  creates {one}" for one in created)]
        lines += [f"cost: {self.cost}"] if self.cost else []
        return [one_line(line) for line in [*lines, *self._consequences()]]

    def _short_request(self) -> str:
        """The request without the resource: its type, or what is below it."""
        place, _, name = self.request.path.rpartition("/providers/Microsoft.Resources/deployments/")
        target = self.request.path
        if id_key(self.request.path) == id_key(self.target_id):
            if id_key(self.target_id) == id_key(self.resource_id):
                target = self.resource_type
            elif contains(self.resource_id, self.target_id):
                target = self.target_id[len(self.resource_id) + 1 :]
            else:
                target = type_or_id(self.target_id)
        elif place and name and place.count("/") in (2, 4) and contains(place, self.resource_id):
            target = f"Microsoft.Resources/deployments to the {'subscription' if place.count('/') == 2 else 'group'}"
        return f"{self.request.method} {target}, api-version {self.request.api_version}"

    def _content(self, parameters: Iterable[tuple[str, str]]) -> list[str]:
        width = max((len(one_line(change.path)) for change in self.changes), default=0)
        width = width if width <= _WIDEST_COLUMN else 0
        return [
            *(
                f"  {one_line(change.path):<{width}}  {change.before_text} -> {change.after_text}"
                for change in self.changes
            ),
            *(f"  {path}  {PRESERVED}" for path in self.preserved),
            *(f"  parameter {name}: {value}" for name, value in parameters),
            *(f"  not sent: {path}" for path in self.request.leave_out),
        ]

    def _consequences(self) -> tuple[str, str]:
        impact = noted(str(self.impact), [self.impact_reason])
        return f"impact: {impact}", f"rollback: {noted(str(self.reversibility), [self.undo_condition])}"

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
class SkippedResource(Value):
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
