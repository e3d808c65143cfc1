"""Makes ``catalog/data/schemas`` from the Azure management packages: what each type lets a caller write.

The packages are read, never imported: their operations say which body a PUT and a PATCH take, their models say the name,
the type, the enumeration and the visibility of each member. Run with a folder into which they were installed::

    python tools/schema_facts.py FOLDER [Microsoft.Storage/storageAccounts ...]

Types that are in the data already are made again; types that no package knows any more are kept as they were.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parent.parent / "src" / "defender_remediate" / "catalog" / "data" / "schemas"
ANY, DEPTH = "x", 7
SCALARS = {
    "str": "s", "bool": "b", "int": "i", "long": "i", "float": "n", "decimal": "n", "object": ANY, "Any": ANY,
    "datetime": "s", "timedelta": "s", "date": "s", "time": "s", "bytes": "s", "bytearray": "s", "iso-8601": "s",
    "rfc-1123": "s", "duration": "s", "base64": "s", "JSON": ANY,
}  # fmt: skip
# Below these, some member repeats whole other resources; nothing writes them from there.
CUT_RESOURCES_BELOW = 2


class Member(NamedTuple):
    """A member of a model: its JSON path, its type as written in the package, and who may set it."""

    path: tuple[str, ...]
    type: str
    access: str


class Operation(NamedTuple):
    """One request that a package knows."""

    type: str
    name: str
    method: str
    version: str
    bodies: tuple[str, ...]
    models: Path
    package: str
    takes_if_match: bool

    @property
    def shape(self) -> Any:
        """The compact form of the body; of the answer for a GET; None when the package says neither."""
        name = next((each for each in self.bodies if each in classes(self.models)), None)
        return tree(self.models, name) if name else None

    @property
    def age(self) -> tuple[str, bool]:
        """Later is newer; of one day, what is no preview."""
        return self.version[:10], len(self.version) == 10


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file of a folder, parsed."""
    for file in sorted(folder.glob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


@cache
def enums(models: Path) -> dict[str, list[str]]:
    """The values of every enumeration of a models folder."""
    found: dict[str, list[str]] = {}
    for _, tree in trees(models):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                values = [each.value for each in node.body if isinstance(each, ast.Assign)]
                strings = [each.value for each in values if isinstance(each, ast.Constant)]
                found[node.name] = [text for text in strings if isinstance(text, str)]
    return found


@cache
def classes(models: Path) -> dict[str, tuple[list[str], list[Member]]]:
    """The bases and own members of every model of a folder."""
    found: dict[str, tuple[list[str], list[Member]]] = {}
    for file, tree in trees(models):
        if file.name.startswith("_models") or file.name == "_patch.py":
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and (file.name != "_models.py" or node.name not in found):
                    bases = [ast.unparse(base).split(".")[-1].strip("\"'") for base in node.bases]
                    found[node.name] = bases, [*new_members(node), *old_members(node)]
    return found


def new_members(node: ast.ClassDef) -> Iterator[Member]:
    """The members of a model that declares them with ``rest_field``."""
    for each in node.body:
        if not (isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Call)):
            continue
        if ast.unparse(each.value.func) not in ("rest_field", "rest_discriminator"):
            continue
        given = {keyword.arg: keyword.value for keyword in each.value.keywords}
        name = ast.literal_eval(given["name"]) if "name" in given else ast.unparse(each.target)
        visible = set(ast.literal_eval(given["visibility"])) if "visibility" in given else {"create", "update"}
        access = "" if "update" in visible else "+" if "create" in visible else "-"
        if "visibility" in given and "update" in visible and not visible & {"read", "query"}:
            access = "!"
        # Each derived model knows only one value of a discriminator.
        is_word = ast.unparse(each.value.func) == "rest_discriminator"
        yield Member((name,), "str" if is_word else ast.unparse(each.annotation), access)


