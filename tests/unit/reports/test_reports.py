from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate.display import one_line
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.check import CheckResult
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.plan import CreatedResource, PropertyChange, SkippedResource
from defender_remediate.models.result import StepError
from defender_remediate.reports import to_csv, to_html, to_markdown

NASTY = st.text(alphabet="<>|\\`*_[]()&\"'#-=+@ \n\r\t\x00\x1b\u202e\u2028aA1!$~{}.:/")
same_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_plan_as_markdown(make_plan):
    """Facts first, then each change with its rollback, then what is skipped and why."""
    plan = make_plan()
    assert to_markdown(plan).splitlines() == [
        "# Remediation plan: 1 change, 1 skipped",
        "",
        "- **Score**: the expected gain is not known: this plan does not carry the score",
        "- **By impact**: 1 connectivity",
        "- **By rollback**: 1 exact",
        "- **By type**: 1 Microsoft.Storage/storageAccounts",
        "- **Skipped**: 1 already compliant",
        f"- **Digest**: `{plan.digest}`",
        "- **Scope**: /subscriptions/11111111-2222-3333-4444-555555555555",
        "- **Planned**: 2026-11-23T12:00:00+00:00, catalog 2026.11",
        "",
        "| Changes | Recommendation |",
        "| ---: | --- |",
        "| 1 | Secure transfer to storage accounts should be enabled |",
        "",
        "## Changes",
        "",
        "### 1 change: Secure transfer to storage accounts should be enabled",
        "",
        "PATCH Microsoft.Storage/storageAccounts, api-version 2023-05-01<br>",
        "impact: connectivity (plain-HTTP clients are refused)<br>",
        "rollback: exact",
        "",
        "| Property | Before | After |",
        "| --- | --- | --- |",
        "| properties.supportsHttpsTrafficOnly | false | true |",
        '| properties.minimumTlsVersion | (absent) | "TLS1\\_2" |',
        "",
        "- shop-rg: shopdata",
        "",
        "## Skipped",
        "",
        f"- {KEY}: already compliant",
        "  - shop-rg: shopdata2",
    ]


KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
COMMENT = 65_536
"""The most characters of a comment on GitHub."""


@pytest.fixture
def make_many(make_step):
    """Many steps, all of the same change or each of another one."""

    def make(count, *, differ, length=0, **changes):
        for number in range(count):
            target = f"{make_step().resource_id}{number:05}{'x' * length}"
            step = make_step(id=str(number), resource_id=target, target_id=target, **changes)
            step = attrs.evolve(step, request=attrs.evolve(step.request, path=target))
            if differ:
                step = attrs.evolve(step, changes=(PropertyChange(path="tags.n", before=number, after="v" * length),))
            yield step

    return make


@pytest.mark.parametrize("differ", [False, True])
def test_a_plan_fits_into_a_comment_and_counts_what_does_not(make_plan, make_many, differ):
    """No change is hidden without a number: what is shown and what is counted add up."""
    count = 500
    checked = CheckResult(check="lock", status="warning", message="m", evidence=("e",), advice="a")
    skips = tuple(SkippedResource(resource_id=f"/s{number}", keys=("k",), reason="no_fix") for number in range(900))
    steps = tuple(make_many(count, differ=differ, length=90, check_results=(checked,)))
    plan = make_plan(steps=steps, skipped=skips, removable=tuple(f"/kept{number}" for number in range(500)))
    text = to_markdown(plan, max_length=COMMENT)
    assert len(text) <= COMMENT
    assert f"# Remediation plan: {count} changes, 900 skipped" in text
    groups = sum(int(number) for number in re.findall(r"^### (\d+) change", text, re.MULTILINE))
    hidden = sum(int(number) for number in re.findall(r"^\*\*(\d+) more changes? not shown here", text, re.MULTILINE))
    assert groups + hidden == count
    assert "- 900 more skipped resources not shown here: `plan.details()`" in text
    whole = to_markdown(plan)
    assert len(whole) > COMMENT
    assert "not shown here" not in whole
    if not differ:
        names = text.partition("## Check results")[0].count("x" * 90)
        (more,) = re.findall(r"^- and (\d+) more$", text.partition("## Check results")[0], re.MULTILINE)
        assert names + int(more) == count


