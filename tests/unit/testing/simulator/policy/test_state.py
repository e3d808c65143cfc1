"""Policy: what is assigned, what it denies, what it would say beforehand, and exemptions from it."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.facts import facts

AUTH = "providers/Microsoft.Authorization"
BENCHMARK = "/providers/Microsoft.Authorization/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
POLICY = "2023-04-01"
EXEMPT = "2022-07-01-preview"
TYPE = "Microsoft.Storage/storageAccounts"
HTTPS = "properties.supportsHttpsTrafficOnly"
TOP = "/providers/Microsoft.Management/managementGroups/top"


@pytest.fixture
def patch(call: Any) -> Any:
    """The status of a PATCH that switches secure transfer on."""
    body = {"properties": {"supportsHttpsTrafficOnly": True}}
    return lambda resource: call("PATCH", f"{resource}?api-version=2025-08-01", json=body).status_code


def names(call: Any, scope: str, kind: str, text: str = "") -> list[str]:
    """The names of what a list shows."""
    version = EXEMPT if kind == "policyExemptions" else POLICY
    query = {"filter": text} if text else {}
    return [item["name"] for item in call.get(f"{scope}/{AUTH}/{kind}", version, **query)["value"]]


def test_the_benchmark_is_assigned_to_every_subscription(call: Any, scope: str) -> None:
    """Its definition names the policy behind each built-in recommendation, under a reference id."""
    (assigned,) = call.get(f"{scope}/{AUTH}/policyAssignments", POLICY)["value"]
    assert assigned["properties"]["policyDefinitionId"] == BENCHMARK
    assert assigned["properties"]["enforcementMode"] == "Default"
    assert call.get(assigned["id"], POLICY) == assigned
    initiative = call.get(BENCHMARK, POLICY)
    assert (initiative["id"], initiative["type"]) == (BENCHMARK, "Microsoft.Authorization/policySetDefinitions")
    members = initiative["properties"]["policyDefinitions"]
    wanted = [f["metadata"]["policyDefinitionId"] for f in facts("findings") if f["metadata"].get("policyDefinitionId")]
    assert [member["policyDefinitionId"] for member in members] == wanted
    assert len({member["policyDefinitionReferenceId"] for member in members}) == len(wanted)
    for member in members:
        definition = call.get(member["policyDefinitionId"], POLICY)
        assert definition["properties"]["policyType"] == "BuiltIn"
        assert definition["properties"]["parameters"]["effect"]["defaultValue"] == "Audit"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/providers/Microsoft.Authorization/policyDefinitions/none", "PolicyDefinitionNotFound"),
        ("{scope}" + BENCHMARK, "PolicySetDefinitionNotFound"),
        (
            "{scope}/providers/Microsoft.Authorization/policyDefinitions/404c3081-a854-4457-ae30-26a93ef643f9",
            "PolicyDefinitionNotFound",
        ),
        ("{scope}/providers/Microsoft.Authorization/policyAssignments/none", "PolicyAssignmentNotFound"),
    ],
)
def test_what_is_not_there_is_not_found(call: Any, word: Any, scope: str, path: str, code: str) -> None:
    """What is built in is at the tenant, and not below a subscription."""
    response = call("GET", f"{path.format(scope=scope)}?api-version={POLICY}")
    assert (response.status_code, word(response)) == (404, code)


def test_assignments_are_listed_as_azure_does(
    sim: ArmSimulator, call: Any, account: str, group: str, scope: str
) -> None:
    """Inherited ones always, those below without ``atScope()``, or those of one definition."""
    sim.access.assign_policy(TOP, name="top")
    sim.access.assign_policy(account, name="below")
    default = "SecurityCenterBuiltIn"
    assert names(call, scope, "policyAssignments") == [default, "top", "below"]
    assert names(call, group, "policyAssignments") == [default, "top", "below"]
    assert names(call, group, "policyAssignments", "atScope()") == [default, "top"]
    assert names(call, TOP, "policyAssignments") == ["top"]
    assert names(call, scope, "policyAssignments", f"policyDefinitionId eq '{BENCHMARK}'") == [default]


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        (
            {"resource_type": TYPE, "path": HTTPS, "equals": True},
            [{"field": "type", "equals": TYPE}, {"field": f"{TYPE}/supportsHttpsTrafficOnly", "equals": True}],
        ),
        ({"resource_type": TYPE}, [{"field": "type", "equals": TYPE}]),
        ({"path": "tags.owner", "equals": "x"}, [{"field": "tags.owner", "equals": "x"}]),
        (
            {"resource_type": TYPE, "path": "location", "equals": "westus"},
            [{"field": "type", "equals": TYPE}, {"field": "location", "equals": "westus"}],
        ),
        ({}, [{"field": "type", "exists": "true"}]),
    ],
)
def test_a_definition_says_what_is_denied(
    sim: ArmSimulator, call: Any, account: str, scope: str, policy: dict[str, Any], rule: list[Any]
) -> None:
    """With the alias of the property; it lives at the subscription, wherever it is assigned."""
    sim.access.assign_policy(scope, name="another")
    assigned = call.get(sim.access.assign_policy(account, name="mine", **policy), POLICY)
    definition = call.get(assigned["properties"]["policyDefinitionId"], POLICY)
    assert definition["id"] == f"{scope}/{AUTH}/policyDefinitions/mine"
    assert definition["properties"]["policyRule"] == {"if": {"allOf": rule}, "then": {"effect": "deny"}}


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, True),
        ({"effect": "audit"}, False),
        ({"enforcement": "DoNotEnforce"}, False),
        ({"not_scopes": ("{group}",)}, False),
        ({"not_scopes": ("{group}x",)}, True),
    ],
)
def test_when_a_policy_refuses(
    sim: ArmSimulator, call: Any, patch: Any, account: str, group: str, options: dict[str, Any], refused: bool
) -> None:
    """The write and the check beforehand agree."""
    if "not_scopes" in options:
        options = {"not_scopes": tuple(text.format(group=group) for text in options["not_scopes"])}
    sim.access.assign_policy(TOP, resource_type=TYPE, path=HTTPS, equals=True, **options)
    found = check(call, group, sim.resources.get(account), supportsHttpsTrafficOnly=True)
    assert bool(found["contentEvaluationResult"]["policyEvaluations"]) is refused
    assert patch(account) == (403 if refused else 200)


def test_an_unknown_effect_is_refused(sim: ArmSimulator, scope: str) -> None:
    """It would deny nothing, and a test would pass for the wrong reason."""
    with pytest.raises(ValueError, match="one of deny, audit"):
        sim.access.assign_policy(scope, effect="Deny")


def check(call: Any, scope: str, body: Any, *, send: dict[str, Any] | None = None, **properties: Any) -> Any:
    """What checkPolicyRestrictions says to a body with other properties."""
    content = {**body, "properties": {**body["properties"], **properties}}
    request = {"resourceDetails": {"resourceContent": content, "apiVersion": "2025-08-01"}, **(send or {})}
    path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions?api-version=2023-03-01"
    response = call("POST", path, json=request)
    assert response.status_code == 200, response.text()
    return response.json()


def test_a_check_names_the_policy_and_changes_nothing(
    sim: ArmSimulator, call: Any, account: str, group: str, scope: str
) -> None:
    """At the group and at the subscription; it takes a write token, and no lock or state is in its way."""
    assignment = sim.access.assign_policy(scope, resource_type=TYPE, path=HTTPS, equals=True)
    sim.access.lock(scope)
    sim.resources.set_subscription_state(scope, "Disabled")
    body = sim.resources.get(account)
    for place in (group, scope):
        (found,) = check(call, place, body, supportsHttpsTrafficOnly=True)["contentEvaluationResult"][
            "policyEvaluations"
        ]
        assert found["policyInfo"]["policyAssignmentId"] == assignment
        assert (found["evaluationResult"], found["effectDetails"]) == ("NonCompliant", {"policyEffect": "Deny"})
        kind, expression = found["evaluationDetails"]["evaluatedExpressions"]
        assert (kind["expression"], kind["result"]) == ("type", "True")
        assert (expression["path"], expression["expressionValue"]) == (HTTPS, True)
        assert check(call, place, body)["contentEvaluationResult"]["policyEvaluations"] == []
    assert sim.resources.get(account) == body
    assert sim.writes == []
    path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions?api-version=2023-03-01"
    response = call("POST", path, json={"resourceDetails": {"resourceContent": {}}})
    assert response.headers["x-ms-ratelimit-remaining-subscription-writes"] == "195"


def test_a_check_can_include_audits(sim: ArmSimulator, call: Any, account: str, group: str, scope: str) -> None:
    """When it is asked to."""
    sim.access.assign_policy(scope, resource_type=TYPE, path=HTTPS, equals=False, effect="audit")
    body = sim.resources.get(account)
    assert check(call, group, body)["contentEvaluationResult"]["policyEvaluations"] == []
    found = check(call, group, body, send={"includeAuditEffect": True})
    assert found["contentEvaluationResult"]["policyEvaluations"][0]["effectDetails"] == {"policyEffect": "Audit"}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ({"field": "location", "values": ["eastus", "westus"]}, ["westus"]),
        ({"field": "location"}, ["westus"]),
        ({"field": "location", "values": ["eastus"]}, None),
        ({"field": "tags"}, None),
    ],
)
def test_a_check_answers_for_pending_fields(
    sim: ArmSimulator, call: Any, account: str, group: str, field: dict[str, Any], values: list[str] | None
) -> None:
    """Only what is asked about; policies of another type, not enforced, or without a field say nothing."""
    sim.access.assign_policy(group, resource_type=TYPE, path="location", equals="westus", name="place")
    sim.access.assign_policy(group, resource_type="Microsoft.Web/sites", path="location", equals="westus", name="other")
    sim.access.assign_policy(group, path="location", equals="westus", name="idle", enforcement="DoNotEnforce")
    sim.access.assign_policy(group, resource_type="Microsoft.Web/sites", name="all")
    sim.access.assign_policy(group, path="location", equals="westus", name="audit", effect="audit")
    found = check(call, group, sim.resources.get(account), send={"pendingFields": [field]})["fieldRestrictions"]
    if values is None:
        assert found == []
        return
    assert [(one["field"], len(one["restrictions"])) for one in found] == [("location", 1)]
    (restriction,) = found[0]["restrictions"]
    assert (restriction["result"], restriction["values"], restriction["policyEffect"]) == ("Deny", values, "Deny")
    assert restriction["policy"]["policyAssignmentId"].endswith("/place")


def test_a_pending_object_stands_for_what_is_in_it(sim: ArmSimulator, call: Any, account: str, group: str) -> None:
    """``tags`` asks about each tag; the values of other fields are no matter."""
    sim.access.assign_policy(group, path="tags.owner", equals="no-one")
    found = check(call, group, sim.resources.get(account), send={"pendingFields": [{"field": "tags"}]})
    assert [one["field"] for one in found["fieldRestrictions"]] == ["tags.owner"]


@pytest.mark.parametrize("body", [{}, {"resourceDetails": {}}, {"resourceDetails": {"resourceContent": {}}, "x": 1}])
def test_a_check_that_says_nothing_is_refused(call: Any, word: Any, scope: str, body: Any) -> None:
    """The content is needed, and nothing that the API does not know."""
    path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions?api-version=2023-03-01"
    response = call("POST", path, json=body)
    assert (response.status_code, word(response)) == (400, "InvalidRequestContent")


def test_a_check_is_made_at_a_subscription_or_a_group(
    sim: ArmSimulator, call: Any, word: Any, account: str, group: str, scope: str
) -> None:
    """Nowhere else; it needs a right of its own, and faults strike it."""
    tail = "/providers/Microsoft.PolicyInsights/checkPolicyRestrictions?api-version=2023-03-01"
    for place in (account, TOP):
        assert call("POST", place + tail, json={}).status_code == 404
    sim.faults.fail("POST", "checkPolicyRestrictions", status=500, code="InternalServerError")
    assert call("POST", group + tail, json={}).status_code == 500
    sim.access.deny("Microsoft.PolicyInsights/checkPolicyRestrictions/read", scope)
    assert word(call("POST", group + tail, json={})) == "AuthorizationFailed"


def test_an_exemption_from_a_deny_policy_lets_the_write_through(
    sim: ArmSimulator, call: Any, patch: Any, account: str, group: str, scope: str
) -> None:
    """At once, for the check beforehand as for the write."""
    assignment = sim.access.assign_policy(scope, resource_type=TYPE, path=HTTPS, equals=True)
    assert patch(account) == 403
    sim.access.exempt(account, assignment=assignment)
    body = sim.resources.get(account)
    for content in (body, {**body, "name": ""}):
        found = check(call, group, content, supportsHttpsTrafficOnly=True)["contentEvaluationResult"]
        # Without a name the exempted resource cannot be recognized.
        assert bool(found["policyEvaluations"]) is (content["name"] == "")
    assert names(call, account, "policyExemptions", f"policyAssignmentId eq '{assignment}'") == ["exemption"]
    assert names(call, account, "policyExemptions", "policyAssignmentId eq 'x'") == []
    assert patch(account) == 200


def test_the_selectors_of_an_exemption_can_be_changed(sim: ArmSimulator, call: Any, account: str, scope: str) -> None:
    """A PATCH keeps everything else; an exemption that is not there is not found."""
    assignment = sim.access.assign_policy(scope, resource_type=TYPE, path=HTTPS, equals=True)
    sim.access.exempt(account, assignment=assignment)
    place = f"{account}/{AUTH}/policyExemptions/exemption"
    before = call.get(place, EXEMPT)["properties"]
    selectors = [{"name": "one", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    body = {"properties": {"resourceSelectors": selectors}}
    changed = call("PATCH", f"{place}?api-version={EXEMPT}", json=body)
    assert changed.json()["properties"] == {**before, "resourceSelectors": selectors}
    assert call("PATCH", f"{place}x?api-version={EXEMPT}", json=body).status_code == 404
