"""Who else writes to a resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import ForbiddenError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.ownership import OWNERS, OwnershipCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
MakeSubject = Callable[..., Subject]
Judge = Callable[[MakeSubject, str, Any], tuple[CheckResult, ...]]


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Judge:
    """What the check finds about a resource with this id and body."""

    def run(make_subject: MakeSubject, resource_id: str, body: Any) -> tuple[CheckResult, ...]:
        return check_one(OwnershipCheck(), make_subject(body, resource_id=resource_id, target_id=resource_id))

    return run


DISK = "providers/Microsoft.Compute/disks/d"
PLAIN = f"{SUBSCRIPTION}/resourceGroups/shop-rg/{DISK}"


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"managed-by": "terraform"}, "Terraform"),
        ({"ManagedBy": "HashiCorp Terraform Cloud"}, "Terraform"),
        ({"created_by": "OpenTofu"}, "Terraform"),
        ({"terraform": "true"}, "Terraform"),
        ({"Terraform:workspace": "prod"}, "Terraform"),
        ({"tf_module": "storage"}, "Terraform"),
        ({"yor_trace": "2f0a"}, "Terraform"),
        ({"pulumi:stack": "prod"}, "Pulumi"),
        ({"provisioner": "Pulumi"}, "Pulumi"),
        ({"iac": "bicep"}, "Bicep"),
        ({"source": "ARM template"}, "Bicep"),
        ({"azd-env-name": "dev"}, "Azure Developer CLI"),
        ({"crossplane-kind": "account.storage.azure.upbound.io"}, "Crossplane"),
        ({"managed by": "ASO"}, "Azure Service Operator"),
        ({"sigs.k8s.io_cluster-api-provider-azure_cluster_one": "owned"}, "Cluster API"),
        ({"aks-managed-poolName": "nodepool1"}, "Azure Kubernetes Service"),
        ({"k8s-azure-created-by": "kubernetes-azure-dd"}, "Azure Kubernetes Service"),
        ({"kubernetes.io_cluster.aro-x7k": "owned"}, "Azure Red Hat OpenShift"),
        ({"databricks-environment": "true"}, "Azure Databricks"),
    ],
)
def test_a_tag_tells(judge: Judge, make_subject: MakeSubject, tags: dict[str, str], owner: str) -> None:
    """By its name, or by what it says when its name asks for that."""
    (found,) = judge(make_subject, PLAIN, {"tags": tags})
    ((name, value),) = tags.items()
    assert (found.check, found.status, found.is_blocking) == ("ownership", CheckStatus.WARNING, False)
    assert f"managed by {owner}:" in found.message
    assert found.evidence == (f"tag {name}={value}",)
    assert found.advice


@pytest.mark.parametrize(
    "tags",
    [
        {},
        None,
        {"terraform": "false"},
        {"terraform": ""},
        {"team": "terraform"},
        {"managed-by": "kim"},
        {"transform": "yes"},
        {"managed-by": None},
    ],
)
def test_a_tag_about_something_else_does_not(judge: Judge, make_subject: MakeSubject, tags: Any) -> None:
    """A team may be called Terraform, and a tag may say no."""
    assert judge(make_subject, PLAIN, {"tags": tags}) == ()


@pytest.mark.parametrize(
    ("group", "owner"),
    [
        ("MC_shop-rg_cluster_westeurope", "Azure Kubernetes Service"),
        ("aro-infra-x7k", "Azure Red Hat OpenShift"),
        ("databricks-rg-work-abc", "Azure Databricks"),
        ("synapseworkspace-managedrg-1", "Azure Synapse"),
        ("ME_env_shop-rg_westeurope", "Azure Container Apps"),
    ],
)
def test_a_group_that_a_service_made_tells(judge: Judge, make_subject: MakeSubject, group: str, owner: str) -> None:
    """By its default name."""
    (found,) = judge(make_subject, f"{SUBSCRIPTION}/resourceGroups/{group}/{DISK}", None)
    assert owner in found.message
    assert found.evidence == (f"resource group {group}",)


@pytest.mark.parametrize(
    ("manager", "owner"),
    [
        ("Microsoft.Solutions/applications", "a managed application"),
        ("microsoft.databricks/workspaces", "Azure Databricks"),
        ("Microsoft.ContainerService/managedClusters", "Azure Kubernetes Service"),
        ("Contoso.Own/things", "a Contoso.Own/things"),
    ],
)
def test_managed_by_tells(judge: Judge, make_subject: MakeSubject, manager: str, owner: str) -> None:
    """Also when the manager is not a known one."""
    own = f"{SUBSCRIPTION}/resourceGroups/other/providers/{manager}/m"
    (found,) = judge(make_subject, PLAIN, {"managedBy": own})
    assert f"managed by {owner}:" in found.message
    assert found.evidence == (f"managedBy: {own}",)


def test_a_disk_is_not_owned_by_the_machine_it_is_attached_to(judge: Judge, make_subject: MakeSubject) -> None:
    """Its managedBy says where it is attached."""
    machine = f"{SUBSCRIPTION}/resourceGroups/shop-rg/providers/Microsoft.Compute/virtualMachines/m"
    assert judge(make_subject, PLAIN, {"managedBy": machine}) == ()
    assert judge(make_subject, PLAIN, {"managedBy": ""}) == ()


def test_each_owner_is_named_once_with_all_that_was_seen(judge: Judge, make_subject: MakeSubject) -> None:
    """Two owners are two warnings."""
    found = judge(
        make_subject,
        f"{SUBSCRIPTION}/resourceGroups/MC_a_b_c/{DISK}",
        {"tags": {"aks-managed-x": "1", "terraform": "yes", "managed-by": "terraform"}},
    )
    assert [one.evidence for one in found] == [
        ("tag managed-by=terraform", "tag terraform=yes"),
        ("tag aks-managed-x=1", "resource group MC_a_b_c"),
    ]


def test_every_row_says_what_it_knows_and_why() -> None:
    """Patterns in lower case, or they would never match."""
    for owner in OWNERS:
        patterns = (*owner.tag_names, *owner.tag_values, *owner.groups, *owner.managers)
        assert patterns
        assert all(pattern == pattern.lower() for pattern in patterns)
        assert owner.why
        assert owner.reverts
        assert owner.instead
    assert len({owner.name for owner in OWNERS}) == len(OWNERS)


GRAPH = "/providers/Microsoft.ResourceGraph/resources"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"


def written_by(kind: str, client: str, principal: str = "someone") -> dict[str, Any]:
    """The answer of Resource Graph about who wrote to the disk last."""
    attributes = {
        "changedBy": principal,
        "changedByType": kind,
        "clientType": client,
        "timestamp": "2026-11-20T08:00:00Z",
    }
    return {"data": [{"target": PLAIN.lower(), "properties": {"changeAttributes": attributes}}]}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (written_by("User", "ARM Template"), "a template deployment"),
        (written_by("Application", "7d1f2b3c-0000-4000-8000-000000000001"), "an application, such as a pipeline"),
        (written_by("System", "Unknown", "System"), "Azure itself"),
        (written_by("User", "Azure Portal"), None),
        (written_by("User", "04b07795-8ddb-461a-bbee-02f9e1bf7b46"), None),
        (written_by("", "Unknown"), None),
        ({"data": []}, None),
    ],
)
def test_azures_record_tells_who_wrote_last(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: MakeSubject, answer: Any, said: str | None
) -> None:
    """A machine writes again; a person does not."""
    found = check_one(OwnershipCheck(), make_subject({}, resource_id=PLAIN, target_id=PLAIN), {GRAPH: answer})
    assert [one.status for one in found] == ([] if said is None else [CheckStatus.WARNING])
    assert said is None or f"it seems to be managed by {said}" in found[0].message
    assert said is None or found[0].evidence[0].startswith("last write: ")


def test_the_callers_own_write_is_no_owner(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: MakeSubject
) -> None:
    """The run of yesterday was this program."""
    import base64
    import json

    own = "77777777-0000-4000-8000-000000000001"
    payload = base64.urlsafe_b64encode(json.dumps({"oid": own}).encode()).decode().rstrip("=")
    answers = {GRAPH: written_by("Application", "7d1f2b3c-0000-4000-8000-000000000001", own)}
    subject = make_subject({}, resource_id=PLAIN, target_id=PLAIN)
    assert check_one(OwnershipCheck(), subject, answers, token=f"x.{payload}.x") == ()


def test_the_tags_of_the_resource_group_count(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: MakeSubject
) -> None:
    """Many teams tag only the group."""
    answers = {GROUP: {"tags": {"managed-by": "terraform"}}}
    (found,) = check_one(OwnershipCheck(), make_subject({}, resource_id=PLAIN, target_id=PLAIN), answers)
    assert (found.evidence, "Terraform" in found.message) == (("resource group: tag managed-by=terraform",), True)


@pytest.mark.parametrize("answer", [ForbiddenError("no", status=403, code="AuthorizationFailed"), {"data": "none"}])
def test_records_that_cannot_be_read_are_named(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: MakeSubject, answer: Any
) -> None:
    """This check never blocks, and does not say that there is no owner either."""
    group = ForbiddenError("no", status=403, code="AuthorizationFailed")
    answers = {GRAPH: answer, GROUP: group}
    (found,) = check_one(OwnershipCheck(), make_subject({}, resource_id=PLAIN, target_id=PLAIN), answers)
    assert found.status is CheckStatus.WARNING
    assert found.message == "a part of the ownership check could not be made"
    assert len(found.evidence) == 2


def test_what_is_in_no_group_has_no_group_tags(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: MakeSubject
) -> None:
    """A Defender plan belongs to the subscription."""
    pricing = f"{SUBSCRIPTION}/providers/Microsoft.Security/pricings/Arm"
    assert check_one(OwnershipCheck(), make_subject({}, resource_id=SUBSCRIPTION, target_id=pricing)) == ()
