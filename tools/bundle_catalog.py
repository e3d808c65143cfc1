"""Write the catalog's TOML files into data/bundled.json, which is what loading reads: ``nox -s bundle``."""

from __future__ import annotations

from pathlib import Path

from defender_remediate.catalog.bundle import NAME, make

DATA = Path(__file__).parents[1] / "src" / "defender_remediate" / "catalog" / "data"


def main() -> None:
    """Write it anew."""
    text = make({file.name: file.read_bytes() for file in DATA.glob("*.toml")})
    (DATA / NAME).write_bytes(text.encode())


if __name__ == "__main__":
    main()
