"""One fix as a section of a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from defender_remediate import FixAction
from defender_remediate.json_values import thaw
from defender_remediate.models import FixKind, FixParameter, LiveUse
from defender_remediate.models.fix import Evidence, LeftOutMember

_KINDS = {
    FixKind.PATCH: "PATCH of the members that differ",
    FixKind.PUT: "PUT of the resource with the changes",
    FixKind.TEMPLATE: "deployment of a template",
}
_QUICK_FIXES = {True: "documented", False: "documented to have none", None: ""}
_EVIDENCE = {
    Evidence.RECORDED: "Azure was recorded accepting this write",
    Evidence.RECORDED_OTHER_VERB: "Azure was recorded accepting these values with the other method (PUT or PATCH)",
    Evidence.SPECIFICATION: "the write follows Azure's API specification; no recording shows it",
    Evidence.DERIVED: "the write is derived from the policy definition; no specification or recording shows it",
}
_URL = re.compile(r"https://\S+")
_ISSUE = re.compile(r"([\w.-]+/[\w.-]+) issue (\d+)")


def anchor(fix: FixAction) -> str:
    """The name by which other pages link to a fix: as stable as its key, its type and its variant."""
    return slug("fix", fix.key, fix.resource_type, fix.variant or "")


def slug(*parts: str) -> str:
    """Words joined into a name for a link."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(filter(None, parts)).casefold()).strip("-")


def title(fix: FixAction) -> str:
    """The title with the variant, ready to be shown."""
    return text(f"{fix.title} ({fix.variant})" if fix.variant else fix.title)


def link(fix: FixAction) -> str:
    """A link to the section of a fix."""
    return f"[{title(fix)}](#{anchor(fix)})"


def text(plain: str) -> str:
    """Plain text as Markdown that shows it as it is, also in a table."""
    return re.sub(r"([\\`*_\[\]|<>{}#$~])", r"\\\1", plain)


def code(plain: str) -> str:
    """A string as inline code."""
    return f"`{plain}`"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown; the cells are Markdown already."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def section(fix: FixAction) -> str:
    """All there is to know about a fix, under a heading with an anchor."""
    fields = [f":{name}: {value}" for name, value in _fields(fix) if value]
    blocks = [
        json_block(shown) for shown in (fix.body, fix.template_parameters if fix.template_name else None) if shown
    ]
    return "\n".join([f"({anchor(fix)})=", f"### {title(fix)}", "", *fields, "", *blocks])


def _fields(fix: FixAction) -> Iterator[tuple[str, str]]:
    yield "Recommendation", code(fix.key)
    yield "Also named", "; ".join(map(text, fix.titles))
    yield "Policy definitions", _codes(fix.policy_definition_ids)
    yield "Security control", f"[{text(fix.control)}](#{slug('control', fix.control)})" if fix.control else ""
    yield "Fix in the portal", _QUICK_FIXES[fix.quick_fix]
    yield "Variant", text(fix.variant or "")
    yield "Applies when", code(str(fix.applies_when)) if fix.applies_when is not None else ""
    for obstacle in fix.not_applicable:
        yield "Not applicable when", f"{code(str(obstacle.when))}: {text(obstacle.reason)}"
    yield "Kind", _KINDS[fix.kind]
    yield "Target", f"{_target(fix)}, api-version {fix.api_version}"
    yield "Compliant when", code(str(fix.compliant_when))
    yield "Impact", f"{fix.impact}: {text(fix.impact_reason or '')}"
    yield "Cost", text(fix.cost or "")
    if fix.live_use is not None:
        yield "Who still uses it", _live_use(fix.live_use)
    yield "Rollback", str(fix.reversibility)
    yield "Evidence", _EVIDENCE[fix.evidence] if fix.evidence else ""
    yield from (("Parameter", _parameter(parameter)) for parameter in fix.parameters)
    yield "Permissions", _codes(fix.permissions)
    yield "Sources", "; ".join(map(_source, fix.sources))
    yield "Removes", _codes(fix.remove)
    yield "Sent whole", _codes(fix.send_whole)
    yield "Left out of the PUT", ", ".join(map(_left_out, fix.leave_out))
    yield "Secrets that a GET does not return", text(fix.put_decision) if fix.put_decision else ""
    yield "Arrays", ", ".join(f"{code(path)} ({text(how)})" for path, how in fix.array_strategies.items())
    if fix.template_name:
        yield "Template", f"[{text(fix.template_name)}](#{slug('template', fix.template_name)}), with these parameters:"
    elif fix.body:
        yield "Writes", "these members, where they differ:"


def _live_use(use: LiveUse) -> str:
    """Which metric tells whether anyone still uses what the fix closes, and the logs that tell more."""
    if use.none:
        said = f"no metric tells: {text(use.none)}"
    else:
        said = _codes(use.metrics)
        if use.below:
            said += f" of its {code(use.below)}"
        if use.dimension:
            values = f"is {_codes(use.values)}" if use.values else f"is not {_codes(use.keeps)}"
            said += f" where {code(use.dimension)} {values}"
        else:
            said += ", which does not tell whether the fix would cut that use off"
        if use.note:
            said += f"; {text(use.note)}"
    return f"{said}; logs: {text(use.logs)}" if use.logs else said


def _target(fix: FixAction) -> str:
    if fix.linked:
        below = f", there {code(fix.target)}" if fix.target else ""
        return f"each {code(fix.linked_type)} named at {code(fix.linked)}{below}"
    if fix.is_elsewhere:
        return code(fix.target)
    return code("/".join(filter(None, (fix.resource_type, fix.target))))


def _source(source: str) -> str:
    """A source with a link to Microsoft's page or to the issue, when it names one."""
    if _URL.fullmatch(source):
        return f"<{source}>"
    if issue := _ISSUE.fullmatch(source):
        return f"[{text(source)}](https://github.com/{issue[1]}/issues/{issue[2]})"
    repository, _, path = source.partition(": ")
    if repository == "Azure/azure-policy" and path:
        name = path.rsplit("/", 1)[-1]
        return f"[{text(source)}](https://github.com/search?type=code&q=repo%3AAzure%2Fazure-policy+path%3A{name}.json)"
    return text(source)


def _left_out(member: LeftOutMember) -> str:
    return code(member.path) if member.when is None else f"{code(member.path)} when {code(str(member.when))}"


def _parameter(parameter: FixParameter) -> str:
    kind = str(parameter.type).replace("_", " ")
    if parameter.resource_type:
        kind = f"{kind} of {code(parameter.resource_type)}"
    notes = [
        kind,
        f"one of {_codes(map(str, parameter.allowed))}" if parameter.allowed else "",
        "in the location of the resource" if parameter.same_location else "",
        "" if parameter.is_required else f"by default {code(json.dumps(thaw(parameter.default)))}",
    ]
    return f"{code(parameter.name)} ({', '.join(filter(None, notes))}): {text(parameter.description)}"


def _codes(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))


def json_block(shown: Mapping[str, Any]) -> str:
    """A block of JSON."""
    return f"```json\n{json.dumps(thaw(shown), indent=2)}\n```\n"
