"""Whether a resource provider is registered, and whether it lists the type and the api-version of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2025-04-01", "2021-04-01")
# These are part of Azure Resource Manager itself and registered everywhere.
_BUILT_IN = frozenset({"", "microsoft.resources", "microsoft.authorization"})


@attrs.frozen(kw_only=True)
class ResourceProvider:
    """A provider as a subscription has it.

    Attributes:
        api_versions: By folded type without the namespace.
    """

    namespace: str
    state: str
    api_versions: dict[str, tuple[str, ...]]

    @classmethod
    def from_rest(cls, body: Any) -> ResourceProvider:
        """Read the body of a provider.

        Raises:
            MalformedResponseError: It does not say whether it is registered.
        """
        namespace, state = wire.text(body, "namespace"), wire.text(body, "registrationState")
        if not state:
            raise MalformedResponseError(f"the provider {namespace} has no registrationState")
        types = wire.pick(body, "resourceTypes")
        return cls(
            namespace=namespace,
            state=state,
            api_versions={
                fold(wire.text(item, "resourceType")): wire.strings(item, "apiVersions")
                for item in (types if isinstance(types, list) else ())
            },
        )


class ProviderCheck:
    """Finds resource providers that are not registered, and types and api-versions that they do not list.

    Nothing is ever registered by this library.
    """

    name = "resource_provider"
    permissions = ("Microsoft.Resources/subscriptions/providers/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[dict[str, ResourceProvider]]:
        """The providers that the steps write through; one request for each subscription and namespace."""

        def read(subject: Subject) -> dict[str, ResourceProvider]:
            subscription = subject.subscription
            return {
                namespace: reader.get(
                    f"/subscriptions/{subscription}/providers/{namespace}",
                    api_versions=_VERSIONS,
                    parse=ResourceProvider.from_rest,
                )
                for namespace in namespaces(subject)
            }

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[dict[str, ResourceProvider]]) -> Iterator[CheckResult]:
        """What registration and versions mean for one step."""
        own, _, kind = subject.target_type.partition("/")
        for namespace, provider in facts[subject].items():
            if fold(provider.state) != "registered":
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED,
                    message=f"the resource provider {namespace} is not registered: its state is {provider.state}",
                    evidence=(f"{namespace}: registrationState {provider.state}",),
                    advice=f"register it: az provider register --namespace {namespace}",
                )
            if fold(own) != fold(namespace):
                continue
            offered = provider.api_versions.get(fold(kind))
            segments = fold(kind).split("/")
            # Azure hides some child types of types that it lists.
            has_listed_parent = any(
                "/".join(segments[:depth]) in provider.api_versions for depth in range(1, len(segments))
            )
            if offered is None and not has_listed_parent:
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.WARNING,
                    message=f"the provider does not list the type {subject.target_type} here",
                    advice="Azure hides some types; if it refuses this one, the step fails and nothing is changed",
                )
            elif offered is not None and fold(subject.step.api_version) not in map(fold, offered):
                newest = ", ".join(sorted(offered, reverse=True)[:3]) or "none"
                # Not blocked: a version that is not served is refused when the target is read.
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.WARNING,
                    message=f"the provider does not list the api-version {subject.step.api_version} "
                    f"of {subject.target_type} here",
                    evidence=(f"listed: {newest}",),
                    advice="Azure hides some versions; if it refuses this one, use a fix with a listed one "
                    "(Catalog.with_fixes)",
                )


def namespaces(subject: Subject) -> tuple[str, ...]:
    """The providers that a step writes through, each once."""
    written = [action.partition("/")[0] for action in subject.actions if fold(action).endswith("/write")]
    found = {fold(name): name for name in (subject.target_type.partition("/")[0], *written)}
    return tuple(name for folded, name in found.items() if folded not in _BUILT_IN)
