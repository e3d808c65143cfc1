"""Reads that the steps of a large plan share, and what is read where a shared read is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from tests.unit.preflight.conftest import FakeAzure

from defender_remediate.errors import ForbiddenError, RequestError
from defender_remediate.models.check import CheckResult
from defender_remediate.preflight import Check, CheckReader, Subject, run_checks
from defender_remediate.preflight.last_writers import last_writers
from defender_remediate.preflight.ownership import OwnershipCheck
from defender_remediate.preflight.permissions import PermissionCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUPS = tuple(f"{SUBSCRIPTION}/resourceGroups/rg-{number}" for number in range(3))
PERMISSIONS = "/providers/Microsoft.Authorization/permissions"
WRITE = "Microsoft.Storage/storageAccounts/write"
FORBIDDEN = ForbiddenError("no", status=403, code="AuthorizationFailed")
Run = Callable[[Check, Mapping[str, Any]], tuple[list[tuple[CheckResult, ...]], list[str]]]


@pytest.fixture
def run(make_subject: Callable[..., Subject]) -> Run:
    """The results of a check for a step in each of three groups, and what was asked for."""

    def made(check: Check, answers: Mapping[str, Any]) -> tuple[list[tuple[CheckResult, ...]], list[str]]:
        subjects = []
        for number, group in enumerate(GROUPS):
            account = f"{group}/providers/Microsoft.Storage/storageAccounts/a{number}"
            one = make_subject(resource_id=account, target_id=account, permissions=(WRITE,))
            subjects.append(attrs.evolve(one, step=attrs.evolve(one.step, id=f"step-{number}")))
        azure = FakeAzure(answers)
        checked = run_checks(subjects, checks=[check], reader=CheckReader(azure, workers=1), waivers={})
        return [step.check_results for step in (*checked.steps, *checked.skipped)], azure.requests

    return made


def test_permissions_that_every_group_inherits_are_read_once(run: Run) -> None:
    """What the roles at the subscription allow is allowed in each group."""
    found, requests = run(PermissionCheck(), {f"{SUBSCRIPTION[15:]}{PERMISSIONS}": [{"actions": ["*"]}]})
    assert found == [(), (), ()]
    assert requests == [f"{SUBSCRIPTION}{PERMISSIONS}"]


@pytest.mark.parametrize(
    "above",
    [FORBIDDEN, [], [{"actions": ["*/read"]}], [{"actions": ["*"], "condition": "@Resource[x] StringEquals 'y'"}]],
)
def test_where_the_subscription_does_not_suffice_the_groups_are_read(run: Run, above: Any) -> None:
    """Nothing is allowed, or warned of, because of what was read first."""
    answers = {f"{SUBSCRIPTION[15:]}{PERMISSIONS}": above}
    answers |= {f"{group[-5:]}{PERMISSIONS}": [{"actions": ["*"]}] for group in GROUPS}
    found, requests = run(PermissionCheck(), answers)
    assert found == [(), (), ()]
    assert len(requests) == 1 + len(GROUPS)


@pytest.mark.parametrize("is_listed", [True, False])
def test_the_tags_of_many_groups_are_read_with_a_list(run: Run, *, is_listed: bool) -> None:
    """A group that the list does not show, or all of them if it is refused, are read one by one."""
    bodies = {group: {"id": group, "tags": {"terraform": "true"}} for group in GROUPS}
    listed = [bodies[group] for group in GROUPS[:2]] if is_listed else FORBIDDEN
    history = {"data": []}
    answers = {"/resourceGroups": listed, "ResourceGraph/resources": history}
    answers |= {group[-5:]: body for group, body in bodies.items()}
    found, requests = run(OwnershipCheck(), answers)
    assert [results[0].evidence for results in found] == [("resource group: tag terraform=true",)] * 3
    assert len([path for path in requests if "/rg-" in path]) == (1 if is_listed else 3)


class _ShortQueries(FakeAzure):
    """Resource Graph that refuses queries about more than a number of resources."""

    def __init__(self, most: int, error: RequestError) -> None:
        super().__init__({})
        self.most = most
        self.error = error

    def post_query(self, path: str, *, api_version: str, body: Any) -> Any:
        asked = body["query"].count("/providers/")
        self.requests.append(str(asked))
        if asked > self.most:
            raise self.error
        return SimpleNamespace(body={"data": []})


@pytest.mark.parametrize(
    ("most", "status", "asked", "unread"),
    [
        (1000, 400, ["600"], 0),
        (250, 400, ["600", "250", "250", "100"], 0),
        (250, 413, ["600", "250", "250", "100"], 0),
        (100, 400, ["600", "250", "250", "100"], 500),
        (250, 403, ["600"], 600),
    ],
)
def test_a_query_that_is_too_long_is_asked_in_parts(most: int, status: int, asked: list[str], unread: int) -> None:
    """How long a query may be is not documented. Who wrote to what cannot be read is not known, and said so."""
    azure = _ShortQueries(most, RequestError("no", status=status))
    ids = [f"{GROUPS[0]}/providers/Microsoft.Storage/storageAccounts/a{number:03}" for number in range(600)]
    writers, not_read = last_writers(CheckReader(azure, workers=1), ids)
    assert (azure.requests, writers, len(not_read)) == (asked, {}, unread)
