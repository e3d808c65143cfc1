"""What App Service shows of a resource: every member of its contract, and null where nothing is set.

Other providers leave out what a resource does not have. App Service answers with the whole contract of the api-version, also
inside of objects and elements, and a write never takes a member away. ``data/app_service.json`` holds the contracts, from
recorded traffic: the members of each in the order of an answer, each with the value of a new object, and the first api-version
that shows a member (``since``) or no longer does (``until``). Where recordings of one api-version differ, the newest counts.

``siteConfig`` of an app is a second view on its child ``config/web``: it has the same members, and all but a few are null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import copied

SITE, SLOT, PLAN = "microsoft.web/sites", "microsoft.web/sites/slots", "microsoft.web/serverfarms"
_CONFIGS = (f"{SITE}/config", f"{SLOT}/config")
_CONTRACTS_OF_CONFIGS = {"web": "WebConfiguration", "logs": "LogsConfiguration", "slotconfignames": "SlotConfigNames"}
_CONTRACTS = {
    PLAN: "Plan",
    "microsoft.web/certificates": "Certificate",
    **{f"{app}/hostnamebindings": "HostNameBinding" for app in (SITE, SLOT)},
    **{f"{app}/sourcecontrols": "SourceControl" for app in (SITE, SLOT)},
}
_COVERED = frozenset([SITE, SLOT, *_CONFIGS, *_CONTRACTS])
_DOMAIN = "azurewebsites.net"
# Answers with older api-versions have null instead of a siteConfig, no runtimes in siteProperties, and tags without any.
_SITE_CONFIG_SINCE, _RUNTIMES_SINCE, _TAGS_UNTIL = "2019-08-01", "2018-02-01", "2018-11-01"
# The settings of an app that are stored without what no one has set, and what they all have in an answer of App Service.
_STORED_IN_PART = ("web", "logs")
_IN_ANSWERS_ONLY = "runtimeADUserPassword"
# config/web never shows what is set there: each has a resource of its own.
SETTINGS = ("appSettings", "connectionStrings", "metadata")
# What siteConfig shows of config/web; every other member is null there.
SHOWN_IN_SITE_CONFIG = frozenset(
    [
        "acrUseManagedIdentityCreds",
        "alwaysOn",
        "clusteringEnabled",
        "elasticWebAppScaleLimit",
        "functionAppScaleLimit",
        "http20Enabled",
        "linuxFxVersion",
        "minimumElasticInstanceCount",
        "numberOfWorkers",
        "windowsFxVersion",
    ]
)
_ONLY_IN_WEB_CONFIGURATION = ("siteAuthEnabled", "siteAuthSettings")
RESTRICTIONS = ("ipSecurityRestrictions", "scmIpSecurityRestrictions")
_EVERYONE = {"ipAddress": "Any", "action": "Allow", "priority": 2147483647, "name": "Allow all"}
_ALLOW_ALL = {**_EVERYONE, "description": "Allow all access"}
_DENY_ALL = {**_EVERYONE, "action": "Deny", "name": "Deny all", "description": "Deny all access"}
_ROUTING = ("allTraffic", "applicationTraffic", "contentShareTraffic", "imagePullTraffic", "backupRestoreTraffic")


@attrs.frozen(kw_only=True, eq=False)
class _Contract:
    """The members of an object.

    Attributes:
        members: Each member with the value of a new object. A string may name a word of the resource, such as ``{name}``.
        since: The first api-version that shows a member, for those that not every one shows.
        until: The first api-version that no longer shows a member.
        contracts: The contract of the object, or of the elements of the array, that a member holds.
    """

    members: Mapping[str, Any]
    since: Mapping[str, str]
    until: Mapping[str, str]
    contracts: Mapping[str, _Contract]

    def hides(self, member: str, version: str) -> bool:
        """Whether an api-version does not show a member."""
        return not self.since.get(member, "") <= version < self.until.get(member, "~")


@cache
def _contract(name: str) -> _Contract:
    raw = facts("app_service")[name]
    return _Contract(
        members=raw["members"],
        since={member: version for version, members in raw.get("since", {}).items() for member in members},
        until={member: version for version, members in raw.get("until", {}).items() for member in members},
        contracts={member: _contract(inner) for member, inner in raw.get("contracts", {}).items()},
    )


@cache
def _site() -> _Contract:
    web, site = _contract("WebConfiguration"), _contract("Site")
    view = {name: value if name in SHOWN_IN_SITE_CONFIG else None for name, value in web.members.items()}
    config = {name: value for name, value in view.items() if name not in _ONLY_IN_WEB_CONFIGURATION}
    site_config = attrs.evolve(web, members=config, contracts={})
    return attrs.evolve(site, contracts={**site.contracts, "siteConfig": site_config})


@cache
def _contract_of(type_name: str, name: str) -> _Contract | None:
    if type_name in (SITE, SLOT):
        return _site()
    known = _CONTRACTS_OF_CONFIGS.get(name) if type_name in _CONFIGS else _CONTRACTS.get(type_name)
    return _contract(known) if known is not None else None


def covers(type_name: str) -> bool:
    """Whether the answers of a type follow a contract."""
    return fold(type_name) in _COVERED


def completed(
    type_name: str, resource_id: str, version: str, now: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a body after a write with the members of its contract that the write did not set.

    A resource that exists goes on showing the members that it showed: one that a write sets to null has the value of a new
    object again.
    """
    kind = fold(type_name)
    result: dict[str, Any] = copied(body)
    if before is None and version < _TAGS_UNTIL and kind in (SITE, SLOT):
        result.setdefault("tags", {})
    contract = _contract_of(kind, fold(ids.segments(resource_id)[-1]))
    if contract is not None:
        properties, held = result.get("properties") or {}, before.get("properties") if before else None
        filled = _filled(contract, properties, held, version, _words(kind, resource_id, now, result))
        result["properties"] = filled
        if contract is _contract("WebConfiguration"):
            _derive_rules(filled, held or {})
    if "tags" in (result.get("properties") or {}) and kind not in _CONFIGS:
        result["properties"]["tags"] = copied(result.get("tags"))
    if kind in _CONFIGS:
        result.pop("kind", None)
    if kind not in (SITE, SLOT):
        return result
    if before is None and version < _SITE_CONFIG_SINCE:
        result["properties"]["siteConfig"] = None
    if before is None and version < _RUNTIMES_SINCE:
        result["properties"]["siteProperties"] = {"metadata": None, "properties": [], "appSettings": None}
    return result


