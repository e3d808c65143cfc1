"""A custom role for a selection of fixes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction, Recommendation, RemediationPlan
from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.errors import CatalogError, InvalidInputError, InvalidScopeError, UnknownRecommendationError
from defender_remediate.models import Condition, FixParameter
from defender_remediate.preflight import BUILT_IN_CHECKS

ONE = "/subscriptions/11111111-1111-1111-1111-111111111111"
GROUP = f"{ONE}/resourceGroups/rg"
TEAM = "/providers/Microsoft.Management/managementGroups/team"
FIX = FixAction(
    key="k",
    title="T",
    kind="patch",
    resource_type="Microsoft.Web/sites",
    api_version="2024-01-01",
    body={"a": 1},
    compliant_when=Condition(operator="equals", path="a", value=1),
    permissions=("Microsoft.Web/sites/write", "Microsoft.Web/sites/read"),
)
ACTION = re.compile(r"[A-Za-z.]+(/[A-Za-z]+)+/(read|write|action)")


def role(*fixes: FixAction | str, scopes: Any = ONE, name: str = "Fixer") -> dict[str, Any]:
    return Catalog([FIX]).role_definition(fixes, name=name, scopes=scopes)


def as_the_cli_reads_it(text: str) -> dict[str, Any]:
    """What ``az role definition create`` sends: it takes the members from the top, with a small first letter."""
    given = {name[:1].lower() + name[1:]: value for name, value in json.loads(text).items()}
    assert given["name"]
    assert given["assignableScopes"]
    lists = {name: given.get(name) for name in ("actions", "notActions", "dataActions", "notDataActions")}
    return {
        "roleName": given["name"],
        "description": given.get("description"),
        "type": "CustomRole",
        "assignableScopes": given["assignableScopes"],
        "permissions": [lists],
    }


def test_the_role_that_azure_takes() -> None:
    """The command line and the REST API are given the same role."""
    made = role(FIX, scopes=[ONE, GROUP])
    assert as_the_cli_reads_it(json.dumps(made)) == made["properties"]
    assert made["properties"]["assignableScopes"] == [ONE, GROUP]
    assert made["properties"]["roleName"] == "Fixer"
    assert made["properties"]["type"] == "CustomRole"


def test_the_least_that_is_needed() -> None:
    """The fix's own actions and the reads around it: sorted, each once, no wildcard, nothing that deletes."""
    actions = role(FIX, attrs.evolve(FIX, permissions=("microsoft.web/sites/READ",)))["actions"]
    folded = [action.casefold() for action in actions]
    assert folded == sorted(set(folded))
    assert {"microsoft.web/sites/read", "microsoft.web/sites/write", "microsoft.security/assessments/read"} <= set(
        folded
    )
    assert [action for action in folded if action.endswith(("/write", "/action", "/delete"))] == [
        "microsoft.web/sites/write"
    ]
    reader = role()["actions"]
    assert all(action.endswith("/read") for action in reader)
    assert set(map(str.casefold, actions)) - set(map(str.casefold, reader)) == set(map(str.casefold, FIX.permissions))


def test_what_only_some_fixes_need() -> None:
    """The containers of storage accounts, the candidates of a parameter, and where they are."""
    log = FixParameter(name="log", type="resource_id", description="?", resource_type="A.B/c/d")
    text = FixParameter(name="text", type="string", description="?", same_location=True)
    plain, there = (
        attrs.evolve(FIX, parameters=(attrs.evolve(log, same_location=near), text)) for near in (False, True)
    )
    assert "Microsoft.Resources/subscriptions/resources/read" in role(plain)["actions"]
    assert "A.B/c/read" not in role(plain)["actions"]
    assert "A.B/c/read" in role(there)["actions"]
    storage = attrs.evolve(FIX, resource_type="Microsoft.Storage/storageAccounts")
    assert {action.split("/")[-2] for action in {*role(storage)["actions"]} - {*role(FIX)["actions"]}} == {
        "containers",
        "queues",
        "shares",
        "tables",
    }
    assert set(role(FIX, scopes=TEAM)["actions"]) - set(role(FIX)["actions"]) == {
        "Microsoft.Management/managementGroups/descendants/read"
    }


