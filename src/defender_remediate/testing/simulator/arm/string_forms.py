"""Forms that providers ask of strings: addresses, ranges, ports, mail addresses. Each says whether a string has the form."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

_PORT = re.compile(r"\d{1,5}")
_MAIL = re.compile(r"[^@\s;,<>\"]+@[^@\s;,<>\"]+\.[^@\s;,<>\".]+")
_NUMERIC = re.compile(r"[\d.]+(/.*)?|.*:.*")
_PRIVATE = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LONGEST_STORAGE_PREFIX = 30


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_ipv4_address(text: str) -> bool:
    """Whether it is an IP address of version 4."""
    return is_address(text) and ":" not in text


def is_prefix(text: str) -> bool:
    """Whether it is an address and the length of its prefix; bits behind the prefix may be set."""
    return "/" in text and _network(text) is not None


def is_network(text: str) -> bool:
    """Whether it is a prefix without bits behind it. A string without a slash names something else, such as a service tag."""
    found = _network(text)
    return "/" not in text or (found is not None and str(found.network_address) == text.partition("/")[0].strip())


def is_rule_prefix(text: str) -> bool:
    """Whether a security rule takes it: an address, a prefix, a star or the name of a service tag."""
    return not _NUMERIC.fullmatch(text) or _network(text) is not None


def is_port_range(text: str) -> bool:
    """Whether it is a star, a port, or two ports with a hyphen, the smaller first."""
    ports = text.strip().split("-")
    if text.strip() == "*":
        return True
    if len(ports) > 2 or not all(_PORT.fullmatch(port) and int(port) <= 65535 for port in ports):
        return False
    return int(ports[0]) <= int(ports[-1])


def is_public(text: str) -> bool:
    """Whether it is an address or prefix outside the private ranges of RFC 1918."""
    found = _network(text)
    return isinstance(found, ipaddress.IPv4Network) and not any(found.overlaps(range_) for range_ in _PRIVATE)


def is_storage_rule(text: str) -> bool:
    """Whether an IP rule of a storage account takes it: public, and without a prefix longer than 30 bits."""
    length = text.partition("/")[2]
    return is_public(text) and (not length or int(length) <= _LONGEST_STORAGE_PREFIX)


def are_mail_addresses(text: str) -> bool:
    """Whether it is one mail address, or several with semicolons or commas between them; nothing at all removes them."""
    return all(_MAIL.fullmatch(part.strip()) for part in re.split("[;,]", text)) if text.strip() else True


@lru_cache(maxsize=1000)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


FORMS: Mapping[str, Callable[[str], bool]] = {
    "address": is_address,
    "IPv4 address": is_ipv4_address,
    "prefix": is_prefix,
    "network": is_network,
    "rule prefix": is_rule_prefix,
    "port range": is_port_range,
    "public": is_public,
    "storage rule": is_storage_rule,
    "mail addresses": are_mail_addresses,
}
"""The forms by the names that ``data/values.json`` uses."""