def test_check_results_that_do_not_fit_are_counted(make_plan, make_many):
    """Each step has one of its own; of those without evidence and advice nothing but the message is shown."""
    steps = [
        attrs.evolve(step, check_results=(CheckResult(check="lock", status="warning", message=f"m{step.id}"),))
        for step in make_many(300, differ=True, length=60)
    ]
    text = to_markdown(make_plan(steps=tuple(steps)), max_length=20_000)
    assert len(text) <= 20_000
    shown = len(re.findall(r"^- \*\*lock warning: m\d+\*\*$", text, re.MULTILINE))
    (more,) = re.findall(r"^- (\d+) more check results not shown here", text, re.MULTILINE)
    assert shown + int(more) == 300


@pytest.mark.parametrize("limit", [9_999, "65536", True])
def test_a_limit_that_no_plan_fits_into_is_refused(make_plan, limit):
    """The summary alone needs some room."""
    with pytest.raises(InvalidInputError, match="max_length must be an integer of at least 10000"):
        to_markdown(make_plan(), max_length=limit)


def test_many_scopes_titles_and_types_are_counted(make_plan, make_many):
    """The summary fits into the smallest limit, whatever the plan is."""
    steps = [
        attrs.evolve(step, titles=(f"*{step.id}" * 200,), resource_type=f"A.B/{step.id}")
        for step in make_many(60, differ=True)
    ]
    plan = make_plan(steps=tuple(steps), scope=tuple(f"/scope{number}" for number in range(12)))
    text = to_markdown(plan, max_length=10_000)
    assert len(text) <= 10_000
    assert "/scope9<br>and 2 more" in text
    assert "40 of 40 other kinds" in text
    assert "| 40 | 40 other recommendations |" in text


def test_everything_of_a_change_is_in_the_markdown(make_plan, make_step):
    """Each of its recommendations, what it creates, its check results, and what a rollback keeps."""
    checked = CheckResult(check="lock", status="warning", message="m", evidence=("e",), advice="do this")
    created = CreatedResource(resource_id="/a/setting", api_version="1")
    step = make_step(titles=("One", "Two"), creates=(created,), check_results=(checked,), changes=())
    blocked = SkippedResource(resource_id="/s", keys=("k",), titles=("T",), reason="blocked", check_results=(checked,))
    text = to_markdown(make_plan(steps=(step,), skipped=(blocked,), rolls_back="run-1", removable=("/kept",)))
    assert text.startswith("# Rollback plan for run run-1: 1 change, 1 skipped")
    assert "### 1 change: One\n\nAlso fixes: Two<br>\n" in text
    assert "- creates /a/setting\n" in text
    assert "- **lock warning: m**\n  <br>evidence: e\n  <br>do this\n  - shop-rg: shopdata\n" in text
    assert "- T: blocked\n  - **lock warning: m**\n" in text
    assert "## Created by the run and kept\n\n- /kept\n" in text


