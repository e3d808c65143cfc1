from __future__ import annotations

import attrs
import pytest

from defender_remediate.hooks import RunFinished, RunStarted, StepFinished, StepStarted
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.check import CheckResult
from defender_remediate.models.condition import Condition
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.plan import (
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationPlan,
    SkippedResource,
)
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.result import RemediationReport, StepError
from defender_remediate.notebook import notebook
from defender_remediate.reports import page

KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.mark.parametrize(
    "path", ["password", "properties.adminPassword", "keys.primaryKey", "connectionStrings", "tags['clientSecret']"]
)
def test_a_member_with_a_secret_name_is_hidden(path):
    """The value of such a member never reaches a screen; its absence and its kind may."""
    change = PropertyChange(path=path, before="hunter2", after=["hunter2", {"x": "hunter3"}])
    assert change.before_text == '"(hidden)"'
    assert change.after_text == '["(hidden)", {"x": "(hidden)"}]'
    assert "hunter" not in str(change) + repr(change)
    assert PropertyChange(path=path, before="", after=True).before_text == '""'
    assert PropertyChange(path=path, before="", after=True).after_text == "true"


def test_a_secret_inside_a_body_is_hidden():
    """Members are judged by their own names wherever they are."""
    change = PropertyChange(
        path="properties", after={"sku": "S1", "administratorLoginPassword": "x", "list": [{"accessKey": "y"}]}
    )
    assert change.after_text == (
        '{"sku": "S1", "administratorLoginPassword": "(hidden)", "list": [{"accessKey": "(hidden)"}]}'
    )


@pytest.mark.parametrize("path", ["properties.keySource", "passwordPolicy", "publicNetworkAccess", "secretsUrlCount"])
def test_a_harmless_member_is_shown(path):
    """Configuration that only sounds like a secret stays readable."""
    assert PropertyChange(path=path, after="x").after_text == '"x"'


def test_a_value_is_shown_whole():
    """What gets approved is shown completely, however long it is."""
    change = PropertyChange(path="a", after="x" * 500)
    assert str(change) == f'a: (absent) -> "{"x" * 500}"'


def test_a_plan_prints_every_change(make_plan, make_step):
    """Before and after of each member, the request, the impact, and what is skipped and why."""
    plan = make_plan()
    assert str(plan).splitlines() == [
        "Plan: 1 change, 1 skipped",
        f"digest: {plan.digest}",
        "scope:  /subscriptions/11111111-2222-3333-4444-555555555555",
        "score:  the expected gain is not known: this plan does not carry the score",
        "changes by recommendation:",
        "  1  Secure transfer to storage accounts should be enabled",
        "by type: 1 Microsoft.Storage/storageAccounts",
        "by impact: 1 connectivity",
        "by rollback: 1 exact",
        "skipped: 1 already compliant",
        "",
        "~ 1 change: Secure transfer to storage accounts should be enabled",
        "    PATCH Microsoft.Storage/storageAccounts, api-version 2023-05-01",
        "      properties.supportsHttpsTrafficOnly  false -> true",
        '      properties.minimumTlsVersion         (absent) -> "TLS1_2"',
        "    impact: connectivity (plain-HTTP clients are refused); rollback: exact",
        "      shop-rg: shopdata",
        "",
        "Skipped:",
        "- already compliant",
        f"    [{KEY}]",
        "      shop-rg: shopdata2",
    ]
    assert "2 changes, 0 skipped" in str(make_plan(steps=(make_step(), make_step(id="step-2")), skipped=()))


def test_the_details_of_a_plan_are_whole_ids(make_plan):
    """Every target and skip by its id, however long the text becomes."""
    plan = make_plan()
    assert plan.details().splitlines()[4:] == [
        "",
        f"~ {plan.steps[0].target_id}",
        "    Secure transfer to storage accounts should be enabled",
        "    PATCH Microsoft.Storage/storageAccounts, api-version 2023-05-01",
        "      properties.supportsHttpsTrafficOnly  false -> true",
        '      properties.minimumTlsVersion         (absent) -> "TLS1_2"',
        "    impact: connectivity (plain-HTTP clients are refused); rollback: exact",
        "",
        "Skipped:",
        "- already compliant",
        f"    {plan.skipped[0].resource_id} [{KEY}]",
    ]


