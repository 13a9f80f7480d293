"""Rasters that lie are refused in one sentence, before they cost memory."""

import io
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.documents import Process
from pileus.errors import PileusError, RasterError, ZonesError
from pileus.raster.gdal import SKIPPED, harden
from pileus.raster.signatures import GEOTIFF, KINDS, kind_of
from pileus.zonal import Source, measure
from spec.support.damage import RASTERS, damaged
from spec.support.hostile_rasters import SEEDS, rasters, tiff
from spec.support.sentences import one_sentence
from spec.support.zonal_reference import zones_of

ZONES = zones_of(shapely.box(0.5, 0.5, 2.5, 2.5), shapely.box(3, 3, 30, 38))
PROCESS = Process(band="b", zones="", stats=("count", "mean"))
CORPUS = sorted((Path(__file__).parents[1] / "corpus" / "rasters").glob("*"))


def measured(body: bytes, folder: Path, *, packed: bool) -> int:
    """Return how many rows there are for a raster, as a file or as the member of a tar."""
    path = folder / ("x.tar" if packed else "x.b.tif")
    if packed:
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo("x.b.tif")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    else:
        path.write_bytes(body)
    return measure([Source(path.name, path=path)], PROCESS, ZONES, scratch=folder, threads=1).table.num_rows


def refused(body: bytes, folder: Path, *, packed: bool) -> PileusError | None:
    """Return why a raster is refused; None for one that is measured."""
    try:
        measured(body, folder, packed=packed)
    except PileusError as error:
        return error
    return None


@pytest.mark.parametrize("packed", [False, True], ids=["a file", "a member"])
@pytest.mark.parametrize("name", rasters())
def test_a_raster_that_lies_is_refused_in_one_sentence(name: str, packed: bool, tmp_path: Path) -> None:
    body, said = rasters()[name]
    with pytest.raises(PileusError, match=said) as caught:
        measured(body, tmp_path, packed=packed)
    assert one_sentence(caught.value, "x.")


LIMITED = """
import resource, sys, pathlib
from spec.unit.hostile_rasters_spec import measured
from pileus.errors import RasterError
measured(pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[3]), packed=False)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    measured(pathlib.Path(sys.argv[2]).read_bytes(), pathlib.Path(sys.argv[3]), packed=False)
except RasterError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used)
"""


@pytest.mark.parametrize("name", ["a terapixel that is not there", "a strip of 4 GiB"])
def test_a_raster_that_claims_much_costs_little_memory(name: str, tmp_path: Path) -> None:
    sound, hostile, work = tmp_path / "sound", tmp_path / "hostile", tmp_path / "work"
    work.mkdir()
    sound.write_bytes(tiff())
    hostile.write_bytes(rasters()[name][0])
    command = [sys.executable, "-c", LIMITED, str(sound), str(hostile), str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 64 << 10  # KiB


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_sound(name: str, tmp_path: Path) -> None:
    said = refused(SEEDS[name](), tmp_path, packed=False)
    assert said is None or "its bands are 1, 2" in said.message


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_once_found_is_refused_or_measured(path: Path, tmp_path: Path) -> None:
    said = refused(path.read_bytes(), tmp_path, packed=False)
    assert said is None or one_sentence(said, "x.")


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.booleans(), st.randoms(use_true_random=False))
def test_a_damaged_raster_is_measured_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, packed: bool, chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("fuzz", numbered=True)
    said = refused(damaged(SEEDS[name](), chance, RASTERS), folder, packed=packed)
    assert said is None or one_sentence(said, "x.")
    assert {path.name for path in folder.iterdir()} <= {"x.tar", "x.b.tif"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_only_a_geotiff_opens_whatever_its_name(kind: object, tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    path.write_bytes(kind.starts[0] + bytes(20))  # type: ignore[attr-defined]
    if kind is GEOTIFF:
        assert kind_of(path, "x") is GEOTIFF
        return
    with pytest.raises(RasterError, match="under another name: expected it to end in"):
        kind_of(path, "x")
    named = path.rename(path.with_suffix(kind.endings[0]))  # type: ignore[attr-defined]
    assert kind_of(named, "x") is kind


@pytest.mark.parametrize("name", ["/vsicurl/http://127.0.0.1:9/x.tif", "/vsizip/x.zip/x.tif", "/vsimem/x", "\0"])
def test_a_name_of_gdals_own_is_no_file(name: str) -> None:
    with pytest.raises(RasterError, match="cannot be read"):
        kind_of(Path(name), "x")


DRIVERS = """
import rasterio, pyogrio
with rasterio.Env() as env:
    print(*env.drivers(), *pyogrio.list_drivers(), sep="|")
"""
HARMLESS = {"BAG", "BIGGIF", "BLX", "CTable2", "DIPEx", "ELAS", "FIT", "GIF", "OZI", "R", "Rasterlite", "S102", "S104",
            "S111", "SDTS", "SGI", "WEBP", "XPM"}  # fmt: skip


def test_a_hardened_process_has_no_driver_that_reads_something_else_and_says_nothing_about_it() -> None:
    environ = {"PROJ_NETWORK": "ON"}
    harden(environ)
    assert environ["PROJ_NETWORK"] == "ON"
    done = subprocess.run([sys.executable, "-c", DRIVERS], env=environ, capture_output=True, text=True, timeout=60)
    kept = {kind.driver for kind in KINDS} | {"COG", "MEM", "Memory", "HDF5Image"}
    zones = {"GeoJSON", "GPKG", "ESRI Shapefile", "FlatGeobuf"}
    assert set(done.stdout.strip().split("|")) <= kept | zones | HARMLESS
    assert done.stderr == ""
    assert not (kept | zones) & set(SKIPPED)


MAIN = "import sys; sys.argv = ['pileus', '--version']; from pileus.cli.main import main; main()"
WORKER = "from pileus.cli.worker import work; work()"


@pytest.mark.parametrize("start", [MAIN, WORKER], ids=["the command line", "a worker"])
def test_every_process_that_opens_such_files_is_hardened_before_gdal_is_loaded(start: str, tmp_path: Path) -> None:
    code = f"try:\n    {start}\nexcept (SystemExit, Exception):\n    pass\n{DRIVERS}"
    environ = {"PATH": os.defpath, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)
    drivers = done.stdout.splitlines()[-1].split("|")
    assert "GTiff" in drivers
    assert not {"VRT", "WMS", "OGR_VRT", "WFS", "HTTP", "MRF"} & set(drivers)


def test_a_raster_to_which_no_zone_can_be_brought_is_named(tmp_path: Path) -> None:
    with rasterio.MemoryFile() as memory:
        place = {"crs": "EPSG:3857", "transform": rasterio.Affine(1000, 0, 0, 0, -1000, 9000)}
        with memory.open(driver="GTiff", width=9, height=9, count=1, dtype="uint8", **place) as file:
            file.write(np.ones((1, 9, 9), "uint8"))
        body = memory.read()
    (tmp_path / "x.b.tif").write_bytes(body)
    beyond = zones_of(shapely.box(0, 0, 1, 95))  # the pole is at 90
    with pytest.raises(ZonesError, match=r"zones on .*x\.b\.tif: cannot be brought") as caught:
        measure([Source("x.b.tif", path=tmp_path / "x.b.tif")], PROCESS, beyond, scratch=tmp_path, threads=1)
    assert one_sentence(caught.value, "x.")
