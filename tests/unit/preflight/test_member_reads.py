"""What a check reads in the target is a dependency of the step that it let pass."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate.casing import fold
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.drift import depends_on, fingerprint
from defender_remediate.fixes.paths import assign, look_up, pattern
from defender_remediate.json_values import ABSENT
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import RemediationStep
from defender_remediate.preflight import BUILT_IN_CHECKS, MemberReads, Subject
from defender_remediate.preflight.member_reads import with_member_reads

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers"
READS = [(check, reads) for check in BUILT_IN_CHECKS for reads in getattr(check, "reads", ())]
ALL_READS = [reads for _, reads in READS]
CASES = {
    "vault roles": ("Microsoft.KeyVault/vaults", "properties.enableRbacAuthorization", True),
    "vault network": ("Microsoft.KeyVault/vaults", "properties.networkAcls.defaultAction", "Deny"),
    "cluster": ("Microsoft.ContainerService/managedClusters", "properties.disableLocalAccounts", True),
    "encryption": ("Microsoft.Storage/storageAccounts", "properties.supportsHttpsTrafficOnly", True),
    "keys": ("Microsoft.Storage/storageAccounts", "properties.allowSharedKeyAccess", False),
    "registry": ("Microsoft.ContainerRegistry/registries", "properties.networkRuleSet.defaultAction", "Deny"),
    "namespace": ("Microsoft.EventHub/namespaces/networkRuleSets", "properties.defaultAction", "Deny"),
    "disk": ("Microsoft.Compute/disks", "properties.publicNetworkAccess", "Disabled"),
    "workspace": ("Microsoft.OperationalInsights/workspaces", "properties.publicNetworkAccessForQuery", "Disabled"),
    "server": ("Microsoft.DBforPostgreSQL/flexibleServers", "properties.authConfig.passwordAuth", "Disabled"),
    "injected": ("Microsoft.Cache/redis", "properties.publicNetworkAccess", "Disabled"),
    "plan": ("Microsoft.Security/pricings", "properties.pricingTier", "Standard"),
    "nothing read": ("Microsoft.Web/sites", "properties.httpsOnly", True),
}


@pytest.fixture
def checked(make_step: Callable[..., RemediationStep]) -> Callable[..., Subject]:
    """A step that changes one member, with the dependencies that its checks add."""

    def make(kind: str, path: str, value: Any, *, reads: Any = ALL_READS, body: Any = None, **more: Any) -> Subject:
        provider, *types = kind.split("/")
        target = f"{GROUP}/{provider}/{'/'.join(part for name in types for part in (name, 'x'))}"
        before = {"properties": {}} if body is None else body
        after = assign(before, path, value)
        found = changes(before, after)
        dependencies = depends_on(changed=[change.path for change in found])
        planned = make_step(
            target_id=target,
            resource_id=target,
            resource_type=kind,
            changes=found,
            dependencies=dependencies,
            fingerprint=fingerprint(before, dependencies),
            **more,
        )
        assert ResourceId.parse(target).type == kind
        return with_member_reads(Subject(step=planned, before=before, after=after), reads)

    return make


def grown(body: Any, path: str, value: Any) -> Any:
    """The body with a value at a path in which ``[*]`` is the only element of an array."""

    def at(inner: Any, parts: tuple[Any, ...]) -> Any:
        if not parts:
            return value
        if parts[0] == "[*]":
            return [at(None, parts[1:])]
        result = dict(inner) if isinstance(inner, dict) else {}
        result[parts[0]] = at(result.get(parts[0]), parts[1:])
        return result

    return at(deepcopy(body), pattern(path))


@pytest.mark.parametrize("case", CASES)
def test_a_change_of_what_a_check_read_is_drift(case: str, checked: Callable[..., Subject]) -> None:
    """The check let the step pass because of it, whether it was there or not."""
    kind, path, value = CASES[case]
    subject = checked(kind, path, value)
    step = subject.step
    assert step.fingerprint == fingerprint(subject.before, step.dependencies)
    read = [one for one in step.dependencies.members if fold(one) != fold(path)]
    assert bool(read) is (case != "nothing read")
    for one in read:
        assert fingerprint(grown(subject.before, one, "theirs"), step.dependencies) != step.fingerprint, one


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_change_of_what_no_check_read_is_none(data: st.DataObject, checked: Callable[..., Subject]) -> None:
    """Members of other names may move as they like."""
    kind, path, value = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    subject = checked(kind, path, value)
    names = data.draw(st.lists(st.sampled_from(["size", "state", "status", "usage", "osName"]), unique=True))
    body = subject.before
    for name in names:
        body = assign(body, f"properties.{name}", data.draw(st.integers() | st.text(max_size=3)))
    assert fingerprint(body, subject.step.dependencies) == subject.step.fingerprint


def test_the_rules_of_a_firewall_are_those_beside_the_member(checked: Callable[..., Subject]) -> None:
    """Types keep them in objects of their own, and each of them counts where it stands."""
    subject = checked("Microsoft.ContainerRegistry/registries", "properties.networkRuleSet.defaultAction", "Deny")
    members = subject.step.dependencies.members
    assert "properties.networkRuleSet.ipRules" in members
    assert "properties.networkAcls.ipRules" not in members


def test_an_object_that_a_step_adds_is_read_by_its_members(checked: Callable[..., Subject]) -> None:
    """A change of the whole object is one of each member in it."""
    subject = checked("Microsoft.KeyVault/vaults", "properties.networkAcls", {"defaultAction": "Deny"})
    assert "properties.networkAcls.ipRules" in subject.step.dependencies.members


def test_a_step_without_a_body_depends_on_no_reads(checked: Callable[..., Subject]) -> None:
    """What is created, removed or deployed was not judged by a body."""
    reads = [MemberReads(paths=("properties.size",))]
    made = checked("Microsoft.Web/sites", "properties.httpsOnly", True, reads=reads)
    assert "properties.size" in made.step.dependencies.members
    again = with_member_reads(made, reads)
    assert again.step.dependencies == made.step.dependencies
    new = attrs.evolve(made, before=None, step=attrs.evolve(made.step, dependencies=depends_on()))
    assert with_member_reads(new, reads) is new


@pytest.mark.parametrize("reads", ALL_READS, ids=lambda reads: "-".join(sorted(reads.when_changing)) or "any")
def test_every_read_is_a_path(reads: MemberReads) -> None:
    """And the names and types that it is about are folded, as they are compared."""
    assert all(look_up({}, path.replace("[*]", "")) is ABSENT for path in reads.paths)
    assert all(name == fold(name) for name in (*reads.when_changing, *reads.types))
