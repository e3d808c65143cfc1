"""Write the catalog's TOML files into data/bundled.json, which is what loading reads: ``nox -s bundle``."""

from __future__ import annotations

from pathlib import Path

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.bundle import NAME, make
from defender_remediate.catalog.loader import bundled_files, read_bundled

DATA = Path(__file__).parents[1] / "src" / "defender_remediate" / "catalog" / "data"


def main() -> None:
    """Write the bundle with the version of the catalog, which is computed from the fixes."""
    fixes, _ = read_bundled()
    (DATA / NAME).write_bytes(make(bundled_files(), Catalog(fixes).version).encode())


if __name__ == "__main__":
    main()
