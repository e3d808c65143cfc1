"""Azure's HTML as plain text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "pre"})
_MARKUP = re.compile(r"[<&]")
# Office writes sections for old browsers, such as <![if !mso]>; the parser of the standard library asserts on odd ones.
_SECTIONS = re.compile(r"<!--.*?-->|<!\[(?!CDATA\[)[^>]*>?", re.IGNORECASE | re.DOTALL)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._links: list[str] = []
        self._lists: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.parts.append("\n")
        if tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self.parts.append(self._bullet())
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._links:
            link = self._links.pop()
            self.parts.append(f" ({link})" if link else "")
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(re.sub(r"[ \t\r\f\v]+", " ", data))

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "


def plain_text(markup: str) -> str:
    """The text of a piece of HTML: one line per block, list items marked, link targets in parentheses."""
    if not _MARKUP.search(markup):
        return markup.strip()
    parser = _Text()
    # A space each, so that what stood around them does not become markup.
    parser.feed(_SECTIONS.sub(" ", markup))
    parser.close()
    lines = (line.strip() for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)