def test_a_report_as_markdown(make_report, make_result):
    """Counts, ids to search for, each result with what changed, and warnings."""
    error = StepError(code="ScopeLocked", message="locked", hint="remove it")
    failed = make_result(step_id="", outcome="failed", error=error, before=None, health=None)
    lines = to_markdown(make_report(results=(make_result(), failed), warnings=("hook 1 raised",))).splitlines()
    account = make_result().resource_id
    assert lines[:4] == [
        "# Remediation report run-1",
        "",
        "- **Results**: 1 applied, 1 failed",
        "- **Correlation id**: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    ]
    assert (
        f"| {account} | Secure transfer to storage accounts should be enabled | applied "
        "| properties.supportsHttpsTrafficOnly: false -&gt; true<br>"
        'properties.minimumTlsVersion: (absent) -&gt; "TLS1\\_2" | healthy |  |  |'
    ) in lines
    assert lines[-5:] == ["", "## Warnings", "", "| Warning |", "| --- |", "| hook 1 raised |"][-5:]
    assert any("ScopeLocked: locked (remove it)" in line and "1c5de8e1-" in line for line in lines)


def test_created_resources_are_on_the_page_of_a_report(make_report, make_result):
    """What a run created, in a table of its own."""
    created = CreatedResource(resource_id="/a/setting", api_version="1")
    document = make_report(results=(make_result(created=(created,)),))
    assert "## Created resources\n\n| Resource |\n| --- |\n| /a/setting |" in to_markdown(document)
    assert "<h2>Created resources</h2>" in to_html(document)
    assert 'title="/a/setting"' in to_html(document)


def test_failures_come_first(make_report, make_result):
    """The reader of a page sees at once what needs attention."""
    failed = make_result(step_id="step-2", resource_id="/failed", outcome="failed", health=None)
    text = to_markdown(make_report(results=(make_result(), failed)))
    assert text.index("/failed") < text.index("| applied |")


@pytest.mark.parametrize("render", [to_markdown, to_html, to_csv])
@pytest.mark.parametrize("wrong", [[None], None, "x" * 5000])
def test_what_is_neither_a_plan_nor_a_report_is_refused(render, wrong):
    """A typed error that quotes at most 100 characters of what was passed."""
    with pytest.raises(InvalidInputError) as caught:
        render(wrong)
    assert len(str(caught.value)) < 200


def test_what_was_not_read_again_is_not_called_absent(make_report, make_result):
    """Of a target that refused the write, only what it was before is known."""
    blocked = make_result(outcome="blocked", before={"properties.a": False}, after=None)
    assert "| properties.a: false -&gt; (not read) |" in to_markdown(make_report(results=(blocked,)))


def test_an_empty_report_has_no_tables(make_report, make_plan):
    """Nothing to do is said in one line."""
    text = to_markdown(make_report(results=()))
    assert "- **Results**: nothing to do" in text
    assert "##" not in text
    assert "##" not in to_markdown(make_plan(steps=(), skipped=()))


@same_fixtures
@given(name=NASTY)
def test_no_text_breaks_out_of_a_markdown_cell(make_plan, make_step, name):
    """A table row stays one line with as many cells, and no markup of the text's own survives."""
    plan = make_plan(
        steps=(make_step(titles=(name,), changes=(PropertyChange(path=f"x{name}", before=name, after=1),)),)
    )
    (row,) = [line for line in to_markdown(plan).splitlines() if line.startswith("| x")]
    bare = row.replace("\\\\", "")
    assert bare.replace("\\|", "").count("|") == 4
    assert "<" not in bare
    assert "`" not in bare.replace("\\`", "")
    assert "[" not in bare.replace("\\[", "")
    assert "@" not in bare.replace("\\@", "")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@same_fixtures
@given(name=NASTY)
def test_no_text_breaks_out_of_the_page(make_plan, make_report, make_result, name):
    """Whatever a title or an error says, the page has the tags of this library and no others."""
    error = StepError(code="X", message=name)
    why = Diagnosis(cause="stale", message=name, evidence=(name,), advice=name)
    for document in (
        make_plan(skipped=(SkippedResource(resource_id=name, keys=(name,), reason="no_fix", message=name),)),
        make_report(run_id=name, results=(make_result(error=error, diagnosis=why),), warnings=(name,)),
    ):
        page = _Page()
        page.feed(to_html(document))
        assert set(page.tags) <= TAGS
        assert page.attributes <= ATTRIBUTES
        assert all(character.isprintable() or character == "\n" for character in page.text)


TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "div",
        "h1",
        "h2",
        "h3",
        "p",
        "section",
        "span",
        "wbr",
        "dl",
        "dt",
        "dd",
        "code",
        "br",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "i",
        "svg",
        "rect",
    ]
)
ATTRIBUTES = frozenset(
    [
        "lang",
        "charset",
        "name",
        "http-equiv",
        "content",
        "scope",
        "class",
        "title",
        "role",
        "aria-label",
        "viewbox",
        "preserveaspectratio",
        "xmlns",
        "x",
        "y",
        "width",
        "height",
    ]
)


def test_a_page_stands_alone(make_plan, make_report):
    """It loads nothing, runs nothing, and is the same each time."""
    for document in (make_plan(), make_report()):
        page = to_html(document)
        assert page.startswith("<!doctype html>")
        assert "default-src 'none'" in page
        assert "src=" not in page.replace("default-src=", "")
        assert "href=" not in page
        assert "url(" not in page
        assert page == to_html(document)


