"""The simulator answers writes as Azure was recorded to answer them.

Each line of ``data/recorded_writes.jsonl`` is one anonymised write: the resource before, the request, the status, and the
names that the resource showed afterwards (``shown``: sent and shown, ``kept``: not sent and still there, ``hidden``: sent
and never shown). There is one line per type, method and status where a small recording exists.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.rest import HttpRequest

from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state import ids

# The recordings write a region as another resource's name.
ANONYMOUS_REGION = re.compile(r'("location": ?)"res\d+(?: ?us)?"', re.IGNORECASE)
RECORDED = [
    json.loads(ANONYMOUS_REGION.sub(r'\1"westeurope"', line))
    for line in (Path(__file__).parent / "data" / "recorded_writes.jsonl").read_text(encoding="utf-8").splitlines()
]


def names(body: Any, path: str = "") -> Iterator[str]:
    """The folded dotted path of every member that has a value, objects and what is in them."""
    if isinstance(body, Mapping):
        for name, value in body.items():
            if value not in (None, [], {}):
                yield path + name.casefold()
                yield from names(value, f"{path}{name.casefold()}.")


def replayed(write: Mapping[str, Any]) -> tuple[int, set[str]]:
    """The status of the same write to the simulator, and the names that the resource shows in the end."""
    sim = ArmSimulator()
    resource_id, version = write["id"], write["api_version"]
    above = ids.path_of(resource_id)
    while above is not None and (above := ids.path_of(above.parent)) is not None:
        parent = {"id": above.id, "location": "westeurope", "properties": {}}
        sim.resources.add(parent, api_versions=("2000-01-01",))
    # Adding and removing a resource makes its subscription and group exist and its api-version known.
    sim.resources.add({"properties": {}, **write.get("before", {}), "id": resource_id}, api_versions=(version,))
    if "before" not in write:
        sim.resources.remove(resource_id)
        sim.clock.advance(91 * 86400)  # a deleted vault keeps its name for 90 days
    headers = {"Authorization": f"Bearer {sim.credential.token}"}
    url = f"{sim.endpoint}{resource_id}?api-version={version}"
    response = sim.send(HttpRequest(write["method"], url, headers=headers, json=write["body"]))
    sim.clock.advance(86400)
    # As the same client sees it: some members had another name in older versions.
    seen = sim.send(HttpRequest("GET", url, headers=headers))
    return response.status_code, set(names(seen.json() if seen.status_code == 200 else sim.resources.get(resource_id)))


@pytest.mark.exhaustive
def test_recorded_writes_get_the_recorded_answer() -> None:
    """The same status, the same names shown, kept and hidden, for every recorded write."""
    differences = []
    for write in RECORDED:
        status, shown = replayed(write)
        about = f"{write['method']} {write['id'].rpartition('/providers/')[2]}"
        if status != write["status"]:
            differences.append(f"{about}: {status} instead of {write['status']}")
        differences += [f"{about}: does not show {n}" for n in write.get("shown", ()) if n not in shown]
        differences += [f"{about}: does not keep {n}" for n in write.get("kept", ()) if n not in shown]
        differences += [f"{about}: shows {n}" for n in write.get("hidden", ()) if n in shown]
    assert not differences
