"""Lets classes and functions show the package from which users import them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FunctionType


def show_public_path(package: str, names: Iterable[str]) -> None:
    """Set the module of the classes and functions that a package exports to the package, as shown in their ``repr``."""
    namespace = vars(sys.modules[package])
    for name in names:
        member = namespace[name]
        if isinstance(member, (type, FunctionType)) and member.__module__.startswith(f"{__package__}."):
            _DEFINED_IN.setdefault(member, member.__module__)
            member.__module__ = package


def defining_module(member: type) -> str:
    """The module whose names the annotations of a class use."""
    return _DEFINED_IN.get(member, member.__module__)


_DEFINED_IN: dict[object, str] = {}
