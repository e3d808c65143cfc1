"""The functions about text."""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import ipaddress
import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.graph.kql.errors import QueryError
from defender_remediate.testing.simulator.graph.kql.values import text_of, to_dynamic


@lru_cache(maxsize=256)
def pattern(text: str) -> re.Pattern[str]:
    """Returns a compiled regular expression. Kusto's dialect is RE2; what both understand is the same.

    Raises:
        QueryError: It is no regular expression.
    """
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", text))
    except (re.error, RecursionError, OverflowError):
        raise QueryError(f"The regular expression '{text}' is invalid.") from None


def substring(source: str, start: int, length: int | None = None) -> str:
    """Returns a part of a string; a negative start counts from its end."""
    if start < 0:
        start = max(0, len(source) + start)
    return source[start:] if length is None else source[start : start + max(0, length)]


def index_of(source: str, wanted: str, start: int = 0, length: int = -1, occurrence: int = 1) -> int | None:
    """Returns where a string occurs in another; -1 if it does not."""
    if start < 0:
        start = max(0, len(source) + start)
    stop = len(source) if length < 0 else min(len(source), start + length)
    place = start - 1
    for _ in range(max(1, occurrence)):
        place = source.find(wanted, place + 1, stop)
        if place < 0:
            return -1
    return place


def index_of_pattern(source: str, wanted: str) -> int:
    """Returns where a regular expression first matches; -1 if it does not."""
    found = pattern(wanted).search(source)
    return found.start() if found else -1


def count_of(source: str, wanted: str, kind: str = "normal") -> int:
    """Returns how often a string occurs, with overlaps, or how often a regular expression matches."""
    if kind == "regex":
        return len(pattern(wanted).findall(source))
    return sum(source.startswith(wanted, place) for place in range(len(source))) if wanted else 0


def split(source: str, delimiter: str, index: int | None = None) -> list[str]:
    """Returns the parts between delimiters, or an array of the one that is wanted."""
    parts = source.split(delimiter) if delimiter else [source]
    if index is None:
        return parts
    return [parts[index]] if 0 <= index < len(parts) else []


def replace_pattern(source: str, wanted: str, new: str) -> str:
    """Replaces what a regular expression matches; a backslash and a digit in the new text stand for a group."""
    compiled = pattern(wanted)
    parts = re.split(r"[\\$](\d)", new)

    def shown(match: re.Match[str]) -> str:
        return "".join(
            part if place % 2 == 0 else (match[int(part)] or "" if int(part) <= compiled.groups else "")
            for place, part in enumerate(parts)
        )

    return compiled.sub(shown, source)


def translate(search: str, replacement: str, source: str) -> str:
    """Replaces each character of one list by that of another; the last one of the other stands for all further ones."""
    last = replacement[-1:]
    table = {ord(one): replacement[place] if place < len(replacement) else last for place, one in enumerate(search)}
    return source.translate(table)


def trim(wanted: str, source: str) -> str:
    """Removes what a regular expression matches from both ends."""
    return trim_end(wanted, trim_start(wanted, source))


def trim_start(wanted: str, source: str) -> str:
    """Removes what a regular expression matches at the start."""
    found = pattern(f"(?:{wanted})").match(source)
    return source[found.end() :] if found else source


def trim_end(wanted: str, source: str) -> str:
    """Removes what a regular expression matches at the end."""
    found = pattern(f"(?:{wanted})\\Z").search(source)
    return source[: found.start()] if found else source


def extract(wanted: str, group: int, source: str) -> str:
    """Returns a group of the first match; an empty text if nothing matches."""
    found = pattern(wanted).search(source)
    if found is None or not 0 <= group <= found.re.groups:
        return ""
    return found[group] or ""


def extract_all(wanted: str, *rest: Any) -> list[Any] | None:
    """Returns the groups of all matches: a string each, or an array where there are several groups."""
    groups, source = (rest[0], rest[1]) if len(rest) > 1 else (None, rest[0])
    compiled = pattern(wanted)
    numbers = list(range(1, compiled.groups + 1)) if groups is None else groups
    found: list[Any] = []
    for match in compiled.finditer(source):
        strings = [match[number] or "" for number in numbers]
        found.append(strings[0] if len(strings) == 1 else strings or match[0])
    return found or None


def extract_json(path: str, source: str) -> str:
    """Returns what a path such as ``$.a.b[0]`` leads to in a string in JSON."""
    value = to_dynamic(source)
    for name, index in re.findall(r"\.?([A-Za-z_]\w*)|\[(\d+)\]", path.lstrip("$")):
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        else:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    return text_of(value)


def repeated(value: str, count: int, delimiter: str = "") -> str:
    """Returns a string several times."""
    return delimiter.join([value] * max(0, min(count, 1024)))


def url_encode(value: str) -> str:
    """Returns a string as it stands in a URL."""
    return quote(value, safe="")


def url_decode(value: str) -> str:
    """Returns the text that stands in a URL."""
    return unquote(value)


