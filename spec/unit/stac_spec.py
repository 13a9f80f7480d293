"""STAC: items that the pipeline writes and the catalog over them, by other people's validators and readers."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow.parquet
import pystac
import pytest
import stac_geoparquet.arrow
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.extensions.table import TableExtension

from pileus.errors import UsageError
from pileus.outputs import catalog
from pileus.outputs.stac import EXTENSIONS
from pileus.wiring import wire_folder
from spec.support.outputs import Made

Validate = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def validate() -> Validate:
    """pystac's validator, on the schemas that it ships; those of extensions are only on the web."""
    from pystac.validation import validate_dict  # three seconds, which only who runs these specs should wait
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    class Core(JsonSchemaSTACValidator):
        def validate_extension(self, *arguments: Any, **named: Any) -> None:
            return None

    return lambda value: validate_dict(value, validator=Core())


def items(made: Made) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(made.bucket.glob("stac/lights/001/*/*.json"))]


@pytest.fixture(scope="module", params=["mumbai", "hostile"])
def made(request: pytest.FixtureRequest) -> Made:
    found: Made = request.getfixturevalue(request.param)
    catalog.write_catalog(found.store, "protected", "lights")
    return found


def test_every_item_is_valid_by_pystac(made: Made, validate: Validate) -> None:
    found = items(made)
    assert len(found) in (34, 3)
    for value in found:
        validate(value)


def test_an_item_is_found_by_each_extensions_reader(made: Made) -> None:
    item = pystac.Item.from_dict(items(made)[0])
    assert {name.split("/")[3] for name in item.stac_extensions} == {
        "file", "processing", "table", "alternate-assets", "projection", "raster",
    }  # fmt: skip
    assert all(name.startswith(EXTENSIONS) for name in item.stac_extensions)
    name = next(name for name in item.assets if name.startswith("clip-"))
    clip = item.assets[name]
    assert ProjectionExtension.ext(clip).code == "EPSG:4326"
    assert len(ProjectionExtension.ext(clip).transform or []) == 6
    (band,) = RasterExtension.ext(clip).bands or []
    assert band.unit == "nW/cm2/sr"
    assert band.statistics is not None
    assert band.statistics.valid_percent is not None
    assert FileExtension.ext(clip).size == clip.extra_fields["file:size"]
    assert item.properties["processing:software"]["pileus"]
    assert [column.name for column in TableExtension.ext(item).columns][:3] == ["time", "zone", "zone_name"]


def test_every_asset_lies_where_its_relative_href_says_with_the_bytes_it_says(made: Made) -> None:
    for path in made.bucket.glob("stac/lights/001/*/*.json"):
        for name, asset in json.loads(path.read_text())["assets"].items():
            file = (path.parent / unquote(asset["href"])).resolve()
            assert file.is_relative_to(made.bucket.resolve())
            body = file.read_bytes()
            assert asset["alternate"]["s3"]["href"].endswith(str(file.relative_to(made.bucket.resolve())))
            if name != "manifest":
                assert asset["file:size"] == len(body)
                assert asset["file:checksum"] == "1220" + hashlib.sha256(body).hexdigest()


def test_an_item_names_the_archives_it_was_derived_from(hostile: Made) -> None:
    links = [link for link in items(hostile)[0]["links"] if link["rel"] == "derived_from"]
    assert len(links) == 6
    assert all(link["title"].endswith(".tgz") and link["file:size"] > 0 for link in links)


def test_an_item_spans_its_month(hostile: Made) -> None:
    told = items(hostile)[1]["properties"]
    assert (told["start_datetime"], told["end_datetime"]) == ("2015-02-01T00:00:00Z", "2015-02-28T23:59:59Z")


def test_the_statistics_of_an_item_are_those_of_its_rows(hostile: Made) -> None:
    (band,) = items(hostile)[0]["assets"]["table"]["bands"]
    assert (band["name"], band["unit"]) == ("avg_rade9h", "nW/cm2/sr")
    assert (band["statistics"]["minimum"], band["statistics"]["maximum"]) == (1, 10)


def test_the_catalog_is_walked_by_its_links_alone(made: Made, validate: Validate) -> None:
    root = pystac.Catalog.from_file(str(made.bucket / "stac/catalog.json"))
    assert len(list(root.get_items(recursive=True))) == len(items(made))
    (collection,) = root.get_collections()
    for value in (root.to_dict(), collection.to_dict()):
        validate(value)
    texts = [path.read_text() for path in made.bucket.glob("stac/**/*.json")]
    hrefs = [link["href"] for text in texts for link in json.loads(text)["links"] if link["rel"] != "derived_from"]
    assert all(href.startswith(".") for href in hrefs), "a static catalog may be served from anywhere"


def test_the_index_is_stac_geoparquet(made: Made) -> None:
    path = made.bucket / "stac/lights/001/items.parquet"
    table = pyarrow.parquet.read_table(path)
    found = {item["id"]: item for item in stac_geoparquet.arrow.stac_table_to_items(table)}
    for value in items(made):
        again = found[value["id"]]
        assert again["bbox"] == pytest.approx(value["bbox"])
        assert again["assets"]["table"]["file:checksum"] == value["assets"]["table"]["file:checksum"]
        assert set(again["assets"]) == set(value["assets"])
    rows = duckdb.sql(f"select id from '{path}' order by datetime").fetchall()
    assert [row[0] for row in rows] == [value["id"] for value in items(made)]


def test_geopandas_reads_the_index(hostile: Made) -> None:
    import geopandas

    catalog.write_catalog(hostile.store, "protected", "lights")
    frame = geopandas.read_parquet(hostile.bucket / "stac/lights/001/items.parquet")
    assert frame.geometry.iloc[0].bounds == pytest.approx(items(hostile)[0]["bbox"])
    assert frame.crs.to_epsg() in (4326, None) or frame.crs.to_string() == "OGC:CRS84"


def test_a_collection_without_items_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no items yet"):
        catalog.write_catalog(wire_folder(tmp_path, {}).store, "protected", "lights")
