"""The HTTP API over the embedded stack: everything that can be asked, by a bare client and by Pileus's own."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests

import pileus
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status
from pileus.client.client import Client
from pileus.client.local import LocalClient
from pileus.client.remote import RemoteClient
from pileus.client.rows import Rows
from pileus.deploy.synth import check_settings
from pileus.errors import DocumentError, NotNow, PileusError, Refused, Unknown, Unreachable, UsageError, ZonesError
from pileus.lifecycle.backfill import Backfill
from pileus.models import State
from pileus.project.registry import Registry
from spec.servers import free_port
from spec.support import tiny
from spec.support.api import Asking, serving, stack_services
from spec.support.stack import Project

MONTHS = ["201501", "201502", "201503"]


def settings() -> Any:
    return check_settings({})


@pytest.fixture(scope="module")
def done(stack: Project) -> Project:
    """Three months, the last of which is not published."""
    process = {"band": "light", "zones": "data/zones/tiny.geojson"}
    tiny.collection(stack, "lights", MONTHS[0], MONTHS[-1], meta={"group": {"by": ["month"]}, "process": process})
    tiny.publish(stack, "lights", *MONTHS[:2])
    (stack.path / "site/lights" / MONTHS[2]).mkdir(parents=True)
    rule = {"name": "monthly", "workflow": "DiscoverAndProcessGranules", "provider": "folder", "state": "DISABLED"}
    schedule = {"type": "scheduled", "value": "cron(0 6 1 1 ? 2099)"}
    collection = {"name": "lights", "version": "001"}
    stack.document("rules/monthly.json", rule | {"rule": schedule, "collection": collection})
    (stack.path / "data/prices.json").write_text((Path(__file__).parents[2] / "data/prices.json").read_text())
    stack.pileus("populate")
    stack.pileus("backfill", "lights", "--name", "api-first", "--wait", code=1)
    return stack


@pytest.fixture(scope="module")
def ask(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with serving(stack_services(done), tmp_path_factory.mktemp("api"), settings()) as asking:
        yield asking


@pytest.fixture
def remote(ask: Asking) -> Client:
    return RemoteClient(ask.url, ask.tokens["admin"])


@pytest.fixture
def local(done: Project) -> Client:
    return LocalClient(stack_services(done), settings)


def test_a_backfill_is_told_with_its_partitions_by_state(ask: Asking) -> None:
    told = ask("/v1/backfills/api-first").json
    assert (told["state"], told["counts"]) == ("incomplete", {"succeeded": 2, "waiting": 1})
    assert [cell["state"] for cell in ask("/v1/backfills/api-first/grid").json] == ["succeeded", "succeeded", "waiting"]


def test_partitions_are_found_by_state_and_text_page_by_page(ask: Asking) -> None:
    first = ask("/v1/backfills/api-first/partitions?limit=2").json
    rest = ask(f"/v1/backfills/api-first/partitions?limit=2&cursor={first['next']}").json
    assert [one["period"] for one in first["items"] + rest["items"]] == ["2015-01", "2015-02", "2015-03"]
    assert rest["next"] is None
    waiting = ask("/v1/backfills/api-first/partitions?state=waiting").json["items"]
    assert [(one["period"], one["why"]) for one in waiting] == [("2015-03", "nothing published")]
    assert len(ask("/v1/backfills/api-first/partitions?text=2015-02").json["items"]) == 1


def test_a_partition_is_told_with_its_files_outputs_and_log(ask: Asking) -> None:
    at = "/v1/backfills/api-first/partitions/2015-01/201501"
    told = ask(at).json
    assert [one["name"] for one in told["files"]] == ["tiny_201501.tgz"]
    assert told["files"][0]["size"] == told["downloaded"] == told["manifest"]["bytes_downloaded"]
    assert {"table", "csv"} <= {one["kind"] for one in told["outputs"]}
    assert told["attempt"] == 1
    assert [line["message"] for line in ask(f"{at}/logs").json][-1] == "succeeded"
    assert ask(f"{at[:-1]}9").status == 404


def test_where_its_time_went_is_told_by_step_and_partition(ask: Asking) -> None:
    told = ask("/v1/backfills/api-first/timing").json
    hops = {one["name"]: one for one in told["steps"]}
    assert {"listing", "queue", "download", "measure", "write", "commit", "publish"} <= set(hops)
    listed = ask("/v1/backfills/api-first/partitions?state=succeeded").json["items"]
    assert hops["download"]["bytes"] == sum(one["downloaded"] for one in listed)
    assert (told["partitions"], told["unknown"], hops["measure"]["partitions"]) == (2, 0, 2)
    assert {one["period"] for one in told["slowest"]} == {"2015-01", "2015-02"}
    for one in told["slowest"]:
        hop = {name: (found["start"], found["start"] + found["span"]) for name, found in one["steps"].items()}
        assert hop["listing"][1] <= hop["queue"][0] <= 0 <= hop["download"][0]
        assert hop["download"][1] <= hop["write"][0] < hop["commit"][0] < hop["publish"][1] <= one["seconds"] + 0.002
    assert len(ask("/v1/backfills/api-first/timing?limit=1").json["slowest"]) == 1
    assert ask("/v1/backfills/api-first/timing?limit=-1").status == 422
    assert ask("/v1/backfills/none/timing").status == 404


def test_status_timing_shows_steps_in_the_terminal_and_as_json(done: Project) -> None:
    shown = done.pileus("status", "api-first", "--timing").splitlines()
    assert any(line.split()[:3] == ["m", "measure", "2"] for line in shown)
    told = json.loads(done.pileus("status", "api-first", "--timing", "--json"))
    assert [one["name"] for one in told["steps"]][:2] == ["listing", "queue"]


def test_a_manifest_has_the_times_of_the_steps_before_its_commit(ask: Asking) -> None:
    manifest = ask("/v1/backfills/api-first/partitions/2015-01/201501").json["manifest"]
    assert list(manifest["timing"]["steps"])[-1] == "write"


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        ("application/json", json.loads),
        ("text/csv", lambda body: list(csv.DictReader(io.StringIO(body.decode())))),
        ("application/vnd.apache.arrow.stream", lambda body: pa.ipc.open_stream(body).read_all().to_pylist()),
        ("application/vnd.apache.parquet", lambda body: pa.parquet.read_table(io.BytesIO(body)).to_pylist()),
    ],
)
def test_statistics_come_in_the_kind_that_is_asked_for(ask: Asking, accept: str, read: Any) -> None:
    answer = ask("/v1/statistics/lights?zone=square", Accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == accept
    rows = read(answer.body)
    assert [(row["period"], row["zone"], float(row["count"])) for row in rows] == [
        ("2015-01", "square", 16),
        ("2015-02", "square", 16),
    ]


def test_a_series_tells_why_it_has_a_gap(ask: Asking) -> None:
    told = ask("/v1/statistics/lights/zones/square?stat=count").json
    assert told["values"] == [16, 16, None]
    assert told["why"] == {"2015-03": "waiting: nothing published"}


def test_local_and_remote_answer_the_same(local: Client, remote: Client) -> None:
    def of(client: Client) -> list[Any]:
        status = client.backfills.status("api-first", whole=True, files=True)
        (collection,) = [one for one in client.documents.registry().collections.values() if one.name == "lights"]
        return [
            replace(client.backfills.show("api-first"), tag=""),
            [(*one[:6], dict(one.details)) for one in status.outcomes],
            status.files,
            [one.id for one in client.backfills.all(collection="lights", state="incomplete")],
            client.backfills.timing("api-first"),
            client.backfills.timing("api-first", limit=1),
            list(client.backfills.history("api-first")),
            client.backfills.partition("api-first", "2015-01", "201501"),
            client.backfills.logs("api-first", "2015-01", "201501"),
            client.backfills.plan("lights", select="all").to_json(),
            collection,
            client.documents.rules(firings=2),
            client.documents.zones("lights"),
            client.outputs.statistics("lights").to_pylist(),
            client.outputs.series("lights", "square"),
            client.outputs.axis("lights", "2015-02", "2015-03"),
            sorted(client.outputs.objects("lights")),
            client.outputs.collections(),
            asdict(client.operations.reconcile("lights")[0]) | {"manifests": {}},
            client.operations.dead_letters(),
            client.runs.processes(),
            client.runs.show("lights/001/2015-01/201501"),
            list(client.runs.all("lights/001/2015", state=State.succeeded)),
            client.runs.rows("lights/001/2015-01/201501").to_pylist(),
        ]

    for here, there in zip(of(local), of(remote), strict=True):
        assert here == there


def test_local_and_remote_raise_the_same(local: Client, remote: Client) -> None:
    cases: list[tuple[type[PileusError], Any]] = [
        (Unknown, lambda c: c.backfills.show("none")),
        (NotNow, lambda c: c.backfills.resume("api-first")),
        (NotNow, lambda c: c.backfills.start("lights", id="api-first")),
        (Unknown, lambda c: c.backfills.start("light")),
        (UsageError, lambda c: c.backfills.start("lights", first="2010-01")),
        (Unknown, lambda c: c.outputs.series("lights", "squares")),
        (Unknown, lambda c: c.outputs.body("lights", "s3://elsewhere/x")),
        (Unknown, lambda c: c.documents.rule("none")),
        (ZonesError, lambda c: c.documents.keep_zones("x.geojson", b"{}")),
        (DocumentError, lambda c: c.documents.populate(without_provider(c.documents.registry()))),
        (Unknown, lambda c: c.operations.dead_letter("none")),
    ]
    for kind, call in cases:
        told = []
        for client in (local, remote):
            with pytest.raises(kind) as error:
                call(client)
            told.append((type(error.value), error.value.message))
        assert told[0] == told[1]


def without_provider(registry: Registry) -> Registry:
    return Registry(registry.collections, {}, registry.rules)


def test_an_object_of_the_outputs_is_read_and_no_other(ask: Asking, local: Client) -> None:
    url = next(url for url, _ in local.outputs.objects("lights") if url.endswith(".csv"))
    assert ask(f"/v1/outputs/lights/object?url={url}").body == local.outputs.body("lights", url)
    registry = local.outputs.bucket.replace("protected", "internal")
    assert ask(f"/v1/outputs/lights/object?url=s3://{registry}/registry.json").status == 404


def test_a_backfill_is_started_watched_and_stopped_through_the_api(ask: Asking, remote: Client, done: Project) -> None:
    asked = {"collection": "lights", "id": "api-second", "select": "all", "first": "2015-01", "last": "2015-02"}
    answer = ask("/v1/backfills", method="POST", role="operate", body=asked)
    assert (answer.status, answer.headers["location"]) == (201, "/v1/backfills/api-second")
    assert answer.json["started_by"] == "spec-operate"
    done.wait_for(lambda: remote.backfills.show("api-second").state == "succeeded")
    assert ask("/v1/backfills/api-second/cancel", method="POST", role="operate").status == 409
    begun = ask("/v1/backfills/api-second/retry", method="POST", role="operate", body={"select": "all"}).json
    assert (begun["state"], begun["run"]) == ("running", 2)
    done.wait_for(lambda: remote.backfills.show("api-second").state == "succeeded")


def test_a_stream_tells_the_summary_and_each_partition_as_it_ends(ask: Asking, remote: Client, done: Project) -> None:
    remote.backfills.start("lights", id="api-streamed", select="all", first="2015-01", last="2015-02")
    told: list[tuple[str, Any]] = []
    headers = {"Authorization": f"Bearer {ask.tokens['read']}"}
    with requests.get(f"{ask.url}/v1/backfills/api-streamed/events", headers=headers, stream=True, timeout=60) as line:
        assert line.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for text in line.iter_lines(decode_unicode=True):
            if text.startswith("event: "):
                kind = text.removeprefix("event: ")
            elif text.startswith("data: "):
                told.append((kind, json.loads(text.removeprefix("data: "))))
                if kind == "status" and told[-1][1]["state"] != "running":
                    break
    summaries = [value for kind, value in told if kind == "status"]
    assert summaries[0]["id"] == "api-streamed"
    assert summaries[-1]["counts"] == {"succeeded": 2}
    assert {value["kind"] for kind, value in told if kind == "change"} >= {"backfill"}


def test_a_process_runs_through_the_api(ask: Asking, remote: Client, done: Project) -> None:
    inputs = {"collection": "lights", "periods": ["2015-01"], "bands": ["light"], "zones": tiny.ZONE, "stats": ["sum"]}
    inputs["zones"] = {"type": "FeatureCollection", "features": [tiny.ZONE]}
    run = remote.runs.start("zonal-statistics", inputs, "by-api")
    assert remote.runs.start("zonal-statistics", inputs, "by-api").key == run.key, "once"
    done.wait_for(lambda: remote.runs.show(run.key).ended)
    assert remote.runs.show(run.key).state is State.succeeded
    assert [(row["zone"], row["sum"]) for row in remote.runs.rows(run.key).to_pylist()] == [("square", 16)]
    with pytest.raises(PileusError, match="only a run that goes on can be stopped"):
        remote.runs.stop(run.key)
    assert remote.runs.rerun(run.key).number == 2
    done.wait_for(lambda: remote.runs.show(run.key).ended)
    with pytest.raises(Unknown, match="did you mean zonal-statistics"):
        remote.runs.start("zonal-statistic", inputs)


def test_documents_are_given_to_the_stack_through_the_api(remote: Client, done: Project) -> None:
    registry = remote.documents.registry()
    told = remote.documents.populate(registry, only_check=True)
    assert {one.change for one in told.changes} == {"unchanged"}
    kept = remote.documents.keep_zones("more.geojson", (done.path / "data/zones/tiny.geojson").read_bytes())
    assert kept.zones == 1
    assert kept.key.startswith("zones/")


def test_a_wrong_token_and_a_server_that_is_gone_are_told(ask: Asking) -> None:
    with pytest.raises(Refused, match="wrong"):
        RemoteClient(ask.url, "guess").backfills.show("api-first")
    with pytest.raises(Refused, match="needs operate"):
        RemoteClient(ask.url, ask.tokens["read"]).backfills.pause("api-first")
    with pytest.raises(Unreachable):
        RemoteClient(f"http://127.0.0.1:{free_port()}", "x").backfills.show("api-first")
    with pytest.raises(UsageError):
        RemoteClient("127.0.0.1:80", "x")


def test_a_notebook_shows_plan_status_and_statistics(ask: Asking, done: Project) -> None:
    for client in (pileus.connect(ask.url, ask.tokens["read"]), pileus.connect(done.path)):
        found = client.wait("api-first", seconds=60)
        assert found.counts["waiting"] == 1
        told = found._repr_html_()
        assert "api-first: incomplete" in told
        assert "nothing published" in told
        assert '<a class="cell succeeded" href="#2015-01"' in told
        rows = client.statistics("lights", zones=("square",), last="2015-01")
        assert (len(rows), float(rows.to_pandas()["count"][0])) == (1, 16)
        assert "<td>square</td>" in rows._repr_html_()
    plan = pileus.connect(ask.url, ask.tokens["operate"]).backfills.plan("lights", select="all")
    assert "<b>2 run, 1 wait</b>" in plan._repr_html_()


def test_what_is_shown_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    backfill = Backfill("b", hostile, "001", "2015-01", "2015-01", "month", state="failed", problem=hostile)
    found = Status(backfill, [Outcome("2015-01", hostile, State.failed, hostile)])
    assert "<script>" not in found._repr_html_()
    assert "<script>" not in Rows(hostile, pa.table({"zone": [hostile], hostile: [1.0]}))._repr_html_()


def test_where_no_stack_is_up_connecting_says_so(tmp_path: Path) -> None:
    (tmp_path / "collections").mkdir()
    with pytest.raises(UsageError, match="pileus up --detach"):
        pileus.connect(tmp_path)


COMMANDS = [
    "backfills",
    "plan lights --select all",
    "rules list",
    "rules next monthly",
    "outputs ls lights",
    "outputs show lights",
    "outputs show lights --zone square",
    "outputs export lights --format csv",
    "outputs ddl lights",
    "outputs export lights --out shown.gpkg",
    "outputs plot lights --zone square --out shown.svg",
    "runs list",
    "granules list lights",
    "outputs stac lights",
    "outputs site",
    "cost lights",
    "plan lights --point 2015-02 --select all",
    "dead-letters list",
    "reconcile lights",
    "populate",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_prints_the_same_beside_the_stack_and_through_the_api(ask: Asking, done: Project, words: str) -> None:
    here = done.pileus(*words.split(), code=None)
    there = done.pileus(*words.split(), code=None, env={"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["admin"]})
    assert here == there
    assert "Traceback" not in here


def test_what_works_beside_a_stack_alone_says_so(ask: Asking, done: Project) -> None:
    told = done.pileus("sample", code=2, env={"PILEUS_URL": ask.url, "PILEUS_TOKEN": ask.tokens["admin"]})
    assert "works beside a stack alone: unset PILEUS_URL" in told
