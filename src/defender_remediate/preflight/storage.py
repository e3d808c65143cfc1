"""What the checks of storage accounts share: which access a step closes."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.paths import look_up
from defender_remediate.preflight.network_access import closed_settings
from defender_remediate.preflight.subject import Subject

ACCOUNT_TYPE = "Microsoft.Storage/storageAccounts"
STORAGE_VERSIONS = ("2023-05-01", "2021-09-01")


def closes_shared_keys(subject: Subject) -> bool:
    """Whether a step disables the shared keys of a storage account."""
    key = "properties.allowSharedKeyAccess"
    if "allowsharedkeyaccess" not in subject.changed_names or not _is_account(subject):
        return False
    return look_up(subject.after, key) is False and look_up(subject.before, key) is not False


def closes_network(subject: Subject) -> bool:
    """Whether a step closes the network access of a storage account."""
    return any(closed_settings(subject)) and _is_account(subject)


def closes_access(subject: Subject) -> bool:
    """Whether a step closes the network access or the shared keys of a storage account."""
    return closes_shared_keys(subject) or closes_network(subject)


def has_blobs(subject: Subject) -> bool:
    """Whether a storage account can have blobs; premium file shares cannot."""
    return fold(wire.text(subject.before, "kind")) != "filestorage"


def _is_account(subject: Subject) -> bool:
    return fold(subject.target_type) == fold(ACCOUNT_TYPE) and isinstance(subject.after, Mapping)
