"""Replay recorded traffic of Azure against the simulator, and say how alike its answers are.

``python tools/replay_recordings.py FOLDER``: the folder has ``bodies.jsonl.gz`` (resources as a GET or a list showed them) and
``writes.jsonl.gz`` (writes with the resource before), one JSON document a line, as docs/reference/simulator-fidelity.md says.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from azure.core.rest import HttpRequest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state import ids

READ, WRITE = "GET", ("PUT", "PATCH", "POST", "DELETE")
# Recordings may have a made-up word for the region; the simulator knows real regions only.
MADE_UP_REGION = re.compile(r"res\d+( ?us)?", re.IGNORECASE)
LEVELS = {"top": 1, "two levels": 2, "all": 99}


@attrs.frozen(kw_only=True)
class Exchange:
    """A recorded request and its answer.

    Attributes:
        before: The resource before a write, or as a read showed it; None where there was none.
        answer: What Azure answered; None for no JSON.
    """

    method: str
    type: str
    path: str
    version: str
    request: Any
    before: Mapping[str, Any] | None
    status: int
    answer: Any

    @property
    def kind(self) -> str:
        """The method, and for a PUT whether it creates or updates."""
        return self.method if self.method != "PUT" else "PUT (update)" if self.before else "PUT (create)"


@attrs.frozen(kw_only=True)
class Comparison:
    """How the simulator's answer differs from the recorded one.

    Attributes:
        status: What the simulator answered; None if it could not hold the resource.
        problem: The code or message of an error.
        missing, extra: Names, as dotted paths, that only the recording or only the simulator shows.
    """

    exchange: Exchange
    status: int | None
    problem: str = ""
    missing: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()

    @property
    def same_status(self) -> bool:
        """Whether the statuses are equal."""
        return self.status == self.exchange.status

    def same_names(self, levels: int) -> bool:
        """Whether the statuses are equal, and the names of members down to a level."""
        return self.same_status and all(name.count(".") >= levels for name in self.missing | self.extra)


def read(folder: Path, types: str) -> Iterator[Exchange]:
    """Yields the reads and writes of the types that begin with ``types``."""
    for line in _lines(folder / "bodies.jsonl.gz"):
        if line["type"].startswith(types):
            body = {**line["body"], "id": line["id"]}
            yield Exchange(
                method=READ,
                type=line["type"],
                path=line["id"],
                version=line["api_version"],
                request=None,
                before=body,
                status=200,
                answer=line["body"],
            )
    for line in _lines(folder / "writes.jsonl.gz"):
        if line["type"].startswith(types) and line["m"] in WRITE:
            before = line.get("before")
            # Some recorders give all random names one word in requests: then the body is that of another resource.
            if (
                before is not None
                and line["m"] == "PUT"
                and ids.key(before.get("id") or line["p"]) != ids.key(line["p"])
            ):
                before = None
            before = {"properties": {}, **before, "id": line["p"]} if before is not None else None
            yield Exchange(
                method=line["m"],
                type=line["type"],
                path=line["p"],
                version=line["v"],
                request=line.get("rq"),
                before=before,
                status=line["s"],
                answer=line.get("b"),
            )


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield _with_real_regions(json.loads(line))


def _with_real_regions(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_real_regions(one) for one in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, inner in value.items():
        is_region = name.lower() in ("location", "locationname") and isinstance(inner, str)
        made_up = is_region and MADE_UP_REGION.fullmatch(inner.replace(" ", ""))
        result[name] = "westeurope" if made_up else _with_real_regions(inner)
    return result


def replay(exchange: Exchange) -> Comparison:
    """Sends the request to a simulator that holds what the recording had before, and compares the answer."""
    simulator = ArmSimulator()
    simulator.faults.throttle(enabled=False)
    try:
        _prepare(simulator, exchange)
    except InvalidInputError as error:
        return Comparison(exchange=exchange, status=None, problem=str(error))
    separator = "&" if "?" in exchange.path else "?"
    reply = simulator.send(
        HttpRequest(
            exchange.method,
            f"{simulator.endpoint}{exchange.path}{separator}api-version={exchange.version}",
            headers={"Authorization": f"Bearer {simulator.credential.token}"},
            json=exchange.request,
        )
    )
    body = json.loads(reply.read() or b"null")
    wanted, got = names(exchange.answer), names(body)
    if exchange.method == READ:
        got -= {"id", "name", "type"} - wanted  # some recordings of reads leave them out
    return Comparison(
        exchange=exchange,
        status=reply.status_code,
        problem=str((body or {}).get("error", {}).get("code", "")) if reply.status_code >= 400 else "",
        missing=frozenset(wanted - got),
        extra=frozenset(got - wanted),
    )


def _prepare(simulator: ArmSimulator, exchange: Exchange) -> None:
    subscription, group = ids.subscription_of(exchange.path), ids.group_of(exchange.path)
    if subscription and f"/subscriptions/{subscription}" not in simulator.scopes:
        simulator.resources.add_subscription(subscription)
    if subscription and group and exchange.type != "microsoft.resources/resourcegroups":
        simulator.resources.add_resource_group(f"/subscriptions/{subscription}", group)
    parents = []
    path = ids.path_of(exchange.path)
    while path is not None and (path := ids.path_of(path.parent)) is not None:
        parents.append({"id": path.id, "location": "westeurope", "properties": {}})
    for parent in reversed(parents):
        with suppress(InvalidInputError):  # the simulator keeps some types apart, such as resource groups
            simulator.resources.add(parent, api_versions=("2000-01-01",))
    if exchange.before is None:
        return
    try:
        simulator.resources.add(exchange.before, api_versions=(exchange.version,))
    except InvalidInputError:
        with tempfile.TemporaryDirectory() as folder:
            export = Path(folder) / "export.json"
            export.write_text(json.dumps([exchange.before]), encoding="utf-8")
            simulator.add_export(export)


def names(value: Any, path: str = "") -> set[str]:
    """Returns the name of each member in lower case, as a dotted path; ``[]`` stands for the elements of an array."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= {path + name.lower(), *names(inner, f"{path}{name.lower()}.")}
    elif isinstance(value, list):
        for inner in value:
            found |= names(inner, f"{path}[].")
    return found


