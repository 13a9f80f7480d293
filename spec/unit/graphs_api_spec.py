"""The routes of Stratus, over a folder: start, look, read, stop, delete, and what is refused."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.api.stratus.result import between
from pileus.client.remote import RemoteClient
from pileus.client.services import Services
from pileus.edges.aws import Aws
from pileus.edges.logs import FolderLogs
from pileus.errors import Conflict, DocumentError, NotFound, OperationFailed, Unreachable, UsageError
from pileus.lifecycle.partition import Failure
from pileus.models import State
from pileus.runs.end import fail
from pileus.stratus.request import StratusRequest
from pileus.stratus.schema import request_schema
from pileus.stratus.service import GEOTIFF, JSON, NETCDF, PARQUET
from pileus.subject import Request
from pileus.wiring import Edges
from spec.support.api import Asking, serving
from spec.support.from_schema import ANY, from_schema
from spec.support.graphs import ENDPOINTS, done, netcdf, numbers, three_steps
from spec.support.runs import Executions
from spec.support.tiny import folder_edges


class Stack(Services):
    """A stack without AWS, whose executions are done by `do`."""

    def __init__(self, edges: Edges, folder: Path) -> None:
        super().__init__(Aws(), edges, FolderLogs(folder / "logs"))
        self.__dict__["workflows"] = Executions()
        self.__dict__["folder"] = folder

    def do(self, rid: str, number: int = 1) -> None:
        started: Executions = self.__dict__["workflows"]
        task = started.started[f"RunGraph:operations_{rid}_{number}"]["task"]
        done(self.edges, task, self.__dict__["folder"] / "scratch")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("stack")
    return Stack(replace(folder_edges(folder / "objects"), endpoints=lambda: ENDPOINTS), folder)


@pytest.fixture(scope="module")
def ask(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with serving(stack, tmp_path_factory.mktemp("api")) as asking:
        yield asking


@pytest.fixture(scope="module")
def uri(ask: Asking) -> str:
    body = netcdf(1, 2)
    answer = ask("/stratus/core/values", method="POST", role="operate", body=body, Content_Type="application/netcdf")
    assert answer.status == 201
    return str(answer.json["uri"])


def begun(ask: Asking, uri: str, rid: str, **more: Any) -> dict[str, Any]:
    """Start a request of three steps."""
    answer = ask("/stratus/core/exe", method="POST", role="operate", body=three_steps(uri) | {"rid": rid} | more)
    assert answer.status == 202, answer.body
    return dict(answer.json)


def made(stack: Stack, ask: Asking, uri: str, rid: str, **more: Any) -> None:
    """Start a request of three steps, and do it."""
    begun(ask, uri, rid, **more)
    stack.do(rid)


def test_a_start_is_told_as_stratus_does(ask: Asking, uri: str) -> None:
    told = begun(ask, uri, "told", cid="ann")
    assert told["status"] == "executing"
    assert (told["id"], told["rid"], told["sid"], told["cid"]) == ("told", "told", "told", "ann")
    assert begun(ask, uri, "told", cid="ann") == told


def test_the_third_result_is_read_twice_and_in_each_form(stack: Stack, ask: Asking, uri: str) -> None:
    made(stack, ask, uri, "read")
    assert ask("/stratus/core/status?rid=read").json["status"] == "completed"
    for _ in range(2):
        answer = ask("/stratus/core/result?rid=read")
        assert (answer.headers["content-type"], numbers(answer.body)) == (NETCDF, [25, 35])
    as_json = ask("/stratus/hpda1/result?id=read&name=r3", Accept="application/json")
    assert (as_json.headers["content-type"], [25, 35] in _lists(as_json.json)) == (JSON, True)
    assert ask("/stratus/core/result?sid=read", Accept=PARQUET).body[:4] == b"PAR1"


def _lists(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [found for one in value.values() for found in _lists(one)]
    return [value, *(found for one in value for found in _lists(one))] if isinstance(value, list) else []


def test_a_form_that_the_result_has_not_is_a_problem(stack: Stack, ask: Asking, uri: str) -> None:
    made(stack, ask, uri, "no-raster")
    answer = ask("/stratus/core/result?rid=no-raster", Accept="image/tiff")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_part_of_a_result_is_sent_alone(stack: Stack, ask: Asking, uri: str) -> None:
    made(stack, ask, uri, "part")
    whole = ask("/stratus/core/result?rid=part").body
    part = ask("/stratus/core/result?rid=part", Range="bytes=4-7")
    assert (part.status, part.body, part.headers["content-range"]) == (206, whole[4:8], "bytes 4-7/*")
    assert ask("/stratus/core/result?rid=part", Range=f"bytes={len(whole)}-").status == 416


@given(st.lists(st.binary(max_size=5)), st.integers(0, 20), st.one_of(st.none(), st.integers(0, 25)))
def test_a_part_is_what_a_slice_is(pieces: list[bytes], start: int, end: int | None) -> None:
    assert b"".join(between(iter(pieces), start, end)) == b"".join(pieces)[start : end if end is None else max(end, 0)]


def test_a_request_starts_by_get_in_both_dialects(stack: Stack, ask: Asking, uri: str) -> None:
    text = quote(json.dumps(three_steps(uri) | {"rid": "by-get"}))
    assert ask(f"/stratus/core/exe?request={text}", role="operate").status == 202
    value = three_steps(uri)
    lists = "&".join(f"{name}={quote(json.dumps(value[key]))}" for name, key in
                     (("operations", "operation"), ("variables", "input")))  # fmt: skip
    answer = ask(f"/stratus/hpda1/exe?{lists}", role="operate")
    assert answer.status == 202
    stack.do(answer.json["id"])
    assert numbers(ask(f"/stratus/hpda1/result?id={answer.json['id']}").body) == [25, 35]


def test_a_page_that_a_browser_has_open_cannot_start_one(ask: Asking, uri: str) -> None:
    text = quote(json.dumps(three_steps(uri)))
    cookie = f"pileus-{ask.port}={ask.tokens['operate']}"
    answer = ask(f"/stratus/core/exe?request={text}", role=None, Cookie=cookie)
    assert (answer.status, "X-Pileus-Request" in answer.json["detail"]) == (403, True)


def test_who_may_only_read_starts_and_deletes_nothing(ask: Asking, uri: str) -> None:
    for method, path in (
        ("POST", "core/exe"),
        ("GET", "core/exe?request=%7B%7D"),
        ("GET", "hpda1/exe?operations=%5B%5D"),
        ("DELETE", "hpda1/exe?id=told"),
        ("DELETE", "core/result?id=told"),
        ("POST", "core/values"),
    ):
        assert ask(f"/stratus/{path}", method=method, body={} if method == "POST" else None).status == 403


def test_stop_then_delete(stack: Stack, ask: Asking, uri: str) -> None:
    begun(ask, uri, "goes")
    assert ask("/stratus/core/result?rid=goes").status == 409
    assert ask("/stratus/core/result?rid=goes", method="DELETE", role="operate").status == 409
    assert ask("/stratus/hpda1/exe?id=goes", method="DELETE", role="operate").json["status"] == "canceled"
    assert ask("/stratus/core/result?rid=goes", method="DELETE", role="operate").json == {"deleted": "goes"}
    assert ask("/stratus/core/status?rid=goes").status == 404
    assert not [url for url, _ in stack.edges.store.list(stack.edges.internal("runs/operations/goes/"))]


def test_requests_are_listed_by_whoever_asked(ask: Asking, uri: str) -> None:
    for number in range(3):
        begun(ask, uri, f"listed-{number}", cid="bob")
    assert [one["rid"] for one in ask("/stratus/core/requests?cid=bob&limit=2").json] == ["listed-2", "listed-1"]
    assert ask("/stratus/core/status?cid=bob").json["rid"] == "listed-2"
    assert ask("/stratus/core/status?cid=nobody").status == 404


def test_what_there_is(ask: Asking) -> None:
    found = ask("/stratus/core/capabilities").json["capabilities"]
    assert [one["pattern"] for one in found] == ["xop*:add", "xop*:times", "xop*:fails"]
    assert ask("/stratus/hpda1/epas").json == {"epas": ["xop*"]}
    assert ask("/stratus/hpda1/health").json == {"status": "ok"}


def test_what_is_no_netcdf_is_not_kept(ask: Asking) -> None:
    for body in (b"no", b""):
        answer = ask("/stratus/core/values", method="POST", role="operate", body=body)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


def test_the_remote_client_does_what_the_local_one_does(stack: Stack, ask: Asking) -> None:
    graphs = RemoteClient(ask.url, ask.tokens["operate"]).graphs
    uri = graphs.upload(io.BytesIO(netcdf(3)))
    request = StratusRequest.from_json(three_steps(uri) | {"rid": "remote", "cid": "me"})
    assert graphs.start(request).state is State.running
    with pytest.raises(Conflict):
        graphs.result("remote")
    stack.do("remote")
    assert graphs.wait("remote", seconds=5).outputs == ("r3",)
    assert numbers(b"".join(graphs.result("remote", "r3"))) == [45]
    assert graphs.list("me") == (graphs.find("remote"),)
    assert [one.pattern for one in graphs.capabilities()] == ["xop*:add", "xop*:times", "xop*:fails"]
    with pytest.raises(Conflict):
        graphs.stop("remote")
    with pytest.raises(Conflict):
        graphs.start(StratusRequest.from_json(three_steps(uri) | {"rid": "remote", "cid": "you"}))
    with pytest.raises(UsageError):
        graphs.result("remote", "r3", GEOTIFF)
    graphs.delete("remote")
    with pytest.raises(NotFound):
        graphs.find("remote")


def test_a_request_that_failed_raises_what_its_operation_did(stack: Stack, ask: Asking, uri: str) -> None:
    from pileus.lifecycle.partition import Failure
    from pileus.runs.end import fail
    from pileus.subject import Request

    graphs = RemoteClient(ask.url, ask.tokens["operate"]).graphs
    graphs.start(StratusRequest.from_json(three_steps(uri) | {"rid": "failed"}))
    fail(stack.edges, Request("operations", "failed"), 1, Failure("OperationFailed", "no", "operation r1"))
    assert graphs.find("failed").why == "OperationFailed: operation r1: no"
    with pytest.raises(OperationFailed, match="no"):
        graphs.result("failed")


def untouched(stack: Stack) -> tuple[list[tuple[str, int]], int]:
    """All objects, and how many executions were started."""
    edges = stack.edges
    objects = [*edges.store.list(edges.internal("")), *edges.store.list(edges.protected(""))]
    return objects, stack.__dict__["workflows"].starts


WHOLE = from_schema(request_schema())


@st.composite
def bad(draw: st.DrawFn) -> Any:
    """A request of the schema's form, which this stack cannot do, or with something in it replaced."""
    value: Any = draw(WHOLE)
    if value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        value = value | {key: draw(ANY)}
    return value


