"""Records the GETs of a real subscription, with its ids and secrets replaced, so that a simulated one equals it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest

from defender_remediate.casing import fold
from defender_remediate.redaction import redact_json
from defender_remediate.testing.simulator.authorization.roles import CALLER_ID
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.state.types import shipped_types

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Whose GUIDs say who someone is; others, such as the keys of recommendations and roles, are the same everywhere.
_WHO = frozenset(
    [
        "subscriptionid",
        "tenantid",
        "principalid",
        "objectid",
        "clientid",
        "appid",
        "customerid",
        "applicationid",
        "createdby",
        "updatedby",
        "lastmodifiedby",
    ]
)
_LISTS = (
    ("providers/Microsoft.Security/pricings", "2024-01-01"),
    ("providers/Microsoft.Security/securityContacts", "2023-12-01-preview"),
    ("providers/Microsoft.Security/assessments", "2021-06-01"),
    ("providers/Microsoft.Authorization/locks", "2020-05-01"),
    ("providers/Microsoft.Authorization/policyExemptions", "2022-07-01-preview"),
    ("providers/Microsoft.Security/autoProvisioningSettings", "2017-08-01-preview"),
    ("providers/Microsoft.Security/settings", "2022-05-01"),
    ("providers/Microsoft.Security/serverVulnerabilityAssessmentsSettings", "2023-05-01"),
    ("providers/Microsoft.Security/alertsSuppressionRules", "2019-01-01-preview"),
    ("providers/Microsoft.Security/governanceRules", "2022-01-01-preview"),
    ("providers/Microsoft.Security/standardAssignments", "2024-08-01"),
)
_ASSIGNED = (
    ("roleAssignments", "2022-04-01", ("roleDefinitions",), "roleDefinitionId"),
    ("policyAssignments", "2023-04-01", ("policySetDefinitions", "policyDefinitions"), "policyDefinitionId"),
)
"""What is assigned, and what defines it: the lists with their api-version, and the property that names a definition."""
_METADATA = ("providers/Microsoft.Security/assessmentMetadata", "2021-06-01")


@attrs.frozen(kw_only=True)
class Recording:
    """What was read of a subscription.

    Attributes:
        items: The bodies, with ids and secrets replaced.
        metadata: The metadata of the recommendations, by assessment key.
        left_out: What could not be read, each with the reason.
    """

    items: tuple[dict[str, Any], ...]
    metadata: Mapping[str, Mapping[str, Any]]
    left_out: tuple[str, ...]


def record(credential: Any, subscription: str, *, endpoint: str, transport: Any, policies: Any) -> Recording:
    """Reads a subscription. It sends only GET requests.

    Raises:
        AzureError: The subscription, its resource groups or its list of resources cannot be read.
    """
    reader = _SubscriptionReader(credential, endpoint, transport, policies)
    scope = f"/subscriptions/{subscription}"
    shown = reader.get(scope, "2022-12-01")
    items: list[Mapping[str, Any]] = [{**shown, "type": "Microsoft.Resources/subscriptions"}]
    items += reader.list(f"{scope}/resourceGroups", "2021-04-01")
    versions = _versions(reader.list(f"{scope}/providers", "2021-04-01"))
    left_out: list[str] = []
    above: list[Mapping[str, Any]] = []

    def read(path: str, version: str | None, *, lists: bool = True) -> list[Mapping[str, Any]]:
        """What is at a path; nothing, and why, if it cannot be read."""
        if version is None:
            left_out.append(f"{path}: no api-version of its type is known")
            return []
        try:
            return list(reader.list(path, version)) if lists else [reader.get(path, version)]
        except AzureError as error:
            left_out.append(f"{path}: {_reason(error)}")
            return []

    for listed in list(reader.list(f"{scope}/resources", "2021-04-01")):
        items += read(str(listed.get("id")), versions.get(fold(str(listed.get("type")))), lists=False)
    for path, version in _LISTS:
        items += read(f"{scope}/{path}", version)
    for kind, version, defining, member in _ASSIGNED:
        place = f"{scope}/providers/Microsoft.Authorization"
        assigned = read(f"{place}/{kind}", version)
        for one in assigned:
            (items if _is_below(one, scope) else above).append(one)
        wanted = {_last(str((one.get("properties") or {}).get(member))) for one in assigned}
        for definitions in defining:
            for one in read(f"{place}/{definitions}", version):
                if _last(str(one.get("id"))) in wanted or _is_custom(one):
                    items.append(one)
                    wanted |= {_last(str(each.get(member))) for each in _members_of(one)}
    left_out += [f"{one.get('id')}: it is assigned above the subscription" for one in above]
    metadata = {
        fold(str(one.get("name"))): one.get("properties") or {} for one in read(f"{scope}/{_METADATA[0]}", _METADATA[1])
    }
    replaced = Replacements(subscription)
    for item in items:
        replaced.learn(item)
    return Recording(
        items=tuple(replaced.applied(redact_json(item)) for item in items),
        metadata={key: replaced.applied(redact_json(value)) for key, value in metadata.items()},
        left_out=tuple(replaced.applied(line) for line in left_out),
    )


def _is_below(item: Mapping[str, Any], scope: str) -> bool:
    return ids.within(str(item.get("id")), scope)


def _last(identifier: str) -> str:
    return fold(identifier.rpartition("/")[2])


def _is_custom(definition: Mapping[str, Any]) -> bool:
    properties = definition.get("properties") or {}
    return fold(str(properties.get("policyType") or properties.get("type"))) in ("custom", "customrole")


def _members_of(definition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the policies of an initiative."""
    listed = (definition.get("properties") or {}).get("policyDefinitions")
    yield from (one for one in listed or () if isinstance(one, Mapping))