def shown(type_name: str, resource_id: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns a resource as an api-version shows it: the settings of an app are stored without what no one has set."""
    name, properties = fold(ids.segments(resource_id)[-1]), body.get("properties")
    contract = _contract_of(fold(type_name), name)
    if contract is None or name not in _STORED_IN_PART or not isinstance(properties, Mapping):
        return body
    if _IN_ANSWERS_ONLY in properties:
        return body
    words = {"name": ids.segments(resource_id)[-3]}
    whole = {member: _worded(value, words) for member, value in _new_settings(name, version).items()}
    known = {member: value for member, value in properties.items() if not contract.hides(member, version)}
    return {**body, "properties": {**whole, **known}}


@lru_cache(maxsize=100)
def _new_settings(name: str, version: str) -> Mapping[str, Any]:
    settings: dict[str, Any] = _filled(_contract(_CONTRACTS_OF_CONFIGS[name]), {}, None, version, {})
    return settings


def answer_to_put(type_name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an app as the answer to a PUT shows it: with its access rules and its routing, which a GET shows as null."""
    if fold(type_name) not in (SITE, SLOT):
        return dict(body)
    properties = dict(body["properties"])
    config = properties.get("siteConfig")
    if isinstance(config, Mapping):
        rules = {name: config[name] or [_ALLOW_ALL] for name in RESTRICTIONS if name in config}
        properties["siteConfig"] = {**config, **rules}
    if "outboundVnetRouting" in properties and properties["outboundVnetRouting"] is None:
        properties["outboundVnetRouting"] = dict.fromkeys(_ROUTING, False)
    return {**body, "properties": properties}


def host_names(resource_id: str) -> tuple[str, str]:
    """Returns the host name of an app or slot, and that of its deployment site."""
    names = ids.segments(resource_id)
    is_slot = fold(names[-2]) == "slots"
    host = f"{names[-3]}-{names[-1]}.{_DOMAIN}" if is_slot else f"{names[-1]}.{_DOMAIN}"
    return host.lower(), host.lower().replace(".", ".scm.", 1)


def _derive_rules(settings: dict[str, Any], held: Mapping[str, Any]) -> None:
    """Access rules end with one for everyone, which is not the caller's; the routing rules are those of the experiments."""
    for name in RESTRICTIONS:
        rules = settings.get(name)
        if isinstance(rules, list) and rules != held.get(name):
            settings[name] = _with_last_rule(rules, settings.get(f"{name}DefaultAction"))
    experiments = settings.get("experiments")
    if isinstance(experiments, Mapping) and experiments != held.get("experiments"):
        settings["routingRules"] = copied(experiments.get("rampUpRules"))


def _with_last_rule(rules: list[Any], default: Any) -> list[Any]:
    own = [{"tag": "Default", **rule} for rule in rules if isinstance(rule, Mapping) and rule.get("ipAddress") != "Any"]
    action = default or ("Deny" if own else "Allow")
    return [*own, _DENY_ALL if action == "Deny" else _ALLOW_ALL]


def _words(kind: str, resource_id: str, now: str, body: Mapping[str, Any]) -> dict[str, str]:
    names = ids.segments(resource_id)
    host, scm = host_names(resource_id)
    return {
        "name": names[-1] if kind != SLOT else f"{names[-3]}({names[-1]})",
        "subscription": ids.subscription_of(resource_id),
        "group": ids.group_of(resource_id),
        "app": names[-3],
        "location": str(body.get("location") or ""),
        "region": str(body.get("location") or "").replace(" ", ""),
        "kind": str(body.get("kind") or "app"),
        "host": host,
        "scm": scm,
        "now": now,
        "digest": hashlib.sha256(fold(ids.subscription_of(resource_id)).encode()).hexdigest().upper(),
    }


def _filled(contract: _Contract, value: Any, before: Any, version: str, words: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        old = before if isinstance(before, list) and len(before) == len(value) else [None] * len(value)
        return [_filled(contract, one, there, version, words) for one, there in zip(value, old, strict=True)]
    if not isinstance(value, Mapping):
        return value
    spelled = {fold(name) for name in value}
    wanted = before if isinstance(before, Mapping) else contract.members
    missing = [name for name in wanted if fold(name) not in spelled]
    if wanted is contract.members:
        missing = [name for name in missing if not contract.hides(name, version)]
    result = {**value, **{name: _worded(contract.members.get(name), words) for name in missing}}
    for name, inner in contract.contracts.items():
        if name in result:
            there = before.get(name) if isinstance(before, Mapping) else None
            result[name] = _filled(inner, result[name], there, version, words)
    return result


def _worded(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_worded(one, words) for one in value]
    if isinstance(value, Mapping):
        return {name: _worded(one, words) for name, one in value.items()}
    if isinstance(value, str) and "{" in value:
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
    return value
