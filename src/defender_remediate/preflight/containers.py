"""The blob containers of a storage account: read only for a change that a function app on it would not survive."""

from __future__ import annotations

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.models.check import CheckResult
from defender_remediate.preflight.network_access import can_hold_functions, cuts_off_functions, judge_containers
from defender_remediate.preflight.scopes import subscription_of
from defender_remediate.preflight.single_flight import Offering
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2023-05-01", "2021-09-01")


class Containers:
    """Blob containers by account.

    Permissions: ``Microsoft.Storage/storageAccounts/blobServices/containers/read``.
    """

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self._offering = Offering()

    def judge(self, subject: Subject) -> tuple[CheckResult, ...]:
        """Whether a function app lives on an account that a step would cut it off from.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: The containers cannot be read.
        """
        if not cuts_off_functions(subject) or not can_hold_functions(subject):
            return ()
        account = subject.step.target_id
        path = f"{account}/blobServices/default/containers"
        names = self._offering.ask(subscription_of(account), lambda: self._names(path))
        return judge_containers(names)

    def _names(self, path: str) -> tuple[str, ...]:
        return tuple(map(wire.name, self._session.pages_newest(path, api_versions=_VERSIONS)))
