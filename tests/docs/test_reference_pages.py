"""The pages that are made from the catalog: whole, linked, and with figures that are true."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import attrs
import catalog_pages
import pytest
from catalog_figures import figures, points, rules_of, sentence
from fix_sections import anchor, section, text, title
from reference_pages import (
    SOMEWHERE,
    control_page,
    coverage_page,
    guidance_page,
    overview,
    permission_page,
    provider_pages,
)

from defender_remediate import Catalog, FixAction
from defender_remediate.catalog import Rule
from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.json_values import thaw
from defender_remediate.models import Condition, FixParameter
from defender_remediate.models.guidance import Guidance, GuidanceReason

ROOT = Path(__file__).parents[2]
CATALOG = Catalog.bundled()
GUIDANCE = bundled_guidance()
PAGES = provider_pages(CATALOG)
WHOLE = "\n".join([*PAGES.values(), control_page(CATALOG), permission_page(CATALOG), guidance_page(GUIDANCE)])

ONE = FixAction(
    key="11111111-aaaa-4bbb-8ccc-222222222222",
    title="A | b_c",
    kind="patch",
    resource_type="A.B/c",
    variant="linux",
    api_version="2024-01-01",
    target="d/e",
    body={"properties": {"a": [{"name": "${p}"}], "b": "${q}"}},
    remove=("properties.z",),
    array_strategies={"properties.a": "by:name"},
    parameters=(
        FixParameter(name="p", type="string", description="Why.", allowed=("x", "y"), default="x"),
        FixParameter(name="q", type="resource_id", description="Where.", resource_type="E.F/g", same_location=True),
    ),
    compliant_when=Condition(operator="equals", path="properties.a", value=1),
    applies_when=Condition(operator="exists", path="sku", value=True),
    impact="cost",
    impact_reason="it <costs>",
    reversibility="conditional",
    control="Encrypt data in transit",
    quick_fix=True,
    permissions=("A.B/c/read",),
    policy_definition_ids=("p1",),
    sources=("s1", "https://learn.microsoft.com/azure", "a/b-c issue 12"),
    evidence="recorded",
    send_whole=("properties.a",),
)
LINKED = attrs.evolve(ONE, variant="", target="", linked="properties.nics[*].id", linked_type="E.F/g", quick_fix=None)
TEMPLATE = attrs.evolve(
    ONE,
    key="another",
    kind="template",
    variant="",
    body=None,
    send_whole=(),
    remove=(),
    array_strategies={},
    template={
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"a": {"type": "string"}, "b": {"type": "string"}},
        "resources": [],
    },
    template_name="t.json",
    template_parameters={"a": "${p}", "b": "${q}"},
    resource_type="A.D/f",
    impact="none",
    quick_fix=False,
    control="",
)


def guided(key: str, resource_type: str = "A.B/c") -> Guidance:
    return Guidance(key=key, title="T", resource_type=resource_type, reason="retired", action="Wait.")


@pytest.mark.parametrize("fix", CATALOG, ids=lambda fix: f"{fix.key[:8]}-{fix.resource_type}{fix.variant or ''}")
def test_every_fix_has_one_section_with_all_there_is_to_know(fix: FixAction) -> None:
    """On the page of its provider, under an anchor of its own."""
    page = PAGES[f"{fix.resource_type.partition('/')[0].casefold()}.md"]
    assert page.count(f"({anchor(fix)})=\n### {title(fix)}\n") == 1
    shown = section(fix)
    assert shown in page
    for said in (fix.key, fix.api_version, str(fix.compliant_when), *fix.permissions, *fix.policy_definition_ids):
        assert f"{said}" in shown
    for said in (
        fix.impact_reason,
        fix.control,
        fix.put_decision or "",
        *(each.description for each in fix.parameters),
    ):
        assert text(said or "") in shown
    blocks = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", shown, re.MULTILINE | re.DOTALL)]
    assert blocks == [thaw(each) for each in (fix.body or fix.template_parameters,) if each]


def test_every_link_has_its_place() -> None:
    """No anchor is made twice, and each link from page to page leads to one."""
    anchors = Counter(re.findall(r"^\((\S+)\)=$", WHOLE, re.MULTILINE))
    assert [name for name, times in anchors.items() if times > 1] == []
    assert set(re.findall(r"\]\(#(\S+?)\)", WHOLE)) <= anchors.keys()


def test_a_section_in_full() -> None:
    """What is written down of a fix, in the order in which it is asked."""
    assert section(ONE) == (
        "(fix-11111111-aaaa-4bbb-8ccc-222222222222-a-b-c-linux)=\n"
        "### A \\| b\\_c (linux)\n"
        "\n"
        ":Recommendation: `11111111-aaaa-4bbb-8ccc-222222222222`\n"
        ":Policy definitions: `p1`\n"
        ":Security control: [Encrypt data in transit](#control-encrypt-data-in-transit)\n"
        ":Fix in the portal: documented\n"
        ":Variant: linux\n"
        ":Applies when: `sku exists`\n"
        ":Kind: PATCH of the members that differ\n"
        ":Target: `A.B/c/d/e`, api-version 2024-01-01\n"
        ":Compliant when: `properties.a equals 1`\n"
        ":Impact: cost: it \\<costs\\>\n"
        ":Rollback: conditional\n"
        ":Evidence: Azure was recorded accepting this write\n"
        ':Parameter: `p` (string, one of `x`, `y`, by default `"x"`): Why.\n'
        ":Parameter: `q` (resource id of `E.F/g`, in the location of the resource): Where.\n"
        ":Permissions: `A.B/c/read`\n"
        ":Sources: s1; <https://learn.microsoft.com/azure>; "
        "[a/b-c issue 12](https://github.com/a/b-c/issues/12)\n"
        ":Removes: `properties.z`\n"
        ":Sent whole: `properties.a`\n"
        ":Arrays: `properties.a` (by:name)\n"
        ":Writes: these members, where they differ:\n"
        "\n"
        '```json\n{\n  "properties": {\n    "a": [\n      {\n        "name": "${p}"\n      }\n    ],\n    "b": "${q}"\n  }\n}\n```\n'
    )


def test_where_a_fix_writes() -> None:
    """To what the resource names, to a whole id, or by a template."""
    assert ":Target: each `E.F/g` named at `properties.nics[*].id`, api-version" in section(LINKED)
    assert "Fix in the portal" not in section(LINKED)
    assert "named at `properties.nics[*].id`, there `x`, api" in section(attrs.evolve(LINKED, target="x"))
    assert ":Target: `${q}/x`, api-version" in section(attrs.evolve(ONE, target="${q}/x"))
    assert ":Template: [t.json](#template-t-json), with these parameters:" in section(TEMPLATE)
    assert "```" not in section(attrs.evolve(ONE, body=None))


def test_pages_by_provider() -> None:
    """The overview leads to each, and each ends with the role for its fixes."""
    providers = {fix.resource_type.partition("/")[0].casefold() for fix in CATALOG}
    assert PAGES.keys() == {f"{provider}.md" for provider in providers} | {"templates.md"}
    assert set(re.findall(r"\(catalog/(\S+)\)", overview(CATALOG))) == PAGES.keys() - {"templates.md"}
    for provider in providers:
        fixes = [fix for fix in CATALOG if fix.resource_type.casefold().startswith(f"{provider}/")]
        role = json.loads(PAGES[f"{provider}.md"].rpartition("```json\n")[2].partition("```")[0])
        wanted = CATALOG.role_definition(fixes, name=role["name"], scopes=SOMEWHERE)
        assert role == {name: value for name, value in wanted.items() if name != "properties"}


def test_every_template_is_shown() -> None:
    """Whole, so that a reviewer sees what is deployed."""
    shown = PAGES["templates.md"]
    for fix in CATALOG:
        if fix.template is not None:
            assert f"## {fix.template_name}" in shown
            assert json.dumps(thaw(fix.template)["resources"][0]["type"]) in shown


def test_the_controls() -> None:
    """Worth most first; each fix is once under its control, or under none."""
    page = control_page(Catalog([attrs.evolve(ONE, control="New one"), TEMPLATE]))
    heads = re.findall(r"^## (.*)$", page, re.MULTILINE)
    worth = points()
    assert heads == [*worth, "New one", "Control not known"]
    assert list(worth.values()) == sorted(worth.values(), reverse=True)
    assert worth["Encrypt data in transit"] == 4
    assert "## Enable MFA\n\nWorth 10 points at most. No fix." in page
    assert "## New one\n\n1 fix.\n" in page
    everything = control_page(CATALOG)
    assert all(everything.count(f"](#{anchor(fix)})") == 1 for fix in CATALOG)


def test_the_permissions() -> None:
    """Each fix with its actions, and the role for all of them."""
    page = permission_page(CATALOG)
    for fix in CATALOG:
        assert f"](#{anchor(fix)}) | {'<br>'.join(f'`{action}`' for action in fix.permissions)} |" in page
    role = json.loads(page.rpartition("```json\n")[2].partition("```")[0])
    assert role["actions"] == CATALOG.role_definition(CATALOG, name="x", scopes=SOMEWHERE)["actions"]


def test_the_guidance() -> None:
    """Every entry with its reason and what can be done; every reason is explained."""
    page = guidance_page([*GUIDANCE, guided("k", resource_type="")])
    assert "## Not an Azure resource\n" in page
    for each in GUIDANCE:
        assert f"<br>`{each.key}` | {each.reason}" in page
        assert f" | {text(each.action)} |" in page
        assert each.retired_on is None or f"on {each.retired_on}" in page
    explained = (ROOT / "docs" / "reference" / "guidance.md").read_text(encoding="utf-8")
    for reason in GuidanceReason:
        assert f"\n{reason}\n: " in explained


def test_what_is_counted() -> None:
    """Recommendations once, fixes by variant, and no recommendation as both fixed and guided."""
    counted = figures([ONE, attrs.evolve(ONE, variant="windows"), TEMPLATE], [guided("k"), guided(ONE.key.upper())])
    assert (counted.fixes, counted.variants, counted.fixed, counted.guided, counted.known) == (3, 2, 2, 1, 3)
    assert (counted.providers, counted.types, counted.quick_fixes, counted.no_quick_fixes) == (2, 2, 2, 1)
    assert (counted.kinds["patch"], counted.impacts["cost"], counted.ways_back["conditional"]) == (2, 2, 3)
    assert counted.controls == {"Encrypt data in transit": 2, "Control not known": 1}
    assert rules_of(ONE) == set(Rule)
    assert set(Rule) - rules_of(TEMPLATE) == {Rule.CHANGES_NOTHING_ELSE, Rule.IS_IDEMPOTENT}


def test_the_coverage_page() -> None:
    """Rows add up, problems are shown, and providers that have guidance only are there."""
    page = coverage_page(Catalog([ONE, TEMPLATE]), [guided("k", "X.Y/z")])
    assert "| with guidance because: retired | 1 |" in page
    assert "| all | 0 | 2 | 0 | 2 |" in page
    assert "| A.B | 1 | 1 | 0 | 0 | 1 | 0 |" in page
    assert "| x.y | 0 | 0 | 0 | 0 | 0 | 1 |" in page
    assert f"| all | {len(rules_of(ONE)) + len(rules_of(TEMPLATE))} | " in page
    assert "| `changes_nothing_else` | 1 | 0 | " in page
    assert f"(#{anchor(ONE)}) | `names_permissions` | error | A.B/c" in page


def test_a_catalog_without_a_warning() -> None:
    """Says so by the figures, and shows no list."""
    assert "A warning" not in coverage_page(Catalog(), ())


def test_the_figures_of_the_readme_are_true() -> None:
    """The line in the README is what the catalog counts: when it is not, ``nox -s bundle`` writes it again."""
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert sentence(figures(CATALOG, GUIDANCE)) in readme


@pytest.mark.parametrize("docname", catalog_pages.PAGES)
def test_every_page_has_a_place_for_its_part(docname: str) -> None:
    """And a page without one is an error, not a page that is silently empty."""
    written = (ROOT / "docs" / f"{docname}.md").read_text(encoding="utf-8")
    assert written.count(catalog_pages.PAGES[docname][0]) == 1
    with pytest.raises(ValueError, match="has no place for its generated part"):
        catalog_pages.filled(docname, "# Empty")


def test_pages_are_filled() -> None:
    """With what is generated where the comment was; other pages stay as they are."""
    marker, page = catalog_pages.PAGES["reference/catalog"]
    assert catalog_pages.filled("reference/catalog", f"a\n{marker}\nb") == f"a\n{page()}\nb"
    assert catalog_pages.filled("reference/errors", marker) == marker


def test_provider_pages_are_written_once(tmp_path: Path) -> None:
    """A page that stays as it is keeps its time, so that it is not read again; one that is no longer made goes."""
    folder = tmp_path / "catalog"
    catalog_pages.write(folder, {"a.md": "1", "b.md": "2"})
    before = (folder / "a.md").stat().st_mtime_ns
    catalog_pages.write(folder, {"a.md": "1", "c.md": "3"})
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == {"a.md": "1", "c.md": "3"}
    assert (folder / "a.md").stat().st_mtime_ns == before
