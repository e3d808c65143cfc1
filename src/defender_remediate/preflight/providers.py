"""Whether a resource provider is registered, and lists the type and the api-version of a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.subject import Subject

# These are part of Azure Resource Manager itself, and registered everywhere.
_BUILT_IN = frozenset({"microsoft.resources", "microsoft.authorization"})


def namespaces(subject: Subject) -> tuple[str, ...]:
    """The providers that a step writes through, each once."""
    written = (action.partition("/")[0] for action in subject.actions if fold(action).endswith("/write"))
    found = {fold(name): name for name in (subject.target_type.partition("/")[0], *written)}
    return tuple(name for folded, name in found.items() if folded and folded not in _BUILT_IN)


def judge(body: Any, namespace: str, subject: Subject) -> tuple[CheckResult, ...]:
    """What a provider's registration and versions stop.

    Raises:
        MalformedResponseError: The answer does not say whether it is registered.
    """
    state = wire.text(body, "registrationState")
    if not state:
        raise MalformedResponseError(f"the provider {namespace} was read, and has no registrationState")
    found = []
    if fold(state) != "registered":
        found.append(
            CheckResult(
                check=CheckName.PROVIDER,
                status=CheckStatus.BLOCKED,
                message=f"the subscription is not registered with {namespace}: it is {state}",
                evidence=(f"{namespace}: registrationState {state}",),
                advice=f"register it (az provider register --namespace {namespace}); this library never does",
            )
        )
    own, _, kind = subject.target_type.partition("/")
    if fold(own) == fold(namespace):
        found += _version(body, kind, subject)
    return tuple(found)


def _version(body: Any, kind: str, subject: Subject) -> Iterable[CheckResult]:
    wanted, listed = subject.step.api_version, _listed(body)
    segments = fold(kind).split("/")
    if fold(kind) in listed:
        offered = listed[fold(kind)]
        if fold(wanted) not in {fold(version) for version in offered}:
            newest = ", ".join(sorted(offered, reverse=True)[:3]) or "none"
            # No block: a version that is not served is refused when the target is read, or when Azure is asked what-if.
            yield CheckResult(
                check=CheckName.PROVIDER,
                status=CheckStatus.WARNING,
                message=f"the provider does not list the api-version {wanted} of {subject.target_type} here",
                evidence=(f"listed: {newest}",),
                advice="Azure hides some versions; if it refuses this one, take a fix with a listed one (Catalog.with_fixes)",
            )
    elif not any("/".join(segments[:depth]) in listed for depth in range(1, len(segments))):
        # Azure hides some child types below types that it lists; nothing is to be said about those.
        yield CheckResult(
            check=CheckName.PROVIDER,
            status=CheckStatus.WARNING,
            message=f"the provider does not list the type {subject.target_type} here",
            advice="Azure hides some types; should it refuse this one, the step fails and nothing is changed",
        )


def _listed(body: Any) -> dict[str, tuple[str, ...]]:
    types = wire.pick(body, "resourceTypes")
    return {
        fold(wire.text(item, "resourceType")): wire.texts(item, "apiVersions")
        for item in (types if isinstance(types, list) else ())
    }
