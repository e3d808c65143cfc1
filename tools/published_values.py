"""Writes ``data/values`` of the simulator: what the published models of the resource types say of names and values.

    python tools/published_values.py PATH_TO_A_CLONE_OF_BICEP_TYPES_AZ RECORDED_WRITES RECORDED_BODIES

The models are the ``types.md`` files of https://github.com/Azure/bicep-types-az. A word, range or length is taken if any api-version of a
type takes it; a member is required if every version that has its object requires it. The recordings are gzipped lines of JSON: ``type``,
the request ``rq`` and the status ``s`` of a write, ``type`` and ``body`` of a resource. A rule that Azure was recorded to break is left
out, and so is a required member that was in no recorded request that Azure took.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from published_types import _git

from defender_remediate.testing.simulator.state.types import shipped_types

TARGET = Path("src/defender_remediate/testing/simulator/data/values")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_MEMBER = re.compile(r"^\* \*\*(.+?)\*\*: (.*)$")
_REFERENCE = re.compile(r"\[(?:[^\]]+)\]\(#([^)]+)\)(\[\])?")
_WORD = re.compile(r"'((?:[^'\\]|\\.)*)'")
_KINDS = {"bool": "boolean", "int": "number", "string": "string"}
_DEEPEST = 7


@attrs.define
class Node:
    """What all versions say of one member."""

    words: set[str] | None = attrs.field(factory=set)
    kinds: set[str] = attrs.field(factory=set)
    least: set[float] = attrs.field(factory=set)
    most: set[float] = attrs.field(factory=set)
    patterns: set[str] = attrs.field(factory=set)
    is_open: bool = False
    seen: int = 0
    required: int = 0
    given: bool = False
    is_read_only: set[bool] = attrs.field(factory=set)
    below: dict[str, Node] = attrs.field(factory=dict)


def read(owner: Node, sections: dict[str, list[str]], title: str, above: tuple[str, ...] = ()) -> None:
    """Adds what a section says to the members of an object."""
    lines = sections.get(title, [])
    if title in above or len(above) > _DEEPEST or any("Discriminator" in line for line in lines):
        return
    owner.seen += 1
    for line in lines:
        found = _MEMBER.match(line)
        if not found or found[1] in ("apiVersion", "Readable Scope(s)", "Writable Scope(s)", "Url", "Serialized Name"):
            continue
        name, text = found.groups()
        node = owner.below.setdefault(name, Node())
        flags = re.search(r"\((?:[A-Z]\w+(?:, )?)+\)", text.split("): ")[0] + ")")
        words = flags[0] if flags else ""
        node.required += "Required" in words
        node.is_read_only.add("ReadOnly" in words)
        reference = _REFERENCE.match(text)
        if reference:
            node.kinds.add("array" if reference[2] else "object")
            read(node, sections, reference[1], (*above, title))
        else:
            _read_scalar(node, text)


def _read_scalar(node: Node, text: str) -> None:
    choice = re.match(r"\(((?:'(?:[^'\\]|\\.)*'|string| \| )+)\)\[\]", text)
    if choice:
        node.kinds.add("array")
        if node.words is not None:
            node.words |= set(_WORD.findall(choice[1]))
        return
    kind = re.match(
        r"(bool|int|string|any|'(?:[^'\\]|\\.)*')((?: \| (?:'(?:[^'\\]|\\.)*'|string))*)(\[\])?( \{)?", text
    )
    if kind is None or kind[1] == "any":
        node.kinds.add("any")
        return
    if kind[3] or text.startswith("("):
        node.kinds.add("array")
        node.words = None
        return
    if kind[1].startswith("'"):
        node.kinds.add("string")
        node.is_open = node.is_open or "string" in kind[2]
        if node.words is not None:
            node.words |= set(_WORD.findall(kind[1] + kind[2]))
        return
    node.kinds.add(_KINDS[kind[1]])
    node.words = None
    limits = text if kind[4] else ""
    for names, into in ((("minValue", "minLength"), node.least), (("maxValue", "maxLength"), node.most)):
        value = next((re.search(rf"{name}: (-?\d+)", limits) for name in names if name in limits), None)
        if value:
            into.add(float(value[1]))
    pattern = re.search(r'pattern: "(.*?)"(?:, |\})', limits)
    if pattern:
        node.patterns.add(pattern[1])


def rules(nodes: dict[str, Node], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted paths that have a rule, and the rule."""
    for name, node in sorted(nodes.items()):
        if True in node.is_read_only or "." in name or (name in ("id", "type") and not path):
            continue
        place = f"{path}.{name}" if path else name
        rule = _rule(node)
        if rule is not None:
            yield place, rule
        yield from rules(node.below, place)


