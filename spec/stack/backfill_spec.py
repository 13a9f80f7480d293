"""The main job on the sample site: template to statistics in S3, through every real part of the embedded stack."""

import csv
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.io import MemoryFile

from data.sample import make, serve
from pileus import keys
from pileus.documents import Provider
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
from pileus.models import Manifest, Partition
from pileus.outputs.read import read_stats
from spec.servers import free_port
from spec.support.stack import TILES, Project


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The sample provider: its folder and its port."""
    folder = tmp_path_factory.mktemp("site")
    make.make(folder)
    port = free_port()
    server = serve.serve(folder, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def sample(stack: Project, site: tuple[Path, int]) -> Project:
    """A stack on which the sample's three months have been backfilled."""
    folder, port = site
    stack.document("data/providers/site.json", {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": port})
    stack.document("data/zones/sample.geojson", json.loads((folder / "zones.geojson").read_text()))
    process = {
        "band": "avg_rade9h",
        "valid": {"band": "cf_cvg", "min": 1},
        "zones": "data/zones/sample.geojson",
        "classic_csv": True,
    }
    group = {"by": ["start"], "each": "tile", "expect": TILES, "newest": "created"}
    stack.collection(
        "sample",
        "201501",
        "201503",
        zones="",
        provider_path="/viirs/{{pointInTime}}/vcmcfg/",
        meta={"group": group, "process": process},
    )
    stack.pileus("populate")
    stack.pileus("backfill", "sample", "--name", "first", "--wait")
    return stack


def row(stack: Project, zone: str, period: str) -> dict[str, Any]:
    edges = stack.edges
    rows = read_stats(edges.store, edges.stack.protected, "sample").to_pylist()
    (found,) = [row for row in rows if (row["zone"], row["period"]) == (zone, period)]
    return found


def manifest(stack: Project, month: str) -> Manifest:
    edges = stack.edges
    partition = Partition("sample", "001", f"2015-{month}", f"2015{month}01")
    return Manifest.from_json(json.loads(edges.store.get(edges.protected(keys.manifest_key(partition)))))


def test_every_month_succeeds(sample: Project) -> None:
    assert sample.counts("first") == {"succeeded": 3}


def test_a_zone_over_the_seam_of_two_tiles_has_the_mosaics_row(sample: Project) -> None:
    found = row(sample, "seam", "2015-02")
    assert (found["count"], found["mean"], found["min"], found["max"]) == (16, 20, 20, 20)


def test_where_nothing_was_observed_there_is_no_darkness_but_nothing(sample: Project) -> None:
    found = row(sample, "haze", "2015-01")
    assert (found["count"], found["mean"], found["valid_share"]) == (0, None, 0)


def test_pixels_without_observation_are_left_out_and_counted(sample: Project) -> None:
    found = row(sample, "half", "2015-03")
    assert (found["count"], found["mean"], found["valid_share"]) == (8, 3, 0.5)


def test_half_a_pixel_counts_half(sample: Project) -> None:
    assert row(sample, "south", "2015-01")["count"] == 9.5 * 10


def test_of_two_archives_of_a_tile_the_newer_stamp_wins(sample: Project) -> None:
    names = [granule.file.name for granule in manifest(sample, "02").inputs]
    assert len(names) == 6
    assert not [name for name in names if "c201504010000" in name]
    assert row(sample, "south", "2015-02")["max"] == 2, "999 is the superseded archive's"


def test_a_file_that_is_set_aside_is_told_in_plan_status_and_record(sample: Project) -> None:
    said = "set aside  2015-02"
    assert said in sample.pileus("plan", "sample")
    assert said in sample.pileus("status", "first")
    for answer in (sample.json("plan", "sample"), sample.json("status", "first")):
        (file,) = answer["files_set_aside"]
        assert (file["period"], file["kind"]) == ("2015-02", "superseded")
        assert "c201504010000" in file["name"]
    record = json.loads(sample.edges.store.get(sample.edges.internal("backfills/first/run-1/record.json")))
    assert [period for period, _ in record["files"]] == ["2015-02"]


def test_the_manifest_tells_what_was_made_from_what(sample: Project) -> None:
    found = manifest(sample, "03")
    edges = sample.edges
    assert found.backfill == "first"
    assert {output.kind for output in found.outputs} >= {"table", "csv", "classic-csv"}
    for output in found.outputs:
        assert len(edges.store.get(output.url)) == output.size


def test_the_classic_csv_is_written_per_zone_and_tile(sample: Project) -> None:
    edges = sample.edges
    urls = [url for url, _ in edges.store.list(edges.protected("sezu-stats/seam_201501_"))]
    assert [url.rpartition("_")[2] for url in urls] == ["75N060E.csv", "75N060W.csv"]
    (values,) = csv.DictReader(io.StringIO(edges.store.get(urls[0]).decode()))
    assert list(values) == ["min", "max", "mean", "stddev", "skew", "count"]
    assert (float(values["mean"]), float(values["count"])) == (10, 8)


def test_scratch_is_empty_afterwards(sample: Project) -> None:
    assert not list(sample.home.scratch.rglob("*.tgz"))


def test_outputs_show_and_ls_print_them(sample: Project) -> None:
    assert len(sample.json("outputs", "show", "sample")) == 12
    assert "seam" in sample.pileus("outputs", "show", "sample", "--zone", "seam")
    assert "stats/collection=sample/version=001/period=2015-01" in sample.pileus("outputs", "ls", "sample")


def test_a_second_backfill_has_nothing_to_do_and_writes_no_output(sample: Project) -> None:
    edges = sample.edges
    before = {url: edges.store.get(url) for url, _ in edges.store.list(edges.protected(""))}
    said = sample.pileus("backfill", "sample", "--name", "second", "--wait")
    assert "nothing to do: all 3 partitions are up to date" in said
    assert {url: edges.store.get(url) for url, _ in edges.store.list(edges.protected(""))} == before


def test_the_end_of_a_backfill_is_told_on_the_topic(sample: Project) -> None:
    sqs, sns = sample.aws.sqs, sample.aws.sns
    queue = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=sample.running.stack["PILEUS_TOPIC"], Protocol="sqs", Endpoint=arn)
    sample.pileus("backfill", "sample", "--name", "told", "--wait")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    told = json.loads(message["Body"])
    assert told["Subject"] == "Backfill told succeeded"
    assert json.loads(told["Message"])["state"] == "succeeded"


def test_populating_again_changes_nothing(sample: Project) -> None:
    assert {entry["change"] for entry in sample.json("populate")} == {"unchanged"}


def test_a_wrong_document_writes_nothing_at_all(sample: Project) -> None:
    edges = sample.edges
    before = edges.store.get(edges.internal("registry.json"))
    sample.document("collections/bad.json", {"name": "bad", "files": [{"regex": "("}]})
    sample.document("data/providers/new.json", {"id": "new", "protocol": "file"})
    try:
        said = sample.pileus("populate", code=2)
    finally:
        (sample.path / "collections/bad.json").unlink()
        (sample.path / "data/providers/new.json").unlink()
    assert "collections/bad.json: files[0].regex: not a regular expression" in said
    assert edges.store.get(edges.internal("registry.json")) == before


def test_a_name_that_is_taken_is_refused(sample: Project) -> None:
    assert "there is a backfill 'first' already" in sample.pileus("backfill", "sample", "--name", "first", code=2)


def test_a_span_outside_the_templates_is_refused(sample: Project) -> None:
    said = sample.pileus("backfill", "sample", "--from", "2014-12", code=2)
    assert "2014-12 to 2015-03 leaves the span of sample, 2015-01 to 2015-03" in said


def test_an_unknown_collection_is_refused_with_what_there_is(sample: Project) -> None:
    assert "unknown collection 'smple': expected sample" in sample.pileus("backfill", "smple", code=2)


def test_up_twice_is_harmless(sample: Project) -> None:
    before = sample.running
    assert "already up at" in sample.pileus("up", "--detach")
    assert sample.running == replace(before, updates=before.updates + 1)  # it has looked whether something is new


def test_everything_listens_on_the_loopback_only(sample: Project) -> None:
    inodes = set()
    for pid in (sample.running.ministack, *sample.running.workers):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = str(descriptor.readlink()) if descriptor.exists() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [fields[1] for fields in lines if fields[3] == "0A" and fields[9] in inodes]
    assert listening
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}


