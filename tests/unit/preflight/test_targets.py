"""What a target does not accept: stopped resources, extensions, diagnostic settings, features, deprecated plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog
from defender_remediate.errors import ForbiddenError, NotFoundError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.plan import PlannedRequest
from defender_remediate.preflight import Subject
from defender_remediate.preflight.defender_plans import DefenderPlanCheck, with_blocked_plans
from defender_remediate.preflight.diagnostic_settings import DiagnosticSettingCheck
from defender_remediate.preflight.features import FeatureCheck
from defender_remediate.preflight.parameters import ParameterCheck
from defender_remediate.preflight.regional_limits import RegionalLimitCheck
from defender_remediate.preflight.running_state import INACTIVE_STATES, RunningStateCheck
from defender_remediate.preflight.virtual_machines import VirtualMachineCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm1"
BLOCKED, WARNING, UNCHECKED = CheckStatus.BLOCKED, CheckStatus.WARNING, CheckStatus.UNCHECKED
CheckOne = Callable[..., tuple[CheckResult, ...]]
MakeSubject = Callable[..., Subject]


def at(path: str, value: Any) -> dict[str, Any]:
    """A body with one member."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


@pytest.mark.parametrize("state", INACTIVE_STATES, ids=lambda state: f"{state.type} {state.path}")
def test_a_resource_that_is_not_running_is_found(check_one: CheckOne, make_subject: MakeSubject, state: Any) -> None:
    """On the resource itself, or above a child; while it runs, there is nothing to say."""
    resource = f"{GROUP}/providers/{state.type}/r"
    for value in state.values:
        body = at(state.path, value.title())
        (own,) = check_one(RunningStateCheck(), make_subject(body, resource_id=resource, target_id=resource))
        child = make_subject({}, resource=body, resource_id=resource, target_id=f"{resource}/children/c")
        assert check_one(RunningStateCheck(), child) == (own,)
        assert own.status is state.status
        assert own.evidence == (f"{state.path}: {value.title()}",)
    running = make_subject(at(state.path, "Running"), resource_id=resource, target_id=resource)
    assert check_one(RunningStateCheck(), running) == ()


def extension(make_subject: MakeSubject, **properties: Any) -> Subject:
    """A step that installs an extension by a PUT."""
    target = f"{MACHINE}/extensions/Guard"
    body = {"properties": {"publisher": "Contoso", "type": "Guard", **properties}}
    return make_subject(
        resource_id=MACHINE,
        target_id=target,
        permissions=("Microsoft.Compute/virtualMachines/extensions/write",),
        request=PlannedRequest(method="PUT", path=target, api_version="1", body=body),
    )


def installed(name: str, publisher: str, kind: str) -> dict[str, Any]:
    return {"name": name, "properties": {"publisher": publisher, "type": kind}}


def machine(power: str | None = "running", **profile: Any) -> dict[str, Any]:
    codes = [{"code": "ProvisioningState/succeeded"}, *([{"code": f"PowerState/{power}"}] if power else [])]
    return {"properties": {"osProfile": profile, "instanceView": {"statuses": codes}}}


@pytest.mark.parametrize(
    ("body", "extensions", "statuses"),
    [
        (machine(), [], []),
        (machine(), [installed("Guard", "Contoso", "Guard"), installed("Other", "Contoso", "Other")], []),
        (machine(), [installed("MyGuard", "contoso", "guard")], [BLOCKED]),
        (machine("deallocated"), [], [BLOCKED]),
        (machine("stopped"), [], [BLOCKED]),
        (machine(None), [], [UNCHECKED]),
        ({}, [], [WARNING]),
        (machine(allowExtensionOperations=False), [], [BLOCKED]),
        (machine(allowExtensionOperations=True), [], []),
    ],
)
def test_a_machine_has_to_take_the_extension(
    check_one: CheckOne, make_subject: MakeSubject, body: Any, extensions: list[Any], statuses: list[CheckStatus]
) -> None:
    """It runs, allows extension operations, and has no extension of the type under another name."""
    answers = {"/virtualMachines/vm1": body, "/extensions": extensions}
    found = check_one(VirtualMachineCheck(), extension(make_subject), answers)
    assert [one.status for one in found] == statuses


