"""``mv-expand``, ``parse`` and ``bag_unpack``."""

from __future__ import annotations

import re
from typing import Any

from defender_remediate.testing.simulator.graph.kql.compiled import converted
from defender_remediate.testing.simulator.graph.kql.compiler import compiled
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.relation import Column, Relation, Row, forced, place_of
from defender_remediate.testing.simulator.graph.kql.scope import NameScope, result_name
from defender_remediate.testing.simulator.graph.kql.syntax import MvExpand, Parse, ParsePart, Unpack
from defender_remediate.testing.simulator.graph.kql.values import CONVERSIONS, NUMBERS, Kind

MOST_EXPANDED = 400
"""The largest limit of ``mv-expand`` that Azure documents."""


def expanded(stage: MvExpand, relation: Relation, scope: NameScope) -> Relation:
    """Returns a row for each element of arrays. What is no array stays; a row with an empty array is dropped."""
    if stage.limit > MOST_EXPANDED:
        raise QueryError(f"'mv-expand' operator: its limit is {stage.limit}, not at most {MOST_EXPANDED}.")
    scope = scope.over(relation.columns, "mv-expand")
    columns = list(relation.columns)
    sources, targets = [], []
    for number, item in enumerate(stage.columns):
        source = compiled(item.value, scope)
        name = item.name or result_name(item.value) or f"Column{number + 1}"
        kind = item.kind or Kind.DYNAMIC
        place = place_of(columns, name)
        if place is None:
            place = len(columns)
            columns.append(Column(name, kind))
        else:
            columns[place] = Column(name, kind)
        sources.append(source.read)
        targets.append((place, CONVERSIONS[kind]))
    if stage.index_column:
        columns.append(Column(stage.index_column, Kind.LONG))
    width = len(columns)
    rows: list[Row] = []
    for row in relation.rows:
        parts = [_elements(read(row), bags_as_arrays=stage.bags_as_arrays) for read in sources]
        count = min(max(map(len, parts)), stage.limit)
        for index in range(count):
            cells = [*row, *[None] * (width - len(row))]
            for (place, convert), part in zip(targets, parts, strict=True):
                cells[place] = convert(part[index] if index < len(part) else None)
            if stage.index_column:
                cells[-1] = index
            rows.append(tuple(cells))
    return Relation(tuple(columns), rows)


def _elements(value: Any, *, bags_as_arrays: bool) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if bags_as_arrays:
            return [[name, item] for name, item in value.items()]
        return [{name: item} for name, item in value.items()]
    return [value]


def parsed(stage: Parse, relation: Relation, scope: NameScope) -> Relation:
    """Returns the rows with the columns that a pattern finds in a string; without a match they are empty."""
    read = converted(compiled(stage.value, scope.over(relation.columns, "parse")), Kind.STRING).read
    wanted = [part for part in stage.parts if part.column is not None]
    matcher = re.compile(_pattern(stage), re.DOTALL)
    columns = list(relation.columns)
    places = []
    for part in wanted:
        place = place_of(columns, str(part.column))
        if place is None:
            place = len(columns)
            columns.append(Column(str(part.column), part.kind))
        else:
            columns[place] = Column(str(part.column), part.kind)
        places.append(place)
    rows = []
    for row in relation.rows:
        match = matcher.fullmatch(read(row))
        if match is None and stage.is_filter:
            continue
        cells = [*row, *[None] * (len(columns) - len(row))]
        for place, part, text in zip(places, wanted, match.groups() if match else [""] * len(wanted), strict=True):
            cells[place] = CONVERSIONS[part.kind](text)
        rows.append(tuple(cells))
    return Relation(tuple(columns), rows)


def _pattern(stage: Parse) -> str:
    text = ""
    for place, part in enumerate(stage.parts):
        is_last = place == len(stage.parts) - 1
        if part.text is not None:
            text += part.text if stage.mode == "regex" else re.escape(part.text)
        elif part.column is None:
            text += ".*" if is_last else ".*?"
        else:
            text += f"({_value_pattern(stage, part)}{'' if is_last or part.kind in NUMBERS else '?'})"
    return text


def _value_pattern(stage: Parse, part: ParsePart) -> str:
    if part.kind in NUMBERS and stage.mode != "relaxed":
        return r"\s*[+-]?\d+(?:\.\d+)?\s*"
    return ".*"


def unpacked(stage: Unpack, relation: Relation) -> Relation:
    """Returns the rows with the members of a bag as columns instead of the bag. A name that is taken is refused."""
    place = relation.place(stage.column)
    if place is None or relation.columns[place].kind is not Kind.DYNAMIC:
        raise QueryError(f"evaluate bag_unpack(): the column '{stage.column}' is not of the type dynamic.")
    rows = relation.whole()
    bags = [bag if isinstance(bag := forced(row[place]), dict) else {} for row in rows]
    kinds: dict[str, Kind] = {}
    for bag in bags:
        for name, value in bag.items():
            kind = _kind_of(value)
            kinds[name] = kind if value is None or kinds.get(name, kind) is kind else Kind.DYNAMIC
    rest = [column for number, column in enumerate(relation.columns) if number != place]
    added = [Column(stage.prefix + name, kinds[name]) for name in sorted(kinds)]
    taken = {column.name for column in rest}
    for column in added:
        if column.name in taken:
            raise QueryError(f"evaluate bag_unpack(): the column '{column.name}' exists already.")
    shown = []
    for row, bag in zip(rows, bags, strict=True):
        cells = [cell for number, cell in enumerate(row) if number != place]
        members = [CONVERSIONS[kinds[name]](bag.get(name)) for name in sorted(kinds)]
        shown.append((*cells, *members))
    return Relation((*rest, *added), shown)


def _kind_of(value: Any) -> Kind:
    kinds = {bool: Kind.BOOL, int: Kind.LONG, float: Kind.REAL, str: Kind.STRING}
    return kinds.get(type(value), Kind.DYNAMIC)
