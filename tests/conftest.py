"""What tests of several rooms share: makers of plans and reports, and how hypothesis works here."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import filelock
import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient
from hypothesis import settings

from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import (
    ABSENT,
    PlannedRequest,
    PropertyChange,
    RemediationPlan,
    RemediationStep,
    SkippedResource,
)
from defender_remediate.models.result import RemediationReport, RemediationResult

# A busy machine is not a slow law.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
ACCOUNT = f"{SUBSCRIPTION}/resourceGroups/shop-rg/providers/Microsoft.Storage/storageAccounts/shopdata"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)

_STEP = RemediationStep(
    id="step-1",
    executor="patch",
    keys=(KEY,),
    titles=("Secure transfer to storage accounts should be enabled",),
    resource_id=ACCOUNT,
    resource_type="Microsoft.Storage/storageAccounts",
    target_id=ACCOUNT,
    api_version="2023-05-01",
    changes=(
        PropertyChange(path="properties.supportsHttpsTrafficOnly", before=False, after=True),
        PropertyChange(path="properties.minimumTlsVersion", before=ABSENT, after="TLS1_2"),
    ),
    request=PlannedRequest(
        method="PATCH",
        path=ACCOUNT,
        api_version="2023-05-01",
        body={"properties": {"supportsHttpsTrafficOnly": True, "minimumTlsVersion": "TLS1_2"}},
    ),
    fingerprint="f" * 64,
    compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
    impact="connectivity",
    impact_reason="plain-HTTP clients are refused",
)
_PLAN = RemediationPlan(
    steps=(_STEP,),
    skipped=(SkippedResource(resource_id=f"{ACCOUNT}2", keys=(KEY,), reason="already_compliant"),),
    scope=(SUBSCRIPTION,),
    endpoint="https://management.azure.com",
    tenants=("99999999-8888-7777-6666-555555555555",),
    catalog_version="2026.11",
    created_at=NOON,
)
_RESULT = RemediationResult(
    step_id="step-1",
    resource_id=ACCOUNT,
    keys=(KEY,),
    outcome="applied",
    before={"properties.supportsHttpsTrafficOnly": False},
    after={"properties.supportsHttpsTrafficOnly": True, "properties.minimumTlsVersion": "TLS1_2"},
    attempts=1,
    request_id="0f0f0f0f-1111-2222-3333-444444444444",
    started=NOON,
    finished=NOON,
    compliant=True,
    health="healthy",
)
_REPORT = RemediationReport(
    run_id="run-1",
    correlation_id="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    plan=_PLAN,
    results=(_RESULT,),
    started=NOON,
    finished=NOON,
)


@pytest.fixture(autouse=True, scope="session")
def _journals_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests write their journals to a temporary directory, not to the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def _maker(example: Any) -> Callable[..., Any]:
    return lambda **changes: attrs.evolve(example, **changes)


@pytest.fixture
def make_step() -> Callable[..., RemediationStep]:
    """A step that closes one finding of a storage account, with whatever the test wants different."""
    return _maker(_STEP)


@pytest.fixture
def make_plan() -> Callable[..., RemediationPlan]:
    """A plan of one step and one skip, with whatever the test wants different."""
    return _maker(_PLAN)


@pytest.fixture
def make_result() -> Callable[..., RemediationResult]:
    """The good result of that step, with whatever the test wants different."""
    return _maker(_RESULT)


@pytest.fixture
def make_report() -> Callable[..., RemediationReport]:
    """The report of that plan, with whatever the test wants different."""
    return _maker(_REPORT)


AZURITE = "3.37.0"
_INSTALL = ("install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", "--loglevel=error")


@attrs.frozen
class StorageContainer:
    """A container of the emulator.

    Attributes:
        client: The SDK's own client, for what a journal does not do.
    """

    url: str
    account: str
    key: str

    @property
    def credential(self) -> AzureNamedKeyCredential:
        return AzureNamedKeyCredential(self.account, self.key)

    @property
    def client(self) -> ContainerClient:
        return ContainerClient.from_container_url(self.url, self.credential, api_version="2021-12-02")


@pytest.fixture(scope="session")
def azurite(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageContainer]:
    """Azurite, the emulator of Azure Storage. It is installed once, below ``.nox``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Azurite needs node and npm")
    program = _install_azurite(pytestconfig.rootpath / ".nox" / f"azurite-{AZURITE}", npm)
    folder = tmp_path_factory.mktemp("azurite")
    account, key = "contoso", base64.b64encode(b"k" * 64).decode()
    command = [node, program, "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry"]
    with (folder / "log").open("w+", encoding="utf-8") as log:
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(600):
                said = (folder / "log").read_text(encoding="utf-8")
                if "listens on " in said or server.poll() is not None:
                    break
                threading.Event().wait(0.1)
            assert "listens on " in said, said
            yield StorageContainer(f"{said.partition('listens on ')[2].split()[0]}/{account}", account, key)
        finally:
            server.kill()
            server.wait()


def _install_azurite(folder: Path, npm: str) -> Path:
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if not (folder / "installed").exists():
            # Node.js has certificates of its own, and takes those of the machine only by this name.
            trusted = {"NODE_EXTRA_CA_CERTS": os.environ["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in os.environ else {}
            command = [
                npm,
                *_INSTALL,
                "--fetch-retries=0",
                "--prefix",
                str(folder),
                "--cache",
                str(folder / "cache"),
                f"azurite@{AZURITE}",
            ]
            try:
                subprocess.run(
                    command, check=True, capture_output=True, text=True, timeout=120, env={**trusted, **os.environ}
                )
            except (OSError, subprocess.SubprocessError) as error:
                said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
                pytest.skip(f"Azurite could not be installed: {said[0] if said else error}")
            shutil.rmtree(folder / "cache", ignore_errors=True)
            (folder / "installed").touch()
    return program


@pytest.fixture
def storage_container(azurite: StorageContainer) -> StorageContainer:
    """A new container of the emulator."""
    container = attrs.evolve(azurite, url=f"{azurite.url}/{uuid4()}")
    container.client.create_container()
    return container
