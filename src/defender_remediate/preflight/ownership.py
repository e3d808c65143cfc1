"""Who else writes to a resource: infrastructure as code, or a service that created it. Such a change may not last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.models.change_history import Writer, WriterKind
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, subscription_of, type_of
from defender_remediate.models.ids import id_key
from defender_remediate.preflight.last_writers import last_writers
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject


@attrs.frozen(kw_only=True)
class ResourceOwner:
    """A tool or a service that writes to resources by itself.

    Attributes:
        reverts: What will undo a change that it does not know of.
        instead: Where to make the change.
        tag_names: Patterns of the tag names that it leaves on what it creates, folded.
        tag_values: Patterns of the values of a tag such as ``managed-by``, folded.
        groups: Patterns of the resource groups that it creates, folded.
        managers: Types, folded, that ``managedBy`` names for it.
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
    ResourceOwner(
        name="Terraform",
        reverts="the next terraform apply",
        instead="change it in the Terraform code",
        tag_names=("terraform", "terraform[-_:]*", "tf[-_]*", "opentofu*", "yor_trace"),
        tag_values=("*terraform*", "*opentofu*", "*terragrunt*"),
        why="a convention: Terraform itself leaves no tag; Yor tags what Terraform creates",
    ),
    ResourceOwner(
        name="Pulumi",
        reverts="the next pulumi up",
        instead="change it in the Pulumi program",
        tag_names=("pulumi", "pulumi[-_:]*"),
        tag_values=("*pulumi*",),
        why="a convention: the stack's and the project's names, set as tags for all resources",
    ),
    ResourceOwner(
        name="Bicep",
        reverts="the next deployment of the template or deployment stack",
        instead="change it in the template; a stack with deny settings refuses other writes anyway",
        tag_names=("bicep", "bicep[-_:]*", "deployment[-_]stack*"),
        tag_values=("*bicep*", "*arm template*", "*arm-template*", "*deployment stack*", "*deploymentstack*"),
        why="a convention: a deployment stack leaves no tag, but deny assignments, which are a check of their own",
    ),
    ResourceOwner(
        name="Azure Developer CLI",
        reverts="the next azd provision",
        instead="change it in the infra folder of the project",
        tag_names=("azd-*",),
        tag_values=("azd",),
        why="azd finds the resources of an environment and of a service by its own tags, such as azd-env-name",
    ),
    ResourceOwner(
        name="Crossplane",
        reverts="its next reconciliation, within minutes",
        instead="change the managed resource in Kubernetes",
        tag_names=("crossplane-*",),
        tag_values=("*crossplane*",),
        why="its providers tag what they create with crossplane-kind, crossplane-name and crossplane-providerconfig",
    ),
    ResourceOwner(
        name="Azure Service Operator",
        reverts="its next reconciliation, within the hour",
        instead="change the custom resource in Kubernetes",
        tag_values=("aso", "*azure-service-operator*", "*azure service operator*"),
        why="a convention: it keeps its state in Kubernetes and not in Azure",
    ),
    ResourceOwner(
        name="Cluster API",
        reverts="its next reconciliation",
        instead="change the cluster's resources in Kubernetes",
        tag_names=("sigs.k8s.io_cluster-api-provider-azure_*",),
        why="the provider for Azure tags what it owns",
    ),
    ResourceOwner(
        name="Azure Kubernetes Service",
        reverts="the next upgrade, scaling or reconciliation of the cluster",
        instead="change the cluster or its node pool; changes in its node resource group are not supported",
        tag_names=("aks-managed-*", "k8s-azure-*", "kubernetes.io-created-for-*"),
        groups=("mc_*_*_*",),
        managers=("microsoft.containerservice/managedclusters",),
        why="AKS tags what it creates, in a group called MC_{group}_{cluster}_{region} by default",
    ),
    ResourceOwner(
        name="Azure Red Hat OpenShift",
        reverts="the cluster's operators",
        instead="change the cluster; its own resources may not be changed",
        tag_names=("kubernetes.io_cluster.*", "openshift_*"),
        groups=("aro-*",),
        managers=("microsoft.redhatopenshift/openshiftclusters",),
        why="the installer tags what a cluster owns, and uses a resource group of its own",
    ),
    ResourceOwner(
        name="Azure Databricks",
        reverts="the workspace",
        instead="change the workspace; its managed resource group may not be changed",
        tag_names=("databricks-environment",),
        groups=("databricks-rg-*",),
        managers=("microsoft.databricks/workspaces",),
        why="a workspace creates a managed resource group",
    ),
    ResourceOwner(
        name="a managed application",
        reverts="the publisher's next update",
        instead="ask the publisher of the application",
        managers=("microsoft.solutions/applications",),
        why="Azure sets managedBy on what a managed application deploys",
    ),
    ResourceOwner(
        name="Azure Synapse",
        reverts="the workspace",
        instead="change the workspace",
        groups=("synapseworkspace-managedrg-*",),
        managers=("microsoft.synapse/workspaces",),
        why="a workspace creates a managed resource group for its SQL server",
    ),
    ResourceOwner(
        name="Azure Container Apps",
        reverts="the environment",
        instead="change the environment of the container apps",
        groups=("me_*_*_*",),
        managers=("microsoft.app/managedenvironments",),
        why="an environment with its own network creates a resource group called ME_{environment}_{group}_{region}",
    ),
)
# These write again by themselves. A person, or a script on a command line, does not.
_BY_MACHINE = {
    WriterKind.TEMPLATE: ("a template deployment", "the next deployment of the template"),
    WriterKind.APPLICATION: ("an application, such as a pipeline with Terraform", "its next run"),
    WriterKind.AZURE: ("Azure itself, such as a policy or another service", "it"),
}
_GROUP_VERSIONS = ("2021-04-01",)
_GROUP_SLASHES = 4
_MANY_GROUPS = 3
_MANAGER_TAGS = frozenset(
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


@attrs.frozen(kw_only=True)
class _Tag:
    """A tag of a resource that suggests owners of it.

    Attributes:
        owners: Their names.
    """

    name: str
    value: Any
    owners: frozenset[str]


@attrs.frozen(kw_only=True)
class OwnershipFacts:
    """What was read about the owner of one resource.

    Attributes:
        group_tags: The tags of the resource group that suggest an owner; none if it was not read.
        writer: Who wrote to the resource last, as Azure recorded it; None if no write of 14 days is recorded.
        is_caller: Whether that was the caller.
        unread: What could not be read, with the reason.
    """

    group_tags: tuple[_Tag, ...] = ()
    writer: Writer | None = None
    is_caller: bool = False
    unread: tuple[str, ...] = ()


class OwnershipCheck:
    """Warns of tools and services that seem to manage the resource. Never blocks: none of it is proof.

    Reads the resource groups for their tags, of many in a subscription the list, and who wrote to the resources last.
    """

    name = "ownership"
    permissions: tuple[str, ...] = ("Microsoft.Resources/subscriptions/resourceGroups/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[OwnershipFacts]:
        """The groups, and the last writers of the resources that are written."""
        writers, unread = last_writers(reader, [subject.written_id for subject in subjects])
        listed = _tags_of_groups(reader, subjects)

        def read(subject: Subject) -> OwnershipFacts:
            problems = [unread[id_key(subject.written_id)]] if id_key(subject.written_id) in unread else []
            writer = writers.get(id_key(subject.written_id))
            is_caller = False
            group_tags: tuple[_Tag, ...] = ()
            try:
                if writer is not None and writer.principal:
                    is_caller = fold(writer.principal) == reader.caller_object_id()
                group = group_of(subject.written_id)
                if fold(group) in listed:
                    group_tags = listed[fold(group)]
                elif group.count("/") == _GROUP_SLASHES:
                    group_tags = reader.get(group, api_versions=_GROUP_VERSIONS, parse=_tags)
            except NotFoundError:
                pass
            except DefenderRemediateError as error:
                problems.append(f"the resource group: {error.message}")
            return OwnershipFacts(group_tags=group_tags, writer=writer, is_caller=is_caller, unread=tuple(problems))

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[OwnershipFacts]) -> Iterator[CheckResult]:
        """One warning for each owner that tags, the resource group, ``managedBy`` or Azure's own records suggest."""
        known = facts[subject]
        body = subject.written_body
        group = group_of(subject.written_id).rpartition("/")[2]
        manager = wire.text(body, "managedBy")
        own_tags, group_tags, of_group = _tags(body), known.group_tags, _owners_of_group(fold(group))
        found = False
        for owner in OWNERS if own_tags or group_tags or of_group or manager else ():
            evidence = [f"tag {tag.name}={tag.value}" for tag in own_tags if owner.name in tag.owners]
            evidence += [
                f"resource group: tag {tag.name}={tag.value}" for tag in group_tags if owner.name in tag.owners
            ]
            if owner.name in of_group:
                evidence.append(f"resource group {group}")
            if fold(type_of(manager)) in owner.managers:
                evidence.append(f"managedBy: {manager}")
            if evidence:
                found = True
                yield self._result(owner.name, owner.reverts, owner.instead, evidence)
        kind = type_of(manager)
        if kind and not found and not fold(kind).startswith(_NOT_OWNERS):
            yield self._result(f"a {kind}", "it", "change that resource", [f"managedBy: {manager}"])
        if known.writer is not None and not known.is_caller and known.writer.kind in _BY_MACHINE:
            who, reverts = _BY_MACHINE[known.writer.kind]
            yield self._result(
                who, reverts, "make the change where this writer has its settings", [f"last write: {known.writer}"]
            )
        if known.unread:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.WARNING,
                message="a part of the ownership check could not be made",
                evidence=known.unread,
                advice="look up who manages the resource before you approve",
            )

    def _result(self, owner: str, reverts: str, instead: str, evidence: list[str]) -> CheckResult:
        return CheckResult(
            check=self.name,
            status=CheckStatus.WARNING,
            message=f"it seems to be managed by {owner}: {reverts} may undo the change",
            evidence=tuple(dict.fromkeys(evidence)),
            advice=instead,
        )


