"""What is read, how often, and what is made of answers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import (
    ForbiddenError,
    MalformedResponseError,
    NotFoundError,
    RequestError,
    ServiceError,
)
from defender_remediate.models.check import CheckName, CheckStatus
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.preflight import Preflight, Subscriptions
from defender_remediate.preflight import attached as lists
from defender_remediate.preflight.containers import Containers
from defender_remediate.preflight.policy_reader import Policies
from defender_remediate.preflight.provider_reader import Providers
from defender_remediate.preflight.roles import Roles
from defender_remediate.preflight.subject import Demand, Subject
from defender_remediate.testing import ArmSimulator

WRITE = "Microsoft.Storage/storageAccounts/write"
TLS = "fe83a0eb-a853-422d-aac2-1bffd182c5d0"
DENIED = {"code": "AuthorizationFailed", "status": 403, "times": None}


def paths(sim: ArmSimulator) -> list[str]:
    """The requests so far, without the subscription."""
    return [f"{request.method} {'/'.join(request.path.split('/')[3:])}" for request in sim.requests]


def test_a_list_is_read_once_for_a_subscription(sim: ArmSimulator, session: ArmSession, account: str) -> None:
    """Also one of a second resource in another group."""
    sim.access.lock(account)
    listing = lists.locks(session)
    other = sim.resources.list_ids(scope=sim.scopes[0])[-1]
    assert [lock.level for lock in listing.at(account)] == ["ReadOnly"]
    assert listing.at(other) == listing.at(account)
    assert paths(sim) == ["GET providers/Microsoft.Authorization/locks"]


def test_who_may_not_list_a_subscription_lists_the_group(
    sim: ArmSimulator, session: ArmSession, account: str, group: str
) -> None:
    """Twice: what is below, and what is inherited; each lock comes once."""
    sim.access.lock(account, name="own")
    sim.access.lock(sim.scopes[0], name="above")
    sim.faults.fail("GET", "^[^?]*/subscriptions/[^/]+/providers/Microsoft.Authorization/locks", **DENIED)
    listing = lists.locks(session)
    assert sorted(lock.id.rpartition("/")[2] for lock in listing.at(account)) == ["above", "own"]
    listing.at(account)
    asked = [request.url.partition("locks?")[2] for request in sim.requests]
    assert len(asked) == 3
    assert "atScope" in asked[2]


def test_what_is_in_no_group_has_no_other_list(sim: ArmSimulator, session: ArmSession) -> None:
    """The refusal stands."""
    sim.faults.fail("GET", "/locks", **DENIED)
    with pytest.raises(ForbiddenError):
        lists.locks(session).at(f"{sim.scopes[0]}/providers/Microsoft.Security/pricings/Arm")
    assert len(sim.requests) == 1


def test_each_collection_is_read_as_what_it_is(
    sim: ArmSimulator, session: ArmSession, account: str, group: str
) -> None:
    """Deny assignments, policy assignments and exemptions."""
    sim.access.add_deny_assignment(("*/write",), group, name="managed")
    exemption = sim.access.exempt(group)
    assert [one.name for one in lists.deny_assignments(session).at(account)] == ["managed"]
    assert {one.is_initiative for one in lists.policy_assignments(session).at(account)} == {True}
    assert [one.id for one in lists.exemptions(session).at(account)] == [exemption]


def test_roles_are_read_at_the_group_and_at_the_resource_only_if_need_be(
    sim: ArmSimulator, session: ArmSession, account: str, group: str
) -> None:
    """A role at the resource adds to what the group gives."""
    roles = Roles(session)
    assert roles.judge(Demand(place=account, actions=(WRITE,))) == ()
    assert len(sim.requests) == 1
    sim.access.revoke(sim.scopes[0])
    sim.access.grant(("*/read",), sim.scopes[0])
    sim.access.grant((WRITE,), account)
    fresh = Roles(session)
    assert fresh.judge(Demand(place=account, actions=(WRITE,))) == ()
    (found,) = fresh.judge(Demand(place=f"{account}2", actions=(WRITE,)))
    assert found.status is CheckStatus.BLOCKED
    assert [path.count("providers") for path in paths(sim)] == [1, 1, 2, 2]
    (above,) = fresh.judge(Demand(place=group, actions=(WRITE,)))
    assert above.evidence == (f"no role gives it at {group}",)
    assert len(sim.requests) == 4


@pytest.mark.parametrize(("status", "code", "raises"), [(404, "NotFound", False), (500, "x", True), (403, "x", True)])
def test_a_resource_without_a_list_of_its_own_leaves_the_groups_word(
    sim: ArmSimulator, session: ArmSession, account: str, status: int, code: str, raises: bool
) -> None:
    """Any other refusal is one, and not a "no"."""
    sim.access.deny(WRITE, account)
    sim.faults.fail("GET", "storageAccounts/.*/permissions", status=status, code=code, times=None)
    demand = Demand(place=account, actions=(WRITE,))
    if raises:
        with pytest.raises((ServiceError, ForbiddenError)):
            Roles(session).judge(demand)
    else:
        assert [found.status for found in Roles(session).judge(demand)] == [CheckStatus.BLOCKED]


def test_what_a_subscription_does_not_offer_its_groups_may(
    sim: ArmSimulator, session: ArmSession, account: str
) -> None:
    """Azure promises the list for groups and resources only, so a refusal above says nothing of them."""
    sim.access.deny(WRITE, account)
    sim.faults.fail(
        "GET", "^[^?]*/subscriptions/[^/]+/providers/Microsoft.Authorization/permissions", status=405, times=None
    )
    roles = Roles(session)
    plan = f"{sim.scopes[0]}/providers/Microsoft.Security/pricings/StorageAccounts"
    with pytest.raises(RequestError):
        roles.judge(Demand(place=plan, actions=("Microsoft.Security/pricings/write",)))
    assert [found.status for found in roles.judge(Demand(place=account, actions=(WRITE,)))] == [CheckStatus.BLOCKED]


def test_a_page_without_actions_is_no_answer(sim: ArmSimulator, session: ArmSession, group: str) -> None:
    """It does not say what the caller may do."""
    sim.faults.fail("GET", "/permissions", status=200, body={"value": [{}]}, times=None)
    with pytest.raises(MalformedResponseError):
        Roles(session).at(group)


def test_a_subscription_is_read_once_for_its_state_and_its_tenant(sim: ArmSimulator, session: ArmSession) -> None:
    """In any case of its id."""
    known = Subscriptions(session)
    own = sim.scopes[0].rpartition("/")[2]
    assert known.body(own)["state"] == "Enabled"
    assert known.tenant(own.upper())
    assert len(sim.requests) == 1


def test_a_tenant_that_is_not_told_is_empty(sim: ArmSimulator, session: ArmSession) -> None:
    """But a connection that was cut told nothing."""
    sim.faults.fail("GET", status=403, code="AuthorizationFailed", times=None)
    assert Subscriptions(session).tenant(sim.scopes[0].rpartition("/")[2]) == ""
    sim.faults.clear()
    sim.faults.fail("GET", status=200, body=b"{", times=None)
    with pytest.raises(MalformedResponseError):
        Subscriptions(session).tenant(sim.scopes[0].rpartition("/")[2])


def test_a_provider_is_read_once(sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject]) -> None:
    """And judged for each step."""
    providers = Providers(session)
    assert [*providers.judge(make_subject()), *providers.judge(make_subject())] == []
    sim.resources.unregister_provider(sim.scopes[0], "Microsoft.Storage")
    (found,) = Providers(session).judge(make_subject())
    assert (found.check, found.status) == (CheckName.PROVIDER, CheckStatus.BLOCKED)
    assert len(sim.requests) == 2


def asked(sim: ArmSimulator) -> int:
    """How often Azure was asked what its policies say."""
    return sum(request.method == "POST" for request in sim.requests)


def test_policies_are_not_asked_where_nothing_could_refuse(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject]
) -> None:
    """The benchmark audits, and so does a policy that says so; one elsewhere does not matter."""
    sim.access.assign_policy(
        sim.scopes[0], path="properties.minimumTlsVersion", equals="TLS1_2", effect="audit", name="a"
    )
    sim.access.assign_policy(sim.scopes[0], path="tags", name="off", enforcement="DoNotEnforce")
    assert Policies(session).judge(make_subject()) == ()
    assert asked(sim) == 0


def test_equal_content_is_asked_about_once(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], account: str, group: str
) -> None:
    """The names do not count; what differs does."""
    sim.access.assign_policy(group, path="properties.minimumTlsVersion", equals="TLS1_2")
    subject, policies = make_subject(), Policies(session)
    twin = attrs.evolve(
        subject,
        step=attrs.evolve(subject.step, target_id=f"{account}2", resource_id=f"{account}2"),
        after={**subject.after, "id": f"{account}2", "name": "x"},
    )
    assert [one.status for one in policies.judge(subject)] == [CheckStatus.BLOCKED]
    assert policies.judge(twin) == policies.judge(subject)
    assert asked(sim) == 1
    assert policies.judge(make_subject(minimumTlsVersion="TLS1_3")) == ()
    assert asked(sim) == 2


@pytest.mark.parametrize("kind", ["a rule about names", "an initiative", "a definition that cannot be read"])
def test_what_may_judge_by_the_name_is_told_it(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], account: str, group: str, kind: str
) -> None:
    """A naming rule would judge a content without a name as one of a wrong name."""
    policy = sim.access.assign_policy(group, path="properties.minimumTlsVersion", equals="TLS1_2")
    if kind.startswith("an initiative"):
        definition = f"{sim.scopes[0]}/providers/Microsoft.Authorization/policySetDefinitions/own"
        item = {"id": policy, "properties": {"policyDefinitionId": definition, "scope": group}}
        sim.faults.fail("GET", "/policyAssignments[?]", status=200, body={"value": [item]}, times=None)
    elif kind.startswith("a rule"):
        rule = {"if": {"field": "name", "notLike": "st*"}, "then": {"effect": "deny"}}
        sim.faults.fail("GET", "/policyDefinitions/", status=200, body={"properties": {"policyRule": rule}}, times=None)
    else:
        sim.faults.fail("GET", "/policyDefinitions/", **DENIED)
    Policies(session).judge(make_subject())
    (request,) = [request for request in sim.requests if request.method == "POST"]
    assert json.loads(request.body)["resourceDetails"]["resourceContent"]["name"] == account.rpartition("/")[2]


def test_a_resource_that_is_exempt_by_its_own_id_is_asked_about_by_name(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], account: str, group: str
) -> None:
    """Azure can only take the exemption into account when it is told which resource it is."""
    policy = sim.access.assign_policy(group, path="properties.minimumTlsVersion", equals="TLS1_2")
    sim.access.exempt(account, assignment=policy)
    assert Policies(session).judge(make_subject()) == ()
    assert asked(sim) == 1


def test_a_definition_that_cannot_be_read_could_refuse(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """So Azure is asked."""
    sim.access.assign_policy(group, path="tags", effect="audit")
    sim.faults.fail("GET", "/policyDefinitions/", **DENIED)
    assert Policies(session).judge(make_subject()) == ()
    assert asked(sim) == 1


def test_a_deployment_is_left_to_its_what_if(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """And so is what has no body."""
    sim.access.assign_policy(group)
    subject = make_subject()
    request = PlannedRequest(
        method="PUT", path=f"{group}/providers/Microsoft.Resources/deployments/d", api_version="1", body={}
    )
    deployment = attrs.evolve(subject, step=attrs.evolve(subject.step, request=request))
    policies = Policies(session)
    assert policies.judge(deployment) == policies.judge(attrs.evolve(subject, after=None)) == ()
    assert sim.requests == []


def test_an_exemption_is_for_the_policies_of_the_recommendation(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """The whole benchmark, and the initiative is read once; no policies, no request."""
    assert Policies(session).judge_exemptions(make_subject(policies=(TLS,))) == ()
    sim.access.exempt(group)
    sim.requests.clear()
    policies = Policies(session)
    assert policies.judge_exemptions(make_subject()) == ()
    assert sim.requests == []
    for _ in range(2):
        (found,) = policies.judge_exemptions(make_subject(policies=(TLS,)))
        assert (found.check, found.status) == (CheckName.EXEMPTION, CheckStatus.BLOCKED)
    assert policies.judge_exemptions(make_subject(policies=("00000000-0000-0000-0000-00000000000f",))) == ()
    assert len(sim.requests) == 3


def test_the_assignment_of_an_exemption_may_be_in_no_list(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """Then it is read by its id; a single policy has no initiative to read."""
    policy = sim.access.assign_policy(group, effect="audit", name="single")
    sim.access.exempt(group, assignment=policy)
    sim.faults.fail("GET", "/policyAssignments[?]", status=200, body={"value": []}, times=None)
    policies = Policies(session)
    assert len(policies.judge_exemptions(make_subject(policies=("single",)))) == 1
    assert paths(sim)[-1].endswith("/policyAssignments/single")
    sent = len(sim.requests)
    assert len(policies.judge_exemptions(make_subject(policies=("single",)))) == 1
    assert len(sim.requests) == sent


def test_an_exemption_whose_assignment_is_gone_says_nothing(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """Azure keeps such exemptions; any other refusal is not taken for that, and not asked for again."""
    sim.access.exempt(group, assignment=sim.access.assign_policy(group, effect="audit", name="single"))
    sim.faults.fail("GET", "/policyAssignments[?]", status=200, body={"value": []}, times=None)
    subject = make_subject(policies=("single",))
    for code in ("PolicyAssignmentNotFound", "ManagementGroupNotFound"):
        sim.faults.fail("GET", "/policyAssignments/single", status=404, code=code)
        policies = Policies(session)
        if code.startswith("Policy"):
            assert policies.judge_exemptions(subject) == policies.judge_exemptions(subject) == ()
        else:
            with pytest.raises(NotFoundError):
                policies.judge_exemptions(subject)


def test_containers_are_read_only_for_what_would_cut_functions_off(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], account: str, group: str
) -> None:
    """And not of an account that has no blobs."""
    sim.resources.add_function_app(f"{group}/providers/Microsoft.Web/sites/func-orders", account)
    containers = Containers(session)
    assert containers.judge(make_subject()) == ()
    cutting = make_subject(allowSharedKeyAccess=False)
    files = attrs.evolve(cutting, before={**cutting.before, "kind": "FileStorage"})
    assert containers.judge(files) == ()
    assert sim.requests == []
    (found,) = containers.judge(cutting)
    assert (found.check, found.status) == (CheckName.FUNCTION_APP, CheckStatus.BLOCKED)


def preflight(session: ArmSession) -> Preflight:
    return Preflight(session, Subscriptions(session))


def test_what_steps_share_is_read_once(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject]
) -> None:
    """However many steps there are: one read of each kind for the subscription, and one for each group."""
    here = sim.resources.list_ids("Microsoft.Storage/storageAccounts", sim.scopes[0])
    subjects = [make_subject(policies=(TLS,), at=one) for one in here]
    checks = preflight(session)
    reads = checks.first_reads(subjects)
    groups = {one.partition("/providers/")[0] for one in here}
    assert sim.requests == []
    for read in reads:
        read()
    assert len(sim.requests) == len(reads) == 6 + len(groups)
    assert [found for subject in subjects for found in checks.check_results(subject)] == []
    assert len(sim.requests) == len(reads)


def test_only_what_a_step_needs_is_read_first(
    session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """A deployment asks no policies, and what undoes a change looks for no exemptions."""
    subject = make_subject()
    request = PlannedRequest(
        method="PUT", path=f"{group}/providers/Microsoft.Resources/deployments/d", api_version="1", body={}
    )
    deployment = attrs.evolve(subject, step=attrs.evolve(subject.step, request=request))
    checks = preflight(session)
    assert [len(checks.first_reads([one])) for one in (deployment, subject)] == [5, 6]
    assert len(checks.first_reads([make_subject(policies=(TLS,))])) == 7
    assert checks.first_reads([]) == ()


ENDINGS = {
    "subscription": ("^[^?]*/subscriptions/[^/?]+[?]", CheckName.SUBSCRIPTION),
    "provider": ("/providers/Microsoft.Storage[?]", CheckName.PROVIDER),
    "permissions": ("/permissions[?]", CheckName.PERMISSION),
    "deny assignments": ("/denyAssignments", CheckName.DENY_ASSIGNMENT),
    "locks": ("/locks", CheckName.LOCK),
    "restrictions": ("/checkPolicyRestrictions", CheckName.POLICY),
    "exemptions": ("/policyExemptions", CheckName.EXEMPTION),
    "containers": ("/containers", CheckName.FUNCTION_APP),
}
ANSWERS: dict[str, tuple[dict[str, Any], CheckStatus]] = {
    "403": ({"status": 403, "code": "AuthorizationFailed"}, CheckStatus.UNCHECKED),
    "500": ({"status": 500, "code": "InternalServerError"}, CheckStatus.UNCHECKED),
    "cut": ({"when": "after"}, CheckStatus.UNCHECKED),
    "broken": ({"status": 200, "body": b'{"value": ['}, CheckStatus.UNCHECKED),
    "other": ({"status": 200, "body": {"value": "x"}}, CheckStatus.UNCHECKED),
    "gone": ({"status": 404, "code": "ResourceGroupNotFound"}, CheckStatus.UNCHECKED),
    "no route": ({"status": 404, "code": ""}, CheckStatus.WARNING),
    "no method": ({"status": 405, "code": "MethodNotAllowed"}, CheckStatus.WARNING),
    "not there": ({"status": 501, "code": "NotImplemented"}, CheckStatus.WARNING),
    "version": ({"status": 400, "code": "NoRegisteredProviderFound"}, CheckStatus.WARNING),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_check_that_cannot_be_made_is_a_finding(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str, ending: str, answer: str
) -> None:
    """It stops the step, unless the place has nothing of the kind; it is that check and no other."""
    path, check = ENDINGS[ending]
    fault, verdict = ANSWERS[answer]
    sim.access.assign_policy(group, path="tags.x", equals="y")
    subject = make_subject(policies=(TLS,), allowSharedKeyAccess=False)
    sim.faults.fail("GET|POST", path, times=None, **fault)
    checks = preflight(session)
    for read in checks.first_reads([subject]):
        read()
    found = [one for one in checks.check_results(subject) if one.check is check]
    assert [one.status for one in found] == [verdict]
    assert all(one.check is check or one.check is CheckName.POLICY for one in checks.check_results(subject))


def test_what_an_endpoint_does_not_offer_is_not_asked_for_again(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject]
) -> None:
    """One question per subscription, whatever the number of groups and accounts."""
    sim.faults.fail("GET", "/permissions|/containers", status=404, code="", times=None)
    here = sim.resources.list_ids("Microsoft.Storage/storageAccounts", sim.scopes[0])
    checks = preflight(session)
    found = [
        finding for one in here for finding in checks.check_results(make_subject(at=one, allowSharedKeyAccess=False))
    ]
    assert {finding.status for finding in found} == {CheckStatus.WARNING}
    counts = [
        sum(finding.check is check for finding in found) for check in (CheckName.PERMISSION, CheckName.FUNCTION_APP)
    ]
    assert counts[0] == len(here)
    assert counts[1] > 1
    assert len([path for path in paths(sim) if "permissions" in path or "containers" in path]) == 2


def test_who_the_caller_is_is_asked_once(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject], group: str
) -> None:
    """Only when a deny assignment names somebody."""
    sim.access.add_deny_assignment((WRITE,), group, principals=(sim.access.caller,))
    checks = preflight(session)
    for _ in range(2):
        (found,) = checks.check_results(make_subject())
        assert found.check is CheckName.DENY_ASSIGNMENT
    assert found.status in (CheckStatus.BLOCKED, CheckStatus.UNCHECKED)


def test_a_place_that_is_gone_is_said_so(
    sim: ArmSimulator, session: ArmSession, make_subject: Callable[..., Subject]
) -> None:
    """404 with a name of what is missing is no missing feature."""
    subject = make_subject()
    sim.resources.set_subscription_state(sim.scopes[0], "Deleted")
    verdicts = {one.check: one.status for one in preflight(session).check_results(subject)}
    assert verdicts[CheckName.SUBSCRIPTION] is CheckStatus.BLOCKED
    assert verdicts[CheckName.LOCK] is CheckStatus.UNCHECKED
    with pytest.raises(NotFoundError):
        lists.locks(session).at(subject.step.target_id)
