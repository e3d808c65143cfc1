"""The pages of plans and reports: what they show, and what a caller's template, logo or missing package costs."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.errors import InvalidInputError, MissingExtraError
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.check import CheckResult
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.forecast import ControlFacts, ScoreFacts, UnhealthyResource
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.plan import CreatedResource, PlannedRequest, PropertyChange, SkippedResource
from defender_remediate.models.priority import Priority
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.result import StepError
from defender_remediate.reports import ReportWarning, page, to_html

KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
PNG = b"\x89PNG\r\n\x1a\n"


def plain(page: str) -> str:
    """The text of a page without tags."""
    body = re.sub(r"<wbr>", "", page.partition("<body")[2])
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


@pytest.fixture
def facts(make_step):
    """The score of a subscription in which fixing the step of the tests makes its resource healthy."""
    control = ControlFacts(
        subscription_id=SUBSCRIPTION,
        name="c",
        display_name="Encrypt data in transit",
        current_score=2.0,
        max_score=4.0,
        healthy_count=1,
        unhealthy_count=1,
    )
    resource = UnhealthyResource(
        subscription_id=SUBSCRIPTION, control="c", resource_id=make_step().resource_id, keys=(KEY,)
    )
    return ScoreFacts(current=2.0, max=4.0, controls=(control,), unhealthy=(resource,))


def test_the_first_lines_answer_what_everyone_asks(make_plan, make_step, make_report, make_result):
    """What changed, whether it worked, and what is left; the failures before the rest."""
    error = StepError(code="ScopeLocked", message="a lock forbids it", hint="remove the lock")
    steps = (make_step(), make_step(id="step-2", titles=("Another",)))
    failed = make_result(
        step_id="step-2", outcome="failed", error=error, health="unhealthy", compliant=None, after=None
    )
    text = plain(to_html(make_report(plan=make_plan(steps=steps, skipped=()), results=(make_result(), failed))))
    assert "What changed? 1 applied on 1 resource Did it work? 1 of 2 changes 1 confirmed by Defender" in text
    assert "What is left? 1 problem 1 failed" in text
    assert text.index("Another 1 failed") < text.index(
        "Secure transfer to storage accounts should be enabled 1 applied"
    )
    assert "ScopeLocked: a lock forbids it remove the lock" in text
    assert "properties.supportsHttpsTrafficOnly false → (not read)" in text
    assert "properties.supportsHttpsTrafficOnly false → true" in text


def test_equal_results_are_told_once(make_plan, make_step, make_report, make_result):
    """With the names of their resources, whose ids are titles."""
    ids = [f"{make_step().resource_id}{number}" for number in range(3)]
    steps = tuple(make_step(id=one, resource_id=one, target_id=one) for one in ids)
    results = tuple(make_result(step_id=one, resource_id=one) for one in ids)
    page = to_html(make_report(plan=make_plan(steps=steps), results=results))
    assert plain(page).count("properties.supportsHttpsTrafficOnly") == 1
    assert "3 applied Defender for Cloud: healthy" in plain(page)
    assert all(f'<span class="name" title="{one}">' in page for one in ids)


def test_a_report_says_what_is_known_of_the_score(make_plan, make_report, make_result, facts):
    """Measured, else expected from what succeeded, else nothing."""
    plan = make_plan(score=facts)
    expected = plain(to_html(make_report(plan=plan)))
    assert "2.00 -> 4.00 of 4.00 points expected (+2.00)" in expected
    assert "Encrypt data in transit 2.00 → 4.00 of 4" in expected
    failed = make_report(plan=plan, results=(make_result(outcome="failed", compliant=None),))
    assert "(+0.00)" in plain(to_html(failed))
    before, after = (SecureScore(current=points, max=10, percentage=points / 10) for points in (3.0, 2.5))
    controls = [
        (SecurityControl(name="c", display_name="C", max_score=4, current_score=1), 1.0),
        (SecurityControl(name="d", display_name="D", max_score=4, current_score=1), 2.0),
        (SecurityControl(name="e", display_name="E"), 0.0),
    ]
    page = to_html(
        make_report(),
        score_before=before,
        score_after=after,
        controls_before=[control for control, _ in controls],
        controls_after=[
            *(attrs.evolve(control, current_score=now) for control, now in controls),
            SecurityControl(name="new", display_name="New", max_score=4),
        ],
    )
    assert "Secure score 3.00 → 2.50 of 10 D 1.00 → 2.00 of 4 C 1.00 of 4 before" in plain(page)
    assert 'aria-label="Secure score: 3.00 → 2.50 of 10 points"' in page
    assert 'class="loss"' in page
    assert "Secure score" not in plain(to_html(make_report()))
    unknown = make_report(plan=make_plan(score=ScoreFacts(unknown_because="why")))
    assert "Secure score" not in plain(to_html(unknown))


def test_everything_of_a_report_is_on_its_page(make_plan, make_report, make_result):
    """Diagnosis with evidence and advice, skips with what can be done, created resources, events and warnings."""
    pending = Diagnosis(
        cause="stale",
        message="not assessed",
        evidence=("last on Monday",),
        advice="wait",
        recheck_at=make_report().finished,
    )
    left = Diagnosis(cause="not_fixed", message="repeats the outcome", advice="see the guidance")
    created = CreatedResource(resource_id="/a/setting", api_version="1")
    skip = SkippedResource(
        resource_id="/s", keys=(KEY,), titles=("By hand",), reason="no_fix", message="no fix is known"
    )
    results = (
        make_result(health="unhealthy", diagnosis=pending, created=(created,)),
        make_result(
            step_id=None,
            resource_id="/s",
            outcome="skipped",
            before=None,
            after=None,
            health=None,
            diagnosis=left,
            compliant=None,
            error=StepError(code="no_fix", message="no fix is known"),
        ),
        make_result(step_id=None, resource_id="/t", outcome="already_compliant", before=None, after=None, health=None),
        make_result(step_id="gone", resource_id="/u", outcome="partially_applied", compliant=False),
        make_result(step_id="gone2", resource_id="/v", compliant=False, health=None),
        make_result(step_id="gone3", resource_id="/w", compliant=True, health=None),
        make_result(step_id="gone4", resource_id="/x", compliant=None, health=None, before=None, after=None),
    )
    events = (
        ActivityEvent(timestamp=make_report().started, operation="Write", status="Succeeded", resource_id="/e1"),
        ActivityEvent(timestamp=None, operation="Write", status="Started", resource_id="/e2"),
    )
    report = make_report(plan=make_plan(skipped=(skip,)), results=results, warnings=("a hook failed",))
    text = plain(to_html(report, events=events))
    for said in (
        "not assessed again yet",
        "stale: not assessed last on Monday verify again after 2026-11-23 12:00 UTC wait",
        "By hand no_fix no fix is known see the guidance /s",
        "Created resources /a/setting",
        "2026-11-23 12:00 UTC Write Succeeded /e1 (no time) Write Started /e2",
        "Warnings a hook failed",
        "1 more in part",
        "2 read back and compliant",
        "1 read back, not compliant",
        "1 not read back",
        "Correlation id aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    ):
        assert said in text, said
    assert "repeats the outcome" not in text


def test_the_report_of_a_rollback_is_called_one(make_plan, make_report, make_result):
    """And nothing is expected of the score."""
    report = make_report(
        plan=make_plan(rolls_back="run-0"), results=(make_result(outcome="rolled_back", health="unhealthy"),)
    )
    text = plain(to_html(report))
    assert text.startswith("> Rollback report") or "Rollback report" in text
    assert "1 rolled back on 1 resource" in text
    assert "Rolls back run run-0" in text


def test_everything_of_a_plan_is_on_its_page(make_plan, make_step, facts):
    """Summary, expected score, changes, check results, skips and what a rollback keeps."""
    check = CheckResult(check="lock", status="warning", message="careful", evidence=("e1", "e2"), advice="look")
    step = make_step(
        check_results=(check,),
        preserved=("tags.x",),
        titles=("One", "Two"),
        reversibility="conditional",
        creates=(CreatedResource(resource_id="/c/d", api_version="1"),),
    )
    removal = make_step(
        id="r",
        target_id="/a/b",
        request=PlannedRequest(method="DELETE", path="/a/b", api_version="1", body={}),
        impact="none",
        impact_reason=None,
        changes=(),
        reversibility="none",
    )
    skips = (
        SkippedResource(resource_id="/s", keys=("k1",), titles=("T1",), reason="no_fix", message="by hand"),
        SkippedResource(resource_id="/t", keys=("k2",), reason="blocked", check_results=(check,)),
    )
    plan = make_plan(steps=(step, removal), skipped=skips, score=facts, not_evaluated=("why",), removable=("/kept",))
    text = plain(to_html(plan))
    for said in (
        "What will change? 2 changes on 1 resource",
        "1 with impact Impact: 1 connectivity, 1 none Rollback: 1 conditional, 1 none",
        "What is left out? 2 skipped 1 blocked, 1 no fix",
        "Encrypt data in transit 2.00",
        "One and Two 1 change impact: connectivity rollback: conditional",
        "plain-HTTP clients are refused Rollback: created resources are removed on request",
        "properties.supportsHttpsTrafficOnly false → true",
        "tags.x preserved: it changed after the run",
        "creates /c/d",
        "1 removal impact: none rollback: none",
        "lock warning: careful Evidence: e1; e2 look",
        "T1 no fix by hand /s",
        "k2 blocked lock warning: careful",
        "does not mean healthy why",
        "Created by the run and kept /kept",
    ):
        assert said in text, said
    empty = plain(to_html(make_plan(steps=(), skipped=())))
    assert "0 changes nothing will be sent Impact and rollback Nothing What is left out? 0 skipped" in empty
    assert "Rollback plan for run run-1" in plain(to_html(make_plan(rolls_back="run-1", scope=("/a", "/b"))))
    assert "The expected gain is not known" in plain(to_html(make_plan()))


def test_ids_in_sentences_are_short_and_whole_in_the_title(make_report, make_result):
    """So that a message of Azure can be read."""
    one = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/A.B/locks/my-lock"
    error = StepError(code="x", message=f"The scope '{one}' is locked. See {one}.")
    page = to_html(make_report(results=(make_result(outcome="failed", error=error),)))
    assert page.count(f'<span class="id" title="{one}">…/locks/<wbr>my-<wbr>lock</span>') == 2


def test_the_template_of_the_caller_extends_the_bundled_one(make_report, make_plan, tmp_path):
    """With a heading, content and footer of its own; what it shows is escaped too."""
    own = tmp_path / "own.html"
    own.write_text(
        "{% extends 'report.html' %}{% block heading %}<h1>ACME & {{ view.warnings[0] }}</h1>{% endblock %}"
        "{% block footer %}<p>Internal{{ view.score }}</p>{% endblock %}",
        encoding="utf-8",
    )
    page = to_html(make_report(warnings=("<b>\x1b",)), template=own, logo=PNG)
    assert "<h1>ACME & &lt;b&gt;\\x1b</h1>" in page
    assert "<p>Internal</p>" in page
    assert 'src="data:image/png;base64,' in page
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>", encoding="utf-8")
    assert 'src="data:image/svg+xml;base64,' in to_html(make_plan(), logo=logo)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"template": "missing.html"}, "the template could not be used: FileNotFoundError"),
        ({"template": "{{ view.nothing.at_all }}"}, "the template could not be used: UndefinedError"),
        ({"template": "{% if %}"}, "the template could not be used: TemplateSyntaxError"),
        ({"template": "{{ 1 / 0 }}"}, "the template could not be used: ZeroDivisionError"),
        ({"logo": "missing.png"}, "the logo could not be used: FileNotFoundError"),
        ({"logo": b"<script>"}, "the logo could not be used: ValueError: it is not a PNG"),
        ({"logo": PNG + bytes(2_000_000)}, "the logo could not be used: ValueError: it has 2000008 bytes"),
    ],
)
def test_a_template_or_logo_that_fails_costs_a_warning(make_report, tmp_path, monkeypatch, arguments, said):
    """The report is whole, and says what is missing from it."""
    monkeypatch.chdir(tmp_path)
    given = arguments.get("template")
    if given is not None and "{" in given:
        Path("own.html").write_text(given, encoding="utf-8")
        arguments = {"template": "own.html"}
    with pytest.warns(ReportWarning, match=re.escape(said)):
        page = to_html(make_report(), **arguments)
    assert "What changed? 1 applied" in plain(page)
    assert said in plain(page)


@pytest.mark.parametrize("arguments", [{"template": 5}, {"logo": 5}])
def test_what_is_neither_a_path_nor_an_image_is_refused(make_report, arguments):
    """A wrong type is a mistake of the call, not of a file."""
    with pytest.raises(InvalidInputError, match="must be the path of"):
        to_html(make_report(), **arguments)


def test_without_the_extra_the_error_names_it(make_report, monkeypatch):
    """A plain install has no templates and no charts."""
    monkeypatch.setattr(page, "find_spec", lambda name: None if name == "pygal" else object())
    page._environment.cache_clear()
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[reports\]"):
        to_html(make_report())


def test_a_chart_does_not_change_how_the_process_imports(make_plan, facts):
    """Pygal's own finder would make each import of the caller's program warn."""
    to_html(make_plan(score=facts))
    assert not any(type(finder).__module__.startswith("pygal") for finder in sys.meta_path)


def test_a_recommendation_in_a_notebook_says_how_it_is_fixed():
    """Its weight, its reasons, what the fix writes with what impact, or what can be done by hand."""
    fix = next(found for found in Catalog.bundled() if found.body and found.impact_reason)
    shown = Recommendation(
        key=KEY,
        display_name="A <b>",
        description="Why it matters",
        remediation_steps="First\n\nThen",
        severity="High",
        unhealthy_count=3,
        fix=fix,
        priority=Priority(points=1.5, reasons=("because",)),
    )._repr_html_()
    text = plain(f"<body{shown}")
    assert "A <b> severity High 3 unhealthy 0 healthy +1.50 points alone fix: " in text
    assert "Why it matters because Fix " in text
    assert fix.impact_reason in text
    assert f"Manual steps First Then {KEY}" in text
    assert "<b>" not in shown
    by_hand = Recommendation(
        key=KEY,
        display_name="B",
        guidance=Guidance(key=KEY, title="B", reason="retired", action="Nothing is left to do."),
    )._repr_html_()
    assert "0 unhealthy" in plain(f"<body{by_hand}")
    assert "by hand No fix (retired). Nothing is left to do." in plain(f"<body{by_hand}")


def test_a_score_and_a_control_in_a_notebook_are_bars():
    """With the same text as a page has."""
    score = SecureScore(current=3, max=10, percentage=0.3)._repr_html_()
    assert "Secure score 3.00 of 10 3.00 of 10.00 points (30%)" in plain(f"<body{score}")
    assert '<svg xmlns="http://www.w3.org/2000/svg" class="bar"' in score
    control = SecurityControl(
        name="c", display_name="MFA", max_score=10, current_score=5, healthy_count=1, unhealthy_count=1
    )._repr_html_()
    assert "MFA 5.00 of 10 +5.00 points possible; 1 unhealthy, 1 healthy resources" in plain(f"<body{control}")


@pytest.mark.parametrize("points", [float("nan"), float("inf"), -1.0, 1e308, 0.0])
def test_impossible_points_are_an_empty_bar(points):
    """A server or a file may say anything; the page is there all the same."""
    shown = [
        SecurityControl(name="c", display_name="C", max_score=most, current_score=current)._repr_html_()
        for most, current in ((points, 1.0), (4.0, points), (points, points))
    ]
    assert all('<svg xmlns="http://www.w3.org/2000/svg" class="bar"' in one for one in shown)


def test_the_colours_of_a_part_stay_in_it(make_plan):
    """A notebook around it keeps its own."""
    shown = make_plan()._repr_html_()
    assert ":root" not in shown
    assert not re.search(r"(^|[}>\n])body\{", shown)


@pytest.fixture
def large(make_plan, make_step, make_report, make_result):
    """A report of five thousand results, each of a change of its own, with long names."""
    ids = [f"{make_step().resource_id}{number:05}{'-long' * 8}" for number in range(5000)]
    steps = tuple(make_step(id=one, resource_id=one, target_id=one) for one in ids)
    results = tuple(
        make_result(
            step_id=one,
            resource_id=one,
            outcome="failed" if number % 10 == 0 else "applied",
            after={"properties.supportsHttpsTrafficOnly": number},
            error=StepError(code="Conflict", message=f"{one} is busy") if number % 10 == 0 else None,
        )
        for number, one in enumerate(ids)
    )
    return make_report(plan=make_plan(steps=steps), results=results)


@pytest.mark.exhaustive
def test_a_large_report_is_one_page_of_a_few_megabytes(large):
    """Five thousand results that all differ, failures first."""
    text = to_html(large)
    assert len(text) < 8_000_000
    assert text.count('class="case ') == 5000
    assert text.rfind('class="case bad') < text.find('class="case good')


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.exhaustive
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_no_page_is_wider_than_the_window(make_plan, make_step, make_report, make_result, facts, tmp_path):
    """In a phone, a tablet and a desktop: nothing scrolls sideways, whatever the names are."""
    word = "W" * 300
    change = PropertyChange(path=f"properties.{word}", before=word, after={"a": [word, f"{word} {word}"]})
    step = make_step(changes=(change,), titles=(word, "b " * 200), impact_reason=word)
    check = CheckResult(check="lock", status="warning", message=word, evidence=(word,), advice=word)
    skip = SkippedResource(resource_id=f"/{word}", keys=(word,), reason="blocked", check_results=(check,), message=word)
    plan = make_plan(
        steps=(attrs.evolve(step, check_results=(check,)),), skipped=(skip,), score=facts, scope=(word,) * 2
    )
    error = StepError(code=word, message=f"{step.resource_id}/{word}", hint=word)
    result = make_result(
        outcome="failed", error=error, before={word: word}, after={word: word}, resource_id=f"{step.resource_id}{word}"
    )
    event = ActivityEvent(timestamp=None, operation=word, status=word, resource_id=f"/{word}")
    report = make_report(plan=plan, results=(result,), warnings=(word,))
    pages = [to_html(plan), to_html(report, events=(event,)), to_html(make_report())]
    pages += [to_html(list(plan.steps)), to_html({str(number): f"{word} b" for number in range(30)})]
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(text)}"></iframe>'
        for text in pages
        for width in (400, 800, 1400)
    )
    measure = (
        "<script>onload=()=>{document.title=[...document.querySelectorAll('iframe')].map(f=>"
        "f.contentDocument.documentElement.scrollWidth-f.contentDocument.documentElement.clientWidth).join(' ')}</script>"
    )
    path = tmp_path / "frames.html"
    path.write_text(f"<!doctype html><title></title>{measure}{frames}", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--user-data-dir={tmp_path}/p"]
    shown = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    (overflows,) = re.findall(r"<title>([^<]*)</title>", shown.partition("<iframe")[0])
    assert overflows.split() == ["0"] * 15