def _tags_of_groups(reader: CheckReader, subjects: Sequence[Subject]) -> dict[str, tuple[_Tag, ...]]:
    """The tags of resource groups by their folded id, where a list of them is cheaper than a GET for each."""
    wanted: dict[str, set[str]] = {}
    for subject in subjects:
        wanted.setdefault(subscription_of(subject.written_id), set()).add(fold(group_of(subject.written_id)))
    found: dict[str, tuple[_Tag, ...]] = {}
    for subscription, groups in wanted.items():
        if subscription and len(groups) >= _MANY_GROUPS:
            # What the list does not show, or cannot be listed, is read with a GET.
            with suppress(DefenderRemediateError):
                path = f"/subscriptions/{subscription}/resourceGroups"
                found.update(reader.list(path, api_versions=_GROUP_VERSIONS, parse=_listed_group))
    return found


def _listed_group(item: object) -> tuple[str, tuple[_Tag, ...]]:
    return id_key(wire.text(item, "id")), _tags(item)


def _tags(body: object) -> tuple[_Tag, ...]:
    """The tags in a body that suggest an owner, by name."""
    found = []
    for name, value in sorted(wire.mapping(wire.pick(body, "tags")).items()):
        owners = _owners_of_tag(fold(name), fold(wire.text(value)).strip())
        if owners:
            found.append(_Tag(name=name, value=value, owners=owners))
    return tuple(found)


@lru_cache(1024)
def _owners_of_tag(name: str, value: str) -> frozenset[str]:
    """The owners that a tag suggests, by its folded name and value."""
    tells_manager = "".join(filter(str.isalpha, name)) in _MANAGER_TAGS
    found = set()
    for owner in OWNERS:
        is_named = value not in _NO and _matches_any(name, owner.tag_names)
        if is_named or (tells_manager and _matches_any(value, owner.tag_values)):
            found.add(owner.name)
    return frozenset(found)


@lru_cache(1024)
def _owners_of_group(name: str) -> frozenset[str]:
    """The owners that create resource groups with such a name, folded."""
    return frozenset(owner.name for owner in OWNERS if _matches_any(name, owner.groups))


def _matches_any(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
