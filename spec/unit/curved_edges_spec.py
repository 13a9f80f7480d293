"""A straight edge of a zone is a curve on a raster in another system: it is followed there, and not only its ends."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from rasterio.warp import transform, transform_bounds

from pileus.documents import Process
from pileus.zonal import Source, make_zones, measure
from pileus.zonal.reproject import reproject
from spec.support.zonal_reference import write

UTM = "EPSG:32633"


def dense(box: shapely.Polygon) -> shapely.Polygon:
    """The box in UTM, by 2,000 vertices on each degree."""
    points = shapely.get_coordinates(shapely.segmentize(box, 5e-4))
    return shapely.Polygon(np.column_stack(transform("EPSG:4326", UTM, points[:, 0], points[:, 1])))


@pytest.mark.parametrize(
    "box", [shapely.box(13, 60, 15, 60.2), shapely.box(11, 57, 15, 61), shapely.box(14.9, 1, 15.1, 9)]
)
def test_edges_of_degrees_are_followed_on_a_raster_in_metres(tmp_path: Path, box: shapely.Polygon) -> None:
    west, south, east, north = transform_bounds("EPSG:4326", UTM, *box.bounds)
    rows, columns = int((north - south) / 1000) + 4, int((east - west) / 1000) + 4
    values = np.add.outer(np.arange(rows) ** 1.5, np.arange(columns) ** 1.2).astype("f4")
    place = {"west": west // 1000 * 1000 - 1000, "north": north // 1000 * 1000 + 2000, "size": 1000, "crs": UTM}
    path = write(tmp_path / "x.b.tif", values, **place)
    process, zones = Process(band="b", zones="", stats=("count", "mean")), make_zones(["z"], ["z"], [box], "EPSG:4326")
    (row,) = measure([Source("x.b.tif", path=path)], process, zones, scratch=tmp_path).table.to_pylist()
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(dense(box))}
    (peer,) = exact_extract(str(path), [feature], ["count", "mean"])
    assert {stat: row[stat] for stat in ("count", "mean")} == pytest.approx(peer["properties"], rel=1e-6)


def test_only_long_edges_get_more_vertices() -> None:
    small = shapely.Point(15, 50).buffer(0.001)
    (moved,) = reproject(np.array([small]), "EPSG:4326", UTM, curve=1)
    assert shapely.get_num_coordinates(moved) == shapely.get_num_coordinates(small)


def test_the_number_of_new_vertices_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pileus.zonal.reproject.MOST", 10_000)
    boxes = np.array([shapely.box(9, 40 + n / 100, 21, 70) for n in range(100)])
    moved = reproject(boxes, "EPSG:4326", UTM, curve=1e-9)
    assert shapely.get_num_coordinates(moved).sum() <= 10_000 + 100 * 5
