"""Display names as keys: Azure marks a recommendation as a preview in its title, and takes the mark away later."""

from __future__ import annotations

import re

from defender_remediate.casing import fold

_PREVIEW = re.compile(r"^\s*[(\[]preview[)\]]:?|[(\[]preview[)\]]\s*$", re.IGNORECASE)


def title_key(title: str) -> str:
    """The title without regard to case, surrounding spaces and the mark of a preview."""
    return fold(_PREVIEW.sub("", title).strip())
