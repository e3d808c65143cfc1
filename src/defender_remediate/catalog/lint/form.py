"""How a fix is written down: the verb, the schema, the permissions, the parameters, and what it aims at."""

from __future__ import annotations

import re
from collections.abc import Iterator

from defender_remediate.casing import fold
from defender_remediate.catalog.checks import leaves
from defender_remediate.catalog.lint.bodies import Subject
from defender_remediate.catalog.lint.problem import Objection, ProblemSeverity, warning
from defender_remediate.catalog.type_facts import IS_SPELT, READ_ONLY, misfits, shape_at
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.paths import join, split
from defender_remediate.fixes.placeholders import names_in
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixKind, ParameterType

# Types without a PATCH of properties that no package describes.
_NO_PATCH = {"microsoft.authorization/policyexemptions", "microsoft.guestconfiguration/guestconfigurationassignments"}
# Objects that a PATCH replaces whole: what it does not repeat is lost, so only the whole merged body keeps the rest.
_REPLACED_WHOLE = ("properties.networkacls", "properties.networkruleset", "properties.cors", "properties.extensions")
# Members of the site that live on its child config/web, where the site itself answers null.
_ON_CONFIG_WEB = {
    "cors", "ftpsstate", "http20enabled", "mintlsciphersuite", "mintlsversion", "remotedebuggingenabled",
    "scmmintlsversion",
}  # fmt: skip
_SITES = ("microsoft.web/sites", "microsoft.web/sites/slots")
# Constants that Azure does not take the rest without.
_NEEDED = {
    "properties.administratortype",
    "properties.ismanagedidentityinuse",
    "properties.source",
    "name",
    "kind",
    "location",
}
_SECRET = re.compile(r"(password|secret|accesskey|connectionstring|sharedkey|token)$", re.IGNORECASE)
_CHOSEN = re.compile(r"address|range|origin|principal|object_id|admin|login|e?mail|workspace|subnet|key|tenant")


def fits_the_schema(subject: Subject) -> Iterator[Objection]:
    """Every member that is written exists, may be set, and has the right type and one of the known words."""
    fix, facts = subject.fix, subject.facts
    if fix.kind is FixKind.TEMPLATE:
        return
    if facts is None:
        yield warning(f"no schema is known of {subject.target.type}")
        return
    # What a newer api-version brought cannot be known yet; what an older one had seldom goes.
    is_newer = fix.api_version[:10] > facts.version[:10]
    severity = ProblemSeverity.WARNING if is_newer else ProblemSeverity.ERROR
    for path, why in misfits(subject.desired, facts.members):
        yield Objection(f"{path} {why}, says {facts.origin}", ProblemSeverity.WARNING if IS_SPELT in why else severity)
    for path in fix.remove:
        shape = shape_at(facts.members, split(path))
        if shape is ABSENT or (isinstance(shape, str) and shape.startswith(READ_ONLY)):
            yield Objection(f"{path} is removed, and {facts.origin} knows no such member that may be set", severity)


def is_written_the_right_way(subject: Subject) -> Iterator[Objection]:
    """A PATCH is sent only to types, and with members, that take one; a write names one resource."""
    fix = subject.fix
    if fix.kind is FixKind.TEMPLATE:
        return
    if subject.target.is_collection:
        yield Objection(f"target {fix.target!r} names a collection; a write needs the name of a resource")
    if fix.kind is FixKind.PATCH:
        yield from _no_patch(subject)
    yield from _beside_config_web(subject)


def _no_patch(subject: Subject) -> Iterator[Objection]:
    kind, facts = subject.target.type, subject.facts
    if facts is not None and facts.patch == "none":
        yield Objection(f"{kind} has no PATCH, says {facts.origin}; use put")
    elif facts is not None and facts.patch == "tags" and set(_heads(subject)) - {"tags", "identity"}:
        yield Objection(f"a PATCH of {kind} takes tags only, says {facts.origin}; use put")
    elif fold(kind) in _NO_PATCH:
        yield Objection(f"{kind} has no PATCH of its properties; use put")
    for path in _written(subject):
        if fold(path).startswith(_REPLACED_WHOLE) and not _is_below(path, subject.fix.send_whole):
            yield Objection(f"a PATCH replaces the object around {path} whole; use send_whole or put")
        if facts is not None and _is_below(path, facts.not_patched):
            # The packages describe the newest version; Azure often takes more than they say.
            yield warning(f"a PATCH does not take {path}, says {facts.origin}; put is safer")


