"""Plans what someone decided about a recommendation as ordinary steps: an exemption, an attestation, an owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from defender_remediate.arm.reader import Reader
from defender_remediate.display import multi_line, quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, NotFoundError
from defender_remediate.fixes.candidates import Candidate
from defender_remediate.fixes.decisions import recreation, shows
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.drift import depends_on, fingerprint
from defender_remediate.fixes.placeholders import PLACEHOLDER, resource_values
from defender_remediate.fixes.restore import GONE, what_goes
from defender_remediate.json_values import sha256
from defender_remediate.models.fix import FixAction, FixKind, Reversibility
from defender_remediate.models.ids import ResourceId, id_key
from defender_remediate.models.plan import PlannedRequest, RemediationStep, SkippedResource, SkipReason
from defender_remediate.planning.builder import PlanDraft
from defender_remediate.redaction import redact_text


@attrs.frozen(kw_only=True)
class Decision:
    """What is written about one recommendation on one resource.

    Attributes:
        key: The assessment key.
        title: What the step is called.
        resource_id: What the decision is about.
        target: Where it is written, relative to the resource.
        properties: What is written; other members of what exists stay as they are.
        permissions: The Azure actions that the caller needs.
        effect: What follows from it, in a sentence.
        replaced: The names of arrays that are replaced and not added to.
    """

    key: str
    title: str
    resource_id: str
    target: str
    api_version: str
    properties: Mapping[str, Any] = attrs.field(repr=False)
    permissions: tuple[str, ...]
    effect: str
    replaced: tuple[str, ...] = ()

    def candidate(self) -> Candidate:
        """The decision as a fix of its resource, which is planned, sent and undone like any other."""
        values = resource_values(self.resource_id, None)
        properties = _literal(self.properties, values)
        fix = FixAction(
            key=self.key,
            title=self.title,
            kind=FixKind.PUT,
            resource_type=ResourceId.parse(self.resource_id).type,
            api_version=self.api_version,
            target=self.target,
            body={"properties": properties},
            array_strategies={f"properties.{name}": "replace" for name in self.replaced},
            compliant_when=shows(properties),
            impact_reason=self.effect,
            permissions=self.permissions,
        )
        return Candidate(fix=fix, key=self.key, resource_id=self.resource_id, values=values)


@attrs.frozen(kw_only=True)
class Removal:
    """A decision that is revoked.

    Attributes:
        keys: The recommendations that it was about.
        target_id: What is removed.
        effect: What follows from it, in a sentence.
    """

    keys: tuple[str, ...]
    title: str
    resource_id: str
    target_id: str
    api_version: str
    permissions: tuple[str, ...]
    effect: str


def check_free_text(**given: str | None) -> None:
    """Refuse strings that are blank, or that look like a placeholder of a fix.

    Raises:
        InvalidInputError: Names the argument.
    """
    for name, text in given.items():
        if not isinstance(text, str) or not text.strip():
            raise InvalidInputError(f"{name} must be a string that is not blank, got {quoted(text)}")
        if PLACEHOLDER.search(text) or any(mark in text for mark in "[]"):
            raise InvalidInputError(f"{name} must not contain brackets or ${{...}}, got {quoted(text)}")
        plain = redact_text(text).replace("\t", " ")
        if multi_line(plain) != plain:
            raise InvalidInputError(f"{name} must not contain control characters, got {quoted(text)}")


def _literal(properties: Any, values: dict[str, Any]) -> Any:
    """The same JSON value, in which nothing is filled in: text from Azure or a file may look like a placeholder.

    Args:
        properties: What is written.
        values: Where such strings are put, for the placeholders that replace them.
    """
    if isinstance(properties, Mapping):
        return {name: _literal(item, values) for name, item in properties.items()}
    if isinstance(properties, (list, tuple)):
        return [_literal(item, values) for item in properties]
    if not isinstance(properties, str) or not PLACEHOLDER.search(properties):
        return properties
    name = f"given.{len(values)}"
    values[name] = properties
    return f"${{{name}}}"


def draft_removals(removals: Sequence[Removal], reader: Reader) -> PlanDraft:
    """A step for each removal, which shows all that goes and can bring it back. Reads each target once."""
    steps: list[RemediationStep] = []
    skipped: list[SkippedResource] = []
    for one in removals:
        cause: tuple[SkipReason, str] | None = None
        body: Any = None
        try:
            body = reader.get(one.target_id, api_version=one.api_version).body
        except NotFoundError:
            cause = SkipReason.ALREADY_COMPLIANT, f"{one.target_id} does not exist any more"
        except DefenderRemediateError as error:
            cause = SkipReason.NOT_READABLE, str(error)
        if cause is not None:
            skipped.append(
                SkippedResource(
                    resource_id=one.resource_id, keys=one.keys, titles=(one.title,), reason=cause[0], message=cause[1]
                )
            )
            continue
        whole = depends_on(is_whole=True)
        mark = fingerprint(body, whole)
        steps.append(
            RemediationStep(
                id=sha256(["decision removed", id_key(one.target_id), mark])[:16],
                executor=FixKind.PUT.value,
                keys=one.keys,
                titles=(one.title,),
                resource_id=one.resource_id,
                resource_type=ResourceId.parse(one.resource_id).type,
                target_id=one.target_id,
                api_version=one.api_version,
                changes=what_goes(settled(body)),
                request=PlannedRequest(method="DELETE", path=one.target_id, api_version=one.api_version, body={}),
                undo_request=recreation(one.target_id, one.api_version, body),
                fingerprint=mark,
                dependencies=whole,
                compliant_when=GONE,
                impact_reason=one.effect,
                reversibility=Reversibility.EXACT,
                permissions=one.permissions,
            )
        )
    return PlanDraft(steps=tuple(steps), skipped=tuple(skipped))
