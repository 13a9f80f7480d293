"""How much of a zone the rasters reach: as a statistic, and as a note where that is not all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pileus.documents import Process
from pileus.zonal import Measured, Source, make_zones, measure
from spec.support.zonal_reference import write


def tile(folder: Path, name: str, west: float) -> Source:
    """Four by four pixels of one unit, of which the rightmost column has no data."""
    values = np.ones((4, 4), "u1")
    values[:, 3] = 255
    path = write(folder / f"{name}.b.tif", values, west=west, north=4, size=1, crs="EPSG:3857", nodata=255)
    return Source(path.name, path=path)


def measured(folder: Path, sources: list[Source], *shapes: Any, **rules: Any) -> Measured:
    ids = [str(number) for number in range(len(shapes))]
    process = Process(band="b", zones="", stats=("count", "valid_share", "coverage_share"), **rules)
    return measure(sources, process, make_zones(ids, ids, list(shapes), "EPSG:3857"), scratch=folder)


@pytest.mark.parametrize("coverage", ["exact", "center", "all_touched", "gippy"])
def test_half_of_a_zone_lies_outside(tmp_path: Path, coverage: str) -> None:
    found = measured(tmp_path, [tile(tmp_path, "a", 0)], shapely.box(0, 0, 8, 4), coverage=coverage)
    assert found.table.to_pylist()[0] | {"zone": ""} == {
        "zone": "", "zone_name": "0", "band": "b", "count": 12, "valid_share": 0.75, "coverage_share": 0.5,
    }  # fmt: skip
    assert found.notes == ("1 of 1 zones lie partly outside the rasters: 0",)


def test_a_second_tile_reaches_the_rest(tmp_path: Path) -> None:
    tiles = [tile(tmp_path, "a", 0), tile(tmp_path, "b", 4)]
    found = measured(tmp_path, tiles, shapely.box(0, 0, 8, 4))
    assert found.table["coverage_share"].to_pylist() == [1]
    assert found.notes == ()


def test_what_two_tiles_hold_is_reached_once(tmp_path: Path) -> None:
    tiles = [tile(tmp_path, "a", 0), tile(tmp_path, "b", 2)]
    found = measured(tmp_path, tiles, shapely.box(0, 0, 8, 4))
    assert found.table["coverage_share"].to_pylist() == [0.75]


def test_a_zone_on_no_raster_is_not_reached(tmp_path: Path) -> None:
    found = measured(tmp_path, [tile(tmp_path, "a", 0)], shapely.box(0, 0, 1, 1), shapely.box(90, 0, 91, 1))
    assert found.table["coverage_share"].to_pylist() == [1, 0]
    assert found.notes == ("1 of 2 zones touch no raster: 1",)