@pytest.mark.parametrize("as_map", [False, True])
@pytest.mark.parametrize(
    ("name", "own", "statuses"),
    [
        ("[format('{0}/{1}', parameters('vmName'), variables('name'))]", "Guard", []),
        ("[format('{0}/{1}', parameters('vmName'), variables('name'))]", "MyGuard", [BLOCKED]),
        ("[reference('x')]", "MyGuard", []),
    ],
)
def test_the_extension_of_a_template_is_evaluated(
    check_one: CheckOne, make_subject: MakeSubject, as_map: bool, name: str, own: str, statuses: list[CheckStatus]
) -> None:
    """A template names it by parameters and expressions; what only Azure can evaluate is left to its what-if."""
    resource = {
        "type": "Microsoft.Compute/virtualMachines/extensions",
        "name": name,
        "properties": {"publisher": "[parameters('publisher')]", "type": "Guard"},
    }
    other = {"type": "Microsoft.Network/privateEndpoints", "name": "pe"}
    template = {
        "parameters": {"publisher": {"defaultValue": "Contoso"}},
        "variables": {"name": "Guard"},
        "resources": {"guard": resource, "other": other} if as_map else [resource, other],
    }
    properties = {"template": template, "parameters": {"vmName": {"value": "vm1"}}}
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/d"
    request = PlannedRequest(method="PUT", path=path, api_version="1", body={"properties": properties})
    planned = extension(make_subject)
    subject = attrs.evolve(planned, step=attrs.evolve(planned.step, request=request, target_id=f"{MACHINE}/extensions"))
    answers = {"/virtualMachines/vm1": machine(), "/extensions": [installed(own, "Contoso", "Guard")]}
    assert [one.status for one in check_one(VirtualMachineCheck(), subject, answers)] == statuses


@pytest.mark.parametrize(
    ("own", "statuses"), [([("Guard", "contoso")], []), ([("Other", "Contoso")], [BLOCKED]), ([("Other", "Else")], [])]
)
@pytest.mark.parametrize("is_listed", [True, False])
def test_kind_p_a_scale_set_takes_a_handler_under_one_name(
    check_one: CheckOne, make_subject: MakeSubject, own: Any, statuses: list[CheckStatus], is_listed: bool
) -> None:
    """As a machine does; its extensions are those that planning has read."""
    scale_set = MACHINE.replace("virtualMachines/vm1", "virtualMachineScaleSets/vmss")
    listed = [installed(name, publisher, "Guard") for name, publisher in own]
    body = {"properties": {"publisher": "Contoso", "type": "Guard"}}
    subject = make_subject(
        {"value": listed} if is_listed else {},
        resource_id=scale_set,
        target_id=f"{scale_set}/extensions/Guard",
        permissions=("Microsoft.Compute/virtualMachineScaleSets/extensions/write",),
        request=PlannedRequest(method="PUT", path=f"{scale_set}/extensions/Guard", api_version="1", body=body),
    )
    found = check_one(VirtualMachineCheck(), subject)
    assert [one.status for one in found] == (statuses if is_listed else [])


def test_a_machine_without_os_profile_does_not_get_one(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """It was created from a specialized disk."""
    patched = {"properties": {"osProfile": {"windowsConfiguration": {"patchSettings": {}}}}}
    here = {"resource_id": MACHINE, "target_id": MACHINE}
    (found,) = check_one(VirtualMachineCheck(), make_subject({"properties": {}}, patched, **here))
    assert (found.status, found.evidence) == (BLOCKED, ("properties.osProfile: none",))
    having = {"properties": {"osProfile": {"computerName": "vm1"}}}
    assert check_one(VirtualMachineCheck(), make_subject(having, patched, **here)) == ()
    assert check_one(VirtualMachineCheck(), make_subject({"properties": {}}, {"properties": {"a": 1}}, **here)) == ()


WORKSPACE = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/central"


def setting(name: str, workspace: str = WORKSPACE, **log: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"workspaceId": workspace, "logs": [{"enabled": True, **log}]}}