def old_members(node: ast.ClassDef) -> Iterator[Member]:
    """The members of a model that declares them in ``_attribute_map``; enumerations are in its constructor only."""
    assigned = {ast.unparse(each.targets[0]): each.value for each in node.body if isinstance(each, ast.Assign)}
    if "_attribute_map" not in assigned:
        return
    validation = ast.literal_eval(assigned["_validation"]) if "_validation" in assigned else {}
    annotated = {
        argument.arg: ast.unparse(argument.annotation)
        for function in node.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for argument in function.args.kwonlyargs
        if argument.annotation is not None
    }
    for attribute, declared in ast.literal_eval(assigned["_attribute_map"]).items():
        path = tuple(part.replace("\0", ".") for part in declared["key"].replace("\\.", "\0").split("."))
        is_fixed = validation.get(attribute, {}).get("readonly")
        written = declared["type"]
        if written == "str" and "_models." in annotated.get(attribute, ""):
            written = annotated[attribute]
        yield Member(path, written, "-" if is_fixed else "")


def members(models: Path, name: str) -> list[Member]:
    """The members of a model, of its bases, and of every model derived from it."""
    known = classes(models)
    found: dict[tuple[str, ...], Member] = {}
    # Only a discriminator makes a body one of the models below.
    for each in (name, *(derived(models, name) if name in polymorphic(models) else ())):
        for base in known[each][0]:
            if base in known and base != each and each == name:
                found.update((member.path, member) for member in members_of(models, base))
        found.update((member.path, member) for member in known[each][1])
    return list(found.values())


def members_of(models: Path, name: str) -> list[Member]:
    """The members of a model and of its bases, not of those derived from it."""
    bases, own = classes(models)[name]
    inherited = [
        member for base in bases if base in classes(models) and base != name for member in members_of(models, base)
    ]
    return [*inherited, *own]


@cache
def polymorphic(models: Path) -> frozenset[str]:
    """The models with a member that tells which of the models below them a body is."""
    found = set()
    for _, parsed in trees(models):
        for node in parsed.body:
            if isinstance(node, ast.ClassDef):
                source = ast.unparse(node)
                if "_subtype_map" in source or "rest_discriminator(" in source:
                    found.add(node.name)
    return frozenset(found)


@cache
def derived(models: Path, name: str) -> tuple[str, ...]:
    """Every model below this one: which of them a body is, only its discriminator tells."""
    direct = [each for each, (bases, _) in classes(models).items() if name in bases and each != name]
    return tuple(dict.fromkeys([*direct, *(lower for each in direct for lower in derived(models, each))]))


def shape(models: Path, written: str, stack: tuple[str, ...], resources: int) -> Any:
    """The compact form of a type as a package writes it."""
    text = re.sub(r"^(Optional|Required|_types\.\w+)\[(.*)\]$", r"\2", written.replace("typing.", "")).strip("\"'")
    if match := re.fullmatch(r"(?i:list)\[(.*)\]|\[(.*)\]", text):
        return {"[]": shape(models, match[1] or match[2], stack, resources)}
    if match := re.fullmatch(r"(?i:dict)\[str, (.*)\]|\{(.*)\}", text):
        return {"*": shape(models, match[1] or match[2], stack, resources)}
    if match := re.fullmatch(r"Literal\[(.*)\]", text):
        return list(ast.literal_eval(f"({match[1]},)")) if "." not in match[1] else "s"
    names = re.findall(r"_models\.(\w+)", text) or [text.split(".")[-1]]
    for name in names:
        if name in enums(models):
            return enums(models)[name]
        if name in classes(models) and (classes(models)[name][1] or classes(models)[name][0]):
            return tree(models, name, stack, resources)
    plain = next((part for part in re.split(r"[\[\], ]+", text.replace("Union", "")) if part), ANY)
    return SCALARS.get(plain.split(".")[-1], ANY)


