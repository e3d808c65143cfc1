"""Fills the pages about the catalog from the catalog itself, each time the documentation is built.

Pages that have words of their own hold a comment where the generated part goes. The pages of the resource providers have
none: they are written beside them before the sources are looked for, and are not kept under version control.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import reference_pages
from simulated_operations import operations_page

from defender_remediate import Catalog
from defender_remediate.catalog.guidance import bundled_guidance, category_guidance, source_guidance

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "reference/catalog": ("<!-- every provider -->", lambda: reference_pages.overview(Catalog.bundled())),
    "reference/controls": ("<!-- every control -->", lambda: reference_pages.control_page(Catalog.bundled())),
    "reference/permissions": ("<!-- every permission -->", lambda: reference_pages.permission_page(Catalog.bundled())),
    "reference/guidance": (
        "<!-- every guidance -->",
        lambda: reference_pages.guidance_page(bundled_guidance(), category_guidance(), source_guidance()),
    ),
    "reference/coverage": (
        "<!-- every figure -->",
        lambda: reference_pages.coverage_page(Catalog.bundled(), bundled_guidance()),
    ),
    "reference/simulated-operations": ("<!-- every operation -->", operations_page),
}


def write(folder: Path, pages: dict[str, str]) -> None:
    """Make a folder hold these pages and no others; a page that stays as it is keeps its time."""
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.md"):
        if stale.name not in pages:
            stale.unlink()
    for name, content in pages.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8")


def write_provider_pages(app: Sphinx) -> None:
    """Put the pages of the resource providers where Sphinx finds them."""
    folder = Path(app.srcdir) / "reference" / reference_pages.FOLDER
    write(folder, reference_pages.provider_pages(Catalog.bundled()))


def filled(docname: str, source: str) -> str:
    """A page with its generated part.

    Raises:
        ValueError: The page has no place for it.
    """
    if docname not in PAGES:
        return source
    marker, page = PAGES[docname]
    if marker not in source:
        raise ValueError(f"{docname} has no place for its generated part: {marker}")
    return source.replace(marker, page())


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the generated part into its page."""
    source[0] = filled(docname, source[0])


def always(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Read generated pages again each time: their files do not change when the catalog does."""
    return [docname for docname in PAGES if docname in env.all_docs]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("builder-inited", write_provider_pages)
    app.connect("env-get-outdated", always)
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
