"""Function apps that run on a storage account and would lose its network or its keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.storage import ACCOUNT_TYPE, STORAGE_VERSIONS, closes_access, has_blobs
from defender_remediate.preflight.subject import Subject

RUNTIME_CONTAINERS = {
    "azure-webjobs-hosts": "the leases and listener state of a Functions host",
    "azure-webjobs-secrets": "the access keys of a function app",
}
"""Blob containers that the Functions runtime creates in its storage account, and what is in them."""


class FunctionAppCheck:
    """Finds function apps by the blob containers of their runtime, when a step closes the network or the shared keys.

    The containers are read for such a step only.
    """

    name = "function_app"
    permissions = ("Microsoft.Storage/storageAccounts/blobServices/containers/read",)
    resource_types = (ACCOUNT_TYPE,)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[tuple[str, ...]]:
        """The names of the blob containers."""

        def read(subject: Subject) -> tuple[str, ...]:
            if not closes_access(subject) or not has_blobs(subject):
                return ()
            account = subject.step.target_id
            return reader.list(
                f"{account}/blobServices/default/containers",
                api_versions=STORAGE_VERSIONS,
                parse=wire.name,
                collection=f"containers {subscription_of(account)}",
            )

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[tuple[str, ...]]) -> Iterator[CheckResult]:
        """Whether a function app runs on the account."""
        seen = sorted(name for name in facts[subject] if fold(name) in RUNTIME_CONTAINERS)
        if seen:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message="a function app runs on this storage account and does not start without access to it",
                evidence=tuple(f"container {name}: {RUNTIME_CONTAINERS[fold(name)]}" for name in seen),
                advice="first connect the app through a private endpoint, with its identity instead of a key",
            )
