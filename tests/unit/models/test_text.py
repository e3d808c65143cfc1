from __future__ import annotations

import attrs
import pytest

from defender_remediate.json_values import ABSENT
from defender_remediate.models import text as rendering
from defender_remediate.models.notebook import notebook
from defender_remediate.models.plan import CreatedResource, PlannedRequest
from defender_remediate.models.result import StepError


@pytest.mark.parametrize(
    "path", ["password", "properties.adminPassword", "keys.primaryKey", "connectionStrings", "tags['clientSecret']"]
)
def test_a_secret_looking_member_is_hidden(path):
    """The value of such a member never reaches a screen."""
    assert rendering.value(path, "hunter2") == '"(hidden)"'
    assert rendering.value(path, ["hunter2", {"x": "hunter3"}]) == '["(hidden)", {"x": "(hidden)"}]'
    assert rendering.value(path, "") == '""'
    assert rendering.value(path, True) == "true"


def test_a_secret_inside_a_body_is_hidden():
    """Members are judged by their own names wherever they are."""
    shown = rendering.value(
        "properties", {"sku": "S1", "administratorLoginPassword": "x", "list": [{"accessKey": "y"}]}
    )
    assert shown == '{"sku": "S1", "administratorLoginPassword": "(hidden)", "list": [{"accessKey": "(hidden)"}]}'


@pytest.mark.parametrize("path", ["properties.keySource", "passwordPolicy", "publicNetworkAccess", "secretsUrlCount"])
def test_a_harmless_member_is_shown(path):
    """Configuration that only sounds like a secret stays readable."""
    assert rendering.value(path, "x") == '"x"'


def test_a_value_is_shown_whole():
    """What gets approved is all there, however long it is."""
    assert rendering.value("a", "x" * 500) == f'"{"x" * 500}"'
    assert rendering.value("a", ABSENT) == "(absent)"


def test_a_plan_prints_every_change(make_plan, make_step):
    """Before and after of each member, the request, the impact, and what is left alone and why."""
    plan = make_plan()
    assert str(plan).splitlines() == [
        "Plan: 1 change, 1 left alone",
        f"digest: {plan.digest}",
        "scope:  /subscriptions/11111111-2222-3333-4444-555555555555",
        "",
        f"~ {plan.steps[0].target_id}",
        "    Secure transfer to storage accounts should be enabled",
        "    PATCH Microsoft.Storage/storageAccounts, api-version 2023-05-01",
        "      properties.supportsHttpsTrafficOnly  false -> true",
        '      properties.minimumTlsVersion         (absent) -> "TLS1_2"',
        "    impact: connectivity (plain-HTTP clients are refused); way back: exact",
        "",
        "Left alone:",
        "- already compliant",
        f"    {plan.skipped[0].resource_id}",
    ]
    assert "2 changes, 0 left alone" in str(make_plan(steps=(make_step(), make_step(id="step-2")), skipped=()))


def test_what_is_said_of_many_resources_is_said_once(make_plan):
    """A reason stands above all the resources that share it."""
    skips = [make_plan().skipped[0], attrs.evolve(make_plan().skipped[0], resource_id="/z", message="why")]
    shown = str(make_plan(skipped=(skips[0], attrs.evolve(skips[0], resource_id="/y"), skips[1]))).splitlines()
    assert shown[-5:] == [
        "- already compliant",
        f"    {skips[0].resource_id}",
        "    /y",
        "- already compliant (why)",
        "    /z",
    ]


def test_a_deployment_is_shown_as_one(make_step):
    """The request of a template goes to a deployment, not to its target."""
    request = attrs.evolve(make_step().request, method="PUT", path="/x/providers/Microsoft.Resources/deployments/d1")
    assert "    PUT deployments/d1, api-version 2023-05-01" in str(make_step(request=request)).splitlines()


def test_what_is_below_a_resource_is_shown_as_such(make_step):
    """A request to a child does not look like one to the resource that it belongs to."""
    target = f"{make_step().resource_id}/blobServices/default"
    request = attrs.evolve(make_step().request, method="PUT", path=target)
    shown = str(make_step(request=request, target_id=target)).splitlines()
    assert "    PUT blobServices/default, api-version 2023-05-01" in shown


