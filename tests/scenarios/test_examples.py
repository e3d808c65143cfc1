"""The examples do what their first lines say."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from defender_remediate import RemediationClient, RemediationPlan, RemediationReport
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
CORS = "df4d1739-47f0-60c7-1706-3731fea6ab03"
EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_quickstart_shows_the_whole_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    """Score, controls, ranking, manual steps, plan, report, trail."""
    example("quickstart").main()
    shown = capsys.readouterr().out
    for part in (
        "Secure score: 37.50 of 93.00",
        "Security controls",
        "by what they add",
        "false -> true",
        "7 applied",
        "healthy",
        "storageAccounts/write",
        "Secure score: 40.10 of 93.00",
    ):
        assert part in shown


def test_one_recommendation_is_fixed_after_its_digest_was_typed(
    sim: ArmSimulator, client: RemediationClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything else changes nothing."""
    fix_one = example("fix_one_recommendation").fix_one
    assert fix_one(client, SECURE_TRANSFER, {}, ask=lambda _: "yes") == 1
    assert not sim.writes
    digest = client.plan([SECURE_TRANSFER]).digest
    assert fix_one(client, SECURE_TRANSFER, {}, ask=lambda _: digest[:6]) == 0
    assert len(sim.writes) == 7
    assert fix_one(client, SECURE_TRANSFER, {}, ask=lambda _: digest[:6]) == 0
    assert "Nothing was changed." in capsys.readouterr().out


def test_one_recommendation_reports_a_step_that_failed(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """The exit status says so."""
    digest = client.plan([SECURE_TRANSFER]).digest
    sim.access.lock(accounts[0])
    assert example("fix_one_recommendation").fix_one(client, SECURE_TRANSFER, {}, ask=lambda _: digest[:6]) == 1


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Too few arguments or an invalid subscription id end the program with a message."""
    module = example("fix_one_recommendation")
    assert module.main([]) == 2
    assert "SUBSCRIPTION_ID ASSESSMENT_KEY" in capsys.readouterr().out
    assert module.main(["not-a-guid", SECURE_TRANSFER]) == 2
    assert "InvalidScopeError" in capsys.readouterr().err


def test_a_runbook_plans_in_one_job_and_applies_in_another(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The plan travels as JSON; only its digest opens it."""
    main = example("runbook").main
    subscription = sim.scopes[0].rpartition("/")[2]

    def managed(scope: Sequence[str]) -> RemediationClient:
        return connect(scope)

    assert main(["plan", subscription, SECURE_TRANSFER], managed) == 0
    text = capsys.readouterr().out
    plan = RemediationPlan.from_json(text)
    assert not sim.writes

    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["apply", "0" * 64], managed) == 2
    assert not sim.writes

    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["apply", plan.digest], managed) == 0
    report = RemediationReport.from_json(capsys.readouterr().out)
    assert report.count("applied") == len(plan.steps) == len(sim.writes)


def test_a_runbook_says_what_is_wrong(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong arguments, input that is not a plan, and a failed step have exit codes of their own."""
    main = example("runbook").main
    assert main(["apply"]) == 2
    assert "plan SUBSCRIPTION_ID" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"kind": "something"})))
    assert main(["apply", "x"], connect) == 2
    assert "InvalidInputError" in capsys.readouterr().err
    assert main(["plan", sim.scopes[0].rpartition("/")[2]], connect) == 0
    text = capsys.readouterr().out
    plan = RemediationPlan.from_json(text)
    assert len(plan.steps) <= 25
    sim.access.lock(sim.scopes[0])
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["apply", plan.digest], connect) == 1


def test_a_runbook_signs_in_as_the_managed_identity() -> None:
    """Making the client asks for no token."""
    with example("runbook").connect(["/subscriptions/11111111-1111-4111-8111-111111111111"]) as client:
        assert "11111111-1111-4111-8111-111111111111" in repr(client)
