"""Permissions: Azure's rule for actions and notActions, and where they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import ForbiddenError, NotFoundError, RequestError, ServiceError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.permissions import PermissionCheck, matches

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
READ, WRITE = "Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"
CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Blueprint/*/delete"]}
READER = {"actions": ["*/read"]}
AT_GROUP = "/shop-rg/providers/Microsoft.Authorization/permissions"
AT_ACCOUNT = "/shopdata/providers/Microsoft.Authorization/permissions"
Judge = Callable[..., tuple[CheckResult, ...]]


@pytest.fixture
def judge(check_one: Judge, make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds when the caller has these entries at the group, and these at the account."""

    def run(*at_group: Any, at_account: Any = (), actions: tuple[str, ...] = (READ, WRITE)) -> tuple[CheckResult, ...]:
        answers = {AT_GROUP: list(at_group), AT_ACCOUNT: at_account}
        return check_one(PermissionCheck(), make_subject(permissions=actions), answers)

    return run


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", WRITE, True),
        (WRITE.upper(), WRITE, True),
        ("Microsoft.Storage/*", WRITE, True),
        ("Microsoft.Storage/*/write", WRITE, True),
        ("*/write", WRITE, True),
        ("*/read", WRITE, False),
        ("*/blob/*", WRITE, False),
        ("Microsoft.Storage/storageAccounts/wr*", WRITE, True),
        ("Microsoft.Storage/**/write", WRITE, True),
        ("Microsoft.Storage/storageAccounts", WRITE, False),
        ("MicrosoftXStorage/storageAccounts/write", WRITE, False),
        ("Microsoft.Storage/storageAccounts/writ?", WRITE, False),
        ("Microsoft.Storage/storageAccounts/[w]rite", WRITE, False),
        ("", WRITE, False),
    ],
)
def test_a_star_is_any_text_and_nothing_else_is_special(pattern: str, action: str, expected: bool) -> None:
    """Anywhere in the pattern, across segments, whatever the case."""
    assert matches(pattern, action) is expected


def test_many_stars_cost_no_time() -> None:
    """A role definition may contain any pattern."""
    assert not matches("*a" * 40 + "*b", "a" * 200)


@given(
    st.lists(st.sampled_from(["*", "a", "/", "."]), max_size=6), st.lists(st.sampled_from(["a", "/", "."]), max_size=6)
)
def test_a_pattern_matches_what_its_parts_do(pattern: list[str], action: list[str]) -> None:
    """Against the definition: a star takes nothing, or one more character."""

    def by_definition(left: list[str], right: list[str]) -> bool:
        if not left:
            return not right
        if left[0] == "*":
            return by_definition(left[1:], right) or (bool(right) and by_definition(left, right[1:]))
        return bool(right) and left[0] == right[0] and by_definition(left[1:], right[1:])

    assert matches("".join(pattern), "".join(action)) is by_definition(pattern, action)


def test_what_one_role_excludes_another_one_allows(judge: Judge) -> None:
    """NotActions exclude from their own entry only; entries are a union."""
    lock = ("Microsoft.Authorization/locks/write",)
    assert [one.status for one in judge(CONTRIBUTOR, actions=lock)] == [CheckStatus.BLOCKED]
    assert judge(CONTRIBUTOR, {"actions": ["Microsoft.Authorization/locks/*"]}, actions=lock) == ()
    assert judge(CONTRIBUTOR) == judge(READER, {"actions": [WRITE]}) == ()


def test_a_role_at_the_resource_adds_to_those_of_the_group(judge: Judge) -> None:
    """The resource is read when those of the group do not suffice."""
    assert judge(READER, at_account=[{"actions": [WRITE]}]) == ()
    (found,) = judge(READER)
    assert found.evidence == (f"no role allows it at {GROUP}", f"no role allows it at {ACCOUNT}")
    assert found.message == f"the caller is not allowed {WRITE}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFoundError("x", status=404, code="NotFound"), CheckStatus.BLOCKED),
        (ServiceError("x", status=500, code="x"), CheckStatus.UNCHECKED),
        (ForbiddenError("x", status=403, code="x"), CheckStatus.UNCHECKED),
    ],
)
def test_a_resource_without_a_listing_of_its_own_leaves_the_decision_to_the_group(
    judge: Judge, error: RequestError, expected: CheckStatus
) -> None:
    """Any other refusal leaves the step unchecked."""
    (found,) = judge(READER, at_account=error)
    assert found.status is expected


def test_a_notaction_that_excludes_is_evidence(judge: Judge) -> None:
    """The reader of the result sees which role to change."""
    (found,) = judge({"actions": ["*"], "notActions": ["*/write"]})
    assert "'*/write'" in found.evidence[2]


def test_an_action_that_is_needed_elsewhere_is_a_warning(
    check_one: Judge, make_subject: Callable[..., Subject]
) -> None:
    """The caller may have it where this cannot look: a rollback removes the reference."""
    join = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
    subject = make_subject({"properties": {"a": 1}}, {"properties": {}}, permissions=join)
    (found,) = check_one(PermissionCheck(), subject, {AT_GROUP: [READER], AT_ACCOUNT: []})
    assert (found.status, "refers to" in found.message) == (CheckStatus.WARNING, True)


def test_a_condition_makes_an_action_doubtful(judge: Judge) -> None:
    """Only where no entry without one allows it; what is missing at all is reported separately."""
    sometimes = {"actions": [WRITE], "condition": "@Resource[x] StringEquals 'y'"}
    (found,) = judge(READER, sometimes)
    assert (found.status, found.evidence) == (CheckStatus.WARNING, ("condition: @Resource[x] StringEquals 'y'",))
    assert judge(CONTRIBUTOR, sometimes) == ()
    assert [one.status for one in judge(sometimes)] == [CheckStatus.BLOCKED, CheckStatus.WARNING]


@pytest.mark.parametrize("broken", [{}, {"actions": "*"}, {"actions": None}, "x"])
def test_an_entry_without_actions_leaves_the_step_unchecked(judge: Judge, broken: Any) -> None:
    """It does not say what the caller may do."""
    (found,) = judge(broken)
    assert (found.status, "actions" in found.evidence[0]) == (CheckStatus.UNCHECKED, True)


def test_a_parameter_that_names_nothing_is_named(check_one: Judge, deployment: Subject) -> None:
    """With its value and what to do; waiving a safety check would not help."""
    answers = {AT_GROUP: [CONTRIBUTOR]}
    (found,) = check_one(PermissionCheck(), deployment, answers)
    workspace = deployment.parameters["workspace_id"]
    assert found.status is CheckStatus.BLOCKED
    assert found.message == f"the parameter 'workspace_id' refers to a resource that does not exist: {workspace}"
    assert "waive" not in found.message + found.advice


def test_an_endpoint_without_permissions_for_a_reference_is_not_a_missing_resource(
    check_one: Judge, deployment: Subject
) -> None:
    """A 404 that names no missing scope says that there is no such listing."""
    answers = {AT_GROUP: [CONTRIBUTOR], "/permissions": NotFoundError("x", status=404, code="", url="/x")}
    (found,) = check_one(PermissionCheck(), deployment, answers)
    assert (found.status, "does not exist" in found.message) == (CheckStatus.WARNING, False)