def test_a_thousand_bad_requests_are_problems_and_start_nothing(stack: Stack, ask: Asking) -> None:
    before, seen = untouched(stack), []

    @settings(max_examples=1000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bad())
    def refused(value: Any) -> None:
        seen.append(value)
        answer = ask("/stratus/core/exe", method="POST", role="operate", body=value)
        assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json"), value

    refused()
    assert len(seen) >= 1000
    assert untouched(stack) == before


def test_a_bad_request_is_refused_by_every_way_in(stack: Stack, ask: Asking) -> None:
    wrong = {"operation": [{"name": "nobody:does"}]}
    before = untouched(stack)
    asked = {"process": "operations", "inputs": {"request": wrong}}
    by_v1 = ask("/v1/runs", method="POST", role="operate", body=asked)
    by_ogc = ask("/processes/operations/execution", method="POST", role="operate", body={"inputs": {"request": wrong}})
    for answer in (by_v1, by_ogc):
        assert answer.status in (400, 422), answer.body
    with pytest.raises(DocumentError, match="nobody:does"):
        RemoteClient(ask.url, ask.tokens["operate"]).graphs.start(StratusRequest.from_json(wrong))
    assert untouched(stack) == before


def test_it_is_a_process_of_ogc_too(stack: Stack, ask: Asking, uri: str) -> None:
    outputs = ask("/processes/operations").json["outputs"]
    assert outputs["results"]["schema"]["oneOf"][0] == {"type": "object", "contentMediaType": "application/json"}
    asked = {"inputs": {"request": three_steps(uri)}}
    headers = {"Prefer": "respond-async"}
    job = ask("/processes/operations/execution", method="POST", role="operate", body=asked, **headers).json["jobID"]
    stack.do(job.partition(".")[2])
    for path in (f"/jobs/{job}/results", f"/jobs/{job}/results/results"):
        assert list(ask(path).json) == ["r3"]
    wrong = asked | {"outputs": {"results": {"format": {"mediaType": "text/csv"}}}}
    assert ask("/processes/operations/execution", method="POST", role="operate", body=wrong).status == 400
    assert ask(f"/v1/runs/request:operations%252F{job.partition('.')[2]}/rows").status == 404