def test_what_is_said_of_many_resources_is_said_once(make_plan):
    """A reason stands above all the resources that share it."""
    skips = [make_plan().skipped[0], attrs.evolve(make_plan().skipped[0], resource_id="/z", message="why")]
    plan = make_plan(skipped=(skips[0], attrs.evolve(skips[0], resource_id="/y"), skips[1]))
    assert plan.details().splitlines()[-5:] == [
        "- already compliant",
        f"    {skips[0].resource_id} [{KEY}]",
        f"    /y [{KEY}]",
        "- already compliant (why)",
        f"    /z [{KEY}]",
    ]
    assert str(plan).splitlines()[-7:] == [
        "- already compliant",
        f"    [{KEY}]",
        "      shop-rg: shopdata2",
        "      /y",
        "- already compliant (why)",
        f"    [{KEY}]",
        "      /z",
    ]


def test_a_deployment_is_shown_as_one(make_step):
    """The request of a template goes to a deployment, not to its target."""
    request = attrs.evolve(make_step().request, method="PUT", path="/x/providers/Microsoft.Resources/deployments/d1")
    assert (
        "    PUT /x/providers/Microsoft.Resources/deployments/d1, api-version 2023-05-01"
        in str(make_step(request=request)).splitlines()
    )


def test_what_is_below_a_resource_is_shown_as_such(make_step):
    """A request to a child does not look like one to the resource that it belongs to."""
    target = f"{make_step().resource_id}/blobServices/default"
    request = attrs.evolve(make_step().request, method="PUT", path=target)
    shown = str(make_step(request=request, target_id=target)).splitlines()
    assert "    PUT blobServices/default, api-version 2023-05-01" in shown


def test_several_scopes_stand_below_each_other(make_plan):
    """One id per line, aligned."""
    assert "\nscope:  /a\n        /b\nscore:" in str(make_plan(scope=("/a", "/b")))


def test_a_step_without_reason_or_changes_prints_short(make_step):
    """Nothing is said where there is nothing to say."""
    shown = str(make_step(impact="none", impact_reason="", changes=()))
    assert shown.endswith("    impact: none; rollback: exact")


def test_a_report_prints_what_needs_attention_first(make_report, make_result):
    """Counts, then steps that did not end well, then the rest, then warnings."""
    bad = make_result(step_id="step-2", resource_id="/x", outcome="failed", health=None)
    report = make_report(results=(make_result(), bad), warnings=("a hook raised",))
    assert str(report).splitlines() == [
        "Run run-1: 1 applied, 1 failed (0 s)",
        "correlation id: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "",
        "! 1 failed",
        f"    [{KEY}]",
        "      /x",
        "",
        "+ 1 applied (Defender for Cloud: healthy)",
        "    Secure transfer to storage accounts should be enabled",
        f"      {make_result().resource_id.split('/')[4]}: {make_result().resource_id.split('/')[-1]}",
        "",
        "warning: a hook raised",
    ]
    assert "nothing to do" in str(make_report(results=()))


def test_what_to_do_stands_below_what_happened(make_report, make_result):
    """In a report on a line of its own; a single result stays one line."""
    error = StepError(code="ScopeLocked", message="answered 409 ScopeLocked: locked", hint="remove the lock")
    blocked = make_result(resource_id="/x", outcome="blocked", error=error, health=None)
    report = make_report(results=(attrs.evolve(blocked, resource_id=make_result().resource_id),))
    assert str(report).splitlines()[2:-1] == [
        "",
        "! 1 blocked (answered 409 ScopeLocked: locked)",
        "    -> remove the lock",
        "    Secure transfer to storage accounts should be enabled",
    ]
    assert str(blocked) == f"/x [{KEY}]: blocked (answered 409 ScopeLocked: locked; remove the lock)"