class _SubscriptionReader:
    def __init__(self, credential: Any, endpoint: str, transport: Any, policies: Any) -> None:
        options = {} if transport is None else {"transport": transport}
        chain = policies or [RetryPolicy(), BearerTokenCredentialPolicy(credential, f"{endpoint}/.default")]
        self._endpoint = endpoint
        self._client: Any = PipelineClient(endpoint, policies=chain, **options)

    def get(self, path: str, version: str) -> Mapping[str, Any]:
        separator = "&" if "?" in path else "?"
        url = path if path.startswith("https://") else f"{self._endpoint}{path}{separator}api-version={version}"
        response = self._client.send_request(HttpRequest("GET", url))
        response.raise_for_status()
        body = response.json()
        if not isinstance(body, dict):
            raise ServiceResponseError("the answer is not a JSON object")
        return body

    def list(self, path: str, version: str) -> Iterator[Mapping[str, Any]]:
        page = self.get(path, version)
        seen: set[str] = set()
        while True:
            yield from page.get("value") or ()
            link = page.get("nextLink")
            if not isinstance(link, str) or not link:
                return
            # A token is sent to the endpoint only, and each page is read once.
            if not link.startswith(f"{self._endpoint}/") or link in seen:
                raise ServiceResponseError(f"the list continues at {link}, which is not its next page")
            seen.add(link)
            page = self.get(link, version)


def _versions(providers: Iterator[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the api-version for each type: the newest one that the simulator knows, else the newest stable one."""
    chosen = {}
    for provider in providers:
        for kind in provider.get("resourceTypes") or ():
            name = fold(f"{provider.get('namespace')}/{kind.get('resourceType')}")
            offered = sorted(map(str, kind.get("apiVersions") or ()), reverse=True)
            known = shipped_types().get(name)
            both = [one for one in offered if known is not None and one in known.versions]
            stable = [one for one in offered if "preview" not in one]
            if offered:
                chosen[name] = (both or stable or offered)[0]
    return chosen


def _reason(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__


class Replacements:
    """Replaces who someone is: the same value by the same one everywhere."""

    def __init__(self, subscription: str) -> None:
        self._guids: dict[str, str] = {fold(subscription): "00000000-0000-4000-8000-000000000001"}
        self._mails: dict[str, str] = {}

    def learn(self, value: Any, name: str = "") -> None:
        """Finds the ids to replace in a body."""
        if isinstance(value, Mapping):
            for inner_name, inner in value.items():
                self.learn(inner, str(inner_name))
        elif isinstance(value, list):
            for inner in value:
                self.learn(inner, name)
        elif isinstance(value, str):
            if fold(name) == "tenantid" and _GUID.fullmatch(value):
                self._guids.setdefault(fold(value), TENANT_ID)
            elif fold(name) in _WHO and _GUID.fullmatch(value):
                self._number(value)
            if fold(ids.segments(value)[0] if ids.segments(value) else "") == "subscriptions":
                self._number(ids.subscription_of(value))

    def _number(self, guid: str) -> None:
        if _GUID.fullmatch(guid) and fold(guid) not in (TENANT_ID, CALLER_ID):
            self._guids.setdefault(fold(guid), f"00000000-0000-4000-8000-{len(self._guids) + 1:012d}")

    def applied(self, value: Any) -> Any:
        """Returns a value with the ids and mail addresses in it replaced."""
        if isinstance(value, Mapping):
            return {self.applied(name): self.applied(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.applied(inner) for inner in value]
        if not isinstance(value, str):
            return value
        text = _GUID.sub(lambda found: self._guids.get(fold(found[0]), found[0]), value)
        return _MAIL.sub(lambda found: self._mail(found[0]), text)

    def _mail(self, address: str) -> str:
        return self._mails.setdefault(fold(address), f"person{len(self._mails) + 1}@example.com")