def test_what_a_request_failed_for_is_a_conflict_and_raised_at_whoever_asks(
    stack: Stack, ask: Asking, uri: str
) -> None:
    begun(ask, uri, "lost")
    failure = Failure("Unreachable", "the host name is not known", "https://example.org/a.nc")
    fail(stack.edges, Request("operations", "lost"), 1, failure)
    answer = ask("/stratus/core/result?rid=lost")
    assert (answer.status, answer.json["type"]) == (409, "urn:pileus:Unreachable")
    with pytest.raises(Unreachable, match="the host name is not known"):
        list(RemoteClient(ask.url, ask.tokens["read"]).graphs.result("lost"))


# --- as processes of OGC API - Processes


def test_each_operation_is_a_process(ask: Asking) -> None:
    listed = [one["id"] for one in ask("/processes").json["processes"]]
    assert listed[-3:] == ["xop-add", "xop-times", "xop-fails"]
    told = ask("/processes/xop-times").json
    assert told["inputs"]["number"] == {
        "title": "number",
        "description": "",
        "minOccurs": 1,
        "maxOccurs": 1,
        "schema": {"type": "number"},
    }
    assert (told["inputs"]["input"]["minOccurs"], told["inputs"]["input"]["maxOccurs"]) == (1, 1)
    kinds = [one["contentMediaType"] for one in told["outputs"]["results"]["schema"]["oneOf"]]
    assert kinds[:2] == ["application/json", "application/netcdf"]


