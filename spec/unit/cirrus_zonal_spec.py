"""Zonal statistics as a task of stac-task: known numbers, items in, tables and derived items out."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from stactask.exceptions import InvalidInput

from pileus.cirrus.zonal import ZonalStatistics
from pileus.worker.payload_process import PayloadProcess
from spec.servers import Site
from spec.servers.sessions import aws_client
from spec.support.zonal_reference import write

pytestmark = pytest.mark.timeout(180)
LEFT = {"type": "Polygon", "coordinates": [[[0, 0], [1.5, 0], [1.5, 3], [0, 3], [0, 0]]]}
ZONES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "id": "left", "properties": {}, "geometry": LEFT}],
}
"""The left half of 3 x 3 pixels: of 1 to 9, 1 + 4 + 7 and half of 2 + 5 + 8 are 19.5 in 4.5 pixels."""
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def item(href: str, **asset: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "a",
        "collection": "lights",
        "geometry": LEFT,
        "bbox": [0, 0, 3, 3],
        "properties": {"datetime": "2015-01-01T00:00:00Z"},
        "links": [{"rel": "self", "href": "https://example.org/items/a"}],
        "assets": {"light": {"href": href, "type": COG, **asset}, "thumb": {"href": "x.png", "roles": ["thumbnail"]}},
    }


def payload(*items: dict[str, Any], upload: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    told = {"zones": ZONES, "stats": ["count", "sum"], **parameters}
    matchers = [{"type": "catch_all", "collection_name": "light-statistics"}]
    definition = {"workflow": "zonal", "tasks": {"zonal-statistics": told}, "collection_matchers": matchers}
    definition |= {"upload_options": upload} if upload else {}
    return {"type": "FeatureCollection", "id": "l/workflow-zonal/a", "features": list(items), "process": [definition]}


@pytest.fixture
def raster(tmp_path: Path) -> str:
    return str(write(tmp_path / "light.tif", np.arange(1, 10, dtype="f4").reshape(3, 3)))


def rows(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the table that the only item names."""
    (found,) = made["features"]
    return list(pq.read_table(found["assets"]["statistics"]["href"]).to_pylist())


def handled(tmp_path: Path, given: dict[str, Any]) -> dict[str, Any]:
    return dict(ZonalStatistics.handler(given, workdir=tmp_path / "work"))


def test_an_item_becomes_a_table_and_an_item_that_is_derived_from_it(tmp_path: Path, raster: str) -> None:
    made = handled(tmp_path, payload(item(raster)))
    assert rows(made) == [
        {
            "item": "a",
            "datetime": "2015-01-01T00:00:00Z",
            "zone": "left",
            "zone_name": "left",
            "band": "light",
            "unit": "",
            "count": 4.5,
            "sum": 19.5,
        }
    ]
    (found,) = made["features"]
    assert (found["id"], found["collection"]) == ("a-zonal-statistics", "light-statistics")
    assert list(found["assets"]) == ["statistics"]
    assert found["assets"]["statistics"]["table:row_count"] == 1
    assert {link["rel"]: link["href"] for link in found["links"]}["derived_from"] == "https://example.org/items/a"
    assert found["properties"]["datetime"] == "2015-01-01T00:00:00Z"
    assert "zonal-statistics" in found["properties"]["processing:software"]


def test_a_table_may_be_csv(tmp_path: Path, raster: str) -> None:
    (found,) = handled(tmp_path, payload(item(raster), format="csv"))["features"]
    (row,) = csv.DictReader(io.StringIO(Path(found["assets"]["statistics"]["href"]).read_text()))
    assert (row["zone"], row["sum"]) == ("left", "19.5")
    assert found["assets"]["statistics"]["type"] == "text/csv"


@pytest.mark.parametrize(
    ("asset", "sum_"),
    [
        ({"raster:bands": [{"scale": 0.1, "offset": 1}]}, 19.5 * 0.1 + 4.5),
        ({"bands": [{"raster:scale": 2}]}, 39.0),
        ({"raster:bands": [{"nodata": 7}]}, 12.5),
        ({}, 19.5),
    ],
)
def test_what_an_item_says_of_its_numbers_holds(
    tmp_path: Path, raster: str, asset: dict[str, Any], sum_: float
) -> None:
    (row,) = rows(handled(tmp_path, payload(item(raster, **asset))))
    assert row["sum"] == pytest.approx(sum_)


def test_a_rule_of_the_payload_comes_before_what_the_item_says(tmp_path: Path, raster: str) -> None:
    given = payload(item(raster, **{"raster:bands": [{"scale": 0.1}]}), band_rules={"light": {"scale": "none"}})
    assert rows(handled(tmp_path, given))[0]["sum"] == 19.5


