"""The aggregates of ``summarize`` as one table: what each takes and gives, and how its column is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.dynamic_functions import key_of, merge, unique
from defender_remediate.testing.simulator.graph.kql.relation import Row
from defender_remediate.testing.simulator.graph.kql.values import Kind, plain, to_number

LIST_LIMIT = 1_048_576
"""Elements that ``make_list`` and ``make_set`` keep unless the query says less."""


@attrs.frozen
class Aggregate:
    """An aggregate.

    Attributes:
        compute: Gives the result for the values of a group, and for its further arguments.
        gives: The kind of the result; None for that of the argument.
        prefix: What stands before the argument in the name of the column; None if the column is named as the argument.
        takes_argument: Whether it has an argument to aggregate.
        has_condition: Whether its last argument is a condition for the rows that count.
        extra: How many further arguments it may have.
        extra_required: How many it needs.
    """

    compute: Callable[..., Any]
    gives: Kind | None
    prefix: str | None
    takes_argument: bool = True
    has_condition: bool = False
    extra: int = 0
    extra_required: int = 0


def known(values: Iterable[Any]) -> list[Any]:
    """Returns the values that are not null."""
    return [value for value in values if value is not None]


def _numbers(values: Iterable[Any]) -> list[Any]:
    found = [value if isinstance(value, (int, float)) else to_number(value) for value in known(values)]
    return known(found)


def _count(values: Sequence[Any]) -> int:
    return len(values)


def _count_known(values: Sequence[Any]) -> int:
    """``count(x)``: Kusto's old name of ``countif`` where x is a bool."""
    return sum(value is not None and value is not False for value in values)


def _distinct(values: Sequence[Any], accuracy: int = 1) -> int:
    del accuracy
    return len({key_of(value) for value in known(values)})


def _sum(values: Sequence[Any]) -> Any:
    spans = known(values)
    if spans and not isinstance(spans[0], (int, float, str)):
        return sum(spans[1:], spans[0])
    return sum(_numbers(values))


def _average(values: Sequence[Any]) -> Any:
    spans = known(values)
    if spans and not isinstance(spans[0], (int, float, str)):
        return sum(spans[1:], spans[0]) / len(spans)
    found = _numbers(values)
    return math.fsum(found) / len(found) if found else math.nan


def _least(values: Sequence[Any]) -> Any:
    found = known(values)
    return min(found, key=_comparable) if found else None


def _greatest(values: Sequence[Any]) -> Any:
    found = known(values)
    return max(found, key=_comparable) if found else None


def _comparable(value: Any) -> Any:
    return (1, "", value) if not isinstance(value, (str, list, dict)) else (2, str(value), 0)


def _any(values: Sequence[Any]) -> Any:
    return next((value for value in values if value is not None and value != ""), values[0] if values else None)


def _list(values: Sequence[Any], most: int = LIST_LIMIT) -> list[Any]:
    return [plain(value) for value in known(values)[:most]]


def _list_with_nulls(values: Sequence[Any]) -> list[Any]:
    return [plain(value) for value in values]


def _set(values: Sequence[Any], most: int = LIST_LIMIT) -> list[Any]:
    return [plain(value) for value in unique(known(values))[:most]]


def _bag(values: Sequence[Any], most: int = LIST_LIMIT) -> dict[str, Any]:
    return dict(list(merge(*values).items())[:most])


def percentile(values: Sequence[Any], wanted: float) -> Any:
    """Returns the value at a percentile: the nearest one that exists."""
    found = sorted(known(values))
    if not found:
        return None
    place = math.ceil(wanted / 100 * len(found)) - 1
    return found[max(0, min(place, len(found) - 1))]


def _variance(freedom: int, *, root: bool = False) -> Callable[[Sequence[Any]], float | None]:
    def compute(values: Sequence[Any]) -> float | None:
        found = _numbers(values)
        if len(found) <= freedom:
            return math.nan if not found else 0.0
        middle = math.fsum(found) / len(found)
        variance = math.fsum((value - middle) ** 2 for value in found) / (len(found) - freedom)
        return math.sqrt(variance) if root else variance

    return compute


