"""Writes ``data/published.json`` of the simulator: every published resource type, by the oldest api-version that is known of it.

    python tools/published_types.py PATH_TO_A_CLONE_OF_BICEP_TYPES_AZ

The types are headings in the ``types.md`` files of https://github.com/Azure/bicep-types-az.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

TARGET = Path("src/defender_remediate/testing/simulator/data/published.json")
_HEADING = re.compile(r"^## Resource ([\w.]+)/([\w./]+)@(\S+)", re.MULTILINE)


def oldest_versions(git_directory: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Returns the oldest version, the provider and the type as spelled there, by both in lower case."""
    files = _git(git_directory, "ls-tree", "-r", "HEAD", "generated/")
    pages = [line.split()[2] for line in files.splitlines() if line.endswith("/types.md")]
    text = _git(git_directory, "cat-file", "--batch", text="\n".join(pages))
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for namespace, name, version in _HEADING.findall(text):
        key = (namespace.lower(), name.lower())
        if key not in found or version < found[key][0]:
            found[key] = (version, namespace, name)
    return found


def _git(directory: str, *arguments: str, text: str = "") -> str:
    command = ["git", "--git-dir", directory, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603 - only git


def main() -> None:
    """Writes the file."""
    spelled: dict[str, str] = {}
    grouped: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (folded, _), (version, namespace, name) in sorted(oldest_versions(sys.argv[1]).items()):
        grouped[spelled.setdefault(folded, namespace)][version[:10]].append(name)
    rows = [
        f" {json.dumps(namespace)}: {json.dumps({version: ' '.join(names) for version, names in sorted(versions.items())})}"
        for namespace, versions in sorted(grouped.items())
    ]
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