def tree(models: Path, name: str, stack: tuple[str, ...] = (), resources: int = 0) -> Any:
    """The members of a model as nested objects; read-only members are marked with a leading minus."""
    found = members(models, name)
    heads = {member.path[0] for member in found}
    resources += {"id", "properties"} <= heads
    if name in stack or len(stack) >= DEPTH or resources > CUT_RESOURCES_BELOW:
        return ANY
    result: dict[str, Any] = {}
    for member in found:
        if member.path[-1] == "additional_properties" or "" in member.path:
            continue
        inner = shape(models, member.type, (*stack, name), resources)
        # An id within a body refers to something else, whatever the package says of it.
        if member.access == "-" and not (stack and member.path == ("id",)):
            inner = "-" + (inner if isinstance(inner, str) else ANY)
        elif member.access in ("+", "!"):
            inner = member.access + inner if isinstance(inner, str) else inner
        place = result
        for part in member.path[:-1]:
            deeper = place.get(part)
            place[part] = place = deeper if isinstance(deeper, dict) else {}
        place[member.path[-1]] = inner
    return result or ANY


def operations(package: Path) -> Iterator[Operation]:
    """Every GET, PUT and PATCH of a package."""
    label = f"azure-mgmt-{package.name}"
    for file in sorted(package.rglob("*operations/*_operations.py")):
        if "aio" in file.parts:
            continue
        parsed = ast.parse(file.read_text(encoding="utf-8"))
        bodies = {
            builder: body for node in parsed.body if isinstance(node, ast.ClassDef) for builder, body in bodied(node)
        }
        for node in parsed.body:
            if isinstance(node, ast.FunctionDef) and node.name in bodies:
                source = ast.unparse(node)
                method = re.search(r"method='(GET|PUT|PATCH)'", source)
                url = re.search(r"'(/[^']*/providers/[^']+)'", source)
                version = re.search(r"'api-version', '([^']+)'", source) or re.search(
                    r"api_version.*?'(\d{4}-[^']+)'", source
                )
                if method and url:
                    type_, name = named(url[1])
                    stamp = version[1] if version else ""
                    yield Operation(
                        type_,
                        name,
                        method[1],
                        stamp,
                        bodies[node.name],
                        file.parent.parent / "models",
                        label,
                        "'if-match'" in source.casefold(),
                    )


def named(url: str) -> tuple[str, str]:
    """The type that a URL is about, and the name where the URL fixes it."""
    namespace, *rest = url.rsplit("/providers/", 1)[1].strip("/").split("/")
    name = rest[-1] if len(rest) % 2 == 0 and rest and "{" not in rest[-1] else ""
    return "/".join([namespace, *rest[::2]]) if len(rest) % 2 == 0 else "", name


