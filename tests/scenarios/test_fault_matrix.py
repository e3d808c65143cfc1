"""A fault of every kind at every request of a run of fifty steps: what is reported is what is in effect.

By default each run has one fault in every step, so that every request meets several kinds and every kind several
requests. ``DEFENDER_REMEDIATE_STRIDE=1`` makes a run of its own for every pair of a request and a kind: thousands.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from defender_remediate import Guards, MemoryJournal, Outcome, RemediationClient, RemediationPlan, RemediationReport
from defender_remediate.journal import replay
from defender_remediate.testing import ArmSimulator, seeded_client

pytestmark = pytest.mark.exhaustive

SEED = 4
STRIDE = int(os.environ.get("DEFENDER_REMEDIATE_STRIDE", "4"))
HERE = Path(__file__).resolve()
# Azure's own words; tests/unit/arm sorts each of them into its error class.
BODIES = json.loads((HERE.parents[1] / "unit/arm/error_bodies.json").read_text(encoding="utf-8"))
KEYS = {
    "PATCH": "1c5de8e1-f68d-6a17-e0d2-ec259c42768c",
    "PATCH with a status page": "35b25be2-d08a-e340-45ed-f08a95d804fc",
    "PATCH that has to be looked at": "1b351b29-41ca-6df5-946c-c190a56be5fe",
    "PUT of a child": "56d42cec-3359-c1a2-f3f2-fea2232edc64",
    "PUT of a child, merged": "400a6682-992c-4726-9549-629fbc3b988f",
    "PUT of a child with a Location": "651967bf-044e-4bde-8376-3e08e0600105",
    "PUT with a status page": "1a2b5b4c-f80d-46e7-ac81-b51a9fb363de",
    "template": "88bbc99c-e5af-ddd7-6105-6150b2bfa519",
}
TRUNCATED, HTML = (
    '{"id": "/subscriptions/1", "properties": {"suppo',
    "<html><body><h1>502 Bad Gateway</h1></body></html>",
)
# At a Location these mean that the question failed; any other refusal is how the operation itself ended.
NO_ANSWER = (401, 403, 404, 408, 429)


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of fault: either of one exchange, or of the operation that a write begins."""

    name: str
    exchange: Mapping[str, Any] = attrs.field(factory=dict, hash=False)
    operation: Mapping[str, Any] = attrs.field(factory=dict, hash=False)

    @property
    def status(self) -> int:
        return int(self.exchange.get("status") or 0)

    @property
    def is_late(self) -> bool:
        """Whether the request has its effect first."""
        return bool(self.operation) or self.exchange.get("when") == "after"

    def fits(self, site: Site) -> bool:
        if site.writes:
            return True
        if self.operation or (self.is_late and self.status):
            return False
        if site.polls and "status" in str(self.exchange.get("body")):
            # A status page that says Failed is the operation's own end, and here the operation does not end so.
            return False
        if site.polls == "operationResults" and 400 <= self.status < 500:
            return self.status in NO_ANSWER and "RequestDisallowedByPolicy" not in self.name
        return True

    def arm(self, sim: ArmSimulator, path: str) -> None:
        if self.operation:
            sim.faults.slow(f"{re.escape(path)}$", **self.operation)
        else:
            sim.faults.fail(**self.exchange)


@attrs.frozen(kw_only=True, order=True)
class Site:
    """One request of the undisturbed run: the n-th of a step; those before the first step have no step."""

    step: str
    n: int
    writes: bool
    polls: str = ""


