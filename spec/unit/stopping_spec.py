"""Work that is told to stop stops within a file, not only between two files."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely

from pileus.documents import Process
from pileus.errors import HandedBack
from pileus.outputs.draw import Drawn, DrawTask, measure_and_draw
from pileus.raster.grid import Grid
from pileus.unpack.members import members
from pileus.zonal import Source, measure
from pileus.zonal.compile import compile_index
from spec.support.zonal_reference import write, zones_of

SIZE = 2048
"""Rows and columns: 16 MiB a raster, many reads of it."""
ZONES = zones_of(shapely.box(0, 0, SIZE, SIZE))
PROCESS = Process(band="light", zones="", stats=("count",))


class Told:
    """A check that stops the work the `at`th time that it is called."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls >= self.at:
            raise HandedBack("told to stop")


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("raster") / "A.light.tif", np.ones((SIZE, SIZE), "f4"))


def tgz(file: Path) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz", compresslevel=1) as tar:
        tar.add(file, file.name)
    return body.getvalue()


def zipped(file: Path) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, file.name)
    return body.getvalue()


PACKED: dict[str, Callable[[Path], bytes]] = {
    "A.tgz": tgz,
    "A.zip": zipped,
    "A.light.tif.gz": lambda file: gzip.compress(file.read_bytes(), 1),
    "A.light.tif": Path.read_bytes,
}


@pytest.mark.parametrize("name", PACKED)
def test_measuring_one_archive_stops_inside_it(raster: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(PACKED[name](raster))
    calm = Told(10**9)
    measure([Source(name, path=file)], PROCESS, ZONES, scratch=tmp_path, check=calm)
    assert calm.calls >= 16  # at least once a MiB
    with pytest.raises(HandedBack):
        measure([Source(name, path=file)], PROCESS, ZONES, scratch=tmp_path, check=Told(calm.calls // 2))
    assert list(tmp_path.iterdir()) == [file]


def test_passing_over_a_large_member_that_nobody_wants_stops(raster: Path) -> None:
    stream = io.BytesIO(tgz(raster))
    told = Told(12)
    with pytest.raises(HandedBack), members(stream, "a.tgz", check=told) as every:
        assert list(every)
    assert told.calls == 12


def test_drawing_stops_between_two_windows(raster: Path, tmp_path: Path) -> None:
    calm = Told(10**9)
    process, task = PROCESS.model_copy(update={"clips": True}), DrawTask("2015-01", {})

    def draw(check: Told) -> list[Drawn]:
        _, drawing = measure_and_draw(
            [Source(raster.name, path=raster)], process, ZONES, scratch=tmp_path, check=check, task=task
        )
        return list(drawing)

    assert len(draw(calm)) == 1
    with pytest.raises(HandedBack):
        draw(Told(calm.calls))


def test_compiling_many_zones_stops() -> None:
    boxes = [shapely.box(x, y, x + 0.9, y + 0.9) for x in range(100) for y in range(100)]
    zones = zones_of(*boxes, crs="EPSG:3857")
    grid = Grid(100, 100, 0, 100, 1, -1, "EPSG:3857")
    calm = Told(10**9)
    compile_index(zones, grid, check=calm)
    assert calm.calls == 20  # each for 500 zones
    with pytest.raises(HandedBack):
        compile_index(zones, grid, check=Told(5))
