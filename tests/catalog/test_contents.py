"""What the bundled catalog holds, as a whole and fix by fix."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.checks import leaves
from defender_remediate.catalog.lint.sample_values import is_versioned
from defender_remediate.catalog.loader import bundled_fixes
from defender_remediate.models.fix import Evidence, FixAction, FixKind, Reversibility

CATALOG = Catalog.bundled()
every_fix = pytest.mark.parametrize("fix", CATALOG, ids=lambda fix: f"{fix.key[:8]}-{fix.resource_type}{fix.variant}")


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
    identities = Counter((fix.key.casefold(), fix.resource_type.casefold(), fix.variant) for fix in bundled_fixes())
    assert [each for each, times in identities.items() if times > 1] == []


@every_fix
def test_every_fix_is_found(fix: FixAction) -> None:
    """Key, policy definition and resource type each lead to the fix."""
    assert fix in CATALOG.all_for(fix.key.upper(), resource_type=fix.resource_type)
    assert CATALOG.get(fix.key.upper(), fix.resource_type) is CATALOG.all_for(fix.key, "", fix.resource_type)[0]
    assert fix in CATALOG.for_resource_type(fix.resource_type)
    for policy in fix.policy_definition_ids:
        found = CATALOG.for_policy(f"/providers/Microsoft.Authorization/policyDefinitions/{policy}", fix.resource_type)
        assert found is not None
        assert policy in found.policy_definition_ids


@every_fix
def test_says_what_people_need_to_know(fix: FixAction) -> None:
    """A fix says what its users may notice and where its facts come from; an irreversible one says so in words too."""
    assert fix.sources
    assert fix.impact_reason
    assert not fix.impact_reason.endswith(".")
    if fix.is_irreversible:
        assert re.search(r"\bnever\b", fix.impact_reason)
    for parameter in fix.parameters:
        assert parameter.description.endswith(".")


@every_fix
def test_parameters_have_the_same_meaning_everywhere(fix: FixAction) -> None:
    """One call passes one set of parameters to all fixes, so a name may not mean two things."""
    for other in CATALOG:
        for theirs in other.parameters:
            for ours in fix.parameters:
                if ours.name == theirs.name:
                    assert (ours.type, ours.resource_type, ours.allowed) == (
                        theirs.type,
                        theirs.resource_type,
                        theirs.allowed,
                    )


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
    assert Counter(fix.evidence for fix in CATALOG)[Evidence.RECORDED] >= 130


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
