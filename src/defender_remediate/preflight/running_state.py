"""Resources that are stopped, paused or disconnected: Azure refuses their changes, or makes them later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.subject import Subject


@attrs.frozen(kw_only=True)
class InactiveState:
    """A state in which a resource type does not take changes.

    Attributes:
        type: The top-level type, folded.
        path: Where the body shows the state.
        values: The values, folded.
        status: What it means for a step.
        why: What Azure does with a change then.
        advice: What to do first.
    """

    type: str
    path: str
    values: tuple[str, ...]
    status: CheckStatus = CheckStatus.BLOCKED
    why: str
    advice: str


_REFUSED = "Azure refuses changes in this state"
_START = "start it, then plan again"
_RESUME = "have it resumed, then plan again"
_LATER = "the change takes effect only when it runs again"
INACTIVE_STATES = (
    InactiveState(
        type="microsoft.containerservice/managedclusters",
        path="properties.powerState.code",
        values=("stopped",),
        why=_REFUSED,
        advice=_START,
    ),
    *(
        InactiveState(
            type=name,
            path="properties.state",
            values=("stopped", "stopping", "disabled", "inaccessible", "dropping"),
            why=_REFUSED,
            advice=_START,
        )
        for name in (
            "microsoft.dbforpostgresql/flexibleservers",
            "microsoft.dbformysql/flexibleservers",
            "microsoft.dbformariadb/servers",
            "microsoft.sql/managedinstances",
            "microsoft.kusto/clusters",
        )
    ),
    *(
        InactiveState(
            type=name,
            path="properties.userVisibleState",
            values=("disabled", "inaccessible", "dropping"),
            why=_REFUSED,
            advice="restore access to its encryption key, then plan again",
        )
        for name in ("microsoft.dbformysql/servers", "microsoft.dbforpostgresql/servers")
    ),
    InactiveState(
        type="microsoft.sql/servers",
        path="properties.status",
        values=("paused", "pausing", "resuming", "offline", "restoring", "inaccessible", "disabled"),
        why=_REFUSED,
        advice="resume the database, then plan again",
    ),
    InactiveState(
        type="microsoft.synapse/workspaces",
        path="properties.status",
        values=("paused", "pausing", "resuming"),
        why=_REFUSED,
        advice="resume the pool, then plan again",
    ),
    InactiveState(
        type="microsoft.appplatform/spring",
        path="properties.powerState",
        values=("stopped",),
        why=_REFUSED,
        advice=_START,
    ),
    *(
        InactiveState(type=name, path=path, values=values, why=_REFUSED, advice=advice)
        for name, path, values, advice in (
            # The specifications name these states.
            ("microsoft.search/searchservices", "properties.status", ("disabled",), "ask for it to be enabled first"),
            ("microsoft.devices/iothubs", "properties.state", ("suspended", "suspending"), _RESUME),
            ("microsoft.devices/provisioningservices", "properties.state", ("suspended", "suspending"), _RESUME),
            ("microsoft.iotcentral/iotapps", "properties.state", ("suspended",), _RESUME),
            ("microsoft.dbforpostgresql/servergroupsv2", "properties.state", ("stopped", "stopping"), _START),
            ("microsoft.documentdb/mongoclusters", "properties.clusterStatus", ("stopped", "stopping"), _START),
        )
    ),
    InactiveState(
        type="microsoft.web/sites",
        path="properties.state",
        values=("stopped",),
        status=CheckStatus.WARNING,
        why=_LATER,
        advice="start the app to see whether it works with the change",
    ),
    InactiveState(
        type="microsoft.network/applicationgateways",
        path="properties.operationalState",
        values=("stopped", "stopping"),
        status=CheckStatus.WARNING,
        why="an update may start it",
        advice="make sure that starting it is intended",
    ),
    InactiveState(
        type="microsoft.hybridcompute/machines",
        path="properties.status",
        values=("disconnected", "expired", "error"),
        status=CheckStatus.WARNING,
        why="its agent applies a change only while it is connected",
        advice="connect the machine, then verify the change",
    ),
    InactiveState(
        type="microsoft.kubernetes/connectedclusters",
        path="properties.connectivityStatus",
        values=("offline", "expired", "connecting"),
        status=CheckStatus.WARNING,
        why="its agents apply a change only while they are connected",
        advice="connect the cluster, then verify the change",
    ),
)


_STATES_OF = {one.type: tuple(state for state in INACTIVE_STATES if state.type == one.type) for one in INACTIVE_STATES}


class RunningStateCheck:
    """Finds resources that are not running, by the state in the bodies that planning read. Reads nothing.

    The power state of a virtual machine is in no body: see ``virtual_machines``.
    """

    name = "running_state"
    permissions: tuple[str, ...] = ()

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        """Whether the resource, or the target below it, is in a state without changes."""
        for state in _STATES_OF.get(fold(subject.root_type), ()):
            shown = {wire.text(_value(body, state.path)) for body in (subject.resource, subject.before)}
            inactive = sorted(value for value in shown if fold(value) in state.values)
            if inactive:
                yield CheckResult(
                    check=self.name,
                    status=state.status,
                    message=f"the resource is not running (state {inactive[0]}): {state.why}",
                    evidence=(f"{state.path}: {inactive[0]}",),
                    advice=state.advice,
                )


def _value(body: object, path: str) -> object:
    found = look_up(body, path)
    return found if isinstance(found, str) else ""
