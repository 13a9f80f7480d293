"""OGC API - Processes on the embedded stack: the assertions of the OGC's own suite (ets-ogcapi-processes10), by its
clients, with numbers to check in the head.
"""

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet
import pytest
from ogc_api_processes_client import ApiClient, Configuration
from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper
from ogc_api_processes_client.models.exception import Exception as OgcException
from ogc_api_processes_client.models.job_list import JobList
from ogc_api_processes_client.models.landing_page import LandingPage
from ogc_api_processes_client.models.process import Process
from ogc_api_processes_client.models.process_list import ProcessList
from ogc_api_processes_client.models.status_info import StatusInfo
from openapi_spec_validator import OpenAPIV30SpecValidator
from owslib.ogcapi.processes import Processes

from spec.support.api import Answer, Asking, serving, stack_services
from spec.support.gated import GatedSite, gated, published
from spec.support.stack import Project

SQUARE = {"type": "Polygon", "coordinates": [[[1, 1], [3.5, 1], [3.5, 3], [1, 3], [1, 1]]]}
ZONES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "id": "mine", "properties": {}, "geometry": SQUARE}],
}
"""2.5 x 2 pixels of ones."""
TYPES = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
PROCESS = "zonal-statistics"
EXECUTION = f"/processes/{PROCESS}/execution"


@dataclass
class Bench:
    """A served API, the site that its process reads from, and how to execute it."""

    api: Asking
    site: GatedSite

    def inputs(self, **changes: Any) -> dict[str, Any]:
        """Inputs whose one row has the count 5 and the sum 5."""
        archive = f"http://127.0.0.1:{self.site.port}/lights/201501/tiny_201501.tgz"
        value = {"zones": {"value": ZONES}, "rasters": [{"href": archive}], "bands": ["light"]}
        return value | {"stats": ["count", "sum"]} | changes

    def execute(self, *, prefer: str = "", inputs: dict[str, Any] | None = None, **changes: Any) -> Answer:
        body = {"inputs": inputs or self.inputs(), **changes}
        return self.api(EXECUTION, method="POST", role="operate", body=body, Prefer=prefer)

    def begin(self, **changes: Any) -> str:
        """Begin a job; its address."""
        answer = self.execute(prefer="respond-async", **changes)
        assert answer.status == 201, answer.body
        return answer.headers["location"].removeprefix(self.api.url)

    def wait(self, job: str) -> dict[str, Any]:
        """Status of a job once it has ended."""
        until = time.monotonic() + 120
        while (status := self.api(job).json)["status"] in ("accepted", "running"):
            assert time.monotonic() < until, status
            time.sleep(0.1)
        return dict(status)

    def done(self, **changes: Any) -> str:
        """Address of a job that has succeeded."""
        job = self.begin(**changes)
        assert self.wait(job)["status"] == "successful"
        return job


