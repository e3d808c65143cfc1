"""What uses a storage account: file shares, mounts, Cloud Shell, static websites, SFTP, queues, tables, and Azure services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.network_access import is_approved
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.storage import (
    ACCOUNT_TYPE,
    STORAGE_VERSIONS,
    closes_network,
    closes_shared_keys,
    has_blobs,
)
from defender_remediate.preflight.subject import Subject

_TYPES = (fold(ACCOUNT_TYPE),)
_SERVICES = {"queues": "queueServices/default/queues", "tables": "tableServices/default/tables"}


SERVICE_CONTAINERS = {
    "azureml*": "Azure Machine Learning, which uses keys unless the workspace says otherwise",
    "bootdiagnostics-*": "boot diagnostics of a virtual machine",
    "insights-logs-*": "diagnostic settings or flow logs, as a trusted service",
    "insights-metrics-*": "diagnostic settings, as a trusted service",
    "sqldbauditlogs": "auditing of Azure SQL, which uses a key unless it uses the identity of the server",
    "sqldbtdlogs": "threat detection of Azure SQL, which uses a key",
    "vhds": "unmanaged disks or images of virtual machines",
    "vulnerability-assessment": "vulnerability assessment of Azure SQL, which uses a key unless it uses the identity of the server",
}
"""Patterns of the containers that Azure services create by default, and the service. A container may be left over."""


@attrs.frozen(kw_only=True)
class StorageUse:
    """What is in a storage account.

    Attributes:
        shares: Names of the file shares, each with its protocol, ``SMB`` or ``NFS``.
        queues, tables: Their names; those of the platform's own logs left out.
        has_website: Whether it serves a static website.
        services: Containers that Azure services write to, each with the service.
    """

    shares: tuple[tuple[str, str], ...] = ()
    queues: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    has_website: bool = False
    services: tuple[str, ...] = ()


class StorageUseCheck:
    """Finds users of a storage account that a step would cut off: by its network, its keys, or unencrypted transfer.

    What is in the account is read only for such a step.
    """

    name = "storage_use"
    permissions = (
        "Microsoft.Storage/storageAccounts/blobServices/containers/read",
        "Microsoft.Storage/storageAccounts/fileServices/shares/read",
        "Microsoft.Storage/storageAccounts/queueServices/queues/read",
        "Microsoft.Storage/storageAccounts/tableServices/tables/read",
    )
    resource_types = (ACCOUNT_TYPE,)
    reads = (
        MemberReads(
            paths=("kind", "properties.isNfsV3Enabled"),
            when_changing=frozenset({"supportshttpstrafficonly"}),
            types=_TYPES,
        ),
        MemberReads(
            paths=(
                "kind",
                "tags.ms-resource-usage",
                "properties.azureFilesIdentityBasedAuthentication.directoryServiceOptions",
            ),
            when_changing=frozenset({"allowsharedkeyaccess"}),
            types=_TYPES,
        ),
        MemberReads(
            paths=("kind", "tags.ms-resource-usage", "properties.privateEndpointConnections[*].properties.groupIds"),
            when_changing=frozenset({"publicnetworkaccess", "defaultaction"}),
            types=_TYPES,
        ),
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[StorageUse]:
        """What is in the accounts whose access a step closes."""

        def names(account: str, path: str, parse: Any) -> tuple[Any, ...]:
            found: tuple[Any, ...] = reader.list(
                f"{account}/{path}",
                api_versions=STORAGE_VERSIONS,
                parse=parse,
                collection=f"{path} {subscription_of(account)}",
            )
            return found

        def names_or_unknown(account: str, service: str) -> tuple[str, ...]:
            try:
                return tuple(name for name in names(account, _SERVICES[service], wire.name) if not name.startswith("$"))
            except DefenderRemediateError:
                return ("(not readable)",)

        def read(subject: Subject) -> StorageUse:
            account = subject.step.target_id
            closes_keys, closes_traffic = closes_shared_keys(subject), closes_network(subject)
            if not (closes_keys or closes_traffic or _requires_encryption(subject)):
                return StorageUse()
            kind = fold(wire.text(subject.before, "kind"))
            has_files = kind not in ("blobstorage", "blockblobstorage")
            if not (closes_keys or closes_traffic):
                # Only premium file shares can be NFS.
                has_files = kind == "filestorage"
            shares = names(account, "fileServices/default/shares", _share) if has_files else ()
            if not (closes_keys or closes_traffic):
                return StorageUse(shares=shares)
            # Queues and tables give warnings only, so that a failed read must not block.
            is_general = kind in ("", "storage", "storagev2")
            containers = names(account, "blobServices/default/containers", wire.name) if has_blobs(subject) else ()
            return StorageUse(
                shares=shares,
                queues=names_or_unknown(account, "queues") if is_general else (),
                tables=names_or_unknown(account, "tables") if is_general else (),
                has_website="$web" in containers,
                services=tuple(_services(containers)),
            )

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[StorageUse]) -> Iterator[CheckResult]:
        """Who would be cut off by one step."""
        use = facts[subject]
        if _requires_encryption(subject):
            yield from self._of_encryption(subject, use)
        if closes_network(subject) or closes_shared_keys(subject):
            yield from self._of_cloud_shell(subject)
        if use.services:
            yield self._result(
                CheckStatus.WARNING,
                "Azure services have written to the account, and may lose access",
                [*use.services],
                "make sure that each of them uses an identity instead of a key, and that trusted services are let in",
            )
        if closes_shared_keys(subject):
            yield from self._of_keys(subject, use)
        if closes_network(subject):
            yield from self._of_network(subject, use)

    def _of_encryption(self, subject: Subject, use: StorageUse) -> Iterator[CheckResult]:
        nfs = [f"file share {name}: NFS" for name, protocol in use.shares if fold(protocol) == "nfs"]
        if look_up(subject.before, "properties.isNfsV3Enabled") is True:
            nfs.append("properties.isNfsV3Enabled: true")
        if nfs:
            yield self._result(
                CheckStatus.BLOCKED,
                "secure transfer refuses clients that mount NFS without encryption",
                nfs,
                "mount NFS shares with encryption in transit first, or move them to an account of their own",
            )

    def _of_cloud_shell(self, subject: Subject) -> Iterator[CheckResult]:
        tags = wire.mapping(wire.pick(subject.before, "tags"))
        for name, value in tags.items():
            if fold(name) == "ms-resource-usage":
                yield self._result(
                    CheckStatus.BLOCKED,
                    "the account is used by an Azure service, which needs its public network access and its keys",
                    [f"tag {name}={wire.text(value)}"],
                    "move the service (for azure-cloud-shell: the Cloud Shell of its owner) to another account first",
                )

    def _of_keys(self, subject: Subject, use: StorageUse) -> Iterator[CheckResult]:
        directory = look_up(subject.before, "properties.azureFilesIdentityBasedAuthentication.directoryServiceOptions")
        has_identities = isinstance(directory, str) and fold(directory) not in ("", "none")
        smb = [f"file share {name}" for name, protocol in use.shares if fold(protocol) != "nfs"]
        if smb and not has_identities:
            yield self._result(
                CheckStatus.BLOCKED,
                "file shares are mounted with the account key: mounts and the content shares of function apps stop working",
                [*smb, "identity-based authentication: none"],
                "configure identity-based authentication, and move function apps to another account first",
            )
        elif smb:
            yield self._result(
                CheckStatus.WARNING,
                "mounts of file shares that use the account key stop working",
                smb,
                "make sure that every mount uses identity-based authentication",
            )
        keyed = [*(f"queue {name}" for name in use.queues), *(f"table {name}" for name in use.tables)]
        if keyed:
            yield self._result(
                CheckStatus.WARNING,
                "clients of queues and tables that use a key or a connection string lose access",
                keyed,
                "make sure that every client uses Microsoft Entra ID",
            )

    def _of_network(self, subject: Subject, use: StorageUse) -> Iterator[CheckResult]:
        groups = _endpoint_groups(subject)
        rules = look_up(subject.after, "properties.networkAcls")
        has_rules = any(wire.pick(rules, name) for name in ("ipRules", "virtualNetworkRules"))
        services = {
            "file": [f"file share {name}" for name, _ in use.shares],
            "queue": [f"queue {name}" for name in use.queues],
            "table": [f"table {name}" for name in use.tables],
            "web": ["container $web: static website"] if use.has_website else [],
        }
        for group, evidence in services.items():
            if not evidence or group in groups:
                continue
            is_cut_off = group == "file" and not has_rules
            yield self._result(
                CheckStatus.BLOCKED if is_cut_off else CheckStatus.WARNING,
                f"the account is used for {group}, and no private endpoint leads to that service",
                evidence,
                f"create a private endpoint for {group} first, or make sure that no one uses it from outside",
            )
        local = look_up(subject.before, "properties.isSftpEnabled")
        if local is True:
            yield self._result(
                CheckStatus.WARNING,
                "SFTP clients that connect over the public endpoint lose access",
                ["properties.isSftpEnabled: true"],
                "allow the addresses of the SFTP clients in the firewall of the account",
            )

    def _result(self, status: CheckStatus, message: str, evidence: list[str], advice: str) -> CheckResult:
        return CheckResult(
            check=self.name, status=status, message=message, evidence=tuple(sorted(evidence)), advice=advice
        )


def _services(containers: Sequence[str]) -> Iterator[str]:
    for name in containers:
        for pattern, service in SERVICE_CONTAINERS.items():
            if fnmatchcase(fold(name), pattern):
                yield f"container {name}: {service}"


def _share(item: Any) -> tuple[str, str]:
    return wire.name(item), wire.text(wire.pick(item, "properties"), "enabledProtocols") or "SMB"


def _requires_encryption(subject: Subject) -> bool:
    """Whether a step begins to require secure transfer."""
    path = "properties.supportsHttpsTrafficOnly"
    if "supportshttpstrafficonly" not in subject.changed_names:
        return False
    is_account = fold(subject.target_type) == fold(ACCOUNT_TYPE) and isinstance(subject.after, Mapping)
    return is_account and same(look_up(subject.after, path), True) and not same(look_up(subject.before, path), True)


def _endpoint_groups(subject: Subject) -> frozenset[str]:
    """The services that an approved private endpoint leads to."""
    connections = look_up(subject.before, "properties.privateEndpointConnections")
    return frozenset(
        fold(group)
        for connection in (connections if isinstance(connections, (list, tuple)) else ())
        if is_approved(connection)
        for group in wire.strings(wire.pick(connection, "properties"), "groupIds")
    )
