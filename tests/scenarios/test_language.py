"""What the fix language can say, on a tenant: variants, removals, lists, whole ids and links, planned, applied, undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction, Guards, Outcome, RemediationClient, RemediationPlan, SkipReason
from defender_remediate.errors import ParameterError
from defender_remediate.models import Condition, FixParameter
from defender_remediate.testing import ArmSimulator

KEY = "abcdabcd-0000-4000-8000-000000000001"
SUBSCRIPTION = "/subscriptions/22222222-2222-4222-8222-222222222222"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-contoso-vms"
MACHINE = "Microsoft.Compute/virtualMachines"
JUMP, BUILD = (f"{GROUP}/providers/{MACHINE}/vm-contoso-{name}" for name in ("jump", "build01"))
NIC = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic-vm-contoso-jump"
SECOND = f"{SUBSCRIPTION}/resourceGroups/rg-network/providers/Microsoft.Network/networkInterfaces/second"
SEARCH = f"{GROUP}/providers/Microsoft.Search/searchServices/find"


def is_at(path: str, value: Any) -> Condition:
    return Condition(operator="equals", path=path, value=value)


FIX = FixAction(
    key=KEY,
    title="Machines should be safe",
    kind="patch",
    resource_type=MACHINE,
    api_version="2024-07-01",
    body={"properties": {"licenseType": "None"}},
    compliant_when=is_at("properties.licenseType", "None"),
)
FORWARDING = attrs.evolve(
    FIX,
    kind="put",
    linked="properties.networkProfile.networkInterfaces[*].id",
    linked_type="Microsoft.Network/networkInterfaces",
    api_version="2024-05-01",
    body={"properties": {"enableIPForwarding": False}},
    compliant_when=is_at("properties.enableIPForwarding", False),
)
PORT = {"number": 22, "protocol": "TCP", "maxRequestAccessDuration": "PT3H"}
ACCESS = attrs.evolve(
    FIX,
    kind="put",
    api_version="2020-01-01",
    target="/subscriptions/${resource.subscription}/resourceGroups/${resource.group}/providers/Microsoft.Security"
    "/locations/${resource.location}/jitNetworkAccessPolicies/default",
    body={"properties": {"virtualMachines": [{"id": "${resource.id}", "ports": [PORT]}]}},
    array_strategies={"properties.virtualMachines": "by:id"},
    compliant_when=Condition(operator="some", path="properties.virtualMachines", of=(is_at("id", "${resource.id}"),)),
)
JIT = f"{GROUP}/providers/Microsoft.Security/locations/germanywestcentral/jitNetworkAccessPolicies/default"


@pytest.fixture
def judged(sim: ArmSimulator) -> ArmSimulator:
    """The tenant, with a recommendation of its own that two machines do not meet."""
    metadata = {"displayName": "Machines should be safe", "severity": "Low", "assessmentType": "BuiltIn"}
    sim.defender.add_recommendation(metadata, key=KEY, resource_type="A.B/none", rule={"path": "no", "equals": 1})
    for machine in (JUMP, BUILD):
        sim.defender.add_assessment(KEY, machine)
    return sim


Plans = Callable[..., tuple[RemediationClient, RemediationPlan]]


@pytest.fixture
def plans(judged: ArmSimulator, connect: Callable[..., RemediationClient]) -> Plans:
    """Makes a client that knows these fixes, and its plan."""

    def make(*fixes: FixAction, scope: str = SUBSCRIPTION, **more: Any) -> tuple[RemediationClient, RemediationPlan]:
        options = {name: more.pop(name) for name in ("guards",) if name in more}
        client = connect(scope, catalog=Catalog(fixes), **options)
        return client, client.plan([KEY], **more)

    return make


def told(plan: RemediationPlan) -> list[tuple[str, SkipReason]]:
    return [(skip.resource_id.rsplit("/", 1)[-1], skip.reason) for skip in plan.skipped]


def forward(sim: ArmSimulator, nic: str, *, on: bool = True, **more: Any) -> None:
    """Let an interface forward, and make it when it is not there."""
    like = sim.resources.get(NIC)
    sim.resources.add({**like, "id": nic, "properties": {**like["properties"], "enableIPForwarding": on}, **more})


def link(sim: ArmSimulator, machine: str, *nics: str) -> None:
    """Give a machine these interfaces."""
    body = sim.resources.get(machine)
    body["properties"]["networkProfile"] = {"networkInterfaces": [{"id": nic} for nic in nics]}
    sim.resources.add(body)


def test_a_machine_gets_the_variant_that_applies(judged: ArmSimulator, plans: Plans) -> None:
    """The others leave no trace; the resource is read once."""
    body = judged.resources.get(BUILD)
    body["properties"]["storageProfile"]["osDisk"]["osType"] = "Windows"
    judged.resources.add(body)
    system = "properties.storageProfile.osDisk.osType"
    linux, windows = (
        attrs.evolve(
            FIX,
            variant=name,
            applies_when=is_at(system, name),
            body={"properties": {"licenseType": name}},
            compliant_when=is_at("properties.licenseType", name),
        )
        for name in ("linux", "windows")
    )
    before = len(judged.requests)
    client, plan = plans(linux, windows)
    assert [(step.resource_id, step.changes[0].after) for step in plan.steps] == [(JUMP, "linux"), (BUILD, "windows")]
    assert plan.skipped == ()
    reads = [request for request in judged.requests[before:] if request.path.casefold() == JUMP.casefold()]
    assert len(reads) == 1
    assert client.apply(plan, approve=plan.digest).count(Outcome.APPLIED) == 2


def test_when_no_variant_applies_it_says_so_once(plans: Plans) -> None:
    """One skip for each resource, which names the cases."""
    some = [attrs.evolve(FIX, variant=name, applies_when=is_at("kind", name)) for name in ("a", "b")]
    _, plan = plans(*some)
    assert told(plan) == [
        ("vm-contoso-jump", SkipReason.NOT_APPLICABLE),
        ("vm-contoso-build01", SkipReason.NOT_APPLICABLE),
    ]
    assert 'variant a applies when kind equals "a"; variant b applies when kind equals "b"' in plan.skipped[0].message


def test_a_variant_that_cannot_be_planned_holds_up_no_other(judged: ArmSimulator, plans: Plans) -> None:
    """A parameter is missed only where its variant applies; everything fixable is planned."""
    name = FixParameter(name="level", type="string", description="How much.")
    system = "properties.storageProfile.osDisk.osType"
    body = judged.resources.get(BUILD)
    body["properties"]["storageProfile"]["osDisk"]["osType"] = "Windows"
    judged.resources.add(body)
    asking = attrs.evolve(
        FIX,
        variant="linux",
        applies_when=is_at(system, "Linux"),
        body={"properties": {"licenseType": "${level}"}},
        parameters=(name,),
    )
    client, _ = plans(
        asking, attrs.evolve(FIX, variant="windows", applies_when=is_at(system, "Windows")), parameters={"level": "x"}
    )
    plan = client.plan()
    assert [step.resource_id for step in plan.steps] == [BUILD]
    assert told(plan) == [("vm-contoso-jump", SkipReason.PARAMETER_MISSING)]


def test_a_resource_that_is_gone_has_no_variant(judged: ArmSimulator, plans: Plans) -> None:
    """It is left out as any other that is not there, and so is one that cannot be read."""
    gone = f"{JUMP}-gone"
    judged.defender.add_assessment(KEY, gone)
    some = [attrs.evolve(FIX, variant=name, applies_when=is_at("kind", name)) for name in ("a", "b")]
    client, plan = plans(*some, resources=[gone])
    assert told(plan) == [("vm-contoso-jump-gone", SkipReason.NOT_FOUND)]
    judged.faults.fail("GET", "/vm-contoso-jump[?]", status=403, code="AuthorizationFailed", times=None)
    assert told(client.plan([KEY], resources=[JUMP])) == [("vm-contoso-jump", SkipReason.NOT_READABLE)]


def test_what_a_machine_links_to_is_written_and_put_back(judged: ArmSimulator, plans: Plans) -> None:
    """One step for each interface that needs it; the results are about the machine."""
    forward(judged, NIC)
    forward(judged, SECOND)
    link(judged, JUMP, NIC, SECOND)
    client, plan = plans(FORWARDING, resources=[JUMP])
    assert [(step.resource_id, step.target_id) for step in plan.steps] == [(JUMP, NIC), (JUMP, SECOND)]
    report = client.apply(plan, approve=plan.digest)
    assert [(result.resource_id, result.outcome) for result in report.results] == [(JUMP, Outcome.APPLIED)] * 2
    assert all(judged.resources.get(nic)["properties"]["enableIPForwarding"] is False for nic in (NIC, SECOND))
    assert all(result.compliant for result in client.verify(report).results)
    assert told(client.plan([KEY], resources=[JUMP])) == [("vm-contoso-jump", SkipReason.ALREADY_COMPLIANT)]
    client.rollback(report.run_id)
    assert all(judged.resources.get(nic)["properties"]["enableIPForwarding"] is True for nic in (NIC, SECOND))


def test_a_machine_is_compliant_when_all_it_links_to_is(judged: ArmSimulator, plans: Plans) -> None:
    """What is already right beside what is not is no answer of its own."""
    forward(judged, SECOND)
    link(judged, JUMP, NIC, SECOND)
    link(judged, BUILD)
    _, plan = plans(FORWARDING)
    assert [step.target_id for step in plan.steps] == [SECOND]
    assert told(plan) == [("vm-contoso-build01", SkipReason.NOT_APPLICABLE)]


def test_a_link_never_leads_out(judged: ArmSimulator, plans: Plans) -> None:
    """Not out of the subscription, and not out of the client's scope."""
    foreign = SECOND.replace(SUBSCRIPTION, f"{SUBSCRIPTION[:-1]}3")
    forward(judged, foreign)
    forward(judged, SECOND)
    link(judged, JUMP, foreign)
    link(judged, BUILD, SECOND)
    _, plan = plans(FORWARDING, scope=GROUP)
    assert not plan.steps
    assert told(plan) == [
        ("vm-contoso-jump", SkipReason.NOT_APPLICABLE),
        ("vm-contoso-build01", SkipReason.NOT_APPLICABLE),
    ]
    assert "in another subscription" in plan.skipped[0].message
    assert "outside the scope of this client" in plan.skipped[1].message


