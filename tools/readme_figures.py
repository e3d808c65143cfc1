"""Write the figures of the catalog into the README: ``nox -s bundle``."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

from defender_remediate import Catalog
from defender_remediate.catalog.guidance import bundled_guidance

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

from catalog_figures import figures, sentence  # noqa: E402 - it lies beside the documentation

README = ROOT / "README.md"
MARKS = re.compile(r"(?<=<!-- figures -->\n).*?(?=\n<!-- /figures -->)", re.DOTALL)


def main() -> None:
    """Write the line between its marks again."""
    line = textwrap.fill(sentence(figures(Catalog.bundled(), bundled_guidance())), 118, break_on_hyphens=False)
    README.write_text(MARKS.sub(lambda _: line, README.read_text(encoding="utf-8"), count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
