"""The two commands of the README, which people and machines paste."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _first_command(section: str) -> str:
    found = re.search(rf"^## {section}$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, section
    block = re.search(r"^```bash\n(.*?)^```$", found[1], re.MULTILINE | re.DOTALL)
    assert block, section
    return block[1].strip()


@pytest.mark.parametrize("section", ["Quickstart", "Run the tests"])
def test_each_command_is_one_line(section):
    """One line to paste, that starts from nothing but Python and pip."""
    command = _first_command(section)
    assert "\n" not in command
    assert command.startswith("python3 -m venv ")


def test_the_quickstart_runs_an_example_that_is_there():
    """The command names a file of this repository."""
    assert (ROOT / _first_command("Quickstart").rsplit(" ", 1)[-1]).is_file()


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("awk") is None, reason="needs bash and awk")
def test_ci_runs_the_command_of_the_readme(tmp_path):
    """The script takes the command from the README it lies beside, runs it, and returns its exit status."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    command = _first_command("Run the tests")
    (tmp_path / "README.md").write_text(
        README.replace(command, "echo ran in $(basename $PWD); exit 7"), encoding="utf-8"
    )
    run = subprocess.run(["bash", str(tmp_path / ".ci" / "run")], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (7, f"ran in {tmp_path.name}")


@pytest.mark.skipif(shutil.which("bash") is None or shutil.which("awk") is None, reason="needs bash and awk")
def test_ci_fails_without_a_command(tmp_path):
    """A README without the command fails the run."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "README.md").write_text("## Run the tests\n\nsoon\n", encoding="utf-8")
    run = subprocess.run(["bash", str(tmp_path / ".ci" / "run")], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "no bash block" in run.stderr


def test_every_link_of_the_readme_leads_to_a_file():
    """Links are absolute, so that they work on a package index too, and each points to a file of this repository."""
    targets = re.findall(r"\]\(([^)#]+)", README)
    base = "https://github.com/defender-remediate/defender-remediate/blob/main/"
    assert targets
    assert not [target for target in targets if not target.startswith(base)]
    assert not [target for target in targets if not (ROOT / target.removeprefix(base)).is_file()]
