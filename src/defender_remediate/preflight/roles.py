"""What the caller's roles give, read once per resource group, and at a resource where the group's do not suffice."""

from __future__ import annotations

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import RequestError
from defender_remediate.models.check import CheckResult
from defender_remediate.models.ids import ResourceId
from defender_remediate.preflight.permissions import Grant, judge, lacking
from defender_remediate.preflight.scopes import group_of, parts, subscription_of
from defender_remediate.preflight.single_flight import Offering, Once
from defender_remediate.preflight.subject import Demand
from defender_remediate.preflight.unavailable import is_not_offered

_VERSIONS = ("2022-04-01", "2015-07-01")


class Roles:
    """The permissions lists of ``Microsoft.Authorization``. Shared between threads.

    Azure documents them for groups and resources. At a subscription they are there as well, without being promised.
    """

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self._once: Once[tuple[Grant, ...]] = Once()
        self._offering = Offering()

    def at(self, scope: str) -> tuple[Grant, ...]:
        """What the caller's roles give at a scope, the inherited ones included.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
        """
        # What is refused at a subscription, where it is not promised, may be there for its groups.
        gate = f"{subscription_of(scope)} {len(parts(group_of(scope)))}"
        return self._once.get(fold(scope), lambda: self._offering.ask(gate, lambda: self._read(scope)))

    def judge(self, demand: Demand) -> tuple[CheckResult, ...]:
        """What the caller lacks of a demand.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: What there is cannot be read.
        """
        looked_at = [group_of(demand.place)]
        grants = self.at(looked_at[0])
        resource = ResourceId.parse(demand.place).root.text
        if lacking(demand.actions, grants) and parts(resource) != parts(looked_at[0]):
            try:
                grants = (*grants, *self.at(resource))
                looked_at.append(resource)
            except RequestError as error:
                # Some types have no list of their own; the group's word stands then.
                if not is_not_offered(error):
                    raise
        return judge(demand, grants, looked_at)

    def _read(self, scope: str) -> tuple[Grant, ...]:
        path = f"{scope}/providers/Microsoft.Authorization/permissions"
        return tuple(map(Grant.from_rest, self._session.pages_newest(path, api_versions=_VERSIONS)))
