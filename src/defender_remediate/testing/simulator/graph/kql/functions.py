"""The functions of the query language as one table: what each takes and gives, and how its result is named.

Arity, kinds of results and names of columns are those of Kusto's published grammar. What answers differently each time
(``rand``, ``new_guid``) is not among them: a simulation gives the same answer twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql import dynamic_functions as dynamic
from defender_remediate.testing.simulator.graph.kql import number_functions as number
from defender_remediate.testing.simulator.graph.kql import text_functions as text
from defender_remediate.testing.simulator.graph.kql import time_functions as time
from defender_remediate.testing.simulator.graph.kql import values
from defender_remediate.testing.simulator.graph.kql.values import Kind

B, L, R, S, D, T, P = Kind.BOOL, Kind.LONG, Kind.REAL, Kind.STRING, Kind.DYNAMIC, Kind.DATETIME, Kind.TIMESPAN
ANY = None
NUMBERED, OF_FIRST, NAME_AND_FIRST = "numbered", "of_first", "name_and_first"


@attrs.frozen
class Function:
    """A function.

    Attributes:
        takes: The kinds of the parameters; ``ANY`` takes a value as it is. An argument of another kind is converted.
        gives: The kind of the result; None for that of the first argument, a dynamic one being a real.
        call: Computes the result.
        required: How many arguments it needs.
        repeats: Whether the last parameter may be given again and again.
        naming: How a column of its results is named: with a number, as its first argument, or as both.
        is_typed: Whether one more argument, ``typeof(...)``, may name the kind of the result.
        takes_nulls: Whether it is called with null; otherwise null gives null.
    """

    takes: tuple[Kind | None, ...]
    gives: Kind | None
    call: Callable[..., Any]
    required: int
    repeats: bool = False
    naming: str = NUMBERED
    takes_nulls: bool = False
    is_typed: bool = False


def _of(
    takes: tuple[Kind | None, ...],
    gives: Kind | None,
    call: Callable[..., Any],
    *,
    optional: int = 0,
    repeats: bool = False,
    naming: str = NUMBERED,
    takes_nulls: bool = False,
) -> Function:
    return Function(takes, gives, call, len(takes) - optional, repeats, naming, takes_nulls)


def _conversion(kind: Kind) -> Function:
    return _of((ANY,), kind, values.CONVERSIONS[kind], naming=OF_FIRST)


_CONVERSIONS = {
    "tobool": _conversion(B),
    "toboolean": _conversion(B),
    "toint": _conversion(Kind.INT),
    "tolong": _conversion(L),
    "todouble": _conversion(R),
    "toreal": _conversion(R),
    "todecimal": _conversion(R),
    "tostring": _of((S,), S, str, naming=OF_FIRST),
    "todatetime": _conversion(T),
    "totimespan": _conversion(P),
    "toguid": _conversion(Kind.GUID),
    "todynamic": _of((ANY,), D, values.to_dynamic, naming=OF_FIRST),
    "parse_json": _of((ANY,), D, values.to_dynamic, naming=OF_FIRST),
    "parsejson": _of((ANY,), D, values.to_dynamic, naming=OF_FIRST),
    "dynamic_to_json": _of((ANY,), S, values.text_of),
    "gettype": _of((ANY,), S, dynamic.type_name, takes_nulls=True),
    "tohex": _of((L, L), S, number.hexadecimal, optional=1, naming=OF_FIRST),
}
_TESTS = {
    "not": _of((B,), B, lambda value: not value),
    "isnull": _of((ANY,), B, lambda value: value is None, takes_nulls=True),
    "isnotnull": _of((ANY,), B, lambda value: value is not None, takes_nulls=True),
    "notnull": _of((ANY,), B, lambda value: value is not None, takes_nulls=True),
    "isempty": _of((ANY,), B, lambda value: value is None or value == "", takes_nulls=True),
    "isnotempty": _of((ANY,), B, lambda value: value is not None and value != "", takes_nulls=True),
    "notempty": _of((ANY,), B, lambda value: value is not None and value != "", takes_nulls=True),
    "isnan": _of((R,), B, number.is_nan),
    "isinf": _of((R,), B, number.is_infinite),
    "isfinite": _of((R,), B, number.is_finite),
}
_TEXTS = {
    "strcat": _of((S,), S, lambda *parts: "".join(parts), repeats=True),
    "strcat_delim": _of((S, S), S, lambda mark, *parts: mark.join(parts), repeats=True),
    "strlen": _of((S,), L, len, naming=NAME_AND_FIRST),
    "string_size": _of((S,), L, lambda value: len(value.encode()), naming=NAME_AND_FIRST),
    "tolower": _of((S,), S, str.lower),
    "toupper": _of((S,), S, str.upper),
    "substring": _of((S, L, L), S, text.substring, optional=1),
    "indexof": _of((S, S, L, L, L), L, text.index_of, optional=3),
    "indexof_regex": _of((S, S), L, text.index_of_pattern),
    "countof": _of((S, S, S), L, text.count_of, optional=1),
    "split": _of((S, S, L), D, text.split, optional=1, naming=OF_FIRST),
    "replace": _of((S, S, S), S, lambda pattern, new, source: text.replace_pattern(source, pattern, new)),
    "replace_regex": _of((S, S, S), S, text.replace_pattern),
    "replace_string": _of((S, S, S), S, lambda source, old, new: source.replace(old, new) if old else source),
    "translate": _of((S, S, S), S, text.translate),
    "trim": _of((S, S), S, text.trim),
    "trim_start": _of((S, S), S, text.trim_start),
    "trim_end": _of((S, S), S, text.trim_end),
    "extract": attrs.evolve(_of((S, L, S), S, text.extract), is_typed=True),
    "extract_all": _of((S, ANY, S), D, text.extract_all, optional=1),
    "extract_json": attrs.evolve(_of((S, S), S, text.extract_json), is_typed=True),
    "reverse": _of((S,), S, lambda value: value[::-1]),
    "strcmp": _of((S, S), L, lambda one, other: (one > other) - (one < other)),
    "strrep": _of((S, L, S), S, text.repeated, optional=1),
    "url_encode": _of((S,), S, text.url_encode),
    "url_encode_component": _of((S,), S, text.url_encode),
    "url_decode": _of((S,), S, text.url_decode),
    "base64_encode_tostring": _of((S,), S, text.base64_encode),
    "base64_decode_tostring": _of((S,), S, text.base64_decode),
    "hash_sha256": _of((S,), S, text.sha256),
    "hash_md5": _of((S,), S, text.md5),
    "parse_url": _of((S,), D, text.parse_url),
    "parse_urlquery": _of((S,), D, text.parse_query),
    "parse_csv": _of((S,), D, text.parse_csv, naming=OF_FIRST),
    "parse_version": _of((S,), R, text.parse_version),
    "parse_ipv4": _of((S,), L, text.parse_ipv4),
    "ipv4_is_private": _of((S,), B, text.is_private),
    "ipv4_is_in_range": _of((S, S), B, text.is_in_range),
    "ipv4_is_match": _of((S, S, L), B, text.is_match, optional=1),
    "ipv4_compare": _of((S, S, L), L, text.compare_ipv4, optional=1),
    "ipv4_netmask_suffix": _of((S,), L, text.mask_length),
    "has_any_index": _of((S, D), L, text.has_any_index),
}
_DYNAMICS = {
    "strcat_array": _of((D, S), S, dynamic.join),
    "array_length": _of((D,), L, dynamic.length),
    "array_concat": _of((D,), D, dynamic.concat, repeats=True),
    "array_index_of": _of((D, ANY, L), L, dynamic.index_of, optional=1),
    "array_slice": _of((D, L, L), D, dynamic.slice_of),
    "array_split": _of((D, ANY), D, dynamic.split),
    "array_sum": _of((D,), R, dynamic.total),
    "array_reverse": _of((D,), D, dynamic.reverse),
    "array_sort_asc": _of((D,), D, dynamic.ascending),
    "array_sort_desc": _of((D,), D, dynamic.descending),
    "array_iff": _of((D, ANY, ANY), D, dynamic.choose),
    "array_iif": _of((D, ANY, ANY), D, dynamic.choose),
    "set_has_element": _of((D, ANY), B, dynamic.has_element),
    "set_union": _of((D, D), D, dynamic.union, repeats=True),
    "set_intersect": _of((D, D), D, dynamic.intersect, repeats=True),
    "set_difference": _of((D, D), D, dynamic.difference, repeats=True),
    "bag_keys": _of((D,), D, dynamic.keys),
    "bag_has_key": _of((D, S), B, dynamic.has_key),
    "bag_merge": _of((D,), D, dynamic.merge, repeats=True, takes_nulls=True),
    "bag_remove_keys": _of((D, D), D, dynamic.without_keys),
    "bag_set_key": _of((D, S, ANY), D, dynamic.with_key, takes_nulls=True),
    "bag_pack": _of((S, ANY), D, dynamic.pack, repeats=True, takes_nulls=True),
    "pack": _of((S, ANY), D, dynamic.pack, repeats=True, takes_nulls=True),
    "pack_dictionary": _of((S, ANY), D, dynamic.pack, repeats=True, takes_nulls=True),
    "pack_array": _of((ANY,), D, lambda *items: list(items), repeats=True, takes_nulls=True),
    "range": _of((ANY, ANY, ANY), D, dynamic.range_of, optional=1),
    "repeat": _of((ANY, L), D, lambda value, count: [value] * max(0, min(count, 4096))),
    "zip": _of((D, D), D, dynamic.zip_arrays, repeats=True),
}
_NUMBERS = {
    "abs": _of((ANY,), None, number.absolute, naming=OF_FIRST),
    "sign": _of((R,), R, number.sign),
    "ceiling": _of((R,), None, number.ceiling, naming=OF_FIRST),
    "round": _of((R, L), R, number.rounded, optional=1, naming=OF_FIRST),
    "bin": _of((ANY, ANY), None, number.bin_of, naming=OF_FIRST),
    "floor": _of((ANY, ANY), None, number.bin_of, optional=1, naming=OF_FIRST),
    "bin_at": _of((ANY, ANY, ANY), None, number.bin_at, naming=OF_FIRST),
    "pow": _of((R, R), R, number.power, naming=OF_FIRST),
    "sqrt": _of((R,), R, number.square_root, naming=OF_FIRST),
    "exp": _of((R,), R, number.exponential, naming=OF_FIRST),
    "exp2": _of((R,), R, lambda value: number.power(2.0, value), naming=OF_FIRST),
    "exp10": _of((R,), R, lambda value: number.power(10.0, value), naming=OF_FIRST),
    "log": _of((R,), R, number.logarithm, naming=OF_FIRST),
    "log2": _of((R,), R, lambda value: number.logarithm(value, 2.0), naming=OF_FIRST),
    "log10": _of((R,), R, lambda value: number.logarithm(value, 10.0), naming=OF_FIRST),
    "binary_and": _of((L, L), L, lambda one, other: one & other, naming=OF_FIRST),
    "binary_or": _of((L, L), L, lambda one, other: one | other, naming=OF_FIRST),
    "binary_xor": _of((L, L), L, lambda one, other: one ^ other, naming=OF_FIRST),
}
_TIMES = {
    "datetime_add": _of((S, L, T), T, time.add),
    "datetime_diff": _of((S, T, T), L, time.difference),
    "datetime_part": _of((S, T), L, time.part),
    "format_datetime": _of((T, S), S, time.format_instant, naming=OF_FIRST),
    "format_timespan": _of((P, S), S, time.format_span, naming=OF_FIRST),
    "make_datetime": _of((L, L, L, L, L, R), T, time.make, optional=3),
    "make_timespan": _of((L, L, R), P, time.make_span, optional=1),
    "startofday": _of((T, L), T, time.start_of("day"), optional=1, naming=OF_FIRST),
    "startofweek": _of((T, L), T, time.start_of("week"), optional=1),
    "startofmonth": _of((T, L), T, time.start_of("month"), optional=1),
    "startofyear": _of((T, L), T, time.start_of("year"), optional=1),
    "endofday": _of((T, L), T, time.end_of("day"), optional=1),
    "endofweek": _of((T, L), T, time.end_of("week"), optional=1),
    "endofmonth": _of((T, L), T, time.end_of("month"), optional=1),
    "endofyear": _of((T, L), T, time.end_of("year"), optional=1),
    "dayofweek": _of((T,), P, time.day_of_week),
    "dayofmonth": _of((T,), Kind.INT, lambda moment: moment.day),
    "dayofyear": _of((T,), Kind.INT, lambda moment: moment.timetuple().tm_yday),
    "monthofyear": _of((T,), Kind.INT, lambda moment: moment.month),
    "getmonth": _of((T,), Kind.INT, lambda moment: moment.month),
    "getyear": _of((T,), Kind.INT, lambda moment: moment.year),
    "hourofday": _of((T,), Kind.INT, lambda moment: moment.hour),
    "week_of_year": _of((T,), Kind.INT, lambda moment: moment.isocalendar()[1]),
    "unixtime_seconds_todatetime": _of((R,), T, time.from_seconds),
    "unixtime_milliseconds_todatetime": _of((R,), T, lambda value: time.from_seconds(value / 1000)),
}
FUNCTIONS: Mapping[str, Function] = {**_CONVERSIONS, **_TESTS, **_TEXTS, **_DYNAMICS, **_NUMBERS, **_TIMES}