def spoiled(how: str, path: Path) -> None:
    """Spoil one archive of a month."""
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif how == "without the band":
        path.write_bytes(make.archive({"readme.txt": b"no raster here"}))
    elif how == "without a CRS":
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", count=1, dtype="float32", width=9, height=9) as raster:
                raster.write(np.ones((9, 9), "float32"), 1)
            tif = bytes(memory.read())
        path.write_bytes(make.archive({f"{path.stem}.avg_rade9h.tif": tif, f"{path.stem}.cf_cvg.tif": tif}))


@pytest.mark.parametrize(
    ("how", "type_"),
    [
        ("truncated", "ArchiveError"),
        ("without the band", "ArchiveError"),
        ("without a CRS", "RasterError"),
        ("404", "NotFound"),
    ],
)
def test_a_month_that_fails_says_why_and_the_others_succeed(
    sample: Project, site: tuple[Path, int], how: str, type_: str
) -> None:
    folder, name = site[0], f"broken-{how.replace(' ', '-')}"
    make.make(folder / name)
    bad = next((folder / name / "viirs/201502/vcmcfg").glob("*75N060E*"))
    whole = bad.read_bytes()
    if how == "404":
        (folder / name / "viirs/201502").rename(folder / name / "away")
    else:
        spoiled(how, bad)
    sample.collection(
        name,
        "201501",
        "201503",
        zones="data/zones/sample.geojson",
        provider_path=f"/{name}/viirs/{{{{pointInTime}}}}/vcmcfg/",
    )
    sample.pileus("populate")
    said = sample.pileus("backfill", name, "--name", name, "--wait", code=1)
    assert "2 succeeded, 1 failed" in said

    (failed,) = [p for p in sample.json("status", name)["partitions"] if p["state"] == "failed"]
    assert failed["failure"]["type"] == type_
    assert "201502" in failed["failure"]["where"]
    assert failed["failure"]["message"]

    if how == "404":
        (folder / name / "away").rename(folder / name / "viirs/201502")
    else:
        bad.write_bytes(whole)
    assert "1 succeeded, 2 skipped" in sample.pileus("backfill", name, "--wait")


