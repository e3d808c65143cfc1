"""Turns Azure's HTML into plain text.

The parser of the standard library is not used: it asserts on sections that Office writes and takes quadratic time for markup
that is never closed. This parser reads each character once, and returns text for broken markup too.
"""

from __future__ import annotations

import html
import re

import attrs

_BLOCKS = frozenset({"br", "p", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "pre"})
_INVISIBLE = ("head", "script", "style")
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_TAG_END = re.compile(r"[>\"']")
_LINK = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\f\v]+")
# More digits than any character has; Python refuses to read 5,000 of them.
_HUGE_REFERENCE = re.compile(r"&#\d{8,};?")


def plain_text(markup: str) -> str:
    """Return the text of a piece of HTML: one line per block, list items marked, link targets in parentheses."""
    if "<" not in markup and "&" not in markup:
        return markup.strip()
    parts = _Renderer(markup).render()
    lines = (line.strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


@attrs.define
class _Renderer:
    markup: str
    parts: list[str] = attrs.field(factory=list)
    links: list[str] = attrs.field(factory=list)
    lists: list[int | None] = attrs.field(factory=list)  # the number of the last item; None for a list without numbers
    quotes_close: bool = True
    unclosed: set[str] = attrs.field(factory=set)

    def render(self) -> list[str]:
        """Read the markup from its beginning to its end."""
        markup, position = self.markup, 0
        while (start := markup.find("<", position)) >= 0:
            self.add_text(markup[position:start])
            tag = _TAG.match(markup, start)
            if markup.startswith("<!--", start):
                end = markup.find("-->", start + 4)
                position = end + 3 if end >= 0 else len(markup)
            elif markup.startswith(("<!", "<?"), start):
                end = markup.find(">", start)
                position = end + 1 if end >= 0 else len(markup)
            elif tag is None:
                self.parts.append("<")
                position = start + 1
            else:
                position = self.add_tag(tag)
        self.add_text(markup[position:])
        return self.parts

    def add_text(self, text: str) -> None:
        text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))
        self.parts.append(_SPACES.sub(" ", text))

    def add_tag(self, tag: re.Match[str]) -> int:
        """Add the text for a tag and return the position after it."""
        end = self.end_of_tag(tag.end())
        name = tag[2].lower()
        if tag[1]:
            self.close(name)
        else:
            self.open(name, self.markup[tag.end() : end])
        if name in _INVISIBLE and not tag[1] and name not in self.unclosed:
            closing = re.compile(rf"</{name}\b", re.IGNORECASE).search(self.markup, end)
            if closing:
                return closing.start()
            self.unclosed.add(name)
        return end

    def end_of_tag(self, start: int) -> int:
        """The position after the ">" that ends a tag; one inside quotes does not, unless a quote is never closed."""
        quote = None
        for found in _TAG_END.finditer(self.markup, start) if self.quotes_close else ():
            if found[0] == ">" and quote is None:
                return found.end()
            if found[0] == quote:
                quote = None
            elif quote is None:
                quote = found[0]
        self.quotes_close = False
        end = self.markup.find(">", start)
        return end + 1 if end >= 0 else len(self.markup)

    def open(self, name: str, attributes: str) -> None:
        if name in _BLOCKS:
            self.parts.append("\n")
        if name in ("ul", "ol"):
            self.lists.append(0 if name == "ol" else None)
        elif name == "li":
            number = self.lists[-1] if self.lists else None
            if number is None:
                self.parts.append("- ")
            else:
                self.lists[-1] = number + 1
                self.parts.append(f"{number + 1}. ")
        elif name == "a":
            link = _LINK.search(attributes)
            target = (link[1] or link[2] or link[3] or "") if link else ""
            self.links.append(html.unescape(_HUGE_REFERENCE.sub("\ufffd", target)))

    def close(self, name: str) -> None:
        if name == "a" and self.links:
            link = self.links.pop()
            self.parts.append(f" ({link})" if link else "")
        elif name in ("ul", "ol") and self.lists:
            self.lists.pop()
        if name in _BLOCKS:
            self.parts.append("\n")
