"""Write the files that are made from the catalog and its schema, bundled.json and fix.schema.json: ``nox -s bundle``."""

from __future__ import annotations

import json
from pathlib import Path

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.bundle import NAME, make
from defender_remediate.catalog.editor_schema import json_schema
from defender_remediate.catalog.loader import bundled_files, read_bundled

DATA = Path(__file__).parents[1] / "src" / "defender_remediate" / "catalog" / "data"


def main() -> None:
    """Write the JSON Schema for editors, and the bundle with the version that is computed from the fixes."""
    (DATA / "fix.schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    fixes, _ = read_bundled()
    (DATA / NAME).write_bytes(make(bundled_files(), Catalog(fixes).version).encode())


if __name__ == "__main__":
    main()