def test_another_asset_says_which_pixels_count_and_is_not_measured(tmp_path: Path, raster: str) -> None:
    mask = write(tmp_path / "mask.tif", np.array([[1, 1, 1], [0, 0, 0], [1, 1, 1]], "u1"))
    given = item(raster)
    given["assets"]["mask"] = {"href": f"file://{mask}", "type": COG}
    (row,) = rows(handled(tmp_path, payload(given, valid=[{"band": "mask", "min": 1}])))
    assert (row["band"], row["count"], row["sum"]) == ("light", 3.0, pytest.approx(1 + 7 + 2 / 2 + 8 / 2))


def test_several_items_and_assets_have_a_row_each(tmp_path: Path, raster: str) -> None:
    given = item(raster)
    given["assets"]["again"] = {"href": raster}
    made = handled(tmp_path, payload(given, item(raster) | {"id": "b"}, assets=["light"]))
    assert [one["id"] for one in made["features"]] == ["a-zonal-statistics", "b-zonal-statistics"]
    made = handled(tmp_path, payload(given))
    assert [(row["band"], row["sum"]) for row in rows(made)] == [("light", 19.5), ("again", 19.5)]


def test_options_of_the_workflow_that_are_for_other_tasks_do_not_matter(tmp_path: Path, raster: str) -> None:
    given = payload(item(raster))
    given["process"][0]["workflow_options"] = {"quality": 1, "coverage": "all_touched"}
    assert rows(handled(tmp_path, given))[0]["count"] == 6.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stat": ["mean"]}, "tasks.zonal-statistics: stat: unknown field; did you mean stats"),
        ({"stats": ["maen"]}, "unknown statistic 'maen'"),
        ({"zones": {"type": "FeatureCollection", "features": []}}, "zones"),
        ({"assets": ["dark"]}, "item a: has no asset 'dark'"),
        ({"valid": {"band": "mask"}}, "item a: has no asset 'mask'"),
    ],
)
def test_what_cannot_be_done_is_invalid_input(tmp_path: Path, raster: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        handled(tmp_path, payload(item(raster), **changes))


def test_an_item_without_a_raster_is_invalid_input(tmp_path: Path) -> None:
    given = item("x")
    del given["assets"]["light"]
    with pytest.raises(InvalidInput, match="item a: has no asset that is a raster: say assets"):
        handled(tmp_path, payload(given))


class Child:
    """The task in a process of its own, and what it has printed."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        told = {"seconds": 120, "tell": lambda text: self.said.append(text.decode())}
        self.process = PayloadProcess("zonal", "pileus.cirrus.zonal:ZonalStatistics", folder, folder, **told)  # type: ignore[arg-type]

    def __call__(self, given: dict[str, Any]) -> Any:
        return json.loads(self.process.run(given, threading.Event()))


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    made = Child(tmp_path)
    with closing(made.process):
        yield made


def test_in_a_process_of_its_own_it_does_one_payload_after_the_other(child: Child, raster: str) -> None:
    for _ in range(3):
        made = child(payload(item(raster)))
        assert made["features"][0]["assets"]["statistics"]["bands"] == [{"name": "light"}]


def test_of_a_cog_in_s3_only_what_the_zones_need_is_read_and_the_table_is_uploaded(
    aws: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(5).integers(0, 1000, (1200, 1600)).astype("u2")
    options = {"compress": "deflate", "tiled": True, "blockxsize": 128, "blockysize": 128}
    body = write(tmp_path / "big.tif", pixels, size=0.01, **options).read_bytes()
    s3: Any = aws_client(aws, "s3")
    s3.create_bucket(Bucket="zonal-task")
    s3.put_object(Bucket="zonal-task", Key="in/big.tif", Body=body)
    s3.put_object(Bucket="zonal-task", Key="in/zones.geojson", Body=json.dumps(ZONES).encode())
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in ({"AWS_ENDPOINT_URL": aws.url} | keys).items():
        monkeypatch.setenv(name, value)
    upload = {"path_template": "s3://zonal-task/out/${collection}/${year}/${id}", "s3_urls": True}
    given = payload(item("s3://zonal-task/in/big.tif"), upload=upload, zones="s3://zonal-task/in/zones.geojson")
    running = Child(tmp_path)  # in the environment as it is now
    with closing(running.process):
        (found,) = running(given)["features"]
    href = found["assets"]["statistics"]["href"]
    assert href == "s3://zonal-task/out/lights/2015/a-zonal-statistics/a-zonal-statistics.parquet"
    table = s3.get_object(Bucket="zonal-task", Key=href.removeprefix("s3://zonal-task/"))["Body"].read()
    (row,) = pq.read_table(io.BytesIO(table)).to_pylist()
    assert (row["count"], row["sum"]) == (pytest.approx(150 * 300), pytest.approx(int(pixels[900:, :150].sum())))
    moved = int("".join(running.said).partition(": read ")[2].partition(" of")[0].replace(",", ""))
    assert moved < len(body) * 0.3
