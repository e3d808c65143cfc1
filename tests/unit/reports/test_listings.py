"""Listings of values: as rows, CSV, JSON, Markdown, HTML and Excel workbooks."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from defender_remediate import Assessment, Catalog, Guidance, Recommendation, SecureScore, SecurityControl
from defender_remediate.arm.paging import Listing
from defender_remediate.errors import InvalidInputError, MissingExtraError
from defender_remediate.models import Priority, PropertyChange, StepError
from defender_remediate.models.guidance import GuidanceReason
from defender_remediate.reports import to_csv, to_html, to_json, to_markdown, to_rows, to_xlsx

VM = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
GUIDE = Guidance(key=KEY, title="T", reason=GuidanceReason.RETIRED, action="Do this.")
FIX = next(iter(Catalog.bundled()))
MANUAL = Recommendation(key=KEY, display_name="By hand", guidance=GUIDE, controls=("A", "B"), unhealthy_count=3)
FIXED = Recommendation(key=KEY, display_name="By fix", fix=FIX, priority=Priority(points=1.5, reasons=("worth it",)))
ASSESSED = Assessment(id=f"{VM}/providers/x", key=KEY, resource_id=VM, status="Unhealthy", display_name="By hand")
CONTROL = SecurityControl(name="c", display_name="Encrypt", max_score=4.0, healthy_count=1, unhealthy_count=1)
SCORE = SecureScore(current=37.5, max=93.0, percentage=0.4032)
HOSTILE = (
    "=cmd|' /C calc'!A0 <script>alert(1)</script> | [x](javascript:1) \x1b[31m\u202e\r\n| password=hunter2-hunter2"
)
RENDERERS: tuple[Callable[[Any], Any], ...] = (to_rows, to_csv, to_json, to_markdown, to_html, to_xlsx)


def sheets(workbook: bytes) -> dict[str, str]:
    """The parts of a workbook, by name."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return {name: parts.read(name).decode() for name in parts.namelist()}


def headings(page: str) -> list[str]:
    """The headings of the table of a page."""
    return re.findall(r"<th [^>]*>([^<]*)</th>", page)


def test_rows_are_flat_and_have_the_same_columns() -> None:
    """A data frame takes them as they are: strings, numbers, booleans and None."""
    rows = to_rows([MANUAL, FIXED])
    assert all(cell is None or isinstance(cell, (str, int, float)) for row in rows for cell in row.values())
    assert list(rows[0]) == list(rows[1])
    manual, fixed = rows
    assert manual["guidance"] == "retired: Do this."
    assert (manual["fix"], manual["controls"], manual["unhealthy_count"]) == (None, "A; B", 3)
    assert (fixed["fix"], fixed["guidance"]) == (str(FIX.kind), None)
    assert (fixed["potential_increase"], fixed["priority"]) == (1.5, "worth it")
    assert to_rows(FIXED) == to_rows(iter([FIXED]))


def test_what_is_about_a_resource_says_where_it_is() -> None:
    """In columns of their own; a resource outside Azure keeps its id as its name."""
    (row,) = to_rows(ASSESSED)
    assert [row[name] for name in ("subscription", "resource_group", "name", "type")] == [
        "11111111-2222-3333-4444-555555555555",
        "rg",
        "vm1",
        "Microsoft.Compute/virtualMachines",
    ]
    (row,) = to_rows(attrs.evolve(ASSESSED, resource_id="arn:aws:s3:::b"))
    assert (row["name"], row["subscription"]) == ("arn:aws:s3:::b", None)


def test_a_plan_has_a_row_for_each_change_and_each_skip(make_plan, make_step) -> None:
    """With the target, and what it was and will be."""
    account = make_step().resource_id
    steps = (
        make_step(target_id=f"{account}/blobServices/default"),
        make_step(target_id="/elsewhere", changes=(PropertyChange(path="adminPassword", before="a", after="b"),)),
    )
    first, second, skip = to_rows(make_plan(steps=steps))
    assert first["target"] == f"{account.rpartition('/')[2]}/blobServices/default"
    assert json.loads(first["before"]) == {"properties.supportsHttpsTrafficOnly": False}
    assert json.loads(first["after"]) == {
        "properties.supportsHttpsTrafficOnly": True,
        "properties.minimumTlsVersion": "TLS1_2",
    }
    assert (second["target"], json.loads(second["after"])) == ("/elsewhere", {"adminPassword": "(hidden)"})
    assert (skip["action"], skip["reason"], skip["before"]) == ("skip", "already_compliant", None)
    assert to_rows(steps[0])[0]["target"] == first["target"]
    assert [row["action"] for row in to_rows(list(make_plan().skipped))] == ["skip"]