def test_several_scopes_stand_below_each_other(make_plan):
    """One id per line, aligned."""
    assert "\nscope:  /a\n        /b\n\n" in str(make_plan(scope=("/a", "/b")))


def test_a_step_without_reason_or_changes_prints_short(make_step):
    """Nothing is said where there is nothing to say."""
    shown = str(make_step(impact="none", impact_reason="", changes=()))
    assert shown.endswith("    impact: none; way back: exact")


def test_a_report_prints_what_needs_attention_first(make_report, make_result):
    """Counts, then steps that did not end well, then the rest, then warnings."""
    bad = make_result(step_id="step-2", resource_id="/x", outcome="failed", health="unknown")
    report = make_report(results=(make_result(), bad), warnings=("a hook raised",))
    assert str(report).splitlines() == [
        "Run run-1: 1 applied, 1 failed (0 s)",
        "correlation id: aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "! failed",
        "    /x",
        "+ applied (Defender for Cloud: pending)",
        f"    {make_result().resource_id}",
        "warning: a hook raised",
    ]
    assert "nothing to do" in str(make_report(results=()))


def test_what_to_do_stands_below_what_happened(make_report, make_result):
    """In a report on a line of its own; a single result stays one line."""
    error = StepError(code="ScopeLocked", message="answered 409 ScopeLocked: locked", hint="remove the lock")
    blocked = make_result(resource_id="/x", outcome="blocked", error=error, health="unknown")
    assert str(make_report(results=(blocked,))).splitlines()[2:] == [
        "! blocked (answered 409 ScopeLocked: locked)",
        "  -> remove the lock",
        "    /x",
    ]
    assert str(blocked) == "/x: blocked (answered 409 ScopeLocked: locked (remove the lock))"


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


def test_a_notebook_repr_of_its_own_is_kept():
    """A class that knows better how it looks is left alone."""

    @notebook
    class Thing:
        def _repr_html_(self) -> str:
            return "mine"

    assert Thing()._repr_html_() == "mine"


def test_a_plan_and_a_report_show_in_a_notebook(make_plan, make_report):
    """As the text that print shows, escaped."""
    assert "-&gt; true" in make_plan()._repr_html_()
    assert make_report()._repr_html_().startswith("<pre>Run run-1")


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
            "conditional (what it sets goes back, what came of it meanwhile may not)",
        ),
        (
            {"reversibility": "conditional"},
            "conditional (what it creates is removed when you ask for it, what it changes stays)",
        ),
    ],
)
def test_a_way_back_says_what_it_depends_on(make_step, changes, shown):
    """Who approves a conditional way back knows the condition."""
    assert str(make_step(**changes)).endswith(f"way back: {shown}")


def test_what_a_run_created_is_named(make_plan, make_report, make_result):
    """In its report, and in the plan of its way back that leaves it there."""
    created = CreatedResource(resource_id="/a/setting", api_version="1", fingerprint="f")
    report = make_report(results=(make_result(created=(created,)),), warnings=("w",))
    assert str(report).splitlines()[-2:] == ["created: /a/setting", "warning: w"]
    assert type(report).from_json(report.to_json()) == report
    back = make_plan(rolls_back="run-1", removable=("/a/setting",))
    assert str(back).splitlines()[-2:] == [
        "Created by the run and left there; plan_rollback(run_id, remove=[...]) removes those you name:",
        "    /a/setting",
    ]


def test_a_removal_looks_like_one(make_step):
    """It goes whole, so it begins with another mark than a change."""
    step = make_step(
        target_id="/a/b/c", request=PlannedRequest(method="DELETE", path="/a/b/c", api_version="1", body={})
    )
    assert str(step).startswith("- /a/b/c\n")
    assert "    DELETE b/c, api-version 1" in str(step).splitlines()


def test_what_stopped_a_resource_is_said_once(make_result):
    """The outcome of a resource that a check stopped says what the error's code says."""
    error = StepError(code="blocked", message="a lock (ReadOnly) forbids writes")
    assert ": blocked (a lock (ReadOnly) forbids writes; Defender" in str(make_result(outcome="blocked", error=error))
