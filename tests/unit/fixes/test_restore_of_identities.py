"""An identity that a run gave goes back as Azure takes one away: by a type of its own."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.merge import merge_patch
from defender_remediate.fixes.restore import is_restored, restoration
from defender_remediate.json_values import thaw

GIVEN = {"principalId": "p", "tenantId": "t"}
MINE = {"type": "SystemAssigned"}
NONE = {"type": "None"}
ASSIGNED = {"userAssignedIdentities": {"/a": {"clientId": "c"}}}


@pytest.mark.parametrize(
    "before", [{}, {"identity": None}, {"identity": NONE}, {"identity": {**NONE, "tenantId": "t"}}]
)
@pytest.mark.parametrize("shown", [{}, {"identity": None}, {"identity": NONE}])
def test_an_identity_that_was_none_is_taken_away(before: dict[str, Any], shown: dict[str, Any]) -> None:
    """Not with null, which says nothing; however the provider shows it before and after, it is proven."""
    after = {"identity": {**(before.get("identity") or {}), **MINE}}
    now = {"identity": {**MINE, **GIVEN}}
    found = restoration(changes(before, after), now)
    assert (len(found.restored), found.preserved) == (1, ())
    assert merge_patch(now, found.body) == {"identity": NONE}
    proof = is_restored(found.body, found.restored)
    assert (holds(proof, now), holds(proof, shown)) == (False, True)
    assert restoration(changes(before, after), shown).restored == ()


@pytest.mark.parametrize("shown", [{}, {"identity": NONE}])
def test_an_identity_that_was_taken_away_comes_again(shown: dict[str, Any]) -> None:
    """As another one: what Azure gives it is neither sent nor compared."""
    given = {"identity": {**MINE, **GIVEN}}
    found = restoration(changes(given, {}), shown)
    assert merge_patch(shown, found.body) == {"identity": MINE}
    proof = is_restored(found.body, found.restored)
    assert holds(proof, {"identity": {**MINE, "principalId": "another", "tenantId": "t"}})
    assert not holds(proof, shown)


def test_an_identity_beside_others_goes_alone() -> None:
    """Those that were assigned are named again, because Azure replaces them whole."""
    before = {"identity": {"type": "UserAssigned", **ASSIGNED}}
    now = {"identity": {"type": "SystemAssigned, UserAssigned", **ASSIGNED, **GIVEN}}
    after = {"identity": {"type": "SystemAssigned, UserAssigned", **ASSIGNED}}
    found = restoration(changes(before, after), now)
    assert merge_patch(now, found.body) == {"identity": {"type": "UserAssigned", "userAssignedIdentities": {"/a": {}}}}


def test_an_identity_that_somebody_assigned_since_stays() -> None:
    """With the type that it needs."""
    now = {"identity": {"type": "SystemAssigned, UserAssigned", **ASSIGNED, **GIVEN}}
    found = restoration(changes({}, {"identity": MINE}), now)
    assert (thaw(found.body), found.restored, found.preserved) == (now, (), ("identity.type",))
