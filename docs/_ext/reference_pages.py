"""The generated pages of the reference, as Markdown."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib import resources

from catalog_figures import UNKNOWN_CONTROL, Figures, by_provider, figures, points, provider_of, rules_of
from fix_sections import code, json_block, link, section, slug, table, text

from defender_remediate import Catalog, FixAction
from defender_remediate.catalog import CatalogProblem, Rule
from defender_remediate.models import FixKind, Impact, Reversibility
from defender_remediate.models.fix import Evidence
from defender_remediate.models.guidance import Guidance, GuidanceReason

SOMEWHERE = "/subscriptions/00000000-0000-0000-0000-000000000000"
FOLDER = "catalog"
MANY = 9
_EVIDENCE = {
    Evidence.RECORDED: "Azure was recorded accepting the write",
    Evidence.RECORDED_OTHER_VERB: "recorded with the other method (PUT or PATCH)",
    Evidence.SPECIFICATION: "follows the API specification, not recorded",
    Evidence.DERIVED: "derived from the policy definition",
}


def provider_pages(catalog: Catalog) -> dict[str, str]:
    """A page for each resource provider and one for the templates, by file name."""
    pages = {
        f"{provider.casefold()}.md": _provider_page(catalog, provider, fixes)
        for provider, fixes in by_provider(catalog).items()
    }
    return {**pages, "templates.md": _template_page(catalog)}


def overview(catalog: Catalog) -> str:
    """The resource providers, each with a link to its page."""
    rows = []
    for provider, fixes in by_provider(catalog).items():
        kinds = Counter(fix.kind for fix in fixes)
        silent = sum(fix.impact is Impact.NONE for fix in fixes)
        page = f"[{provider}]({FOLDER}/{provider.casefold()}.md)"
        rows.append((page, len(fixes), *(kinds[kind] or "" for kind in FixKind), silent or ""))
    return table(["Resource provider", "Fixes", *map(str, FixKind), "No impact"], rows)


def control_page(catalog: Catalog) -> str:
    """The fixes of each security control, the one that is worth most first."""
    worth = points()
    groups: dict[str, list[FixAction]] = defaultdict(list)
    for fixes in by_provider(catalog).values():
        for fix in fixes:
            groups[fix.control or UNKNOWN_CONTROL].append(fix)
    names = [*worth, *sorted(groups.keys() - worth.keys() - {UNKNOWN_CONTROL}), UNKNOWN_CONTROL]
    return "\n\n".join(_control(name, worth.get(name), groups[name]) for name in names)


def permission_page(catalog: Catalog) -> str:
    """What each fix needs, by resource provider, and the role for all of them."""
    parts = []
    for provider, fixes in by_provider(catalog).items():
        rows = [(link(fix), "<br>".join(map(code, fix.permissions))) for fix in fixes]
        parts += [f"## {provider}", table(["Fix", "Azure actions"], rows)]
    return "\n\n".join([*parts, "## A role for all fixes", _role(catalog, catalog, "Defender remediation")])


def guidance_page(
    guidance: Iterable[Guidance], categories: Iterable[Guidance] = (), sources: Iterable[Guidance] = ()
) -> str:
    """What has no fix, by category, by cloud and by resource provider, with the reason and what can be done."""
    groups: dict[str, list[Guidance]] = defaultdict(list)
    for each in sorted(guidance, key=lambda each: ((each.resource_type or "").casefold(), each.title)):
        groups[provider_of(each.resource_type or "") or "Not an Azure resource"].append(each)
    sections = {"Categories of individual recommendations": list(categories), "Other clouds": list(sources), **groups}
    return "\n\n".join(
        f"## {provider}\n\n"
        + table(
            ["Recommendation", "Why there is no fix", "What can be done"],
            [(f"{text(each.title)}<br>{code(each.key)}", _why_no_fix(each), text(each.action)) for each in found],
        )
        for provider, found in sections.items()
        if found
    )


def _why_no_fix(guidance: Guidance) -> str:
    """The reason, with the day and what replaced the recommendation."""
    parts = [str(guidance.reason)]
    if guidance.retired_on:
        parts.append(f"on {guidance.retired_on}")
    if len(guidance.replaced_by) > MANY:
        parts.append(f"by {len(guidance.replaced_by)} recommendations, in `guidance.replaced_by`")
    elif guidance.replaced_by:
        parts.append("by " + "<br>".join(map(code, guidance.replaced_by)))
    if guidance.category and guidance.category != guidance.key:
        parts.append(f"by the category {code(guidance.category)}")
    return "<br>".join(parts)


def coverage_page(catalog: Catalog, guidance: Iterable[Guidance]) -> str:
    """The figures of the catalog; runs the proofs, so that what is said of them is what was seen."""
    given = tuple(guidance)
    known = figures(catalog, given)
    return "\n\n".join(
        [
            "## Recommendations",
            _recommendations(known, given),
            "## Fixes",
            _fixes(known),
            "## Impact and rollback",
            _impacts(catalog),
            "## Rules of the catalog check",
            _proofs(catalog, catalog.check()),
            "## By resource provider",
            _providers(catalog, given),
            "## By security control",
            table(["Security control", "Fixes"], [(text(name), many) for name, many in known.controls.most_common()]),
        ]
    )


def _provider_page(catalog: Catalog, provider: str, fixes: list[FixAction]) -> str:
    of_type: dict[str, list[FixAction]] = defaultdict(list)
    for fix in fixes:
        of_type[fix.resource_type].append(fix)
    sections = [
        part for type_, found in of_type.items() for part in (f"## {text(type_)}", *(section(fix) for fix in found))
    ]
    role = ["## A role for these fixes", _role(catalog, fixes, f"Defender remediation of {provider}")]
    return "\n\n".join([f"# {provider}", _count(fixes), *sections, *role]) + "\n"


def _template_page(catalog: Catalog) -> str:
    users: dict[str, list[FixAction]] = defaultdict(list)
    for fixes in by_provider(catalog).values():
        for fix in fixes:
            if fix.template_name:
                users[fix.template_name].append(fix)
    parts = [
        "# Templates",
        "What the fixes of the kind *template* deploy, each as `az deployment group create` takes it.",
    ]
    for name in sorted(users):
        file = resources.files("defender_remediate.catalog").joinpath("data").joinpath("templates").joinpath(name)
        parts += [
            f"({slug('template', name)})=\n## {name}",
            "Deployed by " + ", ".join(map(link, users[name])) + ".",
            json_block(json.loads(file.read_text(encoding="utf-8"))),
        ]
    return "\n\n".join(parts)


def _count(fixes: list[FixAction]) -> str:
    return f"{len(fixes)} {'fix' if len(fixes) == 1 else 'fixes'}."


def _role(catalog: Catalog, fixes: Iterable[FixAction], name: str) -> str:
    role = catalog.role_definition(fixes, name=name, scopes=SOMEWHERE)
    # Azure's own CLI reads the outer members, the REST API the inner ones: they say the same.
    return json_block({member: value for member, value in role.items() if member != "properties"})


def _control(name: str, worth: int | None, fixes: list[FixAction]) -> str:
    head = f"({slug('control', name)})=\n## {text(name)}"
    if not fixes:
        return f"{head}\n\n{_worth(worth)}No fix."
    rows = [(link(fix), code(fix.resource_type), str(fix.impact), str(fix.reversibility)) for fix in fixes]
    return f"{head}\n\n{_worth(worth)}{_count(fixes)}\n\n" + table(["Fix", "Resource type", "Impact", "Rollback"], rows)


def _worth(points_: int | None) -> str:
    if points_ is None:
        return ""
    return f"Worth {points_} {'point' if points_ == 1 else 'points'} at most. "


def _recommendations(known: Figures, guidance: tuple[Guidance, ...]) -> str:
    reasons = Counter(each.reason for each in guidance)
    rows: list[tuple[str, int]] = [
        ("all", known.known),
        ("with a fix", known.fixed),
        ("without a fix, with guidance", known.guided),
    ]
    rows += [(f"with guidance because: {reason}", reasons[reason]) for reason in GuidanceReason if reasons[reason]]
    return table(["Recommendations", "Number"], rows)


def _fixes(known: Figures) -> str:
    rows: list[tuple[str, int]] = [("all", known.fixes)]
    rows += [(f"of the kind {kind}", known.kinds[kind]) for kind in FixKind]
    rows += [
        ("variants of a fix", known.variants),
        ("resource types", known.types),
        ("resource providers", known.providers),
        ("with a documented Fix button in the portal", known.quick_fixes),
        ("documented to have no Fix button", known.no_quick_fixes),
        *((f"evidence: {_EVIDENCE[level]}", known.evidence[level]) for level in Evidence),
    ]
    return table(["Fixes", "Number"], rows)


def _impacts(fixes: Iterable[FixAction]) -> str:
    found = Counter((fix.impact, fix.reversibility) for fix in fixes)
    rows = [
        (str(impact), *(found[impact, way] for way in Reversibility), sum(found[impact, way] for way in Reversibility))
        for impact in Impact
    ]
    totals = [sum(found[impact, way] for impact in Impact) for way in Reversibility]
    return table(
        ["Impact", *(f"rollback {way}" for way in Reversibility), "all"], [*rows, ("all", *totals, sum(totals))]
    )


def _proofs(catalog: Catalog, problems: tuple[CatalogProblem, ...]) -> str:
    asked = Counter(rule for fix in catalog for rule in rules_of(fix))
    seen = Counter((problem.rule, problem.is_error) for problem in problems)
    rows: list[tuple[object, ...]] = [(code(rule), asked[rule], seen[rule, True], seen[rule, False]) for rule in Rule]
    errors = sum(problem.is_error for problem in problems)
    rows.append(("all", asked.total(), errors, len(problems) - errors))
    head = ["Rule", "Fixes checked", "errors", "warnings"]
    return "\n\n".join([table(head, rows), *_warnings(catalog, problems)])


def _warnings(catalog: Catalog, problems: tuple[CatalogProblem, ...]) -> list[str]:
    if not problems:
        return []
    fixes = {(fix.key, fix.resource_type, fix.variant): fix for fix in catalog}
    rows = [
        (
            link(fixes[each.key, each.resource_type, each.variant]),
            code(each.rule),
            str(each.severity),
            text(each.message),
        )
        for each in problems
    ]
    return [
        "A warning is worth a look and can be right as it is:",
        table(["Fix", "Rule", "Severity", "Violation"], rows),
    ]


def _providers(catalog: Catalog, guidance: tuple[Guidance, ...]) -> str:
    guided = Counter(provider_of(each.resource_type or "").casefold() for each in guidance)
    return table(
        ["Resource provider", "Fixes", *map(str, FixKind), "variants", "guidance"],
        _provider_rows(by_provider(catalog), guided),
    )


def _provider_rows(groups: dict[str, list[FixAction]], guided: Counter[str]) -> Iterator[tuple[object, ...]]:
    for provider, fixes in groups.items():
        kinds = Counter(fix.kind for fix in fixes)
        variants = sum(bool(fix.variant) for fix in fixes)
        yield provider, len(fixes), *(kinds[kind] for kind in FixKind), variants, guided.pop(provider.casefold(), 0)
    for folded, many in sorted(guided.items()):
        yield folded or "not an Azure resource", 0, *(0 for _ in FixKind), 0, many
