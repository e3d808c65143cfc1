from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.planning.waivers import parse_waivers


def test_one_mapping_holds_waivers_of_checks_and_guards() -> None:
    """A call that plans and applies takes both; each goes where it belongs, with its reason trimmed."""
    waivers = parse_waivers({"lock": " CHG-1 ", "window": "incident"})
    assert waivers.checks == {"lock": "CHG-1"}
    assert waivers.guards == {"window": "incident"}
    assert waivers.recorded_guards == ("window: incident",)


def test_no_waivers_waive_nothing() -> None:
    """Neither None nor an empty mapping."""
    assert parse_waivers(None) == parse_waivers({})
    assert not parse_waivers(None).checks
    assert not parse_waivers(None).guards


@pytest.mark.parametrize(
    "wrong",
    [{"lok": "why"}, {"window": ""}, {"lock": " "}, {"lock": 1}, {1: "why"}, ["lock"], "lock", {"x" * 5000: "why"}],
)
def test_an_invalid_waiver_is_refused(wrong: Any) -> None:
    """A name that no check or guard has, a missing reason, or something that is not a mapping."""
    with pytest.raises(InvalidInputError) as caught:
        parse_waivers(wrong)
    assert len(caught.value.message) < 300
    assert "lok" not in wrong or "lock" in caught.value.hint


def test_a_waiver_for_another_verb_says_which_verb_takes_it() -> None:
    """Checks are made when a plan is made, guards when it is applied."""
    with pytest.raises(InvalidInputError, match="'max_changes' is a guard") as caught:
        parse_waivers({"max_changes": "why"}, guards=None)
    assert "apply" in caught.value.hint
    with pytest.raises(InvalidInputError, match="'lock' is a check") as caught:
        parse_waivers({"lock": "why"}, checks=None)
    assert "plan" in caught.value.hint


def test_a_check_of_the_caller_can_be_waived_by_its_name() -> None:
    """The names of checks are open."""
    assert parse_waivers({"my_check": "why"}, checks=("lock", "my_check")).checks == {"my_check": "why"}
