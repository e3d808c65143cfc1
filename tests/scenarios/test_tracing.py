"""Spans and metrics of OpenTelemetry: what is traced, and that a tracer which fails changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from azure.core.settings import settings
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from defender_remediate import Waves
from defender_remediate.errors import ThrottledError

NAME = "defender_remediate"


class Broken(SpanProcessor):
    """A span processor that raises while a test says so."""

    broken = ()

    def on_start(self, span, parent_context=None):
        if "start" in self.broken:
            raise RuntimeError("no span")

    def on_end(self, span):
        if "end" in self.broken:
            raise RuntimeError("no span")


@pytest.fixture(scope="module")
def telemetry():
    """The exporter of spans, the reader of metrics, and a processor that can be broken. OpenTelemetry takes one of each."""
    exporter, reader, processor = InMemorySpanExporter(), InMemoryMetricReader(), Broken()
    spans = TracerProvider()
    spans.add_span_processor(SimpleSpanProcessor(exporter))
    spans.add_span_processor(processor)
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(MeterProvider([reader]))
    return exporter, reader, processor


@pytest.fixture
def tracing(telemetry):
    """The same, with tracing turned on and nothing recorded yet."""
    telemetry[0].clear()
    settings.tracing_enabled = True
    yield telemetry
    settings.tracing_enabled.unset_value()
    telemetry[2].broken = ()


def fix_some(client, accounts, **options):
    """The report of a run on some storage accounts."""
    plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"], resources=accounts[:3])
    return client.apply(plan, approve=plan.digest, **options)


def test_a_run_is_one_trace_down_to_its_requests(tracing, client, accounts):
    """Run, waves, steps, attempts and requests, each below the one that it belongs to, across threads."""
    exporter, _, _ = tracing
    report = fix_some(client, accounts, waves=Waves(canary=1))
    found = {one.context.span_id: one for one in exporter.get_finished_spans()}
    (run,) = [one for one in found.values() if one.name == f"{NAME}.run"]
    assert run.attributes[f"{NAME}.run_id"] == report.run_id

    def path_of(one):
        above = found.get(one.parent.span_id) if one.parent else None
        return (*(path_of(above) if above else ()), one.name.removeprefix(f"{NAME}."))

    paths = [path_of(one) for one in found.values() if one.context.trace_id == run.context.trace_id]
    assert paths.count(("run", "wave", "step")) == 3
    assert paths.count(("run", "wave", "step", "attempt", "PATCH")) == 3
    steps = [one for one in found.values() if one.name == f"{NAME}.step"]
    assert {one.attributes[f"{NAME}.outcome"] for one in steps} == {"applied"}


def test_steps_and_waits_are_measured(tracing, connect, client, accounts, sim):
    """Steps by outcome, and the seconds that requests waited for a limit."""
    _, reader, _ = tracing
    fix_some(client, accounts)
    impatient = connect(retry_total=0)
    sim.faults.fail("GET", status=429, headers={"Retry-After": "7"})
    with pytest.raises(ThrottledError):
        impatient.get_secure_score()
    impatient.get_secure_score()
    (resource,) = reader.get_metrics_data().resource_metrics
    measured = {one.name: one.data.data_points for scope in resource.scope_metrics for one in scope.metrics}
    (applied,) = [one for one in measured[f"{NAME}.steps"] if one.attributes["outcome"] == "applied"]
    assert applied.value >= 3
    assert sum(one.sum for one in measured[f"{NAME}.limit_wait"]) >= 7


@pytest.mark.parametrize("broken", ["start", "end"])
def test_a_tracer_that_fails_fails_no_run(tracing, client, accounts, broken):
    """Every write is sent once and proven, whatever a span processor raises."""
    tracing[2].broken = (broken,)
    report = fix_some(client, accounts)
    assert report.count("applied") == 3
    assert not report.warnings


CODE = """
import sys
from azure.core.settings import settings
from defender_remediate import RemediationClient, MemoryJournal
from defender_remediate.testing import ArmSimulator

def apply_one(client):
    plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"]).limit(1)
    assert client.apply(plan, approve=plan.digest).count("applied") == 1
    assert not [name for name in sys.modules if name.startswith("opentelemetry") and sys.modules[name]]

sim = ArmSimulator.demo()
client = RemediationClient(sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=MemoryJournal())
apply_one(client)
sys.modules["opentelemetry"] = None
settings.tracing_enabled = True
apply_one(client)
"""


@pytest.mark.exhaustive
def test_nothing_is_loaded_unless_tracing_is_on_and_installed(tmp_path):
    """A run does not load OpenTelemetry while tracing is off, and works the same without it while tracing is on."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
