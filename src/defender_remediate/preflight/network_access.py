"""Whether a change would fully block network access: public access closed while nothing else leads to the resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import EACH, look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.subject import Subject

_ENDPOINTS = "privateEndpointConnections"
_UNSHOWN = frozenset({"microsoft.datafactory/factories"})
"""Types whose body does not show their private endpoints."""
_ALTERNATIVES = dict.fromkeys(("microsoft.compute/disks", "microsoft.compute/snapshots"), ("diskAccessId",))
"""Types that are reached another way than through a private endpoint of their own, and the members that name it."""


@attrs.frozen(kw_only=True)
class NetworkSetting:
    """A member whose value opens or closes a resource to the network.

    Attributes:
        member: Its name, folded.
        parents: The folded names of the object around it; empty for any.
        closed_values: The values that close it.
        alternatives: The members that give access all the same when one of them is not empty.
        rules: The members beside it whose rules still let some callers in.
        why: What a closed value means without an alternative.
    """

    member: str
    closed_values: tuple[Any, ...]
    alternatives: tuple[str, ...]
    parents: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    why: str

    def is_closed(self, value: Any) -> bool:
        """Whether this value closes the resource."""
        return any(same(value, closed) for closed in self.closed_values)


INJECTED = {
    "microsoft.cache/redis": ("properties.subnetId",),
    "microsoft.apimanagement/service": ("properties.virtualNetworkConfiguration.subnetResourceId",),
    "microsoft.web/hostingenvironments": ("properties.virtualNetwork.id",),
    "microsoft.sql/managedinstances": ("properties.subnetId",),
    "microsoft.dbforpostgresql/flexibleservers": ("properties.network.delegatedSubnetResourceId",),
    "microsoft.dbformysql/flexibleservers": ("properties.network.delegatedSubnetResourceId",),
    "microsoft.kusto/clusters": ("properties.virtualNetworkConfiguration.subnetId",),
    "microsoft.hdinsight/clusters": ("properties.computeProfile.roles[0].virtualNetworkProfile.subnet",),
    "microsoft.logic/integrationserviceenvironments": ("properties.networkConfiguration.subnets[0].id",),
    "microsoft.app/managedenvironments": ("properties.vnetConfiguration.infrastructureSubnetId",),
    "microsoft.containerinstance/containergroups": ("properties.subnetIds[0].id",),
    "microsoft.appplatform/spring": ("properties.networkProfile.serviceRuntimeSubnetId",),
    "microsoft.aad/domainservices": ("properties.replicaSets[0].subnetId",),
}
"""Where a resource names the network that it was placed in, by folded type. It is reached through that network."""
NO_ENDPOINT = frozenset(
    {
        "microsoft.cache/redis",
        "microsoft.apimanagement/service",
        "microsoft.web/hostingenvironments",
        "microsoft.dbforpostgresql/flexibleservers",
        "microsoft.dbformysql/flexibleservers",
        "microsoft.kusto/clusters",
    }
)
"""The types among them that take no private endpoint once they are in a network."""
_CREATE_ENDPOINT = "microsoft.network/privateendpoints/write"

SETTINGS = (
    NetworkSetting(
        member="publicnetworkaccess",
        closed_values=("Disabled", False),
        alternatives=(_ENDPOINTS,),
        why="only private endpoints have access then, whatever the firewall rules are, and none is approved",
    ),
    NetworkSetting(
        member="publicnetworkaccessforingestion",
        closed_values=("Disabled",),
        alternatives=("privateLinkScopedResources",),
        why="only a private link scope can send telemetry then, and there is none",
    ),
    NetworkSetting(
        member="publicnetworkaccessforquery",
        closed_values=("Disabled",),
        alternatives=("privateLinkScopedResources",),
        why="only a private link scope can query then, and there is none",
    ),
    NetworkSetting(
        member="defaultaction",
        # In "properties" itself where the rules are a child resource, as with Event Hubs and Service Bus.
        parents=("networkacls", "networkruleset", "networkrulesets", "accountaccess", "properties"),
        closed_values=("Deny",),
        alternatives=(_ENDPOINTS,),
        rules=("ipRules", "virtualNetworkRules", "resourceAccessRules", "ipSecurityRules"),
        why="no address and no network is allowed, and no private endpoint is approved",
    ),
)
"""The settings of every type: Azure gives them the same names everywhere."""


_NAMES = frozenset(setting.member for setting in SETTINGS)
_READS = (
    MemberReads(
        paths=(
            f"properties.{_ENDPOINTS}[*].properties.privateLinkServiceConnectionState.status",
            "properties.privateLinkScopedResources",
            "properties.publicNetworkAccess",
        ),
        when_changing=_NAMES,
    ),
    *(
        MemberReads(beside=setting.rules, when_changing=frozenset({setting.member}))
        for setting in SETTINGS
        if setting.rules
    ),
    *(
        MemberReads(paths=tuple(f"properties.{name}" for name in names), when_changing=_NAMES, types=(kind,))
        for kind, names in _ALTERNATIVES.items()
    ),
    *(
        MemberReads(paths=tuple(path.replace("[0]", EACH) for path in paths), when_changing=_NAMES, types=(kind,))
        for kind, paths in INJECTED.items()
    ),
)
_BY_MEMBER = {one.member: tuple(other for other in SETTINGS if other.member == one.member) for one in SETTINGS}


@attrs.frozen(kw_only=True)
class ClosedSetting:
    """A setting that a step closes: its path, its new value, and the object around it."""

    setting: NetworkSetting
    path: str
    value: Any
    around: Mapping[str, Any]


def closed_settings(subject: Subject) -> Iterator[ClosedSetting]:
    """The network settings that a step closes and that were open before."""
    if subject.changed_names.isdisjoint(_NAMES):
        return
    for changed in subject.changed_members:
        for setting in _BY_MEMBER.get(fold(changed.name), ()):
            if setting.parents and fold(changed.parent) not in setting.parents:
                continue
            path = f"{changed.path}{changed.name}"
            if setting.is_closed(changed.value) and not setting.is_closed(look_up(subject.before, path)):
                yield ClosedSetting(setting=setting, path=path, value=changed.value, around=changed.around)


class NetworkAccessCheck:
    """Finds changes after which nothing could reach the resource any more. Reads nothing but the bodies of the step."""

    name = "private_endpoint"
    permissions: tuple[str, ...] = ()
    reads = _READS

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        """One result for each setting that is closed without an alternative, and for an endpoint that cannot be created."""
        network = network_of(subject)
        is_endpoint = _CREATE_ENDPOINT in map(fold, subject.actions) and not subject.step.is_removal
        if network is not None and is_endpoint and fold(subject.root_type) in NO_ENDPOINT:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message="the resource is inside a virtual network and does not support private endpoints",
                evidence=(network,),
                advice="no private endpoint is needed: callers in that network reach it; exempt the recommendation",
            )
        if network is not None:
            # It stays reachable in its own network.
            return
        public_access = look_up(subject.written_body, "properties.publicNetworkAccess")
        is_in_perimeter = isinstance(public_access, str) and fold(public_access) == "securedbyperimeter"
        for closed in closed_settings(subject):
            if is_in_perimeter and fold(closed.setting.member) != "publicnetworkaccess":
                # The rules of the perimeter replace those of the resource.
                continue
            if is_in_perimeter:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED,
                    message=f"{closed.path} becomes {closed.value!r}: the resource is secured by a network security "
                    "perimeter, whose access rules would no longer let callers in",
                    evidence=(f"{closed.path}: {public_access}",),
                    advice="keep the resource in its perimeter and exempt the recommendation",
                )
                continue
            setting = closed.setting
            alternatives = _ALTERNATIVES.get(fold(subject.target_type), setting.alternatives)
            has_rules = any(wire.pick(closed.around, rule) for rule in setting.rules)
            if has_rules or _is_given(subject, alternatives):
                continue
            what = f"{closed.path} becomes {closed.value!r}"
            # The private endpoints are in the body of the resource, and not in that of a child.
            is_child = fold(subject.step.target_id) != fold(subject.written_id)
            is_unread = subject.resource is None and is_child
            if is_unread or fold(subject.target_type) in _UNSHOWN:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.UNCHECKED,
                    message=f"{what}, and Azure does not show here whether a private endpoint exists",
                    evidence=tuple(f"{name}: not shown" for name in alternatives),
                    advice=f'if a private endpoint is approved, pass waive={{"{self.name}": "reason"}}',
                )
                continue
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"{what}: {setting.why}",
                evidence=tuple(f"{name}: none" for name in (*alternatives, *setting.rules)),
                advice="first create a private endpoint and have it approved, or add rules for the callers that need "
                "access",
            )


def network_of(subject: Subject) -> str | None:
    """The member that names the virtual network a resource was placed in, with its value; None when it is in none."""
    tier = fold(wire.text(wire.pick(subject.written_body, "sku"), "name"))
    if fold(subject.root_type) == "microsoft.apimanagement/service" and tier == "standardv2":
        # Its network is for outbound calls only, and it takes private endpoints (API Management, virtual network concepts).
        return None
    for body in (subject.written_body, subject.before):
        for kind in (subject.root_type, subject.target_type):
            for path in INJECTED.get(fold(kind), ()):
                found = look_up(body, path)
                if isinstance(found, str) and found:
                    return f"{path}: {found}"
    return None


def _is_given(subject: Subject, alternatives: Iterable[str]) -> bool:
    """Whether a body shows another way to reach the resource."""
    for body in (subject.before, subject.written_body):
        for name in alternatives:
            found = wire.pick(wire.pick(body, "properties"), name)
            items = found if isinstance(found, (list, tuple)) else ()
            if isinstance(found, str) and found and name != _ENDPOINTS:
                return True
            if any(name != _ENDPOINTS or is_approved(item) for item in items):
                return True
    return False


def is_approved(connection: Any) -> bool:
    """Whether a private endpoint connection is approved."""
    state = wire.pick(wire.pick(connection, "properties"), "privateLinkServiceConnectionState")
    return fold(wire.text(state, "status")) == "approved"
