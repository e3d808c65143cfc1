"""What the bundled catalog holds, as a whole and fix by fix."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from importlib import resources

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.lint.sample_values import is_versioned
from defender_remediate.catalog.lint.write_target import write_target_of
from defender_remediate.catalog.loader import read_bundled
from defender_remediate.catalog.type_facts import facts_of, shape_at
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.paths import split
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import Evidence, FixKind, Impact, Reversibility

CATALOG = Catalog.bundled()


def test_size_of_the_catalog() -> None:
    """The catalog is as wide as it says it is."""
    kinds = Counter(fix.kind for fix in CATALOG)
    assert len(CATALOG) >= 40
    assert len({fix.resource_type.split("/")[0].casefold() for fix in CATALOG}) >= 10
    assert kinds[FixKind.PUT] >= 6
    assert kinds[FixKind.TEMPLATE] >= 5
    assert sum(any(each.is_required for each in fix.parameters) for fix in CATALOG) >= 5
    assert sum(fix.target == "config/web" for fix in CATALOG) >= 5
    assert sum(fix.is_irreversible for fix in CATALOG) >= 2


def test_no_two_fixes_for_the_same() -> None:
    """One recommendation has one fix per resource type and variant."""
    identities = Counter((fix.key.casefold(), fix.resource_type.casefold(), fix.variant) for fix in read_bundled()[0])
    assert [each for each, times in identities.items() if times > 1] == []


def test_every_fix_is_found() -> None:
    """Key, policy definition and resource type each lead to every fix."""
    offenders = []
    for fix in CATALOG:
        fixes = CATALOG.list_for_recommendation(fix.key.upper(), resource_type=fix.resource_type)
        policies = [
            f"/providers/Microsoft.Authorization/policyDefinitions/{each}" for each in fix.policy_definition_ids
        ]
        by_policy = [CATALOG.get_for_policy(policy, fix.resource_type) for policy in policies]
        if not (
            fix in fixes
            and CATALOG.get(fix.key.upper(), fix.resource_type) is fixes[0]
            and fix in CATALOG.list_for_resource_type(fix.resource_type)
            and all(by_policy)
        ):
            offenders.append(fix.key)
    assert offenders == []


def test_every_fix_says_what_people_need_to_know() -> None:
    """A fix says what its users may notice and where its facts come from, and whether it is irreversible."""
    offenders = []
    for fix in CATALOG:
        is_explained = bool(fix.sources and fix.impact_reason) and not str(fix.impact_reason).endswith(".")
        if fix.is_irreversible and not re.search(r"\bnever\b", str(fix.impact_reason)):
            is_explained = False
        if not is_explained or not all(each.description.endswith(".") for each in fix.parameters):
            offenders.append(fix.key)
    assert offenders == []


def test_parameters_have_the_same_meaning_everywhere() -> None:
    """One call passes one set of parameters to all fixes, so a name may not mean two things."""
    meanings: dict[str, set[object]] = {}
    for fix in CATALOG:
        for each in fix.parameters:
            meanings.setdefault(each.name, set()).add((each.type, each.resource_type, each.allowed))
    assert [name for name, found in meanings.items() if len(found) > 1] == []


def test_every_condition_reads_known_members() -> None:
    """A condition about a member that the type does not have could never be satisfied."""
    offenders = []
    for fix in CATALOG:
        if fix.kind is FixKind.TEMPLATE:
            continue
        target = write_target_of(fix)
        on_target, on_resource = facts_of(target.type, target.name or ""), facts_of(fix.resource_type)
        for facts, condition in ((on_target, fix.compliant_when), (on_resource, fix.applies_when)):
            if facts is None or condition is None:
                continue
            unknown = [path for path in paths_of(condition) if shape_at(facts.members, split(path)) is ABSENT]
            offenders += [f"{fix.resource_type}: {path}" for path in unknown]
    assert set(offenders) == NOT_IN_THE_PACKAGES


def paths_of(condition: Condition) -> Iterator[str]:
    """The paths that a condition reads, except those inside the elements of an array."""
    if condition.path:
        yield condition.path
    if condition.operator not in (Operator.SOME, Operator.EVERY):
        for part in condition.of:
            yield from paths_of(part)


NOT_IN_THE_PACKAGES = {
    # Older api-versions return the rules as one string, which the policy definition reads too.
    "Microsoft.DocumentDB/databaseAccounts: properties.ipRangeFilter",
    # Preview api-versions tell topics in Azure and on Azure Arc apart by it.
    "Microsoft.EventGrid/topics: kind",
    # Only preview api-versions have it; the policy definition reads it with one of them.
    "Microsoft.IoTCentral/iotApps: properties.publicNetworkAccess",
}
"""Members that conditions read although the newest stable packages do not know them."""


def test_undoing_a_minimum_tls_version_is_conditional() -> None:
    """Azure retires old versions of TLS, so it may refuse to set one again."""
    raising = [
        fix
        for fix in CATALOG
        for path, value in leaves(fix.body or {})
        if is_versioned(path, value) or (path == "properties.value" and str(value).startswith("TLS"))
    ]
    assert len(raising) >= 10
    assert [fix.key for fix in raising if fix.reversibility is Reversibility.EXACT] == []


def test_every_fix_states_its_evidence() -> None:
    """A user sees for each fix how it is known that Azure accepts it."""
    assert [fix.key for fix in CATALOG if fix.evidence is None] == []
    assert Counter(fix.evidence for fix in CATALOG)[Evidence.RECORDED] >= 125


def test_what_costs_money_says_what_is_billed() -> None:
    """A fix that costs money names what is billed for; a free one does not, and Foundational CSPM is free."""
    assert [fix.key for fix in CATALOG if fix.impact is Impact.COST and not fix.cost] == []
    foundational = CATALOG.get("foundational-cspm")
    assert foundational is not None
    assert foundational.cost is None


def test_every_template_is_used() -> None:
    """No template is left over in the package."""
    folder = resources.files("defender_remediate.catalog").joinpath("data", "templates")
    assert {file.name for file in folder.iterdir()} == {fix.template_name for fix in CATALOG if fix.template_name}


def test_irreversible_ones_are_known() -> None:
    """Which fixes cannot be undone is a decision: a new one is added here by hand."""
    assert {fix.title for fix in CATALOG if fix.reversibility is Reversibility.NONE} == {
        "App Configuration should use a SKU that supports private link",
        "Azure Kubernetes Service Clusters should enable Microsoft Entra ID integration",
        "Immutability must be enabled for Recovery Services vaults",
        "Immutability must be enabled for backup vaults",
        "Key vaults should have purge protection enabled",
        "Key vaults should have soft delete enabled",
        "Soft delete should be enabled for Backup Vaults",
        "Virtual machines should encrypt temp disks, caches, and data flows between Compute and Storage resources",
        "Web Application Firewall (WAF) should be enabled for Application Gateway",
    }


def test_files_are_named_after_their_provider() -> None:
    """A fix is found in the file of its provider; what concerns a subscription is in the file of Defender itself."""
    seen = 0
    for file in resources.files("defender_remediate.catalog").joinpath("data").iterdir():
        if file.name.endswith(".toml"):
            for entry in file.read_text(encoding="utf-8").split("[[fix]]")[1:]:
                match = re.search(r'^resource_type = "([^"/]+)/', entry, re.MULTILINE)
                assert match is not None
                provider = match[1].casefold().replace("microsoft.resources", "microsoft.security")
                assert file.name == f"{provider}.toml"
                seen += 1
    assert seen == len(CATALOG)


def test_every_fix_that_cuts_something_off_says_which_metric_tells() -> None:
    """Or why none does: who approves such a change has to know what can be known about its users."""
    fixes = [fix for fix in Catalog.bundled() if fix.impact is Impact.CONNECTIVITY]
    assert not [fix.title for fix in fixes if fix.live_use is None]
