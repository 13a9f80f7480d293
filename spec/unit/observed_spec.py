"""What collectors of the user are told: Prometheus by scrapes, OpenTelemetry by a real receiver of OTLP over HTTP."""

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from pileus.errors import UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.timing import Hop, Timing
from pileus.wiring import Edges
from pileus.worker import prometheus, traces
from pileus.worker.prometheus import WorkerMetrics, served
from pileus.worker.traces import ids_of, traces_of
from spec.servers import free_port
from spec.support.api import Asking, folder_services, serving
from spec.support.tiny import folder_edges

HOPS = {"queue": Hop(-5, 5), "download": Hop(0, 4, 1000), "measure": Hop(2, 3)}
TIMING = Timing(1_795_739_665.0, HOPS).to_json()


def entry(state: State = State.succeeded, **facts: Any) -> Entry:
    at = Partition("viirs", "001", "2015-01", "g")
    return Entry(at, state, "b/2", seconds=6.0, downloaded=1000, attempt=1, timing=TIMING, **facts)


def scraped(text: str) -> dict[tuple[str, ...], float]:
    """The samples of a scrape, by name and values of labels."""
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_worker_counts_partitions_hops_and_bytes() -> None:
    counted = WorkerMetrics(lambda: 0.25)
    counted.ended(entry())
    counted.ended(entry())
    counted.ended(entry(State.failed))
    with (
        served(counted.registry, f"127.0.0.1:{free_port()}") as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        found = scraped(answer.read().decode())
    assert found["pileus_worker_partitions_total", "succeeded"] == 2
    assert found["pileus_worker_partitions_total", "failed"] == 1
    assert found["pileus_worker_step_seconds_sum", "download"] == 12
    assert found["pileus_worker_step_seconds_bucket", "3.0", "download"] == 0
    assert found["pileus_worker_step_seconds_bucket", "10.0", "download"] == 3
    assert found["pileus_worker_step_bytes_total", "download"] == 3000
    assert found["pileus_worker_scratch_free_ratio",] == 0.25


def test_a_second_worker_of_a_host_takes_the_next_port_and_both_end() -> None:
    place = f"127.0.0.1:{free_port()}"
    with (
        served(WorkerMetrics(lambda: 1).registry, place) as one,
        served(WorkerMetrics(lambda: 1).registry, place) as two,
    ):
        assert two > one
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{one}/metrics")


@pytest.mark.parametrize("place", ["9464", "host:", ":80", "a:b", "127.0.0.1:99999"])
def test_a_place_that_is_none_is_refused_in_a_sentence(place: str) -> None:
    with (
        pytest.raises(UsageError, match=r"expected HOST:PORT|none of the 16 ports"),
        served(WorkerMetrics(lambda: 1).registry, place),
    ):
        pass


@dataclass
class Receiver:
    """A receiver of OTLP over HTTP."""

    url: str = ""
    got: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def spans(self) -> dict[str, Any]:
        """All spans, by name."""
        return {
            span.name: span
            for request in self.got
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }

    @property
    def service(self) -> str:
        attributes = self.got[0].resource_spans[0].resource.attributes
        return next(one.value.string_value for one in attributes if one.key == "service.name")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            found.headers.append(dict(self.headers.items()))
            found.got.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


def sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *entries: Entry, **variables: str) -> Receiver:
    """What the receiver got of these."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} | variables
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = traces_of(environ)
    assert made
    for one in entries:
        made.ended(one)
    made.close()
    return receiver


def test_a_partition_is_a_span_below_its_run_and_its_hops_are_below_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = sent(receiver, monkeypatch, entry()).spans
    whole, trace = spans["partition 2015-01"], ids_of("b/2")
    assert set(spans) == {"partition 2015-01", *HOPS}
    assert (int.from_bytes(whole.trace_id), int.from_bytes(whole.parent_span_id)) == trace
    assert {spans[name].parent_span_id for name in HOPS} == {whole.span_id}
    began = 1_795_739_665 * 10**9
    assert (whole.start_time_unix_nano - began, whole.end_time_unix_nano - began) == (-5e9, 6e9)
    download = spans["download"]
    assert (download.start_time_unix_nano - began, download.end_time_unix_nano - began) == (0, 4e9)
    told = {one.key: one.value for one in whole.attributes}
    assert (told["pileus.backfill"].string_value, told["pileus.run"].int_value) == ("b", 2)
    assert receiver.service == "pileus"


def test_the_standard_variables_say_what_is_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"OTEL_SERVICE_NAME": "archive", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=secret"}
    assert sent(receiver, monkeypatch, entry(), **more).service == "archive"
    assert receiver.headers[0]["x-key"] == "secret"


def test_a_failure_is_an_error_of_its_span(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = entry(State.failed, failure=Failure("Corrupt", "its size differs", "a.tgz"))
    whole = sent(receiver, monkeypatch, failed).spans["partition 2015-01"]
    assert (whole.status.code, whole.status.message) == (2, "its size differs")


def test_two_runs_are_two_traces_and_one_run_is_one() -> None:
    assert ids_of("b/1") == ids_of("b/1") != ids_of("b/2")
    assert all(id > 0 for id in ids_of("b/1"))


@pytest.mark.parametrize("variables", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_nothing_is_sent_where_nothing_asks_for_it(variables: dict[str, str]) -> None:
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if variables else {}
    assert traces_of(named | variables) is None


def without(package: str, code: str) -> str:
    """What code says in a Python that lacks a package."""
    lacking = f"import sys; sys.modules[{package!r}] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", lacking], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


NO_METRICS = """
from pileus.worker.prometheus import WorkerMetrics
try:
    WorkerMetrics(lambda: 1)
except Exception as error:
    print(error)
"""
NO_TRACES = """
import logging
logging.basicConfig()
from pileus.worker.traces import traces_of
assert traces_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}) is None
"""


def test_without_the_extra_metrics_one_sentence_says_so() -> None:
    assert without("prometheus_client", NO_METRICS) == f"{prometheus.MISSING}\n"


def test_without_the_extra_traces_one_line_of_the_log_says_so() -> None:
    assert without("opentelemetry.sdk", NO_TRACES) == f"WARNING:pileus.worker:{traces.MISSING}\n"


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    made = folder_edges(tmp_path_factory.mktemp("stack"))
    for id, state in (("b", "running"), ("old", "succeeded")):
        made.index.put_backfill(Backfill(id, "viirs", "001", "2015-01", "2015-02", "month", execution="x", state=state))  # type: ignore[arg-type]
    made.index.put(entry(size=4000))
    return made


@pytest.fixture(scope="module")
def ask(edges: Edges, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("api")
    with serving(folder_services(edges, folder / "logs"), folder) as asking:
        yield asking


def test_the_api_tells_prometheus_of_backfills_and_of_partitions_of_those_that_run(ask: Asking) -> None:
    answer = ask("/metrics", role="read")
    assert answer.headers["content-type"].startswith("text/plain")
    found = scraped(answer.body.decode())
    assert (found["pileus_backfills", "running"], found["pileus_backfills", "succeeded"]) == (1, 1)
    assert found["pileus_backfill_partitions", "b", "viirs", "succeeded"] == 1
    assert found["pileus_backfill_partitions", "b", "viirs", "planned"] == 1
    assert found["pileus_backfill_bytes", "b", "viirs"] == 1000
    assert not any("old" in labels for labels in found)


def test_metrics_name_backfills_so_they_ask_for_a_token(ask: Asking) -> None:
    assert ask("/metrics", role=None).status == 401
