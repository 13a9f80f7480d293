"""Pixels on their way out of a cell: what a child may answer, and what a box takes of a grid."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from pileus.cell.pixels import pixels_from_numbers, pixels_to_numbers
from pileus.cell.results import BadAnswer
from pileus.documents import Process
from pileus.raster.grid import Box, Grid
from pileus.zonal.pixels import Field, Pixels, Within

GRID = Grid(3, 2, 0.0, 2.0, 1.0, -1.0, "EPSG:4326")
PROCESS = Process.model_validate({"band": ["a", "b"], "zones": ""})
PIXELS = Pixels(
    GRID,
    (
        Field("a", None, np.arange(6, dtype=np.float32).reshape(2, 3)),
        Field("b", datetime(2015, 1, 2), np.arange(6, dtype=np.float64).reshape(2, 3)),
    ),
    {"a": "mm", "b": ""},
)


def said() -> tuple[dict[str, Any], bytes]:
    """What a child answers, as it comes through the channel."""
    facts, body = pixels_to_numbers(PIXELS, PROCESS)
    return json.loads(json.dumps(facts)), body


def test_pixels_and_numbers_are_inverses() -> None:
    found = pixels_from_numbers(*said(), PROCESS)
    assert (found.grid, found.units) == (GRID, {"a": "mm", "b": ""})
    assert [(one.band, one.time, one.values.dtype) for one in found.fields] == [
        ("a", None, np.dtype(np.float32)),
        ("b", datetime(2015, 1, 2), np.dtype(np.float64)),
    ]
    assert [one.values.tolist() for one in found.fields] == [[[0, 1, 2], [3, 4, 5]]] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"grid": [3, 2, 0.0, 2.0, 0.0, -1.0, "EPSG:4326"]},
        {"grid": None},
        {"fields": []},
        {"fields": [[2, None, "float32"], [1, None, "float64"]]},
        {"fields": [[-1, None, "float32"], [1, None, "float64"]]},
        {"fields": [[0, None, "int8"], [1, None, "float64"]]},
        {"fields": [[0, "soon", "float32"], [1, None, "float64"]]},
        {"fields": [[0, "2015-13-01T00:00:00", "float32"], [1, None, "float64"]]},
        {"fields": [[0, None, "float64"], [1, None, "float64"]]},
        {"fields": [[0, None, "float32"]]},
        {"fields": ["abc", [1, None, "float64"]]},
        {"units": ["mm"]},
        {"units": ["mm", 3]},
        {"more": 1},
    ],
)
def test_what_no_child_should_answer_is_refused(change: dict[str, Any]) -> None:
    facts, body = said()
    with pytest.raises(BadAnswer):
        pixels_from_numbers(facts | change, body, PROCESS)


def test_numbers_of_another_length_are_refused() -> None:
    facts, body = said()
    for odd in (body[:-1], body + b"0"):
        with pytest.raises(BadAnswer, match="another length"):
            pixels_from_numbers(facts, odd, PROCESS)


def test_a_box_takes_its_pixels_and_one_more_on_each_side() -> None:
    grid = Grid(10, 10, 0.0, 10.0, 1.0, -1.0, "EPSG:4326")
    assert Within((2.0, 4.0), (6.0, 8.0)).box(grid) == Box(1, 1, 5, 5)
    assert Within().box(grid) == Box(0, 0, 10, 10)
    south_up = replace(grid, north=0.0, dy=1.0)
    assert Within(None, (6.0, 8.0)).box(south_up) == Box(5, 0, 9, 10)


def test_longitudes_of_a_box_may_be_of_another_turn_and_cross_the_date_line() -> None:
    world = Grid(360, 2, -180.0, 1.0, 1.0, -1.0, "EPSG:4326")
    assert Within((190.0, 192.0)).box(world) == Box(0, 9, 2, 13)  # 170 to 168 degrees west
    box = Within((170.0, -170.0)).box(world)
    assert (box.left, box.right) == (0, 360)  # both ends of the raster, and so all between


def test_a_box_elsewhere_takes_nothing() -> None:
    grid = Grid(10, 10, 0.0, 10.0, 1.0, -1.0, "EPSG:4326")
    assert Within((40.0, 41.0), None).box(grid).pixels == 0
    projected = replace(grid, crs="EPSG:3857")
    assert Within((360.0, 365.0), None).box(projected).pixels == 0