def test_a_notebook_shows_fields_escaped():
    """Values cannot bring markup into a notebook; fields kept out of the repr stay out."""

    @notebook
    @attrs.frozen
    class Thing:
        name: str
        parts: tuple[int, ...] = (1, 2)
        nothing: str | None = None
        hidden: str = attrs.field(default="unseen", repr=False)

    shown = Thing("<script>")._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "1, 2" in shown
    assert "unseen" not in shown
    assert "<caption>Thing</caption>" in shown


def test_a_plan_and_a_report_show_in_a_notebook(make_plan, make_report, monkeypatch):
    """As a part of a page; without the templates as the text that print shows, escaped."""
    assert "Remediation plan</h1>" in make_plan()._repr_html_()
    assert "Remediation report</h1>" in make_report()._repr_html_()
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    assert "-&gt; true" in make_plan()._repr_html_()
    assert make_report()._repr_html_().startswith("<pre>Run run-1")
    assert "<caption>SecurityControl</caption>" in SecurityControl(name="c", display_name="C")._repr_html_()


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "exact"),
        ({"reversibility": "none"}, "none"),
        (
            {
                "reversibility": "conditional",
                "undo_request": PlannedRequest(method="PUT", path="/x", api_version="1", body={}),
            },
            "conditional (changed settings are restored, their effects in the meantime may remain)",
        ),
        (
            {"reversibility": "conditional"},
            "conditional (created resources are removed on request, changed settings stay)",
        ),
    ],
)
def test_a_conditional_rollback_says_what_it_depends_on(make_step, changes, shown):
    """Who approves a change with a conditional rollback knows the condition."""
    assert str(make_step(**changes)).endswith(f"rollback: {shown}")


def test_what_a_run_created_is_named(make_plan, make_report, make_result):
    """In its report, and in the rollback plan that keeps it."""
    created = CreatedResource(resource_id="/a/setting", api_version="1", fingerprint="f")
    report = make_report(results=(make_result(created=(created,)),), warnings=("w",))
    assert str(report).splitlines()[-4:] == ["", "created: /a/setting", "", "warning: w"]
    assert type(report).from_json(report.to_json()) == report
    back = make_plan(rolls_back="run-1", removable=("/a/setting",))
    assert str(back).splitlines()[-2:] == [
        "Created by the run and kept; plan_rollback(run_id, remove=[...]) removes those that you name:",
        "    /a/setting",
    ]


def test_a_removal_looks_like_one(make_step):
    """It goes whole, so it begins with another mark than a change."""
    step = make_step(
        target_id="/a/b/c", request=PlannedRequest(method="DELETE", path="/a/b/c", api_version="1", body={})
    )
    assert str(step).startswith("- /a/b/c\n")
    assert "    DELETE /a/b/c, api-version 1" in str(step).splitlines()


def test_what_stopped_a_resource_is_said_once(make_result):
    """The outcome of a resource that a check stopped says what the error's code says."""
    error = StepError(code="blocked", message="a lock (ReadOnly) forbids writes")
    assert ": blocked (a lock (ReadOnly) forbids writes; Defender" in str(make_result(outcome="blocked", error=error))


def test_texts_are_joined_without_stray_punctuation(make_result):
    """A message that ends in a full stop, an empty hint or an absent reason leaves no trace of itself."""
    error = StepError(code="Skipped", message="needs 'emails': separated by semicolons.", hint="")
    shown = str(make_result(resource_id="/x", outcome="skipped", error=error, health="unhealthy"))
    assert shown.endswith("skipped (Skipped: needs 'emails': separated by semicolons; Defender for Cloud: unhealthy)")
    assert str(make_result(resource_id="/x", error=None, health=None)).endswith(": applied")


HOSTILE = "\x1b[2J\u202egnp\r\n+ applied\u2028! fake\x9b1m\x85"