def _beside_config_web(subject: Subject) -> Iterator[Objection]:
    if fold(subject.target.type) in _SITES:
        for path in _written(subject):
            name = fold(path).removeprefix("properties.").split(".")[0]
            if name == "siteconfig" or name in _ON_CONFIG_WEB:
                yield Objection(f"{path} is part of config/web; the site itself answers null for it")


def _heads(subject: Subject) -> Iterator[str]:
    yield from (fold(str(split(path)[0])) for path in _written(subject))


def _written(subject: Subject) -> tuple[str, ...]:
    return (*(path for path, _ in leaves(subject.desired)), *subject.fix.remove)


def _is_below(path: str, others: tuple[str, ...]) -> bool:
    folded = f"{fold(path)}."
    return any(folded.startswith((f"{fold(each)}.", f"{fold(each)}[")) for each in others)


def holds_no_secret(subject: Subject) -> Iterator[Objection]:
    """No secret is written and none is asked for: plans and journals would carry it."""
    paths = (path for path, value in leaves(subject.desired) if isinstance(value, str) and "[" not in path)
    names = (parameter.name for parameter in subject.fix.parameters)
    for name in (*(str(split(path)[-1]) for path in paths), *names):
        if _SECRET.search(name):
            yield Objection(f"{name} looks like a secret; plans and journals would carry it")


def explains_its_parameters(subject: Subject) -> Iterator[Objection]:
    """A parameter says what it is for, and has no default where the choice is somebody's."""
    for parameter in subject.fix.parameters:
        if len(parameter.description.split()) < 2:
            yield Objection(f"{parameter.name}: the description does not say what it is for")
        is_somebody = parameter.type in (ParameterType.RESOURCE_ID, ParameterType.GUID, ParameterType.STRING_LIST)
        has_default = parameter.default is not None and not parameter.allowed
        if has_default and (is_somebody or _CHOSEN.search(parameter.name)):
            yield warning(f"{parameter.name}: a default decides for everybody who does not look")


def aims_at_its_condition(subject: Subject) -> Iterator[Objection]:
    """What is written is what the condition asks about: neither a mere precondition, nor more than is needed."""
    fix = subject.fix
    if fix.kind is not FixKind.TEMPLATE:
        yield from _beside_the_point(subject)
        if not subject.trials:
            yield warning("no body could be made that the fix applies to and that is not compliant")
    if holds(subject.compliant_when, None) and not _forbids(subject.compliant_when):
        yield warning("a target that does not exist would count as compliant")


def _beside_the_point(subject: Subject) -> Iterator[Objection]:
    asked = {fold(join(split(path))) for path in _asked(subject.compliant_when)}
    constants = dict(leaves(subject.fix.body or {}))
    seen = [path for path in _written(subject) if _touches(path, asked)]
    if not seen:
        yield Objection("nothing that it writes is what its condition asks about: it may be a precondition only")
        return
    for path, value in constants.items():
        is_constant = not names_in(value) and "[" not in path
        if is_constant and not _touches(path, asked) and fold(path) not in _NEEDED:
            yield warning(f"{path} is overwritten, and the condition does not ask about it")


def _asked(condition: Condition) -> Iterator[str]:
    if condition.path:
        yield condition.path
    if condition.operator not in (Operator.SOME, Operator.EVERY):
        for part in condition.of:
            yield from _asked(part)


def _touches(path: str, asked: set[str]) -> bool:
    folded = f"{fold(join(split(path)))}."
    return any(folded.startswith((f"{each}.", f"{each}[")) or f"{each}.".startswith(folded) for each in asked)


def _forbids(condition: Condition) -> bool:
    """Whether the condition says what must not be there, so that nothing at all meets it rightly."""
    if condition.operator in (Operator.ALL, Operator.ANY):
        return any(_forbids(part) for part in condition.of)
    return condition.operator in (Operator.NOT, Operator.NOT_EQUALS, Operator.NOT_IN) or (
        condition.operator is Operator.EXISTS and not condition.value
    )
