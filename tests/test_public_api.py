"""What users may rely on: the names, that each is described, and that importing them is cheap."""

from __future__ import annotations

import importlib
import inspect
import json
import operator
import pickle
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import defender_remediate

MODULES = ["errors", "executors", "hooks", "reports", "testing"]
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
NAMES = [name for name in defender_remediate.__all__ if not name.startswith("_")]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(defender_remediate, name))]


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


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_is_described(name):
    """Each says what it is, and so does each of its public methods."""
    cls = getattr(defender_remediate, name)
    assert (cls.__doc__ or "").strip(), name
    for member_name, member in vars(cls).items():
        described = isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member)
        if described and not member_name.startswith("_"):
            assert (inspect.getdoc(getattr(cls, member_name)) or "").strip(), f"{name}.{member_name}"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_module_names_what_it_offers(module):
    """A module has a description, a sorted ``__all__``, and a description for each name in it."""
    loaded = importlib.import_module(f"defender_remediate.{module}")
    assert (loaded.__doc__ or "").strip()
    assert sorted(loaded.__all__) == list(loaded.__all__)
    for name in loaded.__all__:
        member = getattr(loaded, name)
        if inspect.isclass(member) or inspect.isroutine(member):
            assert (inspect.getdoc(member) or "").strip(), name


def _is_value(cls: type) -> bool:
    # Journals are places, not values.
    return attrs.has(cls) and not cls.__name__.endswith("Journal")


@pytest.mark.parametrize("name", [name for name in CLASSES if _is_value(getattr(defender_remediate, name))])
def test_value_classes_are_frozen_and_keyword_only(name):
    """A value cannot change, and its arguments have names."""
    cls = getattr(defender_remediate, name)
    assert cls.__setattr__ is not object.__setattr__
    assert all(field.kw_only for field in attrs.fields(cls) if field.init)
    assert hasattr(cls, "__slots__")


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


@pytest.mark.parametrize("name", ["Catalog", "CatalogProblem", "FileJournal", "FixExecutor", "PatchExecutor", "Waves"])
def test_late_names_are_the_real_ones(name):
    """A name that is loaded late is the class of its module, and stays."""
    found = getattr(defender_remediate, name)
    assert found.__name__ == name
    assert vars(defender_remediate)[name] is found


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "DefenderRemediateError"])
def test_every_public_class_is_in_the_reference(name):
    """A class that users may import has its place in the documentation; the errors have a page of their own."""
    pages = (Path(__file__).parent.parent / "docs" / "reference").glob("*.md")
    assert any(f".{name}\n" in page.read_text(encoding="utf-8") for page in pages)
