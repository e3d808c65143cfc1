"""The house rules, read from the syntax trees of ``src``."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "defender_remediate"
SOURCE = Path(__file__).parent.parent / "src" / PACKAGE
# Each room with the rooms it may import from: those in the rows above its own.
PURE = {"errors", "models", "_version"}
DECIDING = PURE | {"catalog", "planning", "journal"}
READING = DECIDING | {"arm"}
ACTING = READING | {"discovery", "activity", "executors", "preflight"}
MAY_IMPORT = {
    "_version": set(),
    "errors": set(),
    "models": {"errors"},
    "planning": PURE,
    "catalog": PURE | {"planning"},
    "journal": PURE,
    "arm": DECIDING,
    "discovery": READING,
    "activity": READING,
    "executors": READING,
    "preflight": READING,
    "engine": ACTING,
    "hooks": PURE,
    "reports": PURE,
    "client": ACTING | {"engine", "hooks", "reports"},
    "__init__": ACTING | {"engine", "hooks", "reports", "client"},
    "testing": ACTING | {"engine", "hooks", "reports", "client", "__init__"},
}
PASSED_IN = {
    "time.sleep",
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "datetime.now",
    "datetime.utcnow",
    "date.today",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
}
# The only places that know where time, ids and chance come from when nobody says.
SOURCES_OF_CHANCE = {"arm/clock.py", "client.py"}
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [path.relative_to(SOURCE).as_posix() for path in FILES]
every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_tree(path)))


@cache
def _imports(path: Path) -> frozenset[str]:
    """The dotted name of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno} imports relatively"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _room_of_import(dotted: str) -> str:
    first = dotted.split(".")[1]
    is_room = (SOURCE / first).is_dir() or (SOURCE / f"{first}.py").is_file()
    return first if is_room else "__init__"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_there_is_something_to_look_at():
    """Every room that is written has its rule."""
    assert {_room(path) for path in FILES} <= MAY_IMPORT.keys()
    assert {"models", "catalog", "planning", "arm", "engine", "client"} <= {_room(path) for path in FILES}


@every_file
def test_a_room_imports_only_from_rows_above_its_own(path):
    """Data flows one way, so a reader can follow it."""
    room = _room(path)
    used = {_room_of_import(name) for name in _imports(path) if name.split(".")[0] == PACKAGE and name != PACKAGE}
    assert used - {room} <= MAY_IMPORT[room]


@every_file
def test_what_decides_does_not_know_azure(path):
    """Models, planning, the catalog and the renderers work without azure-core, and speak to nobody."""
    speaking = {"azure", "requests", "urllib3", "http", "socket", "ssl", "tenacity", "subprocess"}
    if _room(path) in {"models", "errors", "catalog", "planning", "hooks", "reports", "journal"}:
        assert not {name.split(".")[0] for name in _imports(path)} & speaking


@every_file
def test_only_one_room_speaks_http(path):
    """Requests are made in ``arm`` (and answered in ``testing``); others pass azure-core's types on at most."""
    if _room(path) not in {"arm", "testing"}:
        names = _imports(path)
        assert not {name for name in names if name.split(".")[0] in {"requests", "urllib3", "http", "socket"}}
        assert not {name for name in names if name.startswith("azure.")} - {
            "azure.core.AzureClouds",
            "azure.core.credentials.TokenCredential",
            "azure.core.pipeline.transport.HttpTransport",
        }


@every_file
def test_only_the_engine_starts_threads(path):
    """What is not the engine may be called from threads, and starts none."""
    if _room(path) not in {"engine", "testing"}:
        names = _imports(path)
        assert not {name for name in names if name.split(".")[0] in {"concurrent", "multiprocessing", "asyncio"}}
        calls = {_dotted(node.func) for node in _nodes(path) if isinstance(node, ast.Call)}
        assert not calls & {"threading.Thread", "threading.Timer", "Thread", "Timer"}


@every_file
def test_time_ids_and_chance_are_passed_in(path):
    """No code reads a clock, waits, or makes an id by itself, so a test may be any moment."""
    if _name(path) not in SOURCES_OF_CHANCE:
        used = {_dotted(node) for node in _nodes(path) if isinstance(node, ast.Attribute)}
        assert not {name for name in used if ".".join(name.split(".")[-2:]) in PASSED_IN}
        assert not {name for name in _imports(path) if name.split(".")[0] in {"random", "secrets"}}
        assert not {name for name in _imports(path) if name in PASSED_IN}


@every_file
def test_nothing_knows_that_it_is_under_test(path):
    """The library does not import its simulator, and asks nobody whether a test runs it."""
    if _room(path) != "testing":
        assert not {name for name in _imports(path) if name.startswith(f"{PACKAGE}.testing")}
    assert not {"pytest", "unittest"} & {name.split(".")[0] for name in _imports(path)}
    assert "PYTEST" not in path.read_text(encoding="utf-8")


@every_file
def test_nothing_prints(path):
    """A library returns or logs; only hooks write to a stream that they are given."""
    calls = [node for node in _nodes(path) if isinstance(node, ast.Call)]
    assert not [node.lineno for node in calls if _dotted(node.func) == "print"]


@every_file
def test_files_and_functions_are_short(path):
    """A file over 400 lines or a function over 40 is a missing idea."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    functions = [node for node in _nodes(path) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert not {node.name: _code_lines(node) for node in functions if _code_lines(node) > 40}


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring: a full description is no complexity."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    described = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - described


@every_file
def test_names_say_what(path):
    """No drawer for things that have no name."""
    assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(
        path.relative_to(SOURCE).with_suffix("").parts
    )


def test_every_test_says_what_it_protects():
    """A test without its sentence is a riddle for whoever breaks it."""
    silent = [
        f"{path.name}:{node.lineno}"
        for path in Path(__file__).parent.rglob("test_*.py")
        for node in _nodes(path)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent
