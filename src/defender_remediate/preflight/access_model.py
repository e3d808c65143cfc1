"""Switches of the authorization model: who has access now, and who will have it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import root_of
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.permissions import matches
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_ASSIGNMENT_VERSIONS = ("2022-04-01", "2015-07-01")
_DEFINITION_VERSIONS = ("2022-04-01", "2015-07-01")
_VAULT = "microsoft.keyvault/vaults"
_CLUSTER = "microsoft.containerservice/managedclusters"
# Members that switch keys, local users or passwords off, with the value that does.
_LOCAL_ACCESS: tuple[tuple[str, Any], ...] = (
    ("properties.disableLocalAuth", True),
    ("properties.localAuthEnabled", False),
    ("properties.disableAccessKeyAuthentication", True),
    ("properties.allowSharedKeyAccess", False),
    ("properties.adminUserEnabled", False),
    ("properties.isLocalUserEnabled", False),
)
_LOCAL_NAMES = frozenset(fold(path.rpartition(".")[2]) for path, _ in _LOCAL_ACCESS)
# Container registries give access to images by actions: AcrPull has no data action.
_IMAGES = {"microsoft.containerregistry": "Microsoft.ContainerRegistry/registries/pull/read"}
# Types with role assignments of their own, beside those of Azure.
_OWN_ROLES = {
    "microsoft.cache/redis": "accessPolicyAssignments",
    "microsoft.documentdb/databaseaccounts": "sqlRoleAssignments",
    "microsoft.documentdb/mongoclusters": "users",
    "microsoft.kusto/clusters": "principalAssignments",
}


@attrs.frozen(kw_only=True)
class DataAccess:
    """The principals that a role assignment gives access to the data of a resource, at it or above it.

    Attributes:
        principals: Their object ids, folded; None when the role assignments could not be read.
    """

    principals: frozenset[str] | None


class AccessModelCheck:
    """Compares who has access with who will have it, when a step switches keys, passwords or access policies off.

    A key vault whose access policies name a principal without a role is blocked, and so is a cluster without Entra
    integration. Where keys give access, no one knows who uses them: a resource
    on which no role gives access to data is a warning. Roles through a group are not resolved.
    """

    name = "access_model"
    permissions = ("Microsoft.Authorization/roleAssignments/read", "Microsoft.Authorization/roleDefinitions/read")
    reads = (
        MemberReads(
            paths=("properties.accessPolicies[*].objectId",),
            when_changing=frozenset({"enablerbacauthorization"}),
            types=(_VAULT,),
        ),
        MemberReads(
            paths=("properties.aadProfile",), when_changing=frozenset({"disablelocalaccounts"}), types=(_CLUSTER,)
        ),
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[DataAccess | None]:
        """Who has access to the data by a role; None where a step does not switch to roles."""

        def read(subject: Subject) -> DataAccess | None:
            if _switches_to_roles(subject):
                return DataAccess(principals=holders(subject))
            if not list(_closed_local_access(subject)):
                return None
            try:
                return DataAccess(principals=holders(subject))
            except DefenderRemediateError:
                # Without roles it is a warning, so that it is one as well when the roles cannot be read.
                return DataAccess(principals=None)

        def holders(subject: Subject) -> frozenset[str]:
            resource = root_of(subject.written_id)
            namespace = subject.root_type.partition("/")[0]
            assignments: tuple[Any, ...] = reader.list(
                f"{resource}/providers/Microsoft.Authorization/roleAssignments",
                api_versions=_ASSIGNMENT_VERSIONS,
                params={"$filter": "atScope()"},
            )
            principals = set()
            for assignment in assignments:
                properties = wire.pick(assignment, "properties")
                definition = wire.text(properties, "roleDefinitionId")
                if definition and _gives_data(reader.get(definition, api_versions=_DEFINITION_VERSIONS), namespace):
                    principals.add(fold(wire.text(properties, "principalId")))
            return frozenset(principals)

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[DataAccess | None]) -> Iterator[CheckResult]:
        """Who would lose access by one step."""
        yield from self._of_cluster(subject)
        access = facts[subject]
        if access is None:
            return
        if _switches_to_roles(subject):
            policies = look_up(subject.before, "properties.accessPolicies")
            holders = (
                {wire.text(policy, "objectId") for policy in policies} if isinstance(policies, (list, tuple)) else ()
            )
            losing = sorted(holder for holder in holders if fold(holder) not in (access.principals or ()))
            if losing:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED,
                    message="access policies no longer apply, and principals in them have no role on the key vault",
                    evidence=tuple(f"no data role for {holder}" for holder in losing),
                    advice="assign each a Key Vault role first; one that has it through a group can be waived",
                )
            return
        for path in _closed_local_access(subject):
            if not access.principals:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.WARNING,
                    message=f"{path} is switched, and no role seems to give anyone access to the data: clients with a key "
                    "or a password lose access",
                    evidence=(
                        f"role assignments with data actions: {'not readable' if access.principals is None else 'none'}",
                        *((f"{own}: not read",) if (own := _OWN_ROLES.get(fold(subject.root_type))) else ()),
                    ),
                    advice="assign roles to the clients first, or make sure that no one uses keys",
                )

    def _of_cluster(self, subject: Subject) -> Iterator[CheckResult]:
        """A cluster without local accounts and without Entra integration."""
        path = "properties.disableLocalAccounts"
        if fold(subject.target_type) != _CLUSTER or not _becomes(subject, path, value=True):
            return
        profile = look_up(subject.after, "properties.aadProfile")
        if not isinstance(profile, Mapping):
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message="local accounts are disabled, and the cluster has no Microsoft Entra integration: no one could "
                "sign in",
                evidence=("properties.aadProfile: none",),
                advice="enable the Microsoft Entra integration of the cluster first",
            )
        elif not wire.strings(profile, "adminGroupObjectIDs") and not wire.flag(profile, "enableAzureRBAC"):
            yield CheckResult(
                check=self.name,
                status=CheckStatus.WARNING,
                message="local accounts are disabled, and the cluster has neither an admin group nor Azure RBAC: only "
                "Kubernetes role bindings of Entra users give access then",
                evidence=(
                    "properties.aadProfile.adminGroupObjectIDs: none",
                    "properties.aadProfile.enableAzureRBAC: off",
                ),
                advice="make sure that such role bindings exist, or add an admin group first",
            )


def _becomes(subject: Subject, path: str, *, value: Any) -> bool:
    name = path.rpartition(".")[2]
    return fold(name) in subject.changed_names and _is_new(subject, path, value)


def _is_new(subject: Subject, path: str, value: Any) -> bool:
    return same(look_up(subject.after, path), value) and not same(look_up(subject.before, path), value)


def _switches_to_roles(subject: Subject) -> bool:
    """Whether a key vault changes from access policies to roles."""
    path = "properties.enableRbacAuthorization"
    return fold(subject.target_type) == _VAULT and _becomes(subject, path, value=True)


def _closed_local_access(subject: Subject) -> Iterator[str]:
    """The members of a step that switch keys, local users or passwords off."""
    for path, value in _LOCAL_ACCESS if not _LOCAL_NAMES.isdisjoint(subject.changed_names) else ():
        if _becomes(subject, path, value=value):
            yield path


def _gives_data(definition: Any, namespace: str) -> bool:
    """Whether a role has a data action of a resource provider."""
    entries = wire.pick(wire.pick(definition, "properties"), "permissions")
    action = _IMAGES.get(fold(namespace))
    if action is not None:
        return any(
            any(matches(pattern, action) for pattern in wire.strings(entry, "actions"))
            and not any(matches(pattern, action) for pattern in wire.strings(entry, "notActions"))
            for entry in (entries if isinstance(entries, list) else ())
        )
    return any(
        matches(pattern, f"{namespace}/x") or fold(pattern).startswith(f"{fold(namespace)}/")
        for entry in (entries if isinstance(entries, list) else ())
        for pattern in wire.strings(entry, "dataActions")
    )