@pytest.fixture(scope="module")
def bench(stack: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    (stack.path / "site").mkdir()
    with gated(stack) as site, serving(stack_services(stack), tmp_path_factory.mktemp("api")) as api:
        published(stack, site, "lights", "201501", "201502")
        stack.pileus("populate")
        made = Bench(api, site)
        made.done()  # a worker that has never measured compiles first
        yield made


def links(value: dict[str, Any]) -> dict[str, str]:
    return {link["rel"]: link["href"] for link in value["links"]}


# --- what the suite asserts of documents: they are read by the models made from the standard's own definition


def test_the_landing_page_is_public_and_leads_to_everything(bench: Bench) -> None:
    answer = bench.api("/", role=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert LandingPage.from_dict(answer.json) is not None
    found = links(answer.json)
    rel = "http://www.opengis.net/def/rel/ogc/1.0"
    assert {"self", "service-desc", "processes", f"{rel}/processes", f"{rel}/conformance", f"{rel}/job-list"} <= set(
        found
    )
    for name in ("conformance", f"{rel}/processes", f"{rel}/job-list", "service-desc", "data"):
        assert bench.api(found[name].removeprefix(bench.api.url)).status == 200


def test_it_says_which_classes_it_conforms_to(bench: Bench) -> None:
    told = bench.api("/conformance", role=None).json["conformsTo"]
    assert {one.rpartition("/")[2] for one in told} == {
        "core", "ogc-process-description", "json", "oas30", "job-list", "dismiss",
    }  # fmt: skip


def test_the_openapi_document_is_of_3_0_and_valid(bench: Bench) -> None:
    answer = bench.api("/openapi-3.0.json", role=None)
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert answer.json["openapi"].startswith("3.0")
    OpenAPIV30SpecValidator(answer.json).validate()
    assert {"/processes", "/processes/{id}/execution", "/jobs", "/jobs/{id}/results"} <= set(answer.json["paths"])


def test_processes_are_listed_and_limited(bench: Bench) -> None:
    answer = bench.api("/processes?limit=1")
    listed = ProcessList.from_dict(answer.json)
    assert listed is not None
    assert [process.id for process in listed.processes] == [PROCESS]
    assert answer.json["links"]
    assert bench.api("/processes?limit=0").status == 400


def test_a_process_is_described_with_inputs_and_outputs(bench: Bench) -> None:
    value = bench.api(f"/processes/{PROCESS}").json
    assert Process.from_dict(value) is not None
    assert value["jobControlOptions"] == ["sync-execute", "async-execute", "dismiss"]
    assert value["outputTransmission"] == ["value", "reference"]
    assert [name for name, told in value["inputs"].items() if told["minOccurs"]] == ["zones"]
    assert all(told["schema"] and told["description"] for told in value["inputs"].values())
    kinds = [kind["contentMediaType"] for kind in value["outputs"]["rows"]["schema"]["oneOf"]]
    assert kinds[:2] == ["application/json", "text/csv"]
    assert "application/vnd.apache.parquet" in kinds


@pytest.mark.parametrize("path", ["/processes/none", "/processes/none/execution"])
def test_a_process_that_is_not_there_is_an_exception_of_the_standard(bench: Bench, path: str) -> None:
    method = "POST" if path.endswith("execution") else "GET"
    answer = bench.api(path, method=method, role="operate", body={} if method == "POST" else None)
    assert (answer.status, answer.json["type"]) == (404, f"{TYPES}/no-such-process")
    assert answer.headers["content-type"] == "application/json"
    assert OgcException.from_dict(answer.json) is not None


@pytest.mark.parametrize("id", ["none", "zonal-statistics.none", "zonal-statistics.%20", "a.b.c"])
def test_a_job_that_is_not_there_is_an_exception_of_the_standard(bench: Bench, id: str) -> None:
    for path in (f"/jobs/{id}", f"/jobs/{id}/results", f"/jobs/{id}/results/rows"):
        answer = bench.api(path)
        assert (answer.status, answer.json["type"]) == (404, f"{TYPES}/no-such-job")
    assert bench.api(f"/jobs/{id}", method="DELETE", role="operate").json["type"] == f"{TYPES}/no-such-job"


# --- executions


def test_an_execution_is_synchronous_where_nothing_else_is_said(bench: Bench) -> None:
    answer = bench.execute()
    assert answer.status == 200, answer.body
    (row,) = answer.json
    assert (row["zone"], row["band"], row["count"], row["sum"]) == ("mine", "light", 5.0, 5.0)
    job = answer.headers["link"].partition(">")[0].removeprefix("<").removeprefix(bench.api.url)
    assert 'rel="monitor"' in answer.headers["link"]
    assert bench.api(job).json["status"] == "successful"


def test_an_asynchronous_execution_is_a_job_whose_results_come_later(bench: Bench) -> None:
    answer = bench.execute(prefer="respond-async")
    assert (answer.status, answer.headers["preference-applied"]) == (201, "respond-async")
    told = StatusInfo.from_dict(answer.json)
    assert told is not None
    assert (told.process_id, told.type, told.status) == (PROCESS, "process", "accepted")
    job = answer.headers["location"].removeprefix(bench.api.url)
    assert job == f"/jobs/{told.job_id}"
    ended = bench.wait(job)
    assert (ended["status"], ended["progress"]) == ("successful", 100)
    assert ended["created"] <= ended["started"] <= ended["finished"]
    results = links(ended)["http://www.opengis.net/def/rel/ogc/1.0/results"]
    (row,) = bench.api(results.removeprefix(bench.api.url)).json
    assert row["sum"] == 5.0


def test_a_document_has_each_output_by_name(bench: Bench) -> None:
    answer = bench.execute(response="document")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["rows"]["mediaType"] == "application/json"
    assert answer.json["rows"]["value"][0]["sum"] == 5.0


def form(media_type: str, mode: str = "value") -> dict[str, Any]:
    return {"rows": {"format": {"mediaType": media_type}, "transmissionMode": mode}}


def test_rows_are_had_as_csv_and_as_parquet(bench: Bench) -> None:
    answer = bench.execute(outputs=form("text/csv"))
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
    assert float(row["sum"]) == 5
    answer = bench.execute(outputs=form("application/vnd.apache.parquet"))
    assert pyarrow.parquet.read_table(io.BytesIO(answer.body))["sum"].to_pylist() == [5.0]
    answer = bench.execute(outputs=form("text/csv"), response="document")
    assert answer.json["rows"]["value"].splitlines()[0].startswith('"zone"')


def test_an_output_by_reference_is_a_link_that_the_same_token_follows(bench: Bench) -> None:
    raw = bench.execute(outputs=form("text/csv", "reference"))
    assert (raw.status, raw.body) == (204, b"")
    assert 'rel="rows"' in raw.headers["link"]
    document = bench.execute(outputs=form("text/csv", "reference"), response="document").json
    link = document["rows"]
    assert link["type"] == "text/csv"
    answer = bench.api(link["href"].removeprefix(bench.api.url))
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body.count(b"\n") == 2


def test_an_async_job_remembers_how_its_results_are_wanted(bench: Bench) -> None:
    job = bench.done(outputs=form("text/csv"), response="raw")
    assert bench.api(f"{job}/results").headers["content-type"].startswith("text/csv")
    assert bench.api(f"{job}/results/rows").headers["content-type"].startswith("text/csv")
    assert bench.api(f"{job}/results/rows?f=application/json").json[0]["sum"] == 5.0
    assert bench.api(f"{job}/results/rows?f=text/html").status == 400
    assert bench.api(f"{job}/results/pictures").status == 404


def test_inputs_are_taken_in_place_qualified_and_as_links(bench: Bench) -> None:
    plain = bench.inputs()["rasters"][0]["href"]
    given = [
        bench.inputs(zones=ZONES, rasters=[plain]),
        bench.inputs(zones={"value": ZONES, "mediaType": "application/geo+json"}, rasters=[{"value": plain}]),
        bench.inputs(each={"value": False}),
    ]
    for inputs in given:
        (row,) = bench.execute(inputs=inputs).json
        assert row["sum"] == 5.0


def test_points_in_time_of_a_collection(bench: Bench) -> None:
    inputs = {"zones": {"value": ZONES}, "collection": "lights", "periods": ["2015-01", "2015-02"], "stats": ["sum"]}
    rows = bench.execute(inputs=inputs).json
    assert [(row["period"], row["sum"]) for row in rows] == [("2015-01", 5.0), ("2015-02", 5.0)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "zones"),
        ({"inputs": {"zones": {"value": {"type": "wrong"}}, "rasters": ["https://example.org/a.tif"]}}, "zones"),
        ({"inputs": {"zones": {"value": ZONES}}}, "either rasters, or collection"),
        ({"inputs": {"zones": {"value": ZONES}, "rasters": ["file:///etc/passwd"]}}, "rasters"),
        ({"inputs": {"zones": {"value": "%", "encoding": "base64"}}}, "inputs"),
        ({"inputs": {}, "outputs": {"pictures": {}}}, "unknown output 'pictures'"),
        ({"inputs": {}, "outputs": {"rows": {"format": {"mediaType": "text/html"}}}}, "unknown media type"),
        ({"inputs": {}, "outputs": {"rows": {"transmissionMode": "pigeon"}}}, "transmissionMode"),
        ({"inputs": {}, "response": "loud"}, "response"),
        ({"invalid-execute-request": "true"}, "invalid-execute-request"),
        ([], "body"),
    ],
)
def test_an_execution_that_is_wrong_is_an_exception_that_says_why(bench: Bench, body: Any, told: str) -> None:
    for prefer in ("", "respond-async"):
        answer = bench.api(EXECUTION, method="POST", role="operate", body=body, Prefer=prefer)
        assert (answer.status, answer.json["type"]) == (400, "InvalidParameterValue")
        assert answer.headers["content-type"] == "application/json"
        assert told in answer.json["detail"]