def test_a_provider_that_is_down_fails_every_month_with_its_address(sample: Project) -> None:
    port = free_port()
    down = {"id": "down", "protocol": "http", "host": "127.0.0.1", "port": port, "attempts": 2}
    sample.document("data/providers/down.json", down)
    sample.collection("down", "201501", "201501", zones="data/zones/sample.geojson", provider="down")
    sample.pileus("populate")
    sample.pileus("backfill", "down", "--name", "down", "--wait", code=1)
    (failed,) = sample.json("status", "down")["partitions"]
    assert failed["failure"]["type"] == "Unreachable"
    assert f"127.0.0.1:{port}" in failed["failure"]["where"]


def test_five_tiles_of_six_are_waited_for_and_picked_up_when_the_sixth_appears(
    sample: Project, site: tuple[Path, int]
) -> None:
    folder = site[0] / "late"
    make.make(folder)
    sixth = next((folder / "viirs/201501/vcmcfg").glob("*00N180W*"))
    sixth.rename(folder / sixth.name)
    sample.collection(
        "late",
        "201501",
        "201501",
        zones="data/zones/sample.geojson",
        provider_path="/late/viirs/{{pointInTime}}/vcmcfg/",
    )
    sample.pileus("populate")
    assert "5 of 6 published, missing 00N180W" in sample.pileus("backfill", "late", "--wait", code=1)
    (folder / sixth.name).rename(sixth)
    assert "1 succeeded" in sample.pileus("backfill", "late", "--wait")


def test_archives_are_kept_when_asked_for_and_the_same_bytes_are_not_kept_twice(sample: Project) -> None:
    group = {"by": ["start"], "each": "tile", "expect": TILES, "newest": "created"}
    process = {
        "band": "avg_rade9h",
        "valid": {"band": "cf_cvg", "min": 1},
        "zones": "data/zones/sample.geojson",
        "archive": True,
    }
    sample.collection(
        "kept",
        "201501",
        "201501",
        zones="",
        provider_path="/viirs/{{pointInTime}}/vcmcfg/",
        meta={"group": group, "process": process},
    )
    sample.pileus("populate")
    sample.pileus("backfill", "kept", "--wait")
    edges = sample.edges
    first = list(edges.store.list(edges.internal("archives/kept/001/")))
    assert len(first) == 6
    sample.pileus("backfill", "kept", "--select", "all", "--wait")
    assert list(edges.store.list(edges.internal("archives/kept/001/"))) == first


def test_run_task_runs_a_lambda_and_a_worker_task_with_no_aws(sample: Project, tmp_path: Path) -> None:
    edges = sample.edges
    points = json.loads(edges.store.get(edges.internal("backfills/first/run-1/points.json")))
    (tmp_path / "discover.json").write_text(json.dumps({"config": points[0]["config"], "input": None}))
    said = json.loads(sample.pileus("run-task", "discover_granules", "--input", str(tmp_path / "discover.json")))
    assert said["count"] == 1

    (item,) = said["items"]
    (tmp_path / "group.json").write_text(json.dumps(item["task"]))
    answer = json.loads(sample.pileus("run-task", "process_group", "--input", str(tmp_path / "group.json")))
    assert answer["manifest"].endswith("manifests/sample/001/2015-01/20150101/manifest.json")


def test_the_served_index_is_what_discovery_reads(site: tuple[Path, int]) -> None:
    provider = Provider(id="site", protocol="http", host="127.0.0.1", port=site[1])
    edge = connect(provider, secrets=Secrets(environ={}))
    names = [listed.name for listed in edge.list("/viirs/201502/vcmcfg/")]
    edge.close()
    assert len(names) == 7, "six tiles and one superseded"


def test_the_sample_site_is_the_same_bytes_at_every_run(site: tuple[Path, int], tmp_path: Path) -> None:
    make.make(tmp_path)
    for path in tmp_path.rglob("*.tgz"):
        assert path.read_bytes() == (site[0] / path.relative_to(tmp_path)).read_bytes()
        assert tarfile.is_tarfile(path)
