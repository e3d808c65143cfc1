"""Every check of this project: ``nox`` runs them all, ``nox --list`` names them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
# A machine has the Pythons that it has; the coverage session fails when the tests ran on none.
nox.options.error_on_missing_interpreters = False
os.environ["UV_PYTHON_DOWNLOADS"] = "never"

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
VERSIONS = nox.project.python_versions(PROJECT)
DIST = ROOT / "dist"
# No line depends on the version, so the oldest Python there is measures for all: measuring costs time.
MEASURE = ("--cov", "--cov-report=", "--cov-fail-under=0")
# What depends on the version of Python shows here first.
ON_EVERY_VERSION = (
    "tests/wire",
    "tests/docs",
    "tests/unit/models",
    "tests/unit/journal",
    "tests/scenarios/test_button.py",
    "tests/scenarios/test_examples.py",
    "docs",
    "README.md",
)
ON_THE_NEWEST = (
    "tests/unit",
    "tests/wire",
    "tests/docs",
    "tests/scenarios/test_button.py",
    "tests/scenarios/test_examples.py",
    "tests/scenarios/test_rollback.py",
    "tests/scenarios/test_waves.py",
    "docs",
    "README.md",
)
PROBE = "import ssl, sys, zlib; print('%d.%d' % sys.version_info[:2])"


def candidates(version: str) -> list[Path]:
    """Where an interpreter of this version may be: on PATH, and beside the shims of pyenv that are not selected."""
    name = f"python{version}"
    on_path = [Path(folder, name) for folder in os.get_exec_path()]
    roots = {Path(folder).parent for folder in os.get_exec_path() if Path(folder).name == "shims"}
    roots |= {Path(os.environ[variable]) for variable in ("PYENV_ROOT",) if variable in os.environ}
    unselected = [path for root in sorted(roots) for path in sorted(root.glob(f"versions/{version}.*/bin/{name}"))]
    running = [Path(sys.executable)] if version == f"{sys.version_info[0]}.{sys.version_info[1]}" else []
    return running + [path for path in on_path + unselected if path.is_file()]


def runs(interpreter: Path, version: str) -> bool:
    """Whether this interpreter starts, and is of this version. A shim of pyenv may exist and not start."""
    try:
        probe = subprocess.run([interpreter, "-c", PROBE], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0 and probe.stdout.strip() == version


def find_interpreters() -> dict[str, Path]:
    """The supported versions that this machine can run."""
    found = {version: next((p for p in candidates(version) if runs(p, version)), None) for version in VERSIONS}
    return {version: path for version, path in found.items() if path is not None}


INTERPRETERS = find_interpreters()


def install_groups(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml; spelled out, because older installers do not know groups."""
    session.install(*nox.project.dependency_groups(PROJECT, *groups))


def wheel() -> Path:
    """The wheel that the package session built."""
    built = sorted(DIST.glob("*.whl"))
    if len(built) != 1:
        raise FileNotFoundError(f"expected one wheel in {DIST}, found {len(built)}: run nox -s package")
    return built[0]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely bugs."""
    install_groups(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Types of the library and of the code that uses it, as Python 3.10 sees them."""
    install_groups(session, "types")
    session.install(*PROJECT["project"]["dependencies"])
    session.run("mypy")
    session.run("pyright")


@nox.session
def package(session: nox.Session) -> None:
    """Build the source archive, and from it the wheel, and look into both. Forgets earlier coverage."""
    install_groups(session, "build", "tests")
    shutil.rmtree(DIST, ignore_errors=True)
    for stale in ROOT.glob(".coverage*"):
        stale.unlink()
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), str(ROOT))
    env = {"DEFENDER_REMEDIATE_DIST": str(DIST)}
    session.run("pytest", "-q", "--noconftest", "tests/test_packaging.py", env=env)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with every warning an error and every reference resolved."""
    install_groups(session, "docs")
    session.install(".")
    target = ROOT / "docs" / "_build"
    shutil.rmtree(target, ignore_errors=True)
    session.run("sphinx-build", "-W", "-n", "-q", "--keep-going", "docs", str(target))


def tests(session: nox.Session) -> None:
    """The tests and every code block of the documentation, against the built wheel.

    The oldest Python runs all but the exhaustive tests, and measures the coverage. The others run what is most likely to depend on
    their version, and the newest of them more of it, and the exhaustive tests, which depend on none.
    """
    install_groups(session, "tests")
    session.install(str(wheel()))
    env = {"COVERAGE_FILE": f".coverage.{session.name}", "DEFENDER_REMEDIATE_DIST": str(DIST)}
    arguments = ["-n", "2", "--dist", "loadfile"]
    found = [str(path) for path in INTERPRETERS.values()]
    if session.posargs:
        session.run("pytest", *session.posargs, env=env)
        return
    if session.python == found[0]:
        session.run("pytest", *arguments, "-m", "not exhaustive", *MEASURE, env=env)
    else:
        paths = ON_THE_NEWEST if session.python == found[-1] else ON_EVERY_VERSION
        session.run("pytest", *arguments, "-m", "not exhaustive", *paths, env=env)
    if session.python == found[-1]:
        session.run("pytest", *arguments, "-m", "exhaustive", env=env)


for _version, _path in INTERPRETERS.items():
    nox.session(name=f"tests-{_version}", python=str(_path), requires=["package"], tags=["tests"])(tests)


@nox.session
def coverage(session: nox.Session) -> None:
    """Every line and branch. Fails when the tests ran on no Python."""
    session.install("coverage[toml]>=7.6")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(default=False)
def bundle(session: nox.Session) -> None:
    """Parse the catalog's TOML files into the bundle that is loaded, and count them; run it after every change."""
    session.install("-e", ".")
    session.run("python", "tools/bundle_catalog.py")
    session.run("python", "tools/readme_figures.py")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Import time, listing, planning and applying, as ratios. Never fails on a time."""
    session.install(".")
    for script in sorted((ROOT / "benchmarks").glob("*.py")):
        session.run("python", str(script))
