"""The bundle of the catalog files."""

from __future__ import annotations

import json
from importlib import resources

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.bundle import NAME, make, read
from defender_remediate.catalog.loader import bundled_files
from defender_remediate.catalog.toml import parse

FILES = {
    "b.toml": b'[[fix]]\nkey = "\xc3\xa4"\nn = 1.5\n',
    "a.toml": b"[[fix]]\nok = true\n",
    "templates/t.json": b"{}",
}
TABLES = {name: parse(content.decode()) for name, content in FILES.items() if name.endswith(".toml")}


def test_the_bundle_contains_the_tables_of_the_files() -> None:
    """Loading from the bundle gives the same tables as parsing the files, in the order of their names."""
    documents, version = read(FILES, make(FILES, "1.a").encode())
    assert (documents, version) == (TABLES, "1.a")
    assert list(documents) == ["a.toml", "b.toml"]


def test_a_file_that_was_edited_counts_at_once() -> None:
    """A bundle of other files is ignored, also when only a template differs."""
    stale = json.loads(make(FILES, "1.a"))
    stale["documents"]["a.toml"]["fix"][0]["ok"] = "planted"
    bundle = json.dumps(stale).encode()
    assert read(FILES, bundle)[0]["a.toml"]["fix"][0]["ok"] == "planted"
    edited = {**FILES, "a.toml": b"[[fix]]\nok = 1\n"}
    assert read(edited, bundle) == ({**TABLES, "a.toml": {"fix": [{"ok": 1}]}}, None)
    assert read({**FILES, "templates/t.json": b"[]"}, bundle) == (TABLES, None)
    assert read({"a.toml": FILES["a.toml"]}, bundle) == ({"a.toml": TABLES["a.toml"]}, None)


def test_the_shipped_bundle_is_up_to_date() -> None:
    """The bundle has the shipped files and the version that the fixes themselves give."""
    shipped = resources.files("defender_remediate.catalog").joinpath("data", NAME).read_bytes()
    assert shipped == make(bundled_files(), Catalog(Catalog.bundled()).version).encode(), "run: nox -s bundle"
    assert Catalog.bundled().version == Catalog(Catalog.bundled()).version
