"""Feeders: which payloads each yields, and what comes of handing them in."""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pileus import runs
from pileus.cirrus.payload import read_payload
from pileus.cli.main import app
from pileus.edges.store import FolderStore
from pileus.errors import DocumentError, NotAListing, Unavailable, UsageError
from pileus.feeders.feed import AT_ONCE, Fed, feed, look
from pileus.feeders.inventory import inventory
from pileus.feeders.registry import feeder_of, feeders
from pileus.feeders.rerun import rerun
from pileus.feeders.stac_search import stac_search
from pileus.runs.payloads import Processed, process
from pileus.subject import PayloadId
from pileus.tasks.report_status import report_status
from spec.support.stac_site import item_of, stac_site
from spec.unit.payload_runs_spec import Office

PROCESS: list[Any] = [{"workflow": "publish"}]
DAYS = [item_of(f"a{month}{day}", f"2015-0{month}-0{day}") for month in (1, 2) for day in (1, 2, 3)]


def ids(payloads: Iterator[Mapping[str, Any]]) -> list[str]:
    return [item["id"] for payload in payloads for item in payload["features"]]


# --- stac-search


def test_a_search_yields_a_payload_for_each_item_of_every_page() -> None:
    with stac_site([*DAYS, item_of("b", "2015-01-01", "modis")], most=2) as site:
        found = list(stac_search(site.url, PROCESS, collections=["viirs"]))
    assert [len(one["features"]) for one in found] == [1] * 6
    assert ids(iter(found)) == ["a11", "a12", "a13", "a21", "a22", "a23"]
    assert str(read_payload(found[0]).id) == "viirs/workflow-publish/a11"
    assert len([one for one in site.asked if one.startswith("/stac/search")]) == 3


def test_a_month_is_a_datetime_and_a_limit_asks_for_no_more() -> None:
    with stac_site(DAYS, most=2) as site:
        assert ids(stac_search(site.url, PROCESS, datetime="2015-02")) == ["a21", "a22", "a23"]
        assert ids(stac_search(site.url, PROCESS, ids=["a12", "a21"])) == ["a12", "a21"]
        before = len(site.asked)
        assert ids(stac_search(site.url, PROCESS, limit=2)) == ["a11", "a12"]
        assert len(site.asked) - before == 2, "the landing page, and one of items"


def test_what_is_no_stac_api_is_refused() -> None:
    with stac_site(DAYS) as site, pytest.raises(NotAListing, match="landing page has no link to item search"):
        list(stac_search(f"{site.url}/collections/viirs/items/a11", PROCESS))
    with stac_site(DAYS) as site, pytest.raises(DocumentError, match="datetime: 'yesterday' is no moment"):
        list(stac_search(site.url, PROCESS, datetime="yesterday"))
    with pytest.raises(UsageError, match="expected the http address"):
        list(stac_search("s3://bucket/", PROCESS))


# --- inventory


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "s3")
    for name in ("2015/a_201501.tif", "2015/a_201502.tif", "2015/readme.txt"):
        made.put(f"s3://archive/{name}", b"12345")
    return made


def hrefs(payloads: Iterator[Mapping[str, Any]]) -> list[str]:
    return [item["assets"]["data"]["href"] for payload in payloads for item in payload["features"]]


def test_a_folder_of_s3_yields_the_files_that_match(store: FolderStore) -> None:
    found = list(inventory(store, "s3://archive/2015/", PROCESS, "lights", match=r"a_([0-9]+)[.]tif"))
    assert ids(iter(found)) == ["201501", "201502"]
    assert str(read_payload(found[0]).id) == "lights/workflow-publish/201501"
    assert found[0]["features"][0]["assets"] == {"data": {"href": "s3://archive/2015/a_201501.tif", "file:size": 5}}
    assert ids(inventory(store, "s3://archive/2015/", PROCESS)) == ["a_201501", "a_201502", "readme"]
    assert ids(inventory(store, "s3://archive/2015/", PROCESS, limit=1)) == ["a_201501"]


