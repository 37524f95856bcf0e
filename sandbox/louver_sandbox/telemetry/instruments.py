"""The instruments of OpenTelemetry: what is counted and timed, under which names, and a span for each call.

The names are a promise to dashboards and alerts (docs/reference/telemetry.md). Attributes are words of closed lists.
The library is an extra (`louver[telemetry]`): this module is imported only where telemetry is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from louver import __version__
from louver_sandbox.telemetry.calls import Ended

CALL_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SCRAPE_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Reading = Callable[[], Mapping[str, float]]
"""A gauge's values now, by the value of its one attribute; by "" where it has none."""


class Instruments:
    """Everything that one service counts. `scrape` gives what Prometheus reads; spans and metrics go to the collector
    at `otlp` (host:port of a gRPC receiver), if there is one. Threads may share it. Close it at the end."""

    def __init__(self, otlp: str = "", spans: SpanExporter | None = None) -> None:
        # Nothing of the environment: OTEL_RESOURCE_ATTRIBUTES or a host's name are no business of a collector.
        resource = Resource({"service.name": "louver-sandbox", "service.version": __version__})
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        readers: list[MetricReader] = [
            PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        ]
        if otlp:
            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=otlp, insecure=True)))
        self._meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._tracers = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        self._traced = bool(otlp) or spans is not None
        if otlp:
            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp, insecure=True)))
        if spans is not None:
            self._tracers.add_span_processor(SimpleSpanProcessor(spans))
        self._tracer = self._tracers.get_tracer("louver_sandbox")
        meter = self._meter = self._meters.get_meter("louver_sandbox")
        self._calls = meter.create_counter("louver_calls", description="Calls that ended, by method and end.")
        self._refusals = meter.create_counter("louver_refusals", description="Refusals, by code.")
        self._seconds = meter.create_histogram(
            "louver_call",
            "s",
            "How long calls took, by method.",
            explicit_bucket_boundaries_advisory=CALL_BOUNDS,
        )
        self._stages = meter.create_histogram(
            "louver_stage",
            "s",
            "How long questions took in each stage.",
            explicit_bucket_boundaries_advisory=CALL_BOUNDS,
        )

    def gauge(self, name: str, description: str, attribute: str, reading: Reading) -> None:
        """A value that is read when somebody asks."""
        self._meter.create_observable_gauge(name, [_observing(attribute, reading)], description=description)

    def counter(self, name: str, description: str, attribute: str, reading: Reading) -> None:
        """The same for one that only grows."""
        self._meter.create_observable_counter(name, [_observing(attribute, reading)], description=description)

    def record(self, call: Ended) -> None:
        """Counts a call that is over, and makes its spans."""
        self._calls.add(1, {"method": call.method, "end": call.end})
        self._seconds.record(call.seconds, {"method": call.method})
        if call.code:
            self._refusals.add(1, {"code": call.code})
        for passed in call.stages:
            self._stages.record(passed.seconds, {"stage": passed.stage})
        if self._traced:
            self._trace(call)

    def _trace(self, call: Ended) -> None:
        end = time.time_ns()
        at = begin = end - int(call.seconds * 1e9)
        attributes = {"rpc.system": "grpc", "rpc.method": call.method, "louver.end": call.end}
        attributes |= {"louver.code": call.code} if call.code else {}
        attributes |= {"louver.query": call.query} if call.query else {}
        span = self._tracer.start_span(call.method, kind=SpanKind.SERVER, attributes=attributes, start_time=begin)
        inside = set_span_in_context(span)
        for passed in call.stages:
            stage = self._tracer.start_span(passed.stage, inside, start_time=at)
            at += int(passed.seconds * 1e9)
            stage.end(at)
        if call.end in ("fault", "failed"):
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def scrape(self) -> bytes:
        """Every metric in Prometheus's text format."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Sends what is left and ends its threads."""
        self._tracers.shutdown()
        self._meters.shutdown()


def _observing(attribute: str, reading: Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(options: CallbackOptions) -> Sequence[Observation]:
        return [Observation(value, {attribute: word} if word else {}) for word, value in reading().items()]

    return observe
