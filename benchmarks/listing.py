"""How long it takes to list assessments, beside a bare loop over requests and json.

Both read the same pages from a server on the loopback interface that runs in a process of its own. Prints medians over
interleaved runs and their ratio.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

import requests
from azure.core.credentials import AccessToken

from defender_remediate import RemediationClient

PAGES, ITEMS, RUNS = 20, 500, 5
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
LIST = f"{SUBSCRIPTION}/providers/Microsoft.Security/assessments"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


def item(number: int) -> dict[str, object]:
    """One assessment, of about the size that Azure sends."""
    account = (
        f"{SUBSCRIPTION}/resourceGroups/rg-{number % 50}/providers/Microsoft.Storage/storageAccounts/account{number}"
    )
    return {
        "id": f"{account}/providers/Microsoft.Security/assessments/{KEY}",
        "name": KEY,
        "type": "Microsoft.Security/assessments",
        "properties": {
            "displayName": "Secure transfer to storage accounts should be enabled",
            "resourceDetails": {"source": "Azure", "id": account},
            "status": {
                "code": "Unhealthy" if number % 3 else "Healthy",
                "cause": "",
                "description": "",
                "firstEvaluationDate": "2026-11-01T08:00:00.1234567Z",
                "statusChangeDate": "2026-11-02T08:00:00.1234567Z",
            },
            "additionalData": {"observedIn": f"{account}/providers/Microsoft.Security/assessments/{KEY}/here"},
            "risk": {"level": "High", "riskFactors": ["InternetExposure"], "isContextualRisk": True},
        },
    }


def serve(told: Connection) -> None:
    """Answer with pages made beforehand, so that the server costs next to nothing."""
    pages: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(parse_qs(urlsplit(self.path).query).get("page", ["0"])[0])
            body = pages[number] if urlsplit(self.path).path == LIST else b'{"value": []}'
            self.send_response_only(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    for number in range(PAGES):
        page: dict[str, object] = {"value": [item(number * ITEMS + offset) for offset in range(ITEMS)]}
        if number + 1 < PAGES:
            page["nextLink"] = f"{base}{LIST}?api-version=2025-05-04&page={number + 1}"
        pages.append(json.dumps(page).encode())
    told.send(base)
    server.serve_forever()


class Credential:
    """A token for a server that looks at none."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        """A token that lasts."""
        return AccessToken("token", int(time.time()) + 3600)


def bare(base: str) -> int:
    """A loop as one writes it without a library."""
    count = 0
    url: str | None = f"{base}{LIST}?api-version=2025-05-04"
    with requests.Session() as session:
        while url:
            page = session.get(url, timeout=60).json()
            count += sum(entry["properties"]["status"]["code"] == "Unhealthy" for entry in page["value"])
            url = page.get("nextLink")
    return count


def listed(base: str) -> int:
    """The same with this library."""
    with RemediationClient(Credential(), SUBSCRIPTION, endpoint=base) as client:
        return sum(assessment.status == "Unhealthy" for assessment in client.list_assessments())


def measured(read: Callable[[str], int], base: str) -> tuple[float, int]:
    """Seconds, and how many were unhealthy."""
    started = time.perf_counter()
    count = read(base)
    return time.perf_counter() - started, count


def main() -> None:
    """Measure in turns, so that a busy moment hits both alike."""
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    base = mine.recv()
    readers = {"requests + json": bare, "list_assessments": listed}
    taken: dict[str, list[float]] = {name: [] for name in readers}
    counts = set()
    for turn in range(RUNS + 1):
        for name, read in readers.items():
            seconds, count = measured(read, base)
            counts.add(count)
            if turn:
                taken[name].append(seconds)
    server.terminate()
    server.join()
    if len(counts) != 1:
        sys.exit(f"the two do not list the same: {sorted(counts)}")
    yardstick = statistics.median(taken["requests + json"])
    print(f"listing {PAGES * ITEMS} assessments in {PAGES} pages, median of {RUNS} runs")
    for name, values in taken.items():
        median = statistics.median(values)
        rate = PAGES * ITEMS / median
        print(f"  {name:<20}{median * 1000:8.0f} ms {rate:9.0f} a second   ratio {median / yardstick:4.2f}")


if __name__ == "__main__":
    main()
