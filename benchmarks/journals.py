"""How long each store of journals takes to record a step, beside the default one.

Prints medians over interleaved runs, and their ratio. A journal in Azure Blob Storage takes a round trip for each append, whatever this
machine does, so it is not measured here.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from defender_remediate.journal import FileJournal, Journal, MemoryJournal, Note, RunOpened, SqliteJournal
from defender_remediate.models import RemediationPlan

RUNS = 3
RECORDS = 800
STORES: dict[str, Callable[[Path], Journal]] = {
    "FileJournal": lambda folder: FileJournal(folder / "runs"),
    "SqliteJournal": lambda folder: SqliteJournal(folder / "runs.db"),
    "MemoryJournal": lambda _folder: MemoryJournal(),
}


def seconds(store: Callable[[Path], Journal], threads: int) -> float:
    """The wall time that so many threads take for all records."""
    now = datetime.now(timezone.utc)
    plan = RemediationPlan(
        steps=(),
        scope=("/subscriptions/11111111-1111-4111-8111-111111111111",),
        endpoint="https://management.azure.com",
        catalog_version="1",
        created_at=now,
    )
    note = Note(at=now, message="a record of usual size: " + "x" * 200)
    with tempfile.TemporaryDirectory() as name, store(Path(name)).create("run") as log:
        log.append(RunOpened(at=now, run_id="run", kind="apply", correlation_id="c", plan=plan))
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: log.append(note), range(RECORDS)))
        return time.perf_counter() - started


def main() -> None:
    """Measure in turns, so that a busy moment hits all stores alike."""
    for threads in (1, 8, 32):
        taken: dict[str, list[float]] = {name: [] for name in STORES}
        for _ in range(RUNS):
            for name, store in STORES.items():
                taken[name].append(seconds(store, threads))
        medians = {name: statistics.median(values) for name, values in taken.items()}
        print(f"{RECORDS} durable records from {threads} threads, median of {RUNS} runs")
        for name, median in medians.items():
            rate, ratio = RECORDS / median, medians["FileJournal"] / median
            print(f"  {name:<16}{rate:10.0f} records/s   {ratio:6.2f} times FileJournal")


if __name__ == "__main__":
    main()
