"""The fixtures that pytest finds in every project where the library is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "test-your-runbook.md"
UNUSED = """
import sys


def test_nothing_is_loaded():
    assert "defender_remediate" not in sys.modules
"""
USED = """
def test_the_server_serves_the_tenant(arm_server, arm_simulator):
    assert arm_server.endpoint.startswith("https://127.0.0.1:")
    assert arm_server.ca_file.is_file()
    assert arm_simulator.requests == []


def test_tests_share_nothing(arm_simulator, remediation_client):
    assert not arm_simulator.writes
    assert list(remediation_client.journal.list_runs()) == []
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Pytest in a project that has nothing but this plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_defender_remediate"]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.exhaustive
def test_the_plugin_is_free_until_a_fixture_is_used(tmp_path):
    """A project that does not use the fixtures loads nothing of the library; one that does gets a tenant for each test."""
    shown = next(
        code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if "arm_clock" in code
    )
    (tmp_path / "test_a_unused.py").write_text(UNUSED, encoding="utf-8")
    (tmp_path / "test_b_shown.py").write_text(shown, encoding="utf-8")
    (tmp_path / "test_c_used.py").write_text(USED, encoding="utf-8")
    done = run_pytest(tmp_path, "-W", "error")
    assert "4 passed" in done.stdout, done.stdout + done.stderr
