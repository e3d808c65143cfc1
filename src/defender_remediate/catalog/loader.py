"""Reading catalog files: TOML for the fixes, JSON for the ARM templates they deploy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from defender_remediate.catalog.bundle import NAME, read
from defender_remediate.catalog.schema import fixes
from defender_remediate.catalog.toml import TOMLError, parse
from defender_remediate.display import quoted
from defender_remediate.errors import CatalogError
from defender_remediate.json_values import FrozenMap, parse_json
from defender_remediate.models.fix import FixAction

_PACKAGE = "defender_remediate.catalog"


_LONGEST_SHOWN = 200


def read_bundled() -> tuple[tuple[FixAction, ...], str | None]:
    """Every fix that comes with this library, in the order of the file names, and the version if it is known."""
    files = bundled_files()

    @cache  # a template that twenty fixes deploy is read once
    def read_template(name: str) -> Mapping[str, Any]:
        return _template(files[f"templates/{name}"])

    bundle = resources.files(_PACKAGE).joinpath("data").joinpath(NAME).read_bytes()
    documents, version = read(files, bundle)
    found: list[FixAction] = []
    for name, document in documents.items():
        found += fixes(document, source=name, read_template=read_template)
    return tuple(found), version


def bundled_files() -> dict[str, bytes]:
    """The catalog files of this library, and the templates that they name, by their path below ``data``."""
    data = resources.files(_PACKAGE).joinpath("data")
    tables = {file.name: file.read_bytes() for file in data.iterdir() if file.name.endswith(".toml")}
    templates = {f"templates/{file.name}": file.read_bytes() for file in data.joinpath("templates").iterdir()}
    return tables | templates


def read_fixes(file: str | os.PathLike[str]) -> tuple[FixAction, ...]:
    """The fixes of a user's catalog file. The templates that it names are beside it.

    Raises:
        CatalogError: The file cannot be read or is not a valid catalog; names the file and the key path.
    """
    place = Path(file)
    source = str(place) if len(str(place)) <= _LONGEST_SHOWN else quoted(str(place))
    try:
        document = parse(place.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CatalogError(f"cannot be read: {error.strerror or error}", source=source) from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"is not UTF-8: {error}", source=source) from error
    except TOMLError as error:
        raise CatalogError(f"is not TOML: {error}", source=source) from error
    except ValueError as error:  # a path that no file system takes
        raise CatalogError(f"cannot be read: {error}", source=source) from error

    def read_template(name: str) -> Mapping[str, Any]:
        folder = place.parent.resolve()
        template = (folder / name).resolve()
        # A catalog file may come from someone else, so it must not read files outside its folder.
        if not template.is_relative_to(folder):
            raise ValueError(f"{quoted(name)} is outside the folder of the catalog file")
        try:
            return _template(template.read_bytes())
        except OSError as error:
            raise ValueError(f"{quoted(name)} cannot be read: {error.strerror or error}") from error

    return fixes(document, source=source, read_template=read_template)


def _template(content: bytes) -> FrozenMap:
    try:
        template = parse_json(content)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(template, dict):
        raise ValueError("is not an ARM template: not a JSON object")
    return FrozenMap(template)