def test_rows_for_a_spreadsheet(make_report, make_result):
    """One row per result under one header; unknown is empty."""
    error = StepError(code="ScopeLocked", message="locked, twice", hint="remove it")
    skipped = make_result(
        step_id="", outcome="skipped", error=error, compliant=None, started=None, finished=None, health=None
    )
    rows = list(csv.DictReader(io.StringIO(to_csv(make_report(results=(make_result(), skipped))))))
    assert rows[0] == {
        "subscription": "11111111-2222-3333-4444-555555555555",
        "resource_group": "shop-rg",
        "name": "shopdata",
        "type": "Microsoft.Storage/storageAccounts",
        "target": "shopdata",
        "before": '{"properties.supportsHttpsTrafficOnly": false}',
        "after": '{"properties.supportsHttpsTrafficOnly": true, "properties.minimumTlsVersion": "TLS1_2"}',
        "advice": "",
        "step_id": "step-1",
        "run_id": "run-1",
        "correlation_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "resource_id": make_result().resource_id,
        "target_id": make_result().resource_id,
        "keys": "1c5de8e1-f68d-6a17-e0d2-ec259c42768c",
        "titles": "Secure transfer to storage accounts should be enabled",
        "outcome": "applied",
        "compliant": "true",
        "health": "healthy",
        "diagnosis": "",
        "recheck_at": "",
        "attempts": "1",
        "error_code": "",
        "error_message": "",
        "error_hint": "",
        "request_id": "0f0f0f0f-1111-2222-3333-444444444444",
        "started": "2026-11-23T12:00:00+00:00",
        "finished": "2026-11-23T12:00:00+00:00",
    }
    assert (rows[1]["compliant"], rows[1]["started"], rows[1]["titles"]) == ("", "", "")
    assert rows[1]["error_message"] == "locked, twice"


@same_fixtures
@given(name=NASTY)
def test_no_cell_is_a_formula(make_report, make_result, name):
    """A spreadsheet takes every cell for text, and the table keeps its shape."""
    error = StepError(code=name, message=name, hint=name)
    why = Diagnosis(cause="stale", message=name)
    report = make_report(results=(make_result(resource_id=name, error=error, diagnosis=why), make_result()))
    rows = list(csv.reader(io.StringIO(to_csv(report))))
    assert len({len(row) for row in rows}) == 1
    assert not any(cell.lstrip()[:1] in ("=", "+", "-", "@") for row in rows for cell in row if cell.strip())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\n=", " ="])
def test_a_formula_is_marked_as_text(make_report, make_result, start):
    """The text itself is kept behind an apostrophe."""
    report = make_report(results=(make_result(resource_id=f"{start}HYPERLINK()"),))
    assert next(csv.DictReader(io.StringIO(to_csv(report))))["resource_id"] == f"'{one_line(start)}HYPERLINK()"


def test_secrets_are_hidden_everywhere(make_plan, make_step, make_report, make_result):
    """A value at a secret-looking member reaches no ticket, no page and no spreadsheet."""
    change = PropertyChange(path="properties.adminPassword", before="hunter1", after="hunter2")
    plan = make_plan(steps=(make_step(changes=(change,)),))
    result = make_result(before={"properties.adminPassword": "hunter1"}, after={"properties.adminPassword": "hunter2"})
    report = make_report(plan=plan, results=(result,))
    for text in (to_markdown(plan), to_html(plan), to_markdown(report), to_html(report), to_csv(report)):
        assert "hunter" not in text
    assert "(hidden)" in to_markdown(plan)
    assert "(hidden)" in to_html(report)


def test_a_skipped_resource_is_shown_with_the_name_of_its_recommendation(make_plan, make_report, make_result):
    """In a plan and in the report of its run; a key stands for a name that is not known."""
    skip = SkippedResource(resource_id="/x", keys=("k1",), titles=("Use TLS 1.2",), reason="no_fix")
    plan = make_plan(skipped=(skip, SkippedResource(resource_id="/y", keys=("k2",), reason="no_fix")))
    results = tuple(
        make_result(
            step_id=None, resource_id=each.resource_id, keys=each.keys, outcome="skipped", before=None, after=None
        )
        for each in plan.skipped
    )
    report = make_report(plan=plan, results=results)
    assert "    /x: Use TLS 1.2\n    /y [k2]" in plan.details()
    assert "    Use TLS 1.2\n      /x\n    [k2]\n      /y" in str(report)
    for shown in (to_markdown(plan), to_markdown(report)):
        assert "Use TLS 1.2" in shown
        assert "k1" not in shown
        assert "k2" in shown
