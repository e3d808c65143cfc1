"""Prints a plan in colour where that is possible."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TextIO

from defender_remediate.models.plan import RemediationPlan
from defender_remediate.validation import instance
from defender_remediate.validation import stream as text_stream

# By the mark or word that a line begins with.
_STYLES = {
    "~ ": "bold green",
    "- ": "bold red",
    "! ": "bold yellow",
    "digest:": "dim",
    "scope:": "dim",
    "score:": "cyan",
    "Plan:": "bold",
    "Rollback plan": "bold",
    "Skipped:": "bold",
    "Check results": "bold",
}


def print_plan(plan: RemediationPlan, stream: TextIO | None = None) -> None:
    """Print a plan: in colour if the stream is a terminal and the extra ``reports`` is installed, else as ``print`` does.

    The text is the same either way, and contains no control character of anything outside.

    Args:
        plan: The plan.
        stream: The stream to write to; ``sys.stdout`` by default.

    Raises:
        InvalidInputError: The value is not a plan.
    """
    instance("plan", plan, RemediationPlan, hint="pass client.plan(...)")
    target = text_stream(stream, sys.stdout)
    if not target.isatty() or find_spec("rich") is None:
        target.write(f"{plan}\n")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=target, highlight=False)
    is_skip = False
    for line in str(plan).split("\n"):
        is_skip = is_skip or line == "Skipped:"
        style = next((style for start, style in _STYLES.items() if line.startswith(start)), "")
        console.print(Text(line, style="yellow" if is_skip and line.startswith("- ") else style), soft_wrap=True)
