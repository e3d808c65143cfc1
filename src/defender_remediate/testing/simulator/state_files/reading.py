"""Reads JSON files of people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import OWN_MAX_DEPTH, parse_json


def read_json(path: str | Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
        InvalidInputError: It is not JSON in UTF-8; the message gives line and column.
        OSError: It cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        return parse_json(content.decode("utf-8-sig"), unique_names=True, max_depth=OWN_MAX_DEPTH)
    except ValueError as error:
        raise InvalidInputError(f"the file is not JSON: {error}") from error


@contextmanager
def located(place: str) -> Iterator[None]:
    """Says in an error of the block where it is.

    Raises:
        InvalidInputError: The block raised it.
    """
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: {error.message}", hint=error.hint) from error