@pytest.mark.parametrize("guards", [Guards(protected_groups=["rg-net*"]), Guards(protected_tags=["keep"])])
def test_what_is_linked_to_is_protected_as_well(judged: ArmSimulator, plans: Plans, guards: Guards) -> None:
    """By its group, and by its tags."""
    forward(judged, SECOND, tags={"keep": "yes"})
    link(judged, JUMP, SECOND)
    _, plan = plans(FORWARDING, resources=[JUMP], guards=guards)
    assert told(plan) == [("vm-contoso-jump", SkipReason.PROTECTED)]
    assert plan.skipped[0].message.startswith(SECOND)


def test_a_target_outside_the_resource(judged: ArmSimulator, plans: Plans) -> None:
    """A policy of the resource group that both machines stand in: one after the other, each beside what is there."""
    client, plan = plans(ACCESS)
    assert [(step.resource_id, step.target_id) for step in plan.steps] == [(JUMP, JIT)]
    assert told(plan) == [("vm-contoso-build01", SkipReason.CONFLICTS_WITH_ANOTHER_FIX)]
    assert client.apply(plan, approve=plan.digest).count(Outcome.APPLIED) == 1
    plan = client.plan([KEY])
    assert told(plan) == [("vm-contoso-jump", SkipReason.ALREADY_COMPLIANT)]
    assert client.apply(plan, approve=plan.digest).count(Outcome.APPLIED) == 1
    there = judged.resources.get(JIT)["properties"]["virtualMachines"]
    assert [machine["id"] for machine in there] == [JUMP, BUILD]