def test_a_report_has_a_row_for_each_result(make_report, make_result) -> None:
    """With its target and titles where the plan knows them."""
    error = StepError(code="X", message="no", hint="so")
    skipped = make_result(step_id=None, resource_id="/x", outcome="skipped", error=error, after=None, finished=None)
    applied, other = to_rows(make_report(results=(make_result(), skipped)))
    assert applied["target"] == applied["name"]
    assert applied["titles"] == "Secure transfer to storage accounts should be enabled"
    assert (applied["outcome"], applied["compliant"], applied["run_id"]) == ("applied", True, "run-1")
    assert (other["target"], other["titles"], other["after"], other["finished"]) == (None, None, None, None)
    assert (other["error_code"], other["error_message"], other["error_hint"]) == ("X", "no", "so")
    assert to_rows(make_result())[0]["outcome"] == "applied"


def test_every_kind_of_value_can_be_listed_in_every_format(make_plan, make_report) -> None:
    """One value, a list or an iterator, also of different kinds, and the rows themselves."""
    values: list[Any] = [MANUAL, ASSESSED, CONTROL, SCORE, FIX, GUIDE, make_plan(), make_report()]
    for render in RENDERERS:
        for value in values:
            assert render(value)
        assert render(iter(values[:6]))
        assert render(to_rows(MANUAL))
    assert to_rows(to_rows(values)) == to_rows(values)
    assert to_rows({"tags": {"a": 1}, "none": [], "one": ["x", 2]}) == [
        {"tags": '{"a": 1}', "none": None, "one": "x; 2"}
    ]


def test_columns_can_be_chosen() -> None:
    """In the order that was given; a misspelt one is refused with what is close."""
    assert to_rows(MANUAL, columns=["key", "severity"]) == [{"key": KEY, "severity": None}]
    assert to_csv([MANUAL], columns=["key"]) == f"key\r\n{KEY}\r\n"
    assert to_markdown([CONTROL], columns=["name", "max_score"]) == "| Name | Max score |\n| --- | --- |\n| c | 4 |\n"
    assert headings(to_html([CONTROL], columns=["name"])) == ["Name"]
    with pytest.raises(InvalidInputError, match="did you mean 'severity'"):
        to_rows(MANUAL, columns=["severty"])
    with pytest.raises(InvalidInputError, match="columns"):
        to_csv(MANUAL, columns="key")


def test_tables_for_readers_have_few_columns() -> None:
    """What is known of each value, in words: numbers rounded, yes and no."""
    table = to_markdown([CONTROL, attrs.evolve(CONTROL, display_name="Other")])
    assert (
        table.splitlines()[0] == "| Display name | Current score | Max score | Potential increase | Unhealthy count |"
    )
    assert table.splitlines()[2] == "| Encrypt | 0 | 4 | 2 | 1 |"
    assert to_markdown({"a": True, "b": 1.25, "c": False}).splitlines()[2] == "| yes | 1.25 | no |"
    assert "<h1>2 security controls</h1>" in to_html([CONTROL, CONTROL])
    assert "<h1>2 values</h1>" in to_html([CONTROL, MANUAL])
    assert to_markdown([CONTROL, MANUAL]).splitlines()[0].startswith("| Display name | Current score | Max score")


def test_an_empty_listing_is_told_as_one() -> None:
    """Nothing is known of its columns unless they were given."""
    assert to_rows([]) == []
    assert to_csv([]) == ""
    assert to_csv([], columns=["key", "status"]) == "key,status\r\n"
    assert to_json([]) == "[]"
    assert to_markdown([]) == "Nothing is listed.\n"
    assert "Nothing is listed." in to_html([])
    assert "sheetData" in sheets(to_xlsx([]))["xl/worksheets/sheet1.xml"]


def _generator() -> Iterator[Recommendation]:
    yield MANUAL


def _listing() -> Iterator[Recommendation]:
    return Listing(_generator)


@pytest.mark.parametrize("make", [_listing, _generator], ids=["listing", "generator"])
@pytest.mark.parametrize("render", RENDERERS, ids=lambda render: render.__name__)
def test_what_was_read_to_its_end_is_not_an_empty_listing(render: Any, make: Any) -> None:
    """A file without rows would say that nothing was found. It does not matter whether the end was noticed."""
    to_the_end, by_item = make(), make()
    assert list(to_the_end) == [next(by_item)]
    for used in (to_the_end, by_item):
        with pytest.raises(InvalidInputError, match="read to its end") as caught:
            render(used)
        assert "ask for the listing again" in str(caught.value)
    assert render(make()) == render([MANUAL])


