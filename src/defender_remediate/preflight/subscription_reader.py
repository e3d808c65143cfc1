"""Each subscription's own description, read once: its state, and its tenant."""

from __future__ import annotations

from typing import Any

from defender_remediate import wire
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import RequestError
from defender_remediate.preflight.single_flight import Once

_VERSION = "2022-12-01"


class Subscriptions:
    """Subscriptions by their id. Shared between threads; makes one request for each."""

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self._once: Once[Any] = Once()

    def body(self, subscription_id: str) -> Any:
        """What Azure says of a subscription.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
        """
        path = f"/subscriptions/{subscription_id}"
        return self._once.get(fold(path), lambda: self._session.get(path, api_version=_VERSION).body)

    def tenant(self, subscription_id: str) -> str:
        """The tenant's id, in lower case; empty when this caller is not told.

        Raises:
            ConnectionFailedError, MalformedResponseError: No answer, or a broken one.
        """
        try:
            return fold(wire.text(self.body(subscription_id), "tenantId"))
        except RequestError:
            # A caller with rights on a group only may not read the subscription; its id is bound by the steps.
            return ""