def test_a_job_that_fails_says_why_in_status_and_results(bench: Bench) -> None:
    job = bench.begin(inputs=bench.inputs(bands=["rain"]))
    status = bench.wait(job)
    assert status["status"] == "failed"
    assert "rain" in status["message"]
    answer = bench.api(f"{job}/results")
    assert answer.status == 400
    assert "rain" in answer.json["detail"]
    synchronous = bench.execute(inputs=bench.inputs(bands=["rain"]))
    assert (synchronous.status, synchronous.json["type"]) == (400, answer.json["type"])


def test_a_job_is_dismissed_while_it_goes_on(bench: Bench) -> None:
    bench.site.gate.clear()
    try:
        job = bench.begin()
        early = bench.api(f"{job}/results")
        assert (early.status, early.json["type"]) == (404, f"{TYPES}/result-not-ready")
        answer = bench.api(job, method="DELETE", role="operate")
        assert (answer.status, answer.json["status"]) == (200, "dismissed")
        assert bench.api(job).json["message"] == "dismissed by spec-operate"
        assert bench.api(f"{job}/results").status == 410
        assert bench.api(job, method="DELETE", role="operate").status == 200
    finally:
        bench.site.gate.set()


def test_a_job_that_has_ended_is_not_dismissed(bench: Bench) -> None:
    job = bench.done()
    assert bench.api(job, method="DELETE", role="operate").status == 409
    assert bench.api(f"{job}/results").status == 200