def _bits(operation: Callable[[int, int], int]) -> Callable[[Sequence[Any]], int | None]:
    def compute(values: Sequence[Any]) -> int | None:
        found = known(values)
        return reduce(operation, found) if found else None

    return compute


def _with_conditions(plain_ones: Mapping[str, Aggregate], names: Mapping[str, str]) -> dict[str, Aggregate]:
    """The same aggregates with a condition, under the other names."""
    return {
        name: attrs.evolve(
            plain_ones[of],
            has_condition=True,
            prefix=plain_ones[of].prefix if "make" in name or "take" in name else name,
        )
        for name, of in names.items()
    }


L, R, D = Kind.LONG, Kind.REAL, Kind.DYNAMIC
_PLAIN = {
    "count": Aggregate(_count, L, "count", takes_argument=False),
    "dcount": Aggregate(_distinct, L, "dcount", extra=1),
    "count_distinct": Aggregate(_distinct, L, "count_distinct"),
    "sum": Aggregate(_sum, None, "sum"),
    "avg": Aggregate(_average, R, "avg"),
    "min": Aggregate(_least, None, "min"),
    "max": Aggregate(_greatest, None, "max"),
    "any": Aggregate(_any, None, "any"),
    "take_any": Aggregate(_any, None, None),
    "make_list": Aggregate(_list, D, "list", extra=1),
    "makelist": Aggregate(_list, D, "list", extra=1),
    "make_list_with_nulls": Aggregate(_list_with_nulls, D, "list"),
    "make_set": Aggregate(_set, D, "set", extra=1),
    "makeset": Aggregate(_set, D, "set", extra=1),
    "make_bag": Aggregate(_bag, D, "bag", extra=1),
    "make_dictionary": Aggregate(_bag, D, "dictionary", extra=1),
    "percentile": Aggregate(percentile, None, "percentile", extra=1, extra_required=1),
    "stdev": Aggregate(_variance(1, root=True), R, "stdev"),
    "stdevp": Aggregate(_variance(0, root=True), R, "stdevp"),
    "variance": Aggregate(_variance(1), R, "variance"),
    "variancep": Aggregate(_variance(0), R, "variancep"),
    "binary_all_and": Aggregate(_bits(lambda one, other: one & other), L, None),
    "binary_all_or": Aggregate(_bits(lambda one, other: one | other), L, None),
    "binary_all_xor": Aggregate(_bits(lambda one, other: one ^ other), L, None),
}
AGGREGATES: Mapping[str, Aggregate] = {
    **_PLAIN,
    **_with_conditions(
        _PLAIN,
        {
            "countif": "count",
            "dcountif": "dcount",
            "count_distinctif": "count_distinct",
            "sumif": "sum",
            "avgif": "avg",
            "minif": "min",
            "maxif": "max",
            "anyif": "any",
            "take_anyif": "take_any",
            "make_list_if": "make_list",
            "make_set_if": "make_set",
            "make_bag_if": "make_bag",
            "stdevif": "stdev",
            "varianceif": "variance",
        },
    ),
}
COUNT_OF_VALUES = Aggregate(_count_known, L, "count")
"""``count(x)``, which is not the number of rows."""
SEVERAL = frozenset(["arg_max", "arg_min", "take_any", "any", "percentiles"])
"""The aggregates that may give several columns."""


def extreme_row(rows: Sequence[Row], values: Sequence[Any], *, greatest: bool) -> Row | None:
    """Returns the row with the greatest or the least value, the first one of several; None if all are null."""
    places = [place for place, value in enumerate(values) if value is not None]
    if not places:
        return rows[0] if rows else None
    choose = max if greatest else min
    return rows[choose(places, key=lambda place: _comparable(values[place]))]
