"""The architecture rules, read from the syntax trees of ``src``. Each test reports every offender at once."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "defender_remediate"
TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / PACKAGE
FILES = sorted(SOURCE.rglob("*.py"))
# From the bottom to the top: a package imports only from the rows before its own.
ROWS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "_version",
            "arm_template",
            "casing",
            "display",
            "enums",
            "errors",
            "event_payload",
            "html_text",
            "json_values",
            "limits",
            "notebook",
            "pauses",
            "public_path",
            "redaction",
            "serialization",
        }
    )
    | {"threads", "validation", "wire"},
    frozenset({"models"}),
    frozenset({"hooks"}),
    frozenset({"fixes", "journal", "progress"}),
    frozenset({"reports"}),
    frozenset({"preflight"}),
    frozenset({"catalog"}),
    frozenset({"arm"}),
    frozenset({"activity", "discovery", "executors"}),
    frozenset({"planning"}),
    frozenset({"execution"}),
    frozenset({"verification", "rollback"}),
    frozenset({"workflow"}),
    frozenset({"exemptions", "governance"}),
    frozenset({"client"}),
    frozenset({"__init__"}),
    frozenset({"testing"}),
)
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}
NO_NETWORK = frozenset({"azure", "requests", "urllib3", "http", "socket", "ssl", "tenacity", "subprocess"})
PURE = ROWS[0] | ROWS[1] | ROWS[2] | ROWS[3] | ROWS[4] | ROWS[5]
AZURE_NAMES_THAT_ARE_PASSED_ON = frozenset(
    {
        "azure.core.AzureClouds",
        "azure.core.credentials.TokenCredential",
        "azure.core.paging.ItemPaged",
        "azure.core.pipeline.transport.HttpTransport",
    }
)
PASSED_IN = frozenset(
    {
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
)
# The modules that supply the real time, ids and randomness by default.
DEFAULT_SOURCES = frozenset({"arm/clock.py", "client.py", "journal/blob.py"})
# A journal in Azure Blob Storage speaks HTTP through Azure's own client of that service.
BLOB_STORAGE = frozenset({"journal/blob.py", "journal/blob_container.py", "journal/blob_sink.py"})


def name_of(path: Path) -> str:
    """The file's path below the package, such as ``arm/session.py``."""
    return path.relative_to(SOURCE).as_posix()


def package_of(path: Path) -> str:
    """The package or top-level module that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The dotted name of everything that a file imports, wherever in it."""
    found: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def own_imports(path: Path) -> set[str]:
    """What a file imports from this package."""
    return {name for name in imports_of(path) if name.startswith(f"{PACKAGE}.")}


def package_of_import(dotted: str) -> str:
    """The package or top-level module that an imported name belongs to."""
    first = dotted.split(".")[1]
    is_package = (SOURCE / first).is_dir() or (SOURCE / f"{first}.py").is_file()
    return first if is_package else "__init__"


def dotted_name(node: ast.AST) -> str:
    """A name or attribute as it is written, such as ``time.sleep``; empty for any other expression."""
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls_of(path: Path) -> Iterator[tuple[int, str]]:
    """The line and dotted name of every call in a file."""
    for node in nodes_of(path):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted_name(node.func)


def test_every_package_has_a_row():
    """A new package states where it belongs."""
    assert not {package_of(path) for path in FILES} - ROW_OF.keys()


@pytest.mark.exhaustive
def test_no_module_imports_upwards():
    """Data flows one way, so a reader can follow it."""
    offenders = []
    for path in FILES:
        own = package_of(path)
        for name in sorted(own_imports(path)):
            used = package_of_import(name)
            is_small_mechanism = ROW_OF[used] == ROW_OF[own] == 0
            if used != own and ROW_OF[used] >= ROW_OF[own] and not is_small_mechanism:
                offenders.append(f"{name_of(path)} imports {name}")
    assert not offenders


def test_imports_are_absolute():
    """A moved file keeps working, and a search finds every use."""
    assert not [f"{name_of(path)}: {name}" for path in FILES for name in imports_of(path) if name.startswith(".")]


def module_graph() -> dict[str, set[str]]:
    """Each module with the modules of this package that it imports."""
    modules = {}
    for path in FILES:
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        imported = {target for target in own_imports(path) if target in modules}
        imported |= {target.rpartition(".")[0] for target in own_imports(path)} & modules.keys()
        # A package's own __init__ is loaded before its modules anyway.
        graph[name] = {target for target in imported if target != name and not name.startswith(f"{target}.")}
    return graph


def test_there_is_no_import_cycle():
    """Two modules that need each other are one subject in two places. Imports for type checkers count too."""
    graph = module_graph()
    while True:
        # A module without imports, or that nothing imports, is on no cycle.
        imported = set().union(*graph.values()) if graph else set()
        on_no_cycle = {name for name, targets in graph.items() if not targets or name not in imported}
        if not on_no_cycle:
            break
        graph = {name: targets - on_no_cycle for name, targets in graph.items() if name not in on_no_cycle}
    assert not graph