def main() -> None:
    """Print the share of equal answers for each kind and type, then the commonest differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--types", default="", help="only types that begin with this, in lower case")
    parser.add_argument("--differences", type=int, default=30, help="how many of the commonest differences are shown")
    arguments = parser.parse_args()

    groups: dict[str, list[Comparison]] = defaultdict(list)
    differences: Counter[str] = Counter()
    for comparison in map(replay, read(arguments.folder, arguments.types)):
        exchange = comparison.exchange
        groups[exchange.kind].append(comparison)
        groups[exchange.type].append(comparison)
        about = f"{exchange.kind} {exchange.type}"
        if not comparison.same_status:
            differences[f"{about}: {exchange.status}, not {comparison.status} {comparison.problem}"] += 1
            continue
        for word, paths in (("without", comparison.missing), ("with", comparison.extra)):
            differences.update(f"{about}: {word} {path}" for path in paths)

    print(f"{'answers':>8} {'status':>8}", *(f"{level:>11}" for level in LEVELS))
    for group, members in groups.items():
        same = [sum(one.same_names(level) for one in members) for level in LEVELS.values()]
        statuses = sum(one.same_status for one in members)
        shares = [f"{count / len(members):.0%}" for count in (statuses, *same)]
        print(f"{len(members):>8} {shares[0]:>8}", *(f"{share:>11}" for share in shares[1:]), "", group)
    for difference, count in differences.most_common(arguments.differences):
        print(count, difference)


if __name__ == "__main__":
    main()
