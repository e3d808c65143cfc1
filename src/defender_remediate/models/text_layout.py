"""Lines of 80 columns: wrapped text, names by resource group, and sections that fit into a number of lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.plan_groups import Place

WIDTH = 80
MAX_LINES = 120
MAX_WHOLE = 50
"""Up to so many changes or results are all shown."""
# Lines of names that a group keeps when there are too many lines; tried in this order.
_NAME_LINES = (90, 80, 70, 60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 4, 3, 2, 1)
_MOST_SAID = 8
# An id may be broken after one of these; a word is never broken.
_BREAKS = re.compile(r"(?<=[/,;:{}\[\]=&?._-])")


@attrs.frozen(kw_only=True)
class Block:
    """What is said of some resources, and their names.

    Attributes:
        said: Lines.
        names: Wrapped lines of names, each with how many names begin on it.
        weight: How many changes, skips or check results it stands for.
    """

    said: list[str]
    names: list[tuple[str, int]]
    weight: int

    def lines(self, most_names: int, most_said: int) -> list[str]:
        """The lines, with at most so many of names and so many others."""
        said = self.said
        if len(said) > most_said:
            # The last lines say what the change means for users, and whether it can be undone.
            hidden = f"      and {len(said) - most_said + 1} more lines"
            said = [*said[: most_said - 3], hidden, *said[-2:]]
        if len(self.names) <= most_names:
            return [*said, *(line for line, _ in self.names)]
        kept = self.names[: most_names - 1]
        more = sum(count for _, count in self.names[most_names - 1 :])
        return [
            *said,
            *(line for line, _ in kept),
            f"      and {more} more" if kept else f"      {counted(more, 'resource')}",
        ]


@attrs.frozen(kw_only=True)
class Section:
    """Blocks under a title.

    Attributes:
        title: Its lines; None for blocks that stand for themselves, each after an empty line.
        noun: What a block's weight counts, such as ``change``.
        hint: Where to see what is left out.
        left_out: The weight of the blocks that are left out.
    """

    title: Sequence[str] | None
    noun: str
    hint: str
    blocks: list[Block]
    left_out: int = 0

    def first(self, count: int) -> Section:
        """The section with its first blocks only."""
        left_out = self.left_out + sum(block.weight for block in self.blocks[count:])
        return attrs.evolve(self, blocks=self.blocks[:count], left_out=left_out)

    def lines(self, most_names: int = sys.maxsize, most_said: int = sys.maxsize) -> list[str]:
        """The lines, an empty one first."""
        lines = [] if self.title is None else ["", *self.title]
        for block in self.blocks:
            lines += [""] if self.title is None else []
            lines += block.lines(most_names, most_said)
        if self.left_out:
            said = f"{counted(self.left_out, f'more {self.noun}')} not shown: {self.hint}"
            lines += ["", said] if self.title is None else [f"  {said}"]
        return lines


def shortened(sections: list[Section], most: int) -> list[str]:
    """The lines of the sections, with as many names, then as many blocks, as there are lines for."""
    for most_names in _NAME_LINES:
        lines = [line for section in sections for line in section.lines(most_names)]
        if len(lines) <= most:
            return lines
    counts = [min(len(section.blocks), most) for section in sections]
    while True:
        shown = [section.first(count) for section, count in zip(sections, counts, strict=True)]
        lines = [line for section in shown for line in section.lines(1, _MOST_SAID)]
        longest = counts.index(max(counts))
        if len(lines) <= most or counts[longest] <= 1:
            return lines
        counts[longest] -= 1


def name_lines(places: Sequence[Place]) -> list[tuple[str, int]]:
    """The names, by resource group, wrapped; each line with how many names begin on it."""
    groups: dict[str, list[str]] = {}
    for place in places:
        groups.setdefault(place.group, []).append(place.name)
    lines: list[tuple[str, int]] = []
    for group, names in groups.items():
        start = f"      {one_line(group)}:" if group else "     "
        line, count = start, 0
        for word in _separated(names):
            if count and len(line) + 1 + len(word) > WIDTH:
                lines += _broken(line, count)
                line, count = "       ", 0
            line, count = f"{line} {word}", count + 1
        lines += _broken(line, count)
    return lines


def _broken(line: str, count: int) -> list[tuple[str, int]]:
    """A line of names; one name may be longer than the line."""
    *parts, last = wrapped(line, 8)
    return [*((part, 0) for part in parts), (last, count)]


def _separated(items: Sequence[str]) -> Iterator[str]:
    for position, item in enumerate(items):
        yield one_line(item) + ("," if position < len(items) - 1 else "")


def flow(start: str, items: Sequence[str], indent: int) -> list[str]:
    """Items after a word, wrapped between items."""
    lines = [start]
    for word in _separated(items):
        if len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(" " * (indent - 1))
        lines[-1] += f" {word}"
    return [part for line in lines for part in wrapped(line, indent)]


def wrapped(text: str, indent: int, width: int = WIDTH) -> list[str]:
    """The text in lines of a width, broken between words, an id after a separator; continued lines are indented."""
    text = one_line(text)
    lines = []
    line = ""
    for word in _words(text, width - indent):
        if len(line) + len(word.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
            word = word.lstrip()
        line += word
    return [*lines, line.rstrip()]


def _words(text: str, longest: int) -> Iterator[str]:
    """The words with the spaces after them; a word that is longer than a line in parts."""
    for word in re.findall(r"\s*\S+\s*|\s+", text):
        if len(word.rstrip()) <= longest:
            yield word
            continue
        part = ""
        for piece in _BREAKS.split(word):
            if part and len(part) + len(piece) > longest:
                yield part
                part = ""
            while len(piece) > longest:
                yield piece[:longest]
                piece = piece[longest:]
            part += piece
        yield part
