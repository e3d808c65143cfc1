"""Resource providers as a subscription has them: registered or not, with their types and api-versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult
from defender_remediate.preflight.providers import judge, namespaces
from defender_remediate.preflight.scopes import subscription_of
from defender_remediate.preflight.single_flight import Offering, Once
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2025-04-01", "2021-04-01")


class Providers:
    """Providers by subscription and namespace; one request for each. Nothing is ever registered.

    Permissions: ``Microsoft.Resources/subscriptions/providers/read``.
    """

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self._once: Once[Any] = Once()
        self._offering = Offering()

    def judge(self, subject: Subject) -> Iterable[CheckResult]:
        """What registration and versions stop of a step.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: A provider cannot be read.
        """
        subscription = subscription_of(subject.step.target_id)
        return [
            finding
            for namespace in namespaces(subject)
            for finding in judge(self.body(subscription, namespace), namespace, subject)
        ]

    def body(self, subscription: str, namespace: str) -> Any:
        """What Azure says of a provider.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
        """
        path = f"/subscriptions/{subscription}/providers/{namespace}"
        return self._once.get(
            fold(path),
            lambda: self._offering.ask(
                fold(f"{subscription}/{namespace}"),
                lambda: self._session.get_newest(path, api_versions=_VERSIONS).body,
            ),
        )
