"""What can be done where there is no fix."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.catalog import guidance as reading
from defender_remediate.catalog.guidance import bundled_guidance, guidance
from defender_remediate.catalog.toml import parse
from defender_remediate.errors import CatalogError
from defender_remediate.models.guidance import Guidance, GuidanceReason

WHOLE = """
[[guidance]]
key = "AAAA"
title = "Caches should be elsewhere"
policies = ["p-1"]
resource_type = "Microsoft.Cache/redis"
reason = "create_time_only"
action = "Make a new one."
sources = ["we looked"]
"""
REDIS = "be264018-593c-1162-bd5e-b74a39396652"


def test_a_whole_entry() -> None:
    """Every key ends up where the model has it; it prints itself as advice."""
    (found,) = guidance(parse(WHOLE), source="x.toml")
    assert found == Guidance(
        key="aaaa",
        title="Caches should be elsewhere",
        resource_type="Microsoft.Cache/redis",
        reason=GuidanceReason.CREATE_TIME_ONLY,
        action="Make a new one.",
        policy_definition_ids=("p-1",),
        sources=("we looked",),
    )
    assert str(found) == "Caches should be elsewhere: no fix (create time only). Make a new one."
    assert pickle.loads(pickle.dumps(found)) == found
    assert "Make a new one." in found._repr_html_()


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("[[fix]]", "fix", "unknown key; the valid keys are guidance"),
        (WHOLE + WHOLE.replace("AAAA", "aaaa"), "guidance[1].key", "another [[guidance]] with this key"),
        (
            WHOLE.replace("create_time_only", "hard"),
            "guidance[0].reason",
            "'hard' is not one of create_time_only, data",
        ),
        (WHOLE.replace("one.", "one"), "guidance[0].action", "must look like a sentence or two"),
        (WHOLE.replace("Microsoft.Cache/redis", "redis"), "guidance[0].resource_type", "must look like"),
        (WHOLE.replace("title", "titel"), "guidance[0].titel", "unknown key"),
    ],
)
def test_an_entry_of_another_form(text: str, path: str, message: str) -> None:
    """The error names the file, the key path and what was expected there."""
    with pytest.raises(CatalogError) as caught:
        guidance(parse(text), source="x.toml")
    assert (caught.value.source, caught.value.path) == ("x.toml", path)
    assert message in str(caught.value)


def test_it_is_found_by_key_and_by_policy() -> None:
    """Whatever the case, and whichever catalog is asked; a recommendation that nothing is known of has none."""
    found = Catalog.bundled().get_guidance(REDIS.upper())
    assert found is not None
    assert found.reason is GuidanceReason.CREATE_TIME_ONLY
    assert Catalog().get_guidance("unknown", f"/x/policyDefinitions/{found.policy_definition_ids[0].upper()}") is found
    assert Catalog().get_guidance("unknown") is None


def test_it_is_read_when_it_is_asked_for() -> None:
    """Making a catalog, or planning with one, reads no guidance."""
    code = (
        "from defender_remediate.catalog import Catalog, guidance\n"
        "catalog = Catalog.bundled(); assert guidance._bundled.cache_info().currsize == 0\n"
        f"assert catalog.get_guidance({REDIS!r}) and guidance._bundled.cache_info().currsize == 1"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_recommendation_has_both() -> None:
    """A recommendation that some bundled fix is for is not called hopeless for the same resources."""
    for each in bundled_guidance():
        assert not Catalog.bundled().list_for_recommendation(each.key, resource_type=each.resource_type or None), each


def test_the_files_hold_what_people_need() -> None:
    """Every entry says where its facts come from, and stands in a TOML file of its own folder."""
    folder = Path(reading.__file__).parent / "data" / "guidance"
    assert {file.suffix for file in folder.iterdir()} == {".toml"}
    assert all(each.sources for each in bundled_guidance())


def test_guidance_by_key_beats_a_fix_that_only_shares_its_policy() -> None:
    """Resolving what a scanner found is not done by installing another scanner, though one policy stands behind both."""
    catalog = Catalog.bundled()
    scanner, findings = "ffff0522-1e88-47fc-8382-2a80ba848f5d", "1195afff-c881-495e-9bc5-1486211ae03f"
    fix = catalog.get(scanner)
    assert fix is not None
    assert catalog.get_for_recommendation(findings, fix.policy_definition_ids[0]) is None
    assert catalog.get_guidance(findings) is not None
    unknown = "11111111-2222-4333-8444-555555555555"
    assert catalog.get_for_recommendation(unknown, fix.policy_definition_ids[0]) is fix