def kinds() -> list[Kind]:
    """Every kind there is."""
    found = []
    for number, raw in enumerate(BODIES):
        code = raw["body"].get("error", {}).get("code") or raw["body"].get("code") or f"body {number}"
        answer = {"status": raw["status"], "body": raw["body"], "headers": raw["headers"]}
        found.append(Kind(name=f"{raw['status']} {code} #{number}", exchange=answer))
    throttled = {"status": 429, "code": "TooManyRequests"}
    found.append(Kind(name="429", exchange=throttled))
    found.append(Kind(name="429 with Retry-After", exchange={**throttled, "headers": {"Retry-After": "7"}}))
    for when in ("before", "after"):
        for status in (500, 502, 503, 504):
            answer = {"status": status, "code": "ServerError", "when": when}
            found.append(Kind(name=f"{status} {when} the effect", exchange=answer))
        found.append(Kind(name=f"reset {when} the effect", exchange={"when": when}))
        for name, body in (("truncated JSON", TRUNCATED), ("no body", b""), ("HTML", HTML)):
            found.append(
                Kind(name=f"200 with {name} {when} the effect", exchange={"status": 200, "body": body, "when": when})
            )
    found.append(Kind(name="502 with HTML", exchange={"status": 502, "body": HTML}))
    created = {"status": 201, "body": {"properties": {"provisioningState": "Accepted"}}, "when": "after"}
    found.append(Kind(name="201", exchange=created))
    inner = json.dumps({"error": {"code": "Conflict", "message": '{"status": "Failed"}'}})
    for form in ("azure-async", "location", "body", "bare"):
        for ends in ("Failed", "Canceled"):
            slow = {"form": form, "ends": ends, "code": "DeploymentFailed", "message": inner}
            found.append(Kind(name=f"operation ({form}) {ends}", operation=slow))
    found.append(Kind(name="Failed at once under 200", operation={"form": "body", "ends": "Failed", "at_once": True}))
    return found


KINDS = kinds()


# How many steps there are of each kind, and what the demo tenant has to have more of for that.
STEPS_BY_KIND = dict(zip(KEYS, (8, 6, 7, 7, 4, 6, 6, 6), strict=True))
MORE = {
    "storageAccounts/stcontosodev01": (3, ()),
    "redis/redis-contoso-dev": (4, ()),
    "sites/app-contoso-dev-shop": (4, ("basicPublishingCredentialsPolicies/ftp",)),
    "databases/sandbox": (4, ("transparentDataEncryption/current",)),
    "servers/sql-contoso-dev": (1, ()),
    "managedClusters/aks-contoso-prod": (5, ()),
    "vaults/kv-contoso-dev": (2, ()),
}


def tenant() -> ArmSimulator:
    """The demo tenant with as many resources as fifty steps need, and operations of every form."""
    sim = ArmSimulator.demo()
    for end, (count, children) in MORE.items():
        model = next(each for each in sim.resources.list_ids() if each.endswith(end))
        for number, below in itertools.product(range(count), ("", *children)):
            copied = f"{model}{number}/{below}".rstrip("/")
            sim.resources.add({**sim.resources.get(f"{model}/{below}".rstrip("/")), "id": copied})
    sim.faults.slow("Microsoft.Cache/redis", form="azure-async", seconds=95, retry_after=60)
    sim.faults.slow("Microsoft.Web/sites", form="body", seconds=25)
    sim.faults.slow(".*/transparentDataEncryption", form="location", seconds=20)
    sim.faults.slow("Microsoft.ContainerService/managedClusters", form="azure-async", seconds=70, retry_after=30)
    return sim


class Wire:
    """The way to the simulator, on which one request of a step may meet a fault."""

    def __init__(self, sim: ArmSimulator, plan: RemediationPlan, faults: Mapping[Site, Kind]) -> None:
        self.sim, self.faults = sim, faults
        self.targets = {step.target_id.casefold(): step.id for step in plan.steps}
        # What a step creates is read before its target is.
        self.targets |= {one.resource_id.casefold(): step.id for step in plan.steps for one in step.creates}
        self.paths = {step.request.path.casefold(): step.id for step in plan.steps}
        self.step, self.seen = "", Counter[str]()
        self.sites: list[Site] = []
        self.effects = Counter[str]()

    def send(self, request: Any, **options: Any) -> Any:
        path = request.url.partition("?")[0].removeprefix(self.sim.endpoint).casefold()
        self.step = self.targets.get(path, self.step)
        polls = next((word for word in ("operationStatuses", "operationResults") if word.casefold() in path), "")
        site = Site(step=self.step, n=self.seen[self.step], writes=request.method != "GET", polls=polls)
        self.seen[self.step] += 1
        self.sites.append(site)
        kind = self.faults.get(site)
        if kind is not None:
            kind.arm(self.sim, path)
        before = len(self.sim.requests)
        try:
            return self.sim.send(request, **options)
        finally:
            self.sim.faults.clear()
            reached = kind is None or kind.is_late
            if site.writes and reached and (kind is not None or self.sim.requests[before].status < 300):
                self.effects[self.paths[path]] += 1

    def sleep(self, duration: float) -> None:
        self.sim.sleep(duration)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *args: object) -> None: ...


