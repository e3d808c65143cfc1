"""The notification hook: what is sent to whom, and what a service that fails costs."""

from __future__ import annotations

import sys

import pytest
from apprise.decorators import notify as service

from defender_remediate.errors import InvalidInputError, MissingExtraError, NotificationError
from defender_remediate.hooks import RunFinished, RunStarted
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.result import StepError
from defender_remediate.progress import Announcer
from defender_remediate.reports import notify

SENT = []
SECRET = "AccountKey=" + "Zm9v" * 21 + "Zm8="


@service(on="recorded")
def _record(body, title, _notify_type, meta, *_args, **_kwargs):
    SENT.append((meta["host"], title, body))
    return True


@service(on="refusing")
def _refuse(*_args, **_kwargs):
    return False


@pytest.fixture(autouse=True)
def _nothing_sent():
    SENT.clear()


def owner(result, name, **changes):
    """The assignment of a result to an owner."""
    given = {"key": result.keys[0].upper(), "resource_id": result.resource_id.upper(), **changes}
    return GovernanceAssignment(id="/x", owner=name, **given)


@pytest.fixture
def mixed(make_report, make_result):
    """A report of one good, one failed and one skipped result."""
    error = StepError(code="Bad", message=f"no\x1b\n{SECRET}")
    failed = make_result(resource_id=f"{make_result().resource_id}2", step_id="step-2", outcome="failed", error=error)
    skipped = make_result(resource_id="/other", step_id=None, outcome="skipped")
    return make_report(results=(make_result(), failed, skipped))


def test_a_digest_has_the_failures_first_and_no_secret(mixed, make_plan):
    """Only the end of a run is told: once, with the counts, the ids and one line for each result."""
    hook = notify("recorded://everyone")
    hook(RunStarted(run_id="run-1", correlation_id="c", plan=make_plan()))
    hook(RunFinished(report=mixed))
    ((host, title, body),) = SENT
    assert (host, title) == ("everyone", "Remediation: 1 of 2 changes succeeded")
    lines = body.splitlines()
    assert lines[0] == f"run run-1, correlation id {mixed.correlation_id}"
    assert lines[1] == "1 resource skipped by the plan"
    assert [line.partition(" ")[0] for line in lines[2:]] == ["FAILED", "OK"]
    assert "Zm9vZm9v" not in body
    assert "\x1b" not in body


def test_each_owner_gets_their_results(mixed):
    """By resource and recommendation, in any casing; no one gets what is not theirs."""
    good, failed, _ = mixed.results
    owners = [owner(good, "ada"), owner(failed, "bob"), owner(good, None), owner(good, "eve", key="k")]
    notify([], owners=owners, owner_services=lambda name: [f"recorded://{name}"])(RunFinished(report=mixed))
    assert [(host, title) for host, title, _ in SENT] == [
        ("ada", "Remediation: 1 of 1 change succeeded"),
        ("bob", "Remediation: 0 of 1 change succeeded"),
    ]


def test_a_long_digest_says_what_it_leaves_out(make_report, make_result):
    """A chat shows some results, and the number of the others."""
    results = tuple(make_result(resource_id=f"/r{number}") for number in range(50))
    notify("recorded://everyone")(RunFinished(report=make_report(results=results)))
    assert SENT[0][2].splitlines()[-1] == "... and 10 more: see the report"


def test_a_service_that_fails_costs_a_warning(mixed):
    """The others get the digest, and the warning does not have the URL."""
    good, failed, skipped = mixed.results
    services = {"ada": ["recorded://ada"], "bob": ["unknown://secret"]}
    hook = notify(
        "refusing://secret",
        owners=[owner(good, "ada"), owner(failed, "bob"), owner(skipped, "eve")],
        owner_services=services.__getitem__,
    )
    announcer = Announcer([hook])
    announcer.tell(RunFinished(report=mixed))
    (warning,) = announcer.warnings
    assert "could not be sent to all services of the run, bob, eve" in warning
    assert "secret" not in warning
    assert [host for host, _, _ in SENT] == ["ada"]


def test_what_a_notification_library_raises_has_no_url(mixed, monkeypatch):
    """Its message may contain the URL of a service, which is secret."""

    def fail(*_args, **_kwargs):
        raise RuntimeError("recorded://secret")

    hook = notify("recorded://secret")
    monkeypatch.setattr("apprise.Apprise.notify", fail)
    with pytest.raises(NotificationError) as failed:
        hook(RunFinished(report=mixed))
    assert "secret" not in str(failed.value)


def test_what_cannot_be_sent_is_refused_at_once(mixed, monkeypatch):
    """A URL that apprise does not know, owners without services, and a missing extra; no message has the URL."""
    assigned = [owner(mixed.results[0], "ada")]
    wrong = [
        (["unknown://secret"], {}),
        ([1], {}),
        ([], {"owners": assigned}),
        ([], {"owners": ["ada"], "owner_services": str}),
        ([], {"owner_services": "ada"}),
    ]
    for services, options in wrong:
        with pytest.raises(InvalidInputError) as refused:
            notify(services, **options)
        assert "secret" not in str(refused.value)
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[notify\]"):
        notify([])