def bodied(node: ast.ClassDef) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The request builders that a class of operations calls, with the models of the body, then of the answer."""
    for function in node.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        arguments = [*function.args.args, *function.args.kwonlyargs]
        written = [ast.unparse(each.annotation) for each in arguments if each.annotation is not None]
        taken = [text for text in written if "IO[" in text or "JSON" in text]
        # Some operations take the members of a body one by one and put them together themselves.
        taken = taken or re.findall(r"_parameters = (_models\.\w+)\(", ast.unparse(function)) or written
        answer = ast.unparse(function.returns) if function.returns else ""
        models = tuple(name for text in (*taken, answer) for name in re.findall(r"_models\.(\w+)", text))
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and re.fullmatch(r"build_\w+_request", ast.unparse(call.func)):
                yield ast.unparse(call.func), models


def absent(wanted: Any, there: Any, path: str = "") -> Iterator[str]:
    """The shortest paths of members that one tree has and the other has not."""
    if isinstance(wanted, dict) and isinstance(there, dict):
        for name, inner in wanted.items():
            if isinstance(inner, str) and inner.startswith("-"):
                continue
            if name not in there or (isinstance(there[name], str) and there[name].startswith("-")):
                yield f"{path}.{name}".lstrip(".")
            else:
                yield from absent(inner, there[name], f"{path}.{name}")


def merged(whole: Any, more: Any) -> Any:
    """The write model, and what only the read model has, which is read-only."""
    if not (isinstance(whole, dict) and isinstance(more, dict)):
        return whole
    result = {name: merged(inner, more.get(name)) for name, inner in whole.items()}
    for name, inner in more.items():
        if name not in result:
            result[name] = "-" + (inner.lstrip("-+") if isinstance(inner, str) else ANY)
    return result


def facts(found: list[Operation], versions: dict[str, str]) -> dict[str, Any]:
    """What is known of one type, from the newest api-version that writes it."""
    chosen = max((each for each in found if each.method != "GET"), key=lambda each: each.age).version
    # Of several places that a type lives at, the first is the resource; what follows is subscriptions and groups.
    by_method = {each.method: each for each in reversed(found) if each.version == chosen}
    write = by_method.get("PUT") or by_method["PATCH"]
    whole, partial = write.shape, by_method["PATCH"].shape if "PATCH" in by_method else None
    takes = "none" if "PATCH" not in by_method else "properties"
    if isinstance(partial, dict) and isinstance(whole, dict) and "properties" in whole and "properties" not in partial:
        takes = "tags"
    result = {"source": f"{write.package} {versions[write.package]}", "version": chosen, "patch": takes}
    if any(each.takes_if_match for method, each in by_method.items() if method != "GET"):
        result["if_match"] = True  # type: ignore[assignment]
    missing = sorted(set(absent(whole, partial)) - {"location", "name", "id", "type"}) if takes == "properties" else []
    if missing:
        result["not_patched"] = missing  # type: ignore[assignment]
    result["members"] = merged(whole, by_method["GET"].shape) if "GET" in by_method else whole
    return result


def collect(folder: Path, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The facts of the wanted types, by provider and type."""
    versions = {
        entry.name.rsplit("-", 2)[0].replace("_", "-"): entry.name.split("-")[1].removesuffix(".dist")
        for entry in folder.glob("azure_mgmt_*.dist-info")
    }
    grouped: dict[tuple[str, str], list[Operation]] = {}
    spelled: dict[str, str] = {}
    for package in sorted((folder / "azure" / "mgmt").iterdir()):
        if f"azure-mgmt-{package.name}" in versions:
            for each in operations(package):
                if each.type.casefold() in wanted:
                    spelled.setdefault(each.type.casefold(), each.type)
                    grouped.setdefault((spelled[each.type.casefold()], each.name), []).append(each)
    return by_provider(grouped, versions)


def by_provider(grouped: dict[tuple[str, str], list[Operation]], versions: dict[str, str]) -> dict[str, dict[str, Any]]:
    """One table per provider; a fixed name is part of the key only where the names of a type differ in what they take."""
    result: dict[str, dict[str, Any]] = {}
    for (type_, name), found in grouped.items():
        provider, _, rest = type_.partition("/")
        if all(each.method == "GET" for each in found):
            continue
        table = result.setdefault(provider.casefold(), {})
        names = [each for kind, each in grouped if kind == type_]
        known = facts(found, versions)
        if len(names) == 1 or name == "" or all(facts(grouped[type_, each], versions) == known for each in names):
            table[rest] = known
        else:
            table[f"{rest}/{name}"] = known
    return result


def main(folder: str, *extra: str) -> None:
    """Write one file per provider."""
    known = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in DATA.glob("*.json")}
    wanted = {type_.casefold() for type_ in extra}
    wanted |= {f"{provider}/{name}".casefold() for provider, types in known.items() for name in types}
    wanted |= {name.rpartition("/")[0] for name in wanted}
    DATA.mkdir(exist_ok=True)
    for provider, types in collect(Path(folder), wanted).items():
        content = {**known.get(provider, {}), **types}
        lines = [f"{json.dumps(name)}:{json.dumps(content[name], separators=(',', ':'))}" for name in sorted(content)]
        (DATA / f"{provider}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
