"""Who else writes to a resource: infrastructure as code, or a service that made it. Such a change may not last."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.scopes import group_of, type_of


@attrs.frozen(kw_only=True)
class Owner:
    """A tool or a service that writes to resources by itself.

    Attributes:
        reverts: What will undo a change that it does not know of.
        instead: Where to make the change.
        tag_names: Patterns of tag names that it leaves on what it makes, in lower case.
        tag_values: Patterns of what a tag such as ``managed-by`` says, in lower case.
        groups: Patterns of the resource groups that it makes, in lower case.
        managers: Types, in lower case, that ``managedBy`` names for it.
        why: Where these facts come from.
    """

    name: str
    reverts: str
    instead: str
    tag_names: tuple[str, ...] = ()
    tag_values: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    why: str


OWNERS = (
    Owner(
        name="Terraform",
        reverts="the next terraform apply",
        instead="change it in the Terraform code",
        tag_names=("terraform", "terraform[-_:]*", "tf[-_]*", "opentofu*", "yor_trace"),
        tag_values=("*terraform*", "*opentofu*", "*terragrunt*"),
        why="a convention: Terraform itself leaves no tag; Yor tags what Terraform makes",
    ),
    Owner(
        name="Pulumi",
        reverts="the next pulumi up",
        instead="change it in the Pulumi program",
        tag_names=("pulumi", "pulumi[-_:]*"),
        tag_values=("*pulumi*",),
        why="a convention: the stack's and the project's names, set as tags for all resources",
    ),
    Owner(
        name="Bicep",
        reverts="the next deployment of the template or deployment stack",
        instead="change it in the template; a stack with deny settings refuses other writes anyway",
        tag_names=("bicep", "bicep[-_:]*", "deployment[-_]stack*"),
        tag_values=("*bicep*", "*arm template*", "*arm-template*", "*deployment stack*", "*deploymentstack*"),
        why="a convention: a deployment stack leaves no tag, but deny assignments, which are a check of their own",
    ),
    Owner(
        name="Azure Developer CLI",
        reverts="the next azd provision",
        instead="change it in the infra folder of the project",
        tag_names=("azd-*",),
        tag_values=("azd",),
        why="azd finds the resources of an environment and of a service by its own tags, such as azd-env-name",
    ),
    Owner(
        name="Crossplane",
        reverts="its next reconciliation, within minutes",
        instead="change the managed resource in Kubernetes",
        tag_names=("crossplane-*",),
        tag_values=("*crossplane*",),
        why="its providers tag what they make with crossplane-kind, crossplane-name and crossplane-providerconfig",
    ),
    Owner(
        name="Azure Service Operator",
        reverts="its next reconciliation, within the hour",
        instead="change the custom resource in Kubernetes",
        tag_values=("aso", "*azure-service-operator*", "*azure service operator*"),
        why="a convention: it keeps its marks in Kubernetes and not in Azure",
    ),
    Owner(
        name="Cluster API",
        reverts="its next reconciliation",
        instead="change the cluster's resources in Kubernetes",
        tag_names=("sigs.k8s.io_cluster-api-provider-azure_*",),
        why="the provider for Azure marks what it owns",
    ),
    Owner(
        name="Azure Kubernetes Service",
        reverts="the next upgrade, scaling or reconciliation of the cluster",
        instead="change the cluster or its node pool; changes in its node resource group are not supported",
        tag_names=("aks-managed-*", "k8s-azure-*", "kubernetes.io-created-for-*"),
        groups=("mc_*_*_*",),
        managers=("microsoft.containerservice/managedclusters",),
        why="AKS tags what it makes, in a group called MC_{group}_{cluster}_{region} unless told otherwise",
    ),
    Owner(
        name="Azure Red Hat OpenShift",
        reverts="the cluster's operators",
        instead="change the cluster; its own resources may not be changed",
        tag_names=("kubernetes.io_cluster.*", "openshift_*"),
        groups=("aro-*",),
        managers=("microsoft.redhatopenshift/openshiftclusters",),
        why="the installer tags what a cluster owns, and puts it into a group of its own",
    ),
    Owner(
        name="Azure Databricks",
        reverts="the workspace",
        instead="change the workspace; its managed resource group may not be changed",
        tag_names=("databricks-environment",),
        groups=("databricks-rg-*",),
        managers=("microsoft.databricks/workspaces",),
        why="a workspace puts what it runs on into a managed group",
    ),
    Owner(
        name="a managed application",
        reverts="the publisher's next update",
        instead="ask the publisher of the application",
        managers=("microsoft.solutions/applications",),
        why="Azure sets managedBy on what a managed application deploys",
    ),
    Owner(
        name="Azure Synapse",
        reverts="the workspace",
        instead="change the workspace",
        groups=("synapseworkspace-managedrg-*",),
        managers=("microsoft.synapse/workspaces",),
        why="a workspace puts its SQL server into a managed group",
    ),
    Owner(
        name="Azure Container Apps",
        reverts="the environment",
        instead="change the environment of the container apps",
        groups=("me_*_*_*",),
        managers=("microsoft.app/managedenvironments",),
        why="an environment with own networking puts what it needs into a group called ME_…",
    ),
)
_TELLING = frozenset(
    {
        "automation",
        "createdby",
        "deployedby",
        "deployment",
        "deploymentmethod",
        "iac",
        "iactool",
        "maintainedby",
        "managedby",
        "orchestrator",
        "provisionedby",
        "provisioner",
        "source",
        "tool",
        "tooling",
    }
)
"""Names of tags, letters only, whose value people use to say what manages a resource."""
_NO = frozenset({"", "0", "false", "no", "none"})
# A disk's managedBy is the machine that it is attached to.
_NOT_OWNERS = ("microsoft.compute/",)


def judge(resource_id: str, body: Any) -> tuple[CheckResult, ...]:
    """Who else seems to write to a resource, one warning for each. None of it is proof, so nothing of it stops a step.

    Args:
        resource_id: The resource.
        body: Its body, or that of the target when the resource was not read: the tags and ``managedBy`` of it.
    """
    seen: dict[str, list[str]] = {}
    for owner, evidence in (*_by_tags(body), *_by_group(resource_id), *_by_manager(body)):
        seen.setdefault(owner.name, []).append(evidence)
    known = {owner.name: owner for owner in OWNERS}
    found = [_finding(known[name], evidence) for name, evidence in seen.items()]
    manager = wire.text(body, "managedBy")
    kind = type_of(manager)
    if kind and not seen and not fold(kind).startswith(_NOT_OWNERS):
        unknown = Owner(name=f"a {kind}", reverts="it", instead="change that", why="managedBy names it")
        found.append(_finding(unknown, [f"managedBy: {manager}"]))
    return tuple(found)


def _by_tags(body: Any) -> Iterator[tuple[Owner, str]]:
    for name, value in sorted(wire.mapping(wire.pick(body, "tags")).items()):
        folded, said = fold(name), fold(wire.text(value)).strip()
        for owner in OWNERS:
            is_named = said not in _NO and any(fnmatchcase(folded, pattern) for pattern in owner.tag_names)
            is_told = _letters(folded) in _TELLING and any(fnmatchcase(said, pattern) for pattern in owner.tag_values)
            if is_named or is_told:
                yield owner, f"tag {name}={value}"


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name))


def _by_group(resource_id: str) -> Iterator[tuple[Owner, str]]:
    group = group_of(resource_id).rpartition("/")[2]
    for owner in OWNERS:
        if any(fnmatchcase(fold(group), pattern) for pattern in owner.groups):
            yield owner, f"resource group {group}"


def _by_manager(body: Any) -> Iterator[tuple[Owner, str]]:
    manager = wire.text(body, "managedBy")
    for owner in OWNERS:
        if fold(type_of(manager)) in owner.managers:
            yield owner, f"managedBy: {manager}"


def _finding(owner: Owner, evidence: list[str]) -> CheckResult:
    return CheckResult(
        check=CheckName.OWNERSHIP,
        status=CheckStatus.WARNING,
        message=f"it seems to be managed by {owner.name}: {owner.reverts} may undo the change",
        evidence=tuple(dict.fromkeys(evidence)),
        advice=owner.instead,
    )
