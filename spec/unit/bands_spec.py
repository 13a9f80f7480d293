"""`meta.bands`: where files have a band, and what its stored numbers stand for."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
import rasterio
import shapely

from pileus.documents import Band, Process
from pileus.errors import ArchiveError, RasterError
from pileus.raster.request import Place
from pileus.zonal import Measured, Source, measure
from spec.support.zonal_reference import write, zones_of

BOX = shapely.box(0, 0, 4, 2)
WORLD = Place("EPSG:4326", (0, 0, 4, 2))
EOS = "/HDFEOS/GRIDS/VIIRS_Grid_DNB_2d/Data Fields/"
NUMBERS = np.array([[10, 20, 30, 40], [50, 60, 70, 65535]], "u2")
"""0.1 times these: mean of the seven that count 4.0, sum 28."""


def measured(path: Path, band: Band | None = None, name: str = "b", place: Place = WORLD, **rules: Any) -> Measured:
    """The statistics of one box over all pixels."""
    process = Process(band=name, zones="", **{"stats": ("count", "sum", "mean", "min", "max")} | rules)
    source = Source(path.name, path=path, place=place)
    bands = {} if band is None else {name: band}
    return measure([source], process, zones_of(BOX), bands=bands, scratch=path.parent)


def row(path: Path, band: Band | None = None, name: str = "b", **rules: Any) -> dict[str, Any]:
    (only,) = measured(path, band, name, **rules).table.to_pylist()
    return {stat: value for stat, value in only.items() if not isinstance(value, str)}


def netcdf(path: Path, **variables: Any) -> Path:
    """A netCDF file with 4 x 2 pixels of one degree and several variables, written by a library of another house."""
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"lat": 2, "lon": 4}
        for name, values, units in (
            ("lat", [1.5, 0.5], "degrees_north"),
            ("lon", [0.5, 1.5, 2.5, 3.5], "degrees_east"),
        ):
            made = file.create_variable(name, (name,), "f8")
            made[:], made.attrs["units"] = values, units
        for name, (values, attributes) in variables.items():
            fill = attributes.pop("_FillValue", None)
            made = file.create_variable(name, ("lat", "lon"), values.dtype, fillvalue=fill)
            made[:] = values
            made.attrs.update(attributes)
    return path


def two(path: Path) -> Path:
    packed = {"scale_factor": 0.1, "add_offset": 220.0, "_FillValue": np.uint16(65535), "units": "K"}
    return netcdf(path, tmax=(NUMBERS, packed), rain=(np.ones((2, 4), "f4"), {"units": "mm"}))


def eos(path: Path) -> Path:
    """A tile as Black Marble's are documented: HDF-EOS5, without a system that a driver reads."""
    with h5py.File(path, "w") as file:
        for name in ("AllAngle_Composite_Snow_Free", "AllAngle_Composite_Snow_Free_Num"):
            made = file.create_dataset(EOS + name, data=NUMBERS)
            made.attrs["_FillValue"] = np.array([65535], "u2")
            made.attrs["scale_factor"], made.attrs["add_offset"] = 0.1 if name.endswith("Free") else 1.0, 0.0
            made.attrs["units"] = np.bytes_("nWatts/(cm^2 sr)")
    return path


@pytest.mark.parametrize(("name", "path"), [("tmax", None), ("heat", "tmax"), ("heat", "tm*")])
def test_a_variable_of_several_is_named(tmp_path: Path, name: str, path: str | None) -> None:
    file = two(tmp_path / "two.nc")
    with h5netcdf.File(file) as other:
        numbers = other["tmax"][:].astype("f8")
        values = np.where(numbers == 65535, np.nan, numbers * other["tmax"].attrs["scale_factor"] + 220)
    found = row(file, Band(path=path), name)
    truth = {"count": 7, "sum": np.nansum(values), "mean": np.nanmean(values), "min": 221, "max": 227}
    assert found == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize(
    "path", ["AllAngle_Composite_Snow_Free", "*/AllAngle_Composite_Snow_Free", EOS + "AllAngle_Composite_Snow_Free"]
)
def test_a_field_of_hdf_eos_is_named_by_its_end_a_pattern_or_its_path(tmp_path: Path, path: str) -> None:
    found = measured(eos(tmp_path / "tile.h5"), Band(path=path))
    assert found.table["sum"].to_pylist() == [pytest.approx(28, rel=1e-9)]
    assert found.table["count"].to_pylist() == [7]
    assert found.units == {"b": "nWatts/(cm^2 sr)"}


