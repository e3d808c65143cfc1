"""``python -m defender_remediate.catalog check my.toml``: what is wrong with a catalog file, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from defender_remediate.catalog.catalog import Catalog


def main(arguments: Sequence[str], out: TextIO) -> int:
    """Write every problem of the named catalog files, of the bundled catalog when none is named.

    Returns:
        1 when there is an error among them, else 0; warnings alone are 0.
    """
    parser = argparse.ArgumentParser(prog="python -m defender_remediate.catalog", description=__doc__)
    check = parser.add_subparsers(dest="command", required=True).add_parser("check", help="prove fixes")
    check.add_argument(
        "files", nargs="*", metavar="my.toml", help="catalog files; the bundled catalog when none is named"
    )
    files = parser.parse_args(arguments).files
    catalog = Catalog.bundled()
    problems = catalog.check(fixes=files or None)
    errors = sum(problem.is_error for problem in problems)
    out.writelines(f"{problem}\n" for problem in problems)
    out.write(f"{catalog.freshness}\n")
    out.write(f"{errors} errors, {len(problems) - errors} warnings\n")
    return 1 if errors else 0


if __name__ == "__main__":  # pragma: no cover - a subprocess runs it
    sys.exit(main(sys.argv[1:], sys.stdout))
