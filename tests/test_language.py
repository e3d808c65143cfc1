"""The words of the project: plain English, one term for one thing, as the glossary has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "docs", "examples", "tests", "tools", "benchmarks")
# Each word that is not used, with what is used instead.
RETIRED = {
    r"ways? back": "undo, rollback, reversibility",
    r"(?:left|leaves?) alone": "skipped, preserved, unchanged",
    r"stands? in the way": "prevents, blocks",
    r"(?:goes|go|gone|went) on with": "resume, continue",
    r"(?:its )?own word\b": "status",
    r"(?<!there )(?-i:\bis none\b|\bare none\b)": "is not a valid ...",
    r"\b(?:is|are) no [a-z]+ (?:id|name|key)\b": "is not a valid ...",
    r"\b(?:lay(?:s|ing)?|laid) over\b": "merge into",
    r"\bmend(?:s|ed|ing)?\b": "fix, correct",
    r"\banew\b": "again",
    r"(?<!front )\bdoors?\b": "network access",
    r"\b(?:whoever|somebody|nobody)\b": "the caller, someone, no one",
    r"\bunless told otherwise\b": "by default",
    r"\bby chance\b": "randomly, jitter",
    r"\bgo(?:es)? about\b": "roll out",
    r"\bstrangers?\b": "unknown property",
    r"\bthe house\b": "architecture, package",
    r"\bput up\b": "created",
    r"\btaken off\b": "removed",
    r"\blook(?:s|ed)? again\b": "re-check, read again",
    r"\b(?:a text|texts)\b": "string, strings",
    r"\bwhole numbers?\b": "integer",
    r"\bleast rights\b": "least privilege",
    r"\bmade of it\b": "derived",
    r"\bspelled out\b": "flattened, listed",
}
EXPRESSIONS = {re.compile(word, re.IGNORECASE): instead for word, instead in RETIRED.items()}


def files() -> list[Path]:
    """Every Python, Markdown and TOML file of the project, except the generated ones and this one."""
    generated = {"_build", ".nox", ".venv", "dist"}
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    found += ROOT.glob("*.md")
    is_text = {".py", ".md", ".toml"}
    return [
        path
        for path in sorted(found)
        if path.suffix in is_text and path != Path(__file__) and not generated & set(path.relative_to(ROOT).parts)
    ]


@pytest.mark.exhaustive
def test_retired_words_are_not_used():
    """A reader meets one term for one thing, and no private vocabulary. Reports every place."""
    places = []
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for expression, instead in EXPRESSIONS.items():
                if found := expression.search(line):
                    places.append(f"{path.relative_to(ROOT)}:{number}: {found[0]!r}, use: {instead}")
    assert not places, "\n".join(places)


@pytest.mark.parametrize(
    "sentence",
    ["It is left alone.", "a way back", "Somebody has to say so.", "'x' is no run id", "It is none.", "texts"],
)
def test_retired_words_are_recognized(sentence):
    """The expressions match the words that they retire."""
    assert any(expression.search(sentence) for expression in EXPRESSIONS)