def test_text_from_outside_cannot_draw_lines_or_control_a_terminal(make_plan, make_step, make_report, make_result):
    """Whatever names, messages, tags and values hold: as many lines as without, and nothing but printable characters."""
    plain, hostile = (
        _everything(make_plan, make_step, make_report, make_result, text) for text in ("harmless", HOSTILE)
    )
    for first, second in zip(plain, hostile, strict=True):
        # What plans and reports print is wrapped, so a longer name may add a line.
        shows = (str, repr)
        if isinstance(first, RemediationPlan):
            shows = (RemediationPlan.details, repr)
        elif isinstance(first, RemediationReport):
            shows = (repr,)
        for show in shows:
            assert len(show(second).splitlines()) == len(show(first).splitlines())
        for show in (*shows, str):
            assert all(character.isprintable() for character in show(second).replace("\n", ""))
        if hasattr(second, "_repr_html_"):
            assert second._repr_html_().replace("\n", "").isprintable()


def _everything(make_plan, make_step, make_report, make_result, text):
    check = CheckResult(
        check="my_check", status="blocked", message=text, evidence=(text,), advice=text, waived_because=text
    )
    change = PropertyChange(path=text, before=text, after={text: text})
    request = PlannedRequest(method=text, path=f"/{text}", api_version=text, body={})
    step = make_step(
        resource_id=f"/{text}",
        target_id=f"/other/{text}",
        titles=(text,),
        changes=(change,),
        request=request,
        impact_reason=text,
        preserved=(text,),
        check_results=(check,),
    )
    skip = SkippedResource(resource_id=text, keys=(text,), reason="protected", message=text)
    blocked = attrs.evolve(skip, reason="blocked", check_results=(check,))
    plan = make_plan(steps=(step,), skipped=(skip, blocked), scope=(text, text), rolls_back=text, removable=(text,))
    error = StepError(code=text, message=text, hint=text)
    diagnosis = Diagnosis(cause="stale", message=text, evidence=(text,), advice=text)
    created = CreatedResource(resource_id=text, api_version=text)
    result = make_result(resource_id=text, keys=(text,), error=error, diagnosis=diagnosis, created=(created,))
    report = make_report(plan=plan, results=(result, attrs.evolve(result, step_id=step.id)), warnings=(text,))
    condition = Condition(operator="equals", path=text, value=text)
    guidance = Guidance(key=text, title=text, reason="retired", action=text)
    recommendation = Recommendation(key=text, display_name=text, guidance=guidance, severity=text)
    assessment = Assessment(
        id=text, key=text, resource_id=text, display_name=text, status=text, cause=text, description=text
    )
    event = ActivityEvent(timestamp=None, operation=text, status=text, resource_id=text, message=text)
    control = SecurityControl(name=text, display_name=text)
    events = (
        RunStarted(run_id=text, correlation_id=text, plan=plan),
        StepStarted(run_id=text, step=step),
        StepFinished(run_id=text, step=step, result=result, done=1, total=1),
        RunFinished(report=report),
    )
    values = (check, change, request, step, skip, blocked, plan, error, diagnosis, result, report, condition, guidance)
    return (*values, recommendation, assessment, event, control, *events)


def test_a_long_report_gives_way_where_nothing_was_asked_for(make_plan, make_report, make_result):
    """Problems and what was done are told whole; what the plan left out is counted; nothing is cut without a word."""

    def result(number, outcome, **more):
        resource = make_result().resource_id.rsplit("/", 1)[0] + f"/account{number:04}"
        return make_result(step_id=None, keys=(f"k{number}",), resource_id=resource, outcome=outcome, **more)

    few = [result(number, "skipped", health=None) for number in range(70)]
    blocked = [result(1000 + number, "blocked", health=None) for number in range(20)]
    text = str(make_report(results=(*few, *blocked)))
    assert len(text.splitlines()) <= 120
    assert all(f"account{1000 + number}" in text for number in range(20))
    assert "not shown: reports.to_markdown(report) shows everything" in text
    many = [result(number, "blocked", health=None) for number in range(500)]
    text = str(make_report(results=tuple(many)))
    assert len(text.splitlines()) <= 120
    assert "more results not shown" in text
