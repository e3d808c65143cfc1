"""What is in the archives that users install; runs where ``DEFENDER_REMEDIATE_DIST`` names a folder with both."""

from __future__ import annotations

import email.parser
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

DIST = Path(os.environ.get("DEFENDER_REMEDIATE_DIST", "missing"))
ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not DIST.is_dir(), reason="no archives were built")


def _only(pattern: str) -> Path:
    (found,) = DIST.glob(pattern)
    return found


@pytest.fixture(scope="module")
def wheel():
    """The names in the wheel."""
    with zipfile.ZipFile(_only("*.whl")) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata():
    """What the wheel says of itself."""
    with zipfile.ZipFile(_only("*.whl")) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def sdist():
    """The names in the source archive, without its top folder."""
    with tarfile.open(_only("*.tar.gz")) as archive:
        return {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}


def _tracked(folder: str) -> set[str]:
    """Every file below a folder of the project that is no by-product, as the pages are that the documentation makes."""
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in files
        if not {"__pycache__", "_build"} & set(path.parts) and path.parent != ROOT / "docs" / "reference" / "catalog"
    }


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel):
    """Every module, the catalog, its templates, the simulator's data and the typing marker."""
    package = {name for name in wheel if not name.split("/")[0].endswith(".dist-info")}
    assert package == {name.removeprefix("src/") for name in _tracked("src")}
    assert {"defender_remediate/py.typed", "pytest_defender_remediate.py"} <= package
    assert any(name.startswith("defender_remediate/catalog/data/") and name.endswith(".toml") for name in package)
    for folder in ("templates", "schemas"):
        assert any(name.startswith(f"defender_remediate/catalog/data/{folder}/") for name in package)


def test_the_wheel_carries_its_licence(wheel):
    """The licence text travels with the code."""
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)


def test_the_wheel_says_what_it_needs(metadata):
    """The supported Pythons, the dependencies without development tools, and the README."""
    assert metadata["Name"] == "defender-remediate"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "MIT"
    requirements = map(Requirement, metadata.get_all("Requires-Dist"))
    needed = {one.name for one in requirements if "extra" not in str(one.marker)}
    assert needed == {
        "attrs",
        "azure-core",
        "azure-identity",
        "azure-mgmt-resource",
        "azure-mgmt-resource-deployments",
        "filelock",
        "platformdirs",
        "tenacity",
        "tomli",
    }
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "## Quickstart" in metadata.get_payload()


def test_the_source_archive_can_build_test_and_document(sdist):
    """Sources, tests, documentation, examples and the task runner's file are all there."""
    for folder in ("src", "tests", "docs", "examples", "benchmarks", "tools"):
        assert _tracked(folder) <= sdist
    assert {"pyproject.toml", "noxfile.py", "conftest.py", "README.md", "CHANGELOG.md", "LICENSE", ".ci/run"} <= sdist


def test_no_archive_holds_by_products(wheel, sdist):
    """No caches, no builds, no coverage data."""
    for name in wheel | sdist:
        assert not {"__pycache__", ".nox", "_build", ".git", ".mypy_cache"} & set(PurePosixPath(name).parts)
        assert not PurePosixPath(name).name.startswith(".coverage")