def test_a_synchronous_execution_that_takes_too_long_becomes_a_job(bench: Bench) -> None:
    bench.site.gate.clear()
    try:
        answer = bench.execute(prefer="wait=1")
        assert answer.status == 201
        assert answer.json["status"] in ("accepted", "running")
    finally:
        bench.site.gate.set()
    assert bench.wait(answer.headers["location"].removeprefix(bench.api.url))["status"] == "successful"


def test_jobs_are_listed_by_page_and_filtered(bench: Bench) -> None:
    before = bench.api("/jobs?limit=1000").json["jobs"]
    good, bad = bench.done(), bench.begin(inputs=bench.inputs(bands=["rain"]))
    bench.wait(bad)
    answer = bench.api("/jobs?limit=1000").json
    assert JobList.from_dict(answer) is not None
    ids = [job["jobID"] for job in answer["jobs"]]
    assert len(ids) == len(before) + 2
    good_id, bad_id = good.removeprefix("/jobs/"), bad.removeprefix("/jobs/")
    paged, path = [], "/jobs?limit=1"
    while path:
        page = bench.api(path).json
        paged += [job["jobID"] for job in page["jobs"]]
        path = links(page).get("next", "").removeprefix(bench.api.url)
    assert paged == ids

    def found(query: str) -> set[str]:
        return {job["jobID"] for job in bench.api(f"/jobs?limit=1000&{query}").json["jobs"]} & {good_id, bad_id}

    assert found("status=successful") == {good_id}
    assert found("status=failed,dismissed") == {bad_id}
    assert found("status=successful&status=failed") == {good_id, bad_id}
    assert found(f"processID={PROCESS}&type=process") == {good_id, bad_id}
    assert found("processID=another") == found("type=another") == set()
    created = next(job["created"] for job in answer["jobs"] if job["jobID"] == bad_id).replace("+00:00", "Z")
    assert bad_id in found(f"datetime={created}/..")
    assert bad_id not in found("datetime=../2020-01-01T00:00:00Z")
    assert found("maxDuration=100000") == {good_id, bad_id}
    assert found("minDuration=100000") == set()
    for wrong in ("status=loud", "datetime=soon", "limit=0", "cursor=x"):
        assert bench.api(f"/jobs?{wrong}").status == 400


def test_reading_asks_for_read_and_executing_for_operate(bench: Bench) -> None:
    for path in ("/processes", f"/processes/{PROCESS}", "/jobs", "/jobs/x", "/jobs/x/results"):
        assert bench.api(path, role=None).status == 401
    for role, status in ((None, 401), ("read", 403)):
        assert bench.api(EXECUTION, method="POST", role=role, body={"inputs": bench.inputs()}).status == status
        assert bench.api("/jobs/x", method="DELETE", role=role).status == status


# --- clients that others wrote


def test_owslib_finds_describes_and_executes(bench: Bench) -> None:
    client = Processes(bench.api.url, headers={"Authorization": f"Bearer {bench.api.tokens['operate']}"})
    assert [one["id"] for one in client.processes()][:2] == [PROCESS, "operations"]
    assert "zones" in client.process(PROCESS)["inputs"]
    assert client.api()["openapi"].startswith("3.0")
    assert len(client.conformance()["conformsTo"]) == 6
    answer = client.execute(PROCESS, inputs=bench.inputs(), response="document")
    assert answer["rows"]["value"][0]["sum"] == 5.0
    later = client.execute(PROCESS, inputs=bench.inputs(), response="document", async_=True)
    assert "jobID" in str(later) or "/jobs/" in str(client.response_headers["Location"])


def test_the_client_made_from_the_standard_executes_and_reads_results(bench: Bench) -> None:
    configuration = Configuration(host=bench.api.url)
    token = f"Bearer {bench.api.tokens['operate']}"
    client = ApiClientWrapper(configuration, header_name="Authorization", header_value=token)
    assert isinstance(client.api_client, ApiClient)
    assert client.get_landing_page().links
    assert [one.id for one in client.get_processes().processes][:2] == [PROCESS, "operations"]
    assert client.get_process_description(PROCESS).inputs
    headers = {"Authorization": token, "Prefer": "respond-async", "Content-Type": "application/json"}
    # `execute` of this client loses objects given by value, which is why it has `execute_simple`.
    request = {"inputs": bench.inputs(), "outputs": form("text/csv", "reference"), "response": "document"}
    begun = client.execute_simple(PROCESS, request, _headers=headers)
    job = str(begun.job_id)
    assert bench.wait(f"/jobs/{job}")["status"] == "successful"
    assert str(client.get_status(job).status.value) == "successful"
    assert job in [str(one.job_id) for one in client.get_jobs().jobs]
    link = client.get_result(job)["rows"].actual_instance  # of values, it reads objects and numbers alone
    assert b"mine" in bench.api(link.href.removeprefix(bench.api.url)).body