def test_a_member_is_removed_and_comes_back(judged: ArmSimulator, plans: Plans) -> None:
    """As null in the PATCH; the undo brings back what was there."""
    options = {"apiKeyOnly": {}}
    judged.resources.add(
        {"id": SEARCH, "location": "westeurope", "sku": {"name": "basic"}, "properties": {"authOptions": options}}
    )
    judged.defender.add_assessment(KEY, SEARCH)
    gone = attrs.evolve(
        FIX,
        resource_type="Microsoft.Search/searchServices",
        api_version="2023-11-01",
        body={"properties": {"disableLocalAuth": True}},
        remove=("properties.authOptions",),
        compliant_when=Condition(
            operator="all",
            of=(
                is_at("properties.disableLocalAuth", True),
                Condition(operator="exists", path="properties.authOptions", value=False),
            ),
        ),
    )
    client, plan = plans(gone, resources=[SEARCH])
    assert plan.steps[0].request.body == {"properties": {"disableLocalAuth": True, "authOptions": None}}
    report = client.apply(plan, approve=plan.digest)
    assert "authOptions" not in judged.resources.get(SEARCH)["properties"]
    assert client.rollback(report.run_id).count(Outcome.ROLLED_BACK) == 1
    assert judged.resources.get(SEARCH)["properties"]["authOptions"] == options
    put = attrs.evolve(gone, kind="put")
    client, plan = plans(put, resources=[SEARCH])
    client.apply(plan, approve=plan.digest)
    assert "authOptions" not in judged.resources.get(SEARCH)["properties"]
    assert judged.resources.get(SEARCH)["sku"] == {"name": "basic"}


