"""Where spans go, and which of them."""

import sys

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from graph.tracing_settings import TracingSettings


def processor_of(settings: TracingSettings) -> SpanProcessor:
    """What takes spans in. Sending happens on a thread of its own, in batches; OTEL_BSP_ variables say how large."""
    if settings.exporter == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr))
    return BatchSpanProcessor(OTLPSpanExporter(settings.endpoint))


def sampler_of(settings: TracingSettings) -> Sampler:
    """What says which traces are kept."""
    root: Sampler = {"on": ALWAYS_ON, "off": ALWAYS_OFF}.get(settings.sampler.rpartition("_")[2]) or TraceIdRatioBased(
        settings.ratio
    )
    return ParentBased(root) if settings.sampler.startswith("parentbased_") else root