def test_a_local_folder_yields_its_files(store: FolderStore, tmp_path: Path) -> None:
    tmp_path.joinpath("files/b").mkdir(parents=True)
    tmp_path.joinpath("files/b/one.tif").write_bytes(b"1")
    assert hrefs(inventory(store, f"{tmp_path}/files/", PROCESS)) == [str(tmp_path / "files/b/one.tif")]


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_a_table_yields_its_rows_with_their_moments(store: FolderStore, kind: str) -> None:
    rows = [{"url": f"https://x.org/{n}.tif", "datetime": f"2015-01-0{n}T00:00:00Z", "size": n} for n in (1, 2)]
    store.put(f"s3://archive/list.{kind}", written(rows, kind))
    found = list(inventory(store, f"s3://archive/list.{kind}", PROCESS, "x"))
    assert hrefs(iter(found)) == ["https://x.org/1.tif", "https://x.org/2.tif"]
    assert [one["features"][0]["properties"]["datetime"] for one in found] == [one["datetime"] for one in rows]
    assert found[1]["features"][0]["assets"]["data"]["file:size"] == 2


def written(rows: list[dict[str, Any]], kind: str, *, header: bool = True) -> bytes:
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    if header:
        writer.writeheader()
    writer.writerows(rows)
    body = text.getvalue().encode()
    return gzip.compress(body) if kind.endswith(".gz") else body


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_an_inventory_of_s3_yields_the_keys_of_all_its_files(store: FolderStore, kind: str) -> None:
    """In CSV without a first line, and with escaped keys."""
    keys = ["a b.tif", "c.tif"]
    escaped = ["a+b.tif", "c.tif"] if kind == "CSV" else keys
    ending = "csv.gz" if kind == "CSV" else "parquet"
    for number, key in enumerate(escaped):
        row = {"bucket": "archive", "key": key, "size": 7}
        store.put(f"s3://inventories/data/{number}.{ending}", written([row], ending, header=False))
    files = [{"key": f"data/{number}.{ending}"} for number in range(2)]
    told = {"sourceBucket": "archive", "fileFormat": kind, "fileSchema": "Bucket, Key, Size", "files": files}
    store.put("s3://inventories/archive/2015/manifest.json", json.dumps(told).encode())
    found = hrefs(inventory(store, "s3://inventories/archive/2015/manifest.json", PROCESS))
    assert found == ["s3://archive/a b.tif", "s3://archive/c.tif"]


@pytest.mark.parametrize(
    ("source", "body", "why"),
    [
        ("s3://archive/x.csv", b"name\nb\n", "a row has no href, url, key, Key: its columns are name"),
        ("s3://archive/x.csv", b"key\nb.tif\n", "'b.tif' is a key: give its bucket"),
        ("s3://archive/x.parquet", b"PAR1", "cannot be read as Parquet"),
        ("s3://archive/x.csv.gz", b"no", "cannot be read as CSV"),
        ("s3://archive/manifest.json", b'{"fileFormat": "ORC"}', "expected CSV or Parquet, not 'orc'"),
        ("s3://archive/x.txt", b"", "expected a folder that ends with /"),
        ("https://x.org/x.csv", b"", "expected an address in S3 or a local file"),
    ],
)
def test_a_listing_that_cannot_be_read_is_refused(store: FolderStore, source: str, body: bytes, why: str) -> None:
    if source.startswith("s3://"):
        store.put(source, body)
    with pytest.raises((DocumentError, UsageError), match=why):
        list(inventory(store, source, PROCESS))


# --- rerun


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def payload(item: str, **more: Any) -> dict[str, Any]:
    features = [{"type": "Feature", "id": item, "collection": "viirs", "properties": {}}]
    return {"type": "FeatureCollection", "features": features, "process": PROCESS, **more}


def ended(office: Office, item: str, status: str, error: str = "") -> None:
    """Hand a payload in, and end its execution."""
    process(office.edges, office.workflows, payload(item))
    entry = office.edges.index.entry(PayloadId.of(f"viirs/workflow-publish/{item}"))
    assert entry is not None
    detail: dict[str, Any] = {"executionArn": entry.extra["executions"][-1], "status": status}
    detail |= {"error": error, "cause": "told"} if error else {}
    event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
    report_status(office.edges, office.workflows, event)