def _rule(node: Node) -> Any:
    if len(node.kinds) != 1:
        return None
    kind = next(iter(node.kinds))
    if kind == "string" and node.words:
        return sorted(node.words)
    if kind == "array" and node.words:
        return {"kind": kind, "words": sorted(node.words)}
    rule: dict[str, Any] = {}
    if node.least and kind in ("number", "string"):
        rule["least"] = int(min(node.least))
    if node.most and kind in ("number", "string"):
        rule["most"] = int(max(node.most))
    pattern = next(iter(node.patterns)) if len(node.patterns) == 1 else None
    if pattern is not None and kind == "string" and _compiles(pattern):
        rule["pattern"] = pattern
    if rule and kind in ("number", "string"):
        return {"kind": kind, **rule}
    return kind if kind in ("boolean", "number", "array", "string") else None


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def required(owner: Node, path: str = "") -> Iterator[str]:
    """Yields the dotted paths of what its object has to have."""
    for name, node in sorted(owner.below.items()):
        if True in node.is_read_only or (name in ("id", "type", "name", "location") and not path):
            continue
        place = f"{path}.{name}" if path else name
        if node.required == owner.seen and node.given:
            yield place
        yield from required(node, place)


def compare(owner: Node, value: Any) -> None:
    """Removes from the rules for an object what a recorded one breaks."""
    if isinstance(value, list):
        for inner in value:
            compare(owner, inner)
    if not isinstance(value, dict):
        return
    held = {name.lower(): inner for name, inner in value.items() if inner is not None}
    for name, node in owner.below.items():
        inner = held.get(name.lower())
        if inner is None:
            node.required = -1  # Azure took an object without it
            continue
        node.given = True
        _compare_scalar(node, inner)
        compare(node, inner)


def _compare_scalar(node: Node, value: Any) -> None:
    if isinstance(value, (list, dict)) != bool(node.kinds & {"array", "object"}):
        node.kinds.add("any")
    if isinstance(value, str) and node.words is not None:
        known = {word.lower().replace(" ", "") for word in node.words}
        if not all(part in known for part in value.lower().replace(" ", "").split(",")):
            node.words = None
    if isinstance(value, list) and node.words is not None:
        known = {word.lower() for word in node.words}
        if any(isinstance(one, str) and one.lower() not in known for one in value):
            node.words = None
    size = len(value) if isinstance(value, str) else value
    if isinstance(size, (int, float)):
        if any(size < least for least in node.least):
            node.least.clear()
        if any(size > most for most in node.most):
            node.most.clear()
    if isinstance(value, str) and any(
        _compiles(pattern) and not re.search(pattern, value) for pattern in node.patterns
    ):
        node.patterns.clear()


def recorded(path: str) -> Iterator[tuple[str, Any]]:
    """Yields the type, in lower case, and the body of each recorded request that Azure took, or of each recorded resource."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            if "rq" not in one:
                yield one["type"], one.get("body")
            elif one["s"] < 400 and one["m"] in ("PUT", "PATCH"):
                yield one["type"], one["rq"]


def main() -> None:
    """Writes a file for each provider."""
    git_directory, *recordings = sys.argv[1:]
    wanted = {name: kind.name for name, kind in shipped_types().items() if not kind.routed}
    spaces = {name.split("/")[0] for name in wanted}
    files = _git(git_directory, "ls-tree", "-r", "HEAD", "generated/").splitlines()
    pages = [
        line.split() for line in files if line.endswith("/types.md") and line.split()[3].split("/")[2].lower() in spaces
    ]
    models: dict[str, Node] = defaultdict(Node)
    for page in pages:
        text = _git(git_directory, "cat-file", "blob", page[2])
        parts = _SECTION.split(text)
        sections: dict[str, list[str]] = {}
        titles = []
        for title, content in zip(parts[1::2], parts[2::2], strict=True):
            sections[re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))] = content.splitlines()
            titles.append(title)
        for title in titles:
            found = re.match(r"Resource ([\w./]+)@(\S+)", title)
            if found and found[1].lower() in wanted:
                key = re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))
                models[wanted[found[1].lower()]].below.pop("name", None)  # the newest version says what a name may be
                read(models[wanted[found[1].lower()]], sections, key)
    for path in recordings:
        for type_name, body in recorded(path):
            if type_name in wanted:
                compare(models[wanted[type_name]], body)
    TARGET.mkdir(exist_ok=True)
    by_provider: dict[str, dict[str, Any]] = defaultdict(dict)
    for type_name, model in sorted(models.items()):
        name = model.below.pop("name", None)
        namespace, _, rest = type_name.partition("/")
        by_provider[namespace][rest] = {
            "name": None if name is None or name.is_open or isinstance(_rule(name), str) else _rule(name),
            "required": list(required(model)),
            "values": dict(rules(model.below)),
        }
    for namespace, types in by_provider.items():
        rows = [f" {json.dumps(name)}: {json.dumps(content, ensure_ascii=False)}" for name, content in types.items()]
        (TARGET / f"{namespace}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