def diagnostics(make_subject: MakeSubject, before: Any = None, group: str = "allLogs") -> Subject:
    """A template that adds a diagnostic setting."""
    values = {"workspaceId": WORKSPACE, "settingName": "security", "categoryGroup": group}
    properties = {
        "template": {"parameters": {"categoryGroup": {"allowedValues": ["allLogs", "audit"]}}, "resources": []},
        "parameters": {name: {"value": value} for name, value in values.items()},
    }
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/d"
    return make_subject(
        before,
        target_id=f"{ACCOUNT}/providers/Microsoft.Insights/diagnosticSettings",
        permissions=("Microsoft.Insights/diagnosticSettings/write",),
        request=PlannedRequest(method="PUT", path=path, api_version="1", body={"properties": properties}),
    )


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ([], []),
        ([setting("security", category="Audit")], []),
        ([setting("mine", categoryGroup="allLogs")], [BLOCKED]),
        ([setting("mine", WORKSPACE.upper(), category="AuditEvent")], [BLOCKED]),
        ([setting("mine", category="AuditEvent", enabled=False)], []),
        ([setting("mine", f"{WORKSPACE}2", categoryGroup="allLogs")], []),
        ([setting(f"s{n}", f"{WORKSPACE}{n}", category="x") for n in range(5)], [BLOCKED]),
        ([{"name": "odd", "properties": {"workspaceId": WORKSPACE, "logs": None}}], []),
    ],
)
@pytest.mark.parametrize("is_read", [True, False])
def test_a_destination_takes_a_category_once(
    check_one: CheckOne, make_subject: MakeSubject, settings: list[Any], statuses: list[CheckStatus], is_read: bool
) -> None:
    """Another setting to the same workspace is refused by Azure, and so is a sixth setting; one of the name is replaced."""
    subject = diagnostics(make_subject, {"value": settings} if is_read else None)
    answers = {} if is_read else {"/diagnosticSettings": settings}
    assert [one.status for one in check_one(DiagnosticSettingCheck(), subject, answers)] == statuses


def test_other_steps_have_no_diagnostic_setting(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """Nothing is read for them."""
    assert check_one(DiagnosticSettingCheck(), make_subject()) == ()


def test_a_fix_that_writes_a_diagnostic_setting_may_read_it() -> None:
    """The check relies on the permissions of the fix."""
    writing = [fix for fix in Catalog.bundled() if "Microsoft.Insights/diagnosticSettings/write" in fix.permissions]
    assert writing
    assert [fix for fix in writing if "Microsoft.Insights/diagnosticSettings/read" not in fix.permissions] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"securityProfile": {"encryptionAtHost": True}}),
        ({"securityProfile": {"x": 1}}, {"securityProfile": {"x": 1, "encryptionAtHost": True}}),
        ({"securityProfile": {"encryptionAtHost": False}}, {"securityProfile": {"encryptionAtHost": True}}),
    ],
)
def test_a_feature_has_to_be_registered(
    check_one: CheckOne, make_subject: MakeSubject, before: Any, after: Any
) -> None:
    """Azure answers 400 otherwise; it is asked only for a step that needs the feature."""
    subject = make_subject({"properties": before}, {"properties": after}, resource_id=MACHINE, target_id=MACHINE)
    for state, statuses in (("Registered", []), ("NotRegistered", [BLOCKED]), (None, [BLOCKED])):
        answers = {"/features/EncryptionAtHost": {"properties": {"state": state}}}
        assert [one.status for one in check_one(FeatureCheck(), subject, answers)] == statuses
    assert check_one(FeatureCheck(), make_subject({}, {"properties": {"a": True}}, target_id=MACHINE)) == ()