def client_of(office: Office) -> Any:
    found = runs.list(office.edges, "payload:viirs_publish").runs
    return SimpleNamespace(runs=SimpleNamespace(all=lambda of: iter(found if of == "payload:viirs_publish" else ())))


def rerun_ids(office: Office, **chosen: Any) -> list[str]:
    found = rerun(client_of(office), office.edges.store, "viirs", "publish", **chosen)
    return sorted(one["url"].split("/workflow-publish/")[1].partition("/")[0] for one in found)


def test_rerun_yields_the_payloads_in_a_state(office: Office) -> None:
    ended(office, "bad", "FAILED", "KeyError")
    ended(office, "worse", "FAILED", "MemoryError")
    ended(office, "stopped", "ABORTED")
    ended(office, "wrong", "FAILED", "stactask.exceptions.InvalidInput")
    process(office.edges, office.workflows, payload("going"))
    assert rerun_ids(office) == ["bad", "worse"]
    assert rerun_ids(office, state=["aborted", "INVALID"]) == ["stopped", "wrong"]
    assert rerun_ids(office, error_begins_with="Key") == ["bad"]
    assert rerun_ids(office, limit=1) in (["bad"], ["worse"])
    assert rerun_ids(office, since="1h") == ["bad", "worse"]
    assert rerun_ids(office, since="2999-01-01") == []
    with pytest.raises(UsageError, match="unknown state 'FALED': did you mean FAILED"):
        rerun_ids(office, state=["FALED"])
    with pytest.raises(UsageError, match="since: 'x'"):
        rerun_ids(office, since="x")


def test_an_update_is_put_over_the_first_process(office: Office) -> None:
    ended(office, "bad", "FAILED", "KeyError")
    update = {"tasks": {"mask": {"b": 2}}}
    (found,) = rerun(client_of(office), office.edges.store, "viirs", "publish", process_update=update)
    assert found["process"] == [{"workflow": "publish", "tasks": {"mask": {"b": 2}}}]
    assert process(office.edges, office.workflows, found, replace=True).run.number == 2


# --- handing in


def test_bad_payloads_do_not_hold_up_the_others_and_a_second_feed_skips(office: Office) -> None:
    wrong = payload("wrong", process=[])
    all_of_them = [payload("a"), wrong, payload("b"), payload("odd", process=[{"workflow": "missing"}])]

    def fed() -> list[Fed]:
        return list(feed(all_of_them, lambda one: process(office.edges, office.workflows, one)))

    first = fed()
    assert [one.outcome for one in first] == ["started", "invalid", "started", "invalid"]
    assert first[0].id == "viirs/workflow-publish/a"
    assert first[1].why.startswith("DocumentError: process: expected a list")
    assert next((one.outcome, one.why) for one in fed()) == ("skipped", "is running")
    assert office.workflows.starts == 2


def test_payloads_are_taken_as_they_are_handed_in_and_the_stack_s_own_failure_ends_the_feed() -> None:
    taken: list[int] = []

    def payloads() -> Iterator[dict[str, Any]]:
        for number in range(1000):
            taken.append(number)
            yield payload(str(number))

    def hand_in(_: Mapping[str, Any]) -> Processed:
        raise Unavailable("throttled")

    with pytest.raises(Unavailable):
        list(feed(payloads(), hand_in))
    assert len(taken) <= AT_ONCE


def test_a_look_tells_the_ids_and_what_is_wrong() -> None:
    found = list(look([payload("a"), payload("b", process=[]), {"url": "s3://bucket/payload.json"}]))
    assert [(one.id, one.outcome) for one in found] == [
        ("viirs/workflow-publish/a", "started"),
        (str(payload("b", process=[]))[:60], "invalid"),
        ("s3://bucket/payload.json", "started"),
    ]


# --- feeders by their names


