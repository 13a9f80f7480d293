"""`pileus outputs ...` and `pileus dashboard` against the real embedded stack."""

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pandas
import pyarrow.dataset
import pytest
from PIL import Image

from data.sample import make, serve
from spec.servers import free_port
from spec.support.stack import TILES, Project


@pytest.fixture(scope="module")
def done(stack: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The sample's three months and a fourth that is not published, with clips and pictures."""
    folder = tmp_path_factory.mktemp("site")
    make.make(folder)
    (folder / "viirs/201504/vcmcfg").mkdir(parents=True)
    server = serve.serve(folder, free_port())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider = {"id": "site", "protocol": "http", "host": "127.0.0.1", "port": server.server_port}
    stack.document("data/providers/site.json", provider)
    stack.document("data/zones/sample.geojson", json.loads((folder / "zones.geojson").read_text()))
    process = {"band": "avg_rade9h", "valid": {"band": "cf_cvg", "min": 1}, "zones": "data/zones/sample.geojson"}
    group = {"by": ["start"], "each": "tile", "expect": TILES, "newest": "created"}
    bands = {"avg_rade9h": {"unit": "nW/cm2/sr", "display": [1, 100]}, "cf_cvg": {"unit": "observations"}}
    meta = {"group": group, "process": process | {"clips": True, "pictures": True}, "bands": bands}
    stack.collection("lights", "201501", "201504", zones="", provider_path="/viirs/{{pointInTime}}/vcmcfg/", meta=meta)
    stack.pileus("populate")
    stack.pileus("backfill", "lights", "--name", "history", "--wait", code=1)  # one month is not published
    yield stack
    server.shutdown()
    server.server_close()


def test_show_has_a_line_per_zone_with_its_course_and_says_why_a_month_is_missing(done: Project) -> None:
    told = done.pileus("outputs", "show", "lights", "--to", "2015-04")
    assert re.search(r"seam +Seam City +3 +10 +30 +30 +▁▅█·", told)
    assert re.search(r"haze +Haze +0 +– +– +– +····", told)
    assert "2015-04  waiting: nothing published" in told


def test_show_of_one_zone_prints_its_rows(done: Project) -> None:
    told = done.pileus("outputs", "show", "lights", "--zone", "Seam City")
    months = [line.split()[0] for line in told.splitlines() if line.startswith("2015")]
    assert months == ["2015-01", "2015-02", "2015-03", "2015-04"], "the last one says why it has none"
    assert "2015-04  waiting: nothing published" in told
    rows = done.json("outputs", "show", "lights", "--zone", "seam")
    assert [row["mean"] for row in rows] == [10, 20, 30]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "lihgts"], "unknown collection 'lihgts': did you mean lights?"),
        (["show", "lights", "--zone", "Seem City"], "unknown zone 'Seem City': did you mean Seam City"),
        (["plot", "lights", "--stat", "maen"], "unknown statistic 'maen': did you mean mean"),
        (["plot", "lights", "--band", "x"], "unknown band 'x': there are avg_rade9h"),
        (["plot", "lights", "--from", "soon"], "'soon' is not a month"),
        (["plot", "lights", "-o", "x.doc"], "cannot draw a .doc file: expected .png, .svg, .pdf"),
        (["export", "lights", "--format", "cvs"], "unknown format 'cvs': did you mean csv"),
        (["export", "lights", "--format", "xlsx"], "name a file with --out"),
        (["export", "lights", "-o", "a.gpgk"], "unknown format 'gpgk': did you mean gpkg"),
        (["export", "lights", "--stat", "maen"], "unknown statistic 'maen': did you mean mean"),
        (["export", "lights", "--from", "2016-01", "-o", "a.xlsx"], "there are no rows in these months"),
        (["export", "lights", "-o", "no/such/folder.csv"], "cannot be written"),
        (["movie", "lights", "--zone", "seam", "-o", "x.mp4"], "cannot animate a .mp4 file"),
        (["sheet", "lights", "--zone", "nowhere"], "unknown zone 'nowhere'"),
        (["stac", "lihgts"], "unknown collection 'lihgts': did you mean lights?"),
        (["ls", "lihgts"], "unknown collection 'lihgts': did you mean lights?"),
        (["ddl", "lihgts"], "unknown collection 'lihgts': did you mean lights?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(done: Project, arguments: list[str], told: str) -> None:
    said = done.pileus("outputs", *arguments, code=2)
    assert told in said
    assert len(said.strip().splitlines()) == 1


def test_plot_writes_a_chart_and_says_which_month_it_lacks(done: Project) -> None:
    said = done.pileus("outputs", "plot", "lights", "--zone", "seam", "--zone", "half", "--to", "201504", "-o", "a.png")
    assert "a.png" in said
    assert "2015-04  waiting: nothing published" in said
    assert Image.open(done.path / "a.png").size == (1300, 676)
    done.pileus("outputs", "plot", "lights", "--rolling", "2", "--dark", "-o", "a.svg")
    assert "Seam City, mean of 2" in (done.path / "a.svg").read_text()


def test_export_to_each_format(done: Project) -> None:
    csv = done.pileus("outputs", "export", "lights", "--zone", "seam", "--from", "2015-02")
    assert pandas.read_csv(io.StringIO(csv))["mean"].tolist() == [20, 30]
    for name in ("a.csv", "a.parquet", "a.geojson", "a.xlsx", "a.geoparquet", "a.gpkg"):
        assert name in done.pileus("outputs", "export", "lights", "-o", name)
    assert len(pandas.read_csv(done.path / "a.csv")) == len(pandas.read_parquet(done.path / "a.parquet")) == 12
    sheet = pandas.read_excel(done.path / "a.xlsx", sheet_name="mean").set_index("zone")
    assert sheet.loc["seam", ["2015-01", "2015-02", "2015-03"]].tolist() == [10, 20, 30]
    features = json.loads((done.path / "a.geojson").read_text())["features"]
    assert {feature["geometry"]["type"] for feature in features} == {"MultiPolygon"}
    maps = (
        geopandas.read_parquet(done.path / "a.geoparquet"),
        geopandas.read_file(done.path / "a.gpkg", layer="zones"),
    )
    for frame in maps:
        seam = frame.set_index("zone").loc["seam"]
        assert [seam[f"mean_2015_0{month}"] for month in (1, 2, 3)] == [10, 20, 30]
        assert seam.geometry.bounds == (58, 42, 62, 46)


def test_export_of_chosen_statistics(done: Project) -> None:
    done.pileus("outputs", "export", "lights", "--stat", "max", "--stat", "mean", "-o", "two.xlsx")
    assert list(pandas.read_excel(done.path / "two.xlsx", sheet_name=None)) == ["mean", "max", "about"]
    (row, *_) = done.json("outputs", "export", "lights", "--zone", "seam", "--stat", "mean")
    assert (row["mean"], "max" in row) == (10, False)


def published(done: Project) -> Path:
    """Return the folder of the published bucket on disk."""
    return done.home.data / "000000000000" / done.edges.stack.protected


def test_the_published_folder_is_read_whole_by_pandas_pyarrow_and_duckdb(done: Project) -> None:
    stats = published(done) / "stats"
    for folder in (stats, stats / "collection=lights"):
        frame = pandas.read_parquet(folder)
        assert frame[frame["zone"] == "seam"].sort_values("time")["mean"].tolist() == [10, 20, 30]
        assert pyarrow.dataset.dataset(folder, partitioning="hive").to_table().num_rows == 12
    told = f"select period, mean from read_parquet('{stats}/**/*.parquet', hive_partitioning = 1) where zone = 'seam'"
    assert duckdb.sql(f"{told} order by 1").fetchall() == [("2015-01", 10), ("2015-02", 20), ("2015-03", 30)]


def test_pictures_over_the_months(done: Project) -> None:
    done.pileus("outputs", "movie", "lights", "--zone", "seam", "--to", "2015-04", "-o", "a.webp")
    assert getattr(Image.open(done.path / "a.webp"), "n_frames", 1) == 4
    done.pileus("outputs", "sheet", "lights", "--zone", "seam", "-o", "sheet.png")
    assert Image.open(done.path / "sheet.png").format == "PNG"


def test_the_catalog_the_site_and_the_ddl(done: Project) -> None:
    assert "stac/catalog.json" in done.pileus("outputs", "stac", "lights")
    assert "site/index.html" in done.pileus("outputs", "site")
    assert "CREATE EXTERNAL TABLE" in done.pileus("outputs", "ddl", "lights")
    urls = [one["url"] for one in done.json("outputs", "ls", "lights")]
    for part in ("stats/", "csv/", "clips/", "pictures/", "stac/", "manifests/"):
        assert [url for url in urls if f"/{part}" in url]


def test_the_library_opens_a_collection_by_name_and_by_address(done: Project) -> None:
    edges = done.edges
    address = f"s3://{edges.stack.protected}/stats/collection=lights/"
    code = "import pileus, sys; print(pileus.open_stats(sys.argv[1]).num_rows)"
    environ = os.environ | done.running.credentials.to_env() | {"AWS_ENDPOINT_URL": done.running.endpoint}
    for source in ("lights", address):
        run = [sys.executable, "-c", code, source]
        told = subprocess.run(run, cwd=done.path, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert told.stdout.strip() == "12", told.stderr


def test_the_dashboard_serves_the_stack_and_its_buttons_work(done: Project) -> None:
    command = [sys.executable, "-m", "pileus", "dashboard", "--port", "0"]
    with subprocess.Popen(command, cwd=done.path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r":(\d+)/app/sign-in\?token=([\w-]+)", process.stdout.readline())
            assert found is not None
            port, key = int(found[1]), found[2]
            session = _ask(port, "GET", "/app/live/session.json", key)
            assert (session["role"], session["header"]) == ("operate", "X-Pileus-Request")
            assert _ask(port, "GET", "/app/data/index.json", key)["collections"][0]["why"] == {
                "2015-04": "waiting: nothing published"
            }
            assert _ask(port, "GET", "/v1/backfills/history", key)["counts"] == {"succeeded": 3, "waiting": 1}
            refused = _ask(port, "POST", "/v1/backfills/history/cancel", key)
            assert refused["title"] == "Conflict", "it has ended"
            assert _ask(port, "POST", "/v1/backfills/history/retry", key)["run"] == 2
            done.wait_for(
                lambda: (
                    done.json("status", "history")["run"] == 2 and done.json("status", "history")["state"] != "running"
                )
            )
            clip = "pictures/collection=lights/version=001/period=2015-01/group=20150101/avg_rade9h/seam.png"
            assert _ask(port, "GET", f"/app/{clip}", key)[:4] == b"\x89PNG"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _ask(port: int, method: str, path: str, key: str) -> Any:
    """Ask as the page does: signed in by its cookie."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Cookie": f"pileus-{port}={key}", "Content-Type": "application/json", "X-Pileus-Request": "1"}
    line.request(method, path, "{}" if method == "POST" else None, headers)
    answer = line.getresponse()
    body = answer.read()
    line.close()
    return json.loads(body) if "json" in (answer.headers["Content-Type"] or "") else body


def test_rows_of_edited_zones_are_exported_with_the_shapes_that_they_were_measured_in(done: Project) -> None:
    """The seam's city grows by two columns of the haze's value after January and February."""
    zones = json.loads((done.path / "data/zones/sample.geojson").read_text())
    city = next(feature for feature in zones["features"] if feature["id"] == "seam")
    city["geometry"]["coordinates"] = [[[56, 42], [62, 42], [62, 46], [56, 46], [56, 42]]]
    done.document("data/zones/sample.geojson", zones)
    done.pileus("populate")
    done.pileus("backfill", "lights", "--from", "2015-03", "--to", "2015-03", "--select", "stale", "--wait")
    done.pileus("outputs", "export", "lights", "--zone", "seam", "--stat", "count", "-o", "edited.gpkg")
    frame = geopandas.read_file(done.path / "edited.gpkg", layer="zones")
    rows = frame[["count_2015_01", "count_2015_02", "count_2015_03"]].fillna(0).to_numpy().tolist()
    assert dict(zip(frame.bounds["minx"], rows, strict=True)) == {58: [16, 16, 0], 56: [0, 0, 24]}
    stats, sets = published(done) / "stats", published(done) / "zones/collection=lights"
    joined = geopandas.read_parquet(sets).merge(pandas.read_parquet(stats), on=["zone_set", "zone"])
    seam = joined[joined["zone"] == "seam"].sort_values("time")
    assert seam.geometry.bounds["minx"].tolist() == [58, 58, 56]