@pytest.mark.parametrize(
    ("properties", "statuses"),
    [({}, []), ({"deprecated": False}, []), ({"deprecated": True, "replacedBy": ["Api"]}, [BLOCKED])],
)
def test_a_deprecated_plan_is_not_enabled(
    check_one: CheckOne, make_subject: MakeSubject, properties: Any, statuses: list[CheckStatus]
) -> None:
    """Its body says so, and names the plan that replaces it."""
    plan = f"{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Dns"
    found = check_one(DefenderPlanCheck(), make_subject({"properties": properties}, target_id=plan))
    assert [one.status for one in found] == statuses
    assert all("Api" in one.message for one in found)
    assert check_one(DefenderPlanCheck(), make_subject({"properties": properties})) == ()


@pytest.mark.parametrize(
    ("before", "wanted", "statuses"),
    [
        ({"pricingTier": "Free"}, {"pricingTier": "standard", "subPlan": "PERTRANSACTION"}, [BLOCKED]),
        ({"pricingTier": "Standard", "subPlan": "PerKeyVault"}, {"pricingTier": "Standard", "subPlan": "PerTransaction"}, [BLOCKED]),
        ({"pricingTier": "Standard", "subPlan": "PerTransaction"}, {"pricingTier": "Standard", "subPlan": "PerTransaction"}, []),
        ({"pricingTier": "Free"}, {"pricingTier": "Standard", "subPlan": "PerKeyVault"}, []),
        ({"pricingTier": "Standard", "subPlan": "PerTransaction"}, {"pricingTier": "Free"}, []),
        (None, {"pricingTier": "Standard", "subPlan": "PerTransaction"}, [BLOCKED]),
    ],
)  # fmt: skip
def test_a_plan_that_azure_refuses_is_not_enabled(
    check_one: CheckOne, make_subject: MakeSubject, before: Any, wanted: Any, statuses: list[CheckStatus]
) -> None:
    """Azure refuses some plans and sub-plans unless they are on already; the result names what it takes."""
    (check,) = with_blocked_plans([DefenderPlanCheck()], Catalog().freshness.blocked_plan)
    plan = f"{SUBSCRIPTION}/providers/Microsoft.Security/pricings/KeyVaults"
    subject = make_subject(before and {"properties": before}, {"properties": wanted}, target_id=plan)
    found = check_one(check, subject)
    assert [one.status for one in found] == statuses
    assert all(one.advice == "enable PerKeyVault instead" for one in found)
    assert check_one(DefenderPlanCheck(), subject) == ()