OWN = '''"""Text of the file."""
from collections.abc import Iterator


def payloads(first: int, last: int = 3, names: list[str] = ["x"], client=None) -> Iterator[dict]:
    """Yield a payload for each number."""
    for number in range(first, last + 1):
        item = {"type": "Feature", "id": f"{names[-1]}{number}", "collection": "own", "properties": {}}
        yield {"type": "FeatureCollection", "features": [item], "process": [{"workflow": "publish"}]}
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a feeder in a file and one in a folder."""
    for place in ("collections", "feeders/folder", "feeders/named"):
        tmp_path.joinpath(place).mkdir(parents=True)
    tmp_path.joinpath("feeders/numbers.py").write_text(OWN)
    tmp_path.joinpath("feeders/folder/feeder.py").write_text(OWN)
    tmp_path.joinpath("feeders/named/feeder.py").write_text(
        OWN.replace("def payloads", "def days").replace(", client=None", "")
    )
    tmp_path.joinpath("feeders/named/definition.yml").write_text("description: x\nentry: feeder:days\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PILEUS_STACK", raising=False)
    monkeypatch.delenv("PILEUS_URL", raising=False)
    return tmp_path


def test_feeders_of_a_project_stand_beside_those_of_pileus(own: Path) -> None:
    found = {one.name: one for one in feeders(own / "feeders")}
    assert list(found) == ["stac-search", "inventory", "rerun", "numbers", "folder", "named"]
    assert found["numbers"].summary == "Yield a payload for each number."
    assert list(found["numbers"].parameters) == ["first", "last", "names"], "the client is not a user's to give"
    assert found["rerun"].needs == ("client", "store")
    assert "store" not in found["inventory"].parameters
    with pytest.raises(UsageError, match="unknown feeder 'numbrs': did you mean numbers"):
        feeder_of("numbrs", own / "feeders")


def test_parameters_are_read_by_their_types(own: Path) -> None:
    feeder = feeder_of("numbers", own / "feeders")
    assert feeder.checked({"first": "1", "names": "a,b"}) == {"first": 1, "names": ["a", "b"]}
    assert feeder.checked({"first": "1", "names": '["a,b"]'}) == {"first": 1, "names": ["a,b"]}
    assert feeder_of("stac-search", None).checked(
        {"url": "https://x.org", "process": '[{"workflow": "w"}]', "bbox": "1,2,3,4.5", "limit": "3"}
    ) == {"url": "https://x.org", "process": [{"workflow": "w"}], "bbox": [1, 2, 3, 4.5], "limit": 3}
    for given, why in (
        ({}, "needs first"),
        ({"first": "x"}, "--param first='x'"),
        ({"first": "1", "lst": "2"}, "unknown parameter 'lst': did you mean last"),
    ):
        with pytest.raises(UsageError, match=why):
            feeder.checked(given)


def test_a_file_that_is_no_feeder_is_refused(own: Path) -> None:
    for name, text, why in (
        ("empty", "", "feeders/empty.py: empty.py has no function payloads"),
        ("broken", "import nothing_of_this_name", "feeders/broken.py: cannot be imported"),
    ):
        own.joinpath(f"feeders/{name}.py").write_text(text)
        with pytest.raises(DocumentError, match=why):
            feeder_of(name, own / "feeders")


def test_a_dry_run_prints_the_ids_and_needs_no_stack(own: Path) -> None:
    done = CliRunner().invoke(app, ["feed", "named", "--param", "first=1", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        *(f"own/workflow-publish/x{number}" for number in (1, 2, 3)),
        "3 would be handed in, 0 invalid",
    ]
    listed = json.loads(CliRunner().invoke(app, ["feed", "--json"]).stdout)
    assert [one["name"] for one in listed][:3] == ["stac-search", "inventory", "rerun"]


def test_a_feed_that_is_broken_off_says_how_to_go_on(own: Path) -> None:
    one = '{"id": "a/workflow-w/b", "process": [{"workflow": "w"}]}'
    own.joinpath("feeders/long.py").write_text(f"def payloads():\n    yield {one}\n    raise KeyboardInterrupt\n")
    done = CliRunner().invoke(app, ["feed", "long", "--dry-run"])
    assert done.exit_code == 130
    assert done.stdout == "a/workflow-w/b\n"
    assert "1 would be handed in, 0 invalid; broken off: `pileus feed long` again goes on" in done.stderr