def test_the_only_dataset_of_an_hdf5_file_has_any_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["deep/inside"] = np.ones((2, 4), "f4")
    assert row(tmp_path / "one.h5", Band(path="*"))["sum"] == 8
    assert row(tmp_path / "one.h5")["sum"] == 8


def test_several_bands_of_one_file_are_measured_together(tmp_path: Path) -> None:
    process = Process(band=("tmax", "rain"), zones="", stats=("count", "mean"))
    source = Source("two.nc", path=two(tmp_path / "two.nc"), place=WORLD)
    table = measure([source], process, zones_of(BOX), scratch=tmp_path)
    rows = {row["band"]: (row["count"], row["mean"]) for row in table.table.to_pylist()}
    assert rows == {"tmax": (7, pytest.approx(224)), "rain": (8, 1)}
    assert table.units == {"tmax": "K", "rain": "mm"}


def packed(path: Path, name: str, file: Path) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(file, name)
    return path


def gzipped(path: Path, _name: str, file: Path) -> Path:
    path.write_bytes(gzip.compress(file.read_bytes()))
    return path


@pytest.mark.parametrize(("make", "ending"), [(packed, ".tgz"), (gzipped, ".nc.gz")])
def test_netcdf_in_an_archive_is_read(tmp_path: Path, make: Any, ending: str) -> None:
    archive = make(tmp_path / f"a{ending}", "inside/two.nc", two(tmp_path / "two.nc"))
    assert row(archive, name="tmax")["mean"] == pytest.approx(224)
    process = Process(band=("tmax", "rain"), zones="", valid={"band": "rain"}, stats=("mean",))
    source = Source(archive.name, path=archive, place=WORLD)
    table = measure([source], process, zones_of(BOX), scratch=tmp_path).table
    assert table["mean"].to_pylist() == [pytest.approx(224), 1]


def test_hdf5_in_an_archive_is_read(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.tgz", "tile.h5", eos(tmp_path / "tile.h5"))
    assert row(archive, Band(path="*_Snow_Free"))["sum"] == pytest.approx(28)


def test_a_pattern_that_several_variables_fit_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"tile.h5: has 2 variables that are '\*/AllAngle\*': AllAngle_Composite_Sn"):
        row(eos(tmp_path / "tile.h5"), Band(path="*/AllAngle*"))


def test_an_unknown_band_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"two.nc: has no band 'wind': its variables are tmax, rain"):
        row(two(tmp_path / "two.nc"), name="wind")
    archive = packed(tmp_path / "a.tgz", "two.nc", two(tmp_path / "two.nc"))
    with pytest.raises((RasterError, ArchiveError), match="has no band 'wind': its variables are tmax, rain"):
        row(archive, name="wind")


CHIRPS = ("chirps-v2.0.2015.01.tif", "chirps-v2.0.2015.01.31.tif", "VNP46A3.A2014001.h17v08.001.tif", "x.snow.tif")


@pytest.mark.parametrize("name", CHIRPS)
def test_a_star_is_the_only_band_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / name, np.full((2, 4), 3, "f4"))
    assert row(file, Band(path="*"), "rain") == {"count": 8, "sum": 24, "mean": 3, "min": 3, "max": 3}
    archive = gzipped(tmp_path / f"{name}.gz", name, file)
    assert row(archive, Band(path="*"), "rain")["sum"] == 24


def test_a_band_is_named_by_its_number_or_its_description(tmp_path: Path) -> None:
    path = write(tmp_path / "three.tif", np.ones((2, 4), "f4"), count=3)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("red", "green", "blue")
        for number in (2, 3):
            file.write(np.full((2, 4), number, "f4"), number)
    assert row(path, Band(path="3"))["mean"] == 3
    assert row(path, Band.model_validate({"path": 2}))["mean"] == 2
    assert row(path, Band(path="red"))["mean"] == 1
    assert row(path, name="green")["mean"] == 2
    archive = packed(tmp_path / "a.tgz", "three.tif", path)
    assert row(archive, name="green")["mean"] == 2
    with pytest.raises(RasterError, match="has 3 bands: name one of red, green, blue"):
        row(path, Band(path="*"))


@pytest.mark.parametrize(
    ("scale", "nodata", "total"),
    [("file", None, 28.0), ("none", None, 280.0), ((0.5, 1), None, 147.0), ("file", 70, 6574.5)],
)
def test_the_collection_may_say_scale_and_nodata(
    tmp_path: Path, scale: Any, nodata: float | None, total: float
) -> None:
    """7 numbers of sum 280 and one of 65535: times 0.1; as they are; half of each and one; without the 70."""
    band = Band(path="*_Snow_Free", scale=scale, nodata=nodata)
    assert row(eos(tmp_path / "tile.h5"), band)["sum"] == pytest.approx(total)


def test_values_outside_the_valid_range_do_not_count(tmp_path: Path) -> None:
    band = Band.model_validate({"path": "*_Snow_Free", "valid_range": [2, 5], "nodata": 65535})
    assert row(eos(tmp_path / "tile.h5"), band)["sum"] == pytest.approx(2 + 3 + 4 + 5)
    assert row(eos(tmp_path / "tile.h5"), band, range={"above": 2})["sum"] == pytest.approx(3 + 4 + 5)


def test_the_unit_is_the_collections_and_what_the_file_says_is_told(tmp_path: Path) -> None:
    found = measured(two(tmp_path / "two.nc"), Band(unit="degC"), "tmax")
    assert found.units == {"tmax": "degC"}
    assert "tmax is in degC as the collection says, and in K as files say" in found.notes
    same = measured(two(tmp_path / "two.nc"), Band(unit="K"), "tmax")
    assert not [note for note in same.notes if "tmax is in" in note]


def test_files_of_two_units_are_not_one_mosaic(tmp_path: Path) -> None:
    west, east = (
        write(tmp_path / "w.tif", np.ones((2, 2), "f4")),
        write(tmp_path / "e.tif", np.ones((2, 2), "f4"), west=2),
    )
    for path, unit in ((west, "mm"), (east, "inch")):
        with rasterio.open(path, "r+") as file:
            file.units = (unit,)
    process, sources = Process(band="b", zones=""), [Source(path.name, path=path) for path in (west, east)]
    with pytest.raises(RasterError, match=r"e.tif: has values in inch, and other files in mm: measure them separately"):
        measure(sources, process, zones_of(BOX), scratch=tmp_path)


def test_hdf4_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "MOD13A3.hdf").write_bytes(b"\x0e\x03\x13\x01" + bytes(100))
    with pytest.raises(RasterError, match="is HDF4, for which this build has no driver: convert it to netCDF or Geo"):
        row(tmp_path / "MOD13A3.hdf")


def test_a_gzip_of_something_else_is_no_raster(tmp_path: Path) -> None:
    (tmp_path / "b.tif.gz").write_bytes(gzip.compress(b"no raster at all" * 50))
    with pytest.raises(RasterError, match=r"b.tif.gz: is no raster of a known kind"):
        row(tmp_path / "b.tif.gz")
    bare = io.BytesIO(gzip.compress(b"x" * 999))
    with pytest.raises(ArchiveError, match=r"a.gz: lacks b: its members are a"):
        measure([Source("a.gz", open=lambda: bare)], Process(band="b", zones=""), zones_of(BOX), scratch=tmp_path)