def test_a_plan_in_a_template_is_checked_too(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """A custom fix may deploy a plan; one whose name is an expression is not known before Azure evaluates it."""
    (check,) = with_blocked_plans([DefenderPlanCheck()], Catalog().freshness.blocked_plan)
    standard = {"type": "Microsoft.Security/pricings", "properties": {"pricingTier": "Standard"}}
    resources = [{**standard, "name": "Dns"}, {**standard, "name": "Api"}, {"type": "Microsoft.Web/sites"}, 1]
    subject = make_subject()
    request = attrs.evolve(
        subject.step.request,
        path=f"{GROUP}/providers/Microsoft.Resources/deployments/d",
        body={"properties": {"template": {"resources": resources}}},
    )
    (found,) = check_one(check, attrs.evolve(subject, step=attrs.evolve(subject.step, request=request)))
    assert found.message == "Azure refuses to enable the Defender plan Dns since 2026-07-05"


def test_a_parameter_has_to_name_a_resource(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """A child counts by the resource above it; a missing subscription is the same as a missing resource."""
    parameters = {
        "workspace_id": WORKSPACE,
        "subnet_id": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    }
    subject = make_subject(parameters={**parameters, "setting_name": "x", "emails": ["a"]})
    listed = {"resourceType eq 'Microsoft.OperationalInsights/workspaces'": [{"id": WORKSPACE.upper()}]}
    networks = {"resourceType eq 'Microsoft.Network/virtualNetworks'": []}
    (found,) = check_one(ParameterCheck(), subject, {**listed, **networks})
    assert found.status is BLOCKED
    assert found.message.startswith("the parameter 'subnet_id' names a resource that does not exist: /subscriptions/")
    assert "waive" not in found.message + found.advice
    assert [one.status for one in check_one(ParameterCheck(), subject, {})] == [BLOCKED, BLOCKED]


def test_a_caller_of_one_group_lists_the_group(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """Azure may refuse the list of the subscription to it; any other refusal leaves the step unchecked."""
    forbidden = ForbiddenError("no", status=403, code="AuthorizationFailed")
    kind = "resourceType eq 'Microsoft.OperationalInsights/workspaces'"
    subject = make_subject(parameters={"workspace_id": WORKSPACE})
    at_subscription, at_group = f"{SUBSCRIPTION}/resources?{kind}", f"{GROUP}/resources?{kind}"
    answers = {at_subscription: forbidden, at_group: [{"id": WORKSPACE}]}
    assert check_one(ParameterCheck(), subject, answers) == ()
    (refused,) = check_one(ParameterCheck(), subject, {**answers, at_group: forbidden})
    (unknown,) = check_one(
        ParameterCheck(), subject, {at_subscription: NotFoundError("x", status=404, code="WorkspaceNotFound", url="/x")}
    )
    assert {refused.status, unknown.status} == {UNCHECKED}


def test_other_steps_on_a_machine_are_not_read_for(check_one: CheckOne, make_subject: MakeSubject) -> None:
    """Neither a change of the machine without a body, nor one of tags."""
    here = {"resource_id": MACHINE, "target_id": MACHINE}
    assert check_one(VirtualMachineCheck(), make_subject(**here)) == ()
    assert check_one(VirtualMachineCheck(), make_subject({"tags": {}}, {"tags": {"a": "b"}}, **here)) == ()


@pytest.mark.parametrize("is_template", [False, True])
@pytest.mark.parametrize(
    ("watchers", "statuses"),
    [
        ([], []),
        ([{"id": "/x/other", "name": "other", "location": "West Europe"}], [BLOCKED]),
        ([{"id": "/x/other", "name": "other", "location": "northeurope"}], []),
        ([{"id": "/x/own", "name": "Own", "location": "westeurope"}], []),
    ],
)
def test_a_region_has_one_network_watcher(
    check_one: CheckOne, make_subject: MakeSubject, is_template: bool, watchers: list[Any], statuses: list[CheckStatus]
) -> None:
    """Azure refuses a second one under another name, also by a template."""
    target = f"{GROUP}/providers/Microsoft.Network/networkWatchers/own"
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/d" if is_template else target
    parameters = {"name": {"value": "own"}, "location": {"value": "westeurope"}}
    body = {"properties": {"parameters": parameters}} if is_template else {"location": "westeurope"}
    subject = make_subject(
        target_id=target,
        permissions=("Microsoft.Network/networkWatchers/write",),
        request=PlannedRequest(method="PUT", path=path, api_version="1", body=body),
    )
    found = check_one(RegionalLimitCheck(), subject, {"/networkWatchers": watchers})
    assert [one.status for one in found] == statuses


def test_a_template_without_a_location_is_in_that_of_the_resource(
    check_one: CheckOne, make_subject: MakeSubject
) -> None:
    """And nothing is read for a step that creates no watcher."""
    target = f"{GROUP}/providers/Microsoft.Network/networkWatchers"
    request = PlannedRequest(
        method="PUT", path=f"{GROUP}/providers/Microsoft.Resources/deployments/d", api_version="1", body={}
    )
    subject = make_subject(
        resource={"location": "westeurope"},
        target_id=target,
        permissions=("Microsoft.Network/networkWatchers/write",),
        request=request,
    )
    watchers = [{"id": "/x/other", "name": "other", "location": "westeurope"}]
    (found,) = check_one(RegionalLimitCheck(), subject, {"/networkWatchers": watchers})
    assert found.evidence == ("/x/other",)
    assert check_one(RegionalLimitCheck(), make_subject()) == ()
