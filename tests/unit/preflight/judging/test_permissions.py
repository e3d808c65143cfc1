"""Azure's rule for actions and notActions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckStatus
from defender_remediate.preflight.permissions import Grant, judge, lacking, matches
from defender_remediate.preflight.subject import Demand

READ, WRITE = "Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"
GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
DEMAND = Demand(place=f"{GROUP}/providers/Microsoft.Storage/storageAccounts/a", actions=(READ, WRITE))
CONTRIBUTOR = Grant(actions=("*",), not_actions=("Microsoft.Authorization/*/Write", "Microsoft.Blueprint/*/delete"))
READER = Grant(actions=("*/read",))


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", WRITE, True),
        (WRITE.upper(), WRITE, True),
        ("Microsoft.Storage/*", WRITE, True),
        ("Microsoft.Storage/*/write", WRITE, True),
        ("*/write", WRITE, True),
        ("*/read", WRITE, False),
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
    """A role is somebody else's text."""
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


def test_what_one_role_leaves_out_another_one_gives() -> None:
    """NotActions take out of their own entry only; entries are a union."""
    owner_of_locks = Grant(actions=("Microsoft.Authorization/locks/*",))
    lock = "Microsoft.Authorization/locks/write"
    assert lacking([lock], [CONTRIBUTOR]) == (lock,)
    assert lacking([lock], [CONTRIBUTOR, owner_of_locks]) == ()
    assert lacking([lock], []) == (lock,)


def test_everything_given_is_no_finding() -> None:
    """Most callers have what they need."""
    assert judge(DEMAND, [CONTRIBUTOR], [GROUP]) == ()
    assert judge(DEMAND, [READER, Grant(actions=(WRITE,))], [GROUP]) == ()


def test_a_missing_action_blocks_and_says_where_it_was_looked_for() -> None:
    """And which notAction takes it out again, when one does."""
    (found,) = judge(DEMAND, [READER], [GROUP])
    assert (found.check, found.status) == (CheckName.PERMISSION, CheckStatus.BLOCKED)
    assert found.message == f"the caller lacks {WRITE}"
    assert found.evidence == (f"no role gives it at {GROUP}",)
    (taken,) = judge(DEMAND, [Grant(actions=("*",), not_actions=("*/write",))], [GROUP, DEMAND.place])
    assert taken.evidence[:2] == (f"no role gives it at {GROUP}", f"no role gives it at {DEMAND.place}")
    assert "'*/write'" in taken.evidence[2]


def test_an_action_that_is_needed_somewhere_else_is_a_warning() -> None:
    """Whoever linked the two may have the right where this cannot look."""
    (found,) = judge(Demand(place=DEMAND.place, actions=(WRITE,), is_certain=False), [READER], [GROUP])
    assert found.status is CheckStatus.WARNING
    assert "links to" in found.message


def test_a_condition_makes_an_action_doubtful() -> None:
    """Only where no entry without one gives it; what is missing at all is said apart."""
    sometimes = Grant(actions=(WRITE,), condition="@Resource[x] StringEquals 'y'")
    (found,) = judge(DEMAND, [READER, sometimes], [GROUP])
    assert (found.status, found.evidence) == (CheckStatus.WARNING, ("condition: @Resource[x] StringEquals 'y'",))
    assert judge(DEMAND, [CONTRIBUTOR, sometimes], [GROUP]) == ()
    both = judge(DEMAND, [sometimes], [GROUP])
    assert [one.status for one in both] == [CheckStatus.BLOCKED, CheckStatus.WARNING]


def test_an_entry_is_read_as_azure_sends_it() -> None:
    """One without a list of actions says nothing, which is no "no"."""
    entry = {"actions": ["*/read"], "notActions": ["a/b"], "dataActions": [], "condition": None}
    assert Grant.from_rest(entry) == Grant(actions=("*/read",), not_actions=("a/b",))
    assert Grant.from_rest({"actions": [], "condition": "c"}) == Grant(actions=(), condition="c")
    for broken in ({}, {"actions": "*"}, {"actions": None}, "x"):
        with pytest.raises(MalformedResponseError, match="actions"):
            Grant.from_rest(broken)
