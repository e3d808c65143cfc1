"""Steps to check, and an Azure that answers with what a test gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from defender_remediate.casing import fold
from defender_remediate.errors import NotFoundError
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.merge import merge_patch
from defender_remediate.models.check import CheckResult
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationStep
from defender_remediate.preflight import Check, CheckReader, Subject, run_checks

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


class FakeAzure:
    """Answers by the end of the path: an item list for a listing, a body for anything else, an error to raise.

    ``token`` is the caller's access token, ``requests`` what was asked for.
    """

    def __init__(self, answers: Mapping[str, Any], token: str = "") -> None:
        self.answers = {fold(path): answer for path, answer in answers.items()}
        self.requests: list[str] = []
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.endpoint = SimpleNamespace(token_scope="scope")
        self.credential = SimpleNamespace(get_token_info=lambda scope: SimpleNamespace(token=token))

    def _answer(self, path: str) -> Any:
        self.requests.append(path)
        for known, answer in self.answers.items():
            if fold(path).endswith(known):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise NotFoundError(f"{path} was not found", status=404, code="ResourceGroupNotFound", method="GET", url=path)

    def get(self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None) -> Any:
        return SimpleNamespace(body=self._answer(path))

    def list(self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None) -> Iterator[Any]:
        yield from self._answer(f"{path}?{params['$filter']}" if params else path)

    def post_query(self, path: str, *, api_version: str, body: Any) -> Any:
        return SimpleNamespace(body=self._answer(path))


@pytest.fixture
def make_reader() -> Callable[[Mapping[str, Any]], CheckReader]:
    """Makes a reader over the answers of Azure by the end of the path."""
    return lambda answers: CheckReader(FakeAzure(answers), workers=1)


CheckOne = Callable[..., tuple[CheckResult, ...]]


@pytest.fixture
def check_one() -> CheckOne:
    """Makes one check of one step, over the answers of Azure by the end of the path; gives what it found."""

    def run(
        check: Check, subject: Subject, answers: Mapping[str, Any] | None = None, *, token: str = ""
    ) -> tuple[CheckResult, ...]:
        reader = CheckReader(FakeAzure(answers or {}, token), workers=1)
        checked = run_checks([subject], checks=[check], reader=reader, waivers={})
        return (*checked.steps, *checked.skipped)[0].check_results

    return run


@pytest.fixture
def make_subject(make_step: Callable[..., RemediationStep]) -> Callable[..., Subject]:
    """A PATCH from one body to another, with whatever the test wants different in its step."""

    def make(
        before: Any = None,
        after: Any = None,
        *,
        resource: Any = None,
        policies: tuple[str, ...] = (),
        parameters: Mapping[str, Any] | None = None,
        **step: Any,
    ) -> Subject:
        planned = make_step(**step)
        if after is not None and "request" not in step:
            body = merge_patch(before or {}, after)
            request = attrs.evolve(planned.request, path=planned.target_id, body=body)
            planned = attrs.evolve(planned, request=request, changes=changes(before or {}, after))
        return Subject(
            step=planned,
            policies=policies,
            parameters=parameters or {},
            resource=resource,
            before=before,
            after=after,
        )

    return make


@pytest.fixture
def deployment(make_step: Callable[..., RemediationStep]) -> Subject:
    """A template that gives a storage account a diagnostic setting, which refers to a workspace."""
    workspace = f"{SUBSCRIPTION}/resourceGroups/logs-rg/providers/Microsoft.OperationalInsights/workspaces/central"
    request = PlannedRequest(
        method="PUT",
        path=f"{GROUP}/providers/Microsoft.Resources/deployments/defender-remediate-1",
        api_version="2024-03-01",
        body={"properties": {"parameters": {"workspace": {"value": workspace}, "names": {"value": ["a", 1]}}}},
    )
    step = make_step(
        executor="template",
        target_id=f"{ACCOUNT}/providers/Microsoft.Insights/diagnosticSettings",
        api_version="2021-05-01-preview",
        request=request,
        changes=(PropertyChange(path="x", after=1),),
        permissions=(
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Insights/diagnosticSettings/write",
            "Microsoft.OperationalInsights/workspaces/sharedKeys/action",
            "Microsoft.Network/privateEndpoints/write",
            "Microsoft.Resources/deployments/write",
        ),
    )
    return Subject(step=step, parameters={"workspace_id": workspace})
