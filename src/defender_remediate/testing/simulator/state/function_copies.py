"""Copies of functions that refer to the state of a tenant."""

from __future__ import annotations

import types
from copy import deepcopy
from typing import Any


def copied_function(function: Any, memo: dict[int, Any]) -> Any:
    """Returns a copy of a function that uses the copies of what it used; ``deepcopy`` alone would share these."""
    if not isinstance(function, types.FunctionType) or function.__closure__ is None:
        return deepcopy(function, memo)
    if id(function) in memo:
        return memo[id(function)]
    cells = tuple(memo.setdefault(id(cell), types.CellType()) for cell in function.__closure__)
    made = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    memo[id(function)] = made
    for cell, original in zip(cells, function.__closure__, strict=True):
        cell.cell_contents = copied_function(original.cell_contents, memo)
    return made
