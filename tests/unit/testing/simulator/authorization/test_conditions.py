"""Conditions of role assignments: evaluated where the simulator knows what they look at, and refused elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.authorization.conditions import ConditionError, ConditionInput, parse
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID

READER, OWNER = "acdd72a7-3385-48ef-bd42-f606fba81ae7", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR, USER_ADMINISTRATOR = "b24988ac-6180-42a0-ab88-20f7382dd24c", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
USER = "bbbbbbbb-0000-4000-8000-000000000001"
ROLE = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
ONLY_READERS = (
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR "
    f"(@Request[{ROLE}] ForAnyOfAnyValues:GuidEquals {{{READER}, {USER_ADMINISTRATOR}}})) AND "
    "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'})) OR "
    f"(@Resource[{ROLE}] ForAnyOfAnyValues:GuidEquals {{{READER}}}))"
)
VERSION = "2022-04-01"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("ActionMatches{'a/*'}", True),
        ("NOT ActionMatches{'a/*'}", False),
        ("!ActionMatches{'b/*'} && @Request[s] StringEquals 'It''s'", True),
        ("@Request[s] StringNotEquals 'x' || Exists @Request[gone]", True),
        ("@Request[s] StringEquals 'x' or @Request[gone] StringEquals 'x'", None),
        ("@Request[s] StringEquals 'x' and @Request[gone] StringEquals 'x'", False),
        ("!(@Request[gone] StringEquals 'x')", None),
        ("@REQUEST[S] StringEqualsIgnoreCase 'IT''S'", True),
        ("@Request[s] StringLike 'I?''*'", True),
        ("@Request[s] StringNotLikeIgnoreCase 'i*'", False),
        ("@Request[s] StringStartsWith 'It'", True),
        ("@Request[n] NumericGreaterThan 2", True),
        ("@Request[n] NumericLessThanEquals 2.5", False),
        ("@Request[n] StringLike '3'", False),
        ("@Request[b] BoolEquals true", True),
        ("@Request[d] DateTimeLessThan '2026-01-02T00:00:00Z'", True),
        ("@Request[d] DateTimeGreaterThan 'soon'", False),
        ("@Request[l] ForAnyOfAnyValues:StringEquals {'a', 'z'}", True),
        ("@Request[l] ForAllOfAnyValues:StringEquals {'a', 'z'}", False),
        ("@Request[l] ForAllOfAllValues:StringNotEquals {'y', 'z'}", True),
        ("@Request[l] ForAnyOfAllValues:StringEquals {'a'}", True),
        ("Exists @Request[s]", True),
        ("Exists @Request[none]", False),
        ("Exists @Request[gone]", None),
        ("@Request[none] StringEquals 'x'", False),
        ("@Request[s] StringEquals @Principal[s]", None),
        ("@Request[s] IpMatch '192.0.2.1'", None),
        ("SubOperationMatches{'Blob.List'}", None),
    ],
)
def test_a_condition_is_true_false_or_undecided(text: str, verdict: bool | None) -> None:
    """Unknown attributes, sub-operations and operators leave it undecided, unless the rest decides it."""
    values = {"s": "It's", "n": 3, "b": True, "d": "2026-01-01T00:00:00Z", "l": ["a", "b"], "none": None}
    given = ConditionInput("a/b/write", {f"@request[{name}]": value for name, value in values.items()})
    assert parse(text)(given) is verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "§",
        "yes",
        "@Request[a]",
        "@Other[a] StringEquals 'x'",
        "@Request[a] StringEquals",
        "Exists Exists",
    ],
)
def test_what_is_no_condition_says_so(text: str) -> None:
    """An error of one kind, whatever is wrong; one that is nested without end, too."""
    for one in (
        text,
        f"{text} )",
        "(Exists @Request[a]",
        "!" * 60 + "ActionMatches{'a'}",
        "@Request[a] 'x' 'y'",
        "ActionMatches{1}} x",
    ):
        with pytest.raises(ConditionError):
            parse(one)


def body(scope: str, role: str, **more: Any) -> dict[str, Any]:
    """The body of a role assignment."""
    role_id = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return {"properties": {"roleDefinitionId": role_id, "principalId": USER, "principalType": "User", **more}}


@pytest.fixture
def delegate(sim: ArmSimulator, call: Any, account: str, scope: str, group: str) -> Any:
    """Leaves the caller with the role Owner on a resource group under a condition; sends requests about assignments there."""
    del account

    def send(method: str, number: int, *role: str, **more: Any) -> Any:
        name = f"dddddddd-0000-4000-8000-00000000000{number}"
        path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version={VERSION}"
        return call(method, path, json=body(scope, *role, **more)) if role else call(method, path)

    def restrict(condition: str) -> Any:
        assert (
            send("PUT", 0, OWNER, principalId=CALLER_ID, condition=condition, conditionVersion="2.0").status_code == 201
        )
        sim.access.revoke(scope)
        return send

    restrict.send = send  # type: ignore[attr-defined]
    return restrict


def test_a_delegate_assigns_only_the_roles_of_its_condition(delegate: Any, call: Any, account: str, word: Any) -> None:
    """The usual condition of delegation: it decides about writes and deletions of assignments, and about nothing else."""
    send = delegate.send
    assert send("PUT", 3, READER, condition="yes").status_code == 400
    assert send("PUT", 3, READER, condition=ONLY_READERS, conditionVersion="1.0").status_code == 400
    assert send("PUT", 4, CONTRIBUTOR).status_code == 201
    delegate(ONLY_READERS)
    refused = send("PUT", 1, CONTRIBUTOR)
    assert (refused.status_code, word(refused)) == (403, "AuthorizationFailed")
    assert [send("PUT", 1, READER).status_code, send("PUT", 2, USER_ADMINISTRATOR).status_code] == [201, 201]
    statuses = [send("DELETE", number).status_code for number in (1, 2, 4, 9)]
    assert statuses == [200, 403, 403, 403]
    tagged = call("PATCH", f"{account}?api-version=2025-08-01", json={"tags": {"a": "b"}})
    assert tagged.status_code == 200


def test_a_condition_that_cannot_be_decided_is_refused(delegate: Any, call: Any, account: str, word: Any) -> None:
    """Never ignored: what depends on it is answered with 501, and the answer quotes it."""
    delegate("@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'")
    for method, sent in (("GET", None), ("PATCH", {"tags": {}})):
        reply = call(method, f"{account}?api-version=2025-08-01", json=sent)
        assert (reply.status_code, word(reply)) == (501, "NotSimulated")
        assert "Microsoft.Storage/storageAccounts:name" in reply.json()["error"]["message"]


def test_a_condition_that_a_test_grants_may_be_any_text(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """Of a role from ``sim.access.grant``, what cannot be decided or read is assumed to be met; what is false is not."""
    sim.access.revoke(scope)
    for condition, status in (("whatever", 200), ("@Resource[x] StringEquals 'y'", 200), ("ActionMatches{'x'}", 403)):
        sim.access.grant(("Microsoft.Storage/*",), account, condition=condition)
        assert call("GET", f"{account}?api-version=2025-08-01").status_code == status
        sim.access.revoke(account)