def test_a_value_for_each_machine(judged: ArmSimulator, plans: Plans) -> None:
    """Each gets its own; one without is left out; one that is compliant already says so, and one that is not there."""
    level = FixParameter(name="level", type="string", description="How much.")
    asking = attrs.evolve(FIX, body={"properties": {"licenseType": "${level}"}}, parameters=(level,))
    asking = attrs.evolve(
        asking, compliant_when=Condition(operator="exists", path="properties.licenseType", value=True)
    )
    client, plan = plans(asking, parameters={"level": {JUMP.upper(): "one"}})
    assert [(step.resource_id, step.changes[0].after) for step in plan.steps] == [(JUMP, "one")]
    assert told(plan) == [("vm-contoso-build01", SkipReason.PARAMETER_MISSING)]
    judged.defender.add_assessment(KEY, BUILD, code="Healthy")
    for guards in (Guards(), Guards(max_share=1.0)):
        client, plan = plans(asking, parameters={"level": {JUMP: "one", BUILD: "two"}}, guards=guards)
        assert [step.resource_id for step in plan.steps] == [JUMP]
        assert told(plan) == [("vm-contoso-build01", SkipReason.ALREADY_COMPLIANT)]
    with pytest.raises(ParameterError, match="vm-contoso-jumb"):
        client.plan([KEY], parameters={"level": {JUMP: "one", JUMP.replace("jump", "jumb"): "two"}})
    report = client.fix(KEY, resources=[JUMP], parameters={"level": {JUMP: "one"}})
    assert report.count(Outcome.APPLIED) == 1


def test_a_parameter_in_another_place(
    judged: ArmSimulator, plans: Plans, connect: Callable[..., RemediationClient]
) -> None:
    """A workspace of another region is refused at planning; the candidates are those of the right one."""
    log = FixParameter(
        name="log",
        type="resource_id",
        description="Where to.",
        resource_type="Microsoft.OperationalInsights/workspaces",
        same_location=True,
    )
    asking = attrs.evolve(FIX, body={"properties": {"licenseType": "${log}"}}, parameters=(log,))
    asking = attrs.evolve(
        asking, compliant_when=Condition(operator="exists", path="properties.licenseType", value=True)
    )
    client = connect()
    (far,) = client.list_parameter_choices(log)
    near = far.replace("log-contoso-central", "near").replace(far.split("/")[2], SUBSCRIPTION.rpartition("/")[2])
    judged.resources.add({**judged.resources.get(far), "id": near, "location": "Germany West Central"})
    assert list(client.list_parameter_choices(log, location=judged.resources.get(JUMP)["location"])) == [near]
    _, plan = plans(asking, parameters={"log": {JUMP: far, BUILD: near}})
    assert [step.resource_id for step in plan.steps] == [BUILD]
    assert told(plan) == [("vm-contoso-jump", SkipReason.PARAMETER_MISSING)]
    assert (
        "the parameter 'log' is in westeurope, and must be in germanywestcentral like the resource"
        in plan.skipped[0].message
    )
    judged.faults.fail("GET", "/workspaces/near", status=403, code="AuthorizationFailed", times=None)
    _, plan = plans(asking, parameters={"log": near})
    assert {reason for _, reason in told(plan)} == {SkipReason.NOT_READABLE}


def test_a_recommendation_without_a_fix_says_what_can_be_done(judged: ArmSimulator, client: RemediationClient) -> None:
    """By its key or its policy definition; one that has a fix needs no advice, and of most nothing is known."""
    advice = client.catalog.get_guidance("be264018-593c-1162-bd5e-b74a39396652")
    assert advice is not None
    policy = f"/providers/Microsoft.Authorization/policyDefinitions/{advice.policy_definition_ids[0]}"
    metadata = {"displayName": "In a network", "severity": "Low", "policyDefinitionId": policy}
    other = KEY.replace("0001", "0002")
    for key, about in ((advice.key, {**metadata, "policyDefinitionId": ""}), (other, metadata)):
        judged.defender.add_recommendation(about, key=key, resource_type="A.B/none", rule={"path": "no", "equals": 1})
        judged.defender.add_assessment(key, JUMP)
    found = {each.key: each for each in client.list_recommendations()}
    assert found[advice.key].guidance is found[other].guidance is advice
    assert str(found[other]) == f"In a network [Low, 1 unhealthy, manual: create time only] {other}"
    assert found[KEY].guidance is None
    assert all(each.guidance is None for each in found.values() if each.is_fixable)


def test_what_is_not_there_is_not_patched(judged: ArmSimulator, plans: Plans) -> None:
    """A PUT to the same target could make it; where that one does not apply, a PATCH alone finds nothing."""
    other = f"{KEY[:-1]}2"
    metadata = {"displayName": "Also", "severity": "Low", "assessmentType": "BuiltIn"}
    judged.defender.add_recommendation(metadata, key=other, resource_type="A.B/none", rule={"path": "no", "equals": 1})
    judged.defender.add_assessment(other, JUMP)
    patch = attrs.evolve(FIX, target="extensions/guard")
    put = attrs.evolve(patch, key=other, kind="put", applies_when=is_at("kind", "x"), compliant_when=is_at("kind", "x"))
    client, _ = plans(patch, put)
    plan = client.plan([KEY, other], resources=[JUMP])
    assert plan.steps == ()
    assert sorted(told(plan)) == [
        ("vm-contoso-jump", reason) for reason in (SkipReason.NOT_APPLICABLE, SkipReason.NOT_FOUND)
    ]
