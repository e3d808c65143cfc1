"""How long it takes to be ready for the first request, beside azure-core with its requests transport alone.

Prints medians over interleaved runs, each in a process of its own, and their ratio.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
PROGRAMS = {
    "python alone": "pass",
    "azure.core + requests transport": (
        "import azure.core, requests\n"
        "from azure.core.pipeline.transport import RequestsTransport\n"
        "RequestsTransport().open()"
    ),
    "import defender_remediate": "import defender_remediate",
    "defender_remediate + client": (
        "from defender_remediate import RemediationClient\n"
        "class Credential:\n"
        "    def get_token(self, *scopes, **options): ...\n"
        "RemediationClient(Credential(), '/subscriptions/11111111-2222-3333-4444-555555555555')"
    ),
}


def seconds(program: str) -> float:
    """The wall time of one process that runs this program."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure in turns, so that a busy moment hits all programs alike."""
    for program in PROGRAMS.values():
        seconds(program)
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(RUNS):
        for name, program in PROGRAMS.items():
            taken[name].append(seconds(program))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    yardstick = medians["azure.core + requests transport"]
    print(f"start-up, median of {RUNS} runs")
    for name, median in medians.items():
        print(f"  {name:<34}{median * 1000:7.1f} ms   ratio {median / yardstick:4.2f}")


if __name__ == "__main__":
    main()