def test_a_listing_that_failed_is_not_an_empty_listing() -> None:
    """After an error it gives nothing more, which is not an answer."""

    def fails() -> Iterator[Recommendation]:
        raise PermissionError
        yield MANUAL

    listing = Listing(fails)
    with pytest.raises(PermissionError):
        next(listing)
    with pytest.raises(InvalidInputError, match="read to its end"):
        to_csv(listing)


def test_what_gives_nothing_and_was_not_read_is_empty() -> None:
    """A listing without items, and an iterator of which nothing more is known; a rest is listed."""
    assert to_rows(Listing(lambda: iter(()))) == to_rows(one for one in ()) == to_rows(iter([])) == []
    rest = Listing(lambda: iter((MANUAL, FIXED)))
    next(rest)
    assert [row["display_name"] for row in to_rows(rest)] == ["By fix"]


def test_a_listing_that_adds_to_a_report_must_be_unread_too(make_report) -> None:
    """Otherwise the page would say that the activity log has nothing about the run."""
    events = Listing(lambda: iter(()))
    list(events)
    with pytest.raises(InvalidInputError, match="read to its end"):
        to_html(make_report(), events=events)


def test_a_page_omits_columns_without_values_and_aligns_numbers() -> None:
    """A column that was asked for stays. Numbers below each other have two decimals, if one of them has any."""
    page = to_html([MANUAL, FIXED])
    assert headings(page) == ["Display name", "Unhealthy count", "Potential increase", "Fix", "Guidance", "Key"]
    assert re.findall(r'<td class="number" data-label="Potential increase">([^<]*)<', page) == ["0.00", "1.50"]
    assert re.findall(r'<td class="number" data-label="Unhealthy count">([^<]*)<', page) == ["3", "0"]
    assert headings(to_html([MANUAL], columns=["severity"])) == ["Severity"]
    huge = to_html([{"n": 0.5}, {"n": 10**400}])
    assert re.findall(r'<td class="number" data-label="N">([^<]*)<', huge) == ["0.50", str(10**400)]
    assert "<h1>2 rows</h1>" in huge
    assert headings(to_html([{"a": None}])) == ["A"]


def test_the_columns_of_a_page_are_as_wide_as_their_content_needs() -> None:
    """Short strings stay on one line, and long ones get most of the width; yes and no are no numbers."""
    row = {"flag": True, "short": "High", "id": "x" * 36, "long": "word " * 40, "count": 5, "part": 0.5}
    page = to_html([row, {**dict.fromkeys(row), "count": 12}])
    widths = dict(re.findall(r'<td class="(\w+)" data-label="([^"]*)"', page))
    assert widths == {"short": "Short", "text": "Id", "long": "Long", "number": "Part"}
    assert '<td class="short" data-label="Flag">yes</td>' in page
    assert '<td class="number" data-label="Part"></td>' in page


def test_a_sheet_is_named_after_its_content(make_plan, make_report) -> None:
    """A reader of several files sees what is in them; names are short enough for Excel."""
    many: dict[str, Any] = {
        "Recommendations": [MANUAL, FIXED],
        "Assessments": iter([ASSESSED]),
        "Controls": [CONTROL],
        "Score": SCORE,
        "Plan": make_plan(),
        "Report": [make_report()],
        "Steps": make_plan().steps,
        "Values": [MANUAL, CONTROL],
        "Rows": {"a": 1},
        "Property changes": PropertyChange(path="a"),
    }
    named = {}
    for wanted, listed in many.items():
        (named[wanted],) = re.findall(r'<sheet name="([^"]*)"', sheets(to_xlsx(listed))["xl/workbook.xml"])
    assert named == {wanted: wanted for wanted in many}
    assert '<sheet name="Sheet1"' in sheets(to_xlsx([]))["xl/workbook.xml"]


def test_a_sheet_has_a_bold_header_that_stays_and_columns_that_fit() -> None:
    """Wide enough for the heading with its filter and for the longest line, and never wider than a window."""
    parts = sheets(to_xlsx({"a": "b", "heading": "x", "lines": "x" * 20 + "\n" + "y" * 9, "long": "z" * 900}))
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert [round(float(width)) for width in re.findall(r'<col [^>]*width="([^"]*)"', sheet)] == [9, 12, 22, 61]
    assert 'ySplit="1"' in sheet
    assert 'state="frozen"' in sheet
    assert re.search(r'<c r="A1" s="1"', sheet)
    assert parts["xl/styles.xml"].count("<b/>") == 1


