"""Writes ``data/alias_members.json`` of the simulator: the first member of every published policy alias, by the type of resource.

    python tools/policy_aliases.py PATH_TO_A_CLONE_OF_AZURE_POLICY_ALIASES

The aliases are the tables of https://github.com/maciejporebski/azure-policy-aliases, which lists what Azure answers.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from published_types import _git

from defender_remediate.testing.simulator.state.types import published_since, shipped_types

TARGET = Path("src/defender_remediate/testing/simulator/data/alias_members.json")
_ROW = re.compile(r"^\|[^|]*\| `([^`]+)` \|", re.MULTILINE)
_HEADING = re.compile(r"^# (\S+)", re.MULTILINE)


def main() -> None:
    """Writes the file."""
    wanted = {name.split("/")[0] for name in shipped_types()}
    found: dict[str, set[str]] = defaultdict(set)
    for line in _git(sys.argv[1], "ls-tree", "-r", "HEAD", "aliases/").splitlines():
        sha, path = line.split()[2], line.split("\t")[1]
        if path.split("/")[1].lower() not in wanted:
            continue
        page = _git(sys.argv[1], "cat-file", "blob", sha)
        heading = _HEADING.search(page)
        for alias in _ROW.findall(page) if heading else ():
            kind, _, rest = alias.rpartition("/")
            if kind.lower() in shipped_types() or published_since(kind) is None:
                found[kind.lower()].add(re.split(r"[.\[]", rest)[0].lower())
    rows = [f" {json.dumps(kind)}: {json.dumps(' '.join(sorted(names)))}" for kind, names in sorted(found.items())]
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
