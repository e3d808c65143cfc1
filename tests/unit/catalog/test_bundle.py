"""The catalog, parsed beforehand."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources

from defender_remediate.catalog.bundle import NAME, documents, make
from defender_remediate.catalog.toml import parse

FILES = {"b.toml": b'[[fix]]\nkey = "\xc3\xa4"\nn = 1.5\n', "a.toml": b"[[fix]]\nok = true\n"}


def test_the_bundle_says_what_the_files_say() -> None:
    """File by file in the order of their names; whatever a file holds is there."""
    found = documents(FILES, make(FILES).encode())
    assert found == {name: parse(content.decode()) for name, content in FILES.items()}
    assert list(found) == ["a.toml", "b.toml"]


def test_a_file_that_was_edited_counts_at_once() -> None:
    """A bundle of other files is not believed, whatever it says."""
    stale = json.loads(make(FILES))
    stale["documents"]["a.toml"]["fix"][0]["ok"] = "planted"
    assert documents(FILES, json.dumps(stale).encode())["a.toml"]["fix"][0]["ok"] == "planted"
    for changed in ({**FILES, "a.toml": b"[[fix]]\nok = 1\n"}, {"a.toml": FILES["a.toml"]}, {**FILES, "c.toml": b""}):
        assert documents(changed, json.dumps(stale).encode()) == {
            name: parse(content.decode()) for name, content in changed.items()
        }


def test_the_bundle_that_is_shipped_is_up_to_date() -> None:
    """Otherwise loading takes three times as long; ``nox -s bundle`` writes it anew."""
    data = resources.files("defender_remediate.catalog").joinpath("data")
    files = {file.name: file.read_bytes() for file in data.iterdir() if file.name.endswith(".toml")}
    assert data.joinpath(NAME).read_bytes() == make(files).encode(), "run: nox -s bundle"


QUICK = """
import time
from defender_remediate.catalog import Catalog
from defender_remediate.catalog.loader import bundled_fixes
taken = []
for _ in range(5):
    begun = time.process_time()
    Catalog(bundled_fixes())
    taken.append(time.process_time() - begun)
print(min(taken))
"""


def test_loading_is_quick() -> None:
    """The whole catalog in less than 60 ms of one processor; in a process of its own, which nobody traces."""
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.06