@cache
def plan() -> RemediationPlan:
    """The fifty steps; planned once, because every tenant is the same."""
    sim = tenant()
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    with connect(sim, sim, MemoryJournal()) as client:
        found = client.plan(
            list(KEYS.values()), parameters={"workspace_id": workspace, "authorized_ip_ranges": ["203.0.113.0/24"]}
        )
    kept = [
        step
        for kind, count in STEPS_BY_KIND.items()
        for step in [step for step in found.steps if KEYS[kind] in step.keys][:count]
    ]
    return found.only(resources=[step.target_id for step in kept])


def connect(sim: ArmSimulator, wire: Any, journal: Any) -> RemediationClient:
    how: dict[str, Any] = {"guards": Guards(max_changes=50), "workers": 1, "jitter": lambda: 0.5}
    return seeded_client(sim.credential, sim.scopes, transport=wire, clock=sim.clock, journal=journal, **how)


def state(sim: ArmSimulator) -> dict[str, Any]:
    """What is in effect, by step: the target, and what a template puts below it."""
    found: dict[str, Any] = {}
    for step in plan().steps:
        ids = (
            [step.target_id]
            if step.executor != "template"
            else sim.resources.list_ids(scope=step.target_id.rpartition("/providers/")[0])
        )
        found[step.id] = {each: _settled(sim.resources.get(each)) for each in ids}
    return found


def _settled(body: dict[str, Any]) -> dict[str, Any]:
    inner = {name: value for name, value in body["properties"].items() if name != "provisioningState"}
    return {**{name: value for name, value in body.items() if name.lower() != "etag"}, "properties": inner}


@cache
def undisturbed() -> tuple[tuple[Site, ...], dict[str, Any], dict[str, Any]]:
    """The requests of a run without faults, and what was in effect before and after it."""
    sim = tenant()
    before = state(sim)
    wire = Wire(sim, plan(), {})
    with connect(sim, wire, MemoryJournal()) as client:
        client.apply(plan(), approve=plan().digest).raise_for_failures()
    return tuple(wire.sites), before, state(sim)


def told(report: RemediationReport) -> list[Any]:
    return [(each.step_id, each.outcome, each.before, each.after, each.error) for each in report]


def problems(faults: Mapping[Site, Kind]) -> list[str]:
    """Carry the plan out with these faults, at most one in each step, and say what is not as it has to be."""
    sim, journal = tenant(), MemoryJournal()
    wire = Wire(sim, plan(), faults)
    _, before, after = undisturbed()
    with connect(sim, wire, journal) as client:
        try:
            report = client.apply(plan(), approve=plan().digest)
        except Exception as error:  # noqa: BLE001 - whatever it is, one fault is no reason to raise
            return [f"{error!r} was raised; {sum(wire.effects.values())} writes took effect"]
    hit = {site.step: (site, kind) for site, kind in faults.items()}
    sim.clock.advance(7200)
    now = state(sim)
    found = list(_wrong(report, hit, now, before, after))
    wire.faults = {}
    with connect(sim, wire, journal) as client:
        again = client.resume(report.run_id)
    if told(again) != told(report) or state(sim) != now:
        found.append("the resume tells or does something else")
    if replay(journal.read(report.run_id)).unfinished:
        found.append("the journal is not at its end")
    return found + [f"{step} took effect {times} times" for step, times in wire.effects.items() if times > 1]


