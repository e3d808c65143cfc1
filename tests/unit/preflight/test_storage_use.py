"""Users of a storage account that a change of its network, keys or transfer would cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import ForbiddenError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.function_apps import FunctionAppCheck
from defender_remediate.preflight.storage_use import StorageUseCheck

BLOCKED, WARNING = CheckStatus.BLOCKED, CheckStatus.WARNING
CheckOne = Callable[..., tuple[CheckResult, ...]]
Judge = Callable[..., list[tuple[CheckStatus, tuple[str, ...]]]]
CLOSED = {"publicNetworkAccess": "Disabled"}
NO_KEYS = {"allowSharedKeyAccess": False}
ENCRYPTED = {"supportsHttpsTrafficOnly": True}


def items(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def share(name: str, protocol: str) -> dict[str, Any]:
    return {"name": name, "properties": {"enabledProtocols": protocol}}


@pytest.fixture
def judge(check_one: CheckOne, make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds when properties change on an account with this content."""

    def run(
        change: dict[str, Any], before: Any = None, *, kind: str = "StorageV2", tags: Any = None, **content: Any
    ) -> list[tuple[CheckStatus, tuple[str, ...]]]:
        old = {"kind": kind, "tags": tags or {}, "properties": before or {}}
        new = {**old, "properties": {**old["properties"], **change}}
        answers = {f"/{name}": content.get(name, []) for name in ("containers", "shares", "queues", "tables")}
        found = check_one(StorageUseCheck(), make_subject(old, new), answers)
        return [(one.status, one.evidence) for one in found]

    return run


def endpoint(group: str) -> dict[str, Any]:
    state = {"privateLinkServiceConnectionState": {"status": "Approved"}}
    return {"privateEndpointConnections": [{"properties": {"groupIds": [group], **state}}]}


def test_nfs_stops_the_requirement_of_secure_transfer(judge: Judge) -> None:
    """Both the shares of a premium account and NFS 3.0 on blobs; SMB shares are encrypted."""
    assert judge(ENCRYPTED, {"isNfsV3Enabled": True}) == [(BLOCKED, ("properties.isNfsV3Enabled: true",))]
    premium = {"kind": "FileStorage", "shares": [share("data", "NFS"), share("office", "SMB")]}
    assert judge(ENCRYPTED, **premium) == [(BLOCKED, ("file share data: NFS",))]
    assert judge(ENCRYPTED, kind="FileStorage", shares=[share("office", "SMB")]) == []
    assert judge({"minimumTlsVersion": "TLS1_2"}, {"isNfsV3Enabled": True}) == []
    assert judge(ENCRYPTED, {"isNfsV3Enabled": True, **ENCRYPTED}) == []


@pytest.mark.parametrize("change", [CLOSED, NO_KEYS])
def test_cloud_shell_keeps_its_account(judge: Judge, change: dict[str, Any]) -> None:
    """Azure marks what its own services use, such as Cloud Shell, by a tag."""
    tags = {"ms-resource-usage": "azure-cloud-shell"}
    assert (BLOCKED, ("tag ms-resource-usage=azure-cloud-shell",)) in judge(change, tags=tags)
    assert judge({"minimumTlsVersion": "TLS1_2"}, tags=tags) == []


def test_file_shares_need_the_keys(judge: Judge) -> None:
    """Content shares of function apps and mounts do; identity-based authentication may take their place."""
    assert judge(NO_KEYS, shares=items("content")) == [
        (BLOCKED, ("file share content", "identity-based authentication: none"))
    ]
    identities = {"azureFilesIdentityBasedAuthentication": {"directoryServiceOptions": "AADKERB"}}
    assert judge(NO_KEYS, identities, shares=items("content")) == [(WARNING, ("file share content",))]
    assert judge(NO_KEYS) == []


def test_queues_and_tables_may_be_used_with_keys(judge: Judge) -> None:
    """No one can see who does; the tables of the platform's own logs do not count."""
    assert judge(NO_KEYS, queues=items("orders"), tables=items("people", "$Metrics")) == [
        (WARNING, ("queue orders", "table people"))
    ]


def test_a_list_that_only_warns_does_not_block(judge: Judge) -> None:
    """When queues or tables cannot be read, that is a warning too; unreadable file shares leave the step unchecked."""
    error = ForbiddenError("no", status=403, code="AuthorizationFailed")
    assert judge(NO_KEYS, queues=error, tables=error) == [
        (WARNING, ("queue (not readable)", "table (not readable)")),
    ]
    assert [status for status, _ in judge(NO_KEYS, shares=error)] == [CheckStatus.UNCHECKED]


def test_each_service_needs_its_own_private_endpoint(judge: Judge) -> None:
    """An endpoint for blobs leads to nothing else."""
    content = {"shares": items("s"), "queues": items("q"), "tables": items("t"), "containers": items("$web")}
    assert judge(CLOSED, endpoint("blob"), **content) == [
        (BLOCKED, ("file share s",)),
        (WARNING, ("queue q",)),
        (WARNING, ("table t",)),
        (WARNING, ("container $web: static website",)),
    ]
    assert judge(CLOSED, endpoint("file"), shares=items("s")) == []
    firewall = {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.1"}]}}
    assert judge(firewall, shares=items("s")) == [(WARNING, ("file share s",))]


def test_sftp_clients_are_named(judge: Judge) -> None:
    """They come over the public endpoint."""
    assert judge(CLOSED, {"isSftpEnabled": True}) == [(WARNING, ("properties.isSftpEnabled: true",))]


@pytest.mark.parametrize(
    ("change", "kind", "found"),
    [
        (NO_KEYS, "StorageV2", True),
        (CLOSED, "StorageV2", True),
        (NO_KEYS, "FileStorage", False),
        (ENCRYPTED, "StorageV2", False),
    ],
)
def test_a_function_app_is_known_by_its_containers(
    check_one: CheckOne, make_subject: Callable[..., Subject], change: dict[str, Any], kind: str, found: bool
) -> None:
    """They are read only for a change that would cut the app off, and not on an account that has no blobs."""
    old = {"kind": kind, "properties": {}}
    subject = make_subject(old, {**old, "properties": change})
    answers = {"/containers": items("images", "azure-webjobs-secrets", "azure-webjobs-hosts")} if found else {}
    results = check_one(FunctionAppCheck(), subject, answers)
    names = [text.partition(":")[0] for one in results for text in one.evidence]
    assert names == (["container azure-webjobs-hosts", "container azure-webjobs-secrets"] if found else [])


@pytest.mark.parametrize(
    "container",
    [
        "azureml",
        "azureml-blobstore-11111111-2222-3333-4444-555555555555",
        "insights-logs-auditevent",
        "insights-metrics-pt1m",
        "bootdiagnostics-vm1-11111111",
        "sqldbauditlogs",
        "vulnerability-assessment",
        "vhds",
    ],
)
@pytest.mark.parametrize("change", [CLOSED, NO_KEYS])
def test_kind_n_services_of_azure_that_use_the_account_are_named(
    judge: Judge, container: str, change: dict[str, Any]
) -> None:
    """Only the names of their containers show them, and these may be left over: a warning."""
    ((status, (evidence,)),) = judge(change, containers=items(container, "mine"))
    assert status is WARNING
    assert evidence.startswith(f"container {container}: ")
    assert judge(change, containers=items("mine", f"my-{container}")) == []