def base64_encode(value: str) -> str:
    """Returns a string in base64."""
    return base64.b64encode(value.encode()).decode()


def base64_decode(value: str) -> str:
    """Returns the text that is in base64; an empty one for anything else."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def sha256(value: str) -> str:
    """Returns the SHA-256 in hexadecimal."""
    return hashlib.sha256(value.encode()).hexdigest()


def md5(value: str) -> str:
    """Returns the MD5 in hexadecimal, as the function of the query language has it."""
    return hashlib.md5(value.encode(), usedforsecurity=False).hexdigest()


def parse_url(value: str) -> dict[str, Any]:
    """Returns the parts of a URL."""
    try:
        found = urlsplit(value)
        port = found.port
    except ValueError:
        found, port = urlsplit(""), None
    return {
        "Scheme": found.scheme,
        "Host": found.hostname or "",
        "Port": "" if port is None else str(port),
        "Path": found.path,
        "Username": found.username or "",
        "Password": found.password or "",
        "Query Parameters": dict(parse_qsl(found.query)),
        "Fragment": found.fragment,
    }


def parse_query(value: str) -> dict[str, Any]:
    """Returns the parameters of the query of a URL."""
    return {"Query Parameters": dict(parse_qsl(value.lstrip("?")))}


def parse_csv(value: str) -> list[str]:
    """Returns the fields of a line of comma-separated values."""
    return next(csv.reader([value]), [])


def parse_version(value: str) -> float | None:
    """Returns a number by which versions can be compared: up to four parts of eight digits."""
    parts = value.strip().split(".")
    if not 1 <= len(parts) <= 4 or not all(re.fullmatch(r"\d{1,8}", part) for part in parts):
        return None
    number = 0
    for part in [*parts, *["0"] * (4 - len(parts))]:
        number = number * 10**8 + int(part)
    return float(number)


def _network(value: str, prefix: int = 32) -> ipaddress.IPv4Network | None:
    address, _, length = value.strip().partition("/")
    try:
        bits = min(int(length), prefix) if length else prefix
        return ipaddress.IPv4Network((address, bits), strict=False)
    except ValueError:
        return None


def parse_ipv4(value: str) -> int | None:
    """Returns an address as a number; of a range its first one."""
    found = _network(value)
    return None if found is None else int(found.network_address)


def is_private(value: str) -> bool | None:
    """Whether an address is of a private network (RFC 1918)."""
    found = _network(value)
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    return None if found is None else any(found.subnet_of(ipaddress.IPv4Network(one)) for one in private)


def is_in_range(address: str, within: str) -> bool | None:
    """Whether an address or a range is within a range."""
    inner, outer = _network(address), _network(within)
    return None if inner is None or outer is None else inner.subnet_of(outer)


def compare_ipv4(one: str, other: str, prefix: int = 32) -> int | None:
    """Compares two addresses: -1, 0 or 1; of two ranges as far as the shorter mask goes."""
    lengths = [int(text.partition("/")[2] or 32) for text in (one, other) if text.partition("/")[2].isdigit()]
    shortest = min([prefix, *lengths])
    left, right = _network(one, shortest), _network(other, shortest)
    if left is None or right is None:
        return None
    return (left.network_address > right.network_address) - (left.network_address < right.network_address)


def is_match(one: str, other: str, prefix: int = 32) -> bool | None:
    """Whether two addresses are equal as far as the shorter mask goes."""
    found = compare_ipv4(one, other, prefix)
    return None if found is None else found == 0


def mask_length(value: str) -> int | None:
    """Returns the length of the mask of a range."""
    found = _network(value)
    return None if found is None else found.prefixlen


def has_term(source: str, wanted: str) -> bool:
    """Whether a string has a term: as a whole word of letters and digits. Both have to be folded already."""
    if not wanted:
        return True
    place = source.find(wanted)
    while place >= 0:
        stop = place + len(wanted)
        is_start = place == 0 or not (source[place - 1].isalnum() and wanted[0].isalnum())
        is_end = stop == len(source) or not (source[stop].isalnum() and wanted[-1].isalnum())
        if is_start and is_end:
            return True
        place = source.find(wanted, place + 1)
    return False


def has_term_at_start(source: str, wanted: str) -> bool:
    """Whether a term of a string begins so."""
    place = source.find(wanted)
    while place >= 0:
        if place == 0 or not source[place - 1].isalnum():
            return True
        place = source.find(wanted, place + 1)
    return False


def has_term_at_end(source: str, wanted: str) -> bool:
    """Whether a term of a string ends so."""
    return has_term_at_start(source[::-1], wanted[::-1])


def has_any_index(source: str, wanted: Any) -> int:
    """Returns the place of the first of several terms that a string has; -1 if it has none."""
    folded = fold(source)
    for place, one in enumerate(wanted if isinstance(wanted, list) else [wanted]):
        if has_term(folded, fold(str(one))):
            return place
    return -1