def test_no_two_classes_share_a_name():
    """Every concept has one word and one class."""
    places = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(name_of(path))
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_what_decides_does_not_know_azure():
    """Models, fixes, the catalog and the renderers work without a network. Only the error tree knows azure-core's."""
    offenders = []
    for path in FILES:
        if package_of(path) in PURE and name_of(path) not in BLOB_STORAGE:
            for name in imports_of(path):
                is_error_base = name_of(path) == "errors.py" and name.startswith("azure.core.exceptions.")
                if name.split(".")[0] in NO_NETWORK and not is_error_base:
                    offenders.append(f"{name_of(path)} imports {name}")
    assert not offenders


def test_only_arm_speaks_http():
    """Requests are made in ``arm`` and answered in ``testing``; other packages pass azure-core's types on at most."""
    offenders = []
    for path in FILES:
        if package_of(path) not in {"arm", "testing", "errors"} and name_of(path) not in BLOB_STORAGE:
            for name in imports_of(path):
                is_http = name.split(".")[0] in {"requests", "urllib3", "http", "socket"}
                is_azure = name.startswith("azure.") and name not in AZURE_NAMES_THAT_ARE_PASSED_ON
                if is_http or is_azure:
                    offenders.append(f"{name_of(path)} imports {name}")
    assert not offenders


def test_threads_are_started_in_one_package():
    """Everything else may be called from threads, and starts none."""
    offenders = []
    for path in FILES:
        if package_of(path) not in {"threads", "testing"}:
            offenders += [
                f"{name_of(path)} imports {name}"
                for name in imports_of(path)
                if name.split(".")[0] in {"concurrent", "multiprocessing", "asyncio"}
            ]
            offenders += [
                f"{name_of(path)}:{line} calls {name}"
                for line, name in calls_of(path)
                if name in {"threading.Thread", "threading.Timer", "Thread", "Timer"}
            ]
    assert not offenders


def test_time_ids_and_randomness_are_passed_in():
    """No code reads a clock, waits, or makes an id by itself, so a test can be at any moment."""
    offenders = []
    for path in FILES:
        if name_of(path) in DEFAULT_SOURCES:
            continue
        offenders += [
            f"{name_of(path)}:{node.lineno} uses {dotted_name(node)}"
            for node in nodes_of(path)
            if isinstance(node, ast.Attribute) and ".".join(dotted_name(node).split(".")[-2:]) in PASSED_IN
        ]
        offenders += [
            f"{name_of(path)} imports {name}"
            for name in imports_of(path)
            if name.split(".")[0] in {"random", "secrets"} or name in PASSED_IN
        ]
    assert not offenders


def test_no_code_knows_that_it_is_under_test():
    """The library imports neither its simulator nor a test framework."""
    offenders = []
    for path in FILES:
        if package_of(path) != "testing":
            offenders += [
                f"{name_of(path)} imports {name}" for name in own_imports(path) if name.startswith(f"{PACKAGE}.testing")
            ]
        offenders += [
            f"{name_of(path)} imports {name}"
            for name in imports_of(path)
            if name.split(".")[0] in {"pytest", "unittest"}
        ]
        if "PYTEST" in path.read_text(encoding="utf-8"):
            offenders.append(f"{name_of(path)} reads pytest's environment")
    assert not offenders


def test_ids_and_names_are_compared_as_azure_compares_them():
    """``str.casefold`` takes ``straße`` for ``strasse``: two resource groups would be one. See ``casing.fold``."""
    assert not [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and node.attr == "casefold"
    ]


def test_nothing_prints():
    """A library returns or logs; only hooks write to a stream that they are given."""
    assert not [f"{name_of(path)}:{line}" for path in FILES for line, name in calls_of(path) if name == "print"]


def test_names_say_what():
    """No module is a collection of things that have no name."""
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [name_of(path) for path in FILES if vague & set(path.relative_to(SOURCE).with_suffix("").parts)]


def test_the_architecture_page_names_modules_that_exist():
    """A reader who follows it finds each of them."""
    page = (TESTS.parent / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    modules = ["/tests/test_architecture.py", *(f"/{name_of(path)}" for path in FILES)]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", page)
    assert not [name for name in named if not any(f"/{name}" in module for module in modules)]


def test_packages_name_modules_that_exist():
    """The lists at the beginning of packages lead a newcomer to each module."""
    offenders = []
    for path in FILES:
        listed = re.findall(r"^(?:# )?- (``\w+``(?:, ``\w+``)*):", path.read_text(encoding="utf-8"), re.MULTILINE)
        if path.name == "__init__.py":
            names = [name for line in listed for name in re.findall(r"\w+", line)]
            offenders += [f"{name_of(path)}: {name}" for name in names if not (path.parent / f"{name}.py").is_file()]
    assert not offenders


@pytest.mark.exhaustive
def test_every_test_says_what_it_protects():
    """A test without a sentence does not say what its failure means."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in TESTS.rglob("test_*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent
