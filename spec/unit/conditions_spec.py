"""`meta.process.valid` and `range`: several conditions over bands of a group decide which pixels count."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Process, parse_value
from pileus.errors import DocumentError, RasterError
from pileus.outputs.windows import Mosaic
from pileus.zonal import Source, measure
from pileus.zonal.validity import Validity, _fits
from spec.support.zonal_reference import tgz, write, zones_of

LIGHT = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], "f4")
SEEN = np.array([[0, 1, 2, 3], [4, 5, 6, 65535]], "u2")
"""65535 is its nodata."""
FLAGS = np.array([[0b00, 0b01, 0b10, 0b11], [0b1000000, 0b11000000, 0b00, 0b100]], "u1")
BOX = shapely.box(0, 0, 4, 2)


def files(folder: Path) -> list[Path]:
    return [
        write(folder / "x.light.tif", LIGHT),
        write(folder / "x.seen.tif", SEEN, nodata=65535),
        write(folder / "x.flags.tif", FLAGS),
    ]


def counted(folder: Path, valid: Any, **rules: Any) -> list[float]:
    """The light that counts: measured in files, in archives of both orders, and in windows; all must agree."""
    process = parse_value(
        Process, {"band": "light", "zones": "", "stats": ["sum", "count"], "valid": valid} | rules, "p"
    )
    every, zones = files(folder), zones_of(BOX)
    contents = {path.name: path.read_bytes() for path in every}
    mosaic = Mosaic(process, zones, folder)
    plain = measure([Source(p.name, path=p) for p in every], process, zones, scratch=folder, observer=mosaic)
    (window,) = mosaic.windows("light")
    sums = {plain.table["sum"][0].as_py(), float(window.values[window.valid].sum()) or None}
    for order in (list(contents), list(reversed(contents))):
        archive = tgz({name: contents[name] for name in order})
        source = Source("a.tgz", open=lambda archive=archive: io.BytesIO(archive))  # type: ignore[misc]
        sums.add(measure([source], process, zones, scratch=folder).table["sum"][0].as_py())
    (total,) = sums
    good = window.values[window.valid]
    assert total is None or total == good.sum()
    return sorted(good.tolist())


@pytest.mark.parametrize(
    ("valid", "light"),
    [
        ({"band": "seen"}, [2, 3, 4, 5, 6, 7]),
        ({"band": "seen", "min": 3}, [4, 5, 6, 7]),
        ({"band": "seen", "max": 3}, [1, 2, 3, 4]),
        ({"band": "seen", "min": 1, "max": 3}, [2, 3, 4]),
        ({"band": "seen", "above": 1, "below": 3}, [3]),
        ({"band": "seen", "in": [0, 2, 4]}, [1, 3, 5]),
        ({"band": "flags", "bits": {"0": 0}}, [1, 3, 5, 6, 7, 8]),
        ({"band": "flags", "bits": {"0": 0, "1": 0}}, [1, 5, 6, 7, 8]),
        ({"band": "flags", "bits": {"0-1": [1, 2]}}, [2, 3]),
        ({"band": "flags", "bits": {"6-7": [1, 3]}}, [5, 6]),
        ([{"band": "seen", "min": 2}, {"band": "flags", "bits": {"0": 0}}], [3, 5, 6, 7]),
        ([{"band": "seen", "min": 2}, {"band": "seen", "max": 4}], [3, 4, 5]),
        ([], [1, 2, 3, 4, 5, 6, 7, 8]),
        ([{"band": "seen", "min": 1}, {"band": "flags", "bits": {"7": 1}, "in": [1]}], []),
    ],
)
def test_a_pixel_counts_where_it_meets_every_condition(tmp_path: Path, valid: Any, light: list[float]) -> None:
    assert counted(tmp_path, valid) == light


def test_a_condition_may_be_on_the_measured_band(tmp_path: Path) -> None:
    assert counted(tmp_path, [{"band": "light", "in": [2, 4, 6]}, {"band": "seen", "max": 3}]) == [2, 4]


@pytest.mark.parametrize(
    ("limits", "light"),
    [
        ([3, 5], [3, 4, 5]),
        ([None, 3], [1, 2, 3]),
        ([7, None], [7, 8]),
        ({"above": 3, "below": 6}, [4, 5]),
        ({"above": 6}, [7, 8]),
        ({"min": 2, "below": 4}, [2, 3]),
    ],
)
def test_a_range_may_be_open_or_without_its_ends(tmp_path: Path, limits: Any, light: list[float]) -> None:
    assert counted(tmp_path, None, range=limits) == light


@pytest.mark.parametrize("kind", ["f4", "f8", "u1", "i2", "i4"])
def test_above_0_leaves_out_0_alone(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "b.tif", np.array([[0, 1, 2]], kind))
    process = parse_value(Process, {"band": "b", "zones": "", "stats": ["count"], "range": {"above": 0}}, "p")
    table = measure([Source("b.tif", path=path)], process, zones_of(shapely.box(0, 0, 3, 1)), scratch=tmp_path).table
    assert table["count"].to_pylist() == [2]


def test_conditions_on_scaled_bands_are_on_values(tmp_path: Path) -> None:
    light, seen = write(tmp_path / "x.light.tif", LIGHT), write(tmp_path / "x.seen.tif", SEEN, nodata=65535)
    with rasterio.open(seen, "r+") as file:
        file.scales, file.offsets = (0.1,), (10,)
    for valid, total in (({"band": "seen", "min": 10.3}, 4 + 5 + 6 + 7), ({"band": "seen", "in": [10.3, 10.6]}, 4 + 7)):
        process = parse_value(Process, {"band": "light", "zones": "", "stats": ["sum"], "valid": valid}, "p")
        sources = [Source(path.name, path=path) for path in (light, seen)]
        assert measure(sources, process, zones_of(BOX), scratch=tmp_path).table["sum"].to_pylist() == [total]


def test_bits_of_numbers_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"x.light.tif: has light as float32: bits are those of whole numbers"):
        counted(tmp_path, {"band": "light", "bits": {"0": 1}})


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"valid": {"band": "q", "bits": {"9-3": 1}}}, r"valid\[0\]: bits '9-3' are none: expected one, as 3, or sev"),
        ({"valid": {"band": "q", "bits": {"3": 2}}}, r"valid\[0\]: bits 3 cannot have the value 2"),
        ({"valid": [{"min": 1}]}, r"valid\[0\].band: required, and missing"),
        ({"valid": {"band": "q", "minimum": 1}}, r"valid\[0\].minimum: unknown field; did you mean min"),
        ({"range": [1, 2, 3]}, r"range: expected \[lowest, highest\]; null where there is no limit"),
        ({"range": {"above": 1, "below": 1}}, r"range: no value lies in it"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_when_it_is_read(value: Any, told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        parse_value(Process, {"band": "b", "zones": "z"} | value, "p")


@pytest.mark.parametrize(
    "value",
    [
        {"valid": {"band": "q"}},
        {"valid": [{"band": "q", "bits": {"6-7": [0, 1]}}, {"band": "r", "in": [1.0]}]},
        {"range": [0.0, 5.0]},
        {"range": {"above": 0.0}},
    ],
)
def test_conditions_are_written_as_they_were_read(value: Any) -> None:
    """So that fingerprints of results that were made before there were several conditions stay."""
    written = parse_value(Process, {"band": "b", "zones": "z"} | value, "p").model_dump(
        mode="json", exclude_defaults=True
    )
    assert written == {"band": "b", "zones": "z"} | value
    assert parse_value(Process, written, "p") == parse_value(Process, {"band": "b", "zones": "z"} | value, "p")
    least = parse_value(Process, {"band": "b", "zones": "z", "valid": {"band": "q", "min": 1}}, "p")
    assert least.model_dump(mode="json", exclude_defaults=True)["valid"] == {"band": "q"}


def test_a_member_with_both_measures_and_masks(tmp_path: Path) -> None:
    """Two bands of one GeoTIFF in an archive: the first is measured, the second says which pixels count."""
    path = write(tmp_path / "both.tif", LIGHT, count=2)
    with rasterio.open(path, "r+") as file:
        file.write((LIGHT > 4).astype("f4"), 2)
        file.descriptions = ("light", "good")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        tar.add(path, "both.tif")
    process = parse_value(Process, {"band": "light", "zones": "", "stats": ["sum"], "valid": {"band": "good"}}, "p")
    source = Source("a.tgz", path=tmp_path / "a.tgz")
    assert measure([source], process, zones_of(BOX), scratch=tmp_path).table["sum"].to_pylist() == [26]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("ends", [(-np.inf, np.inf), (0.5, 3), (1, 2.5), (-3, -1), (300, 400), (5, 2), (2**40, np.inf)])
@pytest.mark.parametrize("nodata", [np.nan, 2, 2.5, -1, 1e30])
def test_whole_numbers_keep_limits_as_floats_do(kind: str, ends: Any, nodata: float) -> None:
    numbers = np.array([0, 1, 2, 3, 100, 127]).astype(kind)
    numbers = np.r_[numbers, numbers - 3].astype(kind) if kind[0] != "u" else numbers
    rule = Validity(*ends, nodata)
    values = numbers.astype("f8")
    truth = (values >= ends[0]) & (values <= ends[1]) & (values != nodata)
    assert _fits(rule, numbers).tolist() == truth.tolist()
