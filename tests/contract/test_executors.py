"""The executors that come with the library keep the contract that others have to keep; broken ones are caught."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction
from defender_remediate.errors import InvalidInputError
from defender_remediate.executors import (
    PatchExecutor,
    Preview,
    PreviewContext,
    StepContext,
    Submission,
    TemplateExecutor,
)
from defender_remediate.testing import EXECUTOR_CONTRACT, ArmSimulator
from defender_remediate.testing.contracts.executor import ExecutorRule

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
FTP_BASIC_AUTH = "56d42cec-3359-c1a2-f3f2-fea2232edc64"
MFA_FOR_OWNERS = "6240402e-f77c-46fa-9060-a7ce53997754"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"


def fix(key: str) -> FixAction:
    found = Catalog.bundled().get(key)
    assert found is not None
    return found


def rule(name: str) -> ExecutorRule:
    return next(found for found in EXECUTOR_CONTRACT if name in str(found))


@pytest.mark.parametrize("rule", EXECUTOR_CONTRACT, ids=str)
@pytest.mark.parametrize("key", [SECURE_TRANSFER, FTP_BASIC_AUTH])
def test_the_patch_executor_keeps_the_contract(rule: ExecutorRule, key: str) -> None:
    """By PATCH and by GET-merge-PUT."""
    rule.check(PatchExecutor(), fix(key))


@pytest.mark.parametrize("rule", EXECUTOR_CONTRACT, ids=str)
def test_the_template_executor_keeps_the_contract(rule: ExecutorRule) -> None:
    """By a deployment."""
    workspace = ArmSimulator.demo().resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    rule.check(TemplateExecutor(), fix(KEY_VAULT_LOGS), parameters={"workspace_id": workspace})


class Eager(PatchExecutor):
    """Sends its write while it previews."""

    def preview(self, context: PreviewContext, /) -> Preview:
        preview = super().preview(context)
        context.reader.send(preview.request)  # type: ignore[attr-defined]
        return preview


class Twice(PatchExecutor):
    """Sends every write twice."""

    def submit(self, context: StepContext, /) -> Submission:
        super().submit(context)
        return super().submit(context)


class Impatient(PatchExecutor):
    """Does not wait."""

    def wait(self, context: StepContext, /) -> Any:
        assert context.submission is not None
        return context.submission.response


class Forgetful(PatchExecutor):
    """Does again what it is to undo."""

    def undo(self, context: StepContext, /) -> Submission:
        assert context.step.undo_request is not None
        return Submission(response=context.session.send(context.step.undo_request))


class Tidy(TemplateExecutor):
    """Removes the deployment, and leaves what it created."""

    def undo(self, context: StepContext, /) -> Submission:
        resource = context.step.target_id.partition("/providers/Microsoft.KeyVault")[0]
        path = f"{resource}/providers/Microsoft.Resources/deployments/x"
        elsewhere = attrs.evolve(context.step.request, path=path, api_version="2021-04-01")
        return Submission(response=context.session.delete(elsewhere))


class Restless(PatchExecutor):
    """Previews something else every time."""

    def __init__(self) -> None:
        self.count = 0

    def preview(self, context: PreviewContext, /) -> Preview:
        preview = super().preview(context)
        self.count += 1
        return attrs.evolve(preview, request=attrs.evolve(preview.request, if_match=f'"{self.count}"'))


class Careless(PatchExecutor):
    """Changes a neighbour on the way."""

    def submit(self, context: StepContext, /) -> Submission:
        vault = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-contoso-security"
        path = f"{vault}/providers/Microsoft.KeyVault/vaults/kv-contoso-web"
        body = {"properties": {"publicNetworkAccess": "Disabled"}}
        context.session.send(
            attrs.evolve(context.step.request, path=path, body=body, api_version=fix(KEY_VAULT_LOGS_API).api_version)
        )
        return super().submit(context)


KEY_VAULT_LOGS_API = "4ed62ae4-5072-f9e7-8d94-51c76c48159a"


@pytest.mark.parametrize(
    ("executor", "broken"),
    [
        (Eager(), "preview writes nothing"),
        (Restless(), "preview is repeatable"),
        (Twice(), "submit sends the planned request once"),
        (Careless(), "nothing else changes"),
        (Impatient(), "wait follows every form"),
        (Forgetful(), "undo restores"),
        (object(), "has the methods"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_broken_executor_is_caught(executor: Any, broken: str) -> None:
    """Each rule catches what it is there for."""
    with pytest.raises(AssertionError):
        rule(broken).check(executor, fix(SECURE_TRANSFER))


def test_an_executor_that_removes_something_else_is_caught() -> None:
    """What a run created is what goes, and nothing else."""
    workspace = ArmSimulator.demo().resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    with pytest.raises(AssertionError, match="removal"):
        rule("undo removes").check(Tidy(), fix(KEY_VAULT_LOGS), parameters={"workspace_id": workspace})


def test_a_fix_without_a_finding_cannot_be_tried() -> None:
    """The contract says so instead of passing on nothing."""
    nothing = attrs.evolve(fix(SECURE_TRANSFER), key=MFA_FOR_OWNERS, resource_type="Microsoft.Batch/batchAccounts")
    with pytest.raises(AssertionError, match="nothing to fix"):
        rule("preview is repeatable").check(PatchExecutor(), nothing)


def test_executors_refuse_what_cannot_be_done() -> None:
    """No submission, a deployment that cannot be undone, or the removal of something else than the target: an error, not a request."""
    sim = ArmSimulator.demo()
    from defender_remediate import RemediationClient

    with RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock) as client:
        step = client.plan([SECURE_TRANSFER]).steps[0]
    context = StepContext(step=step, session=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="no submission"):
        PatchExecutor().wait(context)
    elsewhere = attrs.evolve(step, request=attrs.evolve(step.request, method="DELETE", path=f"{step.target_id}2"))
    for executor in (PatchExecutor(), TemplateExecutor()):
        with pytest.raises(InvalidInputError, match="would remove"):
            executor.undo(attrs.evolve(context, step=elsewhere))
    with pytest.raises(InvalidInputError, match="cannot be undone"):
        TemplateExecutor().undo(context)
