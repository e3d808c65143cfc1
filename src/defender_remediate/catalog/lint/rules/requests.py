"""Rules about the request of a fix: its method, its members, its parameters, and what it is meant to change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix
from defender_remediate.catalog.lint.problem import ProblemSeverity, RuleViolation, warning
from defender_remediate.catalog.type_facts import IS_SPELT, READ_ONLY, misfits, shape_at
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import join, split
from defender_remediate.fixes.placeholders import names_in
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixKind, Impact, ParameterType

# Types without a PATCH of properties that no package describes.
_NO_PATCH = {"microsoft.authorization/policyexemptions", "microsoft.guestconfiguration/guestconfigurationassignments"}
# Objects that a PATCH replaces whole, so that it loses every member that it does not repeat.
_REPLACED_WHOLE = ("properties.networkacls", "properties.networkruleset", "properties.cors", "properties.extensions")
# Members of config/web. The site itself returns null for them.
_ON_CONFIG_WEB = {
    "cors", "ftpsstate", "http20enabled", "mintlsciphersuite", "mintlsversion", "remotedebuggingenabled",
    "scmmintlsversion",
}  # fmt: skip
_SITES = ("microsoft.web/sites", "microsoft.web/sites/slots")
# Constants that Azure requires beside the others.
_NEEDED = {
    "properties.administratortype",
    "properties.ismanagedidentityinuse",
    "properties.source",
    "name",
    "kind",
    "location",
}
_CHOSEN = re.compile(r"address|range|origin|principal|object_id|admin|login|e?mail|workspace|subnet|key|tenant")


def matches_schema(checked: CheckedFix) -> Iterator[RuleViolation]:
    """Every member that is written exists, is settable, and has the right type and one of the known values."""
    fix, facts = checked.fix, checked.facts
    if fix.kind is FixKind.TEMPLATE:
        return
    if facts is None:
        yield warning(f"no schema is known for {checked.target.type}")
        return
    # The schema does not know the members of a newer api-version; members of an older one are seldom removed.
    is_newer = fix.api_version[:10] > facts.version[:10]
    severity = ProblemSeverity.WARNING if is_newer else ProblemSeverity.ERROR
    for path, why in misfits(checked.desired, facts.members):
        yield RuleViolation(
            f"{path} {why} (source: {facts.origin})", ProblemSeverity.WARNING if IS_SPELT in why else severity
        )
    for path in fix.remove:
        shape = shape_at(facts.members, split(path))
        if shape is ABSENT or (isinstance(shape, str) and shape.startswith(READ_ONLY)):
            yield RuleViolation(f"{path} is removed, but it is not a settable member of {facts.origin}", severity)


def uses_supported_method(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A PATCH is sent only to types, and with members, that accept one; a write names one resource."""
    fix, kind, facts = checked.fix, checked.target.type, checked.facts
    if fix.kind is FixKind.TEMPLATE:
        return
    if checked.target.is_collection:
        yield RuleViolation(f"target {fix.target!r} is a collection; add the name of a resource")
    if fix.kind is FixKind.PATCH:
        heads = {fold(str(split(path)[0])) for path in _written(checked)}
        if facts is not None and facts.patch == "none":
            yield RuleViolation(f"{kind} has no PATCH (source: {facts.origin}); use kind put")
        elif facts is not None and facts.patch == "tags" and heads - {"tags", "identity"}:
            yield RuleViolation(f"a PATCH of {kind} accepts only tags (source: {facts.origin}); use kind put")
        elif fold(kind) in _NO_PATCH:
            yield RuleViolation(f"{kind} has no PATCH of its properties; use kind put")
        for path in _written(checked):
            if fold(path).startswith(_REPLACED_WHOLE) and not _is_below(path, fix.send_whole):
                yield RuleViolation(
                    f"a PATCH replaces the whole object around {path}; name the object in send_whole, or use kind put"
                )
            if facts is not None and _is_below(path, facts.not_patched):
                # The packages describe the newest api-version, and Azure often accepts more than they say.
                yield warning(f"a PATCH does not accept {path} (source: {facts.origin}); kind put is safer")
    if fold(kind) in _SITES:
        for path in _written(checked):
            name = fold(path).removeprefix("properties.").split(".")[0]
            if name == "siteconfig" or name in _ON_CONFIG_WEB:
                yield RuleViolation(f"{path} is a member of config/web; the site itself returns null for it")


def _written(checked: CheckedFix) -> tuple[str, ...]:
    return (*(path for path, _ in leaves(checked.desired)), *checked.fix.remove)


def _is_below(path: str, others: tuple[str, ...]) -> bool:
    folded = f"{fold(path)}."
    return any(folded.startswith((f"{fold(each)}.", f"{fold(each)}[")) for each in others)


def explains_parameters(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A parameter says what it is for, and has no default where the caller has to choose."""
    for parameter in checked.fix.parameters:
        if len(parameter.description.split()) < 2:
            yield RuleViolation(f"{parameter.name}: the description does not say what the parameter is for")
        is_somebody = parameter.type in (ParameterType.RESOURCE_ID, ParameterType.GUID, ParameterType.STRING_LIST)
        has_default = parameter.default is not None and not parameter.allowed
        if has_default and (is_somebody or _CHOSEN.search(parameter.name)):
            yield warning(f"{parameter.name}: a default makes a choice that the caller has to make")


def names_live_use(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A fix that closes something says which metric tells whether anyone still uses it, or why none does."""
    if checked.fix.impact is Impact.CONNECTIVITY and checked.fix.live_use is None:
        yield warning("it does not say which metric tells whether anyone still uses what it closes; see [fix.live_use]")


def writes_what_condition_reads(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A fix writes what its condition reads: neither a mere precondition nor more than is needed."""
    fix = checked.fix
    if fix.kind is not FixKind.TEMPLATE:
        read = {fold(join(split(path))) for path in _read_paths(checked.compliant_when)}
        if not any(_touches(path, read) for path in _written(checked)):
            yield RuleViolation("it writes nothing that its condition reads, so it may be only a precondition")
        else:
            for path, value in leaves(fix.body or {}):
                is_constant = not names_in(value) and "[" not in path
                if is_constant and not _touches(path, read) and fold(path) not in _NEEDED:
                    yield warning(f"{path} is overwritten, but the condition does not read it")
        if not checked.samples:
            yield warning("found no body that the fix applies to and that is not compliant")
    if holds(checked.compliant_when, None) and not _forbids(checked.compliant_when):
        yield warning("a target that does not exist would count as compliant")


def _read_paths(condition: Condition) -> Iterator[str]:
    if condition.path:
        yield condition.path
    if condition.operator not in (Operator.SOME, Operator.EVERY):
        for part in condition.of:
            yield from _read_paths(part)


def _touches(path: str, read: set[str]) -> bool:
    folded = f"{fold(join(split(path)))}."
    return any(folded.startswith((f"{each}.", f"{each}[")) or f"{each}.".startswith(folded) for each in read)


def _forbids(condition: Condition) -> bool:
    """Whether the condition forbids something, so that a missing target satisfies it rightly."""
    if condition.operator in (Operator.ALL, Operator.ANY):
        return any(_forbids(part) for part in condition.of)
    return condition.operator in (Operator.NOT, Operator.NOT_EQUALS, Operator.NOT_IN) or (
        condition.operator is Operator.EXISTS and not condition.value
    )
