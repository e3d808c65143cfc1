"""Lets classes and functions show the package from which users import them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FunctionType


def show_public_path(package: str, names: Iterable[str]) -> None:
    """Set the module of the classes and functions that a package exports to the package, as shown in their ``repr``."""
    namespace = vars(sys.modules[package])
    show_in(package, *(namespace[name] for name in names))


def show_in(package: str, *members: object) -> None:
    """The same for the members of a module that the package loads when they are first used."""
    for member in members:
        if isinstance(member, (type, FunctionType)) and member.__module__.startswith(f"{__package__}."):
            _DEFINED_IN.setdefault(member, member.__module__)
            member.__module__ = package


def defining_module(member: type) -> str:
    """The module whose names the annotations of a class use."""
    return _DEFINED_IN.get(member, member.__module__)


_DEFINED_IN: dict[object, str] = {}
