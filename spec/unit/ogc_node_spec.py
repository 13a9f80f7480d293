"""A server of OGC API - Processes as a node: pygeoapi, and servers that mean no good."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import xarray

from pileus.errors import (
    DamagedObject,
    DocumentError,
    HandedBack,
    OperationFailed,
    PileusError,
    Refused,
    TransferError,
    UsageError,
)
from pileus.nodes import ogc_http
from pileus.nodes.node import Node, NodeLost
from pileus.nodes.ogc_process import Process, dataset_of
from pileus.nodes.route import Patience, Route
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import node_of
from pileus.stratus.request import StratusRequest
from spec.support.nodes import read, values
from spec.support.pygeoapi import pygeoapi

pytestmark = [pytest.mark.unit, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pygeoapi(tmp_path_factory.mktemp("pygeoapi")) as url:
        yield url


def node_at(url: str) -> Node:
    return node_of(read_settings({"far": {"type": "ogc", "url": url}}).nodes[0])


def asked(*operations: dict[str, Any], **more: Any) -> StratusRequest:
    return StratusRequest.from_json({"rid": "r", "operation": list(operations), **more})


def do(
    url: str, request: StratusRequest, folder: Path, given: dict[str, Path] | None = None, stopping: Any = None
) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    return dict(node_at(url).run(request, given or {}, folder, stopping or threading.Event()))


def test_processes_are_operations(server: str) -> None:
    found = {one.pattern: one for one in node_at(server).capabilities()}
    assert set(found) == {"far:my_sum", "far:scale-grid", "far:wait"}
    assert found["far:my_sum"].inputs == (0, 0)
    assert found["far:my_sum"].parameters["required"] == ["a"]
    assert set(found["far:my_sum"].parameters["properties"]) == {"a", "b"}
    assert found["far:scale-grid"].inputs == (1, 1)
    assert found["far:scale-grid"].parameters["required"] == ["factor"]


def test_numbers_and_grids_go_through_one_operation_after_another(server: str, tmp_path: Path) -> None:
    """2 + 3 by the first; the grid of 1 and 10 times 4, and that times 10, by the others; through a route."""
    request = asked(
        {"name": "far:my_sum", "a": 2, "b": 3, "result": "five"},
        {"name": "far:scale-grid", "input": "v", "factor": 4, "result": "four"},
        {"name": "far:scale-grid", "input": "four", "factor": 10, "result": "forty"},
        input=[{"name": "v", "uri": "given:v"}],
        outputs=["five", "forty"],
    )
    route = Route([node_at(server)])
    route.check(request)
    made = route.run(request, {"v": values(tmp_path / "v.nc", 1, 10)}, tmp_path / "here", threading.Event())
    assert float(xarray.load_dataset(made["five"])["sum"]) == 5
    assert read(made["forty"]) == [40, 400]


def test_what_a_process_raises_is_told(server: str, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="far:my_sum: the job is failed"):
        do(server, asked({"name": "far:my_sum", "a": -1}), tmp_path)
    with pytest.raises(DocumentError, match="unknown process 'my_summ': did you mean my_sum"):
        do(server, asked({"name": "far:my_summ", "a": 1}), tmp_path)


def test_a_job_that_is_stopped_is_deleted_there(server: str, tmp_path: Path) -> None:
    stopping = threading.Event()
    threading.Timer(0.5, stopping.set).start()
    with pytest.raises(HandedBack):
        do(server, asked({"name": "far:wait", "seconds": 20}), tmp_path, stopping=stopping)


def test_a_server_that_is_not_there_is_lost() -> None:
    with pytest.raises(NodeLost, match="does not answer"):
        node_at("http://127.0.0.1:1").capabilities()
    with pytest.raises(UsageError, match="expected the address"):
        node_at("file:///etc")


class Hostile(BaseHTTPRequestHandler):
    """Answers as its server's table says: by path, a status, headers and a body."""

    def do_GET(self) -> None:
        status, headers, body = self.server.table[self.path.partition("?")[0]]  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


DESCRIBED = {"id": "p", "jobControlOptions": ["async-execute"], "inputs": {}, "outputs": {"o": {"schema": {}}}}


