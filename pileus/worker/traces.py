"""The hops of partitions as OpenTelemetry traces, with the extra traces, where the environment names a collector.

One trace for each run of a backfill; in it a span for each partition, and below it one for each of its hops. The
standard variables OTEL_* say where spans go and what they are called.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.timing import BEFORE, Timing
from pileus.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger("pileus.worker")
MISSING = "OTEL_* names a collector, and traces need the extra traces: pip install 'pileus[traces]'; none are sent"
ASKED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables that name a collector."""
PATIENCE = 2.0
"""Seconds for which a worker tries at its end to reach a collector that refuses."""


def asked_for(environ: Mapping[str, str]) -> bool:
    """Return whether the environment asks for traces.

    >>> asked_for({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}), asked_for({})
    (True, False)
    """
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(environ.get(name) for name in ASKED)


def traces_of(environ: Mapping[str, str]) -> "Traces | None":
    """Return what sends the traces that the environment asks for; None where it does not, or without the extra."""
    if not asked_for(environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning(MISSING)
        return None
    told = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if told else {"service.name": "pileus"}))
    exporter: Any = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def close() -> None:
        giving_up = threading.Timer(PATIENCE, exporter.shutdown)
        giving_up.start()
        provider.shutdown()
        giving_up.cancel()

    return Traces(provider, close)


class Traces:
    """Makes spans of partitions that have ended. `close`: sends what is left."""

    def __init__(self, provider: "TracerProvider", close: Callable[[], None]) -> None:
        self._tracer = provider.get_tracer("pileus", __version__)
        self.close = close

    def ended(self, entry: Entry) -> None:
        """Make the spans of a partition. One whose times are not known has none."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        timing = Timing.from_json(entry.timing)
        if timing is None:
            return
        first = min([0.0, *(hop.start for hop in timing.hops.values())])
        last = max([entry.seconds, *(hop.end for hop in timing.hops.values())])
        at = entry.partition
        facts: dict[str, str | int] = {
            "pileus.backfill": entry.backfill,
            "pileus.run": entry.number,
            "pileus.collection": at.collection,
            "pileus.version": at.version,
            "pileus.period": at.period,
            "pileus.group": at.group,
            "pileus.state": str(entry.state),
            "pileus.attempt": entry.attempt,
            "pileus.bytes": entry.downloaded,
        }
        whole = self._tracer.start_span(
            f"partition {at.period}",
            context=_of_run(entry.run),
            kind=SpanKind.CONSUMER,
            attributes=facts,
            start_time=_nanoseconds(timing.began + first),
        )
        if entry.state is State.failed and entry.failure:
            whole.set_status(Status(StatusCode.ERROR, entry.failure.message))
            whole.set_attribute("error.type", entry.failure.type)
        for name, hop in timing.hops.items():
            span = self._tracer.start_span(
                name,
                context=set_span_in_context(whole),
                attributes={
                    "pileus.seconds": hop.seconds,
                    "pileus.bytes": hop.bytes,
                    "pileus.by_worker": name not in BEFORE,
                },
                start_time=_nanoseconds(timing.began + hop.start),
            )
            span.end(_nanoseconds(timing.began + hop.end))
        whole.end(_nanoseconds(timing.began + last))


def ids_of(run: str) -> tuple[int, int]:
    """Return the ids of the trace and the span that a run of a backfill is: all workers make the same of its name."""
    digest = hashlib.sha256(run.encode()).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def _of_run(run: str) -> "Context":
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    trace, span = ids_of(run)
    of = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(of))


def _nanoseconds(moment: float) -> int:
    return round(moment * 1e9)
