"""The tool that replays recorded traffic."""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "replay_recordings.py"
GROUP = "/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/rg"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/vault"


def write(folder: Path, name: str, *lines: dict[str, Any]) -> None:
    """Writes a file of recordings."""
    with gzip.open(folder / name, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_it_tells_equal_answers_from_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints the share of each kind, and the members that only one side has."""
    if not TOOL.exists():
        pytest.skip("the tool is not part of what is installed")
    body = {"location": "res12", "properties": {"vaultUri": "https://vault.vault.azure.net/"}}
    read = {"type": "microsoft.keyvault/vaults", "api_version": "2023-07-01", "id": VAULT, "body": body}
    changed = {"m": "PATCH", "p": VAULT, "v": "2023-07-01", "rq": {"tags": {"a": "b"}}, "s": 418, "b": None}
    write(tmp_path, "bodies.jsonl.gz", read)
    write(tmp_path, "writes.jsonl.gz", {"type": read["type"], **changed, "before": {**body, "id": VAULT}})
    monkeypatch.setattr(sys, "argv", ["replay_recordings.py", str(tmp_path)])
    specification = importlib.util.spec_from_file_location("replay_recordings", TOOL)
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "replay_recordings", tool)
    specification.loader.exec_module(tool)
    tool.main()
    printed = capsys.readouterr().out
    assert "GET" in printed
    assert "PATCH microsoft.keyvault/vaults: 418, not 201" in printed
