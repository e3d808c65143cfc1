"""What users may rely on: the names, that each is described, and that importing them is cheap."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import operator
import pickle
import re
import subprocess
import sys
import typing
from datetime import time
from pathlib import Path
from typing import get_origin

import attrs
import pytest

import defender_remediate
from defender_remediate import Guards, MaintenanceWindow, Waves
from defender_remediate.enums import StrEnum
from defender_remediate.models import FixParameter
from defender_remediate.public_path import defining_module
from defender_remediate.serialization import Value

MODULES = ["catalog", "errors", "executors", "hooks", "journal", "models", "preflight", "reports", "testing"]
# Loaded when they are used, so that a runbook that only lists starts quickly.
LAZY = [
    "requests",
    "azure.identity",
    "azure.mgmt",
    "filelock",
    "platformdirs",
    "tenacity",
    "defender_remediate.journal",
    "defender_remediate.testing",
    "defender_remediate.catalog",
]
PAGES = Path(__file__).parent.parent / "docs" / "reference"


def public_modules():
    """The package and every module of it that is documented."""
    return [defender_remediate, *(importlib.import_module(f"defender_remediate.{name}") for name in MODULES)]


def public_classes():
    """Every class of this library that a public module exports."""
    found = {}
    for module in public_modules():
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member) and not issubclass(member, BaseException):
                found[member] = f"{module.__name__}.{name}"
    return found


def test_members_of_enumerations_are_named_as_their_values():
    """Who has read a word in a report or in JSON can type it: the member has the same name."""
    renamed = [
        f"{path}.{member.name} is {member.value!r}"
        for kind, path in public_classes().items()
        if issubclass(kind, StrEnum)
        for member in kind
        if member.name.lower() != member.value
    ]
    assert not renamed


def test_all_is_sorted_and_whole():
    """``__all__`` is in order, and every class that the package shows is in it."""
    assert sorted(defender_remediate.__all__) == defender_remediate.__all__
    shown = {
        name
        for name, member in vars(defender_remediate).items()
        if inspect.isclass(member) and member.__module__.startswith("defender_remediate")
    }
    assert shown <= set(defender_remediate.__all__)
    assert set(defender_remediate.__all__) <= set(dir(defender_remediate))


def test_an_unknown_name_is_an_attribute_error():
    """A typo is told as Python tells it."""
    with pytest.raises(AttributeError, match="no attribute 'RemediationKlient'"):
        operator.attrgetter("RemediationKlient")(defender_remediate)
    with pytest.raises(AttributeError, match="no attribute 'Assesment'"):
        operator.attrgetter("models.Assesment")(defender_remediate)
    assert set(defender_remediate.models.__all__) <= set(dir(defender_remediate.models))


def test_what_is_loaded_late_shows_its_public_path_however_it_is_reached():
    """Also where a module of the library is imported before someone asks the package for the class."""
    program = "from defender_remediate.models.waves import Waves; print(Waves.__module__)"
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "defender_remediate.models"


def test_the_root_has_what_a_script_needs_and_no_more():
    """A newcomer can read the list of names in a minute; everything else has a package of its own."""
    assert len(defender_remediate.__all__) <= 30


def test_every_public_module_names_what_it_offers():
    """A module has a description, a sorted ``__all__``, and a description for each name in it."""
    problems = []
    for module in public_modules():
        if not (module.__doc__ or "").strip():
            problems.append(f"{module.__name__} has no description")
        if sorted(module.__all__) != list(module.__all__):
            problems.append(f"{module.__name__}.__all__ is not sorted")
        for name in module.__all__:
            member = getattr(module, name)
            is_alias = get_origin(member) is not None
            described = (inspect.isclass(member) or inspect.isroutine(member)) and not is_alias
            if described and not (inspect.getdoc(member) or "").strip():
                problems.append(f"{module.__name__}.{name} has no description")
    assert not problems


def test_every_public_method_is_described():
    """Each public method and property of a public class says what it does."""
    silent = []
    for cls, path in public_classes().items():
        for name, member in vars(cls).items():
            is_method = isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member)
            if is_method and not name.startswith("_") and not (inspect.getdoc(getattr(cls, name)) or "").strip():
                silent.append(f"{path}.{name}")
    assert not silent


def test_every_value_is_public():
    """What a method of the client can return, a user can import from one place."""
    from defender_remediate import models

    folder = Path(models.__file__).parent
    # What lays out a printed text is returned by nothing.
    values = {path for path in folder.glob("*.py") if "text" not in path.stem.split("_")}
    defined = {
        node.name
        for path in values
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert defined <= set(models.__all__)


def test_classes_show_where_they_are_imported_from():
    """A ``repr`` or an error message names a module that exports the class, not the one that happens to define it."""
    hidden = []
    for module in public_modules():
        for name in module.__all__:
            member = getattr(module, name)
            is_own = inspect.isclass(member) and member.__module__.startswith("defender_remediate")
            if is_own and getattr(sys.modules[member.__module__], name, None) is not member:
                hidden.append(f"{member.__module__}.{name}")
            if is_own and member.__module__ not in {each.__name__ for each in public_modules()}:
                hidden.append(f"{member.__module__}.{name} is not public")
    assert not hidden


def test_the_annotations_of_values_can_be_resolved():
    """Plans and reports are read back by them, although the classes name another module as theirs."""
    from defender_remediate import models

    for name in models.__all__:
        member = getattr(models, name)
        if inspect.isclass(member) and attrs.has(member):
            assert typing.get_type_hints(member, vars(sys.modules[defining_module(member)]))


def test_value_classes_are_frozen_and_keyword_only():
    """A value cannot change, and its arguments have names."""
    from defender_remediate import models

    loose = []
    for name in models.__all__:
        cls = getattr(models, name)
        if inspect.isclass(cls) and attrs.has(cls):
            is_frozen = cls.__setattr__ is not object.__setattr__ and hasattr(cls, "__slots__")
            if not is_frozen or not all(field.kw_only for field in attrs.fields(cls) if field.init):
                loose.append(name)
    assert not loose


def test_every_value_can_be_plain_data(make_report, make_result):
    """``to_dict()`` of each class of values gives what ``json.dumps`` takes, with its attributes as keys."""
    from defender_remediate import hooks, models

    members = [getattr(module, name) for module in (models, hooks) for name in module.__all__]
    values = [cls for cls in members if inspect.isclass(cls) and attrs.has(cls)]
    assert not [cls.__name__ for cls in values if not issubclass(cls, Value)]
    finished = hooks.RunFinished(report=make_report(results=(make_result(before={"adminPassword": "x"}),)))
    data = finished.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert list(data["report"]) == [field.name for field in attrs.fields(models.RemediationReport)] + ["summary"]
    result, plan = data["report"]["results"][0], data["report"]["plan"]
    assert (result["outcome"], result["verified"]) == ("applied", "confirmed_by_defender")
    assert result["before"] == {"adminPassword": "(hidden)"}
    assert plan["created_at"] == "2026-11-23T12:00:00+00:00"
    assert plan["digest"] == finished.report.plan.digest
    assert "before" not in plan["steps"][0]["changes"][1]


def test_plain_data_has_no_value_that_json_does_not_know():
    """Times of the clock, zones, sets, functions and numbers without end."""
    window = MaintenanceWindow(start=time(22), end=time(4))
    guards = Guards(window=window, protected_names=["st*"]).to_dict()
    assert guards["window"]["start"] == "22:00:00"
    assert guards["window"]["zone"] == "UTC"
    waves = Waves(max_failures=float("inf"), gate=bool).to_dict()
    assert (waves["max_failures"], waves["gate"]) == ("inf", "<class 'bool'>")
    assert FixParameter(name="x", type="string", description="", default=frozenset({2, 1})).to_dict()["default"] == [
        1,
        2,
    ]
    assert json.dumps([guards, waves], allow_nan=False)


def test_everything_in_the_reference_can_be_imported_from_where_it_says():
    """The path that the documentation shows is the path that a user writes."""
    wrong = []
    for page in PAGES.glob("*.md"):
        for path in re.findall(r"autoclass:: ([\w.]+)", page.read_text(encoding="utf-8")):
            module, _, name = path.rpartition(".")
            if not hasattr(importlib.import_module(module), name):
                wrong.append(path)
    assert not wrong


def test_every_public_class_is_in_the_reference():
    """A class that users may import has its place in the documentation; the errors have a page of their own."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    described = set(re.findall(r"autoclass:: [\w.]*?(\w+)\n", text))
    exempt = {"DefenderRemediateError"}
    from defender_remediate import hooks, models

    names = {*defender_remediate.__all__, *models.__all__} - exempt
    members = {name: getattr(defender_remediate, name, getattr(models, name, None)) for name in names - described}
    # Python 3.10 takes an alias such as Callable[..., bool] for a class.
    missing = sorted(name for name, member in members.items() if inspect.isclass(member) and get_origin(member) is None)
    assert not missing
    assert "automodule:: defender_remediate.hooks" in text, hooks.__all__


