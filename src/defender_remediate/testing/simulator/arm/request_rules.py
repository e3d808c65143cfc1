"""Writes that the providers refuse because of several members, of the URL or of what cannot change. One function for each rule.

A rule says what was recorded or published. What a reference names is not looked up: a tenant rarely has everything that its resources name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.member_rules import member_at
from defender_remediate.testing.simulator.arm.string_forms import is_address, is_prefix, is_public
from defender_remediate.testing.simulator.arm.value_rules import immutable_members
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.transport.exchange import ArmError

_VAULTS_REFUSE_PRIVATE_RANGES_SINCE = "2019-09-01"
_FREE_PARTITIONS = 2
_GLOBAL_TIER, _BASIC = "global", "basic"


@attrs.frozen(kw_only=True)
class Write:
    """A PUT or PATCH of one resource.

    Attributes:
        target: The path of the resource.
        kind: Its type.
        version: The api-version of the request.
        body: What it sends.
        current: What the resource shows before it; empty for a new one.
        store: What else the tenant has.
    """

    target: ids.ResourcePath
    kind: str
    version: str
    body: Mapping[str, Any]
    current: Mapping[str, Any]
    store: Store

    @property
    def sent(self) -> Mapping[str, Any]:
        """The properties that it sends."""
        found = self.body.get("properties")
        return found if isinstance(found, Mapping) else {}


def check_write(write: Write) -> None:
    """Refuses a write that breaks a rule of its provider, or of Azure Resource Manager.

    Raises:
        ArmError: 400 or 409, by the rule.
    """
    _check_identities(write)
    _check_immutable(write)
    for rule in _RULES.get(write.kind, ()):
        rule(write)


def fault_found_later(write: Write) -> ArmError | None:
    """Returns the error with which the operation of a write ends that the provider accepts at first; None if it has none."""
    is_new_server = write.kind == "Microsoft.Sql/servers" and not write.current
    if is_new_server and not write.sent.get("administratorLogin") and not write.sent.get("administrators"):
        return refusal("InvalidParameterValue", property="Login")
    return None


def _check_identities(write: Write) -> None:
    identity = write.body.get("identity")
    assigned = identity.get("userAssignedIdentities") if isinstance(identity, Mapping) else None
    for name in assigned if isinstance(assigned, Mapping) else ():
        if not str(name).startswith(("/", "[")):
            raise refusal("LinkedInvalidPropertyId", value=name, property="identity.userAssignedIdentities")


def _check_immutable(write: Write) -> None:
    held: Mapping[str, Any] = write.current.get("properties") or {}
    for path, error in immutable_members(write.kind).items() if held else ():
        wanted, there = member_at(write.sent, path), member_at(held, path)
        there = False if there is None and isinstance(wanted, bool) else there  # what is off is often not shown
        if wanted is not None and there is not None and fold(str(wanted)) != fold(str(there)):
            raise refusal(error, property=path)


def _starts_before_it_ends(write: Write) -> None:
    start, end = str(write.sent.get("startIpAddress", "")), str(write.sent.get("endIpAddress", ""))
    if is_address(start) and is_address(end) and _number(start) > _number(end):
        raise refusal("InvalidServerFirewallRuleResourceParameters", start=start, end=end)


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address))


def _is_for_this_rule(write: Write) -> None:
    """Azure SQL compares an id in the body with the URL, and says which part differs."""
    sent = write.body.get("id")
    if not isinstance(sent, str) or ids.key(sent) == ids.key(write.target.id):
        return
    parts = zip(_named_parts(sent), _named_parts(write.target.id), strict=False)
    for (what, code, value), (_, _, own) in parts:
        if fold(value) != fold(own):
            raise refusal("MismatchingUrl", code=code, what=what, value=value)
    raise refusal("MismatchingUrl", code="InvalidResourceId", what="resource identifier", value=sent)


def _named_parts(resource_id: str) -> Iterator[tuple[str, str, str]]:
    target = ids.path_of(resource_id)
    yield "subscription", "MismatchingSubscriptionWithUrl", ids.subscription_of(resource_id)
    yield "resource group name", "MismatchingResourceGroupNameWithUrl", ids.group_of(resource_id)
    yield "server name", "MismatchingServerNameWithUrl", target.names[0] if target is not None and target.names else ""


def _has_public_ranges(write: Write) -> None:
    if write.version < _VAULTS_REFUSE_PRIVATE_RANGES_SINCE:
        return  # recorded as taken
    before = _ranges(write.current.get("properties") or {})
    for place, value in enumerate(_ranges(write.sent)):
        if value not in before and not is_public(value):
            where = f"properties.networkAcls.ipRules[{place}].value"
            raise refusal("ForbiddenRange", property=where, value=value)


def _ranges(properties: Mapping[str, Any]) -> list[str]:
    rules = member_at(properties, "networkAcls.ipRules")
    return [str(rule.get("value")) for rule in rules if isinstance(rule, Mapping)] if isinstance(rules, list) else []


def _is_global_only_as_standard(write: Write) -> None:
    tier, name = member_at(write.body, "sku.tier"), member_at(write.body, "sku.name")
    if fold(str(tier)) == _GLOBAL_TIER and fold(str(name)) == _BASIC:
        raise refusal("GlobalPublicIPAddressNotSupportedForBasicPublicIpAddress")


def _encrypts_with_enforcement(write: Write) -> None:
    if member_at(write.sent, "encryption.enabled") is True and not member_at(write.sent, "encryption.enforcement"):
        raise refusal("MustSpecifyBothEncryptionIntentAndEnforcementPolicy", name=write.target.name)


def _contains_its_subnets(write: Write) -> None:
    spaces = member_at(write.sent, "addressSpace.addressPrefixes")
    subnets = write.sent.get("subnets")
    for subnet in subnets if isinstance(subnets, list) else ():
        prefix = member_at(subnet, "properties.addressPrefix")
        if isinstance(subnet, Mapping) and not _is_within(prefix, spaces):
            raise refusal("NetcfgInvalidSubnet", name=subnet.get("name"), network=write.target.name)


def _has_rules_of_different_priority(write: Write) -> None:
    rules = write.sent.get("securityRules")
    seen: dict[tuple[str, str], Any] = {}
    for rule in rules if isinstance(rules, list) else ():
        place = (str(member_at(rule, "properties.priority")), fold(str(member_at(rule, "properties.direction"))))
        if place in seen:
            raise refusal("SecurityRuleConflict", name=member_at(rule, "name"), other=seen[place])
        seen[place] = member_at(rule, "name")


def _sends_somewhere(write: Write) -> None:
    sinks = (
        "workspaceId",
        "storageAccountId",
        "eventHubAuthorizationRuleId",
        "marketplacePartnerId",
        "serviceBusRuleId",
    )
    if not any(member_at(write.sent, sink) for sink in sinks):
        raise refusal("NoDataSink")


def _is_in_its_network(write: Write) -> None:
    network = write.store.find(write.target.parent)
    spaces = None if network is None else member_at(network.body.get("properties"), "addressSpace.addressPrefixes")
    if not _is_within(write.sent.get("addressPrefix"), spaces):
        raise refusal("NetcfgInvalidSubnet", name=write.target.name, network=write.target.names[0])


def _is_within(prefix: Any, spaces: Any) -> bool:
    """Whether a prefix lies in one of several; also if either is not known."""
    known = (
        [space for space in spaces if isinstance(space, str) and is_prefix(space)] if isinstance(spaces, list) else []
    )
    if not isinstance(prefix, str) or not is_prefix(prefix) or not known:
        return True
    inner = ipaddress.ip_network(prefix, strict=False)
    outer = [ipaddress.ip_network(space, strict=False) for space in known]
    return any(inner.version == one.version and inner.subnet_of(one) for one in outer)  # type: ignore[arg-type]


def _probes_paths_over_http(write: Write) -> None:
    probes = write.sent.get("probes")
    for probe in probes if isinstance(probes, list) else ():
        if fold(str(member_at(probe, "properties.protocol"))) == "tcp" and member_at(probe, "properties.requestPath"):
            raise refusal("ProbeRequestPathIsNotNull", name=member_at(probe, "name"))


def _has_the_secrets_it_names(write: Write) -> None:
    secrets = member_at(write.sent, "configuration.secrets")
    known = {member_at(one, "name") for one in secrets} if isinstance(secrets, list) else set()
    registries = member_at(write.sent, "configuration.registries")
    for registry in registries if isinstance(registries, list) else ():
        wanted = member_at(registry, "passwordSecretRef")
        if wanted and wanted not in known:
            raise refusal("ContainerAppRegistriesPasswordSecretRefNotFound", name=wanted)


def _has_a_plan_with_identities(write: Write) -> None:
    sku = member_at(write.body, "sku.name") or member_at(write.current, "sku.name")
    kind = member_at(write.body, "identity.type")
    if fold(str(sku)) == "free" and kind is not None and fold(str(kind)) != "none":
        raise refusal("IdentityNotSupported")


def _passes_requests_through(write: Write) -> None:
    """A private link to a configuration store goes through only if the data plane passes the caller's identity on."""
    wanted = member_at(write.sent, "dataPlaneProxy.privateLinkDelegation")
    mode = member_at(write.sent, "dataPlaneProxy.authenticationMode")
    mode = mode or member_at(write.current.get("properties"), "dataPlaneProxy.authenticationMode")
    if fold(str(wanted)) == "enabled" and fold(str(mode)) != "pass-through":
        raise refusal("InvalidProperty", property="privateLinkDelegationMode")


def _has_the_partitions_of_its_tier(write: Write) -> None:
    """The free tier of a hub has two partitions."""
    wanted = member_at(write.sent, "eventHubEndpoints.events.partitionCount")
    if fold(str(member_at(write.body, "sku.name"))) == "f1" and wanted not in (None, _FREE_PARTITIONS):
        raise refusal("InvalidPartitionCount", value=wanted, count=_FREE_PARTITIONS)


def _enriches_known_endpoints(write: Write) -> None:
    known = {"events"}
    endpoints = member_at(write.sent, "routing.endpoints")
    for listed in endpoints.values() if isinstance(endpoints, Mapping) else ():
        known |= {fold(str(member_at(one, "name"))) for one in listed} if isinstance(listed, list) else set()
    enrichments = member_at(write.sent, "routing.enrichments")
    for enrichment in enrichments if isinstance(enrichments, list) else ():
        names = member_at(enrichment, "endpointNames")
        for name in names if isinstance(names, list) else ():
            if fold(str(name)) not in known:
                raise refusal("UndefinedEnrichmentEndpoint", key=member_at(enrichment, "key"), name=name)


_RULES: Mapping[str, tuple[Callable[[Write], None], ...]] = {
    "Microsoft.App/containerApps": (_has_the_secrets_it_names,),
    "Microsoft.AppConfiguration/configurationStores": (_passes_requests_through,),
    "Microsoft.Devices/IotHubs": (_has_the_partitions_of_its_tier, _enriches_known_endpoints),
    "Microsoft.Insights/diagnosticSettings": (_sends_somewhere,),
    "Microsoft.KeyVault/vaults": (_has_public_ranges,),
    "Microsoft.Network/loadBalancers": (_probes_paths_over_http,),
    "Microsoft.Network/networkSecurityGroups": (_has_rules_of_different_priority,),
    "Microsoft.Network/publicIPAddresses": (_is_global_only_as_standard,),
    "Microsoft.Network/virtualNetworks": (_encrypts_with_enforcement, _contains_its_subnets),
    "Microsoft.Network/virtualNetworks/subnets": (_is_in_its_network,),
    "Microsoft.Search/searchServices": (_has_a_plan_with_identities,),
    "Microsoft.Sql/servers/firewallRules": (_starts_before_it_ends, _is_for_this_rule),
}