def executed(ask: Asking, process: str, inputs: dict[str, Any], **more: Any) -> Any:
    body = {"inputs": inputs} | more
    return ask(f"/processes/{process}/execution", method="POST", role="operate", body=body, Prefer="respond-async")


def test_an_operation_is_executed_as_a_process_and_its_result_is_data(stack: Stack, ask: Asking, uri: str) -> None:
    wanted = {"results": {"format": {"mediaType": "application/netcdf"}}}
    answer = executed(ask, "xop-times", {"input": {"href": uri}, "number": 3}, outputs=wanted)
    assert (answer.status, answer.json["processID"]) == (201, "operations")
    stack.do(answer.json["jobID"].removeprefix("operations."))
    results = ask(f"/jobs/{answer.json['jobID']}/results")
    assert (results.headers["content-type"], numbers(results.body)) == ("application/netcdf", [3.0, 6.0])
    told = ask(f"/jobs/{answer.json['jobID']}/results/results?f=application/json").json
    assert list(told) == ["result"]


@pytest.mark.parametrize(
    ("process", "inputs", "said"),
    [
        ("xop-times", {}, "number"),
        ("xop-times", {"input": 5, "number": 3}, "expected addresses"),
        ("xop-times", {"input": ["value:none"], "number": 3}, "i1: uri"),
        ("xop-times", {"input": {"href": "https://example.org/a.nc"}, "number": "three"}, "number"),
    ],
)
def test_an_operation_with_wrong_inputs_is_an_exception(
    ask: Asking, process: str, inputs: dict[str, Any], said: str
) -> None:
    answer = executed(ask, process, inputs)
    assert answer.status in (400, 422)
    assert said in answer.json["detail"]


def test_data_does_not_fit_into_a_document(ask: Asking, uri: str) -> None:
    wanted = {"results": {"format": {"mediaType": "application/netcdf"}}}
    answer = executed(ask, "xop-add", {"input": uri}, outputs=wanted, response="document")
    assert (answer.status, "by reference" in answer.json["detail"]) == (400, True)