def _wrong(
    report: RemediationReport,
    hit: Mapping[str, tuple[Site, Kind]],
    now: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> Iterable[str]:
    if [each.step_id for each in report if each.step_id] != [step.id for step in plan().steps]:
        yield "not every step has its result"
    for result in report:
        if not result.step_id:
            continue
        site, kind = hit.get(result.step_id, (None, None))
        where = f"{kind and kind.name} at {site}: {result.outcome} ({result.error})"
        truth = now[result.step_id]
        if truth not in (before[result.step_id], after[result.step_id]):
            yield f"{where}: the target is neither as before nor as planned"
        in_effect = truth == after[result.step_id]
        if result.outcome is Outcome.IN_DOUBT:
            if site is None or site.writes or not _is_read_refused(kind):
                yield f"{where}: in doubt although the target can be read"
        elif in_effect is not (result.outcome is Outcome.APPLIED):
            yield f"{where}: in effect: {in_effect}"
        if site is None and result.outcome is not Outcome.APPLIED:
            yield f"{where}: nothing happened to it"
        if result.error is not None and "please report" in (result.error.hint or ""):
            yield f"{where}: an unexpected error"


def _is_read_refused(kind: Kind | None) -> bool:
    return kind is not None and 400 <= kind.status < 500


def cases() -> list[tuple[Site, Kind]]:
    """Every pair of a request and a kind that can meet."""
    sites, _, _ = undisturbed()
    return [(site, kind) for site in sites for kind in KINDS if kind.fits(site)]


def sample() -> list[dict[Site, Kind]]:
    """Runs with at most one fault in each step, until every kind was at the write of every kind of step."""
    sites: dict[str, list[Site]] = defaultdict(list)
    for site in undisturbed()[0]:
        sites[site.step].append(site)
    alike: dict[Any, list[str]] = defaultdict(list)
    for step in plan().steps:
        alike[step.executor, step.request.method, step.resource_type, len(sites[step.id])].append(step.id)
    runs: list[dict[Site, Kind]] = []
    places = [[sites[step] for step in steps] for steps in alike.values()] + [[[site]] for site in sites[""]]
    for same in places:
        # All of them at the writes, and at the reads a third, another one at each.
        pairs = [
            (n, kind)
            for n, site in enumerate(same[0])
            for place, kind in enumerate(KINDS)
            if kind.fits(site) and (site.writes or (place + n) % 3 == 0)
        ]
        random.Random(SEED).shuffle(pairs)
        for turn, (n, kind) in enumerate(pairs):
            number, place = divmod(turn, len(same))
            runs.extend({} for _ in range(number + 1 - len(runs)))
            # Another step each time: the first of its kind must not be special.
            runs[number][same[(place + number) % len(same)][n]] = kind
    for site in [*undisturbed()[0]] * 2:
        if sum(site in run for run in runs) < 2:
            hit = [{other.step for other in run} - {""} for run in runs]
            free = next(
                (run for run, steps in zip(runs, hit, strict=True) if not {site.step} & steps | {site} & set(run)), None
            )
            if free is None:
                runs.append(free := {})
            fitting = [kind for kind in KINDS if kind.fits(site)]
            free[site] = fitting[(len(free) * 7 + site.n) % len(fitting)]
    return runs


def test_the_run_has_fifty_steps_of_every_kind() -> None:
    """Otherwise the matrix would prove less than it says."""
    steps = plan().steps
    assert len(steps) == sum(STEPS_BY_KIND.values()) == 50
    assert {key for step in steps for key in step.keys} >= set(KEYS.values())
    assert {(step.executor, step.request.method) for step in steps} == {
        ("patch", "PATCH"),
        ("put", "PUT"),
        ("template", "PUT"),
    }
    sites = undisturbed()[0]
    assert {site.polls for site in sites} == {"", "operationStatuses", "operationResults"}
    assert sum(site.writes for site in sites) == 50


@pytest.mark.skipif(STRIDE == 1, reason="the whole matrix is run")
def test_a_sample_of_the_matrix() -> None:
    """Every request meets several kinds of fault, and every kind several requests."""
    runs = sample()
    by_kind = Counter(kind.name for run in runs for kind in run.values())
    by_site = Counter(site for run in runs for site in run)
    assert min(by_kind[kind.name] for kind in KINDS) >= 8
    assert min(by_site[site] for site in undisturbed()[0]) >= 2
    found = [problem for run in runs for problem in problems(run)]
    assert not found, "\n".join(found)


@pytest.mark.skipif(STRIDE != 1, reason="thousands of runs: DEFENDER_REMEDIATE_STRIDE=1 makes them")
def test_the_whole_matrix() -> None:
    """One fault in each run, for every pair of a request and a kind."""
    found = [problem for site, kind in cases() for problem in problems({site: kind})]
    assert not found, "\n".join(found)