def test_values_print_themselves(make_plan, make_step, make_result, make_report):
    """The repr of a value names its class and stays short."""
    for value in (make_plan(), make_step(), make_result(), make_report()):
        assert repr(value).startswith(f"{type(value).__name__}(")
        assert len(repr(make_report())) < 1500
        assert pickle.loads(pickle.dumps(value)) == value


def _loaded_after(code: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "code", ["import defender_remediate", "from defender_remediate import RemediationClient, Guards"]
)
def test_importing_loads_nothing_that_is_not_used(code):
    """No HTTP library, no credential, no generated client, no simulator and no catalog before the first use."""
    loaded = _loaded_after(code)
    assert "defender_remediate.client" in loaded
    assert not [name for name in loaded for lazy in LAZY if name == lazy or name.startswith(f"{lazy}.")]


def test_making_a_client_loads_no_credential_and_no_simulator():
    """A client is wired without azure-identity, the deployments client, the catalog or the simulator."""
    loaded = _loaded_after(
        "from defender_remediate import RemediationClient\n"
        "class Credential:\n"
        "    def get_token(self, *scopes, **options): raise SystemExit('asked for a token')\n"
        "RemediationClient(Credential(), '/subscriptions/11111111-2222-3333-4444-555555555555')\n"
    )
    late = ["azure.identity", "azure.mgmt", "defender_remediate.testing", "defender_remediate.catalog"]
    assert not [name for name in loaded for lazy in late if name == lazy or name.startswith(f"{lazy}.")]


@pytest.mark.parametrize("name", ["Catalog", "FileJournal", "MemoryJournal"])
def test_late_names_are_the_real_ones(name):
    """A name that is loaded late is the class of its package, and is looked up once."""
    found = getattr(defender_remediate, name)
    assert found.__name__ == name
    assert vars(defender_remediate)[name] is found