@pytest.mark.parametrize(
    "wrong", [None, 5, "x" * 5000, b"x", object(), [None], ["x" * 5000], [[MANUAL]], [("a", MANUAL)]]
)
def test_what_cannot_be_listed_is_refused(wrong: Any) -> None:
    """In every format, with a short error that says what can be."""
    for render in RENDERERS:
        with pytest.raises(InvalidInputError, match="expected values to list") as caught:
            render(wrong)
        assert len(str(caught.value)) < 300


def test_no_text_gets_out_of_its_cell_in_any_format(make_plan, make_step, make_report, make_result) -> None:
    """Formulas, markup, terminal sequences, line ends and secrets from names, messages and members."""
    error = StepError(code="X", message=HOSTILE, hint=HOSTILE)
    listings: list[Any] = [
        [attrs.evolve(MANUAL, display_name=HOSTILE, description=HOSTILE), attrs.evolve(ASSESSED, resource_id=HOSTILE)],
        [attrs.evolve(CONTROL, display_name=HOSTILE), {HOSTILE: HOSTILE}],
        [make_plan(steps=(make_step(titles=(HOSTILE,), changes=(PropertyChange(path=HOSTILE, after=HOSTILE),)),))],
        [make_report(results=(make_result(error=error, after={HOSTILE: HOSTILE}),))],
    ]
    for listed in listings:
        rendered = [to_csv(listed), to_json(listed), to_markdown(listed), to_html(listed)]
        rendered += sheets(to_xlsx(listed)).values()
        for text in rendered:
            assert not {"\x1b", "\u202e"} & set(text)
            assert "hunter2" not in text
        cells = [cell for row in csv.reader(io.StringIO(rendered[0])) for cell in row]
        assert not [cell for cell in cells if re.match(r"\s*[=+\-@]", cell)]
        assert not [cell for cell in cells if "\n" in cell or "\r" in cell]
        assert len(json.loads(rendered[1])) == len(listed)
        width = rendered[2].splitlines()[1].count("|")
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in rendered[2].splitlines()} == {width}
        assert "<script>" not in rendered[2] + rendered[3]
        sheet = sheets(to_xlsx(listed))["xl/worksheets/sheet1.xml"]
        assert "<f>" not in sheet
        assert "hyperlink" not in sheet


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    """A negative one is no formula; a huge one keeps its digits as a string."""
    row = {"less": -5, "part": 0.5, "is": True, "no": None, "huge": 10**20, "long": "x" * 40_000}
    assert to_csv(row).splitlines()[1].startswith("-5,0.5,true,,100000000000000000000,xxx")
    parts = sheets(to_xlsx(row))
    assert "<v>-5</v>" in parts["xl/worksheets/sheet1.xml"]
    assert 't="b"><v>1</v>' in parts["xl/worksheets/sheet1.xml"]
    assert "<t>100000000000000000000</t>" in parts["xl/sharedStrings.xml"]
    assert f"<t>{'x' * 32_766}…</t>" in parts["xl/sharedStrings.xml"]


def test_a_workbook_can_have_several_sheets() -> None:
    """The same values give the same file."""
    given = {"Recommendations": [MANUAL, FIXED], "Score": SCORE}
    workbook = to_xlsx(given)
    assert workbook == to_xlsx(given)
    assert 'name="Recommendations"' in sheets(workbook)["xl/workbook.xml"]
    assert "<autoFilter" in sheets(workbook)["xl/worksheets/sheet2.xml"]
    for name in ("", "x" * 32, "a/b", "'x", "History", 5):
        with pytest.raises(InvalidInputError, match="is not the name of a sheet"):
            to_xlsx({name: [MANUAL]})  # type: ignore[dict-item]
    with pytest.raises(InvalidInputError, match="'SCORE' is not the name of a sheet"):
        to_xlsx({"Score": SCORE, "SCORE": SCORE})


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Excel would cut them off."""
    monkeypatch.setattr("defender_remediate.reports.xlsx._MOST_ROWS", 1)
    with pytest.raises(InvalidInputError, match="2 rows"):
        to_xlsx([MANUAL, FIXED])


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else works without it."""
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[xlsx\]"):
        to_xlsx([MANUAL])


class _Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("render", [to_rows, to_csv, to_markdown], ids=lambda render: render.__name__)
@pytest.mark.parametrize(
    "row", [{"a": _Unprintable()}, {"a": 10**5000}, {"a": [10**5000]}], ids=["repr", "digits", "inner"]
)
def test_a_value_that_cannot_be_written_is_a_typed_error(render: Any, row: Any) -> None:
    """Rows of one's own may hold anything."""
    with pytest.raises(InvalidInputError, match="cannot be listed"):
        render([row])


def test_a_row_that_is_nested_without_end_is_a_typed_error() -> None:
    """As deep as Python's stack."""
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(InvalidInputError, match="cannot be listed"):
        to_rows([{"a": deep}])