@contextmanager
def hostile(answer: tuple[int, dict[str, str], bytes], **more: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """The address of a server with one process, whose execution is answered so."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    server.table = {  # type: ignore[attr-defined]
        "/processes": (200, {}, json.dumps({"processes": [{"id": "p"}]}).encode()),
        "/processes/p": (200, {}, json.dumps(DESCRIBED).encode()),
        "/processes/p/execution": answer,
        **{f"/{path}": one for path, one in more.items()},
    }
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


JSON = {"Content-Type": "application/json"}
REFUSED: dict[str, tuple[tuple[int, dict[str, str], bytes], type[PileusError], str]] = {
    "a job elsewhere": ((201, {"Location": "http://127.0.0.2:9/jobs/1"}, b""), Refused, "another server"),
    "a job in a file": ((201, {"Location": "file:///etc/passwd"}, b""), Refused, "another server"),
    "a result in a file": ((200, JSON, b'{"href": "file:///etc/passwd"}'), Refused, "none of HTTP"),
    "a result at a private address": ((200, JSON, b'{"o": {"href": "http://127.0.0.2:9/x"}}'), Refused, "private"),
    "a result in the cloud's metadata": ((200, JSON, b'{"href": "http://169.254.169.254/x"}'), Refused, "private"),
    "a redirect of what was sent": ((307, {"Location": "http://127.0.0.2:9/"}, b""), OperationFailed, "status 307"),
    "text": ((200, {"Content-Type": "text/html"}, b"<html>"), DamagedObject, "text/html"),
    "a key twice": ((200, JSON, b'{"a": 1, "a": 2}'), DamagedObject, "twice"),
    "no number": ((200, JSON, b'{"a": "b"}'), DamagedObject, "expected numbers"),
    "an error": ((500, JSON, b'{"detail": "no"}'), OperationFailed, "status 500: no"),
    "too busy": ((503, JSON, b"{}"), NodeLost, "status 503"),
    "no sign-in": ((401, JSON, b"[]"), Refused, "status 401"),
    "a cut answer": ((200, JSON | {"Content-Length": "99"}, b"{"), NodeLost, "broke off"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_answer_that_means_no_good_is_an_error(case: str, tmp_path: Path) -> None:
    answer, error, why = REFUSED[case]
    with hostile(answer) as url, pytest.raises(error, match=why):
        do(url, asked({"name": "far:p", "result": "o"}), tmp_path)
    assert not list(tmp_path.glob(".*.answer"))


def test_an_answer_that_does_not_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ogc_http, "MOST_RESULT", 1000)
    with hostile((200, {}, b"x" * 1001)) as url, pytest.raises(TransferError, match="more than 1,000 bytes"):
        do(url, asked({"name": "far:p"}), tmp_path)


def test_a_redirect_is_followed_on_the_same_server_alone(tmp_path: Path) -> None:
    moved = (302, {"Location": "/elsewhere"}, b"")
    elsewhere = (200, JSON, b'{"status": "failed", "message": "as told"}')
    begun = (201, {"Location": "/job"}, b"")
    with hostile(begun, job=moved, elsewhere=elsewhere) as url, pytest.raises(OperationFailed, match="as told"):
        do(url, asked({"name": "far:p"}), tmp_path)
    away = (302, {"Location": "http://127.0.0.2:9/"}, b"")
    with hostile(begun, job=away) as url, pytest.raises(Refused, match="another server"):
        do(url, asked({"name": "far:p"}), tmp_path)


def test_a_lost_server_is_asked_again_and_then_the_request_fails(tmp_path: Path) -> None:
    with hostile((503, JSON, b"{}")) as url:
        route = Route([node_at(url)], patience=Patience(tries=2, pause=0.01))
        with pytest.raises(NodeLost, match=r"node far, far:p: .*status 503"):
            route.run(asked({"name": "far:p"}), {}, tmp_path, threading.Event())


def test_numbers_of_json_become_a_data_set() -> None:
    assert float(dataset_of(3, "x")["value"]) == 3
    assert dataset_of({"rows": {"value": [[1, 2], [3, 4]]}, "text": "a"}, "x")["rows"].shape == (2, 2)
    for wrong in ("a", [], [[1], [2, 3]], None, {"a/b": 1}):
        with pytest.raises(DamagedObject):
            dataset_of(wrong, "x")


def test_a_description_that_is_none_is_refused() -> None:
    for wrong in ({}, {"id": "x", "inputs": 3}, {"id": "x", "inputs": {"a": 3}}, {"id": "x", "outputs": [1]}):
        with pytest.raises(DamagedObject, match="is not understood"):
            Process.of(wrong)