def test_fixes_may_be_named_by_their_keys() -> None:
    """All fixes of the recommendation are meant; a key that has none is misspelt."""
    assert role("K") == role(FIX)
    assert role("T") == role(FIX)
    with pytest.raises(UnknownRecommendationError, match="display name 'x'"):
        role("x")
    unknown, guided = "00000000-0000-0000-0000-000000000000", next(iter(bundled_guidance())).key
    with pytest.raises(CatalogError, match=f"no fix for the recommendation '{unknown}' .client.list"):
        role(unknown)
    with pytest.raises(CatalogError, match=f"Catalog.get_guidance.'{guided}'. says what can be done"):
        role(guided)


def test_a_role_is_made_for_whatever_is_in_hand(make_plan: Callable[..., RemediationPlan]) -> None:
    """A fix, a recommendation, a plan, or several of them: the same fixes give the same role."""
    catalog = Catalog(
        [FIX, attrs.evolve(FIX, resource_type="Microsoft.Batch/batchAccounts", permissions=("A.B/c/read",))]
    )
    step = attrs.evolve(make_plan().steps[0], keys=("k",), resource_type="microsoft.web/sites")
    plan = make_plan(steps=(step,))
    both = Recommendation(key="k", display_name="T")

    def actions(given: Any) -> list[str]:
        found: list[str] = catalog.role_definition(given, name="Fixer", scopes=ONE)["actions"]
        return found

    assert actions(FIX) == actions([FIX]) == actions(plan) == actions([plan])
    assert actions(both) == actions([both]) == actions("k") == actions(iter(["k"]))
    assert set(actions(both)) - set(actions(FIX)) == {"A.B/c/read"}
    assert actions(make_plan(steps=())) == actions([])


@pytest.mark.parametrize("wrong", [5, None, [5], [None], [[FIX]], object()])
def test_a_role_for_something_else_is_refused(wrong: Any) -> None:
    """With what would be right."""
    with pytest.raises(InvalidInputError) as caught:
        Catalog([FIX]).role_definition(wrong, name="Fixer", scopes=ONE)
    assert "plan" in caught.value.message


class OwnCheck:
    """A check of a caller's own, of one resource type."""

    name = "own"
    permissions = ("Contoso.Own/things/read",)
    resource_types = ("Microsoft.Web/sites",)

    def prefetch(self, subjects: Any, reader: Any) -> None:
        """Nothing."""

    def judge(self, subject: Any, facts: Any) -> tuple[()]:
        return ()


def test_the_role_has_what_the_checks_need() -> None:
    """The built-in ones and those of a caller; the ones of a type only in a role for a fix of that type."""
    needed = {
        action for check in BUILT_IN_CHECKS for action in check.permissions if not hasattr(check, "resource_types")
    }
    assert needed
    plain = Catalog([FIX]).role_definition(FIX, name="Fixer", scopes=ONE)
    own = Catalog([FIX]).role_definition(FIX, name="Fixer", scopes=ONE, checks=[OwnCheck()])
    assert needed <= set(plain["actions"])
    assert set(own["actions"]) - set(plain["actions"]) == {"Contoso.Own/things/read"}
    other = attrs.evolve(FIX, resource_type="Microsoft.Sql/servers")
    role_of_other = Catalog([other]).role_definition(other, name="Fixer", scopes=ONE, checks=[OwnCheck()])
    assert "Contoso.Own/things/read" not in role_of_other["actions"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"name": " "}, InvalidInputError, "a name of 1 to 128"),
        ({"name": "x" * 129}, InvalidInputError, "a name of 1 to 128"),
        ({"name": None}, InvalidInputError, "a name of 1 to 128"),
        ({"scopes": []}, InvalidScopeError, "no scope was given"),
        ({"scopes": [f"{GROUP}/providers/A.B/c/d"]}, InvalidInputError, "scoped to a single resource"),
        ({"scopes": [TEAM, f"{TEAM}2"]}, InvalidInputError, "one management group only"),
    ],
)
def test_what_no_role_can_have(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    """It is refused before Azure refuses it."""
    with pytest.raises(error, match=message):
        role(FIX, **wrong)


def test_a_role_for_the_whole_bundled_catalog() -> None:
    """Every action has the form of one; nothing is deleted and no data is touched."""
    catalog = Catalog.bundled()
    made = catalog.role_definition(catalog, name="Everything", scopes=ONE)
    assert all(ACTION.fullmatch(action) for action in made["actions"])
    assert made["notActions"] == made["dataActions"] == made["notDataActions"] == []
